"""Importing the published layout: good files come in whole, bad ones are named by file, question, branch and key."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replay.errors import StoreError
from replay.importer import import_file
from replay.store import ReplayStore
from tests.recordings import Recording, layout_of

BRANCHES = (Recording(("17", None), 250, "18"), Recording((), 30, None))
LINE_SEPARATORS = "a\u2028b\u2029c\x85d"


def layouts() -> Any:
    """Two questions."""
    return [
        layout_of(BRANCHES, text=f"What? {LINE_SEPARATORS}", gold="18"),
        layout_of(BRANCHES[::-1], text="Why?", gold="x"),
    ]


def imported(path: Path) -> ReplayStore:
    """The store of a file."""
    return import_file(path, model="m", benchmark="b")[0]


def json_lines(questions: Any) -> bytes:
    """One question a line, as writers that keep Unicode do."""
    return "".join(json.dumps(question, ensure_ascii=False) + "\n" for question in questions).encode()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "JSON": lambda q: json.dumps(q).encode(),
    "indented JSON": lambda q: json.dumps(q, indent=2, ensure_ascii=False).encode(),
    "JSON with a byte order mark": lambda q: b"\xef\xbb\xbf" + json.dumps(q).encode(),
    "gzipped JSON": lambda q: gzip.compress(json.dumps(q).encode(), mtime=0),
    "JSON Lines": json_lines,
    "JSON Lines with blank lines": lambda q: b"\n" + json_lines(q).replace(b"\n", b"\r\n\r\n"),
    "gzipped JSON Lines": lambda q: gzip.compress(json_lines(q), mtime=0),
}


@pytest.mark.parametrize("form", list(FORMS.values()), ids=list(FORMS))
def test_every_form_of_a_file_gives_the_same_store(tmp_path: Path, form: Callable[[Any], bytes]) -> None:
    (tmp_path / "a.json").write_bytes(json.dumps(layouts()).encode())
    (tmp_path / "b").write_bytes(form(layouts()))
    store, key = import_file(tmp_path / "b", model="m", benchmark="b")
    assert store.digest == imported(tmp_path / "a.json").digest
    assert key.answers == ("18", "x")
    assert store.questions == (f"What? {LINE_SEPARATORS}", "Why?")
    assert store.interval == 100


def test_a_single_line_is_a_single_question(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_bytes(json_lines(layouts()[:1]))
    assert len(imported(tmp_path / "one.jsonl").questions) == 1


def test_err_and_null_are_no_answer_and_everything_else_is_kept_as_text(tmp_path: Path) -> None:
    (question, _) = layouts()
    question["each_branch"] = [[["ERR", None, "err", "", " 1", "1"], 700, "ERR"]]
    (tmp_path / "a.json").write_text(json.dumps([question]))
    store = imported(tmp_path / "a.json")
    assert store.answers.tolist() == [-1, -1, 0, 1, 2, 3, -1]
    assert store.vocabularies == (("err", "", " 1", "1"),)


def test_branches_shorter_than_their_probes_are_kept(tmp_path: Path) -> None:
    (question, _) = layouts()
    question["each_branch"] = [[["1"] * 5, 1, "1"]]
    (tmp_path / "a.json").write_text(json.dumps([question]))
    assert imported(tmp_path / "a.json").tokens.tolist() == [1]


def test_progress_is_told_question_by_question(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(layouts()))
    told: list[tuple[int, int]] = []
    import_file(tmp_path / "a.json", model="m", benchmark="b", on_question=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]


def change_branch(*replaced: Any, **members: Any) -> Callable[[Any], None]:
    """Replaces the second branch of the second question, or parts of it by position."""

    def change(questions: Any) -> None:
        branches = questions[1]["each_branch"]
        if replaced:
            branches[1] = replaced[0]
        for name, value in members.items():
            branches[1][["probe_answers", "branch_tokens", "final_answer"].index(name)] = value

    return change


def change_key(key: str, value: Any) -> Callable[[Any], None]:
    """Replaces a key of the second question."""
    return lambda questions: questions[1].__setitem__(key, value)


BRANCH = "question 1: each_branch[1]: "
MALFORMED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda q: q.clear(), "no questions"),
    (lambda q: q.__setitem__(1, 5), "question 1: expected an object"),
    (lambda q: q.__setitem__(1, []), "question 1: expected an object"),
    (lambda q: q.__setitem__(1, {}), "question 1: the key question is missing; found no keys"),
    (lambda q: q[1].pop("question"), "question 1: the key question is missing"),
    (lambda q: q[1].pop("gold_answer"), "question 1: the key gold_answer is missing"),
    (lambda q: q[1].pop("probe_freq"), "question 1: the key probe_freq is missing"),
    (lambda q: q[1].pop("each_branch"), "question 1: the key each_branch is missing"),
    (change_key("question", 5), "question 1: question: expected str, found 5"),
    (change_key("question", None), "question 1: question: expected str"),
    (change_key("question", "\ud800"), "question 1: question"),
    (change_key("gold_answer", 18), "question 1: gold_answer: expected str, found 18"),
    (change_key("gold_answer", "\udfff"), "question 1: gold_answer"),
    (change_key("probe_freq", "100"), "question 1: probe_freq: expected int"),
    (change_key("probe_freq", 100.0), "question 1: probe_freq: expected int"),
    (change_key("probe_freq", True), "question 1: probe_freq: expected int"),
    (change_key("probe_freq", 0), "question 1: probe_freq is 0"),
    (change_key("probe_freq", -100), "question 1: probe_freq is -100"),
    (change_key("probe_freq", 2**31), "question 1: probe_freq is 2147483648"),
    (change_key("probe_freq", 200), "probe_freq differs between questions: [100, 200]"),
    (change_key("question", layouts()[0]["question"]), "two questions have the same text"),
    (change_key("each_branch", {}), "question 1: each_branch: expected list"),
    (change_key("each_branch", []), "question 1: each_branch is empty"),
    (change_branch(None), BRANCH + "expected [probe_answers, branch_tokens, final_answer], found None"),
    (change_branch({"a": 1}), BRANCH + "expected [probe_answers, branch_tokens, final_answer]"),
    (change_branch([[], 5]), BRANCH + "expected [probe_answers, branch_tokens, final_answer]"),
    (change_branch([[], 5, "1", "1"]), BRANCH + "expected [probe_answers, branch_tokens, final_answer]"),
    (change_branch("abc"), BRANCH + "expected [probe_answers, branch_tokens, final_answer], found 'abc'"),
    (change_branch(probe_answers="123"), BRANCH + "probe_answers: expected a list of answers, found '123'"),
    (change_branch(probe_answers=None), BRANCH + "probe_answers: expected a list"),
    (change_branch(probe_answers=["1", 2]), BRANCH + "probe_answers[1]: expected an answer as text, or null, found 2"),
    (change_branch(probe_answers=[["1"]]), BRANCH + "probe_answers[0]: expected an answer as text"),
    (change_branch(probe_answers=["\ud800"]), BRANCH + "probe_answers[0]"),
    (change_branch(probe_answers=["1"] * 65_536), BRANCH + "probe_answers: "),
    (change_branch(branch_tokens="100"), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=100.5), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=float("nan")), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=True), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=None), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=0), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=-1), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(branch_tokens=2**31), BRANCH + "branch_tokens: expected a number of tokens"),
    (change_branch(final_answer=18), BRANCH + "final_answer: expected an answer as text, or null, found 18"),
    (change_branch(final_answer=["18"]), BRANCH + "final_answer: expected an answer as text"),
    (change_branch(final_answer="\ud800"), BRANCH + "final_answer"),
]


@pytest.mark.parametrize("form", ["JSON", "JSON Lines"])
@pytest.mark.parametrize(("change", "message"), MALFORMED, ids=[message[:70] for _, message in MALFORMED])
def test_a_mistake_is_named_by_file_question_branch_and_key(
    tmp_path: Path, form: str, change: Callable[[Any], Any], message: str
) -> None:
    questions = layouts()
    change(questions)
    path = tmp_path / "bad.json"
    one_line_each = "\n".join(map(json.dumps, questions))
    path.write_text(json.dumps(questions) if form == "JSON" or not questions else one_line_each)
    with pytest.raises(StoreError) as refused:
        imported(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert len(str(refused.value)) < len(str(path)) + 200
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[", "is not JSON"),
        (json.dumps([{}] * 3).encode()[:-1], "is not JSON"),
        (b"5", "expected a list of questions, found 5"),
        (b'"questions"', "expected a list of questions"),
        (b"null", "expected a list of questions"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        (b"[]\xff", "is not UTF-8"),
        (json.dumps([]).encode("utf-16"), "is not UTF-8"),
        (gzip.compress(b"[]", mtime=0)[:-4], "can't be read"),
        (b"\x1f\x8b" + b"\0" * 40, "can't be read"),
        (gzip.compress(json.dumps([5] * 999).encode(), mtime=0)[:40], "can't be read"),
        (gzip.compress(b"[]", mtime=0)[:10] + b"\xff" * 20, "can't be read"),
    ],
)
def test_a_file_that_is_no_layout_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=message) as refused:
        imported(path)
    assert str(path) in str(refused.value)
    assert refused.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(StoreError, match=str(path)):
            imported(path)
