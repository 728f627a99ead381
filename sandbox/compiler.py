"""From source to code, or to refusals that an explorer can act on.

Only a worker calls this for a candidate: parsing hostile source can exhaust an interpreter.
"""

import ast
import dis
from types import CodeType

from RestrictedPython.compile import compile_restricted_exec

from replay.errors import AutoTTSError
from sandbox.policy import ControllerPolicy
from sandbox.rules import CLASS_BODY_NAMES, INJECTED, READABLE_SPECIAL_ATTRIBUTES, source_refusal

FILE_NAME = "<controller>"
MAX_REFUSALS = 20

_KNOWN_NAMES = INJECTED | CLASS_BODY_NAMES | READABLE_SPECIAL_ATTRIBUTES
_REFUSED_OPERATIONS = frozenset(
    dis.opmap[name]
    for name in (
        "MATCH_CLASS CHECK_EG_MATCH BEFORE_WITH BEFORE_ASYNC_WITH LOAD_SPECIAL GET_AWAITABLE GET_AITER GET_ANEXT "
        "SETUP_ANNOTATIONS BUILD_TEMPLATE BUILD_INTERPOLATION IMPORT_STAR"
    ).split()
    if name in dis.opmap
)


class RejectedSourceError(AutoTTSError):
    """A source outside the dialect.

    Attributes:
        refusals: One sentence each, with the line where there is one.
    """

    def __init__(self, refusals: list[str]) -> None:
        super().__init__("\n".join(refusals[:MAX_REFUSALS]), hint="the dialect is described in docs/dialect.md")
        self.refusals = refusals


def compile_controller(source: str) -> CodeType:
    """Compiles a controller.

    Raises:
        RejectedSourceError: If the source is not of the dialect.
    """
    if refusal := source_refusal(source):
        raise RejectedSourceError([refusal])
    try:
        tree = ast.parse(source, FILE_NAME)
        result = compile_restricted_exec(tree, FILE_NAME, policy=ControllerPolicy)
    except SyntaxError as error:
        raise RejectedSourceError([_describe_syntax(error)]) from None
    except (RecursionError, MemoryError):
        raise RejectedSourceError(["the source is nested too deeply to be parsed; split it into functions"]) from None
    except ValueError as error:
        raise RejectedSourceError([f"the source can't be compiled: {error}"]) from None
    if result.errors:
        raise RejectedSourceError(sorted(set(result.errors), key=result.errors.index))
    assert result.code is not None
    _check_code(result.code)
    return result.code


def _describe_syntax(error: SyntaxError) -> str:
    text = (error.text or "").strip()[:100]
    fence = '; send plain Python without "```" fences' if text.startswith("```") else ""
    return f"line {error.lineno or 1}: syntax error: {error.msg}" + (f": {text}" if text else "") + fence


def _check_code(code: CodeType) -> None:
    """A second, independent look: names and operations of the compiled code, after mangling.

    Whatever the policy overlooked, or this version of Python added, ends here.
    """
    for name in code.co_names:
        if ("__" in name or "@" in name) and name not in _KNOWN_NAMES and not name.isidentifier():
            raise RejectedSourceError([f'the compiled code names "{name}", which is not allowed'])
        if "__" in name and name not in _KNOWN_NAMES:
            raise RejectedSourceError([f'the compiled code names "{name}": two underscores in a row are not allowed'])
    if operations := _REFUSED_OPERATIONS.intersection(code.co_code[::2]):
        raise RejectedSourceError([f"the compiled code uses {dis.opname[min(operations)]}, which is not allowed"])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _check_code(constant)
