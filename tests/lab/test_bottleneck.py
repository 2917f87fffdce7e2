"""The model itself: time goes on in order, a flow fills its link, and nothing depends on anything but the seed."""

from __future__ import annotations

from random import Random

from meetref.lab.bottleneck import Flow, StreamEnds, World, change, ladder
from meetref.net.virtuallink import Impairments, Link


def test_things_happen_in_the_order_of_their_times() -> None:
    world = World()
    seen: list[tuple[float, str]] = []
    world.at(2.0, lambda: seen.append((world.now, "b")))
    world.at(1.0, lambda: world.at(0.5, lambda: seen.append((world.now, "a"))))  # what lies behind is at once
    world.every(0.75, lambda: seen.append((world.now, "again")), 1.5)
    world.run(3.5)
    assert seen == [(1.0, "a"), (1.5, "again"), (2.0, "b"), (2.25, "again"), (3.0, "again")]
    assert world.now == 3.5


def test_a_ladder_has_steps() -> None:
    source = ladder(100, 300, 200)
    assert [source(target, 0.0) for target in (50, 100, 250, 300, 900)] == [100, 100, 200, 300, 300]


def test_both_formats_of_feedback_tell_of_the_same_packets() -> None:
    told = []
    for ends in (None, StreamEnds(0.1)):
        world = World()
        link = Link(Random(1), Impairments(delay=0.03, bandwidth_bps=2e6, loss=0.05))
        flow = Flow(world=world, link=link, ends=ends, source=lambda target, now: 500_000, probes=False)
        world.run(10)
        packets = [report for _, reports in flow.told for report in reports]
        told.append({(round(at, 6), size, came is None) for _, size, at, came in packets})
    assert len(told[0]) > 500
    assert told[0] == told[1]


def test_a_link_may_change_under_way() -> None:
    link = Link(Random(1), Impairments(delay=0.03, bandwidth_bps=2e6))
    change(link, bandwidth_bps=1e6, loss=0.5)
    assert (link.impairments.bandwidth_bps, link.impairments.loss, link.impairments.delay) == (1e6, 0.5, 0.03)
