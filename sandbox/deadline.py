"""Ends a worker that computes for too long. CPU counts, never wall time: a busy machine ends nothing.

A tick of the CPU clock runs Python between two steps of the controller and can end the process from there, which no
controller can catch. Where the interpreter is inside one long operation, ticks can't run: a second timer, pushed back
by every tick, then ends the process by its signal.
"""

import os
import signal
from collections.abc import Callable
from time import process_time
from types import FrameType

from sandbox.compiler import FILE_NAME
from sandbox.job import JobStatus
from sandbox.limits import Limits
from sandbox.wire import ended, send

TICK_SECONDS = 0.02
OUT_OF_TIME = 72
"""Exit code where not even the reason can be sent."""


class Deadline:
    """The CPU that an activity, and the whole job, has left.

    Attributes:
        is_new: Whether the activity has begun since the last tick. To be set when one begins.
        activity: What is going on, as text or as the number of an episode.
    """

    __slots__ = ("_limits", "_result", "_since", "activity", "is_new")

    def __init__(self, limits: Limits, result_descriptor: int) -> None:
        self.is_new = True
        self.activity: str | int = "compiling"
        self._limits = limits
        self._result = result_descriptor
        self._since = 0.0

    def start(self) -> None:
        """Starts both timers."""
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, TICK_SECONDS, TICK_SECONDS)
        self._push_back()

    def stop(self) -> None:
        """Stops both timers."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _push_back(self) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, self._limits.operation_cpu_seconds)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        # Ticks are counted by sampling, which a busy machine distorts; the clock is exact.
        now = process_time()
        if self.is_new:
            self.is_new, self._since = False, now
        # Past the limit the second timer is left alone: it ends the process if this handler can't, for want of stack.
        if now - self._since > self._limits.episode_cpu_seconds:
            self._end(f"{self.describe()}{_place(frame)} used more than {self._limits.episode_cpu_seconds:g} s of CPU")
        if now > self._limits.job_cpu_seconds:
            self._end(f"the job used more than {self._limits.job_cpu_seconds} s of CPU over all its episodes")
        self._push_back()

    def describe(self) -> str:
        """What is going on."""
        return self.activity if isinstance(self.activity, str) else f"episode {self.activity}"

    def _end(self, message: str) -> None:
        leave: Callable[[int], object] = os._exit
        try:
            self.stop()
            send(self._result, ended(JobStatus.LIMIT, message))
            leave(0)
        finally:
            leave(OUT_OF_TIME)


def _place(frame: FrameType | None) -> str:
    """Where in the controller the clock ran out."""
    while frame is not None and frame.f_code.co_filename != FILE_NAME:
        frame = frame.f_back
    return f" (at line {frame.f_lineno})" if frame else ""
