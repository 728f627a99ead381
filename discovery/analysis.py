"""Where a controller failed: each wrong episode gets one kind, found from what its branches would have answered.

Works on search questions for explorers and on any for people. Answers appear as right or wrong, never as text.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from discovery.evaluation import Evaluation, KeyedStore, Play
from discovery.proposal import DepthGroup, Failure
from discovery.records import Candidate
from replay import votes
from replay.episode import EpisodeSettings
from replay.scoring import mean_of
from replay.store import ReplayStore
from replay.tables import branch_order
from replay.trace import settled_share, trace
from replay.verify import BranchEnd

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class FailureKind(StrEnum):
    """Why an episode's answer was wrong: the first that applies, in this order."""

    ERROR = "error"
    NEVER_CORRECT = "never_correct"
    STOPPED_EARLY = "stopped_early"
    NOT_OPENED = "not_opened"
    PRUNED = "pruned"
    RUNNING = "running"
    WIDTH_EXHAUSTED = "width_exhausted"
    OUTVOTED = "outvoted"
    OUTVOTED_BY_ALL = "outvoted_by_all"


MEANINGS = {
    FailureKind.ERROR: "an illegal call, an exception, or an answer that no probe had shown",
    FailureKind.NEVER_CORRECT: "no recorded branch ends with the right answer",
    FailureKind.STOPPED_EARLY: "right only in branches not opened; its answer held most of the finished votes",
    FailureKind.NOT_OPENED: "right only in branches not opened",
    FailureKind.PRUNED: "right in a branch that was pruned, in no finished one",
    FailureKind.RUNNING: "right in a branch that still ran at the stop, in no finished one",
    FailureKind.WIDTH_EXHAUSTED: "right in a finished branch, outvoted, with every branch opened",
    FailureKind.OUTVOTED: "right in a finished branch, outvoted; the majority of all branches would have been right",
    FailureKind.OUTVOTED_BY_ALL: "right in a finished branch, outvoted; so it would have been by all branches",
}
KINDS = tuple(FailureKind)

UNRECORDED = -3
"""In place of a final answer, past the recorded branches; not an answer's id, none, or a gold answer's."""

ALL_EPISODES = "all"
"""Beside the kinds of failure: every episode, right ones included."""

SETTLED = "settled_tokens"
"""Where a candidate's archived analysis keeps them."""

GROUPS = 4
"""Groups of branches by when they finish."""


def failures(evaluation: Evaluation, stores: Sequence[KeyedStore]) -> tuple[Failure, ...]:
    """The kinds of failure of an evaluation, over all its episodes.

    Returns:
        Most frequent first; kinds that did not occur are left out.
    """
    kinds = [_kinds_of(play, stores[play.store]) for play in evaluation.plays]
    tokens = [play.outcomes.tokens for play in evaluation.plays]
    if not kinds:
        return ()
    kind, spent = np.concatenate(kinds), np.concatenate(tokens)
    found = [
        Failure(kind=name.value, share=float(at.mean()), mean_tokens=float(spent[at].mean()))
        for index, name in enumerate(KINDS)
        if (at := kind == index).any()
    ]
    return tuple(sorted(found, key=lambda failure: -failure.share))


def settled_tokens(evaluation: Evaluation, stores: Sequence[KeyedStore], settings: EpisodeSettings) -> dict[str, float]:
    """Mean tokens that an episode spent after its answer had settled, see `replay.trace.settled_share`.

    Returns:
        By kind of failure, and for `ALL_EPISODES`; kinds that did not occur are left out.
    """
    found: dict[str, list[float]] = {}
    for play in evaluation.plays:
        keyed = stores[play.store]
        for episode, kind in enumerate(_kinds_of(play, keyed).tolist()):
            tokens = float(_settled(play, episode, keyed.store, settings))
            for name in (ALL_EPISODES, *((KINDS[kind].value,) if kind >= 0 else ())):
                found.setdefault(name, []).append(tokens)
    return {name: mean_of(tokens) for name, tokens in found.items()}


def archived_settled_tokens(candidate: Candidate) -> dict[str, float]:
    """What `settled_tokens` found, as the archive keeps it; empty for a candidate that did not play through."""
    found = candidate.analysis.get(SETTLED)
    return dict(found) if isinstance(found, Mapping) else {}


def _settled(play: Play, episode: int, store: ReplayStore, settings: EpisodeSettings) -> float:
    """Tokens that one episode spent after its answer had settled; 0 for one that failed."""
    if play.failed[episode]:
        return 0.0
    question, seed = int(play.questions[episode]), int(play.seeds[episode])
    told = trace(store, question, seed, play.logs.one(episode), settings)
    answer = int(play.outcomes.answers[episode])
    label = told.answers.index(store.vocabularies[question][answer]) if answer >= 0 else None
    return settled_share(told, label) * float(play.outcomes.tokens[episode])


