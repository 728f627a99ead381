"""Plays every row of a table of reference figures through the sandbox and compares: each has to be equal, not close.

Usage: python scripts/reproduce_reference.py REFERENCE.csv DATA_FOLDER

The table has the columns model, benchmark, controller, setting, correct_episodes_of_3000 and total_tokens; the folder
holds the recorded trajectories as MODEL/BENCHMARK.json. Exits with 1 if a row differs.
"""

import csv
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from discovery.controllers import Value, parse_value
from discovery.evaluation import Evaluator, KeyedStore
from replay.baselines import baseline_source
from replay.importer import import_file

SEEDS = range(100)


def main(reference: Path, data: Path) -> int:
    """Compares every row; returns how many differ."""
    rows = list(csv.DictReader(reference.read_text(encoding="utf-8").splitlines()))
    differing = 0
    for (model, benchmark), group in groupby(rows, key=lambda row: (row["model"], row["benchmark"])):
        store, key = import_file(data / model / f"{benchmark}.json", model=model, benchmark=benchmark)
        with Evaluator([KeyedStore(store, key, data)], workers=2) as evaluator:
            for line, equal in compare(evaluator, list(group)):
                differing += not equal
                print(line, flush=True)
    print(f"{len(rows)} rows, {differing} differ")
    return differing


def compare(evaluator: Evaluator, rows: list[dict[str, str]]) -> Iterator[tuple[str, bool]]:
    """One line for each row, and whether it is equal."""
    questions = [np.arange(len(evaluator.stores[0].store.questions))]
    for row in rows:
        values: dict[str, Value] = {}
        for setting in row["setting"].split(";"):
            name, _, text = setting.partition("=")
            values[name] = parse_value(text)
        beta = float(values.pop("beta", 1.0))
        evaluation = evaluator.evaluate(
            baseline_source(row["controller"]), questions=questions, seeds=SEEDS, betas=(beta,), overrides=values
        )
        (cell,) = evaluation.cells
        found = int(cell.correct.sum()), int(cell.tokens.sum())
        expected = int(row["correct_episodes_of_3000"]), int(row["total_tokens"])
        verdict = "equal" if found == expected else f"DIFFERS, expected {expected}"
        sequential = cell.sequential_tokens.mean() / 1000
        name = f"{row['model']} {row['benchmark']} {row['controller']}({row['setting']})"
        yield f"{name}: {found} {verdict}; {sequential:.1f}k sequential tokens", found == expected


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])) > 0)
