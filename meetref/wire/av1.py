"""AV1 in RTP: the aggregation header, the elements behind it, and the little of the bitstream that an SFU reads.

Stands above `wire/reader` and `wire/bits`. An element is a whole OBU (the unit of AV1's bitstream) or a part of one.
`parse` and `serialize` are the pair, `parse_unit` and `serialize_unit` that of a whole OBU; `is_keyframe` and
`size_of_keyframe` look into a payload in place.
Specification: RTP Payload Format For AV1, v1.0.0, sections 4.4 to 5; AV1 bitstream sections 5.3 and 5.5.
Leaves out: which layer a packet is of when it has no OBU extension: `wire/dependencydescriptor.py`, read it next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meetref.wire.bits import BitReader
from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

# 0 1 2 3 4 5 6 7
# |Z|Y| W |N|-|-|-|   aggregation header
# |0| type  |X|S|-|   OBU header; X: |temporal|spa|- - -| follows; S: then the size of what follows, as leb128
Z, Y, N = 0x80, 0x40, 0x08
FORBIDDEN, EXTENSION, HAS_SIZE = 0x80, 0x04, 0x02

SEQUENCE_HEADER, TEMPORAL_DELIMITER, FRAME_HEADER, TILE_GROUP, METADATA, FRAME = 1, 2, 3, 4, 5, 6
TILE_LIST, PADDING = 8, 15
NOT_FORWARDED = frozenset((TEMPORAL_DELIMITER, TILE_LIST))
MOST_COUNTED = 3  # elements that the aggregation header can count
LONGEST_LEB128 = 8
LARGEST_LEB128 = (1 << 32) - 1


@dataclass(slots=True)
class Payload:
    """What is behind the RTP header. `elements` are OBUs, but the first may go on from the packet before (`continues`)
    and the last may go on in the next (`continued`).

    `begins_sequence`: the first packet of a coded video sequence, so of a keyframe. `every_length`: also the last
    element has its length in front, as when there are more than three.
    """

    elements: list[bytes] = field(default_factory=list)
    continues: bool = False
    continued: bool = False
    begins_sequence: bool = False
    every_length: bool = False


@dataclass(slots=True)
class Unit:
    """One OBU. `layers` is (temporal, spatial), where its header has the extension; `body` has no header, no size."""

    kind: int
    body: bytes = b""
    layers: tuple[int, int] | None = None


def parse(payload: Octets, offset: int = 0) -> Payload:
    """Read the payload at `offset`. Reserved bits are ignored. Raises `Malformed`."""
    if offset >= len(payload):  # spec: av1/aggregation-header-required
        raise Malformed("AV1 payload without its header", offset)
    first = payload[offset]
    counted = first >> 4 & 3
    # spec: av1/fragments-marked
    read = Payload([], bool(first & Z), bool(first & Y), bool(first & N), every_length=not counted)
    if read.begins_sequence and read.continues:  # spec: av1/sequence-begins-whole
        raise Malformed("AV1 sequence that begins inside an OBU", offset)
    at, end = offset + 1, len(payload)
    while at < end:
        size = end - at
        # spec: av1/last-length-left-out
        if len(read.elements) + 1 != counted or not counted:
            size, at = _leb128(payload, at)
        if at + size > end:  # spec: av1/elements-within-bounds
            raise Malformed(f"AV1 element of {size} octets where {end - at} are left", at)
        read.elements.append(bytes(payload[at : at + size]))
        at += size
    if not read.elements or (counted and len(read.elements) != counted):  # spec: av1/count-agrees
        raise Malformed(f"AV1 payload of {len(read.elements)} elements that says {counted}", offset)
    return read


def serialize(payload: Payload) -> bytes:
    """The octets of a payload. Raises `Malformed` for elements that cannot be carried so."""
    count = len(payload.elements)
    if not count or (count > MOST_COUNTED and not payload.every_length):
        raise Malformed(f"AV1 payload with {count} elements")
    if payload.begins_sequence and payload.continues:
        raise Malformed("AV1 sequence that begins inside an OBU")
    flags = (Z if payload.continues else 0) | (Y if payload.continued else 0) | (N if payload.begins_sequence else 0)
    out = bytearray([flags | (0 if payload.every_length else count << 4)])
    for number, element in enumerate(payload.elements, 1):
        if payload.every_length or number < count:
            out += _write_leb128(len(element))
        elif not element:
            raise Malformed("AV1 element of no octets without a length")
        out += element
    return bytes(out)


def _leb128(data: Octets, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits an octet with the least significant first, and the place behind it."""
    value = 0
    for place in range(LONGEST_LEB128):
        if at >= len(data):
            raise Malformed("AV1 payload ends inside a length", at)
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            if value > LARGEST_LEB128:
                break
            return value, at
    raise Malformed("AV1 length that does not fit 32 bits", at)  # spec: av1/leb128


