"""What a schedule may give: checked value by value, copied into plain exact types."""

import math
from collections.abc import Mapping
from keyword import iskeyword

from sandbox.job import Value
from sandbox.rules import attribute_refusal
from sandbox.wire import MAX_TEXT_CHARACTERS, MAX_VALUES

MAX_KEY_CHARACTERS = 60


class BadScheduleError(Exception):
    """A schedule gave something that it may not; the message is for the explorer."""


def copy_values(given: object) -> dict[str, Value]:
    """A schedule's values.

    Raises:
        BadScheduleError: If something in it is not allowed.
    """
    if type(given) is not dict:
        raise BadScheduleError("must return a dict of names and values")
    if len(given) > MAX_VALUES:
        raise BadScheduleError(f"returned {len(given)} values; at most {MAX_VALUES} are allowed")
    return {_checked_key(key): _checked_value(key, value) for key, value in given.items()}


def override(values: Mapping[str, Value], overrides: Mapping[str, Value]) -> dict[str, Value]:
    """A schedule's values, some of them replaced.

    Raises:
        BadScheduleError: If a key to replace is not there.
    """
    for key in overrides:
        if key not in values:
            raise BadScheduleError(f"gives no value {key!r} to replace; there are {', '.join(values) or 'none'}")
    return {**values, **overrides}


def is_key(key: str) -> bool:
    """Whether a value may have this name."""
    return (
        len(key) <= MAX_KEY_CHARACTERS
        and key.isascii()
        and key.isidentifier()
        and not key.startswith("_")
        and not iskeyword(key)
        and key != "format"
        and not attribute_refusal(key)
    )


def _checked_key(key: object) -> str:
    if type(key) is not str:
        raise BadScheduleError("returned a key that is not a str; name each value as in {'width': 8}")
    if not is_key(key):
        raise BadScheduleError(f"returned the key {key[:MAX_KEY_CHARACTERS]!r}; a key must be usable as p.key")
    return key


def _checked_value(key: str, value: object) -> Value:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is bool:
        return value
    if type(value) is str and len(value) <= MAX_TEXT_CHARACTERS and not any("\ud800" <= c <= "\udfff" for c in value):
        return value
    raise BadScheduleError(
        f"returned something for the key {key!r} that is not allowed: a value is an int of at most 64 bits, a finite "
        f"float, a bool or a str of at most {MAX_TEXT_CHARACTERS} characters"
    )
