"""Plays baselines on recorded and on simulated trajectories and prints both: how close the simulator comes.

Usage: python scripts/compare_synthetic.py DATA_FOLDER [BENCHMARK [STORES [FIRST_SEED]]]

The folder holds recorded trajectories as Qwen3-SCALE/BENCHMARK.json. Figures are accuracy in
percent / thousand tokens; levels of few stores are noisy, gains over self-consistency less so. A benchmark that the
simulator is compared with to choose its parameters is no longer held out.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from discovery.controllers import Value
from discovery.evaluation import Evaluator, KeyedStore
from replay.baselines import baseline_source
from replay.importer import import_file, import_questions
from replay.synthetic import simulate
from replay.synthetic_scales import SCALES

RECORDED_SEEDS = range(20)
SIMULATED_SEEDS = range(2)

CONTROLLERS: tuple[tuple[str, float, dict[str, Value]], ...] = (
    ("sc", 1.0, {"n": 64}),
    ("sc", 1.0, {"n": 16}),
    ("asc", 1.0, {}),
    ("esc", 1.0, {}),
    ("parallel_probe", 1.0, {}),
    ("cmc", 0.1, {}),
    ("cmc", 0.5, {}),
    ("cmc", 1.0, {}),
    ("short_m_k", 1.0, {"m": 8, "k": 16}),
)

Figures = list[tuple[float, float, float]]


def main(folder: Path, benchmark: str, n_stores: int, first_seed: int) -> None:
    """Prints one line for each controller and scale, and their means over scales."""
    differences = []
    for scale in SCALES:
        path = folder / f"Qwen3-{scale}" / f"{benchmark}.json"
        recorded = [KeyedStore(*import_file(path, model=scale, benchmark=benchmark), folder)]
        simulated = [simulated_store(scale, first_seed + index, folder) for index in range(n_stores)]
        pairs = list(zip(play(recorded, RECORDED_SEEDS), play(simulated, SIMULATED_SEEDS), strict=True))
        differences.append(pairs)
        print_rows(scale, pairs)
    print_rows("mean", np.mean(differences, axis=0).tolist())


def simulated_store(scale: str, seed: int, folder: Path) -> KeyedStore:
    """A simulated store and its key."""
    questions = simulate(scale, rng=np.random.default_rng(seed))
    store, key = import_questions(questions, source="the simulator", model=scale, benchmark=f"seed-{seed}")
    return KeyedStore(store, key, folder)


def play(stores: Sequence[KeyedStore], seeds: Sequence[int]) -> Figures:
    """Per controller: accuracy, tokens, and the standard error of the accuracy over stores (NaN for one)."""
    figures = []
    with Evaluator(stores, workers=2) as evaluator:
        questions = [np.arange(len(keyed.store.questions)) for keyed in stores]
        for name, beta, values in CONTROLLERS:
            source = baseline_source(name)
            evaluation = evaluator.evaluate(source, questions=questions, seeds=seeds, betas=(beta,), overrides=values)
            accuracies = np.array([cell.correct.mean() for cell in evaluation.cells])
            tokens = float(np.mean([cell.tokens.mean() for cell in evaluation.cells]))
            error = float(accuracies.std(ddof=1) / np.sqrt(len(stores))) if len(stores) > 1 else float("nan")
            figures.append((float(accuracies.mean()), tokens, error))
    return figures


def print_rows(scale: str, pairs: Sequence[Sequence[Sequence[float]]]) -> None:
    """One line for each controller: recorded, simulated with its standard error, and what each gains over the first."""
    first_recorded, first_simulated = pairs[0][0][0], pairs[0][1][0]
    for (name, beta, values), (recorded, simulated) in zip(CONTROLLERS, pairs, strict=True):
        settings = ", ".join(f"{key}={value}" for key, value in values.items())
        title = f"{name}({settings})" if values else f"{name}@{beta}"
        print(
            f"{scale:5} {title:20} recorded {recorded[0]:6.1%} / {recorded[1] / 1000:6.0f}k"
            f"   simulated {simulated[0]:6.1%} +- {simulated[2]:5.1%} / {simulated[1] / 1000:6.0f}k"
            f"   over sc(n=64) {recorded[0] - first_recorded:+6.1%} {simulated[0] - first_simulated:+6.1%}",
            flush=True,
        )


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    given = [*sys.argv[1:], *("", "aime24", "40", "0")[len(sys.argv) - 1 :]]
    main(Path(given[0]), given[1], int(given[2]), int(given[3]))
