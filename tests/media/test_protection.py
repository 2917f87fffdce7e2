"""How to protect: ask again where that is fast enough, FEC where it is not, and never more than the bandwidth."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import protection
from meetref.media.fec import Protector, Recoverer
from meetref.media.protection import Chooser, choose, residual
from tests.media.test_fec import SSRC, frames

losses, round_trips = st.floats(0, 0.5), st.floats(0, 2)


@pytest.mark.parametrize(
    ("loss", "round_trip", "asks", "protects"),
    [
        (0.0, 0.3, False, False),  # nothing is lost
        (0.01, 0.02, True, False),
        (0.05, 0.05, True, False),
        (0.01, 0.1, True, False),
        (0.05, 0.1, True, True),  # once is not enough, twice too late
        (0.01, 0.2, False, True),  # asking comes too late
        (0.1, 0.3, False, True),
    ],
)
def test_asking_again_where_it_is_fast_enough(loss: float, round_trip: float, asks: bool, protects: bool) -> None:
    chosen = choose(loss, round_trip)
    assert (chosen.row > 0) is protects
    assert (chosen.tries > 0) is (asks or (not loss and round_trip < 0.14))


@given(losses, round_trips)
def test_a_choice_leaves_little_or_is_the_strongest(loss: float, round_trip: float) -> None:
    chosen = choose(loss, round_trip)
    left = residual(loss, chosen.row, chosen.tries)
    assert left <= protection.TOLERATED or chosen.row == protection.SHORTEST_ROW
    assert chosen.row == 0 or protection.SHORTEST_ROW <= chosen.row <= protection.LONGEST_ROW
    if chosen.row:
        assert residual(loss, 0, chosen.tries) > protection.TOLERATED  # it was needed


@given(losses, losses, round_trips, round_trips)
def test_worse_lines_get_no_less(loss: float, more: float, near: float, far: float) -> None:
    loss, more = sorted((loss, more))
    near, far = sorted((near, far))
    assert choose(loss, near).overhead <= choose(more, near).overhead
    assert choose(loss, near).overhead <= choose(loss, far).overhead
    assert choose(loss, near, retransmits=False).overhead >= choose(loss, near).overhead


@pytest.mark.spec("fec/within-the-bandwidth")
@given(losses, round_trips, st.floats(1e4, 1e7))
def test_protection_is_taken_out_of_the_bandwidth(loss: float, round_trip: float, total: float) -> None:
    chosen = choose(loss, round_trip)
    media = chosen.media_bps(total)
    assert media * (1 + chosen.overhead) == pytest.approx(total)
    assert media >= total / 1.5


@pytest.mark.parametrize(("loss", "row"), [(0.01, 10), (0.05, 4), (0.1, 2)])
def test_what_is_predicted_is_what_happens(loss: float, row: int) -> None:
    dice = random.Random(7)
    sent = frames([row * 2] * (6000 // row))
    protector, receiver, arrived = Protector(row=row), Recoverer(), 0
    for one in sent:
        if dice.random() >= loss:
            arrived += 1
            arrived += len(receiver.receive(one))
        for parity in protector.add(one):
            if dice.random() >= loss:
                arrived += len(receiver.receive_parity(parity, SSRC))
    assert 1 - arrived / len(sent) == pytest.approx(residual(loss, row, 0), rel=0.25)


def test_stronger_at_once_weaker_when_the_window_is_over() -> None:
    chooser = Chooser()
    chooser.on_round_trip(0.25)
    for second in range(5):
        chooser.on_loss(0.0, float(second))
    assert chooser.choose(5.0).row == 0
    chooser.on_loss(0.1, 6.0)
    strong = chooser.choose(6.0).row
    assert strong == protection.SHORTEST_ROW
    for second in range(7, 16):
        chooser.on_loss(0.01, float(second))
        assert chooser.choose(float(second)).row == strong
    assert chooser.choose(17.0).row == choose(0.01, 0.25).row
    chooser.on_round_trip(0.02)
    assert chooser.choose(17.0).row == 0
    assert chooser.choose(100.0).reason.startswith("nothing")


def test_the_memory_of_losses_is_bounded() -> None:
    chooser = Chooser()
    for number in range(10_000):
        chooser.on_loss(1 - number % 100 / 100, number / 100)
        chooser.choose(number / 100)
    assert len(chooser._losses) <= protection.WINDOW * 100 + 1
