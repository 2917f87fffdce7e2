"""A session description: its lines, kept in their order and with nothing lost.

    v= o= s= [i= u= e=... p=... c= b=...] (t= [r=...])... [z= k=] a=...   and for each section
    m= [i= c=... b=... k=] a=...

Stands above nothing; `wire/sdpattributes` reads what the attributes say, `protocol/negotiation` decides what they mean.
Specification: RFC 8866 (lines, their order, the tolerated line ends), RFC 9429 section 5.8 (what is checked).
Leaves out: the values of lines that mean nothing to a conference (i u e p r z k): they are kept as text.
Read next: `wire/sdpattributes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from meetref.wire.reader import Malformed

MAXIMUM_SIZE = 200_000  # characters
MAXIMUM_LINES = 10_000
MAXIMUM_LINE_LENGTH = 4096  # characters
MAXIMUM_SECTIONS = 128

SESSION_ORDER = "vosiuepcbtrzka"
SECTION_ORDER = "micbka"
REPEATABLE = {"session": frozenset("epbtra"), "section": frozenset("cba")}

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}

_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+\Z")  # RFC 8866 section 9, token-char
_FORBIDDEN = re.compile(r"[\0\r\n]")


class Attribute(NamedTuple):
    """`a=name` (the value is None) or `a=name:value`."""

    name: str
    value: str | None = None


class Line(NamedTuple):
    """A line that is neither an attribute nor has a field of its own: its letter and its text."""

    letter: str
    value: str


@dataclass(slots=True, frozen=True)
class Origin:
    """The `o=` line: which session this is, and the how-manieth description of it."""

    session_id: int
    version: int
    username: str = "-"
    address: str = "IN IP4 0.0.0.0"


@dataclass(slots=True, frozen=True, kw_only=True)
class Described:
    """What a session and a section have in common: attributes and other lines, each in their order."""

    lines: tuple[Line, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    def has(self, name: str) -> bool:
        return any(attribute.name == name for attribute in self.attributes)

    def value(self, name: str) -> str | None:
        """The value of the first attribute of that name; None when it is absent or has no value."""
        return next((attribute.value for attribute in self.attributes if attribute.name == name), None)

    def values(self, name: str) -> Iterator[str]:
        """The values of all attributes of that name, in their order."""
        return (value for own, value in self.attributes if own == name and value is not None)


@dataclass(slots=True, frozen=True, kw_only=True)
class Section(Described):
    """One `m=` section. `port` 0 says rejected, unless the section is `bundle-only`."""

    kind: str
    port: int
    ports: int = 1
    protocol: str
    formats: tuple[str, ...]

    @property
    def mid(self) -> str | None:
        return self.value("mid")


@dataclass(slots=True, frozen=True, kw_only=True)
class Session(Described):
    """A whole session description."""

    origin: Origin
    name: str = "-"
    sections: tuple[Section, ...] = ()


def direction(session: Session, section: Section) -> Direction:
    """Which way a section's media flows, seen by the author: its own word, the session's, or `sendrecv`."""
    for described in (section, session):  # spec: sdp/direction-default
        for name, _ in described.attributes:
            if name in DIRECTIONS:
                return DIRECTIONS[name]
    return "sendrecv"


# --- reading --------------------------------------------------------------------------------------


def parse(text: str) -> Session:
    """Read a session description. Raises `Malformed`, with the offset in characters of the line that is wrong."""
    parser = _Parser(text)
    session, *sections = parser.blocks
    if [line.letter for line, _ in session[:3]] != ["v", "o", "s"]:
        raise Malformed("a session description begins with v=, o= and s=")
    (version, at), (origin, origin_at), (name, _) = session[:3]
    if version.value != "0":  # spec: sdp/version-zero
        raise Malformed(f"SDP version {version.value[:16]!r} is not 0", at)
    if not any(line.letter == "t" for line, _ in session):
        raise Malformed("the session description has no t= line")  # spec: sdp/required-lines
    return Session(
        origin=_parse_origin(origin.value, origin_at),
        name=name.value,
        lines=tuple(line for line, _ in session[3:] if line.letter != "a"),
        attributes=tuple(parse_attribute(line.value, at) for line, at in session if line.letter == "a"),
        sections=tuple(map(_parse_section, sections)),
    )


_Block = list[tuple[Line, int]]


class _Parser:
    """Cuts the text into the session's block of lines and one block for each section, each line with its offset."""

    def __init__(self, text: str) -> None:
        if len(text) > MAXIMUM_SIZE:  # spec: sdp/bounded
            raise Malformed(f"session description of {len(text)} characters, at most {MAXIMUM_SIZE} are read")
        self.blocks: list[_Block] = []
        rows = text.rstrip("\r\n").split("\n")
        if len(rows) > MAXIMUM_LINES:
            raise Malformed(f"session description of {len(rows)} lines, at most {MAXIMUM_LINES} are read")
        offset = 0
        for row in rows:
            self._take(row.removesuffix("\r"), offset)  # spec: sdp/line-ends
            offset += len(row) + 1

    def _take(self, row: str, offset: int) -> None:
        if len(row) > MAXIMUM_LINE_LENGTH:
            raise Malformed(f"a line of {len(row)} characters, at most {MAXIMUM_LINE_LENGTH} are read", offset)
        if row[1:2] != "=" or _FORBIDDEN.search(row):  # spec: sdp/malformed-refused
            raise Malformed(f"not a line of SDP: {row[:32]!r}", offset)
        line = Line(row[0], row[2:])
        if line.letter == "m" or not self.blocks:
            self.blocks.append([])
            if len(self.blocks) > MAXIMUM_SECTIONS + 1:
                raise Malformed(f"more than {MAXIMUM_SECTIONS} m= sections", offset)
        self._check_order(line.letter, offset)
        _check_syntax(line, offset)
        self.blocks[-1].append((line, offset))

    def _check_order(self, letter: str, offset: int) -> None:
        where: Literal["session", "section"] = "session" if len(self.blocks) == 1 else "section"
        order = SESSION_ORDER if where == "session" else SECTION_ORDER
        if letter not in order:
            raise Malformed(f"a line {letter!r}= has no place in a {where}", offset)  # spec: sdp/unknown-letter
        if not self.blocks[-1]:
            return
        before = self.blocks[-1][-1][0].letter
        if before == letter and letter in REPEATABLE[where]:
            return
        if before + letter == "rt":
            return  # the next time description; each may have repeat times of its own
        if order.index(letter) <= order.index(before):
            raise Malformed(f"a line {letter}= after a line {before}=", offset)  # spec: sdp/line-order


