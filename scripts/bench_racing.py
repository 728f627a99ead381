"""What racing saves and what it costs, against playing every candidate in full.

Usage: python scripts/bench_racing.py STORE... [--controllers 200] [--seeds 64] [--seed 0]

Every controller, composed from the grammar, is played in full once. The race is then run over the same episodes as
`discovery.trial` runs it. Regret is the frontier area that the best of the race lacks to the best of all.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from discovery.evaluation import Cell, Evaluator, load_keyed_store
from discovery.grammar.variation import compose
from discovery.grammar.writer import write
from discovery.racing import Contender, can_reach_front, rungs
from discovery.scorecard import Panel, area, curve, make_panel

BETAS = tuple(round(0.1 * step, 1) for step in range(11))


def main() -> None:
    """Plays, races and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--controllers", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    stores = [load_keyed_store(folder) for folder in chosen.stores]
    questions = [np.arange(len(keyed.store.questions)) for keyed in stores]
    panel = make_panel(stores, questions, range(chosen.seeds))
    with Evaluator(stores, workers=2) as evaluator:
        contenders = play(evaluator, panel, chosen.controllers, np.random.default_rng(chosen.seed))
    areas = {contender.number: area(curve(contender.cells, panel), panel) for contender in contenders}
    reached, played = race(contenders, panel)
    per_seed = len(BETAS) * sum(map(len, questions))
    spent = per_seed * sum(reached.values())
    finishers = [number for number, n_seeds in reached.items() if n_seeds == chosen.seeds]
    best, found = max(areas, key=areas.__getitem__), max(finishers, key=areas.__getitem__)
    print(
        f"{len(contenders)} controllers, {played} episodes in full; "
        f"the race played {spent}: {played / spent:.1f}x fewer"
    )
    for edge in sorted(set(reached.values())):
        print(f"  {sum(n == edge for n in reached.values()):>5} stopped after {edge} seeds")
    print(f"best of all {best}: area {100 * areas[best]:.2f}; best of the race {found}: {100 * areas[found]:.2f}")
    print(f"regret {100 * (areas[best] - areas[found]):.2f} points of area")


def play(evaluator: Evaluator, panel: Panel, n_controllers: int, rng: np.random.Generator) -> list[Contender]:
    """Plays controllers in full; those that err are left out."""
    contenders: list[Contender] = []
    while len(contenders) < n_controllers:
        source = write(compose(rng).recipe)
        evaluation = evaluator.evaluate(source, questions=panel.questions, seeds=panel.seeds, betas=BETAS)
        if evaluation.clean:
            contenders.append(Contender(len(contenders), evaluation.cells))
    return contenders


def race(contenders: Sequence[Contender], panel: Panel) -> tuple[dict[int, int], int]:
    """Seeds that each contender plays in the race, and episodes of all of them in full."""
    n_seeds = len(panel.seeds)
    columns = [np.arange(len(questions)) for questions in panel.questions]
    reached: dict[int, int] = {}
    finishers: list[Contender] = []
    for contender in contenders:
        for seeds in rungs(n_seeds):
            reached[contender.number] = seeds.stop
            cells = first_seeds(contender.cells, seeds.stop)
            if seeds.stop < n_seeds and not can_reach_front(cells, finishers, panel.part(columns, seeds.stop)):
                break
        else:
            finishers.append(contender)
    return reached, sum(cell.correct.size for contender in contenders for cell in contender.cells)


def first_seeds(cells: Sequence[Cell], n_seeds: int) -> list[Cell]:
    """The cells as they were after this many seeds."""
    return [cell.part(slice(n_seeds), slice(None)) for cell in cells]


if __name__ == "__main__":
    main()
