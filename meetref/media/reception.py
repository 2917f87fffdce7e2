"""How well one stream arrives: loss, jitter and the report block that tells its sender.

Stands above `media/sequence`; one object a received SSRC, fed with every packet and asked once a second.
Specification: RFC 3550 section 6.4.1 and appendices A.1 (jumps), A.3 (loss), A.8 (jitter).
Leaves out: probation of new sources, since SRTP has authenticated the packet, and duplicates in the count of
received packets: one would hide a loss, and SRTP drops nearly all of them anyway.
Read next: `media/repair.py`, what is done about loss.
"""

from __future__ import annotations

from meetref.media.sequence import difference
from meetref.wire.rtcp import ReportBlock

MAXIMUM_DROPOUT = 3000  # packets that may be missing in a row before a jump is doubted
MAXIMUM_MISORDER = 100  # packets that one may come late
WINDOW = 128  # packets among which a duplicate is recognised


class Reception:
    """Statistics of one stream, `clock_rate` in ticks a second."""

    __slots__ = (
        "_arrival",
        "_bad",
        "_base",
        "_expected_prior",
        "_jitter",
        "_last_report",
        "_last_report_at",
        "_received_prior",
        "_seen",
        "_timestamp",
        "clock_rate",
        "duplicates",
        "highest",
        "jumps",
        "received",
    )

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.highest = -1  # extended sequence number; -1: nothing came
        self.received = 0
        self.duplicates = 0
        self.jumps = 0
        self._jitter = 0.0
        self._last_report = 0
        self._last_report_at = 0.0
        self._start(0)

    def _start(self, sequence: int) -> None:
        self._base = sequence
        self._bad = -1
        self._seen = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._arrival: float | None = None
        self._timestamp = 0
        self.received = 0

    def receive(self, sequence: int, timestamp: int, arrival: float) -> bool:
        """Count a packet; `arrival` is when it came, in seconds. False for a duplicate or a number out of all range."""
        if self.highest < 0:
            self._start(sequence)
            self.highest = sequence
            self._seen = 1
        else:
            step = difference(sequence, self.highest)
            if not (-MAXIMUM_MISORDER <= step < MAXIMUM_DROPOUT) and not self._restarts(sequence):
                return False
            if self.received and not self._mark(step):
                self.duplicates += 1
                return False
        self.received += 1
        if self._arrival is not None:
            # spec: rtcp/jitter
            spacing = (arrival - self._arrival) * self.clock_rate - difference(timestamp, self._timestamp, 32)
            self._jitter += (abs(spacing) - self._jitter) / 16
        self._arrival = arrival
        self._timestamp = timestamp
        return True

    def _restarts(self, sequence: int) -> bool:
        """Whether a number far away is believed: only when its successor comes right after it."""
        if sequence != self._bad:  # spec: rtp/jump-needs-two
            self._bad = sequence + 1 & 0xFFFF
            return False
        self._start(sequence)
        self.highest = sequence
        self._seen = 1
        self.jumps += 1
        return True

    def _mark(self, step: int) -> bool:
        """Note the packet `step` after the highest; False when it was there already."""
        if step > 0:
            self._seen = (self._seen << step | 1) & (1 << WINDOW) - 1 if step < WINDOW else 1
            self.highest += step
            return True
        bit = 1 << -step
        if self._seen & bit:
            return False
        self._seen |= bit
        return True

    @property
    def jitter(self) -> float:
        """Interarrival jitter in seconds."""
        return self._jitter / self.clock_rate

    @property
    def expected(self) -> int:
        """How many packets were sent, as far as their numbers tell."""
        return self.highest - self._base + 1 if self.highest >= 0 else 0

    @property
    def lost(self) -> int:
        """How many of those did not come. Never negative, since duplicates are not counted."""
        return max(self.expected - self.received, 0)

    def on_sender_report(self, ntp_middle: int, now: float) -> None:
        """Remember a sender report by the middle 32 bits of its NTP time, so that the next block can name it."""
        self._last_report = ntp_middle
        self._last_report_at = now

    def report_block(self, ssrc: int, now: float) -> ReportBlock:
        """The block for the next report, under the name `ssrc`; the fraction lost counts from the one before."""
        expected = self.expected
        interval = expected - self._expected_prior
        lost = interval - (self.received - self._received_prior)
        self._expected_prior = expected
        self._received_prior = self.received
        delay = 0
        if self._last_report:
            delay = min(round(max(now - self._last_report_at, 0) * 65536), 0xFFFF_FFFF)
        return ReportBlock(
            ssrc=ssrc,
            # spec: rtcp/fraction-lost
            fraction_lost=min(lost * 256 // interval, 255) if interval > 0 and lost > 0 else 0,
            cumulative_lost=min(self.lost, 0x7FFFFF),  # spec: rtcp/cumulative-lost
            highest_sequence=max(self.highest, 0) & 0xFFFF_FFFF,
            jitter=min(int(self._jitter), 0xFFFF_FFFF),
            last_sender_report=self._last_report,
            delay_since_last_sender_report=delay,
        )
