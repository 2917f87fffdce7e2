"""What is done about loss: a ceiling that comes down when much is lost, and rises when hardly anything is.

Stands below `media/bandwidth`, beside `media/ratecontrol`: that a link with a full queue is full only loss can tell.
Specification: draft-ietf-rmcat-gcc-02 section 6 (2 and 10 percent); steps by time as in libwebrtc (M138,
SendSideBandwidthEstimation): up 8 percent a second, down once in 300 ms and a round trip. Ours is the experiment
(`media/lossexperiment`): where loss lasts, a quarter less is sent for a moment, to see whether less is lost then. Where
not, it is none of our making and is not counted any more. Without it a radio link that loses a tenth would bring us
down to nothing (libwebrtc has a statistical model for that, LossBasedBweV2).
Few packets say little: of twenty, one in twenty lost is none, or three. So what brings the ceiling down must be sure.
Read next: `media/lossexperiment.py`.
"""

from __future__ import annotations

import math

from meetref.media.losscount import LossCount, bounds
from meetref.media.lossexperiment import ENOUGH_LESS, LESS, Experiment

LOW_LOSS, HIGH_LOSS = 0.02, 0.1
WINDOW = 0.5  # seconds for which packets are counted, at least, and
LEAST_PACKETS = 20  # so many
GROWTH = 1.08  # a second
GROWTH_MORE = 1_000  # bits a second each second, so that the lowest rates do not get stuck
DECREASE_PAUSE = 0.3  # seconds, beyond a round trip
NO_CEILING = 1.5  # times the estimate: a ceiling this high is forgotten
PATIENCE = 2.0  # seconds for which loss lasts before we look whose it is; twice as long each time we did not learn it
LONGEST_PATIENCE = 64.0
LITTLE_BPS = 200_000  # of less hardly a picture would be left, and that is too dear while loss is not high
MORE = 1.5  # times what was sent when it was looked at last: that says little of what is sent now
HOLD = 15.0  # seconds for which a capacity that was found so is not exceeded
MOST_FOREIGN = 0.3  # the largest share of loss that is ever believed to be none of our making
SMOOTHING = 0.1
SMOOTHED_WINDOWS = 2 / SMOOTHING - 1  # as many windows an average smoothed so is worth


