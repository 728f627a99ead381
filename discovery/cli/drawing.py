"""Draws a search on stderr while it runs, and says at the end what it came to. Decides nothing."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from discovery.archive import Archive
from discovery.briefing import Forecast
from discovery.cli.archive import FRONT_COLUMNS, OpenRun
from discovery.cli.terminal import clipped, dollars, emit, percent, stderr, usd
from discovery.config import RUN_BASELINES
from discovery.errors import ArchiveError
from discovery.loop import Committed, Ended, Search, StopRules
from discovery.price import REQUEST_OVERHEAD_TOKENS
from discovery.records import Run, RunStatus
from discovery.replies import count_replies
from discovery.session import forecast_next
from replay.errors import AutoTTSError

log = logging.getLogger(__name__)

_LINE_BEFORE_IDEA = 54
_STOPPING = b"\nstopping: waiting for the call or trial in flight; Ctrl-C again leaves it at once\n"


def draw(search: Search, rules: StopRules, stop: Event) -> Ended:
    """Runs a search and draws it; returns how it ended."""
    run, config = search.run, search.config
    names = ", ".join(used.name for used in config.stores)
    budget = f"; budget {usd(run.cap_microusd)}" if config.model else ""
    stderr().print(f"run {run.name}: {names}; {config.model or 'grammar'}{budget}", markup=False, soft_wrap=True)
    with _drawing(rules) as draw_candidate:
        warned = _warn_if_poor(search)
        for event in search.events(rules, stop):
            if isinstance(event, Ended):
                return event
            draw_candidate(event)
            warned = warned or _warn_if_poor(search)
    raise AssertionError("a search ends with an Ended event")


@contextmanager
def stopping_on_interrupt() -> Iterator[Event]:
    """Sets the event on the first Ctrl-C, or when asked to terminate; the second time raises KeyboardInterrupt."""
    stop = Event()

    def handle(signum: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _STOPPING)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def noting_the_end(archive: Archive, run: Run) -> Iterator[None]:
    """Notes in the archive why a run ended that did not end by its own rules."""
    try:
        yield
    except KeyboardInterrupt:
        archive.exchanges.hold_abandoned(run.id)
        archive.end_run(run, RunStatus.STOPPED, "interrupted by a person")
        unconfirmed = archive.exchanges.balance(run.id).unconfirmed
        left = f"; {usd(unconfirmed)} is unconfirmed" if unconfirmed else ""
        stderr().print(f"left at once{left}; continue with: autotts discover --resume {run.name}", markup=False)
        raise
    except AutoTTSError as error:
        with suppress(ArchiveError):
            archive.end_run(run, RunStatus.FAILED, str(error))
        raise


def summarise(archive: Archive, name: str, ended: Ended) -> None:
    """Says how a run ended, what it spent, what became of the replies, and what it found."""
    console = stderr()
    run = archive.run(name)
    _account(console, archive, run, ended)
    opened = OpenRun(archive, run)
    if not any(standing.sound for standing in opened.standings.values()):
        return
    emit(opened.front_rows(), FRONT_COLUMNS, as_json=False, as_csv=False, title=opened.title())
    winner = opened.winner()
    standing = opened.standings[winner.number]
    areas = f"area {percent(standing.area)} on search, {percent(standing.area_all)} on all questions"
    told = f"winner: candidate {winner.number}, {areas}: {clipped(winner.idea, 300)}"
    console.print(told, markup=False, soft_wrap=True)
    place = "" if archive.path.as_posix() == "runs/archive.sqlite" else f" --archive {archive.path}"
    console.print(f"next: autotts archive show {name}:{winner.number}{place}", markup=False, soft_wrap=True)
    export = f"autotts export {name}:{winner.number} -o winner.py{place}"
    console.print(f"      {export}", markup=False, soft_wrap=True)


def say_forecast(told: Forecast, left: str) -> None:
    """Says what the next request can cost, on stderr."""
    console = stderr()
    bound = told.n_bytes + REQUEST_OVERHEAD_TOKENS
    lines = [
        f"request: {told.n_bytes:,} bytes, about {told.n_tokens:,} tokens and at most {bound:,}",
        f"reply: at most {told.max_tokens:,} tokens",
    ]
    if told.n_proposals is None:
        lines.append("cost: none")
    else:
        lines.append(f"worst case: {dollars(told.worst_case_usd)} a proposal")
        lines.append(f"{left} pays for at least {told.n_proposals} proposals")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if told.is_poor:
        say_poor(told)


def say_poor(told: Forecast) -> None:
    """Warns of a budget that is sure of very few proposals."""
    worst = dollars(told.worst_case_usd)
    count = {0: "no proposal", 1: "only one proposal"}.get(told.n_proposals or 0, f"only {told.n_proposals} proposals")
    warning = f"warning: what is left of the budget is sure to pay for {count} at {worst} each"
    stderr().print(f"{warning}; raise --budget or lower --max-reply-tokens", markup=False, soft_wrap=True)


def _warn_if_poor(search: Search) -> bool:
    """Once the first request can be written: warns if the budget buys few like it. Whether that has been looked at."""
    if not {candidate.name for candidate in search.candidates}.issuperset(RUN_BASELINES):
        return False
    told = forecast_next(search)
    if told is not None and told.is_poor:
        say_poor(told)
    return True


@contextmanager
def _drawing(rules: StopRules) -> Iterator[Callable[[Committed], None]]:
    """A line for each candidate; on a terminal, a spinner with what is going on below."""
    console = stderr()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing the baselines")
        total = f" of {rules.iterations}" if rules.iterations is not None else ""

        def draw_candidate(event: Committed) -> None:
            width = console.width if console.is_terminal else 160
            console.print(_line(event, width - _LINE_BEFORE_IDEA), markup=False, soft_wrap=True)
            log.info("candidate %d: %s", event.candidate.number, event.candidate.status.value)
            bar.update(task, description=f"iteration {event.candidate.iteration + 1}{total}")

        yield draw_candidate


def _line(event: Committed, room: int) -> str:
    candidate, standing = event.candidate, event.standing
    mark = "*" if event.on_front else " "
    head = f"{mark} {candidate.number:>4}  {candidate.name or candidate.origin.value:<15}"
    if standing is not None and standing.sound:
        result, tail = f"area {percent(standing.area)}", candidate.idea
    elif standing is not None:
        result, tail = "out of reach", candidate.idea
    else:
        result, tail = candidate.status.value, candidate.error or candidate.idea
    return f"{head} {result:<12}  {event.seconds:5.1f} s  {clipped(tail, max(20, room))}"


def _account(console: Console, archive: Archive, run: Run, ended: Ended) -> None:
    reason = "" if ended.status is RunStatus.FAILED else f": {ended.reason}"
    balance = archive.exchanges.balance(run.id)
    spending = archive.exchanges.spending(run.id)
    console.print(f"{ended.status.value}{reason}", markup=False, soft_wrap=True)
    if not spending and not balance.cap:
        return
    unconfirmed = f", {usd(balance.unconfirmed)} unconfirmed" if balance.unconfirmed else ""
    console.print(f"spent {usd(balance.settled)} of {usd(balance.cap)}{unconfirmed}", markup=False)
    for row in spending:
        calls = "1 call" if row.n_calls == 1 else f"{row.n_calls} calls"
        console.print(
            f"  {row.purpose.value} {row.became}: {calls}, {usd(row.settled + row.unconfirmed)}", markup=False
        )
    n_replies, n_unusable = count_replies(spending)
    if n_replies:
        share = percent(n_unusable / n_replies)
        console.print(f"unusable replies: {n_unusable} of {n_replies} ({share} %)", markup=False)
