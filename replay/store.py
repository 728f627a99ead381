"""Recorded trajectories of one model on one benchmark: in memory and on disk.

The answer key is a file and an object of its own: only scoring reads it, and no worker is given it.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from array import array
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from replay.errors import StoreError
from replay.tables import StoreTable

FORMAT = 1
METADATA_FILE = "store.json"
ARRAYS_FILE = "trajectories.npz"
KEY_FILE = "gold.json"
_DAMAGES = (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged store raises; the zip format's reader adds the last three."""

_ARRAYS = ("branch_ends", "row_ends", "answers", "tokens")

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ReplayStore:
    """Recorded branches of one model on one benchmark, without the answer key.

    Attributes:
        model: Name of the model that decoded the branches.
        benchmark: Name of the benchmark that the questions come from.
        interval: Tokens between probes.
        questions: Question texts.
        vocabularies: Per question, the text of each answer id.
        branch_ends: (questions,) index after each question's last branch.
        row_ends: (branches,) index after each branch's last answer id.
        answers: Answer ids, row after row: a branch's probes, then its final answer; -1 where there is none.
        tokens: (branches,) whole length of each branch.
        key_digest: SHA-256 of the answer key that belongs to this store.
    """

    model: str
    benchmark: str
    interval: int
    questions: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], ...]
    branch_ends: Ints
    row_ends: Ints
    answers: Ints
    tokens: Ints
    key_digest: str

    @property
    def name(self) -> str:
        """Model and benchmark, as stores are called in tables and archives."""
        return f"{self.model}/{self.benchmark}"

    @cached_property
    def branch_starts(self) -> Ints:
        """(questions,) index of each question's first branch."""
        return _starts(self.branch_ends)

    @cached_property
    def row_starts(self) -> Ints:
        """(branches,) index of each branch's first answer id."""
        return _starts(self.row_ends)

    @cached_property
    def finals(self) -> Ints:
        """(branches,) final answer ids."""
        return self.answers[self.row_ends - 1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything in the store and its key's digest. Two stores of one digest replay alike."""
        content = hashlib.sha256(json.dumps(_described(self), sort_keys=True).encode())
        for name in _ARRAYS:
            content.update(np.ascontiguousarray(getattr(self, name), dtype="<i4").tobytes())
        return content.hexdigest()

    @cached_property
    def question_digests(self) -> tuple[str, ...]:
        """SHA-256 of each question's text: what a question is known by across stores."""
        return tuple(hashlib.sha256(text.encode()).hexdigest() for text in self.questions)

    def n_branches(self, question: int) -> int:
        """Number of recorded branches of one question."""
        return int(self.branch_ends[question] - self.branch_starts[question])

    def table(self) -> StoreTable:
        """What a worker is given of this store."""
        lengths = -(-self.tokens // self.interval)
        parts = (array("i", part.tolist()) for part in (self.branch_ends, self.row_ends, self.answers, lengths))
        return StoreTable(self.interval, *parts)


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """The gold answers of one store, in question order."""

    answers: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the answers."""
        return hashlib.sha256(json.dumps(self.answers).encode()).hexdigest()

    def ids(self, store: ReplayStore) -> Ints:
        """(questions,) the answer id of each gold answer; -2 where no branch ever gave it."""
        vocabularies = ({text: index for index, text in enumerate(words)} for words in store.vocabularies)
        return np.array([words.get(gold, -2) for words, gold in zip(vocabularies, self.answers, strict=True)], np.int32)


def save_store(store: ReplayStore, key: AnswerKey, folder: Path) -> None:
    """Writes a store into a new folder, whole or not at all.

    Raises:
        StoreError: If the folder holds another store, or can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file; a store is a folder", hint="choose another folder")
    if folder.exists() and any(folder.iterdir()):
        _accept_same(store, folder)
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"{folder} can't be written: {error.strerror}", hint="choose another folder") from error
    try:
        _write_files(store, key, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder} can't be written: {error.strerror}", hint="free some room there") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def load_store(folder: Path) -> ReplayStore:
    """Reads a store and checks that it is undamaged.

    Raises:
        StoreError: If there is no store, or it is not what was saved.
    """
    if not (folder / METADATA_FILE).is_file():
        found = "is not a store" if folder.is_dir() else "does not exist" if not folder.exists() else "is a file"
        raise StoreError(
            f"{folder} {found}: a store is a folder that holds {METADATA_FILE}",
            hint="make one with: autotts store import FILE.json",
        )
    described = _read_json(folder / METADATA_FILE)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise StoreError(f"{folder / METADATA_FILE} is not of store format {FORMAT}", hint="import the store again")
    try:
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            parts = {name: arrays[name].astype(np.int32) for name in _ARRAYS}
        store = ReplayStore(
            model=described["model"],
            benchmark=described["benchmark"],
            interval=described["interval_tokens"],
            questions=tuple(question["text"] for question in described["questions"]),
            vocabularies=tuple(tuple(question["answers"]) for question in described["questions"]),
            key_digest=described["key_digest"],
            **parts,
        )
        damaged = store.digest != described["digest"]
    except _DAMAGES as error:
        raise StoreError(f"{folder} is damaged: {error}", hint="import the store again") from error
    if damaged:
        raise StoreError(f"{folder} is damaged: its content does not match its digest", hint="import the store again")
    return store


def load_key(folder: Path, store: ReplayStore) -> AnswerKey:
    """Reads the answer key of a store.

    Raises:
        StoreError: If it is missing or is not the one that was saved with the store.
    """
    answers = _read_json(folder / KEY_FILE)
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise StoreError(f"{folder / KEY_FILE} is not a list of answers", hint="import the store again")
    key = AnswerKey(tuple(answers))
    if key.digest != store.key_digest:
        raise StoreError(f"{folder / KEY_FILE} does not belong to the store beside it", hint="import the store again")
    return key


def _starts(ends: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int32), ends[:-1]]).astype(np.int32)


def _described(store: ReplayStore) -> dict[str, Any]:
    questions = zip(store.questions, store.vocabularies, strict=True)
    return {
        "format": FORMAT,
        "model": store.model,
        "benchmark": store.benchmark,
        "interval_tokens": store.interval,
        "key_digest": store.key_digest,
        "questions": [{"text": text, "answers": list(words)} for text, words in questions],
    }


def _accept_same(store: ReplayStore, folder: Path) -> None:
    if load_store(folder).digest != store.digest:
        raise StoreError(f"{folder} already holds another store", hint="remove that folder, or choose another one")


def _write_files(store: ReplayStore, key: AnswerKey, folder: Path) -> None:
    described = _described(store) | {"digest": store.digest}
    (folder / METADATA_FILE).write_text(json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / KEY_FILE).write_text(json.dumps(key.answers, ensure_ascii=False), encoding="utf-8")
    with (folder / ARRAYS_FILE).open("wb") as file:
        np.savez_compressed(file, **{name: getattr(store, name) for name in _ARRAYS})
        file.flush()
        os.fsync(file.fileno())


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path} can't be read: {error.strerror}", hint="import the store again") from error
    except ValueError as error:
        raise StoreError(f"{path} is not JSON: {error}", hint="import the store again") from error
