"""Spends episodes on a candidate only while it can still reach the front.

A candidate first plays a few seeds of the search questions; it plays the next rung if, within the noise of the seeds
so far, one of its points could extend the front as measured on the same questions and seeds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from discovery.evaluation import Cell
from discovery.records import Outcome
from discovery.scorecard import Panel, curve
from replay.split import Split

FIRST_RUNG = 4
"""Seeds of the first rung; each further one has `RUNG_FACTOR` times as many."""

RUNG_FACTOR = 4

MARGIN = 2.0
"""Standard errors over seeds by which a point is given the benefit of the doubt."""


def rungs(n_seeds: int) -> list[range]:
    """The seeds that each rung adds, together 0 to `n_seeds` - 1."""
    edges = [0]
    size = FIRST_RUNG
    while size < n_seeds:
        edges.append(size)
        size *= RUNG_FACTOR
    edges.append(n_seeds)
    return [range(first, last) for first, last in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate's search episodes, as far as it has played.

    Attributes:
        number: Its number in the run.
        cells: One for each store and beta, search questions only.
    """

    number: int
    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, number: int, outcomes: Iterable[Outcome], stores: Sequence[str]) -> "Contender":
        """A candidate's search episodes as the archive keeps them; `stores` are the names of the run's stores."""
        cells = (
            Cell(
                store=stores.index(outcome.store),
                beta=outcome.beta,
                correct=outcome.correct,
                tokens=outcome.tokens,
                sequential_tokens=outcome.sequential_tokens,
                status=outcome.status,
            )
            for outcome in outcomes
            if outcome.split is Split.SEARCH
        )
        return cls(number, tuple(cells))


def can_reach_front(cells: Sequence[Cell], rivals: Sequence[Contender], panel: Panel) -> bool:
    """Whether a point could still extend the rivals' front once more seeds are played.

    Args:
        cells: The candidate's cells so far.
        rivals: Sound candidates with at least as many seeds.
        panel: The search questions with the seeds so far.
    """
    n_seeds = len(panel.seeds)
    known = [
        (scores.accuracy, scores.cost_ratio)
        for rival in rivals
        for scores in curve([cell.part(slice(n_seeds), slice(None)) for cell in rival.cells], panel).values()
    ]
    if not known:
        return True
    accuracies, ratios = np.array(known).T
    for beta, scores in curve(cells, panel).items():
        hoped = scores.accuracy + MARGIN * _seed_error([cell for cell in cells if cell.beta == beta])
        cheaper = ratios <= scores.cost_ratio
        if not cheaper.any() or hoped > accuracies[cheaper].max():
            return True
    return False


def _seed_error(cells: Sequence[Cell]) -> float:
    """Standard error of the mean accuracy over seeds, the questions given."""
    variances = []
    for cell in cells:
        n_seeds, n_questions = cell.correct.shape
        means = (cell.correct.sum(0) + 0.5) / (n_seeds + 1)
        variances.append(float((means * (1 - means)).sum()) / n_seeds / n_questions**2)
    return float(np.sqrt(np.sum(variances))) / len(cells)
