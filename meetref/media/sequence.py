"""Numbers that wrap: from the 16 bits of a sequence number to an index that only grows.

Stands below everything of this floor that counts packets or time.
Specification: RFC 3550 appendix A.1 for the idea, RFC 1982 for what "later" means on a circle.
Leaves out: judging whether a jump is believable; `media/reception` does that.
Read next: `media/reception.py`.
"""

from __future__ import annotations


def difference(later: int, earlier: int, bits: int = 16) -> int:
    """The signed way from `earlier` to `later` on a circle of 2**bits; exactly half way around counts as backwards."""
    half = 1 << bits - 1
    return (later - earlier + half & (1 << bits) - 1) - half


class Unwrapper:
    """Extends numbers of `bits` bits: each becomes the index nearest to the highest one so far.

    The first number is its own index, so an older packet that follows it can have a negative one.
    """

    __slots__ = ("_half", "_mask", "highest")

    def __init__(self, bits: int = 16) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << bits - 1
        self.highest: int | None = None

    def unwrap(self, value: int) -> int:
        """The index of `value`; a later one than all before becomes the new reference."""
        highest = self.highest
        if highest is None:
            self.highest = value
            return value
        step = (value - highest + self._half & self._mask) - self._half
        if step > 0:
            self.highest = highest + step
        return highest + step

    def nearest(self, value: int) -> int:
        """The index of `value`, without remembering anything: for numbers that a peer only talks about."""
        if self.highest is None:
            return value
        return self.highest + (value - self.highest + self._half & self._mask) - self._half
