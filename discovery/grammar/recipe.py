"""How a controller is composed: the parts chosen and the values of their constants.

A recipe travels as JSON with its candidate, so that later proposals can build on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from discovery.grammar import deepening, dropping, opening, stopping, voting
from discovery.grammar.constants import Constant, Span
from discovery.grammar.parts import OPTIONAL, Family, Part

PARTS = (*opening.PARTS, *deepening.PARTS, *dropping.PARTS, *voting.PARTS, *stopping.PARTS)

_BY_NAME = {part.name: part for part in PARTS}
_IDLE_WITH_COMPLETE = {opening.WAVES.name, opening.AT_ONCE.name, voting.RUNNING_TOO.name}
"""Parts that nothing would be left to do for where every branch is decoded to its end at once."""


def of_family(family: Family) -> tuple[Part, ...]:
    """All parts of a family."""
    return tuple(part for part in PARTS if part.family is family)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Parts and constants of a controller.

    Attributes:
        parts: One of each family, those of optional families as many as are wanted; in the order of `PARTS`.
        constants: Key in `schedule` -> its values; exactly those that the parts have, in their order.
    """

    parts: tuple[Part, ...]
    constants: Mapping[str, Span]

    @classmethod
    def of(cls, parts: tuple[Part, ...], known: Mapping[str, Span]) -> Self:
        """A recipe of these parts, with known values where they fit and defaults elsewhere."""
        ordered = tuple(part for part in PARTS if part in parts)
        spans = {
            constant.name: known[constant.name]
            if constant.name in known and constant.admits(known[constant.name])
            else constant.default
            for part in ordered
            for constant in part.constants
        }
        return cls(ordered, spans)

    def part(self, family: Family) -> Part:
        """The part of a family that has exactly one."""
        (part,) = self.parts_of(family)
        return part

    def parts_of(self, family: Family) -> tuple[Part, ...]:
        """All parts of a family."""
        return tuple(part for part in self.parts if part.family is family)

    def constants_of(self, part: Part) -> tuple[tuple[Constant, Span], ...]:
        """A part's constants with their values."""
        return tuple((constant, self.constants[constant.name]) for constant in part.constants)

    def all_constants(self) -> tuple[tuple[Constant, Span], ...]:
        """Constants with their values, each once."""
        by_name = {constant.name: constant for part in self.parts for constant in part.constants}
        return tuple((constant, self.constants[name]) for name, constant in by_name.items())

    def to_json(self) -> str:
        """The recipe as JSON."""
        spans = {name: [span.start, span.end] for name, span in self.constants.items()}
        return json.dumps({"parts": [part.name for part in self.parts], "constants": spans})

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Reads what `to_json` wrote; None for anything else, such as a recipe of parts that no longer exist."""
        try:
            read: Any = json.loads(text)
            parts = tuple(_BY_NAME[name] for name in read["parts"])
            spans = {str(name): Span(float(start), float(end)) for name, (start, end) in read["constants"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        recipe = cls.of(parts, spans)
        return recipe if sound(parts) and recipe.constants == spans else None


def sound(parts: tuple[Part, ...]) -> bool:
    """Whether the parts make a controller, none of them idle."""
    names = {part.name for part in parts}
    if len(names) != len(parts):
        return False
    for family in Family:
        n_parts = sum(part.family is family for part in parts)
        if n_parts > OPTIONAL[family] if family in OPTIONAL else n_parts != 1:
            return False
    if "complete" in names:
        return not names & _IDLE_WITH_COMPLETE and all(part.family is not Family.DROPPING for part in parts)
    return True
