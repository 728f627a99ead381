"""What outcomes are worth: accuracy, tokens, cost ratio, frontier area, standard errors.

The only part of the package that compares answers with an answer key.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replay.store import AnswerKey, ReplayStore
from replay.tables import branch_order

REFERENCE_WIDTH = 64
"""Branches of the self-consistency that costs are relative to."""

LEAST_RATIO = 1 / 16
"""Cost ratio at which the frontier area begins; it ends at 1."""

BETAS = tuple(round(step / 10, 1) for step in range(11))
"""The betas at which curves are compared."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """One controller at one beta on one store or, as the mean of each figure, on several.

    Attributes:
        accuracy: Share of episodes answered correctly, in [0, 1]; maximised.
        standard_error: Of the accuracy, over questions.
        tokens: Mean tokens of an episode; minimised.
        sequential_tokens: Mean tokens along its critical path; minimised.
        cost_ratio: `tokens` over those of self-consistency with 64 branches on the same episodes.
    """

    accuracy: float
    standard_error: float
    tokens: float
    sequential_tokens: float
    cost_ratio: float


def mean_of(values: Iterable[float]) -> float:
    """The mean of a few figures, exactly rounded: the same in whatever order they come. NaN for none.

    Means over stores are formed by this alone, so that what is computed twice in different ways is equal.
    """
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else math.nan


def standard_error(question_means: Floats) -> float:
    """Standard error of the mean over questions; NaN for fewer than two.

    Args:
        question_means: (questions,) accuracy of each question over seeds and stores.
    """
    if len(question_means) < 2:
        return math.nan
    return float(question_means.std(ddof=1) / math.sqrt(len(question_means)))


def reference_tokens(
    store: ReplayStore, questions: npt.NDArray[np.integer], seeds: Sequence[int], width: int = REFERENCE_WIDTH
) -> Floats:
    """Tokens of self-consistency with `width` branches, or all that a question has.

    Returns:
        (seeds, questions) tokens.
    """
    tokens = np.empty((len(seeds), len(questions)))
    for column, question in enumerate(questions.tolist()):
        start, end = store.branch_starts[question], store.branch_ends[question]
        lengths = store.tokens[start:end].astype(np.int64)
        orders = np.array([branch_order(seed, len(lengths))[:width] for seed in seeds])
        tokens[:, column] = lengths[orders].sum(axis=1)
    return tokens


def single_branch_accuracies(store: ReplayStore, key: AnswerKey, questions: npt.NDArray[np.integer]) -> Floats:
    """Share of correct branches of each question: what one branch alone is worth.

    Returns:
        (questions,) shares.
    """
    gold = key.ids(store)
    shares = [
        np.mean(store.finals[store.branch_starts[question] : store.branch_ends[question]] == gold[question])
        for question in questions.tolist()
    ]
    return np.array(shares, float)


def frontier_area(points: npt.ArrayLike, single_branch: float) -> float:
    """Mean accuracy over budgets, on a logarithmic scale of cost.

    (1 / ln 16) times the integral of A(r) d ln r over [1/16, 1], where A(r) is the larger of the single-branch accuracy
    and the best accuracy at a cost ratio of at most r. Exact, since A is a step function.

    Args:
        points: (n, 2); column 0 is accuracy in [0, 1], maximised; column 1 is the cost ratio, minimised.
        single_branch: Accuracy of one branch alone.

    Returns:
        An accuracy in [0, 1]; maximised.
    """
    area = 0.0
    best, reached = single_branch, LEAST_RATIO
    for accuracy, ratio in sorted(np.asarray(points, float).reshape(-1, 2).tolist(), key=lambda point: point[1]):
        if ratio >= 1 or accuracy <= best:
            continue
        if ratio > reached:
            area += best * math.log(ratio / reached)
            reached = ratio
        best = accuracy
    area += best * math.log(1 / reached)
    return area / -math.log(LEAST_RATIO)
