"""Numbers that are not made of octets: a reader and a writer of single bits.

Stands beside `wire/reader`, below the formats of video that pack bits: VP9, H264, AV1 and the dependency descriptor.
Specification: ITU-T H.264 section 9.1 (Exp-Golomb), AV1 RTP specification appendix A.8.2 (`f(n)`, `ns(n)`), AV1
bitstream section 4.10.3 (`uvlc`).
Leaves out: telling where in a stream a bit stood; an error names the octet.
Read next: `wire/dependencydescriptor.py`, which both reads and writes them.
"""

from __future__ import annotations

from meetref.wire.reader import Malformed

Octets = bytes | bytearray | memoryview
LONGEST_PREFIX = 32


class BitReader:
    """Reads from `data`, from octet `offset` up to `end`, most significant bits first."""

    __slots__ = ("_end", "_left", "_value")

    def __init__(self, data: Octets, offset: int = 0, end: int | None = None) -> None:
        self._end = len(data) if end is None else end
        octets = data[offset : self._end]
        self._value = int.from_bytes(octets)
        self._left = 8 * len(octets)

    @property
    def remaining(self) -> int:
        """How many bits are left."""
        return self._left

    def read(self, count: int, what: str = "bits") -> int:
        """The next `count` bits as a number. Raises `Malformed`."""
        left = self._left - count
        if left < 0:
            raise Malformed(f"{what}: {count} bits wanted, {self._left} there", self._end)
        self._left = left
        return self._value >> left & (1 << count) - 1

    def flag(self, what: str = "flag") -> bool:
        return bool(self.read(1, what))

    def non_symmetric(self, values: int, what: str = "number") -> int:
        """A number below `values` in as few bits as that many values need: the low ones have a bit less."""
        width = values.bit_length()
        short = (1 << width) - values
        number = self.read(width - 1, what)
        return number if number < short else (number << 1) - short + self.read(1, what)

    def exp_golomb(self, what: str = "number") -> int:
        """As many zeros as the number has bits behind its first one, then the number plus one."""
        zeros = 0
        while not self.read(1, what):
            zeros += 1
            if zeros == LONGEST_PREFIX:
                raise Malformed(f"{what} has more than {LONGEST_PREFIX} bits", self._end)
        return (1 << zeros) - 1 + self.read(zeros, what)

    def signed_exp_golomb(self, what: str = "number") -> int:
        """0, 1, -1, 2, -2 and so on, for 0, 1, 2, 3, 4."""
        number = self.exp_golomb(what)
        return (number + 1) // 2 if number & 1 else -(number // 2)


class BitWriter:
    """Collects bits, most significant first. `octets` fills the last octet with zeros."""

    __slots__ = ("_size", "_value")

    def __init__(self) -> None:
        self._value = 0
        self._size = 0

    @property
    def size(self) -> int:
        """How many bits were written."""
        return self._size

    def write(self, value: int, count: int, what: str = "number") -> None:
        """Raises `Malformed` where the number does not fit."""
        if not 0 <= value < 1 << count:
            raise Malformed(f"{what} {value} does not fit {count} bits", self._size // 8)
        self._value = self._value << count | value
        self._size += count

    def write_non_symmetric(self, value: int, values: int, what: str = "number") -> None:
        """Raises `Malformed` where the number is not below `values`."""
        if not 0 <= value < values:
            raise Malformed(f"{what} {value} is not below {values}", self._size // 8)
        width = values.bit_length()
        short = (1 << width) - values
        if value < short:
            self.write(value, width - 1)
        else:
            self.write(value + short, width)

    def octets(self) -> bytes:
        spare = -self._size % 8
        return (self._value << spare).to_bytes((self._size + spare) // 8)
