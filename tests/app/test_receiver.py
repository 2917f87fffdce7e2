"""One slot of a program: whole pictures in their order, and the right questions when something is missing."""

from __future__ import annotations

import heapq
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app.received import in_words
from meetref.app.receiver import MAXIMUM_CONCEALED, REPORT_INTERVAL, Receiver, Statistics
from meetref.media.assembly import MAXIMUM_PARTS
from meetref.media.jitter import CAPACITY
from meetref.media.mending import Mending
from meetref.media.redundancy import Redundancy
from meetref.protocol.negotiation import RED_PAYLOAD_TYPE as RED
from meetref.wire import rtcp, rtcpfeedback, rtp
from tests.media.test_mending import RED as RED_PICTURES
from tests.media.test_mending import SSRC, TRANSPORT, ULPFEC
from tests.media.test_mending import pictures as protected
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

        self.now = 0.0

    def gets(self, *packets: rtp.Packet, now: float = 1.0) -> None:
        self.now = max(self.now, now)
        for packet in packets:
            self.receiver.receive(rtp.serialize(packet), now)

    def until(self, now: float) -> None:
        """Let time pass, a timer after the other."""
        while (due := max(self.receiver.next_timeout(), self.now)) <= now:
            self.now = due
            self.receiver.handle_timeout(due)
            assert self.receiver.next_timeout() > due

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
    watching.until(1.02)
    assert watching.link.of(rtcpfeedback.PictureLoss) == [rtcpfeedback.PictureLoss(VIDEO, VIDEO)]
    assert not watching.receiver.playing
    watching.gets(picture(6, key=True), picture(7), now=1.05)
    watching.until(1.1)
    assert watching.numbers == [6, 7]
    assert (watching.receiver.frames, watching.receiver.keyframes, watching.receiver.playing) == (2, 1, True)


def test_the_parts_of_a_picture_are_joined_without_their_descriptors(watching: Watching) -> None:
    watching.gets(part(1, KEY, last=False), part(2, b"\x00more", last=True))
    watching.until(1.1)
    assert watching.frames == [(KEY[1:] + b"more", 6000)]


def test_a_picture_that_was_cut_off_is_not_joined_to_the_next_one(watching: Watching) -> None:
    watching.gets(picture(1, key=True), part(2, b"\x10\x01cut", last=False), part(3, b"", last=False))
    watching.gets(picture(4, key=True), picture(5))
    watching.until(1.1)
    assert watching.numbers == [1, 4, 5]
    assert watching.frames[1][0] == KEY[1:]


def test_a_picture_with_a_hole_is_none(watching: Watching) -> None:
    """What the server could not send any more it sends as padding."""
    watching.gets(picture(1, key=True), part(2, b"\x10\x01one", last=False), part(3, b"", last=False))
    watching.gets(part(4, b"\x00three", last=True), picture(5, key=True))
    watching.until(1.1)
    assert watching.numbers == [1, 5]


@pytest.mark.spec("jitter/order", "jitter/patience")
def test_what_comes_out_of_order_is_put_in_order(watching: Watching) -> None:
    watching.gets(picture(1, key=True))
    watching.until(1.05)
    watching.gets(picture(4), picture(3), now=1.1)
    watching.until(1.15)
    assert watching.numbers == [1]
    watching.gets(picture(2), picture(3), now=1.15)
    watching.until(1.25)
    assert watching.numbers == [1, 2, 3, 4]


def test_what_overtakes_the_first_keyframe_is_kept(watching: Watching) -> None:
    watching.gets(picture(2), now=1.0)
    watching.gets(picture(1, key=True), now=1.005)
    watching.gets(picture(3), now=1.033)
    watching.until(1.1)
    assert watching.numbers == [1, 2, 3]


@pytest.mark.spec("jitter/patience")
def test_what_is_missing_is_asked_for_and_a_repair_closes_the_gap(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), now=1.0)
    watching.until(1.001)
    assert not watching.link.of(rtcpfeedback.Nack), "it may only be late"
    watching.until(1.02)
    assert watching.link.of(rtcpfeedback.Nack) == [rtcpfeedback.Nack(VIDEO, VIDEO, [2])]
    watching.until(1.1)
    assert watching.numbers == [1]
    watching.gets(repair(2, 900), now=1.1)
    watching.until(1.3)
    assert watching.numbers == [1, 2, 3]
    assert (watching.receiver.gaps, watching.receiver.statistics.lost) == (0, 0)


