"""The layers of the operating system alone: the language layer is off, as if a candidate had found a way through it."""

import os
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from replay.episode import EpisodeSettings
from replay.verify import Logs, verify
from sandbox.errors import SandboxError
from sandbox.limits import Limits
from sandbox.pool import Block, Job, JobResult, JobStatus, Pool
from sandbox.template import Switches
from tests.sandbox_corpus import store_of_branches, table_of_branches

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these layers are Linux's")

SECRET = "sk-do-not-find-this-key"

SHAPE = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def attempt():
{body}

def schedule(beta):
    return {{}}

def control(episode, p):
    try:
        found = attempt()
    except (OSError, RuntimeError, ImportError) as error:
        raise ValueError("refused: " + str(error))
    raise ValueError("worked: " + repr(found))
"""


def run_attempt(pool: Pool, body: str) -> JobResult:
    """Runs one attempt, as a single episode."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return pool.run(Job(SHAPE.format(body=indented), (Block(0, 0.5, (0,), (1,)),)))


def unguarded(*skipped: str, limits: Limits | None = None) -> Pool:
    """A pool without the language layer, and without some others."""
    return Pool([table_of_branches()], limits=limits, _switches=Switches(guarded=False, skipped_layers=skipped))


SKIPPED = [(), ("seccomp",), ("landlock",), ("namespaces",), ("seccomp", "namespaces"), ("landlock", "namespaces")]


@pytest.fixture(
    scope="module", params=SKIPPED, ids=lambda skipped: "all but " + " ".join(skipped) if skipped else "all"
)
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with unguarded(*request.param) as made:
        needed = {"landlock", "seccomp"} - set(request.param)
        off = {name for name in needed if not made.layers()[name].startswith("on")}
        if off:
            pytest.skip(f"this kernel or container has no {' and no '.join(sorted(off))}")
        yield made


REFUSED = {
    "read a file": "return open('/etc/hostname').read()",
    "read the environment of the parent": f"return open('/proc/{os.getpid()}/environ', 'rb').read()",
    "read the own environment": "return open('/proc/self/environ', 'rb').read()",
    "write a file": "return open('/tmp/autotts-sandbox-test', 'w').write('x')",
    "list a folder": "return os.listdir('/')",
    "delete a file": "return os.unlink('/tmp/autotts-sandbox-nothing') or open('/tmp')",
    "signal the parent": f"return os.kill({os.getpid()}, 0)",
    "kill the parent": f"return os.kill({os.getpid()}, 15)",
    "stop the parent": f"return os.kill({os.getpid()}, 19)",
    "connect by TCP": "s = call(41, 2, 1, 0); return s",
    "send by UDP": "s = call(41, 2, 2, 0); return s",
    "open a local socket": "s = call(41, 1, 1, 0); return s",
    "start a program": "os.execv('/bin/true', ['true'])",
    "trace the parent": f"return call(101, 16, {os.getpid()}, 0, 0)",
    "read the parent's memory": "b = ctypes.create_string_buffer(8); "
    "v = (ctypes.c_size_t * 2)(ctypes.addressof(b), 8); "
    f"r = (ctypes.c_size_t * 2)({id(SECRET)}, 8); return call(310, {os.getpid()}, v, 1, r, 1, 0)",
    "duplicate a descriptor": "return [os.dup(n) for n in range(64)]",
}


@pytest.mark.parametrize("attempt", REFUSED)
def test_nothing_outside_the_process_can_be_reached(pool: Pool, attempt: str) -> None:
    result = run_attempt(pool, REFUSED[attempt].replace("; ", "\n"))
    refused = result.status is JobStatus.DONE and "refused" in result.message
    ended = result.status is JobStatus.TAMPERED and "forbidden system call" in result.message
    assert refused or ended, result.message


def test_no_process_and_no_thread_can_be_started_under_seccomp() -> None:
    with unguarded() as pool:
        for body in ("return os.fork()", "import _thread\nreturn _thread.start_new_thread(print, ())", "call(57)"):
            result = run_attempt(pool, body)
            assert "refused" in result.message or "forbidden system call" in result.message


def test_no_memory_can_be_made_executable_under_seccomp() -> None:
    with unguarded() as pool:
        result = run_attempt(pool, "return call(9, None, ctypes.c_size_t(4096), 7, 34, -1, 0)")
        assert (result.status, "forbidden system call" in result.message) == (JobStatus.TAMPERED, True)


