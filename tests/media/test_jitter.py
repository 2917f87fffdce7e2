"""A jitter buffer on links that lose, reorder, double and delay: what comes out, and when."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import jitter
from meetref.media.delayhistogram import BAR, BARS, DelayHistogram
from meetref.media.jitter import Gap, JitterBuffer

CLOCK_RATE, PERIOD = 48_000, 0.02
TICKS = round(CLOCK_RATE * PERIOD)


class Line:
    """A sender of 50 packets a second, and the buffer behind its line. Items are the numbers of the packets."""

    def __init__(self, *, first: int = 0, timestamp: int = 0, seed: int = 1) -> None:
        self.buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE)
        self.dice = random.Random(seed)
        self.first, self.timestamp = first, timestamp
        self.sent = 0
        self.under_way: list[tuple[float, int]] = []
        self.out: list[tuple[float, int | Gap]] = []

    def run(self, seconds: float, *, delay: float = 0.0, spread: float = 0.0, loss: float = 0.0) -> None:
        for _ in range(round(seconds / PERIOD)):
            if self.dice.random() >= loss:
                arrives_at = self.sent * PERIOD + delay + spread * self.dice.random()
                self.under_way.append((arrives_at, self.sent))
            self.sent += 1
            self._until(self.sent * PERIOD)

    def end(self) -> list[int]:
        """Let all come out. What came, without the gaps."""
        self._until(self.sent * PERIOD + 10)
        return [item for _, item in self.out if isinstance(item, int)]

    def _until(self, now: float) -> None:
        self.under_way.sort()
        while self.under_way and self.under_way[0][0] <= now:
            at, number = self.under_way.pop(0)
            self._take(at)
            self.buffer.insert(self.first + number & 0xFFFF, self.timestamp + number * TICKS & 0xFFFF_FFFF, number, at)
        self._take(now)

    def _take(self, now: float) -> None:
        while (due := self.buffer.next_timeout()) <= now:
            released = self.buffer.release(due)
            assert released
            assert self.buffer.next_timeout() > due
            self.out += [(due, item) for item in released]

    @property
    def waits(self) -> list[float]:
        """How long after it was sent each packet came out."""
        return [at - item * PERIOD for at, item in self.out if isinstance(item, int)]


@pytest.mark.spec("jitter/order", "jitter/wraps", "jitter/adaptive")
@pytest.mark.parametrize(("first", "timestamp"), [(0, 0), (65_400, 0), (0, 2**32 - 100 * TICKS), (65_400, 2**32 - 7)])
def test_what_is_reordered_comes_out_in_order_at_an_even_pace(first: int, timestamp: int) -> None:
    line = Line(first=first, timestamp=timestamp)
    line.run(20, delay=0.05, spread=0.06)
    came = line.end()
    assert came == sorted(came)
    assert len(came) >= 0.97 * line.sent
    assert line.buffer.late == line.sent - len(came)
    assert line.buffer.lost == came[-1] - came[0] + 1 - len(came), (
        "who was overtaken at the very beginning is late, too"
    )
    steady = line.waits[200:]
    assert max(steady) - min(steady) <= 0.03


@pytest.mark.spec("jitter/deadline", "jitter/gaps")
def test_a_lost_packet_stalls_nobody() -> None:
    line = Line()
    line.run(30, delay=0.02, spread=0.005, loss=0.1)
    came = line.end()
    assert max(line.waits) <= 0.02 + 0.005 + 2 * BAR
    missing = sum(item.count or 0 for _, item in line.out if isinstance(item, Gap))
    assert missing == line.buffer.lost
    assert came[-1] + 1 == len(came) + missing + came[0]


@pytest.mark.spec("jitter/adaptive", "jitter/late")
def test_the_delay_follows_a_spike_and_shrinks_again() -> None:
    line = Line()
    line.run(10, spread=0.005)
    assert line.buffer.delay == BAR
    line.run(1, delay=0.25, spread=0.05)
    assert 0.25 <= line.buffer.delay <= 0.31
    assert line.buffer.late > 0
    line.run(15, spread=0.005)
    assert line.buffer.delay == BAR
    line.end()
    assert line.waits[-1] <= 2 * BAR


def test_one_packet_that_is_far_too_late_costs_nothing_more() -> None:
    line = Line()
    line.run(10, spread=0.005)
    line.run(PERIOD, delay=0.5)
    line.run(5, spread=0.005)
    assert line.buffer.delay == BAR
    assert (line.buffer.lost, line.buffer.late) == (1, 1)


@pytest.mark.spec("jitter/drift")
@pytest.mark.parametrize("drift", [-0.001, 0.001])
def test_a_clock_that_is_wrong_by_a_thousandth_is_followed(drift: float) -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE)
    waits = []
    for number in range(10_000):
        at = number * PERIOD * (1 + drift)
        while buffer.next_timeout() <= at:
            due = buffer.next_timeout()
            waits += [due - item * PERIOD * (1 + drift) for item in buffer.release(due) if isinstance(item, int)]
        buffer.insert(number & 0xFFFF, number * TICKS, number, at)
    assert (buffer.lost, buffer.late) == (0, 0)
    assert max(waits) <= 0.03


@pytest.mark.spec("jitter/drift", "jitter/longer-way")
def test_a_route_that_is_longer_for_good_is_no_jitter() -> None:
    line = Line()
    line.run(10, delay=0.02)
    line.run(10.5, delay=0.12)
    assert line.buffer.delay == BAR
    line.run(30, delay=0.02)
    assert line.buffer.delay == BAR
    line.end()
    assert line.waits[-1] <= 0.02 + 2 * BAR


@pytest.mark.spec("jitter/duplicates")
def test_what_comes_twice_comes_out_once() -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE)
    out: list[int | Gap] = []
    for number in range(50):
        for _ in range(3):
            buffer.insert(number, number * TICKS, number, number * PERIOD)
        out += buffer.release(number * PERIOD + BAR)
        buffer.insert(number, number * TICKS, number, number * PERIOD + BAR)
    assert out == list(range(50))
    assert buffer.duplicates == 150
    assert buffer.delay == BAR, "that they are late says nothing"


@pytest.mark.spec("jitter/restart", "jitter/gaps")
def test_a_source_that_begins_anew_is_believed_with_its_second_packet() -> None:
    buffer: JitterBuffer[str] = JitterBuffer(CLOCK_RATE)
    out: list[str | Gap] = []
    for number, (sequence, timestamp, item) in enumerate(
        [
            (10, 0, "a"),
            (11, TICKS, "b"),
            (40_000, 5_000_000, "stray"),
            (12, 2 * TICKS, "c"),
            (50_000, 9_000_000, "d"),
            (50_001, 9_000_000 + TICKS, "e"),
            (50_003, 9_000_000 + 3 * TICKS, "g"),
        ]
    ):
        out += buffer.release(number * PERIOD)
        buffer.insert(sequence, timestamp, item, number * PERIOD)
    out += buffer.release(10.0)
    assert out == ["a", "b", "c", Gap(None), "d", "e", Gap(1), "g"]
    assert (buffer.restarts, buffer.strays, buffer.lost) == (1, 1, 1)


@pytest.mark.spec("jitter/timestamp-leap")
@pytest.mark.parametrize("leap", [-5_000_000, 5_000_000, 2**31 - 1])
def test_timestamps_may_leap(leap: int) -> None:
    line = Line(timestamp=2**31)
    line.run(5)
    line.timestamp = line.timestamp + leap & 0xFFFF_FFFF
    line.run(5)
    assert line.end() == list(range(line.sent))
    assert max(line.waits[-100:]) <= 2 * BAR


@pytest.mark.spec("jitter/bounded", "jitter/deadline")
def test_no_more_is_held_than_allowed_and_nothing_for_long() -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, capacity=10)
    for number in range(30):
        buffer.insert(number, number * 100 * TICKS, number, 0.0)
    assert len(buffer) == 10
    assert buffer.overflowed == 20
    assert buffer.release(jitter.LONGEST) == list(range(20, 30))


@pytest.mark.spec("jitter/patience")
def test_with_patience_a_packet_behind_a_gap_waits_for_the_one_that_comes_again() -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, patience=0.5)
    out: list[tuple[int, int | Gap]] = []  # at which step
    for step in range(260):
        for number in {200: [], 210: [210, 200], 220: []}.get(step, [step]):
            buffer.insert(number, number * TICKS, number, step * PERIOD)
        out += [(step, item) for item in buffer.release(step * PERIOD + BAR)]
    came = {item: step for step, item in out if isinstance(item, int)}
    assert list(came) == [number for number in range(260) if number != 220]
    assert {came[number] for number in range(200, 211)} == {210}, "all that waited, as soon as nothing is missing"
    assert came[219] == 219
    assert [item for _, item in out if isinstance(item, Gap)] == [Gap(1)]
    assert came[221] == 221 + round(0.5 / PERIOD), "not for ever"
    assert (buffer.lost, buffer.late) == (1, 0)


@pytest.mark.spec("jitter/given-up")
def test_patience_ends_where_what_is_missing_is_given_up() -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, patience=1.0)
    for number in (65_534, 65_535, 1, 2, 5, 6, 9):
        buffer.insert(number, (number + 2 & 0xFFFF) * TICKS, number, 0.0)
    assert buffer.release(0.2) == [65_534, 65_535]
    assert list(buffer.run(5)) == [5, 6]
    assert list(buffer.run(3)) == []
    assert [number for number in (65_535, 0, 1, 2, 3) if buffer.holds(number)] == [1, 2]
    assert buffer.next_timeout() == 1.0
    buffer.give_up()
    assert buffer.release(0.2) == [Gap(1), 1, 2, Gap(2), 5, 6, Gap(2), 9]
    buffer.insert(11, 13 * TICKS, 11, 0.22)
    assert buffer.next_timeout() == 1.22, "what follows is waited for again"


@pytest.mark.spec("jitter/skipped-to")
def test_what_is_missing_is_waited_for_until_the_time_of_one_that_needs_it_not() -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, patience=1.0)
    for number in (1, 2, 3, 7):  # one is late, so that the delay is 100 ms
        buffer.insert(number, number * TICKS, number, number * PERIOD + 0.095 * (number == 3))
    buffer.insert(9, 9 * TICKS, 9, 9 * PERIOD)
    assert buffer.delay == pytest.approx(0.1)
    out = buffer.release(0.27)
    buffer.skip_to(7)
    assert buffer.next_timeout() == pytest.approx(7 * PERIOD + 0.1)
    assert (out, buffer.release(0.27)) == ([1, 2, 3], [Gap(3), 7]), "no longer, and behind it as ever"
    assert buffer.next_timeout() == pytest.approx(9 * PERIOD + 1.0)
    buffer.skip_to(5)
    assert buffer.next_timeout() == pytest.approx(9 * PERIOD + 1.0), "that is over"


@pytest.mark.spec("jitter/patience", "jitter/restart")
def test_two_neighbours_that_come_again_late_are_no_new_beginning() -> None:
    """200 packets a second: a second answer, after 0.6 s, is 120 behind."""
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, patience=1.0)
    out: list[int | Gap] = []
    for number in range(400):
        if number not in (200, 201):
            buffer.insert(number, number * TICKS // 4, number, number / 200)
        if number == 320:
            for repeated in (200, 201):
                buffer.insert(repeated, repeated * TICKS // 4, repeated, number / 200)
        out += buffer.release(number / 200 + BAR)
    out += buffer.release(4.0)
    assert out == list(range(400))
    assert (buffer.restarts, buffer.strays, buffer.lost) == (0, 0, 0)


class Pictures:
    """Pictures of six packets, 25 a second, some of which come again so much later."""

    def __init__(self, patience: float = 1.0) -> None:
        self.buffer: JitterBuffer[int] = JitterBuffer(90_000, patience=patience)
        self.dice = random.Random(3)
        self.sent = 0

    def run(self, seconds: float, *, loss: float, repair: float, delay: float = 0.0) -> None:
        began = self.sent
        numbers = range(began, began + 6 * round(25 * seconds))
        late = [repair * (1 + (self.dice.random() < 0.1)) if self.dice.random() < loss else 0.0 for _ in numbers]
        came = sorted((number // 6 / 25 + delay + late[number - began], number) for number in numbers)
        for at, number in came:
            self.buffer.release(at)
            self.buffer.insert(number & 0xFFFF, number // 6 * 3600, number, at)
        self.sent = numbers.stop


@pytest.mark.spec("jitter/whole-pictures", "jitter/adaptive", "jitter/one-repair")
@pytest.mark.parametrize("loss", [0.01, 0.02, 0.05, 0.1])
def test_pictures_wait_for_one_repair_where_many_of_them_need_one_and_no_longer_than_that_lasts(loss: float) -> None:
    """A hundredth of the packets is a sixteenth of the pictures."""
    pictures = Pictures()
    pictures.buffer.repair_time = 0.33
    pictures.run(30, loss=loss, repair=0.31)
    assert 0.31 <= pictures.buffer.delay <= 0.34 + 1e-9
    pictures.run(20, loss=0, repair=0)
    assert pictures.buffer.delay == BAR
    assert (pictures.buffer.lost, pictures.buffer.restarts, pictures.buffer.strays) == (0, 0, 0)


@pytest.mark.spec("jitter/one-repair")
def test_what_waits_for_nobody_takes_the_delay_as_it_is() -> None:
    """In order, all are late: that is no repair."""
    pictures = Pictures()
    pictures.buffer.repair_time = 0.05
    pictures.run(5, loss=0, repair=0)
    pictures.run(2, loss=0, repair=0, delay=0.4)
    assert pictures.buffer.delay >= 0.4


packets = st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1))
near = st.tuples(st.integers(-200, 200).map(lambda step: step & 0xFFFF), st.integers(0, 40_000))


@given(
    st.lists(st.tuples(st.one_of(packets, near), st.floats(0, 0.5), st.booleans()), max_size=150),
    st.sampled_from((0.0, 0.3, 1.0)),
)
def test_any_packets(received: list[tuple[tuple[int, int], float, bool]], patience: float) -> None:
    buffer: JitterBuffer[int] = JitterBuffer(CLOCK_RATE, capacity=20, patience=patience)
    now, out = 0.0, list[int | Gap]()
    for number, ((sequence, timestamp), wait, takes) in enumerate(received):
        now += wait
        buffer.insert(sequence, timestamp, number, now)
        assert len(buffer) <= 20
        assert BAR <= buffer.delay <= jitter.LONGEST
        if takes:
            out += buffer.release(now)
            assert buffer.next_timeout() > now
        if sequence % 50 == 0:
            buffer.skip_to(sequence)
        if sequence % 99 == 0:
            buffer.give_up()
        assert buffer.next_timeout() <= now + jitter.LONGEST or not len(buffer)
    out += buffer.release(now + jitter.LONGEST)
    assert buffer.next_timeout() == math.inf
    items = [item for item in out if isinstance(item, int)]
    assert len(items) == len(set(items))
    unheard = buffer.late + buffer.duplicates + buffer.strays + buffer.overflowed
    assert len(received) - len(items) - unheard in (0, 1), "all but a last one in doubt"


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.floats(-5, 5), st.floats(0, 400), st.floats(0, 2)), min_size=1, max_size=100
    )
)
def test_a_histogram_takes_anything(added: list[tuple[int, float, float, float]]) -> None:
    histogram, now = DelayHistogram(), 0.0
    for timestamp, lateness, wait, shift in added:
        now += wait
        if shift > 1:
            histogram.shift(shift - 1)
        histogram.add(timestamp, lateness, now)
        assert BAR <= histogram.delay <= BARS * BAR + 1e-9
    for number in range(200):
        now += 0.5
        histogram.add(10 + number, 0.0, now)
    assert histogram.delay == BAR
