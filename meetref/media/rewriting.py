"""One slot's RTP stream, continuous whoever sits there: own SSRC, sequence, timestamps and picture ids.

Stands between the publishers' packets (`Incoming`, parsed once for all viewers) and the lock of each viewer's
connection; `meeting/forwarder` calls `rewrite` for every burst and viewer, so this is the hot path.
Specification: RFC 3550 section 5.1 (what must be continuous), RFC 7741 section 4.2 (VP8 picture id and TL0PICIDX),
draft-holmer-rmcat-transport-wide-cc-extensions-01 (the number each link gives its packets).
Leaves out: layers. A source has one encoding here, so nothing is dropped between two of its packets and an offset
carries every one of them, late or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from meetref.media.sequence import Unwrapper
from meetref.wire import rtp, vp8

HALF_SEQUENCE = 1 << 15
HALF_PICTURE = 1 << 14
HALF_TL0 = 1 << 7

# Version 2 with extension; marker and payload type; sequence; timestamp; SSRC; one-byte extensions of so many words.
_AUDIO = Struct("!BBHIIHHBHBBBH")
_PLAIN = Struct("!BBHIIHHBHB")
_PICTURE = Struct("!2sH")
_PICTURE_TL0 = Struct("!2sHB")
TRANSPORT_SEQUENCE_AT = 17
"""Where the link's number stands in a rewritten header: behind the fixed one, 0xBEDE, the length and the id."""

EVEN = 8
PADDED_FROM = 500
"""Encoders cut a frame into packets that differ by an octet, and only packets of one size leave together in one system
call. So the parts of large frames are padded to a multiple of `EVEN` octets, which costs 0.3 % of the bandwidth."""

Parts = tuple[bytes, bytes, bytes]
"""A packet that leaves: its header, and its payload in two, of which the second is the same for all viewers."""

_VERSION_AND_EXTENSION = 0x90
_PADDED = 0x20
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


def read_audio(data: bytes, sequence: int, level_id: int | None) -> Incoming:
    """An audio packet. `level_id` is the publisher's id of the audio level extension (RFC 6464). Raises `Malformed`."""
    _, second, _, timestamp, _ = rtp.fixed.unpack_from(data)
    offset, end = rtp.payload_bounds(data)
    found = rtp.find_extension(data, level_id) if level_id else None
    level = data[found[0]] & 0x7F if found is not None and found[1] else 127
    return Incoming(sequence, timestamp, second & 0x80, data[offset:end], True, level)


def read_video(data: bytes, sequence: int, short_pictures: Unwrapper) -> Incoming:
    """A VP8 packet. `short_pictures` (7 bits, one a stream) extends the ids of a publisher that has short ones.

    Raises `Malformed`.
    """
    _, second, _, timestamp, _ = rtp.fixed.unpack_from(data)
    offset, end = rtp.payload_bounds(data)
    payload = data[offset:end]
    packet = Incoming(sequence, timestamp, second & 0x80, payload, vp8.is_keyframe(payload))
    layout = vp8.locate(payload)
    if layout.picture_id is not None:
        is_long = payload[layout.picture_id_at] & 0x80
        packet.picture = layout.picture_id if is_long else short_pictures.unwrap(layout.picture_id)
        packet.tl0 = layout.tl0_picture_index
        packet.lead = payload[:2]
        packet.tail = payload[layout.rest :]
    if len(packet.tail) >= PADDED_FROM:
        packet.padding = -len(packet.tail) % EVEN
        packet.tail += _PADDING[packet.padding]
    return packet


def without_padding(parts: Parts) -> Parts:
    """The packet as its source sent it."""
    header, descriptor, tail = parts
    if not header[0] & _PADDED:
        return parts
    return bytes([header[0] ^ _PADDED]) + header[1:], descriptor, tail[: -tail[-1]]


