"""What a program that takes part receives in one slot: in order, at the sender's pace, and asking for what is missing.

    packet -> losses (what to ask for again) -> jitter buffer -> when its time has come: a picture's parts, or sound

Stands on `app/clientlink`; `app/client` has one for each slot of *down*, and `app/playout` keeps their time.
Specification: RFC 3550 section 6.4.2 (reports), RFC 4585 (NACK, PLI), RFC 4588 (RTX), RFC 2198 (RED), RFC 7741 (VP8);
spec/jitter.toml.
Leaves out: decoding, and keeping lips in sync with sound: each slot has a buffer of its own.
Read next: `media/jitter.py`, `media/repair.py`, `media/assembly.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from meetref.app.clientlink import ClientLink
from meetref.media.assembly import Assembly
from meetref.media.jitter import Gap, JitterBuffer
from meetref.media.mending import WAIT, Mending, empty
from meetref.media.reception import Reception
from meetref.media.redundancy import numbered
from meetref.media.repair import MAXIMUM_WAIT, REORDER_WAIT, LossDetector
from meetref.media.rewriting import read_video
from meetref.media.sequence import Unwrapper, difference
from meetref.protocol.negotiation import VP8_PAYLOAD_TYPE, Kind
from meetref.wire import rtcp, rtcpfeedback, rtp
from meetref.wire.reader import Malformed

REPORT_INTERVAL = 1.0
KEYFRAME_INTERVAL = 0.5
MAXIMUM_CONCEALED = 5
"""Packets of sound in a row that are made up, 100 ms; a longer gap is silence."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Statistics:
    """What came in one slot so far. `delay_ms` is how long its buffer holds a packet; the others count packets."""

    kind: Kind
    packets: int
    delay_ms: int
    late: int
    lost: int
    concealed: int
    frames: int


