"""From one publisher's packet to every seat that shows it: the server's hot path.

`meeting/up` parses a packet once and gives it to its `Encoding` (`meeting/track`). When the batch is over, that
forwards what it got: each `Slot` that shows it rewrites, locks and sends its copies, a viewer at a time, because
whatever belongs to one viewer is then fetched into the processor's caches once, and the first viewer need not wait for
the last. No task, no channel, no await in between (docs/architecture.md, "The way of a packet"). Pictures that are
more than the viewer's line carries wait as they came, in `media/pacing`, and are rewritten when they leave.
Stands above `media/rewriting` (what changes in a packet) and below `meeting/seats` (which slot shows which track).
Specification: RFC 7667 section 3.7 (selective forwarding).
Leaves out: choosing; `Slot.want` is told which encoding and how many layers of it a viewer should have.
Read next: `meeting/down.py`, which is the `Link`; `meeting/repair.py`, for what was lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from meetref.media.formats import FORMATS
from meetref.media.pacing import Pacer, Urgency
from meetref.media.parts import Parts
from meetref.media.repair import Run
from meetref.media.rewriting import Incoming, Rewriter
from meetref.media.shielding import Shield
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.repair import Repair
from meetref.meeting.track import Encoding, Kind, Track
from meetref.meeting.viewing import Viewing
from meetref.protocol.negotiation import Fec

OVERHEAD = 72  # octets of a packet beside the tail of its payload: IP, UDP, header, descriptor, SRTP's tag

FRAMES = {"audio": 50, "video": 30}  # a second; at least so long is between one source and the next
SHORTEST_STEP = 0.001
"""Seconds on the slot's clock between two encodings of one picture: both may have been captured at the same moment."""


class Link(Protocol):
    """What a slot needs of the connection it belongs to (`meeting/down`)."""

    transport_sequence: int
    lock: Callable[[Sequence[Parts]], list[bytes]]
    """See `protocol.lock.Session.lock_run`."""
    on_sent: Callable[[int, Sequence[bytes], float], None]
    """Told of every run: its first transport-wide number, and the packets as they leave."""
    on_keyframe: Callable[[float], None]
    """Told when the first packets of a keyframe leave, or wait to."""
    pacer: Pacer[tuple[Slot, Incoming]]
    """Where pictures wait that would fill the viewer's line."""

    def release(self, now: float) -> None:
        """Have those leave whose turn it is."""

    def send(self, packets: Sequence[bytes]) -> None:
        """Have them leave now, in this order."""

    may_repeat: Callable[[float], bool]
    """Whether there is room now beside the media for what was lost."""

    def started(self, slot: Slot, now: float) -> None:
        """The first packet of a new source has gone out on this slot."""

    def switched(self, slot: Slot, now: float) -> None:
        """The first packet of another encoding of the same source has."""

    def fail(self, error: Exception) -> None:
        """A mistake of ours in one viewer's stream ends that viewer's connection, and no other's."""


