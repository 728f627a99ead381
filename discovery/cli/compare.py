"""`autotts compare`: whether one controller beats another, by a paired bootstrap over questions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from discovery.cli.playing import named_controller, played, playing_options, say_what_is_missing
from discovery.cli.terminal import Format, cores, data_options, emit, percent, plain, progress, thousands
from discovery.comparison import Comparison, Pair, compare
from discovery.controllers import NamedController
from discovery.evaluation import Cell, Evaluator, load_keyed_store
from discovery.scorecard import make_panel
from replay.bootstrap import Estimate
from replay.episode import EpisodeSettings
from replay.errors import ControllerNameError, StoreError


def _gain(found: Estimate) -> str:
    """A difference of accuracies in percentage points, with its interval."""
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in (found.value, found.low, found.high)))


def _times(found: Estimate | None) -> str:
    """A ratio with its interval."""
    return "-" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


COLUMNS: Mapping[str, Format] = {
    "beta": plain,
    "accuracy_a": percent,
    "accuracy_b": percent,
    "difference": _gain,
    "tokens_a": thousands,
    "tokens_b": thousands,
    "ratio": _times,
}
"""Of the table, which shows estimates with their intervals in one column."""

AREA = "area"


@click.command("compare", epilog="Example: autotts compare winner.py cmc stores/*/aime25")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.argument("folders", nargs=-1, required=True, metavar="STORE...", type=click.Path(path_type=Path))
@click.option("--stores", is_flag=True, expose_value=False, help="May stand before the stores: A B --stores STORE...")
@playing_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed of the bootstrap.")
@data_options
def compare_(
    first: str,
    second: str,
    folders: tuple[Path, ...],
    seeds: int,
    workers: int | None,
    max_branches: int,
    probe_cost: int,
    archive_path: Path | None,
    seed: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell whether controller A beats controller B on stores.

    Both play the same episodes. Questions are drawn with replacement, the same for all models; the intervals hold 95 %
    of what comes out. Whole curves are compared at each beta and by frontier area; A and B may also be one setting
    each, such as cmc@0.5 and 'sc(n=64)'.
    """
    pair = named_controller(first, archive_path), named_controller(second, archive_path)
    if len(pair[0].betas) != len(pair[1].betas):
        raise ControllerNameError(
            f"{pair[0].name} and {pair[1].name} can't be compared: one is a whole curve, the other one setting",
            hint="give both as curves, such as cmc, or both as settings, such as cmc@0.5",
        )
    stores = [load_keyed_store(folder) for folder in folders]
    if len({digest for keyed in stores for digest in keyed.store.question_digests}) < 2:
        raise StoreError("a comparison needs at least two questions", hint="add stores with more questions")
    panel = make_panel(stores, [np.arange(len(keyed.store.questions)) for keyed in stores], range(seeds))
    settings = EpisodeSettings(max_branches=max_branches, probe_cost=probe_cost)
    cells: list[Sequence[Cell]] = []
    with (
        Evaluator(stores, workers=workers or cores(), settings=settings) as evaluator,
        progress("playing", 2) as report,
    ):
        for controller in pair:
            cells.append(played(evaluator, controller, panel).cells)
            report(len(cells), 2)
    say_what_is_missing(panel)
    names = (pair[0].name, pair[1].name) if pair[0].name != pair[1].name else (first, second)
    found = compare(names, (cells[0], cells[1]), panel, np.random.default_rng(seed))
    _print(found, pair, as_json=as_json, as_csv=as_csv)


def _print(found: Comparison, pair: tuple[NamedController, NamedController], *, as_json: bool, as_csv: bool) -> None:
    rows = _rows(found, pair)
    if as_json:
        whole = {"a": found.names[0], "b": found.names[1], "questions": found.n_questions, "verdict": found.verdict}
        click.echo(json.dumps(whole | {"rows": rows}, indent=1, ensure_ascii=False))
        return
    if as_csv:
        emit(rows, {}, as_json=False, as_csv=True)
        return
    title = f"A is {found.names[0]}, B is {found.names[1]}; intervals of 95 % over {found.n_questions} questions"
    emit(_table_rows(found, rows), COLUMNS, as_json=False, as_csv=False, title=title)
    click.echo(f"\n{found.verdict}")


def _table_rows(found: Comparison, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    estimates: list[dict[str, Any]] = [{"difference": pair.accuracy, "ratio": pair.tokens} for pair in found.pairs]
    estimates.append({"difference": found.area, "ratio": None})
    return [row | estimate for row, estimate in zip(rows, estimates, strict=False)]


def _rows(found: Comparison, pair: tuple[NamedController, NamedController]) -> list[dict[str, Any]]:
    """One row a beta, then one of the areas."""
    rows = [_pair_row(each, _shown_beta(each, pair)) for each in found.pairs]
    if found.areas is not None and found.area is not None:
        empty = dict.fromkeys(("tokens_a", "tokens_b", "ratio", "ratio_low", "ratio_high"))
        rows.append({"beta": AREA, **_accuracies(*found.areas, found.area), **empty})
    return rows


def _pair_row(pair: Pair, beta: float | None) -> dict[str, Any]:
    return {
        "beta": beta,
        **_accuracies(pair.a.accuracy, pair.b.accuracy, pair.accuracy),
        "tokens_a": pair.a.tokens,
        "tokens_b": pair.b.tokens,
        "ratio": pair.tokens.value,
        "ratio_low": pair.tokens.low,
        "ratio_high": pair.tokens.high,
    }


def _accuracies(a: float, b: float, difference: Estimate) -> dict[str, float]:
    return {
        "accuracy_a": a,
        "accuracy_b": b,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _shown_beta(pair: Pair, controllers: tuple[NamedController, NamedController]) -> float | None:
    """The beta, where both have the same one."""
    named = not any(controller.overrides for controller in controllers)
    return pair.beta_a if named and pair.beta_a == pair.beta_b else None
