"""A track in several encodings: whose packet is whose, what is asked of which, and what the publisher is told."""

from __future__ import annotations

import pytest

from meetref.media.demand import OFF_AFTER
from meetref.media.simulcast import SILENT_BELOW, SILENT_FOR
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.forwarder import Slot
from meetref.meeting.track import MAXIMUM_ENCODINGS, Encoding, Track
from meetref.meeting.up import MAXIMUM_STREAMS
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, REPAIRED_RID, RID, TRANSPORT_SEQUENCE, ReceivedTrack
from meetref.wire import rtcp, rtcpfeedback, rtp, vp8
from tests.meeting.links import DELTA, MID_ID, TRANSPORT_ID, Publisher, Viewer

RID_ID, REPAIRED_ID = 10, 11
RIDS = ("q", "h", "f")
SSRCS = {"q": 3001, "h": 3002, "f": 3003}
REPAIRS = {"q": 4001, "h": 4002, "f": 4003}
SIZES = {"q": (160, 90), "h": (320, 180), "f": (640, 360)}


def key_of(rid: str) -> bytes:
    """The first packet of a keyframe of this size."""
    width, height = SIZES[rid]
    return b"\x10\x10\x02\x00" + vp8.START_CODE + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"key"


class Camera(Publisher):
    """Alice with a camera in three encodings, at the packet level."""

    def __init__(self, seed: int = 1, *, order: tuple[str, ...] = RIDS, ssrcs: tuple[int, ...] = ()) -> None:
        super().__init__(seed)
        section = ReceivedTrack(
            mid="c",
            kind="video",
            codecs={},
            rtx={97: 96},
            rids=order,
            ssrcs=ssrcs,
            extensions={
                MID: MID_ID, TRANSPORT_SEQUENCE: TRANSPORT_ID, AUDIO_LEVEL: 1, RID: RID_ID, REPAIRED_RID: REPAIRED_ID,
            },
        )  # fmt: skip
        self.told: list[list[str]] = []
        self.up.on_layers = lambda mid, active: self.told.append(active)
        self.up.describe([section], {"c": "screen"}, 0.0)
        self.counts = dict.fromkeys([*SSRCS.values(), *REPAIRS.values()], 100)

    @property
    def track(self) -> Track:
        return self.up.tracks["c"]

    def encoding(self, rid: str) -> Encoding:
        found = self.track.find(rid)
        assert found is not None
        return found

    def packet(self, rid: str, *, key: bool = False, ssrc: int | None = None, named: bool = True) -> rtp.Packet:
        source = SSRCS[rid] if ssrc is None else ssrc
        number = self.counts[source] = self.counts.get(source, 100) + 1
        extensions = {MID_ID: b"c", RID_ID: rid.encode()} if named else {}
        return rtp.Packet(
            payload_type=96, sequence=number, timestamp=round(self.now * 90000) & 0xFFFFFFFF, ssrc=source, marker=True,
            payload=key_of(rid) if key else DELTA, extensions=extensions,
        )  # fmt: skip

    def shows(self, rid: str, *, key: bool = False, **more: bool) -> None:
        self.send(self.packet(rid, key=key, **more))

    def repeats(self, rid: str, lost: rtp.Packet, *, named: bool = True, ssrc: int | None = None) -> None:
        source = REPAIRS[rid] if ssrc is None else ssrc
        number = self.counts[source] = self.counts.get(source, 100) + 1
        extensions = {MID_ID: b"c", REPAIRED_ID: rid.encode()} if named else {}
        self.send(
            rtp.Packet(
                payload_type=97,
                sequence=number,
                timestamp=lost.timestamp,
                ssrc=source,
                marker=True,
                payload=lost.sequence.to_bytes(2) + lost.payload,
                extensions=extensions,
            )
        )

    def begins(self) -> None:
        for rid in RIDS:
            self.shows(rid, key=True)

    def plays(self, seconds: float, rids: str = "qhf", *, keys: bool = False) -> None:
        """Thirty pictures a second of these encodings."""
        for number in range(round(seconds * 30)):
            self.now += 1 / 30
            for rid in rids:
                self.shows(rid, key=keys and number % 10 == 0)
            self.up.handle_timeout(self.now)

    def pictures_asked_for(self) -> set[int]:
        return {packet.media_ssrc for packet in self.hears() if isinstance(packet, rtcpfeedback.PictureLoss)}


def watching(alice: Camera, seed: int = 50) -> tuple[Viewer, Slot]:
    viewer = Viewer(seed)
    slot = viewer.down.slots["v0"]
    slot.show(alice.track, alice.now)
    return viewer, slot


def shown(slot: Slot) -> str | None:
    return slot.selection.shown.rid if slot.selection.shown is not None else None


