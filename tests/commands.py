"""The `autotts` command for tests: in this process or in one of its own, and small stores to run it on."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.cli.main import run
from replay.importer import import_questions
from replay.store import save_store
from replay.synthetic import simulate
from tests.endpoint import Endpoint

PROJECT = Path(__file__).parents[1]

SETTINGS = ("--seeds", "1", "--workers", "2", "--max-reply-tokens", "4096")
"""Small runs."""

MAIN = "from discovery.cli.main import run; run()"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def autotts(*arguments: object) -> Done:
    """Runs the command in this process."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["autotts", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run()
    code = ended.value.code
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())


def start_autotts(*arguments: object, main: str = MAIN, **settings: Any) -> "subprocess.Popen[str]":
    """Runs the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", main, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        **settings,
    )


def paid_by(server: Endpoint, *, price_input: str = "1", price_output: str = "4") -> tuple[str, ...]:
    """Options that have a test server asked, at the prices that it charges."""
    prices = ("--price-input", price_input, "--price-output", price_output)
    return ("--model", "some-model", "--base-url", server.base_url, *prices)


def make_store(folder: Path, *, scale: str = "4B", n_questions: int = 6, n_branches: int = 12, mark: str = "") -> Path:
    """A simulated store; a mark is put into every text of a question, an answer or gold."""
    layouts = simulate(scale, n_questions=n_questions, n_branches=n_branches, rng=np.random.default_rng(1))
    store, key = import_questions(
        [_marked(layout, mark) for layout in layouts] if mark else layouts, source="test", model="model", benchmark="b"
    )
    save_store(store, key, folder)
    return folder


def controllers() -> Any:
    """A model that answers each request with another controller."""
    numbers = count(2)

    def write(_request: Mapping[str, Any]) -> str:
        number = next(numbers)
        return f"Idea: the majority of {number}.\n\n```python\n{controller(number)}```\n"

    return write


def controller(number: int) -> str:
    """A controller that asks for the majority of up to so many branches."""
    return (
        f'def schedule(beta):\n    return {{"n": 1 + round({number} * beta)}}\n\n\n'
        "def control(episode, p):\n    return majority(episode.probe(episode.branch(p.n, complete=True)))\n"
    )


def _marked(layout: dict[str, Any], mark: str) -> dict[str, Any]:
    def marked(answer: str) -> str:
        return answer if answer == "ERR" else f"{mark}{answer}"

    return {
        **layout,
        "question": f"{mark} {layout['question']}",
        "gold_answer": marked(layout["gold_answer"]),
        "final_answers_trace": [marked(answer) for answer in layout["final_answers_trace"]],
        "each_branch": [
            [[marked(answer) for answer in probes], tokens, marked(final)]
            for probes, tokens, final in layout["each_branch"]
        ],
    }
