"""Scores of an evaluation: each beta on one store or over several, and the frontier area of the curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from discovery.evaluation import Cell, KeyedStore
from replay.scoring import (
    Scores,
    frontier_area,
    mean_of,
    reference_tokens,
    single_branch_accuracies,
    standard_error,
)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """The episodes that controllers are compared on, and what costs and accuracies are measured against.

    Attributes:
        stores: The stores.
        questions: Per store, the indices of its questions.
        seeds: Branch-order seeds.
        reference: Per store, (seeds, questions) tokens of self-consistency with 64 branches.
        single_branch: Per store, (questions,) share of correct branches.
    """

    stores: tuple[KeyedStore, ...]
    questions: tuple[Indices, ...]
    seeds: tuple[int, ...]
    reference: tuple[Floats, ...]
    single_branch: tuple[Floats, ...]

    @property
    def n_episodes(self) -> int:
        """Episodes of one controller at one beta."""
        return len(self.seeds) * sum(map(len, self.questions))

    def part(self, columns: Sequence[Indices], n_seeds: int | None = None) -> "Panel":
        """The panel restricted to some of its questions, by position, and to its first seeds."""
        rows = slice(0, len(self.seeds) if n_seeds is None else n_seeds)
        by_store = list(zip(columns, self.questions, self.reference, self.single_branch, strict=True))
        return Panel(
            stores=self.stores,
            questions=tuple(questions[at] for at, questions, _, _ in by_store),
            seeds=self.seeds[rows],
            reference=tuple(reference[rows][:, at] for at, _, reference, _ in by_store),
            single_branch=tuple(single[at] for at, _, _, single in by_store),
        )

    def of_store(self, store: int) -> "Panel":
        """The panel with the questions of one store alone."""
        empty = np.zeros(0, np.int64)
        return self.part([np.arange(len(q)) if i == store else empty for i, q in enumerate(self.questions)])


def make_panel(stores: Sequence[KeyedStore], questions: Sequence[Indices], seeds: Sequence[int]) -> Panel:
    """Measures what self-consistency costs and one branch is worth on some questions."""
    pairs = list(zip(stores, questions, strict=True))
    return Panel(
        stores=tuple(stores),
        questions=tuple(questions),
        seeds=tuple(seeds),
        reference=tuple(reference_tokens(keyed.store, chosen, seeds) for keyed, chosen in pairs),
        single_branch=tuple(single_branch_accuracies(keyed.store, keyed.key, chosen) for keyed, chosen in pairs),
    )


def curve(cells: Sequence[Cell], panel: Panel) -> dict[float, Scores]:
    """Scores by beta, ascending: of each figure the unweighted mean over the stores of the cells."""
    betas = sorted({cell.beta for cell in cells})
    return {beta: score([cell for cell in cells if cell.beta == beta], panel) for beta in betas}


def score(cells: Sequence[Cell], panel: Panel) -> Scores:
    """Scores of the cells of one beta, one cell a store."""
    tokens = mean_of(cell.tokens.mean() for cell in cells)
    reference = mean_of(panel.reference[cell.store].mean() for cell in cells)
    return Scores(
        accuracy=mean_of(cell.correct.mean() for cell in cells),
        standard_error=standard_error(_question_means(cells, panel)),
        tokens=tokens,
        sequential_tokens=mean_of(cell.sequential_tokens.mean() for cell in cells),
        cost_ratio=tokens / reference,
    )


def area(scores: dict[float, Scores], panel: Panel) -> float:
    """Frontier area of a curve on a panel."""
    points = [(point.accuracy, point.cost_ratio) for point in scores.values()]
    return frontier_area(points, single_branch(panel))


def single_branch(panel: Panel) -> float:
    """Accuracy of one branch alone: mean over questions, then over stores."""
    return mean_of(share.mean() for share in panel.single_branch if len(share))


def _question_means(cells: Sequence[Cell], panel: Panel) -> Floats:
    """Accuracy of each question, over seeds and the stores that hold it."""
    means: dict[str, list[float]] = {}
    for cell in cells:
        digests = panel.stores[cell.store].store.question_digests
        for question, mean in zip(panel.questions[cell.store].tolist(), cell.correct.mean(0).tolist(), strict=True):
            means.setdefault(digests[question], []).append(mean)
    return np.array([mean_of(values) for values in means.values()])
