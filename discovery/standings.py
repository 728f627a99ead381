"""How archived candidates stand: their curves and areas on the search questions and on all questions of a run.

Computed from the integer sums that the archive keeps, so that a resumed run stands where it stood.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from discovery.evaluation import KeyedStore
from discovery.proposal import CurvePoint
from discovery.records import Candidate, CandidateStatus, Point
from discovery.scorecard import Panel, make_panel, single_branch
from replay.scoring import frontier_area, mean_of
from replay.split import Split, questions_of

SEARCH_ONLY = (Split.SEARCH,)
VALIDATION_ONLY = (Split.VALIDATION,)
ALL_QUESTIONS = (Split.SEARCH, Split.VALIDATION)


@dataclass(frozen=True, slots=True)
class Measure:
    """What points over some parts of the questions are measured against.

    Attributes:
        parts: The parts of the questions.
        panel: Their panel.
    """

    parts: tuple[Split, ...]
    panel: Panel

    def curve(self, points: Iterable[Point]) -> tuple[CurvePoint, ...]:
        """Accuracy and cost ratio by ascending beta, the unweighted mean over stores."""
        found: dict[float, dict[str, list[Point]]] = {}
        for entry in points:
            if entry.split in self.parts:
                found.setdefault(entry.beta, {}).setdefault(entry.store, []).append(entry)
        return tuple(self._point(beta, found[beta]) for beta in sorted(found))

    def area(self, curve: Sequence[CurvePoint]) -> float:
        """Frontier area of a curve."""
        return frontier_area([(point.accuracy, point.cost_ratio) for point in curve], single_branch(self.panel))

    def _point(self, beta: float, by_store: Mapping[str, Sequence[Point]]) -> CurvePoint:
        """One beta; costs are relative to self-consistency on the seeds that were played."""
        reference = {keyed.store.name: at for keyed, at in zip(self.panel.stores, self.panel.reference, strict=True)}
        accuracies, tokens, references = [], [], []
        for store, entries in by_store.items():
            n_episodes = sum(entry.n_episodes for entry in entries)
            accuracies.append(sum(entry.n_correct for entry in entries) / n_episodes)
            tokens.append(sum(entry.tokens for entry in entries) / n_episodes)
            references.append(float(reference[store][: entries[0].n_seeds].mean()))
        return CurvePoint(beta, mean_of(accuracies), mean_of(tokens) / mean_of(references))


def make_measure(
    stores: Sequence[KeyedStore], split: dict[str, Split], parts: tuple[Split, ...], seeds: Sequence[int]
) -> Measure:
    """Measures some parts of the questions of a run."""
    questions = [questions_of(keyed.store, split, parts) for keyed in stores]
    return Measure(parts, make_panel(stores, questions, seeds))


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate among those of its run.

    Attributes:
        number: Its number in the run.
        area: Frontier area on the search questions; maximised.
        area_all: Frontier area on all questions of the run; maximised. None unless it played all of them.
        curve: On the search questions, by ascending beta.
        sound: Whether it may join the front: no error, every seed, audits passed.
    """

    number: int
    area: float
    area_all: float | None
    curve: tuple[CurvePoint, ...]
    sound: bool


def stand(candidate: Candidate, points: Sequence[Point], search: Measure, everything: Measure) -> Standing:
    """Where a candidate stands. One that stopped early, or did not end well, is not sound."""
    curve = search.curve(points)
    played_through = {point.split for point in points} == set(Split)
    return Standing(
        number=candidate.number,
        area=search.area(curve),
        area_all=everything.area(everything.curve(points)) if played_through else None,
        curve=curve,
        sound=candidate.status is CandidateStatus.OK and played_through,
    )
