"""RED payloads: what is written is read back, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import red, rtp
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

types = st.integers(0, 127)
blocks = st.builds(red.Block, types, st.integers(0, red.LARGEST_OFFSET), st.binary(max_size=60))
payloads = st.builds(red.Payload, types, st.binary(max_size=60), st.lists(blocks, max_size=5))


@given(payloads, st.binary(max_size=8))
def test_round_trip_at_any_offset(payload: red.Payload, before: bytes) -> None:
    data = before + red.serialize(payload)
    assert red.parse(data, len(before)) == payload
    place = red.locate_primary(data, len(before))
    assert data[place.start : place.end] == payload.primary
    assert (place.payload_type, place.end) == (payload.payload_type, len(data))


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_octets_are_a_payload_or_malformed(data: bytes, offset: int) -> None:
    payload = read(red.parse, data, offset)
    if payload is None:
        with pytest.raises(Malformed):
            red.locate_primary(data, offset)
    else:
        assert red.serialize(payload) == data[offset:]


@pytest.mark.spec("red/limits")
@pytest.mark.parametrize(
    "payload",
    [
        red.Payload(128),
        red.Payload(111, b"", [red.Block(128, 0, b"")]),
        red.Payload(111, b"", [red.Block(111, 16384, b"")]),
        red.Payload(111, b"", [red.Block(111, -1, b"")]),
        red.Payload(111, b"", [red.Block(111, 960, bytes(1024))]),
    ],
)
def test_what_does_not_fit_is_not_written(payload: red.Payload) -> None:
    with pytest.raises(Malformed):
        red.serialize(payload)


@pytest.mark.spec("fec/virtual-packets")
@given(st.binary(max_size=40), st.integers(0, 20), st.booleans())
def test_a_whole_packet_in_red(payload: bytes, padding: int, marker: bool) -> None:
    packet = rtp.Packet(96, 1, 2, 3, payload, marker, [4], rtp.ONE_BYTE, {5: b"x"}, padding_size=padding)
    wrapped = red.wrap_packet(rtp.serialize(packet), 102)
    read = rtp.parse(wrapped)
    assert (read.payload_type, read.payload, read.marker) == (102, bytes([96]) + payload, marker)
    assert rtp.parse(red.unwrap_packet(wrapped)) == packet


@given(st.binary(max_size=60))
def test_no_packet_raises_but_malformed(data: bytes) -> None:
    plain = read(red.unwrap_packet, data)
    assert plain is None or (len(plain) < len(data) and plain[2:12] == data[2:12])