def _write_leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse_unit(element: Octets) -> Unit:
    """Read a whole OBU; octets behind its own size are left alone. Raises `Malformed`."""
    kind, layers, at, end = _unit_bounds(element, 0, len(element))
    return Unit(kind, bytes(element[at:end]), layers)


def serialize_unit(unit: Unit, *, has_size: bool = False) -> bytes:
    """The octets of an OBU. In RTP it has no size of its own, in files and decoders it has. Raises `Malformed`."""
    if not 0 <= unit.kind <= 15:
        raise Malformed(f"AV1 OBU of type {unit.kind}")
    # spec: av1/no-size-in-units
    out = bytearray([unit.kind << 3 | (EXTENSION if unit.layers else 0) | (HAS_SIZE if has_size else 0)])
    if unit.layers is not None:
        temporal, spatial = unit.layers
        if not (0 <= temporal <= 7 and 0 <= spatial <= 3):
            raise Malformed(f"AV1 layers {unit.layers} do not fit 3 and 2 bits")
        out.append(temporal << 5 | spatial << 3)
    return bytes(out) + (_write_leb128(len(unit.body)) if has_size else b"") + unit.body


def _unit_bounds(data: Octets, at: int, end: int) -> tuple[int, tuple[int, int] | None, int, int]:
    """Type and layers of the OBU at `at`, and where its body begins and ends. Raises `Malformed`."""
    if at >= end:
        raise Malformed("AV1 OBU without an octet", at)
    first, at = data[at], at + 1
    layers = None
    if first & FORBIDDEN:  # spec: av1/forbidden-bit
        raise Malformed("AV1 OBU with the forbidden bit", at - 1)
    if first & EXTENSION:
        if at >= end:
            raise Malformed("AV1 OBU ends inside its header", at)
        layers, at = (data[at] >> 5, data[at] >> 3 & 3), at + 1
    if first & HAS_SIZE:  # spec: av1/size-in-units-read
        size, at = _leb128(data, at)
        if at + size > end:
            raise Malformed(f"AV1 OBU of {size} octets where {end - at} are left", at)
        end = at + size
    return first >> 3 & 15, layers, at, end


# --- looking into a payload -----------------------------------------------------------------------


def is_keyframe(payload: Octets, offset: int = 0) -> bool:
    """Whether this packet begins a coded video sequence, and so a keyframe. Never raises."""
    return len(payload) > offset + 1 and payload[offset] & (N | Z) == N  # spec: av1/sequence-begins-with-keyframe


def size_of_keyframe(payload: Octets, offset: int = 0) -> tuple[int, int] | None:
    """Width and height in pixels of the largest frame, where the payload begins with the header of its sequence.

    None elsewhere; the dependency descriptor may tell, too. Never raises.
    """
    if not is_keyframe(payload, offset):
        return None
    try:
        first = parse(payload, offset).elements[0]
        kind, _, at, end = _unit_bounds(first, 0, len(first))
        return _sequence_size(BitReader(first, at, end)) if kind == SEQUENCE_HEADER else None
    except Malformed:
        return None


def _sequence_size(bits: BitReader) -> tuple[int, int]:
    """Of a sequence header (AV1 bitstream section 5.5.1). Raises `Malformed`."""
    bits.read(4)  # profile, still picture
    if bits.flag():  # a reduced header
        bits.read(5)
    else:
        delay_bits = _skip_timing(bits)
        shown = bits.flag()
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.flag()
            if delay_bits is not None and bits.flag():
                bits.read(2 * delay_bits + 1)
            if shown and bits.flag():
                bits.read(4)
    across, down = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(across) + 1, bits.read(down) + 1  # spec: av1/sequence-size


def _skip_timing(bits: BitReader) -> int | None:
    """How many bits a delay of the decoder model has; None without that model."""
    if not bits.flag():
        return None
    bits.read(64)
    if bits.flag():
        bits.exp_golomb()
    if not bits.flag():
        return None
    delay_bits = bits.read(5) + 1
    bits.read(32 + 10)
    return delay_bits
