"""What tutorial 7 asks for, made of the real thing: without `--module`, test_rtp.py looks at this."""

from __future__ import annotations

from meetref.media.clock import Timeline, middle, round_trip_time, to_ntp
from meetref.media.reception import Reception
from meetref.media.sequence import Unwrapper, difference
from meetref.wire import rtcp
from meetref.wire.reader import Malformed
from meetref.wire.rtcp import Nack, PictureLoss, ReceiverReport, ReportBlock, SenderReport
from meetref.wire.rtp import parse

__all__ = [
    "Malformed",
    "Nack",
    "PictureLoss",
    "ReceiverReport",
    "Reception",
    "ReportBlock",
    "SenderReport",
    "Unwrapper",
    "difference",
    "middle",
    "parse",
    "parse_control",
    "round_trip_time",
    "serialize_control",
    "to_ntp",
    "wall_of",
]

Known = SenderReport | ReceiverReport | Nack | PictureLoss


def parse_control(data: bytes) -> list[Known]:
    return [packet for packet in rtcp.parse(data) if isinstance(packet, Known)]


def serialize_control(packet: Known) -> bytes:
    return rtcp.serialize([packet])


def wall_of(report: SenderReport, timestamp: int, clock_rate: int) -> float:
    timeline = Timeline(clock_rate)
    timeline.on_sender_report(report.ntp, report.rtp_timestamp)
    wall = timeline.wall_of(timestamp)
    assert wall is not None
    return wall
