"""What the conformance tests need of an implementation of the controller contract, and the branches they use."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from replay.episode import Episode
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


class EpisodeHooks(ABC):
    """How to make an episode over recorded branches with intervals of `INTERVAL` tokens, and read its charges."""

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
