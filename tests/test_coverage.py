"""Coverage of a store: closed forms on stores made by hand, and the reference figures of self-consistency."""

import csv
from math import isclose
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.coverage import coverage, cut_share, pass_curve, silent_probe_share, vote_curve, vote_widths
from replay.importer import import_file
from replay.store import AnswerKey, ReplayStore
from replay.tables import branch_order
from replay.votes import majority
from tests.recordings import Recording, recordings, store_of


def answers(text: str) -> list[Recording]:
    """One branch for each letter: g is correct, - is none, others are wrong."""
    named = {"g": "gold", "-": None}
    return [Recording((), 100 + place, named.get(letter, letter)) for place, letter in enumerate(text)]


def test_shares_are_those_counted_by_hand() -> None:
    store, key = store_of([answers("gggg"), answers("gaab"), answers("aaaa"), answers("g--a")])
    found = coverage(store, key)
    assert (found.n_questions, found.n_mixed, found.mixed) == (4, 2, 0.5)
    assert found.single_branch == (1 + 0.25 + 0 + 0.25) / 4
    assert found.silent_finals == 2 / 16
    assert found.length_quantiles[0.0] == 100
    assert found.length_quantiles[1.0] == 103


def test_pass_curve_is_the_closed_form() -> None:
    store, key = store_of([answers("gaab"), answers("ggab")])
    assert np.allclose(pass_curve(store, key, (1, 2, 3, 4)), [0.375, (3 / 6 + 5 / 6) / 2, (3 / 4 + 1) / 2, 1])


def test_curves_begin_at_one_branch_and_end_at_all() -> None:
    store, key = store_of([answers("gaab"), answers("ggab")])
    found = coverage(store, key, seeds=range(400))
    assert found.passes[1] == found.single_branch
    assert abs(found.votes[1] - found.single_branch) < 0.05
    assert found.passes[4] == 1


@given(st.lists(recordings(100), min_size=1, max_size=12), st.integers(1, 12))
def test_votes_are_those_of_majority(branches: list[Recording], width: int) -> None:
    store, key = store_of([branches])
    key = AnswerKey((branches[0].final or "?",))
    seeds = range(5)
    expected = [
        majority([branches[i].final for i in branch_order(seed, len(branches))[:width]]) == key.answers[0]
        for seed in seeds
    ]
    assert vote_curve(store, key, (width,), seeds).tolist() == [np.mean(expected)]


def test_an_answer_that_nobody_gave_is_not_no_answer() -> None:
    store, key = store_of([answers("---")])
    assert vote_curve(store, key, (1, 3)).tolist() == [0, 0]
    assert pass_curve(store, key, (1, 3)).tolist() == [0, 0]


def test_widths_are_powers_of_two_up_to_64_or_all() -> None:
    assert vote_widths(store_of([answers("a")])[0]) == (1,)
    assert vote_widths(store_of([answers("a" * 6), answers("a")])[0]) == (1, 2, 4, 6)
    assert vote_widths(store_of([answers("a" * 100)])[0]) == (1, 2, 4, 8, 16, 32, 64)


def test_probes_without_an_answer_are_counted_without_finals() -> None:
    store, _ = store_of([[Recording(("1", None, None, "2"), 500, None), Recording((), 90, None)]])
    assert silent_probe_share(store) == 0.5


def test_a_store_without_probes_has_no_share_of_silent_ones() -> None:
    assert silent_probe_share(store_of([answers("ga")])[0]) is None


def test_branches_near_the_longest_count_as_cut_off_unless_the_limit_is_known() -> None:
    store, _ = store_of([[Recording((), tokens, "a") for tokens in (100, 500, 960, 1000)]])
    assert cut_share(store) == 0.5
    assert cut_share(store, limit_tokens=1000) == 0.25
    assert cut_share(store, limit_tokens=2000) == 0


@pytest.mark.parametrize(
    ("questions", "beginning"),
    [
        (["gggg", "aaaa"], "There is no accuracy to gain here, only tokens to save"),
        (["gaab"] * 4, "Voting alone does not pay here, telling branches apart would"),
        (["gggggaabc"] * 12, "There is something to discover here"),
        (["g" * 300 + "a"], "There is hardly any accuracy to gain here"),
    ],
)
def test_meaning_says_what_the_figures_leave_open(questions: list[str], beginning: str) -> None:
    store, key = store_of([answers(letters) for letters in questions])
    assert coverage(store, key).meaning.startswith(beginning)


def test_meaning_is_one_sentence_with_its_figures() -> None:
    branches = [Recording((), 1000, "gold" if place < 6 else str(place)) for place in range(10)]
    found = coverage(*store_of([branches]))
    assert found.meaning == (
        "There is something to discover here: one branch alone is right in 60.0% of cases, the majority of 10 in"
        " 100.0%, at least one of 10 in 100.0%, but only 1 question decides it, too few to tell controllers apart"
        " and 100% of the branches end near the length limit."
    )


def test_votes_reproduce_the_reference_figures_of_self_consistency(recorded_folder: Path) -> None:
    rows = csv.DictReader((recorded_folder / "reference" / "reference_aime24.csv").read_text().splitlines())
    references = [row for row in rows if row["controller"] == "sc" and row["model"] == "Qwen3-1.7B"]
    store, key = recorded_store(recorded_folder)
    found = coverage(store, key)
    assert len(references) == 6
    for row in references:
        width = int(row["setting"].removeprefix("n="))
        assert isclose(found.votes[width] * 3000, int(row["correct_episodes_of_3000"]), abs_tol=1e-6)


def recorded_store(folder: Path) -> tuple[ReplayStore, AnswerKey]:
    """A recorded store and its key."""
    return import_file(folder / "data/public/Qwen3-1.7B/aime24.json", model="Qwen3-1.7B", benchmark="aime24")
