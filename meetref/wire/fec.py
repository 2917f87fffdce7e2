"""ULPFEC: the packet that holds the exclusive-or of others, so that one of them can be computed when it is lost.

Stands above `wire/reader`; this is the payload behind the RTP header. `parse` and `serialize` are the pair.
Specification: RFC 5109 section 7. Of a level there may be several, each over fewer octets or other packets; senders of
VP8 have one, which goes to the end of the longest packet.
Leaves out: which packets are protected, and getting a lost one back: `media/fec.py`, read it next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# |E|L|P|X|  CC   |M| PT recovery |            SN base            |
# |                          TS recovery                          |
# |        length recovery        |                                  and of each level:
# |       protection length       |             mask              |
# |              mask, continued, when L is set                   |  and as many octets as protected
head = Struct("!BBHIH")
level_head = Struct("!HH")
long_level_head = Struct("!HHI")

LONG_MASK = 0x40
RECOVERY_BITS = 0x3F  # P, X and CC
SHORT_COVER, LONG_COVER = 16, 48


@dataclass(slots=True)
class Level:
    """`covers` says which packets, as distances from the base; `data` is the exclusive-or of as many octets of each."""

    covers: tuple[int, ...] = ()
    data: bytes = b""


@dataclass(slots=True)
class Parity:
    """An FEC packet. The fields `*_recovery` are exclusive-ors over the packets of the first level.

    `first_recovery` has P, X and CC in its low six bits, `second_recovery` is the octet of M and PT, and
    `length_recovery` is of the lengths behind the fixed header of twelve octets.
    """

    base_sequence: int = 0
    first_recovery: int = 0
    second_recovery: int = 0
    timestamp_recovery: int = 0
    length_recovery: int = 0
    levels: list[Level] = field(default_factory=list)


def parse(payload: Octets) -> Parity:
    """Read a payload. The reserved bit is ignored. Raises `Malformed`."""
    if len(payload) < head.size:  # spec: fec/header-required
        raise Malformed(f"FEC packet of {len(payload)} octets", len(payload))
    first, second, base, timestamp, length = head.unpack_from(payload)
    # spec: fec/extension-bit-ignored
    parity = Parity(base, first & RECOVERY_BITS, second, timestamp, length)
    is_long = bool(first & LONG_MASK)  # spec: fec/long-mask
    at, end = head.size, len(payload)
    while at < end or not parity.levels:
        level, at = _parse_level(payload, at, is_long)
        parity.levels.append(level)
    return parity


def _parse_level(payload: Octets, at: int, is_long: bool) -> tuple[Level, int]:
    layout, width = (long_level_head, LONG_COVER) if is_long else (level_head, SHORT_COVER)
    if at + layout.size > len(payload):
        raise Malformed("FEC packet ends inside the header of a level", at)
    size, mask, *rest = layout.unpack_from(payload, at)
    if is_long:
        mask = mask << 32 | rest[0]
    at += layout.size
    if at + size > len(payload):  # spec: fec/protection-length
        raise Malformed(f"FEC level of {size} octets where {len(payload) - at} are left", at)
    covers = tuple(place for place in range(width) if mask >> width - 1 - place & 1)  # spec: fec/mask
    if not covers:  # spec: fec/mask-not-empty
        raise Malformed("FEC level that protects no packet", at)
    return Level(covers, bytes(payload[at : at + size])), at + size


def serialize(parity: Parity) -> bytes:
    """The octets of a payload, with short masks where they suffice. Raises `Malformed` for what does not fit."""
    p = parity
    reach = max((place for level in p.levels for place in level.covers), default=-1)
    if reach >= LONG_COVER or not all(level.covers and min(level.covers) >= 0 for level in p.levels) or not p.levels:
        raise Malformed(f"FEC protects at least one and at most {LONG_COVER} packets in a row")
    is_long = reach >= SHORT_COVER
    first = p.first_recovery & RECOVERY_BITS | (LONG_MASK if is_long else 0)
    parts = [head.pack(first, p.second_recovery, p.base_sequence, p.timestamp_recovery, p.length_recovery)]
    for level in p.levels:
        if len(level.data) > 0xFFFF:
            raise Malformed(f"FEC level of {len(level.data)} octets")
        width = LONG_COVER if is_long else SHORT_COVER
        mask = sum(1 << width - 1 - place for place in set(level.covers))
        size = len(level.data)
        parts += [
            long_level_head.pack(size, mask >> 32, mask & 0xFFFFFFFF) if is_long else level_head.pack(size, mask),
            level.data,
        ]
    return b"".join(parts)
