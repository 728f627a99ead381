"""How fast baselines play through the whole road: source text, sandbox, action log, outcomes.

Usage: python scripts/bench_replay.py STORE REFERENCE_SPEED.csv [rounds]

STORE is an imported store; the table holds controller, episodes and published_ratio: CPU of the published evaluator
over that of `calibration.workload`. Own CPU is that of this process and of all children. The rounds go by turns with
the workload, and the median round counts: the machine may be busy. The last column is wall time with one worker over
that with two; with one, this process already verifies beside it, so the gain is less than two by that share.
"""

import csv
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from calibration import calibration_seconds

from discovery.evaluation import Evaluator, load_keyed_store
from replay.baselines import baseline_source

SEEDS = range(100)
OVERRIDES: Mapping[str, Mapping[str, int]] = {
    "asc": {"n": 64},
    "esc": {"n": 64},
    "parallel_probe": {"n": 64},
    "cmc": {},
}


@dataclass(frozen=True, slots=True)
class Timing:
    """What one evaluation took, in seconds: CPU of this process, CPU of the jobs' processes, and wall time."""

    parent: float
    children: float
    wall: float


def main(folder: Path, reference: Path, rounds: int) -> None:
    """Prints one line for each controller."""
    keyed = load_keyed_store(folder)
    with Evaluator([keyed], workers=1) as one, Evaluator([keyed], workers=2) as two:
        heads = ("calibr. s", "parent s", "children s", "ratio", "x published", "2 workers")
        print(f"{'controller':<22}" + "".join(f"{head:>13}" for head in heads))
        for row in csv.DictReader(reference.read_text(encoding="utf-8").splitlines()):
            name, _, setting = row["controller"].partition("(")
            beta = float(setting.rstrip(")").partition("beta=")[2] or 1)
            calibrations, timings, gains = [], [], []
            for _ in range(rounds):
                calibrations.append(calibration_seconds())
                timings.append(play(one, name, beta))
                gains.append(timings[-1].wall / play(two, name, beta).wall)
            shares = [(t.parent + t.children) / c for t, c in zip(timings, calibrations, strict=True)]
            ratio = statistics.median(shares)
            figures = (
                f"{statistics.median(calibrations):.2f}",
                f"{statistics.median(timing.parent for timing in timings):.3f}",
                f"{statistics.median(timing.children for timing in timings):.3f}",
                f"{ratio:.3f}",
                f"{float(row['published_ratio']) / ratio:.1f}x",
                f"{statistics.median(gains):.2f}x",
            )
            print(f"{row['controller']:<22}" + "".join(f"{figure:>13}" for figure in figures), flush=True)


def play(evaluator: Evaluator, name: str, beta: float) -> Timing:
    """Times 100 seeds of every question."""
    cpu, wall = time.process_time(), time.perf_counter()
    evaluation = evaluator.evaluate(
        baseline_source(name),
        questions=[np.arange(len(keyed.store.questions)) for keyed in evaluator.stores],
        seeds=SEEDS,
        betas=(beta,),
        overrides=OVERRIDES[name],
    )
    return Timing(time.process_time() - cpu, evaluation.cpu_seconds, time.perf_counter() - wall)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else 3)
