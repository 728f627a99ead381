"""Own attacks, one or more for each claim of docs/sandbox.md, all layers on; and fuzzed sources.

None of them is ever executed outside the sandbox.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from sandbox.pool import Block, EpisodeStatus, Job, JobResult, JobStatus, Pool
from tests.sandbox_corpus import table_of_branches

N_MUTATED_SOURCES = 2_000


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool([table_of_branches()]) as made:
        yield made


def play(pool: Pool, control: str, module: str = "", n: int = 3) -> JobResult:
    """Plays a controller with this body of `control`."""
    body = "\n".join(f"    {line}" for line in control.splitlines())
    source = f"{module}\ndef schedule(beta):\n    return {{'width': 4}}\n\n\ndef control(episode, p):\n{body}\n"
    return pool.run(Job(source, (Block(0, 0.5, (0,) * n, tuple(range(n))),)))


ROADS_TO_THE_FUTURE = {
    "mangled attribute": "rows = episode._ReplayedEpisode__rows",
    "mangled attribute by getattr": "rows = getattr(episode, '_ReplayedEpisode' + '_' + '_rows')",
    "mangled attribute by a mapped getattr": "rows = [*map(getattr, [episode], ['_ReplayedEpisode__rows'])]",
    "mangled attribute by partial": "from functools import partial\n"
    "rows = partial(getattr, episode)('_ReplayedEpisode__rows')",
    "mangled attribute by reduce": "from functools import reduce\n"
    "rows = reduce(getattr, ['_ReplayedEpisode__rows'], episode)",
    "mangled attribute by a format field": "rows = '{0._ReplayedEpisode__rows}'.format(episode)",
    "format field in a nested specification": "rows = '{0:{1.__class__}}'.format(1, episode)",
    "format field of a str subclass": "class S(str):\n    pass\nrows = S('{0.__class__}').format(episode)",
    "format of the class": "rows = str.format('{0.__class__}', episode)",
    "format by getattr": "rows = getattr('{0.__class__}', 'format')(episode)",
    "mangling inside a class of the same name": "class ReplayedEpisode:\n"
    "    def rows(self, e):\n        return e.__rows\n"
    "rows = ReplayedEpisode().rows(episode)",
    "subclass of the episode": "class Mine(type(episode)):\n    pass",
    "class of the episode": "kind = type(episode)",
    "class of a module": "import math\nkind = type(math)",
    "class of a class": "kind = type(type(1))",
    "bound method": "owner = episode.branch.__self__",
    "slots of the class pattern": "match episode:\n    case object(_ReplayedEpisode__rows=rows):\n        pass",
    "error's object": "try:\n    episode.nothing\nexcept AttributeError as e:\n    owner = e.obj",
    "error's traceback": "try:\n    episode.advance(1)\nexcept EpisodeError as e:\n    frame = e.__traceback__",
    "generator frame": "g = (x for x in [1])\nframe = g.gi_frame",
    "copy of the episode": "import copy\nahead = copy.deepcopy(episode)",
    "depth of a branch not opened": "n = episode.depth(0)",
    "negative branch": "ids = episode.branch(1)\nlabels = episode.probe([-1])",
    "branch by an equal float": "ids = episode.branch(1)\nlabels = episode.probe([0.0])",
    "branch by a bool": "ids = episode.branch(1)\nlabels = episode.probe([False])",
    "branch by a class of its own": "class I(int):\n    pass\nids = episode.branch(1)\nlabels = episode.probe([I(0)])",
    "branch list that changes": "class L(list):\n    def __iter__(self):\n        return iter([0])\n"
    "ids = episode.branch(1)\nlabels = episode.probe(L([5]))",
}


@pytest.mark.parametrize("road", ROADS_TO_THE_FUTURE)
def test_nothing_that_was_not_shown_can_be_reached(pool: Pool, road: str) -> None:
    result = play(pool, f"{ROADS_TO_THE_FUTURE[road]}\nreturn episode.probe(episode.branch(complete=True))[0]")
    assert result.status in (JobStatus.REJECTED, JobStatus.DONE)
    if result.status is JobStatus.DONE:
        assert set(result.statuses.tolist()) == {EpisodeStatus.ERROR}, result.message


STORES = {
    "on the episode": "episode.branch = 1",
    "on p": "p.width = 9",
    "on a contract function": "majority.seen = []",
    "on a module": "import math\nmath.pi = 3",
    "on a shared class": "from collections import Counter\nCounter.total = None",
    "on a shared exception": "EpisodeError.hint = 'x'",
    "on a built-in function of Python code": "from heapq import nlargest\nnlargest.seen = 1",
    "on the own function": "control.seen = 1",
    "by a loop target": "for majority.seen in [1]:\n    pass",
    "by deleting": "del p.width",
    "by a chain": "class A:\n    pass\na = A()\na.p = p\na.p.width = 9",
    "by augmenting": "p.width += 1",
    "on an exception": "try:\n    raise EpisodeError('x')\nexcept EpisodeError as e:\n    e.hint = 'y'",
}


@pytest.mark.parametrize("how", STORES)
def test_nothing_shared_can_be_changed(pool: Pool, how: str) -> None:
    result = play(pool, f"{STORES[how]}\nreturn None")
    assert set(result.statuses.tolist()) == {EpisodeStatus.ERROR}, result.message


STATES = {
    "a module variable": ("kept.append(1)\nn = len(kept)", "kept = []"),
    "a default argument": ("n = count()", "def count(kept=[]):\n    kept.append(1)\n    return len(kept)"),
    "a class variable": ("K.n += 1\nn = K.n", "class K:\n    n = 0"),
    "a cache": (
        "f(1)\nf(2)\nn = f.cache_info().misses - 1",
        "from functools import cache\n@cache\ndef f(x):\n    return x",
    ),
    "an iterator": ("n = next(numbers)", "from itertools import count\nnumbers = count(1)"),
    "interned field names": (
        "from collections import namedtuple\nname = ''.join(['se', 'en', '_', 'it'])\n"
        "T = namedtuple('T', [name])\nn = 2 if T._fields[0] is name else 1",
        "",
    ),
}


@pytest.mark.parametrize("where", STATES)
def test_no_state_survives_an_episode(pool: Pool, where: str) -> None:
    control, module = STATES[where]
    result = play(pool, f"{control}\nreturn None if n == 1 else 99", module)
    assert set(result.statuses.tolist()) == {EpisodeStatus.NO_ANSWER}, result.message


UNSTOPPABLE = {
    "an except that takes all": "while True:\n    try:\n        while True: pass\n    except:\n        pass",
    "a finally without an end": "try:\n    1 / 0\nfinally:\n    while True: pass",
    "a generator's end": "def g():\n    try:\n        yield 1\n"
    "    finally:\n        while True: pass\nfor x in g():\n    break",
    "a comparison": "class A:\n    def __lt__(self, o):\n        while True: pass\nsorted([A(), A()])",
    "a hash": "class A:\n    def __hash__(self):\n        while True: pass\n{A(): 1}",
    "a length": "class A:\n    def __len__(self):\n        while True: pass\nlist(A()) if A() else 0",
    "a long number": "x = 10 ** 10 ** 10",
    "a long sum": "x = sum(range(10 ** 12))",
    "a long count": "from itertools import count\nfrom collections import deque\ndeque(count(), maxlen=0)",
    "deep recursion": "def f():\n    try:\n        f()\n    finally:\n        f()\nf()",
    "memory": "x = ['y' * (1 << 20)]\nwhile True:\n    x += [x[-1] + 'z']",
}


@pytest.mark.parametrize("how", UNSTOPPABLE)
def test_nothing_runs_for_ever(pool: Pool, how: str) -> None:
    result = play(pool, f"{UNSTOPPABLE[how]}\nreturn None")
    assert result.status is JobStatus.LIMIT, result.message
    assert play(pool, "return None").status is JobStatus.DONE


def test_a_returned_label_must_have_been_shown(pool: Pool) -> None:
    for answer in ("0", "label + 1000", "-1", "True", "0.0", "[label]", "'0'", "(x for x in [label])", "episode"):
        body = "ids = episode.branch(1, complete=True)\nlabel = 0\n"
        assert play(pool, f"{body}return {answer}").statuses.tolist() == [EpisodeStatus.ERROR] * 3


SEED_SOURCE = """
import math
from collections import Counter
from dataclasses import dataclass


