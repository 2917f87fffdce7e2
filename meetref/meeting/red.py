"""Is it worth it to say sound twice to this viewer? By what they lose, how far they are, and how much they carry.

Stands above `media/protection` (which knows when asking again is enough) and below `meeting/down`, which tells it what
the viewer reports and lets it look a few times a second; what follows is carried out by `meeting/forwarder`.
Specification: RFC 2198 section 6 (redundancy must not add to the congestion). That it begins at once and ends when the
worst of ten seconds is over is `media/protection`'s.
Leaves out: repeating more than the sound before. Read next: `media/redundancy.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from meetref.media.protection import Chooser
from meetref.media.sequence import difference

TOLERATED = 0.01
"""Of the sounds that may stay lost: a decoder of Opus conceals one in a hundred so that hardly anybody notices."""
SMOOTHING = 0.5
"""Of a report: one lost sound of fifty is no trend."""
COUNTED_FOR = 1.0  # seconds for which requests are counted
DOUBLED_BPS = 90_000
"""A browser's voice, said twice, with its headers."""


class Worth:
    """`asks_again` once the viewer has asked for sound that was lost: browsers never do."""

    def __init__(self) -> None:
        self.asks_again = False
        self.is_ours = False
        """What is lost now may be lost because too much was sent: then saying more makes it worse."""
        self._chooser = Chooser(tolerated=TOLERATED, retransmits=False)
        self._lost = 0.0  # smoothed
        self._unasked = 0.0  # the largest share that was reported while requests were counted
        self._newest: dict[int, int] = {}  # that was asked for, of each of our streams
        self._asked = self._sent = 0
        self._counted_at = -math.inf

    def on_report(self, loss: float, now: float) -> None:
        """A receiver report on a voice: the share that was lost since the one before.

        Of who asks again it says only what was not asked for: as long as sound is said twice, next to everything.
        """
        if self.asks_again:
            self._unasked = max(self._unasked, loss)
        else:
            self._smooth(loss, now)

    def on_asked(self, ssrc: int, lost: Iterable[int]) -> None:
        """The viewer asks for packets of a voice; what it asks for once more is not lost twice."""
        self.asks_again = True
        for number in lost:
            if ssrc not in self._newest or difference(number, self._newest[ssrc], 16) > 0:
                self._newest[ssrc] = number
                self._asked += 1

    def _smooth(self, loss: float, now: float) -> None:
        if self.is_ours:  # spec: bandwidth/steady-loss
            return
        self._lost += SMOOTHING * (loss - self._lost)
        self.on_loss(self._lost, now)

    def on_loss(self, loss: float, now: float) -> None:
        """A smoothed share of packets that were lost."""
        self._chooser.on_loss(loss, now)

    def look(self, voices: int, sent: int, budget_bps: float, round_trip: float | None, now: float) -> bool:
        """Whether so many voices are to be said twice, where `budget_bps` may be spent; `sent` counts their packets."""
        if self.asks_again and now - self._counted_at >= COUNTED_FOR:
            if sent > self._sent:
                self._smooth(min(max(self._asked / (sent - self._sent), self._unasked), 1.0), now)
            self._asked, self._unasked, self._sent, self._counted_at = 0, 0.0, sent, now
        if budget_bps < voices * DOUBLED_BPS:  # spec: red/within-the-bandwidth
            return False
        self._chooser.retransmits = self.asks_again
        if round_trip is not None:
            self._chooser.on_round_trip(round_trip)
        return self._chooser.choose(now).row > 0  # spec: red/worth-it
