"""What is read of the packets of each codec, and written back: a row of the table at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.formats import FORMATS, SwitchPoints
from meetref.media.parts import extend, transport_sequence_at
from meetref.media.rewriting import EVEN, PADDED_FROM, Incoming, Rewriter
from meetref.media.thinning import ALL_LAYERS
from meetref.wire import dependencydescriptor, h264, rtp, vp9
from meetref.wire.reader import Malformed
from tests.generate.rewritingformats import H264_PARAMETERS, PATTERN, STRUCTURE, THEIR_DESCRIPTOR_ID, Source

FRAME = 3000
VIDEO = [name for name in FORMATS if name != "opus"]


def read(codec: str, packets: list[str], *, since: int = 0) -> list[Incoming]:
    reader = FORMATS[codec].reader(0, THEIR_DESCRIPTOR_ID)
    return [reader(bytes.fromhex(packet), since + place) for place, packet in enumerate(packets)]


def pictures(source: Source, count: int) -> list[str]:
    return [packet for number in range(count) for packet in source.picture_of(number, number, key=number == 0)]


def slot(codec: str, *, descriptor_id: int = 12) -> Rewriter:
    out = Rewriter(
        ssrc=7, payload_type=100, clock_rate=90000, transport_id=3, level_id=0, first_sequence=9, first_timestamp=1,
        descriptor_id=descriptor_id,
    )  # fmt: skip
    out.writing = FORMATS[codec].writing
    return out


@pytest.mark.parametrize("codec", VIDEO)
def test_layers_and_keyframes_are_seen(codec: str) -> None:
    came = read(codec, pictures(Source("a", codec), 9))
    assert [packet.starts for packet in came] == [True] + [False] * 8
    assert [packet.temporal for packet in came] == [PATTERN[number % 4] for number in range(9)]
    assert all(later.picture == (earlier.picture or 0) + 1 for earlier, later in pairwise(came))


@pytest.mark.spec("vp9/switching-up-point", "av1/switch-indication")
@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
def test_a_layer_may_be_entered_behind_a_picture_that_opens_it(codec: str) -> None:
    came = read(codec, pictures(Source("a", codec), 9))
    assert [packet.sync for packet in came] == [number % 4 != 0 for number in range(9)]


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
def test_a_layer_is_not_entered_where_packets_are_missing(codec: str) -> None:
    packets = pictures(Source("a", codec), 9)
    reader = FORMATS[codec].reader(0, THEIR_DESCRIPTOR_ID)
    came = {number: reader(bytes.fromhex(packets[number]), number) for number in (0, 2, 3, 4, 1, 5, 6)}
    assert not came[2].sync, "the first picture of layer 2 may be missing, and it may be referred to"
    assert not came[1].sync, "a latecomer opens nothing"
    assert came[5].sync


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=60))
def test_whoever_enters_a_layer_misses_nothing_of_it(history: list[tuple[int, int, bool]]) -> None:
    """A picture refers to any picture of its layer and below, but none from before the newest one that opened it."""
    points = SwitchPoints()
    opened = [-1] * (ALL_LAYERS + 1)
    last = [-1] * (ALL_LAYERS + 1)
    sequence = 0
    for place, (temporal, opens, lost) in enumerate(history):
        sequence += 1 + lost
        if lost:
            opened = [-1] * (ALL_LAYERS + 1)
        sync = points.take(sequence, place, temporal, opens)
        assert sync == (opened[temporal] > last[temporal] and opened[temporal] >= 0)
        last[temporal] = place
        for layer in range(temporal + 1, opens + 1):
            opened[layer] = place


@pytest.mark.parametrize("codec", VIDEO)
@given(st.binary(min_size=12, max_size=80))
def test_any_octets_are_read_or_malformed(codec: str, data: bytes) -> None:
    reader = FORMATS[codec].reader(1, 2)
    try:
        packet = reader(data, 1)
    except Malformed:
        return
    out = slot(codec)
    out.begin(packet, 0, FRAME)
    (parts,) = out.rewrite([packet], 0)
    assert rtp.parse(b"".join(parts)).ssrc == 7
    assert 0 <= packet.temporal <= ALL_LAYERS


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
def test_what_is_not_rewritten_stays(codec: str) -> None:
    """But for picture id, TL0PICIDX and frame number a viewer gets what came."""
    source = Source("a", codec)
    packets = pictures(source, 9)
    came, out = read(codec, packets), slot(codec)
    out.begin(came[0], 50, FRAME)
    structure = None
    for place, (parts, packet) in enumerate(zip(out.rewrite(came, 5), packets, strict=True)):
        theirs, ours = rtp.parse(bytes.fromhex(packet)), rtp.parse(b"".join(parts))
        assert (ours.sequence, ours.marker, ours.extensions[3]) == (10 + place, theirs.marker, (5 + place).to_bytes(2))
        if codec == "VP9":
            before, after = vp9.parse(theirs.payload), vp9.parse(ours.payload)
            assert (after.picture_id, after.tl0_picture_index) == (1 + place, 1 + place // 4)
            assert (after.layers, after.start, after.end) == (before.layers, before.start, before.end)
            assert ours.payload[after.size :] == theirs.payload[before.size :]
        else:
            described = dependencydescriptor.parse(ours.extensions[12], structure)
            expected = dependencydescriptor.parse(theirs.extensions[THEIR_DESCRIPTOR_ID], structure)
            structure = described.structure or structure
            expected.frame_number = 1 + place
            assert described == expected
            assert ours.payload == theirs.payload
    assert structure == (STRUCTURE if codec != "VP9" else None)


@pytest.mark.spec("h264/begin-with-parameters")
def test_a_viewer_of_h264_begins_where_the_parameters_are() -> None:
    reader = FORMATS["H264"].reader(0, 0)
    units = [*H264_PARAMETERS, b"\x65\x88" + bytes(9), b"\x61\x88" + bytes(9)]
    packets = [
        rtp.Packet(payload_type=1, sequence=n, timestamp=1, ssrc=1, payload=unit) for n, unit in enumerate(units)
    ]
    came = [reader(rtp.serialize(packet), packet.sequence) for packet in packets]
    assert [packet.starts for packet in came] == [True, False, False, False]
    assert came[0].size == h264.size_of_keyframe(H264_PARAMETERS[0]) == (1280, 720)
    assert {packet.picture for packet in came} == {None}


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
@pytest.mark.parametrize("octets", [PADDED_FROM + 8, PADDED_FROM + 11, 1111])
def test_parts_of_a_large_frame_have_even_sizes(codec: str, octets: int) -> None:
    packet = rtp.parse(bytes.fromhex(Source("a", codec).picture_of(1, 1)[0]))
    packet.payload = packet.payload.ljust(octets, b".")
    came = FORMATS[codec].reader(0, 0)(rtp.serialize(packet), 1)
    assert len(came.tail) % EVEN == 0
    assert came.padding < EVEN


@pytest.mark.spec("rewriting/long-extensions")
@given(st.binary(min_size=1, max_size=200), st.integers(1, 14), st.booleans())
def test_an_extension_more(value: bytes, identifier: int, alone: bool) -> None:
    """In the form that it needs, and the link's number is found in both."""
    first = rtp.Packet(payload_type=96, sequence=1, timestamp=2, ssrc=3, extensions={} if alone else {3: b"\x12\x34"})
    if identifier == 3:
        identifier = 4
    header = extend(rtp.serialize(first), identifier, value)
    made = rtp.parse(header)
    assert made.extensions == first.extensions | {identifier: value}
    assert made.extension_profile == (rtp.TWO_BYTE if len(value) > 16 else rtp.ONE_BYTE)
    if not alone:
        at = transport_sequence_at(header)
        assert header[at : at + 2] == b"\x12\x34"


@pytest.mark.spec("rewriting/long-extensions")
def test_who_takes_no_descriptor_gets_none() -> None:
    came, out = read("AV1", pictures(Source("a", "AV1"), 3)), slot("AV1", descriptor_id=0)
    out.begin(came[0], 50, FRAME)
    assert [rtp.parse(b"".join(parts)).extensions.keys() for parts in out.rewrite(came, 0)] == [{3}] * 3
    assert out.octets == sum(len(packet.tail) - packet.padding for packet in came)
