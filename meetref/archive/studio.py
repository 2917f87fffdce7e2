"""What an audience sees and hears of a live meeting: all pictures in one, all voices in one, cut into parts.

A clock says when a picture is due; what came by then is drawn, mixed and encoded in every size. The lengths are chosen
so that both clocks divide them: a part is 0.32 s, eight pictures at 25 a second and fifteen packets of AAC, so pictures
and sound are cut at the same times, to the tick, and for ever.
Stands on `archive/lane` and `media/scene`; pure but for the codecs. `archive/studioprocess` gives it its time.
Specification: docs/webinar.md; ISO/IEC 23000-19 for what a part is.
Captions are cut into segments at the same times. Leaves out: more sound than mono. Read next: `archive/window.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from meetref.archive import captions, cue
from meetref.archive.lane import PICTURE_CLOCK, PictureStream, SoundLane
from meetref.archive.unison import Unison
from meetref.media.codec import SAMPLE_RATE
from meetref.media.codec.live import AAC_CODEC, AAC_SAMPLES, LadderEncoder, LiveSound, Rung
from meetref.media.mixing import Voice, mixed
from meetref.media.scene import Scene, Tile
from meetref.wire import mp4, rtcp, rtp
from meetref.wire.h264 import KEY_SLICE, PICTURE_PARAMETERS, SEQUENCE_PARAMETERS, SLICE, TYPE, byte_stream_units
from meetref.wire.multiplex import is_rtcp
from meetref.wire.reader import Malformed

FRAME_RATE: Final = 25
FRAMES_PER_PART: Final = 8
PACKETS_PER_PART: Final = 15
PARTS_PER_SEGMENT: Final = 8
FRAMES_PER_SEGMENT: Final = FRAMES_PER_PART * PARTS_PER_SEGMENT
PARTS_PER_KEYFRAME: Final = 4  # a keyframe every 1.28 s: so often a viewer can go over to another size
VIDEO_CLOCK: Final = 90_000
FRAME_TICKS: Final = VIDEO_CLOCK // FRAME_RATE
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FRAME_RATE
SOUND: Final = "sound"
CAPTIONS: Final = "captions"
SOUND_BPS: Final = 64_000
LADDER: Final = (
    Rung("v720", 1280, 720, 1_500_000),
    Rung("v360", 640, 360, 600_000),
    Rung("v180", 320, 180, 200_000),
)
MOST_STREAMS: Final = 200
IN_A_HURRY: Final = 4  # one picture of so many is made; divides a part's, so that each part begins with one
IN_A_GREAT_HURRY: Final = 8


class Studio:
    """One show. `take` is given what the server says, `frame` makes the next picture and what goes with it.

    `now` counts from the first picture. That of a studio which goes on with the show of another one belongs to `part`.
    """

    def __init__(self, began_at: float, ladder: Sequence[Rung] = LADDER, part: int = 0) -> None:
        self._ladder = LadderEncoder(ladder, FRAME_RATE)
        self._sound = LiveSound(SOUND_BPS)
        self._scene = Scene(ladder[0].width, ladder[0].height)
        self._cast = Cast(self._scene)
        self._began_at = began_at
        self._part = part
        self._cutters: dict[str, Cutter] = {}
        self._count = 0
        self._captions = captions.Segments()
        self._sound_cutter = Cutter(SOUND, PACKETS_PER_PART * AAC_SAMPLES, AAC_SAMPLES, part)

    def take(self, message: cue.ToStudio, now: float) -> None:
        """Something that the server says."""
        if isinstance(message, cue.Note) and message.event.get("event") == captions.KIND:
            self._captions.take(message.event, self._media_time)
        else:
            self._cast.take(message, now)

    def frame(self, now: float, *, one_of: int = 1) -> Iterator[cue.FromStudio]:
        """The next picture, and the sound that goes with it. In a hurry `one_of` so many is made, and lasts for all."""
        number, self._count = self._count, self._count + 1
        yield from self._cast.play(now, (number + 0.5) / FRAME_RATE)  # nobody is seen more than half a picture late
        if number % one_of:
            for cutter in self._cutters.values():
                yield from cutter.lengthen()
        else:
            self._cast.arrange()
            keyframe = number % (FRAMES_PER_PART * PARTS_PER_KEYFRAME) == 0
            encoded = self._ladder.encode(self._scene.picture, number, keyframe=keyframe)
            pieces = list(self._picture_pieces(encoded, keyframe))
            if not number:
                yield self._began()
            yield from pieces
        for packet in self._sound.encode(self._cast.mixed(SAMPLES_PER_FRAME)):
            yield from self._sound_cutter.add(packet, is_key=True)
        if self._count % FRAMES_PER_SEGMENT == 0:  # spec: playlist/captions-whole
            octets = self._captions.cut(self._media_time)
            yield cue.Piece(CAPTIONS, octets, FRAMES_PER_SEGMENT * FRAME_TICKS, True, True)

    @property
    def _media_time(self) -> float:
        """Seconds of the show until the next picture."""
        return (self._part * FRAMES_PER_PART + self._count) / FRAME_RATE

    def _picture_pieces(self, encoded: Sequence[bytes], keyframe: bool) -> Iterator[cue.FromStudio]:
        for rung, stream in zip(self._ladder.rungs, encoded, strict=True):
            units = list(byte_stream_units(stream))
            cutter = self._cutters.get(rung.name)
            if cutter is None:
                cutter = Cutter(rung.name, FRAMES_PER_PART * FRAME_TICKS, FRAME_TICKS, self._part)
                self._cutters[rung.name] = cutter
                cutter.configuration = _configuration(units)
            slices = [unit for unit in units if unit[0] & TYPE in (SLICE, KEY_SLICE)]
            yield from cutter.add(mp4.length_prefixed(slices), is_key=keyframe)

    def _began(self) -> cue.Began:
        formats = [_picture_format(rung, self._cutters[rung.name].configuration) for rung in self._ladder.rungs]
        formats += [_sound_format(self._sound.configuration), _captions_format()]
        return cue.Began(self._began_at, formats, self._part)


class Cutter:
    """Cuts one rendition into parts of `part` ticks, and says which of them end a segment; `first` is the first one."""

    def __init__(self, name: str, part: int, ticks: int, first: int) -> None:
        self.configuration = b""
        self._name = name
        self._part = part
        self._ticks = ticks
        self._first = first
        self._fragment = mp4.Fragment(first + 1, first * part)

    def add(self, octets: bytes, *, is_key: bool) -> Iterator[cue.Piece]:
        """One sample more; a part, where it is the last of one."""
        self._fragment.samples.append(mp4.Sample(octets, self._ticks, is_key))
        return self._cut()

    def lengthen(self) -> Iterator[cue.Piece]:
        """The last sample lasts as long as another one."""
        self._fragment.samples[-1].duration += self._ticks
        return self._cut()

    def _cut(self) -> Iterator[cue.Piece]:
        fragment = self._fragment
        if fragment.duration < self._part:
            return
        ends = (fragment.number - self._first) % PARTS_PER_SEGMENT == 0
        independent = fragment.samples[0].is_sync
        yield cue.Piece(self._name, mp4.serialize_fragment(fragment), fragment.duration, independent, ends)
        self._fragment = mp4.Fragment(fragment.number + 1, fragment.decode_at + fragment.duration)


class Cast:
    """Who is there, and what is seen and heard of them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._people: dict[str, dict[str, Any]] = {}
        self._abouts: dict[int, dict[str, Any]] = {}
        self._pictures: dict[int, PictureStream] = {}
        self._sounds: dict[int, SoundLane] = {}
        self._voices: dict[int, Voice] = {}
        self._unisons: dict[str, Unison] = {}
        self._at = 0  # samples of the mix so far

    def take(self, message: cue.ToStudio, now: float) -> None:
        """A packet that cannot be read is dropped."""
        match message:
            case cue.Packet(stream, octets):
                try:
                    self._take_packet(stream, octets, now)
                except Malformed:
                    return
            case cue.Open(stream, about):
                self._open(stream, about)
            case cue.Close(stream):
                self._close(stream)
            case cue.Note(event):
                self._note(event)

    def _open(self, stream: int, about: dict[str, Any]) -> None:
        if len(self._abouts) >= MOST_STREAMS:
            return
        self._abouts[stream] = about
        unison = self._unisons.setdefault(str(about["person"]), Unison())
        if about["kind"] == "audio":
            voice = self._voices[stream] = Voice()
            voice.at = self._at
            self._sounds[stream] = SoundLane(about, voice, unison)
        else:
            self._pictures[stream] = PictureStream(about, unison)

    def _close(self, stream: int) -> None:
        about = self._abouts.pop(stream, None)
        if about is not None and self._pictures.pop(stream, None) is not None:
            self._scene.show(_key(about), None)
        self._sounds.pop(stream, None)
        self._voices.pop(stream, None)
        if about is not None and all(each["person"] != about["person"] for each in self._abouts.values()):
            self._unisons.pop(str(about["person"]), None)

    def _take_packet(self, stream: int, octets: bytes, now: float) -> None:
        if is_rtcp(octets):
            self._take_control(stream, octets, now)
            return
        packet = rtp.parse(octets)
        if stream in self._pictures:
            self._pictures[stream].take(packet, now)
        elif stream in self._sounds:
            self._sounds[stream].take(packet, now)

    def _take_control(self, stream: int, octets: bytes, now: float) -> None:
        about = self._abouts.get(stream)
        if about is None:
            return
        clock_rate = SAMPLE_RATE if about["kind"] == "audio" else PICTURE_CLOCK
        for packet in rtcp.parse(octets):
            if isinstance(packet, rtcp.SenderReport):
                self._unisons[str(about["person"])].report(packet, clock_rate, now)

    def _note(self, event: dict[str, Any]) -> None:
        person = event.get("person")
        if event.get("event") == "left":
            self._people.pop(str(person), None)
        elif event.get("event") in ("joined", "devices"):
            known = self._people.setdefault(str(person), {"name": ""})
            told = {**event, **event.get("devices", {})}
            known.update({key: told[key] for key in ("name", "microphone", "camera") if key in told})
            if known.get("camera") != "on":
                self._scene.show((str(person), "camera"), None)

    def play(self, now: float, shown_at: float) -> Iterator[cue.Wanted]:
        """Take what is due from all streams, for a picture of the moment `shown_at`: when late, before `now`."""
        for stream, pictures in self._pictures.items():
            shown = pictures.play(now, shown_at)
            if shown is not None:
                self._scene.show(_key(self._abouts[stream]), shown)
            if pictures.wants_keyframe():
                yield cue.Wanted(stream)
        for sound in self._sounds.values():
            sound.play(now)

    def arrange(self) -> None:
        """Screens first, and large; then people, in the order in which they came."""
        present = list(self._abouts.values())
        screens = [about for about in present if about["source"] == "screen" and about["kind"] == "video"]
        tiles = [Tile(_key(about), f"{about['name']}: screen") for about in screens]
        for person, known in self._people.items():
            tiles.append(Tile((person, "camera"), known["name"], muted=known.get("microphone") != "on"))
        self._scene.arrange(tiles, has_large=bool(screens))

    def mixed(self, count: int) -> Any:
        """The next samples of all voices together."""
        self._at += count
        return mixed([voice.take(count) for voice in self._voices.values()], count)


