"""Frames out of RTP payloads, a row for each codec: where a frame begins, and how its parts become what decoders take.

Pure functions over `wire/vp8`, `vp9`, `h264` and `av1`; `media/assembly` has one for its stream.
Specification: RFC 7741 section 4, RFC 9628 section 4, RFC 6184 section 5, RTP Payload Format For AV1 sections 4 and 5;
ITU-T H.264 annex B (start codes), AV1 bitstream section 5.2 (units with sizes).
Leaves out: several spatial layers in one VP9 stream: they are joined as they come.
Read next: `media/assembly.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from meetref.wire import av1, h264, vp8, vp9
from meetref.wire.reader import Malformed

START_CODE = b"\x00\x00\x00\x01"
SHOWN_UNITS = frozenset((h264.SLICE, 2, h264.KEY_SLICE))
"""Units of H264 that are a part of a picture: slices, slices whose data are divided, and those of a keyframe."""


@dataclass(slots=True, frozen=True)
class Joining:
    """How the frames of a codec are joined.

    `begins`: does a frame begin with this payload; None where payloads do not tell, but only timestamps.
    `number`: the number of its picture and after how many numbers they go around, where it has one.
    `starts_keyframe` and `size` look into a payload and never raise; `join` raises `Malformed`.
    """

    starts_keyframe: Callable[[bytes], bool]
    size: Callable[[bytes], tuple[int, int] | None]
    begins: Callable[[bytes], bool] | None
    join: Callable[[Sequence[bytes]], bytes]
    number: Callable[[bytes], tuple[int, int] | None] = lambda payload: None


def _begins_vp8(payload: bytes) -> bool:
    descriptor = vp8.parse(payload)
    return descriptor.start and not descriptor.partition


def _join_vp8(payloads: Sequence[bytes]) -> bytes:
    return b"".join([payload[vp8.locate(payload).end :] for payload in payloads])


def _number_vp8(payload: bytes) -> tuple[int, int] | None:
    layout = vp8.locate(payload)
    if layout.picture_id is None:
        return None
    return layout.picture_id, 1 << (15 if payload[layout.picture_id_at] & vp8.M else 7)


def _begins_vp9(payload: bytes) -> bool:
    return bool(payload[0] & vp9.B) and not vp9.locate(payload).spatial_layer


def _join_vp9(payloads: Sequence[bytes]) -> bytes:
    return b"".join([payload[vp9.locate(payload).end :] for payload in payloads])


def _number_vp9(payload: bytes) -> tuple[int, int] | None:
    layout = vp9.locate(payload)
    if layout.picture_id is None:
        return None
    return layout.picture_id, 1 << (15 if payload[layout.picture_id_at] & vp9.M else 7)


def units_of(payloads: Sequence[bytes]) -> Iterator[bytes]:
    """The NAL units of H264 that are in the payloads of one frame. Raises `Malformed`."""
    parts: list[bytes] = []
    for payload in map(h264.parse, payloads):
        match payload:
            case h264.Single(unit):
                whole = [unit]
            case h264.Aggregate(units):
                whole = units
            case h264.Fragment(header, part, start, end):
                if start == bool(parts):
                    raise Malformed("H264 fragment out of its order")
                parts += [bytes([header]), part] if start else [part]
                if not end:
                    continue
                whole, parts = [b"".join(parts)], []
        if parts:
            raise Malformed("H264 unit that does not end")
        yield from whole
    if parts:
        raise Malformed("H264 unit that does not end")


def _join_h264(payloads: Sequence[bytes]) -> bytes:
    return b"".join([START_CODE + unit for unit in units_of(payloads)])


def _join_av1(payloads: Sequence[bytes]) -> bytes:
    elements: list[bytes] = []
    goes_on = False
    for payload in map(av1.parse, payloads):
        if payload.continues != goes_on:
            raise Malformed("AV1 unit without its beginning or its end")
        if payload.continues:
            elements[-1] += payload.elements[0]
        elements += payload.elements[payload.continues :]
        goes_on = payload.continued
    if goes_on:
        raise Malformed("AV1 unit without its end")
    return b"".join(map(_sized, elements))


def _sized(element: bytes) -> bytes:
    """A unit with its size in front, as files have it; what has sizes already stays, also several at once."""
    unit = av1.parse_unit(element)
    if unit.kind in av1.NOT_FORWARDED:
        return b""
    return element if element[0] & av1.HAS_SIZE else av1.serialize_unit(unit, has_size=True)


JOININGS = {
    "VP8": Joining(vp8.is_keyframe, vp8.size_of_keyframe, _begins_vp8, _join_vp8, _number_vp8),
    "VP9": Joining(vp9.is_keyframe, vp9.size_of_keyframe, _begins_vp9, _join_vp9, _number_vp9),
    "H264": Joining(h264.carries_parameters, h264.size_of_keyframe, None, _join_h264),
    "AV1": Joining(av1.is_keyframe, av1.size_of_keyframe, None, _join_av1),
}
"""By the codec's name in SDP."""
