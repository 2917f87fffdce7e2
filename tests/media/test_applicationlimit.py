"""Application-limited: too little for a while, and no longer so after enough for a while."""

from __future__ import annotations

import pytest

from meetref.media.applicationlimit import ApplicationLimit


def send(limit: ApplicationLimit, share: float, start: float, seconds: float) -> list[bool]:
    """Send this share of an estimate of a megabit a second; what was told, ten times a second."""
    return [
        limit.on_sent(round(share * 1_000_000 / 8 * 0.1), start + number * 0.1, 1_000_000)
        for number in range(1, round(seconds * 10) + 1)
    ]


@pytest.mark.spec("bandwidth/application-limited")
def test_it_begins_after_a_while_of_little_and_ends_after_a_while_of_enough() -> None:
    limit = ApplicationLimit()
    send(limit, 0.1, 0.0, 0.2)
    assert not limit.limited
    send(limit, 0.1, 0.2, 1.0)
    assert limit.limited
    assert send(limit, 1.0, 1.2, 0.5) == [False] * 5
    assert limit.limited
    assert send(limit, 1.0, 1.7, 5.0).count(True) == 1
    assert not limit.limited


@pytest.mark.spec("bandwidth/application-limited")
def test_who_begins_to_send_much_more_is_no_longer_limited_at_once() -> None:
    limit = ApplicationLimit()
    send(limit, 0.1, 0.0, 5.0)
    limit.on_switch(5.15)
    send(limit, 0.1, 5.0, 0.1)  # what had left before
    assert limit.limited
    send(limit, 0.95, 5.1, 5.0)
    assert not limit.limited
    limit.on_switch(10.2)
    send(limit, 0.1, 10.2, 0.5)
    assert limit.limited


@pytest.mark.parametrize(("share", "limited"), [(0.66, True), (0.95, False)])
def test_a_layer_below_the_next_one_is_little(share: float, limited: bool) -> None:
    """Two thirds are what the estimate comes to over what arrives, when no more is sent."""
    limit = ApplicationLimit()
    send(limit, share, 0.0, 10.0)
    assert limit.limited is limited


def test_departures_out_of_order_are_no_time() -> None:
    limit = ApplicationLimit()
    for number in range(100):
        limit.on_sent(12_500, number * 0.1, 1_000_000)
        limit.on_sent(0, number * 0.1 - 5, 1_000_000)
    assert not limit.limited
