"""The search: order, stop rules, interruption at any point, and figures that agree wherever they are computed."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from discovery import loop
from discovery.archive import Archive
from discovery.config import RunConfig
from discovery.dump import dump_run
from discovery.errors import BudgetReachedError, EndpointError, StoppingError
from discovery.evaluation import Evaluator
from discovery.grammar import GrammarExplorer
from discovery.loop import Committed, Ended, Search, StopRules
from discovery.proposal import Explorer, Origin, Proposal, Situation
from discovery.records import Candidate, CandidateStatus, RunStatus
from discovery.scorecard import area, curve, make_panel
from replay.split import Split, questions_of
from sandbox.limits import Limits
from tests.small_runs import Scripted, config_for, search_on, small_stores, voting

ITERATIONS = 3
BASELINES = ("sc", "esc")
"""Fewer than a run has, for speed."""
SPENT = BudgetReachedError(cap_usd=Decimal(1), committed_usd=Decimal(1), asked_usd=Decimal(1))
BROKEN = Proposal("def control(episode, p):\n    return 1\n", "no schedule", Origin.GRAMMAR)


@pytest.fixture(scope="module", autouse=True)
def _few_baselines() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "RUN_BASELINES", BASELINES)
        yield


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(small_stores(), workers=2) as evaluator:
        yield evaluator


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        yield archive


@pytest.fixture
def config(evaluator: Evaluator) -> RunConfig:
    return config_for(evaluator.stores)


def start(archive: Archive, config: RunConfig, evaluator: Evaluator, explorer: Explorer, name: str = "run") -> Search:
    return search_on(archive, archive.create_run(name, config.to_json(), 0), config, evaluator, explorer)


def resume(archive: Archive, evaluator: Evaluator, explorer: Explorer, name: str = "run") -> Search:
    run = archive.continue_run(archive.run(name))
    return search_on(archive, run, RunConfig.from_json(run.config), evaluator, explorer)


def finish(search: Search, rules: StopRules, stop: Event | None = None) -> list[Committed | Ended]:
    return list(search.events(rules, stop or Event()))


def candidates_of(events: list[Committed | Ended]) -> list[Candidate]:
    return [event.candidate for event in events if isinstance(event, Committed)]


@pytest.fixture(scope="module")
def finished(evaluator: Evaluator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Search]]:
    """A run of the grammar without interruption."""
    with Archive(tmp_path_factory.mktemp("finished") / "archive.sqlite", create=True) as archive:
        search = start(archive, config_for(evaluator.stores), evaluator, GrammarExplorer())
        finish(search, StopRules(ITERATIONS))
        yield archive, search


def test_baselines_come_first_as_iteration_0_then_one_candidate_an_iteration(finished: tuple[Archive, Search]) -> None:
    archive, search = finished
    candidates = archive.candidates(search.run)
    assert [candidate.name for candidate in candidates] == [*BASELINES, *[""] * ITERATIONS]
    assert [candidate.iteration for candidate in candidates] == [0] * len(BASELINES) + [1, 2, 3]
    assert [candidate.number for candidate in candidates] == list(range(len(candidates)))
    assert all(candidate.origin is Origin.BASELINE for candidate in candidates[: len(BASELINES)])
    assert archive.run("run").status is RunStatus.DONE
    assert archive.run("run").reason == f"{ITERATIONS} iterations done"


def test_the_archive_s_figures_are_those_of_an_evaluation_exactly(
    finished: tuple[Archive, Search], evaluator: Evaluator
) -> None:
    archive, search = finished
    split = search.config.split(evaluator.stores)
    for measure, parts, field in (
        (search.search, (Split.SEARCH,), "area"),
        (search.everything, tuple(Split), "area_all"),
    ):
        questions = [questions_of(keyed.store, split, parts) for keyed in evaluator.stores]
        panel = make_panel(evaluator.stores, questions, search.config.seeds)
        for candidate in (c for c in archive.candidates(search.run) if search.standings[c.number].sound):
            evaluation = evaluator.evaluate(
                candidate.source, questions=questions, seeds=panel.seeds, betas=search.config.betas
            )
            scores = curve(evaluation.cells, panel)
            archived = measure.curve(archive.points(candidate))
            assert [(p.beta, p.accuracy, p.cost_ratio) for p in archived] == [
                (beta, scored.accuracy, scored.cost_ratio) for beta, scored in scores.items()
            ]
            assert getattr(search.standings[candidate.number], field) == area(scores, panel)


def test_a_run_stopped_after_each_candidate_gives_the_same_as_one_that_is_not(
    finished: tuple[Archive, Search], evaluator: Evaluator, archive: Archive, config: RunConfig
) -> None:
    """Each session is a new search that knows only what the archive holds."""
    search = start(archive, config, evaluator, GrammarExplorer())
    for _ in range(len(BASELINES) + ITERATIONS + 1):
        stop = Event()
        for event in search.events(StopRules(ITERATIONS), stop):
            if isinstance(event, Committed):
                stop.set()
        search = resume(archive, evaluator, GrammarExplorer())
    finish(search, StopRules(ITERATIONS))
    whole, interrupted = (dump_run(a, a.run("run"), times=False) for a in (finished[0], archive))
    assert interrupted == whole


def test_a_session_that_dies_leaves_whole_candidates_only(
    finished: tuple[Archive, Search], evaluator: Evaluator, archive: Archive, config: RunConfig
) -> None:
    """The process dies within a commit: nothing of that candidate is there, and it is tried again."""
    search = start(archive, config, evaluator, GrammarExplorer())
    events = search.events(StopRules(ITERATIONS), Event())
    for _ in range(len(BASELINES) + 1):
        next(events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("discovery.archive._point_row", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(events)
    assert len(archive.candidates(search.run)) == len(BASELINES) + 1
    finish(resume(archive, evaluator, GrammarExplorer()), StopRules(ITERATIONS))
    whole, interrupted = (dump_run(a, a.run("run"), times=False) for a in (finished[0], archive))
    assert interrupted == whole


def test_another_seed_gives_other_candidates(
    finished: tuple[Archive, Search], evaluator: Evaluator, archive: Archive
) -> None:
    search = start(archive, config_for(evaluator.stores, seed=4), evaluator, GrammarExplorer())
    finish(search, StopRules(2))
    ours, theirs = ([c.source for c in s.candidates[len(BASELINES) :][:2]] for s in (search, finished[1]))
    assert ours != theirs


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One baseline alone."""
    monkeypatch.setattr(loop, "RUN_BASELINES", ("sc",))


