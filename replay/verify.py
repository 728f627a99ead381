"""From action logs to outcomes: recomputes what every action cost and what was answered.

Trusts nothing in a log: an action that was not legal makes it a tampered one. Knows no gold answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from replay.actions import MAX_CALLS, MAX_INTERVALS, MAX_NAMED, ActionLog, Operation
from replay.episode import EpisodeSettings
from replay.errors import TamperedLogError
from replay.store import ReplayStore
from replay.tables import NO_ANSWER, branch_order

CALL_TYPE = np.dtype([("operation", "u1"), ("count", "u1"), ("argument", "<u2")])

_WHOLE = 1 << 20
"""Steps that decode any branch to its end; `_WHOLE` times the calls of an episode still fits an int64."""
_CHUNK_KEYS = 1 << 16
"""Branches per chunk of episodes: keys of 16 bits sort by radix."""

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
    step = max(1, _CHUNK_KEYS // 256)
    for first in range(0, n_episodes, step):
        last = min(first + step, n_episodes)
        chunk = _Chunk(
            store,
            np.asarray(questions[first:last]),
            np.asarray(seeds[first:last]),
            calls[call_edges[first] : call_edges[last]],
            logs.call_counts[first:last],
            names[name_edges[first] : name_edges[last]],
            logs.name_counts[first:last],
            settings,
        )
        part = slice(first, last)
        outcomes.tokens[part] = chunk.tokens()
        outcomes.sequential_tokens[part] = chunk.sequential_tokens()
        outcomes.answers[part], shown = chunk.answers(np.asarray(labels[first:last]))
        outcomes.legal[part] = chunk.legal & shown
        outcomes.branches[part] = chunk.branches[:, : settings.max_branches]
    return outcomes


class _Chunk:
    """A run of episodes as arrays of calls and of events: one event per branch that a call names."""

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
        self._calls = calls
        self._call_counts = call_counts
        self._counts = calls["count"].astype(np.int64)
        call_episode = np.repeat(np.arange(self._n), call_counts)
        self._call = np.repeat(np.arange(len(calls), dtype=np.int32), self._counts)
        self._episode = call_episode[self._call]
        self._operation = calls["operation"][self._call]
        self._branch = names
        self._check_opening(questions)
        self._row_start, self._row_end, self._length = self._recorded(questions, seeds)
        self._replay()

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
        self.legal &= np.bincount(episode, strange, self._n) == 0
        if self.legal.all():
            return calls, call_counts, names
        kept_names = np.repeat(self.legal, name_counts)
        return calls[self.legal[episode]], np.where(self.legal, call_counts, 0), names[kept_names]

    def _check_opening(self, questions: npt.NDArray[np.integer]) -> None:
        """Branches are opened in order, up to the ceiling, and named only once open."""
        opening = self._operation == Operation.BRANCH
        so_far = np.cumsum(opening)
        event_counts = np.bincount(self._episode, minlength=self._n)
        starts = np.cumsum(event_counts) - event_counts
        before_episode = np.concatenate([[0], so_far])[starts]
        opened = so_far - before_episode[self._episode]
        wrong = np.where(opening, self._branch != opened - 1, self._branch >= opened)
        branches = self._store.branch_ends[questions] - self._store.branch_starts[questions]
        ceiling = np.minimum(branches, self._settings.max_branches)
        wrong |= opened > ceiling[self._episode]
        self._mark(wrong)
        self._branch = np.where(wrong, 0, self._branch).astype(np.uint8)

    def _recorded(
        self, questions: npt.NDArray[np.integer], seeds: npt.NDArray[np.integer]
    ) -> tuple[Longs, Longs, Longs]:
        """(episodes * 256,) per branch of an episode: first and last answer index, and whole length in tokens."""
        width = self._settings.max_branches
        index = np.zeros((self._n, 256), np.int64)
        for row, (question, seed) in enumerate(zip(questions.tolist(), seeds.tolist(), strict=True)):
            order = branch_order(seed, self._store.n_branches(question))[:width]
            index[row, : len(order)] = order
        index += self._store.branch_starts[questions][:, None]
        flat = index.reshape(-1)
        return (
            self._store.row_starts[flat].astype(np.int64),
            self._store.row_ends[flat].astype(np.int64),
            self._store.tokens[flat].astype(np.int64),
        )

    def _replay(self) -> None:
        """States and tokens of every event. A branch's state counts its steps: the last one finishes it."""
        key = (self._episode * 256 + self._branch).astype(np.uint16)
        order = np.argsort(key, kind="stable")
        key = key[order]
        group_start = np.ones(len(key), np.bool_)
        group_start[1:] = key[1:] != key[:-1]
        operation = self._operation[order]
        whole = self._row_end[key] - self._row_start[key]
        before, after, jump = self._states(order, operation, group_start, whole)
        tokens = self._decoded(before, after, jump, whole, self._length[key])
        self._check_events(order, operation, group_start, before < whole)
        if self._settings.probe_cost:
            tokens += self._probe_tokens(operation, key, before, before < whole)
        self.branches = np.zeros((self._n, 256), np.uint8)
        ends = np.where(after == whole, BranchEnd.FINISHED, BranchEnd.RUNNING)
        self.branches.reshape(-1)[key] = ends
        pruned = key[(operation == Operation.PRUNE) & (before < whole)]
        self.branches.reshape(-1)[pruned] = BranchEnd.PRUNED
        self._tokens = np.empty(len(key), np.int64)
        self._tokens[order] = tokens
        self._seen_at = np.empty(len(key), np.int64)
        self._seen_at[order] = self._row_start[key] + before - 1

    def _states(
        self,
        order: npt.NDArray[np.intp],
        operation: npt.NDArray[np.uint8],
        group_start: Flags,
        whole: Longs,
    ) -> tuple[Longs, Longs, Flags]:
        """State before and after each event, and whether it went to the end in one go."""
        argument = self._calls["argument"][self._call[order]].astype(np.int64)
        opening = operation == Operation.BRANCH
        jump = (operation == Operation.COMPLETE) | (opening & (argument == 1))
        steps = np.where(operation == Operation.ADVANCE, argument, opening.astype(np.int64))
        steps[jump] = _WHOLE
        total = np.cumsum(steps)
        previous = total - steps
        base = previous[group_start][np.cumsum(group_start) - 1]
        return np.minimum(previous - base, whole), np.minimum(total - base, whole), jump

    def _decoded(self, before: Longs, after: Longs, jump: Flags, whole: Longs, length: Longs) -> Longs:
        """Tokens that each event decoded."""
        interval = self._store.interval
        probes = whole - 1
        stepped = interval * (np.minimum(after, probes) - np.minimum(before, probes))
        ending = (after == whole) & (before < whole)
        rest = np.where(jump, length - interval * before, length - interval * probes)
        tokens = np.where(jump & ending, 0, stepped)
        return tokens + np.where(ending, np.maximum(rest, 0), 0)

    def _check_events(
        self, order: npt.NDArray[np.intp], operation: npt.NDArray[np.uint8], group_start: Flags, running: Flags
    ) -> None:
        """No branch twice in a call; nothing but pruning after a prune."""
        call = self._call[order]
        wrong = np.zeros(len(order), np.bool_)
        wrong[1:] = (call[1:] == call[:-1]) & ~group_start[1:]
        pruning = (operation == Operation.PRUNE) & running
        if pruning.any():
            prunes = np.cumsum(pruning)
            base = (prunes - pruning)[group_start][np.cumsum(group_start) - 1]
            wrong |= (prunes - pruning > base) & (operation != Operation.PRUNE)
        unsorted = np.empty(len(order), np.bool_)
        unsorted[order] = wrong
        self._mark(unsorted)

    def _probe_tokens(
        self, operation: npt.NDArray[np.uint8], key: npt.NDArray[np.uint16], before: Longs, running: Flags
    ) -> Longs:
        """Tokens of probes: of running branches, the first time at a depth."""
        cost = np.zeros(len(key), np.int64)
        probes = np.flatnonzero(operation == Operation.PROBE)
        repeated = np.zeros(len(probes), np.bool_)
        same_branch = key[probes[1:]] == key[probes[:-1]]
        repeated[1:] = same_branch & (before[probes[1:]] == before[probes[:-1]])
        cost[probes] = np.where(running[probes] & ~repeated, self._settings.probe_cost, 0)
        return cost

    def _mark(self, wrong: Flags) -> None:
        self.legal[self._episode[wrong]] = False

    def tokens(self) -> Longs:
        """(episodes,) tokens decoded."""
        return _sum_by(self._episode, self._tokens, self._n)

    def sequential_tokens(self) -> Longs:
        """(episodes,) tokens along the critical path."""
        named = np.flatnonzero(self._counts)
        starts = np.cumsum(self._counts) - self._counts
        longest = np.maximum.reduceat(self._tokens, starts[named]) if len(named) else self._tokens[:0]
        episode = np.repeat(np.arange(self._n), self._call_counts)[named]
        return _sum_by(episode, longest, self._n)

    def answers(self, labels: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int32], Flags]:
        """The answer ids behind labels, and whether each label was shown."""
        probes = np.flatnonzero((self._operation == Operation.PROBE) & self.legal[self._episode])
        answer = self._store.answers[self._seen_at[probes]]
        episode = self._episode[probes][answer >= 0]
        answer = answer[answer >= 0]
        width = int(answer.max(initial=0)) + 1
        sight = episode * width + answer
        time = np.arange(len(sight))
        first = np.full(self._n * width, -1, np.int64)
        first[sight[::-1]] = time[::-1]
        new = first[sight] == time
        episode, answer = episode[new], answer[new]
        n_shown = np.bincount(episode, minlength=self._n)
        at = np.cumsum(n_shown) - n_shown + labels
        shown = (labels >= -1) & (labels < n_shown)
        found = shown & (labels >= 0)
        answers = np.full(self._n, NO_ANSWER, np.int32)
        answers[found] = answer[at[found]]
        return answers, shown


def _edges(counts: Longs, first: int, last: int, size: int) -> tuple[int, int]:
    start = int(counts[:first].sum()) * size
    return start, start + int(counts[first:last].sum()) * size


def _sum_by(group: npt.NDArray[np.integer], values: Longs, n_groups: int) -> Longs:
    """Exact sums of int64 values by group."""
    edges = np.concatenate([[0], np.cumsum(values)])
    sizes = np.bincount(group, minlength=n_groups)
    ends = np.cumsum(sizes)
    sums: Longs = edges[ends] - edges[ends - sizes]
    return sums