def _key(about: dict[str, Any]) -> tuple[str, str]:
    return str(about["person"]), str(about["source"])


def _configuration(units: Sequence[bytes]) -> bytes:
    sets = {unit[0] & TYPE: unit for unit in units}
    return mp4.avc_configuration(sets[SEQUENCE_PARAMETERS], sets[PICTURE_PARAMETERS])


def _picture_format(rung: Rung, configuration: bytes) -> dict[str, Any]:
    return {
        "name": rung.name,
        "timescale": VIDEO_CLOCK,
        "part": FRAMES_PER_PART * FRAME_TICKS,
        "segment": FRAMES_PER_PART * FRAME_TICKS * PARTS_PER_SEGMENT,
        "codecs": mp4.avc_codec(configuration),
        "average_bps": rung.bitrate_bps,
        "initialization": mp4.initialization(mp4.Video(rung.width, rung.height, configuration), VIDEO_CLOCK),
        "size": (rung.width, rung.height),
        "frame_rate": FRAME_RATE,
    }


def _sound_format(configuration: bytes) -> dict[str, Any]:
    part = PACKETS_PER_PART * AAC_SAMPLES
    return {
        "name": SOUND,
        "timescale": SAMPLE_RATE,
        "part": part,
        "segment": part * PARTS_PER_SEGMENT,
        "codecs": AAC_CODEC,
        "average_bps": SOUND_BPS,
        "initialization": mp4.initialization(mp4.Sound(SAMPLE_RATE, 1, configuration), SAMPLE_RATE),
    }


def _captions_format() -> dict[str, Any]:
    return {
        "name": CAPTIONS,
        "timescale": VIDEO_CLOCK,
        "part": 0,
        "segment": FRAMES_PER_SEGMENT * FRAME_TICKS,
        "codecs": "",
        "average_bps": 0,
        "initialization": b"",
    }
