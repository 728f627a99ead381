"""A process that asks a pretended model within a budget and kills itself without warning after some lines of code.

Run as `python -m tests.killed_run ARCHIVE BOOK SEED LINES`. The model's own book is a file that outlives the process.
"""

import os
import random
import signal
import sys
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

from discovery.archive import Archive
from discovery.correspondent import Correspondent
from discovery.endpoint import Backoff, NoReply, Reply, Request
from discovery.errors import BudgetReachedError, EndpointError
from discovery.price import Price, to_microusd
from discovery.proposal import Origin
from discovery.records import CandidateDraft, CandidateStatus, ExchangeState, Place, Purpose

CAP_MICROUSD = 1_000_000
N_PLACES = 150
REQUEST = Request(({"role": "user", "content": "hello"},), max_tokens=900)


class BookKeeper:
    """A model that writes `place charge` into its book before it answers, drops or refuses."""

    model = "book keeper"
    price = Price.flat(Decimal("1e-6"), Decimal("4e-6"), "test")

    def __init__(self, book: Path, rng: random.Random) -> None:
        self._book, self._rng = book, rng

    def complete(self, request: Request, place: Place) -> Reply | NoReply:
        worst_case = self.price.worst_case(request.n_bytes, request.max_tokens)
        draw = self._rng.random()
        charge = Decimal(0) if draw < 0.2 else worst_case * Decimal(self._rng.random())
        with self._book.open("a") as book:
            book.write(f"{place.iteration} {to_microusd(charge)}\n")
        if draw < 0.2:
            return NoReply(ExchangeState.REFUSED, "busy", status_code=429, passing=True)
        if draw < 0.4:
            return NoReply(ExchangeState.UNCONFIRMED, "cut", passing=True)
        return Reply(f"reply {place.iteration}", {}, "stop", {}, charge, "")


def main(archive_path: str, book: str, seed: str, n_lines: str) -> None:
    """Goes on with the run where the last process left it; exits with 0 at the end of its budget."""
    with Archive(Path(archive_path)) as archive, archive.lock("run"):
        _die_after(int(n_lines))
        run = archive.continue_run(archive.run("run"))
        endpoint = BookKeeper(Path(book), random.Random(int(seed)))
        correspondent = Correspondent(archive, run, endpoint, backoff=Backoff(first_seconds=0.0))
        done = {candidate.iteration for candidate in archive.candidates(run)}
        for iteration in sorted(set(range(N_PLACES)) - done):
            try:
                exchange = correspondent.ask(REQUEST, Place(iteration, 0, Purpose.PROPOSAL))
            except EndpointError:
                continue
            except BudgetReachedError:
                return
            draft = CandidateDraft(
                source=exchange.reply, origin=Origin.MODEL, iteration=iteration, status=CandidateStatus.OK
            )
            archive.commit(run, draft, exchanges={exchange.id: "candidate"})


def _die_after(n_lines: int) -> None:
    """Sends SIGKILL to this process once that many lines of the search or of the database library have run."""
    left = n_lines

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        path = frame.f_code.co_filename
        if "discovery" not in path and "sqlalchemy" not in path:
            return None
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    main(*sys.argv[1:])
