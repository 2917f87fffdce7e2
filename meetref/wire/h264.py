"""H264 in RTP: one NAL unit, several, or a part of one; and the little of the bitstream that an SFU reads.

Stands above `wire/reader` and `wire/bits`. `parse` and `serialize` are the pair; `is_keyframe` and its neighbours look
into a payload in place. A NAL unit is given as octets, from its one-octet header, without start code.
Specification: RFC 6184 sections 5.2 to 5.8; ITU-T H.264 sections 7.3.1 and 7.3.2.1 (sequence parameter set).
Leaves out: the interleaved mode (STAP-B, MTAP, FU-B), which no browser speaks, and putting frames together.
Read next: `wire/av1.py`, which does the same with one header.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from meetref.wire.bits import BitReader
from meetref.wire.reader import UINT16, Malformed
from meetref.wire.rtp import Octets

# 0 1 2 3 4 5 6 7
# |F|NRI|  Type   |   the first octet of a NAL unit, and of a payload
# |S|E|R|  Type   |   FU-A: start, end, and the type of the unit whose part follows
FORBIDDEN, IMPORTANCE, TYPE = 0x80, 0x60, 0x1F
START, END = 0x80, 0x40

SLICE, KEY_SLICE, SEQUENCE_PARAMETERS, PICTURE_PARAMETERS = 1, 5, 7, 8
LAST_UNIT_TYPE = 23
STAP_A, FU_A = 24, 28
INTERLEAVED = (25, 26, 27, 29)

# Profiles whose parameter set tells of its chroma (ITU-T H.264 section 7.3.2.1.1).
HIGH_PROFILES = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))
LONGEST_PARAMETERS = 256  # octets that are looked at
MOST_REFERENCE_OFFSETS = 255


@dataclass(slots=True)
class Single:
    """A payload that is one NAL unit."""

    unit: bytes


@dataclass(slots=True)
class Aggregate:
    """STAP-A: several NAL units of one instant."""

    units: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Fragment:
    """FU-A: a part of one NAL unit, whose first octet is `header` and not in `part`."""

    header: int
    part: bytes
    start: bool = False
    end: bool = False


Payload: TypeAlias = Single | Aggregate | Fragment


def parse(payload: Octets, offset: int = 0) -> Payload:
    """Read the payload at `offset`. Raises `Malformed`, also for what only the interleaved mode has."""
    if offset >= len(payload):  # spec: h264/header-required
        raise Malformed("H264 payload without an octet", offset)
    kind = payload[offset] & TYPE
    if kind == STAP_A:
        return Aggregate([bytes(payload[start:end]) for start, end in _units(payload, offset)])
    if kind == FU_A:
        return _parse_fragment(payload, offset)
    if kind in INTERLEAVED:  # spec: h264/interleaved-mode-refused
        raise Malformed(f"H264 payload of type {kind}, which only the interleaved mode has", offset)
    _check_type(kind, offset)
    return Single(bytes(payload[offset:]))  # spec: h264/single-unit


def _check_type(kind: int, offset: int) -> None:
    if not 1 <= kind <= LAST_UNIT_TYPE:  # spec: h264/reserved-types-ignored
        raise Malformed(f"H264 unit of type {kind}", offset)


def _units(payload: Octets, offset: int) -> Iterator[tuple[int, int]]:
    """The bounds of the units that a STAP-A has. Raises `Malformed`."""
    at, end = offset + 1, len(payload)
    if at == end:  # spec: h264/aggregate-not-empty
        raise Malformed("H264 aggregate without a unit", at)
    while at < end:
        if at + 2 > end:  # spec: h264/aggregate-within-bounds
            raise Malformed("H264 aggregate ends inside a size", at)
        size = payload[at] << 8 | payload[at + 1]
        at += 2
        if not 0 < size <= end - at:
            raise Malformed(f"H264 unit of {size} octets where {end - at} are left", at)
        _check_type(payload[at] & TYPE, at)  # spec: h264/aggregate-not-nested
        yield at, at + size
        at += size


def _parse_fragment(payload: Octets, offset: int) -> Fragment:
    if offset + 2 > len(payload):  # spec: h264/fragment-header
        raise Malformed("H264 fragment without its header", offset)
    indicator, head = payload[offset], payload[offset + 1]
    _check_type(head & TYPE, offset + 1)  # spec: h264/fragment-not-nested
    # spec: h264/fragment-reserved-bit-ignored, h264/fragment-rebuilds-header
    header = indicator & (FORBIDDEN | IMPORTANCE) | head & TYPE
    return Fragment(header, bytes(payload[offset + 2 :]), bool(head & START), bool(head & END))


def serialize(payload: Payload) -> bytes:
    """The octets of a payload. Raises `Malformed` for units that cannot be carried so."""
    match payload:
        case Single(unit):
            _check_unit(unit)
            return unit
        case Aggregate(units):
            return _serialize_aggregate(units)
        case Fragment(header, part, start, end):
            if start and end:  # spec: h264/fragment-not-whole
                raise Malformed("a whole H264 unit is no fragment")
            _check_type(header & TYPE, 0)
            flags = (START if start else 0) | (END if end else 0)
            return bytes([header & ~TYPE & 0xFF | FU_A, flags | header & TYPE]) + part


def _check_unit(unit: bytes) -> None:
    if not unit:
        raise Malformed("H264 unit without an octet")
    _check_type(unit[0] & TYPE, 0)


def _serialize_aggregate(units: list[bytes]) -> bytes:
    if not units:
        raise Malformed("H264 aggregate without a unit")
    for unit in units:
        _check_unit(unit)
        if len(unit) > 0xFFFF:
            raise Malformed(f"H264 unit of {len(unit)} octets does not fit an aggregate")
    # spec: h264/aggregate-header
    forbidden = max(unit[0] & FORBIDDEN for unit in units)
    importance = max(unit[0] & IMPORTANCE for unit in units)
    return bytes([forbidden | importance | STAP_A]) + b"".join(UINT16.pack(len(unit)) + unit for unit in units)


def byte_stream_units(stream: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream with start codes, which encoders give out (ITU-T H.264 annex B)."""
    for piece in stream.split(b"\x00\x00\x01"):
        unit = piece.rstrip(b"\x00")  # a start code's own first octet, and padding; a unit never ends in zero
        if unit:
            yield unit


