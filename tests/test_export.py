"""An exported module stands alone, is a controller itself, and scores exactly as its candidate did."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from discovery.evaluation import Evaluator
from discovery.export import ExportError, render_module, software, write_module
from discovery.grammar.variation import compose
from discovery.grammar.writer import write
from replay.baselines import NAMES, baseline_source
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.tables import branch_order
from sandbox.compiler import compile_controller
from tests.small_runs import small_stores

CONTROL = "def control(episode, p):\n    return majority(episode.probe(episode.branch(p.n, complete=True)))\n"
SCHEDULE = "def schedule(beta):\n    return {'n': round(7 * beta) + 1}\n"
PLAIN = f"{SCHEDULE}\n\n{CONTROL}"
DOC = '"""What it says of itself.\n\nTwice.\n"""\n'
OWN_MAJORITY = f"""def majority(labels):
    return max(labels, key=lambda label: label or 0, default=None)


{PLAIN}"""
OWN_SOLVE = f"""from collections import namedtuple

PROVENANCE = "mine"
Vote = namedtuple("Vote", "label weight")


def solve(labels):
    votes = [Vote(label, 1) for label in labels]
    return majority([vote.label for vote in votes]) if PROVENANCE == "mine" else None


{SCHEDULE}

def control(episode, p):
    return solve(episode.probe(episode.branch(p.n, complete=True)))
