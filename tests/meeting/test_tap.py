"""The tap of a recording: every packet as it came, a viewer for layers and keyframes, and nobody's neighbour."""

from __future__ import annotations

import pytest

from meetref.media.rewriting import Incoming
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.tap import Tap
from meetref.meeting.track import Track
from meetref.wire import rtcp, rtp
from tests.meeting.links import AUDIO, VIDEO, Publisher, Viewer, picture, repair, sound
from tests.meeting.test_track import Camera


class Taken:
    """What a tap gave."""

    def __init__(self, publisher: Publisher, track: Track) -> None:
        self.packets: list[tuple[bytes, float]] = []
        self.failures: list[Exception] = []
        self.tap = Tap(track, self._take, self.failures.append, publisher.now)

    def _take(self, packet: bytes, now: float) -> None:
        self.packets.append((packet, now))

    @property
    def media(self) -> list[rtp.Packet]:
        return [rtp.parse(packet) for packet, _ in self.packets if not 192 <= packet[1] <= 223]

    @property
    def sequences(self) -> list[int]:
        return [packet.sequence for packet in self.media]

    @property
    def ssrcs(self) -> list[int]:
        return [packet.ssrc for packet in self.media]


@pytest.mark.spec("recorder/as-received")
def test_packets_are_taken_octet_by_octet_as_they_came() -> None:
    alice = Publisher()
    seen, heard = (Taken(alice, alice.up.tracks[mid]) for mid in "va")
    pictures = [picture(number, key=number == 1, mid="v") for number in range(1, 4)]
    pictures.append(rtp.Packet(payload_type=96, sequence=4, timestamp=9, ssrc=VIDEO, padding_size=200))
    sounds = [sound(number) for number in range(1, 4)]
    for packet in pictures + sounds:
        alice.now += 0.02
        alice.send(packet)
    assert [packet for packet, _ in seen.packets] == [rtp.serialize(packet) for packet in pictures]
    assert [packet for packet, _ in heard.packets] == [rtp.serialize(packet) for packet in sounds]
    assert [at for _, at in heard.packets] == pytest.approx([alice.now - 0.04, alice.now - 0.02, alice.now])


def test_what_nobody_records_is_not_kept_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are, for two seconds, and with it they would take twice as much."""
    alice = Publisher()
    track = alice.up.tracks["v"]
    came: list[Incoming] = []
    pictures = [picture(number, key=number == 1, mid="v") for number in (1, 2)]
    alice.send(pictures[0])
    monkeypatch.setattr(track.encodings[0], "take", came.append)
    alice.send(pictures[1])
    Taken(alice, track)
    alice.send(picture(3, mid="v"))
    assert [packet.whole for packet in came] == [b"", rtp.serialize(picture(3, mid="v"))]


@pytest.mark.spec("recorder/as-received")
def test_what_was_lost_and_sent_again_is_there_once() -> None:
    alice = Publisher()
    seen = Taken(alice, alice.up.tracks["v"])
    for number in (1, 2, 4):
        alice.send(picture(number, key=number == 1))
    alice.send(repair(3, 1))
    alice.send(repair(4, 2))
    assert seen.sequences == [1, 2, 4, 3]
    assert set(seen.ssrcs) == {VIDEO}


@pytest.mark.spec("recorder/counts-as-viewer")
def test_a_recording_begins_with_a_keyframe_that_it_asks_for() -> None:
    alice = Camera()
    alice.begins()
    alice.plays(0.5)
    alice.pictures_asked_for()
    taken = Taken(alice, alice.track)
    assert alice.pictures_asked_for() == {3003}
    alice.plays(0.2)
    assert taken.packets == []
    alice.shows("f", key=True)
    alice.plays(0.2)
    assert len(taken.packets) == 7
    assert set(taken.ssrcs) == {3003}


@pytest.mark.spec("recorder/counts-as-viewer")
def test_the_publisher_sends_what_only_the_recording_wants() -> None:
    alice = Camera()
    alice.begins()
    alice.plays(0.5)
    taken = Taken(alice, alice.track)
    alice.shows("f", key=True)
    alice.plays(6)
    alice.hears()
    assert alice.told[-1] == ["f"]
    middle = alice.encoding("h")
    taken.tap.want(middle, ALL_LAYERS, alice.now)
    alice.hears()
    assert "h" in alice.told[-1]
    alice.shows("h", key=True)
    alice.plays(0.2, "h")
    assert taken.ssrcs[-6:] == [3002] * 6
    taken.tap.close(alice.now)
    alice.plays(6)
    alice.hears()
    assert alice.told[-1] == []
    assert alice.track.slots == []


@pytest.mark.spec("recorder/counts-as-viewer")
def test_it_goes_over_when_an_encoding_is_not_sent_any_more() -> None:
    alice = Camera()
    alice.begins()
    alice.plays(0.5)
    taken = Taken(alice, alice.track)
    alice.shows("f", key=True)
    alice.plays(1)
    before = len(taken.packets)
    alice.plays(2, "qh", keys=True)  # as a browser does whose line got thin
    assert taken.ssrcs[:before] == [3003] * before
    assert set(taken.ssrcs[before:]) == {3002}


@pytest.mark.spec("recorder/sender-reports")
def test_reports_of_the_publisher_are_kept_among_the_packets() -> None:
    alice = Publisher()
    seen, heard = (Taken(alice, alice.up.tracks[mid]) for mid in "va")
    report = rtcp.SenderReport(AUDIO, 1 << 40, 960, 1, 3, [])
    alice.send(sound(1))
    alice.send_control(report)
    alice.send_control(rtcp.ReceiverReport(AUDIO, []))
    assert seen.packets == []
    assert [rtcp.parse(packet) if packet[1] == 200 else packet for packet, _ in heard.packets] == [
        rtp.serialize(sound(1)),
        [report],
    ]
    heard.tap.close(alice.now)
    alice.send_control(report)
    assert len(heard.packets) == 2


@pytest.mark.spec("recorder/sender-reports")
def test_a_packet_with_reports_of_several_encodings_is_kept_once() -> None:
    alice = Camera()
    alice.begins()
    taken = Taken(alice, alice.track)
    alice.send_control(*(rtcp.SenderReport(ssrc, 1 << 40, 1, 1, 1, []) for ssrc in (3001, 3002, 3003)))
    assert len(taken.packets) == 1
    assert len(rtcp.parse(taken.packets[0][0])) == 3


def test_a_mistake_in_the_recording_disturbs_nobody() -> None:
    alice, bob = Publisher(), Viewer(7)
    taken = Taken(alice, alice.up.tracks["v"])
    slot = bob.down.slots["v0"]
    slot.show(alice.up.tracks["v"], alice.now)

    def fail(packet: bytes, now: float) -> None:
        raise RuntimeError("a bug")

    taken.tap._take = fail
    for number in range(1, 4):
        alice.send(picture(number, key=number == 1))
    assert len(bob.gets()) == 3
    assert str(taken.failures[0]) == "a bug"
