"""Whether queues on the way grow: the trend of one-way delay, and when it is called overuse.

Stands below `media/bandwidth`. Packets that left together are a group; from one group to the next the delay changes by
what their distance at arrival has more than at departure; a line through the sums of these changes tells the trend.
Specification: draft-ietf-rmcat-gcc-02 sections 5.1, 5.2 and 5.4 (groups, detector). In place of its Kalman filter the
line of libwebrtc (M138, TrendlineEstimator) with its constants; delays in milliseconds, as there.
Leaves out: sizes of packets, which neither looks at any more. Read next: `media/ratecontrol.py`, what is done about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from meetref.media.line import Line

Usage = Literal["normal", "overusing", "underusing"]

BURST = 0.005  # seconds within which packets leave as one group, or come right behind one another
LONGEST_BURST = 0.1  # seconds for which packets may go on catching up with a group
REORDERED_GROUPS = 3  # that many in a row say that the peer's clock was set back
CLOCK_STEP = 3000.0  # ms; nothing on the way takes that much longer at once, so the peer's clock was set
STREAM_TIMEOUT = 2.0  # seconds without feedback, after which a group is compared with none before

POINTS = 20
LEAST_POINTS = (
    5  # libwebrtc waits for all; where a burst takes a third of a second to come through, that is seven seconds
)
SMOOTHING = 0.9
GAIN = 4.0
MAXIMUM_GROUPS = 60  # the trend counts as many times as there were groups, at most this often
FIRST_THRESHOLD = 12.5
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 6.0, 600.0
RISE, FALL = 0.0087, 0.039  # of the way from the threshold to the trend, each millisecond
LONGEST_STEP = 100.0  # ms that count at most for one step of the threshold
SPIKE = 15.0  # a trend this far beyond the threshold does not move it
OVERUSE_TIME = 10.0  # ms for which the trend must be too high, and in more than one group


@dataclass(slots=True)
class Group:
    """Packets that left in one burst, or caught up with it on the way. All in seconds, of two clocks."""

    first_departure: float
    last_departure: float
    first_arrival: float
    last_arrival: float

    def takes(self, sent_at: float, arrived_at: float) -> bool:
        """Whether a packet that left later still belongs to it."""
        # spec: bandwidth/groups
        if sent_at - self.first_departure <= BURST:
            return True
        behind = arrived_at - self.last_arrival
        catches_up = behind < sent_at - self.last_departure
        return catches_up and behind <= BURST and arrived_at - self.first_arrival < LONGEST_BURST


class DelayTrend:
    """Feed `on_received` once a feedback; `usage` is what it comes to."""

    def __init__(self) -> None:
        self.usage: Usage = "normal"
        self.threshold = FIRST_THRESHOLD
        self.trend = 0.0  # delay gained by time passed: 0.1 is a queue that grows by 100 ms a second
        self._group: Group | None = None
        self._before: Group | None = None  # the one before it
        self._seen_at = 0.0
        self._reordered = 0
        self._groups = 0
        self._delay = self._smoothed_delay = 0.0
        self._line = Line(POINTS, LEAST_POINTS)
        self._overuse_time: float | None = None  # ms for which the trend has been too high
        self._overuse_groups = 0
        self._adapted_at = 0.0

    def on_received(self, departures: Sequence[float], arrivals: Sequence[float], now: float) -> None:
        """Packets that came, the earliest first: when they left and when they came, in seconds of the two clocks."""
        if now - self._seen_at > STREAM_TIMEOUT:
            self._group = self._before = None
        self._seen_at = now
        group = self._group or Group(departures[0], departures[0], arrivals[0], arrivals[0])
        for sent_at, arrived_at in zip(departures, arrivals, strict=True):
            if sent_at == group.last_departure:  # nearly always, since they leave in bursts
                group.last_arrival = arrived_at
            elif sent_at < group.first_departure:  # spec: bandwidth/out-of-order-ignored
                continue
            elif group.takes(sent_at, arrived_at):
                group.last_departure = max(group.last_departure, sent_at)
                group.last_arrival = arrived_at
            else:
                self._complete(group)
                group = Group(sent_at, sent_at, arrived_at, arrived_at)
        self._group = group

    def _complete(self, group: Group) -> None:
        """Compare a group, of which no more will come, with the one before."""
        before, self._before = self._before, group
        if before is None:
            return
        # spec: bandwidth/delay-variation
        departed = (group.last_departure - before.last_departure) * 1000
        arrived = (group.last_arrival - before.last_arrival) * 1000
        if abs(arrived - departed) > CLOCK_STEP:
            self._reordered = 0
        elif arrived < 0:
            self._reordered += 1
            if self._reordered < REORDERED_GROUPS:
                self._before = before
        else:
            self._reordered = 0
            self._add(arrived - departed, departed, group.last_arrival * 1000)

    def _add(self, variation: float, departed: float, arrived_at: float) -> None:
        self._groups += 1
        self._delay += variation
        self._smoothed_delay = SMOOTHING * self._smoothed_delay + (1 - SMOOTHING) * self._delay
        trend = self._line.add(arrived_at, self._smoothed_delay)
        if trend is not None:
            weighed = min(self._groups, MAXIMUM_GROUPS) * GAIN * trend  # spec: bandwidth/trend
            self._detect(trend, weighed, departed)
            self._adapt(abs(weighed), arrived_at)

    def _detect(self, trend: float, weighed: float, departed: float) -> None:
        if weighed > self.threshold:
            # It may have become so anywhere between the two groups: half of the time between them is assumed.
            self._overuse_time = departed / 2 if self._overuse_time is None else self._overuse_time + departed
            self._overuse_groups += 1
            # spec: bandwidth/overuse
            if self._overuse_time > OVERUSE_TIME and self._overuse_groups > 1 and trend >= self.trend:
                self._overuse_time, self._overuse_groups = 0.0, 0
                self.usage = "overusing"
        else:
            self._overuse_time, self._overuse_groups = None, 0
            self.usage = "underusing" if weighed < -self.threshold else "normal"  # spec: bandwidth/underuse
        self.trend = trend

    def _adapt(self, size: float, arrived_at: float) -> None:
        """Move the threshold towards the trend, so that a flow beside ours that fills queues does not starve us."""
        elapsed = min(max(arrived_at - self._adapted_at, 0.0), LONGEST_STEP)
        self._adapted_at = arrived_at
        if size <= self.threshold + SPIKE:  # spec: bandwidth/threshold-spike
            pace = FALL if size < self.threshold else RISE
            moved = self.threshold + pace * (size - self.threshold) * elapsed  # spec: bandwidth/threshold-adapts
            self.threshold = min(max(moved, LOWEST_THRESHOLD), HIGHEST_THRESHOLD)
