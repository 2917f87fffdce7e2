"""From one publisher's packet to every seat that shows it: the server's hot path.

`meeting/up` unlocks and parses a packet once and calls `Track.forward`; each `Slot` that shows the track rewrites,
locks and queues its copy; `meeting/exchange` sends all queues at the end of the batch. No task, no channel, no
await in between (docs/architecture.md, "The way of a packet").
Stands above `media/rewriting` (what changes in a packet) and below `meeting/seats` (which slot shows which track).
Specification: RFC 7667 section 3.7 (selective forwarding); RFC 4588 for retransmission.
Leaves out: choosing layers; there is one a track.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal, Protocol

from meetref.media.keyframes import KeyframeGate
from meetref.media.lipsync import TrackClock
from meetref.media.repair import PacketCache
from meetref.media.rewriting import TRANSPORT_SEQUENCE_AT, Incoming, Rewriter
from meetref.protocol.srtp import LockRefused
from meetref.wire import rtp
from meetref.wire.signaling import Source

Kind = Literal["audio", "video"]

SHORTEST_ROUND_TRIP = 0.01  # seconds; on a faster path a viewer still waits so long before it asks again

MAXIMUM_EARLY = 32
"""Packets of a keyframe that may overtake its first one on the way here: a frame has about so many."""


class Link(Protocol):
    """What a slot needs of the connection it belongs to (`meeting/down`)."""

    transport_sequence: int
    pending: list[bytes]
    lock: Callable[[bytes, bytes], bytes]
    """Takes a packet in two parts, header and payload. Raises `LockRefused`."""
    refused: Counter[str]

    def touch(self) -> None:
        """Say that `pending` has something to be sent at the end of the batch."""

    def started(self, slot: Slot, now: float) -> None:
        """The first packet of a new source has gone out on this slot."""

    def fail(self, error: Exception) -> None:
        """A mistake of ours in one viewer's stream ends that viewer's connection, and no other's."""


class Track:
    """One stream of a publisher, and the slots that show it now."""

    def __init__(self, *, owner: str, source: Source, kind: Kind, clock: TrackClock, ask: Callable[[], None]) -> None:
        self.owner = owner
        self.source = source
        self.kind = kind
        self.clock = clock
        self.slots: list[Slot] = []
        self.keyframes = KeyframeGate()
        self.on_level: Callable[[int, float], None] | None = None
        """Told the level of every audio packet (0 is loudest) while somebody listens: in large rooms."""
        self._ask = ask

    def forward(self, packet: Incoming, now: float) -> None:
        """Give a packet to every slot that shows this track."""
        for slot in self.slots:
            try:
                slot.send(packet, now)
            except Exception as error:
                slot.link.fail(error)

    def want_keyframe(self, now: float) -> None:
        """A viewer cannot go on without a keyframe; the requests of all viewers become one (media/keyframes)."""
        if self.kind == "video" and self.keyframes.ask(now):
            self._ask()


class Slot:
    """One outgoing stream of a viewer's connection; who is seen in it changes, the stream goes on."""

    __slots__ = ("_early", "base", "first_timestamp", "kind", "link", "mid", "repair", "rewriter", "track")

    def __init__(self, *, mid: str, kind: Kind, link: Link, rewriter: Rewriter, repair: Repair) -> None:
        self.mid = mid
        self.kind = kind
        self.link = link
        self.rewriter = rewriter
        self.repair = repair
        self.track: Track | None = None
        self.first_timestamp: int | None = None
        """The first RTP timestamp of the track that is shown now; None until its first packet has gone."""
        self.base: tuple[float, int] | None = None
        """A moment of this server's clock and the RTP timestamp that stands for it: the slot's one straight line."""
        self._early: list[Incoming] = []

    def show(self, track: Track | None, now: float) -> None:
        """Show another track from its next keyframe (audio: next packet) on, or nothing."""
        if track is self.track:
            return
        if self.track is not None:
            self.track.slots.remove(self)
        self.track = track
        self.first_timestamp = None
        self._early.clear()
        self.rewriter.switch()
        if track is not None:
            track.slots.append(self)
            track.want_keyframe(now)

    def send(self, packet: Incoming, now: float) -> None:
        """Rewrite, lock, remember and queue a packet.

        The transport-wide number is used up only if it was locked: the viewer would take a gap for a loss.
        """
        rewriter, link = self.rewriter, self.link
        if rewriter.waiting:
            self._begin(packet, now)
            return
        number = link.transport_sequence
        parts = rewriter.rewrite(packet, number)
        if parts is None:
            return
        header, descriptor = parts
        try:
            locked = link.lock(header, descriptor + packet.tail)
        except LockRefused as error:
            link.refused[str(error)] += 1
            return
        link.transport_sequence = (number + 1) & 0xFFFF
        self.repair.remember(header, descriptor, packet.tail, locked, now)
        pending = link.pending
        if not pending:
            link.touch()
        pending.append(locked)

    def _begin(self, packet: Incoming, now: float) -> None:
        """Begin with `packet` if a viewer can; what overtook the first packet of its frame goes right behind it."""
        if self.track is None:
            return
        if not packet.starts:
            self._early = [*self._early[1 - MAXIMUM_EARLY :], packet]
            return
        captured = self.track.clock.captured_at(packet.timestamp, now)
        if self.base is None:
            self.base = (captured, self.rewriter.last_timestamp)
        self.rewriter.begin(packet, self.timestamp_at(captured))
        self.first_timestamp = (packet.timestamp + self.rewriter.timestamp_offset) & 0xFFFFFFFF
        self.link.started(self, now)
        self.send(packet, now)
        for early in self._early:
            self.send(early, now)
        self._early.clear()

    def timestamp_at(self, moment: float) -> int:
        """Where a moment of this server's clock stands on the slot's RTP clock (seconds in, RTP units out)."""
        since, timestamp = self.base or (moment, self.rewriter.last_timestamp)
        return (timestamp + round((moment - since) * self.rewriter.clock_rate)) & 0xFFFFFFFF

    def reported_timestamp(self, now: float) -> int:
        """The RTP timestamp of this moment for a sender report: the source's; when idle, the slot's own line."""
        theirs = self.track.clock.timestamp_at(now) if self.track is not None and not self.rewriter.waiting else None
        if theirs is None:
            return self.timestamp_at(now)
        return (theirs + self.rewriter.timestamp_offset) & 0xFFFFFFFF

    def resend(self, sequence: int, now: float) -> None:
        """Answer one lost packet, when it is still remembered and was not just repeated."""
        locked = self.repair.again(sequence, self.link, now)
        if locked is not None:
            if not self.link.pending:
                self.link.touch()
            self.link.pending.append(locked)


