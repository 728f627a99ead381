"""The pool: what comes back of honest and of failing candidates, and that nothing which dies takes it along."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from replay.baselines import baseline_source
from replay.episode import EpisodeSettings
from replay.verify import Logs, verify
from sandbox.errors import SandboxError
from sandbox.limits import Limits
from sandbox.pool import Block, EpisodeStatus, Job, JobResult, JobStatus, Pool
from tests.sandbox_corpus import store_of_branches, table_of_branches

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool([table_of_branches(), table_of_branches(3)], limits=Limits(episode_cpu_seconds=0.3)) as made:
        yield made


def controller(control: str, schedule: str = "return {}", module: str = "") -> str:
    """A module of these bodies."""
    return f"{module}\ndef schedule(beta):\n    {schedule}\ndef control(episode, p):\n    {control}\n"


def play(pool: Pool, source: str, n: int = 3, beta: float = 0.5, table: int = 0) -> JobResult:
    """Plays a candidate on the first question, with `n` seeds."""
    return pool.run(Job(source, (Block(table, beta, (0,) * n, tuple(range(n))),)))


def template_of(pool: Pool) -> int:
    """The process id of the pool's template."""
    assert pool._template is not None
    return pool._template.process_id


@pytest.mark.parametrize("name", ["sc", "asc", "esc", "cmc", "parallel_probe", "short_m_k", "adaptive_short"])
def test_a_baseline_comes_back_with_logs_that_verify(pool: Pool, name: str) -> None:
    store = store_of_branches(3)
    questions, seeds = (0, 1, 2, 0), (5, 6, 7, 8)
    result = pool.run(Job(baseline_source(name), (Block(1, 0.0, questions, seeds), Block(1, 1.0, questions, seeds))))
    assert (result.status, result.message) == (JobStatus.DONE, "")
    assert len(result.schedules) == 2 and result.cpu_seconds > 0
    logs = Logs(result.calls, result.call_counts.astype(np.int64), result.names, result.name_counts.astype(np.int64))
    labels = result.labels.astype(np.int64)
    assert verify(store, np.array(questions * 2), np.array(seeds * 2), logs, labels, EpisodeSettings()).legal.all()


def test_a_job_without_episodes_compiles_only(pool: Pool) -> None:
    assert pool.run(Job(baseline_source("sc"), ())).status is JobStatus.DONE
    assert pool.run(Job("import os", ())).status is JobStatus.REJECTED


def test_each_episode_ends_in_its_own_way(pool: Pool) -> None:
    body = "ids = episode.branch(2, complete=True)\n    labels = episode.probe(ids)\n    return {}"
    for answer, status in [
        ("labels[0]", EpisodeStatus.OK),
        ("None", EpisodeStatus.NO_ANSWER),
        ("99", EpisodeStatus.ERROR),
        ("-1", EpisodeStatus.ERROR),
        ("True", EpisodeStatus.ERROR),
        ("0.0", EpisodeStatus.ERROR),
        ("[0]", EpisodeStatus.ERROR),
        ("1 / 0", EpisodeStatus.ERROR),
    ]:
        result = play(pool, controller(body.format(answer)))
        assert result.status is JobStatus.DONE
        assert set(result.statuses.tolist()) == {status}, answer
        assert (result.labels >= 0).all() == (status is EpisodeStatus.OK)


def test_an_illegal_call_fails_the_episode_even_if_it_is_caught(pool: Pool) -> None:
    body = "label = episode.probe(episode.branch(complete=True))[0]\n    try:\n        episode.advance([9])\n"
    result = play(pool, controller(f"{body}    except EpisodeError:\n        pass\n    return label"))
    assert set(result.statuses.tolist()) == {EpisodeStatus.ERROR}
    assert result.message.startswith("episode 0: illegal call: branch 9 was never opened")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 10 ** 5000", "control returned something of type int; return a label that a probe showed"),
        ("raise ValueError(10 ** 5000)", "episode 0: ValueError (line 5)"),
        ("raise ValueError('x' * 10 ** 6)", "episode 0: ValueError: xxx"),
        (
            "class E(Exception):\n        args = property(lambda e: 1 / 0)\n    raise E('why')",
            "episode 0: E: why (line 7)",
        ),
        ("raise ValueError('\\x1b[31m\\ud800')", "episode 0: ValueError:  [31m? (line 5)"),
        ("return 'x'.encode('rot13')", "episode 0: LookupError: unknown encoding: rot13"),
    ],
)
def test_strange_errors_and_answers_are_told_without_harm(pool: Pool, body: str, words: str) -> None:
    result = play(pool, controller(body))
    assert (result.status, words in result.message) == (JobStatus.DONE, True), result.message
    assert len(result.message) < 400


