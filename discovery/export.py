"""Writes a candidate as one Python module that needs nothing but the standard library.

The module is itself a controller in the dialect: it can be evaluated again like any other.
"""

import ast
import inspect
import io
import math
import os
import platform
import tempfile
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from replay import votes
from replay.errors import AutoTTSError

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

_TAKEN = frozenset({"PROVENANCE", "namedtuple", "solve"})
"""Names that an exported module needs for itself."""

_SOLVE = '''
def solve(episode, beta=0.5):
    """Answers one question: runs `control` with the constants that `schedule` gives for a beta from 0 to 1.

    `episode` opens, advances, probes and prunes branches; see the controller contract of AutoTTS. Returns a label, or
    None; `episode.answer_of(label)` gives its text where the episode has one.
    """
    values = schedule(beta)
    return control(episode, namedtuple("Parameters", list(values))(**values))
'''


class ExportError(AutoTTSError):
    """An exported module can't be written."""


def render_module(source: str, idea: str, provenance: Mapping[str, Plain]) -> str:
    """The text of an exported module.

    Args:
        source: Source of an accepted candidate.
        idea: One sentence on what it does, for a source that does not say so itself.
        provenance: Where it comes from and how it scored.
    """
    parts = _split(source)
    said = parts.docstring or " ".join(idea.split()) or "A controller"
    docstring = f"{said}\n\nDiscovered by AutoTTS: `PROVENANCE` says where and how it scored, `solve` runs it.\n"
    sections = [
        _quoted(docstring) + "\n",
        f"{parts.future}from collections import namedtuple\n",
        f"PROVENANCE = {_shown(_finite(dict(provenance)))}\n",
        "\n" + _votes_source(),
        "\n" + parts.body.strip() + "\n",
        _SOLVE,
    ]
    return "\n".join(sections)


def write_module(text: str, path: Path) -> None:
    """Writes a module whole or not at all, over an older one.

    Raises:
        ExportError: If the file can't be written.
    """
    unfinished: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            unfinished = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except OSError as error:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
        raise ExportError(f"{path} can't be written: {error.strerror}", hint="choose another place with -o") from error


def software() -> dict[str, Plain]:
    """The versions that a result depends on."""
    return {"autotts": version("autotts"), "python": platform.python_version()}


def _votes_source() -> str:
    """The three vote functions as plain source without annotations."""
    functions = []
    for function in (votes.majority, votes.tally, votes.confidence):
        tree = ast.parse(inspect.getsource(function))
        functions.append(ast.unparse(_Unannotated().visit(tree)))
    return "\n\n\n".join(functions) + "\n"


class _Unannotated(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A source taken apart: its docstring, its future import, everything else."""

    docstring: str
    future: str
    body: str


def _split(source: str) -> _Parts:
    """Takes out of a source what has to come first in a module."""
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree) or ""
    leading = tree.body[:1] if docstring else []
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    lines = _lines(source)
    for statement in reversed([*leading, *future]):
        _take_out(statement, lines)
    future_import = "from __future__ import annotations\n\n" if future else ""
    return _Parts(docstring, future_import, _renamed("\n".join(lines)))


def _lines(source: str) -> list[str]:
    """Lines as the parser counts them: form feeds and the line ends of Unicode end none."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _take_out(statement: ast.stmt, lines: list[str]) -> None:
    """Blanks one statement; others that share a line with it stay."""
    assert statement.end_lineno is not None and statement.end_col_offset is not None
    first, last = statement.lineno - 1, statement.end_lineno - 1
    before = lines[first].encode()[: statement.col_offset].decode()
    after = lines[last].encode()[statement.end_col_offset :].decode().lstrip()
    lines[first : last + 1] = [""] * (last - first) + [before + after.removeprefix(";").lstrip()]


def _renamed(body: str) -> str:
    """The body with names of its own that the module needs itself given an underscore at the end.

    Raises:
        ExportError: If one of them is an attribute too or in a formatted string, or the new name is taken.
    """
    tokens = list(tokenize.generate_tokens(io.StringIO(body).readline))
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    taken = sorted(names & _TAKEN & _assigned(body))
    if not taken:
        return body
    fixed = {after.string for before, after in pairwise(tokens) if before.string == "."} | _in_f_strings(body)
    for name in taken:
        if name in fixed or f"{name}_" in names:
            raise ExportError(
                f"the controller uses the name {name!r} in ways that an exported module can't keep apart from its own",
                hint="save its source to a file and rename it there; `autotts archive show NUMBER` prints it",
            )
    lines = body.split("\n")
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string in taken:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = f"{line[:column]}{token.string}_{line[column + len(token.string) :]}"
    return "\n".join(lines)


def _assigned(body: str) -> set[str]:
    """Names that a source binds anywhere."""
    tree = ast.parse(body)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.asname for node in ast.walk(tree) if isinstance(node, ast.alias) and node.asname}
    return bound | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _in_f_strings(body: str) -> set[str]:
    """Names within formatted strings: not every version of Python has tokens for them."""
    strings = (node for node in ast.walk(ast.parse(body)) if isinstance(node, ast.JoinedStr))
    return {node.id for string in strings for node in ast.walk(string) if isinstance(node, ast.Name)}


def _quoted(text: str) -> str:
    """A docstring that says exactly this, on as many lines."""
    plain = text.isprintable() or all(char.isprintable() or char == "\n" for char in text)
    if plain and "\\" not in text and '"""' not in text and not text.startswith('"'):
        return f'"""{text}"""'
    return repr(text)


def _shown(value: Plain, indent: str = "    ") -> str:
    """A plain value as source: dicts of figures on one line each, dicts of dicts and lists one entry a line."""
    if isinstance(value, dict) and any(isinstance(entry, dict | list) for entry in value.values()):
        rows = (f"{indent}{key!r}: {_shown(entry, indent + '    ')}," for key, entry in value.items())
        return "\n".join(["{", *rows, indent[4:] + "}"])
    if isinstance(value, list) and value:
        rows = (f"{indent}{_shown(entry, indent + '    ')}," for entry in value)
        return "\n".join(["[", *rows, indent[4:] + "]"])
    return repr(value)


def _finite(value: Plain) -> Plain:
    """The value with None in place of figures that have no literal: infinities and NaN."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
