"""What a publisher sends goes on once, is accounted for, and fills nothing without bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.media.rewriting import Incoming
from meetref.media.roundtrip import RoundTrip
from meetref.meeting.track import Encoding
from meetref.meeting.up import MAXIMUM_STREAMS, MAXIMUM_TRACKS
from meetref.protocol.videocodecs import H264
from meetref.wire import rtcp, rtcpfeedback, rtp
from meetref.wire.transportfeedback import TransportFeedback
from tests.meeting.links import REPAIR, VIDEO, Publisher, picture, received_track, repair, sound


class Listener:
    """Stands for a slot."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []

    def send(self, packets: Sequence[Incoming], now: float) -> None:
        self.heard += [(packet.sequence, packet.tail) for packet in packets]

    def lose(self, encoding: Encoding, now: float) -> None:
        """The stream began anew."""


def publisher(seed: int = 1) -> tuple[Publisher, Listener]:
    alice, listener = Publisher(seed), Listener()
    for track in alice.up.tracks.values():
        track.encodings[0].slots.append(listener)  # type: ignore[arg-type]
    return alice, listener


def test_an_original_and_its_repair_are_forwarded_once() -> None:
    alice, listener = publisher()
    alice.send(picture(10, key=True))
    alice.send(picture(12))
    alice.send(repair(11, 500))  # the repair is first
    alice.send(picture(11))
    alice.send(repair(12, 501))  # the original was first
    assert [sequence for sequence, _ in listener.heard] == [10, 12, 11]
    assert listener.heard[2][1] == picture(11).payload
    assert alice.up.ignored["seen before"] == 2


def test_a_gap_is_asked_for_after_the_time_of_reordering() -> None:
    alice, _ = publisher()
    alice.send(picture(10, key=True))
    alice.send(picture(13))
    alice.hears()
    alice.now += 0.011
    assert alice.up.next_timeout() <= alice.now
    alice.up.handle_timeout(alice.now)
    assert alice.up.next_timeout() > alice.now
    nacks = [packet for packet in alice.hears() if isinstance(packet, rtcpfeedback.Nack)]
    assert [(nack.media_ssrc, nack.lost) for nack in nacks] == [(VIDEO, [11, 12])]


def test_the_requests_of_many_viewers_become_one() -> None:
    alice, _ = publisher()
    alice.send(picture(1, key=True))
    for _ in range(25):
        alice.up.tracks["v"].encodings[0].want_keyframe(alice.now)
    losses = [packet for packet in alice.hears() if isinstance(packet, rtcpfeedback.PictureLoss)]
    assert [loss.media_ssrc for loss in losses] == [VIDEO]
    alice.now += 0.05
    alice.up.tracks["v"].encodings[0].want_keyframe(alice.now)
    assert not alice.hears()


def test_unknown_sources_are_bound_by_their_mid_and_bounded() -> None:
    alice, listener = publisher()
    for number in range(100):
        alice.send(picture(number, key=True, ssrc=5000 + number, mid="v"))
    assert len(alice.up.streams) == MAXIMUM_STREAMS
    assert len(listener.heard) == MAXIMUM_STREAMS
    assert alice.up.ignored["too many streams"] == 100 - MAXIMUM_STREAMS


def test_sources_that_belong_nowhere_leave_nothing_behind() -> None:
    alice, listener = publisher()
    for number in range(40):
        alice.send(picture(number, key=True, ssrc=7000 + number, mid="x"))
    assert not alice.up.streams
    assert not listener.heard
    assert alice.up.ignored["belongs to no section"] == 40


def test_sections_of_ever_new_offers_are_bounded() -> None:
    alice, _ = publisher()
    for number in range(100):
        one = received_track(f"m{number}", "video", (9000 + number, 9500), {8000 + number: 1, 8500: 9000 + number})
        alice.up.describe([one], {one.mid: "camera"}, 0.0)
    assert len(alice.up.tracks) == MAXIMUM_TRACKS
    assert alice.up.ignored["too many tracks"] == 100 - MAXIMUM_TRACKS + 2
    for number in range(100):
        alice.up.describe([received_track("v", "video", (number,), {100_000 + number: 5})], {"v": "camera"}, 0.0)
    assert max(len(alice.up._by_ssrc), len(alice.up._repairs)) <= 3 * MAXIMUM_TRACKS


def test_what_is_not_locked_with_our_keys_is_counted() -> None:
    alice, listener = publisher()
    locked = bytearray(alice.lock(picture(1, key=True)))
    locked[-1] ^= 1
    alice.up.receive_media(bytes(locked), alice.now)
    alice.up.receive_media(rtp.serialize(picture(2, key=True)), alice.now)
    alice.up.receive_media(b"\x80\xc8" + bytes(30), alice.now)
    assert not listener.heard
    assert alice.up.ignored == {"not unlocked": 2, "control packet not unlocked": 1}
    assert not alice.up.streams


