"""Comparisons: figures are those of the scorecard, draws are joint, and the verdict claims no more than it may."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from discovery.comparison import LEAST_QUESTIONS, Comparison, compare
from discovery.evaluation import Cell, KeyedStore
from discovery.scorecard import Panel, area, curve
from replay.bootstrap import Estimate
from tests.small_runs import small_stores

N_SEEDS = 4
N_RESAMPLES = 300
NAMES = ("one", "other")


def panel_of(stores: Sequence[KeyedStore], n_questions: int, reference: float = 1_000.0) -> Panel:
    """A panel on which a self-consistency of 64 branches costs the same everywhere, and one branch is never right."""
    return Panel(
        stores=tuple(stores),
        questions=tuple(np.arange(n_questions) for _ in stores),
        seeds=tuple(range(N_SEEDS)),
        reference=tuple(np.full((N_SEEDS, n_questions), reference) for _ in stores),
        single_branch=tuple(np.zeros(n_questions) for _ in stores),
    )


def cell(store: int, beta: float, correct: npt.ArrayLike, tokens: npt.ArrayLike) -> Cell:
    """A cell whose seeds are all alike."""
    rows = [np.tile(np.asarray(values), (N_SEEDS, 1)) for values in (correct, tokens)]
    status = np.zeros(rows[0].shape, np.uint8)
    return Cell(store, beta, rows[0].astype(np.bool_), rows[1].astype(np.int64), rows[1].astype(np.int64), status)


def compared(one: Sequence[Cell], other: Sequence[Cell], panel: Panel, seed: int = 0) -> Comparison:
    return compare(NAMES, (one, other), panel, np.random.default_rng(seed), N_RESAMPLES)


def drawn_cells(rng: np.random.Generator, n_questions: int, ease: npt.ArrayLike, tokens: int = 100) -> list[Cell]:
    """One store, two betas, answers right with each question's own chance."""
    return [
        cell(0, beta, rng.random(n_questions) < np.asarray(ease), rng.integers(tokens, 2 * tokens, n_questions))
        for beta in (0.0, 1.0)
    ]


@pytest.fixture(scope="module")
def stores() -> tuple[KeyedStore, ...]:
    return small_stores(n_questions=24, n_branches=4)


def test_figures_are_those_of_the_scorecard(stores: tuple[KeyedStore, ...]) -> None:
    rng = np.random.default_rng(0)
    panel = panel_of(stores[:1], 24)
    one, other = drawn_cells(rng, 24, 0.7), drawn_cells(rng, 24, 0.4)
    found = compared(one, other, panel)
    curves = curve(one, panel), curve(other, panel)
    assert found.areas == (area(curves[0], panel), area(curves[1], panel))
    assert found.area is not None and found.area.value == found.areas[0] - found.areas[1]
    assert [(pair.a, pair.b) for pair in found.pairs] == list(zip(*(c.values() for c in curves), strict=True))
    for pair in found.pairs:
        assert pair.accuracy.value == pair.a.accuracy - pair.b.accuracy
        assert pair.tokens.value == pair.a.tokens / pair.b.tokens
        assert pair.accuracy.low <= pair.accuracy.value <= pair.accuracy.high


def test_a_controller_does_not_beat_itself(stores: tuple[KeyedStore, ...]) -> None:
    cells = drawn_cells(np.random.default_rng(1), 24, 0.5)
    found = compared(cells, cells, panel_of(stores[:1], 24))
    assert found.area == Estimate(0, 0, 0)
    assert found.pairs[0].tokens == Estimate(1, 1, 1)
    assert "can't be told from chance" in found.verdict


def test_questions_are_drawn_jointly_for_all_models(stores: tuple[KeyedStore, ...]) -> None:
    rng = np.random.default_rng(2)
    gains, nothing, tokens = rng.random(24) < 0.5, np.zeros(24), np.full(24, 100)
    one = [cell(0, 0.5, gains, tokens), cell(1, 0.5, nothing, tokens)]
    other = [cell(0, 0.5, nothing, tokens), cell(1, 0.5, gains, tokens)]
    (pair,) = compared(one, other, panel_of(stores, 24)).pairs
    assert pair.accuracy == Estimate(0, 0, 0)


