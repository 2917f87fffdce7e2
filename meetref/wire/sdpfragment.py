"""A piece of SDP that says nothing but ICE: credentials and candidates, of the sections that they belong to.

    *(a=...)  then for each section of which there is news:  m=... *(a=...)

Stands beside `wire/sdp`, whose attributes it is made of; `protocol/fragment` reads what they mean.
Specification: RFC 8840 section 9.2 (the grammar), 4.4 (the pseudo `m=` line).
Leaves out: what a pseudo `m=` line says; it only begins a section, and is kept as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from meetref.wire.reader import Malformed
from meetref.wire.sdp import MAXIMUM_LINE_LENGTH, MAXIMUM_SECTIONS, Attribute, Described, parse_attribute, write_rows

MAXIMUM_SIZE = 64_000  # characters; a candidate has about 150

_FORBIDDEN = re.compile(r"[\0\r\n]")


@dataclass(slots=True, frozen=True, kw_only=True)
class PseudoSection(Described):
    """What is new of one section: its `m=` line as text, and attributes, of which `mid` names the section."""

    media: str

    @property
    def mid(self) -> str | None:
        return self.value("mid")


@dataclass(slots=True, frozen=True, kw_only=True)
class Fragment(Described):
    """A whole fragment: the attributes that are about all sections, and those of single ones."""

    sections: tuple[PseudoSection, ...] = ()


def parse(text: str) -> Fragment:
    """Read a fragment. Raises `Malformed`, with the offset in characters of the line that is wrong."""
    if len(text) > MAXIMUM_SIZE:  # spec: whip/fragment-bounded
        raise Malformed(f"fragment of {len(text)} characters, at most {MAXIMUM_SIZE} are read")
    session: list[Attribute] = []
    sections: list[tuple[str, list[Attribute]]] = []
    offset = 0
    for row in text.removesuffix("\n").split("\n") if text else ():
        line = row.removesuffix("\r")
        letter, value = _cut(line, offset)
        if letter == "a":
            name, said = parse_attribute(value, offset)
            (sections[-1][1] if sections else session).append(Attribute(name.lower(), said))  # spec: whip/fragment-case
        elif len(sections) < MAXIMUM_SECTIONS:
            sections.append((value, []))
        else:
            raise Malformed(f"more than {MAXIMUM_SECTIONS} m= sections", offset)
        offset += len(row) + 1
    return Fragment(
        attributes=tuple(session),
        sections=tuple(PseudoSection(media=media, attributes=tuple(found)) for media, found in sections),
    )


def _cut(line: str, offset: int) -> tuple[str, str]:
    """The letter and the value of a line; there are two kinds."""
    if len(line) > MAXIMUM_LINE_LENGTH:
        raise Malformed(f"a line of {len(line)} characters, at most {MAXIMUM_LINE_LENGTH} are read", offset)
    if line[:2] not in ("a=", "m=") or _FORBIDDEN.search(line):  # spec: whip/fragment-malformed
        raise Malformed(f"not a line of a fragment: {line[:32]!r}", offset)
    return line[0], line[2:]


def serialize(fragment: Fragment) -> str:
    """The text of a fragment. Raises `Malformed` when a value holds a line break or a name is not a token."""
    rows = [*write_rows(fragment)]
    for section in fragment.sections:
        rows += [f"m={section.media}", *write_rows(section)]
    if any(map(_FORBIDDEN.search, rows)):
        raise Malformed("a line of SDP cannot hold a line break")
    return "".join(f"{row}\r\n" for row in rows)
