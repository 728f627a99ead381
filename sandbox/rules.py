"""Which names and sources the dialect lets through: the tables behind the policy, the namespace and the documentation.

Nothing here walks a syntax tree; see `sandbox.policy` for that.
"""

import re

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

MAX_SOURCE_CHARACTERS = 64 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 150

SPECIAL_METHODS = frozenset(
    "__init__ __post_init__ __repr__ __str__ __len__ __iter__ __next__ __contains__ __getitem__ __setitem__ "
    "__delitem__ __call__ __bool__ __hash__ __lt__ __le__ __eq__ __ne__ __gt__ __ge__ __neg__ __pos__ __abs__ "
    "__add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__ "
    "__floordiv__ __mod__ __and__ __or__ __xor__ __reversed__".split()
)
"""Special methods that a controller's class may define."""

READABLE_SPECIAL_ATTRIBUTES = frozenset({"__name__"})
"""Attributes with a double underscore that may be read, as in `type(x).__name__`."""

DENIED_ATTRIBUTES = INSPECT_ATTRIBUTES | frozenset("format_map mro with_traceback add_note obj fget fset fdel".split())
"""Attributes that lead from an object to frames, code, other objects by name, or state that outlives an episode."""

DENIED_PREFIXES = ("gi_", "cr_", "ag_", "tb_", "co_")

UNCATCHABLE = frozenset(
    "BaseException KeyboardInterrupt SystemExit GeneratorExit BaseExceptionGroup ExceptionGroup".split()
)

INJECTED = frozenset({"@user", "@type", "@guard", "@format", "@Exception"})
"""Names that the policy writes into the code. No source can spell them."""

CLASS_BODY_NAMES = SPECIAL_METHODS | frozenset(
    "__name__ __module__ __qualname__ __slots__ __classcell__ __class__ __static_attributes__ __firstlineno__ __doc__ "
    "__classdictcell__".split()
)
"""Names with a double underscore that a compiled module or class body may use."""

_RESERVED = re.compile(r"^_.+_$|^_tmp\d*$|^_print$|@")
_INVISIBLE = re.compile("[\u0000\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def name_refusal(name: str) -> str:
    """Why a variable may not have this name; empty if it may."""
    if name.startswith("__"):
        return f'the name "{name}" is not allowed: names may not start with two underscores'
    if name in INSPECT_ATTRIBUTES or _RESERVED.search(name):
        return f'the name "{name}" is reserved; choose another'
    return ""


def attribute_refusal(name: str) -> str:
    """Why an attribute of this name may not be used; empty if it may."""
    if name == "__class__":
        return 'the attribute "__class__" is not allowed; write type(x), which also has a __name__'
    if "__" in name:
        return f'the attribute "{name}" is not allowed: attribute names may not contain two underscores in a row'
    if name in DENIED_ATTRIBUTES or name.startswith(DENIED_PREFIXES) or _RESERVED.search(name):
        return f'the attribute "{name}" is not allowed; an attribute of your own needs another name'
    return ""


def source_refusal(source: str) -> str:
    """What is wrong with a source before it is parsed; empty if nothing is."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return f"the source has {len(source)} characters; at most {MAX_SOURCE_CHARACTERS} are allowed"
    invisible = _INVISIBLE.search(source)
    if invisible:
        line = source.count("\n", 0, invisible.start()) + 1
        return f"line {line}: the invisible character U+{ord(invisible.group()):04X} is not allowed; delete it"
    if any("\ud800" <= character <= "\udfff" for character in source):
        return "the source holds half a character (a lone surrogate); delete it"
    return ""
