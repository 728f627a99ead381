"""The action log: what a controller did in one episode, and nothing about what it was shown.

It is all that leaves the process of a candidate; `replay.verify` recomputes every figure from it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

MAX_CALLS = 20_000
"""Logged calls (branch, advance, complete, probe, prune) that one episode may make."""

MAX_NAMED = 100_000
"""Branches that one episode may name, summed over its calls."""

BRANCH_CEILING = 255
"""The most branches that one episode may open: ids are logged as one byte each."""

MAX_INTERVALS = 65_535
"""The most intervals that one call is logged with; no recorded branch is as long."""

CALL = struct.Struct("<BBH")
"""One call: operation, number of branches named, argument."""


class Operation(IntEnum):
    """What a call did. The argument is given in brackets; it is 0 where there is none."""

    BRANCH = 0
    """Opened the named branches (1: each decoded to its end; 0: by one interval)."""
    ADVANCE = 1
    """Advanced the named branches (number of intervals)."""
    COMPLETE = 2
    PROBE = 3
    PRUNE = 4


@dataclass(frozen=True, slots=True)
class ActionLog:
    """The calls of one episode, in order.

    Attributes:
        calls: `CALL` records, 4 bytes each.
        names: The branches that the calls name, one byte each, call after call.
    """

    calls: bytes
    names: bytes