def _check_syntax(line: Line, offset: int) -> None:
    """Check the lines that are kept as text but have a form all readers rely on."""
    words = line.value.split()
    well = True
    if line.letter == "c":
        well = len(words) == 3
    elif line.letter == "t":
        well = len(words) == 2 and all(word.isascii() and word.isdigit() for word in words)
    elif line.letter == "b":
        kind, colon, rate = line.value.partition(":")
        well = bool(_TOKEN.match(kind)) and colon == ":" and rate.isascii() and rate.isdigit()
    if not well:
        raise Malformed(f"a line {line.letter}= cannot say {line.value[:32]!r}", offset)


def _parse_origin(text: str, offset: int) -> Origin:
    words = text.split()
    if len(words) != 6:
        raise Malformed(f"o= has six fields, not {len(words)}", offset)
    return Origin(
        username=words[0],
        session_id=number(words[1], 2**64 - 1, "session id", offset),
        version=number(words[2], 2**64 - 1, "session version", offset),
        address=" ".join(words[3:]),
    )


def parse_attribute(text: str, offset: int) -> Attribute:
    """What stands behind `a=`. Raises `Malformed` when the name is no token."""
    name, colon, value = text.partition(":")
    if not _TOKEN.match(name):
        raise Malformed(f"an attribute cannot be called {name[:32]!r}", offset)
    return Attribute(name, value if colon else None)  # spec: sdp/unknown-attributes-kept


def _parse_section(block: _Block) -> Section:
    line, offset = block[0]
    kind, _, rest = line.value.partition(" ")
    words = rest.split()
    if not _TOKEN.match(kind) or len(words) < 3:
        raise Malformed(f"m= needs a kind, a port, a protocol and formats, not {line.value[:32]!r}", offset)
    port, protocol, *formats = words
    first, slash, count = port.partition("/")
    return Section(
        kind=kind,
        port=number(first, 65535, "port", offset),
        ports=number(count, 65535, "number of ports", offset) if slash else 1,
        protocol=protocol,
        formats=tuple(formats),
        lines=tuple(line for line, _ in block[1:] if line.letter != "a"),
        attributes=tuple(parse_attribute(line.value, at) for line, at in block if line.letter == "a"),
    )


def number(text: str, most: int, what: str, offset: int = 0) -> int:
    """A decimal number of ASCII digits from 0 to `most`. Raises `Malformed`."""
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > most:
        raise Malformed(f"{what} {text[:24]!r} is not a number up to {most}", offset)
    return int(text)


# --- writing --------------------------------------------------------------------------------------


def serialize(session: Session) -> str:
    """The text of a description. Raises `Malformed` when a value holds a line break or a name is not a token.

    (A stream's or a person's name may come from a stranger: it must not become a line of its own.)
    """
    origin = session.origin
    rows = ["v=0", f"o={origin.username} {origin.session_id} {origin.version} {origin.address}", f"s={session.name}"]
    rows += write_rows(session)
    for section in session.sections:
        count = f"/{section.ports}" if section.ports != 1 else ""
        rows.append(f"m={section.kind} {section.port}{count} {section.protocol} {' '.join(section.formats)}")
        rows += write_rows(section)
    if any(map(_FORBIDDEN.search, rows)):  # spec: sdp/no-injection
        raise Malformed("a line of SDP cannot hold a line break")
    return "\r\n".join(rows) + "\r\n"


def write_rows(described: Described) -> Iterable[str]:
    """The lines of a session or section, but for those that have a field of their own. Raises `Malformed`."""
    for line in described.lines:
        yield f"{line.letter}={line.value}"
    for name, value in described.attributes:
        if not _TOKEN.match(name):
            raise Malformed(f"an attribute cannot be called {name[:32]!r}")
        yield f"a={name}" if value is None else f"a={name}:{value}"
