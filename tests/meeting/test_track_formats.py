"""The random switches of `test_track_switching` in H264, VP9 and AV1, with FFmpeg's decoders behind them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import pytest

from meetref.media.sequence import Unwrapper, difference
from meetref.wire import dependencydescriptor, rtp, vp9
from tests.media.layered import Decoder, decoded
from tests.media.layeredformats import DECODERS, PICTURES, Coded, Stream, coded
from tests.meeting.test_track_switching import FRAME_RATE, RIDS, Scene

OURS = 12  # the id of dependency descriptors


class FormatScene(Scene):
    """The scene, in another codec."""

    def body(self, payload: bytes) -> bytes:
        return payload[vp9.locate(payload).end :] if self.codec == "VP9" else payload


class Shown(NamedTuple):
    """A picture that came out whole."""

    at: float
    timestamp: int
    rid: str
    number: int
    picture: int | None


def put_together(scene: Scene) -> list[Shown]:
    """The whole pictures, in the order of their sequence numbers. Asserts that no number comes twice."""
    unwrapper = Unwrapper()
    packets: dict[int, tuple[float, rtp.Packet]] = {}
    for at, packet in scene.wire.sent:
        number = unwrapper.unwrap(packet.sequence)
        assert number not in packets, f"number {number} comes twice"
        packets[number] = (at, packet)
    if not scene.lossy:
        since = unwrapper.nearest(scene.slot.rewriter._begun)
        missing = [number for number in range(min(packets), max(packets)) if number not in packets]
        assert all(number > since for number in missing), "numbers of latecomers are filled when their encoding is left"
    shown, parts, newest = list[Shown](), list[tuple[float, rtp.Packet]](), -1
    for number in sorted(packets):
        at, packet = packets[number]
        if not packet.payload:
            assert packet.padding_size
            continue
        if number != newest + 1 or (parts and packet.timestamp != parts[-1][1].timestamp):
            parts = []
        newest = number
        parts.append((at, packet))
        if packet.marker:
            shown += _whole(scene, parts)
            parts = []
    return shown


def _whole(scene: Scene, parts: list[tuple[float, rtp.Packet]]) -> list[Shown]:
    """The picture whose payloads, all of them, these are."""
    bodies = [scene.body(packet.payload) for _, packet in parts]
    of = set.intersection(*(scene.payloads[body] for body in bodies))
    assert of, "pieces of different pictures in one"
    due = (parts[0][0] - 10) * FRAME_RATE
    rid, number = min(of, key=lambda each: abs(each[1] - due))
    if tuple(bodies) != coded(scene.codec, rid)[number % PICTURES].payloads:
        return []
    pictures = {_picture(scene.codec, packet) for _, packet in parts}
    assert len(pictures) == 1, "one number for all packets of a picture"
    return [Shown(max(at for at, _ in parts), parts[0][1].timestamp, rid, number, pictures.pop())]


def _picture(codec: str, packet: rtp.Packet) -> int | None:
    """Its picture id or frame number."""
    if codec == "VP9":
        return vp9.locate(packet.payload).picture_id
    return int.from_bytes(packet.extensions[OURS][1:3]) if OURS in packet.extensions else None


def _check(codec: str, scene: Scene, shown: list[Shown], made: list[tuple[Shown, Coded]]) -> None:
    for (one, _), (other, _) in pairwise(made):
        assert difference(other.timestamp, one.timestamp, 32) > 0, "the picture jumps back"
    if codec != "H264":
        for one, other in pairwise(shown):
            assert one.picture is not None
            assert other.picture is not None
            step = difference(other.picture, one.picture, 15 if codec == "VP9" else 16)
            if one.rid == other.rid and 0 < other.number - one.number < 8:
                assert step == other.number - one.number, "pictures keep their distances"
            else:
                assert step >= 1, "and go on from one encoding to the next"
    if not scene.lossy:
        skipped = len(shown) - len(made)
        assert skipped <= scene.wire.switches * 6, "whole pictures that lacked others were those around a switch"


@pytest.mark.soak(ci=12, full=1000)
@pytest.mark.spec(
    "rewriting/decodable", "rewriting/no-gap-no-repeat", "rewriting/time-goes-on", "rewriting/pictures-continue",
    "rewriting/pictures-keep-gaps", "rewriting/payload-type-of-codec", "av1/frame-numbers-continue",
)  # fmt: skip
def test_every_picture_that_should_decode_does(seed: int) -> None:
    codec = ("H264", "VP9", "AV1")[seed % 3]
    scene = FormatScene(seed, lossy=seed % 2 == 1, codec=codec, stream=partial(Stream, codec))
    scene.run()
    shown = put_together(scene)
    pictures = partial(coded, codec)
    made = decoded(shown, Decoder(DECODERS[codec]), pictures, lambda _, picture: picture.frame)
    assert len(made) > (5 if scene.lossy else 20), "without layers, what is lost costs all until the next keyframe"
    _check(codec, scene, shown, made)


@pytest.mark.spec("rewriting/decodable", "av1/frame-numbers-continue")
def test_the_descriptors_of_a_viewer_can_all_be_read() -> None:
    """Each with the structure of the keyframe before it, which comes as its publisher wrote it."""
    scene = FormatScene(5, lossy=False, codec="AV1", stream=partial(Stream, "AV1"))
    scene.run()
    structure, read = None, 0
    for _, packet in scene.wire.sent:
        if OURS in packet.extensions:
            described = dependencydescriptor.parse(packet.extensions[OURS], structure)
            structure = described.structure or structure
            assert structure is not None
            assert dependencydescriptor.frame_of(described, structure).frame_differences in ([], [1])
            read += 1
    assert read > 100
    assert {each.rid for each in put_together(scene)} <= set(RIDS)
