"""Everything that makes a run what it is, as one checked value that the archive keeps as JSON.

Nothing secret and nothing of this machine but paths is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from discovery.errors import ArchiveError
from discovery.evaluation import KeyedStore, load_keyed_store
from replay.errors import StoreError
from replay.scoring import BETAS
from replay.split import Split, split_questions

RUN_BASELINES = ("sc", "asc", "esc", "adaptive_short", "cmc")
"""Baselines that every run evaluates first, cheapest to play."""


@dataclass(frozen=True, slots=True)
class StoreUsed:
    """A store that a run plays on: its name, its absolute folder, and its digest."""

    name: str
    folder: str
    digest: str


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The settings of a run.

    Attributes:
        stores: What it plays on.
        seed: Random seed of the run: decides split, parents and what the grammar composes.
        n_seeds: Branch orders per question.
        betas: Betas of every curve.
        validation: Digests of the validation questions; all others are search questions.
        explorer: `grammar`, or `model`.
        model: Model asked for proposals, as litellm names it; empty with the grammar.
        base_url: Of an OpenAI-compatible endpoint; empty for the provider's own.
        max_reply_tokens: Longest reply that is paid for.
        advice: Whether the prompt gives advice.
        templates: Folder of one's own prompt templates; empty for those shipped.
        price: What the model costs, as it was known at the start.
        layers: The sandbox's statement of its layers.
        require_layers: Layers without which nothing runs.
        software: Versions that results depend on.
    """

    stores: tuple[StoreUsed, ...]
    seed: int
    n_seeds: int
    validation: tuple[str, ...]
    betas: tuple[float, ...] = BETAS
    explorer: str = "grammar"
    model: str = ""
    base_url: str = ""
    max_reply_tokens: int = 16_384
    advice: bool = True
    templates: str = ""
    price: Mapping[str, object] | None = None
    layers: Mapping[str, str] | None = None
    require_layers: tuple[str, ...] = ()
    software: Mapping[str, str] | None = None

    @property
    def seeds(self) -> range:
        """Branch-order seeds."""
        return range(self.n_seeds)

    def split(self, stores: Sequence[KeyedStore]) -> dict[str, Split]:
        """Question digest -> its part."""
        held = set(self.validation)
        digests = (digest for keyed in stores for digest in keyed.store.question_digests)
        return {digest: Split.VALIDATION if digest in held else Split.SEARCH for digest in digests}

    def to_json(self) -> dict[str, Any]:
        """As the archive keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Reads what `to_json` wrote.

        Raises:
            ArchiveError: If a setting is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            strange = ", ".join(sorted(known ^ set(values)))
            raise ArchiveError(f"the archived settings do not fit this software: {strange}", hint="upgrade autotts")
        lists = {name: tuple(values[name]) for name in ("validation", "betas", "require_layers")}
        return cls(**{**values, **lists, "stores": tuple(StoreUsed(**store) for store in values["stores"])})


def use_stores(folders: Sequence[Path]) -> tuple[list[KeyedStore], tuple[StoreUsed, ...]]:
    """Loads the stores of a new run.

    Raises:
        StoreError: If one is missing or damaged.
    """
    stores = [load_keyed_store(folder) for folder in folders]
    used = (StoreUsed(keyed.store.name, str(keyed.folder.resolve()), keyed.store.digest) for keyed in stores)
    return stores, tuple(used)


def reopen_stores(config: RunConfig) -> list[KeyedStore]:
    """Loads the stores of a run that is resumed.

    Raises:
        StoreError: If one is missing or is not what it was.
    """
    stores = []
    for used in config.stores:
        keyed = load_keyed_store(Path(used.folder))
        if keyed.store.digest != used.digest:
            found, was = keyed.store.digest[:12], used.digest[:12]
            raise StoreError(
                f"{used.folder} has changed since the run began: its digest is {found}, it was {was}",
                hint="put the store back as it was, or start a new run",
            )
        stores.append(keyed)
    return stores


def draw_validation(stores: Sequence[KeyedStore], seed: int) -> tuple[str, ...]:
    """Digests of the questions that a run keeps for validation, sorted.

    Raises:
        StoreError: If there are too few questions to divide.
    """
    split = split_questions([keyed.store for keyed in stores], seed)
    held = tuple(sorted(digest for digest, part in split.items() if part is Split.VALIDATION))
    for keyed in stores:
        parts = {split[digest] for digest in keyed.store.question_digests}
        if parts != set(Split):
            size = len(keyed.store.questions)
            raise StoreError(
                f"{keyed.store.name} has {size} questions: too few to divide into search and validation",
                hint="use stores with more questions",
            )
    return held
