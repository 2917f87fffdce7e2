"""Makes vectors/turn: TURN's attributes, channel data and streams as octets, and allocations step by step.

Valid cases are written by `wire/turn` and `wire/stun`; each has broken twins that are put together here. The steps of
`allocations` come from the document, and no server of ours runs while they are written.
Read next: tests/vectors/test_turn.py, which replays them; vectors/turn/README.md for the words of the steps.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, AddressError, Attribute, Trouble
from tests.generate import stun as stuncases
from tests.generate.mediacases import Cases
from tests.generate.stepcases import machine_set
from tests.generate.turnsteps import GROUPS

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing `out` gives `in.hex` again"),
    "Reserved": ("Reserved bits that are not zero", "they are not looked at"),
    "Mutated": ("One thing of a valid case was changed", "the comment says which"),
}
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
PEERS = [Address("192.0.2.1", 32853), Address("0.0.0.0", 0), Address("2001:db8::1", 65535)]
DATA = [b"", b"a", b"ab", b"abc", b"abcd", bytes(range(256)) * 4]

# What tshark and aioice both know, and then what only tshark does.
OLD: list[tuple[str, str, int, Any]] = [
    ("channel 4000", "channel-range", attribute.CHANNEL_NUMBER, 0x4000),
    ("channel 4fff", "channel-range", attribute.CHANNEL_NUMBER, 0x4FFF),
    ("a number that no channel has", "channel-range", attribute.CHANNEL_NUMBER, 0xFFFF),
    ("lifetime of ten minutes", "lifetime-bounds", attribute.LIFETIME, 600),
    ("no lifetime", "refresh-deletes", attribute.LIFETIME, 0),
    ("the longest lifetime", "lifetime-bounds", attribute.LIFETIME, 2**32 - 1),
    ("UDP", "requested-transport", attribute.REQUESTED_TRANSPORT, 17),
    ("TCP", "transport-unsupported", attribute.REQUESTED_TRANSPORT, 6),
    *((f"peer {peer}", "send-checks", attribute.XOR_PEER_ADDRESS, peer) for peer in PEERS),
    *((f"relayed {peer}", "allocate-answer", attribute.XOR_RELAYED_ADDRESS, peer) for peer in PEERS),
    *((f"data of {len(data)} octets", "send-checks", attribute.DATA, data) for data in DATA),
]
NEW: list[tuple[str, str, int, Any]] = [
    ("IPv4 wanted", "family-requested", attribute.REQUESTED_ADDRESS_FAMILY, 1),
    ("IPv6 wanted", "family-requested", attribute.REQUESTED_ADDRESS_FAMILY, 2),
    ("a family that is none", "family-unsupported", attribute.REQUESTED_ADDRESS_FAMILY, 255),
    ("an even port", "even-port", attribute.EVEN_PORT, False),
    ("an even port, and the next one kept", "even-port", attribute.EVEN_PORT, True),
    ("no fragments", "dont-fragment", attribute.DONT_FRAGMENT, True),
]
# What tshark has no name for.
NEWEST: list[tuple[str, str, int, Any]] = [
    ("a token", "token-invalid", attribute.RESERVATION_TOKEN, bytes.fromhex("0123456789abcdef")),
    ("IPv6 as well", "dual-partly", attribute.ADDITIONAL_ADDRESS_FAMILY, 2),
    ("no IPv6", "dual-partly", attribute.ADDRESS_ERROR_CODE, AddressError(2, 440, "Address Family not Supported")),
    ("no IPv4, without a reason", "dual-partly", attribute.ADDRESS_ERROR_CODE, AddressError(1, 508, "")),
    ("ICMP: port unreachable", "icmp-relayed", attribute.ICMP, Trouble(3, 3, 0)),
    ("ICMPv6: packet too big", "icmp-relayed", attribute.ICMP, Trouble(2, 0, 1280)),
]
# The name of the attribute, its octets, and what is wrong with them.
BROKEN: list[tuple[str, int, str]] = [
    ("LIFETIME of eight octets", attribute.LIFETIME, "0000000000000258"),
    ("LIFETIME without a value", attribute.LIFETIME, ""),
    ("XOR-PEER-ADDRESS of family 3", attribute.XOR_PEER_ADDRESS, "0003a147e112a643"),
    ("XOR-PEER-ADDRESS cut off", attribute.XOR_PEER_ADDRESS, "0001a147e112"),
    ("XOR-PEER-ADDRESS of IPv6 with four octets", attribute.XOR_PEER_ADDRESS, "0002a147e112a643"),
    ("XOR-RELAYED-ADDRESS with an octet too many", attribute.XOR_RELAYED_ADDRESS, "0001a147e112a64300"),
    ("REQUESTED-TRANSPORT of three octets", attribute.REQUESTED_TRANSPORT, "110000"),
    ("CHANNEL-NUMBER of three octets", attribute.CHANNEL_NUMBER, "400000"),
    ("CHANNEL-NUMBER of two octets", attribute.CHANNEL_NUMBER, "4000"),
    ("REQUESTED-ADDRESS-FAMILY of one octet", attribute.REQUESTED_ADDRESS_FAMILY, "01"),
    ("EVEN-PORT of four octets", attribute.EVEN_PORT, "80000000"),
    ("EVEN-PORT without a value", attribute.EVEN_PORT, ""),
    ("DONT-FRAGMENT with a value", attribute.DONT_FRAGMENT, "00000000"),
    ("RESERVATION-TOKEN of four octets", attribute.RESERVATION_TOKEN, "01234567"),
    ("ADDITIONAL-ADDRESS-FAMILY of two octets", attribute.ADDITIONAL_ADDRESS_FAMILY, "0200"),
    ("ADDRESS-ERROR-CODE of class 2", attribute.ADDRESS_ERROR_CODE, "02000228"),
    ("ADDRESS-ERROR-CODE cut off", attribute.ADDRESS_ERROR_CODE, "020004"),
    ("ICMP of four octets", attribute.ICMP, "00000303"),
]
RESERVED: list[tuple[str, int, str]] = [
    ("behind the channel's number", attribute.CHANNEL_NUMBER, "4001ffff"),
    ("behind the transport", attribute.REQUESTED_TRANSPORT, "11ffffff"),
    ("behind the family", attribute.REQUESTED_ADDRESS_FAMILY, "02ffffff"),
    ("behind R, which is set", attribute.EVEN_PORT, "ff"),
    ("behind R, which is not set", attribute.EVEN_PORT, "7f"),
    ("behind the other family", attribute.ADDITIONAL_ADDRESS_FAMILY, "02ffffff"),
    ("before the error class", attribute.ADDRESS_ERROR_CODE, "02fffc28"),
    ("before the ICMP type", attribute.ICMP, "ffff030400000578"),
]


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {
        "turn/attributes": _attributes(),
        "turn/channel-data": _channel_data(),
        "turn/streams": _streams(),
        "turn/allocations": machine_set("turn/allocations", GROUPS),
    }


def value_of(kind: int, value: Any) -> Any:
    """An attribute's value as JSON has it."""
    if isinstance(value, AddressError):
        return {"family": value.family, "code": value.code, "reason": value.reason}
    if isinstance(value, Trouble):
        return {"type": value.type, "code": value.code, "mtu": value.mtu}
    return stuncases.value_of(kind, value)