@pytest.mark.spec("jitter/patience", "jitter/given-up")
def test_a_gap_that_stays_is_given_up_for_a_keyframe(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), now=1.0)
    watching.until(1.99)
    assert (watching.receiver.gaps, watching.receiver.playing) == (0, True)
    watching.until(2.01)
    assert (watching.receiver.gaps, watching.receiver.playing) == (1, False)
    assert watching.link.of(rtcpfeedback.PictureLoss)
    watching.gets(picture(2, key=True), now=2.1)
    watching.until(2.2)
    assert not watching.receiver.playing, "what followed this one was thrown away"
    watching.gets(picture(4, key=True), picture(5), now=2.2)
    watching.until(2.3)
    assert watching.numbers == [1, 4, 5]
    assert (watching.receiver.statistics.lost, watching.receiver.statistics.late) == (1, 1)


@pytest.mark.spec("jitter/skipped-to")
def test_what_is_missing_before_a_whole_keyframe_is_waited_for_until_its_time(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), part(4, KEY, last=False))
    watching.until(1.005)
    assert watching.numbers == [1]
    watching.gets(part(5, b"\x00more", last=True), picture(6), now=1.005)
    watching.until(1.08)
    assert watching.numbers == [1, 5, 6]
    assert not watching.link.of(rtcpfeedback.PictureLoss), "there is one"
    asked = len(watching.link.of(rtcpfeedback.Nack))
    watching.until(3.0)
    assert len(watching.link.of(rtcpfeedback.Nack)) == asked, "nobody needs it any more"


@pytest.mark.spec("jitter/skipped-to")
def test_while_a_keyframe_is_on_its_way_none_is_asked_for(watching: Watching) -> None:
    watching.gets(picture(2), now=1.0)
    watching.until(1.02)
    watching.gets(picture(4), part(5, KEY, last=False), now=1.6)
    watching.until(2.5)
    assert len(watching.link.of(rtcpfeedback.PictureLoss)) == 1, "before it came"
    watching.gets(part(7, b"\x00end", last=True), now=2.5)
    watching.until(4.0)
    assert len(watching.link.of(rtcpfeedback.PictureLoss)) > 1, "a part of it was lost, and did not come again"


def test_what_is_missing_within_a_keyframe_is_waited_for(watching: Watching) -> None:
    watching.gets(picture(1, key=True), picture(3), part(4, KEY, last=False), part(6, b"\x00end", last=True))
    watching.until(1.5)
    assert watching.numbers == [1]
    middle = repair(5, 900)
    middle.payload = middle.payload[:2] + b"\x00middle"
    middle.marker = False
    watching.gets(middle, picture(7), now=1.5)
    watching.until(1.8)
    assert watching.numbers == [1, 6, 7]
    assert watching.frames[1][0] == KEY[1:] + b"middleend"


