"""Any model that litellm can call, and what the bundled price map says it costs. The only file that imports litellm.

Asks once per call, with every retry of the libraries below switched off; says of each outcome how the ledger closes.
"""

import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from discovery.endpoint import NoReply, Reply, Request
from discovery.errors import EndpointError, PriceError
from discovery.price import Price, to_usd
from discovery.records import ExchangeState, Place
from discovery.usage import read_usage

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_MODE": "PRODUCTION",
}
_KEY_VARIABLES = ("AUTOTTS_API_KEY", "OPENAI_API_KEY")
_NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL", "LocalProtocolError")
_UNCHARGED_5XX = (503, 529)
_PASSING_4XX = (408, 429)
_ERROR_CHARACTERS = 500
_GLANCE_SECONDS = 0.5
_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Timeout|Exception)\s*(?::|-)\s*)+")


class LiteLLMEndpoint:
    """A model that litellm can call.

    Attributes:
        model: Its name.
        price: What it costs.
    """

    def __init__(self, model: str, price: Price, *, base_url: str = "", timeout_seconds: float = 600.0) -> None:
        """Args:
            model: Its name for litellm, or the name that the endpoint at `base_url` knows it by.
            price: What it costs.
            base_url: Of an OpenAI-compatible endpoint; empty for the provider's own.
            timeout_seconds: From sending to the end of the reply.

        Raises:
            EndpointError: If litellm does not know the model, or its API key is not in the environment.
        """
        self.model = model
        self.price = price
        self._timeout_seconds = timeout_seconds
        self._completion = _litellm().completion
        self._call = _call_settings(model, base_url)

    def complete(self, request: Request, place: Place) -> Reply | NoReply:
        """Asks once, and waits no longer than the time-out for the whole reply."""
        witness = _Witness()
        answers: SimpleQueue[Any] = SimpleQueue()
        Thread(target=self._send, args=(request, witness, answers), daemon=True, name=f"ask-{place.iteration}").start()
        answer = self._wait(answers)
        if answer is None:
            message = f"no whole reply within {self._timeout_seconds:g} seconds"
            return NoReply(ExchangeState.UNCONFIRMED, message, passing=True, raw=witness.raw)
        if isinstance(answer, BaseException):
            return _salvaged(witness.raw) or _classified(answer, witness)
        return self._read(answer, witness)

    def _wait(self, answers: "SimpleQueue[Any]") -> Any:
        """What comes, or None. Waits in short pieces, so that no Ctrl-C is slept through."""
        deadline = time.monotonic() + self._timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            with suppress(Empty):
                return answers.get(timeout=min(left, _GLANCE_SECONDS))
        return None

    def _send(self, request: Request, witness: "_Witness", answers: "SimpleQueue[Any]") -> None:
        try:
            answers.put(
                self._completion(
                    **self._call,
                    **request.to_json(),
                    timeout=self._timeout_seconds,
                    num_retries=0,
                    max_retries=0,
                    logger_fn=witness.note,
                )
            )
        except Exception as error:  # noqa: BLE001 - whatever litellm raises has to reach the ledger
            answers.put(error)

    def _read(self, response: Any, witness: "_Witness") -> Reply:
        choice = response.choices[0] if response.choices else None
        message = choice.message.model_dump(exclude_none=True, warnings=False) if choice is not None else {}
        counts = getattr(response, "usage", None)
        usage = counts.model_dump(exclude_none=True, warnings=False) if counts else {}
        text = message.get("content") or ""
        hidden = getattr(response, "_hidden_params", None) or {}
        reported = [(hidden.get("additional_headers") or {}).get("llm_provider-x-litellm-response-cost")]
        if self.price.origin == MAP_ORIGIN:
            reported.append(hidden.get("response_cost"))
        cost, complaint = read_usage(usage, self.price, reported, has_output=bool(text or message.get("tool_calls")))
        finish_reason = str(getattr(choice, "finish_reason", "") or "")
        return Reply(str(text), message, finish_reason, usage, cost, witness.raw, complaint)


MAP_ORIGIN = "litellm's bundled map"
OPTIONS_ORIGIN = "--price-input and --price-output"


def find_price(
    model: str, *, base_url: str = "", input_usd: Decimal | None = None, output_usd: Decimal | None = None
) -> Price:
    """What a model costs.

    Args:
        model: Its name.
        base_url: Of an OpenAI-compatible endpoint; its prices are in no map.
        input_usd: USD per million prompt tokens; None to look it up. 0 is a price.
        output_usd: USD per million completion tokens; None to look it up.

    Raises:
        PriceError: If it is not known, or the map says 0.
        EndpointError: If litellm does not know the model.
    """
    if input_usd is not None and output_usd is not None:
        for amount in (input_usd, output_usd):
            if not amount.is_finite() or amount < 0:
                raise PriceError(f"a price of {amount} USD is none", hint="give 0 or more USD per million tokens")
        return Price.flat(to_usd(1) * input_usd, to_usd(1) * output_usd, OPTIONS_ORIGIN)
    hint = f"give its price in USD per million tokens: {OPTIONS_ORIGIN.replace(' and', ' X')} Y; 0 is a price"
    if input_usd is not None or output_usd is not None:
        raise PriceError("only one of the two prices was given", hint=hint)
    if base_url:
        raise PriceError(f"what {model} costs at {base_url} is not known", hint=hint)
    entry = _map_entry(model)
    price = None if entry is None else Price.from_map(entry, MAP_ORIGIN)
    if price is None:
        what = "is not in litellm's price map" if entry is None else "has no price in litellm's map, or 0"
        raise PriceError(f"{model} {what}", hint=hint)
    return price