def test_the_environment_of_the_parent_is_not_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_TEST_KEY", SECRET)
    with unguarded() as pool:
        known = "['LC_CTYPE', 'PYTHONHASHSEED', 'PYTHONPATH']"
        body = f"return [name for name in os.environ if name not in {known}]"
        assert "worked: []" in run_attempt(pool, body).message


def test_limits_can_not_be_raised() -> None:
    with unguarded() as pool:
        body = "import resource\nreturn resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"
        assert "worked" not in run_attempt(pool, body).message


def test_memory_is_limited() -> None:
    with unguarded(limits=Limits(memory_bytes=64 << 20)) as pool:
        result = run_attempt(pool, "return len(bytearray(80 << 20))")
        assert (result.status, "out of memory: more than 64 MiB" in result.message) == (JobStatus.LIMIT, True)


def test_whoever_stops_the_clock_is_ended_from_outside() -> None:
    limits = Limits(episode_cpu_seconds=0.1, operation_cpu_seconds=0.2, stall_seconds=0.5)
    with unguarded(limits=limits) as pool:
        body = "import signal\nsignal.setitimer(2, 0)\nsignal.setitimer(1, 0)\nwhile True: pass"
        result = run_attempt(pool, body)
        assert (result.status, "no episode ended for" in result.message) == (JobStatus.LIMIT, True)


def test_whoever_stops_the_clock_and_waits_is_ended_from_outside() -> None:
    with unguarded(limits=Limits(stall_seconds=0.3, silence_seconds=0.6)) as pool:
        result = run_attempt(pool, "import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\nlock.acquire()")
        assert (result.status, "no episode ended for" in result.message) == (JobStatus.LIMIT, True)


def test_a_flood_of_bytes_is_cut_off() -> None:
    with unguarded(limits=Limits(result_bytes=1 << 20)) as pool:
        body = (
            "for n in range(64):\n    try:\n        while True: os.write(n, bytes(1 << 16))\n    except OSError: pass"
        )
        result = run_attempt(pool, body)
        assert (result.status, "sent more than a job of this size can" in result.message) == (JobStatus.LIMIT, True)


FORGED = """
import os
from sandbox import wire
report = wire.Report(schedules=[{{}}], statuses=bytearray([0]), labels=[0],
    call_counts=[{calls}], name_counts=[{names}])
report.calls += {log!r}
report.names += {named!r}
for n in range(3, 64):
    try:
        wire.send(n, report.encode())
    except OSError:
        pass
os._exit(0)
"""


@pytest.mark.parametrize(
    ("log", "named"),
    [
        (b"", b""),
        (bytes([0, 1, 1, 0]), b"\0"),
        (bytes([3, 1, 0, 0]), b"\0"),
        (bytes([0, 1, 1, 0, 3, 1, 0, 0]), b"\0\1"),
    ],
)
def test_a_forged_result_is_read_but_found_out_by_the_recount(log: bytes, named: bytes) -> None:
    body = FORGED.format(calls=len(log) // 4, names=len(named), log=log, named=named)
    with unguarded() as pool:
        result = run_attempt(pool, body.strip())
    assert result.status is JobStatus.DONE
    logs = Logs(result.calls, result.call_counts.astype(np.int64), result.names, result.name_counts.astype(np.int64))
    assert not recounted(logs, result).any()


def recounted(logs: Logs, result: JobResult) -> npt.NDArray[np.bool_]:
    """Which of the episodes are legal."""
    store, labels = store_of_branches(), result.labels.astype(np.int64)
    return verify(store, np.array([0]), np.array([1]), logs, labels, EpisodeSettings()).legal


def test_the_parent_and_the_next_job_are_unharmed() -> None:
    with unguarded() as pool:
        for body in ("os._exit(3)", "os.abort()", "ctypes.string_at(0)", "call(59)", "raise SystemExit"):
            run_attempt(pool, body)
        honest = run_attempt(pool, "return 1")
        assert honest.message.startswith("episode 0: ValueError: worked: 1")


def test_a_required_layer_that_is_off_stops_everything() -> None:
    with pytest.raises(SandboxError, match=r"layer seccomp is required but off \(switched off\)"):
        Pool([], require_layers=["seccomp"], _switches=Switches(skipped_layers=("seccomp",)))
    with pytest.raises(SandboxError, match="there is no sandbox layer 'sekkomp'"):
        Pool([], require_layers=["sekkomp"])
