"""Audits many controllers that the grammar composes: all are honest, so none may be rejected.

Usage: python scripts/check_audits.py [CONTROLLERS]

Plays on small simulated stores. Exits with 1 if a controller fails an audit, and prints its source.
"""

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

from discovery.evaluation import Evaluator, KeyedStore
from discovery.grammar.variation import compose
from discovery.grammar.writer import write
from replay.importer import import_questions
from replay.synthetic import simulate
from sandbox.job import Block, Job

SCALES = ("1.7B", "8B")
BETAS = (0.0, 0.5, 1.0)
QUESTIONS = 3
BRANCHES = 64
CONTROLLERS = 1_000


def main(n_controllers: int) -> int:
    """Audits controllers; returns how many were rejected."""
    rng = np.random.default_rng(17)
    rejected = 0
    began = time.monotonic()
    with Evaluator([simulated(scale) for scale in SCALES], workers=2) as evaluator:
        for number in range(1, n_controllers + 1):
            source = write(compose(rng).recipe)
            seeds = rng.integers(1_000, size=QUESTIONS).tolist()
            blocks = [Block(t, beta, tuple(range(QUESTIONS)), tuple(seeds)) for t, beta in product((0, 1), BETAS)]
            reports = evaluator.auditor.audit(Job(source, tuple(blocks)), rng)
            failed = [report for report in reports if not report.passed]
            rejected += bool(failed)
            for report in failed:
                print(f"{report.kind}: {report.message}\n\n{source}")
            if number % 100 == 0:
                print(f"{number} controllers, {rejected} rejected, {time.monotonic() - began:.0f} s", flush=True)
    return rejected


def simulated(scale: str) -> KeyedStore:
    """A small store of one scale."""
    layouts = simulate(scale, n_questions=QUESTIONS, n_branches=BRANCHES, rng=np.random.default_rng(3))
    store, key = import_questions(layouts, source="the simulator", model=scale, benchmark="audits")
    return KeyedStore(store, key, Path(scale))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CONTROLLERS) > 0)
