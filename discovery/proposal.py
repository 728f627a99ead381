"""What an explorer is told and what it answers with: the seam between the search and those who propose.

Explorers are many (a grammar, a language model, a numeric search); the loop knows them by this alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np


class Origin(StrEnum):
    """Where a candidate came from."""

    BASELINE = "baseline"
    GRAMMAR = "grammar"
    MODEL = "model"
    TUNED = "tuned"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One beta of a candidate on the search questions, mean of the stores.

    Attributes:
        beta: The beta.
        accuracy: In [0, 1]; maximised.
        cost_ratio: Tokens over those of SC(64); minimised.
    """

    beta: float
    accuracy: float
    cost_ratio: float


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure of a candidate on the search questions.

    Attributes:
        kind: Its name.
        share: Share of all episodes, in [0, 1].
        mean_tokens: Tokens that such an episode spent.
    """

    kind: str
    share: float
    mean_tokens: float


@dataclass(frozen=True, slots=True)
class DepthGroup:
    """Recorded branches that finish about as early among those of their question.

    Attributes:
        mean_intervals: Their mean length, in intervals.
        accuracy: Share of them that is right, in [0, 1].
    """

    mean_intervals: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate that a proposal may build on.

    Attributes:
        number: Its number in the run.
        source: Its source.
        idea: One sentence on what it tries.
        recipe: How the grammar composed it, as JSON; empty for other origins.
        area: Its frontier area on the search questions; maximised.
        curve: Its points, by ascending beta.
        failures: Its failures, most frequent first.
        settled_tokens: Tokens that an episode spent after its answer had settled, mean of a sample: by kind of failure,
            and for all episodes under `all`. Empty if not measured.
    """

    number: int
    source: str
    idea: str
    recipe: str
    area: float
    curve: tuple[CurvePoint, ...]
    failures: tuple[Failure, ...]
    settled_tokens: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A candidate that was tried, and in a few words what came of it."""

    number: int
    idea: str
    result: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What the search knows when it asks for a proposal. Figures are of the search questions but for `overfit`.

    Attributes:
        iteration: Counted from 1.
        parents: Candidates to build on, the first one first.
        front: Nondominated points of the run so far, each with the number of its candidate; cheapest first.
        attempts: What was tried lately, oldest first.
        best_number: Number of the candidate with the largest frontier area.
        best_area: Its area; maximised.
        single_branch: Accuracy of one branch alone, in [0, 1].
        n_questions: Search questions.
        stores: Names of the stores.
        overfit: By how much more the area of the best candidates drops from the search questions to all questions of
            the run than that of self-consistency, which is fitted to none; in [-1, 1], None while unknown.
        depth_groups: Accuracy of recorded branches by when they finish, the earliest first.
    """

    iteration: int
    parents: tuple[Parent, ...]
    front: tuple[tuple[int, CurvePoint], ...]
    attempts: tuple[Attempt, ...]
    best_number: int
    best_area: float
    single_branch: float
    n_questions: int
    stores: tuple[str, ...]
    overfit: float | None
    depth_groups: tuple[DepthGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A controller to try.

    Attributes:
        source: Controller source in the dialect.
        idea: One sentence on what it tries.
        origin: Who proposed it.
        parents: Numbers of the candidates it was built on.
        recipe: How the grammar composed it, as JSON; empty for other origins.
        exchanges: Archive keys of the requests that led to it, each with what was made of its reply; empty for the one
            that held the source.
    """

    source: str
    idea: str
    origin: Origin
    parents: tuple[int, ...] = ()
    recipe: str = ""
    exchanges: Mapping[int, str] = field(default_factory=dict)


class Explorer(Protocol):
    """Proposes controllers."""

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """One controller to try next. The same situation and generator state give the same proposal."""
