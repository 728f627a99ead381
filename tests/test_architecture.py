"""What the packages may know of each other, and what a command may load."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("discovery", "sandbox", "replay", "prompts")
HEAVY = (
    "litellm",
    "openai",
    "matplotlib",
    "numpy",
    "sqlalchemy",
    "moocore",
    "jinja2",
    "RestrictedPython",
    "rich",
)
"""What takes its time to load, and what only some commands need."""


@cache
def sources() -> dict[str, ast.Module]:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def importers(library: str) -> set[str]:
    return {
        path
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if any(name.partition(".")[0] == library for name in imported(node))
    }


def loaded_by(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after running some code."""
    whole = f"{code}\nimport sys; print('\\nloaded', *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", whole], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()[-1].split()[1:])


def test_imports_go_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_one_file_alone_knows_litellm() -> None:
    assert importers("litellm") == {"discovery/provider.py"}
    assert len(importers("openai")) <= 1


@pytest.mark.parametrize("library", ["litellm", "openai", "matplotlib"])
def test_a_slow_library_is_loaded_when_used_not_at_the_top_of_a_file(library: str) -> None:
    trees = sources()
    at_the_top = {
        path
        for path in importers(library)
        for node in trees[path].body
        if any(name.partition(".")[0] == library for name in imported(node))
    }
    assert not at_the_top


def test_help_loads_nothing_heavy() -> None:
    ask = "from discovery.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    loaded = loaded_by(ask)
    assert "discovery.cli.main" in loaded
    assert not loaded & set(HEAVY)


def test_a_worker_never_loads_what_knows_an_answer_key() -> None:
    """The runner of episodes needs no arrays either: it starts in every fork."""
    loaded = loaded_by("import sandbox.worker")
    assert not loaded & {"numpy", "replay.scoring", "replay.store", "discovery"}


def test_replay_imports_nothing_of_ours_and_every_error_is_of_one_tree() -> None:
    loaded = loaded_by("import replay.store, replay.verify, replay.scoring, replay.trace, replay.synthetic")
    assert not {name for name in loaded if name.partition(".")[0] in ("discovery", "sandbox", "prompts")}
