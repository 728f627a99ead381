"""New recipes: drawn afresh, changed in one place, or crossed from two.

Each comes with a sentence that says what is new about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from discovery.grammar.parts import OPTIONAL, TAKEN, Family, Part
from discovery.grammar.recipe import Recipe, of_family, sound

CONSTANT_SHARE = 0.6
"""Share of the changes that move a constant; the others exchange a part."""

ATTEMPTS = 64
"""Draws after which a change that makes no sound controller is given up."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe and what is new about it.

    Attributes:
        recipe: The recipe.
        change: Completes the sentence "the parent, ..."; for a fresh one, says what it is made of.
    """

    recipe: Recipe
    change: str


def compose(rng: np.random.Generator) -> Variant:
    """Draws one part of each family, and a few of the optional ones."""
    while True:
        parts: list[Part] = []
        for family in Family:
            n_parts = int(rng.binomial(OPTIONAL[family], TAKEN[family])) if family in OPTIONAL else 1
            parts += _draw(of_family(family), n_parts, rng)
        if sound(tuple(parts)):
            recipe = Recipe.of(tuple(parts), {})
            return Variant(recipe, ", ".join(part.name for part in recipe.parts))


def mutate(recipe: Recipe, attention: Mapping[Family, float], rng: np.random.Generator) -> Variant:
    """Moves a constant or exchanges a part.

    Args:
        recipe: Where it starts.
        attention: How likely a change is to be in each family, relative to the others.
        rng: Source of all choices.
    """
    for _ in range(ATTEMPTS):
        change = _move_constant if rng.random() < CONSTANT_SHARE else _exchange_part
        variant = change(recipe, attention, rng)
        if variant is not None:
            return variant
    return compose(rng)


def cross(recipe: Recipe, other: Recipe, rng: np.random.Generator) -> Variant | None:
    """Takes some families' parts, with their constants, from another recipe; None if nothing new comes of it."""
    for _ in range(ATTEMPTS):
        families = [family for family in Family if rng.random() < 0.4]
        taken = [part for family in families for part in other.parts_of(family)]
        kept = [part for part in recipe.parts if part.family not in families]
        if not sound((*kept, *taken)):
            continue
        their = {constant.name: span for part in taken for constant, span in other.constants_of(part)}
        child = Recipe.of((*kept, *taken), {**recipe.constants, **their})
        if child not in (recipe, other):
            return Variant(child, "with the other's " + _listed([family.value for family in families]))
    return None


def _draw(parts: Sequence[Part], n_parts: int, rng: np.random.Generator) -> list[Part]:
    """Different parts, each as likely as its weight says."""
    weights = np.array([part.weight for part in parts])
    chosen = rng.choice(len(parts), size=n_parts, replace=False, p=weights / weights.sum())
    return [parts[index] for index in chosen]


def _move_constant(recipe: Recipe, attention: Mapping[Family, float], rng: np.random.Generator) -> Variant | None:
    """Moves one constant of the family that gets the attention, now and then two."""
    family = _attended(attention, rng)
    constants = [pair for part in recipe.parts_of(family) for pair in recipe.constants_of(part)]
    if not constants:
        return None
    n_moved = min(len(constants), 1 + int(rng.random() < 0.25))
    moved = {}
    for index in sorted(rng.choice(len(constants), size=n_moved, replace=False)):
        constant, span = constants[index]
        moved[constant.name] = constant.moved(span, rng)
    child = Recipe.of(recipe.parts, {**recipe.constants, **moved})
    if child == recipe:
        return None
    words = [f"{name} {_words(span.start, span.end)}" for name, span in moved.items()]
    return Variant(child, "with " + _listed(words))


def _exchange_part(recipe: Recipe, attention: Mapping[Family, float], rng: np.random.Generator) -> Variant | None:
    """Exchanges a part of the family that gets the attention; of optional families, may also add or leave out one."""
    family = _attended(attention, rng)
    present = recipe.parts_of(family)
    absent = [part for part in of_family(family) if part not in present]
    leaves = [present[int(rng.integers(len(present)))]] if present else []
    joins = _draw(absent, 1, rng) if absent else []
    if family in OPTIONAL and leaves:
        choice = rng.random()
        if choice < 0.4 and len(present) < OPTIONAL[family]:
            leaves = []
        elif choice < 0.7:
            joins = []
    parts = (*(part for part in recipe.parts if part not in leaves), *joins)
    if parts == recipe.parts or not sound(parts):
        return None
    words = [f"{family.value} {part.name!r}" for part in joins] or ["nothing"]
    instead = f" in place of {leaves[0].name!r}" if leaves else " too"
    return Variant(Recipe.of(parts, recipe.constants), f"with {words[0]}{instead}")


def _attended(attention: Mapping[Family, float], rng: np.random.Generator) -> Family:
    families = list(attention)
    weights = np.array([attention[family] for family in families])
    return families[int(rng.choice(len(families), p=weights / weights.sum()))]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _words(start: float, end: float) -> str:
    return f"{start:g}" if start == end else f"from {start:g} to {end:g}"
