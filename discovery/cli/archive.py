"""`autotts archive`: runs, candidates and the front, as the archive has them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.syntax import Syntax

from discovery.analysis import ALL_EPISODES, archived_settled_tokens
from discovery.archive import Archive
from discovery.cli.playing import plot_option
from discovery.cli.terminal import data_options, dollars, emit, moment, percent, plain, ratio, thousands, usd
from discovery.config import RunConfig, reopen_stores
from discovery.errors import ArchiveError
from discovery.plots import check_path, write_plot
from discovery.price import to_usd
from discovery.records import Candidate, Run, RunStatus
from discovery.replies import count_replies
from discovery.selection import front_points, pick_winner
from discovery.standings import ALL_QUESTIONS, SEARCH_ONLY, VALIDATION_ONLY, Measure, Standing, make_measure, stand
from replay.errors import ControllerNameError
from replay.split import Split

DEFAULT_ARCHIVE = Path("runs/archive.sqlite")

archive_option = click.option(
    "--archive",
    "archive_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_ARCHIVE,
    show_default=True,
    help="The archive.",
)


class DefaultGroup(click.Group):
    """A group that runs `list` when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command in front of options."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group(cls=DefaultGroup, epilog="Example: autotts archive front")
def archive() -> None:
    """Look at runs and candidates. Alone, it lists the runs."""


@archive.command("list", short_help="List the runs (the default).", epilog="Example: autotts archive list --json")
@archive_option
@data_options
def list_(archive_path: Path, as_json: bool, as_csv: bool) -> None:
    """List the runs: explorer, spend, candidates, why they ended."""
    with Archive(archive_path) as archive:
        rows = [_run_row(archive, run) for run in archive.runs()]
    emit(rows, RUN_COLUMNS, as_json=as_json, as_csv=as_csv)


RUN_COLUMNS = {
    "run": plain,
    "started": moment,
    "explorer": plain,
    "status": plain,
    "candidates": plain,
    "spent": dollars,
    "unconfirmed": dollars,
    "budget": dollars,
    "replies": plain,
    "unusable": plain,
    "reason": plain,
}


@archive.command(short_help="Show the best points of a run.", epilog="Example: autotts archive front --run monday")
@click.option("--run", "run_name", help="The run.  [default: the latest]")
@archive_option
@plot_option
@data_options
def front(run_name: str | None, archive_path: Path, plot_path: Path | None, as_json: bool, as_csv: bool) -> None:
    """Show the points of a run that nothing is both more accurate and cheaper than, on the search questions."""
    if plot_path is not None:
        check_path(plot_path)
    with Archive(archive_path) as archive:
        opened = OpenRun(archive, archive.run(run_name))
        rows = opened.front_rows()
        title = opened.title()
        if plot_path is not None:
            from discovery.cli.front_plot import front_plot

            write_plot(front_plot(opened), plot_path)
    emit(rows, FRONT_COLUMNS, as_json=as_json, as_csv=as_csv, title=title)


FRONT_COLUMNS = {
    "candidate": plain,
    "beta": plain,
    "accuracy": percent,
    "cost_ratio": ratio,
    "area": percent,
    "area_all": percent,
    "idea": plain,
}


@archive.command(short_help="Show a candidate.", epilog="Example: autotts archive show 12")
@click.argument("candidate", required=False)
@archive_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(candidate: str | None, archive_path: Path, as_json: bool) -> None:
    """Show a candidate: [RUN:]NUMBER.  [default: the latest run's winner]"""
    with Archive(archive_path) as archive:
        opened, found = find_candidate(archive, candidate)
        if as_json:
            emit([opened.described(found)], {}, as_json=True, as_csv=False)
            return
        _print_candidate(opened, found)