@pytest.mark.usefixtures("quick")
def test_iterations_of_earlier_sessions_count(evaluator: Evaluator, archive: Archive, config: RunConfig) -> None:
    script = Scripted(voting)
    first = finish(start(archive, config, evaluator, script), StopRules(2))
    assert [candidate.iteration for candidate in candidates_of(first)] == [0, 1, 2]
    assert candidates_of(finish(resume(archive, evaluator, script), StopRules(2))) == []
    last = finish(resume(archive, evaluator, script), StopRules(3))
    assert [candidate.iteration for candidate in candidates_of(last)] == [3]
    assert last[-1] == Ended(RunStatus.DONE, "3 iterations done")


@pytest.mark.usefixtures("quick")
def test_duplicates_and_refusals_are_iterations_too(evaluator: Evaluator, archive: Archive, config: RunConfig) -> None:
    script = {1: voting(3), 2: voting(3), 3: BROKEN, 4: voting(5)}
    events = finish(start(archive, config, evaluator, Scripted(script.__getitem__)), StopRules(4))
    found = candidates_of(events)[1:]
    assert [candidate.iteration for candidate in found] == [1, 2, 3, 4]
    assert [candidate.status for candidate in found] == [
        CandidateStatus.OK,
        CandidateStatus.DUPLICATE,
        CandidateStatus.REJECTED,
        CandidateStatus.OK,
    ]


@pytest.mark.usefixtures("quick")
def test_patience_counts_iterations_without_a_larger_area(
    evaluator: Evaluator, archive: Archive, config: RunConfig
) -> None:
    events = finish(start(archive, config, evaluator, Scripted(lambda _: BROKEN)), StopRules(None, patience=3))
    assert [candidate.iteration for candidate in candidates_of(events)] == [0, 1, 2, 3]
    assert events[-1] == Ended(RunStatus.DONE, "3 iterations without a larger area")


