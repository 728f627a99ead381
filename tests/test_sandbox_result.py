"""The parent's parser of results: exact on honest ones, and unmoved by anything else."""

import struct

import numpy as np
import pytest

from sandbox import wire
from sandbox.job import EpisodeStatus, JobStatus
from sandbox.result import JobResult, MalformedResultError, parse_result

N_MUTATIONS = 60_000


def honest_report(n: int = 6) -> wire.Report:
    """A job of two blocks and `n` episodes."""
    return wire.Report(
        status=JobStatus.DONE,
        message="episode 1: oh no",
        schedules=[{"width": 4, "level": 0.5, "on": True, "mode": "fäst"}, {}],
        statuses=bytearray([EpisodeStatus.OK, EpisodeStatus.ERROR, EpisodeStatus.NO_ANSWER] * (n // 3)),
        labels=[2, -1, -1] * (n // 3),
        call_counts=[2, 0, 1] * (n // 3),
        name_counts=[3, 0, 1] * (n // 3),
        calls=bytearray(range(12)) * (n // 3),
        names=bytearray([0, 1, 2, 0]) * (n // 3),
    )


def test_an_honest_result_is_read_as_it_was_written() -> None:
    report = honest_report()
    result = parse_result(report.encode(), n_episodes=6, n_blocks=2, cpu_seconds=1.5)
    assert (result.status, result.message, result.cpu_seconds) == (JobStatus.DONE, "episode 1: oh no", 1.5)
    assert result.schedules == ({"width": 4, "level": 0.5, "on": True, "mode": "fäst"}, {})
    assert result.schedules[0]["on"] is True
    assert result.statuses.tolist() == list(report.statuses)
    assert result.labels.tolist() == report.labels
    assert result.call_counts.tolist() == report.call_counts
    assert result.name_counts.tolist() == report.name_counts
    assert (result.calls, result.names) == (bytes(report.calls), bytes(report.names))


@pytest.mark.parametrize("status", [JobStatus.REJECTED, JobStatus.FAILED, JobStatus.LIMIT])
def test_a_job_that_is_not_done_brings_a_message_alone(status: JobStatus) -> None:
    result = parse_result(wire.ended(status, "why"), n_episodes=6, n_blocks=2)
    assert (result.status, result.message, len(result.statuses)) == (status, "why", 0)


def test_messages_can_not_steer_a_terminal() -> None:
    result = parse_result(wire.ended(JobStatus.FAILED, "a\x1b[2Jb\r\u202ec\nd"), n_episodes=0, n_blocks=0)
    assert result.message == "a [2Jb  c\nd"


def broken(**changes: object) -> bytes:
    """A result of six episodes with something about it that no worker writes."""
    report = honest_report()
    for name, value in changes.items():
        setattr(report, name, value)
    return report.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ATR1",
        honest_report().encode()[:-1],
        honest_report().encode() + b"\0",
        honest_report(9).encode(),
        wire.ended(JobStatus.DONE, ""),
        wire.ended(JobStatus.TAMPERED, ""),
        broken(status=JobStatus.FAILED),
        broken(statuses=bytearray([3] * 6)),
        broken(labels=[-1] * 6),
        broken(labels=[2, 0, -1, 2, -1, -1]),
        broken(labels=[-2, -1, -1] * 2),
        broken(call_counts=[3, 0, 0] * 2, calls=bytearray(28)),
        broken(call_counts=[0xFFFFFFFF, 0, 1] * 2),
        broken(call_counts=[20_001, 0, 0, 0, 0, 0], calls=bytearray(4 * 20_001)),
        broken(name_counts=[100_001, 0, 0, 0, 0, 0], names=bytearray(100_001)),
        broken(schedules=[{}]),
        broken(schedules=[{}, {}, {}]),
        broken(schedules=[{"_x": 1}, {}]),
        broken(schedules=[{"": 1}, {}]),
        broken(schedules=[{"class": 1}, {}]),
        broken(schedules=[{"x": float("nan")}, {}]),
        broken(schedules=[{"x": float("inf")}, {}]),
        broken(schedules=[{"x": "y" * 201}, {}]),
    ],
)
def test_results_that_no_worker_sends_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedResultError):
        parse_result(content, n_episodes=6, n_blocks=2)


def check(result: JobResult) -> None:
    """Whatever was read is in itself consistent: nothing downstream can trip over it."""
    n = 6 if result.status is JobStatus.DONE else 0
    columns = (result.statuses, result.labels, result.call_counts, result.name_counts)
    assert all(len(column) == n for column in columns)
    assert int(result.call_counts.sum()) * 4 == len(result.calls)
    assert int(result.name_counts.sum()) == len(result.names)
    assert np.all(result.statuses <= 2) and np.all((result.labels >= 0) == (result.statuses == 0))
    assert all(isinstance(value, int | float | str) for schedule in result.schedules for value in schedule.values())


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Flips, overwrites, cuts, repeats or inserts."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = int(rng.integers(6)), int(rng.integers(0, max(1, len(damaged))))
        if kind == 0 and damaged:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 1 and damaged:
            damaged[at] = int(rng.integers(256))
        elif kind == 2:
            del damaged[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            damaged[at:at] = damaged[at : at + int(rng.integers(1, 17))]
        elif kind == 4:
            damaged[at:at] = rng.bytes(int(rng.integers(1, 9)))
        else:
            at = int(rng.integers(0, wire.RESULT_HEAD.size // 4)) * 4
            damaged[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 6, 255, 65_536, 2**31, 2**32 - 1])))
    return bytes(damaged)


def test_sixty_thousand_mutated_results_are_refused_or_consistent() -> None:
    rng = np.random.default_rng(5)
    seeds = [honest_report().encode(), wire.ended(JobStatus.FAILED, "why"), honest_report(3).encode()]
    n_read = 0
    for number in range(N_MUTATIONS):
        try:
            check(parse_result(mutated(seeds[number % len(seeds)], rng), n_episodes=6, n_blocks=2))
            n_read += 1
        except MalformedResultError:
            pass
    assert 0 < n_read < N_MUTATIONS // 2
