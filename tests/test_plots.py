"""Plots: what is named is on them, files are of the right kind, labels keep clear of each other."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Annotation

from discovery.plots import Curve, Plot, PlotError, Rank, draw, write_plot
from replay.scoring import Scores


def scores(*points: tuple[float, float]) -> tuple[Scores, ...]:
    """Points of a curve: accuracy and tokens, of which self-consistency spends a million."""
    return tuple(Scores(accuracy, 0.05, tokens, tokens, tokens / 1e6) for accuracy, tokens in points)


def plot(*curves: Curve, title: str = "a title") -> Plot:
    return Plot(title, curves, 0.4)


ONE = Curve("one", scores((0.5, 1e4), (0.6, 2e4), (0.7, 9e4)))
OTHER = Curve("other", scores((0.45, 1e4), (0.55, 3e4), (0.71, 8.8e4)), Rank.BASELINE)
CROWD = Curve("nobody", scores((0.52, 1.5e4), (0.53, 1.6e4)), Rank.CROWD)
POINTS = Curve("#7", scores((0.62, 2.1e4), (0.63, 2.2e4)), Rank.POINTS)


def test_an_svg_holds_the_names_and_what_the_axes_mean(tmp_path: Path) -> None:
    path = tmp_path / "made" / "plot.svg"
    write_plot(plot(ONE, OTHER, CROWD, POINTS), path)
    text = path.read_text()
    assert all(f">{name}<" in text for name in ("one", "other", "#7", "a title", "tokens per question", "one branch"))
    assert "nobody" not in text


def test_the_same_plot_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        write_plot(plot(ONE), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_one(tmp_path: Path) -> None:
    write_plot(plot(ONE), tmp_path / "plot.PNG")
    assert (tmp_path / "plot.PNG").read_bytes().startswith(b"\x89PNG")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match=r"\.png or \.svg"):
        write_plot(plot(ONE), tmp_path / "plot.pdf")


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match="nothing to draw"):
        write_plot(plot(Curve("empty", ())), tmp_path / "plot.png")


def test_a_single_point_and_an_unknown_error_can_be_drawn(tmp_path: Path) -> None:
    write_plot(plot(Curve("dot", (Scores(0.5, float("nan"), 700.0, 700.0, 0.1),))), tmp_path / "dot.svg")
    assert "<svg" in (tmp_path / "dot.svg").read_text(encoding="utf-8")


def test_labels_of_points_close_together_do_not_cover_each_other() -> None:
    rng = np.random.default_rng(0)
    curves = [Curve(f"name {i}", scores((0.6 + 0.01 * rng.random(), 5e4 * (1 + rng.random())))) for i in range(9)]
    figure = draw(plot(*curves))
    figure.canvas.draw()
    labels = [text for text in figure.axes[0].texts if isinstance(text, Annotation) and text.get_text()[:4] == "name"]
    boxes = [label.get_window_extent() for label in labels]
    room = figure.bbox
    assert len(boxes) == 9
    for box in boxes:
        assert room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
    for one, other in combinations(boxes, 2):
        apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        assert apart


def test_long_titles_are_wrapped() -> None:
    figure = draw(plot(ONE, title="a store, " * 30))
    assert max(map(len, figure.axes[0].get_title(loc="left").splitlines())) <= 100
