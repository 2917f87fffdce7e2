"""The sessions about media: what their pages say to look at is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import Any

import pytest

from meetref.media.fec import Recoverer
from meetref.media.mending import Mending
from meetref.media.sequence import difference
from meetref.protocol import negotiation
from meetref.protocol.negotiation import AUDIO_LEVEL_ID, MID_ID, TRANSPORT_SEQUENCE_ID
from meetref.wire import fec, red, rtcp, rtp, udp, vp8
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Interface, Packet, parse
from meetref.wire.transportfeedback import TransportFeedback
from tests.generate import fecsession
from tests.generate.mediasessions import SPEAK
from tests.generate.sessioncamera import recorded
from tests.generate.sessions import FOLDER
from tests.stories.sizes import RID_ID

SIZES = {"q": (80, 48), "h": (160, 96), "f": (320, 192)}


@dataclass(frozen=True)
class Seen:
    """One datagram of media, in the clear."""

    at: float
    where: str
    way: str
    sender: str
    receiver: str
    data: bytes


@cache
def seen(name: str) -> tuple[Seen, ...]:
    path = FOLDER / name / "plain.pcapng"
    blocks = parse((path if path.exists() else FOLDER / name / "session.pcapng").read_bytes())
    places = [block.name for block in blocks if isinstance(block, Interface)]
    found = []
    for block in blocks:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            marks = dict(word.split("=", 1) for word in (block.comment or "").split())
            if classify_datagram(packet.data[0]) == "rtp":
                ends = marks["from"], marks["to"]
                found.append(
                    Seen(block.at_ns / 1e9, places[block.interface], block.direction or "", *ends, packet.data)
                )
    return tuple(found)


def media(name: str, where: str, way: str, payload_type: int = 96) -> list[tuple[float, rtp.Packet]]:
    """Packets of media, in the order in which they were seen."""
    read = (
        (each.at, rtp.parse(each.data))
        for each in seen(name)
        if (each.where, each.way) == (where, way) and not is_rtcp(each.data)
    )
    return [(at, packet) for at, packet in read if packet.payload_type == payload_type]


def control(name: str, where: str, way: str, kind: type[Any]) -> list[tuple[float, Any]]:
    """RTCP packets of one kind."""
    return [
        (each.at, packet)
        for each in seen(name)
        if (each.where, each.way) == (where, way) and is_rtcp(each.data)
        for packet in rtcp.parse(each.data)
        if isinstance(packet, kind)
    ]


def messages(name: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in signaling(name)["messages"] if each["message"]["type"] == kind]


def signaling(name: str) -> Any:
    return json.loads((FOLDER / name / "signaling.json").read_text())


def body(packet: rtp.Packet) -> bytes:
    """The part of a picture, without its descriptor."""
    return packet.payload[vp8.parse(packet.payload).size :]


def pictures(packets: list[tuple[float, rtp.Packet]]) -> Iterator[list[rtp.Packet]]:
    for _, group in groupby((packet for _, packet in packets), key=lambda packet: packet.timestamp):
        yield list(group)


# --- another size -------------------------------------------------------------------------------------


def test_the_three_sizes_have_their_names_on_them() -> None:
    names: dict[int, set[bytes]] = {}
    for _, packet in media("simulcast-switch", "alice", "out"):
        names.setdefault(packet.ssrc, set()).add(packet.extensions[MID_ID] + b" " + packet.extensions[RID_ID])
    assert sorted(names.values(), key=sorted) == [{b"0 f"}, {b"0 h"}, {b"0 q"}]


@pytest.mark.spec("rewriting/continuing", "rewriting/sequence-continues", "rewriting/pictures-continue")
def test_one_stream_goes_on_while_the_size_changes() -> None:
    got = media("simulcast-switch", "bob", "in")
    assert len({packet.ssrc for _, packet in got}) == 1
    assert all(later.sequence - earlier.sequence == 1 for (_, earlier), (_, later) in pairwise(got))
    shown = list(pictures(got))
    ids = [number for picture in shown for number in {vp8.parse(packet.payload).picture_id or 0 for packet in picture}]
    assert ids == list(range(ids[0], ids[0] + len(shown)))
    steps = [difference(later[0].timestamp, earlier[0].timestamp, 32) for earlier, later in pairwise(shown)]
    # Going up, the small picture of that moment has gone; the large one of the same moment is a millisecond later.
    assert [step for step in steps if step != 9000] == [90, 8910]
    assert [packet.marker for picture in shown for packet in picture] == [
        place == len(picture) - 1 for picture in shown for place in range(len(picture))
    ]


@pytest.mark.spec("simulcast/switch-at-keyframe", "simulcast/whole-keyframe")
def test_each_change_is_at_a_keyframe_of_the_other_size() -> None:
    of = {part: rid for rid in SIZES for part in parts_of(rid)}
    shown = list(pictures(media("simulcast-switch", "bob", "in")))
    sizes = [{of[body(packet)] for packet in picture} for picture in shown]
    assert all(len(rids) == 1 for rids in sizes)
    runs = [(rid, list(run)) for rid, run in groupby(shown, key=lambda picture: of[body(picture[0])])]
    assert [rid for rid, _ in runs] == ["f", "q", "f", "q"]
    for rid, run in runs:
        assert vp8.size_of_keyframe(run[0][0].payload) == SIZES[rid]
    asked = control("simulcast-switch", "alice", "in", rtcp.PictureLoss)
    names = {packet.ssrc: packet.extensions[RID_ID].decode() for _, packet in media("simulcast-switch", "alice", "out")}
    assert [names[request.media_ssrc] for _, request in asked] == ["f", "q", "f", "q"]


def parts_of(rid: str) -> Iterator[bytes]:
    for picture in recorded(rid):
        yield from (picture.frame[place : place + 1100] for place in range(0, len(picture.frame), 1100))


@pytest.mark.spec("simulcast/layers-told")
def test_what_nobody_uses_is_not_sent_any_more() -> None:
    [told] = messages("simulcast-switch", "layers")
    assert sorted(told["message"]["active"]) == ["f", "q"]
    names = [
        packet.extensions[RID_ID]
        for at, packet in media("simulcast-switch", "alice", "out")
        if at > told["at_ms"] / 1000
    ]
    assert set(names) == {b"q", b"f"}


# --- a burst of losses --------------------------------------------------------------------------------


@pytest.mark.spec("rtcp/nack-bitmask")
def test_one_entry_of_a_nack_names_up_to_seventeen() -> None:
    asked = [nack.lost for _, nack in control("nack-burst", "bob", "out", rtcp.Nack)]
    assert [len(lost) for lost in asked[:3]] == [9, 66, 10]
    entries = [
        (each.data[2:4], (len(each.data) - 12) // 4)
        for each in seen("nack-burst")
        if (each.where, each.way) == ("bob", "out") and is_rtcp(each.data) and each.data[:2] == b"\x81\xcd"
    ]
    assert [count for _, count in entries[:3]] == [1, 4, 1]


@pytest.mark.spec("rtp/rtx-original-sequence", "rtp/rtx-own-sequence", "rtp/rtx-same-timestamp")
def test_the_burst_comes_again_on_the_stream_for_repairs() -> None:
    sent = {packet.sequence: packet for _, packet in media("nack-burst", "server", "out")}
    came = {packet.sequence for _, packet in media("nack-burst", "bob", "in")}
    repairs = [packet for _, packet in media("nack-burst", "bob", "in", 97)]
    assert all(later.sequence - earlier.sequence == 1 for earlier, later in pairwise(repairs))
    for repair in repairs:
        number = int.from_bytes(repair.payload[:2])
        assert number not in came
        assert (repair.timestamp, repair.payload[2:]) == (sent[number].timestamp, sent[number].payload)
        assert repair.ssrc != sent[number].ssrc
    first, second, *_ = (nack.lost for _, nack in control("nack-burst", "bob", "out", rtcp.Nack))
    repaired = [int.from_bytes(repair.payload[:2]) for repair in repairs]
    assert repaired == [*first, *second[10:]]


@pytest.mark.spec("rtcp/pli-is-bare")
def test_what_cannot_be_repaired_ends_with_a_keyframe() -> None:
    asked = control("nack-burst", "bob", "out", rtcp.Nack)
    forgotten = asked[1][1].lost[:10]
    assert [nack.lost for _, nack in asked[2:]] == [forgotten] * 9
    begun, given_up = control("nack-burst", "bob", "out", rtcp.PictureLoss)[-1], asked[-1]
    assert given_up[0] < begun[0] < asked[1][0] + 1.1
    at, _ = control("nack-burst", "server", "out", rtcp.PictureLoss)[-1]
    keyframes = [
        when for when, packet in media("nack-burst", "bob", "in") if vp8.size_of_keyframe(packet.payload) is not None
    ]
    assert begun[0] < at < keyframes[-1] < at + 0.15
    lost = [report.blocks[0].fraction_lost for _, report in control("nack-burst", "bob", "out", rtcp.ReceiverReport)]
    assert sum(share > 0 for share in lost) == 2, "what came again stays lost in the stream that lost it"


# --- computing what was lost --------------------------------------------------------------------------


def in_red(where: str, way: str) -> dict[int, bytes]:
    """Packets by number, as they are without RED."""
    return {
        packet.sequence: red.unwrap_packet(rtp.serialize(packet))
        for _, packet in media("fec-recovery", where, way, fecsession.RED)
    }


def is_parity(packet: bytes) -> bool:
    return rtp.parse(packet).payload_type == fecsession.ULPFEC


@pytest.mark.spec("fec/one-missing", "fec/protected-string", "fec/recovered-header", "fec/virtual-packets")
def test_what_was_lost_comes_back_octet_for_octet() -> None:
    sent, came = in_red("alice", "out"), in_red("bob", "in")
    recoverer = Recoverer()
    arrived = [rtp.serialize(packet) for _, packet in media("fec-recovery", "bob", "in", fecsession.RED)]
    computed = [packet for octets in arrived for packet in fecsession.computed(recoverer, octets)]
    back = {int.from_bytes(packet[2:4]): packet for packet in computed}
    assert {number: sent[number] for number in back} == back
    assert recoverer.refused == 0
    assert len(back) == 7
    assert not back.keys() & came.keys()


@pytest.mark.spec("fec/base-is-lowest", "fec/mask")
def test_what_did_not_come_back_had_another_loss_in_its_row() -> None:
    sent, came = in_red("alice", "out"), in_red("bob", "in")
    rows = {
        number: {parity.base_sequence + place for place in parity.levels[0].covers}
        for number, packet in sent.items()
        if is_parity(packet)
        for parity in (fec.parse(rtp.parse(packet).payload),)
    }
    arrived = max(came)
    lost = {number for number in sent if number not in came and number <= arrived and not is_parity(sent[number])}
    back = {number for row in rows for number in rows[row] & lost if row in came and len(rows[row] & lost) == 1}
    unprotected = {number for number in lost if number < min(rows) and not any(number in row for row in rows.values())}
    assert len(back) == 7
    assert len(unprotected) == 3
    assert len(lost - back - unprotected) == 1


def to_bob(where: str, way: str) -> list[rtp.Packet]:
    """Packets of the picture that goes to Bob, in both of its forms."""
    kinds = negotiation.VP8_PAYLOAD_TYPE, negotiation.VIDEO_RED_PAYLOAD_TYPE
    found = [packet for kind in kinds for _, packet in media("fec-call", where, way, kind)]
    ssrc = media("fec-call", "bob", "in")[0][1].ssrc
    return sorted((packet for packet in found if packet.ssrc == ssrc), key=lambda packet: packet.sequence)


@pytest.mark.spec("fec/one-line", "fec/behind-its-picture", "fec/worth-it")
def test_a_server_puts_fec_behind_pictures_in_one_line_of_numbers() -> None:
    sent = to_bob("server", "out")
    assert [packet.sequence for packet in sent] == list(range(sent[0].sequence, sent[-1].sequence + 1))
    inside = [
        red.unwrap_packet(rtp.serialize(packet))[1] & 0x7F if packet.payload_type != 96 else 96 for packet in sent
    ]
    first = inside.index(negotiation.ULPFEC_PAYLOAD_TYPE)
    assert 20 < first < len(sent) / 2
    for place in range(1, len(sent)):
        if inside[place] == negotiation.ULPFEC_PAYLOAD_TYPE:
            assert sent[place - 1].marker or inside[place - 1] == inside[place]
            assert sent[place].timestamp == sent[place - 1].timestamp


@pytest.mark.spec("fec/one-missing", "fec/mutable-octets-zero", "fec/virtual-packets", "fec/not-sent-again")
def test_a_viewer_computes_what_the_server_had_sent() -> None:
    sent = {packet.sequence: packet for packet in to_bob("server", "out")}
    came = to_bob("bob", "in")
    ours = Mending(negotiation.VIDEO_RED_PAYLOAD_TYPE, negotiation.ULPFEC_PAYLOAD_TYPE, {TRANSPORT_SEQUENCE_ID: 0})
    back = [rtp.parse(each) for packet in came for each in ours.receive(rtp.serialize(packet), 0.0)[1:]]
    assert len(back) >= 4
    for packet in back:
        original = sent[packet.sequence]
        assert packet.sequence not in {each.sequence for each in came}
        assert packet.payload == red.parse(original.payload).primary
        assert (packet.timestamp, packet.marker) == (original.timestamp, original.marker)
    repairs = [packet.payload for _, packet in media("fec-call", "server", "out", 97)]
    assert sum(not payload for payload in repairs) > 10, "the first probe, when there is nothing to repeat"
    for payload in filter(None, repairs):
        original = sent[int.from_bytes(payload[:2])]
        in_red = original.payload_type == negotiation.VIDEO_RED_PAYLOAD_TYPE
        is_fec = in_red and red.parse(original.payload).payload_type == negotiation.ULPFEC_PAYLOAD_TYPE
        assert is_fec == (len(payload) == 2)


@pytest.mark.spec("fec/within-the-bandwidth", "rtcp/fraction-lost")
def test_protection_begins_with_a_report_and_makes_the_picture_smaller() -> None:
    first = next(
        at
        for at, packet in media("fec-recovery", "alice", "out", fecsession.RED)
        if is_parity(red.unwrap_packet(rtp.serialize(packet)))
    )
    reports = control("fec-recovery", "alice", "in", rtcp.ReceiverReport)
    at, report = [each for each in reports if each[0] < first][-1]
    assert report.blocks[0].fraction_lost > 0
    assert first - at < 0.15
    sizes = [
        (at, vp8.size_of_keyframe(packet.payload))
        for at, packet in ((at, rtp.parse(packet)) for at, packet in unwrapped("alice", "out"))
        if packet.payload_type == fecsession.VP8 and vp8.size_of_keyframe(packet.payload) is not None
    ]
    assert [size for _, size in sizes] == [SIZES["f"], SIZES["h"]]
    assert 0 < sizes[1][0] - at < 0.15
    octets = sum(len(packet) for when, packet in unwrapped("alice", "out") if 3 <= when < 5)
    assert octets * 8 / 2 < fecsession.TOTAL_BPS


def unwrapped(where: str, way: str) -> list[tuple[float, bytes]]:
    found = media("fec-recovery", where, way, fecsession.RED)
    return [(at, red.unwrap_packet(rtp.serialize(packet))) for at, packet in found]


# --- a line that gets thin ----------------------------------------------------------------------------


@pytest.mark.spec("rtcp/twcc-reported-once", "rtcp/twcc-feedback-count")
def test_each_arrival_is_told_once() -> None:
    arrived = [
        int.from_bytes(packet.extensions[TRANSPORT_SEQUENCE_ID])
        for payload_type in (96, 97)
        for _, packet in media("bandwidth-step", "bob", "in", payload_type)
    ]
    feedbacks = [feedback for _, feedback in control("bandwidth-step", "bob", "out", TransportFeedback)]
    told = [
        feedback.base_sequence + place & 0xFFFF
        for feedback in feedbacks
        for place, ticks in enumerate(feedback.arrivals)
        if ticks is not None
    ]
    assert [feedback.count for feedback in feedbacks] == [number & 0xFF for number in range(len(feedbacks))]
    assert len(told) == len(set(told))
    assert set(told) <= set(arrived)
    assert len(set(arrived) - set(told)) < 10, "those of the last tenth of a second"


@pytest.mark.spec("allocation/when-anew", "allocation/up-after-a-while")
def test_the_size_follows_the_line() -> None:
    shown = [each["message"]["seats"][0]["layer"] for each in messages("bandwidth-step", "video")]
    assert shown == ["192p", "96p", "48p", "96p", "192p"]
    sizes = [
        vp8.size_of_keyframe(packet.payload)
        for _, packet in media("bandwidth-step", "bob", "in")
        if vp8.size_of_keyframe(packet.payload) is not None
    ]
    q, h, f = SIZES.values()
    assert [size for size, _ in groupby(sizes)] == [f, h, q, h, f]


def test_what_arrives_is_what_the_line_carries_and_then_less() -> None:
    def kilobits(since: float, until: float) -> float:
        sizes = [
            len(each.data) + 28 for each in seen("bandwidth-step") if each.way == "in" and since <= each.at < until
        ]
        return sum(sizes) * 8 / 1000 / (until - since)

    assert kilobits(2, 3.2) > 110
    assert 90 < kilobits(4, 6) <= 105, "the line is full"
    assert kilobits(8, 10) < 60
    assert kilobits(13.5, 14.9) > 110


@pytest.mark.spec("bandwidth/probe-application-limited")
def test_probes_are_sent_on_the_stream_for_repairs_though_nothing_was_lost() -> None:
    numbers = [packet.sequence for _, packet in media("bandwidth-step", "bob", "in")]
    assert all(later - earlier == 1 for earlier, later in pairwise(numbers))
    assert control("bandwidth-step", "bob", "out", rtcp.Nack) == []
    probes = media("bandwidth-step", "bob", "in", 97)
    assert {int(at) for at, _ in probes} == {1, 7, 10}, "before any picture, and when the queue has drained"
    assert max(at for at, _ in probes if at < 2) < min(at for at, _ in media("bandwidth-step", "bob", "in"))


# --- another speaker ----------------------------------------------------------------------------------

SPEAKS = SPEAK["ada"]


@pytest.mark.spec("rtp/audio-level")
def test_levels_tell_when_ada_speaks() -> None:
    sound = [
        (at, len(packet.payload), packet.extensions[AUDIO_LEVEL_ID][0] & 0x7F)
        for at, packet in media("speaker-change", "ada", "out", 111)
    ]
    assert all((size > 1) == (SPEAKS[0] <= at < SPEAKS[1]) for at, size, _ in sound)
    assert all(level == 127 for _, size, level in sound if size == 1)
    loud = [level for _, size, level in sound if size > 1 and level < 127]
    assert len(loud) > 100, "all but a short pause"
    assert max(loud) < 100


@pytest.mark.spec("speaker/three-spans", "speaker/recent")
def test_who_speaks_is_told_and_seated() -> None:
    names = signaling("speaker-change")["people"]
    told = [
        (each["at_ms"] / 1000, names.get(each["message"]["person"])) for each in messages("speaker-change", "speaker")
    ]
    assert [name for _, name in told] == [None, "ben", "ada"]
    for (at, _), begins in zip(told[1:], (SPEAK["ben"][0], SPEAKS[0]), strict=True):
        assert begins + 0.3 < at < begins + 1
    for each in messages("speaker-change", "seats"):
        at, seats = each["at_ms"] / 1000, each["message"]
        seen_now = [names[seat["person"]] for seat in seats["seats"] if seat["video"] and seat["person"]]
        if at > 0.4:
            assert len(seen_now) == 4
        if at >= told[1][0]:
            assert "ben" in seen_now
            large = names[seats["seats"][seats["large"]]["person"]]
            assert large == ("ada" if at >= told[2][0] else "ben")


@pytest.mark.spec("rewriting/continuing")
def test_ada_goes_on_with_the_stream_of_another() -> None:
    sent = {body(packet) for _, packet in media("speaker-change", "ada", "out")}
    ada = next(key for key, name in signaling("speaker-change")["people"].items() if name == "ada")
    seats = messages("speaker-change", "seats")[-1]["message"]["seats"]
    begins = next(seat["video_from"] for seat in seats if seat["person"] == ada and seat["video"])
    got = media("speaker-change", "vera", "in")
    ssrc = next(packet.ssrc for _, packet in got if packet.timestamp == begins)
    stream = [packet for _, packet in got if packet.ssrc == ssrc]
    assert all(later.sequence - earlier.sequence == 1 for earlier, later in pairwise(stream))
    ids = [vp8.parse(picture[0].payload).picture_id for picture in pictures([(0.0, packet) for packet in stream])]
    assert ids == list(range(1, len(ids) + 1))
    place = next(place for place, packet in enumerate(stream) if packet.timestamp == begins)
    assert place > 20
    assert vp8.size_of_keyframe(stream[place].payload) is not None
    hers = stream[place:]
    assert len(hers) > 6
    assert all(body(packet) in sent for packet in hers)
    [asked] = control("speaker-change", "ada", "in", rtcp.PictureLoss)
    assert SPEAKS[0] < asked[0] < SPEAKS[0] + 1


def test_ada_is_heard_once_she_is_among_the_loudest() -> None:
    sent = {packet.payload for at, packet in media("speaker-change", "ada", "out", 111) if len(packet.payload) > 1}
    heard = [
        at for at, packet in media("speaker-change", "vera", "in", 111) if packet.payload in sent and at > SPEAKS[0]
    ]
    assert SPEAKS[0] + 0.3 < heard[0] < SPEAKS[0] + 1
    assert len(heard) > 60


def test_nothing_is_negotiated_when_the_speaker_changes() -> None:
    described = json.loads((FOLDER / "speaker-change" / "sdp.json").read_text())
    assert {each["client"] for each in described} == {"ada", "vera"}
    assert max(each["at_ms"] for each in described) < 1000