def test_the_first_error_is_told_with_its_line(pool: Pool) -> None:
    result = play(pool, controller("x = {}\n    return x['missing']"))
    assert result.message == "episode 0: KeyError: missing (line 6)"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("return [1]", "schedule(0.5) must return a dict"),
        ("return {'x': None}", "for the key 'x' that is not allowed"),
        ("return {'x': float('nan')}", "for the key 'x' that is not allowed"),
        ("return {'x': 2 ** 63}", "for the key 'x' that is not allowed"),
        ("return {'x': 'y' * 201}", "for the key 'x' that is not allowed"),
        ("return {'x': [1]}", "for the key 'x' that is not allowed"),
        ("return {'_x': 1}", "the key '_x'; a key must be usable as p.key"),
        ("return {'class': 1}", "the key 'class'; a key must be usable as p.key"),
        ("return {'a b': 1}", "the key 'a b'; a key must be usable as p.key"),
        ("return {'__class__': 1}", "the key '__class__'; a key must be usable as p.key"),
        ("return {1: 1}", "a key that is not a str"),
        ("return {str(i) + 'x': 1 for i in range(201)}", "returned 201 values; at most 200"),
        ("return 1 / 0", "schedule(0.5) raised ZeroDivisionError: division by zero (line 4)"),
        ("yield 1", "schedule(0.5) must return a dict"),
        ("raise ValueError", "schedule(0.5) raised ValueError (line 4)"),
    ],
)
def test_a_bad_schedule_fails_the_job_and_names_the_key(pool: Pool, schedule: str, words: str) -> None:
    result = play(pool, controller("return None", f"\n    {schedule}"))
    assert (result.status, words in result.message) == (JobStatus.FAILED, True), result.message


def test_a_schedule_is_copied_value_by_value(pool: Pool) -> None:
    result = play(pool, controller("return None", "return {'i': -7, 'f': 0.25, 'b': True, 's': 'ä', 'beta': beta}"))
    assert result.schedules == ({"i": -7, "f": 0.25, "b": True, "s": "ä", "beta": 0.5},)


def test_overrides_replace_values_and_only_those(pool: Pool) -> None:
    source = controller("return episode.probe(episode.branch(p.n, complete=True))[0]", "return {'n': 2, 'm': 1}")
    block = Block(0, 0.5, (0,), (1,))
    result = pool.run(Job(source, (block,), overrides={"n": 5}))
    assert (result.schedules[0]["n"], result.name_counts.tolist()) == (5, [10])
    refused = pool.run(Job(source, (block,), overrides={"k": 5}))
    assert (refused.status, "no value 'k' to replace; there are n, m" in refused.message) == (JobStatus.FAILED, True)


def test_no_state_survives_an_episode(pool: Pool) -> None:
    source = controller("seen.append(1)\n    return None if len(seen) == 1 else 99", module="seen = []")
    assert set(play(pool, source).statuses.tolist()) == {EpisodeStatus.NO_ANSWER}
    shared = pool.run(Job(source, (Block(0, 0.5, (0, 0), (1, 1)),), share_module=True))
    assert shared.statuses.tolist() == [EpisodeStatus.NO_ANSWER, EpisodeStatus.ERROR]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("while True: pass", "used more than 0.3 s of CPU"),
        ("sum(range(10 ** 12))", "CPU"),
        ("x = [0] * 10 ** 9", "out of memory: more than 512 MiB"),
        ("while True:\n        try:\n            while True: pass\n        except:\n            pass", "CPU"),
        (
            "def f(n):\n        try:\n            f(n + 1)\n        finally:\n            f(n + 1)\n    f(0)",
            "CPU",
        ),
        (
            "def f():\n        while True:\n            try:\n                f()\n            except RecursionError:\n"
            "                pass\n    f()",
            "CPU",
        ),
    ],
)
def test_a_limit_ends_the_whole_job(pool: Pool, body: str, words: str) -> None:
    result = play(pool, controller(f"\n    {body}"))
    assert (result.status, words in result.message) == (JobStatus.LIMIT, True), result.message
    assert len(result.statuses) == 0
    assert play(pool, controller("return None")).status is JobStatus.DONE


def test_a_job_of_many_long_episodes_is_ended() -> None:
    with Pool([table_of_branches()], limits=Limits(job_cpu_seconds=1)) as pool:
        result = play(pool, controller("sum(range(5 * 10 ** 6))\n    return None"), n=1000)
        assert (result.status, "the job used" in result.message) == (JobStatus.LIMIT, True), result.message


def test_logs_that_outgrow_their_limit_end_the_job() -> None:
    with Pool([table_of_branches()], limits=Limits(result_bytes=10_000)) as pool:
        result = play(pool, controller("for i in range(1000): episode.probe([])\n    return None"), n=10)
        assert (result.status, "outgrew their limit" in result.message) == (JobStatus.LIMIT, True), result.message


def test_a_module_and_a_schedule_that_never_end_are_ended(pool: Pool) -> None:
    for source in (controller("return None", "\n    while True: pass"), controller("return 1", module="while 1: pass")):
        result = play(pool, source)
        assert (result.status, "schedule(0.5)" in result.message) == (JobStatus.LIMIT, True), result.message


def test_results_come_in_the_order_of_the_jobs(pool: Pool) -> None:
    sources = [controller("return None", f"return {{'n': {n}}}") for n in range(12)]
    results = pool.map([Job(source, (Block(0, 0.5, (0,), (n,)),)) for n, source in enumerate(sources)])
    assert [result.schedules[0]["n"] for result in results] == list(range(12))


