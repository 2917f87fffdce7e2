"""H264 from x264, cut by FFmpeg and by us: keyframes are found, and what is put together again decodes."""

from __future__ import annotations

import re

from meetref.wire import h264
from tests.wire.bitstreams import HEIGHT, WIDTH, by_timestamp, encoded, packets_of_ffmpeg, same_pictures

START_CODE = b"\x00\x00\x00\x01"


def units_of(frame: bytes) -> list[bytes]:
    return [unit for unit in re.split(rb"\x00\x00\x00?\x01", frame) if unit]


def joined(payloads: list[bytes]) -> list[bytes]:
    """The units that are in the payloads of one frame."""
    units, parts = list[bytes](), b""
    for payload in payloads:
        match h264.parse(payload):
            case h264.Single(unit):
                units.append(unit)
            case h264.Aggregate(several):
                units += several
            case h264.Fragment(header, part, start, end):
                parts = bytes([header]) + part if start else parts + part
                units += [parts] if end else []
    return units


def test_what_ffmpeg_sends_is_read() -> None:
    frames = encoded("libx264")
    sent = by_timestamp(packets_of_ffmpeg("libx264", frames))
    assert len(sent) == len(frames)
    for payloads, frame in zip(sent, frames, strict=True):
        assert joined(payloads) == units_of(bytes(frame))
        assert h264.is_keyframe(payloads[0]) == h264.carries_parameters(payloads[0]) == frame.is_keyframe
        assert h264.size_of_keyframe(payloads[0]) == ((WIDTH, HEIGHT) if frame.is_keyframe else None)
        assert sum(map(h264.carries_parameters, payloads)) == frame.is_keyframe


def test_what_we_cut_decodes() -> None:
    frames = encoded("libx264")
    together = []
    for frame in frames:
        payloads = cut(bytes(frame))
        assert max(map(len, payloads)) <= 502
        assert any(map(h264.is_keyframe, payloads)) == frame.is_keyframe
        together.append(b"".join(START_CODE + unit for unit in joined(payloads)))
    assert same_pictures("h264", together, [bytes(frame) for frame in frames])


def cut(frame: bytes, size: int = 500) -> list[bytes]:
    """The payloads of one frame: small units together, large ones in fragments."""
    payloads, small = list[bytes](), list[bytes]()
    for unit in units_of(frame):
        if sum(map(len, small)) + 2 * len(small) + len(unit) + 3 <= size:
            small.append(unit)
            continue
        payloads += [h264.serialize(h264.Aggregate(small))] if small else []
        small = []
        pieces = [unit[at : at + size] for at in range(1, len(unit), size)]
        payloads += [
            h264.serialize(h264.Fragment(unit[0], piece, place == 0, place == len(pieces) - 1))
            for place, piece in enumerate(pieces)
        ]
    return payloads + ([h264.serialize(h264.Aggregate(small))] if small else [])
