"""Whose loss it is, and how sure one is of a share: counts of packets in, a verdict out."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from meetref.media.losscount import LossCount, bounds
from meetref.media.lossexperiment import Experiment, Verdict

BEFORE = LossCount(0.0, received=285, lost=15, octets=300_000)  # two seconds of 1.2 Mbit/s, of which 5 percent


def counted(began_at: float, packets: int, lost: int) -> LossCount:
    return LossCount(began_at, received=packets - lost, lost=lost, octets=1000 * packets)


def experiment(*, foreign_loss: float = 0.0) -> Experiment:
    return Experiment(BEFORE, foreign_loss=foreign_loss, ceiling_bps=2e6, round_trip_time=0.1, now=2.0)


def play(trial: Experiment, share: float, packets: int, dice: Random) -> tuple[Verdict, float]:
    """Windows of half a second until it is over."""
    now = 2.0
    while True:
        lost = sum(dice.random() < share for _ in range(packets))
        now += 0.5
        verdict = trial.on_window(counted(now - 0.5, packets, lost), now)
        if verdict is not None:
            return verdict, now


def test_the_bounds_of_a_share_are_close_where_much_was_counted() -> None:
    for packets, close in ((20, 0.25), (200, 0.08), (20_000, 0.01)):
        least, most = bounds(0.05, packets)
        assert least < 0.05 < most < least + close
    assert bounds(0.0, 20) == (0.0, pytest.approx(4 / 24))
    assert bounds(1.0, 20) == (pytest.approx(20 / 24), pytest.approx(1.0))


def test_of_twenty_a_tenth_that_is_lost_proves_little() -> None:
    assert counted(0.0, 20, 2).least_loss < 0.03
    assert counted(0.0, 400, 40).least_loss > 0.07
    assert counted(0.0, 20, 12).least_loss > 0.3


@pytest.mark.spec("bandwidth/no-look-that-cannot-tell")
@pytest.mark.parametrize(("foreign_loss", "tells"), [(0.0, True), (0.01, True), (0.035, False)])
def test_what_cannot_be_told_in_time_is_known_before(foreign_loss: float, tells: bool) -> None:
    """150 packets a second, of which 5 percent were lost; or it was chance, and a little less."""
    assert experiment(foreign_loss=foreign_loss).can_tell == tells
    verdicts = {play(experiment(foreign_loss=foreign_loss), 0.05, 55, Random(seed))[0] for seed in range(20)}
    assert ("nothing" in verdicts) != tells


@pytest.mark.spec("bandwidth/foreign-loss")
@pytest.mark.parametrize("packets", [20, 50])
def test_it_is_seldom_wrong(packets: int) -> None:
    for share, right in ((0.05, "foreign"), (0.0, "ours")):
        verdicts = Counter(play(experiment(), share, packets, Random(seed))[0] for seed in range(300))
        assert verdicts[right] > 0.9 * 300, verdicts
        assert 300 - verdicts[right] - verdicts["nothing"] <= 0.02 * 300, verdicts


@pytest.mark.spec("bandwidth/foreign-loss")
def test_the_first_window_in_which_less_was_sent_does_not_count() -> None:
    trial = experiment()
    assert trial.on_window(counted(2.0, 50, 5), 2.5) is None
    assert trial.on_window(counted(2.5, 50, 5), 3.0) == "foreign"


@pytest.mark.spec("bandwidth/foreign-loss")
def test_what_is_lost_is_taken_from_all_that_was_seen() -> None:
    trial = experiment()
    play(trial, 0.05, 50, Random(1))
    assert trial.loss == pytest.approx(0.05, abs=0.015)


@pytest.mark.spec("bandwidth/foreign-loss")
def test_who_does_not_slow_down_learns_nothing() -> None:
    assert play(experiment(), 0.05, 75, Random(1)) == ("nothing", 5.0)


@pytest.mark.spec("bandwidth/foreign-loss")
def test_where_more_is_lost_of_less_the_line_became_another() -> None:
    assert experiment().on_window(counted(2.0, 50, 25), 2.5) == "worse"


@pytest.mark.spec("bandwidth/foreign-loss")
def test_what_is_known_to_be_foreign_says_nothing_new() -> None:
    assert play(experiment(foreign_loss=0.05), 0.05, 50, Random(1))[0] == "nothing"
