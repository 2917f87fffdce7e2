"""Who else reads vectors/vp9 as we do: Pion, werift, and for keyframes LiveKit and FFmpeg.

Stands above `tests/confirm/mediareaders.py` and `witness.py`; see `tests/confirm/rtp.py` for when a witness confirms.
Read next: tests/generate/vp9.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import vp9
from tests.confirm import mediareaders as readers
from tests.confirm.witness import Case, Witness, asked, one_by_one

PION = {
    "parse": "VP9Packet.Unmarshal gives the same fields, or refuses an invalid payload",
    "write-picture-id": "VP9Packet.Unmarshal reads back the picture id, and nothing else changed",
}
WERIFT = {
    "parse": "Vp9RtpPayload.deSerialize gives the same fields, or refuses an invalid payload",
    "write-picture-id": "Vp9RtpPayload.deSerialize reads back the picture id, and nothing else changed",
}
LIVEKIT = {"keyframe": "IsKeyFrame, which is Galene's, says the same of the frame"}
FFMPEG = {"keyframe": "its decoder takes the frame behind the descriptor for one of that size, where there is one"}
WERIFT_NAMES = {
    "I": "iBit", "P": "pBit", "L": "lBit", "F": "fBit", "B": "bBit", "E": "eBit", "V": "vBit", "Z": "zBit",
    "PictureID": "pictureId", "TID": "tid", "U": "u", "SID": "sid", "D": "d", "TL0PICIDX": "tl0PicIdx", "NS": "n_s",
    "Y": "y", "G": "g", "Width": "width", "Height": "height", "PDiff": "pDiff", "PGTID": "pgT", "PGU": "pgU",
    "PGPDiff": "pgP_Diff", "size": "size",
}  # fmt: skip


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("Pion", readers.pion_version, PION, _ask_pion),
        Witness("werift", readers.werift_version, WERIFT, _ask_werift),
        Witness("LiveKit", readers.livekit_version, LIVEKIT, _ask_livekit),
        Witness("FFmpeg", readers.ffmpeg_version, FFMPEG, one_by_one(_ask_ffmpeg)),
    )


def _ask_pion(operation: str, cases: list[Case]) -> None:
    _compare(operation, cases, readers.ask_pion)


def _ask_werift(operation: str, cases: list[Case]) -> None:
    def ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            said if "refused" in said else {name: said.get(theirs) for name, theirs in WERIFT_NAMES.items()}
            for said in readers.ask_werift(questions)
        ]

    _compare(operation, cases, ask)


def _compare(operation: str, cases: list[Case], ask: Any) -> None:
    if operation == "parse":
        for case, said in zip(cases, ask([_question(case["in"]["hex"]) for case in cases]), strict=True):
            if case["result"] == "invalid":
                assert "refused" in said, f"{case['id']} is taken"
            else:
                assert "refused" not in said, f"{case['id']} is refused: {said['refused']}"
                assert _fields(said) == _comparable(case["out"]), f"{case['id']} is read otherwise"
        return
    for case in cases:
        before, after = map(_fields, ask([_question(case["in"]["hex"]), _question(case["out"]["hex"])]))
        size = 15 if bytes.fromhex(case["out"]["hex"])[1] & 0x80 else 7
        assert after["picture_id"] == case["in"]["picture_id"] % (1 << size), case["id"]
        assert {**before, "picture_id": 0} == {**after, "picture_id": 0}, case["id"]


def _question(octets: str) -> dict[str, Any]:
    return {"what": "vp9", "hex": octets}


def _fields(said: dict[str, Any]) -> dict[str, Any]:
    """What a program tells, in the words of the vectors."""
    structure = None
    if said["V"]:
        sizes = [list(size) for size in zip(said["Width"] or [], said["Height"] or [], strict=True)]
        pictures = [
            {"temporal_layer": layer, "switching_up": bool(up), "references": list(references or [])}
            for layer, up, references in zip(said["PGTID"] or [], said["PGU"] or [], said["PGPDiff"] or [], strict=True)
        ]
        structure = {
            "spatial_layers": said["NS"] + 1,
            "sizes": sizes if said["Y"] else None,
            "pictures": pictures if said["G"] else None,
        }
    return {
        "start": bool(said["B"]),
        "end": bool(said["E"]),
        "predicted": bool(said["P"]),
        "flexible": bool(said["F"]),
        "not_for_upper": bool(said["Z"]),
        "picture_id": said["PictureID"] if said["I"] else None,
        "layers": [said["TID"], said["SID"]] if said["L"] else None,
        "switching_up": bool(said["L"] and said["U"]),
        "inter_layer": bool(said["L"] and said["D"]),
        "tl0_picture_index": said["TL0PICIDX"] if said["L"] and not said["F"] else None,
        "references": said["PDiff"] or [],
        "structure": structure,
    }


def _comparable(out: dict[str, Any]) -> dict[str, Any]:
    """Whether a picture id is long, nobody tells."""
    return {name: value for name, value in out.items() if name != "long_picture_id"}


def _ask_livekit(operation: str, cases: list[Case]) -> None:
    questions = [{"what": "keyframe", "codec": "vp9", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, readers.ask_livekit(questions), strict=True):
        assert said["keyframe"] == case["out"]["keyframe"], f"LiveKit says of {case['id']}: {said['keyframe']}"


def _ask_ffmpeg(operation: str, case: Case) -> None:
    """Only the head of the frame is there, and that is enough for its size."""
    data = bytes.fromhex(case["in"]["hex"])
    descriptor = vp9.parse(data)
    assert descriptor.start, "FFmpeg wants the beginning of a frame"
    assert descriptor.structure is None or not descriptor.structure.sizes, "FFmpeg knows no structure"
    assert _frame_seen(data[descriptor.size :]) == (case["out"]["keyframe"], case["out"]["size"]), case["id"]


def _frame_seen(frame: bytes) -> tuple[bool, list[int] | None]:
    import av

    context: Any = av.CodecContext.create("vp9", "r")
    context.thread_count = 1
    packets = context.parse(frame + bytes(40)) or context.parse(None)
    try:
        for packet in packets:
            context.decode(packet)
    except av.error.FFmpegError:
        pass
    is_keyframe = any(packet.is_keyframe for packet in packets)
    size = [context.width, context.height] if context.width else None
    return is_keyframe, size if is_keyframe else None
