"""Puts into words what a search knows: the request that a language model is sent for its next proposal.

Asks nobody and spends nothing, so it also serves to look at a request, or to price it, before it is made.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from discovery.analysis import ALL_EPISODES, MEANINGS, FailureKind
from discovery.endpoint import Request
from discovery.price import Price
from discovery.proposal import CurvePoint, Parent, Situation
from prompts.context import (
    AttemptShown,
    ControllerShown,
    DepthShown,
    FailureShown,
    FrontShown,
    PointShown,
    ProposalContext,
    RepairContext,
    TraceShown,
)
from prompts.render import Renderer

BYTES_PER_TOKEN = 4
"""About what English text and Python come to; for estimates, never for the cap."""

FEW_PROPOSALS = 3
"""A budget that is sure of fewer than this is worth a warning."""

_WEAK_RATIOS = 2
_IDEA_CHARACTERS = 60


class Briefing:
    """Writes the requests of one run."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        max_reply_tokens: int,
        dialect: str,
        advice: bool,
        traces: Callable[[Parent, Parent], tuple[TraceShown, ...]],
    ) -> None:
        """Args:
        renderer: Holds the templates.
        max_reply_tokens: Longest reply, reasoning included.
        dialect: What the language allows, in words.
        advice: Whether to give advice.
        traces: Episodes that the first controller fails and the second gets right.
        """
        self._renderer = renderer
        self._max_reply_tokens = max_reply_tokens
        self._dialect = dialect
        self._advice = advice
        self._traces = traces

    def proposal(self, situation: Situation, left_usd: Decimal | None) -> Request:
        """The request for one controller.

        Args:
            situation: What the search knows.
            left_usd: What is left of the budget; None if nothing is being paid.

        Raises:
            PromptError: If a template can't be rendered.
        """
        context = self._context(situation, left_usd)
        messages = (
            {"role": "system", "content": self._renderer.system(context)},
            {"role": "user", "content": self._renderer.proposal(context)},
        )
        return Request(messages, self._max_reply_tokens)

    def repair(self, request: Request, reply: str, source: str, refusal: str) -> Request:
        """The request to mend what a reply held.

        Args:
            request: What had been asked.
            reply: The reply.
            source: The source in it that was refused; empty if it held none.
            refusal: Why it was refused.

        Raises:
            PromptError: If a template can't be rendered.
        """
        turns = (
            {"role": "assistant", "content": reply.strip() or "(an empty reply)"},
            {"role": "user", "content": self._renderer.repair(RepairContext(source, refusal))},
        )
        return Request((*request.messages, *turns), self._max_reply_tokens)

    def _context(self, situation: Situation, left_usd: Decimal | None) -> ProposalContext:
        ideas = {attempt.number: attempt.idea for attempt in situation.attempts}
        return ProposalContext(
            n_questions=situation.n_questions,
            stores=situation.stores,
            single_branch=situation.single_branch,
            front=tuple(
                FrontShown(number, ideas.get(number, "")[:_IDEA_CHARACTERS], _point(point))
                for number, point in situation.front
            ),
            best_area=situation.best_area,
            best_number=situation.best_number,
            parents=tuple(self._controller(situation, parent) for parent in situation.parents),
            attempts=tuple(AttemptShown(tried.number, tried.idea, tried.result) for tried in situation.attempts),
            weak_ratios=_weak_ratios([point for _, point in situation.front]),
            overfit_points=None if situation.overfit is None else 100 * situation.overfit,
            budget_left=None if left_usd is None else f"${left_usd:.2f}",
            dialect=self._dialect,
            advice=self._advice,
            depth_groups=tuple(DepthShown(group.mean_intervals, group.accuracy) for group in situation.depth_groups),
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
                FailureShown(
                    kind=failure.kind,
                    meaning=MEANINGS[FailureKind(failure.kind)],
                    share=failure.share,
                    mean_tokens=failure.mean_tokens,
                    settled_tokens=parent.settled_tokens.get(failure.kind),
                )
                for failure in parent.failures
            ),
            traces=self._traces(first, others[0]) if parent is first and others else (),
            settled_tokens=parent.settled_tokens.get(ALL_EPISODES),
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a request can cost, before it is sent.

    Attributes:
        n_bytes: Its UTF-8 bytes: no fewer than its tokens.
        max_tokens: Longest reply that it asks for.
        worst_case_usd: The most that it can cost.
        n_proposals: How many like it the budget pays for if each costs the most; None if they cost nothing.
    """

    n_bytes: int
    max_tokens: int
    worst_case_usd: Decimal
    n_proposals: int | None

    @property
    def n_tokens(self) -> int:
        """About how many tokens the request has."""
        return self.n_bytes // BYTES_PER_TOKEN

    @property
    def is_poor(self) -> bool:
        """Whether the budget is sure of no more than very few proposals."""
        return self.n_proposals is not None and self.n_proposals < FEW_PROPOSALS


def forecast(request: Request, price: Price, left_usd: Decimal) -> Forecast:
    """What a request can cost, and how many like it are sure to fit into what is left of the budget."""
    worst_case = price.worst_case(request.n_bytes, request.max_tokens)
    n_proposals = int(left_usd // worst_case) if worst_case else None
    return Forecast(request.n_bytes, request.max_tokens, worst_case, n_proposals)


def _point(point: CurvePoint) -> PointShown:
    return PointShown(point.beta, point.accuracy, point.cost_ratio)


def _weak_ratios(front: Sequence[CurvePoint]) -> tuple[float, ...]:
    """Cost ratios in the middle of the longest stretches, on a logarithmic scale, without a better point."""
    ratios = [1 / 16, *(point.cost_ratio for point in front if 1 / 16 < point.cost_ratio < 1), 1.0]
    gaps = [(math.log(last / first), math.sqrt(first * last)) for first, last in pairwise(ratios)]
    return tuple(middle for _, middle in sorted(gaps, reverse=True)[:_WEAK_RATIOS])
