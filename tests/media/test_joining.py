"""What FFmpeg's own senders and ours cut is joined again to what a decoder takes, for every codec."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from meetref.media.codec import packetize
from meetref.media.joining import JOININGS, START_CODE, units_of
from meetref.wire import av1, h264
from meetref.wire.reader import Malformed
from tests.media import layered, layeredformats
from tests.wire.bitstreams import OPTIONS, by_timestamp, encoded, packets_of_ffmpeg, same_pictures
from tests.wire.test_av1_streams import cut
from tests.wire.test_av1_streams import units_of as obus_of

ENCODERS = {"VP8": "libvpx", "VP9": "libvpx-vp9", "H264": "libx264", "AV1": "libsvtav1"}
DECODERS = {"VP8": "vp8", "VP9": "vp9", "H264": "h264", "AV1": "libdav1d"}
OPTIONS.setdefault("libvpx", {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"})


@pytest.mark.parametrize("codec", ENCODERS)
def test_what_ffmpeg_cuts_is_joined(codec: str) -> None:
    frames = encoded(ENCODERS[codec])
    sent = by_timestamp(packets_of_ffmpeg(ENCODERS[codec], frames))
    joining = JOININGS[codec]
    joined = [joining.join(payloads) for payloads in sent]
    assert same_pictures(DECODERS[codec], joined, [bytes(frame) for frame in frames])
    assert [joining.starts_keyframe(payloads[0]) for payloads in sent] == [frame.is_keyframe for frame in frames]
    if joining.begins is not None:
        assert all(
            joining.begins(payload) == (place == 0) for payloads in sent for place, payload in enumerate(payloads)
        )


def test_what_we_cut_of_vp8_is_joined() -> None:
    for number, picture in enumerate(layered.coded("h")[:20]):
        payloads = packetize(picture.frame * 20, number)
        assert len(payloads) > 1
        assert JOININGS["VP8"].join(payloads) == picture.frame * 20
        assert [JOININGS["VP8"].number(payload) for payload in payloads] == [(number, 1 << 15)] * len(payloads)


def test_units_of_av1_get_their_sizes() -> None:
    for frame in encoded("libsvtav1"):
        payloads = cut(obus_of(bytes(frame)), frame.is_keyframe)
        assert JOININGS["AV1"].join(payloads) == bytes(frame)[2:]  # all but the temporal delimiter


def test_units_of_h264_are_apart_by_start_codes() -> None:
    picture = layeredformats.coded("H264", "h")[0]
    units = list(units_of(picture.payloads))
    assert [unit[0] & h264.TYPE for unit in units][:2] == [7, 8]
    assert JOININGS["H264"].join(picture.payloads) == b"".join(START_CODE + unit for unit in units)


@pytest.mark.parametrize(
    "payloads",
    [
        [h264.serialize(h264.Fragment(0x65, b"x", start=True))],
        [h264.serialize(h264.Fragment(0x65, b"x", end=True))],
        [h264.serialize(h264.Fragment(0x65, b"x", start=True))] * 2,
        [h264.serialize(h264.Fragment(0x65, b"x", start=True)), h264.serialize(h264.Single(b"\x61y"))],
    ],
)
def test_units_of_h264_without_beginning_or_end(payloads: list[bytes]) -> None:
    with pytest.raises(Malformed):
        list(units_of(payloads))


@pytest.mark.parametrize(
    "payloads",
    [
        [av1.serialize(av1.Payload([b"\x30x"], continued=True))],
        [av1.serialize(av1.Payload([b"\x30x"], continues=True))],
        [av1.serialize(av1.Payload([b"\x30x"], continued=True)), av1.serialize(av1.Payload([b"\x30x"]))],
    ],
)
def test_units_of_av1_without_beginning_or_end(payloads: list[bytes]) -> None:
    with pytest.raises(Malformed):
        JOININGS["AV1"].join(payloads)


@pytest.mark.parametrize("codec", JOININGS)
def test_any_octets_are_joined_or_malformed(codec: str) -> None:
    dice, joining = random.Random(3), JOININGS[codec]
    for _ in range(3000):
        payloads = [dice.randbytes(dice.randrange(1, 12)) for _ in range(dice.randrange(1, 4))]
        starts, size = joining.starts_keyframe(payloads[0]), joining.size(payloads[0])
        assert isinstance(starts, bool)
        assert size is None or len(size) == 2
        with suppress(Malformed):
            joined = joining.join(payloads)
            assert len(joined) <= 5 * sum(map(len, payloads)), "a start code of four octets for a unit of one"
        with suppress(Malformed):
            number = joining.number(payloads[0])
            assert number is None or 0 <= number[0] < number[1]
