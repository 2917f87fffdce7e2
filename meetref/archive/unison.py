"""When, in a show that runs now, is something seen or heard? One answer for all of a person keeps lips together.

Sender reports tie the timestamps of each stream to the person's wall clock, and one offset ties that to ours: so it is
known when each thing was sent, on one clock. Everything of a person is then shown equally long after that, as late as
the slowest of their streams needs.
Stands on `media/clock`, `media/lipsync` and `media/jitter`; `archive/lane` asks. `archive/timing` does it for films,
where also what comes later is known.
Specification: RFC 3550 section 6.4.1; docs/webinar.md. Leaves out: what a network does to everything of a person alike.
Read next: `archive/lane.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from meetref.media.clock import Timeline, from_ntp
from meetref.media.jitter import LONGEST, JitterBuffer
from meetref.media.lipsync import PublisherClock
from meetref.media.mixing import STEP
from meetref.wire import rtcp

AHEAD: Final = 0.06  # seconds between a packet's turn and when it is seen or heard: a picture's time, and some more
BELIEVED: Final = 1.0  # seconds by which reports and arrivals may differ; more, and one of the clocks was set
FALLS_AT_ONCE: Final = 0.3  # seconds by which the delay is too long; less than that goes unheard, bit by bit
FORGOTTEN_AFTER: Final = 5.0  # seconds without anything of a stream, after which nobody waits for it
MOST_SOURCES: Final = 32  # of one person


@dataclass(slots=True)
class _Source:
    """One SSRC: what its sender reports say, and how long after it was sent its things can be shown."""

    clock: Timeline
    needs: float = 0.0
    seen_at: float = -FORGOTTEN_AFTER


class Unison:
    """The streams of one person. `delay` is how long after it was sent everything is seen and heard."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._publisher = PublisherClock()
        self._sources: dict[int, _Source] = {}
        self._at = 0.0

    def report(self, report: rtcp.SenderReport, clock_rate: int, now: float) -> None:
        """A sender report has come."""
        if not report.ntp:
            return
        source = self._source(report.ssrc, clock_rate)
        source.clock.on_sender_report(report.ntp, report.rtp_timestamp)
        self._publisher.observe(from_ntp(report.ntp), now)

    def shown_at(self, ssrc: int, timestamp: int, buffer: JitterBuffer[Any], now: float) -> float:
        """When that which `buffer` gives now, of this timestamp, is to be seen or heard."""
        came_at = min(now, max(now - LONGEST, buffer.came_at(timestamp)))
        sent_at = came_at
        source = self._source(ssrc, buffer.clock_rate)
        wall = source.clock.wall_of(timestamp)
        if wall is not None and self._publisher.offset is not None:
            told = wall + self._publisher.offset
            if abs(told - came_at) < BELIEVED:
                sent_at = told
        source.needs, source.seen_at = came_at + buffer.delay + AHEAD - sent_at, now
        self._follow(now)
        return sent_at + self.delay

    def _follow(self, now: float) -> None:
        """Longer at once, shorter so slowly that sound need not be cut for it."""
        needed = max(each.needs for each in self._sources.values() if now - each.seen_at < FORGOTTEN_AFTER)
        slowly = self.delay - STEP * max(0.0, now - self._at)
        self.delay = needed if self.delay - needed > FALLS_AT_ONCE else max(needed, slowly)
        self._at = now

    def _source(self, ssrc: int, clock_rate: int) -> _Source:
        """The one that was used longest ago makes room."""
        source = self._sources.pop(ssrc, None) or _Source(Timeline(clock_rate))
        self._sources[ssrc] = source
        while len(self._sources) > MOST_SOURCES:
            del self._sources[next(iter(self._sources))]
        return source
