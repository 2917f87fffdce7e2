"""As much of protobuf as it takes to speak to LiveKit: messages as dictionaries from field number to value.

Stands on `wire/reader` for its error. Source: https://protobuf.dev/programming-guides/encoding/.
Leaves out: schemas, repeated fields (the last one counts), fixed-size numbers (skipped), signed ones.
Read next: `lab/livekit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from meetref.wire.reader import Malformed

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
MAXIMUM_VARINT = 10  # octets

Written = int | str | bytes | Mapping[int, "Written"]


def serialize(fields: Mapping[int, Written]) -> bytes:
    """A message of these fields; a dictionary is a message within."""
    out = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            out += _varint(number << 3 | VARINT) + _varint(value)
            continue
        content = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else serialize(value)
        out += _varint(number << 3 | LENGTH) + _varint(len(content)) + content
    return bytes(out)


def parse(data: bytes) -> tuple[dict[int, int], dict[int, bytes]]:
    """The numbers of a message, and its texts and messages within, by field. Raises `Malformed`."""
    numbers: dict[int, int] = {}
    contents: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        head, at = _read_varint(data, at)
        number, kind = head >> 3, head & 7
        if kind == VARINT:
            numbers[number], at = _read_varint(data, at)
            continue
        if kind == LENGTH:
            size, at = _read_varint(data, at)
        elif kind in (FIXED_64, FIXED_32):
            size = 8 if kind == FIXED_64 else 4
        else:
            raise Malformed(f"protobuf field {number} is of kind {kind}", at)
        if at + size > len(data):
            raise Malformed(f"protobuf field {number} is longer than its message", at)
        if kind == LENGTH:
            contents[number] = data[at : at + size]
        at += size
    return numbers, contents


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(MAXIMUM_VARINT):
        if at + place >= len(data):
            break
        octet = data[at + place]
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return value, at + place + 1
    raise Malformed("a protobuf number does not end", at)
