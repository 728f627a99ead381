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
        beyond_reach: Share of the questions, the hardest, that the model all but never solves.
        lucky: Mean probability that a branch ends correct on one of these.
        ability_logits: Mean log odds that a branch ends correct on one of the other questions.
        difficulty_sd_logits: Of those log odds between questions.
        shared_difficulty: Correlation of a question's difficulty with the one that all scales share.
        wrong_discount: Discount of the wrong answers' Pitman-Yor shares: the larger, the more never repeat.
        wrong_concentration: Concentration of those shares: the larger, the less popular the most popular one.
        trapped_concentration: The same for questions that are beyond reach.
        log_tokens: Mean log tokens of a branch on a question that every branch solves.
        hard_log_tokens: What is added to that on a question that no branch solves.
        question_log_sd: Of the mean log tokens between questions that every branch solves.
        shared_length: Correlation of those log tokens, difficulty aside, with the ones that all scales share.
        correct_log_sd: Of the log tokens between the correct branches of a question.
        wrong_log_sd: The same between branches of one wrong answer.
        wrong_log_offset: How much longer wrong branches of a question are than correct ones, in log tokens, where half
            of the branches are correct.
        popular_log_offset: How much shorter those of the most popular wrong answer are than other wrong ones.
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
    beyond_reach: float
    lucky: float
    ability_logits: float
    difficulty_sd_logits: float
    shared_difficulty: float
    wrong_discount: float
    wrong_concentration: float
    trapped_concentration: float
    log_tokens: float
    hard_log_tokens: float
    question_log_sd: float
    shared_length: float
    correct_log_sd: float
    wrong_log_sd: float
    wrong_log_offset: float
    popular_log_offset: float
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
        "beyond_reach": (0.63, 0.23, 0.20, 0.20),
        "lucky": (0.006, 0.006, 0.03, 0.05),
        "ability_logits": (-1.3, 0.55, 2.9, 3.2),
        "difficulty_sd_logits": (1.5, 1.4, 2.0, 2.0),
        "shared_difficulty": (0.85, 0.93, 0.99, 0.99),
        "wrong_discount": (0.6, 0.6, 0.6, 0.6),
        "wrong_concentration": (4.5, 2.3, 1.6, 1.9),
        "trapped_concentration": (2.8, 0.8, -0.1, -0.1),
        "log_tokens": (8.72, 8.97, 9.05, 9.11),
        "hard_log_tokens": (0.87, 1.00, 0.95, 0.92),
        "question_log_sd": (0.55, 0.45, 0.50, 0.50),
        "shared_length": (0.62, 0.88, 0.98, 0.98),
        "correct_log_sd": (0.44, 0.34, 0.28, 0.26),
        "wrong_log_sd": (0.36, 0.20, 0.20, 0.20),
        "wrong_log_offset": (0.26, 0.40, 0.42, 0.34),
        "popular_log_offset": (0.13, 0.12, 0.11, 0.11),
        "offset_question_sd": (0.12, 0.18, 0.28, 0.28),
        "offset_answer_sd": (0.20, 0.20, 0.20, 0.18),
        "loop_correct": (0.002, 0.001, 0.001, 0.002),
        "loop_wrong": (0.003, 0.003, 0.010, 0.012),
        "cut_keeps_answer": (0.10, 0.10, 0.10, 0.15),
        "cut_no_answer": (0.20, 0.20, 0.22, 0.45),
        "settle_correct": (0.68, 0.64, 0.67, 0.65),
        "settle_correct_sd": (0.26, 0.18, 0.16, 0.16),
        "settle_wrong": (0.86, 0.83, 0.77, 0.78),
        "settle_wrong_sd": (0.16, 0.16, 0.20, 0.20),
        "settle_cut": (0.84, 0.84, 0.88, 0.83),
        "settle_question_sd": (0.12, 0.15, 0.14, 0.16),
        "persistence": (0.36, 0.32, 0.30, 0.30),
        "silent": (0.05, 0.07, 0.15, 0.07),
        "silent_sd": (0.12, 0.14, 0.19, 0.11),
        "guess_top": (0.55, 0.46, 0.53, 0.52),
        "guess_top_sd": (0.26, 0.20, 0.20, 0.20),
        "guess_correct": (0.40, 0.35, 0.22, 0.20),
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
