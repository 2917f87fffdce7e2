"""Whether a sender sends too little to say anything about its estimate: application-limited.

Stands below `media/bandwidth`. A budget fills at four fifths of the estimate and is spent by what is sent; while it
is nearly full, there was not more to send.
Specification: none; libwebrtc's AlrDetector (M138), with the shares that are its own for screens and those of Jitsi's
bridge for all, since what a server forwards comes in layers with gaps between.
Read next: `media/probing.py`, what is done then.
"""

from __future__ import annotations

import math

SHARE = 0.8  # of the estimate, less than which is little
WINDOW = 0.5  # seconds of it that fit the budget, and as many that may be owed
BEGINS, ENDS = 0.4, -0.6  # of a full budget


class ApplicationLimit:
    """Feed `on_sent`; `limited` is what it comes to."""

    __slots__ = ("_budget", "_sent_at", "_switches_at", "limited")

    def __init__(self) -> None:
        self.limited = False
        self._budget = 0.0  # as a share of what fits
        self._sent_at: float | None = None
        self._switches_at = math.inf

    def on_switch(self, at: float) -> None:
        """From `at` on much more, or much less, is sent: whether that is little has to be seen anew."""
        self._switches_at = at

    def on_more_room(self) -> None:
        """A burst found more than what is sent: that it is little need not be seen first."""
        self.limited = True
        self._budget = max(self._budget, 0.0)

    def on_sent(self, octets: int, sent_at: float, estimate_bps: float) -> bool:
        """So much was sent until `sent_at`, in seconds; True where just now enough is sent again."""
        before = sent_at if self._sent_at is None else self._sent_at
        self._sent_at = max(sent_at, before)
        if self._sent_at >= self._switches_at:
            self.limited, self._budget, self._switches_at = False, 0.0, math.inf
            return False
        elapsed = self._sent_at - before
        self._budget += (elapsed - 8 * octets / (SHARE * estimate_bps)) / WINDOW
        self._budget = min(max(self._budget, -1.0), 1.0)
        if self._budget > BEGINS:  # spec: bandwidth/application-limited
            self.limited = True
        elif self._budget < ENDS and self.limited:
            self.limited = False
            return True
        return False
