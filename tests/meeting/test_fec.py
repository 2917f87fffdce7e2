"""Pictures with FEC: who gets them so, that it is one stream all the same, and that it fits the line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.mending import Mending
from meetref.media.rewriting import Incoming
from meetref.meeting.capacity import START_BPS, Capacity
from meetref.meeting.fec import Protecting
from meetref.meeting.track import Track
from meetref.protocol.negotiation import VP8, AcceptedTrack, Fec, ReceivedTrack, TakenAnswer, Transport
from meetref.wire import rtcp, rtcpfeedback, rtp
from tests.media.test_shielding import inner, parts
from tests.meeting.links import TRANSPORT_ID, Viewer

FEC = Fec(116, 117)
REPAIR = 97


def viewer(seed: int = 2, *, fec: Fec | None = FEC) -> Viewer:
    found = Viewer(seed)
    accepted = AcceptedTrack(
        mid="v0", kind="video", receiving=True, payload_type=96, fec=fec, codecs={"VP8": REPAIR, "H264": 103}
    )
    found.down.answered(TakenAnswer(Transport("u", "p"), (accepted,)), 0.0)
    return found


def camera(owner: str = "alice", codec: str = "VP8") -> Track:
    clock = TrackClock(PublisherClock(), 90000)
    return Track(
        owner=owner, source="camera", kind="video", clock=clock, ask=lambda: None, arrived=[], codec=codec
    )  # fmt: skip


def film(track: Track, pictures: range, *, count: int = 4, at: float = 0.0) -> None:
    """Pictures of so many packets, each picture a batch."""
    (encoding,) = track.encodings
    for picture in pictures:
        for packet in parts(picture, count, 1000 + picture * count):
            packet.starts = packet.starts or picture == pictures[0]
            encoding.receive(packet, at + picture / 30)
        encoding.forward(at + picture / 30)


def plain(packet: rtp.Packet) -> int:
    """What it is without RED."""
    return inner(rtp.serialize(packet)) if packet.payload_type == FEC.red else packet.payload_type


@pytest.mark.spec("fec/one-line")
def test_the_stream_goes_on_whatever_form_it_has() -> None:
    bob, track = viewer(), camera()
    slot = bob.down.slots["v0"]
    slot.show(track, 0.0)
    film(track, range(2))
    slot.protect(2)
    film(track, range(2, 4))
    slot.protect(0)
    film(track, range(4, 6))
    sent = bob.gets()
    first = sent[0].sequence
    assert [(packet.sequence - first) & 0xFFFF for packet in sent] == list(range(len(sent)))
    assert [packet.payload_type for packet in sent] == [96] * 8 + [116] * 12 + [96] * 8
    assert [plain(packet) for packet in sent[8:20]] == ([96] * 4 + [117] * 2) * 2
    assert {packet.ssrc for packet in sent} == {slot.rewriter.ssrc}
    numbers = [int.from_bytes(packet.extensions[TRANSPORT_ID]) for packet in sent]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(len(sent)))
    assert slot.rewriter.packets == len(sent)
    assert slot.rewriter.octets == sum(len(packet.payload) for packet in sent)


@pytest.mark.spec("fec/one-line")
def test_another_source_begins_right_behind_the_fec_of_the_last() -> None:
    bob, alice, dora = viewer(), camera(), camera("dora")
    slot = bob.down.slots["v0"]
    slot.protect(2)
    slot.show(alice, 0.0)
    film(alice, range(4))
    assert slot.shield is not None
    slot.show(dora, 1.0)
    film(dora, range(50, 53), at=1.0)
    sent = bob.gets()
    assert [(packet.sequence - sent[0].sequence) & 0xFFFF for packet in sent] == list(range(len(sent)))
    assert [plain(packet) for packet in sent] == ([96] * 4 + [117] * 2) * 7
    slot.protect(0)
    slot.show(alice, 2.0)
    film(alice, range(100, 102), at=2.0)
    assert slot.shield is None, "nothing is left of it"
    later = bob.gets()
    assert [(packet.sequence - sent[-1].sequence) & 0xFFFF for packet in later] == list(range(1, 9))


@pytest.mark.spec("rewriting/kept-numbers-filled")
def test_numbers_that_were_kept_for_latecomers_are_filled_where_they_are() -> None:
    bob, alice, dora = viewer(), camera(), camera("dora")
    slot = bob.down.slots["v0"]
    slot.protect(2)
    slot.show(alice, 0.0)
    film(alice, range(2))
    (encoding,) = alice.encodings
    for packet in [*parts(2, 4, 1008)[:1], *parts(2, 4, 1008)[2:], *parts(3, 4, 1012)]:
        encoding.receive(packet, 0.1)
    encoding.forward(0.1)
    slot.show(dora, 1.0)
    film(dora, range(50, 51), at=1.0)
    sent = sorted(bob.gets(), key=lambda packet: packet.sequence)
    assert [(packet.sequence - sent[0].sequence) & 0xFFFF for packet in sent] == list(range(len(sent)))
    assert [packet.payload for packet in sent].count(b"") == 1


@pytest.mark.spec("fec/not-sent-again")
def test_what_was_lost_is_sent_again_without_red_and_fec_as_nothing() -> None:
    bob, track = viewer(), camera()
    slot = bob.down.slots["v0"]
    slot.protect(2)
    slot.show(track, 0.0)
    film(track, range(2))
    sent = bob.gets()
    slot.resend([sent[1].sequence, sent[4].sequence], 0.1)
    again = bob.gets()
    assert [packet.payload_type for packet in again] == [REPAIR] * 2
    assert [int.from_bytes(packet.payload[:2]) for packet in again] == [sent[1].sequence, sent[4].sequence]
    assert [packet.payload[2:] for packet in again] == [sent[1].payload[1:], b""]


@pytest.mark.spec("fec/beside-vp8", "fec/agreed-only")
@pytest.mark.parametrize(("codec", "fec", "forms"), [("VP8", FEC, {116}), ("H264", FEC, {102}), ("VP8", None, {96})])
def test_only_vp8_and_only_to_who_agreed(codec: str, fec: Fec | None, forms: set[int]) -> None:
    bob, track = viewer(fec=fec), camera(codec=codec)
    slot = bob.down.slots["v0"]
    slot.protect(2)
    slot.show(track, 0.0)
    (encoding,) = track.encodings
    for number in range(3):
        encoding.receive(Incoming(number, number * 3000, 0x80, b"\x05picture", True), number / 30)
        encoding.forward(number / 30)
    slot.protect(3)
    assert {packet.payload_type for packet in bob.gets()} == forms
    assert (slot.shield is None) == (forms != {116})


@pytest.mark.spec("fec/agreed-only")
@pytest.mark.parametrize("fec", [Fec(40, 41), None])
def test_who_offers_to_watch_gets_it_under_their_own_numbers(fec: Fec | None) -> None:
    bob, track = Viewer(), camera()
    section = ReceivedTrack(mid="7", kind="video", codecs={120: replace(VP8, payload_type=120)}, fec=fec)
    bob.down.fill_slot("v7", section, "seat-7")
    slot = bob.down.slots["v7"]
    slot.protect(2)
    slot.show(track, 0.0)
    film(track, range(2))
    assert {packet.payload_type for packet in bob.gets()} == ({120} if fec is None else {40})


# --- is it worth it? ------------------------------------------------------------------------------


def loses(bob: Viewer, share: float, now: float) -> None:
    ssrc = bob.down.slots["v0"].rewriter.ssrc
    bob.says(rtcp.ReceiverReport(1, [rtcp.ReportBlock(ssrc, round(256 * share), 5, 0, 0, 0, 0)]), now=now)


@pytest.mark.spec("fec/worth-it", "fec/within-the-bandwidth")
def test_loss_and_distance_decide_and_media_make_room() -> None:
    bob, track = viewer(), camera()
    down, slot = bob.down, bob.down.slots["v0"]
    slot.show(track, 0.0)
    film(track, range(1))
    selected = down.peer.ice.selected
    assert selected is not None
    rows = []
    quiet = [(float(second), 0.0, 0.3) for second in range(4, 30)]
    for now, share, round_trip in [(1.0, 0.0, 0.3), (2.0, 0.2, 0.3), (3.0, 0.0, 0.02), (3.5, 0.0, 0.3), *quiet]:
        loses(bob, share, now)
        selected.round_trip_time = round_trip
        down.tend(now)
        rows.append(slot.row)
        assert down.capacity.overhead == pytest.approx(1 / slot.row if slot.row else 0.0)
        assert down.capacity.media_bps == pytest.approx(down.capacity.budget_bps / (1 + down.capacity.overhead))
    assert rows[:4] == [0, 2, 0, 2], "at once, and not where asking again is fast enough"
    assert rows[4:13] == [2] * 9, "as long as the worst of ten seconds"
    assert rows[-1] == 0


def test_feedback_counts_before_reports_and_nobody_without_agreement_is_looked_at() -> None:
    bob = viewer(fec=None)
    protecting, capacity = Protecting(), Capacity()
    protecting.on_report(0.5, 1.0)
    slot = bob.down.slots["v0"]
    protecting.look(capacity, 0.3, 1.0)
    assert (slot.row, capacity.media_bps) == (0, START_BPS)
    protecting.agree(slot, FEC)
    protecting.look(capacity, 0.3, 1.0)
    assert slot.row > 0
    assert capacity.overhead == 0.0, "nobody is shown"
    protecting.agree(slot, None)
    assert slot.row == 0
    quiet = viewer()
    quiet.down.capacity.feedbacks = 1
    loses(quiet, 0.5, 1.0)
    quiet.down.tend(1.0)
    assert quiet.down.slots["v0"].row == 0


def test_what_a_viewer_computes_is_the_picture() -> None:
    bob, track = viewer(), camera()
    slot = bob.down.slots["v0"]
    slot.protect(2)
    slot.show(track, 0.0)
    film(track, range(5))
    sent = bob.gets()
    receiver = Mending(*FEC, {TRANSPORT_ID: 0})
    back = [
        each
        for place, packet in enumerate(sent)
        if place != 7
        for each in receiver.receive(rtp.serialize(packet), 0.0)[1:]
    ]
    assert [rtp.parse(each).payload for each in back] == [sent[7].payload[1:]]
    bob.says(rtcpfeedback.Nack(1, slot.rewriter.ssrc, [sent[7].sequence]), now=0.2)
    assert [packet.payload[2:] for packet in bob.gets()] == [sent[7].payload[1:]]
