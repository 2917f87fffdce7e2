"""What is done about a trend: up slowly while delay stays, down at once to below what arrives when it grows.

Stands below `media/bandwidth`, beside `media/delaytrend`, whose word it acts on.
Specification: draft-ietf-rmcat-gcc-02 section 5.5 (states, both ways to increase, the bound, the decrease), with what
libwebrtc (M138, AimdRateControl and LinkCapacityEstimator) made of it: its steps near the known capacity, its pauses
between two decreases. Ours is how far an application-limited sender falls, which sends too little to be judged by it.
Read next: `media/lossrate.py`, the other half.
"""

from __future__ import annotations

import math
from typing import Literal

from meetref.media.delaytrend import Usage

State = Literal["hold", "increase", "decrease"]

DECREASE = 0.85  # of what arrives
DECREASE_MORE = 5_000  # bits a second
LIMITED_DECREASE = 0.5  # of the estimate, at most, while what arrives is all that we had to send,
PROVEN = 1.1  # and not below this many times of what arrives: a probe may have been it, and frames are uneven
MEASURED_FOR = 1.5  # seconds after a probe or a burst for which what it found counts more than what arrives
GROWTH = 1.08  # a second, far from the capacity
LEAST_GROWTH = 1_000  # bits a second for each feedback
LEAST_APPROACH = 4_000  # bits a second each second, near the capacity
BOUND, BOUND_MORE = 1.5, 10_000  # times what arrives, and bits a second
FRAME_RATE, PACKET_SIZE = 30, 1200 * 8  # from which the size of a packet is guessed, in bits
RESPONSE_TIME = 0.1  # seconds that overuse takes to be noticed, beyond the round trip
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.2  # seconds from one decrease to the next: a round trip within these
CAPACITY_SMOOTHING = 0.05
LEAST_DEVIATION, MOST_DEVIATION = 0.4, 2.5  # variance in units of the capacity, both in kbit/s


class LinkCapacity:
    """What arrived when the link was overused, averaged: where the ceiling is believed to be."""

    __slots__ = ("_kbps", "_variance")

    def __init__(self) -> None:
        self._kbps: float | None = None
        self._variance = LEAST_DEVIATION

    @property
    def bps(self) -> float | None:
        return None if self._kbps is None else self._kbps * 1000

    def fits(self, arriving_bps: float) -> bool:
        """Whether a rate is within three deviations of it; any is while nothing is known."""
        return self._kbps is None or abs(arriving_bps / 1000 - self._kbps) <= 3 * math.sqrt(self._variance * self._kbps)

    def is_below(self, arriving_bps: float) -> bool:
        return self._kbps is not None and arriving_bps > self._kbps * 1000 and not self.fits(arriving_bps)

    def forget(self) -> None:
        self._kbps = None

    def on_overuse(self, arriving_bps: float) -> None:
        sample = arriving_bps / 1000
        self._kbps = sample if self._kbps is None else self._kbps + CAPACITY_SMOOTHING * (sample - self._kbps)
        error = (self._kbps - sample) ** 2 / max(self._kbps, 1.0)
        self._variance += CAPACITY_SMOOTHING * (error - self._variance)
        self._variance = min(max(self._variance, LEAST_DEVIATION), MOST_DEVIATION)


class RateControl:
    """The estimate by delay: `on_usage` after every feedback moves `bitrate_bps`. Set `round_trip_time`, in seconds."""

    def __init__(self, start_bps: float, minimum_bps: float, maximum_bps: float) -> None:
        self.bitrate_bps = self.carried_bps = start_bps
        self.minimum_bps = minimum_bps
        self.maximum_bps = maximum_bps
        self.round_trip_time = 0.2
        self.state: State = "increase"
        self.capacity = LinkCapacity()
        self._arriving = start_bps
        self._measured_at = -math.inf
        self._changed_at: float | None = None
        self._decreased_at = -math.inf

    def on_usage(self, usage: Usage, arriving_bps: float | None, now: float, *, limited: bool = False) -> None:
        """What the trend says and what arrives (None: not known yet); `limited`: no more was there to be sent."""
        if arriving_bps is not None:
            self._arriving = arriving_bps
        if usage == "overusing":
            if self._may_decrease(now, limited):
                self._decrease(now, limited)
        elif usage == "underusing":  # spec: bandwidth/hold-while-draining
            self.state = "hold"
        elif self.state != "increase":
            self.state = "increase"
            self._changed_at = now
        else:
            self._increase(now)

    def set(self, bitrate_bps: float, now: float) -> None:
        """Believe somebody else."""
        self.bitrate_bps = self.carried_bps = min(max(bitrate_bps, self.minimum_bps), self.maximum_bps)
        self._changed_at = now

    def measured(self, bitrate_bps: float, now: float, *, carried_bps: float = 0.0) -> None:
        """The same of a probe or a burst; `carried_bps` where that is less for a while, so that a queue drains."""
        self.set(bitrate_bps, now)
        self.carried_bps = max(carried_bps, self.bitrate_bps)
        self._measured_at = now

    def _increase(self, now: float) -> None:
        elapsed = 0.0 if self._changed_at is None else min(max(now - self._changed_at, 0.0), 1.0)
        self._changed_at = now
        if self.capacity.is_below(self._arriving):
            self.capacity.forget()
        bound = BOUND * self._arriving + BOUND_MORE  # spec: bandwidth/bounded-by-arrivals
        if self.bitrate_bps >= bound:
            return
        if self.capacity.bps is None:  # spec: bandwidth/multiplicative-increase
            step = max(self.bitrate_bps * (GROWTH**elapsed - 1), LEAST_GROWTH)
        else:
            step = self._approach() * elapsed  # spec: bandwidth/additive-increase
        self.bitrate_bps = min(self.bitrate_bps + step, bound, self.maximum_bps)

    def _approach(self) -> float:
        """Bits a second to be added each second near the capacity: a packet in two times the response time."""
        frame = self.bitrate_bps / FRAME_RATE
        packet = frame / math.ceil(frame / PACKET_SIZE)
        return max(packet / (2 * (self.round_trip_time + RESPONSE_TIME)), LEAST_APPROACH)

    def _may_decrease(self, now: float, limited: bool) -> bool:
        """Once a round trip, since what a decrease did is not seen earlier; or when it was far too little."""
        pause = min(max(self.round_trip_time, SHORTEST_PAUSE), LONGEST_PAUSE)
        return now - self._decreased_at >= pause or (self._arriving < self.bitrate_bps / 2 and not limited)

    def _decrease(self, now: float, limited: bool) -> None:
        arriving = self._arriving
        if now - self._measured_at < MEASURED_FOR:  # spec: bandwidth/measured-lately
            arriving = max(arriving, self.carried_bps)
        rate = max(DECREASE * arriving - DECREASE_MORE, 0.0)  # spec: bandwidth/decrease
        if limited:  # spec: bandwidth/limited-decrease
            rate = max(PROVEN * self._arriving, LIMITED_DECREASE * self.bitrate_bps)
        if not self.capacity.fits(arriving):
            self.capacity.forget()
        self.capacity.on_overuse(arriving)
        self.carried_bps = min(arriving, self.bitrate_bps)
        self.bitrate_bps = max(min(rate, self.bitrate_bps), self.minimum_bps)  # spec: bandwidth/within-bounds
        self.state = "hold"
        self._changed_at = self._decreased_at = now
