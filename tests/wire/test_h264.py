"""H264 payloads: what is written is read back, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import h264
from meetref.wire.reader import Malformed

headers = st.builds(lambda top, kind: top << 5 | kind, st.integers(0, 7), st.integers(1, 23))
units = st.builds(lambda header, rest: bytes([header]) + rest, headers, st.binary(max_size=20))
edges = st.sampled_from([(False, False), (True, False), (False, True)])
fragments = st.builds(
    lambda header, part, edge: h264.Fragment(header, part, *edge), headers, st.binary(max_size=20), edges
)
payloads = (
    st.builds(h264.Single, units) | st.builds(h264.Aggregate, st.lists(units, min_size=1, max_size=4)) | fragments
)


@given(payloads, st.binary(max_size=8))
def test_round_trip_at_any_offset(payload: h264.Payload, before: bytes) -> None:
    assert h264.parse(before + h264.serialize(payload), len(before)) == payload


@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_octets_are_a_payload_or_malformed(data: bytes, offset: int) -> None:
    try:
        h264.parse(data, offset)
    except Malformed:
        pass
    assert h264.carries_parameters(data, offset) <= h264.is_keyframe(data, offset)
    assert h264.carries_parameters(data, offset) or h264.size_of_keyframe(data, offset) is None


@given(st.binary(max_size=60), st.sampled_from([66, 77, 100, 244]))
def test_no_set_of_parameters_raises(body: bytes, profile: int) -> None:
    size = h264.size_of_keyframe(bytes([0x67, profile, 0, 31]) + body)
    assert size is None or (size[0] > 0 and size[1] > 0)


@given(units, st.integers(1, 30))
def test_a_unit_in_fragments_is_whole_again(unit: bytes, size: int) -> None:
    body = unit[1:]
    cuts = [body[at : at + size] for at in range(0, len(body), size)]
    if len(cuts) < 2:
        return
    sent = [
        h264.serialize(h264.Fragment(unit[0], cut, place == 0, place == len(cuts) - 1))
        for place, cut in enumerate(cuts)
    ]
    read = [fragment for octets in sent if isinstance(fragment := h264.parse(octets), h264.Fragment)]
    assert bytes([read[0].header]) + b"".join(fragment.part for fragment in read) == unit
    assert [(fragment.start, fragment.end) for fragment in read[1:-1]] == [(False, False)] * (len(read) - 2)


@pytest.mark.spec("h264/aggregate-header")
def test_an_aggregate_is_as_important_as_its_most_important_unit() -> None:
    octets = h264.serialize(h264.Aggregate([b"\x06sei", b"\x67sps", b"\x21slice"]))
    assert octets[0] == 0x78
    assert h264.serialize(h264.Aggregate([b"\x06", b"\xe7"]))[0] == 0xF8


@pytest.mark.spec("h264/fragment-not-whole", "h264/reserved-types-ignored", "h264/aggregate-not-nested")
@pytest.mark.parametrize(
    "payload",
    [
        h264.Single(b""),
        h264.Single(b"\x18"),
        h264.Single(b"\x60"),
        h264.Aggregate([]),
        h264.Aggregate([b"\x67", b""]),
        h264.Aggregate([b"\x78\x00\x01\x67"]),
        h264.Aggregate([bytes([0x67]) + bytes(0xFFFF)]),
        h264.Fragment(0x65, b"x", True, True),
        h264.Fragment(0x7C, b"x", True),
    ],
)
def test_what_cannot_be_carried_is_not_written(payload: h264.Payload) -> None:
    with pytest.raises(Malformed):
        h264.serialize(payload)
