"""Replays vectors/feedback. Read next: tests/generate/feedback.py, where the cases come from."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.media.congestionfeedback import StreamDepartureHistory
from meetref.media.feedback import DepartureHistory
from meetref.wire import rtcp
from meetref.wire.congestionfeedback import CongestionFeedback
from meetref.wire.reader import Malformed
from meetref.wire.transportfeedback import TransportFeedback
from tests.generate.feedback import values
from tests.vectors.codeccases import Vector, load, unhex

TOLERANCE = 2  # microseconds: times are rounded to them


@pytest.mark.parametrize("vector", load("feedback/packets"), ids=str)
def test_packets(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            rtcp.parse(data)
        return
    [packet] = rtcp.parse(data)
    assert isinstance(packet, CongestionFeedback)
    assert values(packet) == vector.out
    if "Canonical" in vector.flags:
        assert rtcp.serialize([packet]) == data


@pytest.mark.parametrize("vector", load("feedback/reports"), ids=str)
def test_reports(vector: Vector) -> None:
    packets = [packet for data in vector.given["feedback"] for packet in rtcp.parse(unhex(data))]
    wide, streams = DepartureHistory(), StreamDepartureHistory()
    for run in vector.given["departures"]:
        first, sizes, at = run["first_sequence"], run["sizes"], run["at_us"] / 1e6
        if vector.operation == "transport":
            wide.record_run(first, sizes, at)
        else:
            streams.record_run(run["ssrc"], first, sizes, at)
    told = []
    for packet in packets:
        assert isinstance(packet, TransportFeedback | CongestionFeedback)
        told.append(wide.match(packet) if isinstance(packet, TransportFeedback) else streams.match(packet))
    first_arrival = next(report[3] for reports in told for report in reports if report[3] is not None)
    assert len(told) == len(vector.out)
    for reports, wanted in zip(told, vector.out, strict=True):
        assert [_without_arrival(each) for each in wanted] == [
            {"sequence": number & 0xFFFF, "size": size, "sent_us": round(sent_at * 1e6)}
            for number, size, sent_at, _ in reports
        ]
        for (_, _, _, arrival), each in zip(reports, wanted, strict=True):
            if each["received_us"] is None:
                assert arrival is None
            else:
                assert arrival is not None
                assert (arrival - first_arrival) * 1e6 == pytest.approx(each["received_us"], abs=TOLERANCE)


def _without_arrival(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name != "received_us"}
