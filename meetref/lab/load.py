"""The load of a forwarding server: one publisher's frames, and viewers that count and answer as browsers do.

Stands on `lab/leg` and `lab/shape`; whether a meeting of ours, somebody else's server or the bare loop of `lab/floor`
is at the other end, the load is the same: a `Line` is a socket, an address, and the locks that were agreed on.
Specification: RFC 7741 (a VP8 frame cut into packets of about the same size, as libwebrtc cuts it), RFC 3550 (reports),
draft-holmer-rmcat-transport-wide-cc-extensions-01 (feedback ten times a second).
Leaves out: audio, loss and adaptation. Read next: `lab/forwarding.py`.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import trio

from meetref.lab.leg import Leg, find_runs
from meetref.lab.shape import FRAME_RATE, Shape
from meetref.media.feedback import ArrivalRecorder
from meetref.protocol.negotiation import TRANSPORT_SEQUENCE_ID, VP8_PAYLOAD_TYPE
from meetref.wire import rtcp, rtcpfeedback, rtp, vp8
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

SMALLEST, LARGEST = 1130, 1160  # octets of VP8 in a packet; with headers and tag about 1170 to 1200 on the wire
FEEDBACK_INTERVAL = 0.1
FEEDBACKS_PER_REPORT = 10
SAMPLED = 7  # every so many packets one is opened for its delay; no divisor of a burst, so all places have their turn
REMEMBERED = 4096  # packets whose sending time is known
NUMBER_OCTETS = 8
SHOWN = 1 << 4 | SMALLEST << 5  # a frame tag: shown, and how long the first partition is (RFC 6386 section 9.1)
INTERFRAME = (SHOWN | 1).to_bytes(3, "little")
KEYFRAME = SHOWN.to_bytes(3, "little") + bytes.fromhex("9d012a 0005 d002")  # 1280 x 720


class Locks(Protocol):
    """One side's locks, as `protocol.srtp.Session` has them."""

    def lock(self, packet: bytes) -> bytes: ...
    def unlock(self, packet: bytes) -> bytes | None: ...
    def lock_control(self, packet: bytes) -> bytes: ...
    def unlock_control(self, packet: bytes) -> bytes | None: ...


@dataclass(slots=True)
class Line:
    """A way to the server, and the locks on it. `transport_sequence` is the extension that feedback is about."""

    leg: Leg
    remote: Address
    locks: Locks
    transport_sequence: int | None = TRANSPORT_SEQUENCE_ID


def is_control(data: bytes) -> bool:
    """Whether a media datagram is RTCP (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


class Publisher:
    """Sends frames of a shape. `sent_at` knows when each packet left, by its number in the payload."""

    def __init__(self, line: Line, ssrc: int, shape: Shape, dice: random.Random) -> None:
        self.line = line
        self.ssrc = ssrc
        self.shape = shape
        self.packets = 0
        self.keyframe_wanted = True
        self.sent_at = [0] * REMEMBERED
        self._dice = dice
        self._frames = 0
        self._began = trio.current_time()
        self._timestamp = 0
        self._numbers = itertools.count()

    def receive(self, data: bytes, stamp: int) -> None:
        """What the server says to a publisher; only a wish for a keyframe changes anything."""
        plain = self.line.locks.unlock_control(data) if is_control(data) else None
        if plain is None:
            return
        try:
            wishes = [packet for packet in rtcp.parse(plain) if isinstance(packet, rtcpfeedback.PictureLoss)]
        except Malformed:
            return
        self.keyframe_wanted |= bool(wishes)

    def frame(self) -> Iterator[bytes]:
        """The next frame's packets, locked; each is made when it is asked for."""
        count = self.shape.packets
        smaller, larger = divmod(self._dice.randrange(SMALLEST * count, LARGEST * count), count)
        keyframe, self.keyframe_wanted = self.keyframe_wanted, False
        self._frames += 1
        self._timestamp = self._media_time()
        for index in range(count):
            octets = smaller + (index >= count - larger)  # the larger ones, by one octet, come last
            yield self.line.locks.lock(self._packet(index, octets, keyframe))

    def send(self, packets: list[bytes]) -> None:
        """What `frame` made, at once: as a network card hands over what came close together."""
        for first, end, _ in find_runs([len(packet) for packet in packets]):
            now = time.time_ns()
            for place in range(first, end):
                self.sent_at[(self.packets + place) % REMEMBERED] = now
            self.line.leg.send_joined(packets[first:end], self.line.remote)
        self.packets += len(packets)

    def _packet(self, index: int, octets: int, keyframe: bool) -> bytes:
        number = next(self._numbers)
        descriptor = vp8.Descriptor(
            start=index == 0,
            picture_id=self._frames & 0x7FFF,
            long_picture_id=True,
            tl0_picture_index=self._frames & 0xFF,
            temporal_layer=0,
        )
        begins = KEYFRAME if keyframe else INTERFRAME
        noise = self._dice.randbytes(octets - len(begins) - NUMBER_OCTETS)
        return rtp.serialize(
            rtp.Packet(
                payload_type=VP8_PAYLOAD_TYPE,
                sequence=number & 0xFFFF,
                timestamp=self._timestamp,
                ssrc=self.ssrc,
                payload=vp8.serialize(descriptor) + begins + noise + number.to_bytes(NUMBER_OCTETS),
                marker=index == self.shape.packets - 1,
                extensions={TRANSPORT_SEQUENCE_ID: (number & 0xFFFF).to_bytes(2)},
            )
        )

    def _media_time(self) -> int:
        """It goes on while somebody else is measured."""
        return round((trio.current_time() - self._began) * 90000) & 0xFFFFFFFF

    def report(self) -> None:
        """A sender report, once a second."""
        wall = rtcp.SenderReport(
            ssrc=self.ssrc,
            ntp=(time.time_ns() + 2_208_988_800_000_000_000) * (1 << 32) // 1_000_000_000,
            rtp_timestamp=self._media_time(),
            packet_count=self.packets,
            octet_count=self.packets * SMALLEST,
            blocks=[],
        )
        packet = rtcp.serialize([wall, rtcp.named(self.ssrc, "load")])
        self.line.leg.send(self.line.locks.lock_control(packet), self.line.remote)


