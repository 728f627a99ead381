"""One episode step by step: what each call named, cost and showed. For people and prompts, not for scores."""

from dataclasses import dataclass

from replay.actions import CALL, ActionLog, Operation
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.store import ReplayStore
from replay.tables import QuestionTable, branch_order
from replay.votes import majority


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an episode.

    Attributes:
        operation: What it did.
        branches: The branches it named; for `BRANCH`, those it opened.
        depths: Their depths afterwards, in intervals.
        finished: Which of them had finished afterwards.
        labels: For a probe, the labels it showed; empty otherwise.
        spent: Sum of all depths afterwards, in intervals.
    """

    operation: Operation
    branches: tuple[int, ...]
    depths: tuple[int, ...]
    finished: tuple[bool, ...]
    labels: tuple[int | None, ...]
    spent: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One episode.

    Attributes:
        steps: Its calls.
        answers: Text of each label, by label.
    """

    steps: tuple[Step, ...]
    answers: tuple[str, ...]


def trace(store: ReplayStore, question: int, seed: int, log: ActionLog, settings: EpisodeSettings) -> Trace:
    """Replays a verified action log and notes what it showed.

    Raises:
        EpisodeError: If the log holds an illegal action.
    """
    record = EpisodeRecord()
    order = branch_order(seed, store.n_branches(question))
    episode = ReplayedEpisode(_question(store, question), order, settings, store.interval, record)
    steps = []
    position = 0
    for operation, count, argument in CALL.iter_unpack(log.calls):
        named = list(log.names[position : position + count])
        position += count
        steps.append(_step(episode, Operation(operation), named, argument))
    words = store.vocabularies[question]
    shown = sorted((label, answer) for answer, label in record.labels.items() if label is not None)
    return Trace(tuple(steps), tuple(words[answer] for _, answer in shown))


def _step(episode: ReplayedEpisode, operation: Operation, named: list[int], argument: int) -> Step:
    labels: list[int | None] = []
    match operation:
        case Operation.BRANCH:
            episode.branch(len(named), bool(argument))
        case Operation.ADVANCE:
            episode.advance(named, argument)
        case Operation.COMPLETE:
            episode.complete(named)
        case Operation.PROBE:
            labels = episode.probe(named)
        case Operation.PRUNE:
            episode.prune(named)
    return Step(
        operation=operation,
        branches=tuple(named),
        depths=tuple(map(episode.depth, named)),
        finished=tuple(map(episode.finished, named)),
        labels=tuple(labels),
        spent=episode.spent,
    )


def settled_share(told: Trace, answer: int | None) -> float:
    """Share of the intervals spent after the answer had last become the majority of the finished answers shown.

    Votes count as `replay.votes.majority` counts them: None like any other, ties to the one shown first.

    Args:
        told: The episode.
        answer: The label that it returned.

    Returns:
        In [0, 1]; 0 if the answer did not lead at the end, or nothing was spent.
    """
    votes: dict[int, int | None] = {}
    settled_at: int | None = None
    for step in told.steps:
        if step.operation is not Operation.PROBE:
            continue
        for branch, label, ended in zip(step.branches, step.labels, step.finished, strict=True):
            if ended:
                votes[branch] = label
        leads = bool(votes) and majority(votes.values()) == answer
        if not leads:
            settled_at = None
        elif settled_at is None:
            settled_at = step.spent
    total = told.steps[-1].spent if told.steps else 0
    if settled_at is None or not total:
        return 0.0
    return (total - settled_at) / total


def _question(store: ReplayStore, question: int) -> QuestionTable:
    """One question of `store.table()`, without making the rest of it."""
    branches = range(store.branch_starts[question], store.branch_ends[question])
    rows = tuple(tuple(store.answers[store.row_starts[at] : store.row_ends[at]].tolist()) for at in branches)
    lengths = -(-store.tokens[branches.start : branches.stop] // store.interval)
    return QuestionTable(rows, tuple(lengths.tolist()))
