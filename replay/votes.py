"""Votes over labels: majority, tally, and the confidence that the leader is ahead for good.

Controllers find these three under their bare names. They know nothing of branches or costs.
"""

from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)

MAX_CONFIDENCE_COUNT = 4_096
"""The largest vote count that `confidence` takes."""


def tally(labels: Iterable[Label]) -> dict[Label, int]:
    """Counts labels, None like any other.

    Returns:
        A fresh dict label -> count, most frequent first; equally frequent ones in the order they were met.
    """
    counts: dict[Label, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    if len(counts) < 2:
        return counts
    return dict(sorted(counts.items(), key=_count, reverse=True))


def majority(labels: Iterable[Label]) -> Label | None:
    """The most frequent label, None counted like any other; ties go to the one met first. None for no labels."""
    counts: dict[Label, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    if not counts:
        return None
    return max(counts, key=counts.__getitem__)


def confidence(v1: int, v2: int = 0) -> float:
    """Probability that the true share of the leader exceeds one half.

    P(X > 1/2) for X ~ Beta(v1 + 1, v2 + 1), the stopping statistic of adaptive self-consistency
    (Aggarwal et al. 2023), as an exact sum of binomial terms.

    Args:
        v1: Votes of the most frequent label.
        v2: Votes of the second most frequent one.

    Returns:
        A probability in [0, 1]; 0 when there are no votes.

    Raises:
        ValueError: If a count is not an int from 0 to `MAX_CONFIDENCE_COUNT`.
    """
    if type(v1) is not int or type(v2) is not int:
        raise ValueError("confidence takes two vote counts, each a whole number")
    return _confidence(v1, v2)


@lru_cache(maxsize=65_536)
def _confidence(v1: int, v2: int) -> float:
    if not (0 <= v1 <= MAX_CONFIDENCE_COUNT and 0 <= v2 <= MAX_CONFIDENCE_COUNT):
        raise ValueError(f"confidence takes vote counts from 0 to {MAX_CONFIDENCE_COUNT}")
    if v1 == v2 == 0:
        return 0.0
    trials = v1 + v2 + 1
    term = favourable = 1
    for successes in range(v1):
        term = term * (trials - successes) // (successes + 1)
        favourable += term
    return favourable / (1 << trials)


def _count(item: tuple[object, int]) -> int:
    return item[1]
