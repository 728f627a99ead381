"""Whether one controller beats another: a paired bootstrap over questions, drawn jointly for all models.

The seeds are the same for both; what is not known is how they would do on other questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from discovery.evaluation import Cell
from discovery.scorecard import Panel, area, curve
from replay.bootstrap import Counts, Estimate, draw_counts, estimate, resampled_means
from replay.scoring import Scores, frontier_area

RESAMPLES = 10_000

LEAST_QUESTIONS = 10
"""With fewer questions nothing is claimed."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two controllers at one beta each, or at settings of their own.

    Attributes:
        beta_a: Beta of the first.
        beta_b: Beta of the second.
        a: Scores of the first.
        b: Scores of the second.
        accuracy: Accuracy of the first less that of the second.
        tokens: Tokens of the first over those of the second.
    """

    beta_a: float
    beta_b: float
    a: Scores
    b: Scores
    accuracy: Estimate
    tokens: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """One controller against another.

    Attributes:
        names: What they are called.
        n_questions: Different questions.
        pairs: By beta.
        areas: Frontier areas of both; None unless whole curves are compared.
        area: Frontier area of the first less that of the second; None likewise.
    """

    names: tuple[str, str]
    n_questions: int
    pairs: tuple[Pair, ...]
    areas: tuple[float, float] | None
    area: Estimate | None

    @property
    def verdict(self) -> str:
        """What may be claimed, in a sentence."""
        where = f"on these {self.n_questions} questions"
        if self.n_questions < LEAST_QUESTIONS:
            return f"Nothing can be claimed: {self.n_questions} questions are too few."
        if self.area is not None:
            return _area_verdict(self.names, self.area, where)
        return _pair_verdict(self.names, self.pairs[0], where)


def compare(
    names: tuple[str, str],
    cells: tuple[Sequence[Cell], Sequence[Cell]],
    panel: Panel,
    rng: np.random.Generator,
    n_resamples: int = RESAMPLES,
) -> Comparison:
    """Compares two controllers that played the same episodes.

    Args:
        names: What they are called.
        cells: Of each, one cell for each store and beta, as many betas of one as of the other.
        panel: The episodes.
        rng: Draws questions.
        n_resamples: How often.

    Raises:
        ValueError: If there are fewer than two questions.
    """
    draws = _Draws.of(panel, rng, n_resamples)
    one, other = (_Resampled.of(of_one, panel, draws) for of_one in cells)
    pairs = tuple(
        Pair(
            beta_a=beta_a,
            beta_b=beta_b,
            a=a,
            b=b,
            accuracy=draws.estimate(a.accuracy - b.accuracy, one.accuracies[:, i] - other.accuracies[:, i]),
            tokens=draws.estimate(a.tokens / b.tokens, one.tokens[:, i] / other.tokens[:, i]),
        )
        for i, ((beta_a, a), (beta_b, b)) in enumerate(zip(one.curve.items(), other.curve.items(), strict=True))
    )
    if len(pairs) == 1:
        return Comparison(names, draws.n_questions, pairs, None, None)
    areas = area(one.curve, panel), area(other.curve, panel)
    difference = draws.estimate(areas[0] - areas[1], one.areas(draws) - other.areas(draws))
    return Comparison(names, draws.n_questions, pairs, areas, difference)


@dataclass(frozen=True, slots=True)
class _Draws:
    """The questions drawn, and what both controllers are measured against on them.

    Attributes:
        counts: Per store, (draws, questions) how often each question was drawn.
        n_questions: Different questions.
        single_branch: (draws,) accuracy of one branch alone.
        reference: (draws,) tokens of self-consistency with 64 branches.
    """

    counts: tuple[Counts, ...]
    n_questions: int
    single_branch: Floats
    reference: Floats

    @classmethod
    def of(cls, panel: Panel, rng: np.random.Generator, n_resamples: int) -> "_Draws":
        """Draws questions by their text: the same for all stores that hold them.

        Questions that the same stores hold are a stratum, so that no store is left without any.
        """
        digests = [
            [keyed.store.question_digests[question] for question in questions.tolist()]
            for keyed, questions in zip(panel.stores, panel.questions, strict=True)
        ]
        holders: dict[str, set[int]] = {}
        for store, held in enumerate(digests):
            for digest in held:
                holders.setdefault(digest, set()).add(store)
        if len(holders) < 2:
            raise ValueError("a bootstrap over questions needs at least two")
        groups = [tuple(sorted(stores)) for stores in holders.values()]
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        drawn = draw_counts([numbers[group] for group in groups], n_resamples, rng)
        position = {digest: index for index, digest in enumerate(holders)}
        counts = tuple(drawn[:, [position[digest] for digest in held]] for held in digests)
        means = [
            (resampled_means(drawn, single), resampled_means(drawn, reference.mean(axis=0)))
            for drawn, single, reference in zip(counts, panel.single_branch, panel.reference, strict=True)
        ]
        single, reference = np.mean(means, axis=0)
        return cls(counts, len(holders), single, reference)

    def estimate(self, value: float, resampled: Floats) -> Estimate:
        """A figure with its interval."""
        return estimate(value, resampled, self.n_questions)


@dataclass(frozen=True, slots=True)
class _Resampled:
    """One controller's curve on the questions as they are and as drawn. Arrays are (draws, betas)."""

    curve: dict[float, Scores]
    accuracies: Floats
    tokens: Floats

    @classmethod
    def of(cls, cells: Sequence[Cell], panel: Panel, draws: _Draws) -> "_Resampled":
        """The unweighted mean over stores of each figure, as in `scorecard.score`."""
        scores = curve(cells, panel)
        accuracies, tokens = [], []
        for store, counts in enumerate(draws.counts):
            by_beta = {cell.beta: cell for cell in cells if cell.store == store}
            ordered = [by_beta[beta] for beta in scores]
            accuracies.append(resampled_means(counts, np.stack([cell.correct.mean(axis=0) for cell in ordered], 1)))
            tokens.append(resampled_means(counts, np.stack([cell.tokens.mean(axis=0) for cell in ordered], 1)))
        return cls(scores, np.mean(accuracies, axis=0), np.mean(tokens, axis=0))

    def areas(self, draws: _Draws) -> Floats:
        """(draws,) frontier areas."""
        points = np.stack([self.accuracies, self.tokens / draws.reference[:, None]], axis=2)
        singles = draws.single_branch.tolist()
        return np.array([frontier_area(each, single) for each, single in zip(points, singles, strict=True)])


