"""Voices into one sound: each is put where it belongs in time, all are added, and what is too loud is bent, not cut.

A `Voice` follows the time that its sounds are given, to the sample: a clock that runs differently is followed by making
sounds a few samples longer or shorter, which nobody hears; a pause in between becomes silence.
Stands above nothing; whoever composes or mixes has a `Voice` for each source and asks `mixed` for their sum.
Specification: ours. Leaves out: decoding (`media/codec`), and making quiet people louder.
Read next: `media/scene.py`, which does it for pictures.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from meetref.media.codec import SAMPLE_RATE, Samples

CLOSE = SAMPLE_RATE // 1000
"""Samples by which a sound may be off its time: a millisecond."""
BENT = SAMPLE_RATE // 50
"""Samples up to which it is brought there slowly, 20 ms; what is further away had a pause before it."""
STEP = 1 / 200
"""How much of a sound is taken out or put in: half a hundredth, less than a tenth of a semitone."""
KNEE = 24_000
"""Up to here a sum stays as it is; above it approaches full scale and never gets there."""
FULL_SCALE = 32_767
LONGEST_AHEAD = 10 * SAMPLE_RATE
"""Samples that are kept for later, at most; what lies further ahead is dropped and counted."""


class Voice:
    """The sound of one source on its way into a mix. `at` counts samples from the beginning of the mix.

    `dropped` counts sounds that came for a time that was over, or is too far ahead.
    """

    def __init__(self) -> None:
        self.at = 0
        """Up to here `take` has given."""
        self.dropped = 0
        self._ends = 0  # where the newest sound ends
        self._waiting: list[tuple[int, Samples]] = []

    @property
    def ends(self) -> int:
        """Where the sound ends that was put in last."""
        return self._ends

    def put(self, seconds: float, samples: Samples) -> None:
        """Let this be heard from a moment of the mix on; sounds come in their order."""
        target = round(seconds * SAMPLE_RATE)
        error = target - self._ends
        if -BENT <= error <= BENT:
            begins = self._ends
            if abs(error) > CLOSE:
                samples = _bent(samples, error)
        else:
            begins = max(target, self._ends) if error > 0 else self._ends
            samples = samples[max(0, begins - target) :]
        samples, begins = samples[max(0, self.at - begins) :], max(begins, self.at)
        if not len(samples) or begins + len(samples) > self.at + LONGEST_AHEAD:
            self.dropped += 1
            return
        self._waiting.append((begins, samples))
        self._ends = begins + len(samples)

    def take(self, count: int) -> Samples | None:
        """The next so many samples; None where there is nothing but silence."""
        begins, ends = self.at, self.at + count
        self.at = ends
        if not self._waiting or self._waiting[0][0] >= ends:
            return None
        taken = np.zeros(count, dtype=np.int16)
        while self._waiting and self._waiting[0][0] < ends:
            at, samples = self._waiting.pop(0)
            fits = min(len(samples), ends - at)
            taken[at - begins : at - begins + fits] = samples[:fits]
            if fits < len(samples):
                self._waiting.insert(0, (ends, samples[fits:]))
        return taken


def mixed(voices: Iterable[Samples | None], count: int) -> Samples:
    """The sum of some sounds of `count` samples; a single one stays as it is."""
    heard = [samples for samples in voices if samples is not None]
    if not heard:
        return np.zeros(count, dtype=np.int16)
    if len(heard) == 1:
        return heard[0]
    total = np.sum(heard, axis=0, dtype=np.int32)
    if np.abs(total).max() > KNEE:
        room = FULL_SCALE - KNEE
        over = np.abs(total) - KNEE
        bent = KNEE + room * np.tanh(np.maximum(over, 0) / room)
        total = np.where(over > 0, np.sign(total) * bent, total)
    return np.asarray(total, dtype=np.int16)


def _bent(samples: Samples, error: int) -> Samples:
    """A few samples more where the sound is behind its time (`error` is positive), or fewer."""
    step = min(abs(error), max(1, int(len(samples) * STEP)))
    count = len(samples) + (step if error > 0 else -step)
    if count < 2 or len(samples) < 2:
        return samples
    places = np.linspace(0, len(samples) - 1, count)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.int16)
