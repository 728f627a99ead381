"""Reads what a worker sent, trusting nothing: it may come from a process that a candidate has taken over.

Whether a log is legal is not decided here but by `replay.verify`, against the store.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from replay.actions import CALL, MAX_CALLS, MAX_NAMED
from sandbox import wire
from sandbox.job import EpisodeStatus, JobStatus, Value
from sandbox.schedules import is_key


class MalformedResultError(Exception):
    """Bytes that no honest worker sends."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job came to. Only a job that is done has episodes.

    Attributes:
        status: How the job ended.
        message: For a person and the explorer: what went wrong, or the first error of an episode, with its line.
        schedules: Per block, the values of its schedule.
        statuses: (n_episodes,) `EpisodeStatus`, block after block.
        labels: (n_episodes,) answers; -1 where there is none.
        calls: All logs' calls, see `replay.actions`.
        call_counts: (n_episodes,) calls.
        names: All logs' names.
        name_counts: (n_episodes,) branches named.
        cpu_seconds: CPU of the worker, user and system; 0 if unknown.
    """

    status: JobStatus
    message: str = ""
    schedules: tuple[Mapping[str, Value], ...] = ()
    statuses: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    labels: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    calls: bytes = b""
    call_counts: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    names: bytes = b""
    name_counts: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    cpu_seconds: float = 0.0


def parse_result(content: bytes, *, n_episodes: int, n_blocks: int, cpu_seconds: float = 0.0) -> JobResult:
    """Reads a result.

    Args:
        content: What the worker sent, all of it.
        n_episodes: How many episodes the job has.
        n_blocks: How many blocks.
        cpu_seconds: Passed on.

    Raises:
        MalformedResultError: If a single byte is out of place.
    """
    try:
        return _parse(content, n_episodes, n_blocks, cpu_seconds)
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise MalformedResultError(str(error)) from None


def _parse(content: bytes, n_episodes: int, n_blocks: int, cpu_seconds: float) -> JobResult:
    reader = _Reader(content)
    magic, status, n, n_schedules, *sizes = wire.RESULT_HEAD.unpack(reader.take(wire.RESULT_HEAD.size))
    message_size, schedules_size, calls_size, names_size = sizes
    _expect(magic == wire.RESULT_MAGIC and status < len(wire.STATUSES), "its head is damaged")
    done = wire.STATUSES[status] is JobStatus.DONE
    _expect(wire.STATUSES[status] is not JobStatus.TAMPERED, "it calls itself tampered")
    _expect(n == (n_episodes if done else 0), "it has another number of episodes")
    _expect(n_schedules == (n_blocks if done else 0), "it has another number of schedules")
    _expect(message_size <= wire.MAX_MESSAGE_BYTES, "its message is too long")
    message = _clean(reader.take(message_size))
    schedules = _Reader(reader.take(schedules_size))
    values = tuple(_read_values(schedules) for _ in range(n_schedules))
    _expect(schedules.at_end(), "its schedules are too long")
    statuses = np.frombuffer(reader.take(n), np.uint8)
    labels = np.frombuffer(reader.take(4 * n), "<i4").astype(np.int32)
    call_counts = np.frombuffer(reader.take(4 * n), "<u4").astype(np.uint32)
    name_counts = np.frombuffer(reader.take(4 * n), "<u4").astype(np.uint32)
    calls, names = reader.take(calls_size), reader.take(names_size)
    _expect(reader.at_end(), "it has the wrong length")
    _check_columns(statuses, labels)
    _check_counts(call_counts, MAX_CALLS, len(calls), CALL.size)
    _check_counts(name_counts, MAX_NAMED, len(names), 1)
    return JobResult(
        wire.STATUSES[status], message, values, statuses, labels, calls, call_counts, names, name_counts, cpu_seconds
    )


class _Reader:
    """Takes bytes from the front; never more than there are."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def take(self, size: int) -> bytes:
        end = self._position + size
        _expect(end <= len(self._content), "it is cut short")
        taken = self._content[self._position : end]
        self._position = end
        return taken

    def at_end(self) -> bool:
        return self._position == len(self._content)


def _expect(condition: bool, complaint: str) -> None:
    if not condition:
        raise MalformedResultError(complaint)


def _check_columns(statuses: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> None:
    _expect(bool(np.all(statuses <= max(EpisodeStatus))), "an episode has an unknown status")
    answered = statuses == EpisodeStatus.OK
    _expect(bool(np.all(np.where(answered, labels >= 0, labels == -1))), "a label does not go with its status")


def _check_counts(counts: npt.NDArray[np.uint32], most: int, size: int, unit: int) -> None:
    _expect(bool(np.all(counts <= most)), "an episode's log is too long")
    _expect(int(counts.sum(dtype=np.int64)) * unit == size, "the logs' lengths do not add up")


def _clean(message: bytes) -> str:
    """Text without what could steer a terminal."""
    text = message.decode("utf-8", "replace")
    return "".join(character if character == "\n" or character.isprintable() else " " for character in text)


def _read_values(reader: _Reader) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for _ in range(reader.take(1)[0]):
        key = reader.take(reader.take(1)[0]).decode("ascii")
        _expect(is_key(key) and key not in values, "a schedule has a bad key")
        values[key] = _read_value(reader)
    return values


def _read_value(reader: _Reader) -> Value:
    kind = reader.take(1)
    if kind == wire.BOOL:
        content = reader.take(1)
        _expect(content in (b"\0", b"\1"), "a schedule has a bad value")
        return content == b"\1"
    if kind == wire.INTEGER:
        return int.from_bytes(reader.take(8), "little", signed=True)
    if kind == wire.FLOAT:
        number: float = struct.unpack("<d", reader.take(8))[0]
        _expect(math.isfinite(number), "a schedule has a value that is not finite")
        return number
    _expect(kind == wire.TEXT, "a schedule has a value of an unknown kind")
    text = reader.take(int.from_bytes(reader.take(2), "little")).decode("utf-8")
    _expect(len(text) <= wire.MAX_TEXT_CHARACTERS, "a schedule has a text that is too long")
    return text
