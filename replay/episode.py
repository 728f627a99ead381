"""The contract between a controller and the branches it steers, and its replayed form.

An episode is one controller on one question with one order of branches. Nothing here knows which answer is right.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from operator import countOf, itemgetter
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


def _heads(operation: Operation, argument: int) -> tuple[bytes, ...]:
    """The log's record of a call, by number of branches named."""
    return tuple(CALL.pack(operation, count, argument) for count in range(BRANCH_CEILING + 1))


_BRANCH = _heads(Operation.BRANCH, 0)
_BRANCH_COMPLETE = _heads(Operation.BRANCH, 1)
_ADVANCE = _heads(Operation.ADVANCE, 1)
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
    Private members are name-mangled, a form of name that the dialect refuses. A search runs these few lines many
    millions of times, so branch lists are checked and logged as byte strings: a few nanoseconds a branch.
    """

    __slots__ = (
        "__active",
        "__active_names",
        "__calls",
        "__depths",
        "__interval",
        "__labels",
        "__left",
        "__names",
        "__order",
        "__pruned",
        "__question",
        "__record",
        "__rounds",
        "__rows",
        "__settings",
        "__single",
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
        self.__rows: list[tuple[int, ...]] = []
        self.__left: list[int] = []
        self.__depths: dict[int, int] = {}
        self.__active: dict[int, None] = {}
        self.__active_names = b""
        self.__single = b""
        self.__pruned: set[int] = set()
        self.__rounds = 0

    def branch(self, n: int = 1, complete: bool = False) -> list[int]:
        """Opens up to `n` branches, each decoded by one interval, or to its end."""
        if type(n) is not int or n < 0 or type(complete) is not bool:
            self.__fail("branch(n, complete=False) takes a number of branches, 0 or more, and True or False")
        first = len(self.__rows)
        chosen = self.__order[first : first + n]
        ids = list(range(first, first + len(chosen)))
        self.__log((_BRANCH_COMPLETE if complete else _BRANCH)[len(ids)], bytes(ids))
        if not ids:
            return ids
        self.__rounds += 1
        recorded = self.__question.rows
        rows = [recorded[index] for index in chosen]
        self.__rows += rows
        if complete:
            self.__left += [0] * len(ids)
            for branch, index in zip(ids, chosen, strict=True):
                self.__depths[branch] = self.__question.lengths[index]
        else:
            self.__left += [len(row) - 1 for row in rows]
            self.__active.update(dict.fromkeys(ids))
            self.__settle(ids)
        return ids

    def advance(self, branches: Collection[int], intervals: int = 1) -> list[bool]:
        """Decodes up to `intervals` intervals more of each branch, stopping at its end."""
        ids, names = self.__admit(branches)
        if type(intervals) is not int or intervals < 0:
            self.__fail("advance(branches, intervals=1) takes a number of intervals, 0 or more")
        if intervals == 1:
            self.__log(_ADVANCE[len(ids)], names)
        else:
            self.__log(CALL.pack(Operation.ADVANCE, len(ids), min(intervals, MAX_INTERVALS)), names)
        left = self.__left
        running = [branch for branch in ids if left[branch]]
        if not running or not intervals:
            return [not left[branch] for branch in ids]
        self.__rounds += 1
        for branch in running:
            left[branch] -= intervals
        if min(itemgetter(*running, running[0])(left)) > 0 and len(running) == len(ids):
            return [False] * len(ids)
        self.__settle(running)
        return [not left[branch] for branch in ids]

    def complete(self, branches: Collection[int]) -> None:
        """Decodes each branch to its end in one go."""
        ids, names = self.__admit(branches)
        self.__log(_COMPLETE[len(ids)], names)
        running = [branch for branch in ids if self.__left[branch]]
        self.__rounds += bool(running)
        for branch in running:
            self.__finish(branch, len(self.__rows[branch]) - self.__left[branch])

    def probe(self, branches: Collection[int]) -> list[int | None]:
        """The answer that each branch would give now, as a label; None where it gives none."""
        ids, names = self.__admit(branches)
        self.__log(_PROBE[len(ids)], names)
        labels, rows, left = self.__labels, self.__rows, self.__left
        return [labels[rows[branch][~left[branch]]] for branch in ids]

    def prune(self, branches: Collection[int]) -> None:
        """Drops branches: they can't be advanced, completed or probed any more. What they showed stays."""
        ids, names = self.__admit(branches, allow_pruned=True)
        self.__log(_PRUNE[len(ids)], names)
        for branch in ids:
            if branch in self.__active:
                del self.__active[branch]
                self.__pruned.add(branch)
        self.__active_names = bytes(self.__active)

    def finished(self, branch: int) -> bool:
        """Whether an opened branch has reached its end."""
        if type(branch) is not int or not 0 <= branch < len(self.__left) or self.__record.failure:
            self.__check_opened(branch)
        return not self.__left[branch]

    def depth(self, branch: int) -> int:
        """Intervals decoded of an opened branch; of a finished one its whole length, rounded up."""
        if type(branch) is not int or not 0 <= branch < len(self.__left) or self.__record.failure:
            self.__check_opened(branch)
        return self.__depth(branch)

    @property
    def active(self) -> list[int]:
        """Ids neither finished nor pruned, ascending; a fresh list."""
        return list(self.__active)

    @property
    def opened(self) -> int:
        """Number of branches opened so far."""
        return len(self.__rows)

    @property
    def max_branches(self) -> int:
        """Number of branches that may be opened."""
        return len(self.__order)

    @property
    def spent(self) -> int:
        """Sum of the depths of all opened branches, in intervals."""
        return sum(map(self.__depth, range(len(self.__rows))))

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

    def __settle(self, decoded: list[int]) -> None:
        """Finishes those of the branches just decoded that have reached their end."""
        left = self.__left
        for branch in decoded:
            if left[branch] <= 0:
                self.__finish(branch, len(self.__rows[branch]) - 1)
        self.__active_names = bytes(self.__active)

    def __finish(self, branch: int, decoded: int) -> None:
        self.__left[branch] = 0
        self.__depths[branch] = max(self.__question.lengths[self.__order[branch]], decoded)
        del self.__active[branch]
        self.__active_names = bytes(self.__active)

    def __depth(self, branch: int) -> int:
        if self.__left[branch]:
            return len(self.__rows[branch]) - self.__left[branch]
        return self.__depths[branch]

    def __admit(self, branches: Collection[int], allow_pruned: bool = False) -> tuple[list[int], bytes]:
        """A checked copy of a branch list, exact ids of opened branches, each once; as a list and as bytes."""
        if type(branches) not in _CONTAINERS:
            self.__fail(f"branches are given one by one or in a wrong container; {_LIST_FORM}")
        if type(branches) is range and branches:
            # A range may be too long to copy.
            self.__check_opened(branches[0])
            self.__check_opened(branches[-1])
        ids = list(branches)
        if countOf(map(type, ids), int) != len(ids):
            self.__fail(f"a branch list holds something that is not an id; {_LIST_FORM}")
        if ids and (min(ids) < 0 or max(ids) >= len(self.__rows)):
            self.__check_opened(next(branch for branch in ids if not 0 <= branch < len(self.__rows)))
        names = bytes(ids)
        if names != self.__single:
            if len(set(ids)) != len(ids):
                self.__fail(f"a branch list names a branch twice; {_LIST_FORM}")
            self.__single = names
        if self.__pruned and not allow_pruned and names.translate(None, self.__active_names):
            self.__refuse_pruned(ids)
        return ids, names

    def __refuse_pruned(self, ids: list[int]) -> None:
        for branch in self.__pruned.intersection(ids):
            active = ", ".join(map(str, self.__active)) or "none"
            self.__fail(f"branch {branch} was pruned at depth {self.__depth(branch)}; active branches: {active}")

    def __check_opened(self, branch: int) -> None:
        if self.__record.failure:
            raise EpisodeError(self.__record.failure)
        if type(branch) is not int:
            self.__fail("a branch is named by something that is not its id; give one id, such as 0")
        if not 0 <= branch < len(self.__rows):
            name = branch if abs(branch) < MAX_NAMED else "of that number"
            self.__fail(f"branch {name} was never opened; {len(self.__rows)} are open, numbered from 0")

    def __log(self, call: bytes, names: bytes) -> None:
        if self.__record.failure:
            raise EpisodeError(self.__record.failure)
        if len(self.__calls) >= _CALL_ROOM:
            self.__fail(f"an episode may make {MAX_CALLS} calls; this is one more")
        if len(self.__names) + len(names) > MAX_NAMED:
            self.__fail(f"an episode may name {MAX_NAMED} branches over its calls; this is more")
        self.__calls += call
        self.__names += names

    def __fail(self, message: str) -> NoReturn:
        if not self.__record.failure:
            self.__record.failure = message
        raise EpisodeError(self.__record.failure)
