"""Runs, candidates, their figures and events: everything that a resume, a command or a page needs to know of a search.

One SQLite file. What is committed stays as it is; choosing and scoring happen elsewhere.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from discovery import schema
from discovery.database import Database, now, storable
from discovery.errors import ArchiveError, RunExistsError, UnknownRunError
from discovery.exchanges import Exchanges
from discovery.lock import RunLock, check_run_name
from discovery.proposal import Failure, Origin
from discovery.records import (
    Audit,
    Candidate,
    CandidateDraft,
    CandidateStatus,
    Event,
    Outcome,
    Point,
    Run,
    RunStatus,
)
from replay.split import Split

_NO_ERROR_STATUSES = (0, 2)
_ARRAYS: Mapping[str, str] = {"correct": "|u1", "tokens": "<i8", "sequential_tokens": "<i8", "status": "|u1"}


class Archive:
    """The archive in one file. Safe to use from several threads and processes; one of them writes to a run.

    Attributes:
        path: The file.
        exchanges: Its requests, replies and money.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Opens the archive.

        Args:
            path: The file.
            create: Whether to make it if it is missing.

        Raises:
            ArchiveError: If it is missing, not an archive, damaged, of a newer version, or not accessible.
        """
        self.path = path
        self._database = Database(path, create=create)
        self.exchanges = Exchanges(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def folder(self, name: str) -> Path:
        """Where a run's exports, reports and lock are kept, beside the archive."""
        return self.path.parent / name

    def lock(self, name: str) -> RunLock:
        """The right to write to a run, not yet taken.

        Raises:
            ArchiveError: If the name can't be that of a run.
        """
        return RunLock(self.folder(check_run_name(name)))

    def create_run(self, name: str, config: Mapping[str, object], cap_microusd: int) -> Run:
        """Starts a run.

        Args:
            name: Unique name.
            config: All that is needed to repeat it, as JSON values.
            cap_microusd: Its budget.

        Raises:
            RunExistsError: If there is a run of this name.
            ArchiveError: If the name can't be that of a run, or nothing can be written.
        """
        row = {
            "name": check_run_name(name),
            "config": storable(config),
            "cap_microusd": cap_microusd,
            "status": RunStatus.RUNNING,
            "reason": "",
            "started": now(),
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(schema.run).values(row))
        except IntegrityError as error:
            raise RunExistsError(
                f"there is a run called {name} already", hint=f"`--resume {name}` continues it; --run names a new one"
            ) from error
        return self.run(name)

    def continue_run(
        self, run: Run, *, cap_microusd: int | None = None, config: Mapping[str, object] | None = None
    ) -> Run:
        """Marks a run as running again and holds what its last process left open; cap and settings may be new."""
        values: dict[str, object] = {"status": RunStatus.RUNNING, "reason": "", "ended": None}
        if config is not None:
            values["config"] = storable(config)
        if cap_microusd is not None:
            values["cap_microusd"] = cap_microusd
        with self._database.writing() as connection:
            connection.execute(update(schema.run).where(schema.run.c.id == run.id).values(values))
        self.exchanges.hold_abandoned(run.id)
        return self.run(run.name)

    def end_run(self, run: Run, status: RunStatus, reason: str) -> Run:
        """Marks a run as ended and says why, in a sentence."""
        values = {"status": status, "reason": storable(reason), "ended": now()}
        with self._database.writing() as connection:
            connection.execute(update(schema.run).where(schema.run.c.id == run.id).values(values))
        return self.run(run.name)

    def runs(self) -> tuple[Run, ...]:
        """All runs, in the order in which they were started."""
        with self._database.reading() as connection:
            return tuple(map(_run, connection.execute(select(schema.run).order_by(schema.run.c.id)).all()))

    def run(self, name: str | None = None) -> Run:
        """A run by its name; without one, the run started last.

        Raises:
            UnknownRunError: If there is none.
        """
        known = self.runs()
        found = [run for run in known if name in (None, run.name)]
        if found:
            return found[-1]
        if not known:
            raise UnknownRunError(f"{self.path} holds no run", hint="`autotts discover` starts one")
        names = ", ".join(run.name for run in known[-8:])
        raise UnknownRunError(
            f"there is no run called {name}; the last ones are {names}", hint="`autotts archive list`"
        )

    def commit(
        self,
        run: Run,
        draft: CandidateDraft,
        *,
        outcomes: Sequence[Outcome] = (),
        failures: Sequence[Failure] = (),
        audits: Sequence[Audit] = (),
        exchanges: Mapping[int, str] | None = None,
    ) -> Candidate:
        """Adds a candidate with all that is known of it, or nothing. Points are formed from the outcomes.

        Args:
            run: Its run.
            draft: The candidate.
            outcomes: Its episodes.
            failures: Its failures on search questions.
            audits: Audits made.
            exchanges: Keys of the requests that led to it, each with what was made of the reply.

        Returns:
            The candidate with its number: the next one of the run.

        Raises:
            ArchiveError: If it can't be written. Nothing of it is there then.
        """
        with self._database.writing() as connection:
            candidate = _insert_candidate(connection, run, draft)
            for outcome in outcomes:
                connection.execute(insert(schema.outcome).values(_outcome_row(candidate.id, outcome)))
                connection.execute(insert(schema.point).values(_point_row(candidate.id, point_of(outcome))))
            for failure in failures:
                row = {"kind": failure.kind, "share": failure.share, "mean_tokens": failure.mean_tokens}
                connection.execute(insert(schema.failure).values(candidate_id=candidate.id, **row))
            for audit in audits:
                connection.execute(insert(schema.audit).values(_audit_row(candidate.id, audit)))
            for exchange_id, became in (exchanges or {}).items():
                table = schema.exchange
                values = {"candidate_id": candidate.id, "became": storable(became)}
                connection.execute(update(table).where(table.c.id == exchange_id).values(values))
        return candidate

    def candidates(self, run: Run) -> tuple[Candidate, ...]:
        """A run's candidates, by number."""
        table = schema.candidate
        query = select(table).where(table.c.run_id == run.id).order_by(table.c.number)
        with self._database.reading() as connection:
            return tuple(map(_candidate, connection.execute(query).all()))

    def candidate(self, run: Run, number: int) -> Candidate:
        """A candidate by its number.

        Raises:
            ArchiveError: If the run has none of this number.
        """
        table = schema.candidate
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(table.c.run_id == run.id, table.c.number == number)).first()
            count = connection.execute(select(func.count()).where(table.c.run_id == run.id)).scalar_one()
        if row is None:
            expected = f"its candidates are 0 to {count - 1}" if count else "it has none yet"
            raise ArchiveError(f"run {run.name} has no candidate {number}; {expected}", hint="`autotts archive show`")
        return _candidate(row)

    def points(self, candidate: Candidate, split: Split | None = None) -> tuple[Point, ...]:
        """A candidate's sums, by store, split and beta."""
        return self._of_run(schema.point, candidate.run_id, _point, candidate.id, split).get(candidate.number, ())

    def points_of_run(self, run: Run, split: Split | None = None) -> Mapping[int, tuple[Point, ...]]:
        """The sums of all candidates of a run, by number; those without any are left out."""
        return self._of_run(schema.point, run.id, _point, split=split)

    def outcomes(self, candidate: Candidate, split: Split | None = None) -> tuple[Outcome, ...]:
        """A candidate's episodes, by store, split and beta."""
        return self._of_run(schema.outcome, candidate.run_id, _outcome, candidate.id, split).get(candidate.number, ())

    def failures(self, candidate: Candidate) -> tuple[Failure, ...]:
        """A candidate's failures on search questions, most frequent first."""
        table = schema.failure
        query = select(table).where(table.c.candidate_id == candidate.id).order_by(table.c.share.desc(), table.c.kind)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(Failure(row.kind, row.share, row.mean_tokens) for row in rows)

    def add_audit(self, candidate: Candidate, audit: Audit) -> None:
        """Adds the result of an audit made after the candidate was committed."""
        with self._database.writing() as connection:
            connection.execute(insert(schema.audit).values(_audit_row(candidate.id, audit)))

    def audits(self, candidate: Candidate) -> tuple[Audit, ...]:
        """A candidate's audits, in the order in which they were made."""
        table = schema.audit
        query = select(table).where(table.c.candidate_id == candidate.id).order_by(table.c.id)
        with self._database.reading() as connection:
            return tuple(Audit(row.kind, row.passed, row.message) for row in connection.execute(query).all())

    def add_event(self, run: Run, kind: str, payload: Mapping[str, object]) -> None:
        """Notes that something happened."""
        row = {"run_id": run.id, "kind": kind, "payload": storable(payload), "made": now()}
        with self._database.writing() as connection:
            connection.execute(insert(schema.event).values(row))

    def events(self, run: Run) -> tuple[Event, ...]:
        """A run's events, in order."""
        table = schema.event
        query = select(table).where(table.c.run_id == run.id).order_by(table.c.id)
        with self._database.reading() as connection:
            return tuple(Event(row.kind, row.payload, row.made) for row in connection.execute(query).all())

    def _of_run(
        self, table: Any, run_id: int, read: Any, candidate_id: int | None = None, split: Split | None = None
    ) -> dict[int, tuple[Any, ...]]:
        """Rows of a table that belongs to candidates, by number."""
        query = (
            select(schema.candidate.c.number, table)
            .join_from(schema.candidate, table)
            .where(schema.candidate.c.run_id == run_id)
            .order_by(schema.candidate.c.number, table.c.store, table.c.split, table.c.beta)
        )
        if candidate_id is not None:
            query = query.where(schema.candidate.c.id == candidate_id)
        if split is not None:
            query = query.where(table.c.split == split)
        found: dict[int, list[Any]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.number, []).append(read(row))
        return {number: tuple(records) for number, records in found.items()}


