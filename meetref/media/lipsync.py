"""When was this packet captured, on this server's clock? The answer keeps lips together, whoever sits in a seat.

A publisher's sender reports tie its RTP timestamps to its own wall clock, the same for its audio and its video.
We add one offset for each publisher, so that both tracks land on our clock by the same amount: what was captured
together leaves together. A seat's timestamps and sender reports are made from that clock alone, so a browser's line
through a seat's reports stays straight when the person changes.
Stands on `media/clock`; `meeting/up` feeds it, `meeting/forwarder` asks it where a source begins.
Specification: RFC 3550 section 6.4.1 (sender reports); the rule of one offset a publisher is ours.
Leaves out: clock drift within one call beyond following the reports; a browser's playout absorbs the rest.
Read next: `meeting/forwarder.py` (`Slot.timestamp_at`).
"""

from __future__ import annotations

from meetref.media.clock import Timeline, from_ntp
from meetref.media.sequence import difference

DRIFT_PER_SECOND = 100e-6
"""How fast the smallest delay seen may be forgotten: two quartz clocks differ by less than this."""


LONGEST_AGO = 10.0
"""Seconds by which something may have been captured before it came; a publisher who says more has no clock."""


class PublisherClock:
    """The publisher's wall clock against ours (monotonic seconds): the smallest difference seen has waited least."""

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
    """One track's RTP timestamps on our clock: by arrival until the first sender report, then by the reports."""

    __slots__ = ("_base", "_base_timestamp", "_reports", "clock_rate", "publisher")

    def __init__(self, publisher: PublisherClock, clock_rate: int) -> None:
        self.publisher = publisher
        self.clock_rate = clock_rate
        self._reports = Timeline(clock_rate)
        self._base: float | None = None
        self._base_timestamp = 0

    def on_sender_report(self, ntp: int, timestamp: int, now: float) -> None:
        """`timestamp` is the RTP time of the moment `ntp` (64 bits, the publisher's clock)."""
        self.publisher.observe(from_ntp(ntp), now)
        self._reports.on_sender_report(ntp, timestamp)

    def on_packet(self, timestamp: int, now: float) -> None:
        """Follow the arrivals: the earliest one, relative to its timestamp, is the anchor."""
        if self._base is None or now < self._base + self._elapsed(timestamp):
            self._base, self._base_timestamp = now, timestamp

    def captured_at(self, timestamp: int, now: float) -> float:
        """When, on our clock, the moment with this RTP timestamp was; never later than `now`, and not long ago."""
        wall = self._reports.wall_of(timestamp)
        if wall is not None and self.publisher.offset is not None:
            captured = wall + self.publisher.offset
        else:
            captured = now if self._base is None else self._base + self._elapsed(timestamp)
        return max(now - LONGEST_AGO, min(now, captured))

    def timestamp_at(self, moment: float) -> int | None:
        """The source's RTP timestamp of a moment on our clock; None before anything is known."""
        if self._reports.known and self.publisher.offset is not None:
            return self._reports.timestamp_at(moment - self.publisher.offset)
        if self._base is None:
            return None
        return (self._base_timestamp + round((moment - self._base) * self.clock_rate)) & 0xFFFFFFFF

    def _elapsed(self, timestamp: int) -> float:
        return difference(timestamp, self._base_timestamp, 32) / self.clock_rate
