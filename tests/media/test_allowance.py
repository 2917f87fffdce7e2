"""What may be sent once more: what the rate leaves beside what is sent for the first time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.allowance import ALWAYS, AT_ONCE, SAVED, Allowance
from meetref.media.allowance import PACKET as LARGEST

RATE, PACKET = 800_000.0, 1000  # bit/s: a hundred packets a second


def repeat(allowance: Allowance, seconds: float, *, media_octets: int = 0) -> int:
    """Ask for a repetition every millisecond beside so much media; how many were allowed."""
    allowed, step = 0, 0.001
    for tick in range(1, round(seconds / step) + 1):
        allowance.sent_octets += round(media_octets * step)
        if allowance.allows(tick * step):
            allowance.sent_octets += PACKET
            allowed += 1
    return allowed


def allowed_at(allowance: Allowance, now: float) -> int:
    """How many repetitions are allowed at one moment."""
    allowed = 0
    while allowance.allows(now):
        allowance.sent_octets += PACKET
        allowed += 1
    return allowed


@pytest.mark.spec("pacing/repeats-beside-media")
def test_repetitions_get_what_media_leave() -> None:
    alone, beside = Allowance(RATE), Allowance(RATE)
    for allowance in (alone, beside):
        assert allowance.allows(0.0)
    assert repeat(alone, 10) == pytest.approx(1000 + 100 * SAVED, abs=2)
    assert repeat(beside, 10, media_octets=75_000) == pytest.approx(250 + 100 * SAVED, abs=2)


@pytest.mark.spec("pacing/repeats-beside-media")
def test_media_that_take_all_leave_little_until_the_debt_is_paid() -> None:
    allowance = Allowance(RATE)
    allowance.sent_octets = 10 * round(RATE)
    assert [allowance.allows(0.0) for _ in range(AT_ONCE + 1)] == [True] * AT_ONCE + [False]
    assert allowed_at(allowance, SAVED * 0.99) <= AT_ONCE, "what is owed has a bound"
    assert allowed_at(allowance, SAVED * 2) > AT_ONCE


@pytest.mark.spec("pacing/some-repeats-always")
def test_a_tenth_of_the_rate_is_always_for_repetitions() -> None:
    """One packet that nobody sends again stops a picture for seconds."""
    allowance = Allowance(RATE)
    allowance.sent_octets = round(RATE)
    always = AT_ONCE + 10 * ALWAYS * RATE / 8 / LARGEST
    assert repeat(allowance, 10, media_octets=2 * round(RATE / 8)) == pytest.approx(always, abs=2)


@given(st.floats(1e4, 1e7), st.lists(st.tuples(st.floats(0, 2), st.integers(0, 100_000)), max_size=30))
def test_never_more_than_was_saved_at_once(rate_bps: float, sendings: list[tuple[float, int]]) -> None:
    allowance, now = Allowance(rate_bps), 0.0
    for waited, octets in sendings:
        now += waited
        allowance.sent_octets += octets
        allowance.allows(now)
    repeated = 0
    while allowance.allows(now):
        allowance.sent_octets += PACKET
        repeated += PACKET
    assert repeated <= SAVED * rate_bps / 8 + PACKET * (1 + AT_ONCE)
