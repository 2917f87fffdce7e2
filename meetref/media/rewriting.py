"""One slot's RTP stream, continuous whoever sits there: own SSRC, sequence, timestamps and picture ids.

Stands between the publishers' packets (`Incoming`, parsed once for all viewers) and the lock of each viewer's
connection; `meeting/forwarder` calls `rewrite` for every burst and viewer, so this is the hot path.
Specification: RFC 3550 section 5.1 (what must be continuous), RFC 7741 section 4.2 (VP8 picture id and TL0PICIDX),
draft-holmer-rmcat-transport-wide-cc-extensions-01 (the number each link gives its packets).
While nothing is left out of a source, an offset carries every one of its packets, late or not. Leaving out layers is a
detour (`thin`) that costs nothing while nobody takes it. Which encoding comes is `media/simulcast`'s.
Read next: `media/thinning.py`; `media/formats.py` for other codecs than VP8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from struct import Struct

from meetref.media.parts import PADDED, Parts, extend, marked
from meetref.media.sequence import Unwrapper
from meetref.media.thinning import ALL_LAYERS, Thinning, begins_vp8
from meetref.wire import rtp, vp8

HALF_SEQUENCE = 1 << 15
HALF_PICTURE = 1 << 14
HALF_TL0 = 1 << 7

# Version 2 with extension; marker and payload type; sequence; timestamp; SSRC; one-byte extensions of so many words.
_AUDIO = Struct("!BBHIIHHBHBBBH")
_PLAIN = Struct("!BBHIIHHBHB")
_BARE = Struct("!BBHII")
_PICTURE = Struct("!2sH")
_PICTURE_TL0 = Struct("!2sHB")

EVEN = 8
PADDED_FROM = 500
"""Encoders cut a frame into packets that differ by an octet, and only packets of one size leave together in one system
call. So the parts of large frames are padded to a multiple of `EVEN` octets, which costs 0.3 % of the bandwidth."""

MAXIMUM_KEPT = 128
"""Numbers, counted back from the newest, that are looked through for those that were kept for latecomers."""

_VERSION = 0x80
_VERSION_AND_EXTENSION = 0x90
_PADDING = [b"", *(bytes(size - 1) + bytes([size]) for size in range(1, EVEN))]
_ONE_BYTE = 0xBEDE


@dataclass(slots=True)
class Incoming:
    """A publisher's packet after unlocking, with what the seats need of it. `sequence` is extended (it never wraps).

    `tail` is the part of the payload that every seat sends as it came. In front of it, a VP8 packet with a picture id
    has its descriptor, taken apart: `lead` its first two octets, then `picture` and `tl0`, of which each seat has its
    own. `picture` is None where there is nothing to rewrite.
    """

    sequence: int
    timestamp: int
    marker: int
    tail: bytes
    starts: bool
    """Whether a viewer may begin here: any audio packet, the first packet of a VP8 keyframe."""
    level: int = 127
    picture: int | None = None
    tl0: int | None = None
    lead: bytes = b""
    padding: int = 0
    """Octets of RTP padding at the end of `tail`."""
    temporal: int = 0
    """The temporal layer; 0 where the packet tells none."""
    spatial: int | None = None
    """The spatial layer; None where the stream has one size only."""
    ends: bool = False
    """Whether it is the last of its picture in this size, where there are several."""
    sync: bool = False
    """Whether its picture needs nothing but layer 0, so that a viewer may begin with its layer here."""
    size: tuple[int, int] | None = None
    """Width and height in pixels, which the first packet of a keyframe tells."""
    sizes: Sequence[tuple[int, int]] = ()
    """The same of every spatial layer, where there are several."""
    whole: bytes = b""
    """The packet as it came, where somebody records it."""


def opened(data: bytes) -> tuple[int, int, bytes]:
    """Marker, timestamp and payload of a packet. Raises `Malformed`."""
    _, second, _, timestamp, _ = rtp.fixed.unpack_from(data)
    offset, end = rtp.payload_bounds(data)
    return second & 0x80, timestamp, data[offset:end]


def evened(packet: Incoming) -> Incoming:
    """The packet, padded so that those of a picture are of one size, and leave with one call."""
    if len(packet.tail) >= PADDED_FROM:
        packet.padding = -len(packet.tail) % EVEN
        packet.tail += _PADDING[packet.padding]
    return packet


def read_audio(data: bytes, sequence: int, level_id: int | None) -> Incoming:
    """An audio packet. `level_id` is the publisher's id of the audio level extension (RFC 6464). Raises `Malformed`."""
    marker, timestamp, payload = opened(data)
    found = rtp.find_extension(data, level_id) if level_id else None
    level = data[found[0]] & 0x7F if found is not None and found[1] else 127
    return Incoming(sequence, timestamp, marker, payload, True, level)