def _area_verdict(names: tuple[str, str], found: Estimate, where: str) -> str:
    if not found.excludes(0):
        return f"The difference of {_points(found)} of frontier area can't be told from chance {where}."
    better, gain = (names[0], found) if found.value > 0 else (names[1], _reversed(found))
    return f"{better} is better by {_points(gain)} of frontier area {where}."


def _pair_verdict(names: tuple[str, str], pair: Pair, where: str) -> str:
    found = pair.accuracy
    ratio = f"{pair.tokens.value:.2f} [{pair.tokens.low:.2f}, {pair.tokens.high:.2f}]"
    if found.excludes(0):
        better, gain = (names[0], found) if found.value > 0 else (names[1], _reversed(found))
        accuracy = f"{better} is more accurate by {_points(gain)}"
    else:
        accuracy = f"The difference of {_points(found)} of accuracy can't be told from chance"
    if pair.tokens.excludes(1):
        return f"{accuracy}, and {names[0]} spends {ratio} times the tokens of {names[1]}, {where}."
    return f"{accuracy}, nor {ratio} times the tokens, {where}."


def _reversed(found: Estimate) -> Estimate:
    return Estimate(-found.value, -found.high, -found.low)


def _points(found: Estimate) -> str:
    return f"{100 * found.value:.1f} points [{100 * found.low:.1f}, {100 * found.high:.1f}]"
