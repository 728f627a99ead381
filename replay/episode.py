"""The contract between a controller and the branches it steers, and its replayed form.

An episode is one controller on one question with one order of branches. Nothing here knows which answer is right.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NoReturn, Protocol

from replay.actions import BRANCH_CEILING, CALL, MAX_CALLS, MAX_INTERVALS, MAX_NAMED, ActionLog, Operation
from replay.errors import EpisodeError
from replay.tables import NO_ANSWER, QuestionTable

DEFAULT_MAX_BRANCHES = 64


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """What all episodes of an evaluation share.

    Attributes:
        max_branches: Branches that an episode may open, at most `BRANCH_CEILING`.
        probe_cost: Tokens that a probe of a running branch costs.
    """

    max_branches: int = DEFAULT_MAX_BRANCHES
    probe_cost: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.max_branches <= BRANCH_CEILING:
            raise ValueError(f"max_branches is {self.max_branches}; it must be from 1 to {BRANCH_CEILING}")
        if self.probe_cost < 0:
            raise ValueError(f"probe_cost is {self.probe_cost}; it must not be negative")


class Episode(Protocol):
    """What a controller sees and does. Every batch call is one parallel step.

    Branches are numbered 0, 1, 2 ... in the order they were opened. Branch lists are a list, tuple, set, range or
    dict view of exact ints, no id twice. Answers are labels: 0, 1, 2 ... in the order in which probes of this
    episode first showed them. The first illegal call fails the episode for good: every later call raises again.

    Raises:
        EpisodeError: From every call, if it is illegal or one before it was.
    """

    def branch(self, n: int = 1, complete: bool = False) -> list[int]:
        """Opens up to `n` branches, each decoded by one interval, or to its end.

        Returns:
            The new ids; fewer than `n` at the ceiling, [] once it is reached. Some may have finished.
        """

    def advance(self, branches: Collection[int], intervals: int = 1) -> list[bool]:
        """Decodes up to `intervals` intervals more of each branch, stopping at its end.

        Returns:
            Per branch, whether it has finished. Finished ones are skipped and free.
        """

    def complete(self, branches: Collection[int]) -> None:
        """Decodes each branch to its end in one go."""

    def probe(self, branches: Collection[int]) -> list[int | None]:
        """The answer that each branch would give now, as a label; None where it gives none."""

    def prune(self, branches: Collection[int]) -> None:
        """Drops branches: they can't be advanced, completed or probed any more. What they showed stays."""

    def finished(self, branch: int) -> bool:
        """Whether an opened branch has reached its end."""

    def depth(self, branch: int) -> int:
        """Intervals decoded of an opened branch; of a finished one its whole length, rounded up."""

    @property
    def active(self) -> list[int]:
        """Ids neither finished nor pruned, ascending; a fresh list."""

    @property
    def opened(self) -> int:
        """Number of branches opened so far."""

    @property
    def max_branches(self) -> int:
        """Number of branches that may be opened."""

    @property
    def spent(self) -> int:
        """Sum of the depths of all opened branches, in intervals."""

    @property
    def rounds(self) -> int:
        """Calls so far that decoded something."""

    @property
    def interval(self) -> int:
        """Tokens per interval."""

    @property
    def probe_cost(self) -> int:
        """Tokens that a probe of a running branch costs."""


_DICTS: tuple[dict[int, int], ...] = ({}, OrderedDict())
_VIEWS = {type(view) for mapping in _DICTS for view in (mapping.keys(), mapping.values())}
_CONTAINERS = frozenset({list, tuple, set, frozenset, range, *_VIEWS})
_LIST_FORM = "give a list of the ids of opened branches, each once, such as [0, 3]"
_CALL_ROOM = MAX_CALLS * CALL.size
_IDS = bytes(range(BRANCH_CEILING))
_NEVER = 1 << 62


def _heads(operation: Operation, argument: int) -> tuple[bytes, ...]:
    """The log's record of a call, by number of branches named."""
    return tuple(CALL.pack(operation, count, argument) for count in range(BRANCH_CEILING + 1))


