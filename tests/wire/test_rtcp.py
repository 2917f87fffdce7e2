"""RTCP compounds: what is written is read back, and no octets raise anything but `Malformed`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import rtcp, transportfeedback
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

octets = st.integers(0, 255)
shorts = st.integers(0, 65535)
words = st.integers(0, 2**32 - 1)
blocks = st.builds(
    rtcp.ReportBlock, words, octets, st.integers(-(2**23), 2**23 - 1), words, words, words, words
)  # fmt: skip
clocks = st.builds(rtcp.ReferenceTime, st.integers(0, 2**64 - 1))
delays = st.builds(
    rtcp.ReferenceDelays, st.lists(st.builds(rtcp.ReferenceDelay, words, words, words), max_size=5)
)  # fmt: skip
items = st.tuples(st.integers(1, 255), st.binary(max_size=255))


@st.composite
def transport_feedbacks(draw: st.DrawFn) -> rtcp.TransportFeedback:
    """Runs and mixtures of losses, small and large deltas."""
    delta = st.integers(0, 255) | st.integers(-0x8000, 0x7FFF) | st.none()
    part = st.tuples(delta, st.integers(1, 40)).map(lambda pair: [pair[0]] * pair[1]) | st.lists(delta, max_size=20)
    deltas = [one for parts in draw(st.lists(part, min_size=1, max_size=6)) for one in parts] or [0]
    arrivals: list[int | None] = []
    at = 0
    for one in deltas:
        at += one or 0
        arrivals.append(None if one is None else at)
    return rtcp.TransportFeedback(
        draw(words), draw(words), draw(shorts), draw(st.integers(0, 2**24 - 1)), draw(octets), arrivals
    )


packets: st.SearchStrategy[rtcp.Packet] = st.one_of(
    st.builds(rtcp.SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, st.lists(blocks, max_size=31)),
    st.builds(rtcp.ReceiverReport, words, st.lists(blocks, max_size=31)),
    st.builds(rtcp.SourceDescription, st.lists(st.builds(rtcp.Chunk, words, st.lists(items, max_size=3)), max_size=4)),
    st.builds(rtcp.Goodbye, st.lists(words, max_size=31), st.binary(max_size=255)),
    st.builds(rtcp.Nack, words, words, st.lists(shorts, min_size=1, max_size=40)),
    st.builds(rtcp.PictureLoss, words, words),
    st.builds(rtcp.FullIntra, words, st.lists(st.tuples(words, octets), min_size=1, max_size=5)),
    st.builds(
        rtcp.ReceiverEstimate,
        words,
        st.builds(lambda mantissa, shift: mantissa << shift, st.integers(0, 2**18 - 1), st.integers(0, 63)),
        st.lists(words, max_size=5),
    ),
    transport_feedbacks(),
    st.builds(rtcp.ExtendedReport, words, st.lists(clocks | delays, max_size=4)),
    st.builds(
        rtcp.Unknown,
        st.integers(192, 223).filter(lambda kind: kind not in (200, 201, 202, 203, 205, 206, 207)),
        st.integers(0, 6).flatmap(lambda size: st.binary(min_size=size * 4, max_size=size * 4)),
        st.integers(0, 31),
    ),
)


@given(st.lists(packets, min_size=1, max_size=5))
def test_round_trip(compound: list[rtcp.Packet]) -> None:
    assert rtcp.parse(rtcp.serialize(compound)) == compound


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(rtcp.serialize(draw(st.lists(packets, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(octets)
    return bytes(data[: draw(st.integers(0, len(data)))])


@given(st.binary(max_size=200) | damaged())
def test_any_octets_are_packets_or_malformed(data: bytes) -> None:
    compound = read(rtcp.parse, data)
    assert compound is None or rtcp.parse(rtcp.serialize(compound)) == compound


@given(packets, st.integers(1, 255))
def test_one_bad_packet_spoils_the_datagram(packet: rtcp.Packet, size: int) -> None:
    bad = bytes.fromhex("81cd0002 00000007 00000009")  # a NACK of nothing
    with pytest.raises(Malformed):
        rtcp.parse(rtcp.serialize([packet]) + bad)
    with pytest.raises(Malformed):
        rtcp.parse(bad + rtcp.serialize([packet]))


@pytest.mark.spec("rtcp/cname")
def test_a_name_is_one_chunk_with_one_item() -> None:
    description = rtcp.named(7, "älice")
    assert description.chunks[0].cname == "älice"
    assert rtcp.parse(rtcp.serialize([description])) == [description]
    assert rtcp.Chunk(7, [(2, b"not it")]).cname is None


@pytest.mark.spec("rtcp/remb-rate")
@given(st.integers(0, 2**60))
def test_an_estimate_is_rounded_down(bitrate: int) -> None:
    [read] = rtcp.parse(rtcp.serialize([rtcp.ReceiverEstimate(1, bitrate, [2])]))
    assert isinstance(read, rtcp.ReceiverEstimate)
    assert read.bitrate_bps <= bitrate <= read.bitrate_bps + (read.bitrate_bps >> 17) + 1


@pytest.mark.spec("rtcp/twcc-status-count")
def test_a_few_octets_cannot_claim_many_packets() -> None:
    most = rtcp.TransportFeedback(1, 2, 3, 4, 5, [None] * transportfeedback.MAXIMUM_STATUSES)
    data = rtcp.serialize([most])
    assert len(data) == 24
    assert rtcp.parse(data) == [most]
    more = data[:14] + (transportfeedback.MAXIMUM_STATUSES + 1).to_bytes(2) + data[16:]
    with pytest.raises(Malformed):
        rtcp.parse(more)


@pytest.mark.spec("rtcp/twcc-run-length", "rtcp/twcc-vectors")
def test_chunks_are_few() -> None:
    def chunk_octets(arrivals: list[int | None]) -> int:
        received = sum(arrival is not None for arrival in arrivals)
        return len(transportfeedback.serialize_body(rtcp.TransportFeedback(1, 2, 3, 4, 5, arrivals))) - 8 - received

    assert chunk_octets(list(range(100))) in range(2, 6)  # one run; up to three octets fill the last word
    assert chunk_octets([number if number % 2 else None for number in range(56)]) in range(8, 12)  # four vectors


def _report(count: int) -> rtcp.Packet:
    return rtcp.ReceiverReport(1, [rtcp.ReportBlock(1, 0, 0, 0, 0)] * count)


@pytest.mark.parametrize(
    "make",
    [
        lambda: _report(32),
        lambda: rtcp.Goodbye([1] * 32),
        lambda: rtcp.Nack(1, 2, []),
        lambda: rtcp.TransportFeedback(1, 2, 3, 4, 5, []),
        lambda: rtcp.TransportFeedback(1, 2, 3, 4, 5, [None] * 8193),
        lambda: rtcp.TransportFeedback(1, 2, 3, 4, 5, [0x8000]),
        lambda: rtcp.TransportFeedback(1, 2, 3, 4, 5, [0, -0x8001]),
    ],
)
def test_what_does_not_fit_is_not_written(make: Callable[[], rtcp.Packet]) -> None:
    with pytest.raises(Malformed):
        rtcp.serialize([make()])
