"""What a plot of a run shows: its baselines, the candidates on its front and its winner; all others as dots."""

from collections.abc import Collection

from discovery.cli.archive import OpenRun
from discovery.plots import Curve, Plot, Rank
from discovery.racing import Contender
from discovery.records import Candidate
from discovery.scorecard import curve, single_branch
from discovery.selection import front_points
from replay.scoring import Scores
from replay.split import Split

MOST_NAMED = 8
"""Candidates on the front whose numbers are shown: those with the most points on it."""


def front_plot(opened: OpenRun) -> Plot:
    """The plot of a run, on its search questions."""
    winner = opened.winner().number
    on_front: dict[int, set[float]] = {}
    for number, point in front_points(list(opened.standings.values())):
        on_front.setdefault(number, set()).add(point.beta)
    most_first = sorted(on_front, key=lambda number: -len(on_front[number]))
    told = set(most_first[:MOST_NAMED])
    curves = []
    for number, standing in sorted(opened.standings.items(), key=lambda entry: entry[0] != winner):
        candidate = opened.candidates[number]
        if not standing.sound:
            continue
        if candidate.name:
            curves.append(Curve(candidate.name, _scores(opened, candidate), Rank.BASELINE))
        elif number == winner:
            curves.append(Curve(f"#{number}, the winner", _scores(opened, candidate)))
        else:
            betas = on_front.get(number, set())
            curves.append(Curve(f"#{number}", _scores(opened, candidate, without=betas), Rank.CROWD))
            if betas:
                name = f"#{number}" if number in told else ""
                curves.append(Curve(name, _scores(opened, candidate, only=betas), Rank.POINTS))
    return Plot(opened.title(), tuple(curves), single_branch(opened.search.panel))


def _scores(
    opened: OpenRun, candidate: Candidate, *, only: Collection[float] | None = None, without: Collection[float] = ()
) -> tuple[Scores, ...]:
    """A candidate's scores on the search questions, by ascending beta."""
    stores = [keyed.store.name for keyed in opened.search.panel.stores]
    contender = Contender.of(candidate.number, opened.archive.outcomes(candidate, Split.SEARCH), stores)
    scores = curve(contender.cells, opened.search.panel)
    return tuple(scored for beta, scored in scores.items() if (only is None or beta in only) and beta not in without)
