"""The promise of the cap: no request leaves unless all that is taken and its own worst case fit under it, durably.

Waits while calls of this process are in flight, since they may give room back. Knows neither prices nor endpoints.
"""

from decimal import Decimal
from threading import Condition, Event

from discovery.archive import Archive
from discovery.errors import BudgetReachedError, OverclaimError, StoppingError
from discovery.price import to_microusd, to_usd
from discovery.records import Balance, ExchangeResult, LedgerKind, Place, Reservation, Run

_GLANCE_SECONDS = 0.2
"""How often a waiting call looks whether the run is being stopped."""


class Ledger:
    """A run's money. Safe to use from several threads.

    Attributes:
        overclaim: Set once a reply has claimed more than its worst case; nothing is reserved any more then.
    """

    def __init__(self, archive: Archive, run: Run, stopping: Event | None = None) -> None:
        """Args:
        archive: Where every row is written before anything is sent.
        run: The run; its cap is read afresh for each call.
        stopping: Set when the run is to end; no new call is reserved then.
        """
        self.run = run
        self.overclaim: OverclaimError | None = None
        self._exchanges = archive.exchanges
        self._stopping = stopping or Event()
        self._changed = Condition()
        self._n_open = 0

    def reserve(self, worst_case_usd: Decimal, place: Place, *, model: str, request: dict[str, object]) -> Reservation:
        """Makes room for a call; waits while own calls in flight may still make some.

        Raises:
            BudgetReachedError: If there is no room, and no own call is in flight.
            OverclaimError: If a reply has claimed more than its worst case.
            StoppingError: If the run is being stopped.
            ArchiveError: If the reservation can't be written.
        """
        amount = to_microusd(worst_case_usd)
        with self._changed:
            while True:
                self._check_going()
                found = self._exchanges.reserve(self.run.id, amount, place, model=model, request=request)
                if isinstance(found, Reservation):
                    self._n_open += 1
                    return found
                if not self._n_open:
                    raise _refusal(found, amount)
                self._changed.wait(_GLANCE_SECONDS)

    def settle(self, reservation: Reservation, cost_usd: Decimal, result: ExchangeResult) -> None:
        """Books what a call cost, and its reply. More than its worst case stops all further calls."""
        amount = to_microusd(cost_usd)
        if amount > reservation.microusd:
            self.overclaim = OverclaimError(reserved_usd=to_usd(reservation.microusd), claimed_usd=to_usd(amount))
        self._close(reservation, LedgerKind.SETTLE, amount, result)

    def release(self, reservation: Reservation, result: ExchangeResult) -> None:
        """Gives back the room of a call that was not charged."""
        self._close(reservation, LedgerKind.RELEASE, 0, result)

    def hold(self, reservation: Reservation, result: ExchangeResult) -> None:
        """Keeps the whole worst case of a call that may have been charged."""
        self._close(reservation, LedgerKind.HOLD, reservation.microusd, result)

    def balance(self) -> Balance:
        """The cap and what is taken of it."""
        return self._exchanges.balance(self.run.id)

    def _close(self, reservation: Reservation, kind: LedgerKind, amount: int, result: ExchangeResult) -> None:
        try:
            self._exchanges.close(reservation, kind, amount, result)
        finally:
            with self._changed:
                self._n_open -= 1
                self._changed.notify_all()

    def _check_going(self) -> None:
        if self.overclaim is not None:
            raise self.overclaim
        if self._stopping.is_set():
            raise StoppingError("the run is being stopped; the next call was not made")


def _refusal(balance: Balance, amount: int) -> BudgetReachedError:
    return BudgetReachedError(
        cap_usd=to_usd(balance.cap), committed_usd=to_usd(balance.committed), asked_usd=to_usd(amount)
    )
