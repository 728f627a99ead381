"""The whole `discover` command against a model on loopback: cap, faulty and dead endpoints, dry runs, prompts."""

import json
import random
import re
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from discovery.archive import Archive
from discovery.config import RUN_BASELINES
from discovery.endpoint import Backoff
from discovery.price import to_usd
from discovery.records import Exchange, ExchangeState, LedgerKind
from tests.commands import SETTINGS, Done, autotts, controllers, make_store, paid_by
from tests.endpoint import FREE, SETTLED, Behaviour, Endpoint

MARK = "zqx7"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every text of a question, an answer or gold bears the mark."""
    return make_store(tmp_path_factory.mktemp("stores") / "marked", mark=MARK)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are tried again at once."""
    monkeypatch.setattr("discovery.correspondent.Backoff", lambda: Backoff(n_free=4, n_held=2, first_seconds=0.0))


@pytest.fixture(scope="module")
def grammar_run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The archive of a run of the grammar."""
    archive = tmp_path_factory.mktemp("runs") / "archive.sqlite"
    done = autotts("discover", store, "--budget", 0, "--iterations", 3, "--run", "g", *SETTINGS, "--archive", archive)
    assert done.code == 0
    yield archive


def test_a_run_with_a_model_ends_on_its_cap_and_its_books_agree_with_the_endpoint(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.sqlite"
    with Endpoint(write=controllers()) as server:
        done = autotts(
            "discover", store, "--budget", "0.2", "--run", "m", *SETTINGS, *paid_by(server), "--archive", archive
        )
    assert (done.code, "budget reached" in done.err) == (0, True)
    exchanges = _exchanges(archive, "m")
    with Archive(archive) as opened:
        balance = opened.exchanges.balance(opened.run("m").id)
        candidates = opened.candidates(opened.run("m"))
    assert to_usd(balance.settled) == server.charged_usd <= Decimal("0.2")
    assert f"spent ${server.charged_usd:.4f} of $0.20" in done.err
    assert len(exchanges) == len(server.books) >= 5
    assert all("def control" in exchange.reply and exchange.became for exchange in exchanges)
    assert len(candidates) == len(RUN_BASELINES) + len(server.books)
    (row,) = json.loads(autotts("archive", "list", "--json", "--archive", archive).out)
    assert (row["spent"], row["replies"], row["unusable"]) == (float(server.charged_usd), len(exchanges), 0)
    assert MARK not in str([exchange.request for exchange in exchanges])


@pytest.mark.parametrize("round_", range(3))
def test_a_faulty_endpoint_ends_a_run_in_order(store: Path, tmp_path: Path, round_: int) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    rng = random.Random(seed)
    faults = [behaviour for behaviour in Behaviour if behaviour not in (Behaviour.HUGE_USAGE, Behaviour.SLOW)]
    if round_:
        faults = [fault for fault in faults if fault not in (Behaviour.BAD_REQUEST, Behaviour.UNAUTHORIZED)]

    def choose(_number: int) -> Behaviour:
        return Behaviour.GOOD if rng.random() < 0.6 else rng.choice(faults)

    archive = tmp_path / "archive.sqlite"
    run = ("--run", "m", *SETTINGS, "--archive", archive)
    with Endpoint(choose, write=controllers(), seed=seed) as server:
        done = autotts("discover", store, "--budget", "0.25", "--iterations", 8, *run, *paid_by(server))
    _ended_in_order(done)
    _books_agree(archive, server, Decimal("0.25"))


def test_an_endpoint_that_claims_too_much_ends_the_run_with_a_hint(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.sqlite"
    with Endpoint(lambda _: Behaviour.HUGE_USAGE, write=controllers()) as server:
        run = ("discover", store, "--budget", "1", "--run", "m", *SETTINGS, *paid_by(server), "--archive", archive)
        done = autotts(*run)
        assert (done.code, len(server.books)) == (1, 1)
        assert "claimed" in done.err
        resumed = autotts("discover", "--resume", "m", "--budget", "9", "--iterations", "3", "--archive", archive)
        assert "claimed" in resumed.err
    assert "Traceback" not in done.err + resumed.err


def test_a_dead_endpoint_ends_the_run_with_what_it_has(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.sqlite"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        prices = ("--price-input", 1, "--price-output", 4)
        model = ("--model", "some-model", "--base-url", nobody, *prices)
        done = autotts("discover", store, "--budget", 1, "--run", "m", *SETTINGS, *model, "--archive", archive)
    assert done.code == 1
    assert "not sent" in done.err
    assert re.search(r"^hint: .*autotts discover --resume m", done.err, re.MULTILINE)
    (row,) = json.loads(autotts("archive", "list", "--json", "--archive", archive).out)
    assert (row["status"], row["candidates"], row["spent"]) == ("failed", len(RUN_BASELINES), 0)
    assert autotts("export", "-o", tmp_path / "w.py", "--archive", archive).code == 0


def test_a_dry_run_sends_and_keeps_nothing_and_tells_tokens_price_and_proposals(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.sqlite"
    with Endpoint(write=controllers()) as server:
        run = (*SETTINGS, *paid_by(server), "--archive", archive)
        rich, poor = (autotts("discover", store, "--budget", budget, "--dry-run", *run) for budget in ("1", "0.04"))
        assert server.books == []
    assert (rich.code, poor.code) == (0, 0)
    assert list(tmp_path.iterdir()) == []
    assert "--- system ---" in rich.out
    assert "def schedule(beta)" in rich.out
    told = re.findall(r"[\d,]+\d", _line(rich.err, "request"))
    n_bytes, n_estimated, n_most = (int(number.replace(",", "")) for number in told)
    assert n_most == n_bytes + 1_000 > n_bytes > n_estimated
    worst_case = Decimal(re.findall(r"\$([\d.]+)", _line(rich.err, "worst case"))[0])
    assert worst_case == round(to_usd(n_most + 4 * 4_096), 4)
    assert f"pays for at least {1 // worst_case} proposals" in rich.err
    assert "warning:" not in rich.err
    assert "warning: what is left of the budget is sure to pay for only one proposal" in poor.err


def test_a_poor_budget_is_warned_of_before_the_first_call(store: Path, tmp_path: Path) -> None:
    with Endpoint(write=controllers()) as server:
        run = ("--run", "m", *SETTINGS, *paid_by(server), "--archive", tmp_path / "archive.sqlite")
        done = autotts("discover", store, "--budget", "0.04", *run)
    assert done.code == 0
    assert 0 <= done.err.index("warning: what is left of the budget") < done.err.index("model  ")


def test_the_prompt_of_a_grammar_run_is_what_a_model_would_be_sent(grammar_run: Path) -> None:
    before = grammar_run.read_bytes()
    shown = autotts("prompt", "g", "--archive", grammar_run)
    assert shown.code == 0
    assert "--- user ---" in shown.out
    assert "Build on candidate" in shown.out
    assert MARK not in shown.out
    request = json.loads(autotts("prompt", "g", "--json", "--archive", grammar_run).out)
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert grammar_run.read_bytes() == before


def test_the_prompt_shown_is_the_one_that_is_sent(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.sqlite"
    with Endpoint(write=controllers()) as server:
        run = ("--run", "m", *SETTINGS, *paid_by(server), "--archive", archive)
        autotts("discover", store, "--budget", 1, "--iterations", 1, *run)
        shown = json.loads(autotts("prompt", "m", "--json", "--archive", archive).out)
        autotts("discover", "--resume", "m", "--iterations", 2, "--archive", archive)
        assert server.books[1].request["messages"] == shown["messages"]


def test_templates_of_a_folder_replace_those_shipped(grammar_run: Path, tmp_path: Path) -> None:
    (tmp_path / "advice.j2").write_text("Be brief.\n")
    own = ("prompt", "g", "--templates", tmp_path, "--archive", grammar_run)
    assert "Be brief." in autotts(*own).out
    assert "Be brief." not in autotts(*own, "--no-advice").out
    (tmp_path / "proposal.j2").write_text("{{ it.gold }}")
    done = autotts(*own)
    assert done.code == 1
    assert done.err.startswith("error: the template proposal.j2 can't be rendered")


def test_marks_of_questions_answers_and_gold_are_in_no_request(tmp_path: Path) -> None:
    """System, proposal with traces, and repair after a reply that is refused."""
    store = make_store(tmp_path / "marked", scale="1.7B", n_questions=24, mark=MARK)
    archive = tmp_path / "archive.sqlite"
    replies = iter(["no code", "```python\ndef control(episode, p):\n    return gold\n```"] * 20)
    good = controllers()
    with Endpoint(write=lambda request: next(replies) if len(request["messages"]) == 2 else good(request)) as server:
        run = ("--run", "m", *SETTINGS, *paid_by(server), "--archive", archive)
        autotts("discover", store, "--budget", 1, "--iterations", 6, *run)
    sent = [entry.request["messages"] for entry in server.books]
    assert {len(messages) for messages in sent} == {2, 4}
    assert any(" fails (beta" in messages[1]["content"] for messages in sent)
    assert MARK not in json.dumps(sent)
    assert MARK in json.dumps((store / "store.json").read_text())


def test_archive_figures_need_no_colours_and_no_padding_off_a_terminal(grammar_run: Path) -> None:
    for command in (("archive",), ("archive", "front"), ("archive", "show")):
        done = autotts(*command, *(("list",) if command == ("archive",) else ()), "--archive", grammar_run)
        assert done.code == 0
        assert "\x1b" not in done.out
        assert not [line for line in done.out.splitlines() if line != line.rstrip()]


def _ended_in_order(done: Done) -> None:
    assert "Traceback" not in done.err
    assert done.code in (0, 1)
    assert done.err.count("error: ") == done.code
    assert re.search(r"^(done|failed)", done.err, re.MULTILINE)


def _books_agree(archive: Path, server: Endpoint, cap: Decimal) -> None:
    """Each call closed as its outcome demands; what the endpoint charged is within what is booked, and that within."""
    exchanges = _exchanges(archive, "m")
    assert server.charged_usd <= sum(to_usd(exchange.booked_microusd) for exchange in exchanges) <= cap
    sent = [exchange for exchange in exchanges if exchange.state is not ExchangeState.UNSENT]
    assert len(sent) == len(server.books)
    for exchange, entry in zip(sent, server.books, strict=True):
        expected = LedgerKind.RELEASE if entry.behaviour in FREE else LedgerKind.HOLD
        assert exchange.closed is (LedgerKind.SETTLE if entry.behaviour in SETTLED else expected), entry.behaviour
        if exchange.closed is LedgerKind.SETTLE:
            assert to_usd(exchange.booked_microusd) >= entry.charged_usd


def _exchanges(archive: Path, run: str) -> list[Exchange]:
    with Archive(archive) as opened:
        return sorted(opened.exchanges.list(opened.run(run).id), key=lambda exchange: exchange.id)


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))
