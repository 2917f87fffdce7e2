"""Makes vectors/h264: payloads of the three kinds, what must be dropped, keyframes and the sizes of pictures.

Read next: tests/vectors/test_h264.py, which replays them; tests/confirm/h264.py, who else reads them so.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import h264
from meetref.wire.bits import BitWriter
from tests.generate import recordedmedia
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The payload ends too soon", "it is dropped"),
    "Interleaved": ("A payload that only the interleaved mode has", "it is dropped, where that was not agreed on"),
}
PPS = bytes.fromhex("68ce3c80")
SEI = bytes.fromhex("0605abcd80")
IDR, SLICE = bytes.fromhex("65888040ff"), bytes.fromhex("419a0312ee")
LATER_IDR_SLICE = bytes.fromhex("654388040ff0")


def fields(payload: h264.Payload) -> dict[str, Any]:
    """A payload as JSON has it."""
    match payload:
        case h264.Single(unit):
            return {"kind": "single", "unit": unit.hex()}
        case h264.Aggregate(units):
            return {"kind": "aggregate", "units": [unit.hex() for unit in units]}
        case h264.Fragment(header, part, start, end):
            return {"kind": "fragment", "header": header, "start": start, "end": end, "part": part.hex()}


def payload_of(told: dict[str, Any]) -> h264.Payload:
    """The payload that JSON tells of."""
    if told["kind"] == "single":
        return h264.Single(bytes.fromhex(told["unit"]))
    if told["kind"] == "aggregate":
        return h264.Aggregate([bytes.fromhex(unit) for unit in told["units"]])
    return h264.Fragment(told["header"], bytes.fromhex(told["part"]), told["start"], told["end"])


def seen(payload: bytes) -> dict[str, Any]:
    """What a forwarder sees in a payload, as JSON has it."""
    size = h264.size_of_keyframe(payload)
    return {
        "keyframe": h264.is_keyframe(payload),
        "parameters": h264.carries_parameters(payload),
        "size": list(size) if size else None,
    }


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"h264/payloads": _payloads(), "h264/keyframes": _keyframes()}


def _payloads() -> dict[str, Any]:
    cases = Cases("h264-payloads", NOTES)
    cases.group("parse", "RFC 6184 section 5.6")
    for kind in range(1, 24):
        unit = bytes([0x60 | kind]) + SLICE[1:]
        cases.valid(f"one unit of type {kind}", "single-unit", unit, fields(h264.Single(unit)), ["Canonical"])
    cases.group("parse", "RFC 6184 section 5.7.1")
    for comment, units in (
        ("parameter sets", [SPS, PPS]),
        ("parameter sets and a key slice", [SPS, PPS, IDR]),
        ("one unit", [SEI]),
        ("a unit of one octet", [b"\x09", SLICE]),
        ("a long unit", [SLICE + bytes(range(256)) * 3, SLICE]),
    ):
        given = h264.Aggregate(units)
        cases.valid(
            comment, "aggregate-within-bounds aggregate-header", h264.serialize(given), fields(given), ["Canonical"]
        )
    cases.group("parse", "RFC 6184 section 5.7")  # aiortc and tshark look at the type alone
    damaged = h264.Aggregate([SEI, bytes([IDR[0] | h264.FORBIDDEN]) + IDR[1:]])
    octets = h264.serialize(damaged)
    cases.valid("a unit with the forbidden bit", "aggregate-header", octets, fields(damaged), ["Canonical"])
    lower = bytes([0x18]) + octets[1:]
    cases.valid("importance and forbidden bit as of the first unit", "aggregate-header", lower, fields(damaged))
    cases.group("parse", "RFC 6184 section 5.8")
    for start, end in ((True, False), (False, False), (False, True)):
        for unit in (IDR, SLICE):
            given_part = h264.Fragment(unit[0], unit[1:], start, end)
            comment = f"S={start:d}, E={end:d}, type {unit[0] & h264.TYPE}"
            reqs = "fragment-header fragment-rebuilds-header"
            cases.valid(comment, reqs, h264.serialize(given_part), fields(given_part), ["Canonical"])
    cases.group("parse", "RFC 6184 section 5.8")
    empty = h264.Fragment(IDR[0], b"", False, False)
    cases.valid(
        "a fragment without octets", "fragment-may-be-empty", h264.serialize(empty), fields(empty), ["Canonical"]
    )
    reserved = h264.Fragment(IDR[0], IDR[1:], True, False)
    octets = h264.serialize(reserved)
    octets = octets[:1] + bytes([octets[1] | 0x20]) + octets[2:]
    cases.valid("the reserved bit", "fragment-reserved-bit-ignored", octets, fields(reserved))
    both = h264.Fragment(IDR[0], IDR[1:], True, True)
    octets = bytes([IDR[0] & 0xE0 | h264.FU_A, 0xC0 | IDR[0] & h264.TYPE]) + IDR[1:]
    cases.acceptable("a whole unit as a fragment", "fragment-not-whole", octets, fields(both))
    _refused(cases)
    return cases.finish()


def _refused(cases: Cases) -> None:
    cases.group("parse", "RFC 6184 sections 5.2 and 5.7.1")
    cases.invalid("nothing", "header-required", b"", ["Truncated"])
    whole = h264.serialize(h264.Aggregate([SPS, PPS]))
    for size in range(2, len(whole)):
        if size != 3 + len(SPS):
            comment = f"parameter sets, {size} of {len(whole)} octets"
            cases.invalid(comment, "aggregate-within-bounds", whole[:size], ["Truncated"])
    cases.group("parse", "RFC 6184 section 5.8")
    cases.invalid("a fragment's first octet", "fragment-header", b"\x7c", ["Truncated"])
    cases.group("parse", "RFC 6184 section 5.4")
    for kind in h264.INTERLEAVED:
        octets = bytes([0x60 | kind]) + bytes.fromhex("000100") + SPS
        cases.invalid(f"type {kind}", "interleaved-mode-refused", octets, ["Interleaved"])
    for kind in (0, 30, 31):
        cases.invalid(f"type {kind}", "reserved-types-ignored", bytes([0x60 | kind]) + SLICE[1:])
    cases.group("parse", "RFC 6184 sections 5.7 and 5.8")  # nobody looks into units
    cases.invalid("an aggregate of nothing", "aggregate-not-empty", b"\x78")
    cases.invalid("an aggregate with an empty unit", "aggregate-within-bounds", b"\x78\x00\x00")
    inner = h264.serialize(h264.Aggregate([PPS]))
    cases.invalid("an aggregate in an aggregate", "aggregate-not-nested", b"\x78" + len(inner).to_bytes(2) + inner)
    part = h264.serialize(h264.Fragment(IDR[0], IDR[1:], True))
    cases.invalid("a fragment in an aggregate", "aggregate-not-nested", b"\x78" + len(part).to_bytes(2) + part)
    cases.invalid("a unit of type 0 in an aggregate", "reserved-types-ignored", b"\x78\x00\x02\x60\x01")
    for kind in (0, 24, 28, 31):
        octets = bytes([0x7C, h264.START | kind]) + IDR[1:]
        cases.invalid(f"fragments of a unit of type {kind}", "fragment-not-nested reserved-types-ignored", octets)


def _keyframes() -> dict[str, Any]:
    cases = Cases("h264-keyframes", {"NoSize": ("A parameter set that cannot be read", "it is one all the same")})
    cases.group("keyframe", "RFC 6184 section 5, ITU-T H.264 section 7.3.2.1")
    whole = h264.Aggregate([SEI, SPS, PPS, IDR])
    for comment, reqs, begins, payload in (
        ("a sequence parameter set", "keyframe-by-parameters", True, SPS),
        ("parameter sets together", "keyframe-by-parameters", True, h264.serialize(h264.Aggregate([SPS, PPS]))),
        ("a whole keyframe", "keyframe-by-parameters", True, h264.serialize(whole)),
        ("a slice of an interframe", "keyframe-by-parameters", False, SLICE),
        ("a picture parameter set", "keyframe-by-parameters", False, PPS),
        ("an interframe and more", "key-slice-first", False, h264.serialize(h264.Aggregate([SEI, SLICE]))),
        ("parameter sets in fragments, the first", "keyframe-by-parameters", True, fragment(SPS, start=True)),
        ("first fragment of an interframe", "keyframe-by-parameters", False, fragment(SLICE, start=True)),
        ("second fragment of a key slice", "key-slice-first", False, fragment(IDR)),
        ("last fragment of a key slice", "key-slice-first", False, fragment(IDR, end=True)),
        ("nothing", "header-required", False, b""),
        ("a fragment's first octet", "fragment-header", False, b"\x7c"),
        ("an aggregate that ends inside its first unit", "aggregate-within-bounds", False, b"\x78\x00\x20" + SPS),
    ):
        if "in fragments" in comment:
            cases.group("keyframe", "RFC 6184 section 5.8, ITU-T H.264 section 7.3.2.1")
        size = [320, 192] if begins else None
        cases.valid(comment, reqs, payload, {"keyframe": begins, "parameters": begins, "size": size})
    cases.group("keyframe", "RFC 6184 section 5, ITU-T H.264 section 7.3.3")  # LiveKit counts parameter sets only
    for comment, begins, payload in (
        ("a key slice", True, IDR),
        ("a key slice beside a picture parameter set", True, h264.serialize(h264.Aggregate([PPS, IDR]))),
        ("first fragment of a key slice", True, fragment(IDR, start=True)),
        ("a later slice of a key picture", False, LATER_IDR_SLICE),
        ("first fragment of a later slice of a key picture", False, fragment(LATER_IDR_SLICE, start=True)),
        ("a key slice without an octet behind its header", False, IDR[:1]),
    ):
        if comment.startswith("first fragment of a key"):
            cases.group(
                "keyframe", "RFC 6184 section 5, ITU-T H.264 section 7.3.3"
            )  # FFmpeg takes any slice for the first
        cases.valid(comment, "key-slice-first", payload, {"keyframe": begins, "parameters": False, "size": None})
    _sizes(cases)
    for case in recordedmedia.encodings("h264"):
        cases.group("keyframe", recordedmedia.encoder_source("ITU-T H.264 section 7.3.2.1"), "captured")
        for part in ("keyframe", "interframe"):
            for number, unit in enumerate(map(bytes.fromhex, case[part]), 1):
                comment = f"{case['name']}: {part}, unit {number}"
                cases.valid(comment, "key-slice-first keyframe-by-parameters size-cropped", unit, seen(unit))
    return cases.finish()


def fragment(unit: bytes, *, start: bool = False, end: bool = False) -> bytes:
    return h264.serialize(h264.Fragment(unit[0], unit[1:], start, end))


def _sizes(cases: Cases) -> None:
    """Sets of parameters made bit by bit, of which the size is known."""
    cases.group("keyframe", "ITU-T H.264 sections 7.3.1 and 7.3.2.1")
    for comment, size, given in (
        ("baseline, 320x192", [320, 192], {}),
        ("baseline, cropped to 318x180", [318, 180], {"crop": (0, 1, 0, 6)}),
        ("high, 4:2:0, cropped at the left and at the top", [314, 182], {"profile": 100, "crop": (2, 1, 3, 2)}),
        ("high, 4:2:2", [318, 187], {"profile": 122, "chroma": 2, "crop": (0, 1, 0, 5)}),
        ("high, 4:4:4", [317, 187], {"profile": 244, "chroma": 3, "crop": (1, 2, 2, 3)}),
        ("high, no chroma", [317, 187], {"profile": 100, "chroma": 0, "crop": (1, 2, 2, 3)}),
        ("fields, 320x384", [320, 384], {"fields": True}),
        ("fields, cropped to 320x360", [320, 360], {"fields": True, "crop": (0, 0, 0, 6)}),
        ("a picture order of kind 1", [320, 192], {"order": 1}),
        ("a picture order of kind 2", [320, 192], {"order": 2}),
        ("scaling lists", [320, 192], {"profile": 100, "lists": True}),
        ("emulation prevention", [320, 192], {"set_id": 0, "profile": 66, "constraints": 0, "level": 1, "order": 1}),
    ):
        unit = sequence_parameters(**given)  # type: ignore[arg-type]  # a table of keyword arguments
        reqs = "size-cropped emulation-prevention" if "emulation" in comment else "size-cropped"
        cases.valid(comment, reqs, unit, {"keyframe": True, "parameters": True, "size": size})
    cases.group("keyframe", "ITU-T H.264 section 7.3.2.1")
    unsized = {"keyframe": True, "parameters": True, "size": None}
    whole = sequence_parameters()
    for size in (1, 4, 6):
        cases.valid(f"{size} of {len(whole)} octets", "keyframe-by-parameters", whole[:size], unsized, ["NoSize"])
    nothing_left = sequence_parameters(crop=(80, 80, 0, 0))
    cases.valid("cropped to nothing", "size-cropped", nothing_left, unsized, ["NoSize"])


def sequence_parameters(
    *,
    profile: int = 66,
    constraints: int = 0xC0,
    level: int = 30,
    set_id: int = 0,
    chroma: int = 1,
    order: int = 0,
    fields: bool = False,
    crop: tuple[int, int, int, int] | None = None,
    lists: bool = False,
) -> bytes:
    """A set of parameters for pictures of 20 by 12 macroblocks (or twice as many rows), with emulation prevention."""
    bits = BitWriter()
    for octet in (profile, constraints, level):
        bits.write(octet, 8)
    _golomb(bits, set_id)
    if profile in h264.HIGH_PROFILES:
        _golomb(bits, chroma)
        if chroma == 3:
            bits.write(0, 1)
        _golomb(bits, 0, 0)
        bits.write(0, 1)
        bits.write(lists, 1)
        if lists:
            _scaling_lists(bits)
    _golomb(bits, 4, order)
    if order == 0:
        _golomb(bits, 2)
    elif order == 1:
        bits.write(1, 1)
        _golomb(bits, 1 << 28, 3, 2, 5, 6)  # two offsets; a cycle of two
    _golomb(bits, 1)
    bits.write(0, 1)
    _golomb(bits, 19, 11)
    bits.write(0 if fields else 1, 1)
    if fields:
        bits.write(0, 1)
    bits.write(1, 1)
    bits.write(crop is not None, 1)
    _golomb(bits, *(crop or ()))
    bits.write(0b01, 2)  # no usability information; the end
    return b"\x67" + _prevent_emulation(bits.octets())


def _golomb(bits: BitWriter, *values: int) -> None:
    for value in values:
        bits.write(value + 1, 2 * (value + 1).bit_length() - 1)


def _scaling_lists(bits: BitWriter) -> None:
    """The first and the seventh of eight are there: one that changes by one all the time, one that ends at once."""
    for number in range(8):
        bits.write(number in (0, 6), 1)
        if number == 0:
            _golomb(bits, *([1] * 16))
        elif number == 6:
            _golomb(bits, 16)  # eight less: the next scale is 0, and the default holds


def _prevent_emulation(octets: bytes) -> bytes:
    out = bytearray()
    for octet in octets:
        if octet <= 3 and out[-2:] == b"\x00\x00":
            out.append(3)
        out.append(octet)
    return bytes(out)


SPS = sequence_parameters()
