"""What a program that takes part receives in one slot: whole frames, in order, and the requests for what is missing.

Stands on `app/clientlink`; `app/client` has one for each slot of *down*.
Specification: RFC 3550 section 6.4.2 (reports), RFC 4585 (NACK, PLI), RFC 4588 (RTX), RFC 7741 (VP8).
Leaves out: decoding and playing out; a frame is handed to `on_frame` as soon as it is whole and its turn.
Read next: `media/repair.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.app.clientlink import ClientLink
from meetref.media.reception import Reception
from meetref.media.repair import LossDetector
from meetref.media.sequence import Unwrapper
from meetref.protocol.negotiation import VP8_PAYLOAD_TYPE, Kind
from meetref.wire import rtcp, rtcpfeedback, rtp, vp8
from meetref.wire.reader import Malformed

REPORT_INTERVAL = 1.0
MAXIMUM_EARLY = 256
"""Packets that may overtake the first one of a keyframe; when more do, another keyframe is needed."""
MAXIMUM_WAITING = 512
"""Packets kept behind a gap; when more wait, the gap is given up and a keyframe is asked for."""
MAXIMUM_PARTS = 2048
"""Packets of one picture, more than two megabytes; one that does not end by then is given up."""


class Receiver:
    """One slot. `frames` counts whole VP8 frames that could be decoded, `packets` all media packets."""

    def __init__(self, ssrc: int, rtx_ssrc: int | None, kind: Kind, link: ClientLink) -> None:
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.kind = kind
        self.packets = 0
        self.frames = 0
        self.keyframes = 0
        self.gaps = 0
        self.sender_reports = 0
        self.last_payload = b""
        self.on_frame: Callable[[bytes, int], None] = lambda frame, timestamp: None
        self._link = link
        self._reception = Reception(48000 if kind == "audio" else 90000)
        self._losses = LossDetector()
        self._unwrapper = Unwrapper()
        self._waiting: dict[int, rtp.Packet] = {}
        self._next: int | None = None
        self._keyframe_at: int | None = None  # the newest one that came behind a gap
        self._floor = -(1 << 16)
        self._parts: list[bytes] = []
        self._broken = False  # what comes of the picture that is being joined is useless
        self._keyframe_asked_at = -1.0
        self._report_at = 0.0

    @property
    def ssrcs(self) -> list[int]:
        return [self.ssrc] if self.rtx_ssrc is None else [self.ssrc, self.rtx_ssrc]

    @property
    def own_ssrc(self) -> int:
        """Under which we report on it."""
        return self.ssrc ^ 1

    def expect(self, round_trip_time: float) -> None:
        """Take the round trip, in seconds: sooner than that nothing is asked for again."""
        self._losses.round_trip_time = round_trip_time

    @property
    def playing(self) -> bool:
        """Whether pictures can be decoded now: a keyframe came, and nothing since then is missing."""
        return self._next is not None

    def receive(self, plain: bytes, now: float) -> None:
        """One unlocked packet of this slot, original or repeated."""
        try:
            if int.from_bytes(plain[8:12]) == self.rtx_ssrc:
                plain = rtp.original(plain, VP8_PAYLOAD_TYPE, self.ssrc)
            packet = rtp.parse(plain)
        except Malformed:
            return
        extended = self._unwrapper.unwrap(packet.sequence)
        self.packets += 1
        self._losses.receive(extended, now)
        self._reception.receive(packet.sequence, packet.timestamp, now)
        self.last_payload = packet.payload
        if self.kind == "video":
            self._take(extended, packet, now)

    def _take(self, extended: int, packet: rtp.Packet, now: float) -> None:
        if self._next is None:
            if extended >= self._floor and _starts(packet):
                self._next = extended
                self._parts.clear()
                self._waiting = {number: early for number, early in self._waiting.items() if number > extended}
            else:
                self._ask_keyframe(now)
        # What overtook the keyframe is kept too: it was counted as received and will not be sent again.
        if self._next is None or extended >= self._next:
            self._waiting[extended] = packet
        if self._next is not None and self._next not in self._waiting:
            self._skip_to_keyframe(extended, packet)
        while self._next is not None and self._next in self._waiting:
            self._assemble(self._waiting.pop(self._next))
            self._next += 1
        if len(self._parts) > MAXIMUM_PARTS:
            self._lose(now)
        if self._next is None and len(self._waiting) > MAXIMUM_EARLY:
            first = min(self._waiting)
            del self._waiting[first]
            self._floor = max(self._floor, first + 1)  # it counts as received and will not be sent again
        if len(self._waiting) > MAXIMUM_WAITING:
            self._lose(now)

    def _skip_to_keyframe(self, extended: int, packet: rtp.Packet) -> None:
        """What is missing before a keyframe that is whole is of no use any more."""
        if _starts(packet):
            self._keyframe_at = extended
        end = first = self._keyframe_at
        if first is None or self._next is None or first <= self._next:
            return
        while end in self._waiting:
            if self._waiting[end].marker:
                self._losses.forgive(first)
                self._waiting = {number: each for number, each in self._waiting.items() if number >= first}
                self._next = first
                return
            end += 1

    def _assemble(self, packet: rtp.Packet) -> None:
        """Join the parts of a picture. One that another cuts off, or that has padding among its parts, has a hole."""
        try:
            descriptor = vp8.parse(packet.payload)
        except Malformed:
            self._parts.clear()
            self._broken = True
            return
        if descriptor.start and not descriptor.partition:
            self._parts.clear()
            self._broken = False
        if self._broken:
            self._broken = not packet.marker
            return
        if not self._parts and vp8.is_keyframe(packet.payload):
            self.keyframes += 1
        self._parts.append(packet.payload[descriptor.size :])
        if packet.marker:
            self.frames += 1
            self.on_frame(b"".join(self._parts), packet.timestamp)
            self._parts.clear()

    def _lose(self, now: float) -> None:
        """What is missing will not come: start anew at the next keyframe."""
        self.gaps += 1
        self._waiting.clear()
        self._parts.clear()
        self._broken = False
        self._next = None
        # A keyframe from before, repeated late, is no place to start: what followed it was thrown away just now.
        self._floor = (self._unwrapper.highest or 0) + 1
        self._ask_keyframe(now)

    def _ask_keyframe(self, now: float) -> None:
        if now - self._keyframe_asked_at >= 0.5:
            self._keyframe_asked_at = now
            self._link.send_control(rtcpfeedback.PictureLoss(self.ssrc, self.ssrc))

    def on_control(self, packet: object, now: float) -> None:
        if isinstance(packet, rtcp.SenderReport) and packet.ssrc == self.ssrc:
            self.sender_reports += 1

    def tick(self, now: float) -> None:
        """Ask for what is missing, report what came."""
        if not self.packets:
            return
        if self._losses.next_timeout() <= now:
            lost = self._losses.due(now)
            if lost:
                self._link.send_control(rtcpfeedback.Nack(self.ssrc, self.ssrc, lost))
            if self._losses.gave_up() and self.kind == "video":
                self._lose(now)
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            self._link.send_control(
                rtcp.ReceiverReport(self.own_ssrc, [self._reception.report_block(self.ssrc, now)]),
                rtcp.named(self.own_ssrc, "client"),
            )


def _starts(packet: rtp.Packet) -> bool:
    try:
        return vp8.is_keyframe(packet.payload)
    except Malformed:
        return False