def fields(message: stun.Message) -> dict[str, Any]:
    """A message as JSON has it."""
    return {
        "class": stuncases.CLASSES[message.kind],
        "method": message.method,
        "transaction": message.transaction.hex(),
        "attributes": [
            {"type": kind, "name": ATTRIBUTES[kind].name, "value": value_of(kind, value)}
            for kind, value in message.attributes
        ],
    }


def _raw(kind: int, value: bytes) -> bytes:
    body = stun.TYPE_AND_LENGTH.pack(kind, len(value)) + value + bytes(-len(value) % 4)
    return stun.HEADER.pack(turn.ALLOCATE, len(body), attribute.COOKIE, TRANSACTION) + body


def _attributes() -> dict[str, Any]:
    cases = Cases("turn-attributes", NOTES)
    for rows in (OLD, NEW, NEWEST):
        cases.group("parse", "RFC 8656 section 18")
        for comment, reqs, kind, value in rows:
            message = stun.Message(stun.Class.REQUEST, turn.ALLOCATE, TRANSACTION, [Attribute(kind, value)])
            cases.valid(comment, reqs, stun.serialize(message, fingerprint=False), fields(message), ["Canonical"])
    cases.group("parse", "RFC 8656 section 11")
    for method, name in ((turn.SEND, "Send"), (turn.DATA_METHOD, "Data")):
        for peer in (PEERS[0], PEERS[2]):
            for data in (b"", b"hello", bytes(1200)):
                given = [Attribute(attribute.XOR_PEER_ADDRESS, peer), Attribute(attribute.DATA, data)]
                message = stun.Message(stun.Class.INDICATION, method, TRANSACTION, given)
                comment = f"{name} indication, {len(data)} octets, {peer}"
                cases.valid(
                    comment,
                    "data-indication",
                    stun.serialize(message, fingerprint=False),
                    fields(message),
                    ["Canonical"],
                )
    for odd in (RESERVED[:2], RESERVED[2:5], RESERVED[5:]):
        cases.group("parse", "RFC 8656 section 18")
        for where, kind, value in odd:
            data = _raw(kind, bytes.fromhex(value))
            cases.valid(f"ones {where}", "reserved-bits", data, fields(stun.parse(data)), ["Reserved"])
    for broken in (BROKEN[:7], BROKEN[7:]):
        cases.group("parse", "RFC 8656 section 18")
        for comment, kind, value in broken:
            data = _raw(kind, bytes.fromhex(value))
            cases.invalid(comment, "malformed-request", data, ["Mutated"], reaction="error:400", allowed=["drop"])
    return cases.finish()