def read_video(data: bytes, sequence: int, short_pictures: Unwrapper) -> Incoming:
    """A VP8 packet. `short_pictures` (7 bits, one a stream) extends the ids of a publisher that has short ones.

    Raises `Malformed`.
    """
    marker, timestamp, payload = opened(data)
    if not payload:  # spec: rewriting/padding-keeps-its-number
        return hollow(sequence, timestamp)
    packet = Incoming(sequence, timestamp, marker, payload, vp8.is_keyframe(payload))
    if packet.starts:
        packet.size = vp8.size_of_keyframe(payload)
    layout = vp8.locate(payload)
    if layout.picture_id is not None:
        is_long = payload[layout.picture_id_at] & 0x80
        packet.picture = layout.picture_id if is_long else short_pictures.unwrap(layout.picture_id)
        packet.tl0 = layout.tl0_picture_index
        packet.lead = payload[:2]
        packet.tail = payload[layout.rest :]
        if payload[1] & vp8.T:
            packet.temporal = payload[layout.rest] >> 6
            packet.sync = bool(payload[layout.rest] & vp8.Y)
    return evened(packet)


def hollow(sequence: int, timestamp: int) -> Incoming:
    """A packet of nothing but padding: its number was promised or used, and there is no content that goes with it."""
    return Incoming(sequence, timestamp, 0, b"\x01", False, padding=1)


@dataclass(slots=True, frozen=True)
class Writing:
    """How the numbers of a codec are written, and what its pictures are counted by.

    `write` makes the descriptor of `lead`, picture id and TL0PICIDX; None: as VP8, which is written in place. `begins`:
    is this the first packet of its picture? Picture ids start again after `cycle`. Behind pictures that are left out
    they close up, unless the pictures refer to each other by them. `in_header`: the descriptor is a header extension.
    """

    write: Callable[[bytes, int, int | None], bytes] | None = None
    begins: Callable[[Incoming], bool] = begins_vp8
    cycle: int = 1 << 15
    closes_up: bool = True
    in_header: bool = False


VP8_WRITING = Writing()


