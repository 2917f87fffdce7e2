"""When to probe: bursts above the estimate find room that nobody finds by sending what there is to send.

Stands above `media/cluster`, one probe; looks at the estimator of `media/bandwidth` after every feedback.
Specification: none; libwebrtc's ProbeController (M138): twice the estimate as long as 70 percent of a probe came
through, twice every five seconds while the sender is application-limited, and 85 percent of what there was before a
sudden drop. None while queues grow or loss limits us, and none for what nobody would be sent. Ours are that the first
leaves before anything else, and that a thin line is tried step by step, as layers are.
Leaves out: the padding itself.
Read next: `media/cluster.py`, or `media/pacing.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from meetref.media.bandwidth import Estimator
from meetref.media.cluster import STEP, Cluster, Trial
from meetref.media.departures import PacketReport

FIRST_BPS = 2_500_000
"""Tried before anything else leaves: a camera at its best, and what the Jitsi bridge begins with."""
SECOND_BPS = 320_000
"""Tried if that was lost, because it was too much for a queue in which the handshake still waited."""
SCALE = 2.0
ENOUGH = 0.7  # of a cluster's rate: if the estimate reaches that much, a further one follows
TRUSTED_BPS = 2_000_000  # of less a probe is short, and may find what is not there: no more than one step is tried
STEP_HEADROOM = 1.1  # times what that takes
HEADROOM = 2.0  # times the demand: beyond that nothing is looked for
PATIENCE = 1.0  # seconds for which the results of a cluster are waited for
LIMITED_INTERVAL = 5.0  # seconds between two probes of an application-limited sender
MORE_DEMAND = 1.1  # times the demand at the last probe: as much more is not made to wait
MOST_LATE = 3  # clusters in a row that are made again because we were too busy to send them, or the viewer to read
DROP, DROP_SCALE = 0.66, 0.85  # what is left of the estimate, at most, and what is then tried of it
DROP_MEMORY = 5.0  # seconds for which it is
LIMITED_MEMORY = 3.0  # seconds for which a sender still counts as application-limited
MAXIMUM_TRIALS = 4  # clusters whose results may still come


class Prober:
    """Call `begin` when media may flow, `on_estimate` after every feedback, `handle_timeout` when it is time.

    After either of the latter two send `take()` octets of padding at once. All that is sent is told by `on_sent`; what
    `on_reports` finds is for `Estimator.on_probe`. `on_demand` says what would be sent if there were room enough.
    """

    def __init__(self, start_bps: float, *, maximum_bps: float) -> None:
        self.maximum_bps = maximum_bps
        self.demand_bps = self.step_bps = math.inf
        self.clusters = 0  # begun so far
        self._target_bps = start_bps
        self._trials: deque[Trial] = deque(maxlen=MAXIMUM_TRIALS)  # the last may be under way
        self._first: Trial | None = None  # until it is known that it has to be made again
        self._again_bps = 0.0  # what was not tried, because the newest left more slowly
        self._late = 0  # how many in a row did
        self._is_vain = False  # the newest has told nothing so far
        self._is_rough = False  # it told no more than how a full queue emptied,
        self._is_short = False  # and more than that arrives
        self._loses_anyway = False  # whatever is sent, a part of it
        self.sending = False
        """Whether a cluster is under way, and `on_sent` has to be told."""
        self._next_at = math.inf
        self._padding = 0
        self._further_bps = math.inf  # the estimate at which a further cluster follows
        self._probed_at = -math.inf
        self._looked_for_bps = 0.0  # the demand, or its next step, at the last probe
        self._limited_since = math.inf
        self._limited_at = -math.inf
        self._drop: tuple[float, float] | None = None  # the estimate before it, and when it was
        self._drop_probed_at = -math.inf

    @property
    def cluster(self) -> Cluster | None:
        """What is being sent; None between clusters."""
        return self._trials[-1].cluster if self.sending else None

    @property
    def began_at(self) -> float:
        """When the newest cluster began; long ago if there is none whose results may still come."""
        return self._trials[-1].began_at if self._trials else -math.inf

    def begin(self, now: float) -> None:
        """Media may flow: look what the way carries, before they do."""
        self._probe(FIRST_BPS, now)  # spec: bandwidth/probe-at-start
        self._first = self._trials[-1] if self.sending else None

    def on_demand(self, bitrate_bps: float, step_bps: float = math.inf) -> None:
        """What would be sent if the way were wide: all that is visible, in the best layers that are of use.

        The next of its steps takes `step_bps` in all.
        """
        self.demand_bps = bitrate_bps
        self.step_bps = step_bps

    def on_sent(self, octets: int, packets: int, now: float) -> None:
        """What left just now, media and padding: while a cluster is under way it is part of it."""
        if self.sending:
            self.sending = self._trials[-1].on_sent(octets, packets, now)
            if not self.sending:
                self._next_at = now + PATIENCE

    def on_reports(self, reports: Sequence[PacketReport], now: float) -> float | None:
        """What a cluster found, in bits a second, if these reports tell."""
        found = None
        while self._trials and now - self._trials[0].began_at > 2 * PATIENCE:
            self._trials.popleft()
            self.sending = self.sending and bool(self._trials)
        for trial in self._trials:
            rate = trial.on_reports(reports)
            self._is_vain = self._is_vain and rate is None
            if trial is self._trials[-1] and (rate is not None or trial.was_read_late):
                self._is_rough = trial.has_overflowed
                self._look_whether_late(trial, rate)
            # What came as fast as it left, if late, says that there is so much, not that there is no more.
            if rate is not None and (trial.is_slowed or rate > self._target_bps):  # spec: bandwidth/probe-believed
                found = rate
        if self._first is not None and self._first.is_lost:
            self._first = None
            self._probe(SECOND_BPS, now)
        return found

    def _look_whether_late(self, trial: Trial, rate: float | None) -> None:
        """What came as fast as it left, but left too slowly, has not tried what it was made for.

        Nor does what was read late say how it came.
        """
        is_late = rate is None or (not trial.is_slowed and rate < ENOUGH * trial.cluster.bitrate_bps)
        self._late = self._late + 1 if is_late else 0
        self._again_bps = trial.cluster.bitrate_bps if 0 < self._late <= MOST_LATE else 0.0

    def on_estimate(self, estimator: Estimator, now: float) -> None:
        """Look at what the last feedback made of the estimate."""
        before, self._target_bps = self._target_bps, estimator.target_bps
        self._loses_anyway = estimator.foreign_loss > 0
        self._is_short = self._is_rough and (estimator.acknowledged_bps or 0.0) > self._target_bps
        if estimator.application_limited:
            self._limited_since = min(self._limited_since, now)
            self._limited_at = now
        else:
            self._limited_since = math.inf
        if estimator.state == "overusing" or estimator.loss_limited:
            self._further_bps = math.inf
            self._drop = self._drop or (before, now)
        elif self._target_bps < DROP * before and estimator.state == "normal" and now - self.began_at > PATIENCE:
            # Neither a queue nor loss: feedback did not come for a while, and the way may be as wide as before.
            self._drop, self._limited_at = (before, now), now
            self._recover(now)
        elif self._again_bps:  # spec: bandwidth/probe-left-late, bandwidth/probe-read-late
            self._probe(self._again_bps, now)
        elif self._target_bps >= self._further_bps:  # spec: bandwidth/probe-further
            self._probe(SCALE * self._target_bps, now)
        elif estimator.state == "normal":
            self._recover(now)
            self._probe_limited(now)

    def _recover(self, now: float) -> None:
        drop, self._drop = self._drop, None
        if drop is None or now - self._limited_at > LIMITED_MEMORY or now - drop[1] > DROP_MEMORY:
            return
        if self._target_bps < DROP * drop[0] and now - self._drop_probed_at > DROP_MEMORY:
            self._drop_probed_at = now
            # spec: bandwidth/probe-after-drop
            self._probe(DROP_SCALE * drop[0], now, further=False)

    def on_idle(self, now: float) -> None:
        """Nothing is sent, and so no feedback comes: all that is wanted may have paused."""
        self._limited_since = min(self._limited_since, now)
        self._probe_limited(now)

    def _probe_limited(self, now: float) -> None:
        """A sender that cannot send as much as the estimate allows cannot raise it either, but by probes."""
        # spec: bandwidth/probe-application-limited
        is_more = min(self.demand_bps, self.step_bps) > MORE_DEMAND * self._looked_for_bps
        is_vain = self._is_vain and self._loses_anyway  # spec: bandwidth/probe-lost-by-chance
        # spec: bandwidth/probe-overflows
        waits = PATIENCE if is_more or is_vain or self._is_rough else LIMITED_INTERVAL
        is_limited = now - self._limited_since >= PATIENCE
        if (is_limited or self._is_short) and now - self._probed_at >= waits:
            self._probe(SCALE * self._target_bps, now)

    def _probe(self, rate: float, now: float, *, further: bool = True) -> None:
        self._further_bps, self._again_bps = math.inf, 0.0
        if self.sending or self.demand_bps <= self._target_bps:
            return
        most = min(self.maximum_bps, HEADROOM * self.demand_bps)  # spec: bandwidth/probe-limits
        # spec: bandwidth/probe-next-step
        if rate < TRUSTED_BPS and self._target_bps < self.step_bps < math.inf:
            rate = min(STEP_HEADROOM * self.step_bps, rate)
        wanted = min(rate, most)
        if wanted <= self._target_bps:
            return
        if further and rate < most:
            self._further_bps = ENOUGH * wanted
            if self.step_bps <= wanted:  # what does not carry the step is not tried further
                self._further_bps = max(self._further_bps, self.step_bps)
        self._probed_at = now
        self._looked_for_bps = min(self.demand_bps, self.step_bps)
        self._is_vain, self._is_rough = True, False
        self._trials.append(Trial(Cluster(wanted), now))
        self.sending = True
        self.clusters += 1
        self._go_on(now)

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called; infinity while no cluster is under way and none is waited for."""
        return self._next_at

    def handle_timeout(self, now: float) -> None:
        """Go on with a cluster, or stop waiting for what it finds."""
        if now >= self._next_at:
            self._go_on(now)

    def take(self) -> int:
        """How many octets of padding are to leave now; each is told once."""
        padding, self._padding = self._padding, 0
        return padding

    def _go_on(self, now: float) -> None:
        if self.sending and self._trials[-1].is_late(now):
            self.sending = False
            self._trials.pop()
            self._first = None
        if self.sending:
            self._padding = self._trials[-1].wanted(now)
            self._next_at = now + STEP
        elif now - self._probed_at < PATIENCE:
            self._next_at = self._probed_at + PATIENCE
        else:
            self._further_bps = math.inf
            self._next_at = math.inf
            first, self._first = self._first, None
            if first is not None and not first.is_judged:  # feedback was lost, some or all of it
                self._probe(FIRST_BPS if first.is_untold else SECOND_BPS, now)
