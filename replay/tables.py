"""What a worker is given of a store: numbers for answers and lengths in intervals.

No question text, no answer text, no gold answer, no exact token counts: they never enter a process that
runs a candidate.
"""

from __future__ import annotations

import random
import struct
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise

NO_ANSWER = -1
"""The answer id of a probe or a final answer that holds no answer."""

_HEAD = struct.Struct("<4sIIII")
_MAGIC = b"ATB1"


@dataclass(frozen=True, slots=True)
class QuestionTable:
    """One question's branches, in recorded order.

    Attributes:
        rows: Per branch its answer ids: one per probe, then the final answer. `NO_ANSWER` where there is none.
        lengths: Per branch its whole length in intervals, rounded up.
        backwards: `rows`, each from its end: an answer stands at the number of steps that are left after it.
    """

    rows: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    backwards: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "backwards", tuple([row[::-1] for row in self.rows]))


@dataclass(frozen=True, slots=True)
class StoreTable:
    """One store's branches as flat arrays; `question` unpacks one question of it.

    Attributes:
        interval: Tokens per interval.
        branch_ends: Per question, the index after its last branch. Ascending.
        row_ends: Per branch, the index after its last answer id. Ascending.
        answers: Answer ids, row after row.
        lengths: Per branch, its whole length in intervals.
    """

    interval: int
    branch_ends: array[int]
    row_ends: array[int]
    answers: array[int]
    lengths: array[int]
    _unpacked: dict[int, QuestionTable] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """Number of questions."""
        return len(self.branch_ends)

    def question(self, index: int) -> QuestionTable:
        """The branches of one question, unpacked when first asked for and then kept."""
        known = self._unpacked.get(index)
        if known is None:
            known = self._unpacked[index] = self._unpack(index)
        return known

    def _unpack(self, index: int) -> QuestionTable:
        first = self.branch_ends[index - 1] if index else 0
        last = self.branch_ends[index]
        edges = [self.row_ends[first - 1] if first else 0, *self.row_ends[first:last]]
        rows = tuple(tuple(self.answers[start:end]) for start, end in pairwise(edges))
        return QuestionTable(rows, tuple(self.lengths[first:last]))

    def to_bytes(self) -> bytes:
        """One flat byte string, the same for the same table."""
        head = _HEAD.pack(_MAGIC, self.interval, len(self.branch_ends), len(self.row_ends), len(self.answers))
        parts = (self.branch_ends, self.row_ends, self.lengths, self.answers)
        return head + b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> StoreTable:
        """Reads what `to_bytes` wrote.

        Raises:
            ValueError: If the content is not a table of this format.
        """
        if len(content) < _HEAD.size:
            raise ValueError("not a store table: too short")
        magic, interval, n_questions, n_branches, n_answers = _HEAD.unpack_from(content)
        sizes = (n_questions, n_branches, n_branches, n_answers)
        if magic != _MAGIC or len(content) != _HEAD.size + 4 * sum(sizes):
            raise ValueError("not a store table: wrong magic or length")
        edges = [_HEAD.size, *accumulate((4 * size for size in sizes), initial=_HEAD.size)][1:]
        branch_ends, row_ends, lengths, answers = (array("i", content[start:end]) for start, end in pairwise(edges))
        return cls(interval, branch_ends, row_ends, answers, lengths)


@lru_cache(maxsize=4_096)
def branch_order(seed: int, n_branches: int) -> tuple[int, ...]:
    """The order in which an episode of this seed opens recorded branches: indices 0 .. n_branches - 1, shuffled."""
    order = list(range(n_branches))
    random.Random(seed).shuffle(order)
    return tuple(order)
