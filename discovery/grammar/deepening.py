"""Parts that decide which of the running branches go deeper, and how far."""

from discovery.grammar.constants import count
from discovery.grammar.parts import Family, Need, Part

FAVOURING = '''\
def favouring(branches, seen, scores):
    """Those that would give the leading answer now."""
    favourite = leader(scores)
    return [b for b in branches if favourite is not None and seen[b][0] == favourite]
'''

LOCK_STEP = Part(
    Family.DEEPENING,
    "lock-step",
    "All running branches go deeper side by side",
    (),
    "",
    "episode.advance(older)",
    weight=5.0,
)

COMPLETE = Part(
    Family.DEEPENING,
    "complete",
    "Every branch is decoded to its end at once",
    (),
    "",
    "episode.complete(older)",
    weight=0.5,
)

AGREEING_FIRST = Part(
    Family.DEEPENING,
    "agreeing first",
    "While some running branches would give the leading answer, they alone go deeper; else all do",
    (),
    FAVOURING,
    "older = favouring(older, seen, scores) or older\nepisode.advance(older)",
    frozenset({Need.SEEN}),
)

BURSTS = Part(
    Family.DEEPENING,
    "bursts",
    "Running branches go side by side; those that would give the leading answer go `burst` intervals at a time",
    (count("burst", 2, 3, 2, 6),),
    FAVOURING,
    "episode.advance(older)\nepisode.advance(favouring(older, seen, scores), p.burst - 1)",
    frozenset({Need.SEEN}),
    weight=0.7,
)

DEEPEST = Part(
    Family.DEEPENING,
    "deepest first",
    "Only the `abreast` deepest of the running branches go deeper",
    (count("abreast", 2, 4, 1, 32),),
    "",
    "older = sorted(older, key=lambda b: -episode.depth(b))[: p.abreast]\nepisode.advance(older)",
    weight=0.7,
)

PARTS = (LOCK_STEP, COMPLETE, AGREEING_FIRST, BURSTS, DEEPEST)
