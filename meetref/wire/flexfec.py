"""FlexFEC: a repair stream of its own, over packets of one stream or several.

Stands above `wire/reader`; this is the payload behind the RTP header, whose CSRCs are the SSRCs of the protected
streams. `parse` and `serialize` are the pair.
Specification: RFC 8627 section 4.2.2, all three forms: masks, columns and rows, retransmission. What libwebrtc calls
flexfec-03 is an older draft with another header, and is not this.
Leaves out: putting a lost packet together: `media/fec.py`, read it next. Both formats are the stem fec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from struct import error as struct_error
from typing import TypeAlias

from meetref.wire import rtp
from meetref.wire.reader import UINT16, UINT32, UINT64, Malformed
from meetref.wire.rtp import Octets

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# |0|F|P|X|  CC   |M| PT recovery |        length recovery        |
# |                          TS recovery                          |
# |           SN base             |k|          mask, 15 bits      |  without F, for each stream;
# |k|                  31 bits more, after k = 1                  |
# |                     64 bits more, after k = 1                 |
# |           SN base             |   L, columns  |    D, rows    |  with F, for each stream
head = Struct("!BBHI")
stream_head = Struct("!HBB")

RETRANSMISSION, FIXED = 0x80, 0x40
RECOVERY_BITS = 0x3F
MORE_SHORT, MORE_LONG = 0x8000, 0x80000000
COVERS = (15, 46, 110)


@dataclass(slots=True)
class Masked:
    """Which packets of one stream are protected, as distances from the base."""

    base_sequence: int
    covers: tuple[int, ...]


@dataclass(slots=True)
class Block:
    """Packets of one stream in a row, or one of every `columns`, `rows` times.

    Without rows or with one it is a row of so many columns; one row says that columns will follow.
    """

    base_sequence: int
    columns: int
    rows: int

    @property
    def covers(self) -> tuple[int, ...]:
        """Distances from the base."""
        # spec: fec/columns-and-rows
        return tuple(range(self.columns) if self.rows <= 1 else range(0, self.columns * self.rows, self.columns))


@dataclass(slots=True)
class Repair:
    """The exclusive-or of packets. All of `streams` are of one form; the fields are those of `wire/fec.Parity`."""

    first_recovery: int = 0
    second_recovery: int = 0
    timestamp_recovery: int = 0
    length_recovery: int = 0
    streams: list[Masked | Block] = field(default_factory=list)
    data: bytes = b""


@dataclass(slots=True)
class Retransmission:
    """A whole packet once more."""

    packet: bytes


Payload: TypeAlias = Repair | Retransmission


def parse(payload: Octets, streams: int) -> Payload:
    """Read a payload that protects so many streams, as many as its packet has CSRCs. Raises `Malformed`."""
    if not payload:
        raise Malformed("FlexFEC packet without an octet")
    form = payload[0] & (RETRANSMISSION | FIXED)
    if form == RETRANSMISSION:
        packet = bytes([payload[0] & RECOVERY_BITS | 0x80]) + bytes(payload[1:])  # spec: fec/flexible-retransmission
        rtp.payload_bounds(packet)
        return Retransmission(packet)
    if form == RETRANSMISSION | FIXED:  # spec: fec/flexible-reserved-form
        raise Malformed("FlexFEC packet of a form for future use")
    if len(payload) < head.size or not streams:  # spec: fec/flexible-streams
        raise Malformed(f"FlexFEC packet of {len(payload)} octets about {streams} streams", len(payload))
    first, second, length, timestamp = head.unpack_from(payload)
    repair = Repair(first & RECOVERY_BITS, second, timestamp, length)
    at = head.size
    read_stream = _parse_block if form == FIXED else _parse_masked
    for _ in range(streams):
        stream, at = read_stream(payload, at)
        repair.streams.append(stream)
    repair.data = bytes(payload[at:])
    return repair


def _parse_block(payload: Octets, at: int) -> tuple[Masked | Block, int]:
    if at + stream_head.size > len(payload):
        raise Malformed("FlexFEC packet ends inside its header", at)
    block = Block(*stream_head.unpack_from(payload, at))
    if not block.columns:  # spec: fec/flexible-no-columns
        raise Malformed("FlexFEC packet of no columns", at)
    return block, at + stream_head.size


def _parse_masked(payload: Octets, at: int) -> tuple[Masked | Block, int]:
    # spec: fec/flexible-mask
    try:
        base, mask = UINT16.unpack_from(payload, at)[0], UINT16.unpack_from(payload, at + 2)[0]
        at, width, more = at + 4, COVERS[0], mask & MORE_SHORT
        mask &= MORE_SHORT - 1
        if more:
            word, at, width = UINT32.unpack_from(payload, at)[0], at + 4, COVERS[1]
            more, mask = word & MORE_LONG, mask << 31 | word & MORE_LONG - 1
            if more:
                mask, at, width = mask << 64 | UINT64.unpack_from(payload, at)[0], at + 8, COVERS[2]
    except struct_error:
        raise Malformed("FlexFEC packet ends inside its header", len(payload)) from None
    covers = tuple(place for place in range(width) if mask >> width - 1 - place & 1)
    if not covers:
        raise Malformed("FlexFEC mask that protects no packet", at)
    return Masked(base, covers), at


def serialize(payload: Payload) -> bytes:
    """The octets of a payload, masks as short as they can be. Raises `Malformed` for what does not fit."""
    if isinstance(payload, Retransmission):
        rtp.payload_bounds(payload.packet)
        return bytes([payload.packet[0] & RECOVERY_BITS | RETRANSMISSION]) + payload.packet[1:]
    blocks = [each for each in payload.streams if isinstance(each, Block)]
    masks = [each for each in payload.streams if isinstance(each, Masked)]
    if bool(blocks) == bool(masks):
        raise Malformed("FlexFEC packets protect at least one stream, and all of them in one form")
    first = payload.first_recovery & RECOVERY_BITS | (FIXED if blocks else 0)
    parts = [head.pack(first, payload.second_recovery, payload.length_recovery, payload.timestamp_recovery)]
    for block in blocks:
        if not 0 < block.columns < 256 or not 0 <= block.rows < 256:
            raise Malformed(f"FlexFEC block of {block.columns} columns and {block.rows} rows")
        parts.append(stream_head.pack(block.base_sequence, block.columns, block.rows))
    parts += [_serialize_mask(masked) for masked in masks]
    return b"".join((*parts, payload.data))


def _serialize_mask(masked: Masked) -> bytes:
    reach = max(masked.covers, default=-1)
    if not 0 <= reach < COVERS[2] or min(masked.covers) < 0:
        raise Malformed(f"a FlexFEC mask protects at least one and at most {COVERS[2]} packets in a row")
    width = next(width for width in COVERS if reach < width)
    mask = sum(1 << width - 1 - place for place in set(masked.covers))
    parts = [UINT16.pack(masked.base_sequence)]
    parts.append(UINT16.pack(mask >> width - 15 | (MORE_SHORT if width > COVERS[0] else 0)))
    if width > COVERS[0]:
        middle = mask >> width - COVERS[1] & MORE_LONG - 1
        parts.append(UINT32.pack(middle | (MORE_LONG if width > COVERS[1] else 0)))
    if width > COVERS[1]:
        parts.append(UINT64.pack(mask & (1 << 64) - 1))
    return b"".join(parts)
