"""The dialect: what it takes, what it refuses, and in which words."""

import pytest

from replay.baselines import baseline_source
from sandbox.compiler import RejectedSourceError, compile_controller
from sandbox.dialect import describe_dialect
from sandbox.namespace import BUILTINS, CONTRACT, MODULES, Language
from sandbox.rules import MAX_NODES, MAX_SOURCE_CHARACTERS, SPECIAL_METHODS

SKELETON = """\
def schedule(beta):
    return {"width": 4}


def control(episode, p):
    return None
"""


def refusal(source: str, *, alone: bool = False) -> str:
    """The words with which a source is refused; empty if it is taken."""
    try:
        compile_controller(source if alone else f"{source}\n{SKELETON}")
    except RejectedSourceError as error:
        return str(error)
    return ""


NATURAL = {
    "annotated assignment": "x: int = 3",
    "private attribute": "class A:\n    def __init__(self):\n        self._x = 1\n        self._x += 1",
    "item increment": "d = {}\nd['a'] = 1\nd['a'] += 1",
    "data class": "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass A:\n    x: int\n"
    "    y: list = field(default_factory=list)",
    "f-string": "x = 3\ny = f'{x:>{x}} {x!r}'",
    "nonlocal": "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g",
    "match on values": "def f(x):\n    match x:\n        case 1 | 2:\n            return 3\n        case [a, *b]:\n"
    "            return a\n        case {'k': v, **rest}:\n            return v\n"
    "        case _:\n            return None",
    "super": "class A:\n    def __init__(self):\n        pass\n"
    "class B(A):\n    def __init__(self):\n        super().__init__()",
    "super of a special method": "class A(dict):\n    def __getitem__(self, k):\n"
    "        return super().__getitem__(k) if k in self else 0",
    "slots": "class A:\n    __slots__ = ('x', '_y')",
    "type name": "def f(x):\n    return type(x).__name__",
    "main guard": "if __name__ == '__main__':\n    pass",
    "format call": "x = '{:.2f}'.format(1.5)",
    "bare except": "try:\n    x = 1\nexcept:\n    x = 2",
    "finally with a loop": "try:\n    x = 1\nfinally:\n    for i in range(3):\n        if i:\n            break",
    "future annotations": "from __future__ import annotations\nimport collections.abc\nfrom typing import Optional",
    "walrus, stars and generators": "def f(*a, k=1, **o):\n    yield from (y for x in a if (y := x))",
    "contract names": "def f(x):\n    return majority(x), tally(x), confidence(1), EpisodeError",
    "numbers with exponent operator": "x = 2 ** 3 @ 1 if False else 3 // 2",
}


@pytest.mark.parametrize("name", NATURAL)
def test_natural_python_is_taken(name: str) -> None:
    source = NATURAL[name]
    head, _, rest = source.partition("\n") if source.startswith("from __future__") else ("", "", source)
    assert refusal(f"{head}\n{rest}") == ""


@pytest.mark.parametrize("name", ["sc", "asc", "esc", "cmc", "parallel_probe", "short_m_k", "adaptive_short"])
def test_every_baseline_is_of_the_dialect(name: str) -> None:
    assert compile_controller(baseline_source(name))


