"""`autotts discover`: starts or resumes a run and draws what happens."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Event
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from discovery.archive import Archive
from discovery.cli.archive import FRONT_COLUMNS, OpenRun, archive_option
from discovery.cli.terminal import cores, emit, percent, plain, safe, stderr, usd
from discovery.config import RunConfig, draw_validation, reopen_stores, use_stores
from discovery.evaluation import Evaluator, KeyedStore
from discovery.export import software
from discovery.loop import Committed, Ended, Search, StopRules
from discovery.price import Price, to_microusd
from discovery.records import RunStatus
from discovery.session import make_endpoint, open_search
from replay.errors import AutoTTSError

log = logging.getLogger(__name__)


class DollarType(click.ParamType[Decimal]):
    """An amount of 0 or more."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Reads the amount exactly."""
        try:
            amount = Decimal(str(value).removeprefix("$"))
        except InvalidOperation:
            amount = Decimal(-1)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is not an amount of dollars, such as 5 or 0.50", param, ctx)
        return amount


USD = DollarType()


@click.command(epilog="Example: autotts discover stores/*/aime24 --budget 0 --iterations 60")
@click.argument("stores", nargs=-1, type=click.Path(path_type=Path))
@click.option("--budget", type=USD, help="Dollars that the run may spend; never more. 0 needs no model.")
@click.option(
    "--model", default="", help="Model that proposes controllers, as litellm names it; without it, a grammar."
)
@click.option("--base-url", default="", help="An OpenAI-compatible endpoint for the model.")
@click.option("--price-input", type=USD, help="USD per million prompt tokens, where the price is not known.")
@click.option("--price-output", type=USD, help="USD per million completion tokens.")
@click.option("--iterations", type=click.IntRange(0), help="Proposals to try.  [default: 60 without a model]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="End after this long.")
@click.option("--patience", type=click.IntRange(1), help="End after this many iterations without a larger area.")
@click.option("--run", "name", help="Name of the run.  [default: the date and time]")
@click.option("--resume", metavar="RUN", help="Continue a run; --budget sets a new cap.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed of the run.")
@click.option(
    "--seeds", default=16, show_default=True, type=click.IntRange(1, 1000), help="Branch orders per question."
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes at a time.  [default: one a core]")
@click.option("--max-reply-tokens", default=16_384, show_default=True, type=click.IntRange(256))
@click.option("--advice/--no-advice", default=True, show_default=True, help="Advise the model on what tends to work.")
@click.option(
    "--templates", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Own prompt templates."
)
@click.option("--require-layer", "layers", multiple=True, help="Refuse to run without this sandbox layer.")
@archive_option
def discover(**given: Any) -> None:
    """Search for controllers on STOREs of recorded trajectories, within a budget.

    Ctrl-C ends the run after the calls in flight; everything paid for is kept. A second Ctrl-C ends it at once.
    """
    options = Options(**given)
    options.check()
    with ExitStack() as stack:
        stop = stack.enter_context(stopping_on_interrupt())
        if options.resume is not None:
            archive = stack.enter_context(Archive(options.archive_path))
            name = archive.run(options.resume).name
            config = RunConfig.from_json(archive.run(name).config)
            keyed = reopen_stores(config)
        else:
            name = options.name or f"{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}"
            config, keyed = options.new_run()
        endpoint = make_endpoint(config)
        workers = options.workers or cores()
        evaluator = stack.enter_context(Evaluator(keyed, workers=workers, require_layers=config.require_layers))
        if options.resume is None:
            archive = stack.enter_context(Archive(options.archive_path, create=True))
        stack.enter_context(archive.lock(name))
        cap = None if options.budget is None else to_microusd(options.budget)
        if options.resume is None:
            config = replace(config, layers=evaluator.pool.layers())
            run = archive.create_run(name, config.to_json(), cap or 0)
        else:
            run = archive.continue_run(archive.run(name), cap_microusd=cap)
        search = open_search(archive, run, config, evaluator, endpoint, stop)
        ended = _draw(search, options.rules(config), stop)
        _summary(archive, name, ended)
        if ended.status is RunStatus.FAILED:
            raise AutoTTSError(ended.reason, hint=f"continue with: autotts discover --resume {name}")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line gave."""

    stores: tuple[Path, ...]
    budget: Decimal | None
    model: str
    base_url: str
    price_input: Decimal | None
    price_output: Decimal | None
    iterations: int | None
    minutes: float | None
    patience: int | None
    name: str | None
    resume: str | None
    seed: int
    seeds: int
    workers: int | None
    max_reply_tokens: int
    advice: bool
    templates: Path | None
    layers: tuple[str, ...]
    archive_path: Path

    def check(self) -> None:
        """Refuses combinations that make no sense."""
        if self.resume is not None and self.stores:
            raise click.UsageError("--resume takes its stores from the archive: leave out STORE")
        if self.resume is None and not self.stores:
            raise click.UsageError("name at least one STORE, or --resume a run")
        if self.resume is None and self.budget is None:
            raise click.UsageError("--budget is missing: the dollars that the run may spend; 0 needs no model")
        if not self.model and (self.base_url or self.price_input is not None or self.price_output is not None):
            raise click.UsageError("--base-url and prices go with --model")

    def new_run(self) -> tuple[RunConfig, list[KeyedStore]]:
        """The settings of a new run, and its stores."""
        price = self._price()
        keyed, used = use_stores(self.stores)
        config = RunConfig(
            stores=used,
            seed=self.seed,
            n_seeds=self.seeds,
            validation=draw_validation(keyed, self.seed),
            explorer="model" if self.model else "grammar",
            model=self.model,
            base_url=self.base_url,
            max_reply_tokens=self.max_reply_tokens,
            advice=self.advice,
            templates=str(self.templates.resolve()) if self.templates else "",
            price=price.to_json() if price else None,
            require_layers=self.layers,
            software={key: str(value) for key, value in software().items()},
        )
        return config, keyed

    def rules(self, config: RunConfig) -> StopRules:
        """When the run ends by itself."""
        iterations = self.iterations
        if (iterations, self.minutes, self.patience) == (None, None, None) and config.explorer == "grammar":
            iterations = 60
        return StopRules(iterations, None if self.minutes is None else 60 * self.minutes, self.patience)

    def _price(self) -> Price | None:
        if not self.model:
            return None
        from discovery.provider import check_budget, find_price

        price = find_price(self.model, base_url=self.base_url, input_usd=self.price_input, output_usd=self.price_output)
        assert self.budget is not None
        check_budget(price, self.budget, self.model)
        return price


def _draw(search: Search, rules: StopRules, stop: Event) -> Ended:
    """Runs a search and draws it; returns how it ended."""
    run, config = search.run, search.config
    names = ", ".join(used.name for used in config.stores)
    head = f"run {run.name}: {names}; {config.model or 'grammar'}; budget {usd(run.cap_microusd)}"
    stderr().print(head, markup=False, soft_wrap=True)
    with _drawing(rules) as draw:
        for event in search.events(rules, stop):
            if isinstance(event, Ended):
                return event
            draw(event)
    raise AssertionError("a search ends with an Ended event")


@contextmanager
def stopping_on_interrupt() -> Iterator[Event]:
    """Sets the event on the first Ctrl-C; the second one raises KeyboardInterrupt."""
    stop = Event()

    def handle(signum: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("\nstopping: waiting for what is in flight; Ctrl-C again to leave at once", err=True)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _drawing(rules: StopRules) -> Iterator[Callable[[Committed], None]]:
    """A line for each candidate; on a terminal, a spinner with what is going on below."""
    console = stderr()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing the baselines")
        total = f" of {rules.iterations}" if rules.iterations is not None else ""

        def draw(event: Committed) -> None:
            console.print(_line(event), markup=False, soft_wrap=True)
            log.info("candidate %d: %s", event.candidate.number, event.candidate.status.value)
            bar.update(task, description=f"iteration {event.candidate.iteration + 1}{total}")

        yield draw


def _line(event: Committed) -> str:
    candidate, standing = event.candidate, event.standing
    mark = "*" if event.on_front else " "
    head = f"{mark} {candidate.number:>4}  {candidate.name or candidate.origin.value:<15}"
    tail = safe(candidate.idea)[:90]
    if standing is not None and standing.sound:
        return f"{head} area {percent(standing.area)}  {event.seconds:5.1f} s  {tail}"
    result = "out of reach" if standing is not None else candidate.status.value
    return f"{head} {result:<9}  {event.seconds:5.1f} s  {safe(candidate.error)[:90] or tail}"


def _summary(archive: Archive, name: str, ended: Ended) -> None:
    console = stderr()
    opened = OpenRun(archive, archive.run(name))
    balance = archive.exchanges.balance(opened.run.id)
    spent = f"spent {usd(balance.settled)} of {usd(balance.cap)}"
    if balance.unconfirmed:
        spent += f", {usd(balance.unconfirmed)} unconfirmed"
    console.print(f"{ended.status.value}: {ended.reason}; {spent}", markup=False)
    for row in archive.exchanges.spending(opened.run.id):
        parts = f"{row.purpose.value} {row.model} {row.became or 'open'}: {row.n_calls} calls, {usd(row.settled)}"
        console.print(f"  {parts}", markup=False)
    if not any(standing.sound for standing in opened.standings.values()):
        return
    emit(opened.front_rows(), FRONT_COLUMNS, as_json=False, as_csv=False, title=opened.title())
    winner = opened.winner()
    standing = opened.standings[winner.number]
    areas = f"area {percent(standing.area)} on search, {percent(standing.area_all)} on all questions"
    console.print(f"winner: candidate {winner.number}, {areas}: {plain(winner.idea)}", markup=False, soft_wrap=True)
    console.print(f"next: autotts archive show {name}:{winner.number}", markup=False)
    console.print(f"      autotts export {name}:{winner.number} -o winner.py", markup=False)
