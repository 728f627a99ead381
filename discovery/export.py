"""Writes a candidate as one Python module that needs nothing but the standard library.

The module is itself a controller in the dialect: it can be evaluated again like any other.
"""

import ast
import inspect
import os
import platform
import pprint
import tempfile
from collections.abc import Mapping
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
        idea: One sentence on what it does.
        provenance: Where it comes from and how it scored.
    """
    future, body = _split_future(source)
    title = " ".join(idea.replace("\\", "/").replace('"', "'").split()) or "A controller"
    parts = [
        f'"""{title}\n\nDiscovered by AutoTTS. `PROVENANCE` says where and how it scored; `solve` runs it.\n"""\n',
        f"{future}from collections import namedtuple\n",
        f"PROVENANCE = {pprint.pformat(dict(provenance), width=110, sort_dicts=False)}\n",
        "\n" + _votes_source(),
        "\n" + body.strip() + "\n",
        _SOLVE,
    ]
    return "\n".join(parts)


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


def _split_future(source: str) -> tuple[str, str]:
    """Takes future imports, which must come first, out of a source."""
    lines = source.splitlines(keepends=True)
    future = ""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
            future = "from __future__ import annotations\n\n"
            lines[first:last] = [""] * (last - first)
    return future, "".join(lines)
