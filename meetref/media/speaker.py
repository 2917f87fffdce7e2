"""Who is loud: the few people of a room whose sound is worth forwarding, from the levels in their packets.

Stands above nothing of this floor; `meeting/listening` has one, and those in `loudest` are heard in a large room.
Specification: RFC 6464 for the levels (0 the loudest, 127 silence). The choosing is ours: a level smoothed fast upwards
and slowly downwards, and a newcomer who must be louder for a while before somebody who speaks loses a place. Who is
silent loses it at the newcomer's first word: that would be missed by everybody, and an empty place by nobody.
Leaves out: who *leads* the conversation, which wants a longer memory: `media/dominance`.
Read next: `media/dominance.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Who = TypeVar("Who")

SILENCE = 127
INTERVAL = 0.1  # seconds between two decisions
RISE, FALL = 0.06, 0.6  # seconds in which the smoothed loudness makes most of its way up, and down
SPEAKING = 127 - 45  # loudness, in dB above silence, from which we call it speech
SILENT = 127 - 60  # and below which it is silence, even of a soft voice
MARGIN = 6.0  # dB by which a challenger must be louder
CHALLENGE = 0.3  # seconds for which it must be
SHORTEST_STAY = 1.5  # seconds for which a place is kept at least
PAUSE = 1.5  # seconds of silence that still belong to speech
MAXIMUM_PEOPLE = 2000


@dataclass(slots=True)
class _Voice:
    loudness: float = 0.0  # dB above silence, smoothed
    level_loudness: float = 0.0  # what the newest packet said
    heard_at: float = -math.inf
    smoothed_at: float = -math.inf
    joined_at: float = -math.inf
    spoke_at: float = -math.inf
    challenging_since: float = math.inf


@dataclass(slots=True, frozen=True)
class Change(Generic[Who]):
    """Who lost a place and who got one, in one decision."""

    left: list[Who] = field(default_factory=list)
    joined: list[Who] = field(default_factory=list)


class Loudest(Generic[Who]):
    """Keeps the set of the loudest `count` people.

    `hear` takes the level of every audio packet; `handle_timeout` decides, when `next_timeout` has come.
    """

    def __init__(self, count: int, *, margin: float = MARGIN, maximum_people: int = MAXIMUM_PEOPLE) -> None:
        self.count = count
        self.margin = margin
        self.maximum_people = maximum_people
        self.loudest: list[Who] = []  # in the order in which they came in
        self.turned_away = 0
        self._voices: dict[Who, _Voice] = {}
        self._next = math.inf

    def hear(self, who: Who, level: int, now: float) -> None:
        """One audio packet of `who`; its level is 0 (loudest) to 127 (silence)."""
        voice = self._voices.get(who)
        if voice is None:
            if len(self._voices) >= self.maximum_people:  # spec: speaker/people-bounded
                self.turned_away += 1
                return
            voice = self._voices[who] = _Voice(smoothed_at=now)
            if self._next == math.inf:
                self._next = now + INTERVAL
        self._smooth(voice, now)
        voice.level_loudness = SILENCE - min(max(level, 0), SILENCE)
        voice.heard_at = now
        if voice.level_loudness >= SILENT:
            voice.spoke_at = now

    def _smooth(self, voice: _Voice, now: float) -> None:
        """Let the loudness follow what was heard since the last time; without packets for 60 ms it falls."""
        elapsed = now - voice.smoothed_at
        if elapsed <= 0:
            return
        target = voice.level_loudness if now - voice.heard_at <= 0.06 else 0.0
        pace = RISE if target > voice.loudness else FALL
        voice.loudness += (target - voice.loudness) * (1 - math.exp(-elapsed / pace))
        voice.smoothed_at = now

    def leave(self, who: Who) -> None:
        """`who` is gone, or has muted: the place is free at once."""
        self._voices.pop(who, None)
        if who in self.loudest:
            self.loudest.remove(who)
        if not self._voices:
            self._next = math.inf

    def loudness(self, who: Who) -> float:
        """Smoothed loudness in dB above silence, 0 to 127, as of the last packet or decision."""
        voice = self._voices.get(who)
        return voice.loudness if voice else 0.0

    def is_speaking(self, who: Who) -> bool:
        """Whether `who` is loud enough to be shown as speaking."""
        return self.loudness(who) >= SPEAKING  # spec: speaker/loudest-speaking

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called; infinity while there is nobody."""
        return self._next

    def handle_timeout(self, now: float) -> Change[Who]:
        """Decide. Returns who lost and who got a place; `loudest` is up to date."""
        change: Change[Who] = Change()
        if now < self._next:
            return change
        self._next = now + INTERVAL
        for voice in self._voices.values():
            self._smooth(voice, now)
        outside = [who for who in self._voices if who not in self.loudest]
        outside.sort(key=lambda who: -self._voices[who].loudness)
        for who in outside:
            if len(self.loudest) < self.count:
                self._admit(who, now, change)
            else:
                self._challenge(who, now, change)
        return change

    def _challenge(self, who: Who, now: float, change: Change[Who]) -> None:
        """Give `who` the place of somebody silent at once; or that of the softest, when louder for a while."""
        voice = self._voices[who]
        if voice.level_loudness >= SPEAKING and voice.heard_at > now - INTERVAL:
            quiet = min(self.loudest, key=self._quiet_since, default=None)
            if quiet is not None and self._quiet_since(quiet) <= now - PAUSE:  # spec: speaker/silent-place-free
                self._replace(quiet, who, now, change)
                return
        softest = min(self.loudest, key=lambda other: self._voices[other].loudness, default=None)
        # spec: speaker/loudest-margin
        if softest is None or voice.loudness < self._voices[softest].loudness + self.margin:
            voice.challenging_since = math.inf
            return
        voice.challenging_since = min(voice.challenging_since, now)
        waited = now - voice.challenging_since >= CHALLENGE
        if waited and now - self._voices[softest].joined_at >= SHORTEST_STAY:  # spec: speaker/loudest-stay
            self._replace(softest, who, now, change)

    def _quiet_since(self, who: Who) -> float:
        voice = self._voices[who]
        return max(voice.spoke_at, voice.joined_at)

    def _replace(self, former: Who, who: Who, now: float, change: Change[Who]) -> None:
        self.loudest.remove(former)
        change.left.append(former)
        self._admit(who, now, change)

    def _admit(self, who: Who, now: float, change: Change[Who]) -> None:
        voice = self._voices[who]
        voice.joined_at = now
        voice.challenging_since = math.inf
        self.loudest.append(who)
        change.joined.append(who)
