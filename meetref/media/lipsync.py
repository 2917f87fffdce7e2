"""When was this packet captured, on this server's clock? The answer keeps lips together, whoever sits in a seat.

A publisher's sender reports tie its RTP timestamps to its own wall clock, the same for its audio and its video.
We add one offset for each publisher, so that both tracks land on our clock by the same amount: what was
captured together leaves together. A seat's timestamps and sender reports are made from that clock alone, so a browser's line
through a seat's reports stays straight when the person changes.
Stands beside `media/rewriting` (which starts a source where this clock says) and below `meeting/up` and `meeting/down`.
Specification: RFC 3550 section 6.4.1 (sender reports); the rule of one offset a publisher is ours.
Leaves out: clock drift within one call beyond following the reports; a browser's playout absorbs the rest.
"""

from __future__ import annotations

DRIFT_PER_SECOND = 100e-6
"""How fast the smallest delay seen may be forgotten: two quartz clocks differ by less than this."""


class PublisherClock:
    """The publisher's wall clock against ours (monotonic seconds): the smallest difference seen is the least delayed."""

    __slots__ = ("_at", "offset")

    def __init__(self) -> None:
        self.offset: float | None = None
        self._at = 0.0

    def observe(self, theirs: float, now: float) -> None:
        """Something that left at `theirs` (seconds on the publisher's clock) arrived `now` (seconds on ours)."""
        sample = now - theirs
        if self.offset is None or abs(sample - self.offset) > 10:  # a first look, or the publisher's clock was set
            self.offset = sample
        else:
            self.offset = min(sample, self.offset + (now - self._at) * DRIFT_PER_SECOND)
        self._at = now


class TrackClock:
    """One track's RTP timestamps on our clock; by arrival until the first sender report, by the reports from then on."""

    __slots__ = ("_base", "_base_timestamp", "_report", "clock_rate", "publisher")

    def __init__(self, publisher: PublisherClock, clock_rate: int) -> None:
        self.publisher = publisher
        self.clock_rate = clock_rate
        self._report: tuple[float, int] | None = None
        self._base: float | None = None
        self._base_timestamp = 0

    def on_sender_report(self, wall: float, timestamp: int, now: float) -> None:
        """`timestamp` is the RTP time of the moment `wall` (seconds on the publisher's clock)."""
        self.publisher.observe(wall, now)
        self._report = (wall, timestamp)

    def on_packet(self, timestamp: int, now: float) -> None:
        """Follow the arrivals: the earliest one, relative to its timestamp, is the anchor."""
        if self._base is None or now < self._base + self._elapsed(timestamp, self._base_timestamp):
            self._base, self._base_timestamp = now, timestamp

    def captured_at(self, timestamp: int, now: float) -> float:
        """When, on our clock, the moment with this RTP timestamp was; never later than `now`."""
        if self._report is not None and self.publisher.offset is not None:
            wall, at = self._report
            return min(now, wall + self._elapsed(timestamp, at) + self.publisher.offset)
        if self._base is None:
            return now
        return min(now, self._base + self._elapsed(timestamp, self._base_timestamp))

    def timestamp_at(self, moment: float) -> int | None:
        """The source's RTP timestamp of a moment on our clock; None before anything is known."""
        if self._report is not None and self.publisher.offset is not None:
            wall, at = self._report
            return (at + round((moment - self.publisher.offset - wall) * self.clock_rate)) & 0xFFFFFFFF
        if self._base is None:
            return None
        return (self._base_timestamp + round((moment - self._base) * self.clock_rate)) & 0xFFFFFFFF

    def _elapsed(self, timestamp: int, since: int) -> float:
        """Seconds from one timestamp to the other; either may be the later one (half of the circle each way)."""
        ahead = (timestamp - since) & 0xFFFFFFFF
        return (ahead - (1 << 32) if ahead >= 1 << 31 else ahead) / self.clock_rate
