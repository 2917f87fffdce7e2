"""Asking a source for a keyframe on behalf of many, without shouting at it.

Stands above nothing of this floor; one gate a video source, at the node to which its publisher is connected.
Specification: RFC 4585 section 6.3.1 (PLI) and RFC 5104 section 4.3.1 leave the pace to the asker. Ours: 300 ms between
two requests (the Jitsi bridge 200, LiveKit 500 to 1000), repeated with growing gaps until a keyframe comes.
Leaves out: which message is sent; PLI for loss and for newcomers alike.
Read next: `media/rewriting.py`, which waits for that keyframe.
"""

from __future__ import annotations

import math

SHORTEST_GAP = 0.3  # seconds between two requests
FIRST_REPEAT, LONGEST_REPEAT = 0.5, 2.0  # seconds of waiting for an answer, doubled each time
MAXIMUM_TRIES = 12  # then the source is taken for stopped, until somebody asks again


class KeyframeGate:
    """Coalesces requests for one source.

    Call `ask` for each request and `repeat` when `next_timeout` has come: True means send one now. Call
    `arrived` when a keyframe begins.
    """

    __slots__ = ("_sent_at", "_tries", "_wait", "_wanted_at", "sent", "shortest_gap")

    def __init__(self, *, shortest_gap: float = SHORTEST_GAP) -> None:
        self.shortest_gap = shortest_gap
        self.sent = 0
        self._sent_at = -math.inf
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
        self._wanted_at = max(now, self._sent_at + self.shortest_gap)
        return self.repeat(now)

    def arrived(self, now: float) -> None:
        """A keyframe begins: everybody who waited is served."""
        self._wanted_at = math.inf

    def next_timeout(self) -> float:
        """When `repeat` wants to be called; infinity while nobody waits."""
        return self._wanted_at

    def repeat(self, now: float) -> bool:
        """Whether a request is to be sent now, again or late."""
        if now < self._wanted_at:
            return False
        if self._tries == MAXIMUM_TRIES:
            self._wanted_at = math.inf
            return False
        self._tries += 1
        self.sent += 1
        self._sent_at = now
        self._wanted_at = now + max(self._wait, self.shortest_gap)
        self._wait = min(self._wait * 2, LONGEST_REPEAT)
        return True
