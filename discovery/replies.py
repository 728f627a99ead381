"""Finds the controller in what a model wrote: code blocks, code without a fence, reasoning left out.

Reads text only; whether what it finds is a controller is for the sandbox to say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent

from discovery.records import ExchangeState, Spending

_REASONING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_END_OF_REASONING = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,9}|~{3,9})[^\n]*\n(?P<code>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_IDEA = re.compile(r"^[^\w\n]*Idea[^\w\n]*:[^\w\n]*\n?[^\w\n]*(?P<idea>\w.*)$", re.IGNORECASE | re.MULTILINE)
_CODE_START = re.compile(r"^(?:from \w|import \w|def |class |@\w|\"\"\"|#|[A-Z_]+ *=)", re.MULTILINE)
_CODE_LINE = re.compile(r"\s|from \w|import \w|def |class |@\w|#|\w+ *=|[)\]}]|\"\"\"|$")
_DEFINITION = re.compile(r"^def (?:schedule|control)\b", re.MULTILINE)

MAX_IDEA = 300
"""Characters of an idea that are kept."""


class Fate(StrEnum):
    """What became of a reply that led to no trial; any other has the status of its candidate."""

    EMPTY = "empty"
    NO_CODE = "no code"
    CUT_OFF = "cut off"
    INVALID = "invalid"
    """Its code is not a controller in the dialect."""


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What was found in a reply.

    Attributes:
        sources: Possible controllers, the likeliest first.
        idea: One sentence on what is new; empty if none was found.
    """

    sources: tuple[str, ...]
    idea: str


def read_reply(text: str) -> ReadReply:
    """Finds possible controllers and the idea in a reply.

    The last code block comes first: models correct themselves. Blocks that define `schedule` and `control` come before
    those that don't; a controller spread over several blocks is all of them together.
    """
    spoken = _END_OF_REASONING.sub("", _REASONING.sub("", text.replace("\r\n", "\n")))
    blocks = [block for match in _FENCED.finditer(spoken) if (block := _tidy(match["code"]))]
    found = [*reversed(blocks), *_together(blocks)] if blocks else _unfenced(spoken)
    found.sort(key=lambda block: -_n_parts(block))
    stated = _IDEA.search(_FENCED.sub("", spoken))
    idea = " ".join((stated["idea"] if stated else "").split()).strip("*_ ")
    return ReadReply(tuple(dict.fromkeys(found)), idea[:MAX_IDEA])


def count_replies(spending: Sequence[Spending]) -> tuple[int, int]:
    """How many replies came, and how many of them led to no trial.

    Args:
        spending: A run's calls, by what was made of them.
    """
    unanswered = set(ExchangeState) - {ExchangeState.ANSWERED}
    replies = [row for row in spending if row.became not in unanswered]
    unusable = [row for row in replies if row.became in set(Fate)]
    return sum(row.n_calls for row in replies), sum(row.n_calls for row in unusable)


def _tidy(code: str) -> str:
    return dedent(code).strip("\n").rstrip() + "\n" if code.strip() else ""


def _together(blocks: Sequence[str]) -> list[str]:
    """All blocks as one, where none of them is a whole controller."""
    if len(blocks) < 2 or any(_n_parts(block) == 2 for block in blocks):
        return []
    return ["\n\n".join(block.rstrip("\n") for block in blocks) + "\n"]


def _unfenced(spoken: str) -> list[str]:
    """Code that stands in the open: from what looks like its start, and from its first function, up to prose."""
    if "def control" not in spoken:
        return []
    starts = [match.start() for match in (_CODE_START.search(spoken), _DEFINITION.search(spoken)) if match]
    return [_tidy(_up_to_prose(spoken[start:])) for start in dict.fromkeys(starts)]


def _up_to_prose(text: str) -> str:
    lines = text.split("\n")
    for number in range(_line_of_control(lines) + 1, len(lines)):
        if not _CODE_LINE.match(lines[number]):
            return "\n".join(lines[:number])
    return text


def _line_of_control(lines: Sequence[str]) -> int:
    return next((number for number, line in enumerate(lines) if line.startswith("def control")), len(lines))


def _n_parts(block: str) -> int:
    """How many of the two functions of a controller a block defines."""
    return len({match.group() for match in _DEFINITION.finditer(block)})
