"""Whether there is anything to discover on a store: what branches, votes and lengths leave open.

Describes recorded branches alone; it plays no episode and judges no controller.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replay.scoring import REFERENCE_WIDTH, single_branch_accuracies
from replay.store import AnswerKey, Ints, ReplayStore
from replay.tables import NO_ANSWER, branch_order

SEEDS = range(100)
"""Branch orders that vote curves are averaged over."""

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Quantiles of branch lengths that are shown."""

NEAR_LONGEST = 0.95
"""Where no limit is known, branches of at least this share of the longest one's length count as cut off."""

FEW_QUESTIONS = 10
"""Fewer questions with both correct and wrong branches than this hardly tell controllers apart."""

SMALL_GAIN = 0.01
"""Accuracy that voting has to add over one branch to be worth naming."""

MANY_CUT = 0.1
"""Share of branches cut off from which lengths say more about the limit than about the model."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is in a store, as shares in [0, 1] over its questions, branches or probes.

    Attributes:
        n_questions: Questions.
        n_mixed: Questions with both correct and wrong branches: the only ones that a choice among final answers can
            decide.
        single_branch: Mean over questions of the share of correct branches.
        votes: Number of branches -> accuracy of their majority.
        passes: Number of branches -> share of questions with a correct one among them: no choice among as many
            final answers can do better.
        length_quantiles: Quantile -> length of a branch in tokens.
        cut: Share of branches that ran into the length limit.
        silent_probes: Share of probes without an answer; None if there are no probes.
        silent_finals: Share of branches that ended without an answer.
    """

    n_questions: int
    n_mixed: int
    single_branch: float
    votes: Mapping[int, float]
    passes: Mapping[int, float]
    length_quantiles: Mapping[float, float]
    cut: float
    silent_probes: float | None
    silent_finals: float

    @property
    def mixed(self) -> float:
        """Share of questions with both correct and wrong branches."""
        return self.n_mixed / self.n_questions

    @property
    def meaning(self) -> str:
        """What the figures mean, in one sentence."""
        return f"{_finding(self)}{_caution(self)}."


def coverage(
    store: ReplayStore, key: AnswerKey, *, seeds: Sequence[int] = SEEDS, limit_tokens: int | None = None
) -> Coverage:
    """Describes a store.

    Args:
        store: The recorded branches.
        key: Its answer key.
        seeds: Branch orders that vote curves are averaged over.
        limit_tokens: Length at which branches were cut off, if known.
    """
    shares = single_branch_accuracies(store, key, np.arange(len(store.questions)))
    widths = vote_widths(store)
    return Coverage(
        n_questions=len(store.questions),
        n_mixed=int(np.count_nonzero((shares > 0) & (shares < 1))),
        single_branch=float(shares.mean()),
        votes=dict(zip(widths, vote_curve(store, key, widths, seeds).tolist(), strict=True)),
        passes=dict(zip(widths, pass_curve(store, key, widths).tolist(), strict=True)),
        length_quantiles=dict(zip(QUANTILES, np.quantile(store.tokens, QUANTILES).tolist(), strict=True)),
        cut=cut_share(store, limit_tokens),
        silent_probes=silent_probe_share(store),
        silent_finals=float(np.mean(store.finals == NO_ANSWER)),
    )


def vote_widths(store: ReplayStore) -> tuple[int, ...]:
    """1, 2, 4 ... branches, up to 64 or the most that a question has."""
    most = min(REFERENCE_WIDTH, max(store.n_branches(question) for question in range(len(store.questions))))
    powers = [2**power for power in range(most.bit_length())]
    return tuple(sorted({*powers, most}))


def vote_curve(store: ReplayStore, key: AnswerKey, widths: Sequence[int], seeds: Sequence[int] = SEEDS) -> Floats:
    """Accuracy of the majority of the first branches: self-consistency (Wang et al. 2022).

    No answer counts like any other, and is never correct; ties go to the answer met first. A question with fewer
    branches than asked for votes with all of them.

    Returns:
        (widths,) accuracies, over questions and seeds.
    """
    gold = key.ids(store)
    correct = np.empty((len(store.questions), len(widths)))
    for question, answer in enumerate(gold.tolist()):
        finals = _finals(store, question)
        ordered = finals[np.array([branch_order(seed, len(finals)) for seed in seeds])]
        correct[question] = [np.mean(_majorities(ordered[:, :width]) == answer) for width in widths]
    accuracies: Floats = correct.mean(axis=0)
    return accuracies


