"""Writes a candidate as one Python module that needs nothing but the standard library.

The module is itself a controller in the dialect: it can be evaluated again like any other.
"""

import ast
import inspect
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from replay import votes
from replay.errors import AutoTTSError

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

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
        f"PROVENANCE = {_shown(dict(provenance))}\n",
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
    lines = source.splitlines(keepends=True)
    docstring = ast.get_docstring(tree) or ""
    leading = tree.body[:1] if docstring else []
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    for statement in (*leading, *future):
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        lines[first:last] = [""] * (last - first)
    return _Parts(docstring, "from __future__ import annotations\n\n" if future else "", "".join(lines))


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
