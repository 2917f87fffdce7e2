"""A packet that leaves a slot, in three parts: its header, and its payload in two, which the lock brings together.

Stands below `media/rewriting`, which makes them, and `media/shielding` and `meeting/repair`, which change them later.
Specification: RFC 3550 section 5.1 (marker, padding), RFC 8285 section 4 (header extensions).
Leaves out: what goes into a header in the first place.
Read next: `media/rewriting.py`.
"""

from __future__ import annotations

from meetref.wire import rtp

TRANSPORT_SEQUENCE_AT = 17
"""Where the link's number stands in a rewritten header: behind the fixed one, 0xBEDE, the length and the id."""

Parts = tuple[bytes, bytes, bytes]
"""A packet that leaves: its header, and its payload in two, of which the second is the same for all viewers."""

PADDED = 0x20  # in the first octet of a header
_MARKER = 0x80  # in its second


def marked(parts: Parts) -> Parts:
    """The packet as the last of its picture."""
    header, descriptor, tail = parts
    return bytes((header[0], header[1] | _MARKER)) + header[2:], descriptor, tail


def without_padding(parts: Parts) -> Parts:
    """The packet as its source sent it."""
    header, descriptor, tail = parts
    if not header[0] & PADDED:
        return parts
    return bytes([header[0] ^ PADDED]) + header[1:], descriptor, tail[: -tail[-1]]


def extend(header: bytes, identifier: int, value: bytes) -> bytes:
    """A rewritten header with one extension more, in the two-byte form where the value needs it (RFC 8285)."""
    two_bytes = len(value) > 16  # spec: rewriting/long-extensions
    there = len(header) > rtp.HEADER_SIZE
    elements = header[TRANSPORT_SEQUENCE_AT - 1 : TRANSPORT_SEQUENCE_AT + 2] if there else b""
    if two_bytes:
        elements = elements and bytes((elements[0] >> 4, 2)) + elements[1:]
        elements += bytes((identifier, len(value))) + value
    else:
        elements += bytes((identifier << 4 | len(value) - 1,)) + value
    elements += bytes(-len(elements) % 4)
    profile = rtp.TWO_BYTE if two_bytes else rtp.ONE_BYTE
    fixed = bytes((header[0] | 0x10,)) + header[1 : rtp.HEADER_SIZE]
    return fixed + rtp.extension_head.pack(profile, len(elements) // 4) + elements


def transport_sequence_at(header: bytes | bytearray) -> int:
    """Where the link's number stands, if there is one: an octet further on in the two-byte form."""
    return TRANSPORT_SEQUENCE_AT + (header[rtp.HEADER_SIZE] == rtp.TWO_BYTE >> 8)
