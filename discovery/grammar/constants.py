"""Constants of a part as smooth functions of beta: from a start at beta 0 to an end at beta 1.

Two numbers a constant, one where it does not depend on beta; nothing here knows what a constant is for.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

FACTOR_SPREAD = 0.3
"""Standard deviation of the log of the factor that a mutation applies."""


class Course(StrEnum):
    """How a constant goes from its start to its end."""

    LINEAR = "linear"
    GEOMETRIC = "geometric"


@dataclass(frozen=True, slots=True)
class Span:
    """The values of a constant: at beta 0 and at beta 1; equal where it does not depend on beta."""

    start: float
    end: float

    @property
    def flat(self) -> bool:
        """Whether it is the same at every beta."""
        return self.start == self.end


@dataclass(frozen=True, slots=True)
class Constant:
    """A hyper-parameter of a part.

    Attributes:
        name: Key in `schedule`.
        default: Where a fresh composition begins.
        least: Smallest value that makes sense.
        most: Largest one.
        course: How it goes from start to end.
        whole: Whether it is a count.
    """

    name: str
    default: Span
    least: float
    most: float
    course: Course = Course.LINEAR
    whole: bool = False

    def tidy(self, value: float) -> float:
        """Inside the bounds, and a number that reads well: whole, or of two significant digits."""
        inside = min(max(value, self.least), self.most)
        if self.whole:
            return float(round(inside))
        digits = 1 - math.floor(math.log10(abs(inside))) if inside else 0
        return min(max(round(inside, digits), self.least), self.most)

    def span(self, start: float, end: float) -> Span:
        """A tidy span."""
        return Span(self.tidy(start), self.tidy(end))

    def admits(self, span: Span) -> bool:
        """Whether both values are finite, inside the bounds and, for a count, whole."""
        return all(
            math.isfinite(value) and self.least <= value <= self.most and (not self.whole or value == int(value))
            for value in (span.start, span.end)
        )

    def expression(self, span: Span) -> str:
        """Its value as an expression of `beta`, in source."""
        start = self._number(span.start)
        if span.flat:
            return start
        if self.course is Course.GEOMETRIC:
            return self._rounded(f"{start} * {span.end / span.start:.4g}**beta")
        sign = "+" if span.end > span.start else "-"
        return self._rounded(f"{start} {sign} {self._number(abs(span.end - span.start))} * beta")

    def moved(self, span: Span, rng: np.random.Generator) -> Span:
        """A neighbour: the start, the end or both changed by a random factor, or the slope taken away."""
        for _ in range(8):
            start, end = span.start, span.end
            choice = rng.random()
            if choice < 0.1 and not span.flat:
                start = end = self._middle(span)
            elif choice < 0.55:
                start, end = self._moved(start, rng), self._moved(end, rng)
                if choice < 0.35:
                    end = start * span.end / span.start if span.start else start
            elif choice < 0.8:
                start = self._moved(start, rng)
            else:
                end = self._moved(end, rng)
            neighbour = self.span(start, end)
            if neighbour != span:
                return neighbour
        return span

    def _moved(self, value: float, rng: np.random.Generator) -> float:
        moved = value * math.exp(rng.normal(0, FACTOR_SPREAD))
        if self.whole and round(moved) == value:
            moved = value + (1 if rng.random() < 0.5 else -1)
        return moved if value else abs(rng.normal(0, 0.1)) * self.most

    def _middle(self, span: Span) -> float:
        if self.course is Course.GEOMETRIC:
            return math.sqrt(span.start * span.end)
        return (span.start + span.end) / 2

    def _number(self, value: float) -> str:
        return str(int(value)) if self.whole else f"{value:.4g}"

    def _rounded(self, expression: str) -> str:
        return f"round({expression})" if self.whole else f"round({expression}, 4)"


def count(name: str, start: float, end: float, least: float, most: float, course: Course = Course.LINEAR) -> Constant:
    """A constant that is a count."""
    return Constant(name, Span(start, end), least, most, course, whole=True)


def level(name: str, start: float, end: float, least: float, most: float, course: Course = Course.LINEAR) -> Constant:
    """A constant that is not a count."""
    return Constant(name, Span(start, end), least, most, course)
