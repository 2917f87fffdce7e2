"""Claps, each a flash with a beep: when they are in a film, and when they were by the clock of who sent them.

What a browser says of its sound and picture (RTP timestamps, and the sender reports that tie them to its own wall
clock, RFC 3550 section 6.4.1) may be wrong by itself: Chromium's beeps are so and so many milliseconds later than its
flashes before anything of ours was near them. The difference between what it said and what the film has is ours alone.
Read here without `archive/timing`, which is what is tried.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from meetref.archive.frames import pictures_of, sounds_of
from meetref.archive.reading import Stream, open_recording
from meetref.media.clock import from_ntp
from meetref.media.codec import SAMPLE_RATE, SoundDecoder
from meetref.media.codec.pictures import PictureDecoder
from meetref.media.sequence import difference
from meetref.wire import rtcp

STEP = 480
"""Samples in each of which the loudness is looked at: ten milliseconds."""
BEEP = 880  # hertz, of the clapper in `test_page_sound`
CLAPS_EVERY, CLAPS_FOR = 1.5, 0.3  # seconds, of the same
BRIGHT, LOUD = 128, 0.05
AGREE = 0.05  # seconds
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Claps:
    """The middles of all flashes and of all beeps, in seconds."""

    flashes: Sequence[float]
    beeps: Sequence[float]

    def pairs(self, begins: float, ends: float) -> list[tuple[float, float]]:
        """Each flash between these times, with its beep."""
        flashes = [flash for flash in self.flashes if begins < flash < ends]
        near = [(flash, min(self.beeps, key=lambda beep, at=flash: abs(beep - at))) for flash in flashes]  # type: ignore[misc]
        return [(flash, beep) for flash, beep in near if abs(beep - flash) < CLAPS_EVERY / 3]


def loudness(samples: NDArray[np.float32]) -> Numbers:
    """How loud the beep is, a hundred times a second."""
    steps = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    wave = np.exp(2j * np.pi * BEEP * np.arange(STEP) / SAMPLE_RATE)
    return np.abs(steps @ wave) / STEP


def middles(is_on: NDArray[np.bool_], at: Numbers) -> Iterator[float]:
    """The middle of each time for which something was on."""
    edges = np.flatnonzero(np.diff(is_on.astype(np.int8))) + 1
    for rise, fall in pairwise(edges):
        if is_on[rise]:
            yield float(at[rise] + at[fall]) / 2


def in_film(at: Numbers, brightness: Numbers, loud: Numbers) -> Claps:
    """From when each picture is shown, how bright it is, and how loud it is."""
    flashes = middles(brightness > BRIGHT, at)
    return Claps(list(flashes), list(middles(loud > LOUD, np.arange(len(loud)) * STEP / SAMPLE_RATE)))


class _Said:
    """A clock as the sender itself says: by all reports that agree with the one that came nearest.

    One alone is not good enough: Chromium's of sound go up and down by some twenty milliseconds. When a machine is so
    busy that sound stands still, timestamps do, too, and the reports before and after do not agree: when it was in
    between nobody knows, so there is no time then (NaN).
    """

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._first = 0
        self._ahead: list[tuple[float, float]] = []

    def take(self, at: float, report: rtcp.SenderReport) -> None:
        if not self._ahead:
            self._first = report.rtp_timestamp
        self._ahead.append((at, from_ntp(report.ntp) - self._counted(report.rtp_timestamp)))

    def _counted(self, timestamp: int) -> float:
        return difference(timestamp & 0xFFFFFFFF, self._first, 32) / self._clock_rate

    def seconds(self, timestamp: int, arrived_at: float) -> float:
        place = bisect_left(self._ahead, (arrived_at, 0.0))
        around = [ahead for _, ahead in self._ahead[max(0, place - 1) : place + 1]]
        if max(around) - min(around) > AGREE:
            return nan
        return self._counted(timestamp) + median(ahead for _, ahead in self._ahead if abs(ahead - around[0]) < AGREE)


def said(folder: Path, name: str) -> Claps:
    """What the browser of the one with this name said of her camera and microphone: seconds since 1970 by its clock."""
    streams = [stream for stream in open_recording(folder).streams if stream.person_name == name]
    return Claps(
        [at for stream in streams if stream.source == "camera" for at in _flashes(stream)],
        [at for stream in streams if stream.source == "microphone" for at in _beeps(stream)],
    )


def _clocks(stream: Stream) -> dict[tuple[str, int], _Said]:
    rate = max(codec.clock_rate for codec in stream.codecs.values())
    clocks: dict[tuple[str, int], _Said] = {}
    for at, octets in stream.arrivals():
        if 192 <= octets[1] <= 223:
            for packet in rtcp.parse(octets):
                if isinstance(packet, rtcp.SenderReport):
                    clocks.setdefault((stream.name, packet.ssrc), _Said(rate)).take(at, packet)
    return clocks


def _flashes(stream: Stream) -> Iterable[float]:
    decoders: dict[str, PictureDecoder] = {}
    at, brightness = [], []
    for frame in pictures_of(stream, _clocks(stream)):  # type: ignore[arg-type]
        decoded = decoders.setdefault(frame.codec, PictureDecoder(frame.codec)).decode(frame.data)
        if decoded is not None:
            at.append(frame.at)
            brightness.append(decoded.scaled(64, 36)[6:30].mean())
    return filter(isfinite, middles(np.array(brightness) > BRIGHT, np.array(at)))


def _beeps(stream: Stream) -> Iterable[float]:
    decoder = SoundDecoder()
    at, loud = list[float](), list[float]()
    for sound in sounds_of(stream, _clocks(stream)):  # type: ignore[arg-type]
        of_packet = loudness(decoder.decode(sound.data).astype(np.float32) / 32768)
        at += [sound.at + number * STEP / SAMPLE_RATE for number in range(len(of_packet))]
        loud += list(of_packet)
    return filter(isfinite, middles(np.array(loud) > LOUD, np.array(at)))
