"""A slow, obvious model of what an episode costs and shows, written from the rules alone.

Loops, lists and dicts; shares no code with `replay.verify` or `replay.episode`. Also draws random calls for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.recordings import Recording

BRANCH, ADVANCE, COMPLETE, PROBE, PRUNE = range(5)


class IllegalCallError(Exception):
    """The contract forbids this."""


@dataclass(eq=False)
class SlowBranch:
    """One open branch."""

    recording: Recording
    advanced: int = 0
    ended: bool = False
    pruned: bool = False
    shown_at: set[int] = field(default_factory=set)

    def step(self, interval: int) -> int:
        """Decodes one interval; returns its tokens."""
        recorded = len(self.recording.probes)
        if self.ended:
            return 0
        if self.advanced < recorded:
            self.advanced += 1
            return interval
        self.ended = True
        return max(0, self.recording.tokens - interval * recorded)

    def finish(self, interval: int) -> int:
        """Decodes all that is left in one go; returns its tokens."""
        if self.ended:
            return 0
        self.ended = True
        return max(0, self.recording.tokens - interval * self.advanced)

    def answer(self) -> str | None:
        """What it would answer now."""
        return self.recording.final if self.ended else self.recording.probes[self.advanced - 1]

    def depth(self, interval: int) -> int:
        """Intervals decoded; of an ended branch its whole length."""
        if not self.ended:
            return self.advanced
        whole = self.recording.tokens // interval + (self.recording.tokens % interval > 0)
        return max(whole, self.advanced)


class SlowEpisode:
    """Branches in the order of opening, and what was done to them."""

    def __init__(self, recorded: Sequence[Recording], interval: int, max_branches: int, probe_cost: int) -> None:
        self.recorded = list(recorded)[:max_branches]
        self.interval = interval
        self.probe_cost = probe_cost
        self.branches: list[SlowBranch] = []
        self.tokens = 0
        self.sequential_tokens = 0
        self.rounds = 0
        self.shown: list[str] = []
        self.failed = False

    def state(self) -> tuple[Any, ...]:
        """Everything that a controller may read."""
        running = [i for i, branch in enumerate(self.branches) if not branch.ended and not branch.pruned]
        depths = [branch.depth(self.interval) for branch in self.branches]
        ended = [branch.ended for branch in self.branches]
        return running, len(self.branches), sum(depths), self.rounds, depths, ended

    def call(self, operation: int, named: Any, argument: Any) -> Any:
        """One call of a controller. For BRANCH, `named` is how many; otherwise a list of ids.

        Raises:
            IllegalCallError: If it, or an earlier one, is illegal.
        """
        if not self.failed:
            self.failed = not self.is_legal(operation, named, argument)
        if self.failed:
            raise IllegalCallError
        if operation == BRANCH:
            return self.branch(named, argument)
        chosen = [self.branches[i] for i in named]
        if operation == PROBE:
            return self.probe(chosen)
        if operation == PRUNE:
            for branch in chosen:
                branch.pruned = branch.pruned or not branch.ended
            return None
        steps = 10**9 if operation == COMPLETE else argument
        charges = []
        running = any(not branch.ended for branch in chosen)
        for branch in chosen:
            if operation == COMPLETE:
                charges.append(branch.finish(self.interval))
            else:
                charges.append(sum(branch.step(self.interval) for _ in range(min(steps, 50))))
        self.charge(charges, a_round=running and steps > 0)
        return [branch.ended for branch in chosen] if operation == ADVANCE else None

    def is_legal(self, operation: int, named: Any, argument: Any) -> bool:
        """Whether the contract allows it."""
        if operation == BRANCH:
            return type(named) is int and named >= 0 and type(argument) is bool
        if type(named) is not list or any(type(i) is not int for i in named):
            return False
        if any(not 0 <= i < len(self.branches) or named.count(i) > 1 for i in named):
            return False
        if operation == ADVANCE and (type(argument) is not int or argument < 0):
            return False
        return operation == PRUNE or not any(self.branches[i].pruned for i in named)

    def branch(self, count: int, complete: bool) -> list[int]:
        """Opens branches."""
        first = len(self.branches)
        new = [SlowBranch(recording) for recording in self.recorded[first : first + count]]
        self.branches += new
        charges = [branch.finish(self.interval) if complete else branch.step(self.interval) for branch in new]
        self.charge(charges, a_round=bool(new))
        return [first + i for i in range(len(new))]

    def probe(self, chosen: list[SlowBranch]) -> list[int | None]:
        """Shows answers as labels."""
        charges = []
        labels: list[int | None] = []
        for branch in chosen:
            free = branch.ended or branch.advanced in branch.shown_at
            charges.append(0 if free else self.probe_cost)
            branch.shown_at.add(branch.advanced)
            answer = branch.answer()
            if answer is not None and answer not in self.shown:
                self.shown.append(answer)
            labels.append(None if answer is None else self.shown.index(answer))
        self.charge(charges, a_round=False)
        return labels

    def charge(self, charges: list[int], *, a_round: bool) -> None:
        """Tokens add up over branches; time is that of the longest."""
        self.tokens += sum(charges)
        self.sequential_tokens += max(charges, default=0)
        self.rounds += a_round

    def ends(self, width: int) -> list[int]:
        """0 unopened, 1 running, 2 pruned, 3 finished, for `width` branches."""
        ends = [3 if branch.ended else 2 if branch.pruned else 1 for branch in self.branches]
        return ends + [0] * (width - len(ends))

    def read_log(self, calls: bytes, names: bytes) -> None:
        """Carries out an action log.

        Raises:
            IllegalCallError: If no controller can have left it.
        """
        if len(calls) % 4:
            raise IllegalCallError
        position = 0
        for start in range(0, len(calls), 4):
            operation, count, low, high = calls[start : start + 4]
            argument = low + 256 * high
            named = list(names[position : position + count])
            position += count
            if len(named) != count or operation > PRUNE:
                raise IllegalCallError
            if operation == BRANCH:
                if argument > 1 or self.branch(count, argument == 1) != named:
                    raise IllegalCallError
            elif operation != ADVANCE and argument:
                raise IllegalCallError
            else:
                self.call(operation, named, argument)
        if position != len(names):
            raise IllegalCallError


@dataclass(frozen=True)
class Call:
    """One call of a random controller, before it is fitted to the branches that are open."""

    operation: int
    named: Any
    argument: Any

    def fitted(self, model: SlowEpisode) -> "Call":
        """The nearest legal call."""
        if self.operation == BRANCH:
            return self
        named: list[int] = []
        for i in self.named:
            usable = 0 <= i < len(model.branches) and i not in named
            if usable and (self.operation == PRUNE or not model.branches[i].pruned):
                named.append(i)
        return Call(self.operation, named, self.argument)


def legal_calls() -> st.SearchStrategy[Call]:
    """Calls that are legal once fitted; most decode or probe."""
    ids = st.lists(st.integers(0, 6), max_size=7)
    opening = st.builds(Call, st.just(BRANCH), st.integers(0, 3), st.booleans())
    advancing = st.builds(Call, st.just(ADVANCE), ids, st.sampled_from([1, 1, 1, 0, 2, 5, 40]))
    others = st.builds(Call, st.sampled_from([COMPLETE, PROBE, PROBE, PRUNE]), ids, st.just(0))
    return st.one_of(opening, advancing, others)


def any_calls() -> st.SearchStrategy[Call]:
    """Calls of which some are illegal in one way or another."""
    ids = st.lists(st.integers(-1, 7) | st.sampled_from([True, "0", None, 1.0]), max_size=4) | st.sampled_from([0, "0"])
    numbers = st.integers(-1, 3) | st.sampled_from([True, None, "1", 1.0])
    opening = st.builds(Call, st.just(BRANCH), numbers, st.booleans() | st.sampled_from([0, 1, None]))
    return st.one_of(opening, st.builds(Call, st.integers(ADVANCE, PRUNE), ids, numbers))