def check_budget(price: Price, budget_usd: Decimal, model: str) -> None:
    """Refuses a budget that can't pay for a single call.

    Raises:
        PriceError: If the budget is 0 and the model is not free.
    """
    if budget_usd <= 0 and not price.is_free:
        raise PriceError(
            f"{model} costs money, and the budget is {budget_usd} dollars",
            hint="give a --budget in USD, or leave out --model to run the explorer that needs none",
        )


@dataclass(slots=True)
class _Witness:
    """What litellm's log of one call proves: whether the request was about to be sent, and what came back."""

    sent: bool = False
    raw: str = ""

    def note(self, details: Mapping[str, Any]) -> None:
        self.sent = True
        self.raw = self.raw or str(details.get("original_response") or "")


def _litellm() -> Any:
    """litellm, imported without fetching anything."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", "Pydantic serializer warnings")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.drop_params = False
    litellm.num_retries = None
    return litellm


def _call_settings(model: str, base_url: str) -> dict[str, Any]:
    if base_url:
        return {"model": f"openai/{model}", "base_url": base_url, "api_key": _key_for(base_url)}
    litellm = _litellm()
    _provider_of(model)
    missing = [name for name in litellm.validate_environment(model)["missing_keys"] if name.endswith("_KEY")]
    if missing:
        names = " and ".join(missing)
        raise EndpointError(f"{model} needs {names} in the environment", hint=f"export {missing[0]}=...")
    return {"model": model}


def _key_for(base_url: str) -> str:
    for name in _KEY_VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    if _is_loopback(base_url):
        return "none"
    names = " or ".join(_KEY_VARIABLES)
    raise EndpointError(f"{base_url} needs an API key in {names}", hint=f"export {_KEY_VARIABLES[0]}=...")


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _provider_of(model: str) -> tuple[str, str]:
    """The model's name without its provider, and the provider."""
    litellm = _litellm()
    try:
        name, provider, _, _ = litellm.get_llm_provider(model)
    except litellm.BadRequestError as error:
        raise EndpointError(
            f"litellm knows no model called {model}",
            hint="write it as PROVIDER/NAME, such as openai/gpt-4o-mini, or name an endpoint with --base-url",
        ) from error
    return str(name), str(provider)


def _map_entry(model: str) -> Mapping[str, Any] | None:
    name, provider = _provider_of(model)
    prices = _litellm().model_cost
    for key in (model, f"{provider}/{name}", name):
        entry = prices.get(key)
        if entry is not None and str(entry.get("litellm_provider", "")).split("-")[0] == provider.split("-")[0]:
            return dict(entry)
    return None


def _salvaged(raw: str) -> Reply | None:
    """The reply in what came back, where litellm could not read all of it; its usage is not relied on."""
    try:
        choice = json.loads(raw)["choices"][0]
        message = {name: value for name, value in choice["message"].items() if value is not None}
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    finish_reason = str(choice.get("finish_reason") or "")
    complaint = "the reply's usage can't be read"
    return Reply(str(message.get("content") or ""), message, finish_reason, {}, None, raw, complaint)


def _plain(text: str) -> str:
    """An error of litellm's without the names of its classes and without a traceback, in one line."""
    told = _PREFIX.sub("", text.split("Traceback (most recent call last)", maxsplit=1)[0], count=1)
    return " ".join(told.split())[:_ERROR_CHARACTERS]


def _classified(error: BaseException, witness: _Witness) -> NoReply:
    """How a failed call closes: released only where the charge is ruled out."""
    chain = list(_chain(error))
    message = _plain(str(error)) or type(error).__name__
    for cause in chain:
        if _root(cause) == "httpx" and type(cause).__name__ in _NOT_SENT:
            unsent = f"not sent: {type(cause).__name__}: {cause}"
            return NoReply(ExchangeState.UNSENT, unsent, passing=type(cause).__name__.startswith("Connect"))
    for cause in chain:
        response: Any = getattr(cause, "response", None)
        if _root(cause) in ("openai", "httpx") and hasattr(response, "status_code"):
            return _refused(int(response.status_code), message, response.headers, witness)
    if not witness.sent and not any(_root(cause) == "httpx" for cause in chain):
        return NoReply(ExchangeState.UNSENT, f"not sent: {message}")
    return NoReply(ExchangeState.UNCONFIRMED, message, passing=True, raw=witness.raw)


def _refused(status: int, message: str, headers: Mapping[str, str], witness: _Witness) -> NoReply:
    free = 400 <= status < 500 or status in _UNCHARGED_5XX
    passing = status >= 500 or (status in _PASSING_4XX and "insufficient_quota" not in message)
    return NoReply(
        ExchangeState.REFUSED if free else ExchangeState.UNCONFIRMED,
        message,
        status_code=status,
        passing=passing,
        retry_after_seconds=_seconds(headers.get("retry-after")),
        raw=witness.raw,
    )


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that led to it, suppressed ones included."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__]


def _root(error: BaseException) -> str:
    """The package that an exception's class was made in."""
    return type(error).__module__.split(".")[0]
