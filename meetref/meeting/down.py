"""A participant's *down* connection: the seats through which they see and hear the others.

A machine (protocol/machine.py) around a `protocol.peer.Peer`: it owns the slots (one outgoing stream each), lets go
what waits in the pacer when its turn comes, answers what the viewer lost or cannot decode, and keeps every slot's
sender reports on this server's one clock.
Stands below `meeting/exchange` and above `meeting/forwarder` (`Slot`); who sits where is `meeting/seats`.
Specification: RFC 3550 section 6.4.1 (sender reports), RFC 3611 section 4.5 (answers), RFC 4585 (NACK, PLI), RFC 5104
(FIR), RFC 4588 (RTX).
Leaves out: what feedback says of the bandwidth, which is `meeting/capacity`'s; here it waits until `tend` is called.
Read next: `meeting/numbers.py`, `meeting/capacity.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from meetref.media.clock import to_ntp
from meetref.media.pacing import Pacer
from meetref.media.parts import Parts
from meetref.media.rewriting import Incoming, Rewriter
from meetref.media.roundtrip import RoundTrip
from meetref.meeting.capacity import Capacity
from meetref.meeting.fec import Protecting
from meetref.meeting.forwarder import Link, Slot
from meetref.meeting.numbers import OUR_NUMBERS, Numbers, formats_of, numbers_of
from meetref.meeting.red import Worth
from meetref.meeting.repair import Repair, Retransmission, Verbatim
from meetref.meeting.track import Kind, by_sequence
from meetref.net.unhurried import is_unhurried
from meetref.protocol.machine import Datagram, Dice, Event
from meetref.protocol.negotiation import DEPENDENCY_DESCRIPTOR, ReceivedTrack, TakenAnswer
from meetref.protocol.negotiation import Slot as OfferedSlot
from meetref.protocol.peer import Connected, Peer
from meetref.wire import rtcp, rtcpfeedback, transportfeedback
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

REPORT_INTERVAL = 1.0
KEYFRAME_READ = 0.1
"""Seconds beside the round trip: a line somewhat thinner than the pacer takes it for, and a decoder."""
REPAIRED_WITHIN = 0.5
"""Seconds for which a keyframe is on its way as long as parts of it are sent again."""
MAXIMUM_COMPOUND = 1100
"""Octets of sender reports in one datagram; 38 of them fit."""
MAXIMUM_UNREAD = 32
"""Feedbacks that wait to be read; where more come they are read at once. Twenty come a second, mostly."""


class Down(Link):
    """A machine, apart from media, which leaves at once by `transmit`: packets, and the path's two ends.

    `wake` tells the exchange that there is something to wait for.
    `wall_offset` is what turns this server's monotonic clock into seconds since 1970, fixed for the process, so that
    sender reports never jump.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        dice: Dice,
        cname: str,
        wall_offset: float,
        transmit: Callable[[Sequence[bytes], Address, Address], None],
        on_start: Callable[[Slot, float], None],
        on_failure: Callable[[Exception], None],
        wake: Callable[[], None],
    ) -> None:
        self.peer = peer
        self.slots: dict[str, Slot] = {}
        self.offered: list[OfferedSlot] = []
        self.transport_sequence = int.from_bytes(dice(2))
        self.ignored: Counter[str] = Counter()
        self.connected = False
        self.lock: Callable[[Sequence[Parts]], list[bytes]] = self._not_yet
        self.capacity = Capacity()
        self.on_sent = self.capacity.on_sent
        self.on_keyframe = self.capacity.on_keyframe
        self.may_repeat = self.capacity.may_repeat
        self.pacer: Pacer[tuple[Slot, Incoming]] = self.capacity.pacer
        self.red = Worth()
        self.fec = Protecting()
        self._cname = cname
        self._dice = dice
        self._transmit = transmit
        self._on_start = on_start
        self._on_failure = on_failure
        self._wake = wake
        self.is_begun = False
        """Whether it was looked what the line carries, before anything else leaves."""
        self._report_at = math.inf  # before its time, because something begins
        self._reported_at = -math.inf
        self._unread: list[bytes] = []
        self._wall_offset = wall_offset
        self._round_trip = RoundTrip()
        self._by_ssrc: dict[int, Slot] = {}
        self._voices: list[Slot] = []  # those that may be said twice
        self._accepted: set[str] = set()

    # --- what signaling tells -----------------------------------------------------------------------

    def offer_slot(self, mid: str, kind: Kind, stream: str) -> None:
        """Add one slot; it is offered with the next offer and can be used once the answer took it."""
        ssrc, rtx_ssrc = (int.from_bytes(self._dice(4)) for _ in range(2))
        self.offered.append(
            OfferedSlot(
                mid=mid,
                kind=kind,
                stream=stream,
                track=f"{stream}-{kind}",
                ssrc=ssrc,
                rtx_ssrc=rtx_ssrc if kind == "video" else None,
                cname=self._cname,
            )
        )
        self._add_slot(mid, self.offered[-1], OUR_NUMBERS[kind])

    def fill_slot(self, name: str, section: ReceivedTrack, stream: str) -> OfferedSlot:
        """Add one slot that the viewer's own offer asks for, under the viewer's numbers; it can be used at once.

        `name` is ours for it; the description calls it as the offer does.
        """
        kind, numbers = section.kind, numbers_of(section)
        ssrc, rtx_ssrc = (int.from_bytes(self._dice(4)) for _ in range(2))
        described = OfferedSlot(
            mid=section.mid,
            kind=kind,
            stream=stream,
            track=f"{stream}-{kind}",
            ssrc=ssrc,
            rtx_ssrc=rtx_ssrc if all(rtx for _, rtx in numbers.formats.values()) else None,
            cname=self._cname,
        )
        self._add_slot(name, described, numbers)
        self.fec.agree(self.slots[name], section.fec)
        self._accepted.add(name)
        return described

    def _add_slot(self, name: str, described: OfferedSlot, numbers: Numbers) -> None:
        kind = described.kind
        payload_type, rtx_payload_type = next(iter(numbers.formats.values()))
        rewriter = Rewriter(
            ssrc=described.ssrc,
            payload_type=payload_type,
            clock_rate=48000 if kind == "audio" else 90000,
            transport_id=numbers.transport_id,
            level_id=numbers.level_id,
            descriptor_id=numbers.descriptor_id,
            first_sequence=int.from_bytes(self._dice(2))
            & 0x7FFF,  # RFC 3711 section 3.3.1: a start below half loses no roll-over
            first_timestamp=int.from_bytes(self._dice(4)),
        )
        repair: Repair = Verbatim()
        if described.rtx_ssrc is not None:
            repair = Retransmission(
                ssrc=described.rtx_ssrc,
                payload_type=rtx_payload_type,
                transport_id=numbers.transport_id,
                first_sequence=int.from_bytes(self._dice(2)) & 0x7FFF,
            )
        slot = self.slots[name] = Slot(
            mid=name, kind=kind, link=self, rewriter=rewriter, repair=repair, formats=numbers.formats
        )
        self._by_ssrc[described.ssrc] = slot

    def answered(self, answer: TakenAnswer, now: float) -> None:
        """Take what the viewer's answer agreed to."""
        read: dict[tuple[str, ...], Mapping[str, tuple[int, int]]] = {}  # one for all slots that are answered alike
        accepted = answer.accepted
        if accepted and not any(section.transport_sequence for section in accepted.values()):
            self.capacity.expect_silence()
        for mid, section in accepted.items():
            slot = self.slots.get(mid)
            if slot is not None:
                self._accepted.add(mid)
                slot.red_payload_type = section.red_payload_type
                self.fec.agree(slot, section.fec)
                # spec: simulcast/codec-that-is-read
                slot.formats = read.setdefault(tuple(section.codecs), formats_of(slot.kind, section.codecs))
                if not all(section.codecs.values()) and isinstance(slot.repair, Retransmission):
                    slot.repair = Verbatim()
                if slot.track is not None and slot.track.codec not in slot.formats:
                    slot.show(None, now)
                if DEPENDENCY_DESCRIPTOR not in section.extensions:
                    slot.rewriter.descriptor_id = 0
        self._voices = [slot for slot in self.slots.values() if slot.red_payload_type is not None]

    def can_show(self, mid: str) -> bool:
        return self.connected and mid in self._accepted

    # --- Link: what slots need ------------------------------------------------------------------------

    def _not_yet(self, run: Sequence[Parts]) -> list[bytes]:
        self.ignored["nothing can be locked before there are keys"] += len(run)
        return []

    def send(self, packets: Sequence[bytes]) -> None:
        path = self.peer.path
        if path is None:
            self.ignored["media without a path yet"] += len(packets)
        elif packets:
            self._transmit(packets, *path)

    def release(self, now: float) -> None:
        self._release(now)
        if self.pacer:
            self._wake()

    def _release(self, now: float) -> None:
        """Forward what waited and may leave now."""
        due = [item for _, item in self.pacer.due(now)]
        for slot, group in groupby(due, key=itemgetter(0)):
            slot.forward(sorted((packet for _, packet in group), key=by_sequence), now)

    def started(self, slot: Slot, now: float) -> None:
        """A new source begins: report its clock at once, so that lips are right from the first second."""
        self._report_at = min(self._report_at, now)
        self.capacity.on_switch(now)
        self._on_start(slot, now)

    def switched(self, slot: Slot, now: float) -> None:
        self._report_at = min(self._report_at, now)
        self.capacity.on_switch(now)
        self._wake()

    def fail(self, error: Exception) -> None:
        self._on_failure(error)

    # --- media: only RTCP comes in here ---------------------------------------------------------------

    def receive_media(self, data: bytes, now: float) -> None:
        """One locked RTCP packet from the viewer. Whatever it is, nothing is raised."""
        if len(data) < 8 or not 192 <= data[1] <= 223:
            self.ignored["media on a connection that only sends"] += 1
            return
        if is_unhurried(data):
            self._unread.append(data)
            if len(self._unread) >= MAXIMUM_UNREAD:  # they are not proven yet: no stranger's may push out the viewer's
                self._read_feedback(now)
            return
        for packet in self._opened(data):
            self._on_control(packet, now)

    def _opened(self, data: bytes) -> list[rtcp.Packet]:
        plain = self.peer.unlock_control(data)
        if plain is None:
            self.ignored["control packet not unlocked"] += 1
            return []
        try:
            return rtcp.parse(plain)
        except Malformed as error:
            self.ignored[error.what] += 1
            return []

    def tend(self, now: float) -> None:
        """To be called a few times a second: read what came of transport-wide feedback, look for more room, report.

        None of it has haste, and done for all viewers at once it costs a fraction: what it takes is in the caches then.
        """
        self._read_feedback(now)
        self.capacity.look(now)
        self._pad(now)
        self._protect(now)
        self.fec.look(self.capacity, self.peer.round_trip_time, now)
        if self.connected and now - self._reported_at >= REPORT_INTERVAL:
            self._report(now)
            self._wake()

    def _protect(self, now: float) -> None:
        """Say sound twice to a viewer who loses so much of it, and cannot ask again in time; else once."""
        voices = self._voices
        if not voices:
            return
        capacity, heard = self.capacity, len([slot for slot in voices if slot.selection.shown is not None])
        if capacity.feedbacks:
            self.red.is_ours = capacity.estimator.has_just_fallen(now)
            self.red.on_loss(capacity.estimator.steady_loss, now)
        sent = sum([slot.rewriter.packets for slot in voices])
        wanted = self.red.look(heard, sent, capacity.budget_bps, self.peer.round_trip_time, now)
        for slot in voices:
            if slot.doubles != wanted:
                slot.double(wanted)

    def _read_feedback(self, now: float) -> None:
        unread, self._unread = self._unread, []
        packets = (packet for data in unread for packet in self._opened(data))
        feedbacks = (each for each in packets if isinstance(each, transportfeedback.TransportFeedback))
        self.capacity.on_feedback(feedbacks, now)

    def _on_control(self, packet: rtcp.Packet, now: float) -> None:
        match packet:
            case rtcpfeedback.Nack(media_ssrc=ssrc, lost=lost):
                slot = self._by_ssrc.get(ssrc)
                if slot is not None:
                    if slot.kind == "audio":
                        self.red.on_asked(ssrc, lost)
                    slot.resend(lost, now)
            case rtcp.ReceiverReport(blocks=blocks) | rtcp.SenderReport(blocks=blocks):
                self._on_blocks(blocks, now)
            case rtcpfeedback.PictureLoss(media_ssrc=ssrc):
                self._want_keyframe(ssrc, now)
            case rtcpfeedback.FullIntra(entries=entries):
                for ssrc, _ in entries:
                    self._want_keyframe(ssrc, now)
            case transportfeedback.TransportFeedback():
                self.capacity.on_feedback((packet,), now)
            case rtcp.ExtendedReport():
                self._round_trip.on_report(packet, now)

    def _on_blocks(self, blocks: Sequence[rtcp.ReportBlock], now: float) -> None:
        for block in blocks:
            slot = self._by_ssrc.get(block.ssrc)
            if slot is not None and slot.kind == "audio":
                self.red.on_report(block.fraction_lost / 256, now)
            elif slot is not None and not self.capacity.feedbacks:
                self.fec.on_report(block.fraction_lost / 256, now)

    def _pad(self, now: float) -> None:
        """Send what looks for more room than there seems to be; a video stream carries it."""
        octets = self.capacity.padding()
        if octets:
            for slot in self.slots.values():
                octets -= slot.pad(octets, now) if octets > 0 else 0
            self._wake()

    def _want_keyframe(self, ssrc: int, now: float) -> None:
        slot = self._by_ssrc.get(ssrc)
        if slot is None:
            return
        # Who needs one asks until it is there, also while it is on its way: were that heard, it would be followed by
        # another, and a thin line and a small encoding would be full of nothing else.
        left_at = max(slot.keyframe_left_at, min(slot.repaired_at, slot.keyframe_left_at + REPAIRED_WITHIN))
        there_at = left_at + (self.peer.round_trip_time or 0.0) + KEYFRAME_READ
        if now >= there_at:  # spec: rtcp/keyframe-on-its-way
            slot.want_keyframe(now)

    # --- the five methods -----------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.peer.receive_datagram(datagram, now)

    def next_timeout(self) -> float:
        if not self.connected:
            return self.peer.next_timeout()
        return min(self.peer.next_timeout(), self._report_at, self.capacity.next_timeout())

    def handle_timeout(self, now: float) -> None:
        self.peer.handle_timeout(now)
        if not self.connected:
            return
        if not self.is_begun:
            self.is_begun = True
            self.capacity.begin(now)
            self._pad(now)
        if self.capacity.next_timeout() <= now:
            self.capacity.handle_timeout(now)
            self._pad(now)
            if self.pacer.next_timeout() <= now:
                self._release(now)
        if self._report_at <= now:
            self._report(now)

    def transmits(self) -> Iterator[Datagram]:
        return self.peer.transmits()

    def events(self) -> Iterator[Event]:
        for event in self.peer.events():
            if isinstance(event, Connected) and self.peer.srtp is not None:
                self.connected = True
                self.lock = self.peer.srtp.lock_run
                self._report_at = 0.0
            yield event

    def _report(self, now: float) -> None:
        """Sender reports of every slot that ever sent, the idle ones too: their line must not end."""
        self._report_at, self._reported_at = math.inf, now
        ntp = to_ntp(now + self._wall_offset)
        packets: list[rtcp.Packet] = []
        round_trip_time = self.peer.round_trip_time
        if round_trip_time is not None:
            self.capacity.on_round_trip(round_trip_time)
        for slot in self.slots.values():
            if round_trip_time is not None:
                slot.repair.expect(round_trip_time)
            rewriter = slot.rewriter
            if rewriter.packets:
                report = rtcp.SenderReport(
                    ssrc=rewriter.ssrc, ntp=ntp, rtp_timestamp=slot.reported_timestamp(now),
                    packet_count=rewriter.packets & 0xFFFFFFFF, octet_count=rewriter.octets & 0xFFFFFFFF, blocks=[],
                )  # fmt: skip
                packets += [report, rtcp.named(rewriter.ssrc, self._cname)]
        step = MAXIMUM_COMPOUND // 60  # a report and its name
        for start in range(0, len(packets), 2 * step):
            self.peer.send_control(rtcp.serialize(packets[start : start + 2 * step]))
        self._answer_clocks(now)

    def _answer_clocks(self, now: float) -> None:
        """Let a viewer who asked measure the round trip, in the name of a stream that it gets."""
        sending = next((slot.rewriter.ssrc for slot in self.slots.values() if slot.rewriter.packets), None)
        if sending is not None:
            self._round_trip.ssrc = sending
            answers = self._round_trip.answer(now)
            if answers:
                self.peer.send_control(rtcp.serialize(answers))
