"""How much one viewer's connection carries: what left, what its feedback says of that, and bursts that look for more.

A machine in the manner of `protocol/machine`, owned by `meeting/down`, which tells it every run of packets that leaves
(one call a run, on the hot path) and every transport-wide feedback, and sends the padding that it asks for.
Stands above `media/bandwidth` (the estimate) and `media/probing` (the bursts), and above what the estimate bounds:
`media/pacing` (pictures) and `media/allowance` (what is sent again). `meeting/portions` spends what it finds.
Specification: draft-ietf-rmcat-gcc-02; draft-holmer-rmcat-transport-wide-cc-extensions-01.
Leaves out: what waits in the pacer, which are `meeting/forwarder`'s packets; here it is only given its rate.
Read next: `meeting/portions.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from meetref.media.allowance import Allowance
from meetref.media.bandwidth import Estimator
from meetref.media.departures import PacketReport
from meetref.media.feedback import DepartureHistory
from meetref.media.pacing import FACTOR, Pacer
from meetref.media.probing import FIRST_BPS, Prober
from meetref.wire.transportfeedback import TransportFeedback

START_BPS = 300_000
"""Before anything is known, and where nothing ever gets known of a line that does answer: as libwebrtc begins."""
MAXIMUM_BPS = 50_000_000
DRAINS_WITHIN = 0.5
"""Seconds in which all that waits leaves, though faster than the estimate says: who shows a still screen is sent
little, so little is known of their line, and the next slide is not to take seconds on a wide one."""
OVERHEAD = 28  # octets of IP and UDP, which fill a line as all others do
IDLE = 1.0  # seconds in which nothing is sent
TOLD_WITHIN = 1.0  # seconds of sending; a viewer that has said nothing of it then never will


class Capacity:
    """`budget_bps` may be spent; it is `MAXIMUM_BPS` where the viewer never sends any feedback, as some do not."""

    def __init__(self, start_bps: float = START_BPS) -> None:
        self.departures = DepartureHistory()
        self.estimator = Estimator(start_bps, maximum_bps=MAXIMUM_BPS)
        self.prober = Prober(start_bps, maximum_bps=MAXIMUM_BPS)
        self.allowance = Allowance(start_bps)
        self.pacer: Pacer[Any] = Pacer(FACTOR * start_bps, drains_within=DRAINS_WITHIN)
        self.is_known = False
        """Whether the budget is more than a guess; until then pictures wait."""
        self.feedbacks = 0
        self.overhead = 0.0
        """What protection adds to the media, as a part of them."""
        self._began_at = math.inf
        self._sent_at = math.inf  # for the first time, as far as was looked
        self._is_untold = False

    @property
    def budget_bps(self) -> float:
        return MAXIMUM_BPS if self._is_untold else self.estimator.target_bps

    @property
    def is_wide(self) -> bool:
        """Whether one more picture will do no harm, however large."""
        return self.budget_bps >= FIRST_BPS

    @property
    def media_bps(self) -> float:
        """What of the budget is left for media."""
        return self.budget_bps / (1 + self.overhead)  # spec: fec/within-the-bandwidth

    def expect_silence(self) -> None:
        """The viewer did not promise to tell what arrives, so nothing is waited for."""
        self.is_known = True
        self._be_untold()

    def begin(self, now: float) -> None:
        """Media may flow: look what the line carries before they do, and call `padding`."""
        self._began_at = now
        if self._is_untold:
            return
        self.prober.on_demand(FIRST_BPS)
        self.prober.begin(now)

    def on_sent(self, first_number: int, packets: Sequence[bytes], now: float) -> None:
        """These packets leave together; their transport-wide numbers go up by one from `first_number`."""
        sizes = [len(packet) + OVERHEAD for packet in packets]
        octets = sum(sizes)
        self.allowance.sent_octets += octets
        self.departures.record_run(first_number, sizes, now)
        if self.prober.sending:
            self.prober.on_sent(octets, len(sizes), now)

    def on_feedback(self, feedbacks: Iterable[TransportFeedback], now: float) -> None:
        """What became of them, as one or several feedbacks tell."""
        reports: list[PacketReport] = []
        for feedback in feedbacks:
            reports += self.departures.match(feedback)
        if not reports:
            return
        self.feedbacks += 1
        self._is_untold = False
        self.estimator.on_burst(self.prober.began_at)
        self.estimator.on_reports(reports, now)
        found = self.prober.on_reports(reports, now)
        if found is not None:
            self.estimator.on_probe(found, now)
            self.is_known = True
        self.prober.on_estimate(self.estimator, now)
        self.pacer.set_rate(FACTOR * self.estimator.target_bps)

    def may_repeat(self, now: float) -> bool:
        """Whether there is room beside the media for what was lost."""
        self.allowance.rate_bps = self.budget_bps
        return self.allowance.allows(now)

    def on_switch(self, now: float) -> None:
        """Another source or layer begins, with a keyframe, and takes more or less than what was sent before."""
        self.estimator.on_switch(now)

    def on_keyframe(self, now: float) -> None:
        """A keyframe of what is sent anyway leaves, because somebody wanted one: the queue that it makes is its own."""
        self.estimator.on_burst(now)

    def on_round_trip(self, seconds: float) -> None:
        self.estimator.on_round_trip(seconds)

    @property
    def carried_bps(self) -> float:
        """What media the line carried at least when last a queue grew: more than `media_bps` while that drains."""
        return max(self.media_bps, self.estimator.carried_bps / (1 + self.overhead))

    @property
    def is_experimenting(self) -> bool:
        """Whether the budget is less for a moment only, to see whose the loss is."""
        return self.estimator.is_experimenting

    def on_demand(self, bitrate_bps: float, step_bps: float = math.inf) -> None:
        """What media would be sent if there were room for everything, and what its next step up takes in all."""
        self.prober.on_demand(bitrate_bps * (1 + self.overhead), step_bps * (1 + self.overhead))

    def padding(self) -> int:
        """Octets of padding that are to leave now."""
        return self.prober.take()

    def next_timeout(self) -> float:
        """When a burst goes on; that the viewer has fallen silent is seen when `look` is called."""
        return min(self.prober.next_timeout(), self.pacer.next_timeout())

    def handle_timeout(self, now: float) -> None:
        self.prober.handle_timeout(now)

    def look(self, now: float) -> None:
        """To be called a few times a second: what nobody acknowledges may not arrive, and there may be room again."""
        self.is_known = self.is_known or now - self._began_at >= TOLD_WITHIN
        newest_at = self.departures.newest_at
        if newest_at is None:
            return
        self.estimator.on_departure(newest_at)
        self.estimator.handle_timeout(now)
        self._sent_at = min(self._sent_at, newest_at)
        if not self.feedbacks and now - self._sent_at >= TOLD_WITHIN:
            self._be_untold()
        if self.feedbacks and now - newest_at >= IDLE:
            self.prober.on_idle(now)

    def _be_untold(self) -> None:
        self._is_untold = True
        self.pacer.set_rate(math.inf)
