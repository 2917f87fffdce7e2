"""The set vectors/av1/descriptors: dependency descriptors, each with the structure by which it is read.

Stands beside `tests/generate/av1.py`, which hands it out. The structures of the specification's examples are its own.
Read next: meetref/wire/dependencydescriptor.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from meetref.wire import dependencydescriptor as dd
from tests.generate import recordedmedia
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The octets end too soon", "they are dropped"),
    "NoStructure": (
        "The structure it goes by is not known",
        "it cannot be read now: the packet with the structure was lost, or is late",
    ),
}
SYNTAX, EXAMPLES = "AV1 RTP specification section A.8.2", "AV1 RTP specification section A.10.2"

# Of each template: spatial and temporal layer | frame differences | chain differences | an indication a decode target.
L1T3 = """
0 0 |    | 0 | SSS
0 0 | 4  | 4 | SSS
0 1 | 2  | 2 | SD-
0 2 | 1  | 1 | D--
0 2 | 1  | 3 | D--
"""
L3T3 = """
0 0 |      | 0 0 0    | SSSSSSSSS
0 0 | 12   | 12 11 10 | RRRRRRSSS
0 1 | 6    | 6 5 4    | RR-RR-SD-
0 2 | 3    | 3 2 1    | R--R--D--
0 2 | 3    | 9 8 7    | R--R--D--
1 0 | 1    | 1 1 1    | SSSSSS---
1 0 | 12 1 | 1 1 1    | RRRSSS---
1 1 | 6 1  | 7 6 5    | RR-SD----
1 2 | 3 1  | 4 3 2    | R--D-----
1 2 | 3 1  | 10 9 8   | R--D-----
2 0 | 1    | 2 1 1    | SSS------
2 0 | 12 1 | 2 1 1    | SSS------
2 1 | 6 1  | 8 7 6    | SD-------
2 2 | 3 1  | 5 4 3    | D--------
2 2 | 3 1  | 11 10 9  | D--------
"""
L3T3_KEY_SHIFT = """
0 0 |    | 0 0 0   | SSSSSSSSS
0 0 | 3  | 3 2 1   | ------SSS
0 0 | 12 | 12 8 1  | ------SSS
0 1 | 6  | 6 2 7   | ------SD-
0 2 | 3  | 3 5 4   | ------D--
0 2 | 3  | 9 5 10  | ------D--
0 2 | 3  | 3 11 4  | ------D--
1 0 | 1  | 1 1 1   | SSSSSS---
1 0 | 6  | 4 6 5   | ---SSS---
1 0 | 12 | 4 12 5  | ---SSS---
1 1 | 6  | 10 6 11 | ---SD----
1 2 | 3  | 1 3 2   | ---D-----
1 2 | 3  | 7 3 8   | ---D-----
1 2 | 3  | 1 9 2   | ---D-----
2 0 | 1  | 2 1 1   | SSS------
2 0 | 12 | 11 7 12 | SSS------
2 1 | 6  | 5 1 6   | SD-------
2 2 | 3  | 2 4 3   | D--------
2 2 | 3  | 8 4 9   | D--------
2 2 | 3  | 2 10 3  | D--------
"""


def structure_from(table: str, protected_by: list[int], first_id: int = 0) -> dd.Structure:
    """The structure that a table of the specification shows."""
    templates = []
    for line in table.strip().splitlines():
        layers, frames, chains, indications = (part.strip() for part in line.split("|"))
        spatial, temporal = map(int, layers.split())
        marks = ["-DSR".index(mark) for mark in indications]
        templates.append(
            dd.Template(spatial, temporal, marks, list(map(int, frames.split())), list(map(int, chains.split())))
        )
    chains_count = max(protected_by) + 1
    return dd.Structure(first_id, len(protected_by), templates, chains_count, protected_by)


def structure_fields(structure: dd.Structure | None) -> dict[str, Any] | None:
    """A structure as JSON has it."""
    if structure is None:
        return None
    told = asdict(structure)
    if structure.resolutions is not None:
        told["resolutions"] = [list(size) for size in structure.resolutions]
    return told


def structure_of(told: dict[str, Any] | None) -> dd.Structure | None:
    """The structure that JSON tells of."""
    if told is None:
        return None
    sizes = told["resolutions"]
    return dd.Structure(
        told["first_id"],
        told["targets"],
        [dd.Template(**template) for template in told["templates"]],
        told["chains"],
        told["protected_by"],
        None if sizes is None else [(width, height) for width, height in sizes],
    )


def fields(descriptor: dd.Descriptor, held: dd.Structure | None) -> dict[str, Any]:
    """A descriptor as JSON has it, and as `frame` what it says of its frame with all exceptions put in."""
    told = asdict(descriptor)
    told["structure"] = structure_fields(descriptor.structure)
    structure = held if descriptor.structure is None else descriptor.structure
    assert structure is not None
    frame = dd.frame_of(descriptor, structure)._asdict()
    frame["resolution"] = list(frame["resolution"]) if frame["resolution"] else None
    return {**told, "frame": frame}


def descriptor_of(told: dict[str, Any]) -> dd.Descriptor:
    """The descriptor that JSON tells of."""
    plain = {name: value for name, value in told.items() if name != "frame"}
    return dd.Descriptor(**{**plain, "structure": structure_of(told["structure"])})


def held_after(octets: str | None) -> dd.Structure | None:
    """The structure in force behind the descriptor that a case names as `after`."""
    return dd.parse(bytes.fromhex(octets), None).structure if octets is not None else None


def octets(data: bytes, held: dd.Structure | None) -> dict[str, Any]:
    """`hex` to be read, `after` a descriptor that brought the structure in force, or nothing."""
    before = dd.serialize(dd.Descriptor(held.first_id, 0, True, True, held), None).hex() if held is not None else None
    return {"hex": data.hex(), "after": before}


class _Set(Cases):
    def given(self, comment: str, reqs: str, descriptor: dd.Descriptor, held: dd.Structure | None = None) -> None:
        told = octets(dd.serialize(descriptor, held), held)
        self.valid(comment, reqs, told, fields(descriptor, held), ["Canonical"])


def descriptor_set() -> dict[str, Any]:
    """The set."""
    cases = _Set("av1-descriptors", NOTES)
    cases.group("descriptor", EXAMPLES, "published")
    one, three = [0, 0, 0], [2, 2, 2, 1, 1, 1, 0, 0, 0]
    examples = [
        ("L1T3", structure_from(L1T3, one)),
        ("L3T3", structure_from(L3T3, three, 5)),
        ("L3T3_KEY_SHIFT", structure_from(L3T3_KEY_SHIFT, three, 60)),
    ]
    for name, structure in examples:
        first = dd.Descriptor(structure.first_id, 1, True, True, structure)
        cases.given(
            f"{name}: the structure", "extended-fields template-layers chains structure-at-sequence-start", first
        )
        for place in range(len(structure.templates)):
            descriptor = dd.Descriptor((structure.first_id + place) % 64, 2 + place, True, True)
            cases.given(f"{name}: template {place + 1}", "mandatory-fields template-known", descriptor, structure)
    _made(cases, examples[0][1])
    _odd_ones(cases, examples[0][1])
    _refused(cases, examples[0][1])
    for case in ("VP9 in one layer", "VP9 L3T3_KEY", "AV1 L1T3", "AV1 L3T3_KEY"):
        cases.group("descriptor", recordedmedia.source(SYNTAX), "captured")
        _captured(cases, case)
    return cases.finish()


def _made(cases: _Set, structure: dd.Structure) -> None:
    cases.group("descriptor", SYNTAX)
    for start, end, number in ((False, False, 0), (True, False, 65535), (False, True, 256)):
        descriptor = dd.Descriptor(1, number, start, end)
        cases.given(f"start {start:d}, end {end:d}, frame {number}", "mandatory-fields", descriptor, structure)
    plain = dd.Structure(0, 2, [dd.Template(0, 0, [2, 3])])
    cases.given("a structure without chains", "chains", dd.Descriptor(0, 7, True, True, plain))
    sized = dd.Structure(
        0, 2, [dd.Template(0, 0, [2, 0], [1], [0]), dd.Template(1, 0, [0, 2], [1, 16], [15])], 1, [0, 0]
    )
    sized.resolutions = [(320, 180), (65536, 1)]
    cases.given("resolutions", "resolutions", dd.Descriptor(1, 8, True, True, sized))
    for count in (1, 2, 3, 5, 8):
        protected = [target % count for target in range(8)]
        wide = dd.Structure(3, 8, [dd.Template(0, 0, [1] * 8, [], list(range(count)))], count, protected)
        cases.given(
            f"{count} chains of 8 decode targets",
            "chains every-target-has-a-chain",
            dd.Descriptor(3, 9, structure=wide),
        )
    many = dd.Structure(63, 32, [dd.Template(0, 0, [3] * 32)] * 64)
    cases.given(
        "as many templates and decode targets as there can be", "template-layers", dd.Descriptor(62, 1, structure=many)
    )
    cases.group("descriptor", SYNTAX)
    for active in (0b111, 0b001, 0):
        descriptor = dd.Descriptor(2, 100, True, True, active_targets=active)
        cases.given(f"active decode targets {active:03b}", "active-targets", descriptor, structure)
    both = dd.Descriptor(0, 100, True, True, structure, 0b011)
    cases.given("a structure of which not all is active", "active-targets extended-fields", both)
    for name, value in (
        ("indications", [0, 1, 3]), ("frame_differences", []), ("frame_differences", [1, 16, 17, 256, 257, 4096]),
        ("chain_differences", [255]),
    ):  # fmt: skip
        descriptor = dd.Descriptor(1, 5, True, True)
        setattr(descriptor, name, value)
        cases.given(f"{name.replace('_', ' ')} of its own: {value}", "extended-fields", descriptor, structure)
    every = dd.Descriptor(2, 5, True, False, structure, 0b110, [3, 2, 1], [2], [0])
    cases.given("all parts", "extended-fields", every)


def _odd_ones(cases: _Set, structure: dd.Structure) -> None:
    """What no serializer writes and a receiver takes."""
    cases.group("descriptor", SYNTAX)
    descriptor = dd.Descriptor(1, 5, True, True, active_targets=0b101)
    whole = dd.serialize(descriptor, structure)
    for padding in (b"\x00", b"\x00" * 4, b"\x3c"):
        told = octets(whole + padding, structure)
        comment = f"padding of {padding.hex()}"
        cases.valid(comment, "zero-padding-ignored", told, fields(descriptor, structure))
    short = dd.Descriptor(1, 5, True, True)
    told = octets(dd.serialize(short, structure) + b"\x00", structure)
    cases.valid("five flags, none set", "extended-fields", told, fields(short, structure))


def _refused(cases: _Set, structure: dd.Structure) -> None:
    cases.group("descriptor", SYNTAX)
    short = dd.serialize(dd.Descriptor(1, 5, True, True), structure)
    for size in range(3):
        cases.invalid(f"{size} octets", "mandatory-fields", octets(short[:size], structure), ["Truncated"])
    whole = dd.serialize(dd.Descriptor(0, 1, True, True, structure), None)
    for size in range(4, len(whole)):
        comment = f"a structure, {size} of {len(whole)} octets"
        cases.invalid(comment, "extended-fields", octets(whole[:size], None), ["Truncated"])
    cases.group("descriptor", SYNTAX)
    for comment, data, held in (
        ("a template that the structure does not have", bytes.fromhex("c50005"), structure),
        ("no structure came yet", short, None),
        ("no structure came yet, and decode targets", bytes.fromhex("c10005 4e"), None),
    ):
        reqs = "template-known structure-from-before"
        cases.invalid(comment, reqs, octets(data, held), ["NoStructure"], allowed=["ignore-part"])
    endless = bytes.fromhex("800001 80 0000") + bytes(40)
    cases.invalid("more templates than numbers", "template-layers", octets(endless, None))


def _captured(cases: _Set, case: str) -> None:
    """A stream from its beginning, each packet with the structure that is in force by then."""
    number, held, after = recordedmedia.extension_id(case, dd.URI), None, None
    seen = set()
    for place, packet in enumerate(recordedmedia.packets(case), 1):
        data = recordedmedia.extension(packet, number)
        if data is None or data in seen:
            continue
        seen.add(data)
        read = dd.parse(data, held)
        reqs = "mandatory-fields extended-fields structure-from-before"
        told = {"hex": data.hex(), "after": after}
        cases.valid(f"{case}, packet {place}", reqs, told, fields(read, held))
        if read.structure is not None:
            held, after = read.structure, data.hex()