@pytest.mark.usefixtures("quick")
def test_a_deadline_ends_the_run(evaluator: Evaluator, archive: Archive, config: RunConfig) -> None:
    search = start(archive, config, evaluator, Scripted(lambda _: BROKEN))
    events = finish(search, StopRules(None, deadline_seconds=0.0))
    assert len(candidates_of(events)) == 1
    assert events[-1] == Ended(RunStatus.DONE, "0 minutes are over")


def test_a_person_can_stop_it_before_the_first_candidate(
    evaluator: Evaluator, archive: Archive, config: RunConfig
) -> None:
    stop = Event()
    stop.set()
    events = finish(start(archive, config, evaluator, GrammarExplorer()), StopRules(1), stop)
    assert events == [Ended(RunStatus.STOPPED, "stopped by a person")]
    assert archive.run("run").status is RunStatus.STOPPED


class Failing:
    """An explorer that has nothing to propose."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def propose(self, situation: Situation, rng: np.random.Generator) -> Proposal:
        """Raises."""
        raise self._error


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (SPENT, RunStatus.DONE, f"budget reached: {SPENT}"),
        (StoppingError("stopping"), RunStatus.STOPPED, "stopped by a person"),
        (EndpointError("no answer", hint="ask later"), RunStatus.FAILED, "no answer; ask later"),
        (EndpointError("no answer"), RunStatus.FAILED, "no answer"),
    ],
)
def test_an_explorer_that_can_t_propose_ends_the_run_with_its_reason(
    evaluator: Evaluator, archive: Archive, config: RunConfig, error: Exception, status: RunStatus, reason: str
) -> None:
    events = finish(start(archive, config, evaluator, Failing(error)), StopRules(5))
    assert events[-1] == Ended(status, reason)
    assert archive.run("run").reason == reason
    assert len(archive.candidates(archive.run("run"))) == 1


@pytest.mark.usefixtures("quick")
def test_a_run_whose_baselines_can_t_be_played_ends_with_the_reason(archive: Archive, config: RunConfig) -> None:
    with Evaluator(small_stores(), workers=1, limits=Limits(result_bytes=1)) as starved:
        events = finish(start(archive, config, starved, GrammarExplorer()), StopRules(5))
    ended: Any = events[-1]
    assert ended.status is RunStatus.FAILED
    assert ended.reason.startswith("no baseline could be played through: ")
    assert [candidate.status for candidate in candidates_of(events)] == [CandidateStatus.LIMIT]


def test_the_situation_says_where_the_search_stands(finished: tuple[Archive, Search]) -> None:
    search = finished[1]
    situation = search.situation(search.next_iteration, np.random.default_rng(0))
    sound = [standing for standing in search.standings.values() if standing.sound]
    assert situation.best_area == max(standing.area for standing in sound)
    assert search.standings[situation.best_number].area == situation.best_area
    assert situation.n_questions == 4
    assert len(situation.attempts) == len(search.candidates)
    assert {parent.number for parent in situation.parents} <= {standing.number for standing in sound}
    assert all(parent.settled_tokens["all"] >= 0 for parent in situation.parents)
    assert situation.depth_groups == search.depth_groups
    depths = [event.payload for event in search.archive.events(search.run) if event.kind == loop.DEPTHS]
    assert [group["accuracy"] for group in depths[0]["groups"]] == [g.accuracy for g in search.depth_groups]  # type: ignore[attr-defined]


def test_over_fitting_is_measured_beside_self_consistency(finished: tuple[Archive, Search]) -> None:
    """Both lose on other questions that are harder; only what the proposals lose beyond that is over-fitting."""
    search = finished[1]
    proposed = [s for s in search.standings.values() if s.sound and search.candidates[s.number].iteration > 0]
    assert proposed
    yardstick = search.standings[0]
    assert yardstick.area_all is not None
    drops = [standing.area - (standing.area_all or 0) for standing in proposed]
    expected = np.mean(drops) - (yardstick.area - yardstick.area_all)
    assert search.situation(9, np.random.default_rng(0)).overfit == pytest.approx(expected)


@pytest.mark.usefixtures("quick")
def test_over_fitting_is_unknown_before_the_first_proposal(
    evaluator: Evaluator, archive: Archive, config: RunConfig
) -> None:
    search = start(archive, config, evaluator, Scripted(lambda _: BROKEN))
    finish(search, StopRules(1))
    assert search.situation(2, np.random.default_rng(0)).overfit is None
