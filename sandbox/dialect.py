"""The dialect in words, made from the tables that enforce it: for the explorer's prompt and the documentation."""

from sandbox.dataclass_expansion import OPTIONS
from sandbox.namespace import BUILTINS, CONTRACT, MODULES
from sandbox.rules import (
    DENIED_ATTRIBUTES,
    DENIED_PREFIXES,
    MAX_DEPTH,
    MAX_NODES,
    MAX_SOURCE_CHARACTERS,
    SPECIAL_METHODS,
)

_TEMPLATE = """\
A controller is one Python module with the functions `schedule(beta)` and `control(episode, p)` at its top level.
It is compiled once and executed afresh for each episode: nothing that it keeps survives an episode.

Allowed: functions with any arguments, lambdas, closures, `nonlocal`, `global`, generators, comprehensions, the walrus,
f-strings, `match` (not on class patterns), `try`/`except`/`finally`, `assert`, `raise`, classes with inheritance,
properties, static and class methods, `super().name(...)`, annotations (dropped, never evaluated), `@dataclass` (options
{options}).

Not allowed: `with`, `async`, `await`, `except*`, `import *`, class keywords such as `metaclass=`, leaving a `finally`
by `return`, `break`, `continue` or `yield`, NamedTuple, TypedDict, Protocol and Enum classes, `type(...)` with three
arguments. A bare `except:` means `except Exception:`. There is no clock, no randomness, no file, no network and no
input; `print` does nothing.

Modules, with all that can be had from them (`from __future__ import annotations` is allowed and does nothing):
{modules}

What `typing` and `collections.abc` offer is for annotations only: `isinstance` does not work with it.

Built-in names: {builtins}, type.

Without import: {contract}.

Names: no variable may start with two underscores. No attribute may contain two underscores in a row, but for
`type(x).__name__`, `__name__`, a literal `__slots__`, and these special methods, which own classes may define and call
by `super()`: {methods}.
Refused as attributes are also {attributes} and what starts with {prefixes}.
Attributes can be assigned on objects of the module's own classes alone. `format` as a method works on text only and
without attribute or item access in its fields.

A source has at most {characters} characters, {nodes} syntax nodes, nested {depth} deep.
"""


def describe_dialect() -> str:
    """What a controller may be written in; Markdown, complete."""
    modules = (f"- {name}: {', '.join(sorted(members))}" for name, members in sorted(MODULES.items()))
    return _TEMPLATE.format(
        options=", ".join(sorted(OPTIONS)),
        modules="\n".join(modules),
        builtins=", ".join(sorted(BUILTINS)),
        contract=", ".join(CONTRACT),
        methods=", ".join(sorted(SPECIAL_METHODS)),
        attributes=", ".join(sorted(DENIED_ATTRIBUTES)),
        prefixes=", ".join(DENIED_PREFIXES),
        characters=MAX_SOURCE_CHARACTERS,
        nodes=MAX_NODES,
        depth=MAX_DEPTH,
    )
