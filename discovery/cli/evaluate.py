"""`autotts evaluate`: scores of controllers on stores."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from discovery.cli.playing import named_controller, played, playing_options, plot_option, say_what_is_missing
from discovery.cli.terminal import cores, data_options, emit, percent, plain, progress, ratio, thousands
from discovery.controllers import NamedController
from discovery.evaluation import Evaluation, Evaluator, load_keyed_store
from discovery.plots import Curve, Plot, check_path, write_plot
from discovery.scorecard import Panel, area, curve, make_panel, single_branch
from replay.baselines import NAMES
from replay.episode import EpisodeSettings
from replay.errors import ControllerNameError, StoreError
from replay.scoring import Scores
from replay.store import METADATA_FILE

COLUMNS = {
    "controller": plain,
    "store": plain,
    "beta": plain,
    "accuracy": percent,
    "standard_error": percent,
    "tokens": thousands,
    "sequential_tokens": thousands,
    "cost_ratio": ratio,
    "area": percent,
    "errors": plain,
}
ALL_STORES = "mean"


@click.command(
    epilog="Example: autotts evaluate stores/*/aime25 winner.py sc asc cmc@0.5 'sc(n=16)'",
)
@click.argument("names", nargs=-1, required=True, metavar="STORE... CONTROLLER...")
@click.option("--baselines", is_flag=True, help="Add every baseline at its published setting.")
@playing_options
@plot_option
@data_options
def evaluate(
    names: tuple[str, ...],
    baselines: bool,
    seeds: int,
    workers: int | None,
    max_branches: int,
    probe_cost: int,
    archive_path: Path | None,
    plot_path: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Score controllers on stores.

    A CONTROLLER is a baseline (sc, asc, esc, parallel_probe, short_m_k, adaptive_short, cmc), a file, or a candidate of
    the archive (RUN:NUMBER). Alone it is scored at betas 0, 0.1 ... 1; NAME@BETA is one beta, 'NAME(key=value)'
    replaces constants.
    """
    folders = [Path(name) for name in names if Path(name, METADATA_FILE).is_file()]
    wanted = [name for name in names if not Path(name, METADATA_FILE).is_file()]
    for name in wanted:
        _check_place(name)
    controllers = list(_controllers(wanted, baselines, archive_path))
    if not folders:
        raise ControllerNameError("no store was given", hint="give a folder made by: autotts store import FILE.json")
    if not controllers:
        raise ControllerNameError("no controller was given", hint="name one, such as cmc, or use --baselines")
    if plot_path is not None:
        check_path(plot_path)
    stores = [load_keyed_store(folder) for folder in folders]
    questions = [np.arange(len(keyed.store.questions)) for keyed in stores]
    panel = make_panel(stores, questions, range(seeds))
    settings = EpisodeSettings(max_branches=max_branches, probe_cost=probe_cost)
    rows: list[dict[str, Any]] = []
    curves: list[Curve] = []
    with (
        Evaluator(stores, workers=workers or cores(), settings=settings) as evaluator,
        progress("controllers", len(controllers)) as report,
    ):
        for done, controller in enumerate(controllers, 1):
            evaluation = played(evaluator, controller, panel)
            rows += _rows(controller, evaluation, panel)
            curves.append(Curve(controller.name, tuple(curve(evaluation.cells, panel).values())))
            report(done, len(controllers))
    say_what_is_missing(panel)
    emit(rows, COLUMNS, as_json=as_json, as_csv=as_csv)
    if plot_path is not None:
        title = f"{', '.join(keyed.store.name for keyed in stores)} ({seeds} seeds)"
        write_plot(Plot(title, tuple(curves), single_branch(panel)), plot_path)


PUBLISHED = (
    "sc(n=64)",
    "asc(n=64)",
    "esc(n=64)",
    "parallel_probe(n=64)",
    "short_m_k(m=16, k=64)",
    "adaptive_short(n=64)",
    "cmc@0.5",
    "cmc@1",
)
assert {name.partition("@")[0].partition("(")[0] for name in PUBLISHED} == set(NAMES)


def _check_place(name: str) -> None:
    """Refuses a path at which there is nothing to score or to score on."""
    stem = Path(name.partition("@")[0].partition("(")[0])
    if stem.is_dir() or (len(stem.parts) > 1 and not stem.is_file()):
        raise StoreError(f"{name} is neither a store nor a controller", hint="autotts store import makes stores")


def _controllers(wanted: Iterable[str], baselines: bool, archive_path: Path | None) -> Iterable[NamedController]:
    for name in (*wanted, *(PUBLISHED if baselines else ())):
        yield named_controller(name, archive_path)


def _rows(controller: NamedController, evaluation: Evaluation, panel: Panel) -> Iterable[dict[str, Any]]:
    by_store = {index: [cell for cell in evaluation.cells if cell.store == index] for index in range(len(panel.stores))}
    parts = {panel.stores[index].store.name: cells for index, cells in by_store.items()}
    if len(parts) > 1:
        parts[ALL_STORES] = list(evaluation.cells)
    for index, (store, cells) in enumerate(parts.items()):
        scores = curve(cells, panel)
        part = panel.of_store(index) if store != ALL_STORES else panel
        for beta, scored in scores.items():
            errors = sum(cell.n_errors for cell in cells if cell.beta == beta)
            yield _row(controller, store, beta, scored, area(scores, part), errors)


def _row(
    controller: NamedController, store: str, beta: float, scored: Scores, frontier_area: float, errors: int
) -> dict[str, Any]:
    whole_curve = len(controller.betas) > 1
    return {
        "controller": controller.name,
        "store": store,
        "beta": None if controller.overrides else beta,
        "accuracy": scored.accuracy,
        "standard_error": scored.standard_error,
        "tokens": scored.tokens,
        "sequential_tokens": scored.sequential_tokens,
        "cost_ratio": scored.cost_ratio,
        "area": frontier_area if whole_curve else None,
        "errors": errors or None,
    }
