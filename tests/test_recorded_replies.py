"""A run repeated from its stored replies: free, without network, and the same each time."""

from pathlib import Path

import pytest

from discovery.archive import Archive
from discovery.correspondent import Correspondent
from discovery.dump import dump_run, to_text
from discovery.endpoint import Backoff, Request
from discovery.errors import EndpointError
from discovery.proposal import Origin
from discovery.provider import LiteLLMEndpoint
from discovery.recorded import RecordedEndpoint
from discovery.records import CandidateDraft, CandidateStatus, Place, Purpose, Run
from tests.endpoint import Behaviour, Endpoint
from tests.random_runs import PRICE

REQUEST = Request(({"role": "user", "content": "hello"},), max_tokens=300)


def _play(archive: Archive, run: Run, correspondent: Correspondent, n: int) -> None:
    for iteration in range(n):
        exchange = correspondent.ask(REQUEST, Place(iteration, 0, Purpose.PROPOSAL))
        draft = CandidateDraft(
            source=exchange.reply, origin=Origin.MODEL, iteration=iteration, status=CandidateStatus.OK
        )
        archive.commit(run, draft, exchanges={exchange.id: "candidate"})


def test_two_replays_of_a_run_are_dumped_alike_and_cost_nothing(tmp_path: Path) -> None:
    script = [Behaviour.GOOD, Behaviour.RATE_LIMITED, Behaviour.SERVER_ERROR, Behaviour.NO_USAGE, Behaviour.EMPTY]
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        source = archive.create_run("source", {}, 10**6)
        with Endpoint(lambda n: script[n], write=lambda request: f"reply to {len(request)}") as server:
            asked = LiteLLMEndpoint("some-model", PRICE, base_url=server.base_url)
            _play(archive, source, Correspondent(archive, source, asked, backoff=Backoff(first_seconds=0.0)), 3)
        dumps = []
        for name in ("first", "second"):
            run = archive.create_run(name, {}, 0)
            _play(archive, run, Correspondent(archive, run, RecordedEndpoint(archive, source)), 3)
            dumps.append(to_text(dump_run(archive, run, times=False)))
            assert archive.exchanges.balance(run.id).committed == 0
            replies = [candidate.source for candidate in archive.candidates(run)]
            assert replies == [candidate.source for candidate in archive.candidates(source)]
    assert dumps[0] == dumps[1]


def test_a_replay_ends_where_the_recording_does(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        source, run = archive.create_run("source", {}, 0), archive.create_run("replay", {}, 0)
        correspondent = Correspondent(archive, run, RecordedEndpoint(archive, source))
        with pytest.raises(EndpointError, match="run source holds no reply to call 0 of iteration 7"):
            correspondent.ask(REQUEST, Place(7, 0, Purpose.PROPOSAL))
