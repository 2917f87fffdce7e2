"""Who else reads vectors/h264 as we do: aiortc, Pion, tshark, and for keyframes and sizes LiveKit, FFmpeg and tshark.

Stands above `tests/confirm/mediareaders.py`, `dissection.py` and `witness.py`; see `tests/confirm/rtp.py` for when a
witness confirms. Read next: tests/generate/h264.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import h264, rtp
from tests.confirm import dissection
from tests.confirm import mediareaders as readers
from tests.confirm.witness import Case, Witness, asked, one_by_one, package
from tests.generate.h264 import PPS, SPS

AIORTC = {"parse": "H264PayloadDescriptor.parse gives the same units, or refuses an invalid payload"}
PION = {
    "parse": "H264Packet.Unmarshal gives the same units, or refuses an invalid payload; of fragments the last is asked"
}
TSHARK = {
    "parse": "dissected as H264: same units or fragment, nothing malformed",
    "keyframe": "dissected as H264: same size of a sequence parameter set, from its fields",
}
LIVEKIT = {"keyframe": "IsKeyFrame, which is Galene's, is true exactly where a sequence parameter set begins"}
FFMPEG = {
    "keyframe": "its decoder has pictures of that size after a sequence parameter set; its parser calls a unit without "
    "one a keyframe, or none"
}
PAYLOAD_TYPE = 96
START_CODE = b"\x00\x00\x00\x01"
A_PICTURE = bytes.fromhex("6588840ffff0")  # the beginning of an intra slice
SIZE_FIELDS = (
    *("h264.pic_width_in_mbs_minus1", "h264.pic_height_in_map_units_minus1", "h264.frame_mbs_only_flag"),
    *("h264.frame_crop_left_offset", "h264.frame_crop_right_offset"),
    *("h264.frame_crop_top_offset", "h264.frame_crop_bottom_offset", "h264.chroma_format_id"),
)
FIELDS = ("h264.nal_unit_hdr", "h264.nal_nri", "h264.f", "h264.start.bit", "h264.end.bit", "h264.forbidden.bit")


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)),
        Witness("Pion", readers.pion_version, PION, _ask_pion),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        Witness("LiveKit", readers.livekit_version, LIVEKIT, _ask_livekit),
        Witness("FFmpeg", readers.ffmpeg_version, FFMPEG, one_by_one(_ask_ffmpeg)),
    )


def _stream(out: dict[str, Any]) -> bytes:
    """The units of a payload as decoders want them; of a fragment what a first one brings."""
    if out["kind"] == "fragment":
        return (START_CODE + bytes([out["header"]]) if out["start"] else b"") + bytes.fromhex(out["part"])
    units = out["units"] if out["kind"] == "aggregate" else [out["unit"]]
    return b"".join(START_CODE + bytes.fromhex(unit) for unit in units)


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc.codecs.h264 import H264PayloadDescriptor

    data = bytes.fromhex(case["in"]["hex"])
    try:
        seen, stream = H264PayloadDescriptor.parse(data)
    except ValueError:
        assert case["result"] != "valid", f"aiortc refuses {case['id']}"
        return
    assert case["result"] != "invalid", f"aiortc takes {case['id']}"
    assert stream == _stream(case["out"]), f"aiortc reads {case['id']} otherwise"
    assert bool(seen.first_fragment) == (case["out"]["kind"] != "fragment" or case["out"]["start"]), case["id"]


def _ask_pion(operation: str, cases: list[Case]) -> None:
    questions = [{"what": "h264", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, readers.ask_pion(questions), strict=True):
        if case["result"] == "invalid":
            assert "refused" in said, f"Pion takes {case['id']}"
            continue
        assert "refused" not in said, f"Pion refuses {case['id']}: {said['refused']}"
        out = case["out"]
        is_part = out["kind"] == "fragment"
        wanted = _stream({**out, "start": True}) if not is_part or out["end"] else b""  # it waits for the last one
        assert bytes.fromhex(said["stream"]) == wanted, f"Pion reads {case['id']} otherwise"
        assert said["head"] == (not is_part or out["start"]), case["id"]


def _ask_livekit(operation: str, cases: list[Case]) -> None:
    questions = [{"what": "keyframe", "codec": "h264", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, readers.ask_livekit(questions), strict=True):
        assert said["keyframe"] == case["out"]["parameters"], f"LiveKit says of {case['id']}: {said['keyframe']}"


def _ask_ffmpeg(operation: str, case: Case) -> None:
    """What is behind the parameters is no picture that can be decoded, and that is enough for its size."""
    units, out = _whole_units(bytes.fromhex(case["in"]["hex"])), case["out"]
    assert units, f"FFmpeg is not asked about fragments: {case['id']}"
    sets = [unit for unit in units if unit[0] & h264.TYPE == h264.SEQUENCE_PARAMETERS]
    if sets:
        assert _size_seen(sets[0]) == out["size"], f"FFmpeg has another size for {case['id']}"
    else:
        assert _keyframe_seen(units) == out["keyframe"], f"FFmpeg says otherwise of {case['id']}"


def _whole_units(data: bytes) -> list[bytes]:
    match h264.parse(data) if data else None:
        case h264.Single(unit):
            return [unit]
        case h264.Aggregate(units):
            return units
    return []


def _size_seen(parameters: bytes) -> list[int]:
    import av

    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    stream = b"".join(START_CODE + unit for unit in (parameters, PPS, A_PICTURE * 20))
    try:
        for packet in [*context.parse(stream), *context.parse(None)]:
            context.decode(packet)
    except av.error.FFmpegError:
        pass
    return [context.width, context.height]


def _keyframe_seen(units: list[bytes]) -> bool:
    import av

    context: Any = av.CodecContext.create("h264", "r")
    packets = [*context.parse(b"".join(START_CODE + unit for unit in (SPS, PPS, *units))), *context.parse(None)]
    return any(packet.is_keyframe for packet in packets)


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all("out" in case for case in cases), "tshark refuses nothing"
    packets = [
        rtp.serialize(rtp.Packet(PAYLOAD_TYPE, number, 0, 1, bytes.fromhex(case["in"]["hex"]), marker=True))
        for number, case in enumerate(cases)
    ]
    options = ("-o", f"h264.dynamic.payload.type:{PAYLOAD_TYPE}")
    fields = FIELDS if operation == "parse" else SIZE_FIELDS
    for case, row in zip(cases, dissection.dissect(packets, "rtp", fields, options), strict=True):
        if operation == "parse":
            _compare_units(case, row)
        else:
            assert _size_dissected(row) == case["out"]["size"], f"tshark has another size for {case['id']}"


def _compare_units(case: Case, row: dissection.Row) -> None:
    """It tells the types of the payload and of each unit, and how important they are."""
    out, kinds = case["out"], dissection.numbers(row["h264.nal_unit_hdr"])
    if out["kind"] == "fragment":
        assert kinds == [h264.FU_A, out["header"] & h264.TYPE], f"tshark says of {case['id']} {kinds}"
        assert dissection.numbers(row["h264.start.bit"]) == [out["start"]], case["id"]
        assert dissection.numbers(row["h264.end.bit"]) == [out["end"]], case["id"]
        return
    units = [bytes.fromhex(unit) for unit in (out["units"] if out["kind"] == "aggregate" else [out["unit"]])]
    first = [h264.STAP_A] if out["kind"] == "aggregate" else []
    assert kinds == first + [unit[0] & h264.TYPE for unit in units], f"tshark says of {case['id']} {kinds}"


def _size_dissected(row: dissection.Row) -> list[int] | None:
    def number(name: str, otherwise: int = 0) -> int:
        found = dissection.numbers(row[f"h264.{name}"])
        return found[0] if found else otherwise

    if not row["h264.pic_width_in_mbs_minus1"]:
        return None
    rows = 1 if number("frame_mbs_only_flag") else 2
    across, down = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[number("chroma_format_id", 1)]
    width = 16 * (number("pic_width_in_mbs_minus1") + 1)
    height = 16 * rows * (number("pic_height_in_map_units_minus1") + 1)
    width -= across * (number("frame_crop_left_offset") + number("frame_crop_right_offset"))
    height -= down * rows * (number("frame_crop_top_offset") + number("frame_crop_bottom_offset"))
    return [width, height]
