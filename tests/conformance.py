"""What every implementation of the controller contract must do (`replay.episode.Episode`), as tests to inherit.

An implementation subclasses `EpisodeConformance` and says how to make an episode and how to read what it was charged.
"""

import pytest

from replay.errors import EpisodeError
from tests.episode_hooks import (
    BRANCHES,
    FREE,
    INSTANT,
    INTERVAL,
    LONG,
    MUTE,
    NO_PROBES,
    SHORT,
    SHORT_END,
)
from tests.recordings import Recording
from tests.refusals import RefusalConformance


class EpisodeConformance(RefusalConformance):
    """The whole contract of an episode over recorded branches."""

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
