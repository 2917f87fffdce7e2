"""Replays vectors/bandwidth. Read next: tests/generate/bandwidth.py, where the cases come from."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.media.bandwidth import Estimator
from meetref.media.departures import PacketReport
from tests.generate.bandwidth import judged
from tests.vectors.codeccases import Vector, load
from tests.vectors.machinesteps import Case, parameters


def report(text: str) -> PacketReport:
    """A packet as the vectors write it: number, size, when it left and when it came in microseconds, or - for not."""
    number, size, sent_at, came = text.split()
    return int(number), int(size), int(sent_at) / 1e6, None if came == "-" else int(came) / 1e6


def play(init: Case, steps: list[Case]) -> None:
    estimator = Estimator(init["start_bps"], minimum_bps=init["minimum_bps"], maximum_bps=init["maximum_bps"])
    estimator.on_round_trip(init["round_trip_ms"] / 1000)
    seen: list[tuple[float, str]] = []
    for step in steps:
        at = step["at_ms"]
        if "receive" in step:
            estimator.on_reports([report(text) for text in step["receive"]["reports"]], at / 1000)
            seen.append((at, estimator.state))
        else:
            expect(estimator, step["expect"], at, seen)


def expect(estimator: Estimator, wanted: dict[str, Any], at: Any, seen: list[tuple[float, str]]) -> None:
    if "target_bps" in wanted:
        least, most = wanted["target_bps"]
        assert least <= estimator.target_bps <= most, f"at {at} ms"
        return
    first, last = at
    states = {state for when, state in seen if first <= when <= last}
    assert states
    if "sees" in wanted:
        assert wanted["sees"] in states, f"from {first} to {last} ms"
    else:
        assert states <= set(wanted["only"]), f"from {first} to {last} ms"


@pytest.mark.parametrize("case", parameters("bandwidth/traces"))
def test_traces(case: Case) -> None:
    play(case["init"], case["steps"])


@pytest.mark.parametrize("vector", load("bandwidth/probes"), ids=str)
def test_probes(vector: Vector) -> None:
    packets = [report(text)[1:] for text in vector.given["reports"]]
    found = judged(vector.given["bitrate_bps"], packets)
    if vector.out["found"] is None:
        assert found is None
    else:
        least, most = vector.out["found"]["bitrate_bps"]
        assert found is not None
        assert least <= found <= most
