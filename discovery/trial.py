"""One candidate from source to a record that can be committed: duplicates, races, validation, failures, audits.

A candidate that fails is a result like any other; nothing here raises because of what a candidate does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from discovery.analysis import SETTLED, failures, settled_tokens
from discovery.archive import source_digest
from discovery.auditing import CandidateAudits
from discovery.config import RunConfig
from discovery.evaluation import Cell, Evaluation, Evaluator
from discovery.front import nondominated
from discovery.proposal import Failure, Origin, Proposal
from discovery.racing import Contender, can_reach_front, rungs
from discovery.records import Audit, CandidateDraft, CandidateStatus, Outcome
from discovery.scorecard import Panel, curve
from discovery.standings import Measure
from replay.split import Split, questions_of
from sandbox.pool import Job, JobStatus

FINGERPRINT_BETAS = (0.0, 0.5, 1.0)

_STATUS = {
    JobStatus.REJECTED: CandidateStatus.REJECTED,
    JobStatus.FAILED: CandidateStatus.FAILED,
    JobStatus.LIMIT: CandidateStatus.LIMIT,
    JobStatus.TAMPERED: CandidateStatus.TAMPERED,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a candidate: all that is committed with it."""

    draft: CandidateDraft
    outcomes: tuple[Outcome, ...] = ()
    failures: tuple[Failure, ...] = ()
    audits: tuple[Audit, ...] = ()
    n_episodes: int = 0


class Trials:
    """Tries candidates of one run. Remembers sources and fingerprints to recognise duplicates."""

    def __init__(self, config: RunConfig, evaluator: Evaluator, search: Measure) -> None:
        """Sets up trials.

        Args:
            config: The run's settings.
            evaluator: Plays episodes on the run's stores.
            search: Measure of the search questions.
        """
        self._config = config
        self._evaluator = evaluator
        self._search = search
        split = config.split(evaluator.stores)
        self._questions = {
            part: [questions_of(keyed.store, split, (part,)) for keyed in evaluator.stores] for part in Split
        }
        everything = [questions_of(keyed.store, split, tuple(Split)) for keyed in evaluator.stores]
        self._audits = CandidateAudits(evaluator, everything, config.seeds, config.betas, config.seed)
        self._sources: dict[str, int] = {}
        self._fingerprints: dict[str, int] = {}

    def remember(self, number: int, source: str, fingerprint: object) -> None:
        """Makes later repetitions of a committed candidate duplicates of it."""
        self._sources.setdefault(source_digest(source), number)
        if isinstance(fingerprint, str):
            self._fingerprints.setdefault(fingerprint, number)

    def check(self, source: str) -> str:
        """Why a source is refused, in sentences fit for its author; empty if it is not."""
        checked = self._evaluator.pool.run(Job(source=source, blocks=(), settings=self._evaluator.settings))
        return checked.message if checked.status is not JobStatus.DONE else ""

    def run(
        self, proposal: Proposal, iteration: int, rivals: Sequence[Contender], *, name: str = "", race: bool = True
    ) -> Trial:
        """Tries a proposal.

        Args:
            proposal: The controller.
            iteration: Iteration that proposed it.
            rivals: Candidates on the front, with their search episodes.
            name: Name of a baseline.
            race: Whether to stop early where the front is out of reach.
        """
        draft = CandidateDraft(
            source=proposal.source,
            origin=proposal.origin,
            iteration=iteration,
            status=CandidateStatus.OK,
            idea=proposal.idea,
            name=name,
            parents=proposal.parents,
            recipe=proposal.recipe,
        )
        if not proposal.source:
            return Trial(replace(draft, status=CandidateStatus.REJECTED, error="no controller was proposed"))
        known = self._sources.get(source_digest(proposal.source))
        if known is not None:
            return Trial(_duplicate(draft, known, f"the same source as candidate {known}"))
        first = self._play(proposal.source, Split.SEARCH, (0,), FINGERPRINT_BETAS)
        if not first.clean:
            return Trial(_unclean(draft, first), failures=failures(first, self._evaluator.stores))
        fingerprint = _fingerprint(first)
        draft = replace(draft, analysis={"fingerprint": fingerprint})
        known = self._fingerprints.get(fingerprint)
        if known is not None and proposal.origin is not Origin.BASELINE:
            return Trial(_duplicate(draft, known, f"acts exactly like candidate {known}"))
        return self._race(draft, first, rivals, race)

    def _race(self, draft: CandidateDraft, first: Evaluation, rivals: Sequence[Contender], race: bool) -> Trial:
        played: list[Evaluation] = []
        for seeds in rungs(self._config.n_seeds):
            played.append(self._play(draft.source, Split.SEARCH, seeds, self._config.betas))
            if not played[-1].clean:
                return Trial(_unclean(draft, played[-1]), failures=failures(played[-1], self._evaluator.stores))
            so_far = Evaluation.joined(played)
            reached = self._panel(seeds.stop)
            last = seeds.stop == self._config.n_seeds
            if race and not last and not can_reach_front(so_far.cells, rivals, reached):
                return self._trial(draft, so_far, None)
        validation = self._play(draft.source, Split.VALIDATION, self._config.seeds, self._config.betas)
        if not validation.clean:
            return Trial(_unclean(draft, validation))
        settled = settled_tokens(first, self._evaluator.stores, self._evaluator.settings)
        draft = replace(draft, analysis={**draft.analysis, SETTLED: settled})
        return self._audited(self._trial(draft, so_far, validation), joins_front(so_far.cells, rivals, reached))

    def _audited(self, trial: Trial, thoroughly: bool) -> Trial:
        """A trial of a candidate that played through, with its audits; it has another status if one is failed."""
        source = trial.draft.source
        audits = self._audits.sample(source)
        if thoroughly and all(audit.passed for audit in audits):
            audits += self._audits.whole_seed(source, self._questions[Split.SEARCH])
        failed = [audit for audit in audits if not audit.passed]
        if not failed:
            return replace(trial, audits=audits)
        error = "; ".join(f"{audit.kind} audit failed on {audit.message}" for audit in failed)
        return replace(trial, draft=replace(trial.draft, status=CandidateStatus.AUDIT, error=error), audits=audits)

    def _trial(self, draft: CandidateDraft, search: Evaluation, validation: Evaluation | None) -> Trial:
        outcomes = self._outcomes(Split.SEARCH, search)
        if validation is not None:
            outcomes += self._outcomes(Split.VALIDATION, validation)
        return Trial(
            draft=draft,
            outcomes=tuple(outcomes),
            failures=failures(search, self._evaluator.stores),
            n_episodes=sum(outcome.correct.size for outcome in outcomes),
        )

    def _outcomes(self, part: Split, evaluation: Evaluation) -> list[Outcome]:
        return [
            Outcome(
                store=self._evaluator.stores[cell.store].store.name,
                split=part,
                beta=cell.beta,
                correct=cell.correct,
                tokens=cell.tokens,
                sequential_tokens=cell.sequential_tokens,
                status=cell.status,
            )
            for cell in evaluation.cells
        ]

    def _play(self, source: str, part: Split, seeds: Sequence[int], betas: Sequence[float]) -> Evaluation:
        return self._evaluator.evaluate(source, questions=self._questions[part], seeds=seeds, betas=betas)

    def _panel(self, n_seeds: int) -> Panel:
        everything: list[npt.NDArray[np.int64]] = [np.arange(len(q)) for q in self._search.panel.questions]
        return self._search.panel.part(everything, n_seeds)


