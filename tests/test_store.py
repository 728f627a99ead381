"""Stores on disk: what is saved is what is loaded, whole or not at all, and the gold answers stay apart."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.errors import StoreError
from replay.importer import import_questions
from replay.store import AnswerKey, ReplayStore, load_key, load_store, save_store
from replay.tables import StoreTable
from tests.recordings import Recording, layout_of, recordings, store_of

BRANCHES = (Recording(("17", None), 250, "18"), Recording((), 30, None), Recording(("18",), 90, "18"))
GOLD = "not-given-by-any-branch"


def example() -> tuple[ReplayStore, AnswerKey]:
    """Two questions of three branches."""
    layouts = [layout_of(BRANCHES, text="Wieviel ist √17² + 1?", gold="18"), layout_of(BRANCHES, text="??", gold=GOLD)]
    return import_questions(layouts, source="test", model="Model-1B", benchmark="bench")


def assert_same(one: ReplayStore, other: ReplayStore) -> None:
    """Two stores hold the same."""
    for field in fields(ReplayStore):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype == np.int32
            assert first.tolist() == second.tolist()
        else:
            assert first == second
    assert one.digest == other.digest


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The folder of a saved example."""
    save_store(*example(), tmp_path / "store")
    return tmp_path / "store"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(recordings(100), min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_saved_is_what_is_loaded(questions: list[list[Recording]]) -> None:
    store, key = store_of(questions)
    with tempfile.TemporaryDirectory() as folder:
        save_store(store, key, Path(folder) / "a" / "b")
        loaded = load_store(Path(folder) / "a" / "b")
        assert_same(store, loaded)
        assert load_key(Path(folder) / "a" / "b", loaded) == key
        assert loaded.table().to_bytes() == store.table().to_bytes()


def test_a_store_tells_rows_lengths_and_answers_of_each_branch() -> None:
    store, key = example()
    assert store.name == "Model-1B/bench"
    assert store.vocabularies == (("17", "18"), ("17", "18"))
    assert [store.n_branches(0), store.n_branches(1)] == [3, 3]
    assert store.tokens.tolist() == [250, 30, 90] * 2
    assert store.finals.tolist() == [1, -1, 1] * 2
    assert key.ids(store).tolist() == [1, -2]
    table = store.table()
    assert len(table) == 2
    assert table.question(0) == table.question(1)
    assert table.question(1).rows == ((0, -1, 1), (-1,), (1, 1))
    assert table.question(1).lengths == (3, 1, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(recordings(100), min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_table_is_the_same_after_its_way_to_a_worker(questions: list[list[Recording]]) -> None:
    table = store_of(questions)[0].table()
    received = StoreTable.from_bytes(table.to_bytes())
    assert received == table
    for index, branches in enumerate(questions):
        assert [len(row) - 1 for row in received.question(index).rows] == [len(branch.probes) for branch in branches]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"XXXX" + b[4:], lambda b: b[:7]])
def test_bytes_that_are_no_table_are_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="not a store table"):
        StoreTable.from_bytes(damage(example()[0].table().to_bytes()))


# Digest


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"model": "Model-2B"},
        lambda s: {"benchmark": "bench2"},
        lambda s: {"model": "Model-1B/bench", "benchmark": ""},
        lambda s: {"interval": 101},
        lambda s: {"questions": (s.questions[0] + " ", s.questions[1])},
        lambda s: {"questions": s.questions[::-1]},
        lambda s: {"vocabularies": (("17", "19"), s.vocabularies[1])},
        lambda s: {"vocabularies": (("17", "18", "19"), s.vocabularies[1])},
        lambda s: {"branch_ends": s.branch_ends - [1, 0]},
        lambda s: {"row_ends": s.row_ends - [1, 0, 0, 0, 0, 0]},
        lambda s: {"answers": np.where(np.arange(len(s.answers)) == 3, 0, s.answers)},
        lambda s: {"tokens": s.tokens + np.eye(6, dtype=np.int32)[5]},
        lambda s: {"key_digest": AnswerKey(("17", GOLD)).digest},
    ],
)
def test_the_digest_changes_with_any_content(change: Callable[[ReplayStore], dict[str, Any]]) -> None:
    store, _ = example()
    assert replace(store, **change(store)).digest != store.digest
    assert replace(store).digest == store.digest


def test_the_digest_does_not_depend_on_how_the_arrays_are_kept() -> None:
    store, _ = example()
    assert replace(store, tokens=store.tokens.astype(">i8")).digest == store.digest


def test_questions_are_known_by_their_text_alone() -> None:
    store, _ = example()
    other = replace(store, model="other", questions=store.questions[::-1])
    assert other.question_digests == store.question_digests[::-1]


# The answer key


def test_gold_answers_are_in_no_file_but_their_own(saved: Path) -> None:
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    assert [name for name, content in files.items() if GOLD.encode() in content] == ["gold.json"]
    with np.load(saved / "trajectories.npz") as arrays:
        assert all(GOLD.encode() not in arrays[name].tobytes() for name in arrays.files)


def test_another_gold_answer_changes_nothing_but_digests(tmp_path: Path) -> None:
    store, _ = example()
    key = AnswerKey(("17", "17"))
    other = replace(store, key_digest=key.digest)
    save_store(store, example()[1], tmp_path / "one")
    save_store(other, key, tmp_path / "two")
    one, two = (json.loads((tmp_path / name / "store.json").read_text()) for name in ("one", "two"))
    assert {name for name in one if one[name] != two[name]} == {"digest", "key_digest"}
    assert (tmp_path / "one/trajectories.npz").read_bytes() == (tmp_path / "two/trajectories.npz").read_bytes()
    assert store.table().to_bytes() == other.table().to_bytes()


