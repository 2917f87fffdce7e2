"""Records how real encoders begin: `python -m tests.captured.record_encoders` writes encoders-ffmpeg.json here.

x264, libvpx and SVT-AV1, as PyAV has them, encode a keyframe and another frame in several sizes and profiles. Of
each unit the first octets are kept: more is not read by a forwarder. Run it when there is a new encoder, and
look at the difference: vectors/h264, vp9 and av1 are made from this file.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from meetref.wire import av1

HERE = Path(__file__).parent
READ = 48
X264 = {"preset": "ultrafast", "tune": "zerolatency"}
VPX = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"}
SVT = {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0"}

CASES = [
    ("h264", "libx264", "yuv420p", 640, 360, {**X264, "profile": "baseline"}),
    ("h264", "libx264", "yuv420p", 1280, 720, {**X264, "profile": "main"}),
    ("h264", "libx264", "yuv420p", 1918, 1078, {"profile": "high", "tune": "zerolatency"}),
    ("h264", "libx264", "yuv422p", 350, 286, {**X264, "profile": "high422"}),
    ("h264", "libx264", "yuv444p", 351, 287, {**X264, "profile": "high444"}),
    ("h264", "libx264", "gray", 350, 286, {**X264, "profile": "high"}),
    ("h264", "libx264", "yuv420p", 720, 476, {**X264, "x264-params": "interlaced=1"}),
    ("h264", "libx264", "yuv420p", 640, 360, {**X264, "x264-params": "cqm=jvt:8x8dct=1:slices=4"}),
    ("vp9", "libvpx-vp9", "yuv420p", 640, 360, VPX),
    ("vp9", "libvpx-vp9", "yuv444p", 322, 182, {**VPX, "profile": "1"}),
    ("vp9", "libvpx-vp9", "gbrp", 322, 182, {**VPX, "profile": "1"}),
    ("av1", "libsvtav1", "yuv420p", 640, 360, SVT),
    ("av1", "libsvtav1", "yuv420p10le", 1918, 1078, SVT),
]


def encoded(codec: str, pixels: str, width: int, height: int, options: dict[str, str]) -> list[bytes]:
    """Two frames of a picture that changes; the first is a keyframe."""
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.framerate, context.time_base = Fraction(30), Fraction(1, 30)
    context.gop_size, context.thread_count, context.options = 1000, 1, options
    made = list[bytes]()
    for number in range(4):
        picture = np.full((height, width, 3), 40 + 20 * number, dtype=np.uint8)
        picture[:: 7 + number, :, 1] = 200
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
        frame.pts = number
        made += [bytes(packet) for packet in context.encode(frame)]
    made += [bytes(packet) for packet in context.encode(None)]
    return made[:2]


def units(name: str, frame: bytes) -> Iterator[bytes]:
    """NAL units of H264 without start codes, OBUs of AV1 without delimiters and sizes, the whole frame of VP9."""
    if name == "h264":
        yield from (unit for unit in re.split(rb"\x00\x00\x00?\x01", frame) if unit)
    elif name == "av1":
        while frame:
            unit = av1.parse_unit(frame)
            frame = frame[len(av1.serialize_unit(unit, has_size=True)) :]
            if unit.kind not in av1.NOT_FORWARDED:
                yield av1.serialize_unit(unit)
    else:
        yield frame


def kept(name: str, unit: bytes) -> str:
    """Its beginning; sets of parameters whole."""
    whole = (name == "h264" and unit[0] & 31 in (7, 8)) or (name == "av1" and unit[0] >> 3 & 15 == av1.SEQUENCE_HEADER)
    return (unit if whole else unit[:READ]).hex()


def main() -> None:
    cases = []
    for name, codec, pixels, width, height, options in CASES:
        first, second = encoded(codec, pixels, width, height, options)
        case = {"codec": name, "encoder": codec, "pixels": pixels, "size": [width, height], "options": options}
        case |= {"keyframe": [kept(name, unit) for unit in units(name, first)]}
        case |= {"interframe": [kept(name, unit) for unit in units(name, second)]}
        cases.append(case)
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    data = {"provenance": "recorded", "implementation": "FFmpeg", "date": date, "cases": cases}
    data["version"] = f"{av.ffmpeg_version_info} (av {av.__version__})"
    (HERE / "encoders-ffmpeg.json").write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
