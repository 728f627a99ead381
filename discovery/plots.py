"""Draws accuracy against tokens, as PNG or SVG. Takes scores as they are; loads matplotlib when something is drawn."""

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from discovery.front import nondominated
from discovery.labels import Label, place
from replay.errors import AutoTTSError
from replay.scoring import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
_SIZE_INCHES = (9.0, 5.6)
_DOTS_PER_INCH = 160
_TITLE_CHARACTERS = 100
_INK, _GREY, _PALE, _FRONT = "#222222", "#808080", "#b8b8b8", "#f2c14e"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5195", "#a6761d", "#56b4e9")
"""Told apart by most people with a colour vision deficiency (after Okabe and Ito)."""

_STYLE = {
    "font.size": 9.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "autotts",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class PlotError(AutoTTSError):
    """A plot can't be drawn or written."""


class Rank(StrEnum):
    """How much a curve stands out."""

    NAMED = "named"
    """A line with error bars and its name."""
    POINTS = "points"
    """Points with error bars and its name, not joined."""
    BASELINE = "baseline"
    """A line in grey, with its name."""
    CROWD = "crowd"
    """Pale dots without a name."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn of one controller.

    Attributes:
        name: Beside it; empty for none.
        points: Its scores, by ascending beta.
        rank: How much it stands out.
    """

    name: str
    points: tuple[Scores, ...]
    rank: Rank = Rank.NAMED


@dataclass(frozen=True, slots=True)
class Plot:
    """All that is drawn.

    Attributes:
        title: Above.
        curves: The controllers.
        single_branch: Accuracy of one branch alone.
    """

    title: str
    curves: tuple[Curve, ...]
    single_branch: float


def check_path(path: Path) -> None:
    """Refuses a file that is not of a known form, before any work is done.

    Raises:
        PlotError: If it isn't.
    """
    if path.suffix.lower() not in FORMATS:
        raise PlotError(f"{path} can't be drawn: a plot is a .png or .svg file", hint="for example: --plot front.png")


def write_plot(plot: Plot, path: Path) -> None:
    """Draws a plot into a file.

    Raises:
        PlotError: If it has no points, the file is of no known form, or can't be written.
    """
    check_path(path)
    if not any(curve.points for curve in plot.curves):
        raise PlotError("there is nothing to draw: no controller has any point")
    from matplotlib import rc_context

    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure = draw(plot)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=metadata)
        except OSError as error:
            raise PlotError(f"{path} can't be written: {error.strerror}", hint="choose another place") from error


