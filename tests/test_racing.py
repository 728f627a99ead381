"""Racing never drops what full evaluation would put on the front beyond noise, and drops what has no chance."""

import numpy as np
import numpy.typing as npt
import pytest

from discovery.evaluation import Cell
from discovery.racing import Contender, can_reach_front, rungs
from discovery.scorecard import Panel
from tests.small_runs import small_stores

N_SEEDS = 64
N_QUESTIONS = 20
BETAS = (0.0, 0.5, 1.0)
TOKENS = dict(zip(BETAS, (100, 300, 900), strict=True))


@pytest.mark.parametrize(
    ("n_seeds", "sizes"),
    [(1, [1]), (4, [4]), (5, [4, 1]), (16, [4, 12]), (17, [4, 12, 1]), (64, [4, 12, 48]), (65, [4, 12, 48, 1])],
)
def test_rungs_are_4_then_16_then_64_seeds_and_cover_all(n_seeds: int, sizes: list[int]) -> None:
    steps = rungs(n_seeds)
    assert [len(step) for step in steps] == sizes
    assert [seed for step in steps for seed in step] == list(range(n_seeds))


def panel(n_seeds: int = N_SEEDS) -> Panel:
    """Questions of two stores whose self-consistency costs 1,000 tokens."""
    stores = small_stores(N_QUESTIONS, 2)
    return Panel(
        stores=stores,
        questions=tuple(np.arange(N_QUESTIONS) for _ in stores),
        seeds=tuple(range(n_seeds)),
        reference=tuple(np.full((n_seeds, N_QUESTIONS), 1_000.0) for _ in stores),
        single_branch=tuple(np.full(N_QUESTIONS, 0.3) for _ in stores),
    )


Floats = npt.NDArray[np.float64]


def drawn(means: dict[float, Floats], rng: np.random.Generator, tokens: dict[float, int] = TOKENS) -> tuple[Cell, ...]:
    """Episodes of a controller that answers each question rightly with a given probability."""
    cells = []
    for beta, by_store in means.items():
        for store, shares in enumerate(by_store):
            correct = rng.random((N_SEEDS, N_QUESTIONS)) < shares
            spent = np.full(correct.shape, tokens[beta], np.int64)
            cells.append(Cell(store, beta, correct, spent, spent, np.zeros(correct.shape, np.uint8)))
    return tuple(cells)


def first_seeds(cells: tuple[Cell, ...], n_seeds: int) -> list[Cell]:
    return [cell.part(slice(n_seeds), slice(None)) for cell in cells]


def accuracy(cells: tuple[Cell, ...], beta: float) -> float:
    return float(np.mean([cell.correct.mean() for cell in cells if cell.beta == beta]))


def noise(means: Floats, n_seeds: int) -> float:
    """Standard error of an accuracy over seeds, the questions given."""
    return float(np.sqrt((means * (1 - means)).sum() / n_seeds) / means.size)


def test_what_leads_beyond_noise_is_never_dropped_and_what_trails_far_behind_is() -> None:
    rng = np.random.default_rng(20)
    leading = trailing = dropped_trailing = 0
    for _ in range(250):
        base = {beta: rng.beta(0.6, 0.6, (2, N_QUESTIONS)) for beta in BETAS}
        rivals = [Contender(i, drawn(base, rng)) for i in range(3)]
        shift = rng.normal(0, 0.15)
        means = {beta: np.clip(shares + shift, 0, 1) for beta, shares in base.items()}
        cells = drawn(means, rng)
        reached = [can_reach_front(first_seeds(cells, n), rivals, panel(n)) for n in (4, 16)]
        leads = []
        for beta in BETAS:
            cheaper = [accuracy(rival.cells, b) for rival in rivals for b in BETAS if b <= beta]
            leads.append((accuracy(cells, beta) - max(cheaper)) / noise(means[beta], 4))
        if max(leads) > 3:
            leading += 1
            assert all(reached), f"dropped with a lead of {max(leads):.1f} standard errors"
        elif max(leads) < -6:
            trailing += 1
            dropped_trailing += not all(reached)
    assert leading > 20
    assert trailing > 10
    assert dropped_trailing > 0.9 * trailing


def certain(share: float) -> dict[float, Floats]:
    """The first questions always right, the others never."""
    means = np.zeros((2, N_QUESTIONS))
    means[:, : round(share * N_QUESTIONS)] = 1
    return dict.fromkeys(BETAS, means)


def test_what_is_cheaper_than_all_rivals_goes_on() -> None:
    rng = np.random.default_rng(1)
    rival = Contender(0, drawn(certain(0.9), rng))
    cheap = drawn(certain(0.1), rng, dict.fromkeys(BETAS, 99))
    assert can_reach_front(first_seeds(cheap, 16), [rival], panel(16))
    dear = drawn(certain(0.1), rng, dict.fromkeys(BETAS, 101))
    assert not can_reach_front(first_seeds(dear, 16), [rival], panel(16))


def test_what_is_as_good_as_a_rival_is_given_the_benefit_of_the_doubt() -> None:
    rng = np.random.default_rng(1)
    rival, twin = drawn(certain(0.5), rng), drawn(certain(0.5), rng)
    assert can_reach_front(first_seeds(twin, 4), [Contender(0, rival)], panel(4))


def test_the_first_candidate_has_no_rivals() -> None:
    cells = drawn(certain(0.0), np.random.default_rng(1))
    assert can_reach_front(first_seeds(cells, 4), [], panel(4))


def test_rivals_are_compared_on_the_same_seeds() -> None:
    """A rival that is better on later seeds alone holds nobody back on the first ones."""
    rng = np.random.default_rng(1)
    late = drawn(certain(1.0), rng)
    for cell in late:
        cell.correct[:4] = False
    cells = drawn(certain(0.5), rng)
    assert can_reach_front(first_seeds(cells, 4), [Contender(0, late)], panel(4))
    assert not can_reach_front(first_seeds(cells, 64), [Contender(0, late)], panel(64))
