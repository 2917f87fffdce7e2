"""A journal: what came, in the order in which it came, so written that a crash costs its end and nothing else.

    magic (8), version (2), length of the header (2), CRC (4), header: a JSON object, UTF-8
    record, again and again: arrival in microseconds (8), length (2), CRC (4), content
    the last record of a journal that was closed has the length 0

Every CRC is the CRC-32 of the whole file up to the end of its record, all CRCs left out. So a record counts only where
it was written, behind all that was written before it: neither one that is there twice nor the rest of an older file
passes for one. Healing is cutting off what is behind the last whole record.
Stands on nothing; `archive/segment` has such files, `archive/recovery` heals them. Plain octets here, no file.
Specification: docs/journal.md, spec/journal.toml; the CRC is that of zlib and Ethernet.
Leaves out: what the contents are: the header says so. Read next: `archive/segment.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any, NamedTuple

import msgspec

from meetref.wire.reader import Malformed

MAGIC = b"\x89MRJ\r\n\x1a\n"
"""No text, and nothing that survives a transfer as text: eighth bit, both line ends, the end of a DOS file."""
VERSION = 1
MAXIMUM_HEADER = MAXIMUM_CONTENT = 0xFFFF  # octets
LATEST = 2**63 - 1  # microseconds

_OPENING = Struct("!8sHH")
_RECORD = Struct("!QH")
_CRC = Struct("!I")
HEADER_AT = _OPENING.size + _CRC.size
CONTENT_AT = _RECORD.size + _CRC.size

Header = dict[str, Any]


class TooNew(Malformed):
    """A journal of a version that is not known here. It may well be whole."""


class Unbegun(Malformed):
    """A journal that ends before its first record could begin: nothing is lost with it."""


class Record(NamedTuple):
    """`at` is when the content came, in microseconds since the moment that the header calls `began_at`."""

    at: int
    content: bytes


@dataclass(slots=True, frozen=True)
class Journal:
    """What can be read of a journal: all whole records from the first one on.

    `size` is the number of octets that they take with the header, `crc` the last CRC, `is_closed` whether the record
    is there that ends it. `damage` says what is behind them, in words, where there is more than should be.
    """

    header: Header
    records: list[Record]
    size: int
    crc: int
    is_closed: bool
    damage: str | None


class Writing:
    """The octets of one journal, piece by piece. `size` is how many there are, `crc` their last CRC."""

    __slots__ = ("crc", "size")

    def __init__(self, size: int = 0, crc: int = 0) -> None:
        self.size = size
        self.crc = crc

    def begin(self, header: Header) -> bytes:
        """The opening. Raises `ValueError` for a header that is too long, or that JSON cannot say."""
        try:
            text = msgspec.json.encode(header)
        except (TypeError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ValueError(f"not a JSON object: {error}") from None
        if len(text) > MAXIMUM_HEADER:
            raise ValueError(f"a header has at most {MAXIMUM_HEADER} octets, not {len(text)}")
        opening = _OPENING.pack(MAGIC, VERSION, len(text))
        self.crc = zlib.crc32(text, zlib.crc32(opening))  # spec: journal/header-checked
        self.size = HEADER_AT + len(text)
        return opening + _CRC.pack(self.crc) + text

    def add(self, records: Iterable[Record]) -> bytes:
        """Some records. Raises `ValueError` for contents that are empty or too long; nothing is added then."""
        parts: list[bytes] = []
        crc, size = self.crc, self.size
        for at, content in records:
            if not 0 < len(content) <= MAXIMUM_CONTENT:
                # spec: journal/content-bounded
                raise ValueError(f"a content has 1 to {MAXIMUM_CONTENT} octets, not {len(content)}")
            head = _RECORD.pack(at, len(content))
            crc = zlib.crc32(content, zlib.crc32(head, crc))  # spec: journal/crc-of-all-before
            parts += (head, _CRC.pack(crc), content)
            size += CONTENT_AT + len(content)
        self.crc, self.size = crc, size
        return b"".join(parts)

    def end(self, at: int) -> bytes:
        """The record behind which nothing comes."""
        head = _RECORD.pack(at, 0)  # spec: journal/end-record
        self.crc = zlib.crc32(head, self.crc)
        self.size += CONTENT_AT
        return head + _CRC.pack(self.crc)


def read(data: bytes) -> Journal:
    """Read what is whole of a journal, however it ends.

    Raises `Malformed` where the header is damaged, `Unbegun` where it is cut off, `TooNew` for another version.
    """
    header, at, crc = _read_header(data)
    records: list[Record] = []
    total = len(data)
    damage = None
    while at < total:
        if total - at < CONTENT_AT:
            damage = f"{total - at} octets, too few for a record"
            break
        arrival, length = _RECORD.unpack_from(data, at)
        end = at + CONTENT_AT + length
        if end > total:
            damage = f"a record that ends {end - total} octets behind the file"  # spec: journal/whole-records
            break
        content = data[at + CONTENT_AT : end]
        reckoned = zlib.crc32(content, zlib.crc32(data[at : at + _RECORD.size], crc))
        if reckoned != _CRC.unpack_from(data, at + _RECORD.size)[0]:
            damage = "a record with a wrong CRC"  # spec: journal/crc-of-all-before
            break
        at, crc = end, reckoned
        if not length:
            behind = f"{total - at} octets behind the end" if at < total else None  # spec: journal/end-record
            return Journal(header, records, at, crc, True, behind)
        records.append(Record(arrival, content))
    return Journal(header, records, at, crc, False, damage)  # spec: journal/longest-prefix


def _read_header(data: bytes) -> tuple[Header, int, int]:
    """The header, where it ends, and its CRC."""
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise Malformed("no journal: the first octets are others")  # spec: journal/magic
    if len(data) < HEADER_AT:
        raise Unbegun("the journal ends in its opening", len(data))  # spec: journal/nothing-without-header
    _, version, length = _OPENING.unpack_from(data)
    if version != VERSION:
        raise TooNew(f"a journal of version {version}; {VERSION} is known", len(MAGIC))  # spec: journal/version
    end = HEADER_AT + length
    if len(data) < end:
        raise Unbegun("the journal ends in its header", len(data))
    crc = zlib.crc32(data[HEADER_AT:end], zlib.crc32(data[: _OPENING.size]))
    if crc != _CRC.unpack_from(data, _OPENING.size)[0]:
        raise Malformed("the header has a wrong CRC", _OPENING.size)  # spec: journal/header-checked
    return _header(data[HEADER_AT:end]), end, crc


def _header(text: bytes) -> Header:
    try:
        header: Header = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:  # spec: journal/header-is-object
        raise Malformed(f"the header is no JSON object: {error}", HEADER_AT) from None
    return header
