"""What a viewer gets: one straight stream a slot, lost packets again, and one request however many ask."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.media.clock import from_ntp
from meetref.media.feedback import ArrivalRecorder
from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.rewriting import Incoming
from meetref.media.roundtrip import RoundTrip
from meetref.meeting.down import MAXIMUM_UNREAD
from meetref.meeting.repair import Verbatim
from meetref.meeting.track import Track
from meetref.protocol.negotiation import RTX_PAYLOAD_TYPE, TRANSPORT_SEQUENCE, AcceptedTrack, TakenAnswer, Transport
from meetref.protocol.videocodecs import AV1, H264
from meetref.wire import rtcp, rtcpfeedback
from tests.meeting.links import DELTA, KEY, Publisher, Viewer


class Camera:
    """A source of pictures, 30 a second."""

    def __init__(self, start: int) -> None:
        self.asked = 0
        self.sequence, self.start = start, start * 7919
        self.track = Track(
            owner="alice", source="camera", kind="video", clock=TrackClock(PublisherClock(), 90000), ask=self._ask,
            arrived=[],
        )  # fmt: skip
        (self.encoding,) = self.track.encodings

    def _ask(self) -> None:
        self.asked += 1

    def send(self, now: float, *, key: bool = False) -> None:
        self.sequence += 1
        timestamp = (self.start + round(now * 90000)) & 0xFFFFFFFF
        payload = KEY if key else DELTA
        self.encoding.receive(Incoming(self.sequence, timestamp, 0x80, payload, key), now)
        self.encoding.forward(now)

    def send_large(self, now: float, packets: int, *, key: bool = False) -> None:
        """A picture of so many packets, which came at once."""
        timestamp = self.start + round(now * 90000)
        for number in range(packets):
            self.sequence += 1
            starts = key and number == 0
            payload = (KEY if starts else DELTA).ljust(956)
            self.encoding.receive(Incoming(self.sequence, timestamp, 0, payload, starts), now)
        self.encoding.forward(now)


def showing(*, rtx: bool = True) -> tuple[Viewer, Camera]:
    viewer, camera = Viewer(), Camera(100)
    if not rtx:
        viewer.down.slots["v0"].repair = Verbatim()
    viewer.down.slots["v0"].show(camera.track, 0.0)
    for number in range(5):
        camera.send(number / 30, key=number == 0)
    return viewer, camera


def nack(viewer: Viewer, *lost: int) -> rtcpfeedback.Nack:
    return rtcpfeedback.Nack(1, viewer.down.slots["v0"].rewriter.ssrc, list(lost))


def test_a_lost_packet_comes_again_on_the_repair_stream() -> None:
    viewer, _ = showing()
    sent = viewer.gets()
    viewer.says(nack(viewer, sent[2].sequence), now=0.3)
    (again,) = viewer.gets()
    offered = next(slot for slot in viewer.down.offered if slot.mid == "v0")
    assert (again.ssrc, again.payload_type) == (offered.rtx_ssrc, RTX_PAYLOAD_TYPE)
    assert again.payload == sent[2].sequence.to_bytes(2) + sent[2].payload
    assert (again.timestamp, again.marker) == (sent[2].timestamp, sent[2].marker)
    numbers = [int.from_bytes(packet.extensions[3]) for packet in [*sent, again]]
    assert [(later - earlier) & 0xFFFF for earlier, later in pairwise(numbers)] == [1] * 5
    viewer.says(nack(viewer, sent[2].sequence), now=0.301)
    assert not viewer.gets(), "an impatient repetition"


def test_without_a_repair_stream_the_very_ciphertext_comes_again() -> None:
    viewer, _ = showing(rtx=False)
    sent = viewer.locked()
    plain = [viewer.far.unlock(data) for data in sent]
    assert plain[2] is not None
    viewer.says(nack(viewer, int.from_bytes(plain[2][2:4])), now=0.3)
    assert viewer.locked() == [sent[2]]


def test_who_asks_once_a_round_trip_is_answered_though_it_seems_longer_here() -> None:
    viewer, _ = showing()
    lost = viewer.gets()[2].sequence
    viewer.down.slots["v0"].repair.expect(0.301)
    for at, times in ((0.3, 1), (0.4, 0), (0.6, 1), (0.9, 1)):
        viewer.says(nack(viewer, lost), now=at)
        assert len(viewer.gets()) == times, at


def test_what_was_never_sent_is_not_repeated() -> None:
    viewer, _ = showing()
    last = viewer.gets()[-1].sequence
    viewer.says(nack(viewer, last + 1, last - 100, 0), now=0.3)
    viewer.says(rtcpfeedback.Nack(1, 4242, [last]), now=0.3)
    assert not viewer.locked()


def test_many_viewers_ask_and_the_source_is_asked_once() -> None:
    camera, viewers = Camera(5), [Viewer(seed) for seed in (2, 3, 4)]
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera.track, 0.0)
    assert camera.asked == 1
    camera.encoding.keyframes.arrived(0.1)
    for viewer in viewers:
        ssrc = viewer.down.slots["v0"].rewriter.ssrc
        viewer.says(rtcpfeedback.PictureLoss(1, ssrc), rtcpfeedback.FullIntra(1, [(ssrc, 7)]), now=1.0)
    assert camera.asked == 2


@pytest.mark.spec("rtcp/keyframe-on-its-way")
def test_who_asks_while_a_keyframe_is_on_its_way_gets_no_second_one() -> None:
    viewer, camera = showing()
    ssrc, before = viewer.down.slots["v0"].rewriter.ssrc, camera.asked
    camera.send(1.0, key=True)
    viewer.says(rtcpfeedback.PictureLoss(1, ssrc), now=1.05)
    assert camera.asked == before
    viewer.says(rtcpfeedback.PictureLoss(1, ssrc), now=1.25)
    assert camera.asked == before + 1, "it was lost, or a later picture"


@pytest.mark.spec("rtcp/keyframe-on-its-way")
def test_a_keyframe_that_waits_for_its_turn_is_on_its_way() -> None:
    viewer, camera = showing()
    ssrc, before = viewer.down.slots["v0"].rewriter.ssrc, camera.asked
    viewer.down.pacer.set_rate(200_000)
    camera.send_large(1.0, 10, key=True)  # 0.4 s of the line
    assert viewer.down.pacer
    viewer.says(rtcpfeedback.PictureLoss(1, ssrc), now=1.3)
    assert camera.asked == before
    viewer.says(rtcpfeedback.PictureLoss(1, ssrc), now=1.6)
    assert camera.asked == before + 1


@pytest.mark.spec("rtcp/keyframe-on-its-way")
def test_a_keyframe_of_which_a_part_is_sent_again_is_on_its_way() -> None:
    viewer, camera = showing()
    slot = viewer.down.slots["v0"]
    camera.send(1.0, key=True)
    before = camera.asked
    for asked_at in (1.2, 1.55):
        viewer.says(rtcpfeedback.Nack(1, slot.rewriter.ssrc, [slot.rewriter.last_sequence]), now=asked_at)
        viewer.says(rtcpfeedback.PictureLoss(1, slot.rewriter.ssrc), now=asked_at + 0.05)
        assert camera.asked == before
    viewer.says(rtcpfeedback.PictureLoss(1, slot.rewriter.ssrc), now=1.7)
    assert camera.asked == before + 1, "half a second is enough"


def test_a_slot_stays_one_stream_and_one_line_when_the_person_changes() -> None:
    viewer, first = showing()
    slot = viewer.down.slots["v0"]
    second = Camera(60000)
    second.send(0.2, key=True)  # nobody shows it yet
    slot.show(second.track, 1.0)
    first.send(1.01, key=True)
    second.send(1.02)
    reports = []
    for number in range(40):
        second.send(1.1 + number / 30, key=number == 0)
        if number % 20 == 10:
            viewer.down._report_at = 0.0
            viewer.down.handle_timeout(1.1 + number / 30)
            reports += [packet for packet in viewer.hears() if isinstance(packet, rtcp.SenderReport)]
    sent = viewer.gets()
    assert len(sent) == 5 + 40
    steps = [(later.sequence - earlier.sequence) & 0xFFFF for earlier, later in pairwise(sent)]
    assert steps == [1] * 44
    change = (sent[5].timestamp - sent[4].timestamp) & 0xFFFFFFFF
    assert abs(change / 90000 - (1.1 - 4 / 30)) < 0.1, "the pause is as long on the stream's clock as it was"
    base = slot.base
    assert base is not None
    for report in reports:
        elapsed = from_ntp(report.ntp) - 1e9 - base[0]
        line = (base[1] + round(elapsed * 90000)) & 0xFFFFFFFF
        assert abs((report.rtp_timestamp - line + (1 << 31)) % (1 << 32) - (1 << 31)) < 90000 * 0.1
    assert viewer.started == ["v0", "v0"]


def test_reports_come_once_a_second_and_at_once_when_something_begins() -> None:
    viewer, camera = Viewer(), Camera(1)
    viewer.down.slots["v0"].show(camera.track, 0.0)
    camera.send(0.0, key=True)
    assert viewer.started == ["v0"]
    assert viewer.down.next_timeout() == 0.0
    viewer.down.handle_timeout(0.0)
    reported = [0.0 for packet in viewer.hears() if isinstance(packet, rtcp.SenderReport)]
    for step in range(1, 21):
        now = step / 5
        camera.send(now)
        viewer.down.tend(now)
        reported += [now for packet in viewer.hears() if isinstance(packet, rtcp.SenderReport)]
    assert reported == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert viewer.down.next_timeout() > 4.0, "nothing of this wakes the server"
    woken = viewer.woken
    viewer.down.switched(viewer.down.slots["v0"], 4.1)
    assert viewer.woken == woken + 1
    assert viewer.down.next_timeout() == 4.1


def test_a_stranger_cannot_push_out_what_the_viewer_told() -> None:
    """Feedback waits unproven. Where too much waits it is read at once, and nothing is forgotten."""
    viewer, camera = Viewer(), Camera(1)
    viewer.down.slots["v0"].show(camera.track, 0.0)
    camera.send(0.0, key=True)
    arrivals = ArrivalRecorder(1)
    arrivals.media_ssrc = viewer.down.slots["v0"].rewriter.ssrc
    for packet in viewer.gets():
        arrivals.record(int.from_bytes(packet.extensions[3]), 0.02)
    viewer.says(*arrivals.build(0.1), now=0.1)
    assert viewer.down.capacity.feedbacks == 0
    forged = bytes([0x8F, 205, 0, 4]) + bytes(36)
    waiting = []
    for _ in range(3 * MAXIMUM_UNREAD):
        viewer.down.receive_media(forged, 0.11)
        waiting.append(len(viewer.down._unread))
    assert max(waiting) < MAXIMUM_UNREAD
    assert viewer.down.capacity.feedbacks == 1
    viewer.down.tend(0.2)
    assert viewer.down.ignored["control packet not unlocked"] == 3 * MAXIMUM_UNREAD


def test_an_impatient_second_request_is_told_by_the_round_trip_of_the_path() -> None:
    viewer, camera = Viewer(), Camera(1)
    viewer.down.slots["v0"].show(camera.track, 0.0)
    camera.send(0.0, key=True)
    selected = viewer.down.peer.ice.selected
    assert selected is not None
    selected.round_trip_time = 0.25
    viewer.down._report_at = 0.0
    viewer.down.handle_timeout(0.1)
    (sent,) = viewer.gets()
    for now, answers in ((0.2, 1), (0.4, 0), (0.46, 1)):
        viewer.says(rtcp.Nack(1, sent.ssrc, [sent.sequence]), now=now)
        assert len(viewer.locked()) == answers, now


@pytest.mark.spec("rtcp/reference-answered")
def test_a_viewer_who_asks_learns_the_round_trip_once_there_are_reports() -> None:
    viewer, camera = Viewer(), Camera(1)
    viewer.down.slots["v0"].show(camera.track, 0.0)
    asking = RoundTrip(4711)
    viewer.says(asking.ask(0.0), now=0.02)
    viewer.down._report_at = 0.0
    viewer.down.handle_timeout(0.1)
    assert viewer.hears() == [], "nothing was sent so far, and what has no stream has no name to answer in"
    camera.send(0.2, key=True)
    viewer.down._report_at = 0.0
    viewer.down.handle_timeout(0.5)
    *_, answer = told = viewer.hears()
    assert isinstance(told[0], rtcp.SenderReport)
    assert isinstance(answer, rtcp.ExtendedReport)
    assert answer.ssrc == told[0].ssrc
    asking.on_report(answer, 0.53)
    assert asking.seconds(0.53) == pytest.approx(0.05, abs=1e-3)
    viewer.down.tend(1.6)
    assert not [packet for packet in viewer.hears() if isinstance(packet, rtcp.ExtendedReport)]


def test_nothing_is_sent_before_a_keyframe() -> None:
    viewer, camera = Viewer(), Camera(1)
    viewer.down.slots["v0"].show(camera.track, 0.0)
    for number in range(5):
        camera.send(number / 30)
    assert not viewer.locked()


@settings(max_examples=60)
@given(data=st.binary(max_size=120), kind=st.sampled_from([200, 201, 205, 206, 207]))
def test_any_octets_locked_or_not_are_counted_and_raise_nothing(data: bytes, kind: int) -> None:
    viewer = SHARED
    before = viewer.down.ignored.total()
    viewer.down.receive_media(data, 1.0)
    viewer.down.receive_media(bytes([0x80, kind]) + data, 1.0)
    assert viewer.down.ignored.total() == before + 2
    assert viewer.far.srtp is not None
    words = (len(data) + 3) // 4 + 1
    inside = bytes([0x81, kind]) + words.to_bytes(2) + data.ljust(4 * words, b"\0")
    viewer.down.receive_media(viewer.far.srtp.lock_control(inside), 1.0)


SHARED = Viewer(7)


@pytest.mark.spec("rewriting/payload-type-of-codec")
def test_the_payload_types_are_those_of_the_codec_that_is_shown() -> None:
    """Also of what is sent again; what was sent of the codec before is not."""
    viewer, _ = showing()
    before = viewer.gets()
    other = Camera(60000)
    other.track.codec = "H264"
    slot = viewer.down.slots["v0"]
    slot.show(other.track, 1.0)
    for number in range(3):
        other.send(1.0 + number / 30, key=number == 0)
    sent = viewer.gets()
    assert {packet.payload_type for packet in before} == {96}
    assert {packet.payload_type for packet in sent} == {H264.payload_type}
    viewer.says(nack(viewer, sent[1].sequence, before[1].sequence), now=1.3)
    (again,) = viewer.gets()
    assert again.payload_type == H264.payload_type + 1
    assert again.payload == sent[1].sequence.to_bytes(2) + sent[1].payload


@pytest.mark.spec("simulcast/codec-that-is-read")
def test_what_the_answer_does_not_read_no_slot_has() -> None:
    viewer = Viewer()
    accepted = AcceptedTrack(
        mid="v0", kind="video", receiving=True, payload_type=96, rtx_payload_type=97, codecs={"VP8": 97, "AV1": None}
    )
    viewer.down.answered(TakenAnswer(Transport("u", "p"), (accepted,)), 0.0)
    slot = viewer.down.slots["v0"]
    assert slot.formats == {"VP8": (96, 97), "AV1": (AV1.payload_type, AV1.payload_type + 1)}
    assert isinstance(slot.repair, Verbatim), "one of them has no repair stream"
    assert slot.rewriter.descriptor_id == 0


@pytest.mark.parametrize("tells", [False, True])
def test_an_answer_says_whether_feedback_will_come(tells: bool) -> None:
    viewer = Viewer()
    accepted = AcceptedTrack(
        mid="v0", kind="video", receiving=True, payload_type=96, codecs={"VP8": 97},
        extensions={TRANSPORT_SEQUENCE: 3}, feedback=("nack", "transport-cc") if tells else ("nack",),
    )  # fmt: skip
    viewer.down.answered(TakenAnswer(Transport("u", "p"), (replace(accepted, receiving=False),)), 0.0)
    assert not viewer.down.capacity.is_known
    viewer.down.answered(TakenAnswer(Transport("u", "p"), (accepted,)), 0.0)
    assert viewer.down.capacity.is_known is not tells


@pytest.mark.spec("simulcast/codec-that-is-read", "allocation/off-after-a-delay")
def test_a_picture_that_turns_out_to_be_unreadable_is_let_go_of_as_any_other() -> None:
    """Its publisher may go on for a while: somebody else may want it."""
    alice, viewer = Publisher(), Viewer()
    track, slot = alice.up.tracks["v"], viewer.down.slots["v0"]
    slot.show(track, 100.0)
    accepted = AcceptedTrack(mid="v0", kind="video", receiving=True, payload_type=104, codecs={"AV1": 105})
    viewer.down.answered(TakenAnswer(Transport("u", "p"), (accepted,)), 100.0)
    assert slot.track is None
    assert 100.0 < track.demand.next_timeout() < 110.0


def spoken(number: int, now: float) -> Incoming:
    return Incoming(number, round(now * 48000), 0, bytes(80), True, 20)


def paced(kilobits: int) -> tuple[Viewer, Camera, Track]:
    """A viewer who sees and hears Alice, at the end of a line that carries so much."""
    viewer, camera = showing()
    voice = Track(
        owner="alice", source="microphone", kind="audio", clock=TrackClock(PublisherClock(), 48000),
        ask=lambda: None, arrived=[],
    )  # fmt: skip
    viewer.down.slots["a0"].show(voice, 0.2)
    viewer.gets()
    viewer.down.pacer.set_rate(1000 * kilobits)
    return viewer, camera, voice


@pytest.mark.spec("bandwidth/own-burst")
def test_every_keyframe_is_taken_for_a_burst_of_our_own_once() -> None:
    viewer, camera = showing()
    told: list[float] = []
    viewer.down.on_keyframe = told.append
    camera.send_large(1.0, 20, key=True)
    camera.send(1.1)
    camera.send(1.2, key=True)
    assert told == [1.0, 1.2]


@pytest.mark.spec("pacing/rate", "pacing/audio-never-waits")
def test_a_keyframe_leaves_at_the_rate_and_voices_go_past_it() -> None:
    viewer, camera, voice = paced(500)
    camera.send_large(0.3, 20)
    first = viewer.gets()
    assert 0 < len(first) < 20
    assert viewer.woken > 0
    (heard,) = voice.encodings
    heard.take(spoken(1, 0.301))
    heard.forward(0.301)
    assert [packet.payload_type for packet in viewer.gets()] == [111]
    rest, at = [], 0.3
    while viewer.down.pacer:
        at = viewer.down.pacer.next_timeout()
        viewer.down.handle_timeout(at)
        rest += viewer.gets()
    numbers = [packet.sequence for packet in [*first, *rest]]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert at - 0.3 == pytest.approx(20 * 1000 * 8 / 500_000, rel=0.2)


@pytest.mark.spec("pacing/order")
def test_what_waits_of_a_picture_that_is_left_is_dropped() -> None:
    viewer, camera, _ = paced(500)
    camera.send_large(0.3, 20)
    waiting, last = len(viewer.down.pacer), viewer.gets()[-1].sequence
    other = Camera(500)
    viewer.down.slots["v0"].show(other.track, 0.31)
    other.send(0.4, key=True)
    assert viewer.down.pacer.dropped == waiting > 0
    viewer.down.handle_timeout(2.0)
    assert [packet.sequence for packet in viewer.gets()] == [last + 1]


def test_what_came_late_and_waits_leaves_in_its_place() -> None:
    viewer, camera, _ = paced(500)
    slot = viewer.down.slots["v0"]
    camera.send_large(0.3, 20)
    newest = camera.track.encodings[0].forwarded
    for ahead in ((1, 3), (2,), (4,)):
        slot.send([Incoming(newest + each, 30_000, 0, b"a part", False) for each in ahead], 0.3)
    viewer.gets()
    viewer.down.pacer.set_rate(1e9)
    viewer.down.capacity.estimator.on_probe(5_000_000, 0.3)  # so that there is room to repeat, too
    viewer.down.handle_timeout(1.0)
    numbers = [packet.sequence for packet in viewer.gets()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    viewer.says(nack(viewer, numbers[-3]), now=1.1)
    (again,) = viewer.gets()
    assert again.payload[:2] == numbers[-3].to_bytes(2)
