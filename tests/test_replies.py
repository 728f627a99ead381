"""What is found in replies as models write them."""

import pytest

from discovery.records import Purpose, Spending
from discovery.replies import MAX_IDEA, count_replies, read_reply

SCHEDULE = "def schedule(beta):\n    return {}\n"
CONTROL = "def control(episode, p):\n    return None\n"
SOURCE = f"{SCHEDULE}\n\n{CONTROL}"
OTHER = SOURCE.replace("None", "0")

ONE_SOURCE = {
    "a block": f"Idea: less.\n\n```python\n{SOURCE}```\nThat is all.",
    "a block without a language": f"Idea: less.\n```\n{SOURCE}```",
    "tildes": f"Idea: less.\n~~~py\n{SOURCE}~~~",
    "a block that never ends": f"Idea: less.\n```python\n{SOURCE}",
    "a longer fence": f"Idea: less.\n````python\n{SOURCE}````",
    "carriage returns": f"Idea: less.\n```python\n{SOURCE}```\n".replace("\n", "\r\n"),
    "an indented block": "Idea: less.\n\n" + "".join(f"   {line}\n" for line in f"```python\n{SOURCE}```".split("\n")),
    "reasoning with a draft": f"<think>\n```python\n{OTHER}```\n</think>\nIdea: less.\n```python\n{SOURCE}```",
    "reasoning that was begun elsewhere": f"```python\n{OTHER}```\n</think>\nIdea: less.\n```python\n{SOURCE}```",
    "two functions in two blocks": f"Idea: less.\n```python\n{SCHEDULE}```\nand\n```python\n\n{CONTROL}```",
    "no fence": f"Idea: less.\n\n{SOURCE}",
    "no fence and a last word": f"Idea: less.\n\n{SOURCE}\nThis keeps what was good.\n",
    "an idea in bold": f"**Idea:** less.\n```python\n{SOURCE}```",
    "an idea on a line of its own": f"### Idea:\nless.\n```python\n{SOURCE}```",
    "an idea as a heading": f"## Idea: less.\n```python\n{SOURCE}```",
}


@pytest.mark.parametrize("reply", ONE_SOURCE.values(), ids=ONE_SOURCE)
def test_the_controller_and_its_idea_are_found_in(reply: str) -> None:
    found = read_reply(reply)
    assert SOURCE.split() == found.sources[0].split()
    compile(found.sources[0], "reply", "exec")
    assert found.idea == "less."


NO_SOURCE = {
    "nothing": "",
    "prose": "I am sorry, I can't help with that.",
    "unfinished reasoning": f"<think>\nPerhaps\n```python\n{SOURCE}```\nor",
    "an empty block": "```python\n\n```",
    "prose that speaks of functions": "One needs a schedule and a def of control.",
}


@pytest.mark.parametrize("reply", NO_SOURCE.values(), ids=NO_SOURCE)
def test_no_controller_is_found_in(reply: str) -> None:
    assert read_reply(reply).sources == ()


def test_of_several_blocks_the_last_whole_controller_comes_first() -> None:
    reply = f"```python\n{SOURCE}```\nBetter:\n```python\n{OTHER}```\nRun it:\n```sh\npython it.py\n```"
    assert read_reply(reply).sources == (OTHER, SOURCE, "python it.py\n")


def test_code_in_the_open_is_also_read_from_its_first_function() -> None:
    found = read_reply(f"import is a word.\nfrom here on:\n{SOURCE}")
    assert found.sources[-1] == SOURCE


def test_an_idea_is_one_line_of_bounded_length() -> None:
    assert len(read_reply(f"Idea: {'word ' * 1_000}").idea) == MAX_IDEA
    assert read_reply("Idea: one.\nIdea: two.").idea == "one."


def test_hostile_replies_are_read_to_their_end() -> None:
    for piece in ("<think>", "```\n", "~~~", "def control", "Idea", "Idea:\n", "\n", " \n", " ", "* \n"):
        assert len(read_reply(20_000 * piece).idea) <= MAX_IDEA


def test_unusable_replies_are_counted_among_those_that_came() -> None:
    became = {"ok": 3, "duplicate": 1, "no code": 2, "cut off": 1, "invalid": 1, "empty": 1, "refused": 7, "unsent": 2}
    spending = [Spending(Purpose.PROPOSAL, "m", word, n, 0, 0, 0) for word, n in became.items()]
    assert count_replies(spending) == (9, 5)
