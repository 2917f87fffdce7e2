"""What a bot says: soft, speech-like humming with pauses, or a plain tone; each sender on a pitch of its own.

Quiet on purpose: nothing that is heard is ever louder than -20 dBFS, so nobody with headphones is hurt.
Stands below `app/bot` and `app/frames`; `media/codec` encodes it. Mono, 48 kHz, 960 samples (20 ms) at a time.
Source: RFC 6464 section 3 (the audio level). Vowels have their energy around a few formants; the figures are Peterson
and Barney's of 1952, rounded.
Leaves out: words.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from meetref.media.codec import SAMPLE_RATE, SAMPLES_PER_PACKET, Samples

LOUDEST = 10 ** (-24 / 20)  # of full scale 1; Opus overshoots by up to 2 dB, and -20 is the limit for what is heard
FULL_SCALE = 32768
VOWELS = ((730, 1090), (530, 1840), (270, 2290), (570, 840), (300, 870))  # Hz: a, e, i, o, u
HARMONICS = 18
SYLLABLE = SAMPLE_RATE // 4  # samples
PHRASE = 11  # syllables, the last few of them silent
PAUSE = 3


class Voice:
    """Hums; `speak` gives the next 20 milliseconds. The same number says the same, always."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pitch = 110.0 * 2 ** ((number * 5 % 13) / 12)
        self._at = 0
        self._peaks = {vowel: _peak(self._pitch, vowel) for vowel in VOWELS}

    def speak(self) -> Samples:
        """960 samples."""
        at = self._at + np.arange(SAMPLES_PER_PACKET)
        self._at += SAMPLES_PER_PACKET
        syllable = int(at[0]) // SYLLABLE  # a packet lies within one syllable: both begin at multiples of 960
        if syllable % PHRASE >= PHRASE - PAUSE:
            return silence()
        vowel = VOWELS[(syllable * 7 + self._number * 3 + syllable // PHRASE) % len(VOWELS)]
        swell = np.sin(np.pi * (at % SYLLABLE) / SYLLABLE) ** 2  # from nothing and back to nothing
        emphasis = 0.6 + 0.4 * ((syllable * 5 + self._number) % 3) / 2
        wave = _vowel(at, self._pitch, vowel) / self._peaks[vowel]
        return _samples(LOUDEST * wave * swell * emphasis)


class Tone:
    """A sine of `frequency` Hz; its peak is `level` decibels (at most -24) from full scale."""

    def __init__(self, frequency: float, *, level: float = -26.0) -> None:
        self._frequency = frequency
        self._amplitude = min(LOUDEST, 10 ** (level / 20))
        self._at = 0

    def speak(self) -> Samples:
        """960 samples."""
        at = self._at + np.arange(SAMPLES_PER_PACKET)
        self._at += SAMPLES_PER_PACKET
        return _samples(self._amplitude * np.sin(2 * np.pi * self._frequency * at / SAMPLE_RATE))


def silence() -> Samples:
    """960 samples of nothing."""
    return np.zeros(SAMPLES_PER_PACKET, dtype=np.int16)


def tone_of(number: int) -> Tone:
    """The tone of a sender, a few hundred Hz apart from the others', so that a spectrum tells who is heard."""
    return Tone(400.0 + 150.0 * (number % 16))


def level_of(samples: Samples) -> int:
    """The audio level: 0 for full scale, 127 for silence, in decibels below it."""
    power = float(np.mean(np.square(samples.astype(np.float64)))) if samples.size else 0.0
    if power <= 0:
        return 127
    return min(127, max(0, round(-10 * math.log10(power / FULL_SCALE**2))))


def _vowel(at: NDArray[np.int64], pitch: float, vowel: tuple[int, int]) -> NDArray[np.float64]:
    wave = np.zeros(len(at))
    for harmonic in range(1, HARMONICS + 1):
        frequency = harmonic * pitch
        loudness = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in vowel) + 0.02
        wave += loudness / harmonic**0.5 * np.sin(2 * np.pi * frequency * at / SAMPLE_RATE)
    return wave


def _peak(pitch: float, vowel: tuple[int, int]) -> float:
    """The largest value that a vowel has: it repeats with its pitch."""
    return float(np.abs(_vowel(np.arange(math.ceil(SAMPLE_RATE / pitch) + 1), pitch, vowel)).max()) * 1.02


def _samples(wave: NDArray[np.float64]) -> Samples:
    samples: Samples = (np.clip(wave, -LOUDEST, LOUDEST) * (FULL_SCALE - 1)).astype(np.int16)
    return samples
