"""Redraws of a question everything that an episode was not shown.

Shown are: an answer, if it was probed at that depth; for each interval advanced, that the branch had not ended before;
the length of a branch that was advanced or completed to its end. All else is noise.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from replay.actions import CALL, ActionLog, Operation
from replay.tables import NO_ANSWER, QuestionTable, StoreTable, branch_order

N_FOREIGN_ANSWERS = 3
"""Answers outside a question's vocabulary that redrawn cells may hold."""


@dataclass(slots=True)
class Seen:
    """What an episode was shown of one branch.

    Attributes:
        steps: Intervals decoded one by one.
        ended: Whether it reached its end.
        by_steps: Whether it got there interval by interval, which shows how many there are.
        probed: Indices of the cells probed.
        final: Whether the final answer was probed.
    """

    steps: int = 0
    ended: bool = False
    by_steps: bool = False
    probed: set[int] = field(default_factory=set)
    final: bool = False


def redrawn_question(
    question: QuestionTable, seed: int, max_branches: int, log: ActionLog, rng: np.random.Generator
) -> QuestionTable:
    """A copy of a question that looks the same to an episode, and is noise wherever it did not look.

    Args:
        question: The question that the episode was played on.
        seed: Seed of the episode's order of branches.
        max_branches: Branches that the episode could have opened.
        log: What the episode did.
        rng: Draws the noise.

    Raises:
        ValueError: If the log names branches that it has not opened.
    """
    order = branch_order(seed, len(question.rows))
    seen = _shown(question, order, log)
    seen += [Seen() for _ in range(len(seen), min(max_branches, len(order)))]
    known = max(map(max, question.rows), default=0)
    sizes = _row_sizes(question, order, seen, rng)
    noise = rng.integers(NO_ANSWER, known + N_FOREIGN_ANSWERS + 1, size=sum(sizes) + len(order)).tolist()
    # Branches beyond the ceiling can't be opened: one cell is enough.
    rows: list[tuple[int, ...]] = [(cell,) for cell in noise[: len(order)]]
    lengths = [1] * len(order)
    start = len(order)
    for index, branch, size in zip(order, seen, sizes, strict=False):
        rows[index] = _row(question.rows[index], branch, noise[start : start + size])
        lengths[index] = question.lengths[index] if branch.ended else max(1, size - noise[start] % 2)
        start += size
    return QuestionTable(tuple(rows), tuple(lengths))


def joined_table(interval: int, questions: Sequence[QuestionTable]) -> StoreTable:
    """A table of these questions."""
    row_ends, branch_ends = array("i"), array("i")
    answers, lengths = array("i"), array("i")
    for question in questions:
        for row in question.rows:
            answers.extend(row)
            row_ends.append(len(answers))
        lengths.extend(question.lengths)
        branch_ends.append(len(lengths))
    return StoreTable(interval, branch_ends, row_ends, answers, lengths)


def _shown(question: QuestionTable, order: Sequence[int], log: ActionLog) -> list[Seen]:
    """What a legal log was shown, by branch in opening order."""
    try:
        return _replayed(question, order, log)
    except IndexError:
        raise ValueError("no legal log: it names branches that it has not opened") from None


def _replayed(question: QuestionTable, order: Sequence[int], log: ActionLog) -> list[Seen]:
    seen: list[Seen] = []
    start = 0
    for operation, count, argument in CALL.iter_unpack(log.calls):
        ids = log.names[start : start + count]
        start += count
        for branch in ids:
            if operation == Operation.BRANCH:
                seen.append(Seen())
            row = question.rows[order[branch]]
            if operation == Operation.BRANCH:
                _decode(seen[branch], len(row), 0 if argument else 1, complete=bool(argument))
            elif operation == Operation.ADVANCE:
                _decode(seen[branch], len(row), argument, complete=False)
            elif operation == Operation.COMPLETE:
                _decode(seen[branch], len(row), 0, complete=True)
            elif operation == Operation.PROBE:
                _probe(seen[branch])
    return seen


def _decode(branch: Seen, row_length: int, steps: int, *, complete: bool) -> None:
    if branch.ended:
        return
    branch.steps = min(branch.steps + steps, row_length)
    branch.by_steps = branch.steps == row_length
    branch.ended = complete or branch.by_steps


def _probe(branch: Seen) -> None:
    if branch.ended:
        branch.final = True
    else:
        branch.probed.add(branch.steps - 1)


def _row_sizes(
    question: QuestionTable, order: Sequence[int], seen: Sequence[Seen], rng: np.random.Generator
) -> list[int]:
    """Cells of each branch's row: known if it was stepped to its end, else any number beyond the steps taken."""
    typical = max(2, sum(map(len, question.rows)) // len(question.rows))
    surplus = rng.integers(1, 2 * typical, size=len(seen)).tolist()
    return [
        len(question.rows[index]) if branch.by_steps else branch.steps + more
        for index, branch, more in zip(order, seen, surplus, strict=False)
    ]


def _row(original: tuple[int, ...], seen: Seen, cells: list[int]) -> tuple[int, ...]:
    """A row of noise, with the answers that were shown in their places."""
    for index in seen.probed:
        cells[index] = original[index]
    if seen.final:
        cells[-1] = original[-1]
    return tuple(cells)
