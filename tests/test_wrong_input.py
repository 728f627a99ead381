"""A person's mistakes: one `error:` line, a `hint:`, exit code 1 or 2, nothing half-written, never a traceback."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import SETTINGS, autotts, make_store


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to make mistakes in: a store, and the archive of a small run on it."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def archive(self) -> Path:
        return self.folder / "runs" / "archive.sqlite"

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("place"))
    make_store(place.store)
    run = ("--budget", 0, "--iterations", 0, "--run", "known", *SETTINGS, "--archive", place.archive)
    assert autotts("discover", place.store, *run).code == 0
    return place


@pytest.fixture
def place(template: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy; the run's store is where it was."""
    copy = Place(tmp_path / "copy")
    shutil.copytree(template.folder, copy.folder)
    monkeypatch.chdir(copy.folder)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return copy


Command = Callable[[Place], tuple[object, ...]]
SOURCE = "def schedule(beta):\n    return {}\n\n\ndef control(episode, p):\n    return None\n"
PRICES = ("--price-input", 1, "--price-output", 4)
LOCAL = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1")


def _discover(*options: object) -> Command:
    return lambda place: ("discover", place.store, "--archive", place.folder / "new" / "archive.sqlite", *options)


def _evaluate(controller: str) -> Command:
    return lambda place: ("evaluate", place.store, controller, "--seeds", 1)


def _source(text: str) -> Command:
    return lambda place: ("evaluate", place.store, place.file("own.py", text), "--seeds", 1)


def _corrupt(place: Place) -> tuple[object, ...]:
    for path in place.store.iterdir():
        if path.suffix == ".npz":
            path.write_bytes(path.read_bytes()[:100])
    return "discover", place.store, "--budget", 0


def _newer(place: Place) -> tuple[object, ...]:
    connection = sqlite3.connect(place.archive)
    connection.execute("UPDATE schema_version SET version = 99")
    connection.commit()
    connection.close()
    return "archive", "list", "--archive", place.archive


def _foreign(place: Place) -> tuple[object, ...]:
    return "archive", "list", "--archive", place.file("notes.txt", "these are notes, and no archive at all " * 30)