class Receiver:
    """One slot. `packets` counts all media packets, `gaps` how often some were missing when it was their turn.

    `red` is the payload type of sound that is said twice, `doubled` counts the packets that came so. `mending` is there
    where pictures may come with FEC, `mended` counts the packets that were computed.
    Whole frames go to `on_frame`; packets of sound go to `on_sound`, which gets None for one that is to be concealed.
    Whoever calls `receive` calls `handle_timeout` when `next_timeout` has come.
    """

    def __init__(
        self, ssrc: int, rtx_ssrc: int | None, kind: Kind, link: ClientLink, *, red: int | None = None,
        mending: Mending | None = None,
    ) -> None:  # fmt: skip
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.kind = kind
        self.packets = 0
        self.gaps = 0
        self.concealed = 0
        self.doubled = 0
        self.mended = 0
        self.sender_reports = 0
        self.last_payload = b""
        self.on_sound: Callable[[bytes | None], None] = lambda payload: None
        self._link = link
        self._red = red
        self.mending = mending
        clock_rate = 48000 if kind == "audio" else 90000
        self._reception = Reception(clock_rate)
        self._losses = LossDetector()
        self._unwrapper = Unwrapper()
        self._short_pictures = Unwrapper(7)
        self._assembly = Assembly()
        # Sound goes on without a lost packet; pictures cannot, so they wait as long as it is asked for.
        patience = 0.0 if kind == "audio" else MAXIMUM_WAIT
        self._buffer: JitterBuffer[rtp.Packet] = JitterBuffer(clock_rate, patience=patience)
        self._keyframe: int | None = None  # number of the first packet of one that came, until it is given out
        self._keyframe_asked_at = -1.0
        self.keyframe_at = -1.0
        """When the first packet of the newest keyframe came."""
        self._report_at = 0.0

    @property
    def ssrcs(self) -> list[int]:
        return [self.ssrc] if self.rtx_ssrc is None else [self.ssrc, self.rtx_ssrc]

    @property
    def own_ssrc(self) -> int:
        """Under which we report on it."""
        return self.ssrc ^ 1

    def expect(self, round_trip_time: float) -> None:
        """Take the round trip, in seconds: sooner than that no answer can be there, and nothing is asked for again."""
        answer = round_trip_time + REORDER_WAIT  # an answer may be overtaken, too
        self._losses.round_trip_time = answer
        if self.kind == "video":
            self._buffer.repair_time = self._losses.reorder_wait + answer

    @property
    def playing(self) -> bool:
        """Whether pictures can be decoded now: a keyframe came, and nothing since then is missing."""
        return self._assembly.playing

    @property
    def frames(self) -> int:
        """Whole VP8 frames that could be decoded, keyframes among them."""
        return self._assembly.frames

    @property
    def keyframes(self) -> int:
        return self._assembly.keyframes

    @property
    def on_frame(self) -> Callable[[bytes, int], None]:
        return self._assembly.on_frame

    @on_frame.setter
    def on_frame(self, told: Callable[[bytes, int], None]) -> None:
        self._assembly.on_frame = told

    @property
    def statistics(self) -> Statistics:
        return Statistics(
            kind=self.kind,
            packets=self.packets,
            delay_ms=round(self._buffer.delay * 1000),
            late=self._buffer.late,
            lost=self._buffer.lost,
            concealed=self.concealed,
            frames=self.frames,
        )

    def receive(self, plain: bytes, now: float) -> list[bytes]:
        """One unlocked packet of this slot, original or repeated. Gives it without protection, and what was computed.

        Where nothing is protected that is the packet as it came. FEC, come or lost, is given as packets of nothing.
        """
        given = [plain]
        try:
            is_repeated = int.from_bytes(plain[8:12]) == self.rtx_ssrc
            if is_repeated:
                plain = rtp.original(plain, VP8_PAYLOAD_TYPE, self.ssrc)
            elif self.mending is not None:
                given = self.mending.receive(plain, now)
                plain = given[0]
            packet, mended = rtp.parse(plain), [rtp.parse(each) for each in given[1:]]
            sounds = self._take_apart(packet)
        except Malformed:
            return given
        self.packets += 1
        if not is_repeated:  # in a stream of its own: in this one it stays lost
            self._reception.receive(packet.sequence, packet.timestamp, now)
        self._take(packet, sounds, now)
        self.mended += len(mended)
        for each in mended:
            self._take(each, [], now)
        if self.mending is not None:
            given += self._close_gaps(self.mending, [plain, *given[1:]], now)
        self._play(now)
        return given

    def _close_gaps(self, mending: Mending, packets: list[bytes], now: float) -> list[bytes]:
        """Neither ask for FEC that was lost nor wait for it: its number goes on with nothing."""
        nothing = []
        for plain in packets:
            sequence = self._unwrapper.nearest(int.from_bytes(plain[2:4]))
            try:
                lost = mending.between(read_video(plain, sequence, self._short_pictures))
            except Malformed:
                continue
            nothing += [empty(plain, number) for number in lost if self._losses.misses(number)]
        for each in nothing:
            self._take(rtp.parse(each), [], now)  # spec: fec/lost-fec-not-asked
        return nothing

    def _take(self, packet: rtp.Packet, sounds: list[rtp.Packet], now: float) -> None:
        """A packet, and those that it brings along, are there."""
        for each in (*sounds, packet):
            self._losses.receive(self._unwrapper.unwrap(each.sequence), now)
            self._buffer.insert(each.sequence, each.timestamp, each, now)
        self.last_payload = packet.payload
        if self.kind == "video":
            self._skip_to_keyframe(packet, now)

    def _take_apart(self, packet: rtp.Packet) -> list[rtp.Packet]:
        """Leave the newest sound alone in a packet that came as RED; gives the older ones, which may have been lost."""
        if packet.payload_type != self._red:
            return []
        *older, (_, newest) = numbered(packet.payload, packet.sequence, packet.timestamp)
        packet.payload_type, packet.payload = newest.payload_type, newest.data
        self.doubled += 1
        return [
            replace(packet, sequence=number & 0xFFFF, timestamp=sound.timestamp, payload=sound.data)
            for number, sound in older
        ]

    def _skip_to_keyframe(self, packet: rtp.Packet, now: float) -> None:
        """When the time of a keyframe that is whole has come, what is missing before it is of no use any more."""
        if self._assembly.starts_keyframe(packet.payload) and self._buffer.holds(packet.sequence):
            self._keyframe, self.keyframe_at = packet.sequence, now
        if self._keyframe is not None and any(part.marker for part in self._buffer.run(self._keyframe)):
            self._buffer.skip_to(self._keyframe)

    def _play(self, now: float) -> None:
        """Take what is due."""
        for item in self._buffer.release(now):
            if self.kind == "audio":
                self._hear(item)
            elif isinstance(item, Gap):
                self.gaps += 1
                self._assembly.lose()
                if item.count is None:
                    self._keyframe = None
            else:
                self._see(item, now)

    def _hear(self, item: rtp.Packet | Gap) -> None:
        if not isinstance(item, Gap):
            self.on_sound(item.payload)
            return
        self.gaps += 1
        for _ in range(min(item.count or 0, MAXIMUM_CONCEALED)):
            self.concealed += 1
            self.on_sound(None)

    def _see(self, packet: rtp.Packet, now: float) -> None:
        if self._keyframe is not None and difference(packet.sequence, self._keyframe) >= 0:
            self._losses.forgive(self._unwrapper.nearest(self._keyframe))
            self._keyframe = None
        was_playing = self.playing
        self._assembly.take(packet)
        if self.playing:
            return
        self.gaps += was_playing
        if self._keyframe is None:  # spec: jitter/skipped-to
            self.ask_keyframe(now)

    def ask_keyframe(self, now: float) -> None:
        """Ask for a picture that needs none before it, unless that was asked a moment ago."""
        if now - self._keyframe_asked_at >= KEYFRAME_INTERVAL:
            self._keyframe_asked_at = now
            self._link.send_control(rtcpfeedback.PictureLoss(self.ssrc, self.ssrc))

    def on_control(self, packet: object, now: float) -> None:
        if isinstance(packet, rtcp.SenderReport) and packet.ssrc == self.ssrc:
            self.sender_reports += 1

    def next_timeout(self) -> float:
        """When there is something to play, to ask for or to report; infinity before anything came."""
        report_at = self._report_at if self.packets else float("inf")
        return min(self._buffer.next_timeout(), self._losses.next_timeout(), report_at)

    def handle_timeout(self, now: float) -> None:
        """Ask for what is missing, play what is due, report what came."""
        if not self.packets:
            return
        if self._losses.next_timeout() <= now:
            lost = self._losses.due(now)
            if lost:
                self._link.send_control(rtcpfeedback.Nack(self.ssrc, self.ssrc, lost))
            if self._losses.gave_up():
                self._buffer.give_up()
        self._play(now)
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            protected = self.mending is not None and self.mending.is_used(now)
            self._losses.reorder_wait = WAIT if protected else REORDER_WAIT
            self._link.send_control(
                rtcp.ReceiverReport(self.own_ssrc, [self._reception.report_block(self.ssrc, now)]),
                rtcp.named(self.own_ssrc, "client"),
            )
