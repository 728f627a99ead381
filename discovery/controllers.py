"""Finds a controller by the name a person gives it: a baseline, a file, or a candidate of the archive.

`NAME` is a whole curve over the betas; `NAME@0.5` is one beta of it; `NAME(key=value, ...)` replaces values of
`schedule(1.0)`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replay.baselines import NAMES, baseline_source
from replay.errors import ControllerNameError
from replay.scoring import BETAS

Value = int | float | bool | str

_FORM = re.compile(r"^(?P<stem>.*?)(?:@(?P<beta>[0-9.]+)|\((?P<values>.*)\))?$", re.DOTALL)


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
    if Path(text).is_file():
        return NamedController(Path(text).name, _read(Path(text)))
    form = _FORM.match(text)
    if form is None:
        raise _unknown(text)
    stem = form["stem"].strip()
    source = _source(stem, candidate_source)
    if source is None:
        raise _unknown(stem)
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
    if Path(stem).is_file():
        return _read(Path(stem))
    return candidate_source(stem)


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
    try:
        beta = float(text)
    except ValueError:
        beta = -1.0
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
        values[key] = parse_value(literal)
    return values


def parse_value(text: str) -> Value:
    """A whole number, a number, True or False; a word as it is."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