@settings(max_examples=60)
@given(data=st.binary(max_size=120), control=st.booleans(), ssrc=st.sampled_from([VIDEO, REPAIR, 2000]))
def test_any_octets_locked_or_not_raise_nothing(data: bytes, control: bool, ssrc: int) -> None:
    alice, _ = SHARED
    alice.up.receive_media(data, alice.now)
    alice.up.receive_media(bytes([0x80, 0xC8 if control else 96]) + data, alice.now)
    SHARED_NUMBERS[0] += 1
    packet = rtp.Packet(payload_type=96, sequence=SHARED_NUMBERS[0], timestamp=5, ssrc=ssrc, payload=data)
    alice.send(packet)
    assert alice.far.srtp is not None
    inside = b"\x81\xc8" + ((len(data) // 4) or 1).to_bytes(2) + data + bytes(8 - len(data) % 4)
    alice.up.receive_media(alice.far.srtp.lock_control(inside), alice.now)
    alice.now += 0.5
    alice.up.handle_timeout(alice.now)
    assert alice.up.next_timeout() > alice.now
    alice.hears()
    assert len(alice.up.streams) <= 2


def test_reports_and_feedback_tell_what_came() -> None:
    alice, _ = publisher()
    for number in (10, 11, 13):
        alice.send(picture(number, key=number == 10))
    alice.send_control(rtcp.SenderReport(VIDEO, 123 << 32, 30000, 3, 300, []))
    alice.up._report_at = alice.now
    alice.now += 0.2
    alice.up.handle_timeout(alice.now)
    told = alice.hears()
    (report,) = [packet for packet in told if isinstance(packet, rtcp.ReceiverReport)]
    (block,) = report.blocks
    assert (block.ssrc, block.last_sender_report) == (VIDEO, 123 << 16)
    (feedback,) = [packet for packet in told if isinstance(packet, TransportFeedback)]
    assert feedback.base_sequence == 10
    assert [arrival is not None for arrival in feedback.arrivals] == [True, True, False, True]


def clocks(told: Sequence[rtcp.Packet]) -> list[rtcp.ExtendedReport]:
    return [packet for packet in told if isinstance(packet, rtcp.ExtendedReport)]


def asked(alice: Publisher, later: float) -> list[rtcp.ExtendedReport]:
    """The extended reports that the publisher gets after so many seconds."""
    alice.now += later
    alice.up._report_at = alice.now
    alice.up.handle_timeout(alice.now)
    return clocks(alice.hears())


@pytest.mark.spec("rtcp/round-trip-agreed", "rtcp/round-trip-without-media")
def test_a_publisher_who_answers_clocks_is_asked_and_measured() -> None:
    alice, _ = publisher()
    alice.send(picture(1, key=True))
    assert alice.up.peer.ice.selected is not None
    alice.up.peer.ice.selected.round_trip_time = 0.3
    assert asked(alice, 1.0) == []
    alice.up.describe([replace(received_track("v", "video", (VIDEO,)), answers_clock=True)], {"v": "camera"}, 0.0)
    far = RoundTrip(VIDEO)
    (report,) = asked(alice, 1.0)
    far.on_report(report, 77.0)
    alice.now += 0.15
    alice.send_control(*far.answer(77.05))
    assert alice.up.round_trip_time(alice.now) == pytest.approx(0.1, abs=1e-3)
    assert len(asked(alice, 1.0)) == 1
    assert [stream.losses.round_trip_time for stream in alice.up.streams.values()] == [pytest.approx(0.1, abs=1e-3)]
    assert alice.up.round_trip_time(alice.now + 10) == 0.3, "no answer for long: what ICE says counts"


@pytest.mark.spec("rtcp/reference-answered")
def test_a_publisher_who_asks_is_answered_once() -> None:
    alice, _ = publisher()
    alice.send_control(RoundTrip(VIDEO).ask(5.0))
    (answer,) = asked(alice, 0.25)
    assert answer.blocks == [rtcp.ReferenceDelays([rtcp.ReferenceDelay(VIDEO, 1 << 16, 1 << 14)])]
    assert asked(alice, 1.0) == []


@pytest.mark.parametrize("level", [0, 40, 127])
def test_the_level_of_sound_is_told_to_who_listens(level: int) -> None:
    alice, listener = publisher()
    levels: list[int] = []
    alice.up.tracks["a"].on_level = lambda level, now: levels.append(level)
    alice.send(sound(1, level))
    assert levels == [level]
    assert listener.heard == [(1, b"hum")]


SHARED = publisher(3)
SHARED_NUMBERS = [0]


def test_requests_are_repeated_at_the_pace_of_the_path() -> None:
    alice, _ = publisher()
    alice.send(picture(1, key=True))
    selected = alice.up.peer.ice.selected
    assert selected is not None
    selected.round_trip_time = 0.3
    alice.up._report_at = alice.now
    alice.up.handle_timeout(alice.now)
    assert {stream.losses.round_trip_time for stream in alice.up.streams.values()} == {0.3}


def test_a_section_that_goes_on_in_another_codec_is_another_track() -> None:
    alice, _ = publisher()
    alice.send(picture(10, key=True))
    before = alice.up.tracks["v"]
    section = replace(received_track("v", "video", (VIDEO,), {REPAIR: VIDEO}), codecs={102: H264})
    alice.up.describe([section], {"v": "camera"}, 0.0)
    track = alice.up.tracks["v"]
    assert (before.codec, track.codec) == ("VP8", "H264")
    listener = Listener()
    track.encodings[0].slots.append(listener)  # type: ignore[arg-type]
    parameters = bytes.fromhex("6742c01fda014016e8")
    sent = picture(11)
    sent.payload = parameters
    alice.send(sent)
    assert listener.heard == [(11, parameters)]
    assert track.encodings[0].size == (1280, 720)
    assert set(alice.up.streams) == {VIDEO}
    alice.up.describe([section], {"v": "camera"}, 0.0)
    assert alice.up.tracks["v"] is track, "the same again changes nothing"
