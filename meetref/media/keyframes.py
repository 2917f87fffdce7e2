"""Asking a source for a keyframe on behalf of many, without shouting at it.

Stands above nothing of this floor; one gate an encoding, at the node to which its publisher is connected, and one pace
for all of a source: Chromium makes a keyframe of each encoding whichever was asked for.
Specification: RFC 4585 section 6.3.1 (PLI) and RFC 5104 section 4.3.1 leave the pace to the asker. Ours: 300 ms between
two requests, and one a second in the long run (the Jitsi bridge 200 ms, LiveKit 500 ms to a second).
Leaves out: which message is sent; PLI for loss and for newcomers alike.
Read next: `media/rewriting.py`, which waits for that keyframe.
"""

from __future__ import annotations

import math

SHORTEST_GAP = 0.3  # seconds between two requests
COST = 1.0  # seconds after which a keyframe is paid for: at its rate an encoder leaves out pictures for it
CREDIT = 2.0  # seconds of that which may be owed, so that a change and the way back are quick
FIRST_REPEAT, LONGEST_REPEAT = 0.5, 2.0  # seconds of waiting for an answer, doubled each time
MAXIMUM_TRIES = 12  # then the source is taken for stopped, until somebody asks again


class Pace:
    """When a source may be asked again."""

    __slots__ = ("_paid_at", "_sent_at")

    def __init__(self) -> None:
        self._sent_at = self._paid_at = -math.inf

    @property
    def ready_at(self) -> float:
        return max(self._sent_at + SHORTEST_GAP, self._paid_at - CREDIT)

    def sent(self, now: float) -> None:
        """A request goes out."""
        self._sent_at = now
        self._paid_at = max(self._paid_at, now) + COST


class KeyframeGate:
    """Coalesces requests for one encoding, at the pace of its source.

    Call `ask` for each request and `repeat` when `next_timeout` has come: True means send one now. Call
    `arrived` when a keyframe begins.
    """

    __slots__ = ("_pace", "_tries", "_wait", "_wanted_at", "sent")

    def __init__(self, pace: Pace | None = None) -> None:
        self.sent = 0
        self._pace = pace or Pace()
        self._wanted_at = math.inf  # when the next request is due; infinity: nobody waits
        self._wait = FIRST_REPEAT
        self._tries = 0

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for a keyframe."""
        return self._wanted_at < math.inf

    def ask(self, now: float) -> bool:
        """Somebody needs a keyframe. True: send a request now; False: one is under way, or will be after the gap."""
        if self.waiting:  # spec: rtcp/keyframe-requests-paced
            return False
        self._wait = FIRST_REPEAT
        self._tries = 0
        self._wanted_at = now
        return self.repeat(now)

    def arrived(self, now: float) -> None:
        """A keyframe begins: everybody who waited is served."""
        self._wanted_at = math.inf

    def next_timeout(self) -> float:
        """When `repeat` wants to be called; infinity while nobody waits."""
        return max(self._wanted_at, self._pace.ready_at)

    def repeat(self, now: float) -> bool:
        """Whether a request is to be sent now, again or late."""
        if now < self.next_timeout():
            return False
        if self._tries == MAXIMUM_TRIES:
            self._wanted_at = math.inf
            return False
        self._tries += 1
        self.sent += 1
        self._pace.sent(now)
        self._wanted_at = now + self._wait
        self._wait = min(self._wait * 2, LONGEST_REPEAT)
        return True
