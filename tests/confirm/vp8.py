"""Who else reads vectors/vp8 as we do: aiortc's descriptor and tshark.

Stands above `tests/confirm/dissection.py` and `witness.py`; see `tests/confirm/rtp.py` for when a witness confirms.
Read next: tests/generate/vp8.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import rtp
from tests.confirm import dissection
from tests.confirm.witness import Case, Witness, asked, one_by_one, package

AIORTC = {
    "parse": "VpxPayloadDescriptor.parse gives the same fields, as far as it has them, or refuses an invalid payload",
    "write-picture-id": "VpxPayloadDescriptor.parse reads back the picture id, and nothing else changed",
}
TSHARK = {
    "parse": "dissected as VP8: same fields, nothing malformed",
    "keyframe": "dissected as VP8: same kind of frame, same size",
}
PAYLOAD_TYPE = 96
FIELDS = (
    *("vp8.pld.n", "vp8.pld.s", "vp8.pld.partid", "vp8.pld.i", "vp8.pld.l", "vp8.pld.t", "vp8.pld.k"),
    *("vp8.pld.pictureid", "vp8.pld.tl0picidx", "vp8.pld.tid", "vp8.pld.y", "vp8.pld.keyidx"),
    *("vp8.hdr.frametype", "vp8.keyframe.width", "vp8.keyframe.height"),
)


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
    )


def _ask_aiortc(operation: str, case: Case) -> None:
    data = bytes.fromhex(case["in"]["hex"])
    if case["result"] == "invalid":
        assert _aiortc_fields(data) is None, f"aiortc takes {case['id']}"
        return
    if operation == "write-picture-id":
        wrote = bytes.fromhex(case["out"]["hex"])
        before, after = _aiortc_fields(data), _aiortc_fields(wrote)
        assert before is not None, case["id"]
        assert after is not None, case["id"]
        size = 15 if wrote[2] & 0x80 else 7
        assert after["picture_id"] == case["in"]["picture_id"] % (1 << size), case["id"]
        assert {**before, "picture_id": 0} == {**after, "picture_id": 0}, case["id"]
        return
    seen, wanted = _aiortc_fields(data), case["out"]
    assert seen is not None, f"aiortc refuses {case['id']}"
    for name in ("start", "partition", "picture_id", "tl0_picture_index", "temporal_layer", "key_index"):
        assert seen[name] == wanted[name], f"{case['id']}: aiortc says {name} {seen[name]}"


def _aiortc_fields(data: bytes) -> dict[str, Any] | None:
    from aiortc.codecs.vpx import VpxPayloadDescriptor

    try:
        seen, rest = VpxPayloadDescriptor.parse(data)
    except ValueError:
        return None
    return {
        "start": bool(seen.partition_start),
        "partition": seen.partition_id,
        "picture_id": seen.picture_id,
        "tl0_picture_index": seen.tl0picidx,
        "temporal_layer": seen.tid[0] if seen.tid else None,
        "key_index": seen.keyidx,
        "rest": rest,
    }


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all("out" in case for case in cases), "tshark refuses nothing"
    packets = [
        rtp.serialize(rtp.Packet(PAYLOAD_TYPE, number, 0, 1, bytes.fromhex(case["in"]["hex"]), marker=True))
        for number, case in enumerate(cases)
    ]
    rows = dissection.dissect(packets, "rtp", FIELDS, ("-o", f"vp8.dynamic.payload.type:{PAYLOAD_TYPE}"))
    for case, row in zip(cases, rows, strict=True):
        if operation == "keyframe":
            _compare_keyframe(case, row)
        else:
            assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
            _compare_descriptor(case, row)


def _compare_descriptor(case: Case, row: dissection.Row) -> None:
    there = {name: value[0] if value else None for name, value in row.items()}

    def flag(letter: str) -> bool:
        return there[f"vp8.pld.{letter}"] in ("1", "True")

    def number(name: str, present: bool) -> int | None:
        return int(there[f"vp8.pld.{name}"] or 0) if present else None

    seen = {
        "start": flag("s"),
        "partition": number("partid", True),
        "non_reference": flag("n"),
        "picture_id": number("pictureid", flag("i")),
        "tl0_picture_index": number("tl0picidx", flag("l")),
        "temporal_layer": number("tid", flag("t")),
        "layer_sync": flag("y"),
        "key_index": number("keyidx", flag("k")),
    }
    for name, value in seen.items():
        assert value == case["out"][name], f"{case['id']}: tshark says {name} {value}"


def _compare_keyframe(case: Case, row: dissection.Row) -> None:
    # What follows the header is no real picture, so tshark may call that malformed; the header is what counts.
    keyframe = row["vp8.hdr.frametype"] == ["0"]
    size = [int(row["vp8.keyframe.width"][0]), int(row["vp8.keyframe.height"][0])] if keyframe else None
    assert {"keyframe": keyframe, "size": size} == case["out"], f"{case['id']}: tshark says {keyframe}, {size}"
