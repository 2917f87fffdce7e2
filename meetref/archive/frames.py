"""What a recorded stream shows and says: whole pictures, and packets of sound, each with its time in the recording.

    arrivals -> in order (archive/ordering) -> pictures put together (media/assembly), or sound taken out of RED
             -> the time of each (archive/timing)

A picture behind a gap is of no use until the next keyframe, unless picture numbers tell that nothing of pictures was in
the gap. Sound that was lost is taken from a later packet that says it again.
Stands on these; `archive/participant` and `archive/film` take from here.
Specification: RFC 3550 section 5.1, RFC 2198 (RED), 3GPP TS 26.114 section 7.4.5 (video orientation).
Leaves out: decoding. Read next: `archive/film.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meetref.archive.ordering import Ordering, Placed
from meetref.archive.reading import Stream
from meetref.archive.timing import MOST_SOURCES, Clocks
from meetref.media.assembly import Assembly
from meetref.media.joining import JOININGS, SHOWN_UNITS, START_CODE
from meetref.media.redundancy import Sound as Said
from meetref.media.redundancy import numbered
from meetref.media.sequence import Unwrapper
from meetref.wire import h264, rtp
from meetref.wire.reader import Malformed


@dataclass(slots=True, frozen=True)
class Frame:
    """A picture, encoded. `turned` is by how many quarters to the right it is to be shown."""

    at: float
    codec: str
    data: bytes
    is_key: bool
    turned: int = 0


@dataclass(slots=True, frozen=True)
class Sound:
    """A packet of Opus."""

    at: float
    data: bytes


@dataclass(slots=True, frozen=True)
class _Timed:
    at: float
    packet: rtp.Packet


class _Reader:
    """The packets of one stream, each in its turn among those of its SSRC, and with its time."""

    def __init__(self, stream: Stream, clocks: Clocks) -> None:
        self._stream = stream
        self._clocks = clocks
        self._timestamps: dict[int, Unwrapper] = {}
        self._last: tuple[int, int] | None = None
        self._last_seconds = 0.0
        self._red = {number for number, codec in stream.codecs.items() if codec.name.lower() == "red"}

    def packets(self) -> Iterator[Placed[_Timed]]:
        """One SSRC after the other: when the next one begins, the one before is over."""
        ordering: Ordering[_Timed] = Ordering()
        current: int | None = None
        for at, data in self._stream.arrivals():
            try:
                packet = rtp.parse(data)
            except Malformed:
                continue
            if 64 <= packet.payload_type < 96 or packet.ssrc not in self._known(packet.ssrc):
                continue
            if packet.ssrc != current:
                yield from ordering.flush()
                ordering, current = Ordering(), packet.ssrc
            timestamps = self._timestamps[packet.ssrc]
            timestamp = timestamps.unwrap(packet.timestamp)  # first, as where the clocks came from
            for number, sound in self._older(packet):
                if ordering.lacks(number):
                    seconds = self._seconds(packet.ssrc, timestamps.nearest(sound.timestamp), at)
                    yield from ordering.insert(number, _Timed(seconds, _as_packet(packet, number, sound)), at)
            yield from ordering.insert(packet.sequence, _Timed(self._seconds(packet.ssrc, timestamp, at), packet), at)
        yield from ordering.flush()

    def _known(self, ssrc: int) -> dict[int, Unwrapper]:
        if ssrc not in self._timestamps and len(self._timestamps) < MOST_SOURCES:
            self._timestamps[ssrc] = Unwrapper(32)
        return self._timestamps

    def _seconds(self, ssrc: int, timestamp: int, arrived_at: float) -> float:
        """The packets of a picture all say the same time."""
        if (ssrc, timestamp) != self._last:
            clock = self._clocks.get((self._stream.name, ssrc))
            self._last = ssrc, timestamp
            self._last_seconds = clock.seconds(timestamp, arrived_at) if clock is not None else arrived_at
        return self._last_seconds

    def _older(self, packet: rtp.Packet) -> list[tuple[int, Said]]:
        """Leave the newest sound alone in a packet that says several; gives the older ones, each with its number."""
        if packet.payload_type not in self._red:
            return []
        try:
            *older, (_, newest) = numbered(packet.payload, packet.sequence, packet.timestamp)
        except Malformed:
            packet.payload = b""
            return []
        packet.payload_type, packet.payload = newest.payload_type, newest.data
        return [(number & 0xFFFF, sound) for number, sound in older]  # spec: composer/older-blocks


def _as_packet(packet: rtp.Packet, number: int, sound: Said) -> rtp.Packet:
    """What came as an older sound, as if its own packet had come."""
    return replace(
        packet, sequence=number, timestamp=sound.timestamp, payload_type=sound.payload_type, payload=sound.data
    )


def sounds_of(stream: Stream, clocks: Clocks) -> Iterator[Sound]:
    """All that is said in a stream of sound, in its order."""
    opus = {number for number, codec in stream.codecs.items() if codec.name.lower() == "opus"}
    for placed in _Reader(stream, clocks).packets():
        packet = placed.item.packet
        if packet.payload_type in opus and packet.payload:
            yield Sound(placed.item.at, packet.payload)


def pictures_of(stream: Stream, clocks: Clocks) -> Iterator[Frame]:
    """All pictures of a stream that can be decoded, in their order; the first one is a keyframe."""
    pictures = _Pictures(stream)
    for placed in _Reader(stream, clocks).packets():
        yield from pictures.take(placed)


class _Pictures:
    """Puts the pictures of one stream together, whichever SSRC and codec it goes over to."""

    def __init__(self, stream: Stream) -> None:
        self._codecs = {
            number: codec.name.upper() for number, codec in stream.codecs.items() if codec.name.upper() in JOININGS
        }
        self._orientation = stream.extensions.get(rtp.EXTENSIONS["video-orientation"])
        self._source: tuple[int, int] | None = None  # SSRC and payload type
        self._codec = ""
        self._assembly = Assembly()
        self._number: tuple[int, int] | None = None
        self._turned = 0
        self._parameters = b""  # of H264, that travelled as if they were a picture
        self._made: list[Frame] = []

    def take(self, placed: Placed[_Timed]) -> list[Frame]:
        """The pictures that are whole with this packet: one, or none."""
        packet = placed.item.packet
        if packet.payload_type not in self._codecs or not packet.payload:  # what is empty is padding
            return []
        if (packet.ssrc, packet.payload_type) != self._source:
            self._begin(packet)
        elif placed.missing and not self._goes_on(packet):
            self._assembly.lose()  # spec: composer/nothing-broken-shown
        self._number = self._number_of(packet)
        told = packet.extensions.get(self._orientation, b"") if self._orientation is not None else b""
        if told:
            self._turned = told[0] & 3  # spec: composer/turned
        at = placed.item.at
        self._made = []
        self._assembly.on_frame = lambda frame, timestamp: self._keep(frame, at)
        self._assembly.take(packet)
        return self._made

    def _begin(self, packet: rtp.Packet) -> None:
        """Another size, or another codec: it begins with a keyframe."""
        self._source = packet.ssrc, packet.payload_type
        self._codec = self._codecs[packet.payload_type]
        self._assembly = Assembly(self._codec)
        self._number = None
        self._parameters = b""

    def _goes_on(self, packet: rtp.Packet) -> bool:
        """Whether, by the numbers of pictures, nothing of a picture is missing before this packet."""
        number = self._number_of(packet)
        if not self._assembly.is_between or number is None or self._number is None:
            return False
        begins = JOININGS[self._codec].begins
        try:
            return begins is not None and begins(packet.payload) and number[0] == (self._number[0] + 1) % number[1]
        except Malformed:
            return False

    def _number_of(self, packet: rtp.Packet) -> tuple[int, int] | None:
        try:
            return JOININGS[self._codec].number(packet.payload)
        except Malformed:
            return None

    def _keep(self, frame: bytes, at: float) -> None:
        is_key = self._assembly.is_key
        if self._codec == "H264":
            if is_key and not SHOWN_UNITS & {unit[0] & h264.TYPE for unit in frame.split(START_CODE) if unit}:
                self._parameters = frame
                return
            if self._parameters:
                frame, is_key, self._parameters = self._parameters + frame, True, b""
        self._made.append(Frame(at, self._codec, frame, is_key, self._turned))
