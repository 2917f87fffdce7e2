"""DTLS 1.2 records, and the header that lets a handshake message travel in fragments.

     0       1         3        5                11       13
    +-------+---------+--------+----------------+--------+----------------------------------+
    | type  | version | epoch  | sequence       | length | payload (protected: epoch > 0)   |
    +-------+---------+--------+----------------+--------+----------------------------------+
    a handshake payload:
     0       1         4        6                 9                 12
    +-------+---------+--------+-----------------+-----------------+------------------------+
    | type  | length  | number | fragment offset | fragment length | fragment               |
    +-------+---------+--------+-----------------+-----------------+------------------------+

Stands above `wire/reader`; `protocol/recordlayer` protects records, `protocol/reassembly` puts fragments together.
Specification: RFC 6347 sections 4.1 and 4.2.2.
Leaves out: the unified header of DTLS 1.3, whose first octet (32 to 63) is no content type here.
Read next: `protocol/recordlayer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from meetref.wire.reader import Malformed, Reader

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CONTENT_TYPES = {
    CHANGE_CIPHER_SPEC: "change_cipher_spec",
    ALERT: "alert",
    HANDSHAKE: "handshake",
    APPLICATION_DATA: "application_data",
}
MAXIMUM_PLAINTEXT = 2**14
MAXIMUM_CIPHERTEXT = MAXIMUM_PLAINTEXT + 2048

RECORD_HEADER = Struct("!BHHHIH")
FRAGMENT_HEADER_SIZE = 12


@dataclass(slots=True, frozen=True)
class Record:
    """One record as it stands on the wire; `payload` is still protected where `epoch` is not 0."""

    content_type: int
    version: int
    epoch: int
    sequence: int
    payload: bytes


@dataclass(slots=True, frozen=True)
class Fragment:
    """A part of handshake message `number`: `body` stands at `offset` of the `length` octets of the whole."""

    type: int
    length: int
    number: int
    offset: int
    body: bytes


def records(data: bytes) -> Iterator[Record]:
    """The records of a datagram, one by one; raises `Malformed` where the next one cannot be read.

    What was yielded before that stands: a damaged tail does not spoil the records in front of it.
    """
    reader = Reader(data)
    while reader.remaining:
        start = reader.offset
        content_type, version, epoch, high, low, length = reader.struct(RECORD_HEADER, "record header")
        # spec: dtls/record-header-invalid
        if content_type not in CONTENT_TYPES or version >> 8 != 0xFE:
            raise Malformed(f"record of type {content_type} and version {version:#06x}", start)
        if length > MAXIMUM_CIPHERTEXT:
            raise Malformed(f"record of {length} octets", start)  # spec: dtls/record-too-long
        # spec: dtls/record-within-datagram
        yield Record(content_type, version, epoch, high << 32 | low, reader.bytes(length, "record payload"))


def parse(data: bytes) -> list[Record]:
    """All records of a datagram. Raises `Malformed` unless every octet belongs to one."""
    return list(records(data))


def serialize(record: Record) -> bytes:
    """The octets of one record."""
    return header(record.content_type, record.version, record.epoch, record.sequence, len(record.payload)) + (
        record.payload
    )


def header(content_type: int, version: int, epoch: int, sequence: int, length: int) -> bytes:
    """The 13 octets in front of a payload of `length` octets."""
    return RECORD_HEADER.pack(content_type, version, epoch, sequence >> 32, sequence & 0xFFFFFFFF, length)


def fragments(payload: bytes) -> Iterator[Fragment]:
    """The handshake fragments of a record, one by one; raises `Malformed` where the next one cannot be read."""
    reader = Reader(payload)
    while reader.remaining:
        start = reader.offset
        kind, length, number = reader.uint8("message type"), reader.uint24("length"), reader.uint16("message number")
        offset, size = reader.uint24("fragment offset"), reader.uint24("fragment length")
        if offset + size > length:
            raise Malformed(f"fragment of {offset} + {size} in a message of {length} octets", start)
        yield Fragment(kind, length, number, offset, reader.bytes(size, "fragment"))


def serialize_fragment(fragment: Fragment) -> bytes:
    """The octets of one fragment with its header."""
    return (
        bytes((fragment.type,))
        + fragment.length.to_bytes(3, "big")
        + fragment.number.to_bytes(2, "big")
        + fragment.offset.to_bytes(3, "big")
        + len(fragment.body).to_bytes(3, "big")
        + fragment.body
    )
