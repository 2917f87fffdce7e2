"""Makes vectors/vp9: payload descriptors in every combination, keyframes, and picture ids rewritten in place.

Read next: tests/vectors/test_vp9.py, which replays them; tests/confirm/vp9.py, who else reads them so.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from typing import Any

from meetref.wire import vp9
from tests.generate import recordedmedia
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The payload ends within its descriptor", "it is dropped"),
}
PAYLOAD = bytes.fromhex("86004092")  # an interframe's beginning
SECTION, STRUCTURE = "RFC 9628 section 4.2", "RFC 9628 section 4.2.1"
GROUP = [
    vp9.GroupPicture(0, True, [4]),
    vp9.GroupPicture(2, False, [1]),
    vp9.GroupPicture(1, True, [2]),
    vp9.GroupPicture(2, False, [1, 2, 3]),
]
SIZES = [(320, 180), (640, 360), (1280, 720)]


def fields(descriptor: vp9.Descriptor) -> dict[str, Any]:
    """A descriptor as JSON has it; null is a field that is not there."""
    told = asdict(descriptor)
    del told["size"]
    told["layers"] = list(descriptor.layers) if descriptor.layers is not None else None
    structure = told["structure"]
    if structure is not None and structure["sizes"] is not None:
        structure["sizes"] = [list(size) for size in structure["sizes"]]
    return told


def descriptor_of(told: dict[str, Any]) -> vp9.Descriptor:
    """The descriptor that JSON tells of."""
    read = vp9.Descriptor(**{name: value for name, value in told.items() if name not in ("layers", "structure")})
    read.layers = tuple(told["layers"]) if told["layers"] is not None else None
    if (structure := told["structure"]) is not None:
        sizes, pictures = structure["sizes"], structure["pictures"]
        read.structure = vp9.Structure(
            structure["spatial_layers"],
            None if sizes is None else [(width, height) for width, height in sizes],
            None if pictures is None else [vp9.GroupPicture(**picture) for picture in pictures],
        )
    return read


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"vp9/descriptors": _descriptors(), "vp9/keyframes": _keyframes(), "vp9/picture-ids": _picture_ids()}


def _descriptors() -> dict[str, Any]:
    cases = Cases("vp9-descriptors", NOTES)
    cases.group("parse", SECTION)
    for comment, reqs, given in [*_combinations(), *_bounds()]:
        cases.valid(comment, reqs, vp9.serialize(given) + PAYLOAD, fields(given), ["Canonical"])
    cases.group("parse", STRUCTURE)
    for comment, structure in _structures():
        given = vp9.Descriptor(start=True, picture_id=5, structure=structure)
        reqs = "structure-present structure-sizes structure-group"
        cases.valid(comment, reqs, vp9.serialize(given) + PAYLOAD, fields(given), ["Canonical"])
    _odd_ones(cases)
    _refused(cases)
    for case in ("VP9 in one layer", "VP9 L3T3_KEY"):
        cases.group("parse", recordedmedia.source(SECTION), "captured")
        for number, payload in enumerate(recordedmedia.payloads(case)[:24], 1):
            read = vp9.parse(payload)
            reqs = "picture-id-present layers-present structure-present references-only-when-predicted"
            cases.valid(f"{case}, packet {number}", reqs, payload, fields(read), ["Canonical"])
    return cases.finish()


def _combinations() -> list[tuple[str, str, vp9.Descriptor]]:
    """Every way in which the optional fields can be there, or not."""
    made = []
    for picture, layers, flexible, predicted in product((None, 0x11, 0x1234), (None, (2, 1)), *[(False, True)] * 2):
        if flexible and picture is None:
            continue
        given = vp9.Descriptor(
            start=True,
            predicted=predicted,
            flexible=flexible,
            picture_id=picture,
            long_picture_id=picture == 0x1234,
            layers=layers,
            switching_up=layers is not None,
            tl0_picture_index=200 if layers and not flexible else None,
            references=[3, 1] if flexible and predicted else [],
        )
        there = [
            name
            for name, is_there in (
                ("flexible", flexible),
                ("predicted", predicted),
                (f"{15 if given.long_picture_id else 7}-bit picture id", picture is not None),
                ("layers", layers),
            )
            if is_there
        ]
        reqs = "picture-id-present picture-id-size layers-present tl0picidx-with-layers references-only-when-predicted"
        made.append((", ".join(there) or "one octet", reqs, given))
    return made


def _bounds() -> list[tuple[str, str, vp9.Descriptor]]:
    made = []
    for start, end, upper in product((False, True), repeat=3):
        given = vp9.Descriptor(start=start, end=end, not_for_upper=upper)
        made.append((f"B={start:d}, E={end:d}, Z={upper:d}", "picture-id-present layers-present", given))
    for number, long in ((0, False), (127, False), (0, True), (127, True), (128, True), (32767, True)):
        given = vp9.Descriptor(start=True, picture_id=number, long_picture_id=long)
        made.append((f"picture id {number} in {15 if long else 7} bits", "picture-id-size", given))
    for layers, tl0 in (((0, 0), 0), ((7, 0), 255), ((0, 2), 1), ((3, 3), 128)):
        given = vp9.Descriptor(picture_id=1, layers=layers, inter_layer=layers[1] > 0, tl0_picture_index=tl0)
        made.append((f"layers {layers}, TL0PICIDX {tl0}", "layers-present tl0picidx-with-layers", given))
    for references in ([1], [127], [1, 2], [1, 2, 127]):
        given = vp9.Descriptor(predicted=True, flexible=True, picture_id=300, long_picture_id=True)
        given.references = references
        made.append((f"references {references}", "references-only-when-predicted at-most-three-references", given))
    return made


def _structures() -> list[tuple[str, vp9.Structure]]:
    return [
        ("one layer, nothing told of it", vp9.Structure(1)),
        ("one layer with its size", vp9.Structure(1, SIZES[:1])),
        ("three layers with their sizes", vp9.Structure(3, list(SIZES))),
        ("a group of no picture", vp9.Structure(1, None, [])),
        ("a group of one picture without references", vp9.Structure(1, None, [vp9.GroupPicture()])),
        ("three temporal layers", vp9.Structure(1, SIZES[:1], list(GROUP))),
        ("three spatial and three temporal layers", vp9.Structure(3, list(SIZES), list(GROUP))),
        ("sizes as large as they can be", vp9.Structure(2, [(1, 1), (65535, 65535)])),
        ("as many pictures as there can be", vp9.Structure(1, None, [vp9.GroupPicture(7, True, [255])] * 255)),
    ]


def _odd_ones(cases: Cases) -> None:
    """What no serializer writes and a receiver takes."""
    cases.group("parse", STRUCTURE)
    plain = vp9.Descriptor(start=True, picture_id=5, structure=vp9.Structure(1, None, [vp9.GroupPicture(1)]))
    cases.valid(
        "reserved bits of the structure",
        "reserved-bits-ignored",
        bytes.fromhex("8a05 0f 01 23") + PAYLOAD,
        fields(plain),
    )
    cases.group("parse", SECTION)  # Pion goes by the bit alone
    cases.valid(
        "flexible mode without a picture id is none",
        "flexible-ignored-without-picture-id",
        bytes.fromhex("38 42 07") + PAYLOAD,
        fields(vp9.Descriptor(start=True, layers=(2, 1), tl0_picture_index=7)),
    )
    cases.valid(
        "flexible mode without a picture id has no references",
        "flexible-ignored-without-picture-id references-only-when-predicted",
        bytes.fromhex("58 03 05") + PAYLOAD,
        fields(vp9.Descriptor(start=True, predicted=True)),
    )
    cases.group("parse", SECTION)  # Pion knows five spatial layers
    for layer in (5, 7):
        given = vp9.Descriptor(picture_id=1, layers=(0, layer), tl0_picture_index=9)
        octets = vp9.serialize(given) + PAYLOAD
        cases.valid(f"spatial layer {layer}", "layers-present", octets, fields(given), ["Canonical"])


def _refused(cases: Cases) -> None:
    cases.group("parse", SECTION)
    cases.invalid("nothing", "descriptor-required", b"", ["Truncated"])
    whole = [
        vp9.Descriptor(picture_id=5, long_picture_id=True, layers=(1, 1), tl0_picture_index=7),
        vp9.Descriptor(predicted=True, flexible=True, picture_id=5, layers=(1, 1), references=[1, 2, 3]),
        vp9.Descriptor(start=True, structure=vp9.Structure(2, SIZES[:2], GROUP[:2])),
    ]
    for name, given in zip(("not flexible", "flexible", "with a structure"), whole, strict=True):
        octets = vp9.serialize(given)
        for size in range(1, len(octets)):
            comment = f"{name}, {size} of {len(octets)} octets"
            cases.invalid(comment, "descriptor-required", octets[:size], ["Truncated"])
    cases.invalid("four references", "at-most-three-references", bytes.fromhex("d0 05 03 05 07 08") + PAYLOAD)
    cases.group("parse", SECTION)  # Pion takes it
    for octets in ("d0 05 00", "d0 05 03 00", "d0 05 01 02"):
        cases.invalid("a reference of zero", "reference-not-itself", bytes.fromhex(octets) + PAYLOAD)


def _keyframes() -> dict[str, Any]:
    notes = {
        "NoSize": ("A keyframe whose size cannot be read", "it is a keyframe all the same"),
        "NoPrediction": (
            "A sender that never sets P, as FFmpeg's",
            "the descriptor says a keyframe, the frame says none: the frame is right",
        ),
    }
    cases = Cases("vp9-keyframes", notes)
    cases.group("keyframe", "RFC 9628 section 4.2, VP9 bitstream section 6.2")
    first = bytes.fromhex("888500")  # begins a frame, picture id 0x500
    for profile, rgb, width, height in (
        (0, False, 640, 360), (0, False, 2, 2), (1, False, 320, 180), (1, True, 320, 180),
        (2, False, 1920, 1080), (3, False, 640, 480), (3, True, 640, 480), (0, False, 65536, 65536), (0, False, 1, 1),
    ):  # fmt: skip
        if width == 65536:
            cases.group("keyframe", "VP9 bitstream section 6.2")  # FFmpeg decodes none as large, or as small
        comment = f"profile {profile}{', RGB' if rgb else ''}, {width}x{height}"
        octets = first + key_header(width, height, profile, rgb=rgb)
        cases.valid(comment, "key-picture", octets, {"keyframe": True, "size": [width, height]})
    cases.group("keyframe", SECTION)
    nothing = {"keyframe": False, "size": None}
    inter = bytes([first[0] | vp9.P]) + first[1:]
    cases.valid("predicted from other pictures", "key-picture", inter + PAYLOAD, nothing)
    cases.valid("second packet of a keyframe", "key-picture", b"\x80\x85\x00" + bytes(20), nothing)
    cases.group("keyframe", SECTION)
    header = key_header(640, 360)
    layered = vp9.Descriptor(start=True, picture_id=5, layers=(0, 0), tl0_picture_index=0)
    structured = vp9.Descriptor(start=True, picture_id=5, structure=vp9.Structure(3, list(SIZES)))
    cases.valid(
        "spatial layer 0", "key-picture", vp9.serialize(layered) + header, {"keyframe": True, "size": [640, 360]}
    )
    cases.valid(
        "sizes of the structure: that of the highest layer",
        "key-picture structure-sizes",
        vp9.serialize(structured) + header,
        {"keyframe": True, "size": [1280, 720]},
    )
    layered.layers, layered.inter_layer = (0, 1), True
    upper = vp9.serialize(layered)
    cases.group("keyframe", SECTION)  # LiveKit and Galene go by the frame alone
    cases.valid("spatial layer 1 of a key picture", "key-picture", upper + header, nothing)
    cases.valid("predicted, looking like a keyframe", "key-picture", inter + header, nothing)
    cases.group("keyframe", SECTION)
    cases.valid("interframe without P", "key-picture", first + PAYLOAD, nothing, ["NoPrediction"])
    cases.valid("a frame that is shown again, without P", "key-picture", first + b"\x88", nothing, ["NoPrediction"])
    cases.valid("descriptor alone", "key-picture", first, nothing)
    cases.valid("descriptor that ends too soon", "descriptor-required", first[:2], nothing)
    cases.valid("nothing", "descriptor-required", b"", nothing)
    unsized = {"keyframe": True, "size": None}
    cases.valid("cut off in the size", "key-picture", first + header[:6], unsized, ["NoSize"])
    wrong = header.replace(b"\x49\x83\x42", b"\x49\x83\x43")
    cases.valid("a wrong synchronization code", "key-picture", first + wrong, unsized, ["NoSize"])
    cases.group("keyframe", recordedmedia.encoder_source("VP9 bitstream section 6.2"), "captured")
    for case in recordedmedia.encodings("vp9"):
        for part, octet in (("keyframe", vp9.B | vp9.E), ("interframe", vp9.B | vp9.E | vp9.P)):
            octets = bytes([octet]) + bytes.fromhex(case[part][0])
            out = {"keyframe": part == "keyframe", "size": case["size"] if part == "keyframe" else None}
            cases.valid(f"{case['name']}: {part}", "key-picture", octets, out)
    for case in ("VP9 in one layer", "VP9 L3T3_KEY"):
        cases.group("keyframe", recordedmedia.source(SECTION), "captured")
        for number, payload in enumerate(recordedmedia.payloads(case)[:12], 1):
            size = vp9.size_of_keyframe(payload)
            out = {"keyframe": vp9.is_keyframe(payload), "size": list(size) if size else None}
            cases.valid(f"{case}, packet {number}", "key-picture", payload, out)
    return cases.finish()


def key_header(width: int, height: int, profile: int = 0, *, rgb: bool = False) -> bytes:
    """A keyframe's beginning: shown, with all its colors, and 20 octets of nothing behind its size."""
    bits = "10" + f"{profile & 1}{profile >> 1}" + ("0" if profile == 3 else "") + "0010"
    bits += f"{vp9.SYNC_CODE:024b}" + ("0" if profile >= 2 else "")
    bits += ("111" + ("0" if profile & 1 else "")) if rgb else ("010" + "0" + ("000" if profile & 1 else ""))
    bits += f"{width - 1:016b}{height - 1:016b}"
    return int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8) + bytes(20)


def _picture_ids() -> dict[str, Any]:
    cases = Cases("vp9-picture-ids", {})
    cases.group("write-picture-id", SECTION)
    for old, long, new in (
        (5, False, 6), (5, False, 128), (127, False, 255), (5, True, 6), (5, True, 300), (32767, True, 32768),
    ):  # fmt: skip
        given = vp9.Descriptor(start=True, picture_id=old, long_picture_id=long, layers=(1, 0), tl0_picture_index=9)
        octets = vp9.serialize(given) + PAYLOAD
        given.picture_id = kept = new & (0x7FFF if long else 0x7F)
        cases.valid(
            f"{15 if long else 7} bits: {old} becomes {new}, written as {kept}",
            "picture-id-size picture-id-wraps",
            {"hex": octets.hex(), "picture_id": new},
            {"hex": (vp9.serialize(given) + PAYLOAD).hex()},
        )
    return cases.finish()
