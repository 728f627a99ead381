"""From action logs to outcomes: recomputes what every action cost and what was answered.

Trusts nothing in a log: an action that was not legal makes it a tampered one. Knows no gold answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from replay.actions import MAX_CALLS, MAX_INTERVALS, MAX_NAMED, ActionLog, Operation
from replay.episode import EpisodeSettings
from replay.errors import TamperedLogError
from replay.store import ReplayStore
from replay.tables import NO_ANSWER, branch_order

CALL_TYPE = np.dtype([("operation", "u1"), ("count", "u1"), ("argument", "<u2")])

_CHUNK_EPISODES = 256
"""Episodes per chunk, at most: their branches have keys of 16 bits."""
_CHUNK_EVENTS = 1 << 16
"""Branches named per chunk, about: more would fall out of the processor's cache."""

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Logs:
    """The action logs of many episodes, one after the other.

    Attributes:
        calls: All calls, 4 bytes each.
        call_counts: (episodes,) calls per episode.
        names: All branch ids, one byte each.
        name_counts: (episodes,) branch ids per episode.

    Raises:
        TamperedLogError: If the counts are not those of the bytes.
    """

    calls: bytes
    call_counts: Longs
    names: bytes
    name_counts: Longs

    def __post_init__(self) -> None:
        for what, content, counts, size in (
            ("calls", self.calls, self.call_counts, CALL_TYPE.itemsize),
            ("names", self.names, self.name_counts, 1),
        ):
            expected = int(counts.sum()) * size
            if len(content) != expected or counts.min(initial=0) < 0:
                raise TamperedLogError(f"action logs hold {len(content)} bytes of {what}; their counts say {expected}")

    @classmethod
    def of(cls, logs: Sequence[ActionLog]) -> "Logs":
        """Joins logs."""
        return cls(
            calls=b"".join(log.calls for log in logs),
            call_counts=np.array([len(log.calls) // CALL_TYPE.itemsize for log in logs], np.int64),
            names=b"".join(log.names for log in logs),
            name_counts=np.array([len(log.names) for log in logs], np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence["Logs"]) -> "Logs":
        """Puts the logs of several runs of episodes behind each other."""
        return cls(
            calls=b"".join(part.calls for part in parts),
            call_counts=np.concatenate([part.call_counts for part in parts]),
            names=b"".join(part.names for part in parts),
            name_counts=np.concatenate([part.name_counts for part in parts]),
        )

    def part(self, first: int, last: int) -> "Logs":
        """The logs of episodes `first` to `last` - 1."""
        call_start, call_end = _edges(self.call_counts, first, last, CALL_TYPE.itemsize)
        name_start, name_end = _edges(self.name_counts, first, last, 1)
        return Logs(
            calls=self.calls[call_start:call_end],
            call_counts=self.call_counts[first:last],
            names=self.names[name_start:name_end],
            name_counts=self.name_counts[first:last],
        )

    def one(self, index: int) -> ActionLog:
        """The log of one episode."""
        part = self.part(index, index + 1)
        return ActionLog(part.calls, part.names)


class BranchEnd(IntEnum):
    """What became of a branch by the end of an episode."""

    UNOPENED = 0
    RUNNING = 1
    PRUNED = 2
    FINISHED = 3


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What episodes came to, whatever their answers are worth. All arrays are (episodes,).

    Attributes:
        tokens: Tokens decoded, probes included.
        sequential_tokens: Tokens along the critical path: per call, the most that any branch decoded.
        answers: Answer ids, -1 for none.
        legal: Whether the log is one that a controller can have left.
        branches: (episodes, max_branches) what became of each branch.
    """

    tokens: Longs
    sequential_tokens: Longs
    answers: npt.NDArray[np.int32]
    legal: Flags
    branches: npt.NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: Sequence["Outcomes"]) -> "Outcomes":
        """Puts the outcomes of several runs of episodes behind each other."""
        return cls(
            tokens=np.concatenate([part.tokens for part in parts]),
            sequential_tokens=np.concatenate([part.sequential_tokens for part in parts]),
            answers=np.concatenate([part.answers for part in parts]),
            legal=np.concatenate([part.legal for part in parts]),
            branches=np.concatenate([part.branches for part in parts]),
        )


def verify(
    store: ReplayStore,
    questions: npt.NDArray[np.integer],
    seeds: npt.NDArray[np.integer],
    logs: Logs,
    labels: npt.NDArray[np.integer],
    settings: EpisodeSettings,
) -> Outcomes:
    """Recomputes the outcomes of episodes from their action logs.

    Args:
        store: The recorded branches.
        questions: (episodes,) question index of each.
        seeds: (episodes,) branch-order seed of each.
        logs: What the episodes' controllers did.
        labels: (episodes,) label that each answered; -1 for none.
        settings: The settings that the episodes ran under.
    """
    n_episodes = len(questions)
    outcomes = Outcomes(
        tokens=np.zeros(n_episodes, np.int64),
        sequential_tokens=np.zeros(n_episodes, np.int64),
        answers=np.full(n_episodes, NO_ANSWER, np.int32),
        legal=np.zeros(n_episodes, np.bool_),
        branches=np.full((n_episodes, settings.max_branches), BranchEnd.UNOPENED, np.uint8),
    )
    calls = np.frombuffer(logs.calls, CALL_TYPE)
    names = np.frombuffer(logs.names, np.uint8)
    call_edges = np.concatenate([[0], np.cumsum(logs.call_counts)])
    name_edges = np.concatenate([[0], np.cumsum(logs.name_counts)])
    first = 0
    while first < n_episodes:
        full = int(np.searchsorted(name_edges, name_edges[first] + _CHUNK_EVENTS))
        last = min(max(full, first + 1), first + _CHUNK_EPISODES, n_episodes)
        part = slice(first, last)
        chunk = _Chunk(
            store,
            np.asarray(questions[part]),
            np.asarray(seeds[part]),
            calls[call_edges[first] : call_edges[last]],
            logs.call_counts[part],
            names[name_edges[first] : name_edges[last]],
            logs.name_counts[part],
            settings,
        )
        outcomes.tokens[part] = chunk.tokens
        outcomes.sequential_tokens[part] = chunk.sequential_tokens
        outcomes.answers[part], shown = chunk.answers(np.asarray(labels[part]))
        outcomes.legal[part] = chunk.legal & shown
        outcomes.branches[part] = chunk.branches[:, : settings.max_branches]
        first = last
    return outcomes


class _Chunk:
    """A run of episodes as arrays of calls, of events (a branch named in a call), and of opened branches.

    Events are sorted by branch, then by time. The state of a branch counts its steps; the last one finishes it, so
    that all before an event is one cumulative sum.
    """

    def __init__(
        self,
        store: ReplayStore,
        questions: npt.NDArray[np.integer],
        seeds: npt.NDArray[np.integer],
        calls: np.ndarray,
        call_counts: Longs,
        names: npt.NDArray[np.uint8],
        name_counts: Longs,
        settings: EpisodeSettings,
    ) -> None:
        self._store = store
        self._n = len(questions)
        self._settings = settings
        self.legal = np.ones(self._n, np.bool_)
        calls, call_counts, names = self._well_formed(calls, call_counts, names, name_counts)
        self._operations = np.ascontiguousarray(calls["operation"])
        self._counts = calls["count"].astype(np.int64)
        self._call_episode = np.repeat(np.arange(self._n), call_counts)
        self._check_opening(questions, names)
        self._sort(names)
        self._look_up(questions, seeds)
        self._replay(calls["argument"])
        self._check_events()
        self._settle(calls["argument"])

    def _well_formed(
        self, calls: np.ndarray, call_counts: Longs, names: npt.NDArray[np.uint8], name_counts: Longs
    ) -> tuple[np.ndarray, Longs, npt.NDArray[np.uint8]]:
        """Drops the calls of episodes whose log is not a log at all, and marks them."""
        episode = np.repeat(np.arange(self._n), call_counts)
        named = np.bincount(episode, calls["count"], self._n)
        limit = np.where(calls["operation"] == Operation.BRANCH, 1, 0)
        limit[calls["operation"] == Operation.ADVANCE] = MAX_INTERVALS
        strange = (calls["operation"] > Operation.PRUNE) | (calls["argument"] > limit)
        self.legal &= (named == name_counts) & (call_counts <= MAX_CALLS) & (name_counts <= MAX_NAMED)
        self.legal[episode[strange]] = False
        if self.legal.all():
            return calls, call_counts, names
        kept_names = np.repeat(self.legal, name_counts)
        return calls[self.legal[episode]], np.where(self.legal, call_counts, 0), names[kept_names]

    def _check_opening(self, questions: npt.NDArray[np.integer], names: npt.NDArray[np.uint8]) -> None:
        """Branches are opened in order, up to the ceiling."""
        opening = self._operations == Operation.BRANCH
        counts = np.where(opening, self._counts, 0)
        opened = np.bincount(self._call_episode, counts, self._n).astype(np.int64)
        number = np.arange(opened.sum()) - np.repeat(np.cumsum(opened) - opened, opened)
        episode = np.repeat(self._call_episode, counts)
        self.legal[episode[names[np.repeat(opening, self._counts)] != number]] = False
        self._n_branches = self._store.branch_ends[questions] - self._store.branch_starts[questions]
        self.legal &= opened <= np.minimum(self._n_branches, self._settings.max_branches)

    def _sort(self, names: npt.NDArray[np.uint8]) -> None:
        """Sorts events by branch. A branch is known by its episode and its id, in 16 bits, which sort by radix."""
        key = np.repeat((self._call_episode << 8).astype(np.uint16), self._counts) + names
        self._time = np.argsort(key, kind="stable")
        self._call = np.repeat(np.arange(len(self._counts), dtype=np.int32), self._counts)[self._time]
        self._operation = self._operations[self._call]
        sizes = np.bincount(key, minlength=1)
        self._key = np.flatnonzero(sizes)
        self._size = sizes[self._key]
        self._end = np.cumsum(self._size)
        self._start = self._end - self._size
        self._group = np.repeat(np.arange(len(self._key), dtype=np.int32), self._size)
        self._episode = self._key >> 8

    def _look_up(self, questions: npt.NDArray[np.integer], seeds: npt.NDArray[np.integer]) -> None:
        """First answer, number of steps and whole length of each branch."""
        orders = (_padded_order(seed, n) for seed, n in zip(seeds.tolist(), self._n_branches.tolist(), strict=True))
        index = np.frombuffer(b"".join(orders), np.int32)[self._key]
        index = index + self._store.branch_starts[questions][self._episode]
        self._row_start = self._store.row_starts[index]
        self._whole = self._store.row_ends[index] - self._row_start
        self._length = self._store.tokens[index].astype(np.int64)

    def _replay(self, arguments: npt.NDArray[np.uint16]) -> None:
        """The state of its branch after each event."""
        longest = int(self._whole.max(initial=1))
        steps = np.where(self._operations == Operation.ADVANCE, np.minimum(arguments, longest), 0)
        opening = self._operations == Operation.BRANCH
        steps[opening] = 1
        self._is_jump = (opening & (arguments == 1)) | (self._operations == Operation.COMPLETE)
        steps[self._is_jump] = longest
        kind = np.int32 if longest * len(self._call) < 1 << 31 else np.int64
        total: npt.NDArray[np.signedinteger] = np.cumsum(steps.astype(kind)[self._call], dtype=kind)
        before: npt.NDArray[np.signedinteger] = np.zeros(len(self._key), kind)
        before[1:] = total[self._end[:-1] - 1]
        self._state = np.minimum(total - before[self._group], self._whole[self._group])

    def _check_events(self) -> None:
        """No branch twice in a call or named before it is open; nothing but pruning after a prune."""
        again = np.zeros(len(self._call), np.bool_)
        again[1:] = self._call[1:] == self._call[:-1]
        again[self._start] = self._operation[self._start] != Operation.BRANCH
        self.legal[self._episode[self._group[again]]] = False
        prunes = np.flatnonzero(self._operation == Operation.PRUNE)
        group = self._group[prunes]
        running = self._state[prunes] < self._whole[group]
        self._pruned, first = np.unique(group[running], return_index=True)
        first = np.flatnonzero(running)[first]
        prunes_left = np.searchsorted(group, self._pruned, side="right") - first
        events_left = self._end[self._pruned] - prunes[first]
        self.legal[self._episode[self._pruned[events_left > prunes_left]]] = False

    def _settle(self, arguments: npt.NDArray[np.uint16]) -> None:
        """What became of each branch, and the tokens of each episode and of each call.

        An event costs its steps unless it finishes the branch, which one event does at most.
        """
        interval = self._store.interval
        ended = self._state == self._whole[self._group]
        ended_before = np.concatenate([[0], np.cumsum(ended)])
        n_ended = ended_before[self._end] - ended_before[self._start]
        finished = np.flatnonzero(n_ended)
        last = (self._end - n_ended)[finished]
        reached = self._state[self._end - 1].astype(np.int64)
        reached[finished] = np.where(last > self._start[finished], self._state[last - 1], 0)
        probes = (self._whole[finished] - 1).astype(np.int64)
        stepped = np.where(self._is_jump[self._call[last]], reached[finished], probes)
        rest = np.maximum(self._length[finished] - interval * stepped, 0) + interval * (stepped - reached[finished])
        spent = interval * reached
        spent[finished] += rest
        self.branches = np.zeros((self._n, 256), np.uint8)
        ends = np.full(len(self._key), BranchEnd.RUNNING, np.uint8)
        ends[finished] = BranchEnd.FINISHED
        ends[self._pruned] = BranchEnd.PRUNED
        self.branches.reshape(-1)[self._key] = ends
        longest = np.where(self._operations == Operation.ADVANCE, arguments, self._operations == Operation.BRANCH)
        all_ended = np.bincount(self._call[ended], minlength=len(self._counts)) >= self._counts
        longest = np.where(all_ended, 0, longest.astype(np.int64) * interval)
        _raise_to(longest, self._call[last], rest)
        self.tokens = _sum_by(self._episode, spent, self._n)
        if self._settings.probe_cost:
            self._charge_probes(longest)
        self.sequential_tokens = _sum_by(self._call_episode, longest, self._n)

    def _charge_probes(self, longest: Longs) -> None:
        """Adds what probes of running branches cost, the first time at each state."""
        probes = np.flatnonzero(self._operation == Operation.PROBE)
        group, state = self._group[probes], self._state[probes]
        charged = state < self._whole[group]
        charged[1:] &= (group[1:] != group[:-1]) | (state[1:] != state[:-1])
        self.tokens += self._settings.probe_cost * np.bincount(self._episode[group[charged]], minlength=self._n)
        longest[self._call[probes[charged]]] = self._settings.probe_cost

    def answers(self, labels: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int32], Flags]:
        """The answer ids behind labels, and whether each label was shown."""
        probes = np.flatnonzero(self._operation == Operation.PROBE)
        group = self._group[probes]
        answer = self._store.answers[self._row_start[group] + self._state[probes] - 1]
        news = answer >= 0
        news[1:] &= (answer[1:] != answer[:-1]) | (group[1:] != group[:-1])
        answer, time = answer[news], self._time[probes[news]]
        in_time = np.argsort(time)
        answer, episode = answer[in_time], self._episode[group[news]][in_time]
        width = int(answer.max(initial=0)) + 1
        sight = episode * width + answer
        number = np.arange(len(sight))
        first = np.full(self._n * width, -1, np.int64)
        first[sight[::-1]] = number[::-1]
        new = first[sight] == number
        episode, answer = episode[new], answer[new]
        n_shown = np.bincount(episode, minlength=self._n)
        at = np.cumsum(n_shown) - n_shown + labels
        shown = (labels >= -1) & (labels < n_shown)
        found = shown & (labels >= 0)
        answers = np.full(self._n, NO_ANSWER, np.int32)
        answers[found] = answer[at[found]]
        return answers, shown


@lru_cache(maxsize=4_096)
def _padded_order(seed: int, n_branches: int) -> bytes:
    """256 int32: `branch_order`, cut or filled up with zeros."""
    padded = np.zeros(256, np.int32)
    order = branch_order(seed, n_branches)[:256]
    padded[: len(order)] = order
    return padded.tobytes()


def _edges(counts: Longs, first: int, last: int, size: int) -> tuple[int, int]:
    start = int(counts[:first].sum()) * size
    return start, start + int(counts[first:last].sum()) * size


def _raise_to(values: Longs, index: npt.NDArray[np.integer], candidates: Longs) -> None:
    """Raises each value to the largest of its candidates."""
    order = np.argsort(index, kind="stable")
    index, candidates = index[order], candidates[order]
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    if len(starts):
        values[index[starts]] = np.maximum(values[index[starts]], np.maximum.reduceat(candidates, starts))


def _sum_by(group: npt.NDArray[np.integer], values: Longs, n_groups: int) -> Longs:
    """Exact sums of int64 values by ascending group."""
    edges = np.concatenate([[0], np.cumsum(values)])
    ends = np.cumsum(np.bincount(group, minlength=n_groups))
    sums: Longs = np.diff(edges[ends], prepend=0)
    return sums