@dataclass
class State:
    label: int = 0

    def update(self, label):
        self.label = label


def schedule(beta):
    return {"width": round(4 + 8 * beta)}


def control(episode, p):
    counts = Counter()
    try:
        for branch in episode.branch(p.width, complete=True):
            [label] = episode.probe([branch])
            counts[label] += 1 if label is not None else 0
    except EpisodeError as error:
        print(f"{error!r:>10}", math.sqrt(2))
    return max(counts, key=counts.get, default=None)
"""

SCRAPS = [
    *"()[]{}:,.=+-*@\n\t'\"\\#",
    "__class__",
    "_ReplayedEpisode__rows",
    "import os\n",
    "lambda: ",
    "yield ",
    "async ",
    "global control\n",
    "{0.__class__}",
    "\u00e9",
    "\ud7ff",
    "\u202e",
    "\x00",
    "0" * 5000,
    "(" * 120,
    "if 1:\n    " * 90,
]


def mutated_source(rng: np.random.Generator) -> str:
    """The seed source with some characters dropped, repeated, swapped, or scraps put in."""
    text = SEED_SOURCE
    for _ in range(int(rng.integers(1, 5))):
        at, size, kind = int(rng.integers(len(text))), int(rng.integers(1, 30)), int(rng.integers(3))
        if kind == 0:
            text = text[:at] + text[at + size :]
        elif kind == 1:
            text = text[:at] + SCRAPS[int(rng.integers(len(SCRAPS)))] + text[at:]
        else:
            other = int(rng.integers(len(text)))
            text = text[:at] + text[other : other + size] + text[at + size :]
    return text


def test_mutated_sources_end_in_a_status_and_harm_nothing(pool: Pool) -> None:
    rng = np.random.default_rng(8)
    sources = [mutated_source(rng) for _ in range(N_MUTATED_SOURCES)]
    block = Block(0, 0.5, (0,), (1,))
    statuses = [result.status for result in pool.map([Job(source, (block,)) for source in sources])]
    assert JobStatus.TAMPERED not in statuses
    assert {JobStatus.REJECTED, JobStatus.DONE} <= set(statuses)
    assert play(pool, "return None").status is JobStatus.DONE
