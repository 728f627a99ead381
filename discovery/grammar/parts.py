"""What a part of a controller is: a small piece of source with a name, a sentence and a few constants.

The parts themselves are in the modules of their families.
"""

from dataclasses import dataclass
from enum import StrEnum

from discovery.grammar.constants import Constant


class Family(StrEnum):
    """What a part decides."""

    OPENING = "opening"
    DEEPENING = "deepening"
    DROPPING = "dropping"
    VOTERS = "voters"
    WEIGHTS = "weights"
    STOPPING = "stopping"
    GIVING_UP = "giving up"


OPTIONAL = {Family.DROPPING: 2, Family.GIVING_UP: 1}
"""Families that a controller may do without, and how many of their parts it may have; of all others exactly one."""

TAKEN = {Family.DROPPING: 0.7, Family.GIVING_UP: 0.25}
"""How much of that a fresh composition takes, on average."""


class Need(StrEnum):
    """What the loop keeps for the parts that look at it."""

    SEEN = "seen"
    """Branch -> (the answer it would give now, the depth at which it took to it)."""
    DOUBT = "doubt"
    """Branch -> rounds for which it has differed from the leading answer."""
    DROPPED = "dropped"
    """Last answers of branches that were dropped before anything was known."""
    TRUST = "trust"
    """Confidence smoothed over the rounds."""
    MATH = "math"
    """The module of that name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A named piece of a controller.

    Attributes:
        family: What it decides.
        name: In recipes and ideas.
        does: A sentence for the controller's docstring, without its full stop. True of the source.
        constants: Its hyper-parameters.
        source: Helper functions that it defines; may be empty.
        call: What `control` runs for it: statements, or an expression where the family asks for one.
        needs: What the loop has to keep for it.
        weight: How often it is drawn, relative to the others of its family.
    """

    family: Family
    name: str
    does: str
    constants: tuple[Constant, ...]
    source: str
    call: str
    needs: frozenset[Need] = frozenset()
    weight: float = 1.0
