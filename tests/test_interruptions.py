"""Ctrl-C, kill -9, a full disk and a second process, on real processes: what was paid for is kept, and paid once."""

import json
import random
import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from discovery.archive import Archive
from discovery.config import RUN_BASELINES
from discovery.price import to_usd
from discovery.provider import find_price
from discovery.records import ExchangeState, RunStatus
from tests.commands import SETTINGS, Child, autotts, controllers, make_store, paid_by
from tests.endpoint import Endpoint
from tests.killed_discover import STAGES, die_at

ITERATIONS = 2
INTERRUPTED = 130


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    find_price("gpt-4o")  # imports litellm once, for the processes that are forked
    return make_store(tmp_path_factory.mktemp("stores") / "store")


class Running:
    """A run of `discover`: begun in a process of its own, continued in this one."""

    def __init__(self, folder: Path, store: Path, server: Endpoint) -> None:
        self.archive = folder / "archive.sqlite"
        self.server = server
        self._store = store

    def start(self, prepare: Callable[[], None] = lambda: None) -> Child:
        limits = ("--budget", 1, "--iterations", ITERATIONS)
        run = ("discover", self._store, *limits, "--run", "r", *SETTINGS, "--archive", self.archive)
        return Child(self.archive.with_suffix(".log"), *run, *paid_by(self.server), prepare=prepare)

    def resume(self) -> None:
        """Goes on to the end."""
        done = autotts("discover", "--resume", "r", "--iterations", ITERATIONS, "--archive", self.archive)
        assert done.code == 0, done.err

    def listed(self) -> dict[str, Any]:
        """What `archive list` says of the run."""
        (row,) = json.loads(autotts("archive", "list", "--json", "--archive", self.archive).out)
        assert isinstance(row, dict)
        return row

    def check_whole(self) -> None:
        """No candidate half there, none twice, and nothing whose reply was stored paid again."""
        with Archive(self.archive) as archive:
            run = archive.run("r")
            candidates = archive.candidates(run)
            exchanges = archive.exchanges.list(run.id)
            balance = archive.exchanges.balance(run.id)
            points = archive.points_of_run(run)
        assert run.status is RunStatus.DONE
        assert [candidate.number for candidate in candidates] == list(range(len(RUN_BASELINES) + ITERATIONS))
        assert [candidate.iteration for candidate in candidates[len(RUN_BASELINES) :]] == [1, 2]
        assert all(len(points[candidate.number]) in (11, 22) for candidate in candidates if candidate.number in points)
        answered = [exchange for exchange in exchanges if exchange.state is ExchangeState.ANSWERED]
        assert [exchange.place.iteration for exchange in answered] == [1, 2]
        assert all(exchange.candidate is not None and exchange.became for exchange in answered)
        assert balance.open == 0
        assert self.server.charged_usd <= to_usd(balance.committed)
        if len(self.server.books) == len(answered):
            assert self.server.charged_usd == to_usd(balance.settled)


def test_ctrl_c_waits_for_the_call_in_flight_and_a_resume_does_not_pay_for_it_again(
    store: Path, tmp_path: Path
) -> None:
    with Endpoint(write=controllers(), latency_seconds=1.0) as server:
        running = Running(tmp_path, store, server)
        child = running.start()
        child.wait_for(lambda: bool(server.books))
        child.signal(signal.SIGINT)
        assert child.end() == INTERRUPTED
        assert "stopping: waiting for the call or trial in flight" in child.err
        assert "stopped by a person" in child.err
        assert "Traceback" not in child.err
        assert len(server.books) == 1
        running.resume()
        running.check_whole()
        assert len(server.books) == ITERATIONS


def test_a_second_ctrl_c_leaves_the_call_unconfirmed(store: Path, tmp_path: Path) -> None:
    with Endpoint(write=controllers(), latency_seconds=1_000) as server:
        running = Running(tmp_path, store, server)
        child = running.start()
        child.wait_for(lambda: bool(server.books))
        child.signal(signal.SIGINT)
        child.wait_for(lambda: "stopping" in child.err)
        time.sleep(1)
        child.signal(signal.SIGINT)
        assert child.end() == INTERRUPTED
    assert "unconfirmed; continue with: autotts discover --resume r" in child.err
    assert "Traceback" not in child.err
    row = running.listed()
    assert (row["status"], row["spent"], row["reason"]) == ("stopped", 0, "interrupted by a person")
    assert row["unconfirmed"] > 0


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_goes_on_as_if_nothing_had_been_after_it_was_killed(store: Path, tmp_path: Path, stage: str) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    number = random.Random(seed).randint(1, 2)
    with Endpoint(write=controllers()) as server:
        running = Running(tmp_path, store, server)
        child = running.start(lambda: die_at(stage, number))
        assert child.end() == -signal.SIGKILL, child.err
        row = running.listed()
        assert (row["status"], "--resume r" in row["reason"]) == ("left", True)
        running.resume()
        running.check_whole()


def test_a_run_that_is_killed_while_it_waits_for_a_reply_keeps_its_worst_case(store: Path, tmp_path: Path) -> None:
    with Endpoint(write=controllers(), latency_seconds=0.2) as server:
        running = Running(tmp_path, store, server)
        child = running.start()
        child.wait_for(lambda: bool(server.books))
        child.signal(signal.SIGKILL)
        child.end()
        running.resume()
        running.check_whole()
        assert len(server.books) == ITERATIONS + 1
    assert running.listed()["unconfirmed"] > 0


def test_a_full_disk_is_one_error_with_a_hint_and_the_run_goes_on_later(store: Path, tmp_path: Path) -> None:
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (260_000, resource.RLIM_INFINITY))

    with Endpoint(write=controllers()) as server:
        running = Running(tmp_path, store, server)
        child = running.start(fill)
        assert child.end() == 1, child.err
        assert len(re.findall("^error: can't write the archive", child.err, re.MULTILINE)) == 1
        assert len(re.findall("^hint: .*disk", child.err, re.MULTILINE)) == 1
        assert "Traceback" not in child.err
        running.resume()
        running.check_whole()


def test_a_second_process_on_the_same_run_is_told_who_is_writing(store: Path, tmp_path: Path) -> None:
    with Endpoint(write=controllers(), latency_seconds=1_000) as server:
        running = Running(tmp_path, store, server)
        child = running.start()
        child.wait_for(lambda: bool(server.books))
        second = autotts("discover", "--resume", "r", "--archive", running.archive)
        row = running.listed()
        child.signal(signal.SIGKILL)
        child.end()
    assert second.code == 1
    assert f"error: process {child.pid} is writing to run r" in second.err
    assert second.err.count("hint: ") == 1
    assert row["status"] == "running"
