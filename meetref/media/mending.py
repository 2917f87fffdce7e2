"""Pictures that come protected: taken out of RED, with what was lost computed from the FEC among them.

Stands above `media/fec` (`Recoverer`) and `wire/red`, one for each stream; `meeting/up` has them of publishers and
`app/receiver` of what we watch ourselves. FEC has numbers of the media's own stream: whoever counts on needs to know
which of those that are missing are no part of a picture, and `between` tells.
Specification: RFC 5109 section 14.2; libwebrtc in that FEC is the only block of a packet of its own.
Leaves out: learning from packets that were sent again, whose header extensions are those of the repair.
Read next: `media/shielding.py`, the other end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from meetref.media.fec import MUTABLE, Recoverer
from meetref.media.rewriting import Incoming
from meetref.media.thinning import begins_vp8
from meetref.wire import fec, red, rtp

WAIT = 0.04
"""Seconds until what is missing is asked for where FEC comes: behind the picture, so a picture later."""
USED_FOR = 2.0  # seconds after the last FEC packet for which more is awaited
REMEMBERED = 64  # pictures whose ends and beginnings are known
LONGEST_GAP = 48  # numbers between two pictures; as many FEC packets as one group can have
MOST_LOST = 2  # FEC packets that are taken for lost for each part of a picture that came: no sender has as many


def mutable_ids(extensions: Mapping[str, int]) -> dict[int, int]:
    """For `fec.without_mutable`, by the header extensions that were agreed on (uri -> id)."""
    return {number: MUTABLE[uri] for uri, number in extensions.items() if uri in MUTABLE}


def empty(packet: bytes, number: int) -> bytes:
    """A packet of nothing under this number of the same stream."""
    return bytes((0x80, packet[1] & 0x7F)) + (number & 0xFFFF).to_bytes(2) + packet[4 : rtp.HEADER_SIZE]


class Mending:
    """One stream. `red` and `ulpfec` are payload types, `mutable` see `fec.without_mutable`."""

    def __init__(self, red: int, ulpfec: int, mutable: Mapping[int, int]) -> None:
        self.red = red
        self.ulpfec = ulpfec
        self.repairs = 0
        """FEC packets that came."""
        self._recoverer = Recoverer(mutable=mutable)
        self._came_at = -math.inf
        self._media = ulpfec  # payload type of the newest part of a picture, as soon as there is one
        self._ends: dict[int, tuple[int, int]] = {}
        self._begins: dict[int, tuple[int, int]] = {}
        self._allowed = LONGEST_GAP

    def is_used(self, now: float) -> bool:
        """Whether FEC comes with the stream."""
        return now < self._came_at + USED_FOR

    def receive(self, packet: bytes, now: float) -> list[bytes]:
        """The packet as it is without RED, then those that are computed with it. Raises `Malformed`.

        FEC is given as a packet of nothing: its number is used, and there is no content that goes with it.
        """
        if packet[1] & 0x7F != self.red:
            return [packet]
        inside = red.unwrap_packet(packet)
        if inside[1] & 0x7F != self.ulpfec:
            self._media = inside[1] & 0x7F
            return [inside, *self._recoverer.receive(inside)]
        self.repairs += 1
        self._came_at = now
        start, end = rtp.payload_bounds(inside)
        parity = fec.parse(inside[start:end])
        computed = self._recoverer.receive_parity(parity, int.from_bytes(inside[8:12]))
        return [self._as_nothing(inside), *computed]  # spec: fec/number-used

    def open(self, packet: bytes) -> bytes:
        """A packet as it is without RED, FEC as nothing; nothing is computed from it. Raises `Malformed`."""
        if packet[1] & 0x7F != self.red:
            return packet
        inside = red.unwrap_packet(packet)
        return self._as_nothing(inside) if inside[1] & 0x7F == self.ulpfec else inside

    def _as_nothing(self, packet: bytes) -> bytes:
        """The number of an FEC packet without content, as if it had been a part of a picture."""
        return empty(packet[:1] + bytes([self._media]) + packet[2:], int.from_bytes(packet[2:4]))

    def between(self, packet: Incoming) -> list[int]:
        """Numbers (extended) that are no part of a picture, as far as this packet of VP8 tells.

        They are behind the end of a picture and before the beginning of the next one; what is between these two, sent
        or lost, is FEC or padding. There is a packet of nothing for each to all viewers, so they are bounded.
        """
        picture, found = packet.picture, list[int]()
        if picture is None:
            return found
        self._allowed = min(self._allowed + MOST_LOST, LONGEST_GAP)
        if packet.marker:
            self._ends[picture % REMEMBERED] = picture & 0x7FFF, packet.sequence
            found += self._gap(picture)
        if begins_vp8(packet):
            self._begins[picture % REMEMBERED] = picture & 0x7FFF, packet.sequence
            found += self._gap(picture - 1)
        if len(found) > self._allowed:
            return []
        self._allowed -= len(found)
        return found

    def _gap(self, picture: int) -> range:
        """What is between this picture and the next."""
        of, end = self._ends.get(picture % REMEMBERED, (-1, 0))
        following, begin = self._begins.get((picture + 1) % REMEMBERED, (-1, 0))
        known = of == picture & 0x7FFF and following == picture + 1 & 0x7FFF
        return range(end + 1, begin) if known and begin - end <= LONGEST_GAP + 1 else range(0)
