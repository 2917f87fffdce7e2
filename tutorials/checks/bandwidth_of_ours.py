"""What tutorial 9 asks for, made of the real thing: without `--module`, test_bandwidth.py looks at this."""

from __future__ import annotations

from meetref.media.bandwidth import MAXIMUM_BPS, MINIMUM_BPS, Estimator
from meetref.media.delaytrend import DelayTrend
from meetref.media.feedback import DepartureHistory
from meetref.media.ratecontrol import RateControl as BoundedRateControl
from meetref.wire import rtcp
from meetref.wire.reader import Malformed
from meetref.wire.transportfeedback import TransportFeedback

__all__ = ["Departures", "Estimator", "Feedback", "RateControl", "Trend", "read_feedback"]


class Feedback(TransportFeedback):
    @property
    def base(self) -> int:
        return self.base_sequence

    @property
    def reference(self) -> int:
        return self.reference_time


def read_feedback(data: bytes) -> Feedback | None:
    try:
        [packet] = rtcp.parse(data)
    except (Malformed, ValueError):
        return None
    if not isinstance(packet, TransportFeedback):
        return None
    return Feedback(
        packet.sender_ssrc,
        packet.media_ssrc,
        packet.base_sequence,
        packet.reference_time,
        packet.count,
        packet.arrivals,
    )


Departures = DepartureHistory


class Trend(DelayTrend):
    def add(self, left_at: float, came_at: float) -> None:
        self.on_received([left_at], [came_at], left_at)


class RateControl(BoundedRateControl):
    def __init__(self, bitrate_bps: float) -> None:
        super().__init__(bitrate_bps, MINIMUM_BPS, MAXIMUM_BPS)
