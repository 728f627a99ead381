"""Parameters of the simulated reasoning model, one set per model scale. The model itself is in `synthetic`.

Fitted to recorded trajectories of four model scales on thirty competition questions, of which nothing is kept here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Scale:
    """One model scale. Shares and probabilities are in [0, 1]; `_sd` is a standard deviation.

    Log tokens are natural logarithms of token counts; a settling point is a share of a branch's probes.

    Attributes:
        index: Tells the scales' streams of random numbers apart.
        ability_logits: Log odds that a branch ends correct, on the typical question.
        difficulty_sd_logits: Between questions, of those log odds.
        shared_difficulty: Correlation of a question's difficulty with the one that all scales share.
        wrong_discount: Discount of the wrong answers' Pitman-Yor shares: the larger, the more never repeat.
        wrong_concentration: Concentration of those shares: the larger, the less popular the most popular one.
        trapped_concentration: The same for questions that hardly any branch solves.
        log_tokens: Mean log tokens of a branch on a question that every branch solves.
        hard_log_tokens: What is added to that on a question that no branch solves.
        question_log_sd: Of the mean log tokens between equally difficult questions.
        correct_log_sd: Of the log tokens between the correct branches of a question.
        wrong_log_sd: The same between branches of one wrong answer.
        wrong_log_offset: How much longer wrong branches of a question are than correct ones, in log tokens.
        offset_question_sd: Of that offset between questions.
        offset_answer_sd: Of that offset between the wrong answers of a question.
        loop_correct: Probability that a branch bound for the correct answer runs into the limit, whatever its length.
        loop_wrong: The same for the other branches.
        cut_keeps_answer: Probability that a branch that is cut off still gives the answer it was bound for.
        cut_no_answer: Probability that one that does not gives none at all.
        settle_correct: Mean settling point of correct branches.
        settle_correct_sd: Of the settling points of correct branches of one question.
        settle_wrong: Mean settling point of wrong branches.
        settle_wrong_sd: Of the settling points of wrong branches of one question.
        settle_cut: Mean settling point of branches that are cut off.
        settle_question_sd: Of the mean settling point between questions.
        persistence: Probability that a guess before the settling point is that of the probe before.
        silent: Mean share of guesses that are no answer.
        silent_sd: Of that share between questions.
        guess_top: Mean share of a question's most popular guess among its guesses.
        guess_top_sd: Of that share between questions.
        guess_correct: Probability that the most popular guess is correct, on a question that every branch solves.
        guess_trap: Probability that it is the most popular wrong answer, on a question that no branch solves.
        glimpse: Probability of a glimpse of a later answer in place of a guess, halfway through a branch.
    """

    index: int
    ability_logits: float
    difficulty_sd_logits: float
    shared_difficulty: float
    wrong_discount: float
    wrong_concentration: float
    trapped_concentration: float
    log_tokens: float
    hard_log_tokens: float
    question_log_sd: float
    correct_log_sd: float
    wrong_log_sd: float
    wrong_log_offset: float
    offset_question_sd: float
    offset_answer_sd: float
    loop_correct: float
    loop_wrong: float
    cut_keeps_answer: float
    cut_no_answer: float
    settle_correct: float
    settle_correct_sd: float
    settle_wrong: float
    settle_wrong_sd: float
    settle_cut: float
    settle_question_sd: float
    persistence: float
    silent: float
    silent_sd: float
    guess_top: float
    guess_top_sd: float
    guess_correct: float
    guess_trap: float
    glimpse: float


def _mapping() -> Mapping[str, Scale]:
    names = ("0.6B", "1.7B", "4B", "8B")
    columns = {
        "ability_logits": (-4.0, -1.0, 2.0, 3.25),
        "difficulty_sd_logits": (3.0, 2.5, 3.75, 4.25),
        "shared_difficulty": (0.70, 0.88, 0.98, 0.98),
        "wrong_discount": (0.4, 0.4, 0.4, 0.4),
        "wrong_concentration": (4.0, 2.5, 2.0, 2.0),
        "trapped_concentration": (3.0, 1.5, 0.3, 0.2),
        "log_tokens": (8.71, 8.89, 9.01, 9.10),
        "hard_log_tokens": (0.87, 1.09, 1.03, 0.98),
        "question_log_sd": (0.36, 0.33, 0.43, 0.43),
        "correct_log_sd": (0.44, 0.34, 0.28, 0.26),
        "wrong_log_sd": (0.36, 0.20, 0.20, 0.20),
        "wrong_log_offset": (0.22, 0.43, 0.45, 0.34),
        "offset_question_sd": (0.12, 0.18, 0.28, 0.28),
        "offset_answer_sd": (0.20, 0.20, 0.20, 0.18),
        "loop_correct": (0.002, 0.001, 0.001, 0.002),
        "loop_wrong": (0.003, 0.003, 0.010, 0.012),
        "cut_keeps_answer": (0.10, 0.10, 0.10, 0.15),
        "cut_no_answer": (0.15, 0.11, 0.13, 0.45),
        "settle_correct": (0.65, 0.60, 0.64, 0.61),
        "settle_correct_sd": (0.25, 0.22, 0.20, 0.20),
        "settle_wrong": (0.81, 0.78, 0.73, 0.74),
        "settle_wrong_sd": (0.18, 0.20, 0.24, 0.24),
        "settle_cut": (0.84, 0.84, 0.88, 0.83),
        "settle_question_sd": (0.12, 0.17, 0.17, 0.19),
        "persistence": (0.38, 0.38, 0.38, 0.38),
        "silent": (0.06, 0.06, 0.16, 0.08),
        "silent_sd": (0.12, 0.14, 0.19, 0.11),
        "guess_top": (0.55, 0.46, 0.53, 0.52),
        "guess_top_sd": (0.26, 0.20, 0.20, 0.20),
        "guess_correct": (0.40, 0.35, 0.35, 0.32),
        "guess_trap": (0.06, 0.15, 0.40, 0.40),
        "glimpse": (0.10, 0.10, 0.12, 0.12),
    }
    return MappingProxyType(
        {
            name: Scale(index, **{key: column[index] for key, column in columns.items()})
            for index, name in enumerate(names)
        }
    )


SCALES = _mapping()
"""The scales by name."""
