"""Makes vectors/av1: payloads, OBUs, keyframes, and dependency descriptors with the structures they go by.

Read next: tests/vectors/test_av1.py, which replays them; tests/confirm/av1.py, who else reads them so.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import av1
from meetref.wire.bits import BitWriter
from tests.generate import recordedmedia
from tests.generate.dependencydescriptors import descriptor_set
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The octets end too soon", "they are dropped"),
}
HEADER, PAYLOADS, BITSTREAM = "AV1 RTP specification section 4.4", "AV1 RTP specification section 4.5", "AV1 bitstream"
FRAME = bytes.fromhex("30 10 00 9c 41 07")
TILES = bytes.fromhex("20 ab cd ef")


def fields(payload: av1.Payload) -> dict[str, Any]:
    """A payload as JSON has it."""
    return {
        "elements": [element.hex() for element in payload.elements],
        "continues": payload.continues,
        "continued": payload.continued,
        "begins_sequence": payload.begins_sequence,
        "every_length": payload.every_length,
    }


def payload_of(told: dict[str, Any]) -> av1.Payload:
    """The payload that JSON tells of."""
    return av1.Payload(**{**told, "elements": [bytes.fromhex(element) for element in told["elements"]]})


def unit_fields(unit: av1.Unit) -> dict[str, Any]:
    """An OBU as JSON has it."""
    return {"kind": unit.kind, "layers": list(unit.layers) if unit.layers else None, "body": unit.body.hex()}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {
        "av1/payloads": _payloads(),
        "av1/units": _units(),
        "av1/keyframes": _keyframes(),
        "av1/descriptors": descriptor_set(),
    }


def _payloads() -> dict[str, Any]:
    cases = Cases("av1-payloads", NOTES)
    cases.group("parse", HEADER)
    reqs = "fragments-marked last-length-left-out count-agrees"
    for count in (1, 2, 3):
        given = av1.Payload([sequence(), FRAME, TILES][:count], begins_sequence=True)
        cases.valid(f"{count} counted elements", reqs, av1.serialize(given), fields(given), ["Canonical"])
    for continues, continued in ((True, False), (False, True), (True, True)):
        given = av1.Payload([FRAME, TILES], continues, continued)
        comment = f"Z={continues:d}, Y={continued:d}"
        cases.valid(comment, reqs, av1.serialize(given), fields(given), ["Canonical"])
    one = av1.Payload([TILES * 30], True, True)
    cases.valid("the middle of a large OBU", reqs, av1.serialize(one), fields(one), ["Canonical"])
    cases.group("parse", PAYLOADS)
    for sizes in ([5], [5, 6], [127, 128], [300, 3, 130], [1, 2, 3, 4], [9] * 20):
        given = av1.Payload([bytes([0x30]) + bytes(size - 1) for size in sizes], every_length=True)
        comment = f"elements of {', '.join(map(str, sizes[:5]))} octets, each with its length"
        octets = av1.serialize(given)
        cases.valid(comment, "last-length-left-out leb128", octets, fields(given), ["Canonical"])
    counted = av1.Payload([FRAME * 40, TILES])
    cases.valid("a length of two octets", "leb128", av1.serialize(counted), fields(counted), ["Canonical"])
    cases.group("parse", PAYLOADS)
    given = av1.Payload([FRAME, TILES])
    octets = av1.serialize(given)
    reserved = bytes([octets[0] | 7]) + octets[1:]
    cases.valid("reserved bits of the header", "aggregation-header-required", reserved, fields(given))
    longer = octets[:1] + bytes([octets[1] | 0x80, 0x80, 0]) + octets[2:]
    cases.valid("a length that is longer than it need be", "leb128", longer, fields(given))
    cases.group("parse", PAYLOADS)  # Pion refuses it
    empty = av1.Payload([b"", FRAME], every_length=True)
    cases.acceptable("an element of no octets", "leb128", av1.serialize(empty), fields(empty))
    _refused_payloads(cases)
    for case in ("AV1 in one layer", "AV1 L1T3", "AV1 L3T3_KEY"):
        cases.group("parse", recordedmedia.source(PAYLOADS), "captured")
        for number, payload in enumerate(recordedmedia.payloads(case)[:16], 1):
            read = fields(av1.parse(payload))
            cases.valid(f"{case}, packet {number}", reqs, payload, read, ["Canonical"])
    return cases.finish()


def _refused_payloads(cases: Cases) -> None:
    cases.group("parse", PAYLOADS)
    cases.invalid("nothing", "aggregation-header-required", b"", ["Truncated"])
    counted = av1.serialize(av1.Payload([FRAME, TILES, FRAME]))
    for size in (2, 4, 7):
        comment = f"three counted elements, {size} of {len(counted)} octets"
        cases.invalid(comment, "elements-within-bounds count-agrees", counted[:size], ["Truncated"])
    measured = av1.serialize(av1.Payload([FRAME, TILES], every_length=True))
    for size in (4, 9, len(measured) - 1):
        comment = f"two elements with lengths, {size} of {len(measured)} octets"
        cases.invalid(comment, "elements-within-bounds", measured[:size], ["Truncated"])
    cases.invalid("a length without an end", "leb128", b"\x00" + b"\xff" * 9 + FRAME)
    cases.invalid("a length that does not fit 32 bits", "leb128", b"\x00" + bytes.fromhex("8080808010") + FRAME)
    cases.group("parse", HEADER)
    cases.invalid("a sequence that begins inside an OBU", "sequence-begins-whole", b"\x98" + FRAME)
    cases.group("parse", HEADER)  # werift does not count
    cases.invalid("a header alone", "count-agrees", b"\x10", ["Truncated"])
    cases.invalid("a header alone that counts nothing", "count-agrees", b"\x00", ["Truncated"])
    cases.group("parse", HEADER)  # Pion and werift each take one of them
    for size in (8, 9, 11):
        comment = f"three counted elements, {size} of {len(counted)} octets"
        cases.invalid(comment, "elements-within-bounds count-agrees", counted[:size], ["Truncated"])


def _units() -> dict[str, Any]:
    cases = Cases("av1-units", NOTES)
    cases.group("unit", f"{BITSTREAM} section 5.3")
    for kind in range(16):
        unit = av1.Unit(kind, b"\x01\x02\x03")
        octets = av1.serialize_unit(unit)
        cases.valid(f"type {kind}", "no-size-in-units", octets, unit_fields(unit), ["Canonical"])
    for layers in ((0, 0), (1, 0), (0, 1), (7, 3)):
        unit = av1.Unit(av1.FRAME, b"\x10\x20", layers)
        octets = av1.serialize_unit(unit)
        cases.valid(f"layers {layers}", "no-size-in-units", octets, unit_fields(unit), ["Canonical"])
    cases.group("unit", f"{BITSTREAM} section 5.3")
    for size in (0, 3, 127, 128, 300):
        unit = av1.Unit(av1.FRAME, bytes(size), (2, 1))
        octets = av1.serialize_unit(unit, has_size=True)
        cases.valid(f"a size of its own, {size}", "size-in-units-read", octets, unit_fields(unit))
    unit = av1.Unit(av1.FRAME, b"\x10")
    octets = av1.serialize_unit(unit, has_size=True) + b"\x99"
    cases.valid("octets behind its own size", "size-in-units-read", octets, unit_fields(unit))
    cases.group("unit", f"{BITSTREAM} section 5.3")
    whole = av1.serialize_unit(av1.Unit(av1.FRAME, bytes(200), (2, 1)), has_size=True)
    for size in (0, 1, 2, 3, 4, 203):
        cases.invalid(f"{size} of {len(whole)} octets", "size-in-units-read", whole[:size], ["Truncated"])
    cases.invalid("the forbidden bit", "forbidden-bit", b"\xb0\x10")
    return cases.finish()


def _keyframes() -> dict[str, Any]:
    cases = Cases("av1-keyframes", {"NoSize": ("The size cannot be read here", "it is a keyframe all the same")})
    cases.group("keyframe", f"{HEADER}, {BITSTREAM} section 5.5.1")
    for comment, size, given in (
        ("a plain sequence header", (640, 360), {}),
        ("as small as can be", (1, 1), {}),
        ("several operating points", (1280, 720), {"points": 3}),
        ("a level with a tier", (3840, 2160), {"level": 12}),
        ("timing", (640, 360), {"timing": True}),
        ("timing and a decoder model", (640, 360), {"timing": True, "model": True, "points": 2}),
        ("delays until shown", (640, 360), {"shown": True, "points": 2}),
        ("a reduced header", (320, 180), {"reduced": True}),
        ("as large as can be", (65536, 65536), {}),
    ):
        if size[0] == 65536:
            cases.group("keyframe", f"{HEADER}, {BITSTREAM} section 5.5.1")  # FFmpeg takes none so large
        octets = av1.serialize(av1.Payload([sequence(*size, **given), FRAME], begins_sequence=True))
        cases.valid(comment, "sequence-begins-with-keyframe sequence-size", octets, told(True, size))
    cases.group("keyframe", HEADER)
    whole = sequence()
    with_size = av1.serialize_unit(av1.parse_unit(whole), has_size=True)
    for comment, payload, out in (
        ("a sequence header with its size", av1.Payload([with_size], begins_sequence=True), told(True, (640, 360))),
        ("a sequence header in a measured element", av1.Payload([whole], begins_sequence=True, every_length=True),
         told(True, (640, 360))),
        ("a sequence header cut in two", av1.Payload([whole[:4]], continued=True, begins_sequence=True), told(True)),
        ("another OBU before the sequence header", av1.Payload([b"\x2a", whole], begins_sequence=True), told(True)),
        ("a sequence header without N", av1.Payload([whole, FRAME]), told(False)),
        ("an interframe", av1.Payload([FRAME]), told(False)),
        ("the second packet of a keyframe", av1.Payload([TILES], True), told(False)),
    ):  # fmt: skip
        flags = ["NoSize"] if out == told(True) else []
        cases.valid(comment, "sequence-begins-with-keyframe", av1.serialize(payload), out, flags)
    cases.group("keyframe", HEADER)
    cases.valid("N and Z", "sequence-begins-whole", b"\x98" + whole, told(False))
    cases.valid("a header alone", "sequence-begins-with-keyframe", b"\x18", told(False))
    cases.valid("nothing", "aggregation-header-required", b"", told(False))
    for case in recordedmedia.encodings("av1"):
        cases.group("keyframe", recordedmedia.encoder_source(f"{BITSTREAM} section 5.5.1"), "captured")
        for part in ("keyframe", "interframe"):
            units = [bytes.fromhex(unit) for unit in case[part]]
            octets = av1.serialize(av1.Payload(units, begins_sequence=part == "keyframe"))
            out = told(part == "keyframe", case["size"] if part == "keyframe" else None)
            cases.valid(f"{case['name']}: {part}", "sequence-begins-with-keyframe sequence-size", octets, out)
    for case_name in ("AV1 in one layer", "AV1 L1T3", "AV1 L3T3_KEY"):
        cases.group("keyframe", recordedmedia.source(HEADER), "captured")
        for number, payload_octets in enumerate(recordedmedia.payloads(case_name)[:12], 1):
            size = av1.size_of_keyframe(payload_octets)
            out = told(av1.is_keyframe(payload_octets), size)
            cases.valid(f"{case_name}, packet {number}", "sequence-begins-with-keyframe", payload_octets, out)
    return cases.finish()


def told(keyframe: bool, size: Any = None) -> dict[str, Any]:
    return {"keyframe": keyframe, "size": list(size) if size else None}


def sequence(
    width: int = 640,
    height: int = 360,
    *,
    points: int = 1,
    level: int = 4,
    timing: bool = False,
    model: bool = False,
    shown: bool = False,
    reduced: bool = False,
) -> bytes:
    """The OBU of a sequence header, bit by bit (AV1 bitstream section 5.5.1)."""
    bits = BitWriter()
    bits.write(reduced, 4)  # profile 0; still only if reduced
    bits.write(reduced, 1)
    if reduced:
        bits.write(level, 5)
    else:
        _timing(bits, timing, model)
        bits.write(shown, 1)
        bits.write(points - 1, 5)
        for _ in range(points):
            bits.write(0, 12)
            bits.write(level, 5)
            bits.write(0, 1 if level > 7 else 0)
            if model:
                bits.write(1, 1)
                bits.write(3, 20)
                bits.write(3, 20)
                bits.write(0, 1)
            if shown:
                bits.write(1, 1)
                bits.write(5, 4)
    bits.write(15, 4)
    bits.write(15, 4)
    bits.write(width - 1, 16)
    bits.write(height - 1, 16)
    # Tools, color, grain, and the one that ends it; without a reduced header eight more tools, and two that may choose.
    bits.write(0, 3 if reduced else 9)
    bits.write(0 if reduced else 0b11, 0 if reduced else 2)
    bits.write(1, 12)
    return av1.serialize_unit(av1.Unit(av1.SEQUENCE_HEADER, bits.octets()))


def _timing(bits: BitWriter, timing: bool, model: bool) -> None:
    bits.write(timing, 1)
    if timing:
        bits.write(1, 32)
        bits.write(30, 32)
        bits.write(1, 1)
        bits.write(0b00101, 5)  # equal intervals of five ticks
        bits.write(model, 1)
        if model:
            bits.write(19, 5)
            bits.write(1, 32)
            bits.write(9, 5)
            bits.write(9, 5)
