"""Parts that decide when a branch is opened."""

from discovery.grammar.constants import Course, count, level
from discovery.grammar.parts import Family, Part

WIDTH = count("width", 4, 64, 1, 64, Course.GEOMETRIC)

WAVES = Part(
    Family.OPENING,
    "waves",
    "Branches come in waves; once `quorum` of a wave have finished, the rest of it is dropped for the next wave",
    (WIDTH, count("wave", 3, 5, 1, 16), count("quorum", 3, 3, 1, 8)),
    '''\
def open_branches(episode, p, finished):
    """The next wave, once enough of the current one have finished or none of it runs any more."""
    first = (episode.opened - 1) // p.wave * p.wave
    running = episode.active
    if running and sum(b >= first for b in finished) < p.quorum:
        return []
    if running:
        episode.prune(running)
    return episode.branch(max(0, min(p.wave, p.width - episode.opened)))
''',
    "open_branches(episode, p, finished)",
    weight=3.0,
)

LANES = Part(
    Family.OPENING,
    "lanes",
    "`first` branches are opened at once, then new ones as soon as fewer than `lanes` run",
    (WIDTH, count("first", 3, 3, 1, 16), count("lanes", 1, 1, 1, 16)),
    '''\
def open_branches(episode, p):
    """`first` branches to begin with, later as many as keep `lanes` running."""
    wanted = p.lanes - len(episode.active) if episode.opened else p.first
    room = min(wanted, p.width - episode.opened)
    return episode.branch(room) if room > 0 else []
''',
    "open_branches(episode, p)",
    weight=3.0,
)

WIDENING = Part(
    Family.OPENING,
    "widening",
    "`first` branches are opened at once, and `more` for each one that finishes without settling the question",
    (WIDTH, count("first", 4, 6, 1, 32), level("more", 0.8, 1.5, 0.2, 4)),
    '''\
def open_branches(episode, p, finished):
    """As many as the finished ones call for; one more when nothing runs any more."""
    wanted = p.first + round(p.more * len(finished))
    if not episode.active:
        wanted = max(wanted, episode.opened + 1)
    room = min(wanted, p.width) - episode.opened
    return episode.branch(room) if room > 0 else []
''',
    "open_branches(episode, p, finished)",
)

AT_ONCE = Part(
    Family.OPENING,
    "at once",
    "All `width` branches are opened at once",
    (count("width", 4, 48, 1, 64, Course.GEOMETRIC),),
    "",
    "[] if episode.opened else episode.branch(p.width)",
    weight=0.5,
)

PARTS = (WAVES, LANES, WIDENING, AT_ONCE)