def draw(plot: Plot) -> "Figure":
    """The figure of a plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    front = _draw_front(axes, plot)
    labels = _draw_curves(axes, plot)
    _draw_axes(axes, plot)
    lines = [front]
    for curve in plot.curves:
        path = [(point.tokens, 100 * point.accuracy) for point in curve.points]
        lines += [path] if curve.rank in (Rank.NAMED, Rank.BASELINE) else [[corner] for corner in path]
    place(axes, labels, lines)
    return figure


def _draw_front(axes: "Axes", plot: Plot) -> list[tuple[float, float]]:
    """A band along what nothing is both more accurate and cheaper than; returns its corners."""
    points = [point for curve in plot.curves for point in curve.points]
    kept = nondominated([(point.accuracy, point.tokens) for point in points])
    front = sorted(
        ((point.tokens, 100 * point.accuracy) for point, keep in zip(points, kept, strict=True) if keep),
    )
    tokens, accuracies = zip(*front, strict=True)
    axes.step(tokens, accuracies, where="post", color=_FRONT, linewidth=7, alpha=0.45, solid_capstyle="round", zorder=1)
    axes.scatter(tokens, accuracies, s=70, facecolor="white", edgecolor=_FRONT, linewidth=1.8, zorder=3)
    corners = [(after[0], before[1]) for before, after in pairwise(front)]
    return sorted([*front, *corners])


def _draw_curves(axes: "Axes", plot: Plot) -> list[Label]:
    labels: list[Label] = []
    n_coloured = 0
    for curve in plot.curves:
        tokens = [point.tokens for point in curve.points]
        accuracies = [100 * point.accuracy for point in curve.points]
        if curve.rank is Rank.CROWD:
            axes.scatter(tokens, accuracies, s=7, color=_PALE, linewidth=0, zorder=2)
            continue
        muted = curve.rank is Rank.BASELINE
        colour = _GREY if muted else _COLOURS[n_coloured % len(_COLOURS)]
        n_coloured += not muted
        errors = [0 if math.isnan(point.standard_error) else 100 * point.standard_error for point in curve.points]
        faint = 0.15 if muted else 0.25
        axes.errorbar(tokens, accuracies, errors, fmt="none", ecolor=colour, elinewidth=0.9, alpha=faint, zorder=2)
        style = "none" if curve.rank is Rank.POINTS else "-"
        width, size = (0.9, 3) if muted else (1.6, 4)
        axes.plot(tokens, accuracies, color=colour, ls=style, lw=width, marker="o", markersize=size, zorder=4)
        if curve.name:
            last = max(range(len(tokens)), key=tokens.__getitem__)
            labels.append(Label(curve.name, (tokens[last], accuracies[last]), colour))
    return labels


def _draw_axes(axes: "Axes", plot: Plot) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    points = [point for curve in plot.curves for point in curve.points]
    least, most = min(point.tokens for point in points) / 1.25, max(point.tokens for point in points) * 1.5
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(FixedLocator(_round_values(least, most)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_tokens))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_xlabel("tokens per question")
    axes.set_ylabel("accuracy (%)")
    axes.set_title(fill(plot.title, _TITLE_CHARACTERS), loc="left", color=_INK, fontsize=10.5, pad=12)
    _draw_notes(axes, plot)
    _draw_ratios(axes, max(point.tokens / point.cost_ratio for point in points))


def _draw_notes(axes: "Axes", plot: Plot) -> None:
    """What one branch is worth, and what band and bars are."""
    single = 100 * plot.single_branch
    across = axes.get_yaxis_transform()
    axes.axhline(single, color=_PALE, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.text(0.99, single, "one branch", transform=across, color=_GREY, va="bottom", ha="right", fontsize=8)
    note = "band: nothing is both more accurate and cheaper\nbars: one standard error over questions"
    axes.annotate(
        note, (1, 0), (0, -24), "axes fraction", "offset points", color=_GREY, va="top", ha="right", fontsize=7.5
    )


def _draw_ratios(axes: "Axes", reference_tokens: float) -> None:
    """A second axis on top: tokens relative to self-consistency."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    top = axes.twiny()
    top.set_xscale("log")
    least, most = (limit / reference_tokens for limit in axes.get_xlim())
    top.set_xlim(least, most)
    powers = range(math.ceil(math.log2(least)), math.floor(math.log2(most)) + 1)
    top.xaxis.set_major_locator(FixedLocator([2.0**power for power in powers]))
    top.xaxis.set_minor_locator(NullLocator())
    top.xaxis.set_major_formatter(FuncFormatter(_ratio))
    top.tick_params(colors=_GREY, labelsize=8)
    top.spines["top"].set_visible(False)
    top.set_xlabel("tokens / tokens of SC(64)", color=_GREY, fontsize=8)


def _round_values(least: float, most: float) -> list[float]:
    """Round numbers between two, some three to eight of them if the range allows."""
    steps = (1.0, 2.0, 5.0) if most / least > 8 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    values = (step * 10.0**decade for decade in decades for step in steps)
    return [value for value in values if least <= value <= most]


def _tokens(tokens: float, _: object = None) -> str:
    """500, 20k, 1M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= unit:
            return f"{tokens / unit:g}{name}"
    return f"{tokens:g}"


def _ratio(ratio: float, _: object = None) -> str:
    """1, 2, or 1/2, 1/4 ..."""
    return f"1/{1 / ratio:.0f}" if ratio < 0.99 else f"{ratio:g}"