@pytest.mark.spec("simulcast/rid-names-stream")
def test_each_stream_is_bound_to_the_encoding_that_it_names_and_stays_bound() -> None:
    alice = Camera()
    alice.begins()
    assert {encoding.rid: encoding.ssrc for encoding in alice.track.encodings} == SSRCS
    alice.shows("h", named=False)
    assert [encoding.forwarded for encoding in alice.track.encodings] == [101, 102, 101]
    alice.send(alice.packet("h", ssrc=3009, named=False))
    odd = alice.packet("h", ssrc=3010)
    odd.extensions[RID_ID] = b"x"
    alice.send(odd)
    assert alice.up.ignored["belongs to no section"] == 2
    assert set(alice.up.streams) == set(SSRCS.values())


@pytest.mark.spec("simulcast/rid-names-stream")
def test_where_streams_are_announced_the_name_still_tells_which_is_which() -> None:
    """As Firefox offers: all SSRCs, with their repair streams, and the names in the packets alone."""
    alice = Camera(ssrcs=tuple(SSRCS.values()))
    packet = alice.packet("f", key=True)
    del packet.extensions[MID_ID]
    alice.send(packet)
    assert alice.encoding("f").ssrc == SSRCS["f"]


@pytest.mark.spec("simulcast/repaired-rid")
def test_a_repair_stream_belongs_to_the_encoding_that_it_names() -> None:
    alice = Camera()
    alice.begins()
    lost = alice.packet("h")
    alice.now += 0.03
    alice.shows("h")
    alice.repeats("h", lost)
    assert alice.encoding("h").forwarded == lost.sequence + 1
    assert alice.up.ignored.total() == 0
    alice.repeats("h", alice.packet("h"), named=False)
    assert alice.encoding("h").forwarded == lost.sequence + 2, "and stays bound"
    assert set(alice.up.streams) == set(SSRCS.values()), "it is no stream of its own"


def test_a_repair_stream_of_nothing_known_is_nobodys() -> None:
    alice = Camera()
    lost = alice.packet("h")
    alice.repeats("h", lost)
    assert not alice.up.streams
    assert alice.up.ignored["belongs to no section"] == 1
    alice.begins()
    alice.repeats("h", lost)
    assert alice.up._bound_repairs == {REPAIRS["h"]: SSRCS["h"]}


def test_repair_streams_are_bounded() -> None:
    alice = Camera()
    alice.begins()
    for number in range(3 * MAXIMUM_STREAMS):
        alice.repeats("h", alice.packet("h"), ssrc=9000 + number)
    assert len(alice.up._bound_repairs) == MAXIMUM_STREAMS


def test_a_stream_that_begins_anew_takes_the_place_of_the_old_one() -> None:
    alice = Camera()
    alice.begins()
    viewer, slot = watching(alice)
    alice.begins()
    assert shown(slot) == "f"
    before = viewer.gets()
    alice.send(alice.packet("f", ssrc=3333))
    assert shown(slot) is None, "it waits for a keyframe of the new one"
    alice.shows("f")
    assert alice.up.ignored["of a stream that another one replaced"] == 1
    alice.send(alice.packet("f", key=True, ssrc=3333))
    after = viewer.gets()
    assert len(after) == 1
    assert after[0].sequence == before[-1].sequence + 1


@pytest.mark.spec("rtcp/keyframe-requests-paced", "simulcast/switch-at-keyframe")
def test_who_wants_another_encoding_is_served_by_the_keyframe_that_was_asked_of_the_first() -> None:
    alice = Camera()
    alice.begins()
    viewers = [watching(alice, seed) for seed in (50, 60)]
    assert alice.pictures_asked_for() == {SSRCS["f"]}
    _, slot = viewers[0]
    slot.want(alice.encoding("q"), ALL_LAYERS, alice.now)
    alice.now += 0.1
    alice.up.handle_timeout(alice.now)
    assert not alice.pictures_asked_for(), "an encoder that is asked for one makes all"
    alice.begins()
    assert [shown(slot) for _, slot in viewers] == ["q", "f"]
    alice.plays(1.0)
    assert not alice.pictures_asked_for()


@pytest.mark.spec("simulcast/switch-at-keyframe")
def test_a_keyframe_is_asked_of_the_encoding_that_is_waited_for() -> None:
    alice = Camera()
    alice.begins()
    _, slot = watching(alice)
    assert alice.pictures_asked_for() == {SSRCS["f"]}
    alice.begins()
    alice.plays(0.4)
    slot.want(alice.encoding("q"), ALL_LAYERS, alice.now)
    assert alice.pictures_asked_for() == {SSRCS["q"]}
    assert shown(slot) == "f"
    alice.shows("q", key=True)
    assert shown(slot) == "q"
    assert not alice.encoding("f").slots


