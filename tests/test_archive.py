"""What is committed stays and comes back as it was; what is not is not there. Damage is told from disagreement."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from discovery import schema
from discovery.archive import Archive, source_digest
from discovery.database import Database
from discovery.dump import dump_run, to_text
from discovery.errors import ArchiveError, RunExistsError, RunLockedError, UnknownRunError
from discovery.proposal import Failure, Origin
from discovery.records import (
    Audit,
    CandidateDraft,
    CandidateStatus,
    ExchangeResult,
    ExchangeState,
    LedgerKind,
    Outcome,
    Place,
    Purpose,
    Reservation,
    Run,
    RunStatus,
)
from replay.split import Split

DRAFT = CandidateDraft(
    source="def schedule(beta): ...\n",
    origin=Origin.MODEL,
    iteration=1,
    status=CandidateStatus.OK,
    idea="stop early",
    parents=(0,),
    analysis={"cpu_seconds": 0.5, "area": 0.25},
)
FAILURES = (Failure("outvoted", 0.25, 100.0), Failure("never_correct", 0.5, 300.0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "archive.sqlite"


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive(path, create=True) as archive:
        yield archive


def _outcome(beta: float = 0.5, split: Split = Split.SEARCH, n_seeds: int = 3) -> Outcome:
    rng = np.random.default_rng(7)
    shape = (n_seeds, 5)
    return Outcome(
        store="small",
        split=split,
        beta=beta,
        correct=rng.random(shape) < 0.5,
        tokens=rng.integers(0, 10**12, shape),
        sequential_tokens=rng.integers(0, 10**6, shape),
        status=rng.integers(0, 4, shape).astype(np.uint8),
    )


def _fill(archive: Archive, name: str = "first") -> Run:
    """A run with two candidates and one answered request."""
    run = archive.create_run(name, {"seed": 3}, 1_000_000)
    place = Place(1, 0, Purpose.PROPOSAL)
    reservation = archive.exchanges.reserve(run.id, 900, place, model="m", request={"max_tokens": 5})
    assert isinstance(reservation, Reservation)
    result = ExchangeResult(state=ExchangeState.ANSWERED, reply="é ✎", usage={"prompt_tokens": 3}, elapsed_seconds=0.1)
    archive.exchanges.close(reservation, LedgerKind.SETTLE, 700, result)
    archive.commit(run, DRAFT, outcomes=[_outcome(0.0)])
    archive.commit(
        run,
        DRAFT,
        outcomes=[_outcome(0.5), _outcome(0.5, Split.VALIDATION)],
        failures=FAILURES,
        audits=[Audit("causality", passed=True)],
        exchanges={reservation.exchange_id: "candidate"},
    )
    archive.add_event(run, "committed", {"number": 1, "elapsed_seconds": 0.3})
    return archive.run(name)


def test_a_candidate_comes_back_as_it_was_committed(archive: Archive) -> None:
    run = _fill(archive)
    first, second = archive.candidates(run)
    assert (first.number, second.number) == (0, 1)
    assert second == archive.candidate(run, 1)
    assert second.source_digest == source_digest(DRAFT.source)
    assert (second.idea, second.parents, second.analysis) == (DRAFT.idea, DRAFT.parents, DRAFT.analysis)
    found, expected = archive.outcomes(second, Split.SEARCH)[0], _outcome(0.5)
    for name in ("correct", "tokens", "sequential_tokens", "status"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    assert archive.failures(second) == (FAILURES[1], FAILURES[0])
    assert archive.audits(second) == (Audit("causality", passed=True),)
    assert archive.exchanges.list(run.id)[0].candidate == 1


def test_points_are_the_sums_of_the_outcomes(archive: Archive) -> None:
    run = _fill(archive)
    outcome = _outcome(0.5)
    (point,) = archive.points(archive.candidate(run, 1), Split.SEARCH)
    assert point == archive.points_of_run(run, Split.SEARCH)[1][0]
    assert (point.n_seeds, point.n_episodes, point.n_correct) == (3, 15, int(outcome.correct.sum()))
    assert (point.tokens, point.sequential_tokens) == (outcome.tokens.sum(), outcome.sequential_tokens.sum())
    assert point.n_errors == np.isin(outcome.status, (1, 3)).sum()


def test_a_candidate_whose_outcome_is_refused_leaves_no_trace(archive: Archive, path: Path) -> None:
    run = _fill(archive)
    before = to_text(dump_run(archive, run))
    with pytest.raises(Exception, match="UNIQUE"):
        archive.commit(run, DRAFT, outcomes=[_outcome(0.5), _outcome(0.5)])
    assert to_text(dump_run(archive, run)) == before


def test_a_full_disk_is_an_error_with_a_hint_and_writes_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _fill(archive)
    before = to_text(dump_run(archive, run))
    writing = Database.writing

    def on_a_full_disk(database: Database) -> object:
        context = writing(database)
        connection = context.__enter__()
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
        return _Entered(context, connection)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "writing", on_a_full_disk)
        big = CandidateDraft(source="#" * 10**6, origin=Origin.MODEL, iteration=2, status=CandidateStatus.OK)
        with pytest.raises(ArchiveError, match="full") as caught:
            archive.commit(run, big, outcomes=[_outcome(0.1)])
    assert "--resume" in caught.value.hint
    assert to_text(dump_run(archive, run)) == before


class _Entered:
    """A context that has been entered already."""

    def __init__(self, context: object, connection: Connection) -> None:
        self._context, self._connection = context, connection

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, *failure: object) -> object:
        return self._context.__exit__(*failure)  # type: ignore[attr-defined]


def test_a_missing_archive_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        Archive(path)
    assert not path.parent.exists()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, just words\n" * 100)
    with pytest.raises(ArchiveError, match="not a database") as caught:
        Archive(path, create=True)
    assert "--archive" in caught.value.hint
    assert path.read_text().startswith("not a database")


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(ArchiveError, match="something else"):
        Archive(path, create=True)


def test_a_damaged_archive_is_an_archive_error(archive: Archive, path: Path) -> None:
    run = _fill(archive)
    archive.close()
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(ArchiveError) as caught, Archive(path) as damaged:
        damaged.candidates(run)
    assert caught.value.hint


def test_an_archive_of_a_newer_version_is_refused_with_both_versions(archive: Archive, path: Path) -> None:
    archive.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE schema_version SET version = 99")
        file.commit()
    with pytest.raises(ArchiveError, match="99") as caught:
        Archive(path)
    assert "upgrade" in caught.value.hint


def test_an_older_archive_is_migrated_step_by_step(
    archive: Archive, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _fill(archive)
    archive.close()
    steps: list[int] = []
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setattr(schema, "MIGRATIONS", {version: lambda _, v=version: steps.append(v) for version in (1, 2)})
    with Archive(path) as migrated:
        assert migrated.run("first") == run
    with Archive(path):
        assert steps == [1, 2]


def test_a_folder_that_can_not_be_made_is_an_archive_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError) as caught:
        Archive(tmp_path / "file" / "archive.sqlite", create=True)
    assert "--archive" in caught.value.hint


def test_several_processes_can_open_a_new_archive_at_once(path: Path) -> None:
    program = "import sys; from pathlib import Path; from discovery.archive import Archive\n"
    program += "archive = Archive(Path(sys.argv[1]), create=True); archive.create_run(sys.argv[2], {}, 0)"
    started = [subprocess.Popen([sys.executable, "-c", program, str(path), f"run-{i}"]) for i in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    with Archive(path) as archive:
        assert sorted(run.name for run in archive.runs()) == [f"run-{i}" for i in range(4)]


def test_runs_are_found_by_name_and_the_last_one_without(archive: Archive) -> None:
    with pytest.raises(UnknownRunError, match="no run"):
        archive.run()
    first, second = _fill(archive, "first"), _fill(archive, "second")
    assert archive.run() == second
    assert archive.runs() == (first, second)
    with pytest.raises(UnknownRunError, match=r"third.*first, second"):
        archive.run("third")
    with pytest.raises(RunExistsError) as caught:
        archive.create_run("first", {}, 0)
    assert "--resume first" in caught.value.hint
    with pytest.raises(ArchiveError, match="candidates are 0 to 1"):
        archive.candidate(first, 7)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "archive.sqlite", "x" * 65, "é"])
def test_a_name_that_can_not_be_a_folder_is_refused(archive: Archive, name: str) -> None:
    with pytest.raises(ArchiveError, match="name of a run"):
        archive.create_run(name, {}, 0)


def test_a_run_ends_and_continues_under_a_new_cap(archive: Archive) -> None:
    run = _fill(archive)
    ended = archive.end_run(run, RunStatus.DONE, "budget reached")
    assert (ended.status, ended.reason) == (RunStatus.DONE, "budget reached")
    assert ended.ended
    resumed = archive.continue_run(ended, cap_microusd=5_000_000)
    assert (resumed.status, resumed.reason, resumed.ended, resumed.cap_microusd) == ("running", "", None, 5_000_000)


def test_a_second_process_on_a_run_is_told_who_holds_it(archive: Archive, path: Path) -> None:
    program = "import sys; from pathlib import Path; from discovery.archive import Archive\n"
    program += "with Archive(Path(sys.argv[1]), create=True) as a, a.lock('first'): print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunLockedError, match=str(holder.pid)) as caught, archive.lock("first"):
        pass
    assert caught.value.holder == holder.pid
    holder.kill()
    holder.communicate()
    with archive.lock("first") as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"
    with archive.lock("first"), archive.lock("second"):
        pass


def test_two_runs_that_did_the_same_are_dumped_alike_without_times(archive: Archive) -> None:
    first, second = (dump_run(archive, _fill(archive, name), times=False) for name in ("first", "second"))
    assert to_text(first) == to_text(second)
    assert json.loads(to_text(first)) == json.loads(json.dumps(first))
    assert "elapsed_seconds" not in to_text(first)
    assert "elapsed_seconds" in to_text(dump_run(archive, archive.run()))


def test_candidates_committed_at_once_are_numbered_without_gaps(archive: Archive) -> None:
    run = archive.create_run("first", {}, 0)
    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(lambda _: archive.commit(run, DRAFT).number, range(24)))
    assert sorted(numbers) == list(range(24))


@given(reply=st.text(st.characters(exclude_categories=())), value=st.floats())
def test_any_reply_can_be_stored(tmp_path_factory: pytest.TempPathFactory, reply: str, value: float) -> None:
    path = tmp_path_factory.getbasetemp() / "any" / "archive.sqlite"
    with Archive(path, create=True) as archive:
        name = f"run-{len(archive.runs())}"
        run = archive.create_run(name, {"value": value}, 10)
        found = archive.exchanges.reserve(run.id, 1, Place(0, 0, Purpose.TOOL), model="m", request={"text": reply})
        assert isinstance(found, Reservation)
        result = ExchangeResult(state=ExchangeState.ANSWERED, reply=reply, usage={"cost": value}, raw=reply)
        archive.exchanges.close(found, LedgerKind.SETTLE, 1, result)
        (stored,) = archive.exchanges.list(run.id)
    assert stored.reply == reply.encode("utf-8", "replace").decode()
