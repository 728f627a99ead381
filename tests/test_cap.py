"""Whatever the endpoint does, its own sum stays under the cap; dishonest, it gains no more than calls in flight."""

import random
from decimal import Decimal
from pathlib import Path

import pytest

from discovery.archive import Archive
from tests.random_runs import N_LIVES, Account, spend

N_RUNS = 12


def _accounts(path: Path, *, dishonest: bool) -> list[Account]:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    with Archive(path, create=True) as archive:
        return [spend(archive, f"run-{i}", seed + i, dishonest=dishonest) for i in range(N_RUNS)]


def test_the_endpoint_never_charges_more_than_the_cap(tmp_path: Path) -> None:
    accounts = _accounts(tmp_path / "archive.sqlite", dishonest=False)
    for account in accounts:
        assert account.charged <= account.settled + account.unconfirmed <= account.cap
        assert (account.n_overclaims, account.n_mistakes) == (0, 0)
    assert sum(account.n_requests for account in accounts) > N_RUNS


def test_a_dishonest_endpoint_gains_no_more_than_its_calls_in_flight(tmp_path: Path) -> None:
    for account in _accounts(tmp_path / "archive.sqlite", dishonest=True):
        assert account.n_overclaims <= N_LIVES * account.n_parallel + 1
        assert account.overshoot <= account.excess
        assert account.n_mistakes == 0


@pytest.mark.parametrize("seed", [1])
def test_the_books_of_both_sides_agree_to_the_micro_dollar(tmp_path: Path, seed: int) -> None:
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        account = spend(archive, "run", seed)
    assert account.charged - account.settled <= account.unconfirmed
    assert account.settled - account.charged < Decimal("1e-6") * account.n_requests