REFUSED = {
    "import os": 'line 1: the module "os" is not available; there are abc, bisect, collections',
    "import random": 'the module "random" is not available',
    "import time": 'the module "time" is not available',
    "from math import nothing": '"nothing" of math is not available; there are acos',
    "from operator import attrgetter": '"attrgetter" of operator is not available',
    "from functools import update_wrapper": '"update_wrapper" of functools is not available',
    "from math import *": '"*" of math is not available',
    "from . import x": 'the module "." is not available',
    "import math.x": 'the module "math.x" is not available',
    "x = (1).__class__": 'the attribute "__class__" is not allowed; write type(x)',
    "class A:\n    def f(self):\n        return super().__class__": 'the attribute "__class__" is not allowed',
    "class A:\n    def f(self):\n        return super().__reduce__": 'the attribute "__reduce__" is not allowed',
    "x = [].__len__()": 'the attribute "__len__" is not allowed',
    "def f(e):\n    return e._ReplayedEpisode__rows": 'line 2: the attribute "_ReplayedEpisode__rows" is not allowed',
    "class A:\n    def f(self):\n        return self.__x": 'the attribute "__x" is not allowed',
    "def f(e):\n    e.a__b = 1": 'the attribute "a__b" is not allowed',
    "def f(g):\n    return g.gi_frame": 'the attribute "gi_frame" is not allowed',
    "def f(e):\n    return e.with_traceback": 'the attribute "with_traceback" is not allowed',
    "x = open('f')": 'the name "open" is not defined, or not available here',
    "x = eval('1')": 'the name "eval" is not defined',
    "x = __import__('os')": 'the name "__import__" is not allowed: names may not start with two underscores',
    "x = __builtins__": 'the name "__builtins__" is not allowed',
    "__x = 1": "names may not start with two underscores",
    "x_ = 1\n_x_ = 1": 'the name "_x_" is reserved',
    "f = str.format": "format is only allowed as a call",
    "s = super": "super is only allowed as super()",
    "x = type('A', (), {})": "type takes exactly one argument here",
    "class A(metaclass=int):\n    pass": "class keywords such as metaclass=... are not allowed",
    "class A:\n    def __del__(self):\n        pass": 'the special method "__del__" is not allowed',
    "class A:\n    def __getattr__(self, n):\n        pass": 'the special method "__getattr__" is not allowed',
    "class A:\n    __slots__ = ('__del__',)": 'the attribute "__del__" is not allowed',
    "class A:\n    __slots__ = tuple('ab')": "__slots__ must be a literal tuple of names",
    "class A:\n    __slots__ = ()\n    __slots__ += ('__del__',)": 'the name "__slots__" is not allowed',
    "class A:\n    for __slots__ in [['__del__']]:\n        pass": 'the name "__slots__" is not allowed',
    "class A:\n    __slots__, x = ('__del__',), 1": 'the name "__slots__" is not allowed',
    "class A:\n    __match_args__ = ('a',)": 'the name "__match_args__" is not allowed',
    "from typing import List\nclass A(NamedTuple):\n    x: int": "NamedTuple classes are not allowed; use @dataclass",
    "try:\n    x = 1\nexcept BaseException:\n    x = 2": "it would catch the time limit, write except Exception",
    "try:\n    x = 1\nexcept* ValueError:\n    x = 2": "except* is not allowed; write except",
    "def f():\n    try:\n        x = 1\n    finally:\n        return 2": "may not leave a finally",
    "for i in range(3):\n    try:\n        x = 1\n    finally:\n        continue": "may not leave a finally",
    "def f():\n    try:\n        x = 1\n    finally:\n        yield 2": "may not leave a finally",
    "def f(x):\n    match x:\n        case int(real=r):\n            return r": "class patterns are not allowed",
    "with x:\n    pass": "with is not allowed; nothing here needs closing",
    "async def f():\n    pass": "async functions are not allowed; write a plain function",
    "x = 1\ny = undefined_name": 'line 2: the name "undefined_name" is not defined, or not available here',
    "x = (": "line 1: syntax error: '(' was never closed",
    "```python": 'send plain Python without "```" fences',
    "x = '\u202e'": "line 1: the invisible character U+202E is not allowed; delete it",
    "x = '\x00'": "line 1: the invisible character U+0000 is not allowed; delete it",
    "x = '\ud800'": "half a character",
    "@dataclass(weird=True)\nclass A:\n    pass\nfrom dataclasses import dataclass": "@dataclass takes",
    "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\n    y: int": "default follows one",
}


@pytest.mark.parametrize("source", REFUSED)
def test_everything_else_is_refused_with_a_line_and_a_sentence(source: str) -> None:
    assert REFUSED[source] in refusal(source)


def test_missing_functions_are_named_with_their_form() -> None:
    message = refusal("x = 1", alone=True)
    assert "the function schedule(beta) is missing; define it at the top level" in message
    assert "the function control(episode, p) is missing; define it at the top level" in message