def test_a_viewer_that_cannot_decode_has_what_it_is_shown_asked() -> None:
    alice = Camera()
    alice.begins()
    viewer, slot = watching(alice)
    alice.begins()
    alice.hears()
    alice.now += 1
    viewer.says(rtcpfeedback.PictureLoss(1, slot.rewriter.ssrc), now=alice.now)
    assert alice.pictures_asked_for() == {SSRCS["f"]}


def test_what_nobody_sees_is_not_asked_for_keyframes_when_it_is_lost() -> None:
    alice = Camera()
    alice.begins()
    alice.counts[SSRCS["f"]] += 5000
    alice.shows("f")
    alice.up.handle_timeout(alice.now + 0.1)
    assert not alice.pictures_asked_for()


@pytest.mark.spec("simulcast/best-living", "simulcast/silent-encoding")
def test_when_the_publisher_switches_an_encoding_off_the_next_one_is_shown() -> None:
    alice = Camera()
    alice.begins()
    viewer, slot = watching(alice)
    alice.plays(1, keys=True)
    assert shown(slot) == "f"
    alice.plays(SILENT_FOR + 0.3, "qh")
    assert slot.selection.awaited is alice.encoding("h")
    assert SSRCS["h"] in alice.pictures_asked_for()
    alice.shows("h", key=True)
    assert shown(slot) == "h"
    alice.plays(1, "qhf")
    assert slot.selection.awaited is alice.encoding("f"), "it is there again"
    alice.shows("f", key=True)
    assert shown(slot) == "f"
    numbers = [packet.sequence for packet in viewer.gets()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.spec("simulcast/uses", "simulcast/layers-told")
def test_a_publisher_hears_what_nobody_uses_and_at_once_what_somebody_does() -> None:
    alice = Camera()
    alice.begins()
    _, slot = watching(alice)
    _, other = watching(alice, 60)
    alice.plays(1, keys=True)
    alice.hears()
    assert alice.told == []
    alice.plays(OFF_AFTER, keys=True)
    alice.hears()
    assert alice.told == [["f"]]
    assert alice.track.active == ["f"]
    other.want(alice.encoding("q"), ALL_LAYERS, alice.now)
    alice.hears()
    assert alice.told == [["f"], ["q", "f"]]
    alice.plays(0.5, "qf", keys=True)
    assert (shown(slot), shown(other)) == ("f", "q")
    for each in (slot, other):
        each.show(None, alice.now)
    alice.plays(OFF_AFTER + 0.5, "qf")
    alice.hears()
    assert alice.told[-1] == []


@pytest.mark.spec("simulcast/uses", "simulcast/silent-encoding")
def test_nobody_waits_for_what_the_publisher_was_just_told_to_leave_out() -> None:
    """Whoever wants the smallest one meanwhile is shown the one that is sent, until it comes."""
    alice = Camera()
    alice.begins()
    watching(alice)
    _, other = watching(alice, 60)
    other.want(alice.encoding("h"), ALL_LAYERS, alice.now)
    alice.plays(OFF_AFTER + 0.5, keys=True)
    alice.plays(SILENT_BELOW + 0.5, "hf")
    other.want("largest", ALL_LAYERS, alice.now)
    alice.plays(OFF_AFTER + 0.5, "hf", keys=True)
    alice.hears()
    assert alice.track.active == ["f"]
    alice.plays(1, "f")
    other.want(alice.encoding("q"), ALL_LAYERS, alice.now)
    alice.hears()
    assert alice.track.active == ["q", "f"]


def test_encodings_of_ever_new_offers_are_bounded() -> None:
    alice = Camera(order=("f", "h", "q"))
    alice.begins()
    for number in range(20):
        names = (f"r{number}", "q")
        section = ReceivedTrack(mid="c", kind="video", codecs={}, rids=names, extensions={MID: MID_ID, RID: RID_ID})
        alice.up.describe([section], {"c": "screen"}, 0.0)
    assert [encoding.rid for encoding in alice.track.encodings] == ["q", "h", "f", "r0"], "and stay in their order"
    assert len(alice.track.encodings) == MAXIMUM_ENCODINGS


def test_a_mistake_in_one_viewers_choice_is_that_viewers_alone() -> None:
    alice = Camera()
    viewer, slot = watching(alice)
    other, _ = watching(alice, 60)
    slot.selection = None  # type: ignore[assignment]
    alice.begins()
    assert len(viewer.failures) >= 1
    assert other.gets()
    assert not other.failures


def test_sound_is_always_used() -> None:
    alice = Camera()
    microphone = alice.up.tracks["a"]
    alice.plays(OFF_AFTER + 1)
    alice.hears()
    assert microphone.active == [""]
    assert microphone.next_timeout() > 1e9


@pytest.mark.spec("simulcast/order-by-size")
def test_encodings_are_sorted_by_what_their_keyframes_say() -> None:
    alice = Camera(order=("f", "h", "q"))
    assert [encoding.rid for encoding in alice.track.encodings] == ["f", "h", "q"]
    alice.begins()
    assert [encoding.rid for encoding in alice.track.encodings] == ["q", "h", "f"]
    assert [encoding.size for encoding in alice.track.encodings] == list(SIZES.values())


def test_what_an_encoding_takes_is_measured_and_kept_while_it_is_off() -> None:
    alice = Camera()
    alice.begins()
    assert len(alice.track.layers(alice.now)) == 3
    alice.plays(3)
    before = alice.track.layers(alice.now)
    assert [(layer.spatial, layer.temporal, layer.height) for layer in before] == [(0, 0, 90), (1, 0, 180), (2, 0, 360)]
    assert [layer.frame_rate for layer in before] == pytest.approx([30] * 3, rel=0.1)
    alice.plays(5, "qh")
    after = alice.track.layers(alice.now)
    assert after[2] == before[2]


def test_pausing_stops_at_once_and_goes_on_with_a_keyframe() -> None:
    alice = Camera()
    alice.begins()
    viewer, slot = watching(alice)
    alice.plays(0.5, keys=True)
    viewer.gets()
    slot.want("nothing", ALL_LAYERS, alice.now)
    alice.plays(0.5, keys=True)
    assert not viewer.gets()
    assert not any(encoding.is_used for encoding in alice.track.encodings)
    slot.want("largest", ALL_LAYERS, alice.now)
    alice.plays(0.5, keys=True)
    assert viewer.gets()


def test_lips_stay_together_over_a_switch() -> None:
    """A viewer's sender report right after a switch says where the new encoding's clock stands on the slot's line."""
    alice = Camera()
    alice.begins()
    viewer, slot = watching(alice)
    for rid in RIDS:
        offset = {"q": 7_000_000, "h": 0, "f": 0}[rid]
        alice.send_control(
            rtcp.SenderReport(SSRCS[rid], 1 << 40, (round(alice.now * 90000) + offset) & 0xFFFFFFFF, 1, 1, [])
        )
    alice.plays(0.5, keys=True)
    viewer.down.handle_timeout(alice.now)
    viewer.hears()
    slot.want(alice.encoding("h"), ALL_LAYERS, alice.now)
    alice.plays(0.5, keys=True)
    assert shown(slot) == "h"
    viewer.down.handle_timeout(alice.now)
    reports = [packet for packet in viewer.hears() if isinstance(packet, rtcp.SenderReport)]
    newest = viewer.gets()[-1]
    assert [report.ssrc for report in reports] == [slot.rewriter.ssrc]
    assert abs((reports[0].rtp_timestamp - newest.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)) < 90000 * 0.2


@pytest.mark.spec("simulcast/layers-told")
def test_an_encoding_that_never_came_is_not_switched_off() -> None:
    """The publisher's way may carry it only later, and nobody can want what nobody knows."""
    alice = Camera()
    for rid in ("q", "h"):
        alice.shows(rid, key=True)
    _, slot = watching(alice)
    slot.want(alice.encoding("q"), ALL_LAYERS, alice.now)
    alice.shows("q", key=True)
    alice.now += 2 * OFF_AFTER
    alice.track.handle_timeout(alice.now)
    assert alice.track.active == ["q", "f"]
    alice.shows("f", key=True)
    assert alice.track.active == ["q", "f"], "now somebody may want it"
    assert alice.track.layers(alice.now)[-1].spatial == 2
    alice.now += 2 * OFF_AFTER
    alice.track.handle_timeout(alice.now)
    assert alice.track.active == ["q"]
    slot.want("nothing", ALL_LAYERS, alice.now)
    alice.now += 2 * OFF_AFTER
    alice.track.handle_timeout(alice.now)
    assert alice.track.active == []


def test_what_the_publisher_was_told_not_to_send_keeps_the_rates_that_it_had() -> None:
    """Where all encodings end together none of them seems silent, and yet none of them got cheaper."""
    alice = Camera()
    alice.begins()
    _, slot = watching(alice)
    slot.want("nothing", ALL_LAYERS, alice.now)
    while alice.track.active:
        alice.now += 1 / 30
        for rid in RIDS:
            alice.shows(rid)
        before = [layer.bitrate_bps for layer in alice.track.layers(alice.now)]
        alice.track.handle_timeout(alice.now)
    alice.now += 1.5
    assert [layer.bitrate_bps for layer in alice.track.layers(alice.now)] == before
