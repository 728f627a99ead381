"""What a call can cost at most, and what it did cost: prices per token, in tiers by length of the prompt.

Pure arithmetic in `Decimal`; where prices come from is the business of `provider`.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Self

MICROUSD_PER_USD = Decimal(1_000_000)
MAX_MICROUSD = 10**15
"""Largest amount that is booked, a billion dollars; absurd claims are cut to it."""

REQUEST_OVERHEAD_TOKENS = 1_000
"""Tokens that a provider may add to a request beyond one for each of its bytes."""

_FIELD = re.compile(
    r"(?P<what>input_cost_per_token|output_cost_per_token|output_cost_per_reasoning_token"
    r"|cache_read_input_token_cost|cache_creation_input_token_cost)(?P<hour>_above_1hr)?(_above_(?P<k>\d+)k_tokens)?"
)


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices in USD per token of calls whose prompt is longer than `above_tokens`.

    Attributes:
        above_tokens: Length of the prompt, in tokens.
        input_usd: A prompt token.
        output_usd: A completion token, or a reasoning token if that is dearer.
        cache_read_usd: A prompt token read from a cache.
        cache_write_usd: A prompt token written to a cache.
    """

    above_tokens: int
    input_usd: Decimal
    output_usd: Decimal
    cache_read_usd: Decimal
    cache_write_usd: Decimal


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of a call. Cached tokens are part of the prompt, reasoning is part of the output."""

    prompt: int
    output: int
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of a model.

    Attributes:
        tiers: By ascending length of the prompt; the first is for any.
        request_usd: For each request.
        origin: Where the prices come from, for people.
    """

    tiers: tuple[Tier, ...]
    request_usd: Decimal
    origin: str

    @property
    def is_free(self) -> bool:
        """Whether no call can cost anything."""
        return self.worst_case(10**9, 10**9) == 0

    def worst_case(self, request_bytes: int, max_tokens: int) -> Decimal:
        """The most that a call can cost, in USD.

        Args:
            request_bytes: UTF-8 bytes of the serialised request.
            max_tokens: Longest reply asked for, reasoning included.
        """
        return self._input_bound(request_bytes) + max_tokens * self._output_bound(request_bytes)

    def longest_reply(self, request_bytes: int, room_usd: Decimal) -> int | None:
        """The largest `max_tokens` whose worst case fits into `room_usd`; None if any fits, negative if none does."""
        output = self._output_bound(request_bytes)
        left = room_usd - self._input_bound(request_bytes)
        if output == 0:
            return None if left >= 0 else -1
        return int((left / output).to_integral_value("ROUND_FLOOR"))

    def cost(self, tokens: TokenCounts) -> Decimal:
        """What a call comes to, in USD."""
        tier = [tier for tier in self.tiers if tier.above_tokens < tokens.prompt or not tier.above_tokens][-1]
        plain = max(0, tokens.prompt - tokens.cache_read - tokens.cache_write)
        inputs = plain * tier.input_usd + tokens.cache_read * tier.cache_read_usd
        return self.request_usd + inputs + tokens.cache_write * tier.cache_write_usd + tokens.output * tier.output_usd

    def to_json(self) -> dict[str, Any]:
        """As it is stored with the run: amounts as decimal text, in USD per token."""
        tiers = [
            {name: str(value) if name.endswith("usd") else value for name, value in asdict(tier).items()}
            for tier in self.tiers
        ]
        return {"tiers": tiers, "request_usd": str(self.request_usd), "origin": self.origin}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        tiers = (
            Tier(int(tier["above_tokens"]), *(Decimal(tier[name]) for name in Tier.__slots__[1:]))
            for tier in stored["tiers"]
        )
        return cls(tuple(tiers), Decimal(stored["request_usd"]), stored["origin"])

    @classmethod
    def flat(cls, input_usd: Decimal, output_usd: Decimal, origin: str) -> Self:
        """The same price per token whatever the length, cached or not."""
        return cls((Tier(0, input_usd, output_usd, input_usd, input_usd),), Decimal(0), origin)

    @classmethod
    def from_map(cls, entry: Mapping[str, Any], origin: str) -> Self | None:
        """Prices from an entry of litellm's map; None if it has none for prompt and completion tokens, or says 0."""
        rates: dict[int, dict[str, Decimal]] = {}
        for name, value in entry.items():
            found = _FIELD.fullmatch(name)
            if found and value is not None:
                what = found["what"] + (found["hour"] or "")
                rates.setdefault(1_000 * int(found["k"] or 0), {})[what] = Decimal(str(value))
        for step in entry.get("tiered_pricing") or ():
            values = {name: Decimal(str(value)) for name, value in step.items() if _FIELD.fullmatch(name)}
            rates.setdefault(int(step.get("range", (0,))[0]), {}).update(values)
        base = rates.get(0, {})
        if not base.get("input_cost_per_token") or not base.get("output_cost_per_token"):
            return None
        tiers = tuple(_tier(above, base | rates[above]) for above in sorted(rates))
        return cls(tiers, Decimal(str(entry.get("input_cost_per_request") or 0)), origin)

    def _applicable(self, request_bytes: int) -> list[Tier]:
        longest = request_bytes + REQUEST_OVERHEAD_TOKENS
        return [tier for tier in self.tiers if tier.above_tokens < longest]

    def _input_bound(self, request_bytes: int) -> Decimal:
        tiers = self._applicable(request_bytes)
        dearest = max(max(tier.input_usd, tier.cache_write_usd, tier.cache_read_usd) for tier in tiers)
        return self.request_usd + (request_bytes + REQUEST_OVERHEAD_TOKENS) * dearest

    def _output_bound(self, request_bytes: int) -> Decimal:
        return max(tier.output_usd for tier in self._applicable(request_bytes))


def to_microusd(usd: Decimal) -> int:
    """Micro-dollars, rounded up."""
    return min(MAX_MICROUSD, int((usd * MICROUSD_PER_USD).to_integral_value(ROUND_CEILING)))


def to_usd(microusd: int) -> Decimal:
    """Dollars."""
    return Decimal(microusd) / MICROUSD_PER_USD


def _tier(above: int, rates: Mapping[str, Decimal]) -> Tier:
    plain = rates["input_cost_per_token"]
    output = max(rates["output_cost_per_token"], rates.get("output_cost_per_reasoning_token", Decimal(0)))
    writes = [rates[name] for name in rates if name.startswith("cache_creation")]
    return Tier(above, plain, output, rates.get("cache_read_input_token_cost", plain), max([plain, *writes]))
