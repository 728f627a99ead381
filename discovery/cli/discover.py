"""`autotts discover`: starts or resumes a run and draws what happens."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from discovery.contrast import Told, contrasting_traces
from discovery.evaluation import Evaluator, KeyedStore
from discovery.export import software
from discovery.loop import Committed, Ended, Search, StopRules
from discovery.price import Price, to_microusd
from discovery.proposal import Explorer, Parent
from discovery.records import Run, RunStatus
from prompts.context import TraceShown
from replay.errors import AutoTTSError
from sandbox.policy import describe_dialect

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
def discover(
    stores: tuple[Path, ...],
    budget: Decimal | None,
    model: str,
    base_url: str,
    price_input: Decimal | None,
    price_output: Decimal | None,
    iterations: int | None,
    minutes: float | None,
    patience: int | None,
    name: str | None,
    resume: str | None,
    seed: int,
    seeds: int,
    workers: int | None,
    max_reply_tokens: int,
    advice: bool,
    templates: Path | None,
    layers: tuple[str, ...],
    archive_path: Path,
) -> None:
    """Search for controllers on STOREs of recorded trajectories, within a budget.

    Ctrl-C ends the run after the calls in flight; everything paid for is kept. A second Ctrl-C ends it at once.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(stopping_on_interrupt())
        archive = stack.enter_context(Archive(archive_path, create=resume is None))
        if resume is not None:
            if stores:
                raise click.UsageError("--resume takes its stores from the archive: leave out STORE")
            run = archive.run(resume)
            config = RunConfig.from_json(run.config)
            keyed = reopen_stores(config)
        else:
            if not stores:
                raise click.UsageError("name at least one STORE, or --resume a run")
            if budget is None:
                raise click.UsageError("--budget is missing: the dollars that the run may spend; 0 needs no model")
            price = _price(model, base_url, price_input, price_output, budget)
            keyed, used = use_stores(stores)
            config = RunConfig(
                stores=used,
                seed=seed,
                n_seeds=seeds,
                validation=draw_validation(keyed, seed),
                explorer="model" if model else "grammar",
                model=model,
                base_url=base_url,
                max_reply_tokens=max_reply_tokens,
                advice=advice,
                templates=str(templates.resolve()) if templates else "",
                price=price.to_json() if price else None,
                require_layers=layers,
                software={key: str(value) for key, value in software().items()},
            )
            name = name or f"{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}"
            run = archive.create_run(name, config.to_json(), to_microusd(budget))
        stack.enter_context(archive.lock(run.name))
        cap = to_microusd(budget) if budget is not None else None
        if resume is not None:
            run = archive.continue_run(run, cap_microusd=cap)
        rules = _rules(config, iterations, minutes, patience)
        ended = _search(archive, run, config, keyed, rules, stop, workers or cores())
        _summary(archive, run.name, ended)
        if ended.status is RunStatus.FAILED:
            raise AutoTTSError(ended.reason, hint=f"continue with: autotts discover --resume {run.name}")


def _rules(config: RunConfig, iterations: int | None, minutes: float | None, patience: int | None) -> StopRules:
    if iterations is None and minutes is None and patience is None and config.explorer == "grammar":
        iterations = 60
    return StopRules(iterations, None if minutes is None else 60 * minutes, patience)


def _price(
    model: str, base_url: str, price_input: Decimal | None, price_output: Decimal | None, budget: Decimal
) -> Price | None:
    if not model:
        if base_url or price_input is not None or price_output is not None:
            raise click.UsageError("--base-url and prices go with --model")
        return None
    from discovery.provider import check_budget, find_price

    price = find_price(model, base_url=base_url, input_usd=price_input, output_usd=price_output)
    check_budget(price, budget, model)
    return price


def _search(
    archive: Archive,
    run: Run,
    config: RunConfig,
    keyed: Sequence[KeyedStore],
    rules: StopRules,
    stop: Event,
    workers: int,
) -> Ended:
    """Runs the search and draws it; returns how it ended."""
    console = stderr()
    with Evaluator(keyed, workers=workers, require_layers=config.require_layers) as evaluator:
        explorer = _explorer_maker(archive, run, config, evaluator, stop)
        search = Search(archive, run, config, evaluator, explorer)
        names = ", ".join(used.name for used in config.stores)
        console.print(
            f"run {run.name}: {names}; {config.model or 'grammar'}; budget {usd(run.cap_microusd)}", markup=False
        )
        with _drawing(rules) as draw:
            for event in search.events(rules, stop):
                if isinstance(event, Ended):
                    return event
                draw(event)
    raise AssertionError("a search ends with an Ended event")


def _explorer_maker(
    archive: Archive, run: Run, config: RunConfig, evaluator: Evaluator, stop: Event
) -> Callable[[Search], Explorer]:
    if config.explorer == "grammar":
        from discovery.grammar import GrammarExplorer

        return lambda search: GrammarExplorer()

    from discovery.correspondent import Correspondent
    from discovery.explorer import ModelExplorer
    from discovery.provider import LiteLLMEndpoint
    from prompts.render import Renderer

    assert config.price is not None
    price = Price.from_json(config.price)
    endpoint = LiteLLMEndpoint(config.model, price, base_url=config.base_url)
    correspondent = Correspondent(archive, run, endpoint, stopping=stop)
    renderer = Renderer(Path(config.templates) if config.templates else None)

    def make(search: Search) -> Explorer:
        def traces(failing: Parent, other: Parent) -> tuple[TraceShown, ...]:
            told = Told(failing.number, failing.source), Told(other.number, other.source)
            return contrasting_traces(evaluator, search.search.panel.questions, *told)

        return ModelExplorer(
            correspondent,
            renderer,
            max_reply_tokens=config.max_reply_tokens,
            dialect=describe_dialect(),
            advice=config.advice,
            paid=not price.is_free,
            check=search.trials.check,
            traces=traces,
        )

    return make


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
    console.print(f"winner: candidate {winner.number}, {areas}: {plain(winner.idea)}", markup=False)
    console.print(f"next: autotts archive show {name}:{winner.number}", markup=False)
    console.print(f"      autotts export {name}:{winner.number} -o winner.py", markup=False)
