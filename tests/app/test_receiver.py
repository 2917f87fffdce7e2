"""One slot of a program: whole pictures in their order, and the right questions when something is missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app.receiver import MAXIMUM_EARLY, MAXIMUM_PARTS, MAXIMUM_WAITING, REPORT_INTERVAL, Receiver
from meetref.wire import rtcp, rtcpfeedback, rtp
from tests.meeting.links import DELTA, KEY, REPAIR, VIDEO, picture, repair


class Questions:
    """A `ClientLink` that only keeps what is sent to the server."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_control(self, *packets: rtcp.Packet) -> None:
        self.sent += packets

    def of(self, kind: type) -> list[Any]:
        return [packet for packet in self.sent if isinstance(packet, kind)]


class Watching:
    def __init__(self) -> None:
        self.link = Questions()
        self.receiver = Receiver(VIDEO, REPAIR, "video", self.link)  # type: ignore[arg-type]
        self.frames: list[tuple[bytes, int]] = []
        self.receiver.on_frame = lambda frame, timestamp: self.frames.append((frame, timestamp))

    def gets(self, *packets: rtp.Packet, now: float = 1.0) -> None:
        for packet in packets:
            self.receiver.receive(rtp.serialize(packet), now)

    @property
    def numbers(self) -> list[int]:
        return [timestamp // 3000 for _, timestamp in self.frames]


@pytest.fixture
def watching() -> Watching:
    return Watching()


def part(sequence: int, payload: bytes, *, last: bool) -> rtp.Packet:
    packet = picture(sequence)
    packet.payload, packet.marker = payload, last
    return packet


def test_pictures_begin_at_a_keyframe(watching: Watching) -> None:
    watching.gets(picture(5))
    assert watching.link.of(rtcpfeedback.PictureLoss) == [rtcpfeedback.PictureLoss(VIDEO, VIDEO)]
    assert not watching.receiver.playing
    watching.gets(picture(6, key=True), picture(7))
    assert watching.numbers == [6, 7]
    assert (watching.receiver.frames, watching.receiver.keyframes, watching.receiver.playing) == (2, 1, True)


def test_the_parts_of_a_picture_are_joined_without_their_descriptors(watching: Watching) -> None:
    watching.gets(part(1, KEY, last=False), part(2, b"\x00more", last=True))
    assert watching.frames == [(KEY[1:] + b"more", 6000)]


def test_a_picture_that_was_cut_off_is_not_joined_to_the_next_one(watching: Watching) -> None:
    watching.gets(picture(1, key=True), part(2, b"\x10\x01cut", last=False), part(3, b"", last=False))
    watching.gets(picture(4, key=True), picture(5))
    assert watching.numbers == [1, 4, 5]
    assert watching.frames[1][0] == KEY[1:]


def test_a_picture_with_a_hole_is_none(watching: Watching) -> None:
    """What the server could not send any more it sends as padding."""
    watching.gets(picture(1, key=True), part(2, b"\x10\x01one", last=False), part(3, b"", last=False))
    watching.gets(part(4, b"\x00three", last=True), picture(5, key=True))
    assert watching.numbers == [1, 5]


def test_what_comes_out_of_order_is_put_in_order(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(4), picture(3))
    assert watching.numbers == [1]
    watching.gets(picture(2), picture(3))
    assert watching.numbers == [1, 2, 3, 4]


def test_what_overtakes_the_first_keyframe_is_kept(watching: Watching) -> None:
    watching.gets(picture(2), picture(3), picture(1, key=True))
    assert watching.numbers == [1, 2, 3]


def test_what_is_missing_is_asked_for_and_a_repair_closes_the_gap(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), now=1.0)
    watching.receiver.tick(1.001)
    assert not watching.link.of(rtcpfeedback.Nack), "it may only be late"
    watching.receiver.tick(1.02)
    assert watching.link.of(rtcpfeedback.Nack) == [rtcpfeedback.Nack(VIDEO, VIDEO, [2])]
    watching.gets(repair(2, 900), now=1.1)
    assert watching.numbers == [1, 2, 3]