class Far(Watching):
    """The camera is 150 ms away, and so many of all packets get lost, both ways; what is asked for is sent again."""

    PARTS, FRAME_RATE, WAY = 6, 30, 0.15

    def __init__(self, loss: float) -> None:
        super().__init__()
        self.loss = loss
        self.dice = random.Random(5)
        self.never: set[int] = set()  # numbers that are lost whenever they are sent
        self.receiver.expect(2 * self.WAY)
        self.receiver.on_frame = lambda frame, timestamp: self.frames.append((frame, timestamp // 3000))
        self.under_way: list[tuple[float, int, rtp.Packet]] = []
        self.heard = self.sent = self.repeated = 0
        self.wants_keyframe = True

    def _leaves(self, packet: rtp.Packet, number: int, at: float) -> None:
        if self.dice.random() >= self.loss and number not in self.never:
            heapq.heappush(self.under_way, (at + self.WAY, self.sent + self.repeated, packet))

    def _show(self, at: float) -> None:
        key, self.wants_keyframe = self.wants_keyframe, False
        for place in range(self.PARTS):
            payload = (KEY if key else DELTA) if place == 0 else b"\x00more"
            packet = part(self.sent & 0xFFFF, payload, last=place == self.PARTS - 1)
            packet.timestamp = self.sent // self.PARTS * 3000
            self._leaves(packet, self.sent, at)
            self.sent += 1

    def _answer(self, asked: rtcp.Packet, now: float) -> None:
        """It is heard 150 ms from now."""
        if isinstance(asked, rtcpfeedback.PictureLoss):
            self.wants_keyframe = True
        for number in asked.lost if isinstance(asked, rtcpfeedback.Nack) else ():
            at = self.sent - (self.sent - number & 0xFFFF)
            first = at - at % self.PARTS
            packet = repair(number, self.repeated)
            packet.payload = packet.payload[:2] + (DELTA if at == first else b"\x00more")
            packet.timestamp, packet.marker = first // self.PARTS * 3000, at == first + self.PARTS - 1
            self.repeated += 1
            if self.dice.random() >= self.loss:
                self._leaves(packet, at, now + self.WAY)

    def watch(self, seconds: float) -> None:
        begins = self.sent // self.PARTS
        for frame in range(begins, begins + round(seconds * self.FRAME_RATE)):
            self._show(1 + frame / self.FRAME_RATE)
            while self.under_way and self.under_way[0][0] <= 1 + (frame + 1) / self.FRAME_RATE:
                at, _, packet = heapq.heappop(self.under_way)
                self._pass(at)
                self.gets(packet, now=at)
                self._hear(at)
            self._pass(1 + (frame + 1) / self.FRAME_RATE)

    def _pass(self, now: float) -> None:
        while (due := max(self.receiver.next_timeout(), self.now)) <= now:
            self.now = due
            self.receiver.handle_timeout(due)
            self._hear(due)

    def _hear(self, now: float) -> None:
        for asked in self.link.sent[self.heard :]:
            self._answer(asked, now)
        self.heard = len(self.link.sent)


@pytest.mark.spec("jitter/patience", "jitter/one-repair", "jitter/whole-pictures")
@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_over_a_far_and_lossy_way_nearly_all_pictures_are_shown_a_round_trip_later(loss: float) -> None:
    far = Far(loss)
    far.watch(5)
    far.frames.clear()
    far.watch(15)
    assert len(far.frames) >= 0.97 * 15 * far.FRAME_RATE
    assert 300 <= far.receiver.statistics.delay_ms <= 340
    assert far.repeated <= 2 * 1.2 * loss * far.sent, "hardly anything is sent twice"
    far.loss = 0.0
    far.watch(15)
    assert far.receiver.statistics.delay_ms == 10


@pytest.mark.spec("jitter/given-up")
def test_one_packet_that_never_comes_costs_what_is_before_a_keyframe_that_is_asked_for() -> None:
    far = Far(0.0)
    far.watch(5)
    far.never = {far.sent + 9}
    shown = len(far.frames)
    far.watch(5)
    assert far.link.of(rtcpfeedback.PictureLoss)
    assert (far.receiver.keyframes, far.receiver.gaps) == (2, 1)
    missing = 5 * far.FRAME_RATE - (len(far.frames) - shown)
    assert 1.0 <= missing / far.FRAME_RATE <= 1.0 + 3 * far.WAY + 0.05, "it is waited for, and the keyframe comes"


@pytest.mark.spec("jitter/bounded")
def test_what_waits_is_bounded(watching: Watching) -> None:
    watching.gets(picture(1, key=True))
    watching.until(1.1)
    for number in range(3, 2 * CAPACITY):
        watching.gets(picture(number), now=1.1 + number / 10_000)
        assert len(watching.receiver._buffer) <= CAPACITY
    watching.until(2.5)
    assert (watching.receiver.gaps, len(watching.receiver._buffer), watching.receiver.playing) == (1, 0, False)


def test_a_hole_too_large_to_be_asked_for_is_given_up_at_once(watching: Watching) -> None:
    watching.gets(picture(1, key=True))
    watching.until(1.1)
    watching.gets(picture(1500), now=1.1)
    watching.until(1.15)
    assert (watching.receiver.gaps, watching.receiver.playing) == (1, False)
    assert watching.link.of(rtcpfeedback.PictureLoss)


def test_a_picture_without_an_end_is_bounded(watching: Watching) -> None:
    watching.gets(part(1, KEY, last=False))
    watching.gets(*[part(number, DELTA, last=False) for number in range(2, MAXIMUM_PARTS + 10)])
    watching.until(1.1)
    assert len(watching.receiver._assembly._parts) <= MAXIMUM_PARTS
    assert (watching.receiver.gaps, watching.receiver.playing) == (1, False)


def test_keyframes_are_not_asked_for_all_the_time(watching: Watching) -> None:
    for number in range(100):
        watching.gets(picture(number), now=1.0 + number / 100)
    assert 2 <= len(watching.link.of(rtcpfeedback.PictureLoss)) <= 3


def test_a_report_a_second(watching: Watching) -> None:
    watching.until(0.5)
    assert not watching.link.sent
    watching.gets(picture(1, key=True))
    watching.until(1.0 + 1.5 * REPORT_INTERVAL)
    reports = watching.link.of(rtcp.ReceiverReport)
    assert [report.blocks[0].ssrc for report in reports] == [VIDEO, VIDEO]
    watching.receiver.on_control(rtcp.SenderReport(VIDEO, 0, 0, 0, 0, []), 2.0)
    watching.receiver.on_control(rtcp.SenderReport(VIDEO + 9, 0, 0, 0, 0, []), 2.0)
    assert watching.receiver.sender_reports == 1


def test_what_was_lost_stays_so_in_reports_though_it_came_again(watching: Watching) -> None:
    """As browsers report: what is repeated is a stream of its own."""
    watching.gets(picture(1, key=True))
    watching.until(1.01)
    watching.gets(picture(3), now=1.1)
    watching.gets(repair(2, 900), now=1.2)
    watching.until(1.0 + 1.5 * REPORT_INTERVAL)
    assert watching.numbers == [1, 2, 3]
    assert [report.blocks[0].cumulative_lost for report in watching.link.of(rtcp.ReceiverReport)] == [0, 1]


@pytest.mark.spec("fec/lost-fec-not-asked")
@pytest.mark.parametrize("lost", [{3}, {3, 4}])
def test_fec_that_is_lost_is_neither_asked_for_nor_waited_for(lost: set[int]) -> None:
    """Four pictures of three parts, each with one of FEC behind it; in the second case a part is lost, too."""
    watching = Watching()
    watching.receiver = Receiver(
        SSRC, REPAIR, "video", watching.link, mending=Mending(RED_PICTURES, ULPFEC, {TRANSPORT: 0})  # type: ignore[arg-type]
    )  # fmt: skip
    watching.receiver.on_frame = lambda frame, timestamp: watching.frames.append((frame, timestamp))
    watching.receiver._assembly.starts_keyframe = lambda payload: not watching.frames  # type: ignore[method-assign]
    given = list[bytes]()
    for number, packet in enumerate(protected(4)):
        now = 1.0 + number // 4 / 30
        watching.until(now)
        if number not in lost:
            given += watching.receiver.receive(packet, now)
        watching.now = now
    watching.until(1.2)
    assert watching.numbers == [0, 1, 2, 3]
    assert not watching.link.of(rtcpfeedback.Nack)
    assert sorted(rtp.parse(each).sequence for each in given) == list(range(16)), "who records it gets every number"
    assert watching.receiver.statistics.delay_ms <= 40


class Listening(Watching):
    """`heard` has the payloads of sound, and None for what was concealed, with their moments."""

    def __init__(self) -> None:
        super().__init__()
        self.receiver = Receiver(VIDEO, None, "audio", self.link, red=RED)  # type: ignore[arg-type]
        self.heard: list[tuple[float, bytes | None]] = []

    def play(self, *numbers: int, twice: bool = False) -> None:
        """One packet every 20 ms, with its number in it; those that are not named do not come."""
        self.receiver.on_sound = lambda payload: self.heard.append((now, payload))
        maker = Redundancy(111)
        for number in range(max(numbers) + 1):
            now = 1.0 + number / 50
            packet = rtp.Packet(111, number, 960 * number, VIDEO, bytes([number]))
            if twice:
                packet.payload_type, packet.payload = RED, maker.wrap(packet.timestamp, packet.payload)
            if number in numbers:
                self.gets(packet, now=now)
            now += 0.015
            self.until(now)


@pytest.mark.spec("jitter/deadline", "jitter/gaps")
def test_sound_is_in_order_and_a_lost_packet_is_concealed_and_stalls_nobody() -> None:
    listening = Listening()
    listening.play(0, 1, 2, 4, 5)
    assert [payload for _, payload in listening.heard] == [b"\0", b"\1", b"\2", None, b"\4", b"\5"]
    assert max(at - 1 - payload[0] / 50 for at, payload in listening.heard if payload) < 0.02
    statistics = listening.receiver.statistics
    assert statistics == Statistics(kind="audio", packets=5, delay_ms=10, late=0, lost=1, concealed=1, frames=0)
    assert (listening.receiver.last_payload, listening.receiver.ssrcs) == (b"\5", [VIDEO])


@pytest.mark.spec("red/timestamps")
def test_what_was_lost_is_heard_from_its_successor_and_not_asked_for() -> None:
    listening = Listening()
    listening.play(0, 1, 3, 4, 7, 8, twice=True)
    listening.until(1.22)
    heard = [payload[0] if payload is not None else None for _, payload in listening.heard]
    assert heard == [0, 1, 2, 3, 4, None, 6, 7, 8]
    assert listening.link.of(rtcpfeedback.Nack) == [rtcpfeedback.Nack(VIDEO, VIDEO, [5])]
    statistics = listening.receiver.statistics
    assert (statistics.packets, listening.receiver.doubled) == (6, 6)
    assert (statistics.lost, statistics.concealed, statistics.late) == (1, 1, 0)
    assert listening.receiver.last_payload == b"\x08"


def test_a_long_hole_in_the_sound_is_silence_and_not_made_up() -> None:
    listening = Listening()
    listening.play(0, 1, 40, 41)
    assert [payload for _, payload in listening.heard].count(None) == MAXIMUM_CONCEALED
    assert (listening.receiver.statistics.lost, listening.receiver.concealed) == (38, MAXIMUM_CONCEALED)


def test_what_was_received_is_said_in_a_line(watching: Watching) -> None:
    listening = Listening()
    listening.play(0, 1, 2, 4, 5)
    watching.gets(picture(1, key=True), picture(2))
    watching.until(1.1)
    slots = [listening.receiver.statistics, watching.receiver.statistics, Watching().receiver.statistics]
    assert in_words("Ada", slots) == (
        "Ada received sound: packets 5, late 0, lost 1, concealed 1, delay 10 ms; "
        "pictures: packets 2, frames 2, late 0, lost 0, delay 10 ms"
    )
    assert in_words("Bob", slots[2:]) == "Bob received nothing"


@given(st.lists(st.binary(max_size=40), max_size=20), st.floats(0.001, 1))
def test_any_octets_of_sound_are_survived(packets: list[bytes], pause: float) -> None:
    listening = Listening()
    for number, octets in enumerate(packets):
        now = 1.0 + number * pause
        listening.gets(rtp.Packet(RED, number, 960 * number, VIDEO, octets), now=now)
        listening.until(now)
    assert len(listening.receiver._buffer) <= CAPACITY


@given(st.lists(st.binary(max_size=40), max_size=20), st.floats(0.001, 1))
def test_any_octets_are_survived_and_time_moves_on(packets: list[bytes], pause: float) -> None:
    watching = Watching()
    head = rtp.serialize(picture(1))[:12]
    for number, octets in enumerate(packets):
        now = 1.0 + number * pause
        watching.receiver.receive(octets, now)
        watching.receiver.receive(head + octets, now)
        watching.receiver.receive(head[:8] + REPAIR.to_bytes(4) + octets, now)
        watching.until(now)
    assert len(watching.receiver._buffer) <= CAPACITY
