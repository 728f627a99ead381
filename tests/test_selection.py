"""Splitting questions, the front, parents and the winner."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.config import draw_validation
from discovery.evaluation import KeyedStore
from discovery.front import hypervolume, nondominated
from discovery.proposal import CurvePoint
from discovery.selection import FINALISTS, choose_parents, front_points, pick_winner
from discovery.standings import Standing
from replay.errors import StoreError
from replay.importer import import_questions
from replay.split import Split, questions_of, split_questions
from replay.store import ReplayStore
from tests.recordings import Recording, layout_of

GRID = st.integers(0, 4).map(lambda step: step / 4)


def store_with(texts: list[str]) -> KeyedStore:
    layouts = [layout_of([Recording((), 10, "gold")], text=text) for text in texts]
    store, key = import_questions(layouts, source="test", model="+".join(texts)[:20], benchmark="b")
    return KeyedStore(store, key, Path())


def texts_of(store: ReplayStore, split: dict[str, Split], part: Split) -> set[str]:
    return {store.questions[index] for index in questions_of(store, split, (part,)).tolist()}


@given(st.integers(3, 40), st.integers(0, 1_000))
def test_one_question_in_three_is_kept_for_validation(n_questions: int, seed: int) -> None:
    store = store_with([f"question {i}" for i in range(n_questions)]).store
    parts = list(split_questions([store], seed).values())
    assert parts.count(Split.VALIDATION) == n_questions // 3
    assert parts.count(Split.SEARCH) == n_questions - n_questions // 3


def test_every_model_has_the_same_questions_in_each_part_whatever_their_order() -> None:
    texts = [f"question {i}" for i in range(12)]
    first, second = store_with(texts).store, store_with(texts[::-1]).store
    split = split_questions([first, second], 5)
    assert split == split_questions([second, first], 5) == split_questions([first], 5)
    for part in Split:
        assert texts_of(first, split, part) == texts_of(second, split, part)


def test_the_parts_are_decided_by_texts_and_seed_alone() -> None:
    store = store_with([f"question {i}" for i in range(12)]).store
    assert split_questions([store], 1) == split_questions([store], 1)
    assert len({tuple(split_questions([store], seed).items()) for seed in range(10)}) == 10


def test_both_parts_together_are_all_questions_in_order() -> None:
    store = store_with([f"question {i}" for i in range(10)]).store
    split = split_questions([store], 3)
    assert questions_of(store, split, tuple(Split)).tolist() == list(range(10))
    assert questions_of(store, split, ()).tolist() == []


def test_a_store_too_small_to_divide_is_refused() -> None:
    with pytest.raises(StoreError, match="2 questions: too few"):
        draw_validation([store_with(["one", "two"])], 0)


@given(st.lists(st.tuples(GRID, GRID), max_size=12))
def test_the_front_is_what_brute_force_finds(points: list[tuple[float, float]]) -> None:
    def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and one[0] >= other[0] and one[1] <= other[1]

    kept = nondominated(points)
    expected = [
        not any(dominates(other, point) for other in points) and points.index(point) == index
        for index, point in enumerate(points)
    ]
    assert kept.tolist() == expected


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([], 0.0),
        ([(0.5, 0.25)], 0.5 * 0.75),
        ([(0.5, 0.25), (0.8, 0.5)], 0.5 * 0.75 + 0.3 * 0.5),
        ([(0.5, 0.25), (0.4, 0.5)], 0.5 * 0.75),
        ([(0.5, 1.5)], 0.0),
        ([(0.5, 0.25), (0.5, 0.25)], 0.5 * 0.75),
    ],
)
def test_the_hypervolume_of_a_few_points_is_their_closed_form(points: list[tuple[float, float]], volume: float) -> None:
    assert hypervolume(points) == pytest.approx(volume)


def test_a_hypervolume_has_finite_points() -> None:
    with pytest.raises(ValueError, match="finite"):
        hypervolume([(float("nan"), 0.5)])


def standing(number: int, area: float, area_all: float = 0.5, *, sound: bool = True, accuracy: float = 0.5) -> Standing:
    curve = (CurvePoint(0.0, accuracy, 0.1 + number / 100),)
    return Standing(number, area, area_all if sound else None, curve, sound)


def test_the_winner_is_the_best_on_all_questions_of_the_ten_best_on_search_questions() -> None:
    finalists = [standing(i, 0.9 - i / 100, 0.5) for i in range(FINALISTS - 1)]
    last = standing(50, 0.7, 0.6)
    eleventh = standing(60, 0.6, 0.99)
    assert pick_winner([eleventh, last, *finalists]) == last


def test_of_equal_candidates_the_first_wins() -> None:
    assert pick_winner([standing(2, 0.5), standing(1, 0.5)]) == standing(1, 0.5)


def test_an_unsound_candidate_never_wins_nor_is_on_the_front_nor_a_parent() -> None:
    unsound, sound = standing(1, 0.99, sound=False, accuracy=1.0), standing(2, 0.5)
    assert pick_winner([unsound, sound]) == sound
    assert pick_winner([unsound]) is None
    assert [number for number, _ in front_points([unsound, sound])] == [2]
    for seed in range(40):
        assert choose_parents([unsound, sound], 2, np.random.default_rng(seed)) == [sound]
    assert choose_parents([unsound], 2, np.random.default_rng(0)) == []


def test_parents_differ_and_the_same_generator_draws_the_same() -> None:
    field = [standing(i, 0.5 + i / 100, accuracy=0.3 + i / 100) for i in range(20)]
    drawn = [[s.number for s in choose_parents(field, 2, np.random.default_rng(seed))] for seed in range(200)]
    assert drawn == [[s.number for s in choose_parents(field, 2, np.random.default_rng(seed))] for seed in range(200)]
    assert all(len(set(parents)) == 2 for parents in drawn)
    first = [parents[0] for parents in drawn]
    assert first.count(19) > first.count(15) > 0, "larger areas are drawn more often"


def test_outsiders_are_parents_now_and_then() -> None:
    """Nothing past the ten best is on this front: all are as accurate and dearer."""
    field = [standing(i, 0.9 - i / 100) for i in range(30)]
    firsts = [choose_parents(field, 2, np.random.default_rng(seed))[0].number for seed in range(300)]
    outsiders = sum(number >= FINALISTS for number in firsts)
    assert 300 * 0.2 * 2 / 3 / 2 < outsiders < 300 * 0.2


def test_the_front_is_told_cheapest_first() -> None:
    field = [standing(i, 0.5, accuracy=0.4 + i / 100) for i in (3, 1, 2)]
    assert [number for number, _ in front_points(field)] == [1, 2, 3]
    worse = [standing(9, 0.5, accuracy=0.1)]
    for order in itertools.permutations([*field, *worse]):
        assert [number for number, _ in front_points(order)] == [1, 2, 3]
