"""Where a controller failed: each wrong episode gets one kind, found from what its branches would have answered.

Works on search questions for explorers and on any for people. Answers appear as right or wrong, never as text.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from discovery.evaluation import Evaluation, KeyedStore, Play
from discovery.proposal import Failure
from replay.store import ReplayStore
from replay.tables import branch_order
from replay.verify import BranchEnd

Flags = npt.NDArray[np.bool_]


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


def _kinds_of(play: Play, keyed: KeyedStore) -> npt.NDArray[np.int8]:
    """(episodes,) index into `KINDS`; -1 where the answer was right."""
    store, gold = keyed.store, keyed.key.ids(keyed.store)
    ends = play.outcomes.branches
    finals = _final_answers(store, play, ends.shape[1])
    right = finals == gold[play.questions][:, None]
    opened = ends != BranchEnd.UNOPENED
    finished = ends == BranchEnd.FINISHED
    votes = (finals == play.outcomes.answers[:, None]) & finished
    consensus = 2 * votes.sum(1) > finished.sum(1)
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
        FailureKind.WIDTH_EXHAUSTED: opened.all(1),
        FailureKind.OUTVOTED: all_right[play.questions],
        FailureKind.OUTVOTED_BY_ALL: ~all_right[play.questions],
    }
    first = np.argmax(np.stack([tests[kind] for kind in KINDS]), axis=0)
    return np.where(play.correct, -1, first).astype(np.int8)


def _final_answers(store: ReplayStore, play: Play, width: int) -> npt.NDArray[np.int32]:
    """(episodes, width) what each branch, in opening order, ends with; -3 past the recorded ones."""
    finals = np.full((len(play.questions), width), -3, np.int32)
    for row, (question, seed) in enumerate(zip(play.questions.tolist(), play.seeds.tolist(), strict=True)):
        order = branch_order(seed, store.n_branches(question))[:width]
        finals[row, : len(order)] = store.finals[store.branch_starts[question] :][list(order)]
    return finals


def _of_all_branches(store: ReplayStore, gold: npt.NDArray[np.int32]) -> tuple[Flags, Flags]:
    """(questions,) whether no recorded branch is right, and whether the majority of all of them is."""
    never = np.ones(len(gold), np.bool_)
    majority = np.zeros(len(gold), np.bool_)
    for question, answer in enumerate(gold.tolist()):
        finals = store.finals[store.branch_starts[question] : store.branch_ends[question]]
        never[question] = not (finals == answer).any()
        values, counts = np.unique(finals, return_counts=True)
        majority[question] = values[counts.argmax()] == answer
    return never, majority
