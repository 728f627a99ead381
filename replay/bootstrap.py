"""Bootstrap over questions: how far a figure could have come out otherwise had other questions been asked.

Questions are the unit: episodes of one question are not independent. Knows no controller and no score.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: On the questions as they are.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside the interval."""
        return not self.low <= value <= self.high


def draw_counts(strata: npt.ArrayLike, n_resamples: int, rng: np.random.Generator) -> Counts:
    """Draws questions with replacement, from each stratum as many as it has.

    Args:
        strata: (questions,) the stratum of each question.
        n_resamples: How often to draw.
        rng: Draws.

    Returns:
        (n_resamples, questions) how often each question was drawn.
    """
    stratum = np.asarray(strata)
    counts = np.zeros((n_resamples, len(stratum)), np.int64)
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), n_resamples)
    return counts


def resampled_means(counts: Counts, values: npt.ArrayLike) -> Floats:
    """Means of each question's value over the questions drawn.

    Args:
        counts: (n_resamples, questions) from `draw_counts`.
        values: (questions,) or (questions, figures).

    Returns:
        (n_resamples,) or (n_resamples, figures).
    """
    sums = counts @ np.asarray(values, float)
    sizes = counts.sum(axis=1)
    means: Floats = sums / (sizes if sums.ndim == 1 else sizes[:, None])
    return means


def estimate(value: float, resampled: npt.ArrayLike, n_questions: int, confidence: float = CONFIDENCE) -> Estimate:
    """A figure with its expanded percentile interval (Hesterberg 2015, What Teachers Should Know About the Bootstrap).

    The plain percentile interval is too narrow for few questions, by the factor sqrt((n-1)/n) and for want of the t
    distribution's tails; it is taken at levels that make up for both.

    Args:
        value: On the questions as they are.
        resampled: (n_resamples,) on the questions drawn.
        n_questions: Questions that were drawn from, at least 2.
        confidence: Of the interval.
    """
    tail = (1 - confidence) / 2
    widened = math.sqrt(n_questions / (n_questions - 1)) * _t_quantile(1 - tail, n_questions - 1)
    level = NormalDist().cdf(-widened)
    low, high = np.quantile(np.asarray(resampled, float), [level, 1 - level])
    return Estimate(value, float(low), float(high))


def _t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t: the Cornish-Fisher series in 1 / freedom (Abramowitz and Stegun 26.7.5)."""
    x = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))
