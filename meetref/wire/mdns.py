"""The few DNS messages that it takes to ask the neighbours for a `.local` name: a question, and addresses in answers.

    id (16) | flags (16) | questions, answers, authorities, additions (16 each) |
    question: name | type (16) | class (16)        record: name | type | class | time to live (32) | length (16) | data

A name is labels with a length octet before each, up to an empty one; two bits set there point to an earlier place.
Stands below `net/mdns`. Specification: RFC 1035 section 4.1 (format), RFC 6762 section 5.4 (direct answers).
Leaves out: everything else of DNS, and answering; we tell our addresses plainly. Read next: `net/mdns.py`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from meetref.wire.address import unpack_host
from meetref.wire.reader import Malformed, Reader

HEADER: Final = Struct("!6H")
TYPE_AND_CLASS: Final = Struct("!2H")
IPV4_RECORD: Final = 1
IPV6_RECORD: Final = 28
INTERNET: Final = 1
DIRECT_ANSWER: Final = 0x8000  # in the class of a question; in that of a record it means that older ones are void
ANSWER: Final = 0x8000  # in the flags
POINTER: Final = 0xC0

MAXIMUM_LABEL = 63
MAXIMUM_NAME = 255
MAXIMUM_POINTERS = 16
MAXIMUM_RECORDS = 64  # an answer to a question for one name has one or two


def is_local_name(host: str) -> bool:
    """Whether `host` is a name as browsers make them for their addresses: one label, then `local`."""
    label, dot, rest = host.rpartition(".")
    return dot == "." and rest.lower() == "local" and 0 < len(label) <= MAXIMUM_LABEL and "." not in label


def serialize_question(identifier: int, name: str) -> bytes:
    """Ask for both kinds of addresses of a name, to be answered directly. Raises `Malformed` for no such name."""
    if not is_local_name(name) or not name.isascii():
        raise Malformed(f"not a .local name: {name[:64]!r}")
    octets = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    kinds = (IPV4_RECORD, IPV6_RECORD)
    questions = b"".join(octets + TYPE_AND_CLASS.pack(kind, INTERNET | DIRECT_ANSWER) for kind in kinds)
    return HEADER.pack(identifier, 0, len(kinds), 0, 0, 0) + questions


def parse_addresses(data: bytes, name: str) -> list[str]:
    """The hosts that an answer gives for `name`, in canonical text; none if it is about others. Raises `Malformed`."""
    reader = Reader(data)
    _, flags, questions, answers, authorities, additions = reader.struct(HEADER, "DNS header")
    if not flags & ANSWER:
        raise Malformed("a DNS message that answers nothing", 2)
    if questions + answers + authorities + additions > MAXIMUM_RECORDS:
        raise Malformed(f"more than {MAXIMUM_RECORDS} DNS records", 4)
    for _ in range(questions):
        _read_name(reader)
        reader.struct(TYPE_AND_CLASS, "question")
    found = []
    for _ in range(answers + authorities + additions):
        owner = _read_name(reader)
        kind, group = reader.struct(TYPE_AND_CLASS, "record")
        reader.uint32("time to live")
        value = reader.vector(2, "record data")
        fits = {IPV4_RECORD: 4, IPV6_RECORD: 16}.get(kind) == len(value) and group & ~DIRECT_ANSWER == INTERNET
        if fits and owner == name.lower():
            found.append(unpack_host(value))
    return list(dict.fromkeys(found))


def _read_name(reader: Reader) -> str:
    """A name in lower case; the reader then stands behind it. Pointers only lead back, so that they come to an end."""
    labels: list[str] = []
    place, pointers = reader, 0
    while length := place.uint8("length of a label"):
        if length & POINTER == POINTER:
            target = (length & ~POINTER) << 8 | place.uint8("pointer")
            pointers += 1
            if target >= place.offset - 2 or pointers > MAXIMUM_POINTERS:
                raise Malformed("a name that points forward, or too often", place.offset)
            place = Reader(reader.data, target)
        elif length > MAXIMUM_LABEL:
            raise Malformed(f"a label of {length} octets", place.offset)
        else:
            labels.append(place.bytes(length, "label").decode("ascii", "replace").lower())
            if sum(map(len, labels)) + len(labels) > MAXIMUM_NAME:
                raise Malformed(f"a name of more than {MAXIMUM_NAME} octets", place.offset)
    return ".".join(labels)
