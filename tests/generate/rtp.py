"""Makes vectors/rtp: packets, header extensions and retransmissions, as octets and as fields.

Canonical packets are written by `wire/rtp` from the fields; whatever a serializer would not write is put together
here octet by octet. Who else reads them the same way is found out by tests/confirm/rtp.py.
Read next: tests/vectors/test_rtp.py, which replays them.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import rtp
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The packet ends within something that it announced", "it is dropped"),
    "Stopped": ("The extension has more octets than may be read", "what stands before them counts"),
}
HEAD = bytes.fromhex("1234 00015f90 cafebabe")
PAYLOAD = bytes.fromhex("f8fffe")


def fields(packet: rtp.Packet) -> dict[str, Any]:
    """A packet as JSON has it: numbers, and octets in hexadecimal."""
    return {
        "payload_type": packet.payload_type,
        "marker": packet.marker,
        "sequence": packet.sequence,
        "timestamp": packet.timestamp,
        "ssrc": packet.ssrc,
        "csrcs": packet.csrcs,
        "extension_profile": packet.extension_profile,
        "extensions": [[number, value.hex()] for number, value in packet.extensions.items()],
        "extension_body": packet.extension_body.hex(),
        "payload": packet.payload.hex(),
        "padding_size": packet.padding_size,
    }


def packet(**more: Any) -> rtp.Packet:
    """The packet that all cases vary."""
    given: dict[str, Any] = {
        "payload_type": 111,
        "sequence": 0x1234,
        "timestamp": 90_000,
        "ssrc": 0xCAFEBABE,
        "payload": PAYLOAD,
    }
    return rtp.Packet(**{**given, **more})


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"rtp/packets": _packets(), "rtp/retransmission": _retransmission()}


def _packets() -> dict[str, Any]:
    cases = Cases("rtp-packets", NOTES)
    cases.group("parse", "RFC 3550 section 5.1, RFC 8285 section 4")
    for comment, reqs, given in _canonical():
        cases.valid(comment, reqs, rtp.serialize(given), fields(given), ["Canonical"])
    cases.group("parse", "RFC 8285 section 4.1.2")
    body = bytes.fromhex("00 10aa 00 21bbcc 00")
    given = packet(extension_profile=rtp.ONE_BYTE, extensions={1: b"\xaa", 2: b"\xbb\xcc"})
    cases.valid(
        "one-byte form, padding around the elements", "extension-padding", _with(rtp.ONE_BYTE, body), fields(given)
    )
    body = bytes.fromhex("00 0101aa 00 0200 00")
    given = packet(extension_profile=rtp.TWO_BYTE, extensions={1: b"\xaa", 2: b""})
    cases.valid(
        "two-byte form, padding around the elements", "extension-padding", _with(rtp.TWO_BYTE, body), fields(given)
    )
    padded = b"\xa0\x6f" + HEAD + PAYLOAD + bytes.fromhex("a1b2c304")
    cases.valid("padding need not be zeros", "padding-count", padded, fields(packet(padding_size=4)))
    cases.group("parse", "RFC 8285 sections 4.2 and 4.3")
    _special(cases)
    cases.group("parse", "RFC 8285 section 4.1.2")
    _doubtful(cases)
    cases.group("parse", "RFC 3550 section A.1, RFC 8285 section 4")
    _invalid(cases)
    return cases.finish()


def _canonical() -> list[tuple[str, str, rtp.Packet]]:
    one, two = "one-extension extension-one-byte", "one-extension extension-two-byte"
    cases = [
        ("audio packet", "version marker-and-type extension-only-with-elements", packet()),
        ("marker", "marker-and-type", packet(marker=True)),
        (
            "numbers at their upper bound",
            "marker-and-type",
            packet(payload_type=127, marker=True, sequence=0xFFFF, timestamp=0xFFFFFFFF, ssrc=0xFFFFFFFF),
        ),
        ("numbers at their lower bound", "marker-and-type", packet(payload_type=0, sequence=0, timestamp=0, ssrc=0)),
        ("no payload", "version", packet(payload=b"")),
        ("one contributing source", "csrc-count", packet(csrcs=[1])),
        ("fifteen contributing sources", "csrc-count", packet(csrcs=list(range(0x1000, 0x100F)))),
        ("one octet of padding", "padding-count", packet(padding_size=1)),
        ("four octets of padding", "padding-count", packet(padding_size=4)),
        ("255 octets of padding", "padding-count", packet(padding_size=255)),
        ("padding alone, as in a bandwidth probe", "padding-count", packet(payload=b"", padding_size=255)),
        ("one element of one octet", one, packet(extensions={1: b"\x55"})),
        ("element of sixteen octets", one, packet(extensions={14: bytes(range(16))})),
        (
            "what a browser sends: MID, audio level, transport-wide number",
            one,
            packet(extensions={4: b"0", 10: b"\xd5", 3: b"\x00\x2a"}),
        ),
        ("elements that fill whole words", one, packet(extensions={1: b"abc", 2: b"defg", 3: b"hi"})),
        ("fourteen elements", one, packet(extensions={number: bytes([number]) for number in range(1, 15)})),
        ("extension of no elements", "one-extension", packet(extension_profile=rtp.ONE_BYTE)),
        ("two-byte form for an empty element", f"{two} one-byte-when-small", packet(extensions={1: b""})),
        ("two-byte form for seventeen octets", f"{two} one-byte-when-small", packet(extensions={1: bytes(17)})),
        ("two-byte form for id 15", f"{two} one-byte-when-small", packet(extensions={15: b"\x01", 1: b"\x02"})),
        ("two-byte form for id 255 with 255 octets", two, packet(extensions={255: bytes(range(255))})),
        (
            "two-byte form where the one-byte form would do",
            two,
            packet(extension_profile=rtp.TWO_BYTE, extensions={1: b"\x55"}),
        ),
        (
            "extension of another profile",
            "foreign-extension-ignored",
            packet(extension_profile=0xABCD, extension_body=bytes.fromhex("0011223344556677")),
        ),
        (
            "everything at once",
            "csrc-count padding-count extension-one-byte",
            packet(marker=True, csrcs=[7, 8], extensions={1: b"\x55", 2: b"\x01\x02\x03"}, padding_size=2),
        ),
    ]
    for _, _, given in cases:
        if given.extensions and given.extension_profile is None:
            given.extension_profile = rtp.profile_for(given.extensions)
    return cases


def _special(cases: Cases) -> None:
    """What aiortc 1.16 reads otherwise."""
    one = packet(extension_profile=rtp.ONE_BYTE, extensions={1: b"\xaa"})
    cases.valid(
        "id 15 ends the reading",
        "extension-id-15-stops",
        _with(rtp.ONE_BYTE, bytes.fromhex("10aa f0bb 20cc 0000")),
        fields(one),
        ["Stopped"],
    )
    cases.valid(
        "id 15 ends the reading although its length reaches too far",
        "extension-id-15-stops",
        _with(rtp.ONE_BYTE, bytes.fromhex("10aa ff00")),
        fields(one),
        ["Stopped"],
    )
    two = packet(extension_profile=0x100F, extensions={1: b"\xaa"})
    cases.valid(
        "two-byte form with bits of the application",
        "appbits-ignored",
        _with(0x100F, bytes.fromhex("0101aa00")),
        fields(two),
    )


def _doubtful(cases: Cases) -> None:
    """What both aiortc 1.16 and tshark 4.0 read otherwise, so that nobody has confirmed it yet."""
    one = packet(extension_profile=rtp.ONE_BYTE, extensions={1: b"\xaa"})
    cases.valid(
        "id 0 with a length ends the reading",
        "extension-id-0-with-length-stops",
        _with(rtp.ONE_BYTE, bytes.fromhex("10aa 03bb 20cc 0000")),
        fields(one),
        ["Stopped"],
    )
    twice = bytes.fromhex("10aa 10bb")
    cases.acceptable(
        "the same id twice: we take the first", "extension-one-byte", _with(rtp.ONE_BYTE, twice), fields(one)
    )


def _invalid(cases: Cases) -> None:
    whole = rtp.serialize(packet())
    for version in (0, 1, 3):
        cases.invalid(f"version {version}", "version", bytes([version << 6]) + whole[1:])
    for size in range(12):
        cases.invalid(f"{size} octets", "length-consistent", whole[:size], ["Truncated"])
    cases.invalid(
        "ends within the contributing sources",
        "csrc-count length-consistent",
        b"\x82\x6f" + HEAD + bytes(7),
        ["Truncated"],
    )
    cases.invalid("ends before the extension", "length-consistent", b"\x90\x6f" + HEAD, ["Truncated"])
    cases.invalid(
        "ends within the head of the extension",
        "length-consistent",
        b"\x90\x6f" + HEAD + b"\xbe\xde\x00",
        ["Truncated"],
    )
    cases.invalid(
        "ends within the extension",
        "length-consistent",
        b"\x90\x6f" + HEAD + bytes.fromhex("bede0002 10aa0000"),
        ["Truncated"],
    )
    for comment, body in (
        ("padding of 0 octets", bytes.fromhex("f8fffe00")),
        ("padding that reaches into the header", bytes.fromhex("f8fffe05")),
        ("padding bit and nothing behind the header", b""),
    ):
        cases.invalid(comment, "padding-count", b"\xa0\x6f" + HEAD + body)
    cases.invalid(
        "one-byte element that is longer than the extension",
        "extension-within-bounds",
        _with(rtp.ONE_BYTE, bytes.fromhex("13aabbcc")),
        ["Truncated"],
    )
    cases.invalid(
        "two-byte element without a length",
        "extension-within-bounds",
        _with(rtp.TWO_BYTE, bytes.fromhex("0101aa02")),
        ["Truncated"],
    )
    cases.invalid(
        "two-byte element that is longer than the extension",
        "extension-within-bounds",
        _with(rtp.TWO_BYTE, bytes.fromhex("0103aabb")),
        ["Truncated"],
    )


def _with(profile: int, body: bytes) -> bytes:
    """The packet with an extension of exactly these octets."""
    return b"\x90\x6f" + HEAD + rtp.extension_head.pack(profile, len(body) // 4) + body + PAYLOAD


def _retransmission() -> dict[str, Any]:
    cases = Cases(
        "rtp-retransmission", {"Probe": ("Padding on the repair stream", "it repeats nothing and is dropped")}
    )
    reqs = "rtx-original-sequence rtx-same-timestamp rtx-own-sequence"
    originals = [
        ("plain packet", packet(payload_type=96)),
        ("last packet of a frame", packet(payload_type=96, marker=True, sequence=0xFFFF)),
        (
            "with contributing sources and extension",
            packet(payload_type=96, csrcs=[1, 2], extension_profile=rtp.ONE_BYTE, extensions={3: b"\x00\x2a"}),
        ),
    ]
    cases.group("retransmission", "RFC 4588 section 4")
    for comment, original in originals:
        data = rtp.serialize(original)
        given = {"hex": data.hex(), "payload_type": 97, "sequence": 7, "ssrc": 99}
        cases.valid(comment, reqs, given, {"hex": rtp.retransmission(data, 97, 7, 99).hex()})
    cases.group("original", "RFC 4588 section 4")
    for comment, original in originals:
        data = rtp.serialize(original)
        given = {"hex": rtp.retransmission(data, 97, 7, 99).hex(), "payload_type": 96, "ssrc": original.ssrc}
        cases.valid(comment, reqs, given, {"hex": data.hex()})
    padded = rtp.retransmission(rtp.serialize(packet(payload_type=96, padding_size=3)), 97, 7, 99)
    given = {"hex": padded.hex(), "payload_type": 96, "ssrc": 0xCAFEBABE}
    cases.valid("padding is not repeated", reqs, given, {"hex": rtp.serialize(packet(payload_type=96)).hex()})
    cases.group("original", "RFC 4588 section 4")
    for comment, probe in (
        ("padding alone", packet(payload_type=97, payload=b"", padding_size=200)),
        ("one octet of payload", packet(payload_type=97, payload=b"\x12")),
    ):
        given = {"hex": rtp.serialize(probe).hex(), "payload_type": 96, "ssrc": 1}
        cases.invalid(comment, "rtx-original-sequence", given, ["Probe"])
    return cases.finish()
