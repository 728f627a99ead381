"""Reads recorded trajectories in the published JSON layout: one list of questions, or one question a line.

Everything is checked by hand here; a mistake is named by file, question, branch and key.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from replay.actions import MAX_INTERVALS
from replay.errors import StoreError
from replay.store import AnswerKey, ReplayStore
from replay.tables import NO_ANSWER

NO_ANSWER_TEXT = "ERR"
"""How the published layout writes that a probe or a branch gave no answer."""

MAX_TOKENS = 2**31 - 1


def import_file(
    path: Path,
    *,
    model: str,
    benchmark: str,
    on_question: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ReplayStore, AnswerKey]:
    """Reads a file of recorded trajectories: JSON or JSON Lines, gzipped or not.

    Args:
        path: The file.
        model: Name of the model that decoded the branches.
        benchmark: Name of the benchmark.
        on_question: Told after each question how many are done, and of how many.

    Raises:
        StoreError: If the file can't be read or is not in the layout.
    """
    return import_questions(
        _read_questions(path), source=str(path), model=model, benchmark=benchmark, on_question=on_question
    )


def import_questions(
    questions: Sequence[Any],
    *,
    source: str,
    model: str,
    benchmark: str,
    on_question: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ReplayStore, AnswerKey]:
    """Turns questions in the published layout into a store and its answer key.

    Raises:
        StoreError: If they are not in the layout; the message begins with `source`.
    """
    if not questions:
        raise StoreError(f"{source}: no questions in it", hint="a store needs at least one question")
    read = []
    for index, question in enumerate(questions):
        read.append(_Question(question, f"{source}: question {index}"))
        on_question(index + 1, len(questions))
    intervals = sorted({question.interval for question in read})
    if len(intervals) > 1:
        raise StoreError(f"{source}: probe_freq differs between questions: {intervals}; it must be the same for all")
    texts = [question.text for question in read]
    if len(set(texts)) != len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise StoreError(f"{source}: two questions have the same text: {twice[:60]!r}", hint="merge or drop one")
    key = AnswerKey(tuple(question.gold for question in read))
    rows = [row for question in read for row in question.rows]
    store = ReplayStore(
        model=model,
        benchmark=benchmark,
        interval=intervals[0],
        questions=tuple(texts),
        vocabularies=tuple(tuple(question.vocabulary) for question in read),
        branch_ends=_ends(len(question.rows) for question in read),
        row_ends=_ends(len(row) for row in rows),
        answers=np.array([answer for row in rows for answer in row], np.int32),
        tokens=np.array([tokens for question in read for tokens in question.tokens], np.int32),
        key_digest=key.digest,
    )
    return store, key


class _Question:
    """One question of the layout, checked; answers numbered in the order they are met."""

    def __init__(self, question: Any, where: str) -> None:
        self.text: str = _member(question, "question", str, where)
        self.gold: str = _member(question, "gold_answer", str, where)
        self.interval: int = _member(question, "probe_freq", int, where)
        branches: list[Any] = _member(question, "each_branch", list, where)
        if not 1 <= self.interval <= MAX_TOKENS:
            raise StoreError(f"{where}: probe_freq is {self.interval}; it is a number of tokens, 1 to {MAX_TOKENS}")
        if not branches:
            raise StoreError(f"{where}: each_branch is empty; a question needs at least one branch")
        self.vocabulary: dict[str, int] = {}
        self.rows: list[list[int]] = []
        self.tokens: list[int] = []
        for index, branch in enumerate(branches):
            self._add_branch(branch, f"{where}: each_branch[{index}]")

    def _add_branch(self, branch: Any, where: str) -> None:
        if not isinstance(branch, list) or len(branch) != 3:
            raise StoreError(f"{where}: expected [probe_answers, branch_tokens, final_answer], found {_shown(branch)}")
        probes, tokens, final = branch
        if not isinstance(probes, list):
            raise StoreError(f"{where}: probe_answers: expected a list of answers, found {_shown(probes)}")
        if len(probes) > MAX_INTERVALS:
            raise StoreError(f"{where}: probe_answers: {len(probes)} answers; a branch has at most {MAX_INTERVALS}")
        if type(tokens) is not int or not 0 < tokens <= MAX_TOKENS:
            raise StoreError(f"{where}: branch_tokens: expected a number of tokens, 1 or more, found {_shown(tokens)}")
        row = [self._id(answer, f"{where}: probe_answers[{index}]") for index, answer in enumerate(probes)]
        self.rows.append([*row, self._id(final, f"{where}: final_answer")])
        self.tokens.append(tokens)

    def _id(self, answer: Any, where: str) -> int:
        if answer is None or answer == NO_ANSWER_TEXT:
            return NO_ANSWER
        if not isinstance(answer, str):
            raise StoreError(f"{where}: expected an answer as text, or null, found {_shown(answer)}")
        _check_text(answer, where)
        return self.vocabulary.setdefault(answer, len(self.vocabulary))


def _member(question: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(question, dict):
        raise StoreError(f"{where}: expected an object with the key {key}, found {_shown(question)}")
    if key not in question:
        raise StoreError(f"{where}: the key {key} is missing; found {', '.join(map(str, question)) or 'no keys'}")
    if type(question[key]) is not kind:
        raise StoreError(f"{where}: {key}: expected {kind.__name__}, found {_shown(question[key])}")
    if kind is str:
        _check_text(question[key], f"{where}: {key}")
    return question[key]


def _check_text(text: str, where: str) -> None:
    """JSON can spell half a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{where}: not text: {_shown(text)}; position {error.start} is half a character") from error


def _read_questions(path: Path) -> list[Any]:
    hint = "the layout is described in the README, under 'Recorded trajectories'"
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"{path} can't be read: {error}", hint="give a JSON or JSON Lines file") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is not UTF-8 text: {error}", hint=hint) from error
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _read_lines(path, text, error)
    if isinstance(parsed, dict):
        parsed = [parsed]
    if not isinstance(parsed, list):
        raise StoreError(f"{path}: expected a list of questions, found {_shown(parsed)}", hint=hint)
    return parsed


def _read_lines(path: Path, text: str, whole: Exception) -> list[Any]:
    """JSON Lines, for a text that is no single JSON value."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2 or not lines[0][1].lstrip().startswith("{"):
        raise StoreError(f"{path} is not JSON: {whole}", hint="is the file complete?") from whole
    questions = []
    for number, line in lines:
        try:
            questions.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path}: line {number} is not JSON: {error}", hint="is the file complete?") from error
    return questions


def _ends(sizes: Iterable[int]) -> np.ndarray:
    return np.array(list(accumulate(sizes)), np.int32)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