@dataclass
class Viewer:
    """Counts packets, opens a few for their delay, and answers with feedback and reports.

    What is smaller than all that is published is the server's own, with which it tries the link.
    """

    line: Line
    publisher: Publisher
    packets: int = 0
    malformed: int = 0
    delays: list[float] = field(default_factory=list)  # seconds
    _source: int = 0
    _highest: int = 0
    _feedbacks: int = 0
    _recorder: ArrivalRecorder = field(default_factory=lambda: ArrivalRecorder(1))

    def receive(self, data: bytes, stamp: int) -> None:
        if is_control(data):
            return
        if len(data) < rtp.HEADER_SIZE:
            self.malformed += 1
            return
        is_published = len(data) >= SMALLEST + rtp.HEADER_SIZE
        self.packets += is_published
        self._highest = data[2] << 8 | data[3]
        try:
            self._note_arrival(data, stamp)
            if is_published and self.packets % SAMPLED == 0:
                self._source = int.from_bytes(data[8:12])
                plain = self.line.locks.unlock(data)
                if plain is not None:
                    self._look_at(plain, stamp)
        except Malformed:
            self.malformed += 1

    def _note_arrival(self, data: bytes, stamp: int) -> None:
        """At the kernel's time: a slow load must not look like a full link."""
        number = self.line.transport_sequence
        place = rtp.find_extension(data, number) if number is not None else None
        if place is not None:
            self._recorder.record(data[place[0]] << 8 | data[place[0] + 1], stamp / 1e9)

    def _look_at(self, plain: bytes, stamp: int) -> None:
        """How long it took."""
        _, end = rtp.payload_bounds(plain)
        number = int.from_bytes(plain[end - NUMBER_OCTETS : end])
        self.delays.append((stamp - self.publisher.sent_at[number % REMEMBERED]) / 1e9)

    def answer(self, now: float) -> None:
        """Feedback for what came since the last time, and once a second a report."""
        self._recorder.media_ssrc = self._source
        for feedback in self._recorder.build(now):
            self._send(feedback)
        self._feedbacks += 1
        if self._feedbacks % FEEDBACKS_PER_REPORT == 0:
            block = rtcp.ReportBlock(self._source, 0, 0, self._highest, 90, 0, 0)
            self._send(rtcp.ReceiverReport(1, [block]), rtcp.named(1, "viewer"))

    def _send(self, *packets: rtcp.Packet) -> None:
        self.line.leg.send(self.line.locks.lock_control(rtcp.serialize(packets)), self.line.remote)


@dataclass
class Load:
    """A publisher and its viewers."""

    publisher: Publisher
    viewers: list[Viewer]

    @property
    def malformed(self) -> int:
        """Packets that no receiver could have read."""
        return sum(viewer.malformed for viewer in self.viewers)

    @property
    def received(self) -> int:
        return sum(viewer.packets for viewer in self.viewers)

    def take_delays(self) -> list[float]:
        """The delays measured since the last time, in seconds."""
        delays = [delay for viewer in self.viewers for delay in viewer.delays]
        for viewer in self.viewers:
            viewer.delays.clear()
        return delays

    async def run(self) -> None:
        """Send and answer until cancelled. The last packets are answered, too: their way must not seem broken."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._publish, name="publisher")
                if self.viewers:
                    nursery.start_soon(self._answer, name="viewers")
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(FEEDBACK_INTERVAL)
            for viewer in self.viewers:
                viewer.answer(trio.current_time())

    async def _publish(self) -> None:
        start = trio.current_time()
        publisher, shape = self.publisher, self.publisher.shape
        number = 0
        while True:
            at = start + number / FRAME_RATE
            await trio.sleep_until(at)
            if shape.spread:
                for place, packet in enumerate(publisher.frame(), 1):
                    publisher.send([packet])
                    await trio.sleep_until(at + place / shape.packets_per_second)
            else:
                publisher.send(list(publisher.frame()))
            if number % FRAME_RATE == 0:
                publisher.report()
            number += 1

    async def _answer(self) -> None:
        """Each viewer has its own beat, as strangers do."""
        start, count = trio.current_time(), len(self.viewers)
        due = [(start + index * FEEDBACK_INTERVAL / count, index) for index in range(count)]
        while True:
            at, index = due[0]
            await trio.sleep_until(at)
            self.viewers[index].answer(trio.current_time())
            heapq.heapreplace(due, (at + FEEDBACK_INTERVAL, index))
