"""The audits: with the language layer off they catch what slips through; honest controllers pass."""

from collections.abc import Iterator

import numpy as np
import pytest

from replay.actions import ActionLog, Operation
from replay.baselines import baseline_source
from replay.tables import QuestionTable, StoreTable, branch_order
from sandbox.audit import Auditor, AuditReport
from sandbox.pool import Block, Job, JobStatus, Pool
from sandbox.redraw import joined_table, redrawn_question
from sandbox.template import Switches
from tests.sandbox_corpus import table_of_branches

SCHEDULE = "def schedule(beta):\n    return {'n': 4}\n\n"


@pytest.fixture(scope="module")
def auditor() -> Iterator[Auditor]:
    """Without the language layer: episodes leak all they know."""
    with Pool([table_of_branches()], _switches=Switches(guarded=False)) as pool, Auditor(pool) as made:
        yield made


@pytest.fixture(scope="module")
def guarded() -> Iterator[Auditor]:
    with Pool([table_of_branches()]) as pool, Auditor(pool) as made:
        yield made


def job_of(source: str, n_seeds: int = 40) -> Job:
    """Both questions, each with all seeds, at three betas."""
    seeds = tuple(seed for seed in range(n_seeds) for _ in range(2))
    return Job(source, tuple(Block(0, beta, (0, 1) * n_seeds, seeds) for beta in (0.0, 0.5, 1.0)))


def audited(auditor: Auditor, source: str) -> tuple[AuditReport, AuditReport]:
    return auditor.audit(job_of(source), np.random.default_rng(11))


N_HONEST = 48

PEEKING = {
    "reads the rows of the episode": """
def control(episode, p):
    ids = episode.branch(4)
    rows = episode._ReplayedEpisode__rows
    shortest = min(ids, key=lambda b: len(rows[b]))
    episode.complete([shortest])
    return episode.probe([shortest])[0]
""",
    "reads the question before it opens anything": """
def control(episode, p):
    question = episode._ReplayedEpisode__question
    n = 1 + sum(map(sum, question.rows)) % 7
    return episode.probe(episode.branch(n, complete=True))[-1]
""",
    "looks at answers without a probe": """
def control(episode, p):
    ids = episode.branch(6)
    rows, ends = episode._ReplayedEpisode__rows, episode._ReplayedEpisode__ends
    now = [rows[b][0 if episode.finished(b) else ends[b] - episode._ReplayedEpisode__clock] for b in ids]
    agreeing = [b for b in ids if now[b] == max(set(now), key=now.count)]
    episode.complete(agreeing)
    return episode.probe(agreeing)[0]
""",
    "finds the table through the garbage collector": """
import gc
def control(episode, p):
    rows = [o for o in gc.get_referents(episode) if type(o).__name__ == "QuestionTable"][0].rows
    n = 1 + len(rows[0]) % 5
    return episode.probe(episode.branch(n, complete=True))[-1]
""",
    "clears the log after a look ahead": """
def control(episode, p):
    ids = episode.branch(5, complete=True)
    labels = episode.probe(ids)
    record = episode._ReplayedEpisode__record
    del record.calls[:4], record.names[:5]
    return labels[max(range(5), key=lambda i: labels.count(labels[i]))]
""",
}


@pytest.mark.parametrize("road", PEEKING)
def test_a_controller_that_peeks_fails_the_causality_audit(auditor: Auditor, road: str) -> None:
    report = auditor.check_causality(job_of(SCHEDULE + PEEKING[road]), np.random.default_rng(11))
    assert not report.passed and ("acts on what was not shown" in report.message or "no legal log" in report.message)


@pytest.mark.parametrize("road", PEEKING)
def test_the_language_layer_refuses_the_same_roads(guarded: Auditor, road: str) -> None:
    causality, _ = audited(guarded, SCHEDULE + PEEKING[road])
    assert not causality.passed and "rejected" in causality.message


IMPURE = {
    "counts episodes": "n = []\n" + SCHEDULE + "def control(episode, p):\n    n.append(1)\n"
    "    return episode.probe(episode.branch(1 + len(n) % 3, complete=True))[-1]\n",
    "counts in a default argument": SCHEDULE + "def control(episode, p, n=[]):\n    n.append(1)\n"
    "    return episode.probe(episode.branch(1 + len(n) % 3, complete=True))[-1]\n",
    "follows the order of a set of text": SCHEDULE + "def control(episode, p):\n"
    "    words = [*{'a', 'bb', 'ccc', 'dddd', 'eeeee', 'ffffff'}]\n"
    "    return episode.probe(episode.branch(len(words[0]), complete=True))[-1]\n",
    "hashes text": SCHEDULE + "def control(episode, p):\n"
    "    return episode.probe(episode.branch(1 + hash('x') % 5, complete=True))[-1]\n",
    "hashes an address": SCHEDULE + "def control(episode, p):\n"
    "    return episode.probe(episode.branch(1 + hash(object()) // 16 % 50, complete=True))[-1]\n",
}