def joins_front(cells: Sequence[Cell], rivals: Sequence[Contender], panel: Panel) -> bool:
    """Whether some point of a candidate is nondominated among the rivals' points and its own."""
    known = [point for rival in rivals for point in _points(rival.cells, panel)]
    return bool(nondominated(known + _points(cells, panel))[len(known) :].any())


def _points(cells: Sequence[Cell], panel: Panel) -> list[tuple[float, float]]:
    return [(scores.accuracy, scores.cost_ratio) for scores in curve(cells, panel).values()]


def _duplicate(draft: CandidateDraft, known: int, error: str) -> CandidateDraft:
    return replace(draft, status=CandidateStatus.DUPLICATE, duplicate_of=known, error=error)


def _unclean(draft: CandidateDraft, evaluation: Evaluation) -> CandidateDraft:
    """What a candidate that did not run to a clean end is recorded as."""
    tampered = any(~play.outcomes.legal.all() for play in evaluation.plays)
    ran = CandidateStatus.TAMPERED if tampered else CandidateStatus.ERROR
    status = _STATUS.get(evaluation.status, ran)
    return replace(draft, status=status, error=evaluation.message or "its action log can't be that of a controller")


def _fingerprint(evaluation: Evaluation) -> str:
    """Digest of all actions and answers: candidates with the same one behave alike."""
    digest = hashlib.sha256()
    for play in evaluation.plays:
        logs = play.logs
        for counts, content in ((logs.call_counts, logs.calls), (logs.name_counts, logs.names)):
            digest.update(counts.tobytes() + content)
        digest.update(play.outcomes.answers.tobytes())
    return digest.hexdigest()
