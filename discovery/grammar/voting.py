"""Parts that decide who votes, and with which weight. An answer of None never votes."""

from discovery.grammar.constants import count, level
from discovery.grammar.parts import Family, Need, Part

FINISHED_ONLY = Part(
    Family.VOTERS,
    "finished only",
    "The finished branches vote",
    (),
    "",
    "",
    weight=3.0,
)

RUNNING_TOO = Part(
    Family.VOTERS,
    "running too",
    "The finished branches vote; a running one that has kept its answer for `settled` intervals adds `share` of a vote",
    (level("share", 0.3, 0.3, 0.05, 1), count("settled", 5, 5, 1, 30)),
    """\
def add_running(episode, p, seen, scores):
    for b in episode.active:
        label, since = seen[b]
        if label is not None and episode.depth(b) - since >= p.settled:
            scores[label] = scores.get(label, 0) + p.share
""",
    "add_running(episode, p, seen, scores)",
    frozenset({Need.SEEN}),
)

EQUAL = Part(
    Family.WEIGHTS,
    "equal",
    "Finished branches have one vote each",
    (),
    '''\
def count_votes(finished):
    """Answer -> votes of the finished branches."""
    return tally([label for label in finished.values() if label is not None])
''',
    "count_votes(finished)",
)

QUICK = Part(
    Family.WEIGHTS,
    "quick ones heavier",
    "A finished branch weighs (depth of the first that finished / own depth) ** `haste`",
    (level("haste", 1.1, 0.15, 0.05, 4),),
    '''\
def count_votes(episode, p, finished):
    """Answer -> weight of the finished branches that gave it."""
    scores = {}
    quickest = episode.depth(next(iter(finished), 0))
    for b, label in finished.items():
        if label is not None:
            scores[label] = scores.get(label, 0) + (quickest / max(1, episode.depth(b))) ** p.haste
    return scores
''',
    "count_votes(episode, p, finished)",
    weight=2.0,
)

EARLY = Part(
    Family.WEIGHTS,
    "early ones heavier",
    "Each finished branch weighs `fade` times as much as the one that finished before it",
    (level("fade", 0.9, 0.98, 0.5, 0.999),),
    '''\
def count_votes(p, finished):
    """Answer -> weight of the finished branches that gave it."""
    scores = {}
    for place, label in enumerate(finished.values()):
        if label is not None:
            scores[label] = scores.get(label, 0) + p.fade**place
    return scores
''',
    "count_votes(p, finished)",
)

PARTS = (FINISHED_ONLY, RUNNING_TOO, EQUAL, QUICK, EARLY)
