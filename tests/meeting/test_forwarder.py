"""One packet to many seats: each its own stream, and the trouble of one link is its own."""

from __future__ import annotations

import pytest

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.rewriting import MAXIMUM_KEPT, Incoming
from meetref.meeting.track import Encoding, Track
from meetref.meeting.viewing import MAXIMUM_EARLY
from tests.meeting.links import DELTA, KEY, Viewer


def track() -> Track:
    clock = TrackClock(PublisherClock(), 90000)
    return Track(owner="alice", source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[])


def incoming(sequence: int, *, key: bool = False) -> Incoming:
    return Incoming(sequence, sequence * 3000, 0x80, KEY if key else DELTA, key)


def feed(camera: Track, packet: Incoming, now: float) -> None:
    """A batch of one."""
    (encoding,) = camera.encodings
    encoding.receive(packet, now)
    encoding.forward(now)


@pytest.fixture
def viewers() -> list[Viewer]:
    return [Viewer(seed) for seed in (11, 12, 13)]


def test_each_viewer_gets_each_packet_in_a_stream_of_its_own(viewers: list[Viewer]) -> None:
    camera = track()
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(10):
        feed(camera, incoming(number, key=number == 0), number / 30)
    got = [viewer.gets() for viewer in viewers]
    assert [len(packets) for packets in got] == [10, 10, 10]
    assert len({packets[0].ssrc for packets in got}) == 3


def test_a_packet_twice_is_locked_once(viewers: list[Viewer]) -> None:
    """Should one ever come through twice, the lock is the last to say no: the index was used."""
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for packet in (incoming(0, key=True), incoming(1), incoming(1)):
        feed(camera, packet, 0.1)
    assert len(viewer.gets()) == 2
    assert viewer.peers.server.srtp is not None
    assert viewer.peers.server.srtp.refused.total() == 1


def test_a_burst_is_forwarded_whole_and_in_order(viewers: list[Viewer]) -> None:
    arrived: list[Encoding] = []
    camera = track()
    camera.arrived = arrived
    (encoding,) = camera.encodings
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(8):
        encoding.take(incoming(number, key=number == 0))
    assert arrived == [encoding]
    assert not any(viewer.left for viewer in viewers)
    encoding.forward(0.1)
    for viewer in viewers:
        assert len(viewer.left) == 1, "a burst leaves with one call"
        got = viewer.gets()
        assert [packet.sequence - got[0].sequence for packet in got] == list(range(8))
        numbers = [int.from_bytes(packet.extensions[3]) for packet in got]
        assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(8))
    encoding.forward(0.2)
    assert not any(viewer.left for viewer in viewers), "nothing is forwarded twice"


def test_what_the_lock_refuses_is_a_gap_and_the_rest_goes(viewers: list[Viewer]) -> None:
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for packet in (incoming(0, key=True), incoming(1), incoming(1), incoming(2)):
        camera.encodings[0].take(packet)
    camera.encodings[0].forward(0.1)
    numbers = [int.from_bytes(packet.extensions[3]) for packet in viewer.gets()]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == [0, 1, 3]


def test_a_link_that_cannot_lock_does_not_stop_the_others(viewers: list[Viewer]) -> None:
    camera = track()

    viewers[1].down.lock = lambda run: []
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    feed(camera, incoming(0, key=True), 0.0)
    assert [len(viewer.gets()) for viewer in viewers] == [1, 0, 1]


def test_a_mistake_in_one_viewers_stream_is_that_viewers_alone(viewers: list[Viewer]) -> None:
    camera = track()
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    viewers[0].down.slots["v0"].rewriter = None  # type: ignore[assignment]
    feed(camera, incoming(0, key=True), 0.0)
    assert [len(viewer.gets()) for viewer in viewers] == [0, 1, 1]
    assert [len(viewer.failures) for viewer in viewers] == [1, 0, 0]