_BRANCH = _heads(Operation.BRANCH, 0)
_BRANCH_COMPLETE = _heads(Operation.BRANCH, 1)
_ADVANCE = _heads(Operation.ADVANCE, 1)
_advance_heads = lru_cache(maxsize=64)(partial(_heads, Operation.ADVANCE))
_COMPLETE = _heads(Operation.COMPLETE, 0)
_PROBE = _heads(Operation.PROBE, 0)
_PRUNE = _heads(Operation.PRUNE, 0)


class Labels(dict[int, int | None]):
    """Answer id -> label; an answer gets the next label when it is first looked up."""

    __slots__ = ()

    def __missing__(self, answer: int) -> int:
        label = self[answer] = len(self) - 1
        return label


@dataclass(slots=True)
class EpisodeRecord:
    """What an episode leaves behind for whoever runs it. The controller can't reach it.

    Attributes:
        calls: See `ActionLog`.
        names: See `ActionLog`.
        labels: The answers shown so far.
        failure: What the first illegal call did wrong; empty as long as there was none.
    """

    calls: bytearray = field(default_factory=bytearray)
    names: bytearray = field(default_factory=bytearray)
    labels: Labels = field(default_factory=lambda: Labels({NO_ANSWER: None}))
    failure: str = ""

    def log(self) -> ActionLog:
        """The actions so far."""
        return ActionLog(bytes(self.calls), bytes(self.names))

    def has_shown(self, label: object) -> bool:
        """Whether `label` is an exact int that a probe of this episode has shown."""
        return type(label) is int and 0 <= label < len(self.labels) - 1


