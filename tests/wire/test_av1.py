"""AV1 payloads and OBUs: what is written is read back, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import av1
from meetref.wire.reader import Malformed


@st.composite
def payloads(draw: st.DrawFn) -> av1.Payload:
    every_length = draw(st.booleans())
    elements = draw(st.lists(st.binary(max_size=200), min_size=1, max_size=6 if every_length else 3))
    if not every_length and not elements[-1]:
        elements[-1] = b"\x30"
    continues = draw(st.booleans())
    return av1.Payload(elements, continues, draw(st.booleans()), not continues and draw(st.booleans()), every_length)


layers = st.none() | st.tuples(st.integers(0, 7), st.integers(0, 3))
units = st.builds(av1.Unit, st.integers(0, 15), st.binary(max_size=300), layers)


@given(payloads(), st.binary(max_size=8))
def test_round_trip_at_any_offset(payload: av1.Payload, before: bytes) -> None:
    assert av1.parse(before + av1.serialize(payload), len(before)) == payload


@given(units, st.booleans(), st.binary(max_size=4))
def test_an_obu_is_read_back_with_a_size_or_without(unit: av1.Unit, has_size: bool, behind: bytes) -> None:
    octets = av1.serialize_unit(unit, has_size=has_size)
    assert av1.parse_unit(octets + behind if has_size else octets) == unit


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_octets_are_a_payload_or_malformed(data: bytes, offset: int) -> None:
    for read in (lambda: av1.parse(data, offset), lambda: av1.parse_unit(data[offset:])):
        try:
            read()
        except Malformed:
            pass
    assert av1.is_keyframe(data, offset) or av1.size_of_keyframe(data, offset) is None


@given(st.binary(max_size=40))
def test_no_sequence_header_raises(body: bytes) -> None:
    payload = av1.Payload([av1.serialize_unit(av1.Unit(av1.SEQUENCE_HEADER, body))], begins_sequence=True)
    size = av1.size_of_keyframe(av1.serialize(payload))
    assert size is None or (0 < size[0] <= 65536 and 0 < size[1] <= 65536)


@pytest.mark.spec("av1/leb128")
@pytest.mark.parametrize(("size", "octets"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001")])
def test_lengths(size: int, octets: str) -> None:
    payload = av1.Payload([bytes(size)], every_length=True)
    assert av1.serialize(payload)[1:] == bytes.fromhex(octets) + bytes(size)
    padded = bytes.fromhex(octets)
    padded = padded[:-1] + bytes([padded[-1] | 0x80, 0])  # longer than needed, and as good
    assert av1.parse(b"\x00" + padded + bytes(size)) == payload


@pytest.mark.spec("av1/sequence-begins-whole")
@pytest.mark.parametrize(
    "payload",
    [
        av1.Payload([]),
        av1.Payload([b"a", b"b", b"c", b"d"]),
        av1.Payload([b"a", b""]),
        av1.Payload([b"a"], continues=True, begins_sequence=True),
    ],
)
def test_what_cannot_be_carried_is_not_written(payload: av1.Payload) -> None:
    with pytest.raises(Malformed):
        av1.serialize(payload)


@pytest.mark.parametrize("unit", [av1.Unit(16), av1.Unit(1, b"", (8, 0)), av1.Unit(1, b"", (0, 4))])
def test_an_obu_that_does_not_fit_is_not_written(unit: av1.Unit) -> None:
    with pytest.raises(Malformed):
        av1.serialize_unit(unit)
