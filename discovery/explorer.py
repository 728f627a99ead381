"""The explorer that asks a language model: one request, one reply, at most one repair."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from discovery.briefing import Briefing
from discovery.correspondent import Correspondent
from discovery.errors import BudgetReachedError
from discovery.price import to_usd
from discovery.proposal import Origin, Proposal, Situation
from discovery.records import Exchange, Place, Purpose
from discovery.replies import Fate, read_reply

CUT_OFF = "length"
"""The finish reason of a reply that met its token limit."""

CHECKED = 6
"""Possible controllers of one reply that are looked at, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was made of a reply.

    Attributes:
        source: The controller in it; empty if there is none.
        idea: What is new about it.
        refusal: Why it can't be tried; empty if it can.
        fate: What the archive says of the reply; empty if its candidate will tell.
    """

    source: str
    idea: str
    refusal: str = ""
    fate: str = ""


class ModelExplorer:
    """Proposes what a language model writes."""

    def __init__(
        self, correspondent: Correspondent, briefing: Briefing, *, paid: bool, check: Callable[[str], str]
    ) -> None:
        """Sets up the explorer.

        Args:
            correspondent: Asks the model, within the budget.
            briefing: Writes the requests.
            paid: Whether the model costs anything, so that its budget is worth telling.
            check: Why a source is refused; empty if it is not.
        """
        self._correspondent = correspondent
        self._briefing = briefing
        self._paid = paid
        self._check = check

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """One controller, as the model wrote it; one that is still refused after a repair is proposed as it is.

        Raises:
            BudgetReachedError: If the budget does not cover the request.
            EndpointError: If no reply can be had.
        """
        request = self._briefing.proposal(situation, self._left_usd())
        exchange = self._correspondent.ask(request, Place(situation.iteration, 0, Purpose.PROPOSAL))
        read = self._read(exchange)
        parents = tuple(parent.number for parent in situation.parents)
        if not read.refusal:
            return Proposal(read.source, read.idea, Origin.MODEL, parents, exchanges={exchange.id: read.fate})
        repair_request = self._briefing.repair(request, exchange.reply, read.source, read.refusal)
        try:
            repair = self._correspondent.ask(repair_request, Place(situation.iteration, 1, Purpose.REPAIR))
        except BudgetReachedError:
            return Proposal(read.source, read.idea, Origin.MODEL, parents, exchanges={exchange.id: read.fate})
        mended = self._read(repair)
        kept = mended if mended.source else read
        exchanges = {exchange.id: read.fate, repair.id: mended.fate}
        return Proposal(kept.source, kept.idea or read.idea, Origin.MODEL, parents, exchanges=exchanges)

    def _left_usd(self) -> Decimal | None:
        if not self._paid:
            return None
        balance = self._correspondent.ledger.balance()
        return to_usd(max(0, balance.cap - balance.committed))

    def _read(self, exchange: Exchange) -> Read:
        """The first source of a reply that is not refused; otherwise the likeliest one and why it is."""
        found = read_reply(exchange.reply)
        refusals = []
        for source in found.sources[:CHECKED]:
            refusal = self._check(source)
            if not refusal:
                return Read(source, found.idea or _first_line(source))
            refusals.append(refusal)
        limit = exchange.request.get("max_tokens")
        cut = f"it was cut off at its limit of {limit} tokens; keep it shorter" * (exchange.finish_reason == CUT_OFF)
        if found.sources:
            why = "\n".join(filter(None, (refusals[0], cut)))
            return Read(found.sources[0], found.idea, why, Fate.CUT_OFF if cut else Fate.INVALID)
        if not exchange.reply.strip():
            return Read("", "", cut or "it was empty", Fate.CUT_OFF if cut else Fate.EMPTY)
        why = cut or "there was no Python code block with `schedule` and `control` in it"
        return Read("", found.idea, why, Fate.CUT_OFF if cut else Fate.NO_CODE)


def _first_line(source: str) -> str:
    return source.lstrip().splitlines()[0].strip("\"' #")[:120] if source.strip() else ""
