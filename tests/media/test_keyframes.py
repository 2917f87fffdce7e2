"""Many ask, one request goes out."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import keyframes
from meetref.media.keyframes import KeyframeGate


@pytest.mark.spec("rtcp/keyframe-requests-paced")
def test_requests_become_one_until_the_keyframe_arrives() -> None:
    gate = KeyframeGate()
    assert gate.next_timeout() == math.inf
    assert gate.ask(0.0)
    assert not any(gate.ask(0.01 * number) for number in range(1, 40))
    assert gate.waiting
    gate.arrived(0.4)
    assert not gate.waiting
    assert gate.next_timeout() == math.inf
    assert gate.sent == 1


@pytest.mark.spec("rtcp/keyframe-requests-paced")
def test_two_requests_are_a_gap_apart_even_when_the_first_was_answered() -> None:
    gate = KeyframeGate()
    assert gate.ask(0.0)
    gate.arrived(0.05)
    assert not gate.ask(0.1)
    assert gate.next_timeout() == pytest.approx(0.3)
    assert not gate.repeat(0.2)
    assert gate.repeat(0.3)


def test_an_unanswered_request_is_repeated_with_growing_gaps_and_given_up() -> None:
    gate = KeyframeGate()
    assert gate.ask(0.0)
    sent = [0.0]
    while gate.next_timeout() < math.inf:
        now = gate.next_timeout()
        if gate.repeat(now):
            sent.append(now)
        assert gate.next_timeout() > now
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps[:4] == pytest.approx([0.5, 1.0, 2.0, 2.0])
    assert len(sent) == keyframes.MAXIMUM_TRIES
    assert gate.ask(100.0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "arrived", "repeat"]), st.floats(0, 1)), max_size=100))
def test_no_order_of_calls_breaks_the_pace(calls: list[tuple[str, float]]) -> None:
    gate = KeyframeGate()
    now, last = 0.0, -math.inf
    for call, wait in calls:
        now += wait
        if call == "arrived":
            gate.arrived(now)
        elif getattr(gate, call)(now):
            assert now - last >= keyframes.SHORTEST_GAP - 1e-9
            last = now
        if call == "repeat":
            assert gate.next_timeout() > now
