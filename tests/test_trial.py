"""What becomes of a candidate, and what is kept of it: duplicates, refusals, failures, races, whole trials."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery import evaluation
from discovery.archive import point_of
from discovery.evaluation import Cell, Evaluator
from discovery.proposal import Origin, Proposal
from discovery.racing import FIRST_RUNG, Contender
from discovery.records import Candidate, CandidateStatus
from discovery.standings import ALL_QUESTIONS, SEARCH_ONLY, make_measure, stand
from discovery.trial import Trial, Trials
from replay.split import Split
from sandbox.limits import Limits
from tests.small_runs import config_for, small_stores, voting

BETAS = (0.0, 0.3, 1.0)
N_SEEDS = FIRST_RUNG + 1
SCHEDULE = "def schedule(beta):\n    return {'beta': beta}\n\n\n"
ANSWER = "    return majority(episode.probe(episode.branch(2, complete=True)))\n"


def trials_on(evaluator: Evaluator) -> Trials:
    config = replace(config_for(evaluator.stores, n_seeds=N_SEEDS), betas=BETAS)
    measure = make_measure(evaluator.stores, config.split(evaluator.stores), SEARCH_ONLY, config.seeds)
    return Trials(config, evaluator, measure)


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(small_stores(), workers=1) as evaluator:
        yield evaluator


@pytest.fixture
def trials(evaluator: Evaluator) -> Trials:
    return trials_on(evaluator)


def proposal(body: str, schedule: str = SCHEDULE) -> Proposal:
    return Proposal(f"{schedule}def control(episode, p):\n{body}", "an idea", Origin.MODEL, parents=(0,))


def remembered(trials: Trials, number: int, trial: Trial) -> Trial:
    trials.remember(number, trial.draft.source, trial.draft.analysis.get("fingerprint"))
    return trial


def assert_nothing_played(trial: Trial) -> None:
    assert (trial.outcomes, trial.failures, trial.audits, trial.n_episodes) == ((), (), (), 0)


def test_a_candidate_that_plays_through_is_kept_with_every_episode(trials: Trials) -> None:
    trial = trials.run(voting(3), 4, ())
    assert trial.draft.status is CandidateStatus.OK
    assert (trial.draft.iteration, trial.draft.idea, trial.draft.error) == (4, "3 branches vote", "")
    shapes = {(outcome.store, outcome.split, outcome.beta): outcome.correct.shape for outcome in trial.outcomes}
    sizes = {Split.SEARCH: 4, Split.VALIDATION: 2}
    assert shapes == {
        (keyed.store.name, split, beta): (N_SEEDS, sizes[split])
        for keyed in small_stores()
        for split in Split
        for beta in BETAS
    }
    assert trial.n_episodes == 2 * 6 * len(BETAS) * N_SEEDS
    assert trial.failures
    assert set(trial.draft.analysis) == {"fingerprint", "settled_tokens"}
    assert all(audit.passed for audit in trial.audits)


def test_the_same_source_is_a_duplicate_without_being_played(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(trials, 7, trials.run(voting(3), 1, ()))
    monkeypatch.setattr(Evaluator, "evaluate", None)
    again = trials.run(voting(3), 2, ())
    assert (again.draft.status, again.draft.duplicate_of) == (CandidateStatus.DUPLICATE, 7)
    assert again.draft.error == "the same source as candidate 7"
    assert_nothing_played(again)


def test_the_same_actions_are_a_duplicate(trials: Trials) -> None:
    remembered(trials, 7, trials.run(voting(3), 1, ()))
    again = trials.run(voting(3, note="# said otherwise\n"), 2, ())
    assert (again.draft.status, again.draft.duplicate_of) == (CandidateStatus.DUPLICATE, 7)
    assert again.draft.error == "acts exactly like candidate 7"
    assert_nothing_played(again)


def test_the_same_actions_with_another_answer_are_no_duplicate(trials: Trials) -> None:
    remembered(trials, 7, trials.run(proposal(ANSWER), 1, ()))
    other = trials.run(proposal(ANSWER.replace("majority(", "max(label or 0 for label in ")), 2, ())
    assert other.draft.status is not CandidateStatus.DUPLICATE


def test_a_baseline_is_played_even_if_it_acts_like_another(trials: Trials) -> None:
    remembered(trials, 0, trials.run(voting(3), 0, ()))
    baseline = replace(voting(3, note="# a baseline\n"), origin=Origin.BASELINE)
    trial = trials.run(baseline, 0, (), name="twin", race=False)
    assert (trial.draft.status, trial.draft.name) == (CandidateStatus.OK, "twin")


@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        (Proposal("", "nothing", Origin.MODEL), CandidateStatus.REJECTED, "no controller"),
        (Proposal("def control(", "cut off", Origin.MODEL), CandidateStatus.REJECTED, "line 1"),
        (proposal("    import os\n    return None\n"), CandidateStatus.REJECTED, "line 6"),
        (proposal(ANSWER, "def schedule(beta):\n    return {'n': 1 / beta}\n\n\n"), CandidateStatus.FAILED, "division"),
        (proposal(ANSWER, "def schedule(beta):\n    return {'n': [beta]}\n\n\n"), CandidateStatus.FAILED, "n"),
    ],
)
def test_what_does_not_run_is_kept_with_its_reason_and_no_episodes(
    trials: Trials, wrong: Proposal, status: CandidateStatus, error: str
) -> None:
    trial = trials.run(wrong, 3, ())
    assert trial.draft.status is status
    assert error in trial.draft.error
    assert trial.draft.source == wrong.source
    assert_nothing_played(trial)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_a_single_error_makes_a_candidate_one_of_errors(trials: Trials, beta: float) -> None:
    """At beta 0 the fingerprint meets it, at 0.3 the race does."""
    trial = trials.run(proposal(f"    if p.beta == {beta}:\n        episode.probe([5])\n{ANSWER}"), 3, ())
    assert trial.draft.status is CandidateStatus.ERROR
    assert "branch 5" in trial.draft.error
    assert "error" in {failure.kind for failure in trial.failures}
    assert trial.outcomes == ()


def test_endless_work_meets_its_limit() -> None:
    with Evaluator(small_stores(), workers=1, limits=Limits(episode_cpu_seconds=0.1)) as evaluator:
        trial = trials_on(evaluator).run(proposal("    while True:\n        pass\n"), 3, ())
    assert trial.draft.status is CandidateStatus.LIMIT
    assert trial.draft.error
    assert_nothing_played(trial)


def test_an_impossible_action_log_is_told_from_an_error(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = evaluation.verify

    def doubting(*args: Any) -> Any:
        outcomes = honest(*args)
        outcomes.legal[0] = False
        return outcomes

    monkeypatch.setattr(evaluation, "verify", doubting)
    trial = trials.run(voting(5), 3, ())
    assert trial.draft.status is CandidateStatus.TAMPERED
    assert trial.draft.error


def unbeatable() -> Contender:
    """Always right, for next to nothing."""
    right, little = np.ones((N_SEEDS, 4), np.bool_), np.ones((N_SEEDS, 4), np.int64)
    status = np.zeros((N_SEEDS, 4), np.uint8)
    return Contender(0, tuple(Cell(store, beta, right, little, little, status) for store in (0, 1) for beta in BETAS))


def test_a_candidate_out_of_reach_of_the_front_stops_after_the_first_seeds(trials: Trials) -> None:
    trial = trials.run(voting(3), 3, [unbeatable()])
    assert trial.draft.status is CandidateStatus.OK
    assert {(outcome.split, outcome.correct.shape) for outcome in trial.outcomes} == {(Split.SEARCH, (FIRST_RUNG, 4))}
    assert trial.n_episodes == 2 * 4 * len(BETAS) * FIRST_RUNG
    assert trial.audits == ()


def test_without_a_race_it_plays_through(trials: Trials) -> None:
    assert trials.run(voting(3), 0, [unbeatable()], race=False).n_episodes == 2 * 6 * len(BETAS) * N_SEEDS


def test_one_that_stopped_early_is_not_sound_and_is_compared_on_the_seeds_it_played(evaluator: Evaluator) -> None:
    trials = trials_on(evaluator)
    config = config_for(evaluator.stores, n_seeds=N_SEEDS)
    split = config.split(evaluator.stores)
    whole, first = (make_measure(evaluator.stores, split, SEARCH_ONLY, range(n)) for n in (N_SEEDS, FIRST_RUNG))
    everything = make_measure(evaluator.stores, split, ALL_QUESTIONS, range(N_SEEDS))
    trial = trials.run(voting(3), 3, [unbeatable()])
    points = [point_of(outcome) for outcome in trial.outcomes]
    fields = {name: getattr(trial.draft, name) for name in trial.draft.__slots__}
    candidate = Candidate(**fields, id=1, run_id=1, number=5, source_digest="", committed="")
    standing = stand(candidate, points, whole, everything)
    assert (standing.sound, standing.area_all) == (False, None)
    assert standing.curve == first.curve(points)


def test_a_source_is_checked_without_being_played(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Evaluator, "evaluate", None)
    assert trials.check(voting(3).source) == ""
    assert "schedule" in trials.check("def control(episode, p):\n    return 1\n")
    assert "os" in trials.check(f"import os\n{voting(3).source}")


def test_stores_are_found_by_name_when_a_contender_is_read_back(trials: Trials) -> None:
    trial = trials.run(voting(2), 3, ())
    names = [keyed.store.name for keyed in small_stores()]
    shuffled = Contender.of(4, reversed(trial.outcomes), names)
    assert {cell.store for cell in shuffled.cells} == {0, 1}
    assert len(shuffled.cells) == 2 * len(BETAS)
    assert Path(names[0]).parts[0] == "0.6B"
