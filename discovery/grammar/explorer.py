"""Proposes controllers from the grammar: builds on archived recipes, looks where the parent failed.

Parents that the grammar did not compose can't be taken apart; then it composes afresh.
"""

import numpy as np

from discovery.analysis import FailureKind
from discovery.grammar.parts import Family
from discovery.grammar.recipe import Recipe
from discovery.grammar.variation import Variant, compose, cross, mutate
from discovery.grammar.writer import write
from discovery.proposal import Origin, Parent, Proposal, Situation

FRESH_SHARE = 0.15
"""Share of proposals that build on nothing."""

CROSSED_SHARE = 0.15
"""Share of proposals that cross two parents, where there are two."""

ATTENTION: dict[str, tuple[Family, ...]] = {
    FailureKind.NEVER_CORRECT: (Family.STOPPING, Family.GIVING_UP, Family.DROPPING),
    FailureKind.NOT_OPENED: (Family.OPENING, Family.STOPPING),
    FailureKind.STOPPED_EARLY: (Family.STOPPING, Family.WEIGHTS),
    FailureKind.PRUNED: (Family.DROPPING, Family.OPENING),
    FailureKind.RUNNING: (Family.STOPPING, Family.DEEPENING),
    FailureKind.WIDTH_EXHAUSTED: (Family.WEIGHTS, Family.VOTERS),
    FailureKind.OUTVOTED: (Family.WEIGHTS, Family.VOTERS, Family.STOPPING),
    FailureKind.OUTVOTED_BY_ALL: (Family.WEIGHTS, Family.DROPPING),
}
"""Kind of failure -> where a change may help: fewer tokens where no branch is right, other votes where one is."""


class GrammarExplorer:
    """Composes, mutates and crosses controllers. Implements `discovery.proposal.Explorer`."""

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """One controller to try next. The same situation and generator state give the same proposal."""
        known = [(parent, recipe) for parent in situation.parents if (recipe := Recipe.from_json(parent.recipe))]
        draw = rng.random()
        if known and draw >= FRESH_SHARE:
            parent, recipe = known[0]
            if len(known) > 1 and draw >= 1 - CROSSED_SHARE:
                other, their = known[1]
                crossed = cross(recipe, their, rng)
                if crossed is not None:
                    return _proposal(crossed, f"#{parent.number} {crossed.change}, #{other.number}'s", parent, other)
            variant = mutate(recipe, attention(parent), rng)
            return _proposal(variant, f"#{parent.number} {variant.change}", parent)
        variant = compose(rng)
        return _proposal(variant, f"composed afresh: {variant.change}")


def attention(parent: Parent) -> dict[Family, float]:
    """How likely a change is to be in each family: the same for all, and more where the parent's failures point."""
    weights = dict.fromkeys(Family, 1.0)
    total = sum(failure.share for failure in parent.failures)
    for failure in parent.failures:
        families = ATTENTION.get(failure.kind, ())
        for family in families:
            weights[family] += len(Family) / 2 * failure.share / total / len(families)
    return weights


def _proposal(variant: Variant, idea: str, *parents: Parent) -> Proposal:
    return Proposal(
        source=write(variant.recipe),
        idea=idea,
        origin=Origin.GRAMMAR,
        parents=tuple(parent.number for parent in parents),
        recipe=variant.recipe.to_json(),
    )
