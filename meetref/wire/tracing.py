"""A reader that remembers what it has read: any parser of `wire/` that is given one also tells where each value stands.

    handshake13.MESSAGES[2].read(reader := TracingReader(body))      the ServerHello
    reader.reads                                                     version at 0, random at 2, ...

Stands above `wire/reader`; `app/explain` makes a page from it that explains a capture octet by octet.
Specification: none; the names are those that the parsers give to what they read.
Leaves out: what a parser looks at without reading it. Read next: `wire/der.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meetref.wire.reader import Reader


@dataclass(slots=True)
class Read:
    """`length` octets at `offset`, called `name` by the parser. `parts` is empty where nothing smaller was read."""

    offset: int
    length: int
    name: str
    parts: list[Read] = field(default_factory=list)


class TracingReader(Reader):
    """Reads as `Reader` does. `reads` has everything in order; what had no octets is not there."""

    __slots__ = ("reads",)

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        super().__init__(data, offset, end)
        self.reads: list[Read] = []

    def _advance(self, size: int, what: str) -> int:
        start = super()._advance(size, what)
        if size:
            self.reads.append(Read(start, size, what))
        return start

    def within(self, length_size: int, what: str) -> TracingReader:
        plain = super().within(length_size, what)
        inner = TracingReader(self.data, plain.offset, plain.end)
        if inner.remaining:
            self.reads[-1].parts = inner.reads
        return inner
