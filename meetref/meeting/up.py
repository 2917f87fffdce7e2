"""A participant's *up* connection: what they publish comes in here, is accounted for, and goes on to the seats.

A machine (protocol/machine.py) around a `protocol.peer.Peer`: it adds what a receiver of media owes the sender,
namely receiver reports, transport-wide feedback, and requests for lost packets and keyframes. It sends no media, so
it measures the round trip by extended reports, where the publisher answers them.
Stands below `meeting/exchange` (which brings datagrams) and above `meeting/track` (`Encoding.receive`).
Specification: RFC 3550 section 6.4 and RFC 3611 (reports), RFC 4585 (NACK, PLI), RFC 4588 (RTX), RFC 2198 (RED),
draft-holmer-rmcat-transport-wide-cc-extensions-01; RFC 9143 section 9.2 (which stream is which section), RFC 8852
(and which encoding). Leaves out: streams that are named in RTCP only. Read next: `meeting/track.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from meetref.media import clock, mending, redundancy, rewriting
from meetref.media.feedback import ArrivalRecorder
from meetref.media.formats import FORMATS
from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.reception import Reception
from meetref.media.repair import REORDER_WAIT, LossDetector
from meetref.media.roundtrip import RoundTrip
from meetref.media.sequence import Unwrapper
from meetref.meeting.track import Encoding, Track
from meetref.protocol.machine import Datagram, Dice, Event
from meetref.protocol.negotiation import (
    AUDIO_LEVEL,
    CODECS,
    DEPENDENCY_DESCRIPTOR,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_SEQUENCE,
    ReceivedTrack,
)
from meetref.protocol.peer import Connected, Peer
from meetref.wire import rtcp, rtcpfeedback, rtp
from meetref.wire.reader import Malformed
from meetref.wire.signaling import Source

MAXIMUM_STREAMS = 16
"""SSRCs of media that one connection may bring, and as many of repair that no description told: two pictures of three
encodings, two sounds, and room for encoders that begin anew."""

MAXIMUM_TRACKS = 16
"""Sections that one connection may ever describe."""

REPORT_INTERVAL = 1.0
CLOCK_RATES = {"audio": 48000, "video": 90000}
SEEN = 1024
"""Numbers remembered for each stream: a packet may come under two locks, as itself and as its repair, so that the
replay window of SRTP does not see that it is the same."""


def codec_of(section: ReceivedTrack) -> str:
    """The codec in which a section comes."""
    return next((codec.name for codec in section.codecs.values()), CODECS[section.kind].name)


class Stream:
    """One SSRC of the publisher: the stream of an encoding, until another one takes its place."""

    def __init__(self, ssrc: int, encoding: Encoding, described: ReceivedTrack) -> None:
        self.ssrc = ssrc
        self.encoding = encoding
        self.track = track = encoding.track
        ids = described.extensions
        self.read = FORMATS[track.codec].reader(ids.get(AUDIO_LEVEL, 0), ids.get(DEPENDENCY_DESCRIPTOR, 0))
        self.transport_id = described.extensions.get(TRANSPORT_SEQUENCE)
        self.red = described.red
        self.mending: mending.Mending | None = None
        """Where pictures may come protected."""
        if described.fec is not None and track.kind == "video":
            self.mending = mending.Mending(*described.fec, mending.mutable_ids(ids))
        self.repairs = described.rtx
        self.recovered = 0
        """Sounds that came only with their successors, and parts of pictures that were computed from others."""
        self.reception = Reception(CLOCK_RATES[track.kind])
        self.losses = LossDetector()
        self.unwrapper = Unwrapper()
        self.seen = [-1] * SEEN

    def is_protected(self, now: float) -> bool:
        """Whether FEC comes with it."""
        return self.mending is not None and self.mending.is_used(now)


class Up:
    """A machine. `touch` tells the exchange that there is something to send; `arrived` is its list of encodings that
    have got packets in this batch, and are forwarded at the end of it.

    `tracks` are what the others can see and hear, by mid; they live as long as the connection.
    """

    def __init__(self, peer: Peer, owner: str, dice: Dice, touch: Callable[[], None], arrived: list[Encoding]) -> None:
        self.peer = peer
        self._arrived = arrived
        self._touch = touch
        self.owner = owner
        self.tracks: dict[str, Track] = {}
        self.streams: dict[int, Stream] = {}
        self.ignored: Counter[str] = Counter()
        self.connected = False
        self._clock = PublisherClock()
        self.on_layers: Callable[[str, list[str]], None] = lambda mid, active: None
        """Told which encodings of a section the publisher is to send from now on, by their names."""
        self._repairs: dict[int, int] = {}
        self._bound_repairs: dict[int, int] = {}  # those that no description told
        self._described: dict[str, ReceivedTrack] = {}
        self._by_ssrc: dict[int, str] = {}
        self._mid_id = 0
        self._ssrc = int.from_bytes(dice(4))
        self._arrivals = ArrivalRecorder(self._ssrc)
        self._round_trip = RoundTrip(self._ssrc)
        self._report_at = math.inf
        self._wanted: set[str] = set()

    # --- what signaling tells -----------------------------------------------------------------------

    def describe(self, described: Sequence[ReceivedTrack], sources: dict[str, Source], now: float) -> None:
        """Take what an offer says of the sections; a later offer may add sections or name new SSRCs."""
        for section in described:
            if section.mid not in sources:
                continue
            if section.mid not in self.tracks:
                if len(self.tracks) >= MAXIMUM_TRACKS:
                    self.ignored["too many tracks"] += 1
                    continue
                self.tracks[section.mid] = self._track(section, sources[section.mid])
            elif self.tracks[section.mid].codec != codec_of(section):
                self._replace(section, sources[section.mid], now)
            self.tracks[section.mid].add(section.rids)
            self._described[section.mid] = section
            self._mid_id = section.extensions.get(MID, self._mid_id)
        # Built anew: what an older offer said of a section does not count any more, so that offers fill no memory.
        sections = self._described.values()
        self._by_ssrc = {ssrc: one.mid for one in sections for ssrc in one.ssrcs if ssrc not in one.rtx_of}
        self._repairs = self._bound_repairs | {repair: of for one in sections for repair, of in one.rtx_of.items()}

    def described(self, mid: str) -> ReceivedTrack:
        """What the newest offer says of the section of a track."""
        return self._described[mid]

    def _track(self, section: ReceivedTrack, source: Source) -> Track:
        mid = section.mid
        captured = TrackClock(self._clock, CLOCK_RATES[section.kind])
        return Track(
            owner=self.owner,
            source=source,
            kind=section.kind,
            clock=captured,
            ask=lambda: self._want(mid),
            arrived=self._arrived,
            rids=section.rids,
            codec=codec_of(section),
        )

    def _replace(self, section: ReceivedTrack, source: Source, now: float) -> None:
        """A section goes on in another codec: that is another track, whose streams are bound anew."""
        former = self.tracks[section.mid]
        for slot in tuple(former.slots):
            slot.show(None, now)
        self.streams = {ssrc: stream for ssrc, stream in self.streams.items() if stream.track is not former}
        self._bound_repairs = {ssrc: of for ssrc, of in self._bound_repairs.items() if of in self.streams}
        self.tracks[section.mid] = self._track(section, source)

    def _want(self, mid: str) -> None:
        self._wanted.add(mid)
        self._touch()

    # --- media ----------------------------------------------------------------------------------------

    def receive_media(self, data: bytes, now: float) -> None:
        """One locked RTP or RTCP packet. Whatever the peer sends, nothing is raised."""
        self._touch()
        if len(data) < rtp.HEADER_SIZE:  # no locked RTCP is as short as that either
            self.ignored["shorter than a header"] += 1
            return
        try:
            if 192 <= data[1] <= 223:
                self._receive_control(data, now)
            else:
                self._receive_packet(data, now)
        except Malformed as error:
            self.ignored[error.what] += 1

    def _receive_packet(self, data: bytes, now: float) -> None:
        ssrc = int.from_bytes(data[8:12])
        repaired = self._repairs.get(ssrc)
        stream = self.streams.get(ssrc if repaired is None else repaired)
        if stream is None and len(self.streams) >= MAXIMUM_STREAMS:
            self.ignored["too many streams"] += 1
            return
        plain = self.peer.unlock(data)
        if plain is None:
            self.ignored["not unlocked"] += 1
            return
        if stream is None:
            stream = self._bind(plain, ssrc, now)
            if stream is None:
                if self.peer.srtp is not None:
                    self.peer.srtp.forget(ssrc)
                self.ignored["belongs to no section"] += 1
                return
        self._account(stream, plain, now)
        if stream.ssrc == ssrc:
            sequence = plain[2] << 8 | plain[3]
            stream.reception.receive(sequence, int.from_bytes(plain[4:8]), now)
            if stream.mending is None:
                self._forward(stream, plain, sequence, now)
            else:
                self._mend(stream, stream.mending.receive(plain, now), now)
        else:
            self._unwrap_repair(stream, plain, now)

    def _bind(self, plain: bytes, ssrc: int, now: float) -> Stream | None:
        """What a new SSRC is: the stream of an encoding, or what repairs one.

        By its description, else by the names it carries (RFC 9143 section 9.2, RFC 8852 section 3).
        """
        media = self._repairs.get(ssrc, ssrc)
        mid = self._by_ssrc.get(media) or self._name(plain, self._mid_id)
        described = self._described.get(mid) if mid is not None else None
        if mid is None or described is None:
            return None
        repairs = media != ssrc or plain[1] & 0x7F in described.rtx
        encoding = self._encoding(plain, described, repairs)
        if encoding is None:
            return None
        if media == ssrc and repairs:
            return self._bind_repair(ssrc, encoding)
        stream = self.streams[media] = Stream(media, encoding, described)
        encoding.bind(media, now)
        # libwebrtc takes transport-wide feedback only when it names one of its own sources, though it is about all.
        self._arrivals.media_ssrc = media
        return stream

    def _encoding(self, plain: bytes, described: ReceivedTrack, repairs: bool) -> Encoding | None:
        """By the RID of media, and the repaired RID of repair; where there is but one, it needs no name."""
        track = self.tracks[described.mid]
        if not described.rids:
            return track.find("")
        rid = self._name(
            plain, described.extensions.get(REPAIRED_RID if repairs else RID, 0)
        )  # spec: simulcast/repaired-rid
        return track.find(rid) if rid in described.rids else None  # spec: simulcast/rid-names-stream

    def _bind_repair(self, ssrc: int, encoding: Encoding) -> Stream | None:
        if encoding.ssrc is None or len(self._bound_repairs) >= MAXIMUM_STREAMS:
            return None
        self._bound_repairs[ssrc] = self._repairs[ssrc] = encoding.ssrc
        return self.streams.get(encoding.ssrc)

    @staticmethod
    def _name(plain: bytes, number: int) -> str | None:
        """The text of a header extension."""
        found = rtp.find_extension(plain, number) if number else None
        return plain[found[0] : found[0] + found[1]].decode("ascii", "replace") if found else None

    def _account(self, stream: Stream, plain: bytes, now: float) -> None:
        if stream.transport_id:
            found = rtp.find_extension(plain, stream.transport_id)
            if found is not None and found[1] == 2:
                self._arrivals.record(plain[found[0]] << 8 | plain[found[0] + 1], now)

    def _unwrap_repair(self, stream: Stream, plain: bytes, now: float) -> None:
        """A packet of the repair stream holds one that was lost, or, as a bandwidth probe, nothing (`Malformed`)."""
        repairing = plain[1] & 0x7F
        original = rtp.original(plain, stream.repairs.get(repairing, repairing), stream.ssrc)
        if stream.mending is not None:
            original = stream.mending.open(original)
        self._forward(stream, original, original[2] << 8 | original[3], now)

    def _mend(self, stream: Stream, packets: Sequence[bytes], now: float) -> None:
        """What came goes on as it is without protection, and with it what could be computed."""
        came, *computed = packets
        self._forward(stream, came, came[2] << 8 | came[3], now)
        for each in computed:
            stream.recovered += self._forward(stream, each, each[2] << 8 | each[3], now)

    def _forward(self, stream: Stream, plain: bytes, sequence: int, now: float) -> bool:
        """Gives whether it was news."""
        extended = stream.unwrapper.unwrap(sequence)
        place = extended % SEEN
        if stream.seen[place] == extended:
            self.ignored["seen before"] += 1
            return False
        stream.seen[place] = extended
        stream.losses.receive(extended, now)
        encoding = stream.encoding
        if encoding.ssrc != stream.ssrc:
            self.ignored["of a stream that another one replaced"] += 1
            return False
        track = stream.track
        packet = stream.read(plain, extended)
        if track.is_recorded:  # else it would live as long as what is kept to be sent again
            packet.whole = plain
        if plain[1] & 0x7F == stream.red:
            self._recover(stream, packet, now)
        if track.on_level is not None:
            track.on_level(packet.level, now)
        encoding.receive(packet, now)
        if stream.mending is not None:
            self._close_gaps(stream, packet, plain, now)
        return True

    def _close_gaps(self, stream: Stream, packet: rewriting.Incoming, plain: bytes, now: float) -> None:
        """Nobody asks for FEC that was lost: its number goes on with nothing."""
        assert stream.mending is not None
        for number in stream.mending.between(packet):
            if stream.seen[number % SEEN] < number:  # spec: fec/lost-fec-not-asked
                self._forward(stream, mending.empty(plain, number), number & 0xFFFF, now)

    def _recover(self, stream: Stream, packet: rewriting.Incoming, now: float) -> None:
        """Sound that came as RED goes on as it is without; what did not come by itself comes from here."""
        for older in redundancy.take_apart(packet):
            place = older.sequence % SEEN
            if stream.seen[place] < older.sequence:
                stream.seen[place] = older.sequence
                stream.losses.receive(older.sequence, now)
                stream.recovered += 1
                stream.encoding.receive(older, now)

    def _receive_control(self, data: bytes, now: float) -> None:
        plain = self.peer.unlock_control(data)
        if plain is None:
            self.ignored["control packet not unlocked"] += 1
            return
        for packet in rtcp.parse(plain):
            if isinstance(packet, rtcp.SenderReport):
                stream = self.streams.get(packet.ssrc)
                if stream is not None:
                    stream.reception.on_sender_report(clock.middle(packet.ntp), now)
                    stream.encoding.clock.on_sender_report(packet.ntp, packet.rtp_timestamp, now)
                    if stream.track.on_report is not None:
                        stream.track.on_report(plain, now)
            elif isinstance(packet, rtcp.ExtendedReport):
                self._round_trip.on_report(packet, now)

    # --- the five methods -----------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.peer.receive_datagram(datagram, now)

    def next_timeout(self) -> float:
        if not self.connected:
            return self.peer.next_timeout()
        due = min(self.peer.next_timeout(), self._report_at, self._arrivals.next_timeout())
        for stream in self.streams.values():
            due = min(due, stream.losses.next_timeout())
        for track in self.tracks.values():
            due = min(due, track.next_timeout())
        return due

    def handle_timeout(self, now: float) -> None:
        self.peer.handle_timeout(now)
        if not self.connected:
            return
        if self._arrivals.next_timeout() <= now:
            for feedback in self._arrivals.build(now):
                self._send(feedback)
        for stream in self.streams.values():
            if stream.losses.next_timeout() <= now:
                lost = stream.losses.due(now)
                if lost:
                    self._send(rtcpfeedback.Nack(self._ssrc, stream.ssrc, lost))
                if stream.losses.gave_up() and stream.encoding.is_used and not stream.is_protected(now):
                    stream.encoding.want_keyframe(now)
        for track in self.tracks.values():
            track.handle_timeout(now)
        if self._report_at <= now:
            self._report_at = now + REPORT_INTERVAL
            self._report(now)

    def transmits(self) -> Iterator[Datagram]:
        """Keyframe requests of this batch go out as one packet an encoding, however many viewers asked."""
        for mid in self._wanted:
            track = self.tracks[mid]
            for encoding in track.encodings:
                if encoding.asks and encoding.ssrc is not None:
                    self._send(rtcpfeedback.PictureLoss(self._ssrc, encoding.ssrc))
                encoding.asks = False
            if track.layers_changed:
                track.layers_changed = False
                self.on_layers(mid, track.active)
        self._wanted.clear()
        yield from self.peer.transmits()

    def events(self) -> Iterator[Event]:
        for event in self.peer.events():
            if isinstance(event, Connected):
                self.connected = True
                self._report_at = 0.0
            yield event

    def _send(self, *packets: rtcp.Packet) -> None:
        self.peer.send_control(rtcp.serialize(list(packets)))

    def round_trip_time(self, now: float) -> float | None:
        """Seconds there and back: by the publisher's answers to our reports, else by ICE, which asks more rarely."""
        measured = self._round_trip.seconds(now)
        return self.peer.round_trip_time if measured is None else measured

    def _report(self, now: float) -> None:
        round_trip_time = self.round_trip_time(now)
        if round_trip_time is not None:
            for stream in self.streams.values():
                stream.losses.round_trip_time = round_trip_time
        for stream in self.streams.values():
            # spec: fec/asked-later
            stream.losses.reorder_wait = mending.WAIT if stream.is_protected(now) else REORDER_WAIT
        blocks = [stream.reception.report_block(stream.ssrc, now) for stream in self.streams.values()]
        asks = any(section.answers_clock for section in self._described.values())
        self._send(
            rtcp.ReceiverReport(self._ssrc, blocks),
            rtcp.named(self._ssrc, self.owner),
            *([self._round_trip.ask(now)] if asks else []),  # spec: rtcp/round-trip-agreed
            *self._round_trip.answer(now),
        )
