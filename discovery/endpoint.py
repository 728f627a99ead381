"""The seam between those who ask and those who answer: a request, a reply or the lack of one, and what it costs.

Says how each outcome closes the ledger; sends nothing itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from discovery.price import Price
from discovery.records import ExchangeState, Place

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a chat model.

    Attributes:
        messages: In the OpenAI form.
        max_tokens: Longest reply, reasoning included.
        temperature: None for the model's own.
        tools: In the OpenAI form.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    tools: tuple[Message, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is sent and stored."""
        body: dict[str, Any] = {"messages": [dict(message) for message in self.messages], "max_tokens": self.max_tokens}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.tools:
            body["tools"] = [dict(tool) for tool in self.tools]
        return body

    @property
    def n_bytes(self) -> int:
        """UTF-8 bytes of the serialised request: no fewer than its tokens."""
        return len(json.dumps(self.to_json(), ensure_ascii=False).encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    Attributes:
        text: Its text; may be empty.
        message: The message as JSON, tool calls included.
        finish_reason: As reported.
        usage: As reported, as JSON values.
        cost_usd: The larger of computed and reported; None if the usage can't be relied on, and all is held.
        raw: The whole reply as it came.
        complaint: Why the usage can't be relied on; empty if it can.
    """

    text: str
    message: Message
    finish_reason: str
    usage: Mapping[str, Any]
    cost_usd: Decimal | None
    raw: str
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class NoReply:
    """Why there is no reply.

    Attributes:
        state: `UNSENT` or `REFUSED`: released; `UNCONFIRMED`: held in full.
        error: What happened.
        status_code: HTTP status, where one came.
        passing: Whether asking again may help.
        retry_after_seconds: How long the endpoint asks to wait.
        raw: What came, if anything did.
    """

    state: ExchangeState
    error: str
    status_code: int | None = None
    passing: bool = False
    retry_after_seconds: float | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how patiently a call is tried again.

    Attributes:
        n_free: Attempts in all while each is released: refused, or never sent.
        n_held: Attempts in all that may end unconfirmed; each keeps its worst case.
        first_seconds: Wait after the first; doubled each time.
        longest_seconds: Longest wait, whatever the endpoint asks for.
    """

    n_free: int = 6
    n_held: int = 3
    first_seconds: float = 1.0
    longest_seconds: float = 60.0

    def wait_seconds(self, n_done: int, asked_seconds: float | None) -> float:
        """How long to wait after so many attempts."""
        own = self.first_seconds * 2.0 ** (n_done - 1)
        return min(self.longest_seconds, max(own, asked_seconds or 0.0))


class Endpoint(Protocol):
    """A model that can be asked.

    Attributes:
        model: Its name.
        price: What it costs.
    """

    @property
    def model(self) -> str: ...

    @property
    def price(self) -> Price: ...

    def complete(self, request: Request, place: Place) -> Reply | NoReply:
        """Asks once, without trying again. Never raises for what the endpoint does."""
