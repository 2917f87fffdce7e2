"""The outer form of DER: which octets of a certificate or a signature are tags, lengths and values.

    tag 1 | length: 1, or 0x80 + n and n more | value: for a constructed type more of the same

Stands above `wire/tracing`. Only who explains looks in here: what must be *trusted* is read by `cryptography`.
Specification: X.690 sections 8.1 and 10.1; RFC 5280 section 4.1 says what stands where in a certificate.
Leaves out: tags of more than one octet, and what the values mean.
Read next: `protocol/certificate.py`.
"""

from __future__ import annotations

from meetref.wire.reader import Malformed, Reader
from meetref.wire.tracing import Read

CONSTRUCTED, NUMBER_BITS = 0x20, 0x1F
HEAD, VALUE = "head", "value"
MAXIMUM_DEPTH = 16
TAGS = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0C: "UTF8String",
    0x13: "PrintableString",
    0x17: "UTCTime",
    0x18: "GeneralizedTime",
    0x30: "SEQUENCE",
    0x31: "SET",
}


def walk(data: bytes) -> list[Read]:
    """Every element, named by its tag; its parts are a head (tag and length) and a value or more elements.

    Raises `Malformed`.
    """
    return _elements(Reader(data), 0)


def tag_name(tag: int) -> str:
    """What the documents call a tag."""
    return TAGS.get(tag, f"[{tag & NUMBER_BITS}]")


def _elements(reader: Reader, depth: int) -> list[Read]:
    if depth > MAXIMUM_DEPTH:
        raise Malformed("elements too deep in one another", reader.offset)
    found = []
    while reader.remaining:
        start = reader.offset
        tag, size = reader.uint8("tag"), _length(reader)
        head = Read(start, reader.offset - start, HEAD)
        inside = Reader(reader.data, reader.offset, reader.offset + size)
        reader.bytes(size, "value")
        parts = _elements(inside, depth + 1) if tag & CONSTRUCTED else _value(inside)
        found.append(Read(start, reader.offset - start, tag_name(tag), [head, *parts]))
    return found


def _value(inside: Reader) -> list[Read]:
    return [Read(inside.offset, inside.remaining, VALUE)] if inside.remaining else []


def _length(reader: Reader) -> int:
    first = reader.uint8("length")
    if first < 0x80:
        return first
    return int.from_bytes(reader.bytes(first & 0x7F, "long length"), "big")
