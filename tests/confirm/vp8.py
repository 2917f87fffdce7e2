"""Who else reads vectors/vp8 as we do: aiortc's descriptor and tshark.

Stands above `tests/confirm/dissection.py` and `witness.py`; see `tests/confirm/rtp.py` for what `confirm` promises.
Read next: tests/generate/vp8.py.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Any

from meetref.wire import rtp
from tests.confirm import dissection
from tests.confirm.witness import Group, cases_of, entry

PAYLOAD_TYPE = 96
FIELDS = (
    *("vp8.pld.n", "vp8.pld.s", "vp8.pld.partid", "vp8.pld.i", "vp8.pld.l", "vp8.pld.t", "vp8.pld.k"),
    *("vp8.pld.pictureid", "vp8.pld.tl0picidx", "vp8.pld.tid", "vp8.pld.y", "vp8.pld.keyidx"),
    *("vp8.hdr.frametype", "vp8.keyframe.width", "vp8.keyframe.height"),
)


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, str]]:
    """The `verified_by` entries that could be confirmed here. Raises `AssertionError` where a witness disagrees."""
    entries = []
    groups = cases_of(data, "aiortc")
    if groups:
        for group in groups:
            for case in group.tests:
                _ask_aiortc(group, case)
        entries.append(entry("aiortc", installed_version("aiortc"), groups))
    groups = cases_of(data, "tshark")
    if groups:
        try:
            for group in groups:
                _ask_tshark(group)
        except dissection.Absent:
            return entries
        entries.append(entry("tshark", dissection.version(), groups))
    return entries


def _ask_aiortc(group: Group, case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["in"]["hex"])
    if case["result"] == "invalid":
        assert _aiortc_fields(data) is None, f"aiortc takes {case['id']}"
        return
    if group.operation == "write-picture-id":
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


def _ask_tshark(group: Group) -> None:
    packets = [
        rtp.serialize(rtp.Packet(PAYLOAD_TYPE, number, 0, 1, bytes.fromhex(case["in"]["hex"]), marker=True))
        for number, case in enumerate(group.tests)
    ]
    rows = dissection.dissect(packets, "rtp", FIELDS, ("-o", f"vp8.dynamic.payload.type:{PAYLOAD_TYPE}"))
    for case, row in zip(group.tests, rows, strict=True):
        if group.operation == "keyframe":
            _compare_keyframe(case, row)
        else:
            assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
            _compare_descriptor(case, row)


def _compare_descriptor(case: dict[str, Any], row: dissection.Row) -> None:
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


def _compare_keyframe(case: dict[str, Any], row: dissection.Row) -> None:
    # What follows the header is no real picture, so tshark may call that malformed; the header is what counts.
    keyframe = row["vp8.hdr.frametype"] == ["0"]
    size = [int(row["vp8.keyframe.width"][0]), int(row["vp8.keyframe.height"][0])] if keyframe else None
    assert {"keyframe": keyframe, "size": size} == case["out"], f"{case['id']}: tshark says {keyframe}, {size}"