class Slot(Viewing):
    """One outgoing stream of a viewer's connection; who is seen in it changes, the stream goes on."""

    __slots__ = (
        "base", "doubles", "fec", "first_timestamp", "formats", "keyframe", "keyframe_left_at", "mid", "payload_type",
        "red_payload_type", "repair", "repaired_at", "rewriter", "row", "shield",
    )  # fmt: skip

    link: Link

    def __init__(
        self, *, mid: str, kind: Kind, link: Link, rewriter: Rewriter, repair: Repair,
        formats: Mapping[str, tuple[int, int]],
    ) -> None:  # fmt: skip
        super().__init__(kind)
        self.mid = mid
        self.formats = formats
        """What the viewer reads: of each codec the payload type, and that of what is sent again (0: there is none)."""
        self.link = link
        self.rewriter = rewriter
        self.repair = repair
        self.payload_type = rewriter.payload_type
        """Of the codec that is shown, said once."""
        self.red_payload_type: int | None = None
        """How sound that is said twice is marked; None where the viewer does not take it so."""
        self.doubles = False
        self.fec: Fec | None = None
        """How pictures with FEC are marked; None where the viewer does not take them so."""
        self.row = 0
        """For how many packets of a picture there is to be one of FEC; 0: none."""
        self.shield: Shield | None = None
        """What makes it, and remembers where it went, as long as this source is shown."""
        self.first_timestamp: int | None = None
        """The first RTP timestamp of the track that is shown now; None until its first packet has gone."""
        self.keyframe: int | None = None
        """The timestamp, as it came, of the newest keyframe."""
        self.keyframe_left_at = -math.inf
        """When the newest keyframe has left, or will have, at the pace of what waits before it."""
        self.repaired_at = -math.inf
        """When last something was sent again."""
        self.base: tuple[float, int] | None = None
        """A moment of this server's clock and the RTP timestamp that stands for it: the slot's one straight line."""

    def show(self, track: Track | None, now: float, *, wanted: Literal["largest", "nothing"] = "largest") -> None:
        if track is not self.track:
            self.first_timestamp = None
            self.rewriter.keep_layers(ALL_LAYERS)
        super().show(track, now, wanted=wanted)

    def want(
        self,
        encoding: Encoding | Literal["largest", "nothing"],
        temporal: int,
        now: float,
        spatial: int = ALL_LAYERS,
    ) -> None:
        if (temporal, spatial) != (self.selection.temporal, self.selection.spatial):
            self.rewriter.keep_layers(temporal, spatial)
        super().want(encoding, temporal, now, spatial)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of what goes out, as far as is known."""
        shown, thinning = self.selection.shown, self.rewriter.thinning
        return None if shown is None else shown.size_of(ALL_LAYERS if thinning is None else thinning.goes_to)

    def double(self, wanted: bool) -> None:
        """Say every sound twice from now on, or once: the same stream goes on in another form."""
        self.doubles = wanted and self.red_payload_type is not None  # spec: red/agreed-only
        self._mark()

    def protect(self, row: int) -> None:
        """Send an FEC packet for every `row` packets of a picture from now on, or none: the same stream goes on."""
        self.row = row if self.fec is not None else 0  # spec: fec/agreed-only
        if self.shield is not None:
            self.shield.protect(self.row)
        elif self.selection.shown is not None:
            self._shield(self.selection.shown.track.codec)

    def _shield(self, codec: str) -> None:
        """Have FEC made from here on, if it is wanted, and pictures of this codec can have it."""
        if self.row and self.fec is not None and codec == "VP8":  # spec: fec/beside-vp8
            rewriter = self.rewriter
            self.shield = Shield(
                *self.fec, transport_id=rewriter.transport_id, newest=rewriter.last_sequence, row=self.row
            )

    def _mark(self) -> None:
        """Have the packets say in which format they come."""
        red = self.red_payload_type if self.doubles else None
        # spec: red/one-stream, rewriting/payload-type-of-codec
        self.rewriter.payload_type = self.payload_type if red is None else red

    # --- packets ------------------------------------------------------------------------------------

    def send(self, packets: Sequence[Incoming], now: float) -> None:
        """Forward what came of the encoding in one batch: now, or when the pacer says that it is their turn."""
        pacer = self.link.pacer
        if pacer.rate_bps < math.inf and not self._passes(pacer, packets, now):
            for packet, size in zip(packets, self._sizes(packets), strict=True):
                pacer.wait(Urgency.VIDEO, (self, packet), size)
            self.link.release(now)
        else:
            self.forward(packets, now)
        shown, thinning = self.selection.shown, self.rewriter.thinning
        if shown is not None and shown.keyframe_timestamp in (packets[0].timestamp, packets[-1].timestamp):
            self.keyframe_left_at = now + pacer.waiting_for
            if shown.keyframe_timestamp != self.keyframe:
                self.keyframe = shown.keyframe_timestamp
                self.link.on_keyframe(now)
        elif thinning is not None and thinning.waits and now > self.keyframe_left_at:
            self.want_keyframe(now)  # spec: rewriting/spatial-up-at-keyframe

    def _passes(self, pacer: Pacer[tuple[Slot, Incoming]], packets: Sequence[Incoming], now: float) -> bool:
        """Whether they leave as they are. A batch that alone is more than the pacer's window is spread out."""
        octets = sum(self._sizes(packets))
        if self.kind == "audio":
            pacer.count(octets, now)
            return True
        return octets <= pacer.window * pacer.rate_bps / 8 and pacer.passes(octets, now)

    def _sizes(self, packets: Sequence[Incoming]) -> list[int]:
        """What each will take of the line; nothing where it will be left out."""
        thinning = self.rewriter.thinning
        if thinning is None:
            return [len(packet.tail) + OVERHEAD for packet in packets]
        temporal, spatial = thinning.wanted, thinning.size
        return [
            len(packet.tail) + OVERHEAD
            if packet.temporal <= temporal and (spatial == ALL_LAYERS or (packet.spatial or 0) <= spatial)
            else 0
            for packet in packets
        ]

    def forward(self, packets: Sequence[Incoming], now: float) -> None:
        """Rewrite, lock, send and remember packets whose turn it is: at once, or out of the pacer (`Link.release`).

        What the lock refuses leaves a gap in the link's transport-wide numbers: to the viewer it is lost.
        """
        rewriter, link = self.rewriter, self.link
        if self.doubles and self.selection.shown is not None:
            packets = self.selection.shown.doubling.double(packets, rewriter.first)
        if rewriter.thinning is None:
            run = rewriter.rewrite(packets, link.transport_sequence)
            if run:
                self._leave(run, rewriter.recall(packets, run), now)
        elif run := rewriter.thin(packets, link.transport_sequence):  # spec: rewriting/decodable
            self._leave(run, run, now)

    def _leave(self, run: Sequence[Parts], kept: Run[Parts], now: float) -> None:
        link = self.link
        number = link.transport_sequence
        if self.shield is not None:
            run, kept = self._cover(self.shield, run, number)
            if not run:
                return
        link.transport_sequence = (number + len(run)) & 0xFFFF
        locked = link.lock(run)
        link.send(locked)
        link.on_sent(number, locked, now)
        self.repair.remember(kept, locked, now)

    def _cover(self, shield: Shield, run: Sequence[Parts], number: int) -> tuple[Sequence[Parts], Sequence[Parts]]:
        """What leaves of a run where there is FEC, and what of it is kept."""
        covered = shield.cover(run, number)
        self.rewriter.packets += len(covered.leaving) - len(run)
        self.rewriter.octets += covered.octets
        return covered.leaving, covered.kept

    def _was_sent(self, sequence: int) -> bool:
        """Whether a packet of this number, one of the newest of the rewriter's, has left."""
        number = sequence if self.shield is None else self.shield.number_of(sequence)
        return number is None or self.repair.has(number)

    def _start(self, encoding: Encoding, packet: Incoming, now: float) -> None:
        """The stream goes on with `packet`, which was captured at a moment of this server's clock."""
        self.link.pacer.drop(lambda waiting: waiting[0] is self)  # of a picture that nobody will see
        is_new = self.first_timestamp is None
        captured = encoding.clock.captured_at(packet.timestamp, now)
        if self.base is None:
            self.base = (captured, self.rewriter.last_timestamp)
        run = self.rewriter.fill(self._was_sent, self.link.transport_sequence)
        if run:
            self._leave(run, run, now)
        if self.shield is not None:  # its numbers are used: the stream goes on behind them
            self.rewriter.last_sequence = (self.rewriter.last_sequence + self.shield.shift) & 0xFFFF
            self.shield = None
        codec = encoding.track.codec
        self.payload_type, repairing = self.formats[codec]
        self._mark()
        self.rewriter.writing = FORMATS[codec].writing
        # A keyframe follows, which needs nothing of what is remembered and is to have the line for itself.
        self.repair.forget(repairing)
        step = 1 / FRAMES[self.kind] if is_new else SHORTEST_STEP
        self.rewriter.begin(packet, self.timestamp_at(captured), round(step * self.rewriter.clock_rate))
        self._shield(codec)
        super()._start(encoding, packet, now)
        if is_new:
            self.first_timestamp = (packet.timestamp + self.rewriter.timestamp_offset) & 0xFFFFFFFF
            self.link.started(self, now)
        else:
            self.link.switched(self, now)

    def timestamp_at(self, moment: float) -> int:
        """Where a moment of this server's clock stands on the slot's RTP clock (seconds in, RTP units out)."""
        since, timestamp = self.base or (moment, self.rewriter.last_timestamp)
        return (timestamp + round((moment - since) * self.rewriter.clock_rate)) & 0xFFFFFFFF

    def reported_timestamp(self, now: float) -> int:
        """The RTP timestamp of this moment for a sender report: the source's; when idle, the slot's own line."""
        shown = self.selection.shown
        theirs = shown.clock.timestamp_at(now) if shown is not None else None
        if theirs is None:
            return self.timestamp_at(now)
        return (theirs + self.rewriter.timestamp_offset) & 0xFFFFFFFF

    def resend(self, lost: Iterable[int], now: float) -> None:
        """Answer lost packets, those that are still remembered and were not just repeated."""
        packets = [packet for sequence in lost for packet in self.repair.again(sequence, self.link, now)]
        if packets:
            self.repaired_at = now
            self.link.send(packets)

    def pad(self, octets: int, now: float) -> int:
        """Send something useless that fills a link; how many octets that was."""
        padding = self.repair.pad(octets, self.link, now)
        self.link.send(padding)
        return sum(map(len, padding))
