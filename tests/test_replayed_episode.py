"""The replayed episode: the contract's conformance tests, its action log, and what labels give away."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.actions import ActionLog
from replay.episode import Episode, EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.errors import EpisodeError
from replay.store import ReplayStore
from replay.tables import QuestionTable, branch_order
from replay.verify import Logs, verify
from tests.conformance import EpisodeConformance
from tests.episode_hooks import BRANCHES, INTERVAL
from tests.recordings import Recording, in_opening_order, recordings, store_of
from tests.slow_model import ADVANCE, BRANCH, Call, SlowEpisode, legal_calls

SEED = 3


class TestReplayedEpisode(EpisodeConformance):
    """The replayed form; charges are those that `verify` computes from its log."""

    @pytest.fixture(autouse=True)
    def _no_episodes_yet(self) -> None:
        self.made: list[tuple[Episode, EpisodeRecord, ReplayStore, EpisodeSettings]] = []

    def make_episode(self, branches: Sequence[Recording], *, max_branches: int = 64, probe_cost: int = 0) -> Episode:
        store, _ = store_of([in_opening_order(branches, SEED)], interval=INTERVAL)
        chosen, record = EpisodeSettings(max_branches, probe_cost), EpisodeRecord()
        order = branch_order(SEED, len(branches))
        episode = ReplayedEpisode(store.table().question(0), order, chosen, INTERVAL, record)
        self.made.append((episode, record, store, chosen))
        return episode

    def charged(self, episode: Episode) -> tuple[int, int]:
        _, record, store, chosen = next(made for made in self.made if made[0] is episode)
        outcomes = verify(store, np.array([0]), np.array([SEED]), Logs.of([record.log()]), np.array([-1]), chosen)
        assert outcomes.legal.all()
        return int(outcomes.tokens[0]), int(outcomes.sequential_tokens[0])


def replayed(
    branches: Sequence[Recording], order: Sequence[int] | None = None, **chosen: int
) -> tuple[ReplayedEpisode, EpisodeRecord]:
    """An episode over these branches, and its record."""
    store, _ = store_of([branches], interval=INTERVAL)
    record = EpisodeRecord()
    table = store.table().question(0)
    everything = range(len(branches)) if order is None else order
    return ReplayedEpisode(table, list(everything), EpisodeSettings(**chosen), INTERVAL, record), record


def test_branches_are_opened_in_the_given_order() -> None:
    episode, _ = replayed([Recording((), 100 * n, "1") for n in range(1, 5)], order=[2, 0, 3, 1])
    episode.branch(4)
    assert [episode.depth(branch) for branch in range(4)] == [3, 1, 4, 2]


def test_the_order_of_branches_is_pythons_shuffle_by_seed() -> None:
    assert branch_order(0, 10) == (7, 8, 1, 5, 3, 4, 2, 0, 9, 6)


def test_no_more_branches_can_be_opened_than_are_recorded() -> None:
    episode, _ = replayed(BRANCHES, max_branches=255)
    assert episode.max_branches == 5
    assert episode.branch(9) == [0, 1, 2, 3, 4]


def test_the_log_holds_four_bytes_a_call_and_one_a_name() -> None:
    episode, record = replayed(BRANCHES, probe_cost=5)
    episode.branch(2)
    episode.branch(9, True)
    episode.branch()
    episode.advance([1, 0], 258)
    episode.complete((0,))
    episode.probe({3, 2})
    episode.prune(range(2))
    episode.advance([], 3)
    assert record.log() == ActionLog(
        calls=bytes.fromhex("00020000 00030100 00000000 01020201 02010000 03020000 04020000 01000300"),
        names=bytes([0, 1, 2, 3, 4, 1, 0, 0, 2, 3, 0, 1]),
    )


def test_more_intervals_than_the_log_can_hold_are_logged_as_its_most() -> None:
    episode, record = replayed(BRANCHES)
    episode.branch(1)
    assert episode.advance([0], 10**12) == [True]
    assert record.log().calls[-4:] == b"\x01\x01\xff\xff"


def test_an_illegal_call_is_recorded_but_not_logged() -> None:
    episode, record = replayed(BRANCHES)
    episode.branch(2)
    logged = record.log()
    assert record.failure == ""
    for branches in ([0, 7], [8]):
        with pytest.raises(EpisodeError):
            episode.probe(branches)
    assert record.log() == logged
    assert record.failure == "branch 7 was never opened; 2 are open, numbered from 0"
    assert len(record.labels) == 1


def test_only_exact_labels_that_were_shown_count_as_shown() -> None:
    episode, record = replayed(BRANCHES)
    assert not record.has_shown(0)
    episode.probe(episode.branch(2))
    shown = [label for label in (-1, 0, 1, 2, True, False, 0.0, "0", None, 10**5000, [0]) if record.has_shown(label)]
    assert shown == [0, 1]
    assert all(type(label) is int for label in shown)


def test_nothing_private_has_a_name_that_the_dialect_accepts() -> None:
    episode, _ = replayed(BRANCHES)
    own = [name for name in dir(episode) if not name.startswith("__")]
    public = {name for name in vars(Episode) if not name.startswith("_")}
    assert {name for name in own if "__" not in name} == public
    assert not hasattr(episode, "__dict__")


@pytest.mark.parametrize("wrong", [{"max_branches": 0}, {"max_branches": 256}, {"probe_cost": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        EpisodeSettings(**wrong)


def play(table: QuestionTable, calls: Sequence[Call], model: SlowEpisode, order: Sequence[int]) -> list[object]:
    """Everything that a controller which makes these calls, fitted to the model, is shown; and the log it leaves."""
    record = EpisodeRecord()
    episode = ReplayedEpisode(table, order, EpisodeSettings(), INTERVAL, record)
    seen: list[object] = []
    for drawn in calls:
        call = drawn.fitted(model)
        model.call(call.operation, call.named, call.argument)
        name = ("branch", "advance", "complete", "probe", "prune")[call.operation]
        extra = (call.argument,) if call.operation in (BRANCH, ADVANCE) else ()
        seen.append(getattr(episode, name)(call.named, *extra))
        seen.append((episode.active, episode.opened, episode.spent, episode.rounds))
    return [*seen, record.log()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(recordings(INTERVAL), min_size=1, max_size=7),
    st.lists(legal_calls(), max_size=15),
    st.permutations(["12", "7", "0", "x"]),
    st.permutations(range(100)),
)
def test_labels_tell_nothing_but_the_order_of_first_sight(
    branches: list[Recording], calls: list[Call], words: list[str], ids: list[int]
) -> None:
    rename: dict[str | None, str | None] = dict(zip(["12", "7", "0", "x", None], [*words, None], strict=True))
    renamed = [Recording(tuple(rename[a] for a in b.probes), b.tokens, rename[b.final]) for b in branches]
    tables = [store_of([version], interval=INTERVAL)[0].table().question(0) for version in (branches, renamed)]
    rows = tuple(tuple(ids[answer] if answer >= 0 else answer for answer in row) for row in tables[0].rows)
    tables.append(QuestionTable(rows, tables[0].lengths))
    order = list(range(len(branches)))
    plays = [play(table, calls, SlowEpisode(branches, INTERVAL, 64, 0), order) for table in tables]
    assert plays[0] == plays[1] == plays[2]
