"""What every implementation of the controller contract must do (`replay.episode.Episode`), as tests to inherit.

An implementation subclasses `EpisodeConformance` and says how to make an episode and how to read what it was charged.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from replay.episode import Episode
from replay.errors import EpisodeError
from tests.branch_lists import LEGAL_LISTS, NOT_A_BRANCH_LIST, NOT_A_COUNT, NOT_AN_ID, Overloud
from tests.recordings import Recording

INTERVAL = 100

SHORT_END = Recording(("5", "7", "7"), 340, "7")
"""Three intervals, then 40 tokens."""
LONG_END = Recording(("7",), 350, "7")
"""One interval, then 250 tokens."""
FREE_END = Recording((None, "9"), 130, "9")
"""Two intervals recorded, although it is only 130 tokens long."""
NO_PROBES = Recording((), 60, "5")
"""Ends before its first interval does."""
SILENT = Recording((None, None), 210, None)
"""Never gives an answer."""

BRANCHES = (SHORT_END, LONG_END, FREE_END, NO_PROBES, SILENT)
SHORT, LONG, FREE, INSTANT, MUTE = range(5)


BATCH_CALLS = ("advance", "complete", "probe", "prune")

EVERY_CALL: dict[str, Callable[[Episode], Any]] = {
    "branch": lambda episode: episode.branch(),
    "branch none": lambda episode: episode.branch(0),
    "advance": lambda episode: episode.advance([1]),
    "advance none": lambda episode: episode.advance([]),
    "complete": lambda episode: episode.complete([1]),
    "probe": lambda episode: episode.probe([1]),
    "prune": lambda episode: episode.prune([1]),
    "finished": lambda episode: episode.finished(1),
    "depth": lambda episode: episode.depth(1),
}


def parametrize(name: str, cases: dict[str, Any]) -> pytest.MarkDecorator:
    """One test for each case, under the case's name."""
    return pytest.mark.parametrize(name, list(cases.values()), ids=list(cases))


