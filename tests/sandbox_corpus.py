"""Attacks and natural controllers: reading them, playing them, and naming how each ended."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from replay.store import ReplayStore
from sandbox.pool import Block, EpisodeStatus, Job, JobResult, JobStatus, Pool
from tests.recordings import Recording, store_of

N_QUESTIONS = 2
BETAS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One file of a corpus.

    Attributes:
        name: Its file name, without ending.
        expected: The ways in which it may end: rejected, error, killed, harmless, or accepted.
        source: All of it.
    """

    name: str
    expected: tuple[str, ...]
    source: str


def read_specimens(folder: Path) -> list[Specimen]:
    """The files of a folder; the first line says `# id | category | expected | description`."""
    specimens = []
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes().decode("utf-8")
        expected = source.split("\n", 1)[0].split("|")[2].strip()
        specimens.append(Specimen(path.stem, tuple(expected.split("/")), source))
    return specimens


def table_of_branches(n_questions: int = N_QUESTIONS) -> bytes:
    """The table of `store_of_branches`."""
    return store_of_branches(n_questions).table().to_bytes()


def store_of_branches(n_questions: int = N_QUESTIONS, n_branches: int = 128, seed: int = 3) -> ReplayStore:
    """A store of drawn branches, some short, some long, some without answers."""
    rng = np.random.default_rng(seed)
    answers: Sequence[str | None] = ["1", "2", "3", "4", None]
    questions = []
    for _ in range(n_questions):
        branches = []
        for _ in range(n_branches):
            n = int(rng.integers(0, 30))
            probes = [answers[i] for i in rng.choice(5, size=n, p=[0.4, 0.2, 0.15, 0.15, 0.1])]
            branches.append(
                Recording(tuple(probes), 100 * n + int(rng.integers(1, 100)), answers[int(rng.integers(4))])
            )
        questions.append(branches)
    store, _ = store_of(questions)
    return store


def job_of(source: str, betas: Sequence[float] = BETAS, repeats: int = 2) -> Job:
    """Every question, `repeats` times, at each beta."""
    questions = tuple(range(N_QUESTIONS)) * repeats
    seeds = (7,) * len(questions)
    return Job(source, tuple(Block(0, beta, questions, seeds) for beta in betas))


def ending_of(result: JobResult) -> str:
    """How a job ended, in the corpus's words."""
    if result.status is JobStatus.DONE:
        return "error" if (result.statuses == EpisodeStatus.ERROR).any() else "harmless"
    return {"rejected": "rejected", "failed": "error", "limit": "killed"}.get(result.status, str(result.status))


def endings_of(specimens: Sequence[Specimen]) -> dict[str, str]:
    """Plays specimens through one pool: name -> how it ended."""
    with Pool([table_of_branches()]) as pool:
        results = pool.map([job_of(specimen.source) for specimen in specimens])
        return {specimen.name: ending_of(result) for specimen, result in zip(specimens, results, strict=True)}


if __name__ == "__main__":
    print(json.dumps(endings_of(read_specimens(Path(sys.argv[1])))))
