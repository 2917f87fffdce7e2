"""The attributes of STUN messages: one row each, saying how its value is read and written.

Stands below `wire/stun`, which puts attributes into messages. Adding an attribute is adding a row to `ATTRIBUTES`.
Specification: RFC 8489 section 14; PRIORITY, USE-CANDIDATE and the two roles are RFC 8445's, section 16.1; from
CHANNEL-NUMBER to ICMP, what relays need is RFC 8656's, section 18; the last two are of draft-hancke-webrtc-sped.
Leaves out: nothing of those documents; an attribute without a row keeps its octets.
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
MAXIMUM_CHARACTERS_SENT = 127  # of every text but a user name
MAXIMUM_DOMAIN = 255  # octets (RFC 8489 section 14.16)
MAXIMUM_ALGORITHMS = 16  # two are registered; a list full of others would only cost time
USERHASH_SIZE = 32
TOKEN_SIZE = 8  # octets of RESERVATION-TOKEN

MAPPED_ADDRESS: Final = 0x0001
USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
CHANNEL_NUMBER: Final = 0x000C
LIFETIME: Final = 0x000D
XOR_PEER_ADDRESS: Final = 0x0012
DATA: Final = 0x0013
REALM: Final = 0x0014
NONCE: Final = 0x0015
XOR_RELAYED_ADDRESS: Final = 0x0016
REQUESTED_ADDRESS_FAMILY: Final = 0x0017
EVEN_PORT: Final = 0x0018
REQUESTED_TRANSPORT: Final = 0x0019
DONT_FRAGMENT: Final = 0x001A
MESSAGE_INTEGRITY_SHA256: Final = 0x001C
PASSWORD_ALGORITHM: Final = 0x001D
USERHASH: Final = 0x001E
XOR_MAPPED_ADDRESS: Final = 0x0020
RESERVATION_TOKEN: Final = 0x0022
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
ADDITIONAL_ADDRESS_FAMILY: Final = 0x8000
ADDRESS_ERROR_CODE: Final = 0x8001
PASSWORD_ALGORITHMS: Final = 0x8002
ALTERNATE_DOMAIN: Final = 0x8003
ICMP: Final = 0x8004
SOFTWARE: Final = 0x8022
ALTERNATE_SERVER: Final = 0x8023
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
ICE_CONTROLLING: Final = 0x802A
OTHER_ADDRESS: Final = 0x802C  # RFC 5780 section 7.4
NOMINATION: Final = 0xC001  # draft-thatcher-ice-renomination names none; this is libwebrtc's number
DTLS_IN_STUN: Final = 0xC070  # draft-hancke-webrtc-sped names none either; libwebrtc's numbers
DTLS_IN_STUN_ACKNOWLEDGEMENT: Final = 0xC071


class ErrorCode(NamedTuple):
    """The value of ERROR-CODE: `code` from 300 to 699, `reason` for people."""

    code: int
    reason: str


class AddressError(NamedTuple):
    """The value of ADDRESS-ERROR-CODE: why a relay gives no address of `family` (1: IPv4, 2: IPv6)."""

    family: int
    code: int
    reason: str


class Trouble(NamedTuple):
    """The value of ICMP: type and code of a packet that came back, and its MTU where it is about one, else 0."""

    type: int
    code: int
    mtu: int


class PasswordAlgorithm(NamedTuple):
    """How a password becomes a key: a registered number, and parameters, empty for both registered ones."""

    number: int
    parameters: bytes = b""


class Attribute(NamedTuple):
    """One attribute. What `value` is stands in `ATTRIBUTES`; an unknown type keeps its octets."""

    type: int
    value: Any


class Codec(NamedTuple):
    """How the value of one attribute is read and written; both are told the transaction id."""

    name: str
    parse: Callable[[bytes, bytes], Any]
    serialize: Callable[[Any, bytes], bytes]


def _text(name: str, *, characters: int = MAXIMUM_TEXT_SENT) -> Codec:
    def parse(octets: bytes, _: bytes) -> str:
        return _read_text(name, octets)

    def serialize(value: str, _: bytes) -> bytes:
        return _write_text(name, value, characters)

    return Codec(name, parse, serialize)


def _read_text(name: str, octets: bytes) -> str:
    if len(octets) > MAXIMUM_TEXT_READ:  # spec: stun/text-length
        raise Malformed(f"{name} of {len(octets)} octets")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{name} is not UTF-8") from None


def _write_text(name: str, value: str, characters: int) -> bytes:
    octets = value.encode(errors="replace")
    if len(octets) > MAXIMUM_TEXT_SENT or len(value) > characters:  # spec: stun/text-length
        raise Malformed(f"{name} of {len(octets)} octets cannot be sent")
    return octets


def _parse_domain(octets: bytes, _: bytes) -> str:
    if len(octets) > MAXIMUM_DOMAIN or not octets.isascii():  # spec: stun/alternate-domain
        raise Malformed("ALTERNATE-DOMAIN is not a domain name")
    return octets.decode()


def _serialize_domain(value: str, transaction: bytes) -> bytes:
    octets = value.encode(errors="replace")
    _parse_domain(octets, transaction)
    return octets


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


def _parse_userhash(octets: bytes, _: bytes) -> bytes:
    if len(octets) != USERHASH_SIZE:  # spec: stun/userhash
        raise Malformed(f"USERHASH has {len(octets)} octets, not {USERHASH_SIZE}")
    return octets


def _flag(name: str) -> Codec:
    def parse(octets: bytes, _: bytes) -> bool:
        if octets:
            raise Malformed(f"{name} has a value of {len(octets)} octets")
        return True

    return Codec(name, parse, lambda value, _: b"")


def _leading(name: str, size: int) -> Codec:
    """A number in the first `size` octets of four; the others are reserved: zero, and not looked at."""

    def parse(octets: bytes, _: bytes) -> int:
        if len(octets) != 4:
            raise Malformed(f"{name} has {len(octets)} octets, not 4")
        return int.from_bytes(octets[:size], "big")  # spec: turn/reserved-bits

    def serialize(value: int, _: bytes) -> bytes:
        if not 0 <= value < 1 << 8 * size:
            raise Malformed(f"{name} {value} does not fit {size} octets")
        return value.to_bytes(size, "big") + bytes(4 - size)

    return Codec(name, parse, serialize)


def _parse_even_port(octets: bytes, _: bytes) -> bool:
    if len(octets) != 1:
        raise Malformed(f"EVEN-PORT has {len(octets)} octets, not 1")
    return octets[0] > 0x7F  # spec: turn/reserved-bits


def _parse_token(octets: bytes, _: bytes) -> bytes:
    if len(octets) != TOKEN_SIZE:
        raise Malformed(f"RESERVATION-TOKEN has {len(octets)} octets, not {TOKEN_SIZE}")
    return octets


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
    if len(octets) - 4 > MAXIMUM_TEXT_READ:  # spec: stun/text-length
        raise Malformed(f"reason of {len(octets) - 4} octets", 4)
    # People read it, machines do not: a reason that is not UTF-8 costs nobody the code before it.
    return ErrorCode(hundreds * 100 + rest, octets[4:].decode(errors="replace"))


def _serialize_error_code(value: ErrorCode, _: bytes) -> bytes:
    if not 300 <= value.code <= 699:
        raise Malformed(f"error code {value.code}")
    reason = _write_text("reason", value.reason, MAXIMUM_CHARACTERS_SENT)
    return bytes((0, 0, value.code // 100, value.code % 100)) + reason


def _parse_address_error(octets: bytes, transaction: bytes) -> AddressError:
    code, reason = _parse_error_code(octets, transaction)
    return AddressError(octets[0], code, reason)


def _serialize_address_error(value: AddressError, transaction: bytes) -> bytes:
    return bytes((value.family,)) + _serialize_error_code(ErrorCode(value.code, value.reason), transaction)[1:]


def _parse_trouble(octets: bytes, _: bytes) -> Trouble:
    reader = Reader(octets)
    reader.uint16("reserved octets")
    kind, code, mtu = reader.uint8("ICMP type"), reader.uint8("ICMP code"), reader.uint32("error data")
    reader.expect_end("ICMP")
    # RFC 8656 draws seven bits of type and nine of code; ICMP itself has eight and eight, and so it is read.
    return Trouble(kind, code, mtu)


def _serialize_trouble(value: Trouble, _: bytes) -> bytes:
    return bytes((0, 0, value.type, value.code)) + value.mtu.to_bytes(4, "big")


def _parse_types(octets: bytes, _: bytes) -> tuple[int, ...]:
    reader = Reader(octets)
    types = []
    while reader.remaining:
        types.append(reader.uint16("attribute type"))
    return tuple(types)


def _serialize_types(value: tuple[int, ...], _: bytes) -> bytes:
    return b"".join(kind.to_bytes(2, "big") for kind in value)


def _parse_checksums(octets: bytes, _: bytes) -> tuple[int, ...]:
    if len(octets) % 4:
        return ()  # spec: sped/acknowledgement-format
    return tuple(int.from_bytes(octets[at : at + 4], "big") for at in range(0, len(octets), 4))


def _serialize_checksums(value: tuple[int, ...], _: bytes) -> bytes:
    return b"".join(checksum.to_bytes(4, "big") for checksum in value)


def _read_algorithm(reader: Reader) -> PasswordAlgorithm:
    number, size = reader.uint16("password algorithm"), reader.uint16("length of parameters")
    parameters = reader.bytes(size, "parameters")
    reader.bytes(min(-size % 4, reader.remaining), "padding")  # spec: stun/password-algorithm-format
    return PasswordAlgorithm(number, parameters)


def _parse_algorithm(octets: bytes, _: bytes) -> PasswordAlgorithm:
    reader = Reader(octets)
    algorithm = _read_algorithm(reader)
    reader.expect_end("PASSWORD-ALGORITHM")
    return algorithm


def _serialize_algorithm(value: PasswordAlgorithm, _: bytes) -> bytes:
    if value.number > 0xFFFF or len(value.parameters) > 0xFFFF:
        raise Malformed(f"password algorithm {value.number} with {len(value.parameters)} octets of parameters")
    head = value.number.to_bytes(2, "big") + len(value.parameters).to_bytes(2, "big")
    return head + value.parameters + bytes(-len(value.parameters) % 4)


def _parse_algorithms(octets: bytes, _: bytes) -> tuple[PasswordAlgorithm, ...]:
    reader = Reader(octets)
    algorithms: list[PasswordAlgorithm] = []
    while reader.remaining:
        if len(algorithms) == MAXIMUM_ALGORITHMS:
            raise Malformed(f"more than {MAXIMUM_ALGORITHMS} password algorithms", reader.offset)
        algorithms.append(_read_algorithm(reader))
    return tuple(algorithms)


def _serialize_algorithms(value: tuple[PasswordAlgorithm, ...], transaction: bytes) -> bytes:
    return b"".join(_serialize_algorithm(each, transaction) for each in value)


ATTRIBUTES: dict[int, Codec] = {
    MAPPED_ADDRESS: _address("MAPPED-ADDRESS"),
    USERNAME: _text("USERNAME"),
    MESSAGE_INTEGRITY: _opaque("MESSAGE-INTEGRITY"),
    ERROR_CODE: Codec("ERROR-CODE", _parse_error_code, _serialize_error_code),
    UNKNOWN_ATTRIBUTES: Codec("UNKNOWN-ATTRIBUTES", _parse_types, _serialize_types),
    CHANNEL_NUMBER: _leading("CHANNEL-NUMBER", 2),
    LIFETIME: _number("LIFETIME", 4),
    XOR_PEER_ADDRESS: _masked_address("XOR-PEER-ADDRESS"),
    DATA: _opaque("DATA"),
    REALM: _text("REALM", characters=MAXIMUM_CHARACTERS_SENT),
    NONCE: _text("NONCE", characters=MAXIMUM_CHARACTERS_SENT),
    XOR_RELAYED_ADDRESS: _masked_address("XOR-RELAYED-ADDRESS"),
    REQUESTED_ADDRESS_FAMILY: _leading("REQUESTED-ADDRESS-FAMILY", 1),
    EVEN_PORT: Codec("EVEN-PORT", _parse_even_port, lambda value, _: b"\x80" if value else b"\0"),
    REQUESTED_TRANSPORT: _leading("REQUESTED-TRANSPORT", 1),
    DONT_FRAGMENT: _flag("DONT-FRAGMENT"),
    MESSAGE_INTEGRITY_SHA256: _opaque("MESSAGE-INTEGRITY-SHA256"),
    PASSWORD_ALGORITHM: Codec("PASSWORD-ALGORITHM", _parse_algorithm, _serialize_algorithm),
    USERHASH: Codec("USERHASH", _parse_userhash, _parse_userhash),
    XOR_MAPPED_ADDRESS: _masked_address("XOR-MAPPED-ADDRESS"),
    RESERVATION_TOKEN: Codec("RESERVATION-TOKEN", _parse_token, _parse_token),
    PRIORITY: _number("PRIORITY", 4),
    USE_CANDIDATE: _flag("USE-CANDIDATE"),
    ADDITIONAL_ADDRESS_FAMILY: _leading("ADDITIONAL-ADDRESS-FAMILY", 1),
    ADDRESS_ERROR_CODE: Codec("ADDRESS-ERROR-CODE", _parse_address_error, _serialize_address_error),
    PASSWORD_ALGORITHMS: Codec("PASSWORD-ALGORITHMS", _parse_algorithms, _serialize_algorithms),
    ALTERNATE_DOMAIN: Codec("ALTERNATE-DOMAIN", _parse_domain, _serialize_domain),
    ICMP: Codec("ICMP", _parse_trouble, _serialize_trouble),
    OTHER_ADDRESS: _address("OTHER-ADDRESS"),
    SOFTWARE: _text("SOFTWARE", characters=MAXIMUM_CHARACTERS_SENT),
    ALTERNATE_SERVER: _address("ALTERNATE-SERVER"),
    FINGERPRINT: _number("FINGERPRINT", 4),
    ICE_CONTROLLED: _number("ICE-CONTROLLED", 8),
    ICE_CONTROLLING: _number("ICE-CONTROLLING", 8),
    NOMINATION: _number("NOMINATION", 4),
    DTLS_IN_STUN: _opaque("DTLS-IN-STUN"),
    DTLS_IN_STUN_ACKNOWLEDGEMENT: Codec("DTLS-IN-STUN-ACKNOWLEDGEMENT", _parse_checksums, _serialize_checksums),
}
