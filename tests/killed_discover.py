"""Stages of a search at which a test ends its process without warning."""

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

from discovery import archive, loop, trial
from discovery.exchanges import Exchanges
from discovery.provider import LiteLLMEndpoint

STAGES: dict[str, tuple[Any, str]] = {
    "while a baseline is played": (trial.Trials, "_race"),
    "before a candidate is tried": (loop.Search, "_try"),
    "when a call is about to be sent": (LiteLLMEndpoint, "complete"),
    "while a reply is being stored": (Exchanges, "close"),
    "after a reply was stored": (trial.Trials, "check"),
    "during a commit": (archive, "_point_row"),
    "late in a commit": (archive, "_audit_row"),
}


def die_at(stage: str, number: int) -> None:
    """This process dies when the stage is reached for the `number`-th time, counted from 1."""
    place, name = STAGES[stage]
    counted = count(1)
    original: Callable[..., Any] = getattr(place, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        if next(counted) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(place, name, dying)