class Repair(Protocol):
    """How a slot answers what its viewer lost."""

    def remember(self, header: bytes, descriptor: bytes, tail: bytes, locked: bytes, now: float) -> None:
        """Keep a packet that was sent, as its parts and as they were locked; `tail` is the same for all viewers."""
        ...

    def again(self, sequence: int, link: Link, now: float) -> bytes | None:
        """The packet for the wire; None where it is gone, or was sent again less than a round trip ago."""
        ...

    def expect(self, round_trip_time: float) -> None:
        """Take the measured round trip, in seconds."""
        ...


class Verbatim:
    """Without RTX: the very ciphertext again. A changed packet under a used index would give the GCM key away."""

    __slots__ = ("_cache",)

    def __init__(self) -> None:
        self._cache: PacketCache[bytes] = PacketCache()

    def expect(self, round_trip_time: float) -> None:
        self._cache.round_trip_time = max(round_trip_time, SHORTEST_ROUND_TRIP)

    def remember(self, header: bytes, descriptor: bytes, tail: bytes, locked: bytes, now: float) -> None:
        self._cache.store(header[2] << 8 | header[3], locked, now)

    def again(self, sequence: int, link: Link, now: float) -> bytes | None:
        return self._cache.fetch(sequence, now)


class Retransmission:
    """With RTX (RFC 4588): the packet travels anew in a stream of its own, its old sequence number in front."""

    __slots__ = ("_cache", "payload_type", "sequence", "ssrc")

    def __init__(self, *, ssrc: int, payload_type: int, first_sequence: int) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = first_sequence
        self._cache: PacketCache[tuple[bytes, bytes, bytes]] = PacketCache()

    def expect(self, round_trip_time: float) -> None:
        self._cache.round_trip_time = max(round_trip_time, SHORTEST_ROUND_TRIP)

    def remember(self, header: bytes, descriptor: bytes, tail: bytes, locked: bytes, now: float) -> None:
        self._cache.store(header[2] << 8 | header[3], (header, descriptor, tail), now)

    def again(self, sequence: int, link: Link, now: float) -> bytes | None:
        found = self._cache.fetch(sequence, now)
        if found is None:
            return None
        sent, descriptor, tail = found
        header = bytearray(sent)
        timestamp = int.from_bytes(sent[4:8])  # spec: rtp/rtx-same-timestamp
        rtp.fixed.pack_into(header, 0, sent[0], sent[1] & 0x80 | self.payload_type, self.sequence, timestamp, self.ssrc)
        header[TRANSPORT_SEQUENCE_AT : TRANSPORT_SEQUENCE_AT + 2] = link.transport_sequence.to_bytes(2)
        try:
            locked = link.lock(bytes(header), sent[2:4] + descriptor + tail)  # spec: rtp/rtx-original-sequence
        except LockRefused as error:
            link.refused[str(error)] += 1
            return None
        self.sequence = (self.sequence + 1) & 0xFFFF  # spec: rtp/rtx-own-sequence
        link.transport_sequence = (link.transport_sequence + 1) & 0xFFFF
        return locked
