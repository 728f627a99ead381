"""The baselines against figures computed elsewhere, and by hand on branches small enough to follow.

Each is executed in this process here; that they run confined by the same road as candidates is tested elsewhere.
"""

import csv
import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from replay import baselines, votes
from replay.baselines import baseline_source
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.errors import EpisodeError
from replay.importer import import_file
from replay.store import AnswerKey, ReplayStore
from replay.tables import branch_order
from replay.verify import Logs, Outcomes, verify
from tests.recordings import Recording, in_opening_order, store_of
from tests.slow_baselines import SLOW_BASELINES
from tests.slow_model import SlowBranch

MODELS = ("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-8B")
SETTINGS = EpisodeSettings()

PER_EPISODE: dict[str, tuple[str, dict[str, Any]]] = {
    "sc_64": ("sc", {"n": 64}),
    "asc_64": ("asc", {"n": 64}),
    "esc_64": ("esc", {"n": 64}),
    "parallel_probe_64": ("parallel_probe", {"n": 64}),
    "cmc_0.5": ("cmc", {"beta": 0.5}),
    "cmc_1.0": ("cmc", {"beta": 1.0}),
}
"""Names in the per-episode files -> baseline and its setting."""


def prepared(name: str, setting: dict[str, Any]) -> tuple[Callable[..., Any], SimpleNamespace]:
    """A baseline's `control` and its schedule's values: those of a beta, or those of beta 1 with some replaced."""
    namespace: dict[str, Any] = {
        "majority": votes.majority,
        "tally": votes.tally,
        "confidence": votes.remembered_confidence,
        "EpisodeError": EpisodeError,
    }
    exec(compile(baseline_source(name), name, "exec"), namespace)
    if "beta" in setting:
        return namespace["control"], SimpleNamespace(**namespace["schedule"](setting["beta"]))
    values = namespace["schedule"](1.0)
    assert setting.keys() <= values.keys()
    return namespace["control"], SimpleNamespace(**values | setting)


def outcomes_of(store: ReplayStore, name: str, setting: dict[str, Any], seeds: Sequence[int]) -> Outcomes:
    """Verified outcomes of a baseline, seed after seed, in each of them question after question."""
    control, values = prepared(name, setting)
    table = store.table()
    tables = [table.question(question) for question in range(len(table))]
    logs, labels = [], []
    for seed in seeds:
        for question in tables:
            record = EpisodeRecord()
            order = branch_order(seed, len(question.rows))
            label = control(ReplayedEpisode(question, order, SETTINGS, table.interval, record), values)
            logs.append(record.log())
            labels.append(-1 if label is None else label)
    questions, episode_seeds = np.tile(np.arange(len(tables)), len(seeds)), np.repeat(seeds, len(tables))
    outcomes = verify(store, questions, episode_seeds, Logs.of(logs), np.array(labels), SETTINGS)
    assert outcomes.legal.all()
    return outcomes


@cache
def recorded_store(folder: Path, model: str, benchmark: str) -> tuple[ReplayStore, AnswerKey]:
    """A store of real trajectories, imported once."""
    return import_file(folder / "data" / "public" / model / f"{benchmark}.json", model=model, benchmark=benchmark)


@pytest.mark.parametrize("model", MODELS)
def test_every_episode_equals_the_reference(recorded_folder: Path, model: str) -> None:
    store, key = recorded_store(recorded_folder, model, "aime24")
    gold = key.ids(store)
    n_seeds = 8
    with np.load(recorded_folder / "reference" / f"episodes_{model}_aime24.npz") as reference:
        assert {name.removesuffix("__tokens") for name in reference if name.endswith("__tokens")} == set(PER_EPISODE)
        for name, (baseline, setting) in PER_EPISODE.items():
            outcomes = outcomes_of(store, baseline, setting, range(n_seeds))
            correct = outcomes.answers.reshape(n_seeds, -1) == gold
            assert np.array_equal(outcomes.tokens.reshape(n_seeds, -1), reference[f"{name}__tokens"][:n_seeds]), name
            assert np.array_equal(correct, reference[f"{name}__correct"][:n_seeds]), name


REFERENCE_ROWS = [
    ("Qwen3-1.7B", "aime24", "adaptive_short", "n=64;wave=8;threshold=0.85;first=0.25"),
    ("Qwen3-4B", "aime24", "adaptive_short", "n=32;wave=8;threshold=0.85;first=0.25"),
    ("Qwen3-4B", "aime24", "asc", "n=64;threshold=0.95"),
    ("Qwen3-8B", "aime24", "short_m_k", "m=8;k=16"),
    ("Qwen3-8B", "aime24", "cmc", "beta=0"),
    ("Qwen3-0.6B", "aime25", "sc", "n=16"),
    ("Qwen3-0.6B", "aime25", "sc", "n=2"),
    ("Qwen3-0.6B", "aime25", "esc", "n=64;window=8"),
    ("Qwen3-1.7B", "aime25", "asc", "n=64;threshold=0.95"),
    ("Qwen3-8B", "aime25", "short_m_k", "m=8;k=16"),
    ("Qwen3-8B", "aime25", "adaptive_short", "n=32;wave=8;threshold=0.85;first=0.25"),
    ("Qwen3-8B", "aime25", "cmc", "beta=0.2"),
]
"""Rows of the reference tables that take a second or less; the script that compares all of them takes minutes."""


