"""VP8 descriptors: what is written is read back, in place and as a value, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import vp8
from meetref.wire.reader import Malformed


@st.composite
def descriptors(draw: st.DrawFn) -> vp8.Descriptor:
    long = draw(st.booleans())
    picture_id = draw(st.none() | st.integers(0, 32767 if long else 127))
    layer = draw(st.none() | st.integers(0, 3))
    key = draw(st.none() | st.integers(0, 31))
    return vp8.Descriptor(
        start=draw(st.booleans()),
        partition=draw(st.integers(0, 7)),
        non_reference=draw(st.booleans()),
        picture_id=picture_id,
        long_picture_id=long and picture_id is not None,
        tl0_picture_index=draw(st.none() | st.integers(0, 255)),
        temporal_layer=layer,
        layer_sync=draw(st.booleans()) and (layer is not None or key is not None),
        key_index=key,
    )


@given(descriptors(), st.binary(max_size=20), st.binary(max_size=20))
def test_round_trip_at_any_offset(descriptor: vp8.Descriptor, before: bytes, behind: bytes) -> None:
    octets = vp8.serialize(descriptor)
    data = before + octets + behind
    read = vp8.parse(data, len(before))
    assert read == descriptor
    assert read.size == len(octets)
    assert vp8.locate(data, len(before)).end == len(before) + len(octets)


@given(st.binary(max_size=24), st.integers(0, 24))
def test_any_octets_are_a_descriptor_or_malformed(data: bytes, offset: int) -> None:
    try:
        vp8.parse(data, offset)
    except Malformed:
        pass
    assert vp8.is_keyframe(data, offset) or vp8.size_of_keyframe(data, offset) is None


@pytest.mark.spec("vp8/picture-id-wraps", "vp8/picture-id-size")
@given(descriptors(), st.integers(0, 70000))
def test_a_picture_id_is_rewritten_in_place(descriptor: vp8.Descriptor, number: int) -> None:
    data = bytearray(vp8.serialize(descriptor) + b"rest")
    at = vp8.locate(data).picture_id_at
    if descriptor.picture_id is None:
        assert at == -1
        return
    vp8.write_picture_id(data, at, number)
    descriptor.picture_id = number % (32768 if descriptor.long_picture_id else 128)
    assert data == vp8.serialize(descriptor) + b"rest"


@pytest.mark.parametrize(
    "descriptor",
    [
        vp8.Descriptor(partition=8),
        vp8.Descriptor(picture_id=128),
        vp8.Descriptor(picture_id=32768, long_picture_id=True),
        vp8.Descriptor(temporal_layer=4),
        vp8.Descriptor(key_index=32),
    ],
)
def test_what_does_not_fit_is_not_written(descriptor: vp8.Descriptor) -> None:
    with pytest.raises(Malformed):
        vp8.serialize(descriptor)
