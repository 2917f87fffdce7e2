"""What the page knows: datagrams with layers, layers with fields, fields with the steps of their computation.

Stands below all of `app/explain`; made of what `wire/tracing` remembers.
Specification: none. The one promise: the leaves of a layer cover each of its octets exactly once (tests/app).
Read next: `explain/words.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Step:
    """`formula` applied to `inputs` (name and octets, or text) gives `output`; `ends`: it is what the field says."""

    formula: str
    inputs: tuple[tuple[str, bytes | str], ...]
    output: bytes | str
    ends: bool = False


@dataclass
class Field:
    """Octets with a meaning. `piece` is (first octet, length of the whole) where only a part of it stands here."""

    offset: int
    length: int
    name: str
    value: str = ""
    why: str = ""
    parts: list[Field] = field(default_factory=list)
    steps: Sequence[Step] = ()
    piece: tuple[int, int] | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass
class Layer:
    """Octets that are looked at together: a datagram as it was on the wire, or what was inside a record of it."""

    title: str
    data: bytes
    fields: list[Field]
    note: str = ""


@dataclass
class Datagram:
    """`number` is its packet's in the capture, `sender` client or server; the first layer is the wire."""

    number: int
    at: float
    sender: str
    summary: str
    layers: list[Layer]


def leaves(fields: Sequence[Field]) -> Iterator[Field]:
    """The fields without parts, in order."""
    for each in fields:
        if each.parts:
            yield from leaves(each.parts)
        else:
            yield each


def everything(fields: Sequence[Field]) -> Iterator[Field]:
    """Every field, each in front of its parts."""
    for each in fields:
        yield each
        yield from everything(each.parts)


def part_of(each: Field, start: int, end: int, shift: int) -> Field | None:
    """What of a field lies in the octets from `start` to `end`, moved by `shift`; None where nothing does."""
    first, last = max(each.offset, start), min(each.end, end)
    if first >= last:
        return None
    whole = first == each.offset and last == each.end
    return replace(
        each,
        offset=first + shift,
        length=last - first,
        parts=[part for one in each.parts if (part := part_of(one, start, end, shift)) is not None],
        piece=None if whole else (first - each.offset, each.length),
    )


def row(offset: int, *cells: tuple[str, int, str, str]) -> list[Field]:
    """Fields one behind the other from `offset` on: name, length, value, why. What has no octets is left out."""
    made = []
    for name, length, value, why in cells:
        if length:
            made.append(Field(offset, length, name, value, why))
        offset += length
    return made