def source_digest(source: str) -> str:
    """SHA-256 of a source, hexadecimal: what exact duplicates are recognised by."""
    return hashlib.sha256(storable(source).encode()).hexdigest()


def point_of(outcome: Outcome) -> Point:
    """The sums over an outcome's episodes."""
    return Point(
        store=outcome.store,
        split=outcome.split,
        beta=outcome.beta,
        n_seeds=outcome.correct.shape[0],
        n_episodes=outcome.correct.size,
        n_correct=int(outcome.correct.sum()),
        n_errors=int((~np.isin(outcome.status, _NO_ERROR_STATUSES)).sum()),
        tokens=int(outcome.tokens.sum()),
        sequential_tokens=int(outcome.sequential_tokens.sum()),
    )


def _insert_candidate(connection: Connection, run: Run, draft: CandidateDraft) -> Candidate:
    table = schema.candidate
    last = connection.execute(select(func.max(table.c.number)).where(table.c.run_id == run.id)).scalar()
    row = {
        "run_id": run.id,
        "number": 0 if last is None else last + 1,
        "iteration": draft.iteration,
        "origin": draft.origin,
        "name": draft.name,
        "status": draft.status,
        "error": storable(draft.error),
        "idea": storable(draft.idea),
        "source": storable(draft.source),
        "source_digest": source_digest(draft.source),
        "recipe": storable(draft.recipe),
        "parents": list(draft.parents),
        "duplicate_of": draft.duplicate_of,
        "analysis": storable(draft.analysis),
        "committed": now(),
    }
    key = connection.execute(insert(table).values(row)).inserted_primary_key
    assert key is not None
    return _candidate(connection.execute(select(table).where(table.c.id == key[0])).one())