class Rewriter:
    """The outgoing stream of one slot. Audio and video differ in the header they write, not in how they continue.

    `transport_id` and `level_id` are this connection's extension ids; `level_id` is 0 for video, which has no level.
    """

    __slots__ = (
        "_first",
        "_last_at",
        "_level_octet",
        "_picture_offset",
        "_sequence_offset",
        "_tl0_offset",
        "_transport_octet",
        "clock_rate",
        "frame",
        "last_picture",
        "last_sequence",
        "last_timestamp",
        "last_tl0",
        "octets",
        "packets",
        "payload_type",
        "ssrc",
        "timestamp_offset",
        "waiting",
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
    ) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.frame = clock_rate // 50 if level_id else clock_rate // 30
        self.waiting = True
        self.packets = 0
        self.octets = 0
        self.last_sequence = first_sequence
        self.last_timestamp = first_timestamp
        self.last_picture = 0
        self.last_tl0 = 0
        self.timestamp_offset = 0
        self._transport_octet = transport_id << 4 | 1
        self._level_octet = level_id << 4
        self._first = 0
        self._sequence_offset = 0
        self._picture_offset = 0
        self._tl0_offset = 0

    def switch(self) -> None:
        """Another source comes: everything waits for a packet that a viewer may begin with."""
        self.waiting = True

    def begin(self, packet: Incoming, timestamp: int) -> None:
        """Continue with `packet` as the next of the stream; `timestamp` is where it should stand on the slot's clock.

        It never stands before the end of what was sent: at least one frame is added.
        """
        ahead = (timestamp - self.last_timestamp) & 0xFFFFFFFF
        if self.packets and (ahead >= 1 << 31 or ahead < self.frame):
            timestamp = (self.last_timestamp + self.frame) & 0xFFFFFFFF
        self.timestamp_offset = timestamp - packet.timestamp
        self._first = packet.sequence
        self._sequence_offset = self.last_sequence + 1 - packet.sequence
        if packet.picture is not None:
            self._picture_offset = self.last_picture + 1 - packet.picture
        if packet.tl0 is not None:
            self._tl0_offset = self.last_tl0 + 1 - packet.tl0
        self.waiting = False

    def rewrite(self, packets: Sequence[Incoming], transport_sequence: int) -> list[Parts]:
        """What this slot sends of a burst; the link's numbers begin with `transport_sequence`.

        A packet from before the source sat down is left out.
        """
        made: list[Parts] = []
        payload_type, ssrc, transport_octet, level_octet = (
            self.payload_type, self.ssrc, self._transport_octet, self._level_octet
        )  # fmt: skip
        number = transport_sequence
        former: Incoming | None = None
        descriptor = b""
        for packet in packets:
            if packet.sequence < self._first:
                continue
            sequence = (packet.sequence + self._sequence_offset) & 0xFFFF
            timestamp = (packet.timestamp + self.timestamp_offset) & 0xFFFFFFFF
            if (sequence - self.last_sequence) & 0xFFFF < HALF_SEQUENCE:
                self.last_sequence = sequence
                self.last_timestamp = timestamp
            tail = packet.tail
            # The packets of one picture have the same descriptor, but for its first.
            if former is None or packet.picture != former.picture or packet.lead != former.lead:
                descriptor = b"" if packet.picture is None else self._descriptor(packet, packet.picture)
            former = packet
            self.octets += len(descriptor) + len(tail) - packet.padding
            first = _VERSION_AND_EXTENSION | (packet.padding and _PADDED)
            if level_octet:
                header = _AUDIO.pack(
                    first, packet.marker | payload_type, sequence, timestamp, ssrc,
                    _ONE_BYTE, 2, transport_octet, number, level_octet, packet.level, 0, 0,
                )  # fmt: skip
            else:
                header = _PLAIN.pack(
                    first, packet.marker | payload_type, sequence, timestamp, ssrc,
                    _ONE_BYTE, 1, transport_octet, number, 0,
                )  # fmt: skip
            number = (number + 1) & 0xFFFF
            made.append((header, descriptor, tail))
        self.packets += len(made)
        return made

    def _descriptor(self, packet: Incoming, picture: int) -> bytes:
        """Of a VP8 packet: its picture id always has 15 bits here, whatever the publisher's has."""
        picture = picture + self._picture_offset & 0x7FFF  # spec: vp8/picture-id-wraps
        if (picture - self.last_picture) & 0x7FFF < HALF_PICTURE:
            self.last_picture = picture
        if packet.tl0 is None:
            return _PICTURE.pack(packet.lead, 0x8000 | picture)
        tl0 = packet.tl0 + self._tl0_offset & 0xFF
        if (tl0 - self.last_tl0) & 0xFF < HALF_TL0:
            self.last_tl0 = tl0
        return _PICTURE_TL0.pack(packet.lead, 0x8000 | picture, tl0)
