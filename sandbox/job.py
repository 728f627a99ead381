"""What a job is and how it and its episodes can end: shared by the parent and the worker, standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from replay.episode import EpisodeSettings

Value = int | float | bool | str
"""A value of a schedule."""


@dataclass(frozen=True, slots=True)
class Block:
    """The episodes of one store at one beta.

    Attributes:
        table: Index into the pool's tables, or into the job's own.
        beta: What `schedule` is called with.
        questions: Per episode, the question's index.
        seeds: Per episode, the seed of its order of branches.
    """

    table: int
    beta: float
    questions: tuple[int, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.questions) != len(self.seeds):
            raise ValueError(f"a block has {len(self.questions)} questions but {len(self.seeds)} seeds")


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate on one batch of episodes, in a process of its own. Without blocks it is only compiled.

    Attributes:
        source: The candidate.
        blocks: Its episodes.
        settings: Ceiling and probe cost.
        share_module: Execute the module once for all episodes, in place of once for each.
        tables: Tables sent along, used in place of the pool's.
        overrides: Values that replace those of `schedule`; a key that it does not give fails the job.
    """

    source: str
    blocks: tuple[Block, ...]
    settings: EpisodeSettings = field(default_factory=EpisodeSettings)
    share_module: bool = False
    tables: tuple[bytes, ...] | None = None
    overrides: Mapping[str, Value] = field(default_factory=dict)

    @property
    def n_episodes(self) -> int:
        """Episodes over all blocks."""
        return sum(len(block.seeds) for block in self.blocks)


class EpisodeStatus(IntEnum):
    """How an episode ended."""

    OK = 0
    """With a label that it has shown."""
    ERROR = 1
    """With an illegal call, an exception, or an answer that was never shown."""
    NO_ANSWER = 2
    """With None."""


class JobStatus(StrEnum):
    """How a job ended."""

    DONE = "done"
    REJECTED = "rejected"
    """The source is not of the dialect."""
    FAILED = "failed"
    """The module or `schedule` raised, or `schedule` gave something that it may not."""
    LIMIT = "limit"
    """CPU, memory or wall time ran out, or the interpreter crashed."""
    TAMPERED = "tampered"
    """What came back is nothing that an honest worker sends."""
