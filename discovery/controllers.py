"""Finds a controller by the name a person gives it: a baseline, a file, or a candidate of the archive.

`NAME` is a whole curve over the betas; `NAME@0.5` is one beta of it; `NAME(key=value, ...)` replaces values of
`schedule(1.0)`.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replay.baselines import NAMES, baseline_source
from replay.errors import ControllerNameError
from replay.scoring import BETAS

Value = int | float | bool | str

_FORM = re.compile(r"^(?P<stem>.*?)(?:@(?P<beta>[^@()/]*)|\((?P<values>.*)\))?$", re.DOTALL)
_BETA = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class NamedController:
    """A controller and the betas at which it is meant.

    Attributes:
        name: As it is shown.
        source: Its source.
        betas: Ascending.
        overrides: Values that replace those of `schedule`.
    """

    name: str
    source: str
    betas: tuple[float, ...] = BETAS
    overrides: Mapping[str, Value] = field(default_factory=dict)


def find_controller(text: str, candidate_source: Callable[[str], str | None]) -> NamedController:
    """Resolves a controller's name.

    Args:
        text: What the person typed.
        candidate_source: Gives the source of an archived candidate, or None if there is none of that name.

    Raises:
        ControllerNameError: If nothing answers to the name, or its form is wrong.
    """
    if text not in NAMES and _is_file(text):
        return NamedController(Path(text).name, _read(Path(text)))
    form = _FORM.match(text)
    assert form is not None, "the form has a stem at least"
    stem = form["stem"].strip()
    source = _source(stem, candidate_source)
    if source is None:
        raise _unknown(text)
    shown = Path(stem).name
    if form["beta"] is not None:
        beta = _beta(form["beta"], text)
        return NamedController(f"{shown}@{beta:g}", source, (beta,))
    if form["values"] is not None:
        values = _values(form["values"], text)
        listed = ", ".join(f"{key}={value}" for key, value in values.items())
        return NamedController(f"{shown}({listed})", source, (1.0,), values)
    return NamedController(shown, source)


def _source(stem: str, candidate_source: Callable[[str], str | None]) -> str | None:
    if stem in NAMES:
        return baseline_source(stem)
    if _is_file(stem):
        return _read(Path(stem))
    return candidate_source(stem) if stem else None


def _is_file(text: str) -> bool:
    """Whether there is a file of this name; false for what can't be a name at all."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ControllerNameError(f"{path} can't be read as a controller: {error}") from error


def _unknown(stem: str) -> ControllerNameError:
    return ControllerNameError(
        f"no controller is called {stem!r}",
        hint=f"give a baseline ({', '.join(NAMES)}), a .py file, or a candidate's number from: autotts archive front",
    )


def _beta(text: str, whole: str) -> float:
    beta = float(text) if _BETA.match(text) else -1.0
    if not 0 <= beta <= 1:
        raise ControllerNameError(f"{whole}: beta is {text!r}; it is a number from 0 to 1", hint="for example: cmc@0.5")
    return beta


def _values(text: str, whole: str) -> dict[str, Value]:
    hint = "for example: 'sc(n=16)'"
    values: dict[str, Value] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, literal = (piece.strip() for piece in part.partition("="))
        if not equals or not key.isidentifier():
            raise ControllerNameError(f"{whole}: expected key=value, found {part!r}", hint=hint)
        if key in values:
            raise ControllerNameError(f"{whole}: {key} is given twice", hint=hint)
        values[key] = value = parse_value(literal)
        if not literal or (isinstance(value, float) and not math.isfinite(value)):
            raise ControllerNameError(f"{whole}: {key} is {literal!r}; it must be a finite value", hint=hint)
    return values


def parse_value(text: str) -> Value:
    """A whole number, a number, True or False; a word as it is, or what stands in quotes."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
