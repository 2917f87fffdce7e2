"""What is said about a run: names of figures, which goals there are, and what is held against them."""

from __future__ import annotations

from typing import cast

import pytest

from meetref.lab.child import Child
from meetref.lab.contest import Contestant, Window
from meetref.lab.forwardingresult import HEAD, Result, Results, line_of, verdict
from meetref.lab.load import Load


def contestant(name: str, cost: float, memory: float | None = None) -> Contestant:
    parts = {"packets": cost / 2, "loop": cost / 4} if name == "server" else {}
    windows = [Window(cost, 4800.0, 0.0, [0.0005, 0.0007]) for _ in range(3)]
    return Contestant(
        name=name,
        child=cast(Child, None),
        load=cast(Load, None),
        srtp_profile=8,
        windows=windows,
        segments=8.0,
        memory_kb_per_viewer=memory,
        parts_us=parts,
    )


def result(shape: str, cost: float, rival: str | None = None, viewers: int = 20) -> Result:
    ours, floor = contestant("server", cost, 200.0), contestant("floor", 4.0)
    return Result(
        shape=shape,
        viewers=viewers,
        ours=ours,
        floor=floor,
        rival=None if rival is None else contestant(rival, 16.0),
    )


def test_names_of_figures() -> None:
    results = Results(shapes=[result("typical", 9.0, viewers=8), result("typical", 6.0), result("even", 10.0)])
    figures = results.figures()
    assert figures["times_floor"] == 1.5, "the largest audience of a shape gives its figures"
    assert figures["times_floor_even"] == 2.5
    assert figures["forwarded_packets_per_second_per_core"] == pytest.approx(1e6 / 6.0, rel=1e-6)
    assert "cost_ratio_500_to_10_viewers" not in figures


def test_each_shape_has_its_goals() -> None:
    results = Results(shapes=[result(shape, 6.0, "livekit") for shape in ("typical", "heavy", "heavy_50", "even")])
    goals = results.goals()
    assert {name: most for name, most in goals.items() if "floor" in name} == {
        "times_floor": 1.6,
        "times_floor_heavy": 1.6,
        "times_floor_heavy_50": 1.6,
        "times_floor_even": 1.6,
    }
    assert {name: most for name, most in goals.items() if "livekit" in name} == {
        "ratio_to_livekit": 0.35,
        "ratio_to_livekit_heavy": 0.4,
        "ratio_to_livekit_heavy_50": 0.4,
        "ratio_to_livekit_even": 0.5,
    }
    assert goals.keys() <= results.figures().keys()
    said = verdict(results)
    assert "ratio_to_livekit is 0.38; the goal, at most 0.35, is not reached." in said
    assert "ratio_to_livekit_even is 0.38; the goal, at most 0.5, is reached." in said
    line, where, beside = line_of(results.shapes[1]).splitlines()
    assert where.split(": ")[1] == "packets 3.00, loop 1.50"
    assert results.figures()["cpu_us_of_packets_heavy"] == 3.0
    assert line.split()[:6] == ["heavy", "20", "4800", "6.00", "4.00", "1.50"]
    assert HEAD.split()[:4] == ["load", "viewers", "packets/s", "us/packet"]
    assert "livekit (SRTP_AEAD_AES_256_GCM) takes 16.00 us a packet" in beside


def test_a_peer_without_a_goal_has_a_ratio_all_the_same() -> None:
    results = Results(shapes=[result("typical", 6.0, "pion")])
    assert results.figures()["ratio_to_pion"] == 0.375
    assert not any("pion" in name for name in results.goals())


def test_many_viewers() -> None:
    results = Results(
        shapes=[result("typical", 6.0)], many=(contestant("server", 10.0, 90.0), contestant("server", 12.0, 120.0))
    )
    figures = results.figures()
    assert figures["cost_ratio_500_to_10_viewers"] == 1.2
    assert figures["memory_kb_per_viewer_500_viewers"] == 120.0
    assert "cost_ratio_500_to_10_viewers is 1.20; the goal, at most 1.1, is not reached." in verdict(results)
