"""Pictures with FEC, as a server takes them from a publisher."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import mending
from meetref.media.repair import MAXIMUM_WAIT, REORDER_WAIT
from meetref.protocol.negotiation import MID, TRANSPORT_SEQUENCE, Fec, ReceivedTrack
from meetref.wire import red, rtcp, rtcpfeedback, rtp, vp8
from tests.media.test_mending import RED, SSRC, ULPFEC, is_fec, pictures
from tests.meeting.links import KEY, MID_ID, TRANSPORT_ID, Publisher, Viewer

REPAIR = SSRC + 1


def publisher() -> tuple[Publisher, Viewer]:
    """Somebody whose camera may come protected, and somebody who sees it."""
    alice, bob = Publisher(), Viewer()
    described = ReceivedTrack(
        mid="w", kind="video", codecs={}, ssrcs=(SSRC,), rtx={97: 96, 119: RED}, rtx_of={REPAIR: SSRC},
        fec=Fec(RED, ULPFEC), extensions={MID: MID_ID, TRANSPORT_SEQUENCE: TRANSPORT_ID},
    )  # fmt: skip
    alice.up.describe([described], {"w": "camera"}, alice.now)
    bob.down.slots["v0"].show(alice.up.tracks["w"], alice.now)
    return alice, bob


def on_the_wire(count: int) -> list[rtp.Packet]:
    """Of the first picture a keyframe is made, so that a viewer begins with it."""
    first = rtp.parse(pictures(1, 1, row=0)[0])
    descriptor = vp8.serialize(vp8.Descriptor(start=True, picture_id=0x7FFF, long_picture_id=True))
    first.payload = bytes([96]) + descriptor + KEY[1:]
    first.sequence = 9
    rest = [rtp.parse(packet) for packet in pictures(count, first=10)]
    for packet in rest:
        packet.timestamp += 3000
    return [first, *rest]


def send(alice: Publisher, packets: list[rtp.Packet], *lost: int) -> None:
    for place, packet in enumerate(packets):
        if place not in lost:
            alice.send(packet)


@pytest.mark.spec("fec/number-used", "fec/virtual-packets")
def test_a_part_that_was_lost_on_the_way_here_is_computed() -> None:
    alice, bob = publisher()
    packets = on_the_wire(4)
    send(alice, packets, 2, 6)
    got = sorted(bob.gets(), key=lambda packet: packet.sequence)
    first = got[0].sequence
    assert [packet.sequence - first for packet in got] == list(range(len(packets)))
    for sent, seen in zip(packets, got, strict=True):
        assert seen.payload_type == 96
        inside = red.parse(sent.payload)
        assert seen.payload == (b"" if inside.payload_type == ULPFEC else b"" + seen.payload)
        assert inside.payload_type == ULPFEC or seen.payload[-12:] == inside.primary[-12:]
    stream = alice.up.streams[SSRC]
    assert stream.recovered == 2
    assert stream.reception.expected - stream.reception.received == 2, "what was computed was lost all the same"
    assert len(stream.losses) == 0, "and is not asked for"
    assert not alice.up.ignored


@pytest.mark.spec("fec/number-used")
def test_what_was_sent_again_in_red_goes_on_without() -> None:
    alice, bob = publisher()
    packets = on_the_wire(2)
    send(alice, packets, 2, 3)
    for number, place in enumerate((2, 3)):
        packet = packets[place]
        packet.payload = packet.sequence.to_bytes(2) + packet.payload
        packet.ssrc, packet.payload_type, packet.sequence = REPAIR, 119, number
        alice.send(packet)
    got = sorted(bob.gets(), key=lambda packet: packet.sequence)
    assert len(got) == len(packets)
    assert {packet.payload_type for packet in got} == {96}
    assert alice.up.streams[SSRC].recovered == 0


@pytest.mark.spec("fec/lost-fec-not-asked", "fec/asked-later")
def test_lost_fec_is_neither_asked_for_nor_a_gap() -> None:
    alice, bob = publisher()
    packets = on_the_wire(4)
    repairs = [place for place, packet in enumerate(packets) if is_fec(rtp.serialize(packet))]
    send(alice, packets, repairs[1])
    got = sorted(bob.gets(), key=lambda packet: packet.sequence)
    assert [packet.sequence - got[0].sequence for packet in got] == list(range(len(packets)))
    assert alice.up.streams[SSRC].losses.next_timeout() < math.inf
    alice.up.handle_timeout(alice.now + 0.5)
    assert not [each for each in alice.hears() if isinstance(each, rtcpfeedback.Nack)]
    alice.send(packets[repairs[1]])  # it was only late
    assert bob.gets() == []
    assert alice.up.ignored == {"seen before": 1}


@pytest.mark.spec("fec/asked-later")
def test_while_fec_comes_it_is_waited_for_and_no_keyframe_is_asked_for_what_may_be_fec() -> None:
    alice, _ = publisher()
    packets = on_the_wire(5)
    stream_of = alice.up.streams
    send(alice, packets[:1])
    assert stream_of[SSRC].losses.reorder_wait == REORDER_WAIT
    send(alice, packets[1:9], 1, 2)
    alice.up._report(alice.now)
    assert stream_of[SSRC].losses.reorder_wait == mending.WAIT
    alice.hears()
    alice.up.handle_timeout(alice.now + 0.05)
    (asked,) = [each for each in alice.hears() if isinstance(each, rtcpfeedback.Nack)]
    assert asked.lost == [packets[1 + 1].sequence, packets[1 + 2].sequence]
    alice.up.handle_timeout(alice.now + MAXIMUM_WAIT + 0.1)
    assert not keyframes(alice), "a viewer who misses a picture will ask"
    later = alice.now + mending.USED_FOR + 1
    alice.now = later
    send(alice, packets[10:12], 0)
    alice.up._report(later)
    assert stream_of[SSRC].losses.reorder_wait == REORDER_WAIT
    alice.up.handle_timeout(later + 0.1)
    alice.up.handle_timeout(later + MAXIMUM_WAIT + 0.1)
    assert keyframes(alice), "where none comes, what is missing is media"


def keyframes(alice: Publisher) -> list[rtcp.Packet]:
    return [each for each in alice.hears() if isinstance(each, rtcpfeedback.PictureLoss)]


@given(st.binary(max_size=60), st.booleans())
def test_any_octets_as_red_raise_nothing(payload: bytes, as_fec: bool) -> None:
    alice, bob = publisher()
    packets = on_the_wire(1)
    packets[1].payload = bytes([ULPFEC]) + payload if as_fec else payload
    send(alice, packets)
    assert bob.gets()[0].payload_type == 96, "the keyframe before it has come"