"""
SOURCES = {
    "plain": PLAIN,
    "docstring": DOC + PLAIN,
    "future": f"from __future__ import annotations\n\n{PLAIN}",
    "docstring and future": f"{DOC}from __future__ import annotations\nimport math\n\n{PLAIN}",
    "one line": f'"""Short."""; from __future__ import annotations; import math\n{PLAIN}',
    "comment behind": f'"""Short."""  # not in it\nfrom __future__ import annotations  # nor this\n{PLAIN}',
    "own majority": OWN_MAJORITY,
    "own solve": OWN_SOLVE,
    "renamed import": f"from math import sqrt as solve\n\n{PLAIN.replace('p.n', 'round(solve(p.n * p.n))')}",
    "form feed": f'"""Pages."""\n# one\x0c# two\u2028 three\nfrom __future__ import annotations\n{PLAIN}',
    "carriage returns": f"{DOC}from __future__ import annotations\n{PLAIN}".replace("\n", "\r\n"),
    "unicode": f'"""Größer ∑."""\nLIMIT = "é∑"\n{PLAIN}',
}


def exported(source: str, idea: str = "It votes.", provenance: Any = None) -> str:
    return render_module(source, idea, {"run": "monday", "candidate": 3} if provenance is None else provenance)


def load(text: str, folder: Path) -> ModuleType:
    path = folder / "winner.py"
    write_module(text, path)
    spec = importlib.util.spec_from_file_location("winner", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def an_episode(question: int = 0, seed: int = 1) -> ReplayedEpisode:
    store = small_stores()[0].store
    table, order = store.table(), branch_order(seed, store.n_branches(question))
    return ReplayedEpisode(table.question(question), order, EpisodeSettings(), table.interval, EpisodeRecord())


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(small_stores(), workers=1) as evaluator:
        yield evaluator


def figures(evaluator: Evaluator, source: str) -> list[Any]:
    questions = [np.arange(len(keyed.store.questions)) for keyed in evaluator.stores]
    evaluation = evaluator.evaluate(source, questions=questions, seeds=range(3), betas=(0.0, 0.5, 1.0))
    assert evaluation.clean, evaluation.message
    return [
        (cell.store, cell.beta, cell.correct.tolist(), cell.tokens.tolist(), cell.sequential_tokens.tolist())
        for cell in evaluation.cells
    ]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_an_exported_module_acts_exactly_like_its_candidate(evaluator: Evaluator, source: str) -> None:
    assert figures(evaluator, exported(source)) == figures(evaluator, source)


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_baseline_acts_exactly_like_the_baseline(evaluator: Evaluator, name: str) -> None:
    source = baseline_source(name)
    assert figures(evaluator, exported(source)) == figures(evaluator, source)


def test_exported_compositions_are_in_the_dialect_and_export_the_same_again() -> None:
    for seed in range(30):
        source = write(compose(np.random.default_rng(seed)).recipe)
        text = exported(source)
        compile_controller(text)
        assert exported(source) == text


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_solve_plays_an_episode_outside_the_sandbox(source: str, tmp_path: Path) -> None:
    module = load(exported(source), tmp_path)
    namespace: dict[str, Any] = {"majority": module.majority}
    exec(compile(source, "candidate", "exec"), namespace)
    for beta in (0.0, 0.5, 1.0):
        values = type("Values", (), namespace["schedule"](beta))
        assert module.solve(an_episode(), beta) == namespace["control"](an_episode(), values)
    assert module.solve(an_episode()) == module.solve(an_episode(), 0.5)
    assert module.PROVENANCE == {"run": "monday", "candidate": 3}


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "winner.py"
    write_module(exported(baseline_source("asc")), path)
    ask = (
        "import sys; sys.path.insert(0, '.'); import winner; print(winner.confidence(3, 1), winner.tally([2, 2, None]))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split(maxsplit=1) == ["0.8125", "{2: 2, None: 1}\n"]


TRICKY = [
    "quotes \"\"\" and ''' in it",
    'ends in a quote"',
    '"starts with one',
    "back\\slash \\n \\",
    "many\nlines\r\nof\u2028it",
    "direction \u202e marks \u2066",
    "nul \x00 and bell \x07",
    "{braces} %s",
    "",
]


@pytest.mark.parametrize("idea", TRICKY)
def test_any_idea_becomes_a_docstring(idea: str) -> None:
    text = exported(PLAIN, idea, {"idea": idea, "list": [idea, {"idea": idea}]})
    compile_controller(text)
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    assert docstring is not None
    assert docstring.startswith(" ".join(idea.split()) or "A controller")
    assert "\u202e" not in text
    assert "\u2066" not in text


@pytest.mark.parametrize("idea", TRICKY)
def test_provenance_is_plain_values_as_given(idea: str, tmp_path: Path) -> None:
    provenance: Any = {idea: idea, "nested": {"list": [1, 0.1, None, True, {"a": idea}], "empty": [], "none": {}}}
    assert provenance == load(exported(PLAIN, provenance=provenance), tmp_path).PROVENANCE


def test_a_figure_that_is_none_or_not_finite_is_none() -> None:
    text = exported(PLAIN, provenance={"area": float("nan"), "rows": [{"beta": float("inf")}]})
    assert "nan" not in text
    compile_controller(text)


def test_what_a_source_says_of_itself_comes_first() -> None:
    docstring = ast.get_docstring(ast.parse(exported(DOC + PLAIN, "not this")))
    assert docstring is not None
    assert docstring.startswith("What it says of itself.\n\nTwice.")
    assert "not this" not in docstring


@pytest.mark.parametrize(
    "start",
    [
        "class Solver:\n    def solve(self):\n        return 1\n\n\nchosen = Solver().solve()\n",
        "solve = 1\nshown = f'{solve}'\n",
        "solve, solve_ = 1, 2\n",
    ],
)
def test_a_name_that_can_t_be_kept_apart_is_refused(start: str) -> None:
    source = start + PLAIN
    with pytest.raises(ExportError, match="'solve'") as caught:
        exported(source)
    assert caught.value.hint


def test_a_module_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "winner.py"
    write_module("first\n", path)
    write_module("second\n", path)
    assert path.read_text() == "second\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["winner.py"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match="can't be written"):
        write_module("third\n", tmp_path / "folder")
    with pytest.raises(ExportError, match="can't be written"):
        write_module("third\n", path / "below.py")
    assert {entry.name for entry in tmp_path.iterdir()} == {"deep", "folder"}


def test_the_versions_are_told() -> None:
    assert set(software()) == {"autotts", "python"}
