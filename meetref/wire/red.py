"""RED: several blocks of sound in one packet, the newest as ever and older ones once more.

Stands above `wire/reader`. `parse` and `serialize` are the pair; `locate_primary` finds the newest block in place.
Specification: RFC 2198 section 3.
Leaves out: which blocks are worth sending, and when an older one is wanted: `media/redundancy.py`, read it next.
Video uses the same frame for something else: its only block is a picture's part, or the FEC of several packets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from meetref.wire import rtp
from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# |1|   block PT  |     timestamp offset      |   block length    |   of an older block
# |0|   block PT  |                                                 of the newest; then the octets of all, in this order
older_head = Struct("!I")
FOLLOWED = 0x80
LARGEST_OFFSET = (1 << 14) - 1
LARGEST_BLOCK = (1 << 10) - 1


@dataclass(slots=True)
class Block:
    """An older block. `timestamp_offset` is how many ticks it is older than the packet."""

    payload_type: int
    timestamp_offset: int
    data: bytes


@dataclass(slots=True)
class Payload:
    """What is behind the RTP header: the newest block, of type `payload_type`, and older ones in front of it."""

    payload_type: int
    primary: bytes = b""
    older: list[Block] = field(default_factory=list)


class Place(NamedTuple):
    """Where a block is in a payload."""

    payload_type: int
    timestamp_offset: int
    start: int
    end: int


def parse(payload: Octets, offset: int = 0) -> Payload:
    """Read the payload at `offset`. Raises `Malformed`."""
    *older, newest = _places(payload, offset)
    blocks = [Block(each.payload_type, each.timestamp_offset, bytes(payload[each.start : each.end])) for each in older]
    return Payload(newest.payload_type, bytes(payload[newest.start : newest.end]), blocks)


def locate_primary(payload: Octets, offset: int = 0) -> Place:
    """Where the newest block is; it goes up to the end. Raises `Malformed`."""
    return _places(payload, offset)[-1]


def _places(payload: Octets, offset: int) -> list[Place]:
    """Every block, the newest last."""
    heads = list(_heads(payload, offset))
    at = offset + 4 * (len(heads) - 1) + 1
    places = []
    for payload_type, timestamp_offset, size in heads[:-1]:
        if at + size > len(payload):  # spec: red/blocks-within-bounds
            raise Malformed(f"RED block of {size} octets where {len(payload) - at} are left", at)
        places.append(Place(payload_type, timestamp_offset, at, at + size))
        at += size
    places.append(Place(heads[-1][0], 0, at, len(payload)))  # spec: red/primary-last
    return places


def _heads(payload: Octets, at: int) -> Iterator[tuple[int, int, int]]:
    """Payload type, timestamp offset and size of every block; of the newest only the first is said."""
    end = len(payload)
    while at < end:
        if not payload[at] & FOLLOWED:  # spec: red/follow-bit
            yield payload[at], 0, 0
            return
        if at + 4 > end:
            break
        (word,) = older_head.unpack_from(payload, at)
        yield word >> 24 & 0x7F, word >> 10 & LARGEST_OFFSET, word & LARGEST_BLOCK  # spec: red/block-header
        at += 4
    raise Malformed("RED payload ends inside its headers", end)  # spec: red/headers-required


def serialize(payload: Payload) -> bytes:
    """The octets of a payload. Raises `Malformed` for blocks that do not fit."""
    heads = bytearray()
    for block in payload.older:
        # spec: red/limits
        if not 0 <= block.timestamp_offset <= LARGEST_OFFSET or len(block.data) > LARGEST_BLOCK:
            raise Malformed(f"RED block of {len(block.data)} octets, {block.timestamp_offset} ticks old")
        kind = FOLLOWED | _payload_type(block.payload_type)
        heads += older_head.pack(kind << 24 | block.timestamp_offset << 10 | len(block.data))
    heads.append(_payload_type(payload.payload_type))
    return bytes(heads) + b"".join(block.data for block in payload.older) + payload.primary


def _payload_type(number: int) -> int:
    if not 0 <= number < 128:
        raise Malformed(f"payload type {number} does not fit 7 bits")
    return number


# --- video: whole packets in RED, so that FEC can travel beside them --------------------------------


def wrap_packet(packet: bytes, payload_type: int) -> bytes:
    """The RTP packet with its payload as the only block of a RED payload of that type. Raises `Malformed`."""
    start = rtp.payload_offset(packet)
    inner = packet[1] & 0x7F
    return b"".join(
        (packet[:1], bytes([packet[1] & 0x80 | payload_type]), packet[2:start], bytes([inner]), packet[start:])
    )


def unwrap_packet(packet: bytes) -> bytes:
    """The RTP packet as it is without RED: the newest block alone, under its own payload type. Raises `Malformed`.

    This is what FEC protects, and what it gives back (RFC 5109 section 14.2).
    """
    start, end = rtp.payload_bounds(packet)
    place = locate_primary(packet[:end], start)
    # spec: fec/virtual-packets
    return b"".join(
        (packet[:1], bytes([packet[1] & 0x80 | place.payload_type]), packet[2:start], packet[place.start :])
    )
