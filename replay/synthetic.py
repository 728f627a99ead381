"""A simulated reasoning model: recorded trajectories drawn from a generative model, in the published JSON layout.

For tests, demonstrations and ranking families of controllers. Not for choosing constants that are to hold on a real
model, and not for claims about one.

Its parameters (`synthetic_scales`) were fitted to four small models on thirty competition questions. What it does not
capture:
- why an answer is given: wrong answers have nothing to do with those of another scale, and the probes of a branch only
  share the question, its final answer and a sticky chain of guesses;
- lengths that come in several modes, and anything that a branch's text would show before its probes do;
- other benchmarks, other kinds of answers, longer limits, larger models.
Scales differ less in what a clever controller gains on them than the recorded models do.
`scripts/compare_synthetic.py` shows how close it comes.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from replay.errors import StoreError
from replay.importer import NO_ANSWER_TEXT
from replay.synthetic_scales import SCALES, Scale

INTERVAL_TOKENS = 500
"""Tokens between probes."""

LIMIT_TOKENS = 40_960
"""Length at which a branch is cut off, give or take the last probe."""

SHORTEST_TOKENS = 1_200
"""Length of the shortest branches."""

_CUT_TOKENS = 540
"""A branch that is cut off overshoots the limit by up to this many tokens."""

_MAX_PROBES = 80

_LUCK_SHAPE = 0.4
"""First parameter of the Beta distribution of how likely a branch is correct on a question beyond reach."""

_EASY_GUESS = 8
"""A popular guess is correct in proportion to this power of the share of branches that are."""

_HARD_SPREAD = 0.6
"""Spread of log tokens between questions that no branch solves, relative to those that every branch solves."""

_OFFSET_BY_EASE = 0.8
"""How much the extra length of wrong branches grows, relative to its mean, from unsolved to always solved questions."""

_SPREAD_SD = 0.25
"""Of the logarithm of the factor by which the spread of log tokens differs between questions."""

_SETTLE_BY_LENGTH = 0.2
"""How much later a branch settles per unit of log tokens over its question's mean."""

_GUESS_CONCENTRATION = 3.0
"""Concentration of the shares of a question's guesses but the most popular one."""

_GLIMPSE_OWN = 0.7
"""Share of glimpses that show the branch's own final answer, and not the one that its question makes likely."""

_PACE, _PACE_SD, _PACE_START = 1.04, 0.02, 0.85
"""Tokens per probe relative to the interval, their spread, and how many probes a branch is ahead by at its start."""

_NO_ANSWER = -1
_GOLD = 0
_WRONG = 1
_GUESS = 101
_FRESH = 201
"""Answer ids of a question: the correct one; then where wrong answers, guesses and those that never repeat begin."""

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


def simulate(
    scale: str, *, n_questions: int = 30, n_branches: int = 128, rng: np.random.Generator, benchmark: str = "demo"
) -> list[dict[str, Any]]:
    """Draws recorded trajectories of one model on one benchmark.

    Generators in the same state give every scale the same questions: texts, gold answers, and difficulties and lengths
    that are correlated between scales. Texts depend on `benchmark` and the question's number alone.

    Args:
        scale: One of `SCALES`.
        n_questions: Questions of the benchmark.
        n_branches: Branches of each question.
        rng: Where the randomness comes from.
        benchmark: Name of the benchmark; part of the question texts.

    Returns:
        Per question: question, gold_answer, probe_freq (tokens), each_branch as
        [probe_answers, branch_tokens, final_answer], and final_answers_trace. "ERR" means no answer. As in recorded
        data, the probes of about one branch in seven reach beyond its tokens.

    Raises:
        StoreError: If there is no such scale.
    """
    if scale not in SCALES:
        raise StoreError(f"no scale is called {scale!r}", hint=f"choose one of {', '.join(SCALES)}")
    shared, *own = rng.spawn(1 + len(SCALES))
    parameters = SCALES[scale]
    rng = own[parameters.index]
    simulated = []
    for index in range(n_questions):
        gold = int(shared.integers(1000))
        question = _Question.draw(parameters, shared.normal(size=2), rng)
        branches = _Branches.draw(parameters, question, n_branches, rng)
        simulated.append(
            {
                "question": f"Question {index + 1} of the simulated benchmark {benchmark}.",
                "gold_answer": str(gold),
                "probe_freq": INTERVAL_TOKENS,
                **branches.layout(gold, rng),
            }
        )
    return simulated


