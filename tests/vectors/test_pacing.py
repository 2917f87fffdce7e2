"""Plays vectors/pacing. Read next: tests/generate/pacing.py, where the cases come from."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meetref.media.pacing import Pacer, Urgency
from tests.vectors.machinesteps import Case, parameters


def play(init: Case, steps: list[Case]) -> None:
    pacer: Pacer[str] = Pacer(_rate(init["rate_bps"]), window=init["window_ms"] / 1000)
    before = 0.0
    for step in steps:
        now, wanted = step["at_ms"] / 1000, step.get("expect", {})
        ((verb, what),) = step.get("do", {"nothing": None}).items()
        if verb == "batch":
            assert pacer.passes(what["octets"], now, Urgency[what["kind"].upper()]) == wanted["passes"], step
        elif verb == "wait":
            pacer.wait(Urgency[what["kind"].upper()], what["item"], what["size"])
        elif verb == "rate_bps":
            pacer.set_rate(_rate(what))
        elif "due" in wanted:
            assert _due(pacer, before, now) == wanted["due"], step
        else:
            assert pacer.dropped == wanted["dropped"], step
        before = now


def _due(pacer: Pacer[str], since: float, until: float) -> list[str]:
    """What leaves until then, each at its time."""
    out = []
    while (now := max(pacer.next_timeout(), since)) <= until:
        out += [item for _, item in pacer.due(now)]
        assert pacer.next_timeout() > now
    return out


def _rate(written: Any) -> float:
    return math.inf if written is None else float(written)


@pytest.mark.parametrize("case", parameters("pacing/batches"))
def test_batches(case: Case) -> None:
    play(case["init"], case["steps"])