class Rewriter:
    """The outgoing stream of one slot. Audio and video differ in the header they write, not in how they continue.

    `transport_id`, `level_id` and `descriptor_id` are this connection's extension ids; `level_id` is 0 for video, which
    has no level, and all where the viewer takes no extension: then the header has none.
    """

    __slots__ = (
        "_begun",
        "_last_at",
        "_level_octet",
        "_picture_offset",
        "_sequence_offset",
        "_tl0_offset",
        "_transport_octet",
        "clock_rate",
        "descriptor_id",
        "first",
        "last_picture",
        "last_sequence",
        "last_timestamp",
        "last_tl0",
        "octets",
        "packets",
        "payload_type",
        "ssrc",
        "thinning",
        "timestamp_offset",
        "transport_id",
        "writing",
    )

    def __init__(
        self,
        *,
        ssrc: int,
        payload_type: int,
        clock_rate: int,
        transport_id: int,
        level_id: int,
        first_sequence: int,
        first_timestamp: int,
        descriptor_id: int = 0,
    ) -> None:
        self.ssrc = ssrc
        self.writing = VP8_WRITING
        """Of the codec that comes; it may change where another source begins, and with it the payload type."""
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.thinning: Thinning | None = None
        """What leaves out layers, or did a moment ago: while it is there, `thin` is called for `rewrite`."""
        self.packets = 0
        self.octets = 0
        self.last_sequence = first_sequence
        self.last_timestamp = first_timestamp
        self.last_picture = 0
        self.last_tl0 = 0
        self.timestamp_offset = 0
        self.transport_id = transport_id
        self._transport_octet = transport_id << 4 | 1 if transport_id else 0
        self._level_octet = level_id << 4 if transport_id else 0
        self.descriptor_id = descriptor_id
        self.first = 0
        """The number of the first packet of the source that sits here now."""
        self._begun = first_sequence
        self._sequence_offset = 0
        self._picture_offset = 0
        self._tl0_offset = 0

    def begin(self, packet: Incoming, timestamp: int, step: int) -> None:
        """Continue with `packet` as the next of the stream; `timestamp` is where it should stand on the slot's clock.

        It never stands before the end of what was sent: at least `step` is added.
        """
        ahead = (timestamp - self.last_timestamp) & 0xFFFFFFFF
        if self.packets and (ahead >= 1 << 31 or ahead < step):  # spec: rewriting/time-goes-on
            timestamp = (self.last_timestamp + step) & 0xFFFFFFFF
        self.timestamp_offset = timestamp - packet.timestamp
        self.first = packet.sequence
        self._begun = (self.last_sequence + 1) & 0xFFFF
        self._sequence_offset = self.last_sequence + 1 - packet.sequence  # spec: rewriting/sequence-continues
        if packet.picture is not None:  # spec: rewriting/pictures-continue
            self._picture_offset = self.last_picture + 1 - packet.picture
        if packet.tl0 is not None:
            self._tl0_offset = self.last_tl0 + 1 - packet.tl0
        if self.thinning is not None:
            self._thin_to(self.thinning.wanted, self.thinning.size)

    def fill(self, sent: Callable[[int], bool], transport_sequence: int) -> list[Parts]:
        """Padding under the newest numbers of this source that were not `sent`: they were kept for latecomers.

        To be called before another source begins, for then none of those will come any more.
        """
        number, kept = self.last_sequence, list[Incoming]()
        for _ in range(MAXIMUM_KEPT):
            if number == self._begun:
                break
            number = (number - 1) & 0xFFFF
            if not sent(number):
                back = (number - self._sequence_offset - self.first) & 0xFFFF
                kept.append(hollow(self.first + back, self.last_timestamp - self.timestamp_offset))
        return self.rewrite(kept, transport_sequence)  # spec: rewriting/kept-numbers-filled

    def keep_layers(self, temporal: int, spatial: int = ALL_LAYERS) -> None:
        """Send layers up to these: fewer from the next picture on, more as soon as each can be decoded."""
        if self.thinning is not None:
            self.thinning.wanted, self.thinning.size = temporal, spatial
        else:
            self._thin_to(temporal, spatial)

    def _thin_to(self, temporal: int, spatial: int) -> None:
        """Leave out layers from the next picture on."""
        self.thinning = None
        if temporal < ALL_LAYERS or spatial < ALL_LAYERS:
            newest = self.last_picture - self._picture_offset
            begins, closes_up = self.writing.begins, self.writing.closes_up
            self.thinning = Thinning(
                temporal, self._sequence_offset, self._picture_offset, newest, begins, closes_up, spatial
            )

    def rewrite(self, packets: Sequence[Incoming], transport_sequence: int) -> list[Parts]:
        """What this slot sends of a burst; the link's numbers begin with `transport_sequence`.

        A packet from before the source sat down is left out.
        """
        made: list[Parts] = []
        payload_type, ssrc, transport_octet, level_octet = (
            self.payload_type, self.ssrc, self._transport_octet, self._level_octet
        )  # fmt: skip
        begins, sequence_offset, timestamp_offset = self.first, self._sequence_offset, self.timestamp_offset
        newest, octets = self.last_sequence, 0
        # spec: rewriting/continuing
        number = transport_sequence
        picture, lead, descriptor = None, b"", b""
        for packet in packets:
            if packet.sequence < begins:
                continue
            sequence = (packet.sequence + sequence_offset) & 0xFFFF  # spec: rewriting/no-gap-no-repeat
            timestamp = (packet.timestamp + timestamp_offset) & 0xFFFFFFFF
            if (sequence - newest) & 0xFFFF < HALF_SEQUENCE:
                newest = sequence
                self.last_timestamp = timestamp
            tail = packet.tail
            # The packets of one picture have the same descriptor, but for its first.
            if packet.picture != picture or packet.lead != lead:
                picture, lead = packet.picture, packet.lead
                descriptor = b"" if picture is None else self._descriptor(packet, picture)
            octets += len(descriptor) + len(tail) - packet.padding
            first = _VERSION_AND_EXTENSION | (packet.padding and PADDED)
            if level_octet:
                header = _AUDIO.pack(
                    first, packet.marker | payload_type, sequence, timestamp, ssrc,
                    _ONE_BYTE, 2, transport_octet, number, level_octet, packet.level, 0, 0,
                )  # fmt: skip
            elif transport_octet:
                header = _PLAIN.pack(
                    first, packet.marker | payload_type, sequence, timestamp, ssrc,
                    _ONE_BYTE, 1, transport_octet, number, 0,
                )  # fmt: skip
            else:
                first ^= _VERSION ^ _VERSION_AND_EXTENSION  # spec: whip/extensions-as-offered
                header = _BARE.pack(first, packet.marker | payload_type, sequence, timestamp, ssrc)
            number = (number + 1) & 0xFFFF
            made.append((header, descriptor, tail))
        self.last_sequence = newest
        self.packets += len(made)
        self.octets += octets
        return self._described(made) if self.writing.in_header else made

    def _described(self, made: list[Parts]) -> list[Parts]:
        """With each packet's descriptor where it belongs to the header, as far as the viewer takes it."""
        for place, (header, descriptor, tail) in enumerate(made):
            self.octets -= len(descriptor)
            extended = extend(header, self.descriptor_id, descriptor) if self.descriptor_id and descriptor else header
            made[place] = extended, b"", tail
        return made

    def thin(self, packets: Sequence[Incoming], transport_sequence: int) -> list[Parts]:
        """As `rewrite`, without the layers that are too high; `thinning` must be there."""
        thinning = self.thinning
        assert thinning is not None
        made: list[Parts] = []
        since = [packet for packet in packets if packet.sequence >= self.first]
        for place, group in groupby(since, thinning.place):
            if place is None:
                continue
            self._sequence_offset, self._picture_offset, form = place
            together = list(group)
            if form == "hollow":
                together = [hollow(packet.sequence, packet.timestamp) for packet in together]
            run = self.rewrite(together, (transport_sequence + len(made)) & 0xFFFF)
            made += map(marked, run) if form == "last" else run
        self._sequence_offset, self._picture_offset = thinning.offsets
        if thinning.over:
            self.first = max(self.first, thinning.floor)
            self.thinning = None
        return made

    def recall(self, packets: Sequence[Incoming], run: Sequence[Parts]) -> Sequence[Parts] | Recalled:
        """What to keep of a burst that `rewrite` has just made into `run`."""
        first, last = packets[0].sequence, packets[-1].sequence
        if not len(run) == len(packets) == last - first + 1:  # something was left out, or is missing
            return run
        number = (first + self._sequence_offset) & 0xFFFF
        return Recalled(self, number, packets, self._sequence_offset, self._picture_offset)

    def rewrite_again(self, packet: Incoming, sequence_offset: int, picture_offset: int) -> Parts:
        """A packet of the present source as it left under these offsets. The stream does not move: a copy does."""
        former = copy(self)
        former.first, former._sequence_offset, former._picture_offset = packet.sequence, sequence_offset, picture_offset
        return former.rewrite([packet], 0)[0]

    def _descriptor(self, packet: Incoming, picture: int) -> bytes:
        """Of a VP8 packet: its picture id always has 15 bits here, whatever the publisher's has."""
        if self.writing.write is not None:
            return self._written(packet, picture)
        picture = picture + self._picture_offset & 0x7FFF  # spec: vp8/picture-id-wraps
        if (picture - self.last_picture) & 0x7FFF < HALF_PICTURE:
            self.last_picture = picture
        if packet.tl0 is None:
            return _PICTURE.pack(packet.lead, 0x8000 | picture)
        tl0 = packet.tl0 + self._tl0_offset & 0xFF
        if (tl0 - self.last_tl0) & 0xFF < HALF_TL0:
            self.last_tl0 = tl0
        return _PICTURE_TL0.pack(packet.lead, 0x8000 | picture, tl0)

    def _written(self, packet: Incoming, picture: int) -> bytes:
        """The descriptor of a packet of another codec."""
        writing = self.writing
        assert writing.write is not None
        picture = (picture + self._picture_offset) % writing.cycle  # spec: rewriting/pictures-continue
        if (picture - self.last_picture) % writing.cycle < writing.cycle >> 1:
            self.last_picture = picture
        if packet.tl0 is None:
            return writing.write(packet.lead, picture, None)
        tl0 = packet.tl0 + self._tl0_offset & 0xFF
        if (tl0 - self.last_tl0) & 0xFF < HALF_TL0:
            self.last_tl0 = tl0
        return writing.write(packet.lead, picture, tl0)


class Recalled:
    """A burst that left whole, of which one packet or another may be asked for again: it is then rewritten anew.

    So what is kept of a viewer's packets is a few numbers beside what all viewers share.
    """

    __slots__ = ("_packets", "_picture_offset", "_rewriter", "_sequence_offset", "first")

    def __init__(
        self, rewriter: Rewriter, first: int, packets: Sequence[Incoming], sequence_offset: int, picture_offset: int
    ) -> None:
        self.first = first
        self._rewriter = rewriter
        self._packets = packets
        self._sequence_offset = sequence_offset
        self._picture_offset = picture_offset

    def __len__(self) -> int:
        return len(self._packets)

    def __getitem__(self, place: int) -> Parts:
        return self._rewriter.rewrite_again(self._packets[place], self._sequence_offset, self._picture_offset)
