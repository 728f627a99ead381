"""Which episodes of a candidate are audited: a sample of everyone's, a whole seed of one that would join the front.

Auditing plays an episode about five times more, so the sample is at most a hundredth of what was played, within bounds.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from discovery.archive import source_digest
from discovery.evaluation import Evaluator
from discovery.records import Audit
from sandbox.job import Block, Job

SAMPLE_SHARE = 100
"""Of this many episodes of a candidate, one is audited."""

LEAST_SAMPLE = 44
MOST_SAMPLE = 220
"""Episodes that a sample holds at least, if there are as many, and at most."""


class CandidateAudits:
    """Audits the candidates of one run. The same candidate is audited on the same episodes each time."""

    def __init__(
        self,
        evaluator: Evaluator,
        questions: Sequence[npt.NDArray[np.int64]],
        seeds: Sequence[int],
        betas: Sequence[float],
        run_seed: int,
    ) -> None:
        """Sets up audits.

        Args:
            evaluator: Plays on the run's stores.
            questions: Per store, the indices of its questions.
            seeds: Branch-order seeds.
            betas: Betas of every curve.
            run_seed: Decides, with the candidate's source, which episodes are drawn.
        """
        self._evaluator = evaluator
        self._questions = questions
        self._seeds = seeds
        self._betas = betas
        self._run_seed = run_seed

    def sample(self, source: str) -> tuple[Audit, ...]:
        """Audits episodes drawn from all questions, seeds and betas."""
        rng = self._rng(source)
        return self._audit(source, sampled_blocks(self._questions, self._seeds, self._betas, rng), rng)

    def whole_seed(self, source: str, questions: Sequence[npt.NDArray[np.int64]]) -> tuple[Audit, ...]:
        """Audits all episodes of some questions, per store, at every beta under one seed, which is drawn."""
        rng = self._rng(source)
        seed = int(rng.choice(np.array(self._seeds)))
        blocks = [
            Block(table, beta, tuple(chosen.tolist()), (seed,) * len(chosen))
            for table, chosen in enumerate(questions)
            if len(chosen)
            for beta in self._betas
        ]
        return self._audit(source, blocks, rng)

    def _rng(self, source: str) -> np.random.Generator:
        return np.random.default_rng([self._run_seed, int(source_digest(source)[:16], 16)])

    def _audit(self, source: str, blocks: Sequence[Block], rng: np.random.Generator) -> tuple[Audit, ...]:
        job = Job(source=source, blocks=tuple(blocks), settings=self._evaluator.settings)
        reports = self._evaluator.auditor.audit(job, rng)
        return tuple(
            Audit(report.kind.value, report.passed, f"{report.n_episodes} episodes: {report.message}")
            for report in reports
        )


def sampled_blocks(
    questions: Sequence[npt.NDArray[np.int64]], seeds: Sequence[int], betas: Sequence[float], rng: np.random.Generator
) -> list[Block]:
    """Draws different episodes from all questions, per store, seeds and betas."""
    shape = (sum(map(len, questions)), len(seeds), len(betas))
    total = int(np.prod(shape))
    size = min(total, max(LEAST_SAMPLE, min(MOST_SAMPLE, total // SAMPLE_SHARE)))
    columns, at_seed, at_beta = np.unravel_index(np.sort(rng.choice(total, size, replace=False)), shape)
    tables = np.repeat(np.arange(len(questions)), list(map(len, questions)))
    drawn: dict[tuple[int, float], list[tuple[int, int]]] = {}
    joined = np.concatenate(questions)
    for column, seed, beta in zip(columns.tolist(), at_seed.tolist(), at_beta.tolist(), strict=True):
        episodes = drawn.setdefault((int(tables[column]), betas[beta]), [])
        episodes.append((int(joined[column]), seeds[seed]))
    return [
        Block(table, beta, tuple(question for question, _ in episodes), tuple(seed for _, seed in episodes))
        for (table, beta), episodes in sorted(drawn.items())
    ]
