"""The model explorer over real HTTP: what it makes of each kind of reply, and that it asks for one repair at most."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from discovery.archive import Archive
from discovery.briefing import Briefing
from discovery.correspondent import Correspondent
from discovery.explorer import CUT_OFF, ModelExplorer
from discovery.price import to_usd
from discovery.proposal import CurvePoint, Parent, Proposal, Situation
from discovery.provider import LiteLLMEndpoint
from discovery.records import Exchange, ExchangeState, Purpose
from prompts.render import Renderer
from replay.episode import EpisodeSettings
from sandbox.pool import Job, JobStatus, Pool
from tests.commands import controller
from tests.endpoint import Behaviour, Endpoint
from tests.random_runs import PRICE

GOOD = f"Idea: fewer branches.\n\n```python\n{controller(3)}```"
BROKEN = "Idea: broken.\n```python\ndef control(episode, p):\n    import os\n```"
REFUSAL = "I am sorry, but I can't help with that."
LONG = f"{GOOD[: len(GOOD) // 2]}"


@pytest.fixture(scope="module")
def check() -> Iterator[Callable[[str], str]]:
    """Why the sandbox refuses a source."""
    with Pool([], workers=1) as pool:

        def checked(source: str) -> str:
            result = pool.run(Job(source=source, blocks=(), settings=EpisodeSettings()))
            return "" if result.status is JobStatus.DONE else result.message

        yield checked


class Asking:
    """An explorer that asks a server which answers as told."""

    def __init__(self, folder: Path, check: Callable[[str], str], *, cap: int = 10**6, max_tokens: int = 500) -> None:
        self._folder, self._check, self._cap, self._max_tokens = folder, check, cap, max_tokens
        self.server: Endpoint

    def propose(
        self, *replies: str, choose: Callable[[int], Behaviour] = lambda _: Behaviour.GOOD
    ) -> tuple[Proposal, tuple[Exchange, ...]]:
        texts = iter(replies)
        with (
            Archive(self._folder / "archive.sqlite", create=True) as archive,
            Endpoint(
                choose,
                write=lambda _: next(texts),
                finish=lambda text: CUT_OFF if text == LONG else "stop",
            ) as self.server,
        ):
            run = archive.create_run("run", {}, self._cap)
            endpoint = LiteLLMEndpoint("some-model", PRICE, base_url=self.server.base_url)
            correspondent = Correspondent(archive, run, endpoint)
            briefing = Briefing(
                Renderer(), max_reply_tokens=self._max_tokens, dialect="", advice=False, traces=lambda *_: ()
            )
            explorer = ModelExplorer(correspondent, briefing, paid=True, check=self._check)
            proposal = explorer.propose(_situation(), np.random.default_rng(0))
            exchanges = archive.exchanges.list(run.id)
            assert to_usd(archive.exchanges.balance(run.id).committed) >= self.server.charged_usd
            return proposal, exchanges


@pytest.fixture
def asking(tmp_path: Path, check: Callable[[str], str]) -> Asking:
    return Asking(tmp_path, check)


USABLE = {
    "a good reply": GOOD,
    "several blocks, the last of which does not compile": f"{GOOD}\nOr:\n```python\ndef control(:\n```",
    "several blocks, the last of which is a command": f"{GOOD}\n```sh\nautotts evaluate\n```",
    "code without a fence": f"Idea: fewer branches.\n\n{controller(3)}\nThat is all.",
    "reasoning first": f"<think>def control</think>{GOOD}",
    "no idea": f"```python\n{controller(3)}```",
}


@pytest.mark.parametrize("reply", USABLE.values(), ids=USABLE)
def test_no_repair_is_asked_after(asking: Asking, reply: str) -> None:
    proposal, (exchange,) = asking.propose(reply)
    assert proposal.source == controller(3)
    assert proposal.parents == (4,)
    assert proposal.exchanges == {exchange.id: ""}


UNUSABLE = {
    "prose": (REFUSAL, "no code"),
    "broken code": (BROKEN, "invalid"),
    "a reply that met its limit": (LONG, "cut off"),
    "a reply of blanks": (" \n", "empty"),
}


@pytest.mark.parametrize(("reply", "fate"), UNUSABLE.values(), ids=UNUSABLE)
def test_one_repair_is_asked_after(asking: Asking, reply: str, fate: str) -> None:
    proposal, (first, repair) = asking.propose(reply, GOOD)
    assert proposal.source == controller(3)
    assert proposal.exchanges == {first.id: fate, repair.id: ""}
    assert (first.place.purpose, repair.place.purpose) == (Purpose.PROPOSAL, Purpose.REPAIR)
    assert [message["role"] for message in repair.request["messages"]] == ["system", "user", "assistant", "user"]
    assert first.closed is repair.closed
    assert len(asking.server.books) == 2


@pytest.mark.parametrize(("reply", "fate"), UNUSABLE.values(), ids=UNUSABLE)
def test_no_second_repair_is_asked_after_two_of(asking: Asking, reply: str, fate: str) -> None:
    proposal, exchanges = asking.propose(reply, reply)
    assert list(proposal.exchanges.values()) == [fate, fate]
    assert [exchange.reply for exchange in exchanges] == [reply, reply]
    assert bool(proposal.source) == (reply in (BROKEN, LONG))


def test_an_empty_reply_that_was_billed_is_kept_and_repaired(asking: Asking) -> None:
    behaviours = [Behaviour.EMPTY, Behaviour.GOOD]
    proposal, (first, _) = asking.propose(GOOD, choose=lambda n: behaviours[n])
    assert (first.reply, first.state) == ("", ExchangeState.ANSWERED)
    assert list(proposal.exchanges.values()) == ["empty", ""]
    assert first.booked_microusd > 0


def test_the_repair_names_the_line_and_the_rule(asking: Asking) -> None:
    _, (_, repair) = asking.propose(BROKEN, GOOD)
    told = repair.request["messages"][-1]["content"]
    assert "line 2" in told
    assert "os" in told


def test_a_repair_that_the_budget_does_not_cover_is_left_out(tmp_path: Path, check: Callable[[str], str]) -> None:
    asking = Asking(tmp_path, check, cap=20_000, max_tokens=3_000)
    proposal, (exchange,) = asking.propose(BROKEN, choose=lambda _: Behaviour.NO_USAGE)
    assert proposal.exchanges == {exchange.id: "invalid"}
    assert proposal.source.startswith("def control")


def _situation() -> Situation:
    point = CurvePoint(0.5, 0.6, 0.3)
    parent = Parent(4, controller(9), "an idea", "", 0.62, (point,), ())
    return Situation(
        iteration=1,
        parents=(parent,),
        front=((4, point),),
        attempts=(),
        best_number=4,
        best_area=0.62,
        single_branch=0.5,
        n_questions=20,
        stores=("model/benchmark",),
        overfit=None,
    )


def test_the_budget_told_is_what_is_left(asking: Asking) -> None:
    _, (exchange,) = asking.propose(GOOD)
    assert f"Budget left: ${Decimal(1):.2f}" in exchange.request["messages"][1]["content"]
