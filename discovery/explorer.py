"""The explorer that asks a language model: one request, one reply, at most one repair."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np

from discovery.analysis import MEANINGS, FailureKind
from discovery.correspondent import Correspondent
from discovery.endpoint import Request
from discovery.errors import BudgetReachedError
from discovery.price import to_usd
from discovery.proposal import CurvePoint, Origin, Parent, Proposal, Situation
from discovery.records import Exchange, Place, Purpose
from discovery.replies import read_reply
from prompts.context import (
    AttemptShown,
    ControllerShown,
    FailureShown,
    FrontShown,
    PointShown,
    ProposalContext,
    RepairContext,
    TraceShown,
)
from prompts.render import Renderer

WEAK_RATIOS = 2
CUT_OFF = "length"
"""The finish reason of a reply that met its token limit."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was made of a reply: a source and why it is refused, if it is."""

    source: str
    idea: str
    refusal: str


class ModelExplorer:
    """Proposes what a language model writes."""

    def __init__(
        self,
        correspondent: Correspondent,
        renderer: Renderer,
        *,
        max_reply_tokens: int,
        dialect: str,
        advice: bool,
        paid: bool,
        check: Callable[[str], str],
        traces: Callable[[Parent, Parent], tuple[TraceShown, ...]],
    ) -> None:
        """Sets up the explorer.

        Args:
            correspondent: Asks the model, within the budget.
            renderer: Writes the requests.
            max_reply_tokens: Longest reply, reasoning included.
            dialect: What the language allows, in words.
            advice: Whether to give advice.
            paid: Whether the model costs anything, so that its budget is worth telling.
            check: Why a source is refused; empty if it is not.
            traces: Episodes that the first controller fails and the second gets right.
        """
        self._correspondent = correspondent
        self._renderer = renderer
        self._max_reply_tokens = max_reply_tokens
        self._dialect = dialect
        self._advice = advice
        self._paid = paid
        self._check = check
        self._traces = traces

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """One controller, as the model wrote it; one that is still refused after a repair is proposed as it is.

        Raises:
            BudgetReachedError: If the budget does not cover the request.
            EndpointError: If no reply can be had.
        """
        request = self.request(situation)
        exchange = self._correspondent.ask(request, Place(situation.iteration, 0, Purpose.PROPOSAL))
        read = self._read(exchange)
        parents = tuple(parent.number for parent in situation.parents)
        if not read.refusal:
            return Proposal(read.source, read.idea, Origin.MODEL, parents, exchanges={exchange.id: ""})
        try:
            repair = self._ask_repair(request, exchange, read, situation.iteration)
        except BudgetReachedError:
            return Proposal(read.source, read.idea, Origin.MODEL, parents, exchanges={exchange.id: _became(read)})
        mended = self._read(repair)
        kept = mended if mended.source else read
        exchanges = {exchange.id: _became(read), repair.id: _became(mended)}
        return Proposal(kept.source, kept.idea or read.idea, Origin.MODEL, parents, exchanges=exchanges)

    def request(self, situation: Situation) -> Request:
        """What the model is sent for a proposal."""
        context = self._context(situation)
        messages = (
            {"role": "system", "content": self._renderer.system(context)},
            {"role": "user", "content": self._renderer.proposal(context)},
        )
        return Request(messages, self._max_reply_tokens)

    def _ask_repair(self, request: Request, exchange: Exchange, read: Read, iteration: int) -> Exchange:
        text = self._renderer.repair(RepairContext(read.source, read.refusal))
        turns: Sequence[dict[str, Any]] = (
            {"role": "assistant", "content": exchange.reply or "(an empty reply)"},
            {"role": "user", "content": text},
        )
        again = Request((*request.messages, *turns), self._max_reply_tokens)
        return self._correspondent.ask(again, Place(iteration, 1, Purpose.REPAIR))

    def _read(self, exchange: Exchange) -> Read:
        """The first source of a reply that is not refused; otherwise the likeliest one and why it is."""
        found = read_reply(exchange.reply)
        refusals = []
        for source in found.sources:
            refusal = self._check(source)
            if not refusal:
                return Read(source, found.idea or _first_line(source), "")
            refusals.append(refusal)
        cut = exchange.finish_reason == CUT_OFF
        limit = f"it was cut off at its limit of {self._max_reply_tokens} tokens; keep it shorter" if cut else ""
        if not found.sources:
            return Read("", found.idea, limit or "there was no Python code block with schedule and control in it")
        return Read(found.sources[0], found.idea, "\n".join(filter(None, (refusals[0], limit))))

    def _context(self, situation: Situation) -> ProposalContext:
        balance = self._correspondent.ledger.balance()
        left: Decimal = to_usd(balance.cap - balance.committed)
        numbers = {attempt.number: attempt for attempt in situation.attempts}
        return ProposalContext(
            n_questions=situation.n_questions,
            stores=situation.stores,
            single_branch=situation.single_branch,
            front=tuple(
                FrontShown(number, numbers[number].idea[:60] if number in numbers else "", _point(point))
                for number, point in situation.front
            ),
            best_area=situation.best_area,
            best_number=situation.best_number,
            parents=tuple(self._controller(situation, parent) for parent in situation.parents),
            attempts=tuple(AttemptShown(tried.number, tried.idea, tried.result) for tried in situation.attempts),
            weak_ratios=_weak_ratios([point for _, point in situation.front]),
            overfit_points=None if situation.overfit is None else 100 * situation.overfit,
            budget_left=f"${left:.2f}" if self._paid else None,
            dialect=self._dialect,
            advice=self._advice,
        )

    def _controller(self, situation: Situation, parent: Parent) -> ControllerShown:
        first, *others = situation.parents
        return ControllerShown(
            number=parent.number,
            idea=parent.idea,
            source=parent.source,
            area=parent.area,
            curve=tuple(map(_point, parent.curve)),
            failures=tuple(
                FailureShown(failure.kind, MEANINGS[FailureKind(failure.kind)], failure.share, failure.mean_tokens)
                for failure in parent.failures
            ),
            traces=self._traces(first, others[0]) if parent is first and others else (),
        )


def _point(point: CurvePoint) -> PointShown:
    return PointShown(point.beta, point.accuracy, point.cost_ratio)


def _became(read: Read) -> str:
    """What was made of a reply, in one word; empty for a source that goes on to be tried."""
    return "" if not read.refusal else "refused" if read.source else "no source"


def _first_line(source: str) -> str:
    return source.lstrip().splitlines()[0].strip("\"' #")[:120] if source.strip() else ""


def _weak_ratios(front: Sequence[CurvePoint]) -> tuple[float, ...]:
    """Cost ratios in the middle of the longest stretches, on a logarithmic scale, without a better point."""
    ratios = [1 / 16, *(point.cost_ratio for point in front if 1 / 16 < point.cost_ratio < 1), 1.0]
    gaps = [(math.log(last / first), math.sqrt(first * last)) for first, last in pairwise(ratios)]
    return tuple(middle for _, middle in sorted(gaps, reverse=True)[:WEAK_RATIOS])