@pytest.mark.parametrize(("model", "benchmark", "baseline", "setting"), REFERENCE_ROWS)
def test_totals_over_all_seeds_equal_the_reference(
    recorded_folder: Path, model: str, benchmark: str, baseline: str, setting: str
) -> None:
    with (recorded_folder / "reference" / f"reference_{benchmark}.csv").open() as file:
        rows = {(row["model"], row["controller"], row["setting"]): row for row in csv.DictReader(file)}
    row = rows[model, baseline, setting]
    store, key = recorded_store(recorded_folder, model, benchmark)
    pairs = (pair.split("=") for pair in setting.split(";"))
    values = {name: float(value) if "." in value else int(value) for name, value in pairs}
    outcomes = outcomes_of(store, baseline, values, range(100))
    correct = outcomes.answers.reshape(100, -1) == key.ids(store)
    assert int(correct.sum()) == int(row["correct_episodes_of_3000"])
    assert int(outcomes.tokens.sum()) == int(row["total_tokens"])


# By hand, on branches of known content. All end after the interval in which they are named.


def whole(final: str | None, tokens: int) -> Recording:
    """A branch of intervals of 100 tokens that gives one answer all along."""
    return Recording((final,) * (tokens // 100), tokens, final)


def played(name: str, setting: dict[str, Any], branches: Sequence[Recording]) -> tuple[str | None, int, int]:
    """Answer, tokens and sequential tokens of one baseline on these branches, in this order."""
    store, _ = store_of([in_opening_order(branches, 0)])
    outcomes = outcomes_of(store, name, setting, [0])
    answer = outcomes.answers[0]
    words = store.vocabularies[0]
    return (words[answer] if answer >= 0 else None), int(outcomes.tokens[0]), int(outcomes.sequential_tokens[0])


def test_self_consistency_completes_all_side_by_side() -> None:
    branches = [whole("a", 150), whole("b", 420), whole("b", 30), whole("a", 99)]
    assert played("sc", {"n": 4}, branches) == ("a", 699, 420)
    assert played("sc", {"n": 3}, branches) == ("b", 600, 420)
    assert played("sc", {"n": 64}, branches) == ("a", 699, 420)


def test_no_answer_is_a_vote_like_any_other() -> None:
    assert played("sc", {"n": 3}, [whole(None, 100), whole("a", 100), whole(None, 100)]) == (None, 300, 100)


def test_adaptive_self_consistency_stops_once_the_leader_is_safe() -> None:
    same = [whole("a", 100 + n) for n in range(8)]
    assert played("asc", {"n": 8}, same) == ("a", 100 + 101 + 102 + 103, 406)
    assert played("asc", {"n": 8, "threshold": 0.5}, same) == ("a", 201, 201)
    assert played("asc", {"n": 8, "threshold": 0.5}, [whole("b", 10), *same]) == ("a", 10 + 100 + 101, 211)
    assert played("asc", {"n": 1}, same) == ("a", 100, 100)
    assert played("asc", {"n": 99}, same[:2]) == ("a", 201, 201)


def test_early_stopping_ends_with_a_unanimous_window() -> None:
    branches = [whole(answer, 10) for answer in "abbbccccc"]
    assert played("esc", {"n": 9, "window": 2}, branches) == ("b", 40, 20)
    assert played("esc", {"n": 9, "window": 3}, branches) == ("c", 90, 30)
    assert played("esc", {"n": 5, "window": 3}, branches) == ("b", 30, 10)


def test_short_m_at_k_lets_all_that_finished_in_the_last_step_vote() -> None:
    branches = [whole("a", 250), whole("b", 120), whole("b", 240), whole("c", 900)]
    assert played("short_m_k", {"k": 4, "m": 1}, branches) == ("b", 100 * 4 + 20 + 300, 200)
    assert played("short_m_k", {"k": 4, "m": 2}, branches) == ("b", 400 + 20 + 300 + 50 + 40 + 100, 300)
    assert played("short_m_k", {"k": 4, "m": 9}, branches) == ("b", 250 + 120 + 240 + 900, 900)


def test_adaptive_short_prunes_a_wave_once_its_quickest_have_voted() -> None:
    branches = [whole("a", 130), whole("b", 800), whole("b", 140), whole("c", 900)]
    setting = {"n": 4, "wave": 2, "threshold": 0.9, "first": 0.5}
    assert played("adaptive_short", setting, branches) == ("a", 200 + 30 + 100 + 200 + 40 + 100, 400)
    assert played("adaptive_short", setting | {"threshold": 0.7}, branches) == ("a", 330, 200)


def test_parallel_probe_prunes_what_stays_off_track() -> None:
    branches = [whole("a", 600), whole("a", 600), whole("b", 900)]
    setting = {"n": 3, "patience": 2, "warm_up": 1, "stable": 99, "max_steps": 100}
    tokens = 2 * 600 + 100 + 3 * 100
    assert played("parallel_probe", setting, branches) == ("a", tokens, 600)
    assert played("parallel_probe", setting | {"stable": 2}, branches) == ("a", 3 * 400, 400)
    assert played("parallel_probe", setting | {"max_steps": 1}, branches) == ("a", 600, 200)


def test_the_confidence_momentum_controller_stops_when_its_pool_is_sure() -> None:
    branches = [whole("a", 150)] * 4
    answer, tokens, sequential_tokens = played("cmc", {"beta": 0.0}, branches)
    assert (answer, tokens) == ("a", 2 * 150)
    assert sequential_tokens == 150


# By rule, on small random branches: ties, missing answers, branches without probes, fewer branches than asked for.


VALUES: dict[str, dict[str, Sequence[Any]]] = {
    "sc": {"n": range(1, 13)},
    "asc": {"n": range(1, 13), "threshold": (0.5, 0.75, 0.9)},
    "esc": {"n": range(1, 15), "window": range(1, 6)},
    "parallel_probe": {
        "n": range(1, 10),
        "stable": range(1, 9),
        "patience": range(1, 4),
        "warm_up": range(0, 4),
        "max_steps": range(1, 16),
    },
    "short_m_k": {"k": range(1, 10), "m": range(1, 10)},
    "adaptive_short": {
        "n": range(1, 11),
        "wave": range(1, 5),
        "threshold": (0.5, 0.6875, 0.75, 0.9),
        "first": (0.25, 0.5, 1.0),
    },
    "cmc": {
        "open0": range(1, 5),
        "width": range(4, 10),
        "warm_up": range(0, 5),
        "patience": range(1, 4),
        "window": range(1, 5),
        "alpha": (0.3, 0.5, 0.7, 1.0),
        "level": (0.5, 0.7, 0.85, 0.875, 0.97),
        "slack": (0.0, 0.04, 0.5),
        "burst": range(1, 4),
        "widen": range(1, 4),
        "trend": (0.0, 0.04, 0.5),
        "enough": range(1, 5),
    },
}


@pytest.mark.parametrize("name", baselines.NAMES)
def test_every_baseline_follows_its_rule(name: str) -> None:
    assert vars(prepared(name, {})[1]).keys() == VALUES[name].keys()
    for seed in range(600 if name == "cmc" else 150):
        drawn = random.Random(seed)
        values = {key: drawn.choice(choices) for key, choices in VALUES[name].items()}
        branches = [random_branch(drawn) for _ in range(drawn.randint(1, 12))]
        answer, tokens = SLOW_BASELINES[name]([SlowBranch(branch) for branch in branches], **values)
        assert played(name, values, branches)[:2] == (answer, tokens), (seed, values, branches)


def random_branch(drawn: random.Random) -> Recording:
    """A branch of 0 to 9 probes, often of the same answer again, its length close to what the probes say or not."""
    answers = [drawn.choice(("a", "a", "b", "c", None))]
    for _ in range(drawn.randint(0, 9)):
        answers.append(answers[-1] if drawn.random() < 0.6 else drawn.choice(("a", "b", "c", None)))
    return Recording(tuple(answers[:-1]), max(1, 100 * len(answers) - drawn.randint(-60, 250)), answers[-1])


# The files themselves


@pytest.mark.parametrize("name", baselines.NAMES)
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_schedules_hold_plain_finite_values(name: str, beta: float) -> None:
    _, values = prepared(name, {"beta": beta})
    for key, value in vars(values).items():
        assert key.isidentifier()
        assert type(value) in (int, float)
        assert math.isfinite(value)


def test_curves_spend_as_the_design_says() -> None:
    betas = [step / 10 for step in range(11)]
    assert [prepared("sc", {"beta": beta})[1].n for beta in betas] == [1, 2, 2, 3, 5, 8, 12, 18, 28, 42, 64]
    for name in ("asc", "esc"):
        assert [prepared(name, {"beta": b})[1].n for b in betas] == [8, 10, 12, 15, 18, 23, 28, 34, 42, 52, 64]


def test_the_confidence_momentum_schedule_is_the_published_one() -> None:
    assert vars(prepared("cmc", {"beta": 0.5})[1]) == {
        "open0": 5,
        "width": 34,
        "warm_up": 6,
        "patience": 8,
        "window": 5,
        "alpha": 0.5,
        "level": 0.91,
        "slack": 0.025,
        "burst": 2,
        "widen": 2,
        "trend": 0.025,
        "enough": 4,
    }


def test_an_unknown_baseline_is_an_error() -> None:
    for name in ("none", "__init__", "../votes"):
        with pytest.raises(KeyError):
            baseline_source(name)


def test_every_baseline_file_is_listed() -> None:
    files = {path.stem for path in Path(baselines.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(baselines.NAMES)