def test_several_threads_can_share_a_pool(pool: Pool) -> None:
    results: dict[int, JobResult] = {}

    def use(number: int) -> None:
        results[number] = play(pool, controller("return None", f"return {{'n': {number}}}"))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: result.schedules[0]["n"] for number, result in results.items()} == {n: n for n in range(8)}


def test_a_job_on_a_table_that_is_not_there_is_our_own_mistake(pool: Pool) -> None:
    with pytest.raises(SandboxError, match="a job plays on table 2, but there are 2"):
        play(pool, controller("return None"), table=2)


def test_tables_sent_along_are_played_in_place_of_the_pools(pool: Pool) -> None:
    job = Job(baseline_source("sc"), (Block(0, 0.5, (2,), (1,)),), tables=(table_of_branches(3),))
    assert pool.run(job).status is JobStatus.DONE


def test_a_pool_outlives_its_template() -> None:
    with Pool([table_of_branches()]) as pool:
        for _ in range(3):
            os.kill(template_of(pool), signal.SIGKILL)
            assert play(pool, controller("return None")).status is JobStatus.DONE


def test_a_job_survives_the_death_of_its_template_once() -> None:
    with Pool([table_of_branches()], limits=Limits(episode_cpu_seconds=5)) as pool:
        slow = controller("x = 0\n    for i in range(10 ** 7): x += 1\n    return None")
        results: list[JobResult] = []
        thread = threading.Thread(target=lambda: results.append(play(pool, slow, n=1)))
        thread.start()
        time.sleep(0.2)
        os.kill(template_of(pool), signal.SIGKILL)
        thread.join()
        assert results[0].status is JobStatus.DONE


def test_an_interrupt_from_the_keyboard_does_not_reach_the_template() -> None:
    with Pool([table_of_branches()]) as pool:
        template = template_of(pool)
        assert os.getsid(template) != os.getsid(0)
        os.kill(template, signal.SIGINT)
        assert play(pool, controller("return None")).status is JobStatus.DONE
        assert template_of(pool) == template


def test_closing_the_results_ends_the_jobs_that_run() -> None:
    with Pool([table_of_branches()], limits=Limits(episode_cpu_seconds=60)) as pool:
        endless = Job(controller("while True: pass"), (Block(0, 0.5, (0,), (0,)),))
        results = pool.map([Job(controller("return None"), ()), endless, endless, endless])
        assert next(iter(results)).status is JobStatus.DONE
        results.close()  # type: ignore[attr-defined]
        assert play(pool, controller("return None")).status is JobStatus.DONE


def test_closing_the_pool_ends_the_jobs_that_run() -> None:
    pool = Pool([table_of_branches()], limits=Limits(episode_cpu_seconds=60))
    endless = Job(controller("while True: pass"), (Block(0, 0.5, (0,), (0,)),))
    results = pool.map([endless, endless, endless])
    pool.close()
    with pytest.raises((CancelledError, SandboxError)):
        list(results)
    with pytest.raises(SandboxError, match="closed"):
        pool.run(endless)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_nothing_is_left_when_the_parent_is_killed() -> None:
    code = (
        "import threading\nfrom tests.sandbox_corpus import *\nfrom sandbox.limits import Limits\n"
        "pool = Pool([table_of_branches()], limits=Limits(episode_cpu_seconds=60))\n"
        "print(pool._template.process_id, flush=True)\n"
        "job = Job('def schedule(b): return {}\\ndef control(e, p):\\n  while True: pass',"
        " (Block(0, 1.0, (0,), (0,)),))\n"
        "threading.Thread(target=pool.run, args=(job,)).start()\n"
        "import time\ntime.sleep(0.5)\nprint('up', flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    template = int(parent.stdout.readline())
    parent.stdout.readline()
    children = Path(f"/proc/{template}/task/{template}/children").read_text().split()
    assert children
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not any(is_running(process) for process in (template, *map(int, children))):
            break
        time.sleep(0.05)
    assert not any(is_running(process) for process in (template, *map(int, children)))


def is_running(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_jobs_leave_no_descriptor_and_no_process() -> None:
    with Pool([table_of_branches()]) as pool:
        sources = [controller("return None"), controller("while True: pass"), "import os", controller("return 1 / 0")]
        play(pool, sources[0])
        before = len(list(Path("/proc/self/fd").iterdir()))
        for source in sources:
            play(pool, source)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        template = template_of(pool)
        assert Path(f"/proc/{template}/task/{template}/children").read_text().split() == []


def test_the_layers_are_stated(pool: Pool) -> None:
    layers = pool.layers()
    assert layers["language"].startswith("on")
    assert set(layers) >= {"language", "rlimits", "descriptors", "seccomp", "landlock", "namespaces", "no_new_privs"}
    assert all(state.startswith(("on", "off (")) for state in layers.values())


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="memory_bytes is 0"):
        Limits(memory_bytes=0)
