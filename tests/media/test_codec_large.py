"""A picture of one colour is a few kilobytes, whatever its size, and gigabytes decoded: so nobody decodes it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest

from meetref.media.codec import MAXIMUM_PIXELS
from meetref.media.codec.container import Container
from meetref.media.codec.pictures import PictureDecoder
from meetref.media.codec.remux import Unreadable, remux

SIDE = 3200
HONEST = 64


@cache
def keyframe(side: int) -> bytes:
    context = av.CodecContext.create("libvpx-vp9", "w")
    context.width = context.height = side
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 30), Fraction(30)
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    frame = av.VideoFrame(side, side, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def webm(path: Path, side: int) -> str:
    with av.open(str(path), "w", format="webm") as made:
        stream = made.add_stream("libvpx-vp9", rate=30)
        stream.width = stream.height = HONEST
        packet = av.Packet(keyframe(side))
        packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1000), 0, 0
        packet.is_keyframe = True
        made.mux(packet)
    return str(path)


def test_what_is_too_large_is_neither_shown_nor_looked_at(tmp_path: Path) -> None:
    assert SIDE * SIDE > MAXIMUM_PIXELS
    large = keyframe(SIDE)
    assert len(large) < 20_000
    assert PictureDecoder("VP9").decode(large) is None
    with pytest.raises(ValueError, match="keyframe of VP9"):
        Container(str(tmp_path / "a.webm"), codec="VP9", keyframe=large)
    with pytest.raises(Unreadable):
        remux(webm(tmp_path / "large.webm", SIDE), str(tmp_path / "out.webm"))


def test_others_are(tmp_path: Path) -> None:
    small = keyframe(HONEST)
    assert PictureDecoder("VP9").decode(small) is not None
    Container(str(tmp_path / "a.webm"), codec="VP9", keyframe=small).close()
    assert remux(webm(tmp_path / "small.webm", HONEST), str(tmp_path / "out.webm")).packets == {"video": 1}
