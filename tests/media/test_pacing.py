"""The pacer: free while unlimited, then a rate with room for a batch; the urgent first, and never too much waiting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import pacing
from meetref.media.pacing import DropOldestQueue, Pacer, Urgency


def drain(pacer: Pacer[str], until: float) -> list[tuple[float, Urgency, str]]:
    """Let it have its way until then: what left, and when."""
    out = []
    while (now := pacer.next_timeout()) <= until:
        out += [(now, urgency, item) for urgency, item in pacer.due(now)]
        assert pacer.next_timeout() > now
    return out


@pytest.mark.spec("pacing/unlimited-passes")
def test_without_a_rate_everything_passes() -> None:
    pacer: Pacer[str] = Pacer()
    assert all(pacer.passes(10**7, 0.0, urgency) for urgency in Urgency for _ in range(100))
    assert (len(pacer), pacer.next_timeout(), pacer.waiting_for) == (0, math.inf, 0)


@pytest.mark.spec("pacing/window")
def test_a_batch_passes_whole_while_little_is_owed() -> None:
    pacer: Pacer[str] = Pacer(1_000_000)  # 5000 octets in its window of 40 ms
    assert pacer.passes(12_000, 1.0)  # 96 ms of the rate
    assert not pacer.passes(1, 1.0)
    assert not pacer.passes(1, 1.055)
    assert pacer.passes(12_000, 1.057)


@pytest.mark.spec("pacing/rate")
def test_over_time_the_rate_is_kept() -> None:
    pacer: Pacer[str] = Pacer(1_000_000)
    out = []
    octets, now = 0, 0.0
    while now < 10.0:
        out += drain(pacer, now)
        if pacer.passes(1250 * 8, now):
            octets += 1250 * 8
        else:
            for _ in range(8):
                pacer.wait(Urgency.VIDEO, "video", 1250)
        now += 0.033
    octets += 1250 * len(out)
    assert octets == pytest.approx(1_000_000 / 8 * 10, rel=0.02)
    assert pacer.dropped > 0


@pytest.mark.spec("pacing/audio-never-waits")
def test_audio_never_waits_and_is_counted() -> None:
    pacer: Pacer[str] = Pacer(1_000_000)
    assert pacer.passes(25_000, 0.0)
    assert pacer.passes(160, 0.0, Urgency.AUDIO)
    pacer.wait(Urgency.VIDEO, "video", 1000)
    assert pacer.passes(160, 0.0, Urgency.AUDIO)
    assert pacer.next_timeout() == pytest.approx((25_000 + 320) * 8 / 1e6 - 0.04 + pacing.QUANTUM)


@pytest.mark.spec("pacing/order")
def test_what_waits_leaves_in_its_order() -> None:
    pacer: Pacer[str] = Pacer(1_000_000)
    pacer.passes(20_000, 0.0)
    audio, retransmission, video, padding = Urgency
    for urgency in (padding, video, retransmission, video, retransmission, audio):
        pacer.wait(urgency, f"{urgency.name} {len(pacer)}", 1000)
    out = [item for _, _, item in drain(pacer, 5.0)]
    assert out == ["AUDIO 5", "RETRANSMISSION 2", "RETRANSMISSION 4", "VIDEO 1", "VIDEO 3", "PADDING 0"]


@pytest.mark.spec("pacing/order")
def test_nothing_overtakes_what_waits_and_is_as_urgent() -> None:
    pacer: Pacer[str] = Pacer(1_000_000)
    pacer.passes(10_000, 0.0)
    pacer.wait(Urgency.VIDEO, "first", 1000)
    assert not pacer.passes(1000, 0.05)  # the rate would allow it
    assert not pacer.passes(1000, 0.05, Urgency.PADDING)
    assert pacer.passes(1000, 0.05, Urgency.RETRANSMISSION)


@pytest.mark.spec("pacing/bounded")
def test_too_much_waiting_drops_padding_and_then_the_oldest() -> None:
    pacer: Pacer[str] = Pacer(400_000)  # 12500 octets may wait
    pacer.passes(10_000, 0.0)
    for number in range(5):
        pacer.wait(Urgency.PADDING, f"padding {number}", 1000)
    for number in range(20):
        pacer.wait(Urgency.VIDEO, f"video {number}", 1000)
    assert pacer.dropped == 5 + 8
    assert [item for _, _, item in drain(pacer, 9.0)] == [f"video {number}" for number in range(8, 20)]
    assert pacer.waiting_for == 0


@pytest.mark.spec("pacing/bounded")
def test_what_would_take_too_long_goes_faster_and_whole() -> None:
    pacer: Pacer[str] = Pacer(100_000, drains_within=0.5)
    pacer.passes(500, 0.0)
    for number in range(200):
        pacer.wait(Urgency.VIDEO, f"slide {number}", 1000)
    out = drain(pacer, 5.0)
    assert (len(out), pacer.dropped) == (200, 0)
    assert out[-1][0] == pytest.approx(0.5, abs=0.05)
    assert pacer.passes(1250, 1.0)
    assert pacer.next_timeout() == math.inf
    assert not pacer.passes(1, 1.0)  # at the old rate, those took 100 ms


def test_one_packet_larger_than_all_that_may_wait_still_leaves() -> None:
    pacer: Pacer[str] = Pacer(1_000)
    pacer.passes(1_000, 0.0)
    pacer.wait(Urgency.VIDEO, "huge", 5_000)
    assert [item for _, _, item in drain(pacer, 60.0)] == ["huge"]


@pytest.mark.spec("pacing/unlimited-passes")
def test_when_the_limit_goes_all_that_waits_is_due() -> None:
    pacer: Pacer[str] = Pacer(100_000)
    pacer.passes(10_000, 0.0)
    for number in range(3):
        pacer.wait(Urgency.VIDEO, str(number), 1000)
    assert pacer.waiting_for == pytest.approx(0.24)
    pacer.set_rate(math.inf)
    assert pacer.next_timeout() <= 0.0
    assert [item for _, item in pacer.due(0.01)] == ["0", "1", "2"]


def test_a_queue_drops_its_oldest() -> None:
    queue: DropOldestQueue[int] = DropOldestQueue()
    for number in range(10):
        queue.put(number, 100, 350)
    assert (len(queue), queue.octets, queue.dropped) == (3, 300, 7)
    assert queue.take() == (7, 100)
    queue.clear()
    assert (len(queue), queue.octets, queue.dropped) == (0, 0, 9)


@given(
    st.floats(1, 1e9) | st.just(math.inf),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from(Urgency),
            st.integers(1, 20_000),
            st.none() | st.floats(0, 1e9),
            st.booleans(),
        ),
        max_size=40,
    ),
)
def test_time_always_moves_on_and_nothing_is_lost_without_being_counted(
    rate: float, steps: list[tuple[float, Urgency, int, float | None, bool]]
) -> None:
    pacer: Pacer[int] = Pacer(rate)
    now, put, out = 0.0, 0, 0
    for later, urgency, size, changed, is_due in steps:
        now += later
        if changed is not None:
            pacer.set_rate(changed)
        if not pacer.passes(size, now, urgency):
            assert urgency is not Urgency.AUDIO
            pacer.wait(urgency, put, size)
            put += 1
        if is_due and pacer.next_timeout() <= now:
            out += len(pacer.due(now))
            assert pacer.next_timeout() > now
        assert put == out + len(pacer) + pacer.dropped
