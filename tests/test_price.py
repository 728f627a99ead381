"""The arithmetic of money: worst cases that hold, costs by tier and cache, usage that can't be relied on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.price import Price, TokenCounts, to_microusd, to_usd
from discovery.usage import read_usage

PRICE = Price.flat(Decimal("1e-6"), Decimal("4e-6"), "test")

ENTRY = {
    "input_cost_per_token": 1e-6,
    "output_cost_per_token": 4e-6,
    "output_cost_per_reasoning_token": 5e-6,
    "cache_read_input_token_cost": 1e-7,
    "cache_creation_input_token_cost": 1.25e-6,
    "cache_creation_input_token_cost_above_1hr": 2e-6,
    "input_cost_per_token_above_200k_tokens": 2e-6,
    "output_cost_per_token_above_200k_tokens": 8e-6,
    "input_cost_per_token_batches": 1.0,
}


def test_the_worst_case_takes_the_dearest_price_that_can_apply() -> None:
    price = Price.from_map(ENTRY, "test")
    assert price is not None
    assert price.worst_case(9_000, 100) == 10_000 * Decimal("2e-6") + 100 * Decimal("5e-6")
    assert price.worst_case(199_000, 100) == 200_000 * Decimal("2e-6") + 100 * Decimal("5e-6")
    assert price.worst_case(199_001, 100) == 200_001 * Decimal("2e-6") + 100 * Decimal("8e-6")


def test_the_cost_follows_tier_and_cache() -> None:
    price = Price.from_map(ENTRY, "test")
    assert price is not None
    assert price.cost(TokenCounts(1_000, 10, cache_read=400)) == Decimal("0.00069")
    assert price.cost(TokenCounts(200_001, 10)) == 200_001 * Decimal("2e-6") + 10 * Decimal("8e-6")


def test_prices_in_steps_are_read() -> None:
    steps = [
        {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "range": [0, 1000.0]},
        {"input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6, "range": [1000.0, 9000.0]},
    ]
    price = Price.from_map({"tiered_pricing": steps}, "test")
    assert price is not None
    assert price.cost(TokenCounts(1_000, 1)) == Decimal("0.001002")
    assert price.cost(TokenCounts(1_001, 1)) == Decimal("0.003007")


@pytest.mark.parametrize("entry", [{}, ENTRY | {"output_cost_per_token": 0.0}, ENTRY | {"input_cost_per_token": None}])
def test_a_map_without_a_price_or_with_zero_gives_none(entry: dict[str, float]) -> None:
    assert Price.from_map(entry, "test") is None


@given(
    n_bytes=st.integers(2, 10**6),
    max_tokens=st.integers(1, 10**5),
    prompt=st.floats(0, 1),
    output=st.floats(0, 1),
    cached=st.floats(0, 1),
    written=st.floats(0, 1),
)
def test_no_call_within_its_limits_costs_more_than_its_worst_case(
    n_bytes: int, max_tokens: int, prompt: float, output: float, cached: float, written: float
) -> None:
    price = Price.from_map(ENTRY, "test")
    assert price is not None
    n_prompt = int(prompt * (n_bytes + 1_000))
    n_cached = int(cached * n_prompt)
    n_written = int(written * (n_prompt - n_cached))
    cost = price.cost(TokenCounts(n_prompt, int(output * max_tokens), n_cached, n_written))
    assert cost <= price.worst_case(n_bytes, max_tokens)


@given(n_bytes=st.integers(2, 10**6), room=st.integers(0, 10**9))
def test_the_longest_reply_fits_and_one_token_more_does_not(n_bytes: int, room: int) -> None:
    longest = PRICE.longest_reply(n_bytes, to_usd(room))
    assert longest is not None
    if longest >= 0:
        assert to_microusd(PRICE.worst_case(n_bytes, longest)) <= room
    assert PRICE.worst_case(n_bytes, longest + 1) > to_usd(room)


@given(st.decimals(0, 1_000, places=9))
def test_micro_dollars_are_rounded_up_by_less_than_one(usd: Decimal) -> None:
    assert 0 <= to_usd(to_microusd(usd)) - usd < to_usd(1)


USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


@pytest.mark.parametrize(
    ("usage", "reported", "expected"),
    [
        (USAGE, [], "0.0014"),
        (USAGE | {"cost": 0.5}, [], "0.5"),
        (USAGE | {"cost": 0.0001}, [None], "0.0014"),
        (USAGE, ["0.25"], "0.25"),
        (USAGE | {"total_tokens": 1_300}, [], "0.0022"),
        (USAGE | {"completion_tokens_details": {"reasoning_tokens": 40}}, [], "0.0014"),
        (USAGE | {"completion_tokens_details": {"reasoning_tokens": 400}}, [], "0.003"),
    ],
)
def test_the_larger_of_computed_and_reported_is_booked(
    usage: dict[str, object], reported: list[object], expected: str
) -> None:
    assert read_usage(usage, PRICE, reported, has_output=True) == (Decimal(expected), "")


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 1_000},
        USAGE | {"prompt_tokens": 0},
        USAGE | {"completion_tokens": 0},
        USAGE | {"completion_tokens": -1},
        USAGE | {"completion_tokens": 1.5},
        USAGE | {"completion_tokens": True},
        USAGE | {"prompt_tokens": "many"},
        USAGE | {"prompt_tokens": float("nan")},
        USAGE | {"total_tokens": float("inf")},
        USAGE | {"cost": float("nan")},
        USAGE | {"cost": "much"},
        USAGE | {"completion_tokens_details": {"reasoning_tokens": -4}},
    ],
)
def test_usage_that_can_not_be_is_not_relied_on(usage: dict[str, object]) -> None:
    cost, complaint = read_usage(usage, PRICE, [], has_output=True)
    assert cost is None
    assert complaint