class EpisodeConformance(ABC):
    """The contract of an episode over recorded branches with intervals of `INTERVAL` tokens."""

    @abstractmethod
    def make_episode(self, branches: Sequence[Recording], *, max_branches: int = 64, probe_cost: int = 0) -> Episode:
        """A fresh episode that opens these branches in this order."""

    @abstractmethod
    def charged(self, episode: Episode) -> tuple[int, int]:
        """Tokens and sequential tokens of an episode so far."""

    def opened(self, *, probe_cost: int = 0) -> Episode:
        """An episode with all of `BRANCHES` open."""
        episode = self.make_episode(BRANCHES, probe_cost=probe_cost)
        assert episode.branch(5) == [0, 1, 2, 3, 4]
        return episode

    def charge_of(self, episode: Episode, call: Callable[[], Any]) -> tuple[int, int]:
        """What one call adds to tokens and sequential tokens."""
        before = self.charged(episode)
        call()
        after = self.charged(episode)
        return after[0] - before[0], after[1] - before[1]

    # Opening

    def test_a_fresh_episode_has_spent_nothing(self) -> None:
        episode = self.make_episode(BRANCHES, max_branches=3, probe_cost=7)
        assert (episode.active, episode.opened, episode.spent, episode.rounds) == ([], 0, 0, 0)
        assert (episode.max_branches, episode.interval, episode.probe_cost) == (3, INTERVAL, 7)
        assert self.charged(episode) == (0, 0)

    def test_branches_are_numbered_in_the_order_they_are_opened(self) -> None:
        episode = self.make_episode(BRANCHES)
        assert episode.branch() == [0]
        assert episode.branch(2) == [1, 2]
        assert episode.branch(n=1, complete=False) == [3]
        assert episode.opened == 4

    def test_opening_decodes_one_interval_of_each_side_by_side(self) -> None:
        episode = self.make_episode(BRANCHES)
        assert self.charge_of(episode, lambda: episode.branch(3)) == (300, 100)
        assert [episode.depth(branch) for branch in range(3)] == [1, 1, 1]
        assert episode.rounds == 1

    def test_a_branch_without_probes_finishes_when_opened_and_costs_its_length(self) -> None:
        episode = self.make_episode([NO_PROBES, Recording((), 340, "5")])
        assert self.charge_of(episode, lambda: episode.branch(2)) == (400, 340)
        assert episode.finished(0) and episode.finished(1)
        assert (episode.depth(0), episode.depth(1)) == (1, 4)
        assert episode.active == []

    def test_opening_complete_costs_the_whole_length_of_each(self) -> None:
        episode = self.make_episode(BRANCHES)
        assert self.charge_of(episode, lambda: episode.branch(5, complete=True)) == (340 + 350 + 130 + 60 + 210, 350)
        assert all(map(episode.finished, range(5)))
        assert [episode.depth(branch) for branch in range(5)] == [4, 4, 2, 1, 3]
        assert (episode.active, episode.rounds, episode.spent) == ([], 1, 14)

    def test_fewer_branches_are_opened_at_the_ceiling_and_none_beyond(self) -> None:
        episode = self.make_episode(BRANCHES, max_branches=3)
        assert episode.branch(2) == [0, 1]
        assert episode.branch(10**30, True) == [2]
        assert episode.branch() == []
        assert episode.branch(5, True) == []
        assert (episode.opened, episode.rounds) == (3, 2)

    def test_opening_none_does_nothing(self) -> None:
        episode = self.make_episode(BRANCHES)
        assert self.charge_of(episode, lambda: episode.branch(0)) == (0, 0)
        assert (episode.opened, episode.rounds) == (0, 0)

    # Decoding

    @pytest.mark.parametrize(
        ("branch", "tokens"),
        [(SHORT, [100, 100, 40, 0]), (LONG, [250, 0]), (FREE, [100, 0, 0]), (MUTE, [100, 10, 0])],
    )
    def test_each_interval_costs_its_tokens_and_the_last_step_what_is_left(
        self, branch: int, tokens: list[int]
    ) -> None:
        episode = self.opened()
        steps = [self.charge_of(episode, lambda: episode.advance([branch])) for _ in tokens]
        assert steps == [(step, step) for step in tokens]

    def test_advance_tells_which_have_finished_in_the_order_of_the_list(self) -> None:
        episode = self.opened()
        assert episode.advance([INSTANT, SHORT, LONG]) == [True, False, True]
        assert episode.advance((LONG, MUTE, INSTANT)) == [True, False, True]

    def test_advance_by_several_intervals_stops_at_the_end(self) -> None:
        episode = self.opened()
        assert self.charge_of(episode, lambda: episode.advance([SHORT, FREE], intervals=2)) == (200 + 100, 200)
        assert [episode.finished(SHORT), episode.finished(FREE)] == [False, True]
        assert self.charge_of(episode, lambda: episode.advance([SHORT, MUTE], 10**30)) == (40 + 110, 110)
        assert episode.active == [LONG]

    def test_intervals_in_one_call_cost_the_same_as_in_several_but_are_one_step(self) -> None:
        at_once, singly = self.opened(), self.opened()
        at_once.advance([SHORT, MUTE], 3)
        for _ in range(3):
            singly.advance([SHORT, MUTE])
        assert self.charged(at_once)[0] == self.charged(singly)[0]
        assert (at_once.rounds, singly.rounds) == (2, 4)

    def test_advancing_finished_branches_is_free_and_no_step(self) -> None:
        episode = self.opened()
        assert self.charge_of(episode, lambda: episode.advance([INSTANT], 5)) == (0, 0)
        assert (episode.rounds, episode.depth(INSTANT)) == (1, 1)

    def test_advancing_by_no_interval_does_nothing(self) -> None:
        episode = self.opened()
        assert episode.advance([SHORT, INSTANT], 0) == [False, True]
        assert (episode.rounds, episode.depth(SHORT)) == (1, 1)

    def test_completing_costs_what_is_left_of_each(self) -> None:
        episode = self.opened()
        episode.advance([SHORT])
        assert self.charge_of(episode, lambda: episode.complete([SHORT, LONG, FREE, INSTANT])) == (140 + 250 + 30, 250)
        assert [episode.depth(branch) for branch in (SHORT, LONG, FREE)] == [4, 4, 2]
        assert (episode.active, episode.rounds) == ([MUTE], 3)

    def test_completing_a_branch_past_its_length_is_free(self) -> None:
        episode = self.opened()
        episode.advance([FREE])
        assert self.charge_of(episode, lambda: episode.complete([FREE])) == (0, 0)
        assert (episode.finished(FREE), episode.depth(FREE)) == (True, 2)

    def test_completing_finished_branches_is_free_and_no_step(self) -> None:
        episode = self.opened()
        assert episode.complete([INSTANT]) is None  # type: ignore[func-returns-value]
        assert (self.charged(episode), episode.rounds) == ((460, 100), 1)

    def test_a_batch_takes_as_long_as_its_longest_branch(self) -> None:
        episode = self.opened()
        assert self.charge_of(episode, lambda: episode.advance([SHORT, LONG, FREE])) == (450, 250)

    # Probing

    def test_labels_count_up_in_the_order_of_first_sight(self) -> None:
        episode = self.opened()
        assert episode.probe([LONG]) == [0]
        assert episode.probe([SHORT]) == [1]
        episode.advance([SHORT, FREE])
        assert episode.probe([FREE]) == [2]
        assert episode.probe([SHORT, LONG, FREE]) == [0, 0, 2]

    def test_labels_within_a_batch_follow_the_order_of_the_list(self) -> None:
        episode = self.opened()
        assert episode.probe([LONG, SHORT]) == [0, 1]
        other = self.opened()
        assert other.probe([SHORT, LONG]) == [0, 1]

    def test_no_answer_is_none_and_takes_no_label(self) -> None:
        episode = self.opened()
        assert episode.probe([MUTE, FREE, LONG]) == [None, None, 0]
        episode.complete([MUTE, FREE])
        assert episode.probe([MUTE, FREE]) == [None, 1]

    def test_finished_branches_show_their_final_answers(self) -> None:
        episode = self.make_episode([Recording(("1", "2"), 250, "3"), Recording(("3",), 100, "1")])
        episode.branch(2, True)
        assert episode.probe([0, 1]) == [0, 1]
        assert episode.probe([1, 0]) == [1, 0]

    def test_answers_passed_by_are_never_shown(self) -> None:
        episode = self.make_episode([SHORT_END])
        episode.branch()
        episode.advance([0], 2)
        assert episode.probe([0]) == [0]

    def test_a_probe_of_a_running_branch_costs_once_at_each_depth(self) -> None:
        episode = self.opened(probe_cost=30)
        assert self.charge_of(episode, lambda: episode.probe([SHORT, LONG])) == (60, 30)
        assert self.charge_of(episode, lambda: episode.probe([SHORT, MUTE])) == (30, 30)
        assert self.charge_of(episode, lambda: episode.probe([SHORT, LONG])) == (0, 0)
        episode.advance([SHORT])
        assert self.charge_of(episode, lambda: episode.probe([SHORT])) == (30, 30)

    def test_a_probe_of_a_finished_branch_is_free(self) -> None:
        episode = self.opened(probe_cost=30)
        episode.complete([SHORT])
        assert self.charge_of(episode, lambda: episode.probe([SHORT, INSTANT])) == (0, 0)

    def test_a_probe_is_no_step(self) -> None:
        episode = self.opened(probe_cost=30)
        episode.probe([SHORT, LONG])
        assert (episode.rounds, episode.spent) == (1, 5)

    # Pruning

    @pytest.mark.parametrize("call", ["advance", "complete", "probe"])
    def test_a_pruned_branch_can_not_be_used(self, call: str) -> None:
        episode = self.opened()
        assert episode.prune([LONG, FREE]) is None  # type: ignore[func-returns-value]
        with pytest.raises(EpisodeError, match=r"branch 1 was pruned at depth 1"):
            getattr(episode, call)([SHORT, LONG])

    def test_a_pruned_branch_still_tells_its_state(self) -> None:
        episode = self.opened()
        episode.advance([SHORT])
        assert self.charge_of(episode, lambda: episode.prune([SHORT])) == (0, 0)
        assert (episode.finished(SHORT), episode.depth(SHORT)) == (False, 2)
        assert (episode.active, episode.opened, episode.spent) == ([LONG, FREE, MUTE], 5, 6)

    def test_pruning_again_does_nothing(self) -> None:
        episode = self.opened()
        episode.prune([SHORT, LONG])
        episode.prune([LONG, SHORT, FREE])
        assert episode.active == [MUTE]

    def test_pruning_a_finished_branch_does_nothing(self) -> None:
        episode = self.opened()
        episode.prune([INSTANT])
        assert (episode.probe([INSTANT]), episode.advance([INSTANT]), episode.finished(INSTANT)) == ([0], [True], True)

    def test_what_a_pruned_branch_showed_keeps_its_label(self) -> None:
        episode = self.opened()
        assert episode.probe([SHORT, LONG]) == [0, 1]
        episode.prune([SHORT])
        assert episode.probe([INSTANT]) == [0]

    def test_a_pruned_branch_does_not_make_room(self) -> None:
        episode = self.make_episode(BRANCHES, max_branches=2)
        episode.prune(episode.branch(2))
        assert episode.branch() == []

    # State

    def test_depth_counts_intervals_and_of_a_finished_branch_its_length_rounded_up(self) -> None:
        episode = self.opened()
        depths = []
        for _ in range(4):
            depths.append([episode.depth(branch) for branch in range(5)])
            episode.advance(range(5))
        assert depths == [[1, 1, 1, 1, 1], [2, 4, 2, 1, 2], [3, 4, 2, 1, 3], [4, 4, 2, 1, 3]]

    def test_the_depth_of_a_finished_branch_is_at_least_the_intervals_advanced(self) -> None:
        beyond = Recording(("1", "1", "1"), 130, "1")
        episode = self.make_episode([beyond] * 4)
        episode.branch(3)
        episode.branch(1, True)
        episode.advance([0, 1], 2)
        assert [episode.depth(branch) for branch in range(4)] == [3, 3, 1, 2]
        episode.advance([0])
        episode.complete([1, 2])
        assert [episode.depth(branch) for branch in range(4)] == [3, 3, 2, 2]
        assert episode.spent == 10

    def test_spent_is_the_sum_of_depths(self) -> None:
        episode = self.opened()
        episode.advance([SHORT, LONG])
        episode.prune([FREE])
        assert episode.spent == sum(map(episode.depth, range(5))) == 9

    def test_active_is_ascending_and_fresh(self) -> None:
        episode = self.opened()
        episode.advance([LONG])
        episode.prune([FREE])
        assert episode.active == [SHORT, MUTE]
        episode.active.clear()
        assert episode.active == [SHORT, MUTE]
        assert type(episode.active) is list

    def test_returned_lists_are_the_controllers_own(self) -> None:
        episode = self.make_episode(BRANCHES)
        for result in (episode.branch(2), episode.branch(1, True), episode.advance([0]), episode.probe([0])):
            assert type(result) is list
            result.clear()
        assert (episode.opened, episode.active, episode.probe([0])) == (3, [0, 1], [0])

    @pytest.mark.parametrize("name", ["active", "opened", "max_branches", "spent", "rounds", "interval", "probe_cost"])
    def test_state_is_read_only(self, name: str) -> None:
        episode = self.opened()
        before = getattr(episode, name)
        with pytest.raises(AttributeError):
            setattr(episode, name, 0)
        with pytest.raises(AttributeError):
            delattr(episode, name)
        assert getattr(episode, name) == before

    def test_an_episode_takes_no_new_attributes(self) -> None:
        with pytest.raises(AttributeError):
            self.opened().note = 1  # type: ignore[attr-defined]

    # Arguments

    @pytest.mark.parametrize("call", BATCH_CALLS)
    @parametrize("value", LEGAL_LISTS)
    def test_any_plain_collection_of_ids_is_a_branch_list(self, call: str, value: Any) -> None:
        results = {"advance": [False, True], "probe": [0, 1]}
        assert getattr(self.opened(), call)(value) == results.get(call)

    @pytest.mark.parametrize("call", BATCH_CALLS)
    @pytest.mark.parametrize("empty", [[], (), set(), frozenset(), range(0), {}.keys(), {}.values()], ids=repr)
    def test_empty_lists_do_nothing(self, call: str, empty: Any) -> None:
        for episode in (self.make_episode(BRANCHES, probe_cost=30), self.opened(probe_cost=30)):
            before = (self.charged(episode), episode.rounds, episode.active)
            assert getattr(episode, call)(empty) == ([] if call in ("advance", "probe") else None)
            assert (self.charged(episode), episode.rounds, episode.active) == before

    def test_a_branch_list_is_copied_before_anything_happens(self) -> None:
        episode = self.opened()
        steps = {SHORT: 0, LONG: 0}
        for branch, ended in zip(list(steps), episode.advance(steps.keys()), strict=True):
            if ended:
                del steps[branch]
        assert episode.advance(steps.keys()) == [False]

    @pytest.mark.parametrize("call", BATCH_CALLS)
    @parametrize("value", NOT_A_BRANCH_LIST)
    def test_anything_else_is_refused_whole(self, call: str, value: Any) -> None:
        episode = self.opened(probe_cost=30)
        before = self.charged(episode)
        self.assert_refused(episode, lambda: getattr(episode, call)(value))
        assert self.charged(episode) == before

    @pytest.mark.parametrize("call", ["finished", "depth"])
    @parametrize("value", NOT_AN_ID)
    def test_one_branch_is_named_by_its_id(self, call: str, value: Any) -> None:
        episode = self.opened()
        self.assert_refused(episode, lambda: getattr(episode, call)(value))

    @parametrize("value", NOT_A_COUNT)
    def test_a_number_of_branches_is_an_int_of_at_least_0(self, value: Any) -> None:
        episode = self.make_episode(BRANCHES)
        self.assert_refused(episode, lambda: episode.branch(value))
        assert (episode.opened, self.charged(episode)) == (0, (0, 0))

    @parametrize("value", NOT_A_COUNT)
    def test_a_number_of_intervals_is_an_int_of_at_least_0(self, value: Any) -> None:
        for branches in ([SHORT], [INSTANT], []):
            episode = self.opened()
            before = self.charged(episode)
            self.assert_refused(episode, lambda: episode.advance(branches, value))  # noqa: B023
            assert self.charged(episode) == before

    @pytest.mark.parametrize("complete", [1, 0, None, "yes", Overloud()], ids=["1", "0", "none", "str", "own object"])
    def test_complete_is_true_or_false(self, complete: Any) -> None:
        episode = self.make_episode(BRANCHES)
        self.assert_refused(episode, lambda: episode.branch(1, complete))

    def test_the_message_of_a_refusal_shows_the_right_form(self) -> None:
        with pytest.raises(EpisodeError, match=r"such as \[0, 3\]"):
            self.opened().advance(3)  # type: ignore[arg-type]
        with pytest.raises(EpisodeError, match=r"branch 7 was never opened; 5 are open"):
            self.opened().advance([7])
        with pytest.raises(EpisodeError, match=r"such as 0"):
            self.opened().depth([0])  # type: ignore[arg-type]

    def assert_refused(self, episode: Episode, call: Callable[[], Any]) -> None:
        """The call raises, without the text of the objects that it was given, and every later call does."""
        with pytest.raises(EpisodeError) as refused:
            call()
        assert str(refused.value)
        assert "SECRET" not in str(refused.value)
        assert len(str(refused.value)) < 300
        with pytest.raises(EpisodeError):
            episode.branch(0)

    # Failing for good

    @parametrize("later", EVERY_CALL)
    @pytest.mark.parametrize("first", ["advance", "depth", "branch", "pruned"])
    def test_after_an_illegal_call_every_call_raises_what_the_first_did(
        self, first: str, later: Callable[[Episode], Any]
    ) -> None:
        episode = self.opened()
        illegal: dict[str, Callable[[], Any]] = {
            "advance": lambda: episode.advance([9]),
            "depth": lambda: episode.depth(9),
            "branch": lambda: episode.branch(-1),
            "pruned": lambda: [episode.prune([SHORT]), episode.probe([SHORT])],
        }
        with pytest.raises(EpisodeError) as refused:
            illegal[first]()
        before = self.charged(episode)
        for _ in range(2):
            with pytest.raises(EpisodeError) as again:
                later(episode)
            assert str(again.value) == str(refused.value)
        assert self.charged(episode) == before

    def test_a_second_illegal_call_does_not_hide_the_first(self) -> None:
        episode = self.opened()
        with pytest.raises(EpisodeError) as first:
            episode.advance([9])
        for call in (lambda: episode.probe("x"), lambda: episode.branch(-1), lambda: episode.depth("x")):  # type: ignore[arg-type]
            with pytest.raises(EpisodeError) as later:
                call()
            assert str(later.value) == str(first.value)

    # Limits

    def test_the_call_after_20000_is_refused(self) -> None:
        episode = self.make_episode(BRANCHES)
        for _ in range(20_000):
            episode.probe([])
        self.assert_refused(episode, episode.branch)

    def test_naming_more_than_100000_branches_is_refused(self) -> None:
        episode = self.make_episode([SHORT_END] * 200, max_branches=200)
        everything = episode.branch(200)
        for _ in range(499):
            episode.probe(everything)
        assert episode.probe([]) == []
        self.assert_refused(episode, lambda: episode.probe([0]))
