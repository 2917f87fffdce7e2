"""Two ends, each with a clock of its own: who only receives learns how far away the other one is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.roundtrip import FRESH_FOR, MAXIMUM_ASKING, RoundTrip
from meetref.wire.rtcp import ExtendedReport, ReferenceDelay, ReferenceDelays, ReferenceTime

words = st.integers(0, 2**32 - 1)
moments = st.floats(0, 1e6)
blocks = st.builds(ReferenceTime, st.integers(0, 2**64 - 1)) | st.builds(
    ReferenceDelays, st.lists(st.builds(ReferenceDelay, st.just(7) | words, words, words), max_size=4)
)


@pytest.mark.spec("rtcp/reference-answered", "rtcp/round-trip-without-media")
@given(
    start=moments,
    apart=st.floats(-1e5, 1e5),
    there=st.floats(0.001, 0.5),
    waits=st.floats(0, 3),
    back=st.floats(0, 0.5),
    asked_before=st.integers(0, 3),
)
def test_the_wait_at_the_other_end_does_not_count(
    start: float, apart: float, there: float, waits: float, back: float, asked_before: int
) -> None:
    """`apart` is how much later it is by the other end's clock."""
    receiver, sender = RoundTrip(7), RoundTrip(9)
    for before in range(asked_before):
        receiver.ask(start - asked_before + before)
    sender.on_report(receiver.ask(start), start + there + apart)
    (answer,) = sender.answer(start + there + waits + apart)
    now = start + there + waits + back
    receiver.on_report(answer, now)
    assert receiver.seconds(now) == pytest.approx(there + back, abs=1e-4)
    assert receiver.seconds(now + FRESH_FOR + 1) is None
    assert sender.seconds(now) is None


@pytest.mark.spec("rtcp/reference-answered")
def test_each_is_answered_once_and_by_what_it_said_last() -> None:
    sender = RoundTrip(9)
    assert sender.answer(0.0) == []
    for ssrc, ntp, heard_at in ((1, 5 << 32, 10.0), (2, 6 << 32, 10.5), (1, 7 << 32, 11.0)):
        sender.on_report(ExtendedReport(ssrc, [ReferenceTime(ntp)]), heard_at)
    expected = [ReferenceDelay(2, 6 << 16, 65536), ReferenceDelay(1, 7 << 16, 32768)]
    assert sender.answer(11.5) == [ExtendedReport(9, [ReferenceDelays(expected)])]
    assert sender.answer(12.5) == []


@pytest.mark.spec("rtcp/reference-answered")
def test_who_has_no_clock_is_not_answered() -> None:
    sender = RoundTrip(9)
    sender.on_report(ExtendedReport(1, [ReferenceTime(0)]), 1.0)
    assert sender.answer(2.0) == []


def test_those_who_ask_are_bounded() -> None:
    sender = RoundTrip(9)
    for ssrc in range(1000):
        sender.on_report(ExtendedReport(ssrc, [ReferenceTime(1 << 32)]), 1.0)
    (answer,) = sender.answer(1.0)
    (block,) = answer.blocks
    assert isinstance(block, ReferenceDelays)
    assert [delay.ssrc for delay in block.delays] == list(range(1000 - MAXIMUM_ASKING, 1000))


@pytest.mark.spec("rtcp/elapsed-time")
@given(moments, st.lists(st.floats(0, 3600), max_size=5))
def test_a_clock_tells_only_how_long_it_runs(start: float, later: list[float]) -> None:
    receiver = RoundTrip(7)
    told = []
    for since in [0.0, *sorted(later)]:
        (block,) = receiver.ask(start + since).blocks
        assert isinstance(block, ReferenceTime)
        told.append(block.ntp)
        assert block.ntp / 2**32 == pytest.approx(since + 1, abs=1e-4)
    assert told == sorted(told)


@pytest.mark.spec("rtcp/round-trip-without-media")
def test_answers_to_others_and_to_nothing_are_no_measurement() -> None:
    receiver = RoundTrip(7)
    heard = ReferenceDelay(7, 1 << 16, 0)
    receiver.on_report(ExtendedReport(9, [ReferenceDelays([heard])]), 5.0)
    assert receiver.seconds(5.0) is None, "nothing was asked"
    receiver.ask(5.0)
    for wrong in (
        ReferenceDelay(8, 1 << 16, 0),
        ReferenceDelay(7, 0, 0),
        ReferenceDelay(7, 1 << 16, 1 << 20),
        ReferenceDelay(7, 0xF0000000, 0),
    ):
        receiver.on_report(ExtendedReport(9, [ReferenceDelays([wrong])]), 5.1)
        assert receiver.seconds(5.1) is None, wrong
    receiver.on_report(ExtendedReport(9, [ReferenceDelays([heard])]), 5.1)
    assert receiver.seconds(5.1) == pytest.approx(0.1, abs=1e-4)


@given(st.lists(st.tuples(words, st.lists(blocks, max_size=3)), max_size=20), moments)
def test_whatever_comes_raises_nothing(
    reports: list[tuple[int, list[ReferenceTime | ReferenceDelays]]], now: float
) -> None:
    end = RoundTrip(7)
    end.ask(now)
    for ssrc, said in reports:
        now += 0.25
        end.on_report(ExtendedReport(ssrc, said), now)
        seconds = end.seconds(now)
        assert seconds is None or 0 <= seconds <= 6.0
    assert len(end.answer(now)) <= 1