MISTAKES: dict[str, tuple[int, str, Command]] = {
    "no such command": (2, "No such command", lambda _: ("discovr",)),
    "no such option": (2, "No such option", _discover("--budgett", 0)),
    "no store": (2, "name at least one STORE", lambda _: ("discover", "--budget", 0)),
    "no budget": (2, "--budget is missing", _discover()),
    "a negative budget": (2, "'-1' is not an amount", _discover("--budget", "-1")),
    "a price without a model": (2, "go with --model", _discover("--budget", 1, *PRICES)),
    "no such store": (1, "nowhere", lambda _: ("discover", "nowhere", "--budget", 0)),
    "no such store to score on": (1, "nowhere", lambda _: ("evaluate", "nowhere", "sc")),
    "no such folder to score on": (1, "neither a store", lambda _: ("evaluate", "stores/nowhere", "sc")),
    "no such store to show": (1, "nowhere", lambda _: ("store", "show", "nowhere")),
    "a corrupt store": (1, "store", _corrupt),
    "a store twice": (1, "two stores", lambda place: ("discover", place.store, place.store, "--budget", 0)),
    "no such file to import": (1, "nowhere.json", lambda _: ("store", "import", "nowhere.json")),
    "a file that is no recording": (1, "own.json", lambda p: ("store", "import", p.file("own.json", "{]"))),
    "an unknown model": (1, "no-such-model", _discover("--budget", 1, "--model", "no-such-model")),
    "a model without a key": (1, "OPENAI_API_KEY", _discover("--budget", 1, "--model", "gpt-4o")),
    "an unknown price": (1, "is not known", _discover("--budget", 1, *LOCAL)),
    "one price of two": (1, "only one of the two", _discover("--budget", 1, *LOCAL, *PRICES[:2])),
    "a model that costs money for nothing": (1, "costs money", _discover("--budget", 0, *LOCAL, *PRICES)),
    "a run's name that is no name": (1, "can't be the name", _discover("--budget", 0, "--run", "../up")),
    "an unknown sandbox layer": (1, "no sandbox layer", _discover("--budget", 0, "--require-layer", "moat")),
    "no such folder of templates": (2, "--templates", _discover("--budget", 0, "--templates", "nowhere")),
    "a folder that can't be made": (
        1,
        "can't",
        lambda p: ("discover", p.store, "--budget", 0, "--archive", "/proc/a/b"),
    ),
    "an archive of a newer version": (1, "schema version 99", _newer),
    "a file that is no archive": (1, "not a database", _foreign),
    "no archive": (1, "no archive", lambda _: ("archive", "list", "--archive", "nowhere.sqlite")),
    "an unknown run": (1, "no run called", lambda _: ("archive", "front", "--run", "other")),
    "an unknown run to resume": (1, "no run called", lambda _: ("discover", "--resume", "other")),
    "an unknown run to print": (1, "no run called", lambda _: ("prompt", "other")),
    "settings of a run that is resumed": (
        2,
        "leave out --seed",
        lambda _: ("discover", "--resume", "known", "--seed", 1),
    ),
    "a run's name that is taken": (1, "already", lambda p: ("discover", p.store, "--budget", 0, "--run", "known")),
    "an unknown candidate": (1, "no candidate 77", lambda _: ("archive", "show", "77")),
    "a candidate that is no number": (1, "NUMBER", lambda _: ("archive", "show", "best")),
    "an export into nowhere": (1, "/proc", lambda _: ("export", "-o", "/proc/w.py")),
    "an unknown baseline": (1, "no controller is called 'scc'", _evaluate("scc")),
    "an unknown key": (1, "width", _evaluate("sc(width=3)")),
    "a beta out of range": (1, "from 0 to 1", _evaluate("sc@7")),
    "a value without a key": (1, "key=value", _evaluate("sc(3)")),
    "no controller": (1, "no controller was given", lambda place: ("evaluate", place.store)),
    "a controller that is no Python": (1, "line 1", _source("def control(:\n")),
    "a controller that is not in the dialect": (1, '"os" is not available', _source(f"import os\n{SOURCE}")),
    "half a controller": (1, "schedule", _source("def control(episode, p):\n    return None\n")),
    "settings that are no TOML": (1, "autotts.toml", lambda p: (p.file("autotts.toml", "=") and "archive",)),
}


@pytest.mark.parametrize(("code", "told", "command"), MISTAKES.values(), ids=MISTAKES)
def test_one_error_line_and_a_hint_tell_of(place: Place, code: int, told: str, command: Command) -> None:
    arguments = command(place)
    before = _contents(place)
    done = autotts(*arguments)
    errors, hints = (
        [line for line in done.err.splitlines() if line.startswith(start)] for start in ("error: ", "hint: ")
    )
    assert (done.code, len(errors), len(hints)) == (code, 1, 1), done.err
    print(done.err)
    assert told in errors[0]
    assert "Traceback" not in done.err + done.out
    assert "unexpected" not in done.err
    assert done.out == ""
    assert _contents(place) == before


def test_a_store_that_has_changed_since_the_run_began_is_not_played_on(place: Place, template: Place) -> None:
    kept = place.folder / "kept"
    shutil.move(template.store, kept)
    try:
        make_store(template.store, n_questions=7)
        done = autotts("discover", "--resume", "known")
    finally:
        shutil.rmtree(template.store)
        shutil.move(kept, template.store)
    assert done.code == 1
    assert "has changed since the run began" in done.err
    assert "hint: put the store back" in done.err


def _contents(place: Place) -> dict[str, bytes]:
    """All files but locks and what SQLite keeps beside an open archive."""
    return {
        str(path.relative_to(place.folder)): path.read_bytes()
        for path in sorted(place.folder.rglob("*"))
        if path.is_file() and path.name != "lock" and path.suffix not in (".sqlite-wal", ".sqlite-shm")
    }
