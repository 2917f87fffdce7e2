"""How a slot answers what its viewer lost: with the very ciphertext again, or in a stream of its own (RTX).

Stands below `meeting/forwarder`, whose slots have one of the two each, and above `media/repair`, which remembers what
was sent. Whether there is room to send anything again is asked of the `Link` (`media/allowance`).
Specification: RFC 4585 section 6.2.1 (NACK), RFC 4588 (RTX); RFC 3711 section 9.1 (why no packet may be changed under
an index that was used). Leaves out: what is sent because it may be lost, which is `meeting/fec`'s and `meeting/red`'s.
Read next: `meeting/down.py`, who hears what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from meetref.media.parts import Parts, transport_sequence_at, without_padding
from meetref.media.repair import Kept, PacketCache, Run
from meetref.media.rewriting import Recalled
from meetref.wire import rtp

if TYPE_CHECKING:
    from meetref.meeting.forwarder import Link

SHORTEST_ROUND_TRIP = 0.01  # seconds; on a faster path a viewer still waits so long before it asks again
IMPATIENT = 0.9  # of a round trip: both ends measure it, and a viewer who asks once in theirs may come early by ours

MAXIMUM_PADDING = 64  # packets that are sent once more at a time, to fill a link


class Repair(Protocol):
    """How a slot answers what its viewer lost."""

    def remember(self, run: Run[Parts], locked: Sequence[bytes], now: float) -> None:
        """Keep what was sent: in parts, and as much of it as was locked."""
        ...

    def has(self, sequence: int) -> bool:
        """Whether the packet with this number, one of the newest, was sent."""
        ...

    def forget(self, payload_type: int) -> None:
        """Nothing that was sent so far is needed any more; what follows is sent again under this payload type."""
        ...

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        """The packet for the wire; nothing where it is gone or has no room, or was sent again a moment ago."""
        ...

    def pad(self, octets: int, link: Link, now: float) -> list[bytes]:
        """Packets for the wire that the viewer needs not, of about so many octets; nothing where there is no way."""
        ...

    def expect(self, round_trip_time: float) -> None:
        """Take the measured round trip, in seconds."""
        ...


def _fetch(cache: PacketCache[Kept], sequence: int, link: Link, now: float) -> Kept | None:
    """What is to be sent again, if there is room."""
    found = cache.fetch(sequence, now)
    if found is not None and not link.may_repeat(now):
        cache.not_sent(sequence)
        return None
    return found


class Verbatim:
    """Without RTX: the very ciphertext again. A changed packet under a used index would give the GCM key away."""

    __slots__ = ("_cache",)

    def __init__(self) -> None:
        self._cache: PacketCache[bytes] = PacketCache()

    def expect(self, round_trip_time: float) -> None:
        self._cache.round_trip_time = max(IMPATIENT * round_trip_time, SHORTEST_ROUND_TRIP)

    def remember(self, run: Run[Parts], locked: Sequence[bytes], now: float) -> None:
        for packet in locked:
            self._cache.store(packet[2] << 8 | packet[3], (packet,), now)

    def has(self, sequence: int) -> bool:
        return sequence in self._cache

    def forget(self, payload_type: int) -> None:
        self._cache.forget()

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        found = _fetch(self._cache, sequence, link, now)
        return [] if found is None else [found]

    def pad(self, octets: int, link: Link, now: float) -> list[bytes]:
        return []  # the same packet again would have no transport-wide number of its own


class Retransmission:
    """With RTX (RFC 4588): the packet travels anew in a stream of its own, its old sequence number in front."""

    __slots__ = ("_cache", "payload_type", "sequence", "ssrc", "transport_id")

    def __init__(self, *, ssrc: int, payload_type: int, transport_id: int, first_sequence: int) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.transport_id = transport_id
        self.sequence = first_sequence
        self._cache: PacketCache[Parts] = PacketCache()

    def expect(self, round_trip_time: float) -> None:
        self._cache.round_trip_time = max(IMPATIENT * round_trip_time, SHORTEST_ROUND_TRIP)

    def remember(self, run: Run[Parts], locked: Sequence[bytes], now: float) -> None:
        if isinstance(run, Recalled):  # mostly
            self._cache.store(run.first, run, now)
            return
        first, last = int.from_bytes(run[0][0][2:4]), int.from_bytes(run[-1][0][2:4])
        if (last - first) & 0xFFFF == len(run) - 1:  # in order as they are, nothing is missing between them
            self._cache.store(first, run, now)
            return
        for place in range(len(run)):
            header = run[place][0]
            self._cache.store(header[2] << 8 | header[3], (run[place],), now)

    def has(self, sequence: int) -> bool:
        return sequence in self._cache

    def forget(self, payload_type: int) -> None:
        self._cache.forget()
        self.payload_type = payload_type

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        found = _fetch(self._cache, sequence, link, now)
        return [] if found is None else self._repeat(found, link, now)

    def pad(self, octets: int, link: Link, now: float) -> list[bytes]:
        """The newest packets once more, for they may still repair something; then packets of nothing but padding.

        These are what is left where all pictures pause, and without them nobody would ever find out that there is room.
        """
        made: list[bytes] = []
        kept = self._cache.newest(MAXIMUM_PADDING, now)
        while octets > 0 and len(made) < MAXIMUM_PADDING:
            packet = next(kept, None)
            sent = self._empty(link, now) if packet is None else self._repeat(packet, link, now)
            if not sent:
                break
            made += sent
            octets -= len(sent[0])
        return made

    def _empty(self, link: Link, now: float) -> list[bytes]:
        number, sequence = link.transport_sequence, self.sequence
        link.transport_sequence, self.sequence = (number + 1) & 0xFFFF, (sequence + 1) & 0xFFFF
        extensions = {self.transport_id: number.to_bytes(2)} if self.transport_id else {}
        packet = rtp.Packet(
            payload_type=self.payload_type, sequence=sequence, timestamp=0, ssrc=self.ssrc,
            payload=b"", extensions=extensions, padding_size=255,
        )  # fmt: skip
        octets = rtp.serialize(packet)
        header = octets[: -packet.padding_size]
        locked = link.lock([(header, b"", octets[len(header) :])])
        link.on_sent(number, locked, now)
        return locked

    def _repeat(self, kept: Parts, link: Link, now: float) -> list[bytes]:
        sent, descriptor, tail = without_padding(kept)
        header = bytearray(sent)
        timestamp = int.from_bytes(sent[4:8])  # spec: rtp/rtx-same-timestamp
        rtp.fixed.pack_into(header, 0, sent[0], sent[1] & 0x80 | self.payload_type, self.sequence, timestamp, self.ssrc)
        number = link.transport_sequence
        if self.transport_id:
            at = transport_sequence_at(header)
            header[at : at + 2] = number.to_bytes(2)
        self.sequence = (self.sequence + 1) & 0xFFFF  # spec: rtp/rtx-own-sequence
        link.transport_sequence = (number + 1) & 0xFFFF
        locked = link.lock([(bytes(header), sent[2:4] + descriptor, tail)])  # spec: rtp/rtx-original-sequence
        link.on_sent(number, locked, now)
        return locked
