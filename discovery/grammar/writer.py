"""Writes the source of a recipe: ordinary controller code that says what it does."""

from discovery.grammar.parts import Family, Need
from discovery.grammar.recipe import Recipe

_KEPT = {
    Need.SEEN: "seen = {}  # branch -> (answer it would give now, depth at which it took to it)",
    Need.DOUBT: "doubt = {}  # branch -> rounds for which it has differed from the leading answer",
    Need.DROPPED: "dropped = []  # last answers of the branches that were dropped at the depth cap",
    Need.TRUST: "trust = 0.0",
}

_LOOK = '''\
def look(episode, branches, finished):
    """Notes the answers of those that have finished; whether there are any."""
    ended = [b for b in branches if episode.finished(b)]
    if ended:
        finished.update(zip(ended, episode.probe(ended)))
    return bool(ended)
'''

_LOOK_CLOSELY = '''\
def look(episode, branches, finished, seen):
    """Notes what each branch answers: for good if it has finished, else for now; whether any has finished."""
    before = len(finished)
    for b, label in zip(branches, episode.probe(branches)):
        if episode.finished(b):
            finished[b] = label
        elif b not in seen or seen[b][0] != label:
            seen[b] = (label, episode.depth(b))
    return len(finished) > before
'''

_LEADER = '''\
def leader(scores):
    """The answer with the most votes; None if there are none."""
    return max(scores, key=scores.get, default=None)
'''

_FRONT_RUNNERS = '''\
def front_runners(scores):
    """The votes of the two leading answers."""
    first, second, *_ = sorted([*scores.values(), 0, 0], reverse=True)
    return first, second
'''


def write(recipe: Recipe) -> str:
    """Source of the controller, in the dialect."""
    blocks = [_schedule(recipe), _control(recipe), *_helpers(recipe)]
    imports = "import math\n\n\n" if Need.MATH in _needs(recipe) else ""
    head = f'"""{_docstring(recipe)}"""\n\n' + ("" if imports else "\n")
    return head + imports + "\n\n".join(blocks)


def _docstring(recipe: Recipe) -> str:
    first, *others = [part.does for part in recipe.parts]
    return f"{first}.\n\n" + "".join(f"{sentence}.\n" for sentence in others)


def _schedule(recipe: Recipe) -> str:
    entries = "".join(
        f'        "{constant.name}": {constant.expression(span)},\n' for constant, span in recipe.all_constants()
    )
    return f"def schedule(beta):\n    return {{\n{entries}    }}\n"


def _control(recipe: Recipe) -> str:
    needs = _needs(recipe)
    kept = [line for need, line in _KEPT.items() if need in needs]
    lines = [
        f"fresh = {recipe.part(Family.OPENING).call}",
        "older = [b for b in episode.active if b not in fresh]",
        "if not fresh and not older:",
        "    break",
        *recipe.part(Family.DEEPENING).call.splitlines(),
        *_judging(recipe),
        *[part.call for part in recipe.parts_of(Family.DROPPING)],
    ]
    answer = "leader(scores)"
    if Need.DROPPED in needs:
        answer += " if scores else majority([label for label in dropped if label is not None])"
    body = [
        "finished = {}  # branch -> answer, in the order in which they finished",
        *kept,
        "scores = {}  # answer -> votes",
        "while True:",
        *[f"    {line}" for line in lines],
        f"return {answer}",
    ]
    return "def control(episode, p):\n" + "".join(f"    {line}\n" for line in body)


def _judging(recipe: Recipe) -> list[str]:
    """Counting the votes and deciding whether to go on: where running branches don't matter, only after a finish."""
    needs = _needs(recipe)
    look = f"look(episode, older + fresh, finished{', seen' if Need.SEEN in needs else ''})"
    count = f"scores = {recipe.part(Family.WEIGHTS).call}"
    voters = recipe.part(Family.VOTERS).call.splitlines()
    stop = recipe.part(Family.STOPPING).call
    gives_up = [part.call for part in recipe.parts_of(Family.GIVING_UP)]
    breaks = [line for test in gives_up for line in (f"if {test}:", "    break")]
    if not voters and Need.TRUST not in needs:
        return [f"if {look}:", f"    {count}", f"    if {stop}:", "        break", *breaks]
    smooth = ["trust = smooth(trust, scores, p)"] if Need.TRUST in needs else []
    return [look, count, *voters, *smooth, f"if {stop}:", "    break", *breaks]


def _helpers(recipe: Recipe) -> list[str]:
    """Helper functions in the order in which `control` comes to them, each once."""
    look = _LOOK_CLOSELY if Need.SEEN in _needs(recipe) else _LOOK
    by_family = {family: [part.source for part in recipe.parts_of(family) if part.source] for family in Family}
    helpers = [
        *by_family[Family.OPENING],
        *by_family[Family.DEEPENING],
        look,
        *by_family[Family.WEIGHTS],
        *by_family[Family.VOTERS],
        *by_family[Family.STOPPING],
        *by_family[Family.GIVING_UP],
        *by_family[Family.DROPPING],
        _LEADER,
    ]
    if any("front_runners(" in helper for helper in helpers):
        helpers.append(_FRONT_RUNNERS)
    return helpers


def _needs(recipe: Recipe) -> frozenset[Need]:
    return frozenset[Need]().union(*(part.needs for part in recipe.parts))
