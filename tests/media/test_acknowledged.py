"""The acknowledged bitrate: known after half a second, smooth against odd windows, quick where a change is expected."""

from __future__ import annotations

import pytest

from meetref.media.acknowledged import AcknowledgedRate


def feed(rate: AcknowledgedRate, bitrate_bps: float, start: float, seconds: float, size: int = 1000) -> None:
    """A packet after the other, told in feedbacks of a tenth of a second."""
    spacing = size * 8 / bitrate_bps
    arrivals = [start + number * spacing for number in range(round(seconds / spacing))]
    while arrivals:
        part = [at for at in arrivals if at < arrivals[0] + 0.1]
        rate.on_received([size] * len(part), part)
        arrivals = arrivals[len(part) :]


@pytest.mark.spec("bandwidth/arriving-rate")
def test_it_is_known_after_half_a_second() -> None:
    rate = AcknowledgedRate()
    feed(rate, 1_000_000, 100.0, 0.49)
    assert rate.bitrate_bps is None
    feed(rate, 1_000_000, 100.5, 0.2)
    assert rate.bitrate_bps == pytest.approx(1_000_000, rel=0.03)


def test_one_odd_window_moves_it_little_and_many_move_it_all_the_way() -> None:
    rate = AcknowledgedRate()
    feed(rate, 1_000_000, 0.0, 5.0)
    feed(rate, 3_000_000, 5.0, 0.15)
    assert rate.bitrate_bps is not None
    assert rate.bitrate_bps < 1_250_000
    feed(rate, 3_000_000, 5.15, 4.0)
    assert rate.bitrate_bps == pytest.approx(3_000_000, rel=0.05)


def test_an_expected_change_is_believed_at_once() -> None:
    slow, quick = AcknowledgedRate(), AcknowledgedRate()
    for rate in (slow, quick):
        feed(rate, 2_000_000, 0.0, 5.0)
        feed(rate, 500_000, 5.0, 0.1)
    quick.expect_change()
    for rate in (slow, quick):
        feed(rate, 500_000, 5.1, 0.4)
    assert slow.bitrate_bps is not None
    assert slow.bitrate_bps > 1_200_000
    assert quick.bitrate_bps == pytest.approx(500_000, rel=0.2)


def test_a_silence_of_the_sender_is_no_sample() -> None:
    rate = AcknowledgedRate()
    feed(rate, 1_000_000, 0.0, 3.0)
    before = rate.bitrate_bps
    feed(rate, 1_000_000, 13.0, 0.1)
    assert rate.bitrate_bps == before
    feed(rate, 1_000_000, 13.1, 1.0)
    assert rate.bitrate_bps == pytest.approx(1_000_000, rel=0.05)


def test_a_clock_that_is_set_does_not_end_it() -> None:
    rate = AcknowledgedRate()
    for start in (1000.0, 10.0, 5000.0):
        feed(rate, 1_000_000, start, 2.0)
    feed(rate, 400_000, 5002.0, 4.0)
    assert rate.bitrate_bps == pytest.approx(400_000, rel=0.1)
