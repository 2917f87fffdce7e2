"""How much one person speaks: the last second of audio levels, looked at from near and from far.

Stands below `media/dominance`, where people are compared. Levels come from packets (RFC 6464); no sound is decoded.
Specification: I. Volfin and I. Cohen, Dominant speaker identification for multipoint videoconferencing, Computer
Speech and Language 27 (2013), with the numbers that Jitsi and mediasoup run it with.
Leaves out: whether the loudness is a voice's; the longer spans answer that, for a cough is short.
Read next: `media/dominance.py`.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

LOUDEST: Final = 127
SLOT: Final = 0.02  # seconds of sound that one level stands for
LONGEST_PACKET: Final = 6  # slots: Opus has packets of up to 120 ms (RFC 7587 section 6.1)
SLOTS: Final = 50
STEP: Final = 10  # what one step of loudness is: 127 in 13 of them, rounded up
GROUP: Final = 5  # slots in the middle span; ten of those are the long one
LOUD: Final = 80  # from which on a slot counts in the longer spans: more than seven steps
FLOOR_WINDOW: Final = 750  # levels, 15 s, after which the noise floor may rise
SILENCE: Final = (0,) * SLOTS
LEAST: Final = 1e-10


def _scores(most: int, rate: float) -> tuple[float, ...]:
    """How much speaks for speech when so many of `most` are active: a coin's odds against an exponential law's."""
    return tuple(
        max(math.log(math.comb(most, active)) - most * math.log(2) - math.log(rate) + rate * active, LEAST)
        for active in range(most + 1)
    )


IMMEDIATE: Final = _scores(13, 0.78)
MEDIUM: Final = _scores(GROUP, 24)
LONG: Final = _scores(SLOTS // GROUP, 47)


class Speech:
    """One person's last second. `hear` every packet's level; `settle` before the scores are asked for."""

    __slots__ = ("_candidate", "_levels", "_quiet", "_window", "floor", "until")

    def __init__(self, now: float) -> None:
        self.floor = 0  # the loudness of this person's silence; 0: not known
        self.until = now  # what was heard since is not in the levels
        self._levels: deque[int] = deque(SILENCE, SLOTS)  # the newest at the right
        self._quiet = True
        self._candidate = 0
        self._window = 0

    def hear(self, level: int, now: float) -> None:
        """One packet: its level is 0 (loudest) to 127 (silence); packets of more than 20 ms fill several slots."""
        loudness = LOUDEST - level if 0 <= level <= LOUDEST else (0 if level > LOUDEST else LOUDEST)
        elapsed = now - self.until
        if elapsed >= 2 * SLOT - 0.005:
            # spec: speaker/long-packets
            slots = int(elapsed / SLOT + 0.25)
            if slots <= LONGEST_PACKET:
                self._levels.extend((loudness,) * (slots - 1))
        self._levels.append(loudness)
        self.until = now
        if loudness:
            self._quiet = False
            self._follow_floor(loudness)

    def _follow_floor(self, loudness: int) -> None:
        """The floor falls at once; it rises when nothing as soft was heard for a while, half way as ears have it."""
        # spec: speaker/noise-floor
        if self.floor == 0 or loudness < self.floor:
            self.floor, self._window = loudness, 0
            return
        self._candidate = loudness if self._window == 0 else min(self._candidate, loudness)
        self._window += 1
        if self._window >= FLOOR_WINDOW:
            self.floor, self._window = int(math.sqrt(self.floor * self._candidate)), 0

    def settle(self, now: float) -> None:
        """Fill in silence for what did not come: who is muted or pauses in DTX sends nothing."""
        slots = int((now - self.until) / SLOT + 0.01)
        if slots <= LONGEST_PACKET:
            return
        # spec: speaker/nothing-is-silence
        if not self._quiet:
            self._levels.extend(SILENCE[:slots])
            self._quiet = not any(self._levels)
        self.until += slots * SLOT

    @property
    def immediate(self) -> float:
        """The score of the newest level."""
        newest = self._levels[-1]
        return IMMEDIATE[newest // STEP if newest >= self.floor + STEP else 0]

    @property
    def medium(self) -> float:
        """The score of the newest tenth of a second."""
        return MEDIUM[sum(self._loud()[-GROUP:])]

    @property
    def long(self) -> float:
        """The score of the second: of the tenths that were loud throughout."""
        if self._quiet:
            return LONG[0]
        loud = self._loud()
        return LONG[sum(all(loud[at : at + GROUP]) for at in range(0, SLOTS, GROUP))]

    def _loud(self) -> list[bool]:
        threshold = max(LOUD, self.floor + STEP)
        return [level >= threshold for level in self._levels]
