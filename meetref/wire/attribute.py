"""The attributes of STUN messages: one row each, saying how its value is read and written.

Stands below `wire/stun`, which puts attributes into messages. Adding an attribute is adding a row to `ATTRIBUTES`.
Specification: RFC 8489 section 14; PRIORITY, USE-CANDIDATE and the two roles are RFC 8445's, section 16.1.
Leaves out: the insides of PASSWORD-ALGORITHMS and USERHASH, opaque until TURN needs them.
Read next: `wire/stun.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from meetref.wire.address import Address, pack_host, unpack_host
from meetref.wire.reader import Malformed, Reader

COOKIE: Final = b"\x21\x12\xa4\x42"

MAXIMUM_TEXT_READ = 763  # octets (RFC 8489 section 14.3)
MAXIMUM_TEXT_SENT = 508

MAPPED_ADDRESS: Final = 0x0001
USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
REALM: Final = 0x0014
NONCE: Final = 0x0015
MESSAGE_INTEGRITY_SHA256: Final = 0x001C
PASSWORD_ALGORITHM: Final = 0x001D
USERHASH: Final = 0x001E
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
PASSWORD_ALGORITHMS: Final = 0x8002
ALTERNATE_DOMAIN: Final = 0x8003
SOFTWARE: Final = 0x8022
ALTERNATE_SERVER: Final = 0x8023
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
ICE_CONTROLLING: Final = 0x802A


class ErrorCode(NamedTuple):
    """The value of ERROR-CODE: `code` from 300 to 699, `reason` for people."""

    code: int
    reason: str


class Attribute(NamedTuple):
    """One attribute. What `value` is stands in `ATTRIBUTES`; an unknown type keeps its octets."""

    type: int
    value: Any


class Codec(NamedTuple):
    """How the value of one attribute is read and written; both are told the transaction id."""

    name: str
    parse: Callable[[bytes, bytes], Any]
    serialize: Callable[[Any, bytes], bytes]


def _text(name: str) -> Codec:
    def parse(octets: bytes, _: bytes) -> str:
        if len(octets) > MAXIMUM_TEXT_READ:  # spec: stun/text-length
            raise Malformed(f"{name} of {len(octets)} octets")
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise Malformed(f"{name} is not UTF-8") from None

    def serialize(value: str, _: bytes) -> bytes:
        octets = value.encode(errors="replace")
        if len(octets) > MAXIMUM_TEXT_SENT:  # spec: stun/text-length
            raise Malformed(f"{name} of {len(octets)} octets cannot be sent")
        return octets

    return Codec(name, parse, serialize)


def _number(name: str, size: int) -> Codec:
    def parse(octets: bytes, _: bytes) -> int:
        if len(octets) != size:
            raise Malformed(f"{name} has {len(octets)} octets, not {size}")
        return int.from_bytes(octets, "big")

    def serialize(value: int, _: bytes) -> bytes:
        if not 0 <= value < 1 << 8 * size:
            raise Malformed(f"{name} {value} does not fit {size} octets")
        return value.to_bytes(size, "big")

    return Codec(name, parse, serialize)


def _opaque(name: str) -> Codec:
    return Codec(name, lambda octets, _: octets, lambda value, _: value)


def _flag(name: str) -> Codec:
    def parse(octets: bytes, _: bytes) -> bool:
        if octets:
            raise Malformed(f"{name} has a value of {len(octets)} octets")
        return True

    return Codec(name, parse, lambda value, _: b"")


def _exclusive_or(octets: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(octets, mask, strict=False))


def _parse_address(octets: bytes, mask: bytes) -> Address:
    reader = Reader(octets)
    reader.uint8("reserved octet")
    family = reader.uint8("address family")
    port = int.from_bytes(_exclusive_or(reader.bytes(2, "port"), mask), "big")
    host = _exclusive_or(octets[4:], mask)
    if {4: 1, 16: 2}.get(len(host)) != family:  # spec: stun/address-family
        raise Malformed(f"address family {family} with {len(host)} octets", 1)
    return Address(unpack_host(host), port)


def _serialize_address(value: Address, mask: bytes) -> bytes:
    host = pack_host(value.host)
    port = _exclusive_or(value.port.to_bytes(2, "big"), mask)
    return bytes((0, 1 if len(host) == 4 else 2)) + port + _exclusive_or(host, mask)


def _address(name: str) -> Codec:
    return Codec(
        name,
        lambda octets, _: _parse_address(octets, bytes(20)),
        lambda value, _: _serialize_address(value, bytes(20)),
    )


def _masked_address(name: str) -> Codec:
    # The mask keeps well-meaning NATs from rewriting the address inside (RFC 8489 section 14.2).
    return Codec(
        name,
        lambda octets, transaction: _parse_address(octets, COOKIE + transaction),
        lambda value, transaction: _serialize_address(value, COOKIE + transaction),
    )


def _parse_error_code(octets: bytes, _: bytes) -> ErrorCode:
    reader = Reader(octets)
    reader.uint16("reserved octets")
    hundreds, rest = reader.uint8("error class") & 7, reader.uint8("error number")
    if not 3 <= hundreds <= 6 or rest > 99:  # spec: stun/error-code-range
        raise Malformed(f"error class {hundreds}, number {rest}", 2)
    return ErrorCode(hundreds * 100 + rest, octets[4:].decode(errors="replace"))


def _serialize_error_code(value: ErrorCode, _: bytes) -> bytes:
    if not 300 <= value.code <= 699:
        raise Malformed(f"error code {value.code}")
    return bytes((0, 0, value.code // 100, value.code % 100)) + value.reason.encode(errors="replace")


def _parse_types(octets: bytes, _: bytes) -> tuple[int, ...]:
    reader = Reader(octets)
    types = []
    while reader.remaining:
        types.append(reader.uint16("attribute type"))
    return tuple(types)


def _serialize_types(value: tuple[int, ...], _: bytes) -> bytes:
    return b"".join(kind.to_bytes(2, "big") for kind in value)


ATTRIBUTES: dict[int, Codec] = {
    MAPPED_ADDRESS: _address("MAPPED-ADDRESS"),
    USERNAME: _text("USERNAME"),
    MESSAGE_INTEGRITY: _opaque("MESSAGE-INTEGRITY"),
    ERROR_CODE: Codec("ERROR-CODE", _parse_error_code, _serialize_error_code),
    UNKNOWN_ATTRIBUTES: Codec("UNKNOWN-ATTRIBUTES", _parse_types, _serialize_types),
    REALM: _text("REALM"),
    NONCE: _text("NONCE"),
    MESSAGE_INTEGRITY_SHA256: _opaque("MESSAGE-INTEGRITY-SHA256"),
    PASSWORD_ALGORITHM: _opaque("PASSWORD-ALGORITHM"),
    USERHASH: _opaque("USERHASH"),
    XOR_MAPPED_ADDRESS: _masked_address("XOR-MAPPED-ADDRESS"),
    PRIORITY: _number("PRIORITY", 4),
    USE_CANDIDATE: _flag("USE-CANDIDATE"),
    PASSWORD_ALGORITHMS: _opaque("PASSWORD-ALGORITHMS"),
    ALTERNATE_DOMAIN: _text("ALTERNATE-DOMAIN"),
    SOFTWARE: _text("SOFTWARE"),
    ALTERNATE_SERVER: _address("ALTERNATE-SERVER"),
    FINGERPRINT: _number("FINGERPRINT", 4),
    ICE_CONTROLLED: _number("ICE-CONTROLLED", 8),
    ICE_CONTROLLING: _number("ICE-CONTROLLING", 8),
}
