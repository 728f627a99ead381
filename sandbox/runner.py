"""Plays the episodes of a job inside the worker: a fresh module for each, and nothing kept but its action log."""

from collections.abc import Callable
from types import CodeType
from typing import Any, Protocol

from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.tables import QuestionTable, StoreTable, branch_order
from sandbox.compiler import FILE_NAME
from sandbox.deadline import Deadline
from sandbox.job import Block, EpisodeStatus, Job, JobStatus
from sandbox.limits import Limits
from sandbox.namespace import Namespace, Parameters
from sandbox.schedules import BadScheduleError, copy_values, override
from sandbox.wire import Report

MAX_ERROR_CHARACTERS = 300


class NamespaceSource(Protocol):
    """Makes the namespaces that modules are executed in."""

    def fresh(self) -> Namespace:
        """One for one execution."""


class JobEndedError(Exception):
    """The job is over before all its episodes were played.

    Attributes:
        status: How it ended.
        message: Why.
    """

    def __init__(self, status: JobStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class QuestionShelf:
    """A store's questions, unpacked when they are first used."""

    def __init__(self, table: StoreTable) -> None:
        self.table = table
        self._unpacked: dict[int, QuestionTable] = {}

    def __getitem__(self, index: int) -> QuestionTable:
        question = self._unpacked.get(index)
        if question is None:
            question = self._unpacked[index] = self.table.question(index)
        return question


class Runner:
    """Plays one job and writes its report."""

    def __init__(
        self,
        code: CodeType,
        job: Job,
        tables: list[StoreTable],
        language: NamespaceSource,
        limits: Limits,
        deadline: Deadline,
        show_progress: Callable[[int], None],
    ) -> None:
        self._code = code
        self._job = job
        self._shelves = [QuestionShelf(table) for table in tables]
        self._language = language
        self._limits = limits
        self._deadline = deadline
        self._show_progress = show_progress
        self._report = Report()
        self._shared: Namespace | None = None
        self._parameters: dict[float, Parameters] = {}

    def run(self) -> Report:
        """Plays all episodes.

        Raises:
            JobEndedError: If the module or its schedule fails, or the results outgrow their limit.
        """
        for block in self._job.blocks:
            self._prepare(block.beta)
        if self._job.share_module and self._job.blocks:
            self._shared = self._execute()
        for block in self._job.blocks:
            self._play(block)
        return self._report

    def _prepare(self, beta: float) -> None:
        """Asks the schedule, once for each beta."""
        if beta not in self._parameters:
            self._begin(f"schedule({beta:g})")
            self._parameters[beta] = Parameters(self._ask_schedule(beta))
        self._report.schedules.append(vars(self._parameters[beta]))

    def _ask_schedule(self, beta: float) -> dict[str, Any]:
        place = f"schedule({beta:g})"
        namespace = self._execute()
        try:
            return override(copy_values(namespace["schedule"](beta)), self._job.overrides)
        except BadScheduleError as error:
            raise JobEndedError(JobStatus.FAILED, f"{place} {error}") from None
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001
            raise JobEndedError(JobStatus.FAILED, f"{place} raised {describe_error(error)}") from None

    def _execute(self) -> Namespace:
        namespace = self._language.fresh()
        try:
            exec(self._code, namespace)
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001
            raise JobEndedError(JobStatus.FAILED, f"the module raised {describe_error(error)}") from None
        return namespace

    def _begin(self, activity: str | int) -> None:
        self._deadline.activity = activity
        self._deadline.is_new = True

    def _play(self, block: Block) -> None:
        shelf, settings, interval = self._shelves[block.table], self._job.settings, 0
        interval = shelf.table.interval
        parameters = self._parameters[block.beta]
        number = len(self._report.statuses)
        for question, seed in zip(block.questions, block.seeds, strict=True):
            self._begin(number)
            self._show_progress(number)
            self._play_episode(shelf[question], seed, settings, interval, parameters, number)
            number += 1
        if len(self._report.calls) + len(self._report.names) > self._limits.result_bytes:
            raise JobEndedError(
                JobStatus.LIMIT, "the action logs of the episodes outgrew their limit; make fewer calls"
            )

    def _play_episode(
        self,
        question: QuestionTable,
        seed: int,
        settings: EpisodeSettings,
        interval: int,
        parameters: Parameters,
        number: int,
    ) -> None:
        record = EpisodeRecord()
        order = branch_order(seed, len(question.rows))
        episode = ReplayedEpisode(question, order, settings, interval, record)
        namespace = self._shared
        status, label, message = EpisodeStatus.ERROR, -1, ""
        try:
            if namespace is None:
                namespace = self._language.fresh()
                exec(self._code, namespace)
            status, label, message = judge(record, namespace["control"](episode, parameters))
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001
            message = describe_error(error)
        if message and not self._report.message:
            self._report.message = f"episode {number}: {message}"
        self._note(record, status, label)
        if namespace is not self._shared and namespace is not None:
            namespace.clear()

    def _note(self, record: EpisodeRecord, status: EpisodeStatus, label: int) -> None:
        report = self._report
        report.statuses.append(status)
        report.labels.append(label)
        report.call_counts.append(len(record.calls) >> 2)
        report.name_counts.append(len(record.names))
        report.calls += record.calls
        report.names += record.names


def judge(record: EpisodeRecord, answer: object) -> tuple[EpisodeStatus, int, str]:
    """An episode's status, its label or -1, and what is wrong with it."""
    if record.failure:
        return EpisodeStatus.ERROR, -1, f"illegal call: {record.failure}"
    if answer is None:
        return EpisodeStatus.NO_ANSWER, -1, ""
    if type(answer) is int and record.has_shown(answer):
        return EpisodeStatus.OK, answer, ""
    return EpisodeStatus.ERROR, -1, f"control returned {_describe_answer(answer)}; return a label that a probe showed"


def describe_error(error: BaseException) -> str:
    """Class, message and line of an exception, without running any code of the controller's."""
    name = type.__dict__["__name__"].__get__(type(error))
    arguments = BaseException.__dict__["args"].__get__(error)
    text = _plain_text(arguments[0]) if arguments else ""
    line = 0
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE_NAME:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    described = f"{name}: {text[:MAX_ERROR_CHARACTERS]}" if text else str(name)
    return f"{described} (line {line})" if line else described


def _plain_text(value: object) -> str:
    """Text of a plain value; empty for anything whose text would be code of the controller's, or too long."""
    if type(value) is str:
        return value
    is_short = type(value) in (bool, float) or (type(value) is int and value.bit_length() <= 64)
    return str(value) if is_short else ""


def _describe_answer(answer: object) -> str:
    if type(answer) is not str and (text := _plain_text(answer)):
        return text
    return f"something of type {type.__dict__['__name__'].__get__(type(answer))}"
