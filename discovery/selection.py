"""Whom to build on, who is on the front, and who wins. Reads standings; knows neither archive nor explorers."""

from collections.abc import Sequence

import numpy as np

from discovery.front import nondominated
from discovery.proposal import CurvePoint
from discovery.standings import Standing

FINALISTS = 10
"""The winner is one of this many largest areas on the search questions."""

OUTSIDER_SHARE = 0.2
"""How often the first parent is drawn from all candidates instead of the front."""


def front_points(standings: Sequence[Standing]) -> list[tuple[int, CurvePoint]]:
    """The nondominated points of all sound candidates on the search questions, cheapest first."""
    points = [(standing.number, point) for standing in standings if standing.sound for point in standing.curve]
    kept = nondominated([(point.accuracy, point.cost_ratio) for _, point in points])
    front = [entry for entry, keep in zip(points, kept, strict=True) if keep]
    return sorted(front, key=lambda entry: entry[1].cost_ratio)


def choose_parents(standings: Sequence[Standing], n_parents: int, rng: np.random.Generator) -> list[Standing]:
    """Draws candidates to build on: mostly of the largest areas or on the front, now and then an outsider first.

    Args:
        standings: All candidates of the run.
        n_parents: How many to draw; fewer if there are fewer.
        rng: Decides.
    """
    sound = sorted((standing for standing in standings if standing.sound), key=lambda standing: -standing.area)
    if not sound:
        return []
    on_front = {number for number, _ in front_points(sound)}
    favourites = [standing for standing in sound if standing.number in on_front]
    favourites = list(dict.fromkeys([*sound[:FINALISTS], *favourites]))
    parents: list[Standing] = []
    if rng.random() < OUTSIDER_SHARE:
        parents.append(sound[int(rng.integers(len(sound)))])
    while len(parents) < min(n_parents, len(sound)):
        pool = [s for s in favourites if s not in parents] or [s for s in sound if s not in parents]
        weights = 0.75 ** np.arange(len(pool))
        parents.append(pool[int(rng.choice(len(pool), p=weights / weights.sum()))])
    return parents


def pick_winner(standings: Sequence[Standing]) -> Standing | None:
    """Of the largest areas on the search questions, the one with the largest area on all questions of the run.

    Returns:
        None if no candidate is sound.
    """
    sound = [standing for standing in standings if standing.sound]
    finalists = sorted(sound, key=lambda standing: (-standing.area, standing.number))[:FINALISTS]
    return max(finalists, key=lambda standing: (standing.area_all or 0.0, -standing.number), default=None)
