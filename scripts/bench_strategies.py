"""How long it takes to screen strategies: a strategy is one controller at one beta on all stores.

Usage: python scripts/bench_strategies.py STORE... [--strategies 2000] [--seeds 64] [--workers 2] [--seed 0]

Controllers are composed from the grammar and raced on all questions as in a search: few seeds first, more only while
the front can still be reached.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from discovery.evaluation import Evaluation, Evaluator, load_keyed_store
from discovery.front import nondominated
from discovery.grammar.variation import compose
from discovery.grammar.writer import write
from discovery.racing import Contender, can_reach_front, rungs
from discovery.scorecard import Panel, curve, make_panel

BETAS = tuple(round(0.1 * step, 1) for step in range(11))


def main() -> None:
    """Screens and prints the minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--strategies", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    stores = [load_keyed_store(folder) for folder in chosen.stores]
    panel = make_panel(stores, [np.arange(len(keyed.store.questions)) for keyed in stores], range(chosen.seeds))
    rng = np.random.default_rng(chosen.seed)
    front: list[Contender] = []
    n_strategies = n_episodes = 0
    children = 0.0
    start, cpu = time.perf_counter(), time.process_time()
    with Evaluator(stores, workers=chosen.workers) as evaluator:
        while n_strategies < chosen.strategies:
            played = screen(evaluator, panel, write(compose(rng).recipe), front)
            n_strategies += len(BETAS)
            n_episodes += sum(cell.correct.size for cell in played.cells)
            children += played.cpu_seconds
            if played.clean and len(played.cells[0].correct) == chosen.seeds:
                front = on_front([*front, Contender(n_strategies, played.cells)], panel)
    minutes = (time.perf_counter() - start) / 60
    print(f"{n_strategies} strategies, {n_episodes} episodes: {minutes:.1f} minutes with {chosen.workers} workers")
    print(f"CPU minutes: {(time.process_time() - cpu) / 60:.1f} here, {children / 60:.1f} in the sandbox")
    print(f"{2_000 * minutes / n_strategies:.1f} minutes for 2000 strategies at this pace")


def screen(evaluator: Evaluator, panel: Panel, source: str, front: list[Contender]) -> Evaluation:
    """Races one controller; what it has played by the end."""
    columns = [np.arange(len(questions)) for questions in panel.questions]
    played: list[Evaluation] = []
    for seeds in rungs(len(panel.seeds)):
        played.append(evaluator.evaluate(source, questions=panel.questions, seeds=seeds, betas=BETAS))
        if not played[-1].clean:
            return played[-1]
        so_far = Evaluation.joined(played)
        if not can_reach_front(so_far.cells, front, panel.part(columns, seeds.stop)):
            break
    return so_far


def on_front(contenders: list[Contender], panel: Panel) -> list[Contender]:
    """Those with a point that no other's dominates."""
    owners, points = [], []
    for contender in contenders:
        for scores in curve(contender.cells, panel).values():
            owners.append(contender)
            points.append((scores.accuracy, scores.cost_ratio))
    kept = {owner.number for owner, stays in zip(owners, nondominated(np.array(points)), strict=True) if stays}
    return [contender for contender in contenders if contender.number in kept]


if __name__ == "__main__":
    main()
