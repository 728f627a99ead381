"""From controller source to scored episodes, over any stores, questions, seeds and betas.

The one road that the search, `evaluate`, comparisons and tuning share. It alone holds the answer keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from replay.episode import EpisodeSettings
from replay.errors import StoreError
from replay.store import AnswerKey, ReplayStore, load_key, load_store
from replay.verify import Logs, Outcomes, verify
from sandbox.audit import Auditor
from sandbox.limits import Limits
from sandbox.pool import Block, EpisodeStatus, Job, JobResult, JobStatus, Pool

EPISODES_PER_JOB = 3_600
"""Episodes that one sandboxed process plays, about: enough to make its start cheap."""

TAMPERED = 3
"""Status of an episode whose action log no controller can have left; follows those of `EpisodeStatus`."""


@dataclass(frozen=True, slots=True)
class KeyedStore:
    """A store with its answer key."""

    store: ReplayStore
    key: AnswerKey
    folder: Path


def load_keyed_store(folder: Path) -> KeyedStore:
    """Reads a store and its answer key.

    Raises:
        StoreError: If either is missing or damaged.
    """
    store = load_store(folder)
    return KeyedStore(store, load_key(folder, store), folder)


@dataclass(frozen=True, slots=True)
class Cell:
    """One controller's episodes on one store at one beta. All arrays are (seeds, questions).

    Attributes:
        store: Index of the store.
        beta: The beta.
        correct: Whether the answer equals the gold answer.
        tokens: Tokens decoded.
        sequential_tokens: Tokens along the critical path.
        status: `EpisodeStatus`, or `TAMPERED`.
    """

    store: int
    beta: float
    correct: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.int64]
    sequential_tokens: npt.NDArray[np.int64]
    status: npt.NDArray[np.uint8]

    @property
    def n_errors(self) -> int:
        """Episodes that ended in an error or with a tampered log."""
        return int(np.isin(self.status, (EpisodeStatus.ERROR, TAMPERED)).sum())

    def part(self, seeds: slice, questions: npt.NDArray[np.int64] | slice) -> Cell:
        """The cell restricted to some of its seeds and questions, by position."""
        return Cell(
            store=self.store,
            beta=self.beta,
            correct=self.correct[seeds][:, questions],
            tokens=self.tokens[seeds][:, questions],
            sequential_tokens=self.sequential_tokens[seeds][:, questions],
            status=self.status[seeds][:, questions],
        )

    @classmethod
    def joined(cls, parts: Sequence[Cell]) -> Cell:
        """Puts the seeds of several cells of one store, beta and set of questions together."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            store=parts[0].store,
            beta=parts[0].beta,
            correct=np.concatenate([part.correct for part in parts]),
            tokens=np.concatenate([part.tokens for part in parts]),
            sequential_tokens=np.concatenate([part.sequential_tokens for part in parts]),
            status=np.concatenate([part.status for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Play:
    """The episodes of one store at one beta as they came back from the sandbox, for analysis.

    Attributes:
        store: Index of the store.
        beta: The beta.
        questions: (episodes,) question indices.
        seeds: (episodes,) branch-order seeds.
        logs: What the controller did.
        outcomes: What it came to.
        correct: (episodes,) whether the answer was right.
        failed: (episodes,) whether it ended in an error, or its log is not one that a controller can have left.
    """

    store: int
    beta: float
    questions: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    logs: Logs
    outcomes: Outcomes
    correct: npt.NDArray[np.bool_]
    failed: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Play]) -> Play:
        """Puts the seeds of several plays of one store, beta and set of questions together."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            store=parts[0].store,
            beta=parts[0].beta,
            questions=np.concatenate([part.questions for part in parts]),
            seeds=np.concatenate([part.seeds for part in parts]),
            logs=Logs.joined([part.logs for part in parts]),
            outcomes=Outcomes.joined([part.outcomes for part in parts]),
            correct=np.concatenate([part.correct for part in parts]),
            failed=np.concatenate([part.failed for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that came of evaluating one controller.

    Attributes:
        status: Whether it ran at all.
        message: What went wrong first; empty if nothing did.
        cells: One for each store and beta; empty unless the status is `done`.
        plays: Beside each cell, the episodes behind it.
        cpu_seconds: CPU that the candidate's processes used.
    """

    status: JobStatus
    message: str
    cells: tuple[Cell, ...] = ()
    plays: tuple[Play, ...] = ()
    cpu_seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether it ran and no episode ended in an error."""
        return self.status is JobStatus.DONE and not any(cell.n_errors for cell in self.cells)

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """Puts evaluations of one controller on the same questions with different seeds together."""
        by_place: dict[tuple[int, float], tuple[list[Cell], list[Play]]] = {}
        for part in parts:
            for cell, play in zip(part.cells, part.plays, strict=True):
                cells, plays = by_place.setdefault((cell.store, cell.beta), ([], []))
                cells.append(cell)
                plays.append(play)
        message = next((part.message for part in parts if part.message), "")
        return _joined(by_place.values(), message, sum(part.cpu_seconds for part in parts))


def _joined(parts: Iterable[tuple[list[Cell], list[Play]]], message: str, cpu_seconds: float) -> Evaluation:
    cells, plays = zip(*((Cell.joined(cells), Play.joined(plays)) for cells, plays in parts), strict=True)
    return Evaluation(JobStatus.DONE, message, cells, plays, cpu_seconds)


class Evaluator:
    """Plays controllers on a fixed set of stores, in a pool of sandboxed processes."""

    def __init__(
        self,
        stores: Sequence[KeyedStore],
        *,
        workers: int,
        settings: EpisodeSettings | None = None,
        limits: Limits | None = None,
        require_layers: Sequence[str] = (),
    ) -> None:
        """Starts the pool.

        Args:
            stores: The stores to play on.
            workers: Processes at a time.
            settings: Ceiling and probe cost.
            limits: What a candidate may use.
            require_layers: Sandbox layers without which nothing is run.

        Raises:
            StoreError: If two stores have the same name.
            SandboxError: If the sandbox can't be started, or a required layer is off.
        """
        names = [keyed.store.name for keyed in stores]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise StoreError(f"two stores are called {twice}", hint="import one of them under another name")
        self.stores = tuple(stores)
        self.settings = settings or EpisodeSettings()
        self._gold = [keyed.key.ids(keyed.store) for keyed in stores]
        self._workers = workers
        tables = [keyed.store.table().to_bytes() for keyed in stores]
        self.pool = Pool(tables, workers=workers, limits=limits or Limits(), require_layers=require_layers)
        self.auditor = Auditor(self.pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the pool."""
        self.auditor.close()
        self.pool.close()

    def evaluate(
        self,
        source: str,
        *,
        questions: Sequence[npt.NDArray[np.int64]],
        seeds: Sequence[int],
        betas: Sequence[float],
        overrides: Mapping[str, int | float | bool | str] | None = None,
    ) -> Evaluation:
        """Plays a controller and scores it.

        Args:
            source: Its source.
            questions: Per store, the indices of its questions; a store without any is left out.
            seeds: Branch-order seeds.
            betas: Betas that `schedule` is asked for.
            overrides: Values that replace those of `schedule`.
        """
        jobs = self._jobs(source, questions, seeds, betas, overrides or {})
        parts: dict[tuple[int, float], tuple[list[Cell], list[Play]]] = {}
        cpu_seconds, message = 0.0, ""
        for job, result in zip(jobs, self.pool.map(jobs), strict=True):
            cpu_seconds += result.cpu_seconds
            message = message or result.message
            if result.status is not JobStatus.DONE:
                return Evaluation(result.status, result.message, cpu_seconds=cpu_seconds)
            for block, piece in zip(job.blocks, _pieces(job, result), strict=True):
                cell, play = self._score(block, piece, n_questions=len(questions[block.table]))
                cells, plays = parts.setdefault((block.table, block.beta), ([], []))
                cells.append(cell)
                plays.append(play)
        if not parts:
            return Evaluation(JobStatus.DONE, message, cpu_seconds=cpu_seconds)
        return _joined(parts.values(), message, cpu_seconds)

    def _jobs(
        self,
        source: str,
        questions: Sequence[npt.NDArray[np.int64]],
        seeds: Sequence[int],
        betas: Sequence[float],
        overrides: Mapping[str, int | float | bool | str],
    ) -> list[Job]:
        """Cuts an evaluation into jobs of about equal size, two or more for each of several workers."""
        per_seed = sum(map(len, questions)) * len(betas)
        shares = 2 * self._workers if self._workers > 1 else 1
        even_share = -(-per_seed * len(seeds) // shares)
        size = min(EPISODES_PER_JOB, max(EPISODES_PER_JOB // 12, even_share))
        jobs: list[list[Block]] = [[]]
        room = size
        for table, chosen in enumerate(questions):
            if not len(chosen):
                continue
            seeds_per_block = max(1, size // len(chosen))
            for beta, first in product(betas, range(0, len(seeds), seeds_per_block)):
                block = _block(table, beta, chosen, seeds[first : first + seeds_per_block])
                if jobs[-1] and len(block.seeds) > room:
                    jobs.append([])
                    room = size
                jobs[-1].append(block)
                room -= len(block.seeds)
        return [
            Job(source=source, blocks=tuple(blocks), settings=self.settings, overrides=overrides)
            for blocks in jobs
            if blocks
        ]

    def _score(self, block: Block, piece: _Piece, n_questions: int) -> tuple[Cell, Play]:
        store = self.stores[block.table].store
        questions, seeds = np.array(block.questions, np.int64), np.array(block.seeds, np.int64)
        outcomes = verify(store, questions, seeds, piece.logs, piece.labels, self.settings)
        right = outcomes.legal & (piece.statuses == EpisodeStatus.OK)
        correct = right & (outcomes.answers == self._gold[block.table][questions])
        cell = Cell(
            store=block.table,
            beta=block.beta,
            correct=correct.reshape(-1, n_questions),
            tokens=outcomes.tokens.reshape(-1, n_questions),
            sequential_tokens=outcomes.sequential_tokens.reshape(-1, n_questions),
            status=np.where(outcomes.legal, piece.statuses, TAMPERED).astype(np.uint8).reshape(-1, n_questions),
        )
        failed = ~outcomes.legal | (piece.statuses == EpisodeStatus.ERROR)
        return cell, Play(block.table, block.beta, questions, seeds, piece.logs, outcomes, correct, failed)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a job's result that belongs to one block."""

    statuses: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    logs: Logs


def _block(table: int, beta: float, questions: npt.NDArray[np.int64], seeds: Sequence[int]) -> Block:
    """Episodes seed by seed, so that they reshape to (seeds, questions)."""
    return Block(
        table=table,
        beta=beta,
        questions=tuple(questions.tolist()) * len(seeds),
        seeds=tuple(seed for seed in seeds for _ in range(len(questions))),
    )


def _pieces(job: Job, result: JobResult) -> Iterator[_Piece]:
    logs = Logs(result.calls, result.call_counts.astype(np.int64), result.names, result.name_counts.astype(np.int64))
    edges = [0, *accumulate(len(block.seeds) for block in job.blocks)]
    for first, last in pairwise(edges):
        yield _Piece(result.statuses[first:last], result.labels[first:last], logs.part(first, last))
