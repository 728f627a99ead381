"""What the commands that play controllers on stores share: their options, a controller's episodes, and notes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from discovery.cli.terminal import stderr
from discovery.controllers import NamedController, find_controller
from discovery.evaluation import Evaluation, Evaluator
from discovery.scorecard import Panel
from replay.episode import DEFAULT_MAX_BRANCHES
from replay.errors import ControllerNameError
from replay.scoring import REFERENCE_WIDTH
from sandbox.pool import JobStatus

_OPTIONS = (
    click.option(
        "--seeds", default=64, show_default=True, type=click.IntRange(1, 10_000), help="Branch orders per question."
    ),
    click.option("--workers", type=click.IntRange(1, 256), help="Processes at a time.  [default: one a core]"),
    click.option(
        "--max-branches",
        default=DEFAULT_MAX_BRANCHES,
        show_default=True,
        type=click.IntRange(1, 255),
        help="Branches that an episode may open.",
    ),
    click.option(
        "--probe-cost", default=0, show_default=True, type=click.IntRange(0), help="Tokens that a probe costs."
    ),
    click.option(
        "--archive", "archive_path", type=click.Path(path_type=Path), help="Archive that candidates are found in."
    ),
)


plot_option = click.option(
    "--plot",
    "plot_path",
    type=click.Path(path_type=Path),
    help="Draw accuracy against tokens into a .png or .svg file.",
)


def playing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of how episodes are played."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def named_controller(name: str, archive_path: Path | None) -> NamedController:
    """A baseline, a file or a candidate of the archive.

    Raises:
        ControllerNameError: If nothing answers to the name.
    """
    from discovery.cli.archive import candidate_source

    return find_controller(name, lambda text: candidate_source(archive_path, text))


def played(evaluator: Evaluator, controller: NamedController, panel: Panel) -> Evaluation:
    """A controller's episodes.

    Raises:
        ControllerNameError: If it does not run to its end.
    """
    evaluation = evaluator.evaluate(
        controller.source,
        questions=panel.questions,
        seeds=panel.seeds,
        betas=controller.betas,
        overrides=controller.overrides,
    )
    if evaluation.status is not JobStatus.DONE:
        raise ControllerNameError(
            f"{controller.name} can't be scored: {evaluation.status.value}: {evaluation.message}",
            hint="mend the controller; the dialect is described in docs/sandbox.md",
        )
    return evaluation


def say_what_is_missing(panel: Panel) -> None:
    """Tells of stores on which costs are relative to fewer branches than usual."""
    for keyed, questions in zip(panel.stores, panel.questions, strict=True):
        fewest = min(keyed.store.n_branches(question) for question in questions.tolist())
        if fewest < REFERENCE_WIDTH:
            stderr().print(f"note: {keyed.store.name} has {fewest} branches; cost ratios are relative to SC({fewest})")
