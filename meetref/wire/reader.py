"""A cursor over bytes that can only succeed or say where it failed.

Stands at the very bottom: every parser of `wire/` reads through it, so that a short or lying
packet always ends in `Malformed` and never in an `IndexError` or a `struct.error`.
Source: none; this is the house's own idiom (docs/architecture.md).
Read next: `wire/stun.py`, the smallest real format.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

Octets = bytes  # inside `Reader` the name `bytes` is a method

UINT16 = Struct("!H")
UINT24_TOP = Struct("!BH")
UINT32 = Struct("!I")
UINT64 = Struct("!Q")


class Malformed(ValueError):
    """What a peer sent is not what it should be.

    `what` says in words what is wrong, `offset` is the octet (from 0) at which it was noticed.
    """

    def __init__(self, what: str, offset: int = 0) -> None:
        super().__init__(f"{what} (at octet {offset})")
        self.what = what
        self.offset = offset


class Reader:
    """Reads big-endian values from `data`, from `offset` up to `end` (both in octets)."""

    __slots__ = ("data", "end", "offset")

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        self.data = data
        self.offset = offset
        self.end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """How many octets are left."""
        return self.end - self.offset

    def _advance(self, size: int, what: str) -> int:
        start = self.offset
        if size < 0 or start + size > self.end:
            raise Malformed(f"{what}: {size} octets wanted, {self.end - start} there", start)
        self.offset = start + size
        return start

    def uint8(self, what: str = "octet") -> int:
        return self.data[self._advance(1, what)]

    def uint16(self, what: str = "16-bit number") -> int:
        value: int = UINT16.unpack_from(self.data, self._advance(2, what))[0]
        return value

    def uint24(self, what: str = "24-bit number") -> int:
        top, rest = UINT24_TOP.unpack_from(self.data, self._advance(3, what))
        return int(top) << 16 | int(rest)

    def uint32(self, what: str = "32-bit number") -> int:
        value: int = UINT32.unpack_from(self.data, self._advance(4, what))[0]
        return value

    def uint48(self, what: str = "48-bit number") -> int:
        return self.uint16(what) << 32 | self.uint32(what)

    def uint64(self, what: str = "64-bit number") -> int:
        value: int = UINT64.unpack_from(self.data, self._advance(8, what))[0]
        return value

    def bytes(self, size: int, what: str = "octets") -> bytes:
        start = self._advance(size, what)
        return self.data[start : start + size]

    def rest(self) -> Octets:
        return self.bytes(self.remaining)

    def _length(self, size: int, what: str) -> int:
        start = self._advance(size, f"{what} length")
        return int.from_bytes(self.data[start : start + size], "big")

    def vector(self, length_size: int, what: str = "vector") -> Octets:
        """A run of octets behind its own length, a number of 1, 2 or 3 octets (TLS presentation language)."""
        return self.bytes(self._length(length_size, what), what)

    def within(self, length_size: int, what: str) -> Reader:
        """A reader of such a run, for what stands in it. Offsets go on being those of the whole."""
        size = self._length(length_size, what)
        start = self._advance(size, what)
        return Reader(self.data, start, start + size)

    def struct(self, layout: Struct, what: str) -> tuple[Any, ...]:
        return layout.unpack_from(self.data, self._advance(layout.size, what))

    def expect_end(self, what: str) -> None:
        """Raise `Malformed` unless everything was read."""
        if self.remaining:
            raise Malformed(f"{what}: {self.remaining} octets too many", self.offset)


def vector(length_size: int, octets: bytes) -> bytes:
    """`octets` behind their length, a number of `length_size` octets."""
    return len(octets).to_bytes(length_size, "big") + octets
