"""Counts how often the cap holds: randomised runs against an endpoint that errs and keeps its own books.

From the project's root: `python -m scripts.bench_budget [--runs N] [--seed N]`; exits with 1 if the promise is broken.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from discovery.archive import Archive
from tests.random_runs import N_LIVES, Account, spend

RUNS_AT_ONCE = 2
RUNS_PER_ARCHIVE = 50


def main() -> int:
    """Plays the runs and prints what both sides' books come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="honest runs; as many tenths of it dishonest ones")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    print(f"seed {options.seed}, {RUNS_AT_ONCE} runs at once in each archive")
    began = time.monotonic()
    honest = _play(options.runs, options.seed, dishonest=False)
    broken = _print("charges within the worst case", honest)
    broken |= any(account.overshoot > 0 or account.n_overclaims for account in honest)
    dishonest = _play(max(1, options.runs // 10), options.seed + 1, dishonest=True)
    broken |= _print("dishonest: claims beyond the worst case", dishonest)
    broken |= any(
        account.overshoot > account.excess or account.n_overclaims > _in_flight(account) for account in dishonest
    )
    print(f"{time.monotonic() - began:.0f} s; the promise {'IS BROKEN' if broken else 'holds'}")
    return int(broken)


def _in_flight(account: Account) -> int:
    """Most calls that can be in flight before the first overclaim is known, over all lives of a run."""
    return N_LIVES * account.n_parallel + 1


def _play(n_runs: int, seed: int, *, dishonest: bool) -> list[Account]:
    accounts: list[Account] = []
    for first in range(0, n_runs, RUNS_PER_ARCHIVE):
        seeds = [1_000_003 * seed + number for number in range(first, min(first + RUNS_PER_ARCHIVE, n_runs))]
        with tempfile.TemporaryDirectory() as folder, Archive(Path(folder) / "archive.sqlite", create=True) as archive:
            accounts += _play_some(archive, seeds, dishonest=dishonest)
        print(f"\r{len(accounts)} of {n_runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return accounts


def _play_some(archive: Archive, seeds: Sequence[int], *, dishonest: bool) -> list[Account]:
    def play(seed: int) -> Account:
        return spend(archive, f"run-{seed}", seed, dishonest=dishonest)

    with ThreadPoolExecutor(RUNS_AT_ONCE) as threads:
        return list(threads.map(play, seeds))


def _print(title: str, accounts: Sequence[Account]) -> bool:
    """Prints the sums; whether a run's ledger took too little or a row is wrong."""
    worst = max(accounts, key=lambda account: account.overshoot)
    n_short = sum(account.charged - account.excess > account.settled + account.unconfirmed for account in accounts)
    n_over = sum(account.settled + account.unconfirmed - account.excess > account.cap for account in accounts)
    n_wrong = sum(account.n_mistakes for account in accounts)
    sums = {
        "cap": sum((account.cap for account in accounts), Decimal(0)),
        "settled": sum((account.settled for account in accounts), Decimal(0)),
        "unconfirmed": sum((account.unconfirmed for account in accounts), Decimal(0)),
        "endpoint's own sum": sum((account.charged for account in accounts), Decimal(0)),
    }
    print(f"\n{title}")
    print(f"  {len(accounts)} runs, {sum(account.n_requests for account in accounts)} requests")
    for name, amount in sums.items():
        print(f"  {name:<20} ${amount:.6f}")
    print(f"  worst overshoot      ${max(worst.overshoot, Decimal(0)):.6f}")
    print(f"  closest to its cap   ${-worst.overshoot:.6f} left of ${worst.cap:.6f}")
    print(f"  runs in which the endpoint charged more than the ledger took, overclaims aside: {n_short}")
    print(f"  runs in which the ledger took more than the cap, overclaims aside: {n_over}")
    print(f"  ledger rows that do not follow from what the endpoint did: {n_wrong}")
    n_overclaims = sum(account.n_overclaims for account in accounts)
    if n_overclaims:
        excess = sum((account.excess for account in accounts), Decimal(0))
        print(f"  overclaims: {n_overclaims}, ${excess:.6f} beyond their worst cases")
    return bool(n_short or n_over or n_wrong)


if __name__ == "__main__":
    sys.exit(main())
