"""Runs at random against an erring endpoint, through litellm and real HTTP, and what both sides' books say of them."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock

from discovery.archive import Archive
from discovery.correspondent import Correspondent
from discovery.endpoint import Backoff, Request
from discovery.errors import BudgetReachedError, EndpointError, OverclaimError
from discovery.price import to_microusd, to_usd
from discovery.provider import LiteLLMEndpoint, find_price
from discovery.records import Balance, ExchangeState, LedgerKind, Place, Purpose, Run
from tests.endpoint import DISHONEST, FREE, HELD, SETTLED, Behaviour, Endpoint

PRICE = find_price("any", input_usd=Decimal(1), output_usd=Decimal(4))
SLOW_SECONDS = 3.0
TIMEOUT_SECONDS = 2.0
N_LIVES = 3
BACKOFF = Backoff(n_free=3, n_held=2, first_seconds=0.0)

Choose = Callable[[int], Behaviour]


@dataclass(frozen=True, slots=True)
class Account:
    """What one run came to, in USD.

    Attributes:
        cap: Its budget.
        settled: Charged, by the ledger.
        unconfirmed: Held, by the ledger.
        charged: Charged, by the endpoint's books.
        n_requests: Requests that arrived.
        n_parallel: Calls that could be in flight.
        n_overclaims: Charges beyond the worst case, by the endpoint's books.
        excess: By how much they were beyond it.
        n_mistakes: Ledger rows that do not follow from what the endpoint did.
    """

    cap: Decimal
    settled: Decimal
    unconfirmed: Decimal
    charged: Decimal
    n_requests: int
    n_parallel: int
    n_overclaims: int
    excess: Decimal
    n_mistakes: int

    @property
    def overshoot(self) -> Decimal:
        """The endpoint's sum beyond the cap; not above 0 if the cap held."""
        return self.charged - self.cap


def mixed(rng: random.Random, *, dishonest: bool) -> Choose:
    """Behaviours drawn at random, good ones in a share that is itself drawn."""
    good = rng.choice([0.2, 0.5, 0.8, 0.95])
    others = [*sorted(FREE), *sorted(HELD), *sorted(SETTLED)]
    weights = [0.2 if behaviour is Behaviour.SLOW else 1.0 for behaviour in others]
    lock = Lock()

    def choose(_: int) -> Behaviour:
        with lock:
            if dishonest and rng.random() < 0.2:
                return rng.choice(sorted(DISHONEST))
            return Behaviour.GOOD if rng.random() < good else rng.choices(others, weights)[0]

    return choose


def spend(archive: Archive, name: str, seed: int, *, dishonest: bool = False) -> Account:
    """One run: asks from several threads until the budget or the places end, now and then dying and resuming."""
    rng = random.Random(seed)
    request = Request(({"role": "user", "content": "x" * rng.randint(1, 4_000)},), max_tokens=rng.randint(1, 9_000))
    worst_case = PRICE.worst_case(request.n_bytes, request.max_tokens)
    cap = to_microusd(worst_case * Decimal(rng.uniform(0.3, 12)))
    run = archive.create_run(name, {}, cap)
    n_parallel = rng.randint(1, 4)
    with Endpoint(mixed(rng, dishonest=dishonest), slow_seconds=SLOW_SECONDS, seed=seed) as server:
        asked = LiteLLMEndpoint(name, PRICE, base_url=server.base_url, timeout_seconds=TIMEOUT_SECONDS)
        for life in range(rng.randint(1, N_LIVES)):
            _live(archive, archive.continue_run(run), asked, request, range(20 * life, 20 * life + 12), n_parallel)
            if life == 0 and rng.random() < 0.3:
                _die_mid_call(archive, run, asked, request)
        archive.continue_run(run)
        return _account(archive, run, server, request, n_parallel)


def _live(
    archive: Archive, run: Run, asked: LiteLLMEndpoint, request: Request, places: Sequence[int], n_parallel: int
) -> None:
    """One process of the run."""
    correspondent = Correspondent(archive, run, asked, backoff=BACKOFF)

    def ask(iteration: int) -> None:
        with suppress(BudgetReachedError, EndpointError, OverclaimError):
            correspondent.ask(request, Place(iteration, 0, Purpose.PROPOSAL))

    with ThreadPoolExecutor(n_parallel) as threads:
        list(threads.map(ask, places))


def _die_mid_call(archive: Archive, run: Run, asked: LiteLLMEndpoint, request: Request) -> None:
    """Reserves and sends, and never hears of it again."""
    place = Place(999, 0, Purpose.PROPOSAL)
    worst_case = to_microusd(PRICE.worst_case(request.n_bytes, request.max_tokens))
    found = archive.exchanges.reserve(run.id, worst_case, place, model=asked.model, request=request.to_json())
    if not isinstance(found, Balance):
        asked.complete(request, place)


def _account(archive: Archive, run: Run, server: Endpoint, request: Request, n_parallel: int) -> Account:
    balance = archive.exchanges.balance(run.id)
    exchanges = archive.exchanges.list(run.id)
    beyond = [
        entry.charged_usd - PRICE.worst_case(request.n_bytes, entry.request["max_tokens"])
        for entry in server.books
        if entry.behaviour in DISHONEST
    ]
    arrived = [entry.behaviour for entry in server.books]
    released = [exchange for exchange in exchanges if exchange.closed is LedgerKind.RELEASE]
    settled = [exchange for exchange in exchanges if exchange.closed is LedgerKind.SETTLE]
    n_refused = sum(exchange.state is ExchangeState.REFUSED for exchange in released)
    n_settled = sum(behaviour in SETTLED | DISHONEST for behaviour in arrived)
    n_mistakes = max(0, n_refused - sum(behaviour in FREE for behaviour in arrived))
    n_mistakes += max(0, len(settled) - n_settled) + (len(exchanges) < len(arrived)) + (balance.open != 0)
    return Account(
        cap=to_usd(run.cap_microusd),
        settled=to_usd(balance.settled),
        unconfirmed=to_usd(balance.unconfirmed),
        charged=server.charged_usd,
        n_requests=len(arrived),
        n_parallel=n_parallel,
        n_overclaims=len(beyond),
        excess=sum(beyond, Decimal(0)),
        n_mistakes=n_mistakes,
    )
