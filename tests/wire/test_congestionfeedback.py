"""Congestion control feedback: what is written is read back, and no octets raise anything but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import rtcp
from meetref.wire.congestionfeedback import LONG_AGO, MAXIMUM_REPORTS, UNTIMED, CongestionFeedback, StreamFeedback
from meetref.wire.reader import Malformed

shorts, words = st.integers(0, 65535), st.integers(0, 2**32 - 1)


@st.composite
def streams(draw: st.DrawFn) -> StreamFeedback:
    arrivals = draw(st.lists(st.none() | st.integers(0, UNTIMED), max_size=30))
    marks = [0 if arrival is None else draw(st.integers(0, 3)) for arrival in arrivals]
    return StreamFeedback(draw(words), draw(shorts), arrivals, marks if any(marks) else [])


feedbacks = st.builds(CongestionFeedback, words, words, st.lists(streams(), max_size=5))


@pytest.mark.spec("feedback/stream-block", "feedback/padding", "feedback/alone")
@given(st.lists(feedbacks, min_size=1, max_size=3))
def test_round_trip(made: list[CongestionFeedback]) -> None:
    data = rtcp.serialize(made)
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == made


@given(st.binary(max_size=80), st.integers(0, 200))
def test_any_octets_are_a_feedback_or_malformed(body: bytes, words_told: int) -> None:
    for length in (len(body) // 4, words_told):
        try:
            [packet] = rtcp.parse(rtcp.header.pack(0x8B, 205, length) + body[: len(body) // 4 * 4])
        except Malformed:
            continue
        assert isinstance(packet, CongestionFeedback)
        assert sum(len(stream.arrivals) for stream in packet.streams) * 2 <= len(body)


@pytest.mark.spec("feedback/received-bit")
def test_the_other_bits_of_a_packet_that_did_not_come_are_not_looked_at() -> None:
    data = bytes.fromhex("8bcd0005 00000007 00000009 00640002 7fff8005 00000000")
    [packet] = rtcp.parse(data)
    assert packet == CongestionFeedback(7, 0, [StreamFeedback(9, 100, [None, 5])])


@pytest.mark.spec("feedback/quarter-of-numbers")
def test_a_block_is_about_a_quarter_of_the_numbers_at_most() -> None:
    most = CongestionFeedback(7, 0, [StreamFeedback(9, 65000, [1] * MAXIMUM_REPORTS)])
    data = rtcp.serialize([most])
    assert rtcp.parse(data) == [most]
    with pytest.raises(Malformed):
        rtcp.serialize([CongestionFeedback(7, 0, [StreamFeedback(9, 65000, [1] * (MAXIMUM_REPORTS + 1))])])
    more = rtcp.header.pack(0x8B, 205, (len(data) - 4) // 4 + 1) + data[4:14] + (MAXIMUM_REPORTS + 1).to_bytes(2)
    with pytest.raises(Malformed):
        rtcp.parse(more + data[16:-4] + bytes(8))


@pytest.mark.parametrize("arrival", [-1, UNTIMED + 1])
def test_an_arrival_that_does_not_fit_is_refused(arrival: int) -> None:
    with pytest.raises(Malformed):
        rtcp.serialize([CongestionFeedback(7, 0, [StreamFeedback(9, 1, [arrival])])])


def test_the_two_special_arrivals_are_the_highest() -> None:
    assert (LONG_AGO, UNTIMED) == (8190, 8191)
