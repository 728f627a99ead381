"""The template process and its children. One template per pool holds the tables; each job runs in a child of its own.

Started by `sandbox.template`; holds no answer key. A child confines itself, reads one job, plays it, writes the
result and ends.
"""

import gc
import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, NoReturn

from replay.tables import StoreTable, branch_order
from sandbox import wire
from sandbox.compiler import FILE_NAME, RejectedSourceError, compile_controller
from sandbox.confine import (
    Statement,
    address_space_bytes,
    enter_child_layers,
    enter_template_layers,
    lower_descriptor_ceiling,
)
from sandbox.deadline import Deadline
from sandbox.job import Job, JobStatus
from sandbox.limits import Limits
from sandbox.namespace import CONTRACT, Language, Namespace
from sandbox.runner import JobEndedError, NamespaceSource, Runner

MISSING_LAYER = 71
CRASHED = 70
READY = b"+"
GC_THRESHOLD = 20_000

_WARM_UP = """
from collections import Counter, namedtuple
from dataclasses import dataclass
import statistics

Pair = namedtuple("Pair", "left right")

@dataclass(order=True)
class State:
    größe: int = 0

def schedule(beta):
    return {"width": round(4 + 4 * beta)}

def control(episode, p):
    ranked = Counter([1, 2, 2]).most_common(1)
    return "{:>3} {}".format(statistics.mean([1, 2]), f"{Pair(1, 2)!r:>9}"), ranked, State(1) < State(2), majority([1])
"""


@dataclass(slots=True)
class Template:
    """What the template process keeps and every child inherits.

    Attributes:
        tables: The pool's tables.
        limits: Limits of each job.
        required: Layers without which a child ends at once.
        guarded: Whether the language layer is on; off in tests alone.
        statement: The layers entered so far.
        process: Its process id.
        memory: Its address space, in bytes.
    """

    tables: list[StoreTable]
    limits: Limits
    required: list[str]
    guarded: bool
    statement: Statement
    process: int
    memory: int


class Unguarded:
    """Namespaces without a language layer: to test the others alone."""

    def fresh(self) -> Namespace:
        """One with Python's own built-ins."""
        return {"__name__": "controller", **CONTRACT}


def main(control_descriptor: int) -> NoReturn:
    """Runs the template process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_descriptor_ceiling()
    control = socket.socket(fileno=control_descriptor)
    template = _set_up(control_descriptor)
    control.sendall(READY)
    serve(template, control)


def _set_up(descriptor: int) -> Template:
    """Receives options and tables, loads whatever is loaded on first use, and enters the layers of the template."""
    size = wire.LENGTH.unpack(wire.receive(descriptor, wire.LENGTH.size))
    options: dict[str, Any] = json.loads(wire.receive(descriptor, *size))
    tables = [StoreTable.from_bytes(wire.receive(descriptor, size)) for size in options["tables"]]
    namespace = Language().fresh()
    exec(compile_controller(_WARM_UP), namespace)
    namespace["control"](None, None)
    for table in tables:
        unpacked = [table.question(index) for index in range(len(table))]
        for seed in range(100):
            branch_order(seed, len(unpacked[0].lengths))
    statement = Statement(frozenset(options["skipped_layers"]))
    language = "on (RestrictedPython, static policy)" if options["guarded"] else "off (switched off)"
    statement.layers["language"] = language
    memory = address_space_bytes()
    enter_template_layers(statement)
    namespace.clear()
    gc.collect()
    gc.freeze()
    limits = Limits(**options["limits"])
    return Template(tables, limits, options["required"], options["guarded"], statement, os.getpid(), memory)


def serve(template: Template, control: socket.socket) -> NoReturn:
    """Forks and reaps on command until the parent is gone, then takes all children along."""
    children: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, wire.COMMAND.size, 3)
        if len(message) < wire.COMMAND.size:
            for child in children:
                os.kill(child, signal.SIGKILL)
            os._exit(0)
        command, process = wire.COMMAND.unpack(message)
        if command == wire.REAP:
            # Only here is it certain that the id is still the child's own.
            os.kill(process, signal.SIGKILL)
            _, status, usage = os.wait4(process, 0)
            children.discard(process)
            control.sendall(wire.REAPED.pack(process, status, usage.ru_utime + usage.ru_stime))
            continue
        child = os.fork()
        if child == 0:
            _run_child(template, descriptors, states_layers=command == wire.STATE)
        children.add(child)
        for descriptor in descriptors:
            os.close(descriptor)
        control.sendall(wire.FORKED.pack(child))


def _run_child(template: Template, descriptors: list[int], states_layers: bool) -> NoReturn:
    """Never returns, whatever happens: no child goes on as a second template."""
    code = CRASHED
    try:
        statement = template.statement
        # mmap duplicates the descriptor, which the child's limits would forbid.
        job_descriptor, result_descriptor, page_descriptor = descriptors
        page = mmap.mmap(page_descriptor, wire.PROGRESS_BYTES)
        keep = [job_descriptor, result_descriptor]
        enter_child_layers(statement, keep, template.process, template.memory, template.limits)
        if states_layers:
            wire.send(result_descriptor, wire.ended(JobStatus.DONE, statement.to_text()))
        elif statement.missing(template.required):
            code = MISSING_LAYER
        else:
            _run_job(template, job_descriptor, result_descriptor, page)
            code = 0
    finally:
        os._exit(code)


def _run_job(template: Template, job_descriptor: int, result_descriptor: int, page: mmap.mmap) -> None:
    """Reads one job, plays it and sends what came of it."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    sys.unraisablehook = lambda event: None
    deadline = Deadline(template.limits, result_descriptor)
    try:
        job = wire.receive_job(job_descriptor)
        deadline.start()
        result = _play(template, job, deadline, lambda number: wire.PROGRESS.pack_into(page, 0, number))
    except MemoryError:
        message = f"out of memory: more than {template.limits.memory_bytes >> 20} MiB, in {deadline.describe()}"
        result = wire.ended(JobStatus.LIMIT, message)
    deadline.stop()
    wire.send(result_descriptor, result)


def _play(template: Template, job: Job, deadline: Deadline, show_progress: Callable[[int], None]) -> bytes:
    tables = template.tables if job.tables is None else [StoreTable.from_bytes(table) for table in job.tables]
    try:
        language: NamespaceSource = Language() if template.guarded else Unguarded()
        code = _compile(job.source, template.guarded)
        return Runner(code, job, tables, language, template.limits, deadline, show_progress).run().encode()
    except RejectedSourceError as rejection:
        return wire.ended(JobStatus.REJECTED, str(rejection))
    except JobEndedError as end:
        return wire.ended(end.status, end.message)


def _compile(source: str, guarded: bool) -> CodeType:
    return compile_controller(source) if guarded else compile(source, FILE_NAME, "exec")


if __name__ == "__main__":
    main(int(sys.argv[1]))
