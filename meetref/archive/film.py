"""The film of a recording: everybody in one picture, all voices in one sound, thirty pictures a second.

    archive/frames -> decode -> media/scene (who is where, archive/situation) ----\
                   -> decode -> media/mixing (each voice at its time) ------------> media/codec/film

Nothing of it is held longer than until it was shown: a stream is read ten seconds at a time, from when it begins to
its end. Specification: docs/recording.md ("Films"), spec/composer.toml.
Leaves out: files of single people, `archive/participant`. Read next: `archive/composer.py`, which makes both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from meetref.archive.frames import Frame, Sound, pictures_of, sounds_of
from meetref.archive.reading import Recording, Stream
from meetref.archive.situation import Key, Layout, Situation
from meetref.archive.timing import Clocks
from meetref.media.codec import SAMPLE_RATE, Picture, Samples, SoundDecoder
from meetref.media.codec.film import Film
from meetref.media.codec.pictures import Decoded, PictureDecoder
from meetref.media.mixing import Voice, mixed
from meetref.media.scene import Scene

WIDTH, HEIGHT, FRAME_RATE = 1280, 720, 30
SAMPLES = SAMPLE_RATE // FRAME_RATE  # of a picture's time
NEAREST = 0.5 / FRAME_RATE
"""Seconds by which a picture may be shown before its time, so that it is never further from it than that."""
EARLIER = 3.0  # seconds by which a stream may begin before its first packet came
AHEAD = 0.2  # seconds by which sound is decoded before it is heard
MOST_AT_ONCE = 12  # pictures of a stream that are decoded for one of the film: nobody sends 360 a second

Progress = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


class _Viewing:
    """The pictures of one stream, decoded as time goes on."""

    def __init__(self, stream: Stream, clocks: Clocks) -> None:
        self.key: Key = stream.person, "camera" if stream.source == "camera" else "screen"
        self._frames = pictures_of(stream, clocks)
        self._next: Frame | None = next(self._frames, None)
        self._decoder: PictureDecoder | None = None
        self._codec = ""
        self._is_broken = False  # what comes before the next keyframe is of no use

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self._next is None

    def advance(self, now: float) -> Decoded | None:
        """The newest picture up to this moment that is newer than the last one given."""
        newest = None
        for frame in self._due(now):
            newest = self._decode(frame) or newest
        return newest

    def _due(self, now: float) -> list[Frame]:
        """Those up to this moment that have to be decoded: nothing before a keyframe, and not any number of them."""
        due: list[Frame] = []
        while self._next is not None and self._next.at <= now:
            if self._next.is_key:
                due.clear()
                self._is_broken = False
            elif len(due) == MOST_AT_ONCE:  # spec: composer/bounded
                self._is_broken = True
            if not self._is_broken:
                due.append(self._next)
            self._next = next(self._frames, None)
        return due

    def _decode(self, frame: Frame) -> Decoded | None:
        if self._decoder is None or frame.codec != self._codec:
            self._decoder, self._codec = PictureDecoder(frame.codec), frame.codec
        return self._decoder.decode(frame.data, turned=frame.turned)


class _Hearing:
    """The sound of one stream, decoded as time goes on."""

    def __init__(self, stream: Stream, clocks: Clocks, begins: int) -> None:
        self._sounds = sounds_of(stream, clocks)
        self._next: Sound | None = next(self._sounds, None)
        self._decoder = SoundDecoder()
        self._voice = Voice()
        self._voice.at = begins

    @property
    def is_over(self) -> bool:
        """Whether nothing more is heard."""
        return self._next is None and self._voice.ends <= self._voice.at

    def take(self, now: float) -> Samples | None:
        """What is heard from this moment on, for the time of a picture."""
        while self._next is not None and self._next.at <= now + AHEAD:
            self._voice.put(self._next.at, self._decoder.decode(self._next.data))
            self._next = next(self._sounds, None)
        return self._voice.take(SAMPLES)


class _Making:
    """What is seen and heard at each moment, from the beginning on."""

    def __init__(self, recording: Recording, clocks: Clocks, layout: Layout) -> None:
        self.scene = Scene(WIDTH, HEIGHT)
        self.seen: set[Key] = set()
        self._clocks = clocks
        self._layout: Layout = layout
        self._situation = Situation(recording)
        self._begins = _beginnings(clocks)
        self._later = [stream for stream in recording.streams if stream.name in self._begins]
        self._later.sort(key=lambda stream: self._begins[stream.name], reverse=True)
        self._viewings: list[_Viewing] = []
        self._hearings: list[_Hearing] = []

    def advance(self, number: int) -> Samples:
        """Go on to a picture's time: the scene is as it was then; gives the sound of that time."""
        now = number / FRAME_RATE
        self._open(now, number * SAMPLES)
        before = set(self.seen)
        changed = self._situation.advance(now)
        for key in self._situation.closed:
            self._show(key, None)
        for viewing in self._viewings:
            picture = viewing.advance(now + NEAREST)  # spec: composer/lips-together
            if picture is not None and self._situation.has_picture(viewing.key):
                self._show(viewing.key, picture)
        if changed or self.seen != before:
            tiles, has_large = self._situation.tiles(self._layout, self.seen)
            self.scene.arrange(tiles, has_large=has_large)
        sound = mixed([hearing.take(now) for hearing in self._hearings], SAMPLES)
        self._viewings = [each for each in self._viewings if not each.is_over]
        self._hearings = [each for each in self._hearings if not each.is_over]
        return sound

    def _open(self, now: float, samples: int) -> None:
        """Begin to read the streams that may have begun; what would be read before stays on the disk."""
        # spec: composer/bounded
        while self._later and self._begins[self._later[-1].name] - EARLIER <= now:
            stream = self._later.pop()
            if stream.kind == "video":
                self._viewings.append(_Viewing(stream, self._clocks))
            else:
                self._hearings.append(_Hearing(stream, self._clocks, samples))

    def _show(self, key: Key, picture: Decoded | None) -> None:
        self.scene.show(key, picture)
        if picture is None:
            self.seen.discard(key)
        else:
            self.seen.add(key)


def _beginnings(clocks: Clocks) -> dict[str, float]:
    """When the first packet of each stream came."""
    begins: dict[str, float] = {}
    for (name, _), clock in clocks.items():
        begins[name] = min(clock.begins, begins.get(name, math.inf))
    return begins


def make_film(
    path: Path, recording: Recording, clocks: Clocks, duration: float, layout: Layout, progress: Progress
) -> Picture:
    """Write the film; gives the picture, planar, in which the most people were to be seen, for a poster."""
    making = _Making(recording, clocks, layout)
    poster, most = making.scene.picture.copy(), -1
    count = max(1, math.ceil(duration * FRAME_RATE))
    with Film(str(path), WIDTH, HEIGHT, frame_rate=FRAME_RATE) as film:
        for number in range(count):
            sound = making.advance(number)
            picture = making.scene.picture
            film.put_picture(picture)
            film.put_sound(sound)
            if number % FRAME_RATE == 0:
                progress(number / count)
                if len(making.seen) > most:
                    poster, most = picture.copy(), len(making.seen)
    return poster