class OpenRun:
    """A run with what its figures are measured against."""

    def __init__(self, archive: Archive, run: Run) -> None:
        """Loads the run's stores.

        Raises:
            StoreError: If one of them is missing or has changed.
        """
        self.archive = archive
        self.run = run
        self.config = RunConfig.from_json(run.config)
        self._stores = reopen_stores(self.config)
        split = self.config.split(self._stores)
        self._split = split
        self.search = self._measure(SEARCH_ONLY)
        self.everything = self._measure(ALL_QUESTIONS)
        self.candidates = {candidate.number: candidate for candidate in archive.candidates(run)}
        self.standings = self._stand()

    def winner(self) -> Candidate:
        """The run's winner.

        Raises:
            ArchiveError: If no candidate is fit to win.
        """
        winner = pick_winner(list(self.standings.values()))
        if winner is None:
            hint = f"continue it with: autotts discover --resume {self.run.name}"
            raise ArchiveError(f"run {self.run.name} has no candidate that played through", hint=hint)
        return self.candidates[winner.number]

    def title(self) -> str:
        """One line on the run."""
        stores = ", ".join(used.name for used in self.config.stores)
        return f"run {self.run.name} on {stores}; winner: candidate {self.winner().number}"

    def front_rows(self) -> list[dict[str, Any]]:
        """The front, cheapest first."""
        rows = []
        for number, point in front_points(list(self.standings.values())):
            candidate, standing = self.candidates[number], self.standings[number]
            rows.append(
                {
                    "candidate": number,
                    "name": candidate.name or candidate.origin.value,
                    "beta": point.beta,
                    "accuracy": point.accuracy,
                    "cost_ratio": point.cost_ratio,
                    "area": standing.area,
                    "area_all": standing.area_all,
                    "idea": candidate.idea,
                }
            )
        return rows

    def described(self, candidate: Candidate) -> dict[str, Any]:
        """All that is known of a candidate, as plain values."""
        standing = self.standings.get(candidate.number)
        return {
            "run": self.run.name,
            "number": candidate.number,
            "name": candidate.name,
            "origin": candidate.origin.value,
            "parents": list(candidate.parents),
            "iteration": candidate.iteration,
            "status": candidate.status.value,
            "error": candidate.error,
            "idea": candidate.idea,
            "area": standing.area if standing else None,
            "area_all": standing.area_all if standing else None,
            "curve": self.curve_rows(candidate),
            "failures": [
                {"kind": failure.kind, "share": failure.share, "mean_tokens": failure.mean_tokens}
                for failure in self.archive.failures(candidate)
            ],
            "settled_tokens": archived_settled_tokens(candidate),
            "audits": [
                {"kind": audit.kind, "passed": audit.passed, "message": audit.message}
                for audit in self.archive.audits(candidate)
            ],
            "source_digest": candidate.source_digest,
            "source": candidate.source,
        }

    def curve_rows(self, candidate: Candidate) -> list[dict[str, Any]]:
        """Accuracy and cost ratio by beta on the search, the validation and all questions."""
        points = self.archive.points(candidate)
        rows: dict[float, dict[str, Any]] = {}
        for name, measure in (
            ("search", self.search),
            ("validation", self._measure(VALIDATION_ONLY)),
            ("all", self.everything),
        ):
            for point in measure.curve(points):
                row = rows.setdefault(point.beta, {"beta": point.beta})
                row |= {f"{name}_accuracy": point.accuracy, f"{name}_cost_ratio": point.cost_ratio}
        return list(rows.values())

    def _measure(self, parts: tuple[Split, ...]) -> Measure:
        return make_measure(self._stores, self._split, parts, self.config.seeds)

    def _stand(self) -> Mapping[int, Standing]:
        standings = {}
        for number, points in self.archive.points_of_run(self.run).items():
            standings[number] = stand(self.candidates[number], points, self.search, self.everything)
        return standings


def find_candidate(archive: Archive, text: str | None) -> tuple[OpenRun, Candidate]:
    """A candidate by [RUN:]NUMBER; without a number, the winner.

    Raises:
        ArchiveError: If there is none.
        ControllerNameError: If the form is wrong.
    """
    run_name, _, number = (text or "").rpartition(":")
    opened = OpenRun(archive, archive.run(run_name or None))
    if not number:
        return opened, opened.winner()
    if not number.isdecimal():
        raise ControllerNameError(f"{text!r} is not [RUN:]NUMBER", hint="for example: autotts archive show 12")
    return opened, archive.candidate(opened.run, int(number))