def test_a_gap_that_stays_is_given_up_for_a_keyframe(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), now=1.0)
    for step in range(40):
        watching.receiver.tick(1.0 + step / 20)
    assert (watching.receiver.gaps, watching.receiver.playing) == (1, False)
    assert watching.link.of(rtcpfeedback.PictureLoss)
    watching.gets(picture(2, key=True), now=3.1)
    assert not watching.receiver.playing, "what followed this one was thrown away"
    watching.gets(picture(4, key=True), picture(5), now=3.2)
    assert watching.numbers == [1, 4, 5]


def test_what_is_missing_before_a_whole_keyframe_is_not_waited_for(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), part(4, KEY, last=False))
    assert watching.numbers == [1]
    watching.gets(part(5, b"\x00more", last=True), picture(6))
    assert watching.numbers == [1, 5, 6]
    watching.receiver.tick(1.02)
    assert watching.link.of(rtcpfeedback.Nack) == [], "nobody needs it"


def test_what_waits_is_bounded(watching: Watching) -> None:
    watching.gets(*[picture(number) for number in range(1, 2 * MAXIMUM_EARLY)])
    assert len(watching.receiver._waiting) <= MAXIMUM_EARLY
    watching.gets(picture(0, key=True))
    assert not watching.receiver.playing, "what followed this keyframe is forgotten"
    first = 2 * MAXIMUM_EARLY
    watching.gets(picture(first, key=True), *[picture(first + 2 + more) for more in range(MAXIMUM_WAITING + 1)])
    assert (watching.receiver.gaps, len(watching.receiver._waiting)) == (1, 0)


def test_a_picture_without_an_end_is_bounded(watching: Watching) -> None:
    watching.gets(part(1, KEY, last=False))
    watching.gets(*[part(number, DELTA, last=False) for number in range(2, MAXIMUM_PARTS + 10)])
    assert len(watching.receiver._parts) <= MAXIMUM_PARTS
    assert (watching.receiver.gaps, watching.receiver.playing) == (1, False)


def test_keyframes_are_not_asked_for_all_the_time(watching: Watching) -> None:
    for number in range(100):
        watching.gets(picture(number), now=1.0 + number / 100)
    assert 2 <= len(watching.link.of(rtcpfeedback.PictureLoss)) <= 3


def test_a_report_a_second(watching: Watching) -> None:
    watching.receiver.tick(0.5)
    assert not watching.link.sent
    watching.gets(picture(1, key=True))
    for now in (1.0, 1.5, 1.0 + REPORT_INTERVAL):
        watching.receiver.tick(now)
    reports = watching.link.of(rtcp.ReceiverReport)
    assert [report.blocks[0].ssrc for report in reports] == [VIDEO, VIDEO]
    watching.receiver.on_control(rtcp.SenderReport(VIDEO, 0, 0, 0, 0, []), 2.0)
    watching.receiver.on_control(rtcp.SenderReport(VIDEO + 9, 0, 0, 0, 0, []), 2.0)
    assert watching.receiver.sender_reports == 1


def test_sound_is_counted_and_not_put_together() -> None:
    watching = Watching()
    receiver = Receiver(VIDEO, None, "audio", watching.link)  # type: ignore[arg-type]
    receiver.receive(rtp.serialize(picture(1)), 1.0)
    assert (receiver.packets, receiver.frames, receiver.last_payload, receiver.ssrcs) == (1, 0, DELTA, [VIDEO])


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_octets_are_survived(packets: list[bytes]) -> None:
    watching = Watching()
    head = rtp.serialize(picture(1))[:12]
    for number, octets in enumerate(packets):
        watching.receiver.receive(octets, 1.0 + number)
        watching.receiver.receive(head + octets, 1.0 + number)
        watching.receiver.receive(head[:8] + REPAIR.to_bytes(4) + octets, 1.0 + number)
        watching.receiver.tick(1.0 + number)
    assert len(watching.receiver._waiting) <= MAXIMUM_WAITING
