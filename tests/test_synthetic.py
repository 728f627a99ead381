"""The simulator: same seed, same data; the published layout; figures near those of recorded trajectories."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from replay.coverage import coverage
from replay.errors import StoreError
from replay.importer import import_file, import_questions
from replay.store import AnswerKey, ReplayStore
from replay.synthetic import INTERVAL_TOKENS, LIMIT_TOKENS, SHORTEST_TOKENS, simulate
from replay.synthetic_scales import SCALES

Layout = list[dict[str, Any]]

N_STORES = 8
SEEDS = range(20)

TOLERANCES = {
    "single_branch": 0.08,
    "vote": 0.10,
    "gain": 0.10,
    "unmixed_wrong": 0.12,
    "log_tokens": 0.12,
    "log_tokens_sd": 0.10,
    "cut": 0.02,
    "silent_probes": 0.04,
    "silent_finals": 0.01,
    "reaching_beyond": 0.08,
    "half_settled": 0.09,
    "wrong_longer": 0.12,
}
"""How far the mean of simulated stores may be from the recorded one; two to four standard errors of either."""


@dataclass(frozen=True)
class Figures:
    """What is compared between recorded and simulated stores.

    Attributes:
        single_branch: Mean share of correct branches.
        vote: Accuracy of the majority of 64.
        gain: By how much that exceeds the accuracy of one of 4.
        unmixed_wrong: Share of questions that no branch solves.
        log_tokens: Mean log tokens.
        log_tokens_sd: Standard deviation of log tokens between a question's branches, mean over questions.
        cut: Share of branches that reach the limit.
        silent_probes: Share of probes without an answer.
        silent_finals: Share of branches without an answer.
        reaching_beyond: Share of branches whose probes reach beyond their tokens.
        half_settled: Share of branches that show their final answer halfway.
        wrong_longer: Probability that a wrong branch is longer than a correct one, mean over mixed questions.
    """

    single_branch: float
    vote: float
    gain: float
    unmixed_wrong: float
    log_tokens: float
    log_tokens_sd: float
    cut: float
    silent_probes: float
    silent_finals: float
    reaching_beyond: float
    half_settled: float
    wrong_longer: float


def test_same_seed_gives_the_same_data() -> None:
    first, second = (simulate("1.7B", n_questions=4, n_branches=16, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_another_seed_gives_other_data() -> None:
    first, second = (simulate("1.7B", n_questions=2, n_branches=8, rng=np.random.default_rng(seed)) for seed in (7, 8))
    assert first[0]["each_branch"] != second[0]["each_branch"]


def test_one_generator_gives_new_data_each_time() -> None:
    rng = np.random.default_rng(7)
    first, second = (simulate("1.7B", n_questions=2, n_branches=8, rng=rng) for _ in range(2))
    assert first[0]["each_branch"] != second[0]["each_branch"]


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    simulate("4B", n_questions=1, n_branches=4, rng=np.random.default_rng(0))
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]


def test_an_unknown_scale_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StoreError, match="'9B'") as refusal:
        simulate("9B", rng=np.random.default_rng(0))
    assert "0.6B, 1.7B, 4B, 8B" in refusal.value.hint


@pytest.mark.parametrize("scale", SCALES)
def test_the_layout_is_the_published_one(scale: str) -> None:
    questions = simulate(scale, n_questions=5, n_branches=40, rng=np.random.default_rng(1))
    assert len(questions) == 5
    for question in questions:
        assert list(question) == ["question", "gold_answer", "probe_freq", "each_branch", "final_answers_trace"]
        assert question["probe_freq"] == INTERVAL_TOKENS
        assert 0 <= int(question["gold_answer"]) < 1000
        assert len(question["each_branch"]) == 40
        assert question["final_answers_trace"] == [final for _, _, final in question["each_branch"]]
        for probes, tokens, final in question["each_branch"]:
            assert 2 <= len(probes) <= 80
            assert all(type(answer) is str for answer in probes)
            assert type(tokens) is int
            assert SHORTEST_TOKENS <= tokens < 1.02 * LIMIT_TOKENS
            assert probes[-1] == final


def test_one_branch_of_one_question_is_a_store() -> None:
    store, key = store_of(simulate("8B", n_questions=1, n_branches=1, rng=np.random.default_rng(0)))
    assert (len(store.questions), len(store.tokens), len(key.answers)) == (1, 1, 1)


def test_more_distinct_answers_than_three_digits_have_stay_distinct() -> None:
    (question,) = simulate("0.6B", n_questions=1, n_branches=3000, rng=np.random.default_rng(5))
    gold = question["gold_answer"]
    share = np.mean([final == gold for final in question["final_answers_trace"]])
    assert len(set(question["final_answers_trace"])) > 300
    assert share < 0.9


def test_scales_share_questions_and_gold_answers() -> None:
    stores = [simulate(scale, n_questions=6, n_branches=4, rng=np.random.default_rng(3)) for scale in SCALES]
    described = [[(question["question"], question["gold_answer"]) for question in store] for store in stores]
    assert all(other == described[0] for other in described)
    assert len({text for text, _ in described[0]}) == 6


def test_benchmarks_have_questions_of_their_own() -> None:
    first, second = (
        simulate("4B", n_questions=6, n_branches=2, rng=np.random.default_rng(3), benchmark=name) for name in "ab"
    )
    assert not {question["question"] for question in first} & {question["question"] for question in second}


def test_what_is_hard_for_one_scale_is_hard_for_the_next() -> None:
    shares = [
        np.array(
            [share_correct(question) for question in simulate(scale, n_questions=60, rng=np.random.default_rng(4))]
        )
        for scale in SCALES
    ]
    for smaller, larger in pairwise(shares):
        assert np.corrcoef(smaller, larger)[0, 1] > 0.4
        assert smaller.mean() < larger.mean()


@pytest.mark.parametrize("scale", SCALES)
def test_figures_are_those_of_a_reasoning_model(scale: str) -> None:
    found = mean_figures(scale)
    assert 0.05 < found.single_branch < 0.85
    assert 0.02 < found.vote - found.single_branch < 0.3
    assert 0.05 < found.reaching_beyond < 0.3
    assert 0.005 < found.cut < 0.06
    assert 0.02 < found.silent_probes < 0.2
    assert 0.001 < found.silent_finals < 0.02
    assert 0.55 < found.wrong_longer < 0.9
    assert 0.25 < found.log_tokens_sd < 0.5


@pytest.mark.parametrize("scale", SCALES)
def test_figures_are_near_those_of_recorded_trajectories(scale: str, recorded_folder: Path) -> None:
    path = recorded_folder / "data" / "public" / f"Qwen3-{scale}" / "aime24.json"
    recorded = asdict(figures(*import_file(path, model=scale, benchmark="aime24")))
    simulated = asdict(mean_figures(scale))
    rows = [f"{name:16} {recorded[name]:8.3f} {simulated[name]:8.3f}" for name in TOLERANCES]
    print(f"\n{scale:16} recorded simulated", *rows, sep="\n")
    far = [name for name, tolerance in TOLERANCES.items() if abs(recorded[name] - simulated[name]) > tolerance]
    assert far == []


def store_of(questions: Layout) -> tuple[ReplayStore, AnswerKey]:
    """The layout as a store."""
    return import_questions(questions, source="the simulator", model="m", benchmark="b")


def share_correct(question: dict[str, Any]) -> float:
    """Share of correct branches."""
    return float(np.mean([final == question["gold_answer"] for final in question["final_answers_trace"]]))


def mean_figures(scale: str) -> Figures:
    """Means over a few simulated stores."""
    stores = [store_of(simulate(scale, rng=np.random.default_rng(seed))) for seed in range(N_STORES)]
    each = [asdict(figures(store, key)) for store, key in stores]
    return Figures(**{name: float(np.mean([one[name] for one in each])) for name in each[0]})


def figures(store: ReplayStore, key: AnswerKey) -> Figures:
    """The figures of one store."""
    found = coverage(store, key, seeds=SEEDS, limit_tokens=38_500)
    correct = store.finals == np.repeat(key.ids(store), store.branch_ends - store.branch_starts)
    log_tokens = np.log(store.tokens)
    parts = [slice(*edges) for edges in zip(store.branch_starts, store.branch_ends, strict=True)]
    n_probes = store.row_ends - store.row_starts - 1
    halfway = store.answers[store.row_starts + n_probes // 2]
    silent = found.silent_probes
    assert silent is not None
    return Figures(
        single_branch=found.single_branch,
        vote=found.votes[64],
        gain=found.votes[64] - found.votes[4],
        unmixed_wrong=float(np.mean([not correct[part].any() for part in parts])),
        log_tokens=float(log_tokens.mean()),
        log_tokens_sd=float(np.mean([log_tokens[part].std() for part in parts])),
        cut=found.cut,
        silent_probes=silent,
        silent_finals=found.silent_finals,
        reaching_beyond=float(np.mean(store.interval * n_probes > store.tokens)),
        half_settled=float(np.mean(halfway == store.finals)),
        wrong_longer=wrong_longer([(store.tokens[part], correct[part]) for part in parts]),
    )


def wrong_longer(questions: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Probability that a wrong branch is longer than a correct one, over questions with at least five of each."""
    shares = [
        np.mean(tokens[correct][:, None] < tokens[~correct])
        for tokens, correct in questions
        if min(np.count_nonzero(correct), np.count_nonzero(~correct)) >= 5
    ]
    return float(np.mean(shares))
