"""What a controller can reach: built-ins and modules, member by member, and the objects that stand in for some.

Every shared object here is either unchangeable or guarded by the policy's check of attribute stores. Nothing looks an
attribute up by a name made at run time, but for `getattr`, which repeats the policy's rules.
"""

import bisect
import builtins
import collections
import functools
import heapq
import itertools
import math
import operator
import statistics
from _string import formatter_parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from replay import votes
from replay.errors import EpisodeError
from sandbox.rules import attribute_refusal

Namespace = dict[str, Any]


class Inert:
    """Stands in for a name of `typing` or `collections.abc`: can be subscripted and called, and does nothing."""

    __slots__ = ()

    def __getitem__(self, item: object) -> "Inert":
        return self

    def __call__(self, *args: object, **keywords: object) -> object:
        """`cast(T, x)` is x, `TypeVar("T")` something to put into annotations."""
        return args[-1] if args else self

    def __or__(self, other: object) -> "Inert":
        return self

    __ror__ = __or__


class Module:
    """A module's allowed members, read-only."""

    def __init__(self, members: Mapping[str, object]) -> None:
        self.__dict__.update(members)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError("modules are read-only")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError("modules are read-only")


class Parameters:
    """The values of a schedule as attributes, read-only: the `p` of `control(episode, p)`."""

    def __init__(self, values: Mapping[str, int | float | bool | str]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError("p is read-only; keep what changes in a variable of your own")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError("p is read-only")


def checked_getattr(subject: object, name: str, *default: object) -> object:
    """`getattr` under the policy's rules for attribute names."""
    if type(name) is not str:
        raise TypeError("getattr takes the attribute's name as a str")
    refusal = "format is only available as a call" if name == "format" else attribute_refusal(name)
    if refusal:
        raise AttributeError(refusal)
    return getattr(subject, name, *default)


def checked_hasattr(subject: object, name: str) -> bool:
    """`hasattr` under the policy's rules for attribute names."""
    try:
        checked_getattr(subject, name)
    except AttributeError:
        return False
    return True


def checked_format(template: object, *args: object, **keywords: object) -> str:
    """`template.format(...)` for an exact str without attribute or item access in its fields."""
    if type(template) is not str:
        raise TypeError("format(...) as a method is only available on a str")
    _check_fields(template)
    return template.format(*args, **keywords)


def _check_fields(template: str, nested: bool = False) -> None:
    for _, name, specification, _ in formatter_parser(template):
        if name is not None and ("." in name or "[" in name):
            raise ValueError("a format string may not look up attributes or items; pass the values themselves")
        if specification and "{" in specification:
            if nested:
                raise ValueError("a format specification is nested too deeply")
            _check_fields(specification, nested=True)


def named_tuple(
    typename: str, field_names: Iterable[str], *, rename: bool = False, defaults: tuple[object, ...] | None = None
) -> type:
    """`collections.namedtuple` of exact str names.

    The names are copied: whether a string is the one of an earlier episode must not show.
    """
    names = field_names.replace(",", " ").split() if isinstance(field_names, str) else list(field_names)
    if type(typename) is not str or any(type(name) is not str for name in names):
        raise TypeError("namedtuple takes its name and its field names as str")
    if any(attribute_refusal(name) for name in names):
        raise ValueError("namedtuple: a field name that is not allowed for attributes")
    copies = [name.encode().decode() for name in names]
    return collections.namedtuple(
        typename.encode().decode(), copies, rename=bool(rename), defaults=defaults, module="controller"
    )


def _ignore_print(*args: object, **keywords: object) -> None:
    """`print` does nothing: nobody would read it."""


def _abstract(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _members(module: object, names: str) -> Namespace:
    return {name: getattr(module, name) for name in names.split()}


_INERT = Inert()

_FUNCTIONS = (
    "abs all any bin bool bytes callable chr classmethod complex dict divmod enumerate filter float format frozenset "
    "hash hex int isinstance issubclass iter len list map max min next object oct ord pow property range repr "
    "reversed round set slice sorted staticmethod str sum tuple zip ascii"
)
_EXCEPTIONS = (
    "ArithmeticError AssertionError AttributeError Exception FloatingPointError ImportError IndexError KeyError "
    "LookupError MemoryError NameError NotImplementedError OverflowError RecursionError RuntimeError StopIteration "
    "TypeError UnboundLocalError ValueError Warning ZeroDivisionError"
)

BUILTINS: Namespace = {
    **_members(builtins, f"{_FUNCTIONS} {_EXCEPTIONS}"),
    "Ellipsis": Ellipsis,
    "NotImplemented": NotImplemented,
    "getattr": checked_getattr,
    "hasattr": checked_hasattr,
    "print": _ignore_print,
    "super": super,
}
"""The built-ins, without `type`, `__import__` and `__build_class__`, which know the classes of a module."""

CONTRACT: Namespace = {
    "majority": votes.counted_majority,
    "tally": votes.counted_tally,
    "confidence": votes.remembered_confidence,
    "EpisodeError": EpisodeError,
}
"""What the controller contract puts into a module under bare names."""

_ABSTRACT_TYPES = (
    "Callable Collection Container Generator Hashable Iterable Iterator Mapping MutableMapping MutableSequence "
    "MutableSet Reversible Sequence Set Sized"
)
_TYPING = (
    f"{_ABSTRACT_TYPES} AbstractSet Any ClassVar Counter DefaultDict Deque Dict Final FrozenSet List Literal NoReturn "
    "Optional OrderedDict Self Tuple Type TypeAlias TypeVar Union cast"
)
_ABSTRACT = dict.fromkeys(_ABSTRACT_TYPES.split(), _INERT)

MODULES: dict[str, Namespace] = {
    "math": _members(
        math,
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp "
        "exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan "
        "isqrt lcm ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder "
        "sin sinh sqrt tan tanh tau trunc ulp",
    ),
    "collections": {
        **_members(collections, "Counter OrderedDict defaultdict deque"),
        "namedtuple": named_tuple,
        "abc": Module(_ABSTRACT),
    },
    "collections.abc": _ABSTRACT,
    "heapq": _members(heapq, "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest"),
    "itertools": _members(
        itertools,
        "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse "
        "groupby islice pairwise permutations product repeat starmap takewhile zip_longest",
    ),
    "functools": _members(functools, "cache cmp_to_key lru_cache partial reduce"),
    "bisect": _members(bisect, "bisect bisect_left bisect_right insort insort_left insort_right"),
    "operator": _members(
        operator,
        "abs add and_ contains countOf eq floordiv ge getitem gt indexOf itemgetter le lt mod mul ne neg not_ or_ pos "
        "pow sub truediv truth xor",
    ),
    "statistics": _members(
        statistics,
        "StatisticsError fmean geometric_mean harmonic_mean mean median median_high median_low mode multimode pstdev "
        "pvariance quantiles stdev variance",
    ),
    "typing": {**dict.fromkeys(_TYPING.split(), _INERT), "Generic": object, "TYPE_CHECKING": False},
    "dataclasses": {"dataclass": _INERT, "field": _INERT},
    "abc": {"ABC": object, "abstractmethod": _abstract},
}
"""Module -> what can be had from it. `@dataclass` is expanded by the compiler, so its members are never called."""

BUILTIN_NAMES = frozenset(BUILTINS) | CONTRACT.keys() | {"type", "__name__"}

_READ_ONLY = {name: Module(members) for name, members in MODULES.items()}

_PLAIN_TYPES = frozenset(
    {int, float, complex, str, bytes, bool, type(None), list, tuple, dict, set, frozenset, range, slice}
    | {collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque}
)


class Language:
    """Makes the fresh namespaces that a job's episodes run in, and knows the classes that the running one defined."""

    def __init__(self) -> None:
        self._user_classes: set[type] = set()
        self._globals: Namespace = {
            "__name__": "controller",
            "@user": self._user_classes,
            "@type": type,
            "@guard": self._guard,
            "@format": checked_format,
            "@Exception": Exception,
            "__builtins__": {
                **BUILTINS,
                **CONTRACT,
                "type": self._type_of,
                "__import__": self._import,
                "__build_class__": self._build_class,
            },
        }

    def fresh(self) -> Namespace:
        """A namespace for one execution of a module; the classes of the one before become foreign."""
        self._user_classes.clear()
        return self._globals.copy()

    def _build_class(self, body: Any, name: str, *bases: Any) -> type:
        made: type = builtins.__build_class__(body, name, *bases)
        self._user_classes.add(made)
        return made

    def _guard(self, subject: object) -> object:
        """Lets an attribute be stored on the controller's own classes; on their instances the code checks itself."""
        kind = type(subject)
        if kind in self._user_classes or (kind is type and subject in self._user_classes):
            return subject
        raise TypeError("attributes can only be assigned on objects of your own classes")

    def _type_of(self, subject: object) -> type:
        """The type of data, of an own object or of an exception; never `type` itself, which could make classes."""
        kind = type(subject)
        if kind in _PLAIN_TYPES or kind in self._user_classes or issubclass(kind, Exception):
            return kind
        raise TypeError("type(x) works for numbers, text, containers, exceptions and objects of your own classes")

    def _import(
        self,
        name: str,
        namespace: object = None,
        locals_: object = None,
        members: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> Module:
        if name == "collections.abc" and not members:
            return _READ_ONLY["collections"]
        if name not in _READ_ONLY:
            raise ImportError("this module is not available")
        return _READ_ONLY[name]
