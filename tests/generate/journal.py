"""Makes vectors/journal: journals with every kind of damage, what must be recovered, and what a writer writes.

The octets are laid out here by hand, from docs/journal.md and with zlib's CRC, not with `archive/journal`.
Read next: tests/vectors/test_journal.py, which replays them.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import Any

from tests.generate.mediacases import Cases

MAGIC = bytes.fromhex("894d524a0d0a1a0a")
HEADER = b'{"recording":"r","holds":"packets","stream":"s","segment":1,"began_at":1735689600.0}'
UNKNOWN = '{"später":[1,{"x":null}],"holds":"events"}'.encode()
RTP = bytes.fromhex("80e0000100000bb80a0b0c0d") + b"picture"
REPORT = bytes.fromhex("80c800060a0b0c0de000000180000000000003e80000000100000007")
SOUND = bytes.fromhex("906f000200000f001a1b1c1dbede0001108a0000") + b"hum"
RECORDS = [(0, RTP), (20_000, SOUND), (20_000, REPORT), (2**40, b"\x00")]
END = 2**40 + 5
FLAGS = {
    "Cut": ("The file ends too early, as after a crash.", "What was whole before it is recovered."),
    "Damaged": ("Some octets are others than were written.", "What was whole before them is recovered."),
    "Filled": ("Octets stand behind the last record that nobody wrote there.", "They do not count."),
}


class Layout:
    """A journal being laid out; `octets` is what there is, `ends` where each of its parts ends."""

    def __init__(self, header: bytes = HEADER, version: int = 1) -> None:
        head = MAGIC + struct.pack(">HH", version, len(header))
        self.covered = head + header
        self.octets = head + struct.pack(">I", zlib.crc32(self.covered)) + header
        self.ends = [len(self.octets)]

    def add(self, at: int, content: bytes) -> None:
        head = struct.pack(">QH", at, len(content))
        self.covered += head + content
        self.octets += head + struct.pack(">I", zlib.crc32(self.covered)) + content
        self.ends.append(len(self.octets))


def whole(*, ended: bool = True) -> Layout:
    layout = Layout()
    for at, content in RECORDS:
        layout.add(at, content)
    if ended:
        layout.add(END, b"")
    return layout


def told(layout: Layout, count: int, *, closed: bool = False) -> dict[str, Any]:
    """What is recovered: so many records."""
    return {
        "header": {"recording": "r", "holds": "packets", "stream": "s", "segment": 1, "began_at": 1735689600.0},
        "records": [[at, content.hex()] for at, content in RECORDS[:count]],
        "size": layout.ends[count + closed],
        "closed": closed,
    }


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"journal/damage": _damage(), "journal/writing": _writing()}


def _damage() -> dict[str, Any]:
    cases = Cases("journal-damage", FLAGS)
    cases.group("recover", "docs/journal.md")
    _add_whole(cases)
    _add_openings(cases)
    _add_cuts(cases)
    _add_flips(cases)
    _add_misplaced(cases)
    _add_filled(cases)
    return cases.finish()


def _add_whole(cases: Cases) -> None:
    ended, still_open, begun = whole(), whole(ended=False), Layout()
    count = len(RECORDS)
    cases.valid("whole, and closed in order", "end-record", ended.octets, told(ended, count, closed=True))
    cases.valid("whole, and not closed", "longest-prefix", still_open.octets, told(still_open, count))
    cases.valid("just begun", "longest-prefix", begun.octets, told(begun, 0))
    begun.add(7, b"")
    cases.valid("closed without a record", "end-record", begun.octets, told(begun, 0, closed=True))
    other = Layout(UNKNOWN)
    out = {"header": {"später": [1, {"x": None}], "holds": "events"}, "records": [], "size": other.ends[0]}
    cases.valid("a header with unknown fields", "header-is-object", other.octets, {**out, "closed": False})
    longest = Layout()
    longest.add(1, bytes(65535))
    out = {**told(whole(), 0), "records": [[1, "00" * 65535]], "size": longest.ends[1]}
    cases.valid("the longest content", "content-bounded", longest.octets, out)


def _add_openings(cases: Cases) -> None:
    octets = whole().octets
    cases.invalid("nothing at all", "nothing-without-header", b"", ["Cut"])
    for end in (1, 7, 8, 9, 12, 15, 16, 17, len(Layout().octets) - 1):
        cases.invalid(f"ends in the opening, after {end} octets", "nothing-without-header", octets[:end], ["Cut"])
    for place in range(8):
        wrong = octets[:place] + bytes([octets[place] ^ 0x20]) + octets[place + 1 :]
        cases.invalid(f"the magic has another octet {place}", "magic", wrong, ["Damaged"])
    cases.invalid("carried as text: LF for CR LF", "magic", octets.replace(b"\r\n", b"\n", 1), ["Damaged"])
    for version in (0, 2, 256, 65535):
        cases.invalid(f"version {version}", "version", Layout(version=version).octets)
    for place in (10, 11, 12, 15, 16, 40, len(Layout().octets) - 1):
        wrong = octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]
        cases.invalid(f"a bit of the opening is another, in octet {place}", "header-checked", wrong, ["Damaged"])
    for comment, header in {
        "a list": b"[]",
        "a number": b"7",
        "nothing": b"",
        "no JSON": b"{recording}",
        "two objects": b"{}{}",
        "no UTF-8": b'{"a":"\xff"}',
    }.items():
        cases.invalid(f"the header is {comment}", "header-is-object", Layout(header).octets)
    cases.invalid("zeros only", "magic", bytes(4096), ["Damaged"])


def _add_cuts(cases: Cases) -> None:
    """At every octet behind the opening."""
    layout = whole()
    for end in range(layout.ends[0], len(layout.octets)):
        count = sum(edge <= end for edge in layout.ends) - 1
        out = told(layout, min(count, len(RECORDS)))
        cases.valid(f"ends after {end} octets", "whole-records longest-prefix", layout.octets[:end], out, ["Cut"])


def _add_flips(cases: Cases) -> None:
    """A wrong bit in each part of each record: the record does not count, and none behind it."""
    layout = whole()
    for number, start in enumerate(layout.ends[:-1]):
        parts = {
            "arrival": 0,
            "end of the arrival": 7,
            "length": 8,
            "end of the length": 9,
            "CRC": 10,
            "end of the CRC": 13,
        }
        if number < len(RECORDS):
            parts |= {"content": 14, "end of the content": layout.ends[number + 1] - start - 1}
        for part, place in parts.items():
            for bit in (0x01, 0x80):
                at = start + place
                octets = layout.octets[:at] + bytes([layout.octets[at] ^ bit]) + layout.octets[at + 1 :]
                comment = f"record {number + 1}: a bit of its {part} is another"
                cases.valid(comment, "crc-of-all-before longest-prefix", octets, told(layout, number), ["Damaged"])


def _add_misplaced(cases: Cases) -> None:
    """Whole records in wrong places."""
    layout = whole()
    edges = layout.ends
    records = [layout.octets[start:end] for start, end in itertools.pairwise(edges)]
    opening = layout.octets[: edges[0]]
    doubled = opening + records[0] + records[0] + b"".join(records[1:])
    cases.valid("the first record is there twice", "crc-of-all-before", doubled, told(layout, 1), ["Damaged"])
    again = layout.octets[: edges[4]] + records[3]
    cases.valid("the last record is there twice", "crc-of-all-before", again, told(layout, 4), ["Damaged"])
    missing = opening + records[0] + b"".join(records[2:])
    cases.valid("the second record is missing", "crc-of-all-before", missing, told(layout, 1), ["Damaged"])
    swapped = opening + records[0] + records[2] + records[1] + records[3]
    cases.valid("two records are swapped", "crc-of-all-before", swapped, told(layout, 1), ["Damaged"])
    other = Layout(HEADER.replace(b'"segment":1', b'"segment":2'))
    for at, content in RECORDS:
        other.add(at, content)
    older = layout.octets[: edges[2]] + other.octets[edges[2] :]
    comment = "the rest of another journal, with records of the same sizes, stands behind two of its own"
    cases.valid(comment, "crc-of-all-before", older, told(layout, 2), ["Damaged"])
    headless = opening + other.octets[other.ends[0] :]
    cases.valid(
        "records of another journal behind the opening", "crc-of-all-before", headless, told(layout, 0), ["Damaged"]
    )
    alone = opening
    for at, content in RECORDS:
        head = struct.pack(">QH", at, len(content))
        alone += head + struct.pack(">I", zlib.crc32(head + content)) + content
    cases.valid("records with CRCs of their own", "crc-of-all-before", alone, told(layout, 0), ["Damaged"])


def _add_filled(cases: Cases) -> None:
    """Octets behind the last record."""
    still_open, ended = whole(ended=False), whole()
    count = len(RECORDS)
    for size in (1, 13, 14, 15, 4096):
        cases.valid(f"{size} zeros behind the last record", "longest-prefix", still_open.octets + bytes(size),
                    told(still_open, count), ["Filled"])  # fmt: skip
    for size in (1, 14, 100):
        cases.valid(f"{size} octets of ones behind the last record", "longest-prefix",
                    still_open.octets + b"\xff" * size, told(still_open, count), ["Filled"])  # fmt: skip
        cases.valid(f"{size} zeros behind the end", "end-record", ended.octets + bytes(size),
                    told(ended, count, closed=True), ["Filled"])  # fmt: skip
    behind = whole()
    behind.add(END, RTP)
    cases.valid("a record behind the end, with a CRC that goes on", "end-record", behind.octets,
                told(ended, count, closed=True), ["Filled"])  # fmt: skip
    twice = whole()
    twice.add(END, b"")
    cases.valid("ended twice", "end-record", twice.octets, told(ended, count, closed=True), ["Filled"])


def _writing() -> dict[str, Any]:
    cases = Cases("journal-writing", {})
    cases.group("write", "docs/journal.md")
    for comment, layout, records, end in (
        ("an opening alone", Layout(), [], None),
        ("some records", whole(ended=False), RECORDS, None),
        ("some records, and the end", whole(), RECORDS, END),
    ):
        given = {"header": HEADER.decode(), "records": [[at, each.hex()] for at, each in records], "end": end}
        cases.valid(comment, "header-checked crc-of-all-before", given, {"hex": layout.octets.hex()})
    empty = {"header": HEADER.decode(), "records": [[0, ""]], "end": None}
    cases.invalid("an empty content", "content-bounded", empty, reaction="abort")
    long = {"header": HEADER.decode(), "records": [[0, "00" * 65536]], "end": None}
    cases.invalid("a content of 65536 octets", "content-bounded", long, reaction="abort")
    return cases.finish()
