"""What libwebrtc sent, as tests/captured/record_media.py kept it.

Stands below `tests/generate/{vp9,av1,red,fec}.py`. Read next: tests/captured/record_media.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from meetref.wire import rtp

PATH = Path(__file__).parent.parent / "captured" / "media-libwebrtc.json"


@cache
def _recording() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return data


def source(document: str) -> str:
    """What stands in `source` of a group of such packets."""
    data = _recording()
    return f"{document}; {data['implementation']} {data['version']}, recorded {data['date']}"


def packets(case: str) -> list[bytes]:
    """The packets of one stream, as they came, opened."""
    [found] = [each for each in _recording()["cases"] if each["case"] == case]
    return [bytes.fromhex(packet) for packet in found["packets"]]


def payloads(case: str) -> list[bytes]:
    """What is behind their headers."""
    return [rtp.parse(packet).payload for packet in packets(case)]


def extension_id(case: str, uri: str) -> int:
    """Under which number that extension was agreed on."""
    [found] = [each for each in _recording()["cases"] if each["case"] == case]
    number: int = found["extensions"][uri]
    return number


ENCODERS = PATH.parent / "encoders-ffmpeg.json"


@cache
def _encoders() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(ENCODERS.read_text(encoding="utf-8"))
    return data


def encoder_source(document: str) -> str:
    """What stands in `source` of a group made of `encodings`."""
    data = _encoders()
    return f"{document}; encoders of FFmpeg {data['version']}, recorded {data['date']}"


def encodings(codec: str) -> list[dict[str, Any]]:
    """How streams of a codec begin: `encoder`, `size`, and units of a `keyframe` and of an `interframe`."""
    cases = [each for each in _encoders()["cases"] if each["codec"] == codec]
    for case in cases:
        case["name"] = f"{case['encoder']}, {case['pixels']}, {case['size'][0]}x{case['size'][1]}"
    return cases


def extension(packet: bytes, number: int) -> bytes | None:
    """The value of a header extension of a packet."""
    return rtp.parse(packet).extensions.get(number)
