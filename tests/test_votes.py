"""Votes: majorities and their ties, tallies, and the confidence in a leader against exact fractions."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.votes import confidence, counted_majority, counted_tally, majority, remembered_confidence, tally

LABELS = st.lists(st.sampled_from([None, 0, 1, 2, 3]), max_size=30)
BOTH = pytest.mark.parametrize("confident", [confidence, remembered_confidence])


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ([], None),
        ([None], None),
        ([3], 3),
        ([0, 1, 1], 1),
        ([0, 1], 0),
        ([1, 0], 1),
        ([2, 0, 0, 2], 2),
        ([1, 0, 0, 1, 2, 2], 1),
        ([None, 0], None),
        ([0, None], 0),
        ([0, None, None], None),
        ([None, 0, 0, None, 0], 0),
    ],
)
def test_the_majority_is_the_most_frequent_label_and_of_equals_the_first_met(
    labels: list[int | None], winner: int | None
) -> None:
    assert majority(labels) == winner
    assert majority(iter(labels)) == winner
    assert majority(dict(enumerate(labels)).values()) == winner


def test_a_tally_is_ordered_by_count_and_then_by_first_sight() -> None:
    assert list(tally([3, None, 1, 1, None, 2]).items()) == [(None, 2), (1, 2), (3, 1), (2, 1)]
    assert list(tally([5, 5]).items()) == [(5, 2)]
    assert tally([]) == {}


@given(LABELS)
def test_majority_and_tally_agree_with_plain_counting(labels: list[int | None]) -> None:
    counts = Counter(labels)
    first = list(dict.fromkeys(labels))
    expected = sorted(first, key=lambda label: (-counts[label], first.index(label)))
    assert list(tally(labels).items()) == [(label, counts[label]) for label in expected]
    assert majority(labels) == (expected[0] if expected else None)


@given(LABELS)
def test_counting_in_c_gives_the_same(labels: list[int | None]) -> None:
    for given_as in (labels, dict(enumerate(labels)).values(), (label for label in labels)):
        assert counted_majority(given_as) == majority(labels)
    assert list(counted_tally(labels).items()) == list(tally(labels).items())


def test_a_tally_is_fresh_each_time() -> None:
    labels = [1, 1, 0]
    for votes in (tally(labels), tally(labels)):
        votes.clear()
    assert tally(labels) == {1: 2, 0: 1}
    assert labels == [1, 1, 0]


def upper_half(v1: int, v2: int) -> Fraction:
    """P(X > 1/2) for X ~ Beta(v1 + 1, v2 + 1), by integrating x^v1 (1 - x)^v2 term by term."""
    area = Fraction(0)
    for power in range(v2 + 1):
        exponent = v1 + power + 1
        area += (-1) ** power * comb(v2, power) * (1 - Fraction(1, 2**exponent)) / exponent
    return area * Fraction(factorial(v1 + v2 + 1), factorial(v1) * factorial(v2))


@BOTH
def test_confidence_is_the_exact_probability_rounded_once(confident: Callable[..., float]) -> None:
    for v1 in range(25):
        for v2 in range(25):
            if v1 or v2:
                assert confident(v1, v2) == float(upper_half(v1, v2))
    for v1, v2 in [(128, 0), (128, 128), (64, 63), (0, 128), (127, 1), (300, 200)]:
        assert confident(v1, v2) == float(upper_half(v1, v2))


@BOTH
def test_confidence_has_its_closed_forms(confident: Callable[..., float]) -> None:
    assert confident(0, 0) == confident(0) == 0.0
    for votes in range(1, 60):
        assert confident(votes, votes) == 0.5
        assert confident(votes) == confident(votes, 0) == 1 - 0.5 ** (votes + 1)
        assert confident(0, votes) == 0.5 ** (votes + 1)
    assert confident(2, 1) == 11 / 16
    assert confident(4096, 0) == 1.0
    assert confident(4096, 4096) == 0.5


@BOTH
@pytest.mark.parametrize("wrong", [-1, 4097, True, False, 1.0, "1", None, [1]], ids=repr)
def test_confidence_takes_exact_counts_alone(confident: Callable[..., float], wrong: object) -> None:
    for arguments in ((wrong,), (wrong, 0), (3, wrong), (0, wrong)):
        with pytest.raises(ValueError, match="whole number"):
            confident(*arguments)


def test_remembering_shows_nothing_of_what_was_asked_before() -> None:
    class Spy(int):
        def __hash__(self) -> int:
            raise AssertionError("asked for a hash")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    assert remembered_confidence(1, 0) == 0.75
    assert not any(hasattr(remembered_confidence, name) for name in ("cache_info", "cache_clear", "__wrapped__"))
    for look_alike in (True, 1.0, Spy(1)):
        with pytest.raises(ValueError, match="whole number"):
            remembered_confidence(look_alike, 0)  # type: ignore[arg-type]