class ReplayedEpisode:
    """The contract over recorded branches; see `Episode` for what its members do.

    Every call is checked whole, then logged, then carried out: an exception in between can show nothing unlogged.
    Private members are name-mangled, a form of name that the dialect refuses.

    A search runs these few lines many millions of times. So a branch list is checked and logged as one byte string,
    and a branch's state is the time of its end on a clock that all running branches share: to advance all of them,
    as most controllers do, is to advance the clock.
    """

    __slots__ = (
        "__active",
        "__active_names",
        "__calls",
        "__clock",
        "__decoded",
        "__ends",
        "__interval",
        "__labels",
        "__names",
        "__nearest_end",
        "__opened",
        "__order",
        "__pruned",
        "__question",
        "__record",
        "__rounds",
        "__rows",
        "__settings",
        "__usable_names",
    )

    def __init__(
        self,
        question: QuestionTable,
        order: Sequence[int],
        settings: EpisodeSettings,
        interval: int,
        record: EpisodeRecord,
    ) -> None:
        """Starts an episode.

        Args:
            question: The recorded branches.
            order: Indices of recorded branches, in the order in which they are opened.
            settings: Ceiling and probe cost.
            interval: Tokens per interval.
            record: Receives the actions; fresh for each episode.
        """
        self.__question = question
        self.__order = order[: settings.max_branches]
        self.__settings = settings
        self.__interval = interval
        self.__record = record
        self.__calls = record.calls
        self.__names = record.names
        self.__labels = record.labels
        self.__rows = list(map(question.backwards.__getitem__, self.__order))
        self.__opened = 0
        self.__rounds = 0
        self.__clock = 0
        self.__ends = [0] * len(self.__rows)
        self.__nearest_end = _NEVER
        self.__active: dict[int, None] = {}
        self.__active_names = b""
        self.__pruned: set[int] = set()
        self.__usable_names = b""
        self.__decoded: dict[int, int] = {}

    def branch(self, n: int = 1, complete: bool = False) -> list[int]:
        """Opens up to `n` branches, each decoded by one interval, or to its end."""
        if type(n) is not int or n < 0 or type(complete) is not bool:
            self.__fail("branch(n, complete=False) takes a number of branches, 0 or more, and True or False")
        first = self.__opened
        names = _IDS[first : min(first + n, len(self.__rows))]
        self.__log(_BRANCH_COMPLETE if complete else _BRANCH, names)
        ids = list(names)
        if not ids:
            return ids
        self.__opened += len(ids)
        self.__usable_names += names
        self.__rounds += 1
        if not complete:
            self.__active.update(dict.fromkeys(ids))
            self.__active_names += names
            ends, rows, clock = self.__ends, self.__rows, self.__clock
            for branch in ids:
                end = ends[branch] = clock + len(rows[branch]) - 1
                if end < self.__nearest_end:  # noqa: PLR1730 - a call of min takes five times as long
                    self.__nearest_end = end
            if self.__nearest_end <= clock:
                self.__settle()
        return ids

    def advance(self, branches: Collection[int], intervals: int = 1) -> list[bool]:
        """Decodes up to `intervals` intervals more of each branch, stopping at its end."""
        if type(intervals) is not int or intervals < 0:
            self.__fail("advance(branches, intervals=1) takes a number of intervals, 0 or more")
        intervals = min(intervals, MAX_INTERVALS)
        names = self.__take(branches, _ADVANCE if intervals == 1 else _advance_heads(intervals))
        active, active_names = self.__active, self.__active_names
        if names == active_names or (len(names) == len(active_names) and not active_names.translate(None, names)):
            self.__clock += intervals
            self.__rounds += bool(names and intervals)
            if self.__clock < self.__nearest_end:
                return [False] * len(names)
            self.__settle()
        elif running := [branch for branch in names if branch in active]:
            self.__rounds += bool(intervals)
            self.__bring_nearer(running, intervals)
        return [branch not in active for branch in names]

    def complete(self, branches: Collection[int]) -> None:
        """Decodes each branch to its end in one go."""
        names = self.__take(branches, _COMPLETE)
        running = [branch for branch in names if branch in self.__active]
        if running:
            self.__rounds += 1
            self.__retire(running)

    def probe(self, branches: Collection[int]) -> list[int | None]:
        """The answer that each branch would give now, as a label; None where it gives none."""
        names = self.__take(branches, _PROBE)
        labels, rows, ends, clock, active = self.__labels, self.__rows, self.__ends, self.__clock, self.__active
        if not active:
            return [labels[rows[branch][0]] for branch in names]
        if names != self.__active_names and names.translate(None, self.__active_names):
            return [labels[rows[branch][ends[branch] - clock if branch in active else 0]] for branch in names]
        return [labels[rows[branch][ends[branch] - clock]] for branch in names]

    def prune(self, branches: Collection[int]) -> None:
        """Drops branches: they can't be advanced, completed or probed any more. What they showed stays."""
        names = self.__take(branches, _PRUNE, allow_pruned=True)
        running = [branch for branch in names if branch in self.__active]
        if running:
            self.__pruned.update(running)
            self.__usable_names = self.__usable_names.translate(None, bytes(running))
            self.__retire(running)

    def finished(self, branch: int) -> bool:
        """Whether an opened branch has reached its end."""
        if type(branch) is not int or not 0 <= branch < self.__opened or self.__record.failure:
            self.__refuse_unopened(branch)
        return branch not in self.__active and branch not in self.__pruned

    def depth(self, branch: int) -> int:
        """Intervals decoded of an opened branch; of a finished one its whole length, rounded up."""
        if type(branch) is not int or not 0 <= branch < self.__opened or self.__record.failure:
            self.__refuse_unopened(branch)
        if branch in self.__active:
            return len(self.__rows[branch]) - self.__ends[branch] + self.__clock
        return self.__depth(branch)

    @property
    def active(self) -> list[int]:
        """Ids neither finished nor pruned, ascending; a fresh list."""
        return list(self.__active)

    @property
    def opened(self) -> int:
        """Number of branches opened so far."""
        return self.__opened

    @property
    def max_branches(self) -> int:
        """Number of branches that may be opened."""
        return len(self.__order)

    @property
    def spent(self) -> int:
        """Sum of the depths of all opened branches, in intervals."""
        return sum(map(self.__depth, range(self.__opened)))

    @property
    def rounds(self) -> int:
        """Calls so far that decoded something."""
        return self.__rounds

    @property
    def interval(self) -> int:
        """Tokens per interval."""
        return self.__interval

    @property
    def probe_cost(self) -> int:
        """Tokens that a probe of a running branch costs."""
        return self.__settings.probe_cost

    def __bring_nearer(self, running: list[int], intervals: int) -> None:
        """Advances some of the running branches: their ends come nearer while the clock stands still."""
        ends, nearest = self.__ends, self.__nearest_end
        for branch in running:
            end = ends[branch] = ends[branch] - intervals
            if end < nearest:  # noqa: PLR1730
                nearest = end
        self.__nearest_end = nearest
        if nearest <= self.__clock:
            self.__settle()

    def __retire(self, stopped: list[int]) -> None:
        """Takes branches that were completed or pruned from the active ones."""
        for branch in stopped:
            self.__decoded[branch] = self.__depth(branch)
            del self.__active[branch]
        self.__settle()

    def __settle(self) -> None:
        """Finishes the active branches that have reached their end, and finds the end that is next."""
        active, ends, clock = self.__active, self.__ends, self.__clock
        finished = []
        nearest = _NEVER
        for branch in active:
            end = ends[branch]
            if end <= clock:
                finished.append(branch)
            elif end < nearest:
                nearest = end
        for branch in finished:
            self.__decoded[branch] = len(self.__rows[branch]) - 1
            del active[branch]
        self.__active_names = bytes(active)
        self.__nearest_end = nearest

    def __depth(self, branch: int) -> int:
        if branch in self.__active:
            return len(self.__rows[branch]) - (self.__ends[branch] - self.__clock)
        decoded = self.__decoded.get(branch, 0)
        return decoded if branch in self.__pruned else max(decoded, self.__question.lengths[self.__order[branch]])

    def __take(self, branches: Collection[int], heads: Sequence[bytes], allow_pruned: bool = False) -> bytes:
        """Checks a branch list, exact ids of opened branches, each once, and logs the call; the ids as bytes."""
        if type(branches) is not list:
            branches = self.__listed(branches)
        for branch in branches:
            if type(branch) is not int:
                self.__fail(f"a branch list holds something that is not an id; {_LIST_FORM}")
        try:
            names = bytes(branches)
        except ValueError:
            names = b""
            self.__refuse(branches, allow_pruned)
        if names != self.__active_names:
            usable = _IDS[: self.__opened] if allow_pruned else self.__usable_names
            if len(usable) - len(usable.translate(None, names)) != len(names):
                self.__refuse(branches, allow_pruned)
        self.__log(heads, names)
        return names

    def __listed(self, branches: Collection[int]) -> list[int]:
        if type(branches) not in _CONTAINERS:
            self.__fail(f"branches are given one by one or in a wrong container; {_LIST_FORM}")
        if type(branches) is range and branches:
            # A range may be too long to copy.
            self.__refuse_unopened(branches[0])
            self.__refuse_unopened(branches[-1])
        return list(branches)

    def __refuse(self, branches: Collection[int], allow_pruned: bool) -> NoReturn:
        """Says what is wrong with a list of exact ints that names something else than usable branches, each once."""
        for branch in branches:
            self.__refuse_unopened(branch)
        if len(set(branches)) != len(branches):
            self.__fail(f"a branch list names a branch twice; {_LIST_FORM}")
        assert not allow_pruned
        branch = next(branch for branch in branches if branch in self.__pruned)
        active = ", ".join(map(str, self.__active)) or "none"
        self.__fail(f"branch {branch} was pruned at depth {self.__depth(branch)}; active branches: {active}")

    def __refuse_unopened(self, branch: int) -> None:
        if self.__record.failure:
            raise EpisodeError(self.__record.failure)
        if type(branch) is not int:
            self.__fail("a branch is named by something that is not its id; give one id, such as 0")
        if not 0 <= branch < self.__opened:
            name = branch if abs(branch) < MAX_NAMED else "of that number"
            self.__fail(f"branch {name} was never opened; {self.__opened} are open, numbered from 0")

    def __log(self, heads: Sequence[bytes], names: bytes) -> None:
        calls, named = self.__calls, self.__names
        if self.__record.failure:
            raise EpisodeError(self.__record.failure)
        if len(calls) >= _CALL_ROOM:
            self.__fail(f"an episode may make {MAX_CALLS} calls; this is one more")
        if len(named) + len(names) > MAX_NAMED:
            self.__fail(f"an episode may name {MAX_NAMED} branches over its calls; this is more")
        calls += heads[len(names)]
        named += names

    def __fail(self, message: str) -> NoReturn:
        if not self.__record.failure:
            self.__record.failure = message
        raise EpisodeError(self.__record.failure)