def accuracy_by_depth(
    stores: Sequence[KeyedStore], questions: Sequence[npt.NDArray[np.int64]]
) -> tuple[DepthGroup, ...]:
    """How often branches are right that finish early or late among those of their question.

    Args:
        stores: The stores.
        questions: Per store, the indices of the questions to look at.

    Returns:
        The shortest branches of each question first; the mean over questions, then over stores.
    """
    by_store = [_by_depth(keyed, chosen) for keyed, chosen in zip(stores, questions, strict=True) if len(chosen)]
    return tuple(
        DepthGroup(
            mean_intervals=mean_of(depths[group] for depths, _ in by_store),
            accuracy=mean_of(right[group] for _, right in by_store),
        )
        for group in range(GROUPS)
    )


def _by_depth(keyed: KeyedStore, questions: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(groups,) mean depth in intervals and share of right answers, of one store."""
    store, gold = keyed.store, keyed.key.ids(keyed.store)
    depths, right = np.zeros((2, len(questions), GROUPS))
    for row, question in enumerate(questions.tolist()):
        branches = slice(store.branch_starts[question], store.branch_ends[question])
        tokens = store.tokens[branches]
        order = np.argsort(tokens, kind="stable")
        for column, group in enumerate(np.array_split(order, GROUPS)):
            members = group if len(group) else order
            depths[row, column] = (tokens[members] / store.interval).mean()
            right[row, column] = (store.finals[branches][members] == gold[question]).mean()
    return depths.mean(0), right.mean(0)


def _kinds_of(play: Play, keyed: KeyedStore) -> npt.NDArray[np.int8]:
    """(episodes,) index into `KINDS`; -1 where the answer was right."""
    store, gold = keyed.store, keyed.key.ids(keyed.store)
    ends = play.outcomes.branches
    finals = _final_answers(store, play, ends.shape[1])
    right = finals == gold[play.questions][:, None]
    opened = ends != BranchEnd.UNOPENED
    recorded = finals != UNRECORDED
    finished = ends == BranchEnd.FINISHED
    agreeing = (finals == play.outcomes.answers[:, None]) & finished
    consensus = 2 * agreeing.sum(1) > finished.sum(1)
    never, all_right = _of_all_branches(store, gold)
    exists = {end: (right & (ends == end)).any(1) for end in (BranchEnd.FINISHED, BranchEnd.PRUNED, BranchEnd.RUNNING)}
    elsewhere = ~(right & opened).any(1)
    tests: dict[FailureKind, Flags] = {
        FailureKind.ERROR: play.failed,
        FailureKind.NEVER_CORRECT: never[play.questions],
        FailureKind.STOPPED_EARLY: elsewhere & consensus,
        FailureKind.NOT_OPENED: elsewhere,
        FailureKind.PRUNED: ~exists[BranchEnd.FINISHED] & exists[BranchEnd.PRUNED],
        FailureKind.RUNNING: ~exists[BranchEnd.FINISHED],
        FailureKind.WIDTH_EXHAUSTED: (opened | ~recorded).all(1),
        FailureKind.OUTVOTED: all_right[play.questions],
        FailureKind.OUTVOTED_BY_ALL: ~all_right[play.questions],
    }
    first = np.argmax(np.stack([tests[kind] for kind in KINDS]), axis=0)
    return np.where(play.correct, -1, first).astype(np.int8)


def _final_answers(store: ReplayStore, play: Play, width: int) -> npt.NDArray[np.int32]:
    """(episodes, width) what each branch, in opening order, ends with; `UNRECORDED` past the recorded ones."""
    finals = np.full((len(play.questions), width), UNRECORDED, np.int32)
    for row, (question, seed) in enumerate(zip(play.questions.tolist(), play.seeds.tolist(), strict=True)):
        order = branch_order(seed, store.n_branches(question))[:width]
        finals[row, : len(order)] = store.finals[store.branch_starts[question] :][list(order)]
    return finals


def _of_all_branches(store: ReplayStore, gold: npt.NDArray[np.int32]) -> tuple[Flags, Flags]:
    """(questions,) whether no recorded branch is right, and whether the majority of all of them is."""
    never = np.ones(len(gold), np.bool_)
    right = np.zeros(len(gold), np.bool_)
    for question, answer in enumerate(gold.tolist()):
        finals = store.finals[store.branch_starts[question] : store.branch_ends[question]]
        never[question] = not (finals == answer).any()
        right[question] = votes.majority(finals.tolist()) == answer
    return never, right
