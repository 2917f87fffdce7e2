"""Many ask, one request goes out."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import keyframes
from meetref.media.keyframes import KeyframeGate, Pace


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


@pytest.mark.spec("rtcp/keyframe-requests-paced")
def test_encodings_of_one_source_share_its_pace() -> None:
    pace = Pace()
    small, large = KeyframeGate(pace), KeyframeGate(pace)
    assert small.ask(0.0)
    assert not large.ask(0.1)
    assert large.next_timeout() == pytest.approx(0.3)
    large.arrived(0.2)  # the encoder made a keyframe of each
    assert large.next_timeout() == math.inf
    assert not large.ask(0.25)
    small.arrived(0.2)
    assert not small.ask(0.25)
    assert large.repeat(0.3)
    assert not small.repeat(0.3), "the other has just been asked for"
    assert small.next_timeout() == pytest.approx(0.6)


@pytest.mark.spec("rtcp/keyframe-requests-paced")
def test_who_asks_all_the_time_gets_one_a_second() -> None:
    gate = KeyframeGate()
    sent = []
    for tick in range(1000):
        now = tick / 100
        if gate.ask(now) or gate.repeat(now):
            sent.append(now)
            gate.arrived(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps[:3] == pytest.approx([0.3, 0.3, 0.4], abs=0.011)
    assert gaps[3:] == pytest.approx([keyframes.COST] * (len(gaps) - 3), abs=0.011)
    gate.arrived(10.0)
    assert gate.ask(20.0)
    gate.arrived(20.1)
    assert not gate.ask(20.1)
    assert gate.next_timeout() == pytest.approx(20.3), "after a calm it is as at first"


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