@dataclass(frozen=True, slots=True)
class _Question:
    """What the branches of a question have in common.

    Attributes:
        solvable: Probability that a branch is bound for the correct answer.
        wrong_shares: Shares of the popular wrong answers; the rest never repeat.
        guess_shares: Shares of the popular guesses that are answers; the rest never repeat.
        guess_ids: Their answer ids.
        silent: Share of guesses that are no answer.
        log_tokens: Mean log tokens of correct branches.
        offsets: How much longer branches of each popular wrong answer are.
        other_offset: The same, on average, for the answers that never repeat.
        spread: Factor on the spread of log tokens.
        settle_offset: How much later than usual branches settle.
    """

    solvable: float
    wrong_shares: Floats
    guess_shares: Floats
    guess_ids: Ids
    silent: float
    log_tokens: float
    offsets: Floats
    other_offset: float
    spread: float
    settle_offset: float

    @classmethod
    def draw(cls, scale: Scale, shared: Floats, rng: np.random.Generator) -> "_Question":
        """Draws a question. `shared` is its difficulty and length for all scales, in standard deviations."""
        correlation = np.array([scale.shared_difficulty, scale.shared_length])
        ease, length = correlation * shared + np.sqrt(1 - correlation**2) * rng.normal(size=2)
        in_reach, solvable = _solvable(scale, float(ease), rng)
        concentration = scale.wrong_concentration if in_reach else scale.trapped_concentration
        wrong_shares = _pitman_yor(scale.wrong_discount, concentration, _GUESS - _WRONG, rng)
        mean_offset = scale.wrong_log_offset * (1 + _OFFSET_BY_EASE * (solvable - 0.5))
        mean_offset = rng.normal(mean_offset, scale.offset_question_sd)
        offsets = rng.normal(mean_offset, scale.offset_answer_sd, len(wrong_shares))
        offsets[0] -= scale.popular_log_offset
        length *= scale.question_log_sd * (1 - (1 - _HARD_SPREAD) * (1 - solvable))
        mean_log_tokens = scale.log_tokens + scale.hard_log_tokens * (1 - solvable) + length
        average_offset = wrong_shares @ offsets + (1 - wrong_shares.sum()) * mean_offset
        guess_shares, guess_ids = _guesses(scale, solvable, rng)
        return cls(
            solvable=solvable,
            wrong_shares=wrong_shares,
            guess_shares=guess_shares,
            guess_ids=guess_ids,
            silent=float(_beta(scale.silent, scale.silent_sd, 1, rng)[0]),
            log_tokens=float(mean_log_tokens - (1 - solvable) * average_offset),
            offsets=offsets,
            other_offset=float(mean_offset),
            spread=float(np.exp(rng.normal(0, _SPREAD_SD))),
            settle_offset=float(rng.normal(0, scale.settle_question_sd)),
        )


