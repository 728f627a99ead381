"""Action logs against the slow model: what they cost and answer, and whether they can be true."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.actions import ActionLog
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.errors import EpisodeError, TamperedLogError
from replay.store import ReplayStore
from replay.tables import branch_order
from replay.verify import Logs, Outcomes, verify
from tests.recordings import Recording, recordings, store_of
from tests.slow_model import (
    ADVANCE,
    BRANCH,
    COMPLETE,
    PROBE,
    PRUNE,
    Call,
    IllegalCallError,
    SlowEpisode,
    any_calls,
    legal_calls,
)

INTERVAL = 100
NAMES = ("branch", "advance", "complete", "probe", "prune")


def questions() -> st.SearchStrategy[list[list[Recording]]]:
    """Stores of a few small questions."""
    return st.lists(st.lists(recordings(INTERVAL), min_size=1, max_size=7), min_size=1, max_size=3)


def all_settings() -> st.SearchStrategy[EpisodeSettings]:
    """Ceilings below and above the number of branches; probes free or not."""
    return st.builds(EpisodeSettings, st.sampled_from([3, 6, 64]), st.sampled_from([0, 30]))


def slow_episode(recorded: list[Recording], seed: int, chosen: EpisodeSettings) -> SlowEpisode:
    """The model of one episode."""
    order = branch_order(seed, len(recorded))
    return SlowEpisode([recorded[index] for index in order], INTERVAL, chosen.max_branches, chosen.probe_cost)


def replayed_episode(
    store: ReplayStore, question: int, seed: int, chosen: EpisodeSettings
) -> tuple[ReplayedEpisode, EpisodeRecord]:
    """One episode and its record."""
    record = EpisodeRecord()
    order = branch_order(seed, store.n_branches(question))
    return ReplayedEpisode(store.table().question(question), order, chosen, INTERVAL, record), record


def make_call(episode: ReplayedEpisode, call: Call) -> Any:
    """Makes one drawn call."""
    extra = (call.argument,) if call.operation in (BRANCH, ADVANCE) else ()
    return getattr(episode, NAMES[call.operation])(call.named, *extra)


def state_of(episode: ReplayedEpisode) -> tuple[Any, ...]:
    """Everything that a controller may read."""
    depths = [episode.depth(branch) for branch in range(episode.opened)]
    ended = [episode.finished(branch) for branch in range(episode.opened)]
    return episode.active, episode.opened, episode.spent, episode.rounds, depths, ended


def leave_log(
    store: ReplayStore, recorded: list[list[Recording]], question: int, seed: int, chosen: EpisodeSettings, drawn: Any
) -> ActionLog:
    """The log of an episode that makes the drawn calls, fitted to be legal."""
    model = slow_episode(recorded[question], seed, chosen)
    episode, record = replayed_episode(store, question, seed, chosen)
    for call in drawn:
        fitted = call.fitted(model)
        model.call(fitted.operation, fitted.named, fitted.argument)
        make_call(episode, fitted)
    return record.log()


def verify_one(
    store: ReplayStore, question: int, seed: int, log: ActionLog, label: int, chosen: EpisodeSettings
) -> Outcomes:
    """The outcome of one episode."""
    return verify(store, np.array([question]), np.array([seed]), Logs.of([log]), np.array([label]), chosen)


def expect(outcomes: Outcomes, index: int, model: SlowEpisode, label: int, words: tuple[str, ...]) -> None:
    """One outcome is what the model says."""
    assert outcomes.tokens[index] == model.tokens
    assert outcomes.sequential_tokens[index] == model.sequential_tokens
    assert outcomes.branches[index].tolist() == model.ends(outcomes.branches.shape[1])
    assert outcomes.legal[index] == (-1 <= label < len(model.shown))
    answer = outcomes.answers[index]
    given_answer = model.shown[label] if 0 <= label < len(model.shown) else None
    assert (words[answer] if answer >= 0 else None) == given_answer


@settings(max_examples=150, deadline=None)
@given(
    questions(),
    all_settings(),
    st.integers(0, 5),
    st.lists(legal_calls(), max_size=12),
    st.lists(any_calls(), max_size=4),
)
def test_an_episode_and_its_log_agree_with_the_slow_model(
    recorded: list[list[Recording]], chosen: EpisodeSettings, seed: int, legal: list[Call], wild: list[Call]
) -> None:
    store, _ = store_of(recorded, interval=INTERVAL)
    model = slow_episode(recorded[0], seed, chosen)
    episode, record = replayed_episode(store, 0, seed, chosen)
    for position, drawn in enumerate([*legal, *wild]):
        call = drawn.fitted(model) if position < len(legal) else drawn
        try:
            expected = model.call(call.operation, call.named, call.argument)
        except IllegalCallError:
            with pytest.raises(EpisodeError):
                make_call(episode, call)
        else:
            assert make_call(episode, call) == expected
            assert state_of(episode) == model.state()
    assert bool(record.failure) == model.failed
    for label in range(-2, len(model.shown) + 2):
        assert record.has_shown(label) == (0 <= label < len(model.shown))
        expect(verify_one(store, 0, seed, record.log(), label, chosen), 0, model, label, store.vocabularies[0])


@settings(max_examples=100, deadline=None)
@given(questions(), all_settings(), st.lists(st.lists(legal_calls(), max_size=12), min_size=1, max_size=6), st.data())
def test_episodes_verified_together_come_out_as_each_alone(
    recorded: list[list[Recording]], chosen: EpisodeSettings, episodes: list[list[Call]], data: st.DataObject
) -> None:
    store, _ = store_of(recorded, interval=INTERVAL)
    cells = [(data.draw(st.integers(0, len(recorded) - 1)), seed) for seed in range(len(episodes))]
    logs, models, labels = [], [], []
    for (question, seed), calls in zip(cells, episodes, strict=True):
        logs.append(leave_log(store, recorded, question, seed, chosen, calls))
        models.append(slow_episode(recorded[question], seed, chosen))
        models[-1].read_log(logs[-1].calls, logs[-1].names)
        labels.append(data.draw(st.integers(-1, len(models[-1].shown))))
    asked, seeds = np.array(cells).T
    outcomes = verify(store, asked, seeds, Logs.of(logs), np.array(labels), chosen)
    for index, (question, _) in enumerate(cells):
        expect(outcomes, index, models[index], labels[index], store.vocabularies[question])


def damaged(log: ActionLog, draw: Any) -> ActionLog:
    """The log with one small change."""
    calls = [log.calls[start : start + 4] for start in range(0, len(log.calls), 4)]
    names = list(log.names)
    at = draw(st.integers(0, max(0, len(calls) - 1)))
    position = draw(st.integers(0, max(0, len(names) - 1)))
    first = sum(call[1] for call in calls[:at])
    kind = draw(
        st.sampled_from(["call byte", "name", "drop call", "repeat call", "swap calls", "add call", "drop name"])
    )
    match kind:
        case "call byte" if calls:
            changed = bytearray(calls[at])
            changed[draw(st.integers(0, 3))] = draw(st.integers(0, 6) | st.integers(0, 255))
            calls[at] = bytes(changed)
        case "name" if names:
            names[position] = draw(st.integers(0, 7) | st.integers(0, 255))
        case "drop call" if calls:
            del names[first : first + calls[at][1]]
            del calls[at]
        case "repeat call" if calls:
            names[first:first] = names[first : first + calls[at][1]]
            calls.insert(at, calls[at])
        case "swap calls" if at + 1 < len(calls):
            middle = first + calls[at][1]
            last = middle + calls[at + 1][1]
            names[first:last] = names[middle:last] + names[first:middle]
            calls[at], calls[at + 1] = calls[at + 1], calls[at]
        case "drop name" if names:
            del names[position]
        case _:
            named = draw(st.lists(st.integers(0, 7), max_size=3))
            calls.append(struct.pack("<BBH", draw(st.integers(0, 5)), len(named), draw(st.integers(0, 3))))
            names += named
    return ActionLog(b"".join(calls), bytes(names))


@settings(max_examples=300, deadline=None)
@given(questions(), all_settings(), st.lists(legal_calls(), max_size=12), st.integers(1, 3), st.data())
def test_a_mutated_log_is_refused_or_scored_as_what_it_says(
    recorded: list[list[Recording]], chosen: EpisodeSettings, calls: list[Call], n_changes: int, data: st.DataObject
) -> None:
    store, _ = store_of(recorded, interval=INTERVAL)
    honest = leave_log(store, recorded, 0, 0, chosen, calls)
    log = honest
    for _ in range(n_changes):
        log = damaged(log, data.draw)
    model = slow_episode(recorded[0], 0, chosen)
    try:
        model.read_log(log.calls, log.names)
    except IllegalCallError:
        model.failed = True
    label = data.draw(st.integers(-1, len(model.shown)))
    zeros = np.zeros(3, np.int64)
    outcomes = verify(store, zeros, zeros, Logs.of([honest, log, honest]), np.array([-1, label, -1]), chosen)
    if model.failed:
        assert outcomes.legal.tolist() == [True, False, True]
    else:
        expect(outcomes, 1, model, label, store.vocabularies[0])
    beside = slow_episode(recorded[0], 0, chosen)
    beside.read_log(honest.calls, honest.names)
    for index in (0, 2):
        expect(outcomes, index, beside, -1, store.vocabularies[0])


def log_of(*calls: tuple[int, list[int], int]) -> ActionLog:
    """A log written by hand: operation, names, argument."""
    packed = b"".join(struct.pack("<BBH", operation, len(names), argument) for operation, names, argument in calls)
    return ActionLog(packed, bytes(name for _, names, _ in calls for name in names))


ONE_BRANCH = Recording(("1", "2"), 230, "2")
OPEN = (BRANCH, [0], 0)


@pytest.mark.parametrize(
    "calls",
    [
        [(BRANCH, [1], 0)],
        [(BRANCH, [0], 2)],
        [OPEN, OPEN],
        [(BRANCH, [0, 1, 2], 0)],
        [(ADVANCE, [0], 1)],
        [(ADVANCE, [0], 1), OPEN],
        [OPEN, (ADVANCE, [0, 0], 1)],
        [OPEN, (ADVANCE, [1], 1)],
        [OPEN, (COMPLETE, [0], 1)],
        [OPEN, (PROBE, [0], 1)],
        [OPEN, (PROBE, [0, 0], 0)],
        [OPEN, (PRUNE, [0, 0], 0)],
        [OPEN, (PRUNE, [0], 0), (ADVANCE, [0], 0)],
        [OPEN, (PRUNE, [0], 0), (PRUNE, [0], 0), (PROBE, [0], 0)],
        [OPEN, (PRUNE, [0], 0), (COMPLETE, [0], 0)],
        [(5, [], 0)],
        [(255, [], 0)],
    ],
)
def test_an_impossible_action_is_refused(calls: list[tuple[int, list[int], int]]) -> None:
    store, _ = store_of([[ONE_BRANCH, ONE_BRANCH]], interval=INTERVAL)
    chosen = EpisodeSettings(max_branches=2)
    assert not verify_one(store, 0, 0, log_of(*calls), -1, chosen).legal[0]


def test_limits_hold_for_logs() -> None:
    store, _ = store_of([[ONE_BRANCH] * 200], interval=INTERVAL)
    chosen = EpisodeSettings(max_branches=200)
    everything = list(range(200))
    opening, probing = (BRANCH, everything, 0), (PROBE, everything, 0)
    at_limit = [log_of(*[(PROBE, [], 0)] * 20_000), log_of(opening, *[probing] * 499)]
    beyond = [log_of(*[(PROBE, [], 0)] * 20_001), log_of(opening, *[probing] * 499, (PRUNE, [0], 0))]
    zeros = np.zeros(4, np.int64)
    outcomes = verify(store, zeros, zeros, Logs.of([*at_limit, *beyond]), zeros - 1, chosen)
    assert outcomes.legal.tolist() == [True, True, False, False]


def test_the_largest_advances_do_not_overflow() -> None:
    store, _ = store_of([[ONE_BRANCH]], interval=INTERVAL)
    log = log_of(OPEN, *[(ADVANCE, [0], 65_535)] * 19_999)
    outcomes = verify_one(store, 0, 0, log, -1, EpisodeSettings())
    assert (outcomes.legal[0], outcomes.tokens[0], outcomes.sequential_tokens[0]) == (True, 230, 230)


def test_completing_again_and_again_changes_nothing() -> None:
    store, _ = store_of([[ONE_BRANCH]], interval=INTERVAL)
    for n_again in (1, 15, 16, 17, 19_998):
        log = log_of(OPEN, *[(COMPLETE, [0], 0)] * n_again, (PROBE, [0], 0))
        outcomes = verify_one(store, 0, 0, log, 0, EpisodeSettings(probe_cost=30))
        assert (outcomes.legal[0], outcomes.tokens[0], outcomes.answers[0]) == (True, 230, 1)


def test_figures_do_not_depend_on_how_many_episodes_are_verified_at_once() -> None:
    store, _ = store_of([[Recording(("1",) * n, 100 * n + 5, "1") for n in range(5)]] * 2, interval=INTERVAL)
    logs = [log_of((BRANCH, list(range(n % 6)), n % 2), (PROBE, list(range(min(n % 6, 5))), 0)) for n in range(600)]
    cells, seeds, labels = np.arange(600) % 2, np.arange(600) % 7, np.zeros(600, np.int64)
    together = verify(store, cells, seeds, Logs.of(logs), labels, EpisodeSettings())
    for index in range(0, 600, 37):
        alone = verify_one(store, int(cells[index]), int(seeds[index]), logs[index], 0, EpisodeSettings())
        for name in ("tokens", "sequential_tokens", "answers", "legal", "branches"):
            assert np.array_equal(getattr(together, name)[index], getattr(alone, name)[0])


def test_no_episodes_have_no_outcomes() -> None:
    store, _ = store_of([[ONE_BRANCH]], interval=INTERVAL)
    nothing = np.zeros(0, np.int64)
    assert verify(store, nothing, nothing, Logs.of([]), nothing, EpisodeSettings()).tokens.shape == (0,)


def test_logs_can_be_taken_apart_and_joined() -> None:
    logs = [log_of(OPEN), log_of(), log_of(OPEN, (PROBE, [0], 0)), log_of((PRUNE, [], 0))]
    joined = Logs.of(logs)
    assert [joined.one(index) for index in range(4)] == logs
    again = Logs.joined([joined.part(0, 1), joined.part(1, 3), joined.part(3, 4)])
    assert [again.one(index) for index in range(4)] == logs


def test_logs_that_do_not_add_up_are_tampered() -> None:
    good = Logs.of([log_of(OPEN)])
    with pytest.raises(TamperedLogError, match="calls"):
        Logs.of([log_of(OPEN), ActionLog(b"\0\0\0", b"")])
    with pytest.raises(TamperedLogError, match="calls"):
        Logs(good.calls + good.calls, good.call_counts, good.names, good.name_counts)
    with pytest.raises(TamperedLogError, match="names"):
        Logs(good.calls, good.call_counts, good.names, good.name_counts + 1)
    with pytest.raises(TamperedLogError):
        Logs(good.calls, np.array([2, -1]), good.names, np.array([1, 0]))
