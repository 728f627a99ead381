"""Audits in a run: who is audited on what, and that a candidate which fails one joins no front."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from discovery.archive import Archive, point_of
from discovery.auditing import LEAST_SAMPLE, MOST_SAMPLE, CandidateAudits, sampled_blocks
from discovery.config import RunConfig
from discovery.evaluation import Evaluator
from discovery.grammar.variation import compose
from discovery.grammar.writer import write
from discovery.proposal import Origin, Proposal
from discovery.racing import Contender
from discovery.records import CandidateStatus
from discovery.standings import ALL_QUESTIONS, SEARCH_ONLY, make_measure, stand
from discovery.trial import Trial, Trials, joins_front
from replay.baselines import NAMES, baseline_source
from replay.scoring import BETAS
from replay.split import Split
from sandbox.audit import Auditor
from sandbox.pool import Pool
from sandbox.template import Switches
from tests.small_runs import config_for, small_stores, voting

N_HONEST = 12

SCHEDULE = "def schedule(beta):\n    return {'n': 1 + round(4 * beta)}\n\n\n"

PEEKING = (
    "import gc\n\n\n"
    + SCHEDULE
    + """
def numbers_behind(subject, depth):
    if type(subject) is int:
        return subject
    if depth == 0 or type(subject).__name__ not in ("ReplayedEpisode", "QuestionTable", "tuple", "list"):
        return 0
    return sum(numbers_behind(held, depth - 1) for held in gc.get_referents(subject))


def control(episode, p):
    n = 1 + numbers_behind(episode, 5) % 5
    return majority(episode.probe(episode.branch(n, complete=True)))
"""
)

COUNTING = (
    "played = []\n\n\n"
    + SCHEDULE
    + """
def control(episode, p):
    played.append(1)
    return majority(episode.probe(episode.branch(1 + len(played) % 5, complete=True)))
"""
)

UNORDERED = (
    SCHEDULE
    + """
def control(episode, p):
    widths = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
    return majority(episode.probe(episode.branch(widths[list(set(widths))[0]], complete=True)))