class LossRate:
    """Feed `on_counts` after every feedback; `ceiling_bps` is infinite while loss says nothing.

    Set `round_trip_time`, in seconds. `loss` is the share of packets lost lately, `steady_loss` that of the
    moments when the estimate had not just come down, `foreign_loss` what does not depend on us. A loss of 0.1 is a
    tenth of the packets.
    """

    def __init__(self) -> None:
        self.ceiling_bps = math.inf
        self.round_trip_time = 0.2
        self.loss = 0.0
        self.steady_loss = 0.0
        self.foreign_loss = 0.0
        self._window: LossCount | None = None
        self._is_steady = True  # all of the window
        self._lossy: LossCount | None = None  # since loss began, or the ceiling came down
        self._lossy_since = math.inf
        self._decreased_at = -math.inf
        self._patience = PATIENCE
        self._stuck_bps = 0.0  # what was sent when it could not be made less
        self._full_bps = math.inf  # what came through when it was we, and
        self._full_until = -math.inf  # how long that holds
        self._experiment: Experiment | None = None

    def ours(self, loss: float) -> float:
        """What of a loss may be of our making: of those packets that somebody else would not have lost."""
        return max(loss - self.foreign_loss, 0.0) / (1 - self.foreign_loss)

    def on_counts(
        self, received: int, lost: int, octets: int, estimate_bps: float, now: float, *, steady: bool = True
    ) -> None:
        """Packets of a feedback that came and that did not, octets sent in all of them, and the estimate so far.

        Not `steady`: the estimate has just come down, or more leaves than usual, and what is lost may be lost of that.
        """
        window = self._window
        if window is None:
            window = self._window = LossCount(now)
        window.add(received, lost, octets)
        self._is_steady = self._is_steady and steady
        if now - window.began_at >= WINDOW and window.packets >= LEAST_PACKETS:
            self._window = LossCount(now)
            self._smooth(window, steady=self._is_steady)
            self._is_steady = True
            if self._experiment is None:
                self._judge(window, estimate_bps, now)
            else:
                self._go_on(self._experiment, window, now)

    @property
    def is_experimenting(self) -> bool:
        """Whether less is sent for a moment only, to see whose the loss is."""
        return self._experiment is not None

    def next_timeout(self) -> float:
        """When an experiment has taken long enough, though nothing may be sent, and so nothing come of it."""
        return math.inf if self._experiment is None else self._experiment.ends_at

    def handle_timeout(self, now: float) -> None:
        """To be called at `next_timeout`."""
        if self._experiment is not None and now >= self._experiment.ends_at:
            self._give_up(self._experiment)

    def on_probe(self, bitrate_bps: float) -> None:
        """So much came through just now: what was lost with it was too much."""
        if self._experiment is None:
            self.ceiling_bps = max(self.ceiling_bps, bitrate_bps)
            self._window = None  # spec: bandwidth/lost-of-a-probe

    def _smooth(self, window: LossCount, *, steady: bool) -> None:
        self.loss += SMOOTHING * (window.loss - self.loss)
        if steady:  # spec: bandwidth/steady-loss
            self.steady_loss += SMOOTHING * (window.loss - self.steady_loss)
        most = bounds(self.loss, window.packets * SMOOTHED_WINDOWS)[1]
        self.foreign_loss = min(self.foreign_loss, most)

    def _judge(self, window: LossCount, estimate_bps: float, now: float) -> None:
        if self._lossy is not None and window.most_loss < self._lossy.least_loss:
            self._lossy, self._lossy_since = None, math.inf  # a queue that ran over once is no loss that lasts
        lossy = self._lossy = self._lossy or LossCount(window.began_at)
        lossy.add(window.received, window.lost, window.octets)
        if self.ours(lossy.loss) <= LOW_LOSS:  # spec: bandwidth/low-loss
            self._lossy, self._lossy_since = None, math.inf
            self._rise(window, estimate_bps, now)
            return
        # spec: bandwidth/middling-loss
        self._lossy_since = min(self._lossy_since, now)
        sent_bps = lossy.sent_bps(now)
        is_high = max(self.ours(lossy.least_loss), self.ours(window.least_loss)) > HIGH_LOSS
        is_little = LESS * sent_bps < LITTLE_BPS
        may_be_foreign = lossy.loss <= MOST_FOREIGN
        if may_be_foreign and self._is_time_to_try(lossy, now) and (is_high or not is_little):
            if window.sent_bps(now) > MORE * sent_bps:  # a quarter less than that is far less than now
                self._lossy = None
            else:
                self._try(lossy, sent_bps, estimate_bps, now)
        elif may_be_foreign and is_little and (not is_high or sent_bps < MORE * self._stuck_bps):
            self._rise(window, estimate_bps, now)  # spec: bandwidth/little-that-is-lost
        elif is_high and now - self._decreased_at >= DECREASE_PAUSE + self.round_trip_time:
            self._decrease(window, estimate_bps, now)

    def _decrease(self, window: LossCount, estimate_bps: float, now: float) -> None:
        # spec: bandwidth/high-loss
        # What comes through comes through: a queue that has filled lets go less than that until it has drained.
        ceiling = min(self.ceiling_bps, estimate_bps)
        came_through = (1 - window.loss) * window.sent_bps(now)
        self.ceiling_bps = min(ceiling, max(ceiling * (1 - 0.5 * self.ours(window.loss)), LESS * came_through))
        self._decreased_at = now
        self._lossy = None  # what was lost of more says nothing of what will be

    def _rise(self, window: LossCount, estimate_bps: float, now: float) -> None:
        elapsed = min(now - window.began_at, 1.0)
        risen = self.ceiling_bps * GROWTH**elapsed + GROWTH_MORE * elapsed
        if now < self._full_until and self.ceiling_bps < math.inf:
            self.ceiling_bps = max(self.ceiling_bps, min(risen, self._full_bps))
            return
        self.ceiling_bps = risen
        if self.ceiling_bps > NO_CEILING * estimate_bps:
            self.ceiling_bps = math.inf

    def _is_time_to_try(self, lossy: LossCount, now: float) -> bool:
        """Whether loss, that is none by chance, has lasted long enough to look whose it is."""
        if lossy.sent_bps(now) > MORE * self._stuck_bps:
            self._patience = PATIENCE
        return now - self._lossy_since >= self._patience and self.ours(lossy.least_loss) > LOW_LOSS

    def _try(self, lossy: LossCount, sent_bps: float, estimate_bps: float, now: float) -> None:
        if estimate_bps < ENOUGH_LESS * sent_bps:  # for the sake of delay less is sent anyway: see first what that does
            self._lossy, self._lossy_since = None, math.inf
            return
        experiment = Experiment(
            lossy, foreign_loss=self.foreign_loss, ceiling_bps=self.ceiling_bps,
            round_trip_time=self.round_trip_time, now=now,
        )  # fmt: skip
        if not experiment.can_tell:  # spec: bandwidth/no-look-that-cannot-tell
            return
        self._experiment = experiment
        self.ceiling_bps = LESS * min(self.ceiling_bps, estimate_bps, sent_bps)

    def _go_on(self, experiment: Experiment, window: LossCount, now: float) -> None:
        match experiment.on_window(window, now):
            case "foreign":  # spec: bandwidth/foreign-loss
                self.foreign_loss = min(experiment.loss, MOST_FOREIGN)
                self.loss = max(self.loss, self.foreign_loss)
                self._full_until = -math.inf
                self._end(experiment.ceiling_bps)
            case "ours":
                self._full_bps, self._full_until = experiment.came_through_bps, now + HOLD
                self._end(self.ceiling_bps)
            case "worse":
                self._end(self.ceiling_bps)
            case "nothing":
                self._give_up(experiment)

    def _give_up(self, experiment: Experiment) -> None:
        self._end(experiment.ceiling_bps)
        if not experiment.is_slower:
            self._stuck_bps = experiment.sent_bps
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)

    def _end(self, ceiling_bps: float) -> None:
        self.ceiling_bps = ceiling_bps
        self._experiment = self._lossy = None
        self._lossy_since = math.inf
