"""The sound that a bot makes: soft, like somebody humming sentences, and a tone of its own.

Nobody who opens the demo with headphones on is hurt: the peak is 26 dB below full scale.
Leaves out: words. Read next: `app/bot.py`.
"""

from __future__ import annotations

import math

import numpy

from meetref.media.codec import SAMPLE_RATE, SAMPLES_A_FRAME, Sound

PEAK = 0.05
"""Of full scale: -26 dB."""

SYLLABLE = 0.28  # seconds
BASE_FREQUENCIES = (146.8, 196.0, 174.6, 220.0, 130.8)


class Voice:
    """The voice of one bot; each `sender` has a pitch of its own."""

    def __init__(self, sender: int) -> None:
        self._frequency = BASE_FREQUENCIES[sender % len(BASE_FREQUENCIES)]
        self._phase = 0.0
        self._at = 0

    def speak(self) -> Sound:
        """20 ms of humming."""
        times = (self._at + numpy.arange(SAMPLES_A_FRAME)) / SAMPLE_RATE
        syllable = numpy.floor(times / SYLLABLE)
        pitch = self._frequency * (1 + 0.06 * numpy.sin(syllable * 2.4))
        phase = self._phase + numpy.cumsum(pitch) * math.tau / SAMPLE_RATE
        envelope = numpy.sin(math.pi * (times / SYLLABLE - syllable)) ** 0.6
        wave = sum(numpy.sin(phase * harmonic) / harmonic for harmonic in (1, 2, 3, 4)) / 2.1
        self._phase = float(phase[-1] % math.tau)
        self._at += SAMPLES_A_FRAME
        samples: Sound = (wave * envelope * PEAK * 32767).astype(numpy.int16)
        return samples


def silence() -> Sound:
    """20 ms of nothing."""
    return numpy.zeros(SAMPLES_A_FRAME, numpy.int16)


def level_of(samples: Sound) -> int:
    """The audio level of RFC 6464: 0 for full scale to 127 for silence, in dB below it."""
    power = float(numpy.mean(numpy.square(samples.astype(numpy.float64) / 32768)))
    return 127 if power <= 0 else min(127, max(0, round(-10 * math.log10(power))))
