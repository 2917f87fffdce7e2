"""One stream of a live meeting, from its packets to what is seen or heard of it now.

Packets wait in a jitter buffer until they are in order and their time has come; then pictures are decoded, and sounds
are put into a voice, both for the moment that is right for all of this person. When a publisher goes over to another
encoding its packets are another lane's, of the same name: it begins with a keyframe.
Stands on `archive/unison`, `media/jitter`, `assembly`, `mixing` and `codec`; `archive/studio` has them all.
Specification: RFC 3550 section 5.1; docs/recording.md for what is told of a stream.
Leaves out: sound that was lost, which is silence.
Read next: `archive/unison.py`, `archive/studio.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from meetref.archive.unison import Unison
from meetref.media.assembly import Assembly
from meetref.media.codec import SAMPLE_RATE, SoundDecoder
from meetref.media.codec.pictures import DECODERS, Decoded, PictureDecoder
from meetref.media.jitter import Gap, JitterBuffer
from meetref.media.mixing import Voice
from meetref.media.redundancy import numbered
from meetref.wire import rtp

PICTURE_CLOCK: Final = 90_000  # of all codecs that browsers have
KEYFRAME_EVERY: Final = 1.0  # seconds between two wishes for one
PATIENCE: Final = 0.5  # seconds for packets that were asked for again
MOST_PICTURES: Final = 30  # decoded ones that wait


def codec_names(about: Mapping[str, Any]) -> dict[int, str]:
    """The codecs of a stream by payload type."""
    codecs = about.get("codecs", {})
    return {int(number): str(codec["name"]) for number, codec in codecs.items()}


class SoundLane:
    """The voice of one stream; its time counts from the beginning of the mix."""

    def __init__(self, about: Mapping[str, Any], voice: Voice, unison: Unison) -> None:
        self._names = codec_names(about)
        self._voice = voice
        self._unison = unison
        self._buffer: JitterBuffer[rtp.Packet] = JitterBuffer(SAMPLE_RATE)
        self._decoder = SoundDecoder()

    def take(self, packet: rtp.Packet, now: float) -> None:
        """A packet; sound that is said twice counts once. Raises `Malformed`."""
        if self._names.get(packet.payload_type, "").lower() == "red":
            for number, sound in numbered(packet.payload, packet.sequence, packet.timestamp):
                one = rtp.Packet(sound.payload_type, number & 0xFFFF, sound.timestamp, packet.ssrc, payload=sound.data)
                self._buffer.insert(one.sequence, one.timestamp, one, now)
        else:
            self._buffer.insert(packet.sequence, packet.timestamp, packet, now)

    def play(self, now: float) -> None:
        """Put into the voice what is due."""
        for item in self._buffer.release(now):
            if not isinstance(item, Gap):
                samples = self._decoder.decode(item.payload)
                if len(samples):
                    self._voice.put(self._unison.shown_at(item.ssrc, item.timestamp, self._buffer, now), samples)


class PictureLane:
    """The pictures of one encoding. `wants_keyframe` says that nothing can be decoded until one comes."""

    def __init__(self, codec: str, ssrc: int, unison: Unison) -> None:
        self.wants_keyframe = False
        self.newest: Decoded | None = None
        """What is to be seen now."""
        self._ssrc = ssrc
        self._unison = unison
        self._buffer: JitterBuffer[rtp.Packet] = JitterBuffer(PICTURE_CLOCK, patience=PATIENCE)
        self._assembly = Assembly(codec)
        self._assembly.on_frame = self._decode
        self._decoder = PictureDecoder(codec)
        self._waiting: deque[tuple[float, Decoded]] = deque(maxlen=MOST_PICTURES)
        self._now = 0.0
        self._asked_at = 0.0

    def take(self, packet: rtp.Packet, now: float) -> None:
        """A packet."""
        self._buffer.insert(packet.sequence, packet.timestamp, packet, now)

    def play(self, now: float, shown_at: float) -> bool:
        """Decode what is due; whether there is another picture to be seen at a moment, which may be an earlier one."""
        self._now = now
        for item in self._buffer.release(now):
            if isinstance(item, Gap):
                self._assembly.lose()
            else:
                self._assembly.take(item)
            if not self._assembly.playing and now >= self._asked_at + KEYFRAME_EVERY:
                self._asked_at, self.wants_keyframe = now, True
        changed = False
        while self._waiting and self._waiting[0][0] <= shown_at:
            self.newest = self._waiting.popleft()[1]
            changed = True
        return changed

    def _decode(self, frame: bytes, timestamp: int) -> None:
        decoded = self._decoder.decode(frame)
        if decoded is not None:
            shown_at = self._unison.shown_at(self._ssrc, timestamp, self._buffer, self._now)
            self._waiting.append((shown_at, decoded))


class PictureStream:
    """All encodings of a publisher's picture, of which one is seen at a time."""

    MOST: Final = 4  # encodings; the one that was used longest ago makes room

    def __init__(self, about: Mapping[str, Any], unison: Unison) -> None:
        self._names = codec_names(about)
        self._unison = unison
        self._lanes: dict[tuple[int, int], PictureLane] = {}
        self._shown: PictureLane | None = None

    def take(self, packet: rtp.Packet, now: float) -> None:
        """A packet; of a codec that nobody here decodes it is dropped."""
        codec = self._names.get(packet.payload_type)
        if codec not in DECODERS:
            return
        key = packet.ssrc, packet.payload_type
        lane = self._lanes.pop(key, None) or PictureLane(codec, packet.ssrc, self._unison)
        self._lanes[key] = lane  # the last one is the newest
        while len(self._lanes) > self.MOST:
            del self._lanes[next(iter(self._lanes))]
        lane.take(packet, now)

    def play(self, now: float, shown_at: float) -> Decoded | None:
        """The picture that is to be seen from a moment on, if it is another one."""
        shown = None
        for lane in list(self._lanes.values()):
            if lane.play(now, shown_at):
                shown = lane.newest
        return shown

    def wants_keyframe(self) -> bool:
        """Whether one should be asked for; says so once."""
        newest = next(reversed(self._lanes.values()), None)
        if newest is None or not newest.wants_keyframe:
            return False
        newest.wants_keyframe = False
        return True
