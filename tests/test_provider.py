"""What each kind of answer does to the ledger, over real HTTP, through litellm as it is installed."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from discovery.archive import Archive
from discovery.correspondent import Correspondent
from discovery.endpoint import Backoff, NoReply, Reply, Request
from discovery.errors import EndpointError, OverclaimError, PriceError
from discovery.price import Price, to_usd
from discovery.provider import LiteLLMEndpoint, check_budget, find_price
from discovery.records import Exchange, ExchangeState, LedgerKind, Place, Purpose
from tests.endpoint import DISHONEST, FREE, HELD, SETTLED, Behaviour, Endpoint

PRICE = find_price("any", input_usd=Decimal(1), output_usd=Decimal(4))
HERE = Place(1, 0, Purpose.PROPOSAL)
REQUEST = Request(({"role": "user", "content": "write a controller, écrivez-le ✎"},), max_tokens=500)
ONCE = Backoff(n_free=1, n_held=1, first_seconds=0.0)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        yield archive


def _ask(archive: Archive, endpoint: LiteLLMEndpoint, backoff: Backoff = ONCE) -> tuple[Exchange, Correspondent]:
    """The first exchange of a new run, however it ended."""
    run = archive.create_run("run", {}, 10_000_000)
    correspondent = Correspondent(archive, run, endpoint, backoff=backoff)
    with suppress(EndpointError):
        correspondent.ask(REQUEST, HERE)
    return archive.exchanges.list(run.id)[0], correspondent


def _endpoint(base_url: str, timeout_seconds: float = 30.0) -> LiteLLMEndpoint:
    return LiteLLMEndpoint("some-model", PRICE, base_url=base_url, timeout_seconds=timeout_seconds)


@pytest.mark.parametrize("behaviour", sorted(SETTLED))
def test_a_reply_with_usage_is_settled_at_what_the_endpoint_charged(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour, seed=3) as server:
        exchange, _ = _ask(archive, _endpoint(server.base_url))
    assert exchange.closed is LedgerKind.SETTLE
    assert exchange.state is ExchangeState.ANSWERED
    assert exchange.reply == ("" if behaviour is Behaviour.EMPTY else "a reply")
    assert 0 <= to_usd(exchange.booked_microusd) - server.charged_usd < Decimal("1e-6")


@pytest.mark.parametrize("behaviour", sorted(FREE))
def test_a_refusal_is_released(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour) as server:
        exchange, _ = _ask(archive, _endpoint(server.base_url))
    assert len(server.books) == 1
    assert (exchange.closed, exchange.booked_microusd) == (LedgerKind.RELEASE, 0)
    assert (exchange.state, exchange.status_code) == (ExchangeState.REFUSED, int(behaviour))


@pytest.mark.parametrize("behaviour", sorted(HELD))
def test_what_can_not_be_known_is_held_in_full(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour, slow_seconds=5.0) as server:
        exchange, _ = _ask(
            archive, _endpoint(server.base_url, timeout_seconds=0.5 if behaviour is Behaviour.SLOW else 30)
        )
    assert len(server.books) == 1
    assert exchange.closed is LedgerKind.HOLD, exchange
    assert exchange.booked_microusd == exchange.reserved_microusd > 0
    assert archive.exchanges.balance(1).unconfirmed == exchange.reserved_microusd


@pytest.mark.parametrize("behaviour", sorted(behaviour for behaviour in HELD if behaviour.name.endswith("USAGE")))
def test_a_reply_without_usable_usage_is_kept(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour) as server:
        exchange, _ = _ask(archive, _endpoint(server.base_url))
    assert (exchange.state, exchange.reply) == (ExchangeState.ANSWERED, "a reply")
    assert "usage" in exchange.error


@pytest.mark.parametrize("behaviour", sorted((FREE | HELD) - {Behaviour.SLOW}))
def test_an_error_is_told_in_a_line_without_names_of_classes(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour) as server:
        exchange, _ = _ask(archive, _endpoint(server.base_url))
    assert exchange.error
    for word in ("litellm", "Exception", "Error:", "Traceback", "\n"):
        assert word not in exchange.error


@pytest.mark.parametrize("behaviour", sorted(DISHONEST))
def test_a_claim_beyond_the_worst_case_is_booked_and_ends_the_run(archive: Archive, behaviour: Behaviour) -> None:
    with Endpoint(lambda _: behaviour) as server:
        exchange, correspondent = _ask(archive, _endpoint(server.base_url))
        assert to_usd(exchange.booked_microusd) == server.charged_usd > to_usd(exchange.reserved_microusd)
        with pytest.raises(OverclaimError) as caught:
            correspondent.ask(REQUEST, Place(2, 0, Purpose.PROPOSAL))
    assert len(server.books) == 1
    assert "--price-input" in caught.value.hint


def test_a_request_that_never_left_is_released(archive: Archive) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        exchange, _ = _ask(archive, _endpoint(f"http://127.0.0.1:{bound.getsockname()[1]}/v1"))
    assert (exchange.closed, exchange.state) == (LedgerKind.RELEASE, ExchangeState.UNSENT)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/v1", "gopher://127.0.0.1/v1"])
def test_an_address_that_leads_nowhere_is_released(archive: Archive, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTTS_API_KEY", "none")
    exchange, _ = _ask(archive, _endpoint(url))
    assert (exchange.closed, exchange.state) == (LedgerKind.RELEASE, ExchangeState.UNSENT)


def test_each_retry_reserves_anew_and_only_the_last_reply_is_paid(archive: Archive) -> None:
    script = [Behaviour.RATE_LIMITED, Behaviour.UNAVAILABLE, Behaviour.SERVER_ERROR, Behaviour.GOOD]
    with Endpoint(lambda n: script[n], seed=1) as server:
        _, correspondent = _ask(archive, _endpoint(server.base_url), Backoff(first_seconds=0.0))
        again = correspondent.ask(REQUEST, HERE)
    exchanges = archive.exchanges.list(correspondent.ledger.run.id)
    assert [exchange.attempt for exchange in exchanges] == [0, 1, 2, 3]
    kinds = [LedgerKind.RELEASE, LedgerKind.RELEASE, LedgerKind.HOLD, LedgerKind.SETTLE]
    assert [exchange.closed for exchange in exchanges] == kinds
    assert again == exchanges[-1]
    assert len(server.books) == len(script)


def test_a_wrong_key_is_not_tried_again(archive: Archive) -> None:
    with Endpoint(lambda _: Behaviour.UNAUTHORIZED) as server:
        run = archive.create_run("run", {}, 10_000_000)
        correspondent = Correspondent(archive, run, _endpoint(server.base_url))
        with pytest.raises(EndpointError) as caught:
            correspondent.ask(REQUEST, HERE)
    assert len(server.books) == 1
    assert "API key" in caught.value.hint


def test_nothing_is_fetched_when_prices_are_looked_up() -> None:
    program = """
