"""One probe: a cluster of packets that leaves at a rate above the estimate, and what its arrival says.

Stands below `media/probing`, which decides when. All that leaves while a cluster is under way is part of it, media as
well as padding: so its packets are known by when they left, in either format of feedback.
Specification: none; libwebrtc's BitrateProber and ProbeBitrateEstimator (M138). Its bursts are 2 ms apart, ours 5,
since our timers may be late by as much.
Leaves out: the padding itself.
Read next: `media/probing.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from meetref.media.departures import PacketReport

DURATION, PACKETS = 0.015, 5
OCTETS = 4_500
"""At least, as five packets of a picture have. What limits a line lets a few packets pass at once where it was idle
(Linux' `tc tbf` at least one), and a cluster that is not larger would find a line without a limit."""
STEP = 0.005  # seconds from one burst of a cluster to the next
GRACE = 0.1  # seconds by which it may be late; then it is given up
LEAST_SHARE = 0.8  # of its packets and octets must have come before it is judged, or
LEAST_SHARE_TO_THE_END = 0.5  # so many where its last came too: a full queue would have lost that, and not one before
FEWEST = 5  # packets that came of a cluster of which the rest is known to be lost; what let them out slowly is the line
LONGEST = 1.0  # seconds between its first and its last packet; of a longer one nothing is believed
UNSATURATED = 0.9  # of the rate at which it left: what comes more slowly found the capacity,
UTILIZATION = 0.95  # of which this much is then believed
MOST_RATIO = 2.0  # what came faster than this many times the rate at which it left is a mistake of somebody's


@dataclass(slots=True, frozen=True)
class Cluster:
    """What is to be sent: at this rate, for this many seconds, at least so many packets."""

    bitrate_bps: float
    duration: float = DURATION
    minimum_packets: int = PACKETS

    @property
    def octets(self) -> int:
        return max(math.ceil(self.bitrate_bps * self.duration / 8), OCTETS)


class Trial:
    """A cluster that began at `began_at`: what left of it, and what came."""

    def __init__(self, cluster: Cluster, began_at: float) -> None:
        self.cluster = cluster
        self.began_at = began_at
        self.is_slowed = False
        """Whether what it found is the capacity: it came more slowly than it left."""
        self.has_overflowed = False
        """Whether it was judged by what a full queue let out, beside whatever else was in that."""
        self.was_read_late = False
        """Whether the newest reports tell of enough of it, but whoever was busy let it come, or leave, all at once."""
        self.is_judged = False
        """Whether enough of it was told of to say what it found, if that can be said at all."""
        self._ended_at = math.inf
        self._octets = self._packets = 0
        self._came: list[tuple[int, float, float]] = []  # size, when it left, when it came
        self._told_octets = 0
        self._told_until, self._came_to_the_end = -math.inf, False

    def is_late(self, now: float) -> bool:
        """Whether it takes too long: nobody could send its padding."""
        return now - self.began_at > 8 * self.cluster.octets / self.cluster.bitrate_bps + GRACE

    def wanted(self, now: float) -> int:
        """Octets that are to leave now to keep its rate until the next burst; 0 where it is ahead."""
        step = self.cluster.bitrate_bps * STEP / 8
        by_then = self.cluster.bitrate_bps * (now - self.began_at) / 8 + step
        most: float = self.cluster.octets
        if self._packets < self.cluster.minimum_packets:
            most = max(most, self._octets + step)
        return max(math.ceil(min(by_then, most)) - self._octets, 0)

    def on_sent(self, octets: int, packets: int, now: float) -> bool:
        """What left, of it or beside it; False when it is complete."""
        self._octets += octets
        self._packets += packets
        # spec: bandwidth/probe-cluster
        complete = self._octets >= self.cluster.octets and self._packets >= self.cluster.minimum_packets
        if complete:
            self._ended_at = now
        return not complete

    def on_reports(self, reports: Sequence[PacketReport]) -> float | None:
        """What it found, in bits a second, if these reports are about it and enough of it came."""
        self.was_read_late = False
        told = [each[1:] for each in reports if self.began_at <= each[2] <= self._ended_at]
        mine = [(size, sent_at, arrived_at) for size, sent_at, arrived_at in told if arrived_at is not None]
        self._came += mine  # also while it still leaves: nothing is told twice
        self._told_octets += sum(size for size, _, _ in told)
        for _, sent_at, arrived_at in told:
            if sent_at >= self._told_until:
                self._told_until, self._came_to_the_end = sent_at, arrived_at is not None
        if not told or self._ended_at == math.inf:
            return None
        is_enough = self._is_enough
        if not is_enough and (self._told_octets < self._octets or len(self._came) < FEWEST):
            return None
        rate = self._judged(sum(size for size, _, _ in self._came))
        if not is_enough and not self.is_slowed:  # spec: bandwidth/probe-overflows
            return None
        self.is_judged, self.has_overflowed = True, not is_enough
        return rate

    @property
    def _is_enough(self) -> bool:
        packets, octets = len(self._came), sum(size for size, _, _ in self._came)
        ends = self._came_to_the_end and self._told_octets >= self._octets
        least = LEAST_SHARE_TO_THE_END if ends else LEAST_SHARE
        return packets >= least * self._packets and octets >= least * self._octets  # spec: bandwidth/probe-result

    @property
    def is_lost(self) -> bool:
        """Whether all of it is told of, and it could not be judged by what came."""
        return self._told_octets >= self._octets and not self.is_judged

    @property
    def is_untold(self) -> bool:
        """Whether nothing is told of it yet."""
        return not self._told_octets

    def _judged(self, octets: int) -> float | None:
        sent = sorted((sent_at, size) for size, sent_at, _ in self._came)
        came = sorted((arrived_at, size) for size, _, arrived_at in self._came)
        sent_for, came_for = sent[-1][0] - sent[0][0], came[-1][0] - came[0][0]
        if max(sent_for, came_for) > LONGEST:
            return None
        # With the last burst, which may be large where it was late.
        if sent_for <= 0 or (octets - came[0][1]) * sent_for >= MOST_RATIO * octets * came_for:
            self.was_read_late = self._is_enough  # spec: bandwidth/probe-read-late
            return None
        # The octets of the last burst took no time of those, nor did the first packet that came.
        sent_bps = 8 * (octets - sum(size for at, size in sent if at == sent[-1][0])) / sent_for
        came_bps = 8 * (octets - came[0][1]) / came_for
        # spec: bandwidth/probe-result
        late_sent_bps, late_came_bps = _rates_at_last(self._came)
        if late_came_bps < UNSATURATED * late_sent_bps:
            came_bps = min(came_bps, late_came_bps)
        self.is_slowed = came_bps < UNSATURATED * sent_bps
        return UTILIZATION * came_bps if self.is_slowed else min(sent_bps, came_bps)


def _rates_at_last(came: Sequence[tuple[int, float, float]]) -> tuple[float, float]:
    """At which the second half left and came: the first may have passed at once, whatever the line carries."""
    half = sorted(came, key=itemgetter(2))[len(came) // 2 :]
    bits = 8 * sum(size for size, _, _ in half[1:])
    sent_for, came_for = half[-1][1] - half[0][1], half[-1][2] - half[0][2]
    return bits / sent_for if sent_for > 0 else math.inf, bits / came_for if came_for > 0 else math.inf