def test_a_workers_table_holds_no_text_and_no_exact_lengths() -> None:
    store, _ = example()
    table = store.table().to_bytes()
    assert not any(text.encode() in table for text in (*store.questions, "17", "18", GOLD))
    lengthened = replace(store, tokens=store.tokens + 1)
    assert lengthened.table().to_bytes() == table


def test_a_gold_answer_that_is_written_like_no_answer_is_never_right() -> None:
    layout = layout_of([Recording((None,), 50, None)], gold="ERR")
    store, key = import_questions([layout], source="test", model="m", benchmark="b")
    assert key.ids(store).tolist() == [-2]


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"{}", b'["18"]', b'["18", 5]', b'["17", "18"]', b'"18"', b"\xff\xfe", b"[]"]
)
def test_an_answer_key_that_is_not_the_saved_one_is_refused(saved: Path, content: bytes | None) -> None:
    path = saved / "gold.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=r"gold\.json"):
        load_key(saved, load_store(saved))


# Damage


@pytest.mark.parametrize("name", ["store.json", "trajectories.npz"])
def test_a_missing_or_empty_file_is_reported(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"")
    with pytest.raises(StoreError, match=str(saved)) as refused:
        load_store(saved)
    assert refused.value.hint
    (saved / name).unlink()
    with pytest.raises(StoreError, match=str(saved)):
        load_store(saved)


def test_a_folder_without_a_store_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, found in ((".", "is not a store"), ("none", "does not exist"), ("file", "is a file")):
        with pytest.raises(StoreError, match=found):
            load_store(tmp_path / name)


@pytest.mark.parametrize("name", ["store.json", "trajectories.npz"])
def test_no_flipped_or_missing_byte_goes_unnoticed(saved: Path, name: str) -> None:
    whole = (saved / name).read_bytes()
    store, _ = example()
    versions = [whole[:end] for end in range(0, len(whole) - 1, 7)]
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        versions.append(bytes(flipped))
    for content in versions:
        (saved / name).write_bytes(content)
        try:
            loaded = load_store(saved)
        except StoreError:
            continue
        assert_same(loaded, store)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": None},
        {"questions": 5},
        {"questions": ["a", "b"]},
        {"questions": [{"text": "a"}]},
        {"questions": [{"text": "a", "answers": 5}]},
        {"questions": [{"text": {}, "answers": [{}]}]},
        {"interval_tokens": "100"},
        {"interval_tokens": None},
        {"model": ["Model-1B"]},
        {"digest": None},
        {"key_digest": ""},
    ],
)
def test_a_changed_description_is_refused(saved: Path, change: dict[str, Any]) -> None:
    described = json.loads((saved / "store.json").read_text())
    (saved / "store.json").write_text(json.dumps(described | change))
    with pytest.raises(StoreError, match=str(saved)):
        load_store(saved)


@pytest.mark.parametrize(
    "key", ["format", "questions", "model", "benchmark", "interval_tokens", "digest", "key_digest"]
)
def test_a_description_without_a_key_is_refused(saved: Path, key: str) -> None:
    described = json.loads((saved / "store.json").read_text())
    del described[key]
    (saved / "store.json").write_text(json.dumps(described))
    with pytest.raises(StoreError, match=str(saved)):
        load_store(saved)


def test_arrays_of_another_kind_are_refused_without_unpickling(saved: Path) -> None:
    store, _ = example()
    arrays = {name: getattr(store, name) for name in ("branch_ends", "row_ends", "answers", "tokens")}
    wrong: list[dict[str, Any]] = [
        arrays | {"tokens": np.array([object()], dtype=object)},
        {name: array for name, array in arrays.items() if name != "tokens"},
        arrays | {"tokens": np.array(["a"])},
        arrays | {"tokens": store.tokens[:-1]},
    ]
    for version in wrong:
        np.savez(saved / "trajectories.npz", **version)
        with pytest.raises(StoreError, match="damaged"):
            load_store(saved)
    np.save(saved / "one.npy", store.tokens)
    (saved / "one.npy").rename(saved / "trajectories.npz")
    with pytest.raises(StoreError, match="damaged"):
        load_store(saved)


# Saving


def test_saving_the_same_store_again_is_fine_and_another_is_refused(saved: Path) -> None:
    store, key = example()
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    save_store(store, key, saved)
    with pytest.raises(StoreError, match="already holds another store"):
        save_store(replace(store, model="other"), key, saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_folder_that_holds_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not a store"):
        save_store(*example(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_store(*example(), tmp_path / "empty")
    assert load_store(tmp_path / "empty").digest == example()[0].digest


@pytest.mark.parametrize("below", ["file", "file/store"])
def test_a_file_in_the_way_is_reported(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"file"):
        save_store(*example(), tmp_path / below)
    assert (tmp_path / "file").read_text() == "mine"


def failing(error: BaseException, on: str = "") -> Callable[..., Any]:
    """A function that raises; with `on`, only for a path of that name."""
    write = Path.write_text

    def fail(*arguments: Any, **keywords: Any) -> Any:
        if on and arguments[0].name != on:
            return write(*arguments, **keywords)
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize(
    ("owner", "function", "on"),
    [
        (Path, "write_text", "store.json"),
        (Path, "write_text", "gold.json"),
        (np, "savez_compressed", ""),
        (os, "fsync", ""),
        (Path, "rename", ""),
        (tempfile, "mkdtemp", ""),
    ],
)
def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, function: str, on: str, error: BaseException
) -> None:
    expected = StoreError if isinstance(error, OSError) else type(error)
    with monkeypatch.context() as patched:
        patched.setattr(owner, function, failing(error, on))
        with pytest.raises(expected):
            save_store(*example(), tmp_path / "store")
    assert list(tmp_path.iterdir()) == []
