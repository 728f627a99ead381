"""The `autotts` command for tests: in this process or in one of its own, and small stores to run it on."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.cli.main import run
from replay.importer import import_questions
from replay.store import save_store
from replay.synthetic import simulate
from tests.endpoint import Endpoint

MOST_SECONDS = 60
"""How long a test waits for another process."""

SETTINGS = ("--seeds", "1", "--workers", "2", "--max-reply-tokens", "4096")
"""Small runs."""


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


class Child:
    """The command in a process of its own, forked from this one so that it need not import everything again."""

    def __init__(self, log: Path, *arguments: object, prepare: Callable[[], None] = lambda: None) -> None:
        """Starts it; `prepare` is called in the process first."""
        self._log = log
        self._process = get_context("fork").Process(target=_command, args=(log, arguments, prepare))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text() if self._log.exists() else ""

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def wait_for(self, test: Callable[[], bool]) -> None:
        """Until something is so."""
        end = time.monotonic() + MOST_SECONDS
        while not test():
            assert self._process.is_alive(), self.err
            assert time.monotonic() < end, self.err
            time.sleep(0.02)

    def end(self) -> int:
        """Waits for its end; its exit code, negative for a signal."""
        self._process.join(MOST_SECONDS)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
        assert code is not None, self.err
        return code


def _command(log: Path, arguments: Sequence[object], prepare: Callable[[], None]) -> None:
    with log.open("w", buffering=1) as stream:
        sys.stdout = sys.stderr = sys.__stderr__ = stream
        sys.argv = ["autotts", *map(str, arguments)]
        prepare()
        run()


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
