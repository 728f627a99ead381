"""An OpenAI-compatible endpoint on loopback that errs as told and keeps its own books. No model is behind it."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Behaviour(StrEnum):
    """What the endpoint does with a request. Those after `NOT_FOUND` may charge for it."""

    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    RATE_LIMITED = "429"
    UNAVAILABLE = "503"
    OVERLOADED = "529"
    NOT_FOUND = "404"
    GOOD = "good"
    EMPTY = "billed, without text"
    REASONING_OUTSIDE = "reasoning outside the completion count"
    REPORTED_COST = "reports a higher cost itself"
    SERVER_ERROR = "500"
    MISLEADING_ERROR = "500 that speaks of a rate limit"
    BAD_GATEWAY = "502"
    SLOW = "slower than the client waits"
    CUT = "cut in the middle of the reply"
    DROPPED = "connection closed without a reply"
    NOT_JSON = "200 that is no JSON"
    NO_USAGE = "no usage"
    HALF_USAGE = "usage without completion tokens"
    NEGATIVE_USAGE = "negative usage"
    NAN_USAGE = "usage that is not a number"
    TEXT_USAGE = "usage in words"
    HUGE_USAGE = "claims far more than it could have used"


FREE = frozenset(list(Behaviour)[: list(Behaviour).index(Behaviour.NOT_FOUND) + 1])
"""Never charged."""
SETTLED = frozenset({Behaviour.GOOD, Behaviour.EMPTY, Behaviour.REASONING_OUTSIDE, Behaviour.REPORTED_COST})
"""Charged as claimed."""
DISHONEST = frozenset({Behaviour.HUGE_USAGE})
HELD = frozenset(Behaviour) - FREE - SETTLED - DISHONEST
"""Perhaps charged, without saying how much."""

_STATUS = {
    Behaviour.SERVER_ERROR: 500,
    Behaviour.MISLEADING_ERROR: 500,
    Behaviour.BAD_GATEWAY: 502,
} | {behaviour: int(behaviour) for behaviour in FREE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the endpoint's books."""

    behaviour: Behaviour
    charged_usd: Decimal
    request: Mapping[str, Any]


class Endpoint:
    """Serves while the context is open.

    Attributes:
        books: One entry per request, in the order of arrival.
        most_in_flight: Most requests served at one moment.
    """

    def __init__(
        self,
        choose: Callable[[int], Behaviour] = lambda _: Behaviour.GOOD,
        *,
        write: Callable[[Mapping[str, Any]], str] = lambda _: "a reply",
        finish: Callable[[str], str] = lambda _: "stop",
        input_usd: Decimal = Decimal("1e-6"),
        output_usd: Decimal = Decimal("4e-6"),
        slow_seconds: float = 1.0,
        latency_seconds: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Args:
        choose: From the number of the request, from 0, to what is done with it.
        write: From the request to the text of a good reply.
        finish: From that text to the finish reason.
        input_usd: Charged per prompt token.
        output_usd: Charged per completion token.
        slow_seconds: What `SLOW` takes.
        latency_seconds: What every other reply takes.
        seed: Of the token counts.
        """
        self.books: list[Entry] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._choose, self._write, self._finish = choose, write, finish
        self._input_usd, self._output_usd = input_usd, output_usd
        self._slow_seconds, self._latency_seconds = slow_seconds, latency_seconds
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def charged_usd(self) -> Decimal:
        with self._lock:
            return sum((entry.charged_usd for entry in self.books), Decimal(0))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Books one request, then does with it what was chosen."""
        length = int(handler.headers["content-length"])
        request = json.loads(handler.rfile.read(length))
        behaviour, usage = self._book(request, length)
        try:
            self._stopped.wait(self._slow_seconds if behaviour is Behaviour.SLOW else self._latency_seconds)
            self._send(handler, behaviour, usage, request)
        except OSError:
            pass
        finally:
            with self._lock:
                self._in_flight -= 1

    def _book(self, request: Mapping[str, Any], n_bytes: int) -> tuple[Behaviour, dict[str, Any]]:
        with self._lock:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            behaviour = self._choose(len(self.books))
            prompt = self._random.randint(1, n_bytes)
            most = request.get("max_tokens") or request["max_completion_tokens"]
            completion = self._random.randint(1, most)
            if behaviour is Behaviour.HUGE_USAGE:
                prompt, completion = 50 * n_bytes + 50_000, 3 * most
            charged = prompt * self._input_usd + completion * self._output_usd
            usage: dict[str, Any] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
            if behaviour is Behaviour.REPORTED_COST:
                charged *= Decimal("1.0625") if completion < most // 2 else 1
                usage["cost"] = float(charged)
                charged = Decimal(str(usage["cost"]))
            if behaviour in FREE or (behaviour in HELD and self._random.random() < 0.3):
                charged = Decimal(0)
            self.books.append(Entry(behaviour, charged, request))
        return behaviour, usage

    def _send(
        self, handler: BaseHTTPRequestHandler, behaviour: Behaviour, usage: dict[str, Any], request: Mapping[str, Any]
    ) -> None:
        if behaviour is Behaviour.DROPPED:
            handler.close_connection = True
            return
        if behaviour in _STATUS:
            text = "rate limit reached" if behaviour is Behaviour.MISLEADING_ERROR else f"told to say {behaviour}"
            _write(handler, _STATUS[behaviour], json.dumps({"error": {"message": text}}).encode())
            return
        text = "" if behaviour is Behaviour.EMPTY else self._write(request)
        body = _completion(text, self._finish(text), _distorted(usage, behaviour), request)
        if behaviour is Behaviour.NOT_JSON:
            _write(handler, 200, b"<html>not what you expect</html>")
        elif behaviour is Behaviour.CUT:
            _write(handler, 200, body[: len(body) // 2], claimed=len(body))
            handler.close_connection = True
        else:
            _write(handler, 200, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            endpoint.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _distorted(usage: dict[str, Any], behaviour: Behaviour) -> dict[str, Any] | None:
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    seen = max(1, completion // 3)
    changed: dict[Behaviour, dict[str, Any] | None] = {
        Behaviour.NO_USAGE: None,
        Behaviour.HALF_USAGE: {"prompt_tokens": prompt},
        Behaviour.NEGATIVE_USAGE: usage | {"completion_tokens": -completion},
        Behaviour.NAN_USAGE: usage | {"prompt_tokens": float("nan")},
        Behaviour.TEXT_USAGE: dict.fromkeys(usage, "a few"),
        Behaviour.REASONING_OUTSIDE: usage
        | {"completion_tokens": seen, "completion_tokens_details": {"reasoning_tokens": completion - seen}},
    }
    return changed.get(behaviour, usage)


def _completion(text: str, finish_reason: str, usage: dict[str, Any] | None, request: Mapping[str, Any]) -> bytes:
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
    }
    return json.dumps(body if usage is None else body | {"usage": usage}).encode()


def _write(handler: BaseHTTPRequestHandler, status: int, body: bytes, claimed: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body) if claimed is None else claimed))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
