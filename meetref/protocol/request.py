"""One request to a server: when it is sent, sent again and given up, and how long to wait at first.

Stands below `protocol/stun` and TURN's client. Over UDP a request is repeated after doubling waits; over TCP and TLS
it is sent once. Specification: RFC 8489 sections 6.2.1 and 6.2.2, RFC 6298 (round trips).
Leaves out: ICE's checks, which have a table of their own in `protocol/transaction`: they share their time with pairs.
Read next: `protocol/stun.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MAXIMUM_SENDS = 7  # Rc
LAST_WAIT = 16  # Rm: how many first waits the last one has
FIRST_WAIT = 0.5  # seconds: RTO, at least
MAXIMUM_FIRST_WAIT = 3.0  # a server that is that slow would otherwise keep a request alive for four minutes
RELIABLE_TIMEOUT = 39.5  # seconds: Ti
FORGOTTEN_AFTER = 600.0  # seconds without a request after which a measured round trip says nothing
GRANULARITY = 0.001  # seconds


class RoundTrip:
    """The round trip to one server as RFC 6298 smooths it, from requests that were sent once (Karn's algorithm)."""

    def __init__(self) -> None:
        self._smoothed = self._variance = 0.0
        self._measured_at = -math.inf

    def first_wait(self, now: float) -> float:
        """RTO in seconds: what a new request waits before it is repeated."""
        # spec: stun/first-wait-cached
        if now - self._measured_at > FORGOTTEN_AFTER:
            return FIRST_WAIT
        wait = self._smoothed + max(GRANULARITY, 4 * self._variance)
        return min(max(FIRST_WAIT, wait), MAXIMUM_FIRST_WAIT)

    def measure(self, seconds: float, now: float) -> None:
        if now - self._measured_at > FORGOTTEN_AFTER:
            self._smoothed, self._variance = seconds, seconds / 2
        else:
            self._variance += (abs(self._smoothed - seconds) - self._variance) / 4
            self._smoothed += (seconds - self._smoothed) / 8
        self._measured_at = now


@dataclass(slots=True)
class Schedule:
    """The times of one request, sent first at `sent_at`. `sends_at` is math.inf once it is not sent again."""

    first_wait: float
    sent_at: float
    reliable: bool = False
    sends: int = 1
    sends_at: float = math.inf
    gives_up_at: float = math.inf

    def __post_init__(self) -> None:
        if self.reliable:  # spec: stun/over-tcp-timeout
            self.gives_up_at = self.sent_at + RELIABLE_TIMEOUT
        else:
            self._plan()

    @property
    def next_at(self) -> float:
        return min(self.sends_at, self.gives_up_at)

    def due(self, now: float) -> bool:
        """Whether to send it again now; if so, what comes next is planned."""
        if now < self.sends_at:
            return False
        # From now on and not from when it should have been: a driver that slept does not send a backlog.
        self.sends += 1
        self.sent_at = now
        self._plan()
        return True

    def _plan(self) -> None:
        last = self.sends == MAXIMUM_SENDS
        # spec: stun/retransmission
        self.sends_at = math.inf if last else self.sent_at + self.first_wait * 2 ** (self.sends - 1)
        self.gives_up_at = self.sent_at + LAST_WAIT * self.first_wait if last else math.inf
