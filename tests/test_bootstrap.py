"""The bootstrap over questions: what it draws, and that its intervals cover what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.bootstrap import Estimate, _t_quantile, draw_counts, estimate, resampled_means

N_RESAMPLES = 1_000


def test_each_stratum_is_drawn_as_often_as_it_has_questions() -> None:
    strata = [0, 1, 0, 1, 1, 2]
    counts = draw_counts(strata, 500, np.random.default_rng(0))
    assert counts.shape == (500, 6)
    for stratum in (0, 1, 2):
        members = np.flatnonzero(np.array(strata) == stratum)
        assert (counts[:, members].sum(axis=1) == len(members)).all()
    assert (counts[:, 5] == 1).all()
    assert np.allclose(counts.mean(axis=0), 1, atol=0.2)


def test_the_same_generator_draws_the_same() -> None:
    one, other = (draw_counts([0] * 9, 50, np.random.default_rng(4)) for _ in range(2))
    assert (one == other).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12), st.integers(0, 100))
def test_means_are_those_of_the_questions_drawn(values: list[float], seed: int) -> None:
    counts = draw_counts([0] * len(values), 20, np.random.default_rng(seed))
    expected = [np.mean(np.repeat(values, drawn)) for drawn in counts]
    assert np.allclose(resampled_means(counts, values), expected)
    both = resampled_means(counts, np.stack([values, np.ones(len(values))], 1))
    assert np.allclose(both, np.stack([expected, np.ones(20)], 1))


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(4, 2.7764), (9, 2.2622), (19, 2.0930), (29, 2.0452), (59, 2.0010), (999, 1.9623)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert _t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-3)


def test_an_interval_is_wider_than_the_plain_percentiles_and_less_so_with_more_questions() -> None:
    resampled = np.linspace(-1, 1, 10_001)
    few, many = estimate(0.0, resampled, 8), estimate(0.0, resampled, 800)
    assert few.low < many.low < -0.95 < 0.95 < many.high < few.high
    assert many.high == pytest.approx(0.95, abs=0.005)


def test_an_interval_excludes_what_is_outside_of_it() -> None:
    found = Estimate(0.2, 0.1, 0.3)
    assert found.excludes(0) and found.excludes(0.31)
    assert not found.excludes(0.1) and not found.excludes(0.2)


@pytest.mark.parametrize("n_questions", [10, 30])
def test_intervals_cover_the_true_difference_as_often_as_they_promise(n_questions: int) -> None:
    """Two controllers right with beta-distributed chances, correlated by question; 400 benchmarks drawn."""
    rng = np.random.default_rng(20)
    n_worlds, gain = 400, 0.05
    covered, truth = 0, true_gain(gain)
    for _ in range(n_worlds):
        ease = rng.beta(0.8, 0.6, n_questions)
        one = rng.binomial(16, ease) / 16
        other = rng.binomial(16, np.clip(ease + rng.normal(gain, 0.1, n_questions), 0, 1)) / 16
        counts = draw_counts(np.zeros(n_questions), N_RESAMPLES, rng)
        found = estimate(float((other - one).mean()), resampled_means(counts, other - one), n_questions)
        covered += not found.excludes(truth)
    assert 0.92 <= covered / n_worlds <= 0.98


def true_gain(gain: float) -> float:
    """The mean gain over all questions there could be."""
    rng = np.random.default_rng(1)
    ease = rng.beta(0.8, 0.6, 200_000)
    return float((np.clip(ease + rng.normal(gain, 0.1, len(ease)), 0, 1) - ease).mean())
