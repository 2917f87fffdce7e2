"""A viewer's pictures on their way out with FEC: all in RED, the FEC of each picture behind it, in one line of numbers.

Stands between `media/rewriting`, whose packets have numbers without a gap, and the lock of the viewer's connection:
`meeting/forwarder` has a `Shield` for each slot whose viewer it helps, and for no other. Each FEC packet takes a
number, so that all behind it move on by one; latecomers keep to what held when they were due.
Specification: RFC 5109 section 14.2; libwebrtc in that FEC is the only block of a packet of its own, behind the last
part of a picture: its receivers never complete a picture that has one in the middle.
Leaves out: whether and how much, which is `meeting/fec`'s. Read next: `media/mending.py`, the other end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from meetref.media.fec import Protector
from meetref.media.parts import Parts, transport_sequence_at, without_padding
from meetref.media.sequence import Unwrapper
from meetref.wire import fec, rtp

LATEST = 1 << 14  # numbers by which a packet may come late, where no FEC was sent since
MAXIMUM_SHIFTS = 64  # FEC packets, or groups of them, behind which latecomers are still known
_PADDED = 0x20
_MARKER = 0x80


class Covered(NamedTuple):
    """What became of a run: what leaves, in which form each is kept to be sent again, how many octets came to it."""

    leaving: list[Parts]
    kept: list[Parts]
    octets: int


class Shield:
    """One stream. `red` and `ulpfec` are payload types, `transport_id` the id of this link's numbers (0: none).

    An FEC packet goes for every `row` packets; with 0 none goes any more, and no packet is in RED, but what moved on
    stays moved on. `newest` is the highest number that has left.
    """

    def __init__(self, red: int, ulpfec: int, *, transport_id: int, newest: int, row: int) -> None:
        self.red = red
        self.ulpfec = ulpfec
        self.shift = 0
        """How far the newest number has moved on."""
        self._mutable = {transport_id: 0} if transport_id else {}
        self._sequences = Unwrapper()
        self._newest = self._sequences.unwrap(newest)
        self._shifts = deque([(self._newest - LATEST, 0)], MAXIMUM_SHIFTS)  # from which number on what is added
        self._due: list[fec.Parity] = []
        self._protector = Protector()
        self.protect(row)

    @property
    def row(self) -> int:
        return self._protector.row

    def protect(self, row: int) -> None:
        """From now on an FEC packet goes for every `row` packets."""
        if row and self._protector.row:
            self._protector.row = row
        else:
            self._protector, self._due = Protector(row=row, mutable=self._mutable), []

    def number_of(self, sequence: int) -> int | None:
        """The number under which a packet leaves that would have this one; None for one from too long ago."""
        extended = self._sequences.nearest(sequence)
        shift = next((shift for first, shift in reversed(self._shifts) if first <= extended), None)
        return (extended + shift) & 0xFFFF if shift is not None else None  # spec: fec/latecomers-keep-their-place

    def cover(self, run: Sequence[Parts], transport_sequence: int) -> Covered:
        """What leaves in place of a run; the link's numbers begin with `transport_sequence`."""
        covered, octets = Covered([], [], 0), 0
        for header, descriptor, tail in run:
            sequence = int.from_bytes(header[2:4])
            number = self.number_of(sequence)
            if number is None:
                continue
            count = transport_sequence + len(covered.leaving)
            parts = _numbered(header, number, count), descriptor, tail
            extended = self._sequences.unwrap(sequence)
            is_newest = extended > self._newest
            self._newest = max(self._newest, extended)
            if self.row:
                parts = without_padding(parts)
            covered.kept.append(parts)
            if not self.row or not (descriptor or parts[2]):  # padding protects nothing, and needs no protection
                covered.leaving.append(covered.kept[-1])
                continue
            covered.leaving.append(self._wrapped(parts))
            octets += 1
            if is_newest:
                octets += self._protect(parts, covered, transport_sequence)
        return Covered(covered.leaving, covered.kept, octets)

    def _wrapped(self, parts: Parts) -> Parts:
        """In RED, as its only block."""
        header, descriptor, tail = parts
        inner = header[1] & 0x7F
        return header[:1] + bytes([header[1] & _MARKER | self.red]) + header[2:], bytes([inner]) + descriptor, tail

    def _protect(self, parts: Parts, covered: Covered, transport_sequence: int) -> int:
        """Behind the end of a picture, send what protects it and what was protected before it."""
        self._due += self._protector.add(b"".join(parts))  # spec: fec/virtual-packets
        if not parts[0][1] & _MARKER or not self._due:  # spec: fec/behind-its-picture
            return 0
        due, self._due = self._due, []
        header, octets = parts[0], 0
        for parity in due:
            self.shift += 1  # spec: fec/one-line
            number = self._newest + self.shift & 0xFFFF
            count = transport_sequence + len(covered.leaving)
            head = _numbered(header[:1] + bytes([header[1] & 0x7F]) + header[2:], number, count)
            payload = fec.serialize(parity)
            covered.leaving.append(self._wrapped_fec(head, payload))
            # Asked for again, it is answered by padding: it has come too late for what it protects.
            covered.kept.append((bytes([head[0] | _PADDED]) + head[1:], b"", b"\x01"))  # spec: fec/not-sent-again
            octets += 1 + len(payload)
        self._shifts.append((self._newest + 1, self.shift))
        return octets

    def _wrapped_fec(self, head: bytes, payload: bytes) -> Parts:
        return head[:1] + bytes([self.red]) + head[2:], bytes([self.ulpfec]), payload


def _numbered(header: bytes, number: int, count: int) -> bytes:
    """The header under another number, and under another one of the link."""
    changed = bytearray(header)
    changed[2:4] = number.to_bytes(2)
    if len(header) > rtp.HEADER_SIZE:
        at = transport_sequence_at(header)
        changed[at : at + 2] = (count & 0xFFFF).to_bytes(2)
    return bytes(changed)
