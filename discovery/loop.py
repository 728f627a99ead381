"""The search: baselines first, then one proposal after the other, each tried and committed whole.

It yields what happens; it prints nothing. Everything it knows is in the archive, so a resumed run goes on where it was.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from threading import Event

import numpy as np

from discovery.analysis import accuracy_by_depth, archived_settled_tokens
from discovery.archive import Archive, point_of
from discovery.config import RUN_BASELINES, RunConfig
from discovery.errors import BudgetReachedError, EndpointError, OverclaimError, StoppingError
from discovery.evaluation import Evaluator
from discovery.proposal import Attempt, Explorer, Origin, Parent, Proposal, Situation
from discovery.racing import Contender
from discovery.records import Candidate, CandidateStatus, Outcome, Run, RunStatus
from discovery.scorecard import single_branch
from discovery.selection import FINALISTS, choose_parents, front_points
from discovery.standings import ALL_QUESTIONS, SEARCH_ONLY, Standing, make_measure, stand
from discovery.trial import Trials
from replay.baselines import baseline_source
from replay.scoring import mean_of

PARENTS = 2
ATTEMPTS_TOLD = 20
RESULT_CHARACTERS = 300

DEPTHS = "accuracy_by_depth"
"""Event that holds the accuracy of recorded branches by when they finish."""

YARDSTICK = "sc"
"""The baseline whose area on other questions says how much harder these are."""


@dataclass(frozen=True, slots=True)
class StopRules:
    """When a run ends by itself, besides its budget.

    Attributes:
        iterations: Proposals to try in all, earlier sessions of the run included; None for no limit.
        deadline_seconds: Seconds from now; None for no limit.
        patience: Iterations without a larger area on the search questions; None for no limit.
    """

    iterations: int | None
    deadline_seconds: float | None = None
    patience: int | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A candidate has been committed.

    Attributes:
        candidate: It.
        standing: Where it stands; None if it was not played through.
        on_front: Whether one of its points is nondominated now.
        n_episodes: Episodes that it played.
        seconds: How long its trial took.
    """

    candidate: Candidate
    standing: Standing | None
    on_front: bool
    n_episodes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended, and why."""

    status: RunStatus
    reason: str


class Search:
    """One run, from its first candidate or from where the archive has it."""

    def __init__(
        self,
        archive: Archive,
        run: Run,
        config: RunConfig,
        evaluator: Evaluator,
        explorer: Callable[["Search"], Explorer],
    ) -> None:
        """Reads what the run has so far.

        Args:
            archive: Where it is kept; the caller holds the run's lock.
            run: The run.
            config: Its settings.
            evaluator: Plays episodes on its stores.
            explorer: Makes the explorer, which may look at the search.
        """
        self.archive = archive
        self.run = run
        self.config = config
        self.evaluator = evaluator
        split = config.split(evaluator.stores)
        self.search = make_measure(evaluator.stores, split, SEARCH_ONLY, config.seeds)
        self.everything = make_measure(evaluator.stores, split, ALL_QUESTIONS, config.seeds)
        self.depth_groups = accuracy_by_depth(evaluator.stores, self.search.panel.questions)
        self.trials = Trials(config, evaluator, self.search)
        self.candidates: list[Candidate] = []
        self.standings: dict[int, Standing] = {}
        self._contenders: dict[int, Contender] = {}
        for candidate in archive.candidates(run):
            self._enter(candidate, archive.outcomes(candidate))
        self._explorer = explorer(self)

    def events(self, rules: StopRules, stop: Event) -> Iterator[Committed | Ended]:
        """Runs until a rule, the budget or `stop` ends it; yields each candidate once it is committed, the end last."""
        began = time.monotonic()
        for name in RUN_BASELINES:
            if name not in {candidate.name for candidate in self.candidates}:
                if stop.is_set():
                    break
                yield self._commit_baseline(name)
        self._note_depths()
        ended = None
        while ended is None:
            ended = self._reason_to_end(rules, time.monotonic() - began, stop)
            if ended is None:
                step = self._iterate()
                ended = step if isinstance(step, Ended) else None
                if isinstance(step, Committed):
                    yield step
        self.run = self.archive.end_run(self.run, ended.status, ended.reason)
        yield ended

    def situation(self, iteration: int, rng: np.random.Generator) -> Situation:
        """What an explorer is told for one iteration."""
        standings = list(self.standings.values())
        parents = choose_parents(standings, PARENTS, rng)
        best = max(
            (standing for standing in standings if standing.sound),
            key=lambda standing: (standing.area, -standing.number),
        )
        return Situation(
            iteration=iteration,
            parents=tuple(self._parent(standing) for standing in parents),
            front=tuple(front_points(standings)),
            attempts=tuple(self._attempt(candidate) for candidate in self.candidates[-ATTEMPTS_TOLD:]),
            best_number=best.number,
            best_area=best.area,
            single_branch=single_branch(self.search.panel),
            n_questions=max(map(len, self.search.panel.questions)),
            stores=tuple(keyed.store.name for keyed in self.evaluator.stores),
            overfit=self._overfit(standings),
            depth_groups=self.depth_groups,
        )

    def next_situation(self) -> tuple[Situation, np.random.Generator]:
        """What the explorer is told next, and the randomness of that iteration."""
        iteration = self.next_iteration
        rng = np.random.default_rng([self.config.seed, iteration])
        return self.situation(iteration, rng), rng

    @property
    def next_iteration(self) -> int:
        """Number of the next iteration, from 1."""
        return 1 + max((candidate.iteration for candidate in self.candidates), default=0)

    def _note_depths(self) -> None:
        """Keeps what is told of the recorded branches, once a run."""
        if not any(event.kind == DEPTHS for event in self.archive.events(self.run)):
            groups = [asdict(group) for group in self.depth_groups]
            self.archive.add_event(self.run, DEPTHS, {"groups": groups})

    def _commit_baseline(self, name: str) -> Committed:
        source = baseline_source(name)
        proposal = Proposal(source, source.splitlines()[0].strip('"'), Origin.BASELINE)
        return self._try(proposal, 0, name=name)

    def _iterate(self) -> Committed | Ended:
        situation, rng = self.next_situation()
        try:
            proposal = self._explorer.propose(situation, rng)
        except BudgetReachedError as error:
            return Ended(RunStatus.DONE, f"budget reached: {error}")
        except StoppingError:
            return Ended(RunStatus.STOPPED, "stopped by a person")
        except (EndpointError, OverclaimError) as error:
            return Ended(RunStatus.FAILED, f"{error}; {error.hint}" if error.hint else str(error))
        return self._try(proposal, situation.iteration)

    def _try(self, proposal: Proposal, iteration: int, *, name: str = "") -> Committed:
        began = time.monotonic()
        ahead = self._on_front()
        rivals = [contender for number, contender in self._contenders.items() if number in ahead]
        trial = self.trials.run(proposal, iteration, rivals, name=name, race=not name)
        candidate = self.archive.commit(
            self.run,
            trial.draft,
            outcomes=trial.outcomes,
            failures=trial.failures,
            audits=trial.audits,
            exchanges={key: became or trial.draft.status.value for key, became in proposal.exchanges.items()},
        )
        self._enter(candidate, trial.outcomes)
        standing = self.standings.get(candidate.number)
        on_front = candidate.number in self._on_front()
        return Committed(candidate, standing, on_front, trial.n_episodes, time.monotonic() - began)

    def _on_front(self) -> set[int]:
        return {number for number, _ in front_points(list(self.standings.values()))}

    def _enter(self, candidate: Candidate, outcomes: Sequence[Outcome]) -> None:
        """Takes a committed candidate into account."""
        self.candidates.append(candidate)
        if candidate.status is not CandidateStatus.DUPLICATE:
            self.trials.remember(candidate.number, candidate.source, candidate.analysis.get("fingerprint"))
        if not outcomes:
            return
        points = [point_of(outcome) for outcome in outcomes]
        standing = stand(candidate, points, self.search, self.everything)
        self.standings[candidate.number] = standing
        if standing.sound:
            names = [keyed.store.name for keyed in self.evaluator.stores]
            self._contenders[candidate.number] = Contender.of(candidate.number, outcomes, names)

    def _reason_to_end(self, rules: StopRules, seconds: float, stop: Event) -> Ended | None:
        if stop.is_set():
            return Ended(RunStatus.STOPPED, "stopped by a person")
        if not any(standing.sound for standing in self.standings.values()):
            why = next((candidate.error for candidate in self.candidates if candidate.error), "none was played")
            return Ended(RunStatus.FAILED, f"no baseline could be played through: {why}")
        if rules.iterations is not None and self.next_iteration > rules.iterations:
            return Ended(RunStatus.DONE, f"{rules.iterations} iterations done")
        if rules.deadline_seconds is not None and seconds > rules.deadline_seconds:
            return Ended(RunStatus.DONE, f"{rules.deadline_seconds / 60:g} minutes are over")
        if rules.patience is not None and self._idle_iterations() >= rules.patience:
            return Ended(RunStatus.DONE, f"{rules.patience} iterations without a larger area")
        return None

    def _idle_iterations(self) -> int:
        """Iterations since the largest area on the search questions grew."""
        best, since = 0.0, 0
        for candidate in self.candidates:
            standing = self.standings.get(candidate.number)
            if standing is not None and standing.sound and standing.area > best:
                best, since = standing.area, candidate.iteration
        return self.next_iteration - 1 - since

    def _parent(self, standing: Standing) -> Parent:
        candidate = self.candidates[standing.number]
        return Parent(
            number=candidate.number,
            source=candidate.source,
            idea=candidate.idea,
            recipe=candidate.recipe,
            area=standing.area,
            curve=standing.curve,
            failures=self.archive.failures(candidate),
            settled_tokens=archived_settled_tokens(candidate),
        )

    def _attempt(self, candidate: Candidate) -> Attempt:
        standing = self.standings.get(candidate.number)
        if standing is None or candidate.status is not CandidateStatus.OK:
            result = f"{candidate.status.value}: {candidate.error}" if candidate.error else candidate.status.value
        elif standing.sound:
            result = f"area {100 * standing.area:.1f}"
        else:
            result = "stopped early: it could not reach the front"
        return Attempt(candidate.number, candidate.idea, result[:RESULT_CHARACTERS])

    def _overfit(self, standings: list[Standing]) -> float | None:
        """By how much more the best proposals lose from the search questions to all questions than the yardstick."""
        drops = {s.number: s.area - s.area_all for s in standings if s.sound and s.area_all is not None}
        yardstick = next((c.number for c in self.candidates if c.name == YARDSTICK), None)
        proposed = [s for s in standings if s.number in drops and self.candidates[s.number].iteration > 0]
        if yardstick not in drops or not proposed:
            return None
        best = sorted(proposed, key=lambda standing: -standing.area)[:FINALISTS]
        return mean_of(drops[standing.number] for standing in best) - drops[yardstick]
