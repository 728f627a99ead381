"""How archived candidates stand: their curves and areas on the search questions and on all questions of a run.

Computed from the integer sums that the archive keeps, so that a resumed run stands where it stood.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from discovery.evaluation import KeyedStore
from discovery.proposal import CurvePoint
from discovery.records import Candidate, CandidateStatus, Point
from discovery.scorecard import Panel, make_panel, single_branch
from replay.scoring import frontier_area
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
        totals: dict[tuple[float, str], list[int]] = {}
        for entry in points:
            if entry.split in self.parts:
                total = totals.setdefault((entry.beta, entry.store), [0, 0, 0])
                for index, value in enumerate((entry.n_episodes, entry.n_correct, entry.tokens)):
                    total[index] += value
        betas = sorted({beta for beta, _ in totals})
        return tuple(self._point(beta, {s: t for (b, s), t in totals.items() if b == beta}) for beta in betas)

    def area(self, curve: Sequence[CurvePoint]) -> float:
        """Frontier area of a curve."""
        return frontier_area([(point.accuracy, point.cost_ratio) for point in curve], single_branch(self.panel))

    def _point(self, beta: float, totals: Mapping[str, Sequence[int]]) -> CurvePoint:
        reference = {
            keyed.store.name: float(tokens.mean())
            for keyed, tokens in zip(self.panel.stores, self.panel.reference, strict=True)
            if tokens.size
        }
        accuracy = sum(correct / episodes for episodes, correct, _ in totals.values()) / len(totals)
        tokens = sum(spent / episodes for episodes, _, spent in totals.values())
        return CurvePoint(beta, accuracy, tokens / sum(reference[store] for store in totals))


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
        area_all: Frontier area on all questions of the run; maximised.
        curve: On the search questions, by ascending beta.
        sound: Whether it may join the front: no error, every seed, audits passed.
    """

    number: int
    area: float
    area_all: float
    curve: tuple[CurvePoint, ...]
    sound: bool


def stand(candidate: Candidate, points: Sequence[Point], search: Measure, everything: Measure) -> Standing:
    """Where a candidate stands. One that stopped early, or did not end well, is not sound."""
    curve = search.curve(points)
    played_through = {point.split for point in points} == set(Split)
    return Standing(
        number=candidate.number,
        area=search.area(curve),
        area_all=everything.area(everything.curve(points)),
        curve=curve,
        sound=candidate.status is CandidateStatus.OK and played_through,
    )
