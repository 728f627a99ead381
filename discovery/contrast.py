"""Short traces of episodes in which one controller fails and another succeeds, told for an explorer.

Answers appear as labels, the right one marked; nothing of a question or an answer's text is told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from discovery.evaluation import Evaluation, Evaluator, Play
from prompts.context import TraceShown
from replay.actions import Operation
from replay.trace import Step, Trace, trace

TRACES = 4
LINES = 16
"""Lines of one trace; the middle of a longer one is left out."""


@dataclass(frozen=True, slots=True)
class Told:
    """A controller whose episodes are told: its number and source."""

    number: int
    source: str


def contrasting_traces(
    evaluator: Evaluator,
    questions: Sequence[npt.NDArray[np.int64]],
    failing: Told,
    other: Told,
    beta: float = 0.5,
    seed: int = 0,
) -> tuple[TraceShown, ...]:
    """Episodes that one controller fails and another gets right, the cheapest success first.

    Args:
        evaluator: Plays the episodes again.
        questions: Per store, the questions that may be told of.
        failing: The controller that fails.
        other: The controller that succeeds.
        beta: The beta of both.
        seed: The branch-order seed.
    """
    plays = [_play(evaluator, questions, told, beta, seed) for told in (failing, other)]
    shown: list[TraceShown] = []
    if not all(evaluation.plays for evaluation in plays):
        return ()
    for store, episode in _contrasts(*plays)[: TRACES // 2]:
        for told, evaluation, verdict in zip((failing, other), plays, ("fails", "succeeds"), strict=True):
            play = evaluation.plays[store]
            spent = play.outcomes.tokens[episode] / 1000
            title = f"Candidate {told.number} {verdict} (beta {beta}, {spent:.0f}k tokens):"
            shown.append(TraceShown(title, tuple(_lines(evaluator, play, episode))))
    return tuple(shown)


def _play(
    evaluator: Evaluator, questions: Sequence[npt.NDArray[np.int64]], told: Told, beta: float, seed: int
) -> Evaluation:
    return evaluator.evaluate(told.source, questions=questions, seeds=(seed,), betas=(beta,))


def _contrasts(failing: Evaluation, other: Evaluation) -> list[tuple[int, int]]:
    """(store, episode) of contrasting episodes: the largest saving first, one a store before a second of it."""
    found: list[tuple[int, float, int, int]] = []
    for store, (lost, won) in enumerate(zip(failing.plays, other.plays, strict=True)):
        saving = lost.outcomes.tokens - won.outcomes.tokens
        episodes = np.flatnonzero(~lost.correct & won.correct)
        best_first = episodes[np.argsort(-saving[episodes], kind="stable")]
        found += [(rank, -float(saving[e]), store, int(e)) for rank, e in enumerate(best_first.tolist())]
    return [(store, episode) for _, _, store, episode in sorted(found)]


def _lines(evaluator: Evaluator, play: Play, episode: int) -> Iterator[str]:
    keyed = evaluator.stores[play.store]
    question, seed = int(play.questions[episode]), int(play.seeds[episode])
    told = trace(keyed.store, question, seed, play.logs.one(episode), evaluator.settings)
    gold = keyed.key.answers[question]
    right = told.answers.index(gold) if gold in told.answers else None
    lines = list(_steps(told, right))
    if len(lines) > LINES:
        half = LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} lines ...", *lines[-half:]]
    yield from lines
    answer = int(play.outcomes.answers[episode])
    words = keyed.store.vocabularies[question]
    yield f"answer: {_label(told.answers.index(words[answer]) if answer >= 0 else None, right)}"
    if right is None:
        yield "the right answer was never shown"


def _steps(told: Trace, right: int | None) -> Iterator[str]:
    """One line a call; advances in a row of the same branches are one."""
    advances: list[Step] = []
    for step in told.steps:
        if advances and (step.operation is not Operation.ADVANCE or step.branches != advances[0].branches):
            yield _advanced(advances)
            advances = []
        if step.operation is Operation.ADVANCE:
            advances.append(step)
        elif step.operation is Operation.PROBE:
            yield f"probe {_ids(step.branches)} -> {' '.join(_label(label, right) for label in step.labels)}"
        elif step.branches:
            yield f"{step.operation.name.lower()} {_ids(step.branches)}{_finished(step)}"
    if advances:
        yield _advanced(advances)


def _advanced(steps: list[Step]) -> str:
    times = f" x{len(steps)}" if len(steps) > 1 else ""
    deepest = max(steps[-1].depths, default=0)
    return f"advance {_ids(steps[0].branches)}{times}, to depth {deepest}{_finished(steps[-1])}"


def _finished(step: Step) -> str:
    ended = [branch for branch, over in zip(step.branches, step.finished, strict=True) if over]
    return f", finished: {_ids(ended)}" if ended else ""


def _ids(branches: Sequence[int]) -> str:
    """Ids with runs shortened: 0-7 12."""
    parts: list[list[int]] = []
    for branch in branches:
        if parts and branch == parts[-1][-1] + 1:
            parts[-1].append(branch)
        else:
            parts.append([branch])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts) or "none"


def _label(label: int | None, right: int | None) -> str:
    if label is None:
        return "-"
    return f"{label}*" if label == right else str(label)
