"""Reads what a reply says it used, trusting nothing: what it cost, or why that can't be told."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from discovery.price import Price, TokenCounts


def read_usage(
    usage: Mapping[str, Any], price: Price, reported: Iterable[object], *, has_output: bool
) -> tuple[Decimal | None, str]:
    """What a reply cost, in USD: the larger of what its tokens come to and what was reported.

    Args:
        usage: Counts as reported.
        price: Prices of the model.
        reported: Costs that came by other ways than `usage`; None where none did.
        has_output: Whether the reply holds anything that must have been decoded.

    Returns:
        The cost and an empty text; or None and what is wrong with the usage.
    """
    wrong = _impossible(usage)
    if wrong:
        return None, wrong
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion) or not prompt:
        return None, "the reply has no usable usage"
    if has_output and not completion:
        return None, "the reply's usage counts no completion tokens"
    costs = [price.cost(_tokens(usage))]
    for value in (usage.get("cost"), *reported):
        if value is None:
            continue
        amount = _amount(value)
        if amount is None:
            return None, f"the reply reports a cost of {value!r}"
        costs.append(amount)
    return max(costs), ""


def _tokens(usage: Mapping[str, Any]) -> TokenCounts:
    """Counts; whether reasoning is inside or outside the completion count, none of it is missed."""
    prompt, completion = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    details = usage.get("prompt_tokens_details") or {}
    reasoning = _count(usage.get("completion_tokens_details") or {}, "reasoning_tokens")
    outside = completion + reasoning if reasoning > completion else completion
    output = max(outside, _count(usage, "total_tokens") - prompt)
    cache_write = max(
        _count(usage, "cache_creation_input_tokens"),
        _count(details, "cache_creation_tokens"),
        _count(details, "cache_write_tokens"),
    )
    cache_read = max(_count(usage, "cache_read_input_tokens"), _count(details, "cached_tokens"))
    cache_write = min(cache_write, prompt)
    return TokenCounts(prompt, output, min(cache_read, prompt - cache_write), cache_write)


def _impossible(usage: Mapping[str, Any]) -> str:
    """What is wrong with any number in the usage; empty if nothing is."""
    for name, value in usage.items():
        if isinstance(value, Mapping):
            if wrong := _impossible(value):
                return wrong
        elif isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
            return f"the reply's usage says {name} = {value}"
    return ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return int(value) if isinstance(value, int) and _is_count(value) else 0


def _amount(value: object) -> Decimal | None:
    """A cost in USD; None for what is none."""
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