def pass_curve(store: ReplayStore, key: AnswerKey, widths: Sequence[int]) -> Floats:
    """Probability that at least one of so many branches, drawn without replacement, is correct.

    pass@n = 1 - C(N - c, n) / C(N, n) of a question with c correct ones among N branches (Chen et al. 2021).

    Returns:
        (widths,) means over questions.
    """
    gold = key.ids(store)
    passing = np.empty((len(store.questions), len(widths)))
    for question, answer in enumerate(gold.tolist()):
        finals = _finals(store, question)
        n_wrong = int(np.count_nonzero(finals != answer))
        drawn = [min(width, len(finals)) for width in widths]
        passing[question] = [1 - math.comb(n_wrong, n) / math.comb(len(finals), n) for n in drawn]
    shares: Floats = passing.mean(axis=0)
    return shares


def cut_share(store: ReplayStore, limit_tokens: int | None = None) -> float:
    """Share of branches that reached the length limit.

    Where `limit_tokens` is None: those within 5 % of the longest one's length, a guess that is too high by at least
    one branch where nothing was cut off.
    """
    limit = NEAR_LONGEST * int(store.tokens.max()) if limit_tokens is None else limit_tokens
    return float(np.mean(store.tokens >= limit))


def silent_probe_share(store: ReplayStore) -> float | None:
    """Share of probes without an answer, final answers not counted; None if there are no probes."""
    n_probes = len(store.answers) - len(store.finals)
    if n_probes == 0:
        return None
    n_silent = np.count_nonzero(store.answers == NO_ANSWER) - np.count_nonzero(store.finals == NO_ANSWER)
    return float(n_silent / n_probes)


def _finals(store: ReplayStore, question: int) -> Ints:
    return store.finals[store.branch_starts[question] : store.branch_ends[question]]


def _majorities(answers: Ints) -> Ints:
    """(rows,) the most frequent id of each row; ties go to the one met first."""
    n_rows, width = answers.shape
    ids, columns = np.unique(answers, return_inverse=True)
    columns = columns.reshape(answers.shape)
    rows = np.arange(n_rows)[:, None]
    counts = np.zeros((n_rows, len(ids)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    first_met = np.full(counts.shape, width)
    np.minimum.at(first_met, (rows, columns), np.arange(width))
    leading: Ints = ids[np.argmax(counts * (width + 1) - first_met, axis=1)]
    return leading


def _finding(found: Coverage) -> str:
    width = max(found.votes)
    vote, best = found.votes[width], found.passes[width]
    one = f"one branch alone is right in {found.single_branch:.1%} of cases"
    if found.n_mixed == 0:
        return f"There is no accuracy to gain here, only tokens to save: {one}, and no question has both kinds"
    many = f"the majority of {width} in {vote:.1%}"
    ceiling = f"at least one of {width} in {best:.1%}"
    if best - found.single_branch < SMALL_GAIN:
        return f"There is hardly any accuracy to gain here, only tokens to save: {one}, {ceiling}"
    if vote - found.single_branch < SMALL_GAIN:
        return f"Voting alone does not pay here, telling branches apart would: {one}, {many}, {ceiling}"
    return f"There is something to discover here: {one}, {many}, {ceiling}"


def _caution(found: Coverage) -> str:
    cautions = []
    if 0 < found.n_mixed < FEW_QUESTIONS:
        questions = "question decides" if found.n_mixed == 1 else "questions decide"
        cautions.append(f"only {found.n_mixed} {questions} it, too few to tell controllers apart")
    if found.cut > MANY_CUT:
        cautions.append(f"{found.cut:.0%} of the branches end near the length limit")
    return f", but {' and '.join(cautions)}" if cautions else ""
