"""Divides questions into those that the search may see and those that check it.

By question, the same for every model: fresh seeds do not reveal over-fitting, fresh questions do.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from replay.store import ReplayStore

VALIDATION_SHARE = 3
"""One question in this many is a validation question."""


class Split(StrEnum):
    """Part of a run's questions."""

    SEARCH = "search"
    VALIDATION = "validation"


def split_questions(stores: Iterable[ReplayStore], seed: int) -> dict[str, Split]:
    """Divides the questions of all stores, two thirds search, one third validation.

    Args:
        stores: The stores of a run.
        seed: The run's random seed.

    Returns:
        Question digest -> its part.
    """
    digests = {digest for store in stores for digest in store.question_digests}
    drawn = sorted(digests, key=lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).digest())
    n_validation = len(drawn) // VALIDATION_SHARE
    return {digest: Split.VALIDATION if i < n_validation else Split.SEARCH for i, digest in enumerate(drawn)}


def questions_of(store: ReplayStore, split: dict[str, Split], parts: Sequence[Split]) -> npt.NDArray[np.int64]:
    """Indices of a store's questions in the given parts, ascending."""
    chosen = [index for index, digest in enumerate(store.question_digests) if split[digest] in parts]
    return np.array(chosen, np.int64)
