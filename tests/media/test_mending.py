"""Pictures that came protected: what is in RED comes out, what was lost comes back, and FEC is no gap."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.fec import MUTABLE, Protector
from meetref.media.mending import LONGEST_GAP, MOST_LOST, REMEMBERED, USED_FOR, Mending, empty, mutable_ids
from meetref.media.rewriting import Incoming, read_video
from meetref.media.sequence import Unwrapper
from meetref.wire import fec, red, rtp, vp8
from meetref.wire.reader import Malformed

RED, ULPFEC, SSRC = 118, 120, 7
TRANSPORT = 3


def pictures(count: int, parts: int = 3, *, row: int = 3, first: int = 0) -> list[bytes]:
    """So many pictures on the wire, each of so many parts, as libwebrtc sends them: FEC behind those it protects."""
    protector, sent, number = Protector(row=row, mutable={TRANSPORT: 0}), list[bytes](), first
    for picture in range(count):
        for part in range(parts):
            descriptor = vp8.Descriptor(start=part == 0, picture_id=picture & 0x7FFF, long_picture_id=True)
            payload = vp8.serialize(descriptor) + random.Random(f"{picture}/{part}").randbytes(20 + 9 * part)
            packet = rtp.serialize(
                rtp.Packet(
                    96, number & 0xFFFF, picture * 3000, SSRC, payload, part == parts - 1,
                    extensions={TRANSPORT: (number & 0xFFFF).to_bytes(2)},
                )
            )  # fmt: skip
            sent.append(red.wrap_packet(packet, RED))
            number += 1
            for parity in protector.add(packet):
                block = red.serialize(red.Payload(ULPFEC, fec.serialize(parity)))
                sent.append(rtp.serialize(rtp.Packet(RED, number & 0xFFFF, picture * 3000, SSRC, block)))
                number += 1
    return sent


def is_fec(packet: bytes) -> bool:
    return red.unwrap_packet(packet)[1] & 0x7F == ULPFEC


def mending() -> Mending:
    return Mending(RED, ULPFEC, {TRANSPORT: 0})


@pytest.mark.spec("fec/virtual-packets", "fec/number-used")
@pytest.mark.parametrize("first", [5, 65_530])
def test_every_packet_that_is_lost_alone_comes_back(first: int) -> None:
    sent = pictures(4, first=first)
    for lost in sent:
        if is_fec(lost):
            continue
        ours = mending()
        back = [each for packet in sent if packet is not lost for each in ours.receive(packet, 0.0)[1:]]
        (computed,) = back
        plain = red.unwrap_packet(lost)
        assert computed[:12] == plain[:12]
        assert rtp.parse(computed).payload == rtp.parse(plain).payload
        assert rtp.parse(computed).extensions == {TRANSPORT: bytes(2)}, "of what each link writes nothing is known"


@pytest.mark.spec("fec/number-used")
def test_fec_goes_on_as_a_packet_of_nothing_under_its_number() -> None:
    ours = mending()
    for packet in pictures(3):
        came = ours.receive(packet, 1.0)[0]
        assert came[2:8] == packet[2:8]
        read = rtp.parse(came)
        assert (read.payload == b"") is is_fec(packet)
        assert read.payload_type == 96
        assert not is_fec(packet) or not read.marker
    assert ours.repairs == 3
    assert ours.is_used(1.0 + USED_FOR / 2)
    assert not ours.is_used(1.0 + USED_FOR)


def test_what_does_not_come_in_red_goes_by() -> None:
    plain = red.unwrap_packet(pictures(1)[0])
    assert mending().receive(plain, 0.0) == [plain]
    assert mending().open(plain) == plain


def test_nothing_is_learned_from_what_was_sent_again() -> None:
    """Its header extensions are those of the repair, and computing with them would make nonsense."""
    ours, sent = mending(), pictures(1)
    ours.receive(sent[0], 0.0)
    assert ours.open(sent[1]) == red.unwrap_packet(sent[1])
    assert rtp.parse(ours.open(sent[3])).payload == b""
    assert len(ours.receive(sent[3], 0.0)) == 1, "two are missing, as far as FEC is concerned"
    assert len(ours.receive(sent[2], 0.0)) == 2


def read(packets: list[bytes]) -> list[Incoming]:
    short, numbers = Unwrapper(7), Unwrapper()
    return [read_video(each, numbers.unwrap(each[2] << 8 | each[3]), short) for each in packets]


@pytest.mark.spec("fec/lost-fec-not-asked")
@pytest.mark.parametrize("first", [5, 65_530])
def test_what_is_between_two_pictures_is_no_part_of_one(first: int) -> None:
    """In any order, whatever else was lost, and never a number of a picture."""
    sent = pictures(70, 2, row=1, first=first)
    numbers = [packet.sequence for packet in read([mending().open(packet) for packet in sent])]
    free = {number for packet, number in zip(sent, numbers, strict=True) if is_fec(packet)} - {numbers[-1], numbers[-2]}
    for seed in range(5):
        dice, ours = random.Random(seed), mending()
        order = list(range(len(sent)))
        if seed:
            order.sort(key=lambda place, dice=dice: place + dice.uniform(0, 6))  # type: ignore[misc]
        incoming = read([mending().open(sent[place]) for place in order if not is_fec(sent[place])])
        assert {number for packet in incoming for number in ours.between(packet)} == free
        some = [packet for packet in incoming if dice.random() > 0.2]
        assert {number for packet in some for number in mending().between(packet)} <= free


@pytest.mark.spec("fec/lost-fec-not-asked")
def test_it_is_not_told_of_pictures_that_are_no_neighbours_or_far_apart() -> None:
    def part(sequence: int, picture: int, *, marker: int = 0x80) -> Incoming:
        return Incoming(sequence, 0, marker, b"x", False, picture=picture, lead=b"\x90\x80")

    ours = mending()
    assert ours.between(part(1, 10)) == []
    assert ours.between(part(3, 12)) == []
    assert ours.between(part(4, 13 + REMEMBERED)) == []
    assert ours.between(part(6, 14 + REMEMBERED)) == [5]
    assert ours.between(part(6 + LONGEST_GAP + 2, 15 + REMEMBERED)) == []
    assert ours.between(Incoming(9, 0, 0, b"\x01", False)) == []
    wrapped = mending()
    assert wrapped.between(part(1, 0x7FFF)) == []
    assert wrapped.between(part(4, 0)) == [2, 3]


def test_ids_of_what_each_link_writes_anew() -> None:
    uris = list(MUTABLE)
    assert mutable_ids({uris[0]: 3, "urn:ietf:params:rtp-hdrext:sdes:mid": 4}) == {3: 0}


def test_an_empty_packet_is_one() -> None:
    packet = rtp.parse(empty(red.unwrap_packet(pictures(1)[2]), 70_000))
    assert (packet.sequence, packet.marker, packet.payload, packet.ssrc) == (70_000 & 0xFFFF, False, b"", SSRC)


@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_any_octets_in_red_raise_nothing_but_malformed(payloads: list[bytes], is_fec: bool) -> None:
    ours = mending()
    for number, payload in enumerate(payloads):
        block = bytes([ULPFEC]) + payload if is_fec else payload
        packet = rtp.serialize(rtp.Packet(RED, number, 0, SSRC, block))
        try:
            assert ours.receive(packet, 0.0)
        except Malformed:
            continue


def test_what_is_taken_for_lost_fec_is_bounded_by_what_came() -> None:
    """Each number is a packet of nothing to every viewer: who leaves numbers out after each picture makes floods."""
    ours, count = mending(), 2000
    found = 0
    for number in range(count):
        whole = Incoming(number * (LONGEST_GAP + 1), number * 3000, 0x80, b"", False, picture=number, lead=b"\x10")
        found += len(ours.between(whole))
    assert 0 < found <= LONGEST_GAP + MOST_LOST * count
