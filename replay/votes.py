"""Votes over labels: majority, tally, and the confidence that the leader is ahead for good.

Controllers find these three under their bare names. They know nothing of branches or costs. Each of the three stands
on its own, so that an exported controller can carry a copy; the forms that count in C are what a search runs.
"""

from collections import _count_elements  # type: ignore[attr-defined]
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)


def majority(labels: Iterable[Label]) -> Label | None:
    """The most frequent label, None counted like any other; ties go to the one met first. None for no labels."""
    counts: dict[Label, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return max(counts, key=counts.get) if counts else None  # type: ignore[arg-type]


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
    return {label: counts[label] for label in sorted(counts, key=counts.get, reverse=True)}  # type: ignore[arg-type]


def confidence(v1: int, v2: int = 0) -> float:
    """Probability that the true share of the leader exceeds one half.

    P(X > 1/2) for X ~ Beta(v1 + 1, v2 + 1), the stopping statistic of adaptive self-consistency
    (Aggarwal et al. 2023), as an exact sum of binomial terms.

    Args:
        v1: Votes of the most frequent label, 0 to 4096.
        v2: Votes of the second most frequent one, 0 to 4096.

    Returns:
        A probability in [0, 1]; 0 when there are no votes.

    Raises:
        ValueError: If a count is not an int in its range.
    """
    if type(v1) is not int or type(v2) is not int or not (0 <= v1 <= 4096 and 0 <= v2 <= 4096):
        raise ValueError("confidence takes two vote counts, each a whole number from 0 to 4096")
    if v1 == v2 == 0:
        return 0.0
    trials = v1 + v2 + 1
    term = favourable = 1
    for successes in range(v1):
        term = term * (trials - successes) // (successes + 1)
        favourable += term
    return favourable / (1 << trials)


def counted_majority(labels: Iterable[Label]) -> Label | None:
    """`majority`, counted by the loop that is behind `collections.Counter`."""
    counts: dict[Label, int] = {}
    _count_elements(counts, labels)
    return max(counts, key=counts.get) if counts else None  # type: ignore[arg-type]


def counted_tally(labels: Iterable[Label]) -> dict[Label, int]:
    """`tally`, counted by the loop that is behind `collections.Counter`."""
    counts: dict[Label, int] = {}
    _count_elements(counts, labels)
    if len(counts) < 2:
        return counts
    return {label: counts[label] for label in sorted(counts, key=counts.get, reverse=True)}  # type: ignore[arg-type]


_remembered: Callable[[int, int], float] = lru_cache(maxsize=65_536)(confidence)


def remembered_confidence(v1: int, v2: int = 0) -> float:
    """`confidence`, computed once for each pair of counts. Shows nothing of what was asked before."""
    if type(v1) is not int or type(v2) is not int:
        return confidence(v1, v2)
    return _remembered(v1, v2)
