"""VP9 descriptors: what is written is read back, in place and as a value, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import vp9
from meetref.wire.reader import Malformed

layer = st.integers(0, 7)


@st.composite
def structures(draw: st.DrawFn) -> vp9.Structure:
    count = draw(st.integers(1, 8))
    size = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
    picture = st.builds(vp9.GroupPicture, layer, st.booleans(), st.lists(st.integers(0, 255), max_size=3))
    return vp9.Structure(
        count,
        draw(st.none() | st.lists(size, min_size=count, max_size=count)),
        draw(st.none() | st.lists(picture, max_size=5)),
    )


@st.composite
def descriptors(draw: st.DrawFn) -> vp9.Descriptor:
    flexible, predicted, long = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    picture_ids = st.integers(0, 32767 if long else 127)
    picture_id = draw(picture_ids if flexible else st.none() | picture_ids)
    layers = draw(st.none() | st.tuples(layer, layer))
    references = st.lists(st.integers(1, 127), min_size=1, max_size=3)
    return vp9.Descriptor(
        start=draw(st.booleans()),
        end=draw(st.booleans()),
        predicted=predicted,
        flexible=flexible,
        not_for_upper=draw(st.booleans()),
        picture_id=picture_id,
        long_picture_id=long and picture_id is not None,
        layers=layers,
        switching_up=layers is not None and draw(st.booleans()),
        inter_layer=layers is not None and draw(st.booleans()),
        tl0_picture_index=draw(st.integers(0, 255)) if layers is not None and not flexible else None,
        references=draw(references) if flexible and predicted else [],
        structure=draw(st.none() | structures()),
    )


@given(descriptors(), st.binary(max_size=20), st.binary(max_size=20))
def test_round_trip_at_any_offset(descriptor: vp9.Descriptor, before: bytes, behind: bytes) -> None:
    octets = vp9.serialize(descriptor)
    data = before + octets + behind
    read = vp9.parse(data, len(before))
    assert read == descriptor
    assert read.size == len(octets)


@given(descriptors(), st.binary(max_size=8))
def test_in_place_is_seen_what_the_parser_sees(descriptor: vp9.Descriptor, before: bytes) -> None:
    data = before + vp9.serialize(descriptor)
    layout = vp9.locate(data, len(before))
    assert layout.end == len(data)
    assert (layout.picture_id, layout.tl0_picture_index) == (descriptor.picture_id, descriptor.tl0_picture_index)
    assert (layout.temporal_layer, layout.spatial_layer) == (descriptor.layers or (0, 0))
    assert layout.structure_at - layout.rest == len(descriptor.references)
    if descriptor.tl0_picture_index is not None:
        assert data[layout.tl0_at] == descriptor.tl0_picture_index


@given(descriptors().map(vp9.serialize), st.integers(0, 40))
def test_a_descriptor_cut_short_is_malformed(octets: bytes, size: int) -> None:
    if size < len(octets):
        with pytest.raises(Malformed):
            vp9.parse(octets[:size])


@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_octets_are_a_descriptor_or_malformed(data: bytes, offset: int) -> None:
    try:
        vp9.parse(data, offset)
    except Malformed:
        pass
    assert vp9.is_keyframe(data, offset) or vp9.size_of_keyframe(data, offset) is None


@pytest.mark.spec("vp9/picture-id-wraps", "vp9/picture-id-size")
@given(descriptors(), st.integers(0, 70000))
def test_a_picture_id_is_rewritten_in_place(descriptor: vp9.Descriptor, number: int) -> None:
    data = bytearray(vp9.serialize(descriptor) + b"rest")
    at = vp9.locate(data).picture_id_at
    if descriptor.picture_id is None:
        assert at == -1
        return
    vp9.write_picture_id(data, at, number)
    descriptor.picture_id = number % (32768 if descriptor.long_picture_id else 128)
    assert data == vp9.serialize(descriptor) + b"rest"


@pytest.mark.spec("vp9/flexible-needs-picture-id", "vp9/references-only-when-predicted", "vp9/tl0picidx-with-layers")
@pytest.mark.parametrize(
    "descriptor",
    [
        vp9.Descriptor(flexible=True),
        vp9.Descriptor(flexible=True, picture_id=1, tl0_picture_index=0),
        vp9.Descriptor(flexible=True, picture_id=1, predicted=True),
        vp9.Descriptor(picture_id=1, predicted=True, references=[1]),
        vp9.Descriptor(flexible=True, picture_id=1, references=[1]),
        vp9.Descriptor(layers=(0, 0)),
        vp9.Descriptor(tl0_picture_index=0),
        vp9.Descriptor(picture_id=128),
        vp9.Descriptor(picture_id=32768, long_picture_id=True),
        vp9.Descriptor(layers=(8, 0), tl0_picture_index=0),
        vp9.Descriptor(layers=(0, 8), tl0_picture_index=0),
        vp9.Descriptor(layers=(0, 0), tl0_picture_index=256),
        vp9.Descriptor(flexible=True, picture_id=1, predicted=True, references=[0]),
        vp9.Descriptor(flexible=True, picture_id=1, predicted=True, references=[1, 2, 3, 4]),
        vp9.Descriptor(structure=vp9.Structure(9)),
        vp9.Descriptor(structure=vp9.Structure(2, [(1, 1)])),
        vp9.Descriptor(structure=vp9.Structure(1, [(65536, 1)])),
        vp9.Descriptor(structure=vp9.Structure(1, None, [vp9.GroupPicture()] * 256)),
        vp9.Descriptor(structure=vp9.Structure(1, None, [vp9.GroupPicture(8)])),
        vp9.Descriptor(structure=vp9.Structure(1, None, [vp9.GroupPicture(0, False, [1, 1, 1, 1])])),
    ],
)
def test_what_does_not_fit_is_not_written(descriptor: vp9.Descriptor) -> None:
    with pytest.raises(Malformed):
        vp9.serialize(descriptor)
