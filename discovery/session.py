"""Puts a search together from a run's settings: the endpoint that is asked, the explorer, the search itself."""

from decimal import Decimal
from pathlib import Path
from threading import Event

from discovery.archive import Archive
from discovery.briefing import Briefing, Forecast, forecast
from discovery.config import RunConfig
from discovery.contrast import Told, contrasting_traces
from discovery.correspondent import Correspondent
from discovery.endpoint import Endpoint, Request
from discovery.errors import ArchiveError
from discovery.evaluation import Evaluator
from discovery.explorer import ModelExplorer
from discovery.grammar import GrammarExplorer
from discovery.loop import Search
from discovery.price import Price, to_usd
from discovery.proposal import Explorer, Parent
from discovery.records import Run
from prompts.context import TraceShown
from prompts.render import Renderer
from sandbox.dialect import describe_dialect


def make_endpoint(config: RunConfig) -> Endpoint | None:
    """The model that a run asks; None with the grammar.

    Raises:
        EndpointError: If the model is unknown, or its key is not in the environment.
    """
    if not config.model:
        return None
    from discovery.provider import LiteLLMEndpoint

    assert config.price is not None
    return LiteLLMEndpoint(config.model, Price.from_json(config.price), base_url=config.base_url)


def open_search(
    archive: Archive, run: Run, config: RunConfig, evaluator: Evaluator, endpoint: Endpoint | None, stop: Event
) -> Search:
    """The search of a run, as the archive has it.

    Args:
        archive: The archive; the caller holds the run's lock.
        run: The run.
        config: Its settings.
        evaluator: Plays episodes on its stores.
        endpoint: The model to ask; None for the grammar.
        stop: Set when the run is to end.

    Raises:
        PromptError: If the folder of templates is missing.
    """

    def make(search: Search) -> Explorer:
        if endpoint is None:
            return GrammarExplorer()
        return model_explorer(search, Correspondent(archive, run, endpoint, stopping=stop))

    return Search(archive, run, config, evaluator, make)


def model_explorer(search: Search, correspondent: Correspondent) -> ModelExplorer:
    """The explorer that asks a model on behalf of a search."""
    assert search.config.price is not None
    paid = not Price.from_json(search.config.price).is_free
    return ModelExplorer(correspondent, make_briefing(search), paid=paid, check=search.trials.check)


def make_briefing(search: Search) -> Briefing:
    """Writes the requests that a model is sent on behalf of a search.

    Raises:
        PromptError: If the folder of templates is missing.
    """
    config, questions = search.config, search.search.panel.questions

    def traces(failing: Parent, other: Parent) -> tuple[TraceShown, ...]:
        told = Told(failing.number, failing.source), Told(other.number, other.source)
        return contrasting_traces(search.evaluator, questions, *told)

    return Briefing(
        Renderer(Path(config.templates) if config.templates else None),
        max_reply_tokens=config.max_reply_tokens,
        dialect=describe_dialect(),
        advice=config.advice,
        traces=traces,
    )


def next_request(search: Search) -> Request:
    """What a model is, or would be, sent next on behalf of a search.

    Raises:
        PromptError: If a template can't be rendered.
        ArchiveError: If the run has nothing to tell of yet.
    """
    if not any(standing.sound for standing in search.standings.values()):
        raise ArchiveError(
            f"run {search.run.name} has no candidate that played through, so there is nothing to tell a model of yet",
            hint=f"continue it with: autotts discover --resume {search.run.name}",
        )
    situation, _ = search.next_situation()
    price = search.config.price
    paid = price is not None and not Price.from_json(price).is_free
    return make_briefing(search).proposal(situation, left_usd(search) if paid else None)


def forecast_next(search: Search) -> Forecast | None:
    """What the next request of a search can cost; None with an explorer that asks no model."""
    price = search.config.price
    return None if price is None else forecast(next_request(search), Price.from_json(price), left_usd(search))


def left_usd(search: Search) -> Decimal:
    """What is left of a search's budget."""
    balance = search.archive.exchanges.balance(search.run.id)
    return to_usd(max(0, balance.cap - balance.committed))
