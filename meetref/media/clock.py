"""Three clocks and the ways between them: wall clock (NTP), RTP time and seconds.

Stands beside `media/sequence`; sender reports tie a stream's RTP time to its sender's wall clock.
Specification: RFC 3550 section 4 (NTP format), 6.4.1 (sender reports, round trip).
Leaves out: drift. The newest report rules, and both of its clocks come from one machine.
Read next: `media/reception.py`.
"""

from __future__ import annotations

from meetref.media.sequence import difference

NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970


def to_ntp(wall: float) -> int:
    """Seconds since 1970 as the 64 bits of NTP, 32 of them the fraction."""
    seconds, fraction = divmod(wall + NTP_EPOCH, 1)
    return (int(seconds) << 32 | int(fraction * 2**32)) & 0xFFFF_FFFF_FFFF_FFFF


def from_ntp(ntp: int) -> float:
    """Seconds since 1970; NTP's first era, until 2036, is meant."""
    return ntp / 2**32 - NTP_EPOCH


def middle(ntp: int) -> int:
    """The 32 bits in the middle of an NTP time, which reports use: 1/65536 s, wrapping after 18 hours."""
    return ntp >> 16 & 0xFFFF_FFFF


def round_trip_time(middle_now: int, last_sender_report: int, delay: int) -> float | None:
    """Seconds for the way there and back, from a report block that came back; None where it says nothing credible.

    All three are in 1/65536 s: our clock now, and the block's `last_sender_report` and its delay since then.
    """
    if last_sender_report == 0:
        return None
    # A peer may write any delay: what comes out negative is no round trip.
    ticks = difference(middle_now - delay, last_sender_report, 32)
    return ticks / 65536 if ticks >= 0 else None  # spec: rtcp/round-trip


class Timeline:
    """Places a stream's RTP timestamps on its sender's wall clock, once a sender report told how.

    Timestamps are good within half of the 32 bits around the newest report: 6.6 hours at 90 kHz.
    """

    __slots__ = ("_rtp_time", "_wall", "clock_rate")

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self._wall: float | None = None
        self._rtp_time = 0

    @property
    def known(self) -> bool:
        """Whether a sender report came."""
        return self._wall is not None

    def on_sender_report(self, ntp_time: int, rtp_time: int) -> None:
        """Take the pair of a sender report: 64 bits of NTP and the RTP timestamp of the same instant."""
        self._wall = from_ntp(ntp_time)
        self._rtp_time = rtp_time

    def wall_of(self, timestamp: int) -> float | None:
        """Sender's wall clock, in seconds since 1970, of an RTP timestamp; None before the first report."""
        if self._wall is None:
            return None
        return self._wall + difference(timestamp, self._rtp_time, 32) / self.clock_rate

    def timestamp_at(self, wall: float) -> int | None:
        """The RTP timestamp of an instant of the sender's wall clock; None before the first report."""
        if self._wall is None:
            return None
        return self._rtp_time + round((wall - self._wall) * self.clock_rate) & 0xFFFF_FFFF
