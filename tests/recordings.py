"""Small recorded trajectories for tests: by hand, or drawn by Hypothesis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from replay.importer import import_questions
from replay.store import AnswerKey, ReplayStore
from replay.tables import branch_order


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded branch.

    Attributes:
        probes: The answer after each interval; None where there is none.
        tokens: Its whole length.
        final: The answer that it ended with.
    """

    probes: tuple[str | None, ...]
    tokens: int
    final: str | None


def layout_of(branches: Sequence[Recording], *, text: str = "?", gold: str = "gold", interval: int = 100) -> Any:
    """One question in the published layout."""
    return {
        "question": text,
        "gold_answer": gold,
        "probe_freq": interval,
        "final_answers_trace": [branch.final or "ERR" for branch in branches],
        "each_branch": [
            [[answer or "ERR" for answer in branch.probes], branch.tokens, branch.final or "ERR"] for branch in branches
        ],
    }


def store_of(questions: Sequence[Sequence[Recording]], *, interval: int = 100) -> tuple[ReplayStore, AnswerKey]:
    """A store of these questions, and its key."""
    layouts = [layout_of(branches, text=f"?{i}", interval=interval) for i, branches in enumerate(questions)]
    return import_questions(layouts, source="test", model="model", benchmark="benchmark")


def in_opening_order(branches: Sequence[Recording], seed: int) -> list[Recording]:
    """The recorded order that lets an episode of this seed open the branches as given."""
    order = branch_order(seed, len(branches))
    return [branches[order.index(position)] for position in range(len(branches))]


def recordings(interval: int) -> st.SearchStrategy[Recording]:
    """Branches of 0 to 6 probes, some shorter than their probes, some without answers."""
    answers = st.sampled_from(["12", "7", "0", "x", None])
    probes = st.lists(answers, max_size=6).map(tuple)
    return st.builds(Recording, probes, st.integers(1, 7 * interval), answers)
