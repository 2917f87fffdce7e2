"""STUN messages: the questions and answers by which two peers find a path between them.

    0 0 | message type (14 bits)      | length of the attributes (16) |
    magic cookie 2112a442                                             |
    transaction id (96 bits)                                          |
    attribute type (16)               | length (16)                   |  value, padded to four octets  | ...

Stands above `wire/attribute` (what each attribute holds), below `protocol/ice`, `protocol/stun` and TURN.
Specification: RFC 8489. Leaves out: RFC 3489's messages, which have no magic cookie.
Read next: `protocol/stun.py`, which asks and answers; `protocol/credentials.py` for the keys; vectors/stun/README.md.
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
FULL_SHA256 = 32  # octets of MESSAGE-INTEGRITY-SHA256; a usage may allow down to 16 (RFC 8489 section 14.6)
SHORTEST_SHA256 = 16
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

    `integrity`, `integrity_sha256` and `fingerprint` are what a parsed message carried. They are results, not
    contents: `serialize` computes its own, and two messages that differ only there are equal.
    """

    kind: Class
    method: int
    transaction: bytes
    attributes: list[Attribute] = field(default_factory=list)
    integrity: bytes | None = field(default=None, compare=False)
    integrity_sha256: bytes | None = field(default=None, compare=False)
    fingerprint: int | None = field(default=None, compare=False)

    def get(self, attribute_type: int) -> Any:
        """The value of the first attribute of that type, or None."""
        # spec: stun/first-occurrence
        return next((value for kind, value in self.attributes if kind == attribute_type), None)

    def every(self, attribute_type: int) -> tuple[Any, ...]:
        """The values of all attributes of that type, in their order."""
        return tuple(value for kind, value in self.attributes if kind == attribute_type)

    @property
    def protected(self) -> bool:
        """Whether it carries an integrity of either form, right or wrong."""
        return self.integrity is not None or self.integrity_sha256 is not None

    @property
    def unknown_required(self) -> tuple[int, ...]:
        """The types below 0x8000 that must be understood, and are not."""
        # spec: stun/unknown-optional-ignored
        return tuple(kind for kind, _ in self.attributes if kind < 0x8000 and kind not in ATTRIBUTES)


def parse(data: bytes) -> Message:
    """Read one message that fills `data`. Raises `Malformed`. Neither integrity nor fingerprint is checked here."""
    message = parse_header(data)
    for count, (kind, start, end) in enumerate(_walk(data)):
        if count == MAXIMUM_ATTRIBUTES:
            raise Malformed(f"more than {MAXIMUM_ATTRIBUTES} STUN attributes", start)
        _take(message, kind, data[start:end], start)
    return message


def parse_header(data: bytes) -> Message:
    """Read the header of a message that fills `data`, and none of its attributes. Raises `Malformed`.

    What has a header is STUN, so that a request whose attributes are broken can still be refused.
    """
    if len(data) < HEADER.size:
        raise Malformed(f"a STUN header has {HEADER.size} octets, here are {len(data)}")
    message_type, length, cookie, transaction = HEADER.unpack_from(data)
    if message_type > 0x3FFF:  # spec: stun/leading-zero-bits
        raise Malformed("the first two bits of a STUN message are zero")
    if cookie != COOKIE:  # spec: stun/magic-cookie
        raise Malformed("no STUN magic cookie", 4)
    if length % 4 or length != len(data) - HEADER.size:  # spec: stun/length
        raise Malformed(f"STUN length field {length} with {len(data) - HEADER.size} octets of attributes", 2)
    return Message(Class(message_type >> 7 & 2 | message_type >> 4 & 1), _method(message_type), transaction)


def message_size(head: bytes) -> int | None:
    """How many octets the message has that begins with `head` on a stream; None before its length has come."""
    # spec: stun/over-tcp
    return HEADER.size + int.from_bytes(head[2:4], "big") if len(head) >= 4 else None


def _take(message: Message, kind: int, value: bytes, offset: int) -> None:
    """Add one attribute to a message that is being read."""
    if message.fingerprint is not None:
        raise Malformed("a STUN attribute behind FINGERPRINT", offset)  # spec: stun/fingerprint-last
    codec = ATTRIBUTES.get(kind)
    if kind == FINGERPRINT and codec is not None:
        message.fingerprint = codec.parse(value, message.transaction)
    elif kind == MESSAGE_INTEGRITY_SHA256 and message.integrity_sha256 is None:
        if not SHORTEST_SHA256 <= len(value) <= FULL_SHA256 or len(value) % 4:  # spec: stun/integrity-sha256-size
            raise Malformed(f"MESSAGE-INTEGRITY-SHA256 has {len(value)} octets", offset)
        message.integrity_sha256 = value
    elif message.protected:
        return  # spec: stun/after-integrity-ignored
    elif kind == MESSAGE_INTEGRITY:
        if len(value) != _INTEGRITY_SIZE:
            raise Malformed(f"MESSAGE-INTEGRITY has {len(value)} octets, not {_INTEGRITY_SIZE}", offset)
        message.integrity = value
    else:
        read = value if codec is None else codec.parse(value, message.transaction)
        message.attributes.append(Attribute(kind, read))