def test_a_function_inside_another_does_not_count_as_defined() -> None:
    assert "control(episode, p) is missing" in refusal(
        "def schedule(beta):\n    def control(episode, p):\n        pass\n    return {}", alone=True
    )


def test_all_refusals_come_at_once() -> None:
    lines = refusal("import os\nimport sys\nx = open('f')").splitlines()
    assert [line.split(":")[0] for line in lines] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * (MAX_SOURCE_CHARACTERS // 6 + 1),
        "x = [" + "0," * (MAX_NODES // 2 * 2 + 1) + "]",
        "x = " + "-" * 400 + "1",
        "(" * 5_000,
        "x = " + "+".join(["1"] * 5_000),
        "x = " + "[" * 150 + "]" * 150,
        "x" + ".a" * 20_000,
    ],
)
def test_huge_and_deep_sources_are_refused(source: str) -> None:
    assert refusal(source)


def test_the_description_names_everything_that_can_be_had() -> None:
    text = describe_dialect()
    for name in (
        *BUILTINS,
        *CONTRACT,
        *MODULES,
        *SPECIAL_METHODS,
        *(m for members in MODULES.values() for m in members),
    ):
        assert name in text, name
    assert not any(ord(character) > 127 for character in text)


def test_data_classes_behave_like_those_of_the_standard_library() -> None:
    source = """
from dataclasses import dataclass, field

@dataclass(order=True)
class Base:
    x: int
    y: list = field(default_factory=list)
    n: int = field(default=0, init=False)

@dataclass(frozen=True)
class Derived(Base):
    z: float = 2.5

    def __post_init__(self):
        self.n = self.x * 2

@dataclass(kw_only=True)
class Keywords:
    a: int = 1
    b: int

shown = [repr(Base(1)), repr(Derived(3, [4])), Derived(3).n, Base(1) < Base(2), Base(1) == Base(1)]
shown.append(Base(1) == Derived(1))
shown.append(repr(Keywords(b=2)))
shown.append(hash(Derived(1, (2,))) == hash(Derived(1, (2,))))
Base(1).y.append(1)
shown.append(Base(1).y)
"""
    namespace = Language().fresh()
    exec(compile_controller(source + SKELETON), namespace)
    assert namespace["shown"] == [
        "Base(x=1, y=[], n=0)",
        "Derived(x=3, y=[4], n=6, z=2.5)",
        6,
        True,
        True,
        False,
        "Keywords(a=1, b=2)",
        True,
        [],
    ]


def test_annotations_are_never_evaluated() -> None:
    source = "x: undefined() = 3\ndef f(a: undefined()) -> undefined():\n    y: undefined()\n    return a\n"
    namespace = Language().fresh()
    exec(compile_controller(source + SKELETON), namespace)
    assert namespace["x"] == 3


@pytest.mark.parametrize("target", ["episode.advance", "math.sqrt", "Counter.update", "p.width", "majority.memo"])
@pytest.mark.parametrize(
    "statement",
    [
        "{} = 1",
        "del {}",
        "{} += 1",
        "for {} in [1]:\n        pass",
        "[0 for {} in [1]]",
        "a, {} = 1, 2",
        "({}, b) = 1, 2",
    ],
)
def test_attributes_of_shared_objects_can_not_be_stored(target: str, statement: str) -> None:
    source = f"import math\nfrom collections import Counter\ndef f(episode, p):\n    {statement.format(target)}\n"
    namespace = Language().fresh()
    exec(compile_controller(source + SKELETON), namespace)
    with pytest.raises((TypeError, AttributeError)):
        namespace["f"](object(), object())


def test_attributes_of_own_objects_and_classes_can_be_stored() -> None:
    namespace = Language().fresh()
    source = "class A:\n    pass\ndef f(x):\n    x.b = 1\n    x.b += 1\n    return x.b\nn = f(A())\nA.c = 3\n"
    exec(compile_controller(source + SKELETON), namespace)
    assert namespace["n"] == 2
