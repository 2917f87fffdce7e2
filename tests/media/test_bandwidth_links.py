"""The estimator meets links: steps of capacity, loss, jitter, reordering, a second flow; in virtual time, from seeds.

Read next: meetref/lab/bottleneck.py, the model.
"""

from __future__ import annotations

import math
from functools import cache
from random import Random
from statistics import mean

import pytest

from meetref.lab.bandwidth import between, fairness_of, percentile, swing_of, use_of
from meetref.lab.bottleneck import Flow, Sample, StreamEnds, World, change
from meetref.media.bandwidth import Estimator
from meetref.net.virtuallink import Impairments, Link

CAPACITY, NARROW = 2_500_000.0, 500_000.0
LINK = Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024)
SEEDS = (1, 2, 3)


def alone(impairments: Impairments, seconds: float, seed: int = 1, **more: object) -> Flow:
    world = World()
    flow = Flow(world=world, link=Link(Random(seed), impairments), seed=seed, **more)
    world.run(seconds)
    return flow


# --- steps -----------------------------------------------------------------------------------------


@cache
def steps(seed: int, by_stream: bool = False) -> list[Sample]:
    """2.5 Mbit/s, after 40 s 0.5, after 80 s 2.5 again, until 120 s."""
    world = World()
    link = Link(Random(seed), LINK)
    flow = Flow(world=world, link=link, seed=seed, ends=StreamEnds(0.1) if by_stream else None)
    world.at(40, lambda: change(link, bandwidth_bps=NARROW))
    world.at(80, lambda: change(link, bandwidth_bps=CAPACITY))
    world.run(120)
    return flow.samples