@pytest.mark.parametrize("kind", IMPURE)
def test_a_controller_that_is_not_pure_fails_the_determinism_audit(guarded: Auditor, kind: str) -> None:
    report = guarded.check_determinism(job_of(IMPURE[kind]), np.random.default_rng(11))
    assert not report.passed and "acts differently on the same" in report.message


@pytest.mark.parametrize("name", ["sc", "asc", "esc", "cmc", "parallel_probe", "short_m_k", "adaptive_short"])
def test_honest_controllers_pass_both_audits(guarded: Auditor, name: str) -> None:
    for report in audited(guarded, baseline_source(name)):
        assert report.passed, report.message


def test_dozens_of_honest_controllers_pass(guarded: Auditor) -> None:
    source = (
        "def control(episode, p):\n    ids = episode.branch({a})\n    episode.advance(ids, {b})\n"
        "    episode.complete(ids[:{c}])\n    labels = [x for x in episode.probe(ids) if x is not None]\n"
        "    more = sum(map(episode.depth, ids)) % {d}\n"
        "    labels += episode.probe(episode.branch(more, complete=True))\n"
        "    return majority(labels)\n"
    )
    rng = np.random.default_rng(4)
    for _ in range(N_HONEST):
        a, b, c, d = rng.integers(1, 9, size=4).tolist()
        job = Job(SCHEDULE + source.format(a=a, b=b, c=c, d=d), (Block(0, 0.5, (0, 1), (3, 4)),))
        reports = guarded.audit(job, rng)
        assert all(report.passed for report in reports), (job.source, reports)


def test_a_controller_that_can_not_be_played_again_does_not_pass(guarded: Auditor) -> None:
    reports = audited(guarded, "import os")
    assert not any(report.passed for report in reports)


def log_of(*calls: tuple[Operation, bytes, int]) -> ActionLog:
    packed = b"".join(
        bytes([operation, len(ids)]) + argument.to_bytes(2, "little") for operation, ids, argument in calls
    )
    return ActionLog(packed, b"".join(ids for _, ids, _ in calls))


def test_what_was_shown_is_kept_and_nothing_else() -> None:
    rows = tuple(tuple(100 * branch + cell for cell in range(6)) for branch in range(6))
    question = QuestionTable(rows, (6, 7, 5, 6, 6, 6))
    order = branch_order(9, 6)
    log = log_of(
        (Operation.BRANCH, bytes([0, 1, 2]), 0),
        (Operation.PROBE, bytes([0]), 0),
        (Operation.ADVANCE, bytes([0, 1]), 2),
        (Operation.PROBE, bytes([0]), 0),
        (Operation.ADVANCE, bytes([1]), 9),
        (Operation.COMPLETE, bytes([2]), 0),
        (Operation.PROBE, bytes([2]), 0),
        (Operation.BRANCH, bytes([3]), 1),
    )
    sizes = set()
    for draw in range(30):
        made = redrawn_question(question, 9, 5, log, np.random.default_rng(draw))
        first, second, third, fourth = (made.rows[index] for index in order[:4])
        original = [question.rows[index] for index in order[:4]]
        assert first[0] == original[0][0] and first[2] == original[0][2] and len(first) > 3
        assert len(second) == 6 and made.lengths[order[1]] == question.lengths[order[1]]
        assert third[-1] == original[2][-1] and made.lengths[order[2]] == question.lengths[order[2]]
        assert made.lengths[order[3]] == question.lengths[order[3]]
        sizes |= {len(first), len(third), len(fourth), len(made.rows[order[4]])}
        changed = sum(made.rows[index] != question.rows[index] for index in range(6))
        assert changed == 6
    assert len(sizes) > 5


def test_joined_questions_come_out_as_they_went_in() -> None:
    table = StoreTable.from_bytes(table_of_branches(3))
    questions = [table.question(index) for index in (2, 0, 2)]
    joined = StoreTable.from_bytes(joined_table(table.interval, questions).to_bytes())
    assert joined.interval == table.interval
    assert [joined.question(index) for index in range(len(joined))] == questions


def test_job_statuses_of_the_audit_are_those_of_the_pool(guarded: Auditor) -> None:
    report = guarded.check_causality(
        job_of(SCHEDULE + "def control(episode, p):\n    while True: pass\n"), np.random.default_rng(1)
    )
    assert str(JobStatus.LIMIT) in report.message and not report.passed