def candidate_source(archive_path: Path | None, text: str) -> str | None:
    """The source of [RUN:]NUMBER, or None if the text is not of that form or there is no archive."""
    path = archive_path or DEFAULT_ARCHIVE
    run_name, _, number = text.rpartition(":")
    if not number.isdecimal() or not path.is_file():
        return None
    with Archive(path) as archive:
        return archive.candidate(archive.run(run_name or None), int(number)).source


def _run_row(archive: Archive, run: Run) -> dict[str, Any]:
    """One run; its amounts in dollars."""
    config = RunConfig.from_json(run.config)
    balance = archive.exchanges.balance(run.id)
    n_replies, n_unusable = count_replies(archive.exchanges.spending(run.id))
    left = run.status is RunStatus.RUNNING and not archive.lock(run.name).is_held()
    return {
        "run": run.name,
        "started": run.started,
        "ended": run.ended,
        "explorer": config.model or config.explorer,
        "status": "left" if left else run.status.value,
        "candidates": len(archive.candidates(run)),
        "spent": float(to_usd(balance.settled)),
        "unconfirmed": float(to_usd(balance.unconfirmed)),
        "budget": float(to_usd(balance.cap)),
        "replies": n_replies,
        "unusable": n_unusable,
        "reason": f"its process is gone; go on with: autotts discover --resume {run.name}" if left else run.reason,
    }


def _print_candidate(opened: OpenRun, candidate: Candidate) -> None:
    standing = opened.standings.get(candidate.number)
    origin = candidate.name or candidate.origin.value
    built_on = f", built on {' and '.join(map(str, candidate.parents))}" if candidate.parents else ""
    click.echo(f"candidate {candidate.number} of run {opened.run.name}: {origin}{built_on}; {candidate.status.value}")
    if candidate.idea:
        click.echo(plain(candidate.idea))
    if candidate.error:
        click.echo(plain(candidate.error))
    if standing is not None:
        click.echo(f"frontier area: {percent(standing.area)} search, {percent(standing.area_all)} all questions")
    for audit in opened.archive.audits(candidate):
        click.echo(f"{audit.kind} audit {'passed' if audit.passed else 'failed'}: {plain(audit.message)}")
    curve = opened.curve_rows(candidate)
    if curve:
        columns = {key: ratio if key.endswith("ratio") else percent for key in curve[0]} | {"beta": plain}
        emit(curve, columns, as_json=False, as_csv=False)
    settled = archived_settled_tokens(candidate)
    failures = [
        {
            "failure": failure.kind,
            "share": failure.share,
            "tokens": failure.mean_tokens,
            "after_settled": settled.get(failure.kind),
        }
        for failure in opened.archive.failures(candidate)
    ]
    if failures:
        columns = {"failure": plain, "share": percent, "tokens": thousands, "after_settled": thousands}
        emit(failures, columns, as_json=False, as_csv=False)
    if ALL_EPISODES in settled:
        click.echo(f"tokens spent after the answer had settled: {thousands(settled[ALL_EPISODES])}k an episode")
    _print_replies(opened, candidate)
    _print_source(candidate.source)


def _print_replies(opened: OpenRun, candidate: Candidate) -> None:
    """What a model was asked for this candidate, and what became of its replies."""
    for call in opened.archive.exchanges.list(opened.run.id):
        if call.place.iteration == candidate.iteration and candidate.iteration:
            became = call.became or call.state.value
            click.echo(f"{call.place.purpose.value}: {plain(call.model)}, {usd(call.booked_microusd)}, {became}")


def _print_source(source: str) -> None:
    """Coloured on a terminal; off a terminal as it is, so that it can be piped into a file."""
    click.echo()
    if sys.stdout.isatty():
        Console(highlight=False).print(Syntax(source, "python", background_color="default", word_wrap=True))
    else:
        click.echo(source, nl=not source.endswith("\n"))
