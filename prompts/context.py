"""Everything that a prompt may say, as typed values: if it is not here, an explorer model is not told it.

No question text, no answer text and no gold answer has a place here; answers appear as labels.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PointShown:
    """One beta of a controller on the search questions: accuracy in [0, 1], cost ratio to self-consistency at 64."""

    beta: float
    accuracy: float
    cost_ratio: float


@dataclass(frozen=True, slots=True)
class FailureShown:
    """One kind of failure: share of all episodes in [0, 1], what it means, mean tokens of such an episode.

    `settled_tokens` are those that it spent after its answer had settled, None if not measured.
    """

    kind: str
    meaning: str
    share: float
    mean_tokens: float
    settled_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class DepthShown:
    """Recorded branches that finish about as early: their mean length in intervals, the share right in [0, 1]."""

    mean_intervals: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class TraceShown:
    """One episode, told line by line."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControllerShown:
    """A candidate with its source, its scores and where it failed.

    `settled_tokens` are those that a mean episode spent after its answer had settled, None if not measured.
    """

    number: int
    idea: str
    source: str
    area: float
    curve: tuple[PointShown, ...]
    failures: tuple[FailureShown, ...]
    traces: tuple[TraceShown, ...] = ()
    settled_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """One line on a candidate that was tried: what came of it."""

    number: int
    idea: str
    result: str


@dataclass(frozen=True, slots=True)
class FrontShown:
    """A point that nothing tried so far is better than, and whose it is."""

    number: int
    name: str
    point: PointShown


@dataclass(frozen=True, slots=True)
class ProposalContext:
    """What a request for a proposal is made of.

    Attributes:
        n_questions: Search questions.
        stores: Names of the models and benchmarks recorded.
        single_branch: Accuracy of one branch alone on the search questions, in [0, 1].
        front: By ascending cost.
        best_area: Largest frontier area so far, in [0, 1], and `best_number` whose it is.
        parents: Controllers to build on, the first one first.
        attempts: What was tried lately, oldest first.
        weak_ratios: Cost ratios around which the front gains least over cheaper points.
        overfit_points: By how much more the best candidates' area drops from the search questions to all questions
            than that of self-consistency, in points; None while unknown.
        budget_left: Dollars left, or None if nothing is being paid.
        dialect: What the language allows.
        advice: Whether to include advice on what tends to work.
        depth_groups: Recorded branches in equal groups of each question, the earliest to finish first.
    """

    n_questions: int
    stores: tuple[str, ...]
    single_branch: float
    front: tuple[FrontShown, ...]
    best_area: float
    best_number: int
    parents: tuple[ControllerShown, ...]
    attempts: tuple[AttemptShown, ...]
    weak_ratios: tuple[float, ...]
    overfit_points: float | None
    budget_left: str | None
    dialect: str
    advice: bool = True
    depth_groups: tuple[DepthShown, ...] = ()


@dataclass(frozen=True, slots=True)
class RepairContext:
    """What a request to repair a refused controller is made of.

    Attributes:
        source: The refused source; empty if the reply held none.
        refusal: Why it was refused.
    """

    source: str
    refusal: str
