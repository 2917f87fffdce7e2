"""The records of DTLS 1.2 and 1.3, the header that lets a handshake message travel in fragments, and ACK.

     0       1         3        5                11       13
    +-------+---------+--------+----------------+--------+----------------------------------+
    | type  | version | epoch  | sequence       | length | payload (1.2: protected from 1)  |
    +-------+---------+--------+----------------+--------+----------------------------------+
    what 1.3 protects has a shorter header; the sequence is encrypted, the length may be left out in the last record:
    +-----------------+-----------------+------------+--------------------------------------+
    | 0 0 1 C S L E E | sequence 1 or 2 | (length 2) | payload; the type is in there        |
    +-----------------+-----------------+------------+--------------------------------------+
    a handshake payload:
     0       1         4        6                 9                 12
    +-------+---------+--------+-----------------+-----------------+------------------------+
    | type  | length  | number | fragment offset | fragment length | fragment               |
    +-------+---------+--------+-----------------+-----------------+------------------------+

Stands above `wire/reader`; `protocol/recordlayer` (1.2) and `protocol/recordlayer13` protect records,
`protocol/reassembly` puts fragments together.
Specification: RFC 6347 sections 4.1 and 4.2.2, RFC 9147 sections 4 and 7.
Leaves out: connection ids (the C bit): none is ever negotiated, so a record that has one is malformed.
Read next: `protocol/recordlayer13.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from meetref.wire.reader import Malformed, Reader, vector

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, ACK = 20, 21, 22, 23, 26
CONTENT_TYPES = {
    CHANGE_CIPHER_SPEC: "change_cipher_spec",
    ALERT: "alert",
    HANDSHAKE: "handshake",
    APPLICATION_DATA: "application_data",
}
# What 1.3 leaves unprotected; ChangeCipherSpec and application data are not among them (RFC 9147 section 4.1).
PLAIN_CONTENT_TYPES = {ALERT: "alert", HANDSHAKE: "handshake", ACK: "ack"}
MAXIMUM_PLAINTEXT = 2**14
MAXIMUM_CIPHERTEXT = MAXIMUM_PLAINTEXT + 2048

RECORD_HEADER = Struct("!BHHHIH")
FRAGMENT_HEADER_SIZE = 12

UNIFIED, UNIFIED_MASK = 0x20, 0xE0
CONNECTION_ID_BIT, LONG_SEQUENCE_BIT, LENGTH_BIT, EPOCH_BITS = 0x10, 0x08, 0x04, 0x03
UNIFIED_HEADER = Struct("!BHH")


@dataclass(slots=True, frozen=True)
class Record:
    """One record as it stands on the wire; `payload` is still protected where `epoch` is not 0."""

    content_type: int
    version: int
    epoch: int
    sequence: int
    payload: bytes


@dataclass(slots=True, frozen=True)
class Ciphertext:
    """A protected record of 1.3 as it stands on the wire: the sequence in `header` is still encrypted.

    `header` is bound to the payload as it is before its sequence was encrypted (RFC 9147 section 4).
    """

    header: bytes
    payload: bytes

    @property
    def epoch_bits(self) -> int:
        return self.header[0] & EPOCH_BITS

    @property
    def sequence_size(self) -> int:
        return 2 if self.header[0] & LONG_SEQUENCE_BIT else 1

    def unmasked(self, mask: bytes) -> tuple[bytes, int]:
        """The header as it is bound, and the low bits of the sequence; `mask` has at least two octets."""
        size = self.sequence_size
        sequence = int.from_bytes(self.header[1 : 1 + size], "big") ^ int.from_bytes(mask[:size], "big")
        return self.header[:1] + sequence.to_bytes(size, "big") + self.header[1 + size :], sequence


class RecordNumber(NamedTuple):
    """Which record of an association: what ACK speaks of (RFC 9147 section 4)."""

    epoch: int
    sequence: int


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
        yield _record(reader, CONTENT_TYPES)


def _record(reader: Reader, content_types: dict[int, str]) -> Record:
    start = reader.offset
    content_type, version, epoch, high, low, length = reader.struct(RECORD_HEADER, "record header")
    # spec: dtls/record-header-invalid
    if content_type not in content_types or version >> 8 != 0xFE:
        raise Malformed(f"record of type {content_type} and version {version:#06x}", start)
    if length > MAXIMUM_CIPHERTEXT:
        raise Malformed(f"record of {length} octets", start)  # spec: dtls/record-too-long
    # spec: dtls/record-within-datagram
    return Record(content_type, version, epoch, high << 32 | low, reader.bytes(length, "record payload"))


def mixed_records(data: bytes) -> Iterator[Record | Ciphertext]:
    """The records of a datagram of 1.3, plain and protected ones, as `records` has those of 1.2."""
    reader = Reader(data)
    while reader.remaining:
        # spec: dtls/unified-header-demultiplexed
        if reader.data[reader.offset] & UNIFIED_MASK == UNIFIED:
            yield _ciphertext(reader)
        else:
            yield _record(reader, PLAIN_CONTENT_TYPES)


def _ciphertext(reader: Reader) -> Ciphertext:
    start = reader.offset
    bits = reader.uint8("first octet")
    if bits & CONNECTION_ID_BIT:
        raise Malformed("a connection id that was never agreed on", start)  # spec: dtls/unified-header-connection-id
    reader.bytes(2 if bits & LONG_SEQUENCE_BIT else 1, "sequence")
    # spec: dtls/unified-header-without-length
    length = reader.uint16("length") if bits & LENGTH_BIT else reader.remaining
    if length > MAXIMUM_CIPHERTEXT:
        raise Malformed(f"record of {length} octets", start)
    header = reader.data[start : reader.offset]
    return Ciphertext(header, reader.bytes(length, "record payload"))


def unified_header(epoch: int, sequence: int, length: int) -> bytes:
    """The five octets in front of a protected payload of `length` octets, before the sequence is encrypted."""
    bits = UNIFIED | LONG_SEQUENCE_BIT | LENGTH_BIT | epoch & EPOCH_BITS
    return UNIFIED_HEADER.pack(bits, sequence & 0xFFFF, length)


def parse_ack(payload: bytes) -> tuple[RecordNumber, ...]:
    """The records that an ACK names. Raises `Malformed` (RFC 9147 section 7)."""
    reader = Reader(payload)
    block, numbers = reader.within(2, "record numbers"), []
    reader.expect_end("ACK")
    while block.remaining:
        numbers.append(RecordNumber(block.uint64("epoch"), block.uint64("sequence")))
    return tuple(numbers)


def serialize_ack(numbers: Iterable[RecordNumber]) -> bytes:
    """The payload of an ACK, at most 4095 numbers."""
    return vector(2, b"".join(epoch.to_bytes(8, "big") + sequence.to_bytes(8, "big") for epoch, sequence in numbers))


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
