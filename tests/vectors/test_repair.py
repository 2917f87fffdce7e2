"""Plays vectors/repair. Read next: tests/generate/repair.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.media.repair import LossDetector, PacketCache
from meetref.media.sequence import Unwrapper
from tests.vectors.machinesteps import Case, parameters


@pytest.mark.parametrize("case", parameters("repair/requests"))
def test_requests(case: Case) -> None:
    detector, numbers = LossDetector(round_trip_time=case["init"]["round_trip_ms"] / 1000), Unwrapper(16)
    asked: list[Case] = []
    for step in case["steps"]:
        asked += _until(detector, step["at_ms"])
        for number in step.get("do", {}).get("packets", []):
            detector.receive(numbers.unwrap(number), step["at_ms"] / 1000)
        if "keyframe_begins_at" in step.get("do", {}):
            detector.forgive(step["do"]["keyframe_begins_at"])
        if "expect" in step:
            assert {"asked": asked, "gave_up": detector.gave_up()} == step["expect"], step
            asked.clear()


def _until(detector: LossDetector, now_ms: int) -> list[Case]:
    """What is asked for until then, each at its time, in whole milliseconds."""
    asked = []
    while detector.next_timeout() <= now_ms / 1000 + 0.0001:
        now = detector.next_timeout()
        lost = detector.due(now)
        assert detector.next_timeout() > now
        if lost:
            asked.append({"at_ms": round(now * 1000), "lost": lost})
    return asked


@pytest.mark.parametrize("case", parameters("repair/answers"))
def test_answers(case: Case) -> None:
    cache: PacketCache[int] = PacketCache(round_trip_time=case["init"]["round_trip_ms"] / 1000)
    for step in case["steps"]:
        ((verb, what),) = step["do"].items()
        now = step["at_ms"] / 1000
        if verb == "sent":
            cache.store(what["first"], [(what["first"] + each) & 0xFFFF for each in range(what["count"])], now)
        elif verb == "keyframe_of_another":
            cache.forget()
        else:
            found = cache.fetch(what, now)
            assert found in (None, what)
            assert (found is not None) == step["expect"]["sent_again"], step
