"""Measures the sandbox: speed of controllers in it, what a job costs, and whether hostile load leaves anything behind.

Speeds are also given per unit of `scripts.calibration`, so that figures of different machines compare.

Run: python -m scripts.bench_sandbox [--hostile-minutes M] [--corpus FOLDER]
"""

import argparse
import os
import random
import statistics
import time
from pathlib import Path

from replay.baselines import baseline_source
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.tables import StoreTable, branch_order
from sandbox.namespace import CONTRACT, Parameters
from sandbox.pool import Block, Job, JobStatus, Pool
from scripts.calibration import calibration_seconds
from tests.sandbox_corpus import job_of, read_specimens, store_of_branches, table_of_branches

N_QUESTIONS = 30
N_SEEDS = 40

FUNCTION = """
def schedule(beta):
    return {"width": 64, "alpha": 0.3}


def control(episode, p):
    live = episode.branch(p.width)
    latest = dict.fromkeys(live)
    trend = {}
    while live:
        done = episode.advance(live)
        for branch, label in zip(live, episode.probe(live)):
            trend[branch] = (1 - p.alpha) * trend.get(branch, 0.0) + p.alpha * (label == latest[branch])
            latest[branch] = label
        live = [branch for branch, over in zip(live, done) if not over]
    return majority([label for label in latest.values() if label is not None])
"""

CLASSES = """
from dataclasses import dataclass


@dataclass
class State:
    branch: int
    label: int = -1
    _trend: float = 0.0

    def update(self, label, alpha):
        self._trend = (1 - alpha) * self._trend + alpha * (label == self.label)
        self.label = label


def schedule(beta):
    return {"width": 64, "alpha": 0.3}


def control(episode, p):
    states = [State(branch) for branch in episode.branch(p.width)]
    live = list(states)
    while live:
        ids = [state.branch for state in live]
        done = episode.advance(ids)
        for state, label in zip(live, episode.probe(ids)):
            state.update(label, p.alpha)
        live = [state for state, over in zip(live, done) if not over]
    return majority([state.label for state in states if state.label is not None])
"""


def job(source: str, n_seeds: int = N_SEEDS) -> Job:
    """All questions with each seed."""
    seeds = tuple(seed for seed in range(n_seeds) for _ in range(N_QUESTIONS))
    return Job(source, (Block(0, 1.0, tuple(range(N_QUESTIONS)) * n_seeds, seeds),))


def steps_of(names: bytes, n_episodes: int) -> int:
    """Branches advanced, about: half of the names, since each is also probed."""
    return (len(names) + n_episodes) // 2


def play_plainly(source: str, table: StoreTable, n_seeds: int) -> float:
    """CPU seconds of the same episodes in this process, under plain `exec`."""
    code = compile(source, "plain", "exec")
    questions = [table.question(index) for index in range(len(table))]
    settings = EpisodeSettings()
    start = time.process_time()
    for seed in range(n_seeds):
        for question in questions:
            namespace = dict(CONTRACT)
            exec(code, namespace)
            order = branch_order(seed, len(question.rows))
            episode = ReplayedEpisode(question, order, settings, table.interval, EpisodeRecord())
            namespace["control"](episode, Parameters(namespace["schedule"](1.0)))
    return time.process_time() - start


def measure_speed(pool: Pool, unit_seconds: float) -> None:
    """Environment steps a second, function and class based, against plain `exec`."""
    table = StoreTable.from_bytes(pool.tables[0])
    for name, source in (("function", FUNCTION), ("classes", CLASSES), ("cmc", baseline_source("cmc"))):
        ratios, speeds, cpu = [], [], []
        for _ in range(3):
            plain = play_plainly(source, table, N_SEEDS)
            start = time.perf_counter()
            results = list(pool.map([job(source)] * 4))
            wall = time.perf_counter() - start
            assert all(result.status is JobStatus.DONE for result in results)
            cpu.append(statistics.mean(result.cpu_seconds for result in results))
            ratios.append(cpu[-1] / plain)
            speeds.append(sum(steps_of(result.names, len(result.statuses)) for result in results) / wall)
        episode = statistics.median(cpu) / (N_QUESTIONS * N_SEEDS)
        print(
            f"{name:9} {statistics.median(speeds) / 1e6:5.2f} M steps/s  {statistics.median(ratios):.2f} x plain exec  "
            f"{1e6 * episode:6.0f} us CPU an episode = {1e6 * episode / unit_seconds:6.0f} units/1e6"
        )


def measure_job(pool: Pool) -> None:
    """What a job costs beside its episodes."""
    for name, one in (
        ("compile only", Job(FUNCTION, ())),
        ("one episode", Job(FUNCTION, (Block(0, 1.0, (0,), (1,)),))),
    ):
        start, cpu = time.perf_counter(), 0.0
        for _ in range(100):
            cpu += pool.run(one).cpu_seconds
        wall = (time.perf_counter() - start) / 100
        print(f"job, {name}: {1e3 * wall:.1f} ms wall, {10 * cpu:.1f} ms CPU of the child")


def footprint(pool: Pool) -> tuple[int, int, int, int]:
    """MiB of this process and of the template, descriptors, and children of both."""
    assert pool._template is not None
    template = pool._template.process_id
    return (
        _resident_mebibytes(os.getpid()),
        _resident_mebibytes(template),
        len(list(Path("/proc/self/fd").iterdir())) - 1,
        _n_children(os.getpid()) + _n_children(template),
    )


def _resident_mebibytes(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def _n_children(process: int) -> int:
    return sum(len(path.read_text().split()) for path in Path(f"/proc/{process}/task").glob("*/children"))


def load_hostilely(folder: Path, minutes: float) -> None:
    """The corpus, shuffled and repeated, through one pool."""
    specimens = read_specimens(folder / "attacks") + read_specimens(folder / "benign")
    rng = random.Random(1)
    end = time.monotonic() + 60 * minutes
    rounds, n_jobs = 0, 0
    with Pool([table_of_branches()]) as pool:
        while time.monotonic() < end:
            rng.shuffle(specimens)
            start = time.perf_counter()
            results = list(pool.map([job_of(specimen.source) for specimen in specimens]))
            seconds = time.perf_counter() - start
            rounds += 1
            n_jobs += len(results)
            n_tampered = sum(result.status is JobStatus.TAMPERED for result in results)
            parent, template, descriptors, children = footprint(pool)
            print(
                f"round {rounds:3}: {len(results) / seconds:5.1f} jobs/s, parent {parent} MiB, "
                f"template {template} MiB, {descriptors} descriptors, {children} processes, {n_tampered} tampered",
                flush=True,
            )
    print(f"{n_jobs} hostile jobs in {rounds} rounds")


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hostile-minutes", type=float, default=0.0)
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "shared" / "sandbox-corpus")
    arguments = parser.parse_args()
    unit_seconds = calibration_seconds()
    print(f"unit of calibration: {unit_seconds:.3f} s of CPU")
    with Pool([store_of_branches(N_QUESTIONS).table().to_bytes()]) as pool:
        measure_speed(pool, unit_seconds)
        measure_job(pool)
    if arguments.hostile_minutes and arguments.corpus.is_dir():
        load_hostilely(arguments.corpus, arguments.hostile_minutes)


if __name__ == "__main__":
    main()
