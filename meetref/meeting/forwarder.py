"""From one publisher's packet to every seat that shows it: the server's hot path.

`meeting/up` unlocks and parses a packet once and gives it to its `Track`. When the batch is over, `meeting/exchange`
has each track forward what it got: each `Slot` that shows it rewrites, locks and queues its copies, a viewer at a time,
because whatever belongs to one viewer is then fetched into the processor's caches once. Then all queues are sent. No
task, no channel, no await in between (docs/architecture.md, "The way of a packet").
Stands above `media/rewriting` (what changes in a packet) and below `meeting/seats` (which slot shows which track).
Specification: RFC 7667 section 3.7 (selective forwarding); RFC 4588 for retransmission.
Leaves out: choosing layers; there is one a track.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from meetref.media.keyframes import KeyframeGate
from meetref.media.lipsync import TrackClock
from meetref.media.repair import PacketCache
from meetref.media.rewriting import TRANSPORT_SEQUENCE_AT, Incoming, Parts, Rewriter, without_padding
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
    lock: Callable[[Sequence[Parts]], list[bytes]]
    """See `protocol.lock.Session.lock_run`."""

    def touch(self) -> None:
        """Say that `pending` has something to be sent at the end of the batch."""

    def started(self, slot: Slot, now: float) -> None:
        """The first packet of a new source has gone out on this slot."""

    def fail(self, error: Exception) -> None:
        """A mistake of ours in one viewer's stream ends that viewer's connection, and no other's."""


class Track:
    """One stream of a publisher, and the slots that show it now."""

    def __init__(
        self,
        *,
        owner: str,
        source: Source,
        kind: Kind,
        clock: TrackClock,
        ask: Callable[[], None],
        arrived: list[Track],
    ) -> None:
        self.owner = owner
        self.source = source
        self.kind = kind
        self.clock = clock
        self.slots: list[Slot] = []
        self.keyframes = KeyframeGate()
        self.on_level: Callable[[int, float], None] | None = None
        """Told the level of every audio packet (0 is loudest) while somebody listens: in large rooms."""
        self._ask = ask
        self._arrived = arrived
        self._packets: list[Incoming] = []

    def take(self, packet: Incoming) -> None:
        """Keep a packet until the batch is over; the first one enters the track in the list `arrived`."""
        if not self._packets:
            self._arrived.append(self)
        self._packets.append(packet)

    def forward(self, now: float) -> None:
        """Give what came to every slot that shows this track."""
        packets, self._packets = self._packets, []
        for slot in self.slots:
            try:
                slot.send(packets, now)
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

    def send(self, packets: Sequence[Incoming], now: float) -> None:
        """Rewrite, lock, remember and queue what came of the track in one batch.

        What the lock refuses leaves a gap in the link's transport-wide numbers: to the viewer it is lost.
        """
        rewriter, link = self.rewriter, self.link
        if rewriter.waiting:
            packets = self._begin(packets, now)
        run = rewriter.rewrite(packets, link.transport_sequence)
        if run:
            link.transport_sequence = (link.transport_sequence + len(run)) & 0xFFFF
            locked = link.lock(run)
            self.repair.remember(run, locked, now)
            self._queue(locked)

    def _queue(self, locked: list[bytes]) -> None:
        pending = self.link.pending
        if locked and not pending:
            self.link.touch()
        pending += locked

    def _begin(self, packets: Sequence[Incoming], now: float) -> Sequence[Incoming]:
        """Begin at the first packet with which a viewer can; gives what can be sent then.

        What overtook the first packet of its frame goes right behind it.
        """
        for place, packet in enumerate(packets):
            if packet.starts and self.track is not None:
                early, self._early = self._early, []
                self._start(packet, self.track.clock.captured_at(packet.timestamp, now), now)
                return [packet, *early, *packets[place + 1 :]]
            self._early = [*self._early[1 - MAXIMUM_EARLY :], packet]
        return []

    def _start(self, packet: Incoming, captured: float, now: float) -> None:
        """The stream goes on with `packet`, which was captured at that moment of this server's clock."""
        if self.base is None:
            self.base = (captured, self.rewriter.last_timestamp)
        self.rewriter.begin(packet, self.timestamp_at(captured))
        self.first_timestamp = (packet.timestamp + self.rewriter.timestamp_offset) & 0xFFFFFFFF
        self.link.started(self, now)

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
        self._queue(self.repair.again(sequence, self.link, now))


class Repair(Protocol):
    """How a slot answers what its viewer lost."""

    def remember(self, run: Sequence[Parts], locked: Sequence[bytes], now: float) -> None:
        """Keep what was sent: in parts, and as much of it as was locked."""
        ...

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        """The packet for the wire; nothing where it is gone, or was sent again less than a round trip ago."""
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

    def remember(self, run: Sequence[Parts], locked: Sequence[bytes], now: float) -> None:
        for packet in locked:
            self._cache.store(packet[2] << 8 | packet[3], packet, now)

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        found = self._cache.fetch(sequence, now)
        return [] if found is None else [found]


class Retransmission:
    """With RTX (RFC 4588): the packet travels anew in a stream of its own, its old sequence number in front."""

    __slots__ = ("_cache", "payload_type", "sequence", "ssrc")

    def __init__(self, *, ssrc: int, payload_type: int, first_sequence: int) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = first_sequence
        self._cache: PacketCache[Parts] = PacketCache()

    def expect(self, round_trip_time: float) -> None:
        self._cache.round_trip_time = max(round_trip_time, SHORTEST_ROUND_TRIP)

    def remember(self, run: Sequence[Parts], locked: Sequence[bytes], now: float) -> None:
        store = self._cache.store
        for parts in run:
            store(parts[0][2] << 8 | parts[0][3], parts, now)

    def again(self, sequence: int, link: Link, now: float) -> list[bytes]:
        found = self._cache.fetch(sequence, now)
        if found is None:
            return []
        sent, descriptor, tail = without_padding(found)
        header = bytearray(sent)
        timestamp = int.from_bytes(sent[4:8])  # spec: rtp/rtx-same-timestamp
        rtp.fixed.pack_into(header, 0, sent[0], sent[1] & 0x80 | self.payload_type, self.sequence, timestamp, self.ssrc)
        header[TRANSPORT_SEQUENCE_AT : TRANSPORT_SEQUENCE_AT + 2] = link.transport_sequence.to_bytes(2)
        self.sequence = (self.sequence + 1) & 0xFFFF  # spec: rtp/rtx-own-sequence
        link.transport_sequence = (link.transport_sequence + 1) & 0xFFFF
        return link.lock([(bytes(header), sent[2:4] + descriptor, tail)])  # spec: rtp/rtx-original-sequence
