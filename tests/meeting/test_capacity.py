"""What a viewer's feedback says of its connection, and the padding that looks for more."""

from __future__ import annotations

import random

import pytest

from meetref.media.feedback import ArrivalRecorder
from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.probing import FIRST_BPS
from meetref.media.rewriting import Incoming
from meetref.meeting.capacity import MAXIMUM_BPS, START_BPS, Capacity
from meetref.meeting.track import Track
from tests.meeting.links import DELTA, KEY, Viewer

PACKET = 1000  # octets


class Line:
    """A viewer at the end of a line of so many bits a second, with a queue that is never full; tells every 50 ms."""

    def __init__(self, capacity: Capacity, bitrate_bps: float) -> None:
        self.capacity = capacity
        self.bitrate_bps = bitrate_bps
        self.now = 10.0
        self.number = 65_500  # the numbers wrap early
        self._free_at = self.now
        self._recorder = ArrivalRecorder(interval=0.05)
        self._coming: list[tuple[float, int]] = []
        self._dice = random.Random(1)
        capacity.begin(self.now)

    def send(self, packets: list[bytes]) -> None:
        self.capacity.on_sent(self.number & 0xFFFF, packets, self.now)
        for packet in packets:
            self._free_at = max(self._free_at, self.now) + 8 * len(packet) / self.bitrate_bps
            self._coming.append((self._free_at + 0.02 + 0.001 * self._dice.random(), self.number))
            self.number += 1

    def run(self, seconds: float, offered_bps: float) -> None:
        """Send as much as is offered and may be sent, in bursts of a frame, and the padding that is asked for."""
        end = self.now + seconds
        frame_at = self.now
        while self.now < end:
            if self.now >= frame_at and offered_bps:
                frame_at += 1 / 30
                allowed = min(offered_bps, self.capacity.budget_bps)
                self.send([bytes(PACKET)] * max(1, round(allowed / 30 / 8 / PACKET)))
            self._arrive()
            if self.capacity.next_timeout() <= self.now:
                self.capacity.handle_timeout(self.now)
            self.capacity.look(self.now)
            self.send([bytes(PACKET)] * -(-self.capacity.padding() // PACKET))
            self.now += 0.001

    def _arrive(self) -> None:
        for at, number in [each for each in self._coming if each[0] <= self.now]:
            self._recorder.record(number & 0xFFFF, at)
        self._coming = [each for each in self._coming if each[0] > self.now]
        if self._recorder.next_timeout() <= self.now:
            self.capacity.on_feedback(self._recorder.build(self.now), self.now)


def test_a_viewer_that_never_says_anything_is_not_limited_for_long() -> None:
    capacity = Capacity()
    capacity.begin(0.0)
    capacity.look(0.0)
    capacity.on_sent(5, [bytes(100)], 1.0)
    for tenth in range(10, 20):
        capacity.look(tenth / 10)
        assert capacity.budget_bps == START_BPS
    capacity.look(2.0)
    assert capacity.is_known
    assert capacity.budget_bps == MAXIMUM_BPS
    assert capacity.pacer.passes(1_000_000, 2.0)


def test_who_promises_no_feedback_is_not_waited_for_until_there_is_some() -> None:
    capacity = Capacity()
    capacity.expect_silence()
    assert capacity.is_known
    line = Line(capacity, 500_000)
    assert capacity.is_wide
    assert capacity.padding() == 0
    line.run(1.0, 100_000)
    assert not capacity.is_wide


@pytest.mark.parametrize("bitrate", [150_000, 500_000, 1_500_000, 20_000_000])
@pytest.mark.spec("bandwidth/probe-at-start")
def test_what_a_line_carries_is_known_before_any_picture_is_sent(bitrate: float) -> None:
    line = Line(Capacity(), bitrate)
    assert not line.capacity.is_known
    line.run(0.6, 0)
    assert line.capacity.is_known
    assert line.capacity.budget_bps == pytest.approx(min(0.95 * bitrate, FIRST_BPS), rel=0.25)


def test_where_nothing_can_be_sent_to_look_nobody_waits_for_long() -> None:
    capacity = Capacity()
    capacity.begin(0.0)
    capacity.look(0.9)
    assert not capacity.is_known
    capacity.look(1.0)
    assert capacity.is_known
    assert capacity.budget_bps == START_BPS


@pytest.mark.spec("pacing/repeats-beside-media")
def test_what_was_lost_is_sent_again_as_far_as_the_media_leave_room() -> None:
    capacity = Capacity(
        8 * 102_800
    )  # a packet with its headers each 10 ms; a quarter of a second of it can be saved, or owed
    assert capacity.may_repeat(10.0)
    capacity.on_sent(0, [bytes(1000)] * 25, 10.0)
    assert [capacity.may_repeat(10.0) for _ in range(4)] == [True, True, True, False]  # a little is always sent again
    assert capacity.may_repeat(10.001)
    capacity.on_sent(25, [bytes(1000)] * 200, 10.001)
    assert [capacity.may_repeat(10.25) for _ in range(3)] == [True, True, False]
    assert capacity.may_repeat(10.502), "what was sent too much is forgiven"


def test_a_thin_line_is_found_out() -> None:
    line = Line(Capacity(), 1_000_000)
    line.run(8, 3_000_000)
    line.run(8, 800_000)
    assert line.capacity.feedbacks > 50
    assert 500_000 < line.capacity.budget_bps < 1_200_000


def test_a_line_that_falls_silent_is_trusted_less_and_less() -> None:
    line = Line(Capacity(), 10_000_000)
    line.run(5, 2_000_000)
    before = line.capacity.budget_bps
    line.bitrate_bps = 1.0
    line.run(5, 2_000_000)
    assert line.capacity.budget_bps < before / 4


def test_a_line_that_is_wide_again_is_found_out_though_little_is_sent() -> None:
    line = Line(Capacity(), 10_000_000)
    line.capacity.on_demand(3_000_000)
    line.run(5, 2_000_000)
    line.bitrate_bps = 400_000
    line.run(8, 2_000_000)
    assert line.capacity.budget_bps < 600_000
    line.bitrate_bps = 10_000_000
    line.run(25, 100_000)
    assert line.capacity.budget_bps > 2_000_000


def test_a_line_on_which_everything_pauses_is_tried_again() -> None:
    """Nothing is sent, so nobody tells of anything: without a try of our own it would stay so for ever."""
    line = Line(Capacity(), 400_000)
    line.capacity.on_demand(3_000_000)
    line.run(8, 2_000_000)
    assert line.capacity.budget_bps < 600_000
    line.bitrate_bps = 10_000_000
    line.run(2, 0)
    line.run(20, 0)
    assert line.capacity.budget_bps > 2_000_000


def test_a_wide_line_is_looked_for_as_far_as_anybody_wants() -> None:
    line = Line(Capacity(), 40_000_000)
    line.capacity.on_demand(12_000_000)
    line.run(20, 1_000_000)
    assert line.capacity.prober.clusters > 0
    assert 12_000_000 <= line.capacity.budget_bps < 30_000_000


def test_where_nothing_more_is_wanted_nobody_probes() -> None:
    line = Line(Capacity(), 40_000_000)
    line.capacity.on_demand(1_000_000)
    line.run(10, 1_000_000)
    assert line.capacity.prober.clusters == 1, "that at the start"
    assert line.capacity.budget_bps >= 1_000_000


def test_padding_is_what_was_sent_before_in_the_repair_stream() -> None:
    viewer = Viewer()
    clock = TrackClock(PublisherClock(), 90000)
    camera = Track(owner="alice", source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[])
    slot = viewer.down.slots["v0"]
    slot.show(camera, 0.0)
    for number in range(5):
        camera.encodings[0].take(Incoming(number, number * 3000, 0x80, KEY if number == 0 else DELTA, number == 0))
    camera.encodings[0].forward(0.1)
    sent = viewer.gets()
    assert slot.pad(150, 0.2) >= 150
    padding = viewer.gets()
    assert {packet.payload_type for packet in padding} == {97}
    originals = [int.from_bytes(packet.payload[:2]) for packet in padding]
    assert originals == [packet.sequence for packet in reversed(sent)][: len(padding)]
    numbers = [int.from_bytes(packet.extensions[3]) for packet in (*sent, *padding)]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(len(numbers)))
    assert viewer.down.slots["a0"].pad(1000, 0.2) == 0


def test_padding_needs_no_picture_that_was_sent_lately() -> None:
    """Else a viewer whose pictures all pause could never show that there is room again."""
    viewer = Viewer()
    slot = viewer.down.slots["v0"]
    assert slot.pad(600, 100.0) >= 600
    padding = viewer.gets()
    assert [packet.payload_type for packet in padding] == [97] * len(padding)
    assert all(packet.payload == b"" and packet.padding_size for packet in padding)
    numbers = [int.from_bytes(packet.extensions[3]) for packet in padding]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(len(numbers)))
    assert len({packet.sequence for packet in padding}) == len(padding)