def _outcome_row(candidate_id: int, outcome: Outcome) -> dict[str, object]:
    n_seeds, n_questions = outcome.correct.shape
    shape = {"n_seeds": n_seeds, "n_questions": n_questions}
    place = {"candidate_id": candidate_id, "store": outcome.store, "split": outcome.split, "beta": outcome.beta}
    return place | shape | {name: _packed(getattr(outcome, name), dtype) for name, dtype in _ARRAYS.items()}


def _point_row(candidate_id: int, point: Point) -> dict[str, object]:
    return {"candidate_id": candidate_id} | {name: getattr(point, name) for name in Point.__slots__}


def _audit_row(candidate_id: int, audit: Audit) -> dict[str, object]:
    row = {"kind": audit.kind, "passed": audit.passed, "message": storable(audit.message)}
    return {"candidate_id": candidate_id, **row, "made": now()}


def _packed(array: npt.NDArray[Any], dtype: str) -> bytes:
    return zlib.compress(np.ascontiguousarray(array, dtype).tobytes())


def _unpacked(row: Row[Any], name: str) -> npt.NDArray[Any]:
    array = np.frombuffer(zlib.decompress(getattr(row, name)), _ARRAYS[name])
    return array.reshape(row.n_seeds, row.n_questions)


def _run(row: Row[Any]) -> Run:
    return Run(
        row.id, row.name, row.config, row.cap_microusd, RunStatus(row.status), row.reason, row.started, row.ended
    )


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        id=row.id,
        run_id=row.run_id,
        number=row.number,
        iteration=row.iteration,
        origin=Origin(row.origin),
        name=row.name,
        status=CandidateStatus(row.status),
        error=row.error,
        idea=row.idea,
        source=row.source,
        source_digest=row.source_digest,
        recipe=row.recipe,
        parents=tuple(row.parents),
        duplicate_of=row.duplicate_of,
        analysis=row.analysis,
        committed=row.committed,
    )


def _point(row: Row[Any]) -> Point:
    values: Iterable[tuple[str, Any]] = ((name, getattr(row, name)) for name in Point.__slots__)
    return Point(**dict(values) | {"split": Split(row.split)})


def _outcome(row: Row[Any]) -> Outcome:
    arrays = {name: _unpacked(row, name) for name in _ARRAYS}
    arrays["correct"] = arrays["correct"].astype(np.bool_)
    return Outcome(store=row.store, split=Split(row.split), beta=row.beta, **arrays)