import socket
def refuse(*args, **named): raise SystemExit(f"network: {args}")
socket.socket.connect = socket.getaddrinfo = refuse
from discovery.provider import find_price
print(find_price("gpt-4o-mini").worst_case(1000, 1000))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.00090000\n", "")


def test_a_key_is_asked_for_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOTTS_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        LiteLLMEndpoint("gpt-4o-mini", PRICE)
    with pytest.raises(EndpointError, match="AUTOTTS_API_KEY"):
        LiteLLMEndpoint("some-model", PRICE, base_url="https://models.example/v1")


@pytest.mark.parametrize("model", ["no-such-model", "nowhere/no-such-model"])
def test_an_unknown_model_gets_a_hint(model: str) -> None:
    with pytest.raises(EndpointError) as caught:
        find_price(model)
    assert "--base-url" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "base_url"), [("ollama/llama3", ""), ("openai/gpt-unheard-of", ""), ("gpt-4o", "http://x/v1")]
)
def test_an_unknown_price_is_a_refusal_that_names_the_options(model: str, base_url: str) -> None:
    with pytest.raises(PriceError) as caught:
        find_price(model, base_url=base_url)
    assert "--price-input" in caught.value.hint
    assert "--price-output" in caught.value.hint


def test_an_explicit_zero_is_a_price_and_nothing_else_fits_a_budget_of_zero() -> None:
    free = find_price("gpt-4o", base_url="http://x/v1", input_usd=Decimal(0), output_usd=Decimal(0))
    assert free.worst_case(10**6, 10**6) == 0
    check_budget(free, Decimal(0), "gpt-4o")
    with pytest.raises(PriceError, match="budget"):
        check_budget(PRICE, Decimal(0), "gpt-4o")
    with pytest.raises(PriceError, match="only one"):
        find_price("gpt-4o", input_usd=Decimal(0))


def test_an_endpoint_answers_with_a_reply_or_the_lack_of_one() -> None:
    script = [Behaviour.GOOD, Behaviour.RATE_LIMITED]
    with Endpoint(lambda n: script[n]) as server:
        asked = _endpoint(server.base_url)
        assert isinstance(asked.complete(REQUEST, HERE), Reply)
        refused = asked.complete(REQUEST, HERE)
    assert isinstance(refused, NoReply)
    assert refused.passing


def test_a_price_survives_the_archive() -> None:
    price = find_price("gemini/gemini-2.5-pro")
    assert len(price.tiers) == 2
    assert Price.from_json(price.to_json()) == price
