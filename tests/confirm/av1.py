"""Who else reads vectors/av1 as we do: Pion and werift the payloads, LiveKit the descriptors, FFmpeg the sizes.

Stands above `tests/confirm/mediareaders.py` and `witness.py`; see `tests/confirm/rtp.py` for when a witness confirms.
Read next: tests/generate/av1.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import av1
from tests.confirm import mediareaders as readers
from tests.confirm.witness import Case, Witness, asked, one_by_one

PION = {
    "parse": "AV1Packet.Unmarshal gives the same flags and elements, or refuses an invalid payload",
    "unit": "obu.ParseOBUHeader and ReadLeb128 give the same type, layers and body, or refuse an invalid one",
}
WERIFT = {
    "parse": "AV1RtpPayload.deSerialize gives the same flags and elements, or refuses an invalid payload",
    "keyframe": "AV1RtpPayload.isKeyframe says the same",
}
LIVEKIT = {
    "keyframe": "IsKeyFrame, which is Galene's and wants the header of a key picture behind that of the sequence",
    "descriptor": "DependencyDescriptorExtension.Unmarshal gives the same frame and structure, or refuses it",
}
FFMPEG = {"keyframe": "its decoder has pictures of that size after the sequence header"}


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
    if operation == "parse":
        _compare_payloads(cases, readers.ask_pion)
        return
    questions = [{"what": "unit", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, readers.ask_pion(questions), strict=True):
        if case["result"] == "invalid":
            assert "refused" in said, f"Pion takes {case['id']}"
        else:
            assert said == case["out"], f"Pion reads {case['id']} otherwise"


def _ask_werift(operation: str, cases: list[Case]) -> None:
    if operation == "parse":
        _compare_payloads(cases, readers.ask_werift)
        return
    questions = [{"what": "av1", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, readers.ask_werift(questions), strict=True):
        assert "refused" not in said, f"werift refuses {case['id']}"
        assert said["keyframe"] == case["out"]["keyframe"], f"werift says of {case['id']}: {said['keyframe']}"


def _compare_payloads(cases: list[Case], ask: Any) -> None:
    questions = [{"what": "av1", "hex": case["in"]["hex"]} for case in cases]
    for case, said in zip(cases, ask(questions), strict=True):
        if case["result"] == "invalid":
            assert "refused" in said, f"{case['id']} is taken"
            continue
        assert "refused" not in said, f"{case['id']} is refused: {said['refused']}"
        out = case["out"]
        count = 0 if out["every_length"] else len(out["elements"])
        seen = (bool(said["Z"]), bool(said["Y"]), bool(said["N"]), said["W"], said["elements"])
        wanted = (out["continues"], out["continued"], out["begins_sequence"], count, out["elements"])
        assert seen == wanted, f"{case['id']} is read otherwise"


def _ask_livekit(operation: str, cases: list[Case]) -> None:
    if operation == "keyframe":
        questions = [{"what": "keyframe", "codec": "av1", "hex": case["in"]["hex"]} for case in cases]
        for case, said in zip(cases, readers.ask_livekit(questions), strict=True):
            assert said["keyframe"] == case["out"]["keyframe"], f"LiveKit says of {case['id']}: {said['keyframe']}"
        return
    questions = [{"what": "descriptor", "hex": case["in"]["hex"], "after": case["in"]["after"] or ""} for case in cases]
    for case, said in zip(cases, readers.ask_livekit(questions), strict=True):
        if case["result"] == "invalid":
            assert "refused" in said, f"LiveKit takes {case['id']}"
        else:
            assert "refused" not in said, f"LiveKit refuses {case['id']}: {said['refused']}"
            _compare_descriptor(case, said)


def _plain(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value or ()) if not isinstance(value, int) else value for name, value in frame.items()}


def _compare_descriptor(case: Case, said: dict[str, Any]) -> None:
    out = case["out"]
    for name in ("start", "end", "frame_number"):
        assert said[name] == out[name], f"LiveKit says of {case['id']} {name} {said[name]}"
    size = said["resolution"] and [said["resolution"]["Width"], said["resolution"]["Height"]]
    seen = {**said["frame"], "resolution": size}
    assert _plain(seen) == _plain(out["frame"]), f"LiveKit says of {case['id']} {seen}"
    structure, active = out["structure"], out["active_targets"]
    if structure is not None and active is None:
        active = (1 << structure["targets"]) - 1  # it says so itself: a new structure activates all
    assert said["active_targets"] == active, f"LiveKit says of {case['id']} {said['active_targets']}"
    assert (said["structure"] is None) == (structure is None), case["id"]
    if structure is None:
        return
    theirs = said["structure"]
    for name in ("first_id", "targets", "chains"):
        assert theirs[name] == structure[name], f"LiveKit says of {case['id']} {name} {theirs[name]}"
    assert (theirs["protected_by"] or []) == structure["protected_by"], case["id"]
    sizes = [[each["Width"], each["Height"]] for each in theirs["resolutions"] or ()]
    assert sizes == (structure["resolutions"] or []), case["id"]
    assert [_plain(each) for each in theirs["templates"]] == [_plain(each) for each in structure["templates"]], case[
        "id"
    ]


def _ask_ffmpeg(operation: str, case: Case) -> None:
    """It reads sequence headers; of a picture it wants the whole, which is not here, so keyframes are not its word."""
    import av

    elements = av1.parse(bytes.fromhex(case["in"]["hex"])).elements
    first = av1.parse_unit(elements[0])
    has_header = first.kind == av1.SEQUENCE_HEADER
    assert has_header == (case["out"]["size"] is not None), f"FFmpeg cannot tell of {case['id']}"
    if not has_header:
        return
    context: Any = av.CodecContext.create("av1", "r")
    context.extradata = av1.serialize_unit(first, has_size=True)
    try:
        context.open()
    except av.error.FFmpegError:
        pass
    assert [context.width, context.height] == case["out"]["size"], f"FFmpeg says of {case['id']} {context.width}"