@dataclass(frozen=True, slots=True)
class _Branches:
    """The branches of a question as arrays, answers by id.

    Attributes:
        tokens: (branches,) whole lengths.
        n_probes: (branches,) probes of each.
        probes: (branches, probes) answer ids; a branch's last probe is its final answer.
        finals: (branches,) final answer ids.
    """

    tokens: Ids
    n_probes: Ids
    probes: Ids
    finals: Ids

    @classmethod
    def draw(cls, scale: Scale, question: _Question, n_branches: int, rng: np.random.Generator) -> "_Branches":
        """Draws branches: where each is bound for, how long it is, whether it is cut off, and its probes."""
        finals = _wrong_answers(question, n_branches, _FRESH, rng)
        correct = rng.random(n_branches) < question.solvable
        finals[correct] = _GOLD
        log_tokens, surplus = _log_tokens(scale, question, finals, rng)
        looping = rng.random(n_branches) < np.where(correct, scale.loop_correct, scale.loop_wrong)
        cut = (log_tokens > np.log(LIMIT_TOKENS)) | looping
        tokens = np.maximum(np.exp(log_tokens), SHORTEST_TOKENS).astype(np.int64)
        tokens[cut] = LIMIT_TOKENS + rng.integers(0, _CUT_TOKENS, n_branches)[cut]
        lost = cut & (rng.random(n_branches) >= scale.cut_keeps_answer)
        silent = rng.random(n_branches) < scale.cut_no_answer
        others = np.where(silent, _NO_ANSWER, _wrong_answers(question, n_branches, _FRESH + n_branches, rng))
        finals = np.where(lost, others, finals)
        n_probes = _probe_counts(tokens, rng)
        settled = np.minimum(_settling(scale, question, finals, cut, surplus, rng) * n_probes, n_probes - 1)
        probes = _guessing(scale, question, finals, n_probes, rng)
        at = np.arange(probes.shape[1])
        probes = np.where(at < settled.astype(np.int64)[:, None], probes, finals[:, None])
        return cls(tokens, n_probes, probes, finals)

    def layout(self, gold: int, rng: np.random.Generator) -> dict[str, Any]:
        """The branches in the published layout. Popular answers are numbers below 1,000."""
        ids, inverse = np.unique(np.concatenate([self.probes.ravel(), self.finals]), return_inverse=True)
        others = rng.permutation(np.delete(np.arange(1000), gold))
        texts = np.empty(len(ids), object)
        for place, answer in enumerate(ids.tolist()):
            if answer == _NO_ANSWER:
                texts[place] = NO_ANSWER_TEXT
            elif answer == _GOLD:
                texts[place] = str(gold)
            elif answer < _FRESH:
                texts[place] = str(others[answer])
            else:
                texts[place] = str(1000 + place)
        split = self.probes.size
        probes = texts[inverse[:split]].reshape(self.probes.shape).tolist()
        finals = texts[inverse[split:]].tolist()
        rows = zip(probes, self.n_probes.tolist(), self.tokens.tolist(), finals, strict=True)
        return {
            "each_branch": [[answers[:count], tokens, final] for answers, count, tokens, final in rows],
            "final_answers_trace": finals,
        }


