"""The round trip as RTCP measures it without any media of one's own: ask with a clock, take the answer, give answers.

Stands above `wire/extendedreport` and beside `media/reception`, which does the same for sender reports. One object a
connection: what a connection brings takes one way, whichever stream it belongs to.
Specification: RFC 3611 sections 4.4 (the asking end), 4.5 (the answering one) and 5.1 (who asks).
Leaves out: the largest size of an answer that a description may name, since no browser names one.
Read next: `meeting/up.py`, which asks the publishers; `meeting/down.py`, which answers the viewers.
"""

from __future__ import annotations

import math

from meetref.media.clock import middle, round_trip_time
from meetref.wire.rtcp import ExtendedReport, ReferenceDelay, ReferenceDelays, ReferenceTime

MAXIMUM_ASKING = 16
"""SSRCs that wait for an answer at a time; the one that waits longest gives way."""

FRESH_FOR = 5.0
"""Seconds that a measurement counts: five reports."""


class RoundTrip:
    """Both ends of it: `ssrc` is our own, under which we ask and answer.

    Give it every extended report that comes, and send what `ask` and `answer` make with the reports that are due.
    """

    __slots__ = ("_asking", "_began_at", "_measured_at", "_seconds", "ssrc")

    def __init__(self, ssrc: int = 0) -> None:
        self.ssrc = ssrc
        self._asking: dict[int, tuple[int, float]] = {}  # SSRC -> its clock, and when we heard it
        self._began_at: float | None = None
        self._seconds = 0.0
        self._measured_at = -math.inf

    def ask(self, now: float) -> ExtendedReport:
        """What an end sends that has no sender reports to say the time in."""
        # spec: rtcp/elapsed-time
        if self._began_at is None:
            self._began_at = now - 1.0  # so that no clock says 0, which stands for none
        return ExtendedReport(self.ssrc, [ReferenceTime(self._clock(now))])

    def _clock(self, now: float) -> int:
        """Seconds since we began, as 64 bits of NTP: our wall clock is nobody's business."""
        return int((now - (self._began_at or 0.0)) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF

    def answer(self, now: float) -> list[ExtendedReport]:
        """One report to all who asked since the last one; none where nobody did."""
        if not self._asking:
            return []
        delays = [
            ReferenceDelay(ssrc, reference, min(round(max(now - heard_at, 0) * 65536), 0xFFFF_FFFF))
            for ssrc, (reference, heard_at) in self._asking.items()
        ]
        self._asking.clear()
        return [ExtendedReport(self.ssrc, [ReferenceDelays(delays)])]  # spec: rtcp/reference-answered

    def on_report(self, report: ExtendedReport, now: float) -> None:
        """Take what the other end asks, and what it answers. Whatever it says, nothing is raised."""
        for block in report.blocks:
            if isinstance(block, ReferenceTime):
                self._on_reference(report.ssrc, middle(block.ntp), now)
            else:
                for delay in block.delays:
                    if delay.ssrc == self.ssrc:
                        self._on_delay(delay, now)

    def _on_reference(self, ssrc: int, reference: int, now: float) -> None:
        if reference == 0:  # it has no clock, and an answer that names none would say that we heard nothing
            return
        self._asking.pop(ssrc, None)
        if len(self._asking) >= MAXIMUM_ASKING:
            del self._asking[next(iter(self._asking))]
        self._asking[ssrc] = reference, now

    def _on_delay(self, delay: ReferenceDelay, now: float) -> None:
        if self._began_at is None:
            return
        # spec: rtcp/round-trip-without-media
        seconds = round_trip_time(middle(self._clock(now)), delay.last_reference, delay.delay_since)
        if seconds is not None and seconds <= now - self._began_at:
            self._seconds, self._measured_at = seconds, now

    def seconds(self, now: float) -> float | None:
        """The last measurement; None where there is none, or it is old."""
        return self._seconds if now - self._measured_at <= FRESH_FOR else None
