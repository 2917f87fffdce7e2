"""Bars: what a person may be told of a connection in one glance."""

from __future__ import annotations

import pytest

from meetref.meeting.quality import Gauge, bars
from meetref.wire import rtp
from tests.meeting.links import Publisher, Viewer, picture


@pytest.mark.parametrize(
    ("loss", "round_trip", "starved", "expected"),
    [
        (0, 0.02, False, 4),
        (0.01, 0.15, False, 4),
        (0.02, 0.02, False, 3),
        (0, 0.2, False, 3),
        (0.05, 0.02, False, 2),
        (0, 0.35, False, 2),
        (0.2, 0.02, False, 1),
        (0, 2.0, False, 1),
        (0, 0.02, True, 2),
        (0.2, 0.02, True, 1),
    ],
)
def test_bars_go_with_loss_delay_and_what_is_left_out(
    loss: float, round_trip: float, starved: bool, expected: int
) -> None:
    assert bars(loss, round_trip, starved) == expected


def test_a_gauge_counts_since_the_last_look() -> None:
    alice, bob, gauge = Publisher(), Viewer(), Gauge()
    assert not gauge.look(None, None, False)
    assert gauge.bars is None, "nothing is known of who has no connection yet"
    for sequence in range(100):
        alice.send(picture(sequence, key=sequence == 0))
    assert gauge.look(alice.up, bob.down, False)
    assert gauge.bars == 4
    for sequence in range(100, 200):
        if sequence % 10:
            alice.send(picture(sequence))
    alice.send(picture(200))
    assert gauge.look(alice.up, bob.down, False)
    assert gauge.bars == 1
    for sequence in range(201, 300):
        alice.send(picture(sequence))
    assert gauge.look(alice.up, bob.down, False)
    assert not gauge.look(alice.up, bob.down, False), "who sends nothing loses nothing"
    assert gauge.bars == 4


def test_no_path_and_no_connection_is_no_bar() -> None:
    alice, gauge = Publisher(), Gauge()
    gauge.look(alice.up, None, False)
    alice.peers.server.state = "disconnected"
    assert gauge.look(alice.up, None, False)
    assert gauge.bars == 0
    alice.peers.server.state = "connected"
    assert gauge.look(alice.up, None, True)
    assert gauge.bars == 2
    assert gauge.look(None, None, False)
    assert gauge.bars == 0


def test_a_stream_that_begins_anew_costs_no_bar() -> None:
    """Its counts are smaller than those of the one before."""
    alice, gauge = Publisher(), Gauge()
    for sequence in range(100):
        alice.send(picture(sequence, key=sequence == 0))
    gauge.look(alice.up, None, False)
    again = Publisher(seed=3)
    again.send(rtp.parse(rtp.serialize(picture(7, key=True))))
    gauge.look(again.up, None, False)
    assert gauge.bars == 4


def test_what_a_viewer_does_not_get_counts_as_well() -> None:
    bob, gauge = Viewer(), Gauge()
    gauge.look(None, bob.down, False)
    assert gauge.bars == 4
    bob.down.capacity.feedbacks = 1
    bob.down.capacity.estimator._loss.loss = 0.05
    assert gauge.look(None, bob.down, False)
    assert gauge.bars == 2
