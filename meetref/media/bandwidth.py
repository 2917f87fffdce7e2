"""How much the way to a peer carries: the estimate that allocation spends and the pacer keeps to.

Stands above `media/delaytrend`, `ratecontrol`, `lossrate` and `acknowledged`, and brings them together; it eats the
reports that `media/feedback` or `media/congestionfeedback` make. Specification: draft-ietf-rmcat-gcc-02, as libwebrtc
has it today (each part says where it differs): the least of what delay and loss allow.
Leaves out: ECN marks, which no socket of ours reads. Read next: `media/probing.py`, which finds what nobody sends yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter

from meetref.media.acknowledged import AcknowledgedRate
from meetref.media.applicationlimit import ApplicationLimit
from meetref.media.delaytrend import DelayTrend, Usage
from meetref.media.departures import PacketReport
from meetref.media.losscount import bounds
from meetref.media.lossrate import HIGH_LOSS, LossRate
from meetref.media.passage import Passage
from meetref.media.ratecontrol import PROVEN, RateControl

START_BPS, MINIMUM_BPS, MAXIMUM_BPS = 1_000_000, 30_000, 20_000_000
ROUND_TRIP_SMOOTHING = 0.25
LONGEST_ROUND_TRIP = 10.0  # seconds; more than that is a mistake of somebody's
SILENCE = 1.0  # seconds for which what was sent has no answer, after which the rate is cut, again and again
SILENCE_DECREASE = 0.5
FALL, FALLING = 0.95, 2.0  # what is left of the estimate after a fall, at most, and seconds that it tells of
BURST = 0.5  # seconds from a keyframe, or from the beginning of a probe
UTILIZATION = 0.9  # of what comes out of the queue that those make

_arrival = itemgetter(3)


class Estimator:
    """Feed `on_reports` with what every feedback says; `target_bps` is the estimate, in bits a second.

    It stays between `minimum_bps` and `maximum_bps`. `on_departure` must be told now and then that something is sent:
    a silence of the peer counts from then on.
    """

    def __init__(
        self,
        start_bps: float = START_BPS,
        *,
        minimum_bps: float = MINIMUM_BPS,
        maximum_bps: float = MAXIMUM_BPS,
    ) -> None:
        self.minimum_bps = minimum_bps
        self.maximum_bps = maximum_bps
        self.target_bps = min(max(start_bps, minimum_bps), maximum_bps)
        self.round_trip_time: float | None = None
        self._acknowledged = AcknowledgedRate()
        self._limit = ApplicationLimit()
        self._trend = DelayTrend()
        self._delay = RateControl(self.target_bps, minimum_bps, maximum_bps)
        self._loss = LossRate()
        self._reported_at = math.inf  # when the last feedback came, or the rate was cut for want of one
        self._unanswered_since = math.inf
        self._burst_at = -math.inf
        self._passage = Passage()
        self._fell_at = -math.inf

    @property
    def state(self) -> Usage:
        """What the delay says: normal, overusing (a queue grows) or underusing (a queue drains)."""
        return self._trend.usage

    @property
    def acknowledged_bps(self) -> float | None:
        """How much arrives; None until half a second of it is known."""
        return self._acknowledged.bitrate_bps

    @property
    def carried_bps(self) -> float:
        """What arrived when a queue last grew, or the estimate: that is less for a while, so that the queue drains."""
        return min(max(self._delay.carried_bps, self._delay.bitrate_bps), self._loss.ceiling_bps)

    @property
    def loss(self) -> float:
        """The share of packets lost lately."""
        return self._loss.loss

    @property
    def steady_loss(self) -> float:
        """The same, but not of moments when more was sent than went through: what protection helps against."""
        return self._loss.steady_loss

    @property
    def foreign_loss(self) -> float:
        """The share of packets that is lost however little is sent, as far as is known."""
        return self._loss.foreign_loss

    def has_just_fallen(self, now: float) -> bool:
        """Whether the estimate came down so lately that what was lost may be lost of what was too much."""
        return now - self._fell_at < FALLING

    @property
    def loss_limited(self) -> bool:
        """Whether loss, not delay, keeps the estimate where it is."""
        return self._loss.ceiling_bps < self._delay.bitrate_bps

    @property
    def is_experimenting(self) -> bool:
        """Whether the estimate is less for a moment only, to see whose the loss is."""
        return self._loss.is_experimenting

    @property
    def application_limited(self) -> bool:
        """Whether so little is sent that the estimate cannot be tried."""
        return self._limit.limited

    def on_reports(self, reports: Sequence[PacketReport], now: float) -> None:
        """Take what a feedback says, in any order."""
        if not reports:
            return
        self._reported_at, self._unanswered_since = now, math.inf
        received = [report for report in reports if report[3] is not None]
        received.sort(key=_arrival)
        lost = len(reports) - len(received)
        is_full = lost > 0 and self._loss.ours(bounds(lost / len(reports), len(reports))[0]) > HIGH_LOSS
        bursts = 0 <= reports[-1][2] - self._burst_at < BURST
        if bursts:
            self._passage.counts.add(len(received), lost, 0)
            is_full = is_full or self._loss.ours(self._passage.counts.least_loss) > HIGH_LOSS
        if is_full or bursts:
            self._acknowledged.expect_change()
        # Who sends little is not judged by what arrives, unless not even that does.
        limited = self._limit.limited and not is_full  # spec: bandwidth/limited-decrease
        octets = sum(size for _, size, _, arrived_at in reports if arrived_at is None) if lost else 0
        if received:
            _, sizes, departures, arrivals = zip(*received, strict=True)
            octets += sum(sizes)
            self._on_received(sizes, departures, arrivals, now)
            if bursts:
                self._on_burst_received(sizes, departures, arrivals, now, is_full=is_full)
            else:
                self._delay.on_usage(self._trend.usage, self._acknowledged.bitrate_bps, now, limited=limited)
        if self._limit.on_sent(octets, reports[-1][2], self.target_bps):
            self._acknowledged.expect_change()
        steady = not (bursts or self.has_just_fallen(now))  # spec: bandwidth/steady-loss
        self._loss.on_counts(len(received), lost, octets, self._delay.bitrate_bps, now, steady=steady)
        before = self.target_bps
        self._settle()
        if self.target_bps < FALL * before:
            self._fell_at = now

    def _on_received(
        self, sizes: Sequence[int], departures: Sequence[float], arrivals: Sequence[float], now: float
    ) -> None:
        self._acknowledged.on_received(sizes, arrivals)
        before = self._trend.usage
        self._trend.on_received(departures, arrivals, now)
        if self._trend.usage == "overusing" != before:
            # What arrives is about to change with what we send; it is what the estimate comes down to.
            self._acknowledged.expect_change()

    def _on_burst_received(
        self, sizes: Sequence[int], departures: Sequence[float], arrivals: Sequence[float], now: float, *, is_full: bool
    ) -> None:
        """A keyframe or a probe makes a queue of its own; how fast it comes out of that is what the way carries."""
        self._passage.on_received(sizes, departures, arrivals)
        carried, before = self._passage.bitrate_bps, self._delay.bitrate_bps
        if UTILIZATION * carried < before and (is_full or self._trend.usage == "overusing"):
            # spec: bandwidth/own-burst
            self._delay.measured(UTILIZATION * carried, now, carried_bps=min(carried, before))

    def on_probe(self, bitrate_bps: float, now: float) -> None:
        """A probe found this much (`media/probing`): believe it, unless queues grow or more arrives anyway.

        The queue that it made itself does not count.
        """
        if self._trend.usage != "overusing" or now - self._burst_at < 2 * BURST:
            proven = min(PROVEN * (self._acknowledged.bitrate_bps or 0.0), self._delay.bitrate_bps)
            if bitrate_bps > self._delay.bitrate_bps:
                self._limit.on_more_room()
            self._delay.measured(max(bitrate_bps, proven), now)  # spec: bandwidth/probe-believed
            self._loss.on_probe(bitrate_bps)
            self._settle()

    def on_switch(self, at: float) -> None:
        """From `at` on much more, or much less, is sent: what arrived before says little about what arrives then."""
        self.on_burst(at)
        self._limit.on_switch(at)

    def on_burst(self, at: float) -> None:
        """From `at` on a keyframe or a probe leaves: the queue that grows is its own."""
        if at > self._burst_at:
            self._burst_at = at
            self._passage = Passage(at)

    def on_round_trip(self, seconds: float) -> None:
        """A round trip was measured, as by a report block (`media/clock.round_trip_time`)."""
        if not 0 <= seconds <= LONGEST_ROUND_TRIP:
            return
        before = self.round_trip_time
        smoothed = seconds if before is None else before + ROUND_TRIP_SMOOTHING * (seconds - before)
        self.round_trip_time = self._delay.round_trip_time = self._loss.round_trip_time = smoothed

    def on_departure(self, at: float) -> None:
        """The newest packet left at `at`."""
        if at > self._reported_at:
            self._unanswered_since = min(self._unanswered_since, at)

    def next_timeout(self) -> float:
        """When the silence of the peer is too long (never while nothing is sent), or a look at its loss is over."""
        return min(self._unanswered_since + SILENCE, self._loss.next_timeout())

    def handle_timeout(self, now: float) -> None:
        """Nothing was heard although something was sent: its way may be broken. To be called at `next_timeout`."""
        if now >= self._loss.next_timeout():
            self._loss.handle_timeout(now)
            self._settle()
        if now >= self._unanswered_since + SILENCE:  # spec: feedback/loss-of-feedback
            self._delay.set(self._delay.bitrate_bps * SILENCE_DECREASE, now)
            self._settle()
            self._reported_at, self._unanswered_since = now, math.inf

    def _settle(self) -> None:
        # spec: bandwidth/least-of-both
        wanted = min(self._delay.bitrate_bps, self._loss.ceiling_bps)
        self.target_bps = min(max(wanted, self.minimum_bps), self.maximum_bps)
