"""What stores cost: CPU and memory of an evaluation on 1 to 64 synthetic stores, with two workers.

Usage: python scripts/bench_memory.py [most stores, 64]

Both should grow with the stores in a straight line. Shared memory counts once: the figure is the sum of the
proportional set sizes of this process and all below it, taken from /proc while the last store is played.
"""

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from discovery.evaluation import Evaluator, KeyedStore
from replay.baselines import baseline_source
from replay.importer import import_questions
from replay.synthetic import simulate

SEEDS = range(8)
MEBIBYTE = 1 << 20


def main(most: int) -> None:
    """Prints a line for 1, 2, 4 ... stores."""
    print(f"{'stores':>7}{'episodes':>10}{'CPU s':>8}{'ms/episode':>12}{'peak MiB':>10}")
    stores: list[KeyedStore] = []
    n_stores = 1
    while n_stores <= most:
        while len(stores) < n_stores:
            stores.append(made(len(stores)))
        report(stores)
        n_stores *= 2


def made(number: int) -> KeyedStore:
    """A synthetic store."""
    questions = simulate("1.7B", rng=np.random.default_rng(number))
    store, key = import_questions(questions, source="the simulator", model=f"synthetic-{number}", benchmark="bench")
    return KeyedStore(store, key, Path())


def report(stores: list[KeyedStore]) -> None:
    """Plays on all the stores and prints what it took."""
    with Evaluator(stores, workers=2) as evaluator, Peak() as peak:
        cpu = time.process_time()
        evaluation = evaluator.evaluate(
            baseline_source("cmc"),
            questions=[np.arange(len(keyed.store.questions)) for keyed in stores],
            seeds=SEEDS,
            betas=(0.5,),
        )
        seconds = time.process_time() - cpu + evaluation.cpu_seconds
    n_episodes = sum(cell.correct.size for cell in evaluation.cells)
    per_episode = 1000 * seconds / n_episodes
    print(
        f"{len(stores):>7}{n_episodes:>10}{seconds:>8.2f}{per_episode:>12.3f}{peak.bytes / MEBIBYTE:>10.0f}", flush=True
    )


class Peak:
    """The most memory that this process and those below it had at a time, looked at ten times a second."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, sum(map(proportional_bytes, family(os.getpid()))))


def family(process: int) -> list[int]:
    """A process and all below it."""
    found = [process]
    for member in found:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def proportional_bytes(process: int) -> int:
    """Memory of a process; what n processes share counts 1/n."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 64)
