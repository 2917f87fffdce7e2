"""What was captured together stands together on our clock, whatever the two tracks' clocks and ways were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.media.clock import to_ntp
from meetref.media.lipsync import LONGEST_AGO, PublisherClock, TrackClock

THEIRS = 1_700_000_000.0


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.floats(0.0, 0.4), st.floats(0.0, 0.4))
def test_both_tracks_land_by_the_same_amount(audio: int, video: int, delay: float, jitter: float) -> None:
    clock = PublisherClock()
    sound, picture = TrackClock(clock, 48000), TrackClock(clock, 90000)
    sound.on_sender_report(to_ntp(THEIRS), audio, 100.0 + delay)
    picture.on_sender_report(to_ntp(THEIRS + 0.5), video, 100.5 + delay + jitter)
    spoken = sound.captured_at((audio + 48000) & 0xFFFFFFFF, 102.0)
    shown = picture.captured_at((video + 45000) & 0xFFFFFFFF, 102.0)
    assert abs(spoken - shown) < 0.001
    assert abs(spoken - (101.0 + delay)) < 0.001, "the least delayed report counts"
    back = sound.timestamp_at(spoken)
    assert back is not None
    assert abs((back - audio - 48000 + (1 << 31)) % (1 << 32) - (1 << 31)) <= 48


def test_before_a_report_the_earliest_arrival_is_the_anchor() -> None:
    clock = TrackClock(PublisherClock(), 90000)
    assert clock.timestamp_at(1.0) is None
    clock.on_packet(0xFFFFFFFF, 10.2)  # 0.2 s late
    clock.on_packet(8999, 10.1)
    assert abs(clock.captured_at(17999, 11.0) - 10.2) < 0.001
    assert clock.captured_at(1_000_000, 10.5) == 10.5, "nothing is captured in the future"


@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, 0xFFFFFFFF)), max_size=6), st.floats(0, 1e6))
def test_whatever_a_publisher_reports_time_stays_a_number(reports: list[tuple[int, int]], now: float) -> None:
    clock = TrackClock(PublisherClock(), 90000)
    for ntp, timestamp in reports:
        clock.on_sender_report(ntp, timestamp, now)
        clock.on_packet(timestamp, now)
        assert clock.captured_at(timestamp ^ 0x55555555, now) <= now
        there = clock.timestamp_at(now)
        assert there is not None
        assert 0 <= there <= 0xFFFFFFFF


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    clock = PublisherClock()
    clock.observe(THEIRS, 100.0)
    clock.observe(THEIRS + 1, 101.3)
    assert clock.offset is not None
    assert abs(clock.offset - (100.0 - THEIRS)) < 0.001, "a late report moves nothing"
    clock.observe(THEIRS - 3600, 102.0)
    assert abs(clock.offset - (102.0 - THEIRS + 3600)) < 0.001


def test_nothing_was_captured_long_before_it_came() -> None:
    """A publisher who says so, by its reports or by its timestamps, would move the clock of a seat by hours."""
    clock = TrackClock(PublisherClock(), 90000)
    clock.on_packet(0, 100.0)
    assert clock.captured_at(1 << 31, 100.0) == 100.0 - LONGEST_AGO
    clock.on_sender_report(to_ntp(THEIRS), 1 << 31, 100.0)
    assert clock.captured_at(0, 100.1) == 100.1 - LONGEST_AGO
