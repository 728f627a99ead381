"""Figures against closed forms: frontier area, standard errors, costs of several stores, panels."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.archive import point_of
from discovery.evaluation import Cell, KeyedStore
from discovery.records import Outcome
from discovery.scorecard import curve, make_panel, score, single_branch
from discovery.standings import Measure
from replay.scoring import (
    LEAST_RATIO,
    frontier_area,
    mean_of,
    reference_tokens,
    single_branch_accuracies,
    standard_error,
)
from replay.split import Split
from replay.tables import branch_order
from tests.recordings import Recording, store_of

SHARES = st.floats(0, 1, allow_nan=False)
RATIOS = st.floats(0.001, 3, allow_nan=False)


def integral(points: list[tuple[float, float]], single: float, steps: int = 4_000) -> float:
    """The area by the midpoint rule, straight from its definition."""
    middles = np.exp((np.arange(steps) + 0.5) / steps * math.log(1 / LEAST_RATIO) + math.log(LEAST_RATIO))
    best = [max([single, *(a for a, r in points if r <= middle)]) for middle in middles]
    return float(np.mean(best))


def test_the_area_without_points_is_one_branch_alone() -> None:
    assert frontier_area([], 0.4) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([(0.8, 1 / 16)], 0.8),
        ([(0.8, 1 / 100)], 0.8),
        ([(0.8, 0.25)], 0.5 * 0.4 + 0.5 * 0.8),
        ([(0.8, 1.0)], 0.4),
        ([(0.3, 0.1)], 0.4),
        ([(0.8, 0.25), (0.7, 0.5)], 0.6),
        ([(0.6, 0.125), (0.8, 0.5)], 0.25 * 0.4 + 0.5 * 0.6 + 0.25 * 0.8),
        ([(0.6, 0.25), (0.8, 0.25)], 0.6),
    ],
)
def test_the_area_of_a_few_steps_is_their_closed_form(points: list[tuple[float, float]], area: float) -> None:
    assert frontier_area(points, 0.4) == pytest.approx(area, abs=1e-12)
    assert frontier_area(points[::-1], 0.4) == pytest.approx(area, abs=1e-12)


@given(st.lists(st.tuples(SHARES, RATIOS), max_size=8), SHARES)
def test_the_area_equals_a_numeric_integral(points: list[tuple[float, float]], single: float) -> None:
    assert frontier_area(points, single) == pytest.approx(integral(points, single, 500), abs=8 / 500)


@given(st.lists(st.tuples(SHARES, RATIOS), max_size=8), SHARES, st.tuples(SHARES, RATIOS))
def test_a_further_point_never_makes_the_area_smaller(
    points: list[tuple[float, float]], single: float, more: tuple[float, float]
) -> None:
    assert frontier_area([*points, more], single) >= frontier_area(points, single) - 1e-12


def test_the_standard_error_is_that_of_the_mean_over_questions() -> None:
    assert standard_error(np.array([0.0, 1.0, 1.0, 0.0])) == pytest.approx(math.sqrt(1 / 3) / 2)
    assert math.isnan(standard_error(np.array([0.5])))


@given(st.lists(SHARES, min_size=1, max_size=6))
def test_a_mean_does_not_depend_on_the_order(values: list[float]) -> None:
    assert len({mean_of(order) for order in itertools.islice(itertools.permutations(values), 24)}) == 1


def keyed(questions: list[list[Recording]], model: str = "model") -> KeyedStore:
    store, key = store_of(questions)
    return KeyedStore(replace(store, model=model), key, Path())


def branches(lengths: list[int], right: int) -> list[Recording]:
    """Complete branches of these lengths, the first `right` of them right."""
    return [Recording((), length, "gold" if i < right else "wrong") for i, length in enumerate(lengths)]


def test_self_consistency_costs_the_first_branches_of_each_order() -> None:
    store = keyed([branches([1, 20, 300, 4_000], 1), branches([5, 50], 1)]).store
    tokens = reference_tokens(store, np.array([1, 0]), range(6), width=3)
    lengths = [1, 20, 300, 4_000]
    assert tokens[:, 0].tolist() == [55] * 6, "a question with fewer branches uses all it has"
    assert tokens[:, 1].tolist() == [sum(lengths[at] for at in branch_order(seed, 4)[:3]) for seed in range(6)]


def test_one_branch_alone_is_right_as_often_as_its_question_s_branches() -> None:
    whole = keyed([branches([1] * 4, 1), branches([1] * 4, 4), branches([1] * 4, 0)])
    shares = single_branch_accuracies(whole.store, whole.key, np.array([2, 0, 1]))
    assert shares.tolist() == [0, 0.25, 1]


def cell(store: int, correct: list[list[int]], tokens: int, beta: float = 0.5) -> Cell:
    right = np.array(correct, bool)
    spent = np.full(right.shape, tokens, np.int64)
    return Cell(store, beta, right, spent, spent // 2, np.zeros(right.shape, np.uint8))


def test_costs_of_several_stores_are_averaged_before_they_are_divided() -> None:
    dear, cheap = keyed([branches([1_000] * 2, 1)] * 2, "dear"), keyed([branches([10] * 2, 1)] * 2, "cheap")
    panel = make_panel([dear, cheap], [np.array([0, 1])] * 2, range(2))
    scores = score([cell(0, [[1, 0], [1, 0]], 500), cell(1, [[1, 1], [1, 0]], 20)], panel)
    assert scores.tokens == 260
    assert scores.cost_ratio == pytest.approx(260 / 1_010), "not the mean of 0.25 and 1"
    assert scores.accuracy == pytest.approx((0.5 + 0.75) / 2)
    assert scores.sequential_tokens == 130


def test_the_standard_error_takes_a_question_s_stores_together() -> None:
    first, second = keyed([branches([1], 1)] * 3, "a"), keyed([branches([1], 1)] * 3, "b")
    panel = make_panel([first, second], [np.array([0, 1, 2])] * 2, range(2))
    cells = [cell(0, [[1, 0, 1], [1, 0, 0]], 1), cell(1, [[1, 1, 0], [0, 1, 0]], 1)]
    means = np.array([(1 + 0.5) / 2, (0 + 1) / 2, (0.5 + 0) / 2])
    assert score(cells, panel).standard_error == pytest.approx(standard_error(means))


def test_questions_of_one_store_alone_count_once_each() -> None:
    store = keyed([branches([1], 1)] * 4)
    panel = make_panel([store], [np.array([0, 2, 3])], range(1))
    assert score([cell(0, [[1, 0, 1]], 1)], panel).standard_error == pytest.approx(1 / 3)


def test_a_part_of_a_panel_is_the_panel_of_the_part() -> None:
    store = keyed([branches([10 * i + 1, 7, 8], i % 3) for i in range(6)])
    whole = make_panel([store], [np.array([0, 2, 3, 5])], range(8))
    part, direct = whole.part([np.array([1, 3])], 3), make_panel([store], [np.array([2, 5])], range(3))
    assert part.seeds == direct.seeds
    assert part.n_episodes == direct.n_episodes == 6
    for ours, theirs in (
        (part.questions, direct.questions),
        (part.reference, direct.reference),
        (part.single_branch, direct.single_branch),
    ):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_panel_of_one_store_leaves_the_others_out() -> None:
    stores = [keyed([branches([1] * 4, right)] * 2, str(right)) for right in (1, 3)]
    panel = make_panel(stores, [np.array([0, 1])] * 2, range(2))
    assert single_branch(panel) == 0.5
    assert single_branch(panel.of_store(1)) == 0.75
    assert panel.of_store(1).n_episodes == 4


def test_a_curve_is_in_the_order_of_its_betas() -> None:
    panel = make_panel([keyed([branches([1], 1)] * 2)], [np.array([0, 1])], range(1))
    cells = [cell(0, [[1, 0]], 1, beta) for beta in (1.0, 0.0, 0.5)]
    assert list(curve(cells, panel)) == [0.0, 0.5, 1.0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_sums_from_the_archive_give_the_same_figures_to_the_last_digit(seed: int, n_played: int) -> None:
    """Also of a candidate that played the first seeds alone, which are compared with the same seeds."""
    rng = np.random.default_rng(seed)
    stores = [keyed([branches([1], 1)] * 7, name) for name in "abc"]
    panel = replace(
        make_panel(stores, [np.arange(7)] * 3, range(4)),
        reference=tuple(rng.integers(1, 10**7, (4, 7)).astype(float) for _ in stores),
    )
    cells = [
        Cell(
            index,
            beta,
            rng.random((n_played, 7)) < 0.5,
            *rng.integers(0, 10**7, (2, n_played, 7)),
            np.zeros((1, 1), "u1"),
        )
        for index in range(3)
        for beta in (0.0, 1.0)
    ]
    points = [
        point_of(Outcome(stores[c.store].store.name, Split.SEARCH, c.beta, c.correct, c.tokens, c.tokens, c.status))
        for c in reversed(cells)
    ]
    played = panel.part([np.arange(7)] * 3, n_played)
    assert [(p.beta, p.accuracy, p.cost_ratio) for p in Measure((Split.SEARCH,), panel).curve(points)] == [
        (beta, scores.accuracy, scores.cost_ratio) for beta, scores in curve(cells, played).items()
    ]
