"""Asks a model within the cap: reserve, send once, store and close, try again where that may help.

Each attempt reserves anew. What was answered before is never asked, nor paid for, again.
"""

import time
from dataclasses import replace
from threading import Event

from discovery.archive import Archive
from discovery.budget import Ledger
from discovery.endpoint import Backoff, Endpoint, NoReply, Reply, Request
from discovery.errors import BudgetReachedError, EndpointError, StoppingError
from discovery.records import Exchange, ExchangeResult, ExchangeState, Place, Reservation, Run

MIN_REPLY_TOKENS = 4_096
"""`max_tokens` is not cut below this to fit into what is left of the budget."""


class Correspondent:
    """Asks one endpoint on behalf of one run. Safe to use from several threads.

    Attributes:
        ledger: The run's money.
    """

    def __init__(
        self,
        archive: Archive,
        run: Run,
        endpoint: Endpoint,
        *,
        stopping: Event | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Args:
        archive: Where every request and reply is stored.
        run: The run that pays.
        endpoint: Who is asked.
        stopping: Set when the run is to end: calls in flight are waited for, no other is made.
        backoff: How a failed call is tried again.
        """
        self._archive = archive
        self._endpoint = endpoint
        self._stopping = stopping or Event()
        self._backoff = backoff or Backoff()
        self._run = run
        self.ledger = Ledger(archive, run, self._stopping)

    def ask(self, request: Request, place: Place) -> Exchange:
        """The model's reply, stored and paid for; the stored one if this place of the run has been answered before.

        Raises:
            BudgetReachedError: If the cap leaves no room: the run's normal end.
            OverclaimError: If an earlier reply claimed more than it could cost.
            EndpointError: If no reply can be had.
            StoppingError: If the run is being stopped.
            ArchiveError: If the archive can't be written.
        """
        known = self._archive.exchanges.answered(self._run.id, place.iteration, place.turn)
        if known is not None:
            return known
        n_free = n_held = 0
        while True:
            failed = self._attempt(request, place)
            if failed is None:
                return self._stored(place)
            n_free += failed.state is not ExchangeState.UNCONFIRMED
            n_held += failed.state is ExchangeState.UNCONFIRMED
            if not failed.passing or n_free >= self._backoff.n_free or n_held >= self._backoff.n_held:
                raise self._gave_up(failed, n_free + n_held)
            delay = self._backoff.wait_seconds(n_free + n_held, failed.retry_after_seconds)
            if self._stopping.wait(delay):
                raise StoppingError("the run is being stopped; the call was not tried again")

    def _attempt(self, request: Request, place: Place) -> NoReply | None:
        """Reserves, sends once, stores and closes. None if a reply came."""
        request, reservation = self._reserve(request, place)
        began = time.monotonic()
        answer: Reply | NoReply = NoReply(ExchangeState.UNCONFIRMED, "interrupted while waiting for the reply")
        try:
            answer = self._endpoint.complete(request, place)
        finally:
            self._close(reservation, answer, time.monotonic() - began)
        return answer if isinstance(answer, NoReply) else None

    def _reserve(self, request: Request, place: Place) -> tuple[Request, Reservation]:
        """Room for the request, or for one that asks for a shorter reply."""
        least = min(MIN_REPLY_TOKENS, request.max_tokens)
        price, model = self._endpoint.price, self._endpoint.model
        while True:
            worst_case = price.worst_case(request.n_bytes, request.max_tokens)
            try:
                return request, self.ledger.reserve(worst_case, place, model=model, request=request.to_json())
            except BudgetReachedError as refusal:
                fits = price.longest_reply(request.n_bytes, refusal.cap_usd - refusal.committed_usd)
                if fits is None or not least <= fits < request.max_tokens:
                    raise
                request = replace(request, max_tokens=fits)

    def _close(self, reservation: Reservation, answer: Reply | NoReply, elapsed_seconds: float) -> None:
        if isinstance(answer, NoReply):
            result = ExchangeResult(
                state=answer.state,
                status_code=answer.status_code,
                error=answer.error,
                raw=answer.raw,
                elapsed_seconds=elapsed_seconds,
            )
            close = self.ledger.hold if answer.state is ExchangeState.UNCONFIRMED else self.ledger.release
            close(reservation, result)
            return
        result = ExchangeResult(
            state=ExchangeState.ANSWERED,
            status_code=200,
            reply=answer.text,
            message=answer.message,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            raw=answer.raw,
            error=answer.complaint,
            elapsed_seconds=elapsed_seconds,
        )
        if answer.cost_usd is None:
            self.ledger.hold(reservation, result)
        else:
            self.ledger.settle(reservation, answer.cost_usd, result)

    def _stored(self, place: Place) -> Exchange:
        stored = self._archive.exchanges.answered(self._run.id, place.iteration, place.turn)
        assert stored is not None
        return stored

    def _gave_up(self, failed: NoReply, n_attempts: int) -> EndpointError:
        times = "once" if n_attempts == 1 else f"{n_attempts} times"
        status = "" if failed.status_code is None else f" (HTTP {failed.status_code})"
        return EndpointError(
            f"{self._endpoint.model} was asked {times} without a reply{status}: {failed.error}",
            status_code=failed.status_code,
            hint=_hint(failed),
        )


def _hint(failed: NoReply) -> str:
    if failed.status_code in (401, 403):
        return "check the API key in the environment; what the run has so far is in the archive"
    if failed.status_code == 404:
        return "check --model and --base-url; what the run has so far is in the archive"
    if failed.state is ExchangeState.REFUSED and not failed.passing:
        return "the endpoint rejects the request: check --model and --max-reply-tokens"
    return "check the endpoint, then go on with `--resume RUN`; what the run has so far is in the archive"
