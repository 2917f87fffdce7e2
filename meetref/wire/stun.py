"""STUN messages: the questions and answers by which two peers find a path between them.

    0 0 | message type (14 bits)      | length of the attributes (16) |
    magic cookie 2112a442                                             |
    transaction id (96 bits)                                          |
    attribute type (16)               | length (16)                   |  value, padded to four octets  | ...

Stands above `wire/attribute` (what each attribute holds), below `protocol/ice`. Specification: RFC 8489.
Leaves out: long-term credentials and checking MESSAGE-INTEGRITY-SHA256, which come with TURN.
Read next: `protocol/ice.py`, which decides what to ask; vectors/stun/README.md.
"""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Any, Final

from meetref.wire.attribute import (
    ATTRIBUTES,
    COOKIE,
    FINGERPRINT,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    USERNAME,
    Attribute,
)
from meetref.wire.reader import Malformed

HEADER = Struct("!HH4s12s")
UINT16 = Struct("!H")
TYPE_AND_LENGTH = Struct("!HH")
BINDING: Final = 0x001

MAXIMUM_ATTRIBUTES = 64  # a check has seven; a datagram full of empty ones would only cost time
_INTEGRITY_SIZE = 20
_FINGERPRINT_MASK = 0x5354554E  # "STUN" in ASCII (RFC 8489 section 14.7)


class Class(IntEnum):
    """What a message is to its transaction (RFC 8489 section 5)."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


@dataclass(slots=True)
class Message:
    """One STUN message. `transaction` has 12 octets, `method` 12 bits; `attributes` keep their order.

    `integrity` and `fingerprint` are what a parsed message carried. They are results, not contents: `serialize`
    computes its own, and two messages that differ only there are equal.
    """

    kind: Class
    method: int
    transaction: bytes
    attributes: list[Attribute] = field(default_factory=list)
    integrity: bytes | None = field(default=None, compare=False)
    fingerprint: int | None = field(default=None, compare=False)

    def get(self, attribute_type: int) -> Any:
        """The value of the first attribute of that type, or None."""
        # spec: stun/first-occurrence
        return next((value for kind, value in self.attributes if kind == attribute_type), None)

    @property
    def unknown_required(self) -> tuple[int, ...]:
        """The types below 0x8000 that must be understood, and are not."""
        # spec: stun/unknown-optional-ignored
        return tuple(kind for kind, _ in self.attributes if kind < 0x8000 and kind not in ATTRIBUTES)


def parse(data: bytes) -> Message:
    """Read one message that fills `data`. Raises `Malformed`. Neither integrity nor fingerprint is checked here."""
    if len(data) < HEADER.size:
        raise Malformed(f"a STUN header has {HEADER.size} octets, here are {len(data)}")
    message_type, length, cookie, transaction = HEADER.unpack_from(data)
    if message_type > 0x3FFF:  # spec: stun/leading-zero-bits
        raise Malformed("the first two bits of a STUN message are zero")
    if cookie != COOKIE:  # spec: stun/magic-cookie
        raise Malformed("no STUN magic cookie", 4)
    if length % 4 or length != len(data) - HEADER.size:  # spec: stun/length
        raise Malformed(f"STUN length field {length} with {len(data) - HEADER.size} octets of attributes", 2)
    message = Message(Class(message_type >> 7 & 2 | message_type >> 4 & 1), _method(message_type), transaction)
    for count, (kind, start, end) in enumerate(_walk(data)):
        if count == MAXIMUM_ATTRIBUTES:
            raise Malformed(f"more than {MAXIMUM_ATTRIBUTES} STUN attributes", start)
        _take(message, kind, data[start:end], start)
    return message


def _take(message: Message, kind: int, value: bytes, offset: int) -> None:
    """Add one attribute to a message that is being read."""
    if message.fingerprint is not None:
        raise Malformed("a STUN attribute behind FINGERPRINT", offset)  # spec: stun/fingerprint-last
    codec = ATTRIBUTES.get(kind)
    if kind == MESSAGE_INTEGRITY and message.integrity is None:
        if len(value) != _INTEGRITY_SIZE:
            raise Malformed(f"MESSAGE-INTEGRITY has {len(value)} octets, not {_INTEGRITY_SIZE}", offset)
        message.integrity = value
    elif kind == FINGERPRINT and codec is not None:
        message.fingerprint = codec.parse(value, message.transaction)
    elif message.integrity is None or kind == MESSAGE_INTEGRITY_SHA256:  # spec: stun/after-integrity-ignored
        read = value if codec is None else codec.parse(value, message.transaction)
        message.attributes.append(Attribute(kind, read))


def serialize(message: Message, *, integrity_key: bytes | None = None, fingerprint: bool = True) -> bytes:
    """The octets of a message, with MESSAGE-INTEGRITY if there is a key and, unless told otherwise, FINGERPRINT.

    Raises `Malformed` for a value that its attribute cannot hold.
    """
    octets = bytearray(HEADER.size)
    for kind, value in message.attributes:
        codec = ATTRIBUTES.get(kind)
        _append(octets, kind, value if codec is None else codec.serialize(value, message.transaction))
    HEADER.pack_into(octets, 0, _message_type(message), len(octets) - HEADER.size, COOKIE, message.transaction)
    if integrity_key is not None:
        _append(octets, MESSAGE_INTEGRITY, _integrity(bytes(octets), integrity_key))
        _set_length(octets)
    if fingerprint:
        # The CRC covers the header, so the length must already count the fingerprint itself.
        _set_length(octets, more=8)
        _append(octets, FINGERPRINT, _checksum(octets).to_bytes(4, "big"))
    _set_length(octets)
    return bytes(octets)


def verify_integrity(data: bytes, key: bytes) -> bool:
    """Whether `data` has a MESSAGE-INTEGRITY that was made with `key` (RFC 8489 section 14.5)."""
    start = _find(data, MESSAGE_INTEGRITY)
    if start is None or start + _INTEGRITY_SIZE > len(data):
        return False
    covered = data[: start - TYPE_AND_LENGTH.size]
    # spec: stun/integrity-mismatch
    return hmac.compare_digest(_integrity(covered, key), data[start : start + _INTEGRITY_SIZE])


def verify_fingerprint(data: bytes) -> bool:
    """Whether `data` ends in a FINGERPRINT that fits (RFC 8489 section 14.7)."""
    if len(data) < HEADER.size + 8 or TYPE_AND_LENGTH.unpack_from(data, len(data) - 8) != (FINGERPRINT, 4):
        return False
    # spec: stun/fingerprint-mismatch
    return _checksum(data[:-8]) == int.from_bytes(data[-4:], "big")


def peek_username(data: bytes) -> str | None:
    """The USERNAME of a message, without reading the rest: enough to find the agent it is for. Never raises."""
    start = _find(data, USERNAME)
    if start is None or data[4:8] != COOKIE:
        return None
    end = start + UINT16.unpack_from(data, start - 2)[0]
    try:
        return data[start:end].decode()
    except UnicodeDecodeError:
        return None


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each attribute's type, and where its value starts and ends."""
    position = HEADER.size
    while position < len(data):
        if position + TYPE_AND_LENGTH.size > len(data):
            raise Malformed("a STUN attribute is cut off", position)
        kind, length = TYPE_AND_LENGTH.unpack_from(data, position)
        start = position + TYPE_AND_LENGTH.size
        position = start + length + -length % 4  # spec: stun/padding
        if position > len(data):
            raise Malformed(f"STUN attribute {kind:#06x} of {length} octets reaches past the end", start)
        yield kind, start, start + length


