"""archive/unison: everything of a person is shown equally long after it was sent, and no report breaks it."""

from __future__ import annotations

import pytest

from meetref.archive import unison
from meetref.archive.unison import AHEAD, Unison
from meetref.media.clock import to_ntp
from meetref.media.jitter import JitterBuffer
from meetref.wire import rtcp

WALL = 1_795_000_000.0


class Stream:
    """Packets of one SSRC every 20 ms, all equally long on their way."""

    def __init__(self, of: Unison, ssrc: int, clock_rate: int, delay: float) -> None:
        self.buffer: JitterBuffer[int] = JitterBuffer(clock_rate)
        self.delay = delay
        self._of = of
        self._ssrc = ssrc

    def report(self, at: float, wall: float = WALL) -> None:
        rate = self.buffer.clock_rate
        self._of.report(rtcp.SenderReport(self._ssrc, to_ntp(wall + at), round(at * rate), 0, 0), rate, at + 0.03)

    def shown_after(self, number: int) -> float:
        """How long after it was sent a packet is shown."""
        at = number / 50
        timestamp, came_at = round(at * self.buffer.clock_rate), at + self.delay
        self.buffer.insert(number, timestamp, number, came_at)
        now = max(came_at, self.buffer.next_timeout())
        self.buffer.release(now)
        return self._of.shown_at(self._ssrc, timestamp, self.buffer, now) - at


def together(slow: float) -> tuple[Unison, Stream, Stream]:
    of = Unison()
    return of, Stream(of, 1, 90_000, slow), Stream(of, 2, 48_000, 0.02)


def test_the_slower_stream_says_how_late_both_are_shown() -> None:
    _, slow, fast = together(0.3)
    for number in range(50):
        if number == 5:
            slow.report(number / 50)
            fast.report(number / 50)
        after = slow.shown_after(number), fast.shown_after(number)
    assert abs(after[0] - after[1]) < 0.001
    assert after[0] >= 0.3 + AHEAD


def test_without_reports_each_is_shown_as_its_packets_come() -> None:
    _, slow, fast = together(0.3)
    for number in range(20):
        after = slow.shown_after(number), fast.shown_after(number)
    assert after[0] - after[1] == pytest.approx(0.28, abs=0.001)


@pytest.mark.parametrize("off", [-100_000.0, -3.0, 3.0, 100_000.0])
def test_a_report_that_cannot_be_right_is_not_believed(off: float) -> None:
    _, slow, fast = together(0.1)
    for number in range(50):
        if number in (5, 20):
            slow.report(number / 50)
            fast.report(number / 50, WALL + off)
        assert 0 < slow.shown_after(number) < 1.5
        assert 0 < fast.shown_after(number) < 1.5


def test_who_needs_less_is_followed_slowly_and_at_once_where_it_is_much() -> None:
    of, slow, fast = together(0.2)
    for number in range(50):
        if number == 5:
            slow.report(number / 50)
            fast.report(number / 50)
        slow.shown_after(number)
        fast.shown_after(number)
    before = of.delay
    for number in range(50, 350):  # the slow one is silent
        fast.shown_after(number)
    assert before - 2 * unison.STEP < of.delay < before - unison.STEP / 2  # it was waited for until a second ago
    of.delay += 2 * unison.FALLS_AT_ONCE
    fast.shown_after(350)
    assert of.delay < before


def test_sources_are_bounded() -> None:
    of = Unison()
    for ssrc in range(100):
        of.report(rtcp.SenderReport(ssrc, to_ntp(WALL), 0, 0, 0), 48_000, 0.0)
    assert len(of._sources) == unison.MOST_SOURCES
