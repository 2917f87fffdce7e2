"""FlexFEC payloads: what is written is read back in all three forms, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import flexfec, rtp
from meetref.wire.reader import Malformed

word, long_word = st.integers(0, 65535), st.integers(0, 2**32 - 1)
covers = st.sampled_from(flexfec.COVERS).flatmap(
    lambda reach: st.sets(st.integers(0, reach - 1), min_size=1).map(lambda places: tuple(sorted(places)))
)
masked = st.builds(flexfec.Masked, word, covers)
blocks = st.builds(flexfec.Block, word, st.integers(1, 255), st.integers(0, 255))
repairs = st.builds(
    flexfec.Repair,
    st.integers(0, 63),
    st.integers(0, 255),
    long_word,
    word,
    st.lists(masked, min_size=1, max_size=3) | st.lists(blocks, min_size=1, max_size=3),
    st.binary(max_size=40),
)
packets = st.builds(rtp.Packet, st.integers(0, 127), word, long_word, long_word, st.binary(max_size=40), st.booleans())


@given(repairs)
def test_a_repair_is_read_back(repair: flexfec.Repair) -> None:
    assert flexfec.parse(flexfec.serialize(repair), len(repair.streams)) == repair


@given(packets.map(rtp.serialize))
@pytest.mark.spec("fec/flexible-retransmission")
def test_a_packet_is_sent_once_more(packet: bytes) -> None:
    octets = flexfec.serialize(flexfec.Retransmission(packet))
    assert octets[1:] == packet[1:]
    assert flexfec.parse(octets, 0) == flexfec.Retransmission(packet)


@given(st.binary(max_size=60), st.integers(0, 15))
def test_any_octets_are_a_packet_or_malformed(data: bytes, streams: int) -> None:
    try:
        read = flexfec.parse(data, streams)
    except Malformed:
        return
    assert flexfec.parse(flexfec.serialize(read), streams) == read


@pytest.mark.spec("fec/columns-and-rows")
@pytest.mark.parametrize(
    ("columns", "rows", "covered"),
    [(4, 0, (0, 1, 2, 3)), (4, 1, (0, 1, 2, 3)), (4, 3, (0, 4, 8)), (1, 0, (0,)), (1, 3, (0, 1, 2))],
)
def test_columns_and_rows(columns: int, rows: int, covered: tuple[int, ...]) -> None:
    assert flexfec.Block(7, columns, rows).covers == covered


@pytest.mark.parametrize(
    "streams",
    [
        [],
        [flexfec.Masked(0, ())],
        [flexfec.Masked(0, (110,))],
        [flexfec.Masked(0, (-1,))],
        [flexfec.Block(0, 0, 0)],
        [flexfec.Block(0, 256, 0)],
        [flexfec.Block(0, 1, 256)],
        [flexfec.Masked(0, (1,)), flexfec.Block(0, 1, 1)],
    ],
)
def test_what_does_not_fit_is_not_written(streams: list[flexfec.Masked | flexfec.Block]) -> None:
    with pytest.raises(Malformed):
        flexfec.serialize(flexfec.Repair(streams=streams))