def _solvable(scale: Scale, ease: float, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether a question is within reach, and the probability that a branch is bound for the correct answer.

    Args:
        ease: How easy the question is, standard normal over questions.
    """
    rank = NormalDist().cdf(ease)
    if rank < scale.beyond_reach:
        return False, float(rng.beta(_LUCK_SHAPE, _LUCK_SHAPE * (1 / scale.lucky - 1)))
    within = (rank - scale.beyond_reach) / (1 - scale.beyond_reach)
    deviation = NormalDist().inv_cdf(min(max(within, 1e-6), 1 - 1e-6))
    log_odds = scale.ability_logits + scale.difficulty_sd_logits * deviation
    return True, 1 / (1 + math.exp(-log_odds))


def _beta(mean: Floats | float, sd: Floats | float, size: int, rng: np.random.Generator) -> Floats:
    """Beta-distributed values by mean and standard deviation."""
    mean = np.clip(mean, 0.01, 0.98)
    kappa = np.maximum(mean * (1 - mean) / sd**2 - 1, 0.3)
    return rng.beta(mean * kappa, (1 - mean) * kappa, size)


def _pitman_yor(discount: float, concentration: float, n_sticks: int, rng: np.random.Generator) -> Floats:
    """Shares of the first answers of a Pitman-Yor process, by stick-breaking (Pitman and Yor 1997), largest first."""
    broken = rng.beta(1 - discount, concentration + discount * np.arange(1, n_sticks + 1))
    left = np.concatenate([[1.0], np.cumprod(1 - broken)[:-1]])
    return np.sort(broken * left)[::-1]


def _guesses(scale: Scale, solvable: float, rng: np.random.Generator) -> tuple[Floats, Ids]:
    """Shares and answer ids of a question's popular guesses."""
    top = _beta(scale.guess_top, scale.guess_top_sd, 1, rng)
    shares = np.concatenate([top, (1 - top) * _pitman_yor(0.0, _GUESS_CONCENTRATION, 24, rng)])
    ids = np.arange(_GUESS, _GUESS + len(shares))
    lure = rng.random()
    if lure < scale.guess_correct * solvable**_EASY_GUESS:
        ids[0] = _GOLD
    elif lure > 1 - scale.guess_trap * (1 - solvable) ** 3:
        ids[0] = _WRONG
    return shares, ids


def _wrong_answers(question: _Question, n_branches: int, fresh: int, rng: np.random.Generator) -> Ids:
    """(branches,) wrong answer ids; those that never repeat are numbered from `fresh`."""
    chosen = np.searchsorted(np.cumsum(question.wrong_shares), rng.random(n_branches), side="right")
    return np.where(chosen < len(question.wrong_shares), _WRONG + chosen, fresh + np.arange(n_branches))


def _log_tokens(scale: Scale, question: _Question, finals: Ids, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(branches,) log tokens, and by how much they exceed the mean of their answer."""
    popular = (finals >= _WRONG) & (finals < _GUESS)
    offsets = rng.normal(question.other_offset, scale.offset_answer_sd, len(finals))
    offsets = np.where(popular, question.offsets[np.where(popular, finals - _WRONG, 0)], offsets)
    offsets[finals == _GOLD] = 0.0
    sd = np.where(finals == _GOLD, scale.correct_log_sd, scale.wrong_log_sd) * question.spread
    surplus = rng.normal(0, sd)
    return question.log_tokens + offsets + surplus, surplus


def _probe_counts(tokens: Ids, rng: np.random.Generator) -> Ids:
    """(branches,) probes. Recorded ones run ahead of the tokens in short branches and fall behind in long ones."""
    pace = rng.normal(_PACE, _PACE_SD, len(tokens))
    counts = np.floor(tokens / (INTERVAL_TOKENS * pace) + _PACE_START).astype(np.int64)
    return np.clip(counts, 2, _MAX_PROBES)


def _settling(
    scale: Scale,
    question: _Question,
    finals: Ids,
    cut: npt.NDArray[np.bool_],
    surplus: Floats,
    rng: np.random.Generator,
) -> Floats:
    """(branches,) the share of its probes after which a branch gives nothing but its final answer."""
    correct = finals == _GOLD
    mean = np.where(correct, scale.settle_correct, scale.settle_wrong)
    mean = np.where(cut, scale.settle_cut, mean + question.settle_offset + _SETTLE_BY_LENGTH * surplus)
    mean = np.clip(mean, 0.05, 0.95)
    sd = np.where(correct, scale.settle_correct_sd, scale.settle_wrong_sd)
    return _beta(mean, sd, len(finals), rng)


def _guessing(scale: Scale, question: _Question, finals: Ids, n_probes: Ids, rng: np.random.Generator) -> Ids:
    """(branches, probes) answer ids of a sticky chain of guesses with glimpses of later answers."""
    shape = (len(finals), int(n_probes.max()))
    at = np.arange(shape[1])
    chosen = np.searchsorted(np.cumsum(question.guess_shares), rng.random(shape), side="right")
    fresh = _FRESH + 2 * len(finals) + np.arange(chosen.size).reshape(shape)
    known = chosen < len(question.guess_ids)
    drawn = np.where(known, question.guess_ids[np.where(known, chosen, 0)], fresh)
    likely = np.where(rng.random(shape) < question.solvable, _GOLD, _WRONG)
    glimpsed = np.where(rng.random(shape) < _GLIMPSE_OWN, finals[:, None], likely)
    glimpsing = rng.random(shape) < scale.glimpse * 2 * at / n_probes[:, None]
    drawn = np.where(glimpsing, glimpsed, drawn)
    drawn = np.where(rng.random(shape) < question.silent, _NO_ANSWER, drawn)
    renewed = rng.random(shape) >= scale.persistence
    renewed[:, 0] = True
    latest = np.maximum.accumulate(np.where(renewed, at, 0), axis=1)
    return np.take_along_axis(drawn, latest, axis=1)