"""
)


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(small_stores(), workers=2) as evaluator:
        yield evaluator


@pytest.fixture(scope="module")
def leaky() -> Iterator[Evaluator]:
    """Without the language layer: a controller finds what its episode holds."""
    with Evaluator(small_stores(), workers=2) as evaluator:
        evaluator.pool.close()
        evaluator.pool = Pool(evaluator.pool.tables, workers=2, _switches=Switches(guarded=False))
        evaluator.auditor = Auditor(evaluator.pool)
        yield evaluator


def try_out(evaluator: Evaluator, source: str) -> Trial:
    config = config_for(evaluator.stores)
    search = make_measure(evaluator.stores, config.split(evaluator.stores), SEARCH_ONLY, config.seeds)
    return Trials(config, evaluator, search).run(Proposal(source, "an idea", Origin.GRAMMAR), 1, ())


def audits_of(evaluator: Evaluator, config: RunConfig) -> CandidateAudits:
    questions = [np.arange(len(keyed.store.questions)) for keyed in evaluator.stores]
    return CandidateAudits(evaluator, questions, config.seeds, config.betas, config.seed)


@pytest.mark.parametrize("source", [COUNTING, UNORDERED], ids=["keeps state", "follows the order of a set"])
def test_a_candidate_that_is_not_pure_is_rejected(evaluator: Evaluator, source: str) -> None:
    trial = try_out(evaluator, source)
    assert trial.draft.status is CandidateStatus.AUDIT
    assert trial.draft.error.startswith("determinism audit failed on ")
    assert {audit.kind for audit in trial.audits if not audit.passed} == {"determinism"}


def test_a_candidate_that_peeks_is_rejected(leaky: Evaluator) -> None:
    trial = try_out(leaky, PEEKING)
    assert trial.draft.status is CandidateStatus.AUDIT
    assert "causality audit failed on " in trial.draft.error
    assert "acts on what was not shown" in trial.draft.error


def test_the_same_leak_does_not_fail_an_honest_candidate(leaky: Evaluator) -> None:
    trial = try_out(leaky, voting(4).source)
    assert trial.draft.status is CandidateStatus.OK
    assert all(audit.passed for audit in trial.audits)


def test_one_that_would_join_the_front_is_audited_on_a_whole_seed_too(evaluator: Evaluator) -> None:
    trial = try_out(evaluator, voting(4).source)
    n_search = 2 * 4 * 3
    assert [audit.kind for audit in trial.audits] == ["causality", "determinism"] * 2
    assert trial.audits[0].message.startswith(f"{LEAST_SAMPLE} episodes: ")
    assert trial.audits[2].message.startswith(f"{n_search} episodes: ")


def test_a_rejected_candidate_keeps_its_episodes_but_is_not_sound(evaluator: Evaluator, tmp_path: Path) -> None:
    trial = try_out(evaluator, COUNTING)
    config = config_for(evaluator.stores)
    split = config.split(evaluator.stores)
    measures = [make_measure(evaluator.stores, split, parts, config.seeds) for parts in (SEARCH_ONLY, ALL_QUESTIONS)]
    with Archive(tmp_path / "archive.sqlite", create=True) as archive:
        run = archive.create_run("run", config.to_json(), 0)
        candidate = archive.commit(run, trial.draft, outcomes=trial.outcomes, audits=trial.audits)
        assert archive.audits(candidate) == trial.audits
    assert {outcome.split for outcome in trial.outcomes} == set(Split)
    assert not stand(candidate, [point_of(outcome) for outcome in trial.outcomes], measures[0], measures[1]).sound


def test_only_a_point_that_nothing_dominates_joins_the_front(evaluator: Evaluator) -> None:
    config = config_for(evaluator.stores)
    search = make_measure(evaluator.stores, config.split(evaluator.stores), SEARCH_ONLY, config.seeds)
    names = [keyed.store.name for keyed in evaluator.stores]
    rival = Contender.of(0, try_out(evaluator, voting(4).source).outcomes, names)
    assert joins_front(rival.cells, [], search.panel)
    assert not joins_front(rival.cells, [rival], search.panel)


def test_baselines_pass_their_audits(evaluator: Evaluator) -> None:
    audits = audits_of(evaluator, config_for(evaluator.stores))
    for name in NAMES:
        assert all(audit.passed for audit in audits.sample(baseline_source(name))), name


def test_what_the_grammar_composes_passes_its_audits(evaluator: Evaluator) -> None:
    audits, rng = audits_of(evaluator, config_for(evaluator.stores)), np.random.default_rng(5)
    for _ in range(N_HONEST):
        source = write(compose(rng).recipe)
        assert all(audit.passed for audit in audits.sample(source)), source


def test_samples_hold_different_episodes_of_all_kinds_and_are_bounded() -> None:
    questions = [np.array([2, 5]), np.array([], np.int64), np.array([0, 1, 2])]
    blocks = sampled_blocks(questions, range(3, 20), BETAS, np.random.default_rng(0))
    episodes = {
        (block.table, block.beta, question, seed)
        for block in blocks
        for question, seed in zip(block.questions, block.seeds, strict=True)
    }
    assert len(episodes) == sum(len(block.seeds) for block in blocks) == LEAST_SAMPLE
    assert {block.table for block in blocks} == {0, 2}
    assert all(question in questions[table] and 3 <= seed < 20 for table, _, question, seed in episodes)
    few = sampled_blocks(questions, [7], [0.5], np.random.default_rng(0))
    assert sorted((block.table, block.questions) for block in few) == [(0, (2, 5)), (2, (0, 1, 2))]
    many = sampled_blocks([np.arange(400)], range(100), BETAS, np.random.default_rng(0))
    assert sum(len(block.seeds) for block in many) == MOST_SAMPLE


def test_the_same_candidate_is_audited_on_the_same_episodes(evaluator: Evaluator) -> None:
    audits = audits_of(evaluator, config_for(evaluator.stores))
    assert audits.sample(COUNTING) == audits.sample(COUNTING)