@pytest.mark.parametrize("by_stream", [False, True], ids=["transport", "stream"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_start_is_found_in_a_second(seed: int, by_stream: bool) -> None:
    """From 1 Mbit/s, by probes."""
    assert mean(sample.target_bps for sample in between(steps(seed, by_stream), 1, 3)) > 0.8 * CAPACITY
    assert use_of(between(steps(seed, by_stream), 5, 40), CAPACITY) > 0.8


@pytest.mark.parametrize("by_stream", [False, True], ids=["transport", "stream"])
@pytest.mark.parametrize("seed", SEEDS)
def test_five_seconds_after_a_fall_the_queue_is_short(seed: int, by_stream: bool) -> None:
    after = between(steps(seed, by_stream), 45, 80)
    assert percentile([sample.queue for sample in after], 0.95) < 0.1
    assert use_of(after, NARROW) > 0.8


@pytest.mark.parametrize("by_stream", [False, True], ids=["transport", "stream"])
@pytest.mark.parametrize("seed", SEEDS)
def test_thirty_seconds_after_a_rise_the_room_is_used(seed: int, by_stream: bool) -> None:
    after = between(steps(seed, by_stream), 110, 120)
    assert use_of(after, CAPACITY) > 0.8
    assert percentile([sample.queue for sample in after], 0.95) < 0.1


@pytest.mark.parametrize("by_stream", [False, True], ids=["transport", "stream"])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_steady_link_the_estimate_is_steady(seed: int, by_stream: bool) -> None:
    for start, end in ((10, 40), (50, 80), (110, 120)):
        assert swing_of(between(steps(seed, by_stream), start, end)) < 0.2


def test_the_same_seed_gives_the_same_call() -> None:
    again = alone(LINK, 40, 1)
    assert [sample.target_bps for sample in again.samples] == [
        sample.target_bps for sample in steps(1) if sample.at < 40.001
    ]


@pytest.mark.soak(ci=2, full=300)
def test_steps_are_followed_whatever_the_seed(seed: int) -> None:
    samples = steps(seed + 1000)
    assert use_of(between(samples, 5, 40), CAPACITY) > 0.8
    assert use_of(between(samples, 45, 80), NARROW) > 0.8
    assert percentile([sample.queue for sample in between(samples, 45, 80)], 0.95) < 0.1
    assert use_of(between(samples, 110, 120), CAPACITY) > 0.8
    assert max(swing_of(between(samples, start, end)) for start, end in ((10, 40), (50, 80), (110, 120))) < 0.22


@pytest.mark.parametrize("capacity", [150_000.0, 500_000.0, 5_000_000.0])
def test_links_of_other_widths_are_used_too(capacity: float) -> None:
    flow = alone(Impairments(delay=0.03, bandwidth_bps=capacity, queue_octets=64 * 1024), 60)
    after = between(flow.samples, 20, 60)
    assert use_of(after, capacity) > 0.75
    assert percentile([sample.queue for sample in after], 0.95) < 0.15


@pytest.mark.parametrize("round_trip", [0.01, 0.3])
def test_near_and_far(round_trip: float) -> None:
    near_or_far = Impairments(delay=round_trip / 2, bandwidth_bps=CAPACITY, queue_octets=128 * 1024)
    flow = alone(near_or_far, 60, return_delay=round_trip / 2)
    after = between(flow.samples, 20, 60)
    assert use_of(after, CAPACITY) > 0.8
    assert percentile([sample.queue for sample in after], 0.95) < 0.1


# --- two flows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_flow_gets_its_share(seed: int) -> None:
    world = World()
    link = Link(Random(seed), LINK)
    flows = [Flow(world=world, link=link, seed=seed * 10 + number, start=30.0 * number) for number in range(2)]
    world.run(180)
    shares = [use_of(between(flow.samples, 80, 180), CAPACITY) for flow in flows]
    assert sum(shares) > 0.8
    assert fairness_of(shares) > 0.9
    assert percentile([sample.queue for sample in between(flows[0].samples, 80, 180)], 0.95) < 0.1


# --- loss, jitter, reordering ----------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "least"), [(0.01, 0.8), (0.05, 0.75), (0.1, 0.65)])
@pytest.mark.parametrize("seed", SEEDS)
def test_loss_that_is_not_ours_costs_what_is_lost_and_little_more(seed: int, loss: float, least: float) -> None:
    flow = alone(Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024, loss=loss), 90, seed)
    assert use_of(between(flow.samples, 15, 90), CAPACITY * (1 - loss)) > least


@pytest.mark.spec("bandwidth/foreign-loss")
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("round_trip", [0.02, 0.1, 0.3])
def test_a_server_with_layers_keeps_the_largest_on_a_wide_line_that_loses(round_trip: float, loss: float) -> None:
    """Most of what it learns comes from the gap below the layer: a quarter less is a third of it."""
    layers = lambda target, now: next((layer for layer in (1.4e6, 400e3, 130e3) if layer <= target), 0.0)  # noqa: E731
    way = Impairments(delay=round_trip / 2, bandwidth_bps=4e6, queue_octets=64 * 1024, loss=loss)
    shares = []
    for seed in range(4):
        more = {"source": layers, "demand_bps": 1.5e6, "estimator": Estimator(2_500_000)}
        flow = alone(way, 60, seed, return_delay=round_trip / 2, **more)
        targets = [sample.target_bps for sample in between(flow.samples, 10, 60)]
        assert min(targets) > 700_000, "half of what the publisher sends"
        shares.append(sum(target >= 1.4e6 for target in targets) / len(targets))
    assert mean(shares) > 0.85


@pytest.mark.spec("bandwidth/limited-decrease")
def test_a_late_packet_beside_a_lost_one_does_not_make_little_of_the_estimate() -> None:
    """Of the ten packets of a feedback one or two are lost by chance: that is no line that became thin.

    Jitter alone looks like a queue once in some minutes, and then 1.1 times what arrived is left for a moment.
    """
    way = Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024, loss=0.05, jitter=0.05)
    for seed in range(1, 9):
        flow = alone(way, 60, seed, source=lambda target, now: 190_000.0, demand_bps=1_500_000)
        targets = [sample.target_bps for sample in between(flow.samples, 10, 60)]
        assert percentile(targets, 0.01) > 190_000
        assert min(targets) > 0.9 * 190_000


@pytest.mark.parametrize("seed", SEEDS)
def test_a_queue_that_is_too_short_to_be_seen_is_known_by_its_loss(seed: int) -> None:
    """Twenty milliseconds of queue: a frame hardly fits. What does not is lost, and the sender has to notice."""
    short = Impairments(delay=0.03, bandwidth_bps=NARROW, queue_octets=2500)
    flow = alone(short, 60, seed, estimator=Estimator(1_500_000), probes=False)
    targets = [sample.target_bps for sample in between(flow.samples, 20, 60)]
    assert mean(targets) < 1.2 * NARROW
    assert min(targets) > 60_000


@pytest.mark.parametrize("jitter", [0.005, 0.02, 0.05])
def test_jitter_is_not_taken_for_a_queue(jitter: float) -> None:
    flow = alone(Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024, jitter=jitter), 60)
    after = between(flow.samples, 15, 60)
    assert use_of(after, CAPACITY) > 0.8
    assert percentile([sample.queue for sample in after], 0.95) < 0.12


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_reordering_is_neither_loss_nor_a_queue(share: float) -> None:
    flow = alone(Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024, reordering=share), 60)
    assert use_of(between(flow.samples, 15, 60), CAPACITY) > 0.8
    assert flow.estimator.loss < 0.03


# --- application-limited ---------------------------------------------------------------------------

LAYERS = (90_000.0, 210_000.0, 560_000.0, 1_560_000.0)


