"""What is done about loss: a ceiling that comes down when much is lost, and rises when hardly anything is.

Stands below `media/bandwidth`, beside `media/ratecontrol`: that a link with a full queue is full only loss can tell.
Specification: draft-ietf-rmcat-gcc-02 section 6 (2 and 10 percent); steps by time as in libwebrtc (M138,
SendSideBandwidthEstimation): up 8 percent a second, down once in 300 ms and a round trip. Ours is the experiment:
where loss lasts, a quarter less is sent for a second. If less is lost then, a queue was full and has drained; if not,
the loss is none of our making and is not counted any more. Without it a radio link that loses a tenth would bring us
down to nothing, and a queue that is full at 5 percent would stay so (libwebrtc has a statistical model for that,
LossBasedBweV2).
Read next: `media/bandwidth.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LOW_LOSS, HIGH_LOSS = 0.02, 0.1
WINDOW = 0.5  # seconds for which packets are counted, at least, and
LEAST_PACKETS = 20  # so many
GROWTH = 1.08  # a second
GROWTH_MORE = 1_000  # bits a second each second, so that the lowest rates do not get stuck
DECREASE_PAUSE = 0.3  # seconds, beyond a round trip
NO_CEILING = 1.5  # times the estimate: a ceiling this high is forgotten
PATIENCE = (
    2.0  # seconds for which loss may last before we look whose it is; twice as long each time we did not learn it
)
LONGEST_PATIENCE = 64.0
LESS = 0.75  # of what was sent, to see whether less is lost
LESS_FOR = 1.0  # seconds, beyond a round trip
ENOUGH_LESS = 0.9  # of what was sent: an application that did not slow down has tried nothing
HOLD = 15.0  # seconds for which a capacity that was found so is not exceeded
MOST_FOREIGN = 0.3  # the largest share of loss that is ever believed to be none of our making
SMOOTHING = 0.1


@dataclass(slots=True)
class Window:
    """What is counted until there is enough of it; a loss of 0.1 is a tenth of the packets."""

    began_at: float
    received: int = 0
    lost: int = 0
    octets: int = 0

    @property
    def loss(self) -> float:
        return self.lost / (self.received + self.lost)


@dataclass(slots=True, frozen=True)
class Experiment:
    """Less is sent until `until`; before that it was `sent_bps`, of which `loss` was lost, under `ceiling_bps`."""

    until: float
    sent_bps: float
    loss: float
    ceiling_bps: float


class LossRate:
    """Feed `on_counts` after every feedback; `ceiling_bps` is infinite while loss says nothing.

    Set `round_trip_time`, in seconds. `loss` is the share of packets lost lately, `foreign_loss` what of it does not
    depend on us.
    """

    def __init__(self) -> None:
        self.ceiling_bps = math.inf
        self.round_trip_time = 0.2
        self.loss = 0.0
        self.foreign_loss = 0.0
        self._window: Window | None = None
        self._decreased_at = -math.inf
        self._lossy_since: float | None = None
        self._patience = PATIENCE
        self._full_bps = math.inf  # what came through when it was we, and
        self._full_until = -math.inf  # how long that holds
        self._experiment: Experiment | None = None

    def on_counts(self, received: int, lost: int, octets: int, estimate_bps: float, now: float) -> None:
        """Packets of a feedback that came and that did not, octets sent in all of them, and the estimate so far."""
        window = self._window
        if window is None:
            window = self._window = Window(now)
        window.received += received
        window.lost += lost
        window.octets += octets
        elapsed = now - window.began_at
        if elapsed >= WINDOW and window.received + window.lost >= LEAST_PACKETS:
            self._window = Window(now)
            self.loss += SMOOTHING * (window.loss - self.loss)
            self.foreign_loss = min(self.foreign_loss, self.loss)
            sent_bps = 8 * window.octets / elapsed
            if self._experiment is None:
                self._judge(window.loss, sent_bps, estimate_bps, min(elapsed, 1.0), now)
            elif now >= self._experiment.until:
                self._conclude(self._experiment, window.loss, sent_bps, now)

    def _judge(self, loss: float, sent_bps: float, estimate_bps: float, elapsed: float, now: float) -> None:
        ours = (loss - self.foreign_loss) / (1 - self.foreign_loss)
        if ours <= LOW_LOSS:  # spec: bandwidth/low-loss
            self._lossy_since = None
            self._rise(elapsed, estimate_bps, now)
            return
        # spec: bandwidth/middling-loss
        self._lossy_since = now if self._lossy_since is None else self._lossy_since
        if now - self._lossy_since >= self._patience and loss <= MOST_FOREIGN:
            until = now + LESS_FOR + self.round_trip_time
            self._experiment = Experiment(until, sent_bps, loss, self.ceiling_bps)
            self.ceiling_bps = LESS * min(self.ceiling_bps, estimate_bps, sent_bps)
        elif ours > HIGH_LOSS and now - self._decreased_at >= DECREASE_PAUSE + self.round_trip_time:
            # spec: bandwidth/high-loss
            # What comes through comes through: a queue that has filled lets go less than that until it has drained.
            ceiling = min(self.ceiling_bps, estimate_bps)
            self.ceiling_bps = min(ceiling, max(ceiling * (1 - 0.5 * ours), LESS * (1 - loss) * sent_bps))
            self._decreased_at = now

    def _conclude(self, experiment: Experiment, loss: float, sent_bps: float, now: float) -> None:
        """Of a full link as much comes when less is sent, and so less is lost; otherwise it was not we."""
        self._experiment = self._lossy_since = None
        if sent_bps > ENOUGH_LESS * experiment.sent_bps:
            self.ceiling_bps = experiment.ceiling_bps
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)
            return
        self._patience = PATIENCE
        if_ours = max(1 - (1 - experiment.loss) * experiment.sent_bps / max(sent_bps, 1.0), 0.0)
        if loss > (experiment.loss + if_ours) / 2:  # spec: bandwidth/foreign-loss
            self.foreign_loss = min(loss, MOST_FOREIGN)
            self.loss = max(self.loss, self.foreign_loss)
            self.ceiling_bps = experiment.ceiling_bps
        else:
            self._full_bps = experiment.sent_bps * (1 - experiment.loss)
            self._full_until = now + HOLD

    def _rise(self, elapsed: float, estimate_bps: float, now: float) -> None:
        risen = self.ceiling_bps * GROWTH**elapsed + GROWTH_MORE * elapsed
        if now < self._full_until and self.ceiling_bps < math.inf:
            self.ceiling_bps = max(self.ceiling_bps, min(risen, self._full_bps))
            return
        self.ceiling_bps = risen
        if self.ceiling_bps > NO_CEILING * estimate_bps:
            self.ceiling_bps = math.inf