def test_the_order_of_the_two_only_turns_the_signs(stores: tuple[KeyedStore, ...]) -> None:
    rng = np.random.default_rng(3)
    panel = panel_of(stores[:1], 24)
    one, other = drawn_cells(rng, 24, 0.9), drawn_cells(rng, 24, 0.3)
    found, turned = compared(one, other, panel), compared(other, one, panel)
    assert found.area is not None and turned.area is not None
    assert np.allclose(
        [found.area.value, found.area.low, found.area.high], [-turned.area.value, -turned.area.high, -turned.area.low]
    )
    assert found.verdict == turned.verdict.replace("other is", "one is") and found.verdict.startswith("one is better")


def test_equal_controllers_are_seldom_told_apart(stores: tuple[KeyedStore, ...]) -> None:
    rng = np.random.default_rng(4)
    panel = panel_of(stores[:1], 24)
    claims = 0
    for seed in range(120):
        ease = rng.beta(0.8, 0.6, 24)
        found = compared(drawn_cells(rng, 24, ease), drawn_cells(rng, 24, ease), panel, seed)
        claims += "is better" in found.verdict
    assert claims <= 12


def test_a_large_gain_is_claimed(stores: tuple[KeyedStore, ...]) -> None:
    rng = np.random.default_rng(5)
    found = compared(drawn_cells(rng, 24, 0.9), drawn_cells(rng, 24, 0.2), panel_of(stores[:1], 24))
    assert found.area is not None and found.area.low > 0.2
    assert found.verdict.startswith("one is better by ")


def test_nothing_is_claimed_on_few_questions(stores: tuple[KeyedStore, ...]) -> None:
    n_questions = LEAST_QUESTIONS - 1
    one, other = (
        [cell(0, beta, np.full(n_questions, right), np.full(n_questions, 100)) for beta in (0.0, 1.0)]
        for right in (True, False)
    )
    found = compared(one, other, panel_of(stores[:1], n_questions))
    assert found.verdict == f"Nothing can be claimed: {n_questions} questions are too few."


def test_one_question_can_not_be_drawn_from(stores: tuple[KeyedStore, ...]) -> None:
    cells = [cell(0, 0.5, [True], [100])]
    with pytest.raises(ValueError, match="at least two"):
        compared(cells, cells, panel_of(stores[:1], 1))


def verdict_of(area: tuple[float, float, float]) -> str:
    return Comparison(("A", "B"), 30, (), (0.6, 0.5), Estimate(*area)).verdict


def test_verdicts_read_well(stores: tuple[KeyedStore, ...]) -> None:
    assert verdict_of((0.019, 0.004, 0.035)) == (
        "A is better by 1.9 points [0.4, 3.5] of frontier area on these 30 questions."
    )
    assert verdict_of((-0.019, -0.035, -0.004)) == (
        "B is better by 1.9 points [0.4, 3.5] of frontier area on these 30 questions."
    )
    assert verdict_of((0.007, -0.004, 0.018)) == (
        "The difference of 0.7 points [-0.4, 1.8] of frontier area can't be told from chance on these 30 questions."
    )
    right, wrong, tokens = np.ones(24), np.zeros(24), np.full(24, 100)
    panel = panel_of(stores[:1], 24)
    assert compared([cell(0, 0.5, right, tokens)], [cell(0, 1.0, wrong, tokens * 4)], panel).verdict == (
        "one is more accurate by 100.0 points [100.0, 100.0], and one spends 0.25 [0.25, 0.25] times the tokens of"
        " other, on these 24 questions."
    )
    assert compared([cell(0, 0.5, right, tokens)], [cell(0, 1.0, right, tokens)], panel).verdict == (
        "The difference of 0.0 points [0.0, 0.0] of accuracy can't be told from chance, nor 1.00 [1.00, 1.00] times"
        " the tokens, on these 24 questions."
    )
