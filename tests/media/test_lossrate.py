"""The ceiling by loss: 2 and 10 percent, whose loss it is, and that a lossy link is not brought down to nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.lossrate import LossRate

OCTETS = 1000


def run(
    rate: LossRate,
    loss_at: Callable[[float], float],
    start: float,
    seconds: float,
    *,
    estimate: float = 2_000_000,
    obeys: bool = True,
) -> list[float]:
    """Send what the ceiling allows; of that a share is lost that may depend on it. Ceilings, ten a second."""
    seen = []
    owed = 0.0
    for number in range(round(seconds * 10)):
        sent = min(rate.ceiling_bps, estimate) if obeys else estimate
        packets = max(round(sent / 8 / OCTETS / 10), 1)
        owed += packets * loss_at(sent)
        lost = int(owed)
        owed -= lost
        rate.on_counts(packets - lost, lost, packets * OCTETS, estimate, start + (number + 1) * 0.1)
        seen.append(rate.ceiling_bps)
    return seen


def radio(share: float) -> Callable[[float], float]:
    """Loses the same share of whatever is sent."""
    return lambda sent: share


def full(capacity: float) -> Callable[[float], float]:
    """Loses what goes beyond a capacity: a queue that is full, or a policer."""
    return lambda sent: max(1 - capacity / sent, 0.0)


@pytest.mark.spec("bandwidth/low-loss")
def test_hardly_any_loss_is_no_limit() -> None:
    rate = LossRate()
    assert set(run(rate, radio(0.015), 0.0, 60.0)) == {math.inf}
    assert rate.loss == pytest.approx(0.015, abs=0.005)


@pytest.mark.spec("bandwidth/middling-loss")
def test_between_two_and_ten_percent_nothing_moves_at_first() -> None:
    rate = LossRate()
    assert set(run(rate, radio(0.06), 0.0, 2.0)) == {math.inf}
    rate.ceiling_bps = 1_000_000
    assert set(run(LossRate(), radio(0.06), 0.0, 2.0)) == {math.inf}


@pytest.mark.spec("bandwidth/high-loss")
def test_much_loss_brings_it_down_by_half_of_the_share() -> None:
    rate = LossRate()
    run(rate, radio(0.4), 0.0, 0.7)
    assert rate.ceiling_bps == pytest.approx(2_000_000 * (1 - 0.5 * 0.4), rel=0.01)
    seen = run(rate, radio(0.4), 0.7, 10.0)
    changes = sum(before != after for before, after in pairwise(seen))
    assert 10 <= changes <= 20  # at most twice a second


@pytest.mark.spec("bandwidth/high-loss")
def test_what_comes_through_is_not_given_up() -> None:
    """Where layers are slow to follow, five times as much is sent for a while: that says nothing of what fits."""
    rate = LossRate()
    for tenth in range(50):
        rate.on_counts(20, 80, 12_500, 1_000_000, tenth / 10)
    assert rate.ceiling_bps == pytest.approx(0.75 * 0.2 * 1_000_000, rel=0.1)


@pytest.mark.spec("bandwidth/low-loss")
def test_without_loss_it_rises_by_eight_percent_a_second_until_it_is_none() -> None:
    rate = LossRate()
    rate.ceiling_bps = 500_000
    run(rate, radio(0.0), 0.0, 5.0)
    assert rate.ceiling_bps == pytest.approx(500_000 * 1.08**5, rel=0.05)
    run(rate, radio(0.0), 5.0, 30.0)
    assert rate.ceiling_bps == math.inf


@pytest.mark.spec("bandwidth/foreign-loss")
@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.25])
def test_a_radio_link_that_loses_is_not_slowed_down_for_ever(share: float) -> None:
    rate = LossRate()
    run(rate, radio(share), 0.0, 20.0)
    seen = run(rate, radio(share), 20.0, 60.0)
    assert min(seen) > 1_600_000
    assert rate.foreign_loss == pytest.approx(share, abs=0.02)


@pytest.mark.spec("bandwidth/foreign-loss")
@pytest.mark.parametrize("capacity", [300_000, 1_000_000, 1_900_000])
def test_a_full_link_is_not_taken_for_a_lossy_one(capacity: float) -> None:
    rate = LossRate()
    run(rate, full(capacity), 0.0, 20.0)
    seen = run(rate, full(capacity), 20.0, 60.0)
    assert rate.foreign_loss == 0
    assert max(seen) < 1.2 * capacity
    assert min(seen) > 0.6 * capacity


@pytest.mark.spec("bandwidth/foreign-loss")
def test_a_lossy_link_that_fills_up_is_noticed() -> None:
    rate = LossRate()
    run(rate, radio(0.1), 0.0, 20.0)
    both = lambda sent: 1 - 0.9 * min(1_000_000 / sent, 1.0)  # noqa: E731
    run(rate, both, 20.0, 20.0)
    seen = run(rate, both, 40.0, 30.0)
    assert max(seen) < 1_300_000


@pytest.mark.spec("bandwidth/foreign-loss")
def test_loss_that_went_away_is_forgotten() -> None:
    rate = LossRate()
    run(rate, radio(0.2), 0.0, 20.0)
    assert rate.foreign_loss > 0.15
    run(rate, radio(0.0), 20.0, 30.0)
    assert rate.foreign_loss < 0.01


@pytest.mark.spec("bandwidth/foreign-loss")
def test_nothing_is_concluded_where_not_less_was_sent() -> None:
    rate = LossRate()
    seen = run(rate, radio(0.06), 0.0, 200.0, obeys=False)
    assert rate.foreign_loss == 0
    assert seen[-1] == math.inf
    assert sum(ceiling < math.inf for ceiling in seen) < 0.1 * len(seen)  # it asks more and more seldom


@pytest.mark.spec("bandwidth/foreign-loss")
def test_a_capacity_that_was_found_is_not_exceeded_for_a_while() -> None:
    """A server with two layers, of which the larger one is a little too much."""
    rate = LossRate()
    shown = []
    for number in range(600):
        layer = 1_560_000 if rate.ceiling_bps >= 1_560_000 else 560_000
        lost = round(195 * max(1 - 1_480_000 / layer, 0))
        rate.on_counts(195 * layer // 1_560_000 - lost, lost, layer // 80, 2_500_000, number * 0.1)
        shown.append(layer)
    assert shown.count(1_560_000) < 0.35 * len(shown)


# --- chance: here packets are lost one by one --------------------------------------------------------


def by_chance(
    rate: LossRate, share: float, sent_bps: Callable[[float], float], seconds: float, seed: int
) -> list[float]:
    """A voice of 59 kbit/s, and pictures; each packet is lost with the same chance. Ceilings, ten a second."""
    dice, seen = Random(seed), []
    for number in range(round(seconds * 10)):
        octets = round(sent_bps(rate.ceiling_bps) / 8 / 10)
        packets = 5 + (octets - 59_000 // 80) // OCTETS
        lost = sum(dice.random() < share for _ in range(packets))
        rate.on_counts(packets - lost, lost, octets, 2_500_000, (number + 1) * 0.1)
        seen.append(rate.ceiling_bps)
    return seen


@pytest.mark.spec("bandwidth/foreign-loss", "bandwidth/high-loss")
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_few_packets_do_not_make_a_random_loss_ours(share: float) -> None:
    """A server with layers and gaps between them: what is left of the largest is 43 packets a second."""
    layers = lambda ceiling: next((layer for layer in (1_400_000, 400_000, 130_000) if layer <= ceiling), 59_000)  # noqa: E731
    for seed in range(20):
        seen = by_chance(LossRate(), share, layers, 60.0, seed)
        assert min(seen) > 700_000, seed


@pytest.mark.spec("bandwidth/little-that-is-lost")
@pytest.mark.parametrize("share", [0.05, 0.1, 0.15])
def test_who_can_send_no_less_is_given_room_again(share: float) -> None:
    """All pictures pause, a voice goes on whatever the ceiling says, and of that some is lost."""
    for seed in range(10):
        rate = LossRate()
        rate.ceiling_bps = 105_000
        seen = by_chance(rate, share, lambda ceiling: 59_000 + (130_000 if ceiling > 190_000 else 0), 40.0, seed)
        assert sum(ceiling > 190_000 for ceiling in seen[300:]) > 0.7 * len(seen[300:]), seed


@pytest.mark.spec("bandwidth/foreign-loss")
@pytest.mark.parametrize("seconds", [1.0, 2.5, 4.0])
def test_a_quarter_less_is_not_far_less_than_what_is_sent_now(seconds: float) -> None:
    """A small picture was sent while loss began, and now there is a large one."""
    rate, seen = LossRate(), []
    for tenth in range(80):
        now = tenth / 10
        sent = 160_000 if now < seconds else min(rate.ceiling_bps, 1_600_000)
        packets = round(sent / 80_000)
        lost = round(sent / 800_000 * (tenth + 1)) - round(sent / 800_000 * tenth)
        rate.on_counts(packets - lost, lost, packets * OCTETS, 2_500_000, now)
        seen.append(rate.ceiling_bps)
    assert min(seen) > 1_600_000 / 2
    assert rate.foreign_loss == pytest.approx(0.1, abs=0.04)


@pytest.mark.spec("bandwidth/foreign-loss")
def test_an_experiment_ends_though_nothing_is_sent_any_more() -> None:
    rate = LossRate()
    seen = run(rate, radio(0.06), 0.0, 3.0)
    assert seen[-1] < math.inf
    assert 3.0 < rate.next_timeout() < 7.0
    rate.handle_timeout(rate.next_timeout())
    assert rate.ceiling_bps == math.inf
    assert rate.next_timeout() == math.inf


@pytest.mark.spec("bandwidth/foreign-loss")
def test_a_line_that_becomes_thin_meanwhile_is_not_taken_for_a_lossy_one() -> None:
    rate = LossRate()
    assert run(rate, radio(0.06), 0.0, 3.0)[-1] < math.inf
    run(rate, full(500_000), 3.0, 20.0)
    assert rate.foreign_loss == 0
    assert rate.ceiling_bps < 600_000


@pytest.mark.spec("bandwidth/foreign-loss")
def test_no_experiment_while_delay_lets_less_be_sent_anyway() -> None:
    """A queue ran over, and the estimate is below what was sent then: nothing more need be left out."""
    rate = LossRate()
    for tenth in range(60):
        estimate = 1_000_000 if tenth < 25 else 400_000
        packets = estimate // 80_000
        lost = (tenth % 2 == 0) if tenth < 25 else 0
        rate.on_counts(packets - lost, lost, packets * OCTETS, 400_000, tenth / 10)
        assert rate.next_timeout() == math.inf


def test_what_a_probe_found_is_no_longer_forbidden() -> None:
    rate = LossRate()
    rate.ceiling_bps = 100_000
    rate.on_probe(90_000)
    assert rate.ceiling_bps == 100_000
    rate.on_probe(400_000)
    assert rate.ceiling_bps == 400_000


@pytest.mark.spec("bandwidth/lost-of-a-probe")
@pytest.mark.parametrize("found", [True, False])
def test_what_was_lost_of_a_probe_does_not_lower_what_it_found(found: bool) -> None:
    rate = LossRate()
    rate.on_counts(10, 0, 10_000, 1_000_000, 0.0)
    rate.on_counts(10, 10, 20_000, 1_000_000, 0.4)
    if found:
        rate.on_probe(900_000)
    for number in range(1, 4):
        rate.on_counts(10, 0, 10_000, 900_000, 0.4 + 0.3 * number)
    assert (rate.ceiling_bps < 900_000) is not found


def test_a_loss_too_large_to_be_believed_brings_it_down_all_the_way() -> None:
    rate = LossRate()
    seen = run(rate, radio(0.6), 0.0, 30.0)
    assert seen[-1] < 100_000
    assert rate.foreign_loss == 0


counts = st.integers(0, 300)


@given(st.lists(st.tuples(counts, counts, st.integers(0, 10**6), st.floats(1, 1e8), st.floats(0, 3))))
def test_no_counts_confuse_it(steps: list[tuple[int, int, int, float, float]]) -> None:
    rate = LossRate()
    now = 0.0
    for received, lost, octets, estimate, later in steps:
        now += later
        rate.on_counts(received, lost, octets, estimate, now)
        assert rate.ceiling_bps >= 0
        assert 0 <= rate.loss <= 1
        assert 0 <= rate.foreign_loss <= 0.3