# --- looking into a payload -----------------------------------------------------------------------


def is_keyframe(payload: Octets, offset: int = 0) -> bool:
    """Whether a keyframe begins here: with a sequence parameter set, or the first slice of an IDR picture.

    Never raises: what cannot be read is none. A keyframe whose parameter sets travel before it says so twice, with
    one timestamp; a viewer can begin only where `carries_parameters`.
    """
    return any(_begins_keyframe(payload, at, end) for at, end in _beginnings(payload, offset))


def carries_parameters(payload: Octets, offset: int = 0) -> bool:
    """Whether a sequence parameter set begins here, without which no decoder begins. Never raises."""
    return any(payload[at] & TYPE == SEQUENCE_PARAMETERS for at, _ in _beginnings(payload, offset))


def size_of_keyframe(payload: Octets, offset: int = 0) -> tuple[int, int] | None:
    """Width and height in pixels, where a sequence parameter set is in this payload, otherwise None. Never raises."""
    for at, end in _beginnings(payload, offset):
        if payload[at] & TYPE == SEQUENCE_PARAMETERS:
            try:
                return _size(bytes(payload[at + 1 : min(end, at + LONGEST_PARAMETERS)]))
            except Malformed:
                return None
    return None


def _beginnings(payload: Octets, offset: int) -> Iterator[tuple[int, int]]:
    """The bounds of every NAL unit that begins in this payload; for a fragment from the header that has its type."""
    if offset >= len(payload):
        return
    kind = payload[offset] & TYPE
    if kind == FU_A:
        if offset + 1 < len(payload) and payload[offset + 1] & START:
            yield offset + 1, len(payload)
    elif kind == STAP_A:
        try:
            yield from _units(payload, offset)
        except Malformed:
            return
    else:
        yield offset, len(payload)


def _begins_keyframe(payload: Octets, at: int, end: int) -> bool:
    kind = payload[at] & TYPE
    # spec: h264/key-slice-first, h264/keyframe-by-parameters
    # The number of a slice's first macroblock stands first, and 0 is the bit 1.
    return kind == SEQUENCE_PARAMETERS or (kind == KEY_SLICE and at + 1 < end and payload[at + 1] >= 0x80)


def _size(unit: bytes) -> tuple[int, int]:
    """Of a sequence parameter set, without its header octet. Raises `Malformed`."""
    bits = BitReader(unit.replace(b"\x00\x00\x03", b"\x00\x00"))  # spec: h264/emulation-prevention
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.exp_golomb("set id")
    chroma, separate = _chroma(bits) if profile in HIGH_PROFILES else (1, False)
    bits.exp_golomb("bits of a frame number")
    _skip_picture_order(bits)
    bits.exp_golomb("reference frames")
    bits.flag("gaps")
    width, height = bits.exp_golomb("width") + 1, bits.exp_golomb("height") + 1
    frames_only = bits.flag("frames only")
    bits.read(1 if frames_only else 2)  # adaptive frames and fields; direct inference
    rows = 1 if frames_only else 2
    width, height = width * 16, height * 16 * rows
    if bits.flag("cropping"):  # spec: h264/size-cropped
        left, right, top, bottom = (bits.exp_golomb("cropping") for _ in range(4))
        across, down = (1, 1) if separate else {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[chroma]
        width -= (left + right) * across
        height -= (top + bottom) * down * rows
    if width <= 0 or height <= 0:
        raise Malformed("H264 picture of no size")
    return width, height


def _chroma(bits: BitReader) -> tuple[int, bool]:
    """How much chroma there is, and whether in planes of its own."""
    chroma = bits.exp_golomb("chroma format")
    if chroma > 3:
        raise Malformed(f"H264 chroma format {chroma}")
    separate = chroma == 3 and bits.flag("separate planes")
    bits.exp_golomb("luma depth")
    bits.exp_golomb("chroma depth")
    bits.flag("bypass")
    if bits.flag("scaling matrices"):
        for number in range(12 if chroma == 3 else 8):
            if bits.flag("scaling list"):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma, separate


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_exp_golomb("scale")) % 256
        last = following or last


def _skip_picture_order(bits: BitReader) -> None:
    kind = bits.exp_golomb("picture order")
    if kind == 0:
        bits.exp_golomb("bits of the order")
    elif kind == 1:
        bits.flag("always zero")
        bits.signed_exp_golomb("offset")
        bits.signed_exp_golomb("offset")
        cycle = bits.exp_golomb("cycle")
        if cycle > MOST_REFERENCE_OFFSETS:
            raise Malformed(f"H264 cycle of {cycle} pictures")
        for _ in range(cycle):
            bits.signed_exp_golomb("offset")
    elif kind != 2:
        raise Malformed(f"H264 picture order of kind {kind}")
