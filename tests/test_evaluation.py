"""From source to scored episodes: whatever the packing, the figures are those of one episode after the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery import evaluation
from discovery.evaluation import Evaluation, Evaluator, KeyedStore, load_keyed_store
from replay.baselines import baseline_source
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.errors import StoreError
from replay.store import save_store
from replay.tables import branch_order
from replay.votes import majority
from sandbox.pool import EpisodeStatus, JobStatus
from tests.small_runs import small_stores, voting

BETAS = (0.0, 0.4, 1.0)
QUESTIONS = [np.array([0, 3, 5]), np.array([0, 1, 2, 4])]
PARTLY_WRONG = """def schedule(beta):
    return {"beta": beta}


def control(episode, p):
    labels = episode.probe(episode.branch(3, complete=True))
    if p.beta == 0.4:
        return None
    if p.beta == 1:
        episode.advance([9])
    return majority(labels)
"""


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator(small_stores(), workers=2) as evaluator:
        yield evaluator


def play(evaluator: Evaluator, source: str, **more: Any) -> Evaluation:
    given = {"questions": QUESTIONS, "seeds": range(7), "betas": BETAS}
    return evaluator.evaluate(source, **(given | more))


def figures(evaluated: Evaluation) -> list[Any]:
    return [
        (c.store, c.beta, c.correct.tolist(), c.tokens.tolist(), c.sequential_tokens.tolist(), c.status.tolist())
        for c in evaluated.cells
    ]


def test_cells_are_what_single_episodes_come_to(evaluator: Evaluator) -> None:
    evaluated = play(evaluator, voting(5).source)
    assert [(cell.store, cell.beta) for cell in evaluated.cells] == [(s, beta) for s in (0, 1) for beta in BETAS]
    for cell, questions in zip(evaluated.cells, [q for q in QUESTIONS for _ in BETAS], strict=True):
        store, gold = small_stores()[cell.store].store, small_stores()[cell.store].key.answers
        width = round(5 * cell.beta) + 1
        for row, seed in enumerate(range(7)):
            for column, question in enumerate(questions.tolist()):
                first = store.branch_starts[question]
                opened = [first + at for at in branch_order(seed, store.n_branches(question))[:width]]
                words = (*store.vocabularies[question], None)
                answer = majority(words[store.finals[branch]] for branch in opened)
                assert cell.correct[row, column] == (answer == gold[question])
                assert cell.tokens[row, column] == store.tokens[opened].sum()
                assert cell.sequential_tokens[row, column] == store.tokens[opened].max()
    assert 0 < np.mean([cell.correct.mean() for cell in evaluated.cells]) < 1


def test_how_episodes_are_packed_into_jobs_changes_nothing(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = baseline_source("cmc")
    whole = play(evaluator, source)
    monkeypatch.setattr(evaluation, "EPISODES_PER_JOB", 3)
    packed = play(evaluator, source)
    assert figures(packed) == figures(whole)
    for ours, theirs in zip(packed.plays, whole.plays, strict=True):
        assert (ours.logs.calls, ours.logs.names) == (theirs.logs.calls, theirs.logs.names)
        np.testing.assert_array_equal(ours.seeds, theirs.seeds)
        np.testing.assert_array_equal(ours.questions, theirs.questions)


def test_seeds_played_in_parts_are_the_seeds_played_at_once(evaluator: Evaluator) -> None:
    source = baseline_source("asc")
    parts = [play(evaluator, source, seeds=seeds) for seeds in (range(3), range(3, 4), range(4, 7))]
    joined = Evaluation.joined(parts)
    whole = play(evaluator, source)
    assert figures(joined) == figures(whole)
    assert [play.logs.calls for play in joined.plays] == [play.logs.calls for play in whole.plays]


def test_errors_and_no_answers_are_wrong_and_told_apart(evaluator: Evaluator) -> None:
    evaluated = play(evaluator, PARTLY_WRONG)
    assert evaluated.status is JobStatus.DONE
    assert not evaluated.clean
    assert "branch 9" in evaluated.message
    by_beta = {cell.beta: cell for cell in evaluated.cells if cell.store == 1}
    assert set(by_beta[0.0].status.flat) == {EpisodeStatus.OK}
    assert set(by_beta[0.4].status.flat) == {EpisodeStatus.NO_ANSWER}
    assert set(by_beta[1.0].status.flat) == {EpisodeStatus.ERROR}
    assert by_beta[0.0].correct.any()
    assert not by_beta[0.4].correct.any()
    assert not by_beta[1.0].correct.any()
    assert (by_beta[0.4].n_errors, by_beta[1.0].n_errors) == (0, 28)
    np.testing.assert_array_equal(by_beta[1.0].tokens, by_beta[0.0].tokens)


@pytest.mark.parametrize(
    ("source", "status"),
    [("import os", JobStatus.REJECTED), (voting(3).source.replace("* beta", "/ 0"), JobStatus.FAILED)],
)
def test_what_does_not_run_has_no_figures(evaluator: Evaluator, source: str, status: JobStatus) -> None:
    evaluated = play(evaluator, source)
    assert (evaluated.status, evaluated.cells, evaluated.clean) == (status, (), False)
    assert evaluated.message


def test_overrides_replace_values_and_unknown_ones_are_told(evaluator: Evaluator) -> None:
    wide = play(evaluator, baseline_source("sc"), betas=(1.0,), overrides={"n": 1})
    narrow = play(evaluator, baseline_source("sc"), betas=(0.0,))
    assert [cell.tokens.tolist() for cell in wide.cells] == [cell.tokens.tolist() for cell in narrow.cells]
    unknown = play(evaluator, baseline_source("sc"), overrides={"m": 1})
    assert unknown.status is JobStatus.FAILED
    assert "m" in unknown.message


def test_nothing_to_play_is_no_failure(evaluator: Evaluator) -> None:
    empty = np.zeros(0, np.int64)
    assert play(evaluator, voting(3).source, questions=[empty, empty]).cells == ()
    assert [cell.store for cell in play(evaluator, voting(3).source, questions=[empty, np.array([2])]).cells] == [1] * 3


def test_two_stores_of_one_name_are_refused() -> None:
    with pytest.raises(StoreError, match="two stores are called 8B/demo"):
        Evaluator([small_stores()[1]] * 2, workers=1)


def test_settings_hold_for_every_episode() -> None:
    settings = EpisodeSettings(max_branches=2, probe_cost=7)
    source = baseline_source("parallel_probe")
    with (
        Evaluator(small_stores(), workers=1, settings=settings) as strict,
        Evaluator(small_stores(), workers=1) as free,
    ):
        dear, cheap = (play(evaluator, source).cells[-1] for evaluator in (strict, free))
    assert dear.tokens.sum() < cheap.tokens.sum(), "two branches at most"
    record = EpisodeRecord()
    table = small_stores()[0].store.table()
    assert ReplayedEpisode(table.question(0), range(12), settings, table.interval, record).max_branches == 2


def test_a_store_and_its_key_are_loaded_together(tmp_path: Path) -> None:
    keyed: KeyedStore = small_stores()[0]
    save_store(keyed.store, keyed.key, tmp_path / "store")
    loaded = load_keyed_store(tmp_path / "store")
    assert (loaded.store.digest, loaded.key, loaded.folder) == (keyed.store.digest, keyed.key, tmp_path / "store")
