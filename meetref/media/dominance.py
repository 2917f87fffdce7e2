"""Who leads the conversation: the dominant speaker, those who were before, and whether there is silence.

Stands above `media/speech` (one person's last second), beside `media/speaker` (the loudest few, who are heard).
Specification: Volfin and Cohen (2013), as `media/speech` says; a decision in 300 ms and silence after 3 s are Jitsi's.
Whoever speaks over the dominant one must be more active near, in the middle and far: a cough is not, agreeing is not.
Leaves out: levels of muted people, which nobody should `hear`.
Read next: `media/speaker.py`, which is for sound and much faster.
"""

from __future__ import annotations

import math
from typing import Final, Generic, TypeVar

from meetref.media.speech import IMMEDIATE, LONG, MEDIUM, Speech

Who = TypeVar("Who")

INTERVAL: Final = 0.3  # seconds between two decisions
SILENCE_AFTER: Final = 3.0  # seconds for which who leads has not spoken
RECENT: Final = 10  # people remembered, with the present one
NEAR, MIDDLE, FAR = math.exp(3), math.exp(2), math.exp(0)
"""How many times the dominant speaker's score a challenger must have, over each span."""
MAXIMUM_PEOPLE: Final = 2000


class Dominance(Generic[Who]):
    """Names the dominant speaker of a room.

    `dominant` is None before anybody has spoken and once nobody has for `silence_after` seconds; with infinity there is
    always somebody, to begin with the first who was heard. `recent` has who led last at its beginning.
    """

    def __init__(self, *, silence_after: float = SILENCE_AFTER, maximum_people: int = MAXIMUM_PEOPLE) -> None:
        self.silence_after = silence_after
        self.maximum_people = maximum_people
        self.dominant: Who | None = None
        self.recent: list[Who] = []
        self.turned_away = 0
        self._people: dict[Who, Speech] = {}
        self._spoke_at = -math.inf
        self._next = math.inf

    def hear(self, who: Who, level: int, now: float) -> None:
        """One audio packet of `who`; its level is 0 (loudest) to 127 (silence)."""
        speech = self._people.get(who)
        if speech is None:
            if len(self._people) >= self.maximum_people:  # spec: speaker/people-bounded
                self.turned_away += 1
                return
            speech = self._people[who] = Speech(now)
            self._next = min(self._next, now + INTERVAL)
        speech.hear(level, now)

    def leave(self, who: Who) -> None:
        """`who` is gone; the next decision is about the others."""
        self._people.pop(who, None)
        if who in self.recent:
            self.recent.remove(who)
        if who == self.dominant:
            self.dominant = None
        if not self._people:
            self._next = math.inf

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called; infinity while there is nobody."""
        return self._next

    def handle_timeout(self, now: float) -> bool:
        """Decide. True when `dominant` has changed."""
        if now < self._next:
            return False
        self._next += INTERVAL  # spec: speaker/decision-interval
        if self._next <= now:
            self._next = now + INTERVAL
        for speech in self._people.values():
            speech.settle(now)
        before = self.dominant
        leading = before
        if leading is None and math.isinf(self.silence_after):
            leading = next(iter(self._people))  # spec: speaker/somebody-leads
        winner = self._challenge(leading)
        self.dominant = self._unless_silent(leading if winner is None else winner, now)
        if self.dominant == before:
            return False
        if self.dominant is not None:
            # spec: speaker/recent
            self.recent = [self.dominant, *(who for who in self.recent if who != self.dominant)][:RECENT]
        return True

    def _challenge(self, leading: Who | None) -> Who | None:
        """Who beats the leading one over all three spans; of several, who is most active in the middle one."""
        if leading is None:
            near, middle, far = IMMEDIATE[0], MEDIUM[0], LONG[0]
        else:
            speech = self._people[leading]
            near, middle, far = speech.immediate, speech.medium, speech.long
        best, winner = MIDDLE * middle, None
        for who, speech in self._people.items():
            # The near score is cheap, and most people fail there.
            # spec: speaker/three-spans
            if who == leading or speech.immediate <= NEAR * near:
                continue
            medium = speech.medium
            if medium > best and speech.long > FAR * far:
                best, winner = medium, who  # spec: speaker/middle-decides
        return winner

    def _unless_silent(self, who: Who | None, now: float) -> Who | None:
        if who is None:
            return None
        if who != self.dominant or self._people[who].long > LONG[0]:
            self._spoke_at = now
        # spec: speaker/silence
        return who if now - self._spoke_at <= self.silence_after else None
