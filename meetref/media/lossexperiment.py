"""An experiment that tells whose the loss is: less is sent for a moment, and it is seen whether less is lost.

Stands below `media/lossrate`, which begins it. Of a full link as much comes through when less is sent, so less is lost;
a radio link goes on losing the same share. Each packet that comes, or does not, makes one of the two likelier; the
experiment is over when one is a hundred times as likely as the other, as many packets as that takes.
Specification: none; the way to decide is Wald's (Sequential Tests of Statistical Hypotheses, 1945).
Read next: `media/lossrate.py`.
"""

from __future__ import annotations

import math
from typing import Literal

from meetref.media.losscount import LossCount

Verdict = Literal["ours", "foreign", "nothing", "worse"]

LESS = 0.75  # of what was sent, to see whether less is lost
ENOUGH_LESS = 0.9  # of what was sent: while an application has not slowed down nothing is tried
SLOWER_WITHIN = 2.5  # seconds, beyond a round trip, by which less must be sent,
LONGEST = 6.0  # and by which something must have been learned
SURE = math.log(100)
WORSE = 2.0  # times what was lost before, at most, is more than chance can make of less
LEAST_LOSS = 0.005  # nothing is so good that it never loses anything, nor so bad that nothing comes


class Experiment:
    """It begins at `now` with less than what was sent `before`; of what was lost then, `foreign_loss` is known.

    Feed `on_window`. Its owner keeps `ceiling_bps` there, to go back to.
    """

    def __init__(
        self, before: LossCount, *, foreign_loss: float, ceiling_bps: float, round_trip_time: float, now: float
    ) -> None:
        self.sent_bps = before.sent_bps(now)
        self.ceiling_bps = ceiling_bps
        self.is_slower = False
        """Whether less was really sent."""
        self._before = before
        self._foreign_loss = foreign_loss
        self._counted = LossCount(now)
        self._told_from = now + round_trip_time
        self._packet_rate = before.packets / max(now - before.began_at, 1e-3)
        self._odds = 0.0  # logarithm of how many times likelier it is that the loss is not ours

    @property
    def ends_at(self) -> float:
        """When it is over, though nothing may be sent that could tell."""
        return self._told_from + (LONGEST if self.is_slower else SLOWER_WITHIN)

    @property
    def loss(self) -> float:
        """What is lost of less; with what was lost of more, where that may well have been the same."""
        counted, before = self._counted, self._before
        if counted.most_loss < before.loss:
            return counted.loss
        return (counted.lost + before.lost) / (counted.packets + before.packets)

    @property
    def can_tell(self) -> bool:
        """Whether as many packets as come in time are enough, on average, to tell whose such a loss is."""
        if_ours, if_foreign = self._loss_if(LESS * self.sent_bps)
        each = if_foreign * math.log(if_foreign / if_ours) + (1 - if_foreign) * math.log(
            (1 - if_foreign) / (1 - if_ours)
        )
        return each * LESS * self._packet_rate * LONGEST >= SURE

    @property
    def came_through_bps(self) -> float:
        """What came of more."""
        return self.sent_bps * (1 - self._before.loss)

    def on_window(self, window: LossCount, now: float) -> Verdict | None:
        """What the packets of a while say; None while there is more to be seen.

        Where more is lost of less, the way has become another one.
        """
        if window.least_loss > WORSE * self._before.most_loss:
            return "worse"
        sent_bps = window.sent_bps(now)
        if sent_bps <= ENOUGH_LESS * self.sent_bps:
            if self.is_slower:
                self._weigh(window, sent_bps)
            self.is_slower = True  # the first such window may tell of the time before
        if abs(self._odds) >= SURE:
            return "foreign" if self._odds > 0 else "ours"
        return "nothing" if now >= self.ends_at else None

    def _weigh(self, window: LossCount, sent_bps: float) -> None:
        self._counted.add(window.received, window.lost, window.octets)
        if_ours, if_foreign = self._loss_if(sent_bps)
        self._odds += window.lost * math.log(if_foreign / if_ours)
        self._odds += window.received * math.log((1 - if_foreign) / (1 - if_ours))

    def _loss_if(self, sent_bps: float) -> tuple[float, float]:
        """What is lost when so much is sent, if the loss is of our making, and if it is not."""
        of_less = 1 - self.came_through_bps / max(sent_bps, 1.0)
        if_ours = min(max(of_less, self._foreign_loss, LEAST_LOSS), 1 - LEAST_LOSS)
        return if_ours, max(self._before.least_loss, if_ours)  # it seemed much, or else nobody would have looked