def _find(data: bytes, wanted: int) -> int | None:
    """Where the value of the first attribute of a type starts."""
    try:
        return next((start for kind, start, _ in _walk(data) if kind == wanted), None)
    except Malformed:
        return None


def _append(octets: bytearray, kind: int, value: bytes) -> None:
    if len(value) > 0xFFFF - len(octets):
        raise Malformed(f"STUN attribute {kind:#06x} of {len(value)} octets does not fit a message")
    octets += TYPE_AND_LENGTH.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _set_length(octets: bytearray, more: int = 0) -> None:
    UINT16.pack_into(octets, 2, len(octets) + more - HEADER.size)


def _integrity(covered: bytes, key: bytes) -> bytes:
    """The HMAC over everything before the attribute, with a length field that ends behind it."""
    length = len(covered) + TYPE_AND_LENGTH.size + _INTEGRITY_SIZE - HEADER.size
    return hmac.digest(key, covered[:2] + UINT16.pack(length) + covered[4:], "sha1")


def _checksum(covered: bytes | bytearray) -> int:
    return zlib.crc32(covered) ^ _FINGERPRINT_MASK


def _method(message_type: int) -> int:
    # The two bits of the class stand between the bits of the method (RFC 8489 figure 3).
    return message_type & 0x000F | (message_type & 0x00E0) >> 1 | (message_type & 0x3E00) >> 2


def _message_type(message: Message) -> int:
    method, kind = message.method, message.kind
    spread = method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2
    return spread | (kind & 2) << 7 | (kind & 1) << 4
