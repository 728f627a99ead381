"""Small simulated stores and runs on them, for tests of the search."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from discovery.archive import Archive
from discovery.config import RunConfig, StoreUsed, draw_validation
from discovery.evaluation import Evaluator, KeyedStore
from discovery.loop import Search
from discovery.proposal import Explorer, Origin, Proposal, Situation
from discovery.records import Run
from replay.importer import import_questions
from replay.synthetic import simulate

SCALES = ("0.6B", "8B")


@cache
def small_stores(n_questions: int = 6, n_branches: int = 12) -> tuple[KeyedStore, ...]:
    """Two models on the same few questions."""
    stores = []
    for scale in SCALES:
        rng = np.random.default_rng(11)
        layouts = simulate(scale, n_questions=n_questions, n_branches=n_branches, rng=rng)
        store, key = import_questions(layouts, source="test", model=scale, benchmark="demo")
        stores.append(KeyedStore(store, key, Path(scale)))
    return tuple(stores)


def config_for(stores: Sequence[KeyedStore], *, n_seeds: int = 5, seed: int = 3) -> RunConfig:
    """The settings of a run on them."""
    return RunConfig(
        stores=tuple(StoreUsed(keyed.store.name, str(keyed.folder), keyed.store.digest) for keyed in stores),
        seed=seed,
        n_seeds=n_seeds,
        validation=draw_validation(stores, seed),
        betas=(0.0, 0.5, 1.0),
    )


class Scripted:
    """Proposes what a script says, by iteration."""

    def __init__(self, script: Callable[[int], Proposal]) -> None:
        self._script = script

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """The script's proposal for this iteration."""
        return self._script(situation.iteration)


def voting(width: int, *, note: str = "") -> Proposal:
    """A majority of a few complete branches, fewer for small betas."""
    source = (
        f"def schedule(beta):\n    return {{'n': round({width} * beta) + 1}}\n\n\n"
        f"def control(episode, p):\n    return majority(episode.probe(episode.branch(p.n, complete=True)))\n{note}"
    )
    return Proposal(source, f"{width} branches vote", Origin.GRAMMAR)


def search_on(archive: Archive, run: Run, config: RunConfig, evaluator: Evaluator, explorer: Explorer) -> Search:
    """A search whose proposals come from this explorer."""
    return Search(archive, run, config, evaluator, lambda search: explorer)
