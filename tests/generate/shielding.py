"""Makes vectors/fec/shielding and vectors/fec/mending: pictures that get FEC among them, and how they come out again.

Read next: tests/vectors/test_shielding.py, which replays them; tests/generate/fec.py, of what they are made.
"""

from __future__ import annotations

import random
from typing import Any

from meetref.media.mending import Mending
from meetref.media.parts import Parts
from meetref.media.shielding import Shield
from meetref.wire import red, rtp, vp8
from tests.generate.mediacases import Cases

NOTES = {
    "Late": ("Packets come late, or not at all", "each has the number that was left for it"),
    "Lossy": ("Packets are missing", "what can be computed goes on as if it had come"),
}
RED, ULPFEC, VP8, TRANSPORT, SSRC = 116, 117, 96, 3, 0x5EA7
SECTION = "RFC 5109 section 14.2, as libwebrtc has it"
NEWEST = 99

Step = dict[str, Any]


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"fec/shielding": _shielding(), "fec/mending": _mending()}


def film(*counts: int, first: int = NEWEST + 1, largest: int = 30) -> list[bytes]:
    """A picture of each so many packets, of one stream and one line of numbers."""
    dice, made, number = random.Random(len(counts)), list[bytes](), first
    for picture, count in enumerate(counts):
        for part in range(count):
            descriptor = vp8.Descriptor(start=part == 0, picture_id=picture, long_picture_id=True)
            payload = vp8.serialize(descriptor) + dice.randbytes(dice.randrange(4, largest))
            packet = rtp.Packet(
                VP8, number & 0xFFFF, 90_000 + 3000 * picture, SSRC, payload, part == count - 1,
                extensions={TRANSPORT: (number - first).to_bytes(2)},
            )  # fmt: skip
            made.append(rtp.serialize(packet))
            number += 1
    return made


def parts_of(packet: bytes) -> Parts:
    start = rtp.payload_offset(packet)
    return packet[:start], b"", packet[start:]


def shielded(given: dict[str, Any]) -> dict[str, Any]:
    """What a shield makes of the steps of a case: packets that come, and rows that are wanted from there on."""
    shield = Shield(
        given["red"], given["ulpfec"], transport_id=given["transport_id"], newest=given["newest"], row=given["row"]
    )
    leaving, kept = list[bytes](), list[bytes]()
    for step in given["steps"]:
        if "row" in step:
            shield.protect(step["row"])
            continue
        covered = shield.cover([parts_of(bytes.fromhex(step["packet"]))], len(leaving))
        leaving += map(b"".join, covered.leaving)
        kept += map(b"".join, covered.kept)
    return {"packets": [each.hex() for each in leaving], "kept": [each.hex() for each in kept]}


def _shielding() -> dict[str, Any]:
    cases = Cases("fec-shielding", NOTES)
    cases.group("shield", SECTION)
    reqs = "one-line behind-its-picture virtual-packets not-sent-again"
    for row in (1, 2, 3, 10):
        _shielded(cases, f"a row of {row}: pictures of one to seven packets", reqs, film(1, 7, 3, 2, 5, 1, 1, 4), row)
    _shielded(cases, "a picture of more packets than a mask covers", reqs + " long-mask", film(50, 2, largest=6), 16)
    _shielded(cases, "numbers that wrap", reqs, film(4, 4, 4, first=65_530), 2, newest=65_529)
    _shielded(cases, "no header extension", reqs, [_bare(packet) for packet in film(3, 3)], 3, transport_id=0)
    padded = [_padded(packet) for packet in film(3, 3)]
    _shielded(cases, "padding at the end of packets stays away", reqs, padded, 3)
    cases.group("shield", SECTION)
    packets = film(4, 4, 4, 4)
    late = "latecomers-keep-their-place one-line"
    order = [packets[place] for place in (0, 2, 1, 3, 4, 6, 7, 8, 5, 9, 10, 12, 13, 14, 15, 11)]
    _shielded(cases, "three packets come late, one of them the end of its picture", late, order, 2, ["Late"])
    _shielded(cases, "two packets never come", late, packets[:5] + packets[7:], 2, ["Late"])
    many = film(*[1] * 70)
    _shielded(cases, "too late: its place is forgotten", late, [*many[:1], *many[2:], many[1]], 1, ["Late"])
    cases.group("shield", SECTION)
    steps: list[Step] = [{"packet": packet.hex()} for packet in film(4, 4, 4, 4)]
    given = _given([], 2)
    given["steps"] = [*steps[:6], {"row": 0}, *steps[6:11], {"row": 4}, *steps[11:]]
    cases.valid("it ends in the middle of a picture, and begins again", "one-line", given, shielded(given))
    return cases.finish()


def _given(packets: list[bytes], row: int, *, newest: int = NEWEST, transport_id: int = TRANSPORT) -> dict[str, Any]:
    return {
        "red": RED, "ulpfec": ULPFEC, "transport_id": transport_id, "newest": newest, "row": row,
        "steps": [{"packet": packet.hex()} for packet in packets],
    }  # fmt: skip


def _shielded(
    cases: Cases, comment: str, reqs: str, packets: list[bytes], row: int, flags: list[str] | None = None, **more: int
) -> None:
    given = _given(packets, row, **more)
    cases.valid(comment, reqs, given, shielded(given), flags or [])


def _bare(packet: bytes) -> bytes:
    read = rtp.parse(packet)
    read.extensions = {}
    return rtp.serialize(read)


def _padded(packet: bytes) -> bytes:
    read = rtp.parse(packet)
    read.padding_size = 5
    return rtp.serialize(read)


# --- and out again ----------------------------------------------------------------------------------


def mended(given: dict[str, Any]) -> list[list[str]]:
    """For each packet that comes what goes on: itself without RED, and what is computed with it."""
    mending = Mending(given["red"], given["ulpfec"], {given["transport_id"]: 0})
    return [[each.hex() for each in mending.receive(bytes.fromhex(packet), 0.0)] for packet in given["packets"]]


def _mending() -> dict[str, Any]:
    cases = Cases("fec-mending", NOTES)
    cases.group("mend", SECTION)
    sent = [bytes.fromhex(each) for each in shielded(_given(film(4, 4, 3, 3), 2))["packets"]]
    _mended(cases, "nothing is lost", sent, [])
    for place in (0, 3, 7, 12):
        _mended(cases, f"without packet {place + 1}", sent, [place])
    _mended(cases, "a burst of two", sent, [1, 2])
    _mended(cases, "a burst of three, and FEC", sent, [7, 8, 9, 10])
    _mended(cases, "without any FEC", sent, [place for place, each in enumerate(sent) if _is_fec(each)])
    _mended(cases, "in reverse", sent[::-1], [5])
    cases.group("mend", SECTION)
    plain = film(2, 2)
    _mended(cases, "packets that are not in RED", [plain[0], red.wrap_packet(plain[1], RED), plain[2]], [])
    return cases.finish()


def _is_fec(packet: bytes) -> bool:
    return red.unwrap_packet(packet)[1] & 0x7F == ULPFEC


def _mended(cases: Cases, comment: str, sent: list[bytes], lost: list[int]) -> None:
    packets = [packet.hex() for place, packet in enumerate(sent) if place not in lost]
    given = {"red": RED, "ulpfec": ULPFEC, "transport_id": TRANSPORT, "packets": packets}
    cases.valid(comment, "number-used virtual-packets one-missing", given, mended(given), ["Lossy"] if lost else [])
