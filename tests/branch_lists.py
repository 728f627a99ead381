"""Legal and illegal arguments of an episode's calls, with five branches open."""

from collections import OrderedDict
from typing import Any


class Overloud:
    """An object whose text must never be asked for."""

    def __repr__(self) -> str:
        return "SECRET"

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        return iter([0])

    def __index__(self) -> int:
        return 0


class OverloudInt(int):
    """An int that is not exact."""

    def __repr__(self) -> str:
        return "SECRET"

    __str__ = __repr__


class OverloudList(list[int]):
    """A list that is not exact."""

    def __repr__(self) -> str:
        return "SECRET"


NOT_A_BRANCH_LIST: dict[str, Any] = {
    "bare int": 0,
    "bool": True,
    "none": None,
    "str": "01",
    "empty str": "",
    "bytes": b"\x00",
    "dict": {0: 1},
    "dict items": {0: 1}.items(),
    "generator": (branch for branch in [0]),
    "iterator": iter([0]),
    "subclass of list": OverloudList([0]),
    "own object": Overloud(),
    "id as str": ["0"],
    "id as bool": [False],
    "id as float": [0.0],
    "id as none": [None],
    "id as subclass of int": [OverloudInt(0)],
    "id as own object": [Overloud()],
    "nested": [[0]],
    "legal id, then bool": [0, True],
    "twice": [0, 0],
    "twice, apart": (0, 1, 0),
    "twice, as values": {"a": 0, "b": 0}.values(),
    "negative": [-1],
    "never opened": [5],
    "legal id, then never opened": [0, 5],
    "far beyond": [10**5000],
    "far below": {-(10**5000)},
    "range from a negative": range(-1, 2),
    "range downwards past 0": range(2, -2, -1),
    "range beyond": range(6),
    "endless range": range(10**18),
    "range of no known length": range(10**40),
}

NOT_AN_ID: dict[str, Any] = {
    "list": [0],
    "str": "0",
    "bool": False,
    "float": 0.0,
    "none": None,
    "subclass of int": OverloudInt(0),
    "own object": Overloud(),
    "negative": -1,
    "never opened": 5,
    "far beyond": 10**5000,
}

NOT_A_COUNT: dict[str, Any] = {
    "negative": -1,
    "bool": True,
    "float": 1.0,
    "str": "1",
    "none": None,
    "list": [1],
    "subclass of int": OverloudInt(1),
    "own object": Overloud(),
}

LEGAL_LISTS: dict[str, Any] = {
    "list": [0, 1],
    "tuple": (0, 1),
    "set": {0, 1},
    "frozenset": frozenset({0, 1}),
    "range": range(2),
    "range with a step": range(0, 2, 1),
    "keys": {0: "a", 1: "b"}.keys(),
    "values": {"a": 0, "b": 1}.values(),
    "ordered keys": OrderedDict({0: "a", 1: "b"}).keys(),
    "ordered values": OrderedDict({"a": 0, "b": 1}).values(),
}