def _channel_data() -> dict[str, Any]:
    cases = Cases("turn-channel-data", NOTES)
    cases.group("channel-data", "RFC 8656 section 12.4")
    for channel in (0x4000, 0x4001, 0x4FFF):
        for data in DATA:
            out = {"channel": channel, "data": {"hex": data.hex()}}
            message = turn.serialize_channel_data(channel, data)
            comment = f"{len(data)} octets on channel {channel:x}"
            cases.valid(comment, "channel-range", message, out, ["Canonical"])
    padded = turn.serialize_channel_data(0x4000, b"abcde", padded=True)
    out = {"channel": 0x4000, "data": {"hex": b"abcde".hex()}}
    cases.group("channel-data", "RFC 8656 section 12.5")
    cases.valid("padding, which a datagram need not have", "channel-data-padding", padded, out)
    cases.group("channel-data", "RFC 8656 section 12.6")
    good = turn.serialize_channel_data(0x4000, b"abcd")
    for comment, reqs, data in (
        ("an octet is missing", "channel-data-short", good[:-1]),
        ("one more announced than came", "channel-data-short", good[:3] + b"\x05" + good[4:]),
        ("half a header", "channel-data-short", good[:2]),
        ("three octets of a header", "channel-data-short", good[:3]),
    ):
        cases.invalid(comment, reqs, data, ["Mutated"])
    cases.group("channel-data", "RFC 8656 section 12")
    for comment, reqs, data in (
        ("the first reserved number", "channel-reserved-dropped", b"\x50\x00" + good[2:]),
        ("the last number of RFC 5766", "channel-reserved-dropped", b"\x7f\xff" + good[2:]),
        ("the last number of all", "channel-reserved-dropped", b"\xff\xff" + good[2:]),
    ):
        cases.invalid(comment, reqs, data, ["Mutated"])
    return cases.finish()


def _streams() -> dict[str, Any]:
    cases = Cases("turn-streams", NOTES)
    cases.group("split", "RFC 8656 section 12.5")
    binding = stun.serialize(stun.Message(stun.Class.REQUEST, stun.BINDING, TRANSACTION), fingerprint=False)
    send = turn.serialize_indication(turn.SEND_TYPE, TRANSACTION, PEERS[0], b"abc")
    frames = [binding, send, *(turn.serialize_channel_data(0x4000, data) for data in DATA[:5])]
    whole = b"".join(frame + bytes(-len(frame) % 4) for frame in frames)
    for comment, data, found, rest in (
        ("nothing yet", b"", [], 0),
        ("one message", binding, [binding], 0),
        ("all kinds, one behind the other", whole, frames, 0),
        ("the beginning of a header", whole + b"\0", frames, 1),
        ("a message that has not all come", whole + binding[:19], frames, 19),
        ("channel data that wait for their padding", turn.serialize_channel_data(0x4000, b"a"), [], 5),
        ("padding of ones", b"\x40\x00\x00\x01a\xff\xff\xff" + binding, [b"\x40\x00\x00\x01a", binding], 0),
    ):
        out = {"messages": [{"hex": frame.hex()} for frame in found], "rest": rest}
        cases.valid(comment, "stream-framing", data, out)
    cases.group("split", "RFC 8656 section 12.5")
    for comment, data in (
        ("a message without the cookie", b"\0\x01\0\0" + bytes(16)),
        ("RTP", b"\x80\x60\0\0" + bytes(8)),
        ("channel data without their padding, and a message", b"\x40\x00\x00\x01a" + binding),
    ):
        cases.invalid(comment, "stream-framing", data, ["Mutated"], reaction="abort")
    return cases.finish()
