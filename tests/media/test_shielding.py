"""FEC among the pictures of a viewer: one line of numbers, nothing in the middle of a picture, and it mends."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.mending import Mending
from meetref.media.parts import Parts
from meetref.media.rewriting import Incoming, Rewriter, evened, hollow
from meetref.media.sequence import Unwrapper
from meetref.media.shielding import MAXIMUM_SHIFTS, Shield
from meetref.wire import red, rtp

RED, ULPFEC, SSRC, TRANSPORT = 116, 117, 0xB0B, 3


def rewriter(first: int = 100, *, transport_id: int = TRANSPORT) -> Rewriter:
    return Rewriter(
        ssrc=SSRC, payload_type=96, clock_rate=90000, transport_id=transport_id, level_id=0, first_sequence=first,
        first_timestamp=5,
    )  # fmt: skip


def parts(picture: int, count: int, first: int, size: int = 40) -> list[Incoming]:
    """The packets of one picture."""
    return [
        evened(
            Incoming(
                first + place, picture * 3000, 0x80 if place == count - 1 else 0,
                random.Random(f"{picture}/{place}").randbytes(size + 7 * place), picture == 0,
                picture=picture, tl0=picture & 0xFF, lead=b"\x90\xe0" if place == 0 else b"\x80\xe0",
            )
        )
        for place in range(count)
    ]  # fmt: skip


def film(pictures: int, count: int = 4, size: int = 40) -> list[Incoming]:
    return [packet for picture in range(pictures) for packet in parts(picture, count, 500 + picture * count, size)]


def covered(
    shield: Shield, made: Rewriter, packets: list[Incoming], batch: int = 1, number: int = 0
) -> tuple[list[bytes], list[bytes]]:
    """What leaves, and what is kept, as packets; the transport-wide numbers are checked."""
    leaving, kept = list[bytes](), list[bytes]()
    for start in range(0, len(packets), batch):
        count = number + len(leaving)
        got = shield.cover(made.rewrite(packets[start : start + batch], count & 0xFFFF), count & 0xFFFF)
        assert len(got.leaving) == len(got.kept)
        leaving += map(b"".join, got.leaving)
        kept += map(b"".join, got.kept)
    for place, packet in enumerate(leaving):
        assert rtp.parse(packet).extensions == {TRANSPORT: (number + place & 0xFFFF).to_bytes(2)}
    return leaving, kept


def start(*, row: int = 2, first: int = 100, packets: list[Incoming]) -> tuple[Shield, Rewriter]:
    made = rewriter(first)
    made.begin(packets[0], 9000, 3000)
    return Shield(RED, ULPFEC, transport_id=TRANSPORT, newest=made.last_sequence, row=row), made


def inner(packet: bytes) -> int:
    return red.unwrap_packet(packet)[1] & 0x7F


@pytest.mark.spec("fec/behind-its-picture", "fec/one-line")
@pytest.mark.parametrize("batch", [1, 3, 4, 11])
@pytest.mark.parametrize("first", [100, 0xFFF0])
def test_numbers_go_on_and_fec_is_behind_the_end_of_a_picture(batch: int, first: int) -> None:
    packets = film(12)
    shield, made = start(first=first, packets=packets)
    leaving, _ = covered(shield, made, packets, batch, number=0xFFFA)
    assert [packet[2] << 8 | packet[3] for packet in leaving] == [
        (first + 1 + place) & 0xFFFF for place in range(len(leaving))
    ]
    assert {packet[1] & 0x7F for packet in leaving} == {RED}
    kinds = [inner(packet) for packet in leaving]
    assert kinds == ([96] * 4 + [ULPFEC] * 2) * 12
    assert [packet[1] >> 7 for packet in leaving] == [0, 0, 0, 1, 0, 0] * 12
    assert shield.shift == 24


@pytest.mark.spec("fec/virtual-packets", "fec/protected-string")
@pytest.mark.parametrize("size", [40, 1100])
def test_what_is_lost_of_it_comes_back_octet_for_octet(size: int) -> None:
    """But for the number of the link, and padding, which stays away."""
    packets = film(6, size=size)
    shield, made = start(packets=packets)
    leaving, kept = covered(shield, made, packets, 5)
    for place, packet in enumerate(leaving):
        if inner(packet) == ULPFEC:
            continue
        receiver = Mending(RED, ULPFEC, {TRANSPORT: 0})
        back = [each for other in leaving if other is not packet for each in receiver.receive(other, 0.0)[1:]]
        (computed,) = [each for each in back if each[2:4] == packet[2:4]]
        plain, sent = rtp.parse(computed), rtp.parse(kept[place])
        assert computed[:12] == kept[place][:12] == red.unwrap_packet(packet)[:12]
        assert plain.payload == sent.payload
        assert plain.padding_size == 0


@pytest.mark.spec("fec/latecomers-keep-their-place")
def test_latecomers_have_the_number_that_was_left_for_them() -> None:
    packets = film(30)
    late = [5, 6, 7, 50]  # with a picture's end among them
    order = [place for place in range(len(packets)) if place not in late]
    order[40:40] = late[:3]
    order.append(late[3])
    shield, made = start(packets=packets)
    leaving, _ = covered(shield, made, [packets[place] for place in order])
    numbers = [packet[2] << 8 | packet[3] for packet in leaving]
    assert len(set(numbers)) == len(numbers)
    assert sorted(numbers) == list(range(101, 101 + len(numbers)))
    by_number = sorted(leaving, key=lambda packet: packet[2:4])
    pictures = [rtp.parse(red.unwrap_packet(packet)).timestamp for packet in by_number]
    assert pictures == sorted(pictures), "each is where it belongs"


@pytest.mark.spec("fec/latecomers-keep-their-place")
def test_who_comes_too_late_has_no_place_any_more() -> None:
    packets = film(MAXIMUM_SHIFTS + 10)
    shield, made = start(packets=packets)
    covered(shield, made, packets[:2] + packets[3:])
    assert shield.number_of(103) is None
    assert shield.cover(made.rewrite([packets[2]], 0), 0).leaving == []


@pytest.mark.spec("fec/not-sent-again")
def test_fec_is_kept_as_padding_and_pictures_as_they_are_without_red() -> None:
    packets = film(3)
    shield, made = start(packets=packets)
    leaving, kept = covered(shield, made, packets)
    for gone, again in zip(leaving, kept, strict=True):
        read = rtp.parse(again)
        assert again[2:8] == gone[2:8]
        assert read.payload_type == 96
        assert read.payload == (b"" if inner(gone) == ULPFEC else red.parse(rtp.parse(gone).payload).primary)


@pytest.mark.spec("fec/behind-its-picture")
def test_a_picture_too_large_for_one_group_has_its_fec_behind_it() -> None:
    packets = [*parts(0, 120, 500), *parts(1, 2, 620)]
    shield, made = start(row=10, packets=packets)
    leaving, _ = covered(shield, made, packets, 7)
    kinds = [inner(packet) for packet in leaving]
    assert kinds[:120] == [96] * 120
    assert kinds.count(ULPFEC) >= 11
    assert kinds.index(ULPFEC) == 120


def test_padding_goes_as_it_came_and_is_not_protected() -> None:
    packets = film(2)
    packets.insert(4, hollow(504, 0))
    for packet in packets[5:]:
        packet.sequence += 1
    shield, made = start(packets=packets)
    leaving, _ = covered(shield, made, packets)
    assert [packet[1] & 0x7F for packet in leaving] == [RED] * 6 + [96] + [RED] * 6
    assert rtp.parse(leaving[6]).payload == b""


@pytest.mark.spec("fec/one-line")
def test_it_stops_and_begins_again_in_one_line() -> None:
    packets = film(40)
    shield, made = start(row=2, packets=packets)
    numbers, forms = list[int](), list[int]()
    for place, packet in enumerate(packets):
        if place % 20 == 0:
            shield.protect(2 if place % 40 == 0 else 0)
        for each in shield.cover(made.rewrite([packet], 0), 0).leaving:
            numbers.append(each[0][2] << 8 | each[0][3])
            forms.append(each[0][1] & 0x7F)
    assert numbers == list(range(101, 101 + len(numbers)))
    assert forms[:30] == [RED] * 30
    assert forms[30:50] == [96] * 20
    assert len(numbers) == 160 + 40


def test_far_behind_the_last_fec_packet_numbers_still_go_on() -> None:
    packets = film(1)
    shield, made = start(packets=packets)
    covered(shield, made, packets)
    shield.protect(0)
    newest, unwrapper = 106, Unwrapper()
    unwrapper.unwrap(newest)
    for number in range(504, 504 + 70_000, 9_000):
        (leaving,) = shield.cover(made.rewrite([Incoming(number, 0, 0, b"x", False)], 0), 0).leaving
        after = unwrapper.unwrap(leaving[0][2] << 8 | leaving[0][3])
        assert after - newest == (1 if newest == 106 else 9_000)
        newest = after


def test_a_viewer_without_header_extensions_gets_it_too() -> None:
    packets = film(2)
    made = rewriter(transport_id=0)
    made.begin(packets[0], 9000, 3000)
    shield = Shield(RED, ULPFEC, transport_id=0, newest=made.last_sequence, row=2)
    got = shield.cover(made.rewrite(packets, 0), 0)
    receiver, back = Mending(RED, ULPFEC, {}), list[bytes]()
    for place, each in enumerate(got.leaving):
        if place != 2:
            back += receiver.receive(b"".join(each), 0.0)[1:]
    assert [each[2:] for each in back] == [b"".join(got.kept[2])[2:]]


@given(st.integers(0, 0xFFFF), st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), min_size=1, max_size=30))
def test_whatever_is_asked_for_no_number_is_missing_or_twice(first: int, script: list[tuple[int, int]]) -> None:
    packets, sequence = list[Incoming](), 500
    for picture, (count, _) in enumerate(script):
        packets += parts(picture, count, sequence)
        sequence += count
    shield, made = start(row=0, first=first, packets=packets)
    sent, octets = list[Parts](), 0
    for picture, (_, row) in enumerate(script):
        shield.protect(row)
        run = made.rewrite([packet for packet in packets if packet.picture == picture], 0)
        got = shield.cover(run, 0)
        sent += got.leaving
        octets += got.octets
    assert [each[0][2] << 8 | each[0][3] for each in sent] == [
        (first + 1 + place) & 0xFFFF for place in range(len(packets) + shield.shift)
    ]
    payloads = sum(len(rtp.parse(b"".join(each)).payload) for each in sent)
    assert payloads == octets + made.octets
