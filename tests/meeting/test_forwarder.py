"""One packet to many seats: each its own stream, and the trouble of one link is its own."""

from __future__ import annotations

import pytest

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.rewriting import Incoming
from meetref.meeting.forwarder import MAXIMUM_EARLY, Track
from tests.meeting.links import DELTA, KEY, Viewer


def track() -> Track:
    clock = TrackClock(PublisherClock(), 90000)
    return Track(owner="alice", source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[])


def incoming(sequence: int, *, key: bool = False) -> Incoming:
    return Incoming(sequence, sequence * 3000, 0x80, KEY if key else DELTA, key)


def feed(camera: Track, packet: Incoming, now: float) -> None:
    """A batch of one."""
    camera.take(packet)
    camera.forward(now)


@pytest.fixture
def viewers() -> list[Viewer]:
    return [Viewer(seed) for seed in (11, 12, 13)]


def test_each_viewer_gets_each_packet_in_a_stream_of_its_own(viewers: list[Viewer]) -> None:
    camera = track()
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(10):
        feed(camera, incoming(number, key=number == 0), number / 30)
    assert all(viewer.dirty == [viewer.down] for viewer in viewers), "each connection is sent for once a batch"
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
    arrived: list[Track] = []
    camera = track()
    camera._arrived = arrived
    for viewer in viewers:
        viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(8):
        camera.take(incoming(number, key=number == 0))
    assert arrived == [camera]
    assert not any(viewer.dirty for viewer in viewers)
    camera.forward(0.1)
    for viewer in viewers:
        assert viewer.dirty == [viewer.down]
        got = viewer.gets()
        assert [packet.sequence - got[0].sequence for packet in got] == list(range(8))
        numbers = [int.from_bytes(packet.extensions[3]) for packet in got]
        assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(8))
    camera.forward(0.2)
    assert not any(viewer.dirty for viewer in viewers), "nothing is forwarded twice"


def test_what_the_lock_refuses_is_a_gap_and_the_rest_goes(viewers: list[Viewer]) -> None:
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for packet in (incoming(0, key=True), incoming(1), incoming(1), incoming(2)):
        camera.take(packet)
    camera.forward(0.1)
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
    assert [number - numbers[0] for number in numbers] == [0, 2, 1]


def test_what_waits_for_a_keyframe_is_bounded(viewers: list[Viewer]) -> None:
    viewer, camera = viewers[0], track()
    viewer.down.slots["v0"].show(camera, 0.0)
    for number in range(1, 10 * MAXIMUM_EARLY):
        feed(camera, incoming(number), 0.1)
    feed(camera, incoming(0, key=True), 0.1)
    assert len(viewer.gets()) == 1 + MAXIMUM_EARLY


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
