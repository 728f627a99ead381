"""Finds the controller in what a model wrote: code blocks, code without a fence, reasoning left out."""

import re
from dataclasses import dataclass

_REASONING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"^[ \t]*(?P<fence>```+|~~~+)[^\n]*\n(?P<code>.*?)(?:^[ \t]*(?P=fence)[ \t]*$|\Z)", re.S | re.M)
_IDEA = re.compile(r"^\W*Idea\W*:\s*(?P<idea>.+)$", re.IGNORECASE | re.MULTILINE)
_CODE_START = re.compile(r"^(?:from |import |def |class |@|\"\"\"|#|[A-Z_]+ *=)", re.MULTILINE)

MAX_IDEA = 300
"""Characters of an idea that are kept."""


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

    The last code block comes first: models correct themselves. Blocks without a `control` come after those with one.
    """
    spoken = _REASONING.sub("", text)
    blocks = [match["code"].rstrip() + "\n" for match in _FENCED.finditer(spoken)]
    if not blocks and "def control" in spoken:
        start = _CODE_START.search(spoken)
        blocks = [spoken[start.start() :].rstrip() + "\n"] if start else []
    blocks = [block for block in reversed(blocks) if block.strip()]
    blocks.sort(key=lambda block: "def control" not in block)
    prose = _FENCED.sub("", spoken)
    stated = _IDEA.search(prose)
    return ReadReply(tuple(blocks), " ".join((stated["idea"] if stated else "").split())[:MAX_IDEA])
