"""Where controllers fail: each kind on a store that has exactly this kind; spending on settled answers; depths."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.analysis import ALL_EPISODES, MEANINGS, FailureKind, accuracy_by_depth, failures, settled_tokens
from discovery.contrast import Told, contrasting_traces
from discovery.evaluation import Evaluation, Evaluator, KeyedStore
from discovery.proposal import DepthGroup
from replay.actions import Operation
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.store import ReplayStore
from replay.tables import branch_order
from replay.trace import Trace, settled_share, trace
from tests.recordings import Recording, in_opening_order, recordings, store_of

RIGHT = Recording(("gold",) * 3, 400, "gold")
WRONG = Recording(("bad",) * 2, 300, "bad")
OTHER = Recording(("else",), 200, "else")
SILENT = Recording((None,), 150, None)

VOTES = "return majority(episode.probe(episode.branch({n}, complete=True)))"
DROPS = "episode.branch(2); episode.prune([0]); episode.complete([1]); return majority(episode.probe([1]))"
LEAVES = "episode.branch(2); episode.complete([1]); return majority(episode.probe([1]))"
INVENTS = "episode.branch(1, complete=True); return 7"


def controller(body: str) -> str:
    return f"def schedule(beta):\n    return {{}}\n\n\ndef control(episode, p):\n    {body}\n"


SCENES: dict[FailureKind, tuple[list[Recording], str, int]] = {
    FailureKind.ERROR: ([RIGHT, RIGHT], INVENTS, 400),
    FailureKind.NEVER_CORRECT: ([WRONG, OTHER, WRONG], VOTES.format(n=2), 500),
    FailureKind.STOPPED_EARLY: ([WRONG, WRONG, RIGHT, RIGHT, RIGHT], VOTES.format(n=2), 600),
    FailureKind.NOT_OPENED: ([WRONG, OTHER, RIGHT], VOTES.format(n=2), 500),
    FailureKind.PRUNED: ([RIGHT, WRONG], DROPS, 400),
    FailureKind.RUNNING: ([RIGHT, WRONG], LEAVES, 400),
    FailureKind.WIDTH_EXHAUSTED: ([WRONG, WRONG, RIGHT], VOTES.format(n=9), 1_000),
    FailureKind.OUTVOTED: ([WRONG, WRONG, RIGHT, RIGHT, RIGHT], VOTES.format(n=3), 1_000),
    FailureKind.OUTVOTED_BY_ALL: ([WRONG, WRONG, RIGHT, WRONG], VOTES.format(n=3), 1_000),
}
"""Kind -> branches in the order in which they are opened, what the controller does, tokens that it spends."""


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    questions = [in_opening_order(branches, 0) for branches, _, _ in SCENES.values()]
    with Evaluator([KeyedStore(*store_of(questions), Path())], workers=1) as evaluator:
        yield evaluator


def play(evaluator: Evaluator, body: str, questions: list[int]) -> Evaluation:
    evaluation = evaluator.evaluate(controller(body), questions=[np.array(questions)], seeds=(0,), betas=(0.5,))
    assert evaluation.cells, evaluation.message
    return evaluation


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_of_failure_is_told_with_its_share_and_tokens(evaluator: Evaluator, kind: FailureKind) -> None:
    body, tokens = SCENES[kind][1:]
    found = failures(play(evaluator, body, [list(SCENES).index(kind)]), evaluator.stores)
    assert [(failure.kind, failure.share, failure.mean_tokens) for failure in found] == [(kind.value, 1.0, tokens)]


def test_every_kind_has_a_scene_and_a_meaning() -> None:
    assert set(SCENES) == set(MEANINGS) == set(FailureKind)


def test_shares_are_of_all_episodes_the_most_frequent_kind_first(evaluator: Evaluator) -> None:
    evaluation = play(evaluator, VOTES.format(n=2), list(range(len(SCENES))))
    found = failures(evaluation, evaluator.stores)
    n_wrong = sum(int((~cell.correct).sum()) for cell in evaluation.cells)
    assert sum(failure.share for failure in found) == pytest.approx(n_wrong / len(SCENES))
    assert [failure.share for failure in found] == sorted((failure.share for failure in found), reverse=True)
    assert len({failure.kind for failure in found}) == len(found) == 3


def test_right_answers_are_no_failures(evaluator: Evaluator) -> None:
    assert failures(play(evaluator, VOTES.format(n=1), [0]), evaluator.stores) == ()


def test_an_answer_of_none_is_wrong_like_any_other() -> None:
    branches = in_opening_order([SILENT, SILENT, RIGHT], 0)
    with Evaluator([KeyedStore(*store_of([branches] * 3), Path())], workers=1) as evaluator:
        found = failures(play(evaluator, VOTES.format(n=2), [0]), evaluator.stores)
        assert [failure.kind for failure in found] == ["stopped_early"], "silence held most of the finished votes"


def test_a_tie_of_all_branches_goes_to_the_first_recorded() -> None:
    """Two answers as often as each other: the majority of all is the one that `majority` gives."""
    recorded = [RIGHT, RIGHT, WRONG, WRONG, WRONG, RIGHT]
    with Evaluator([KeyedStore(*store_of([recorded] * 3), Path())], workers=1) as evaluator:
        seed = next(s for s in range(99) if sum(at in (2, 3, 4) for at in branch_order(s, 6)[:3]) == 2)
        evaluation = evaluator.evaluate(
            controller(VOTES.format(n=3)), questions=[np.array([0])], seeds=(seed,), betas=(0.5,)
        )
        assert [failure.kind for failure in failures(evaluation, evaluator.stores)] == ["outvoted"]


Steps = Callable[[ReplayedEpisode], object]


def told(branches: list[Recording], steps: Steps, seed: int = 0) -> Trace:
    """What an episode on these branches, in opening order, looks like step by step."""
    store, _ = store_of([in_opening_order(branches, seed)])
    record = EpisodeRecord()
    table, order = store.table(), branch_order(seed, len(branches))
    steps(ReplayedEpisode(table.question(0), order, EpisodeSettings(), table.interval, record))
    return trace(store, 0, seed, record.log(), EpisodeSettings())


def one_by_one(episode: ReplayedEpisode) -> None:
    while ids := episode.branch(1, complete=True):
        episode.probe(ids)


def finals(*answers: str | None) -> list[Recording]:
    """Branches of one interval each that end with these answers."""
    return [Recording((), 100, answer) for answer in answers]


@pytest.mark.parametrize(
    ("answers", "label", "share"),
    [
        (["a", "a", "b"], 0, 2 / 3),
        (["a", "b"], 0, 1 / 2),
        (["a", "b"], 1, 0),
        (["a", "b", "b"], 1, 0),
        (["a", "b", "b", "b"], 1, 1 / 4),
        (["a", "b", "b", "a", "a"], 0, 1 / 5),
        ([None, None, "a"], 0, 0),
        ([None, None, "a"], None, 2 / 3),
        (["a", None, None], 0, 0),
        (["a", None], 0, 1 / 2),
    ],
)
def test_an_answer_has_settled_when_it_last_became_the_majority(
    answers: list[str | None], label: int | None, share: float
) -> None:
    assert settled_share(told(finals(*answers), one_by_one), label) == pytest.approx(share)


def test_a_tie_goes_to_the_answer_that_finished_first_not_to_the_smaller_label() -> None:
    branches = [Recording(("b",), 200, "b"), Recording((), 100, "a")]

    def steps(episode: ReplayedEpisode) -> None:
        episode.branch(2)
        episode.probe([0])
        episode.probe([1])
        episode.advance([0])
        episode.probe([0])

    whole = told(branches, steps)
    assert whole.answers == ("b", "a")
    assert settled_share(whole, 1) == pytest.approx(1 / 3)
    assert settled_share(whole, 0) == 0


def test_probes_of_running_branches_settle_nothing() -> None:
    def steps(episode: ReplayedEpisode) -> None:
        for _ in range(3):
            episode.probe(episode.active or episode.branch(1))
            episode.advance(episode.active)

    assert settled_share(told([RIGHT], steps), 0) == 0


def test_what_is_spent_after_the_last_vote_counts_too() -> None:
    def steps(episode: ReplayedEpisode) -> None:
        episode.probe(episode.branch(1, complete=True))
        episode.advance(episode.branch(1), 2)

    assert settled_share(told([Recording((), 100, "a"), RIGHT], steps), 0) == pytest.approx(3 / 4)


def test_an_episode_without_steps_spent_nothing() -> None:
    assert settled_share(Trace((), ()), None) == 0


@given(st.lists(recordings(100), min_size=1, max_size=5), st.integers(0, 50))
def test_a_trace_shows_what_the_episode_showed(branches: list[Recording], seed: int) -> None:
    shown: list[list[int | None]] = []
    spent: list[int] = []

    def steps(episode: ReplayedEpisode) -> None:
        while ids := episode.branch(2):
            shown.append(episode.probe(ids))
            episode.advance(ids, 2)
            shown.append(episode.probe(ids))
        spent.append(episode.spent)

    whole = told(branches, steps, seed)
    probes = [list(step.labels) for step in whole.steps if step.operation is Operation.PROBE]
    assert probes == shown
    assert whole.steps[-1].spent == spent[0]


def test_settled_tokens_are_told_for_all_episodes_and_for_each_kind_of_failure() -> None:
    """One wrong and one right answer; both have settled with the first of three equal branches."""
    questions = [in_opening_order(finals(*"ggg"), 0), in_opening_order(finals("gold", "gold", "gold"), 0)]
    body = "x = [episode.probe(episode.branch(1, complete=True))[0] for _ in range(3)]; return majority(x)"
    with Evaluator([KeyedStore(*store_of([*questions, questions[1]]), Path())], workers=1) as evaluator:
        evaluation = play(evaluator, body, [0, 1])
        settled = settled_tokens(evaluation, evaluator.stores, evaluator.settings)
    assert settled == {ALL_EPISODES: pytest.approx(200), "never_correct": pytest.approx(200)}


def test_an_episode_that_failed_has_settled_nothing(evaluator: Evaluator) -> None:
    evaluation = play(evaluator, INVENTS, [0])
    settled = settled_tokens(evaluation, evaluator.stores, evaluator.settings)
    assert settled == {ALL_EPISODES: 0, "error": 0}


def of_lengths(*branches: tuple[int, str]) -> list[Recording]:
    return [Recording((), length, answer) for length, answer in branches]


def test_branches_are_grouped_by_when_they_finish_among_those_of_their_question() -> None:
    early = of_lengths(*((100 * i, "gold" if i <= 4 else "bad") for i in (8, 1, 7, 2, 6, 3, 5, 4)))
    late = of_lengths(*((1_000 * i, "gold" if i > 6 else "bad") for i in range(1, 9)))
    keyed = KeyedStore(*store_of([early, late]), Path())
    assert accuracy_by_depth([keyed], [np.array([0])]) == (
        DepthGroup(1.5, 1.0),
        DepthGroup(3.5, 1.0),
        DepthGroup(5.5, 0.0),
        DepthGroup(7.5, 0.0),
    )
    both = accuracy_by_depth([keyed], [np.array([0, 1])])
    assert [group.accuracy for group in both] == [0.5, 0.5, 0.0, 0.5]
    assert accuracy_by_depth([keyed, keyed], [np.array([0]), np.array([1])]) == both
    assert accuracy_by_depth([keyed, keyed], [np.array([0, 1]), np.array([], np.int64)]) == both


def test_a_question_of_few_branches_has_groups_all_the_same() -> None:
    keyed = KeyedStore(*store_of([of_lengths((100, "gold"), (300, "bad"))]), Path())
    groups = accuracy_by_depth([keyed], [np.array([0])])
    assert [group.accuracy for group in groups] == [1.0, 0.0, 0.5, 0.5]


def traces_of(store: ReplayStore, key: object) -> list[str]:
    with Evaluator([KeyedStore(store, key, Path())], workers=1) as evaluator:  # type: ignore[arg-type]
        shown = contrasting_traces(
            evaluator,
            [np.arange(len(store.questions))],
            Told(3, controller(VOTES.format(n=3))),
            Told(5, controller(VOTES.format(n=1))),
        )
    return [line for entry in shown for line in (entry.title, *entry.lines)]


def test_contrasting_traces_show_a_failure_and_a_cheaper_success_in_labels() -> None:
    fails = in_opening_order([RIGHT, WRONG, WRONG], 0)
    both_right = in_opening_order([RIGHT, RIGHT, RIGHT], 0)
    lines = traces_of(*store_of([both_right, fails, both_right]))
    assert lines == [
        "Candidate 3 fails (beta 0.5, 1k tokens):",
        "branch 0-2, finished: 0-2",
        "probe 0-2 -> 0* 1 1",
        "answer: 1",
        "Candidate 5 succeeds (beta 0.5, 0k tokens):",
        "branch 0, finished: 0",
        "probe 0 -> 0*",
        "answer: 0*",
    ]


def test_the_contrast_that_saves_most_is_told_first() -> None:
    small, large = (
        in_opening_order([RIGHT, replace(WRONG, tokens=tokens), replace(WRONG, tokens=tokens)], 0)
        for tokens in (1_000, 20_000)
    )
    titles = [line for line in traces_of(*store_of([small, large, small])) if line.startswith("Candidate 3")]
    assert titles == ["Candidate 3 fails (beta 0.5, 40k tokens):", "Candidate 3 fails (beta 0.5, 2k tokens):"]


def test_without_a_contrast_there_are_no_traces() -> None:
    assert traces_of(*store_of([in_opening_order([RIGHT] * 3, 0)])) == []
