"""`autotts discover`: starts or resumes a run."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import click
from click.core import ParameterSource

from discovery.archive import Archive
from discovery.cli.amounts import USD
from discovery.cli.archive import archive_option
from discovery.cli.drawing import draw, noting_the_end, say_forecast, stopping_on_interrupt, summarise
from discovery.cli.prompt import print_request
from discovery.cli.terminal import cores, dollars, stderr
from discovery.config import RunConfig, draw_validation, reopen_stores, use_stores
from discovery.endpoint import Endpoint
from discovery.evaluation import Evaluator, KeyedStore
from discovery.export import software
from discovery.lock import check_run_name
from discovery.loop import StopRules
from discovery.price import Price, to_microusd
from discovery.records import Run, RunStatus
from discovery.session import forecast_next, left_usd, make_endpoint, next_request, open_search
from replay.errors import AutoTTSError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

RESUME_OPTIONS = frozenset(
    "resume budget price_input price_output iterations minutes patience workers archive_path dry_run".split()
)
"""What can be set anew when a run is continued."""

FLAGS = {"layers": "require-layer", "name": "run"}
"""Options that are called otherwise here than on the command line."""


@click.command(epilog="Example: autotts discover stores/*/aime24 --budget 0 --iterations 60")
@click.argument("stores", nargs=-1, type=click.Path(path_type=Path), metavar="STORE...")
@click.option("--budget", type=USD, help="Dollars that the run may spend; never more. 0 needs no model.")
@click.option(
    "--model", default="", metavar="NAME", help="Model that proposes controllers, as litellm names it; else a grammar."
)
@click.option("--base-url", default="", metavar="URL", help="An OpenAI-compatible endpoint for the model.")
@click.option("--price-input", type=USD, help="USD per million prompt tokens, where the price is not known.")
@click.option("--price-output", type=USD, help="USD per million completion tokens.")
@click.option(
    "--iterations", type=click.IntRange(0), metavar="N", help="Proposals to try.  [default: 60 without a model]"
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="M", help="End after this long.")
@click.option(
    "--patience", type=click.IntRange(1), metavar="N", help="End after N iterations without a larger frontier area."
)
@click.option("--run", "name", metavar="NAME", help="Name of the run.  [default: the date and time]")
@click.option("--resume", metavar="RUN", help="Continue a run; --budget sets a new cap.")
@click.option("--dry-run", is_flag=True, help="Print the first request and what it can cost; send and write nothing.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), metavar="N", help="Seed of the run.")
@click.option(
    "--seeds",
    default=16,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Branch orders that each question is played in.",
)
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Processes at a time.  [default: one a core]")
@click.option(
    "--max-reply-tokens",
    default=16_384,
    show_default=True,
    type=click.IntRange(256),
    metavar="N",
    help="Longest reply that is paid for, reasoning included.",
)
@click.option("--advice/--no-advice", default=True, show_default=True, help="Advise the model on what tends to work.")
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of prompt templates that replace those shipped.",
)
@click.option(
    "--require-layer", "layers", multiple=True, metavar="NAME", help="Refuse to run without this sandbox layer."
)
@archive_option
@click.pass_context
def discover(ctx: click.Context, /, **given: Any) -> None:
    """Search for controllers on STOREs of recorded trajectories, within a budget.

    Ctrl-C ends the run after the call or trial in flight; everything paid for is kept. A second Ctrl-C ends it at once.
    """
    options = Options(**given)
    typed = {name for name in given if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    options.check(typed)
    with ExitStack() as stack:
        stop = stack.enter_context(stopping_on_interrupt())
        if options.dry_run:
            _look_ahead(options, stack, stop)
            return
        started = _continued(options, stack) if options.resume is not None else _begun(options, stack)
        archive, run, config = started.archive, started.run, started.config
        with noting_the_end(archive, run):
            search = open_search(archive, run, config, started.evaluator, started.endpoint, stop)
            ended = draw(search, options.rules(config), stop)
        summarise(archive, run.name, ended)
        if ended.status is RunStatus.FAILED:
            raise AutoTTSError(ended.reason, hint=f"continue with: autotts discover --resume {run.name}")
        if ended.status is RunStatus.STOPPED:
            ctx.exit(INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Started:
    """What a search needs, opened."""

    archive: Archive
    run: Run
    config: RunConfig
    evaluator: Evaluator
    endpoint: Endpoint | None


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
    dry_run: bool

    def check(self, typed: Collection[str]) -> None:
        """Refuses combinations that make no sense.

        Args:
            typed: Names of the options that stood on the command line.
        """
        if self.resume is not None and self.stores:
            raise click.UsageError("--resume takes its stores from the archive: leave out STORE")
        if self.resume is None and not self.stores:
            raise click.UsageError("name at least one STORE, or --resume a run")
        fixed = sorted(set(typed) - RESUME_OPTIONS) if self.resume is not None else ()
        if fixed:
            names = ", ".join(f"--{FLAGS.get(name, name).replace('_', '-')}" for name in fixed)
            raise click.UsageError(f"--resume goes on with the settings of the run: leave out {names}")
        if self.resume is None and self.budget is None:
            raise click.UsageError("--budget is missing: the dollars that the run may spend; 0 needs no model")
        prices = self.price_input is not None or self.price_output is not None
        if self.resume is None and not self.model and (self.base_url or prices):
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

    def repriced(self, config: RunConfig) -> RunConfig:
        """The settings of a run that is resumed, with new prices if there are any."""
        if self.price_input is None and self.price_output is None:
            return config
        if not config.model:
            raise click.UsageError("the run asks no model: leave out the prices")
        from discovery.provider import find_price

        found = find_price(
            config.model, base_url=config.base_url, input_usd=self.price_input, output_usd=self.price_output
        )
        return replace(config, price=found.to_json())

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


def _begun(options: Options, stack: ExitStack) -> Started:
    """A new run. Nothing is written before everything that can be wrong has been looked at."""
    name = options.name or f"{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}"
    check_run_name(name)
    config, keyed = options.new_run()
    endpoint = make_endpoint(config)
    evaluator = stack.enter_context(_evaluator(options, config, keyed))
    archive = stack.enter_context(Archive(options.archive_path, create=True))
    stack.enter_context(archive.lock(name))
    config = replace(config, layers=evaluator.pool.layers())
    assert options.budget is not None
    run = archive.create_run(name, config.to_json(), to_microusd(options.budget))
    return Started(archive, run, config, evaluator, endpoint)


def _continued(options: Options, stack: ExitStack) -> Started:
    """A run that the archive has."""
    archive = stack.enter_context(Archive(options.archive_path))
    run = archive.run(options.resume)
    stack.enter_context(archive.lock(run.name))
    config = options.repriced(RunConfig.from_json(run.config))
    keyed = reopen_stores(config)
    endpoint = make_endpoint(config)
    evaluator = stack.enter_context(_evaluator(options, config, keyed))
    cap = None if options.budget is None else to_microusd(options.budget)
    run = archive.continue_run(run, cap_microusd=cap, config=config.to_json())
    return Started(archive, run, config, evaluator, endpoint)


def _look_ahead(options: Options, stack: ExitStack, stop: Event) -> None:
    """Prints the next request and says what it can cost. Plays in an archive of its own that is thrown away."""
    if options.resume is not None:
        archive = stack.enter_context(Archive(options.archive_path))
        run = archive.run(options.resume)
        config = options.repriced(RunConfig.from_json(run.config))
        keyed = reopen_stores(config)
    else:
        config, keyed = options.new_run()
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="autotts-")))
        archive = stack.enter_context(Archive(folder / "archive.sqlite", create=True))
        cap = to_microusd(options.budget or Decimal(0))
        run = archive.create_run("dry-run", config.to_json(), cap)
    make_endpoint(config)
    evaluator = stack.enter_context(_evaluator(options, config, keyed))
    search = open_search(archive, run, config, evaluator, None, stop)
    stderr().print("dry run: nothing is sent, nothing is kept", markup=False)
    if not config.model:
        stderr().print("the grammar asks no model: `autotts prompt RUN` prints what one would be sent", markup=False)
        return
    if options.resume is None:
        draw(search, StopRules(iterations=0), stop)
    told = forecast_next(search)
    assert told is not None
    print_request(next_request(search))
    say_forecast(told, f"the {dollars(left_usd(search))} left of the budget")


def _evaluator(options: Options, config: RunConfig, keyed: Sequence[KeyedStore]) -> Evaluator:
    return Evaluator(keyed, workers=options.workers or cores(), require_layers=config.require_layers)
