"""Audits of what a candidate did: does it act on what it was shown alone, and does it act the same each time?

Both play episodes again and compare the action logs, so they catch what slips through the layers, by whatever road.
They are evidence, not proof: a cheat on few episodes needs a sample that holds them.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import Self

import numpy as np

from replay.actions import ActionLog
from replay.tables import StoreTable
from sandbox.job import Block, Job, JobStatus
from sandbox.pool import Pool
from sandbox.redraw import joined_table, redrawn_question
from sandbox.result import JobResult
from sandbox.runner import QuestionShelf

EPISODES_PER_JOB = 500
"""Episodes whose questions are sent along with one job."""

PIECES = 4
"""Into how many pieces the determinism audit cuts each block."""


class AuditKind(StrEnum):
    """What is looked for."""

    CAUSALITY = "causality"
    """Knowledge of what no call has shown."""
    DETERMINISM = "determinism"
    """State between episodes, dependence on their order, on hashes of text or on addresses."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        kind: What was looked for.
        n_episodes: Episodes played again.
        n_different: How many of them went another way.
        message: What was found, in a sentence.
    """

    kind: AuditKind
    n_episodes: int
    n_different: int
    message: str

    @property
    def passed(self) -> bool:
        """Whether no episode went another way."""
        return self.n_different == 0


class Auditor:
    """Audits candidates of one pool; starts a second one, with another hash seed, when it is first needed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._second: Pool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the second pool."""
        if self._second:
            self._second.close()
            self._second = None

    def audit(self, job: Job, rng: np.random.Generator) -> tuple[AuditReport, AuditReport]:
        """Plays the episodes of a job, then audits them.

        Args:
            job: The episodes, on the pool's tables, of a candidate that ends its jobs normally.
            rng: Draws what was not shown, and the order.

        Returns:
            The report on causality and that on determinism.

        Raises:
            SandboxError: If the sandbox itself fails.
        """
        return self.check_causality(job, rng), self.check_determinism(job, rng)

    def check_causality(self, job: Job, rng: np.random.Generator) -> AuditReport:
        """Plays episodes on copies of their questions, faithful ones and such in which all unshown is redrawn."""
        n_different, place = 0, ""
        for part in _parts(job):
            first = self._pool.run(part)
            if first.status is not JobStatus.DONE:
                return _broken(AuditKind.CAUSALITY, job, first)
            try:
                redrawn = _sent_along(part, self._pool.tables, list(_logs(first)), rng)
            except ValueError as error:
                return AuditReport(AuditKind.CAUSALITY, job.n_episodes, job.n_episodes, f"left {error}")
            different: set[int] = set()
            # Both arrive the same way, so that no candidate can tell the audit from the rest.
            for again in self._pool.map([_sent_along(part, self._pool.tables, None, rng), redrawn]):
                if again.status is not JobStatus.DONE:
                    return _broken(AuditKind.CAUSALITY, job, again)
                different.update(_different(first, again, range(part.n_episodes)))
            if different:
                n_different += len(different)
                place = place or _place(part, min(different))
        found = "acts on what was shown alone"
        if n_different:
            found = f"acts on what was not shown: {_describe(n_different, job, place)}"
        return AuditReport(AuditKind.CAUSALITY, job.n_episodes, n_different, found)

    def check_determinism(self, job: Job, rng: np.random.Generator) -> AuditReport:
        """Plays episodes shuffled, under another hash seed, with the module executed once for all of them."""
        first = self._pool.run(job)
        if first.status is not JobStatus.DONE:
            return _broken(AuditKind.DETERMINISM, job, first)
        shuffled, numbers = _shuffled(job, rng)
        again = self._other_pool().run(shuffled)
        if again.status is not JobStatus.DONE:
            return _broken(AuditKind.DETERMINISM, job, again)
        different = [numbers[i] for i in _different(again, first, numbers)]
        found = "acts the same each time"
        if different:
            found = f"acts differently on the same: {_describe(len(different), job, _place(job, min(different)))}"
        return AuditReport(AuditKind.DETERMINISM, job.n_episodes, len(different), found)

    def _other_pool(self) -> Pool:
        with self._lock:
            if self._second is None:
                self._second = self._pool.twin()
            return self._second


def _parts(job: Job) -> Iterator[Job]:
    """Jobs of at most `EPISODES_PER_JOB` episodes that make up a job."""
    blocks: list[Block] = []
    room = EPISODES_PER_JOB
    for block in job.blocks:
        first = 0
        while first < len(block.seeds):
            last = first + room
            piece = replace(block, questions=block.questions[first:last], seeds=block.seeds[first:last])
            blocks.append(piece)
            room -= len(piece.seeds)
            first += len(piece.seeds)
            if not room:
                yield replace(job, blocks=tuple(blocks))
                blocks, room = [], EPISODES_PER_JOB
    if blocks:
        yield replace(job, blocks=tuple(blocks))


def _sent_along(job: Job, tables: Sequence[bytes], logs: Sequence[ActionLog] | None, rng: np.random.Generator) -> Job:
    """The same job with its questions sent along, one for each episode; with logs, redrawn where they show nothing."""
    shelves = {block.table: QuestionShelf(StoreTable.from_bytes(tables[block.table])) for block in job.blocks}
    number, made, blocks = 0, [], []
    for index, block in enumerate(job.blocks):
        shelf = shelves[block.table]
        questions = [shelf[question] for question in block.questions]
        if logs is not None:
            ceiling = job.settings.max_branches
            questions = [
                redrawn_question(question, seed, ceiling, log, rng)
                for question, seed, log in zip(questions, block.seeds, logs[number:], strict=False)
            ]
        number += len(questions)
        made.append(joined_table(shelf.table.interval, questions).to_bytes())
        blocks.append(replace(block, table=index, questions=tuple(range(len(questions)))))
    return replace(job, blocks=tuple(blocks), tables=tuple(made))


def _shuffled(job: Job, rng: np.random.Generator) -> tuple[Job, list[int]]:
    """The job in another order and with one module for all; and the number that each episode had before."""
    pieces: list[tuple[Block, list[int]]] = []
    start = 0
    for block in job.blocks:
        order = rng.permutation(len(block.seeds))
        for part in np.array_split(order, min(PIECES, max(1, len(order)))):
            chosen = part.tolist()
            piece = replace(
                block,
                questions=tuple(block.questions[i] for i in chosen),
                seeds=tuple(block.seeds[i] for i in chosen),
            )
            pieces.append((piece, [start + i for i in chosen]))
        start += len(block.seeds)
    pieces = [pieces[i] for i in rng.permutation(len(pieces)).tolist()]
    shuffled = replace(job, blocks=tuple(block for block, _ in pieces), share_module=True)
    return shuffled, [number for _, numbers in pieces for number in numbers]


def _logs(result: JobResult) -> Iterator[ActionLog]:
    call_end = name_end = 0
    for n_calls, n_names in zip(result.call_counts.tolist(), result.name_counts.tolist(), strict=True):
        call_start, name_start = call_end, name_end
        call_end, name_end = call_start + 4 * n_calls, name_start + n_names
        yield ActionLog(result.calls[call_start:call_end], result.names[name_start:name_end])


def _different(one: JobResult, other: JobResult, numbers: Sequence[int]) -> list[int]:
    """Positions in `one` whose episode differs from that of the given number in `other`."""
    others = list(_logs(other))
    different = []
    for position, (log, number) in enumerate(zip(_logs(one), numbers, strict=True)):
        same_end = one.statuses[position] == other.statuses[number] and one.labels[position] == other.labels[number]
        if not same_end or log != others[number]:
            different.append(position)
    return different


def _place(job: Job, number: int) -> str:
    """An episode by beta, question and seed."""
    for block in job.blocks:
        if number < len(block.seeds):
            break
        number -= len(block.seeds)
    return f"beta {block.beta:g}, question {block.questions[number]}, seed {block.seeds[number]}"


def _describe(n_different: int, job: Job, place: str) -> str:
    return f"{n_different} of {job.n_episodes} episodes went another way, first that of {place}"


def _broken(kind: AuditKind, job: Job, result: JobResult) -> AuditReport:
    message = f"the episodes could not be played again: {result.status}: {result.message}"
    return AuditReport(kind, job.n_episodes, job.n_episodes, message)
