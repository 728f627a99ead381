"""The cap as a promise: a state machine over the ledger, its waiting and its shrinking."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from discovery.archive import Archive
from discovery.budget import Ledger
from discovery.correspondent import Correspondent
from discovery.endpoint import Backoff, NoReply, Reply, Request
from discovery.errors import ArchiveError, BudgetReachedError, EndpointError, OverclaimError, StoppingError
from discovery.price import MAX_MICROUSD, Price, to_microusd, to_usd
from discovery.records import Balance, ExchangeResult, ExchangeState, LedgerKind, Place, Purpose, Reservation, Run

PRICE = Price.flat(Decimal("1e-6"), Decimal("4e-6"), "test")
REQUEST = Request(({"role": "user", "content": "hello"},), max_tokens=16_384)
ANSWERED = ExchangeResult(state=ExchangeState.ANSWERED)
REFUSED = ExchangeResult(state=ExchangeState.REFUSED)
LOST = ExchangeResult(state=ExchangeState.UNCONFIRMED)

amounts = st.integers(0, 40)


def _place(iteration: int) -> Place:
    return Place(iteration, 0, Purpose.PROPOSAL)


class LedgerMachine(RuleBasedStateMachine):
    """Two runs in one archive, driven through separate handles as two processes would, against a model of each."""

    reservations = Bundle("reservations")

    @initialize(caps=st.tuples(amounts, amounts))
    def start(self, caps: tuple[int, int]) -> None:
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "archive.sqlite"
        self.archives = [Archive(path, create=True) for _ in range(2)]
        self.runs = [self.archives[0].create_run(f"run-{i}", {}, cap) for i, cap in enumerate(caps)]
        self.caps = list(caps)
        self.settled, self.held, self.overclaimed = [0, 0], [0, 0], [0, 0]
        self.open: list[dict[int, int]] = [{}, {}]
        self.n_asked = 0

    @rule(target=reservations, which=st.integers(0, 1), handle=st.integers(0, 1), amount=amounts)
    def reserve(self, which: int, handle: int, amount: int) -> tuple[int, Reservation | None]:
        self.n_asked += 1
        fits = self._taken(which) + amount <= self.caps[which]
        found = self.archives[handle].exchanges.reserve(
            self.runs[which].id, amount, _place(self.n_asked), model="m", request={}
        )
        assert isinstance(found, Reservation) == fits
        if isinstance(found, Balance):
            return which, None
        self.open[which][found.id] = amount
        return which, found

    @rule(taken=consumes(reservations), handle=st.integers(0, 1), share=st.floats(0, 1))
    def settle(self, taken: tuple[int, Reservation | None], handle: int, share: float) -> None:
        self._close(taken, handle, LedgerKind.SETTLE, lambda amount: int(share * amount))

    @rule(taken=consumes(reservations), handle=st.integers(0, 1), more=st.integers(1, 20))
    def settle_beyond(self, taken: tuple[int, Reservation | None], handle: int, more: int) -> None:
        if taken[1] is not None:
            self.overclaimed[taken[0]] += more
        self._close(taken, handle, LedgerKind.SETTLE, lambda amount: amount + more)

    @rule(taken=consumes(reservations), handle=st.integers(0, 1))
    def release(self, taken: tuple[int, Reservation | None], handle: int) -> None:
        self._close(taken, handle, LedgerKind.RELEASE, lambda _: 0)

    @rule(taken=consumes(reservations), handle=st.integers(0, 1))
    def hold(self, taken: tuple[int, Reservation | None], handle: int) -> None:
        self._close(taken, handle, LedgerKind.HOLD, lambda amount: amount)

    @rule(which=st.integers(0, 1), cap=amounts)
    def resume(self, which: int, cap: int) -> None:
        self.runs[which] = self.archives[1].continue_run(self.runs[which], cap_microusd=cap)
        self.caps[which] = cap
        self.held[which] += sum(self.open[which].values())
        self.open[which].clear()

    @invariant()
    def books_agree(self) -> None:
        for which, run in enumerate(getattr(self, "runs", [])):
            balance = self.archives[which].exchanges.balance(run.id)
            expected = Balance(self.caps[which], self.settled[which], self.held[which], sum(self.open[which].values()))
            assert balance == expected
            lines = self.archives[which].exchanges.spending(run.id)
            assert sum(line.settled + line.unconfirmed + line.open for line in lines) == balance.committed

    def teardown(self) -> None:
        for archive in getattr(self, "archives", []):
            archive.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _taken(self, which: int) -> int:
        return self.settled[which] + self.held[which] + sum(self.open[which].values())

    def _close(
        self, taken: tuple[int, Reservation | None], handle: int, kind: LedgerKind, booked: Callable[[int], int]
    ) -> None:
        which, reservation = taken
        if reservation is None:
            return
        results = {LedgerKind.SETTLE: ANSWERED, LedgerKind.RELEASE: REFUSED, LedgerKind.HOLD: LOST}
        amount = booked(reservation.microusd)
        exchanges = self.archives[handle].exchanges
        if reservation.id in self.open[which]:
            exchanges.close(reservation, kind, amount, results[kind])
            del self.open[which][reservation.id]
            self.settled[which] += amount if kind is LedgerKind.SETTLE else 0
            self.held[which] += amount if kind is LedgerKind.HOLD else 0
        with pytest.raises(ArchiveError, match="closed already"):
            exchanges.close(reservation, kind, amount, results[kind])


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        yield archive


class Scripted:
    """An endpoint that answers from a list, after checking that its call is reserved."""

    model = "scripted"

    def __init__(self, archive: Archive, run: Run, *answers: Reply | NoReply, price: Price = PRICE) -> None:
        self.price = price
        self.asked: list[Request] = []
        self._archive, self._run, self._answers = archive, run, list(answers)

    def complete(self, request: Request, place: Place) -> Reply | NoReply:
        worst_case = self.price.worst_case(request.n_bytes, request.max_tokens)
        balance = self._archive.exchanges.balance(self._run.id)
        assert balance.open >= to_microusd(worst_case)
        assert balance.committed <= balance.cap
        self.asked.append(request)
        return self._answers.pop(0)


def _reply(cost: str | None) -> Reply:
    return Reply("text", {"content": "text"}, "stop", {}, None if cost is None else Decimal(cost), "raw")


def test_a_refused_reservation_waits_for_a_call_in_flight_to_give_room_back(archive: Archive) -> None:
    ledger = Ledger(archive, archive.create_run("run", {}, 100))
    first = ledger.reserve(to_usd(80), _place(1), model="m", request={})
    done = threading.Event()
    found: list[Reservation] = []

    def wait_for_room() -> None:
        found.append(ledger.reserve(to_usd(60), _place(2), model="m", request={}))
        done.set()

    thread = threading.Thread(target=wait_for_room)
    thread.start()
    assert not done.wait(0.5)
    ledger.settle(first, to_usd(40), ANSWERED)
    thread.join(10)
    assert found[0].microusd == 60
    assert ledger.balance().committed == 100


def test_a_waiting_call_ends_when_the_run_is_stopped(archive: Archive) -> None:
    stopping = threading.Event()
    ledger = Ledger(archive, archive.create_run("run", {}, 100), stopping)
    ledger.reserve(to_usd(80), _place(1), model="m", request={})
    threading.Timer(0.1, stopping.set).start()
    with pytest.raises(StoppingError):
        ledger.reserve(to_usd(60), _place(2), model="m", request={})


def test_without_calls_in_flight_a_refusal_is_final_and_says_what_is_taken(archive: Archive) -> None:
    ledger = Ledger(archive, archive.create_run("run", {}, 100))
    ledger.hold(ledger.reserve(to_usd(80), _place(1), model="m", request={}), LOST)
    with pytest.raises(BudgetReachedError) as caught:
        ledger.reserve(to_usd(21), _place(2), model="m", request={})
    refusal = caught.value
    assert (refusal.cap_usd, refusal.committed_usd, refusal.asked_usd) == (to_usd(100), to_usd(80), to_usd(21))


def test_many_threads_never_take_more_than_the_cap(archive: Archive) -> None:
    run = archive.create_run("run", {}, 1_000)
    ledgers = [Ledger(archive, run) for _ in range(2)]
    refused = threading.Semaphore(0)

    def spend(index: int) -> None:
        ledger = ledgers[index % 2]
        for turn in range(20):
            try:
                taken = ledger.reserve(to_usd(7 + index), Place(index, turn, Purpose.TOOL), model="m", request={})
            except BudgetReachedError:
                refused.release()
                return
            assert ledger.balance().committed <= 1_000
            ledger.settle(taken, to_usd(taken.microusd), ANSWERED)

    threads = [threading.Thread(target=spend, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused.acquire(blocking=False)
    balance = ledgers[0].balance()
    assert 1_000 - 15 < balance.settled <= 1_000
    assert balance.open == 0


def test_the_last_call_asks_for_a_shorter_reply_that_fits_exactly(archive: Archive) -> None:
    n_bytes = REQUEST.n_bytes
    cap = to_microusd(PRICE.worst_case(n_bytes, 6_000))
    run = archive.create_run("run", {}, cap)
    endpoint = Scripted(archive, run, _reply("0.001"))
    Correspondent(archive, run, endpoint).ask(REQUEST, _place(1))
    (asked,) = endpoint.asked
    assert 6_000 <= asked.max_tokens <= 6_000 + 1
    assert archive.exchanges.list(run.id)[0].reserved_microusd <= cap


@pytest.mark.parametrize(
    ("configured", "fits", "goes"), [(16_384, 4_100, True), (16_384, 4_000, False), (900, 800, False)]
)
def test_a_reply_is_not_cut_below_the_least(archive: Archive, configured: int, fits: int, goes: bool) -> None:
    request = replace(REQUEST, max_tokens=configured)
    run = archive.create_run("run", {}, to_microusd(PRICE.worst_case(request.n_bytes, fits)))
    endpoint = Scripted(archive, run, _reply("0"))
    correspondent = Correspondent(archive, run, endpoint)
    if goes:
        correspondent.ask(request, _place(1))
        assert len(endpoint.asked) == 1
    else:
        with pytest.raises(BudgetReachedError):
            correspondent.ask(request, _place(1))
        assert not endpoint.asked


def test_an_answered_place_is_never_asked_again(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)
    endpoint = Scripted(archive, run, _reply("0.01"))
    first = Correspondent(archive, run, endpoint).ask(REQUEST, _place(1))
    again = Correspondent(archive, archive.continue_run(run), endpoint).ask(REQUEST, _place(1))
    assert again == first
    assert archive.exchanges.balance(run.id).committed == 10_000


def test_a_dead_endpoint_is_given_up_after_the_attempts_allowed(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)
    busy = NoReply(ExchangeState.REFUSED, "busy", status_code=429, passing=True, retry_after_seconds=0.01)
    endpoint = Scripted(archive, run, *[busy] * 9)
    backoff = Backoff(n_free=4, first_seconds=0.0)
    with pytest.raises(EndpointError, match="4 times"):
        Correspondent(archive, run, endpoint, backoff=backoff).ask(REQUEST, _place(1))
    assert archive.exchanges.balance(run.id).committed == 0


def test_lost_replies_are_given_up_sooner_and_stay_held(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)
    lost = NoReply(ExchangeState.UNCONFIRMED, "cut", passing=True)
    with pytest.raises(EndpointError, match="3 times"):
        Correspondent(archive, run, Scripted(archive, run, *[lost] * 9), backoff=Backoff(first_seconds=0.0)).ask(
            REQUEST, _place(1)
        )
    balance = archive.exchanges.balance(run.id)
    assert balance.unconfirmed == 3 * to_microusd(PRICE.worst_case(REQUEST.n_bytes, REQUEST.max_tokens))


def test_an_interrupt_while_waiting_leaves_the_call_unconfirmed(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)

    class Interrupted(Scripted):
        def complete(self, request: Request, place: Place) -> Reply | NoReply:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Correspondent(archive, run, Interrupted(archive, run)).ask(REQUEST, _place(1))
    (exchange,) = archive.exchanges.list(run.id)
    assert (exchange.state, exchange.closed) == (ExchangeState.UNCONFIRMED, LedgerKind.HOLD)


def test_an_overclaim_is_booked_whole_and_stops_every_later_call(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)
    correspondent = Correspondent(archive, run, Scripted(archive, run, _reply("1e30")))
    assert correspondent.ask(REQUEST, _place(1)).reply == "text"
    with pytest.raises(OverclaimError):
        correspondent.ask(REQUEST, _place(2))
    assert archive.exchanges.balance(run.id).settled == MAX_MICROUSD


def test_spending_says_where_the_money_went(archive: Archive) -> None:
    run = archive.create_run("run", {}, 10**6)
    correspondent = Correspondent(archive, run, Scripted(archive, run, _reply("0.001"), _reply("0.002"), _reply(None)))
    for turn, purpose in enumerate((Purpose.PROPOSAL, Purpose.REPAIR, Purpose.PROPOSAL)):
        exchange = correspondent.ask(REQUEST, Place(1, turn, purpose))
        if turn:
            archive.exchanges.tell(exchange.id, "unusable")
    lines = archive.exchanges.spending(run.id)
    found = [(line.purpose, line.became, line.n_calls, line.settled, line.unconfirmed > 0) for line in lines]
    assert found == [
        (Purpose.PROPOSAL, "answered", 1, 1_000, False),
        (Purpose.PROPOSAL, "unusable", 1, 0, True),
        (Purpose.REPAIR, "unusable", 1, 2_000, False),
    ]
