"""Runs candidates, each job in a process of its own. A candidate's fault is a result, never an exception."""

import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from replay.actions import CALL, MAX_CALLS, MAX_NAMED
from sandbox import wire
from sandbox.child import Ending, Errand, run_child
from sandbox.confine import LAYERS
from sandbox.deadline import OUT_OF_TIME
from sandbox.errors import SandboxError
from sandbox.job import Block, EpisodeStatus, Job, JobStatus, Value
from sandbox.limits import Limits
from sandbox.result import JobResult, MalformedResultError, parse_result
from sandbox.template import Switches, TemplateDiedError, TemplateProcess
from sandbox.worker import MISSING_LAYER

__all__ = ["Block", "EpisodeStatus", "Job", "JobResult", "JobStatus", "Pool", "Value"]

ATTEMPTS = 2
"""How often a job is tried when the template dies under it."""

_HEAD_BYTES = 1 << 20
_BYTES_PER_BLOCK = 64 * 1024


class Pool:
    """Runs jobs, up to `workers` at a time, with one template process behind them. Threads may share it."""

    def __init__(
        self,
        tables: Sequence[bytes],
        *,
        workers: int = 2,
        limits: Limits | None = None,
        require_layers: Collection[str] = (),
        hash_seed: int = 0,
        _switches: Switches | None = None,
    ) -> None:
        """Starts the template process.

        Args:
            tables: What `StoreTable.to_bytes` wrote, one for each store.
            workers: Jobs at a time.
            limits: What each job may use.
            require_layers: Layers without which nothing is run, see `layers`.
            hash_seed: Seed of Python's hashes of text.

        Raises:
            SandboxError: If the template does not start, or a required layer is unknown or off.
        """
        if unknown := sorted(set(require_layers) - set(LAYERS)):
            raise SandboxError(f"there is no sandbox layer {unknown[0]!r}", hint=f"the layers are {', '.join(LAYERS)}")
        self._tables = tuple(tables)
        self._limits = limits or Limits()
        self._required = frozenset(require_layers)
        self._hash_seed = hash_seed
        self._switches = _switches or Switches()
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(workers)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        self._closing = threading.Event()
        self._template: TemplateProcess | None = None
        try:
            self._layers = self._ask_layers()
            self._check_layers()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; jobs that still run come back as cancelled."""
        self._closing.set()
        self._executor.shutdown(cancel_futures=True)
        with self._lock:
            if self._template:
                self._template.close()
                self._template = None

    @property
    def tables(self) -> tuple[bytes, ...]:
        """The tables that jobs play on."""
        return self._tables

    def twin(self) -> Self:
        """Another pool like this one, whose Python hashes text differently."""
        return type(self)(
            self._tables,
            workers=1,
            limits=self._limits,
            require_layers=self._required,
            hash_seed=self._hash_seed + 1,
            _switches=self._switches,
        )

    def layers(self) -> dict[str, str]:
        """Which layers confine a candidate: layer -> "on", "on (detail)" or "off (reason)"."""
        return dict(self._layers)

    def run(self, job: Job) -> JobResult:
        """Runs a job and waits for it. The candidate can make it end in any status, never in an exception.

        Raises:
            SandboxError: If the sandbox itself fails, or the job names a table that is not there.
        """
        return self._run(job, self._closing.is_set)

    def map(self, jobs: Iterable[Job]) -> Iterator[JobResult]:
        """Runs jobs, `workers` at a time; results come in the order of the jobs. Closing the iterator ends the rest."""
        cancelled = threading.Event()

        def is_cancelled() -> bool:
            return cancelled.is_set() or self._closing.is_set()

        futures = [self._executor.submit(self._run, job, is_cancelled) for job in jobs]
        return self._collect(futures, cancelled)

    def _collect(self, futures: list[Future[JobResult]], cancelled: threading.Event) -> Iterator[JobResult]:
        try:
            for future in futures:
                yield future.result()
        finally:
            cancelled.set()
            for future in futures:
                future.cancel()

    def _run(self, job: Job, is_cancelled: Callable[[], bool]) -> JobResult:
        tables = self._tables if job.tables is None else job.tables
        for block in job.blocks:
            if not 0 <= block.table < len(tables):
                raise SandboxError(f"a job plays on table {block.table}, but there are {len(tables)}, counted from 0")
        most_bytes = _HEAD_BYTES + _BYTES_PER_BLOCK * len(job.blocks) + self._limits.result_bytes
        most_bytes += job.n_episodes * 16 + min(job.n_episodes, 1) * (CALL.size * MAX_CALLS + MAX_NAMED)
        ending = self._run_errand(Errand(wire.encode_job(job), most_bytes, is_cancelled))
        if ending is None:
            return JobResult(JobStatus.LIMIT, f"the sandbox's processes died {ATTEMPTS} times while this job ran")
        return _judge(job, ending)

    def _run_errand(self, errand: Errand) -> Ending | None:
        """What came of an errand; None if the template died each time."""
        with self._room:
            for _ in range(ATTEMPTS):
                template = self._living_template()
                try:
                    return run_child(template, errand, self._limits)
                except TemplateDiedError:
                    self._drop(template)
        return None

    def _living_template(self) -> TemplateProcess:
        with self._lock:
            if self._closing.is_set():
                raise SandboxError("this pool is closed")
            if self._template is None:
                self._template = TemplateProcess(
                    self._tables, self._limits, self._required, self._hash_seed, self._switches
                )
            return self._template

    def _drop(self, template: TemplateProcess) -> None:
        with self._lock:
            if self._template is template:
                self._template = None
                template.close()

    def _ask_layers(self) -> dict[str, str]:
        ending = self._run_errand(Errand(None, _HEAD_BYTES, self._closing.is_set))
        content = ending.content if ending else b""
        try:
            statement = parse_result(content, n_episodes=0, n_blocks=0).message
        except MalformedResultError as error:
            raise SandboxError(f"the sandbox can't state its layers: {error}") from error
        return dict(line.split(": ", 1) for line in statement.split("\n"))

    def _check_layers(self) -> None:
        for name in sorted(self._required):
            state = self._layers.get(name, "off")
            if not state.startswith("on"):
                raise SandboxError(
                    f"the sandbox layer {name} is required but {state}",
                    hint=f"run without --require-layer {name}, or on a system that has it",
                )


def _judge(job: Job, ending: Ending) -> JobResult:
    """What an ending means for the job."""
    if ending.killed_for:
        return _ended(JobStatus.LIMIT, f"ended in {_place(ending)}: {ending.killed_for}", ending)
    if ending.exit_code == MISSING_LAYER:
        raise SandboxError("a sandbox layer that was on at the start is now off", hint="autotts doctor shows which")
    if ending.exit_code == OUT_OF_TIME:
        return _ended(JobStatus.LIMIT, f"ended in {_place(ending)}: too much CPU used", ending)
    if ending.exit_code < 0:
        return _judge_signal(-ending.exit_code, ending)
    try:
        return parse_result(
            ending.content, n_episodes=job.n_episodes, n_blocks=len(job.blocks), cpu_seconds=ending.cpu_seconds
        )
    except MalformedResultError as error:
        return _ended(JobStatus.TAMPERED, f"what came back is no result: {error}", ending)


def _judge_signal(number: int, ending: Ending) -> JobResult:
    place = _place(ending)
    if number == signal.SIGSYS:
        return _ended(JobStatus.TAMPERED, f"ended in {place} for a forbidden system call", ending)
    reasons: dict[int, str] = {
        signal.SIGVTALRM: "a single operation used too much CPU",
        signal.SIGXCPU: "the job used too much CPU",
        signal.SIGKILL: "the system ended it, most likely for its memory",
    }
    reason = reasons.get(number, f"the interpreter crashed with signal {number}")
    return _ended(JobStatus.LIMIT, f"ended in {place}: {reason}", ending)


def _place(ending: Ending) -> str:
    return f"episode {ending.episode}"


def _ended(status: JobStatus, message: str, ending: Ending) -> JobResult:
    return JobResult(status, message, cpu_seconds=ending.cpu_seconds)
