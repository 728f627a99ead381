"""One child of a template, from the parent's side: hands it a job, takes what it sends, and ends it in time."""

import contextlib
import mmap
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox import wire
from sandbox.confine import LINUX
from sandbox.limits import MEBIBYTE, Limits
from sandbox.template import TemplateProcess

POLL_SECONDS = 0.25
READ_BYTES = MEBIBYTE


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended.

    Attributes:
        content: All that it sent.
        exit_code: Its exit code; minus the number of the signal that ended it.
        killed_for: Why the parent ended it; empty if it did not.
        episode: The episode that it was last seen in.
        cpu_seconds: Its CPU, user and system.
    """

    content: bytes
    exit_code: int
    killed_for: str
    episode: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Errand:
    """What a child is to do.

    Attributes:
        job: An encoded job; None asks for a statement of the layers.
        most_bytes: What it may send back.
        is_cancelled: Whether nobody wants the result any more.
    """

    job: bytes | None
    most_bytes: int
    is_cancelled: Callable[[], bool]


def run_child(template: TemplateProcess, errand: Errand, limits: Limits) -> Ending:
    """Has a new child do an errand, and returns when it is gone.

    Raises:
        TemplateDiedError: If the template died.
    """
    with contextlib.ExitStack() as open_ends:
        page_descriptor = _open_page(open_ends)
        page = open_ends.enter_context(mmap.mmap(page_descriptor, wire.PROGRESS_BYTES))
        job_read, job_write = _pipe(open_ends)
        result_read, result_write = _pipe(open_ends)
        process = template.fork(errand.job is None, [job_read.number, result_write.number, page_descriptor])
        job_read.close()
        result_write.close()
        watch = Watch(process, page, limits)
        content = b""
        try:
            with contextlib.suppress(BrokenPipeError):
                wire.send(job_write.number, errand.job or b"")
            job_write.close()
            content = _listen(result_read.number, errand, watch)
        finally:
            status, cpu_seconds = template.reap(process)
        return Ending(content, os.waitstatus_to_exitcode(status), watch.killed_for, watch.episode, cpu_seconds)


def _listen(descriptor: int, errand: Errand, watch: "Watch") -> bytes:
    """Reads until the child closes its end or has to be ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    while True:
        if poll.poll(POLL_SECONDS * 1000):
            part = os.read(descriptor, READ_BYTES)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            watch.note_sign_of_life()
            if size > errand.most_bytes:
                watch.killed_for = "it sent more than a job of this size can"
        else:
            watch.look()
        if errand.is_cancelled():
            watch.killed_for = "it was cancelled"
        if watch.killed_for:
            return b""


class Watch:
    """Notices when a child gets nowhere.

    Attributes:
        killed_for: Why it has to be ended; empty as long as it has not.
    """

    def __init__(self, process: int, page: mmap.mmap, limits: Limits) -> None:
        self.killed_for = ""
        self._process = process
        self._page = page
        self._limits = limits
        self._last_episode = -1
        self.note_sign_of_life()

    @property
    def episode(self) -> int:
        """The episode that it says it is in."""
        number: int = wire.PROGRESS.unpack_from(self._page)[0]
        return number

    def note_sign_of_life(self) -> None:
        """Something came from it."""
        self._since = time.monotonic()
        self._cpu_before = cpu_seconds_of(self._process)

    def look(self) -> None:
        """Compares with the last look. Wall time alone ends nothing early: the machine may be busy."""
        if self.episode != self._last_episode:
            self._last_episode = self.episode
            self.note_sign_of_life()
            return
        silence = time.monotonic() - self._since
        allowance = self._limits.episode_cpu_seconds + self._limits.operation_cpu_seconds
        used = cpu_seconds_of(self._process) - self._cpu_before
        if silence > self._limits.silence_seconds:
            self.killed_for = f"no episode ended for {self._limits.silence_seconds:g} s"
        elif silence > self._limits.stall_seconds and used > allowance:
            self.killed_for = f"no episode ended for {silence:.0f} s, with {used:.1f} s of CPU used"
        elif not LINUX and resident_bytes_of(self._process) > self._limits.memory_bytes:
            self.killed_for = f"more than {self._limits.memory_bytes >> 20} MiB of memory"


def cpu_seconds_of(process: int) -> float:
    """CPU of a running process; 0 where it can't be told."""
    if not LINUX:
        return 0.0
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def resident_bytes_of(process: int) -> int:
    """Memory of a running process, asked of `ps`: for systems that enforce no limit."""
    answer = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=False)
    return int(answer.stdout.strip() or 0) * 1024


class _End:
    """One end of a pipe, closed once."""

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        if self.number >= 0:
            os.close(self.number)
            self.number = -1


def _pipe(open_ends: contextlib.ExitStack) -> tuple[_End, _End]:
    read, write = map(_End, os.pipe())
    open_ends.callback(read.close)
    open_ends.callback(write.close)
    return read, write


def _open_page(open_ends: contextlib.ExitStack) -> int:
    """A page of memory that parent and child share."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("progress")
        open_ends.callback(os.close, descriptor)
    else:
        file = open_ends.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        descriptor = file.fileno()
    os.ftruncate(descriptor, wire.PROGRESS_BYTES)
    return descriptor