@pytest.mark.spec("bandwidth/probe-application-limited", "bandwidth/application-limited")
@pytest.mark.parametrize(
    ("capacity", "best"), [(150_000.0, 90_000.0), (300_000.0, 210_000.0), (800_000.0, 560_000.0), (3e6, 1_560_000.0)]
)
def test_a_server_with_layers_reaches_the_best_that_fits_within_ten_seconds(capacity: float, best: float) -> None:
    """Between two layers nothing is sent that could raise the estimate: probes do."""
    link = Impairments(delay=0.03, bandwidth_bps=capacity, queue_octets=64 * 1024)
    flow = alone(link, 60, layers=LAYERS, estimator=Estimator(300_000))
    after = between(flow.samples, 10, 60)
    shown = [max([layer for layer in LAYERS if layer <= sample.target_bps], default=LAYERS[0]) for sample in after]
    assert shown.count(best) > 0.9 * len(shown)
    assert percentile([sample.queue for sample in after], 0.95) < 0.1


@pytest.mark.spec("bandwidth/application-limited")
def test_who_climbs_beyond_the_line_comes_down_below_it() -> None:
    """What arrived of less said nothing of what the line carries, so its growing queue is ours."""
    capacity = 1_300_000.0
    world = World()
    link = Link(Random(1), Impairments(delay=0.03, bandwidth_bps=capacity, queue_octets=1_000_000))
    estimator = Estimator(2_500_000)
    climbs = lambda target, now: 560_000.0 if now < 10 or target < 1_400_000 else 1_400_000.0  # noqa: E731
    flow = Flow(world=world, link=link, seed=1, source=climbs, estimator=estimator, probes=False)
    world.at(10, lambda: estimator.on_switch(10))
    world.run(20)
    assert max(sample.queue for sample in between(flow.samples, 12, 20)) < 0.1
    assert max(sample.target_bps for sample in between(flow.samples, 12, 20)) < capacity


@pytest.mark.spec("bandwidth/application-limited")
@pytest.mark.parametrize("impairments", [{}, {"jitter": 0.02}, {"loss": 0.03}, {"reordering": 0.05}])
def test_who_sends_little_keeps_the_estimate(impairments: dict[str, float]) -> None:
    link = Impairments(delay=0.03, bandwidth_bps=CAPACITY, queue_octets=64 * 1024, **impairments)
    flow = alone(link, 90, source=lambda target, now: 120_000.0, demand_bps=1_000_000)
    targets = [sample.target_bps for sample in between(flow.samples, 5, 90)]
    # Where loss lasts it is tried now and then whether less would help, although who sends so little cannot send less.
    assert percentile(targets, 0.05 if "loss" in impairments else 0.0) > 300_000
    assert max(targets) < 2_500_000


def test_nothing_is_probed_when_all_that_is_wanted_is_sent() -> None:
    flow = alone(LINK, 60, source=lambda target, now: 120_000.0, demand_bps=120_000)
    assert flow.prober.clusters == 0


# --- feedback that does not come -------------------------------------------------------------------


@pytest.mark.spec("feedback/loss-of-feedback")
def test_a_way_back_that_breaks_lowers_the_rate_until_it_is_there_again() -> None:
    world = World()
    flow = Flow(world=world, link=Link(Random(1), LINK), seed=1)

    def breaks(answers: bool) -> None:
        flow.answers = answers

    world.at(20, lambda: breaks(False))
    world.at(25, lambda: breaks(True))
    world.run(60)
    assert between(flow.samples, 24.5, 25)[0].target_bps < 0.15 * CAPACITY
    assert use_of(between(flow.samples, 55, 60), CAPACITY) > 0.75


@pytest.mark.spec("bandwidth/within-bounds")
def test_the_estimate_stays_within_its_bounds_on_any_link() -> None:
    for seed in range(6):
        dice = Random(seed)
        world = World()
        link = Link(dice, LINK)
        estimator = Estimator(dice.uniform(50_000, 2e6), minimum_bps=50_000, maximum_bps=2_000_000)
        flow = Flow(world=world, link=link, seed=seed, estimator=estimator)
        for at in range(1, 60, 4):
            harm = {
                "bandwidth_bps": dice.choice([10_000.0, 300_000.0, 3e6, math.inf]),
                "loss": dice.choice([0.0, 0.0, 0.3, 1.0]),
                "jitter": dice.choice([0.0, 0.5]),
                "reordering": dice.choice([0.0, 0.5]),
                "delay": dice.choice([0.0, 0.03, 2.0]),
            }
            world.at(at, lambda harm=harm, link=link: change(link, **harm))
        world.run(60)
        assert all(50_000 <= sample.target_bps <= 2_000_000 for sample in flow.samples)
