"""Parts that decide which running branches are dropped. They act on what the rounds before have shown."""

from discovery.grammar.constants import count, level
from discovery.grammar.parts import Family, Need, Part

DEPTH_CAP = Part(
    Family.DROPPING,
    "depth cap",
    "A branch that still runs after `longest` intervals is dropped, and asked only if no branch finishes",
    (count("longest", 48, 40, 8, 90),),
    """\
def drop_deep(episode, p, dropped):
    deep = [b for b in episode.active if episode.depth(b) >= p.longest]
    if deep:
        dropped += episode.probe(deep)
        episode.prune(deep)
""",
    "drop_deep(episode, p, dropped)",
    frozenset({Need.DROPPED}),
    weight=3.0,
)

OVERLONG = Part(
    Family.DROPPING,
    "overlong",
    "A branch more than `stretch` times as deep as the first that finished is dropped",
    (level("stretch", 2.5, 2.5, 1, 6),),
    """\
def drop_overlong(episode, p, finished):
    limit = p.stretch * episode.depth(next(iter(finished))) if finished else math.inf
    overlong = [b for b in episode.active if episode.depth(b) > limit]
    if overlong:
        episode.prune(overlong)
""",
    "drop_overlong(episode, p, finished)",
    frozenset({Need.MATH}),
)

DISSENTING = Part(
    Family.DROPPING,
    "dissenting",
    "A branch whose answer has differed from the leading one for `patience` rounds is dropped",
    (count("patience", 30, 30, 2, 60),),
    """\
def drop_dissenting(episode, p, seen, scores, doubt):
    favourite = leader(scores)
    for b in episode.active:
        differs = favourite is not None and seen[b][0] != favourite
        doubt[b] = doubt.get(b, 0) + 1 if differs else 0
    dissenting = [b for b in episode.active if doubt[b] >= p.patience]
    if dissenting:
        episode.prune(dissenting)
""",
    "drop_dissenting(episode, p, seen, scores, doubt)",
    frozenset({Need.SEEN, Need.DOUBT}),
    weight=2.0,
)

LATE_DISSENT = Part(
    Family.DROPPING,
    "late dissent",
    "From `maturity` intervals on, a branch is dropped as soon as its answer differs from the leading one",
    (count("maturity", 32, 32, 4, 80),),
    """\
def drop_late_dissent(episode, p, seen, scores):
    favourite = leader(scores)
    mature = [b for b in episode.active if episode.depth(b) >= p.maturity]
    dissenting = [b for b in mature if favourite is not None and seen[b][0] != favourite]
    if dissenting:
        episode.prune(dissenting)
""",
    "drop_late_dissent(episode, p, seen, scores)",
    frozenset({Need.SEEN}),
)

RESTLESS = Part(
    Family.DROPPING,
    "restless",
    "Past `probation` intervals, a branch whose answer has just changed is dropped, as long as another one runs",
    (count("probation", 24, 32, 4, 80),),
    """\
def drop_restless(episode, p, seen):
    running = episode.active
    restless = [b for b in running if episode.depth(b) > p.probation and seen[b][1] == episode.depth(b)]
    if len(running) > 1 and restless:
        episode.prune(restless[: len(running) - 1])
""",
    "drop_restless(episode, p, seen)",
    frozenset({Need.SEEN}),
    weight=0.7,
)

PARTS = (DEPTH_CAP, OVERLONG, DISSENTING, LATE_DISSENT, RESTLESS)