def serialize(
    message: Message,
    *,
    integrity_key: bytes | None = None,
    sha256_key: bytes | None = None,
    sha256_size: int = FULL_SHA256,
    fingerprint: bool = True,
) -> bytes:
    """The octets of a message: with MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or both where there are keys.

    `sha256_size` is how many octets of the latter are sent: 32, or fewer where the usage allows it. FINGERPRINT ends
    the message unless told otherwise. Raises `Malformed` for a value that its attribute cannot hold.
    """
    octets = bytearray(HEADER.size)
    for kind, value in message.attributes:
        codec = ATTRIBUTES.get(kind)
        _append(octets, kind, value if codec is None else codec.serialize(value, message.transaction))
    HEADER.pack_into(octets, 0, _message_type(message), len(octets) - HEADER.size, COOKIE, message.transaction)
    if integrity_key is not None:
        _append(octets, MESSAGE_INTEGRITY, _integrity(bytes(octets), integrity_key, "sha1", _INTEGRITY_SIZE))
    if sha256_key is not None:
        _append(octets, MESSAGE_INTEGRITY_SHA256, _integrity(bytes(octets), sha256_key, "sha256", sha256_size))
    if fingerprint:
        # The CRC covers the header, so the length must already count the fingerprint itself.
        _set_length(octets, more=8)
        _append(octets, FINGERPRINT, _checksum(octets).to_bytes(4, "big"))
    _set_length(octets)
    return bytes(octets)


def verify_integrity(data: bytes, key: bytes) -> bool:
    """Whether `data` has a MESSAGE-INTEGRITY that counts and was made with `key` (RFC 8489 section 14.5)."""
    start = _find(data, MESSAGE_INTEGRITY, before=MESSAGE_INTEGRITY_SHA256)
    if start is None or UINT16.unpack_from(data, start - UINT16.size)[0] != _INTEGRITY_SIZE:
        return False
    expected = _integrity(data[: start - TYPE_AND_LENGTH.size], key, "sha1", _INTEGRITY_SIZE)
    # spec: stun/integrity-mismatch
    return hmac.compare_digest(expected, data[start : start + _INTEGRITY_SIZE])


def verify_integrity_sha256(data: bytes, key: bytes, *, shortest: int = FULL_SHA256) -> bool:
    """Whether `data` has a MESSAGE-INTEGRITY-SHA256 made with `key`, of at least `shortest` octets (section 14.6)."""
    start = _find(data, MESSAGE_INTEGRITY_SHA256)
    if start is None:
        return False
    size = UINT16.unpack_from(data, start - UINT16.size)[0]
    if not shortest <= size <= FULL_SHA256:  # spec: stun/integrity-sha256-size
        return False
    expected = _integrity(data[: start - TYPE_AND_LENGTH.size], key, "sha256", size)
    # spec: stun/integrity-sha256-mismatch
    return hmac.compare_digest(expected, data[start : start + size])


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


def _find(data: bytes, wanted: int, before: int | None = None) -> int | None:
    """Where the value of the first attribute of a type starts; None if one of type `before` stands in front of it."""
    try:
        for kind, start, _ in _walk(data):
            if kind == wanted:
                return start
            if kind == before:
                return None
    except Malformed:
        pass
    return None


def _append(octets: bytearray, kind: int, value: bytes) -> None:
    if len(value) > 0xFFFF - len(octets):
        raise Malformed(f"STUN attribute {kind:#06x} of {len(value)} octets does not fit a message")
    octets += TYPE_AND_LENGTH.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _set_length(octets: bytearray, more: int = 0) -> None:
    UINT16.pack_into(octets, 2, len(octets) + more - HEADER.size)


def _integrity(covered: bytes, key: bytes, digest: str, size: int) -> bytes:
    """The first `size` octets of the HMAC over all before the attribute, with a length field that ends behind it."""
    length = len(covered) + TYPE_AND_LENGTH.size + size - HEADER.size
    return hmac.digest(key, covered[:2] + UINT16.pack(length) + covered[4:], digest)[:size]


def _checksum(covered: bytes | bytearray) -> int:
    return zlib.crc32(covered) ^ _FINGERPRINT_MASK


def _method(message_type: int) -> int:
    # The two bits of the class stand between the bits of the method (RFC 8489 figure 3).
    return message_type & 0x000F | (message_type & 0x00E0) >> 1 | (message_type & 0x3E00) >> 2


def _message_type(message: Message) -> int:
    method, kind = message.method, message.kind
    spread = method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2
    return spread | (kind & 2) << 7 | (kind & 1) << 4
