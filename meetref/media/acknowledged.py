"""How much arrives: the bitrate that feedback acknowledges, smoothed so that a single odd window moves it little.

Stands below `media/bandwidth`, which gives it every packet that arrived. Specification: draft-ietf-rmcat-gcc-02 section
5.5 wants the bitrate of the last half to whole second; the windows (500 ms once, then 150 ms) and the way a sample is
weighed against what was believed before are those of libwebrtc's BitrateEstimator (M138).
Leaves out: holes where a feedback was lost; what arrived meanwhile was not told, and the rate seems lower for a while.
Read next: `media/ratecontrol.py`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

FIRST_WINDOW = 0.5  # seconds
WINDOW = 0.15
LONGEST_WAIT = 10.0  # seconds by which arrivals may lie before the window's end; beyond, the peer's clock was set
# The rate is a Gaussian belief; only the ratios of these three matter.
FIRST_VARIANCE = 50.0
DRIFT = 5.0  # the variance that each window adds
DOUBT = 10.0  # the deviation of a sample that differs from the belief by as much as the belief itself
EXPECTED_CHANGE = 200.0  # the variance that comes when the rate is about to change by our own doing


class AcknowledgedRate:
    """Feed `on_received`; `bitrate_bps` is None until the first window is full."""

    __slots__ = ("_end", "_octets", "_variance", "_window", "bitrate_bps")

    def __init__(self) -> None:
        self.bitrate_bps: float | None = None
        self._variance = FIRST_VARIANCE
        self._window = FIRST_WINDOW
        self._end = math.inf  # of the present window, by the peer's clock; infinite before there is one
        self._octets = 0

    def on_received(self, sizes: Sequence[int], arrivals: Sequence[float]) -> None:
        """Packets that came: sizes in octets, and when, in seconds of the peer's clock, the earliest first."""
        if arrivals[0] < self._end - LONGEST_WAIT:
            self._begin(arrivals[0])
        start = 0
        while (end := bisect_left(arrivals, self._end, start)) < len(arrivals):
            self._octets += sum(sizes[start:end])
            self._close(arrivals[end])
            start = end
        self._octets += sum(sizes[start:])

    def _begin(self, at: float) -> None:
        self._octets = 0
        self._end = at + self._window

    def _close(self, next_arrival: float) -> None:
        """The window is over, since a packet came after it; the next one begins where it ended."""
        if next_arrival >= self._end + self._window:
            # Nothing came for a whole window: that was a silence of the sender's, and says nothing about the link.
            self._begin(next_arrival)
            return
        self._believe(8 * self._octets / self._window)
        self._window = WINDOW
        self._octets = 0
        self._end += WINDOW

    def _believe(self, sample: float) -> None:
        # spec: bandwidth/arriving-rate
        if self.bitrate_bps is None:
            self.bitrate_bps = sample
            return
        believed = max(self.bitrate_bps, 1.0)
        doubt = (DOUBT * (sample - believed) / believed) ** 2
        predicted = self._variance + DRIFT
        self.bitrate_bps = believed + (sample - believed) * predicted / (doubt + predicted)
        self._variance = doubt * predicted / (doubt + predicted)

    def expect_change(self) -> None:
        """The sender is about to send much more or much less: believe the next samples quickly."""
        self._variance += EXPECTED_CHANGE
