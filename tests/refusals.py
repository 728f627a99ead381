"""What every implementation of the controller contract must accept and refuse, as tests to inherit."""

from collections.abc import Callable
from typing import Any

import pytest

from replay.episode import Episode
from replay.errors import EpisodeError
from tests.branch_lists import LEGAL_LISTS, NOT_A_BRANCH_LIST, NOT_A_COUNT, NOT_AN_ID, Overloud
from tests.episode_hooks import BRANCHES, INSTANT, LONG, SHORT, SHORT_END, EpisodeHooks

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


class RefusalConformance(EpisodeHooks):
    """Exact arguments, failing for good, and the limits on calls and names."""

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
        episode.prune([SHORT])
        illegal: dict[str, Callable[[], Any]] = {
            "advance": lambda: episode.advance([9]),
            "depth": lambda: episode.depth(9),
            "branch": lambda: episode.branch(-1),
            "pruned": lambda: episode.probe([SHORT]),
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