def test_what_overtakes_the_first_packet_of_a_keyframe_is_not_lost(viewers: list[Viewer]) -> None:
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for number in (3, 4, 7, 6, 5):  # 5 begins the keyframe
        feed(camera, incoming(number, key=number == 5), 0.1)
    numbers = [packet.sequence for packet in viewer.gets()]
    assert [number - numbers[0] for number in numbers] == [0, 1, 2]


def test_what_waits_for_a_keyframe_is_bounded(viewers: list[Viewer]) -> None:
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(1, 10 * MAXIMUM_EARLY):
        feed(camera, incoming(number), 0.1)
    slot = viewer.down.slots["v0"]
    assert len(slot._early) == MAXIMUM_EARLY
    feed(camera, incoming(0, key=True), 0.1)
    assert not viewer.gets(), "a keyframe whose other packets have been forgotten"
    feed(camera, incoming(10 * MAXIMUM_EARLY, key=True), 0.2)
    assert len(viewer.gets()) == 1


@pytest.mark.spec("simulcast/whole-keyframe")
def test_a_keyframe_of_which_something_went_by_is_no_beginning(viewers: list[Viewer]) -> None:
    """Its first packet was lost and comes again, when the others have gone without this viewer."""
    viewer, camera = viewers[0], track()
    asked: list[float] = []
    camera.ask = lambda: asked.append(1.0)
    viewers[1].down.slots["v0"].show(camera, 0.0)
    feed(camera, incoming(2), 0.1)
    viewer.down.slots["v0"].show(camera, 0.2)
    asked.clear()
    feed(camera, incoming(1, key=True), 0.6)
    assert not viewer.gets()
    assert asked, "another one is asked for"
    feed(camera, incoming(3, key=True), 0.7)
    assert len(viewer.gets()) == 1


def test_a_slot_leaves_the_track_it_showed(viewers: list[Viewer]) -> None:
    first, second = track(), track()
    slot = viewers[0].down.slots["v0"]
    slot.show(first, 0.0)
    slot.show(second, 0.0)
    assert (first.slots, second.slots) == ([], [slot])
    feed(first, incoming(0, key=True), 0.1)
    assert not viewers[0].locked()
    slot.show(None, 0.2)
    assert second.slots == []
    assert slot.first_timestamp is None


@pytest.mark.spec("rewriting/kept-numbers-filled")
def test_numbers_of_latecomers_are_filled_when_another_source_begins(viewers: list[Viewer]) -> None:
    """They come no more, and who plays packets in their order would wait for them."""
    viewer, first, second = viewers[0], track(), track()
    slot = viewer.down.slots["v0"]
    slot.show(first, 0.0)
    for number in (0, 1, 4, 6):
        feed(first, incoming(number, key=number == 0), 0.1)
    sent = viewer.gets()
    slot.show(second, 0.2)
    feed(first, incoming(3), 0.25)
    assert not viewer.gets()
    feed(second, incoming(70, key=True), 0.3)
    filled = viewer.gets()
    assert {packet.sequence - sent[0].sequence for packet in filled[:-1]} == {2, 3, 5}
    assert all((packet.payload, packet.padding_size, packet.marker) == (b"", 1, False) for packet in filled[:-1])
    assert filled[-1].sequence - sent[0].sequence == 7
    numbers = [int.from_bytes(packet.extensions[3]) for packet in (*sent, *filled)]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(8))


def test_of_a_long_stream_only_the_newest_numbers_are_looked_through(viewers: list[Viewer]) -> None:
    viewer, first, second = viewers[0], track(), track()
    slot = viewer.down.slots["v0"]
    slot.show(first, 0.0)
    for number in (0, 1000):
        feed(first, incoming(number, key=number == 0), 0.1)
    viewer.gets()
    slot.show(second, 0.2)
    feed(second, incoming(70, key=True), 0.3)
    assert len(viewer.gets()) == 1 + MAXIMUM_KEPT
