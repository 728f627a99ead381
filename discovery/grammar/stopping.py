"""Parts that decide when the votes are safe enough to answer, and when a question is given up."""

from discovery.grammar.constants import Course, count, level
from discovery.grammar.parts import Family, Need, Part

ENOUGH = count("enough", 2, 2, 1, 8)

LEAD = Part(
    Family.STOPPING,
    "lead",
    "It stops once the leading answer is `lead` votes ahead and `enough` branches have finished",
    (level("lead", 0.4, 3.2, 0.1, 10, Course.GEOMETRIC), ENOUGH),
    """\
def safe(scores, finished, p):
    first, second = front_runners(scores)
    return len(finished) >= p.enough and first - second >= p.lead
""",
    "safe(scores, finished, p)",
    weight=3.0,
)

CONFIDENCE = Part(
    Family.STOPPING,
    "confidence",
    "It stops once the confidence in the leading answer reaches `level` and `enough` branches have finished",
    (level("level", 0.7, 0.96, 0.5, 0.999), ENOUGH),
    """\
def safe(scores, finished, p):
    first, second = front_runners(scores)
    return len(finished) >= p.enough and confidence(round(first), round(second)) >= p.level
""",
    "safe(scores, finished, p)",
)

SHARE = Part(
    Family.STOPPING,
    "majority share",
    "It stops once the leading answer holds `portion` of the votes and `enough` branches have finished",
    (level("portion", 0.7, 0.7, 0.3, 1), count("enough", 2, 8, 1, 24, Course.GEOMETRIC)),
    """\
def safe(scores, finished, p):
    first, _ = front_runners(scores)
    return len(finished) >= p.enough and 0 < first >= p.portion * sum(scores.values())
""",
    "safe(scores, finished, p)",
)

MOMENTUM = Part(
    Family.STOPPING,
    "momentum",
    "It stops once the confidence in the leading answer, smoothed over the rounds, reaches `level`",
    (level("level", 0.6, 0.92, 0.3, 0.999), level("inertia", 0.5, 0.7, 0.05, 0.95)),
    '''\
def smooth(trust, scores, p):
    """Moving average of the confidence in the leading answer."""
    first, second = front_runners(scores)
    return p.inertia * trust + (1 - p.inertia) * confidence(round(first), round(second))
''',
    "trust >= p.level",
    frozenset({Need.TRUST}),
    weight=0.7,
)

PURSE = Part(
    Family.GIVING_UP,
    "purse",
    "It gives up, with the answer it has, once all branches together have gone `purse` intervals",
    (count("purse", 200, 1600, 20, 4000, Course.GEOMETRIC),),
    "",
    "scores and episode.spent >= p.purse",
)

SCATTERED = Part(
    Family.GIVING_UP,
    "scattered",
    "It gives up once `tries` branches have finished and no answer holds `hope` of the votes",
    (count("tries", 4, 16, 3, 48, Course.GEOMETRIC), level("hope", 0.25, 0.2, 0.05, 0.6)),
    """\
def scattered(scores, finished, p):
    first, _ = front_runners(scores)
    return len(finished) >= p.tries and first < p.hope * sum(scores.values())
""",
    "scattered(scores, finished, p)",
)

PARTS = (LEAD, CONFIDENCE, SHARE, MOMENTUM, PURSE, SCATTERED)
