"""The bytes between parent, template and worker, in both directions, but for reading results: see `sandbox.result`.

JSON flows from the parent alone; what comes back is flat binary.
"""

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from replay.episode import EpisodeSettings
from sandbox.job import Block, Job, JobStatus, Value

LENGTH = struct.Struct("<I")
PROGRESS = struct.Struct("<q")
PROGRESS_BYTES = 4096
FORK, STATE, REAP = b"F", b"S", b"R"
COMMAND = struct.Struct("<cq")
"""Parent to template: fork for a job or a statement of the layers (0; three descriptors come along), or end and reap
(process id)."""
FORKED = struct.Struct("<q")
REAPED = struct.Struct("<qid")
"""Template to parent: process id, wait status, CPU seconds."""

RESULT_MAGIC = b"ATR1"
RESULT_HEAD = struct.Struct("<4sBIIIIQQ")
"""Magic, index of the job's status, episodes, schedules, bytes of message, of schedules, of calls, of names."""
STATUSES = tuple(JobStatus)
MAX_MESSAGE_BYTES = 2_000
MAX_TEXT_CHARACTERS = 200
MAX_VALUES = 200
INTEGER, FLOAT, BOOL, TEXT = b"i", b"f", b"b", b"s"


def send(descriptor: int, content: bytes) -> None:
    """Writes all of it."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view[: 1 << 16]) :]


def receive(descriptor: int, size: int) -> bytes:
    """Reads exactly `size` bytes.

    Raises:
        EOFError: If there are fewer.
    """
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def encode_job(job: Job) -> bytes:
    """What a worker reads of a job."""
    tables = job.tables or ()
    head = {
        "source": job.source,
        "blocks": [[block.table, block.beta, block.questions, block.seeds] for block in job.blocks],
        "settings": asdict(job.settings),
        "share_module": job.share_module,
        "overrides": dict(job.overrides),
        "tables": None if job.tables is None else [len(table) for table in tables],
    }
    content = json.dumps(head).encode()
    return b"".join([LENGTH.pack(len(content)), content, *tables])


def receive_job(descriptor: int) -> Job:
    """Reads what `encode_job` wrote."""
    head: dict[str, Any] = json.loads(receive(descriptor, *LENGTH.unpack(receive(descriptor, LENGTH.size))))
    sizes = head["tables"]
    return Job(
        source=head["source"],
        blocks=tuple(Block(table, beta, tuple(q), tuple(s)) for table, beta, q, s in head["blocks"]),
        settings=EpisodeSettings(**head["settings"]),
        share_module=head["share_module"],
        tables=None if sizes is None else tuple(receive(descriptor, size) for size in sizes),
        overrides=head["overrides"],
    )


@dataclass(slots=True)
class Report:
    """What a worker has to say of a job; grows as the episodes go by.

    Attributes:
        status: How it ended.
        message: For a person and the explorer.
        schedules: Per block, the values of its schedule.
        statuses: Per episode, its `EpisodeStatus`.
        labels: Per episode, the answer; -1 where there is none.
        call_counts: Per episode, its calls.
        name_counts: Per episode, the branches named in them.
        calls: All logs' calls.
        names: All logs' names.
    """

    status: JobStatus = JobStatus.DONE
    message: str = ""
    schedules: list[Mapping[str, Value]] = field(default_factory=list)
    statuses: bytearray = field(default_factory=bytearray)
    labels: list[int] = field(default_factory=list)
    call_counts: list[int] = field(default_factory=list)
    name_counts: list[int] = field(default_factory=list)
    calls: bytearray = field(default_factory=bytearray)
    names: bytearray = field(default_factory=bytearray)

    def encode(self) -> bytes:
        """One flat byte string."""
        message = self.message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES]
        schedules = b"".join(map(encode_values, self.schedules))
        n = len(self.statuses)
        sizes = (len(message), len(schedules), len(self.calls), len(self.names))
        head = RESULT_HEAD.pack(RESULT_MAGIC, STATUSES.index(self.status), n, len(self.schedules), *sizes)
        columns = struct.pack(f"<{n}i{2 * n}I", *self.labels, *self.call_counts, *self.name_counts)
        return b"".join([head, message, schedules, self.statuses, columns, self.calls, self.names])


def encode_values(values: Mapping[str, Value]) -> bytes:
    """A schedule: number of values, then each as length of key, key, kind, value."""
    parts = [struct.pack("<B", len(values))]
    for key, value in values.items():
        parts += [struct.pack("<B", len(key)), key.encode("ascii"), _encode_value(value)]
    return b"".join(parts)


def _encode_value(value: Value) -> bytes:
    if isinstance(value, bool):
        return BOOL + struct.pack("<?", value)
    if isinstance(value, int):
        return INTEGER + struct.pack("<q", value)
    if isinstance(value, float):
        return FLOAT + struct.pack("<d", value)
    text = value.encode("utf-8")
    return TEXT + struct.pack("<H", len(text)) + text


def ended(status: JobStatus, message: str, schedules: Sequence[Mapping[str, Value]] = ()) -> bytes:
    """The result of a job that has no episodes to show."""
    return Report(status, message, list(schedules)).encode()
