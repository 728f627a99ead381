"""A run survives `kill -9` at any line between reserving and settling: the cap holds and nothing is paid for twice."""

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from discovery.archive import Archive
from discovery.records import ExchangeState, LedgerKind
from tests.killed_run import CAP_MICROUSD

N_MID_CALL = 4
MOST_LIVES = 60
MOST_LINES = 250_000


def test_a_run_killed_at_any_line_keeps_its_cap_and_its_replies(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path, book = tmp_path / "archive.sqlite", tmp_path / "book"
    book.touch()
    with Archive(path, create=True) as archive:
        archive.create_run("run", {}, CAP_MICROUSD)
    n_mid_call = 0
    for life in range(MOST_LIVES):
        n_lines = rng.randrange(MOST_LINES) if n_mid_call < N_MID_CALL else 10**12
        arguments = [str(path), str(book), str(seed + life), str(n_lines)]
        died = subprocess.run([sys.executable, "-m", "tests.killed_run", *arguments], check=False).returncode
        assert died in (-signal.SIGKILL, 0)
        n_mid_call += _check(path, book)
        if died == 0:
            break
    assert died == 0
    assert n_mid_call >= N_MID_CALL


def _check(path: Path, book: Path) -> bool:
    """Compares archive and book; whether the process died between reserving and closing."""
    entries = [tuple(map(int, line.split())) for line in book.read_text().splitlines()]
    with Archive(path) as archive:
        run = archive.run("run")
        exchanges = archive.exchanges.list(run.id)
        balance = archive.exchanges.balance(run.id)
        candidates = archive.candidates(run)
    assert sum(charge for _, charge in entries) <= balance.committed <= CAP_MICROUSD
    answered = [exchange for exchange in exchanges if exchange.state is ExchangeState.ANSWERED]
    assert max(Counter(exchange.place for exchange in answered).values(), default=0) <= 1
    for exchange in exchanges:
        assert (exchange.closed is None) == (exchange.state is ExchangeState.OPEN)
        if exchange.closed is LedgerKind.SETTLE:
            assert (exchange.place.iteration, exchange.booked_microusd) in entries
            assert exchange.reply == f"reply {exchange.place.iteration}"
    sent = Counter(place for place, _ in entries)
    reserved = Counter(exchange.place.iteration for exchange in exchanges)
    assert all(sent[place] <= reserved[place] for place in sent)
    assert [candidate.number for candidate in candidates] == list(range(len(candidates)))
    assert all(exchange.candidate is not None for exchange in exchanges if exchange.became)
    return balance.open > 0
