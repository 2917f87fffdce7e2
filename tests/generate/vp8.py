"""Makes vectors/vp8: payload descriptors in every combination, keyframes, and picture ids rewritten in place.

Read next: tests/vectors/test_vp8.py, which replays them; tests/confirm/vp8.py, who else reads them so.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from meetref.wire import vp8
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The payload ends within its descriptor", "it is dropped"),
}
PAYLOAD = bytes.fromhex("11223344")
INTER_HEADER = bytes.fromhex("d1040000")


def fields(descriptor: vp8.Descriptor) -> dict[str, Any]:
    """A descriptor as JSON has it; null is a field that is not there."""
    return {
        "start": descriptor.start,
        "partition": descriptor.partition,
        "non_reference": descriptor.non_reference,
        "picture_id": descriptor.picture_id,
        "long_picture_id": descriptor.long_picture_id,
        "tl0_picture_index": descriptor.tl0_picture_index,
        "temporal_layer": descriptor.temporal_layer,
        "layer_sync": descriptor.layer_sync,
        "key_index": descriptor.key_index,
    }


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"vp8/descriptors": _descriptors(), "vp8/keyframes": _keyframes(), "vp8/picture-ids": _picture_ids()}


def _descriptors() -> dict[str, Any]:
    cases = Cases("vp8-descriptors", NOTES)
    cases.group("parse", "RFC 7741 section 4.2")
    for comment, reqs, given in [*_combinations(), *_bounds()]:
        cases.valid(comment, reqs, vp8.serialize(given) + INTER_HEADER, fields(given), ["Canonical"])
    cases.group("parse", "RFC 7741 section 4.2")
    plain = vp8.Descriptor(start=True)
    cases.valid(
        "reserved bit of the second octet",
        "reserved-bits-ignored",
        bytes.fromhex("908f11") + INTER_HEADER,
        fields(vp8.Descriptor(start=True, picture_id=17)),
    )
    cases.valid("X and no field", "no-extension-without-x", bytes.fromhex("9000") + INTER_HEADER, fields(plain))
    cases.valid(
        "TID bits without T",
        "tid-ignored-without-t",
        bytes.fromhex("9010c5") + INTER_HEADER,
        fields(vp8.Descriptor(start=True, key_index=5)),
    )
    cases.valid(
        "KEYIDX bits without K",
        "keyidx-ignored-without-k",
        bytes.fromhex("902095") + INTER_HEADER,
        fields(vp8.Descriptor(start=True, temporal_layer=2)),
    )
    cases.acceptable(
        "TL0PICIDX without TID",
        "tl0picidx-needs-tid",
        bytes.fromhex("904007") + INTER_HEADER,
        fields(vp8.Descriptor(start=True, tl0_picture_index=7)),
    )
    cases.valid("reserved bit beside X", "reserved-bits-ignored", bytes.fromhex("50") + INTER_HEADER, fields(plain))
    cases.group("parse", "RFC 7741 section 4.2")  # aiortc 1.16 and tshark 4.0 take it for a fourth bit of PID
    cases.valid("reserved bit beside PID", "reserved-bits-ignored", bytes.fromhex("18") + INTER_HEADER, fields(plain))
    cases.group("parse", "RFC 7741 section 4.2")
    cases.invalid("nothing", "descriptor-required", b"", ["Truncated"])
    for flags, whole in _longest():
        for size in range(1, len(whole)):
            cases.invalid(f"{flags}, {size} of {len(whole)} octets", "descriptor-required", whole[:size], ["Truncated"])
    return cases.finish()


def _combinations() -> list[tuple[str, str, vp8.Descriptor]]:
    """Every way in which the optional fields can be there, or not."""
    cases = []
    for picture, tl0, tid, key in product((None, 0x11, 0x1234), (None, 200), (None, 2), (None, 21)):
        if tl0 is not None and tid is None:
            continue  # L without T is not for senders
        given = vp8.Descriptor(
            start=True,
            picture_id=picture,
            long_picture_id=picture == 0x1234,
            tl0_picture_index=tl0,
            temporal_layer=tid,
            layer_sync=tid is not None,
            key_index=key,
        )
        there = [
            name
            for name, value in (
                ("15-bit picture id" if picture == 0x1234 else "7-bit picture id", picture),
                ("TL0PICIDX", tl0),
                ("TID", tid),
                ("KEYIDX", key),
            )
            if value is not None
        ]
        reqs = (
            "picture-id-present picture-id-size tl0picidx-present tid-keyidx-octet"
            if there
            else "no-extension-without-x"
        )
        cases.append((", ".join(there) or "one octet", reqs, given))
    return cases


def _bounds() -> list[tuple[str, str, vp8.Descriptor]]:
    cases = [
        (
            f"S={start:d}, partition {partition}",
            "no-extension-without-x",
            vp8.Descriptor(start=start, partition=partition),
        )
        for start, partition in ((True, 1), (True, 7), (False, 0), (False, 7))
    ]
    cases.append(
        ("frame that nothing refers to", "no-extension-without-x", vp8.Descriptor(start=True, non_reference=True))
    )
    for number, long in ((0, False), (127, False), (0, True), (127, True), (128, True), (32767, True)):
        given = vp8.Descriptor(start=True, picture_id=number, long_picture_id=long)
        cases.append((f"picture id {number} in {15 if long else 7} bits", "picture-id-size", given))
    for tl0, tid, sync, key in ((0, 0, False, 0), (255, 3, True, 31), (255, 0, True, 0), (0, 3, False, 31)):
        given = vp8.Descriptor(start=True, tl0_picture_index=tl0, temporal_layer=tid, layer_sync=sync, key_index=key)
        cases.append((f"TL0PICIDX {tl0}, TID {tid}, Y={sync:d}, KEYIDX {key}", "tid-keyidx-octet", given))
    return cases


def _longest() -> list[tuple[str, bytes]]:
    short = vp8.Descriptor(start=True, picture_id=5, tl0_picture_index=7, temporal_layer=1, key_index=3)
    long = vp8.Descriptor(start=True, picture_id=5, long_picture_id=True, tl0_picture_index=7, temporal_layer=1)
    return [
        ("7-bit picture id and all fields", vp8.serialize(short)),
        ("15-bit picture id and all fields", vp8.serialize(long)),
    ]


def _keyframes() -> dict[str, Any]:
    cases = Cases(
        "vp8-keyframes", {"NoSize": ("A keyframe whose size cannot be read", "it is a keyframe all the same")}
    )
    cases.group("keyframe", "RFC 7741 section 4.3, RFC 6386 section 9.1")
    first = bytes.fromhex("9080 11")
    for width, height, scale in (
        (640, 360, 0),
        (16, 16, 0),
        (1280, 720, 0),
        (16383, 16383, 0),
        (320, 240, 1),
        (1, 1, 3),
    ):
        comment = f"{width}x{height}" + (f", scale {scale}" if scale else "")
        cases.valid(
            comment,
            "inverse-key-flag frame-size",
            first + key_header(width, height, scale),
            {"keyframe": True, "size": [width, height]},
        )
    cases.valid("interframe", "inverse-key-flag", first + INTER_HEADER, {"keyframe": False, "size": None})
    cases.valid(
        "first packet without a picture id",
        "inverse-key-flag",
        b"\x10" + key_header(640, 360),
        {"keyframe": True, "size": [640, 360]},
    )
    cases.group("keyframe", "RFC 7741 section 4.3")
    nothing = {"keyframe": False, "size": None}
    cases.valid(
        "second packet of a frame, looking like a keyframe",
        "header-only-at-start",
        bytes.fromhex("8080 11") + key_header(640, 360),
        nothing,
    )
    cases.valid(
        "start of the second partition, looking like a keyframe",
        "header-only-at-start",
        bytes.fromhex("9180 11") + key_header(640, 360),
        nothing,
    )
    cases.valid("descriptor alone", "inverse-key-flag", first, nothing)
    cases.valid("descriptor that ends too soon", "descriptor-required", b"\x90\x80", nothing)
    cases.valid("nothing", "descriptor-required", b"", nothing)
    unsized = {"keyframe": True, "size": None}
    cases.valid(
        "keyframe cut behind the start code", "frame-size", first + key_header(640, 360)[:9], unsized, ["NoSize"]
    )
    cases.valid(
        "keyframe with a wrong start code",
        "frame-size",
        first + key_header(640, 360).replace(vp8.START_CODE, b"\x9d\x01\x2b"),
        unsized,
        ["NoSize"],
    )
    return cases.finish()


def key_header(width: int, height: int, scale: int = 0) -> bytes:
    """A keyframe's beginning: ten octets (shown, version 0, a first partition of 50 octets), and 50 zeros."""
    tag = (50 << 5 | 1 << 4).to_bytes(3, "little")
    return (
        tag
        + vp8.START_CODE
        + (scale << 14 | width).to_bytes(2, "little")
        + (scale << 14 | height).to_bytes(2, "little")
        + bytes(50)
    )


def _picture_ids() -> dict[str, Any]:
    cases = Cases("vp8-picture-ids", {})
    cases.group("write-picture-id", "RFC 7741 section 4.2")
    for old, long, new in (
        (5, False, 6),
        (5, False, 128),
        (127, False, 255),
        (5, True, 6),
        (5, True, 300),
        (32767, True, 32768),
    ):
        given = vp8.Descriptor(start=True, picture_id=old, long_picture_id=long, tl0_picture_index=9, temporal_layer=1)
        kept = new & (0x7FFF if long else 0x7F)
        wanted = vp8.Descriptor(
            start=True, picture_id=kept, long_picture_id=long, tl0_picture_index=9, temporal_layer=1
        )
        cases.valid(
            f"{15 if long else 7} bits: {old} becomes {new}, written as {kept}",
            "picture-id-size picture-id-wraps",
            {"hex": (vp8.serialize(given) + PAYLOAD).hex(), "picture_id": new},
            {"hex": (vp8.serialize(wanted) + PAYLOAD).hex()},
        )
    return cases.finish()
