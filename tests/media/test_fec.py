"""Forward error correction: what is lost comes back octet for octet, nothing false does, and memory is bounded."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import fec as correction
from meetref.media.fec import Protector, Recoverer, masks, protect, repair, without_mutable
from meetref.wire import fec, flexfec, rtp

SSRC = 7
TRANSPORT = 5


def packet(number: int, size: int = 20, *, ssrc: int = SSRC, marker: bool = False, seed: int = 0) -> bytes:
    """One RTP packet in all its variety: CSRCs, extension, padding now and then."""
    dice = random.Random(f"{seed}/{ssrc}/{number}")
    made = rtp.Packet(96, number & 0xFFFF, number // 4 * 3000, ssrc, dice.randbytes(size), marker)
    if number % 3 == 0:
        made.extensions = {TRANSPORT: dice.randbytes(2), 4: b"0"}
    if number % 5 == 0:
        made.csrcs = [dice.getrandbits(32)]
    made.padding_size = number % 7 if number % 7 > 4 else 0
    return rtp.serialize(made)


@pytest.mark.spec("fec/protected-string", "fec/shorter-ones-padded", "fec/recovered-header", "fec/recovered-length")
@pytest.mark.parametrize("repairs", [1, 2, 3, 10])
@pytest.mark.parametrize("first", [0, 65530])
def test_any_single_loss_of_a_mask_comes_back(first: int, repairs: int) -> None:
    sent = [packet(first + place, 5 + 7 * place) for place in range(10)]
    parities = [fec.parse(fec.serialize(parity)) for parity in protect(sent, repairs)]
    for lost in range(10):
        receiver = Recoverer()
        back = [each for place, one in enumerate(sent) if place != lost for each in receiver.receive(one)]
        for parity in parities:
            back += receiver.receive_parity(parity, SSRC)
        assert back == [sent[lost]]
        assert receiver.recovered == 1


@pytest.mark.parametrize("repairs", [1, 2, 4])
def test_any_burst_as_long_as_there_are_masks_comes_back(repairs: int) -> None:
    sent = [packet(place) for place in range(1, 13)]
    parities = protect(sent, repairs)
    for first in range(1, 12 - repairs):
        lost = range(first, first + repairs)
        receiver = Recoverer()
        for place, one in enumerate(sent):
            if place not in lost:
                receiver.receive(one)
        back = [each for parity in parities for each in receiver.receive_parity(parity, SSRC)]
        assert sorted(back) == sorted(sent[place] for place in lost)


def test_the_order_of_arrival_does_not_matter() -> None:
    sent = [packet(place) for place in range(6)]
    parities = protect(sent, 2)
    dice = random.Random(1)
    for _ in range(50):
        receiver, back = Recoverer(), list[bytes]()
        receiver.receive(sent[0])
        arriving: list[bytes | fec.Parity] = [*sent[1:2], *sent[3:], *parities]
        dice.shuffle(arriving)
        for each in arriving:
            back += receiver.receive(each) if isinstance(each, bytes) else receiver.receive_parity(each, SSRC)
        assert back.count(sent[2]) == 1
        assert len(back) == len(set(back))  # what is only late may come back, too
        assert set(back) <= set(sent)


@pytest.mark.spec("fec/one-missing")
def test_two_losses_of_one_mask_do_not_come_back_until_one_arrives() -> None:
    sent = [packet(place) for place in range(4)]
    [parity] = protect(sent, 1)
    receiver = Recoverer()
    for one in sent[:2]:
        receiver.receive(one)
    assert receiver.receive_parity(parity, SSRC) == []
    assert receiver.receive(sent[2]) == [sent[3]]
    assert receiver.receive(sent[3]) == []  # it is late, and known


@pytest.mark.spec("fec/repeated-until-none")
def test_rows_and_columns_give_each_other_what_they_find() -> None:
    """RFC 8627 section 6.3.4, figures 16 to 18: four losses that neither rows nor columns repair alone."""
    sent = {number: packet(number) for number in range(1, 13)}
    rows = [repair([sent[number] for number in range(first, first + 4)]) for first in (1, 5, 9)]
    columns = [repair([sent[number] for number in range(first, 13, 4)]) for first in range(1, 5)]
    receiver = Recoverer()
    for number in (3, 4, 5, 6, 7, 8, 9, 12):
        receiver.receive(sent[number])
    assert [each for one, ssrcs in rows for each in receiver.receive_repair(one, ssrcs)] == []
    back = [each for one, ssrcs in columns for each in receiver.receive_repair(one, ssrcs)]
    assert sorted(back) == sorted(sent[number] for number in (1, 2, 10, 11))


@pytest.mark.spec("fec/columns-and-rows", "fec/flexible-streams")
def test_one_repair_for_two_streams() -> None:
    sent = [packet(number, ssrc=ssrc) for ssrc in (1, 2) for number in range(65534, 65538)]
    one, ssrcs = repair(sent)
    assert ssrcs == [1, 2]
    read = flexfec.parse(flexfec.serialize(one), 2)
    for lost in range(8):
        receiver = Recoverer()
        for place, each in enumerate(sent):
            if place != lost:
                receiver.receive(each)
        assert receiver.receive_repair(read, ssrcs) == [sent[lost]]


def test_flexible_blocks_and_retransmissions() -> None:
    sent = [packet(number) for number in range(6)]
    every_second, ssrcs = repair(sent[::2])
    every_second.streams = [flexfec.Block(0, 2, 3)]
    receiver = Recoverer()
    for place in (0, 1, 2):
        receiver.receive(sent[place])
    assert receiver.receive_repair(every_second, ssrcs) == [sent[4]]
    assert receiver.receive_repair(flexfec.Retransmission(sent[5]), []) == [sent[5]]
    assert receiver.receive_repair(flexfec.Retransmission(sent[5]), []) == []


@pytest.mark.spec("fec/mutable-octets-zero")
def test_what_each_link_writes_anew_counts_as_zero() -> None:
    mutable = {TRANSPORT: 0}
    sent = [packet(number) for number in range(3, 7)]
    [parity] = protect([without_mutable(one, mutable) for one in sent], 1)
    receiver = Recoverer(mutable=mutable)
    for one in sent[1:]:
        receiver.receive(one)
    [back] = receiver.receive_parity(parity, SSRC)
    assert back == without_mutable(sent[0], mutable) != sent[0]
    assert rtp.parse(back).extensions == {TRANSPORT: bytes(2), 4: b"0"}
    timing = rtp.Packet(96, 1, 1, 1, b"x", extensions={7: bytes(range(1, 14))})
    assert rtp.parse(without_mutable(rtp.serialize(timing), {7: 7})).extensions[7] == bytes(range(1, 8)) + bytes(6)


def test_masks_cover_every_packet_once() -> None:
    for count in range(1, 49):
        for repairs in range(1, 49):
            covered = sorted(place for mask in masks(count, repairs) for place in mask)
            assert covered == list(range(count))


# --- the sending end --------------------------------------------------------------------------------


def frames(sizes: list[int], first: int = 65500) -> list[bytes]:
    """Packets of frames of so many packets each; the marker ends a frame."""
    sent, number = list[bytes](), first
    for size in sizes:
        for place in range(size):
            sent.append(packet(number, marker=place == size - 1))
            number += 1
    return sent


def test_a_frame_is_protected_when_it_ends() -> None:
    protector = Protector(row=4)
    made = [len(protector.add(one)) for one in frames([8, 4, 9])]
    assert made == [0] * 7 + [2] + [0] * 3 + [1] + [0] * 8 + [2]
    assert (protector.protected, protector.repairs) == (21, 5)
    uneven = Protector(row=4)
    assert sum(len(uneven.add(one)) for one in frames([6] * 40)) == 60


def test_small_frames_wait_for_each_other_but_not_for_long() -> None:
    protector = Protector(row=10)
    made = [protector.add(one) for one in frames([1] * 6)]
    assert [len(each) for each in made] == [0, 0, 1, 0, 0, 1]
    assert made[2][0].levels[0].covers == (0, 1, 2)


@pytest.mark.spec("fec/base-is-lowest")
def test_a_group_stays_within_a_mask() -> None:
    protector = Protector(row=10)
    sent = frames([100, 1, 1])
    made = [parity for one in sent for parity in protector.add(one)]
    assert all(max(parity.levels[0].covers) < fec.LONG_COVER for parity in made)
    assert sum(len(parity.levels[0].covers) for parity in made) == 102
    leaping = Protector(row=2)
    assert leaping.add(packet(1)) == leaping.add(packet(2)) == []
    [parity] = leaping.add(packet(1000))
    assert (parity.base_sequence, parity.levels[0].covers) == (1, (0, 1))


def test_without_rows_nothing_is_made_and_nothing_kept() -> None:
    protector = Protector()
    assert [protector.add(one) for one in frames([3, 3])] == [[]] * 6
    protector.row = 3
    [parity] = [each for one in frames([3]) for each in protector.add(one)]
    assert parity.levels[0].covers == (0, 1, 2)
    for one in frames([2])[:1]:
        protector.add(one)
    protector.row = 0
    assert [protector.add(one) for one in frames([3], 3000)] == [[]] * 3


@pytest.mark.parametrize(("loss", "row"), [(0.02, 8), (0.05, 4), (0.1, 2)])
@pytest.mark.soak(ci=2, full=50)
def test_a_lossy_line_loses_less(seed: int, loss: float, row: int) -> None:
    dice = random.Random(seed)
    sent = frames([6] * 400)
    protector, receiver = Protector(row=row), Recoverer()
    arrived, back = list[bytes](), list[bytes]()
    for one in sent:
        if dice.random() >= loss:
            arrived.append(one)
            back += receiver.receive(one)
        for parity in protector.add(one):
            if dice.random() >= loss:
                back += receiver.receive_parity(parity, SSRC)
    assert len({*arrived, *back}) == len(arrived) + len(back)  # nothing twice
    assert {*arrived, *back} <= set(sent)  # nothing false
    lost = len(sent) - len(arrived)
    assert len(back) >= 0.5 * lost
    assert protector.repairs <= protector.protected / row + 1


# --- strangers ----------------------------------------------------------------------------------------


@pytest.mark.spec("fec/recovered-checked")
def test_nonsense_gives_no_packet() -> None:
    sent = [packet(number) for number in range(4)]
    [parity] = protect(sent, 1)
    receiver = Recoverer()
    for one in sent[1:]:
        receiver.receive(one)
    for change in ({"length_recovery": 0xFFFF}, {"first_recovery": parity.first_recovery ^ 0x0F}):
        wrong = fec.parse(fec.serialize(parity))
        for name, value in change.items():
            setattr(wrong, name, value)
        assert receiver.receive_parity(wrong, SSRC) == []
    assert receiver.refused == 2
    short = fec.Parity(0, 0, 0, 0, parity.length_recovery, [fec.Level((0, 1, 2, 3), parity.levels[0].data[:5])])
    assert receiver.receive_parity(short, SSRC) == []
    assert receiver.receive_parity(parity, SSRC + 1) == []
    assert receiver.refused == 4


def test_packets_long_gone_are_not_asked_for() -> None:
    receiver = Recoverer()
    sent = [packet(number) for number in range(400)]
    for one in sent[:5] + sent[6:]:
        receiver.receive(one)
    [parity] = protect(sent[4:8], 1)
    assert receiver.receive_parity(parity, SSRC) == []
    assert receiver.refused == 1


@given(st.lists(st.binary(max_size=60) | st.tuples(st.binary(max_size=60), st.integers(0, 3)), max_size=30))
def test_no_octets_raise(arriving: list[bytes | tuple[bytes, int]]) -> None:
    receiver = Recoverer(mutable={TRANSPORT: 0})
    for number in range(4):
        receiver.receive(packet(number, ssrc=number))
    computed: list[bytes] = []
    repeated = 0
    for each in arriving:
        try:
            if isinstance(each, bytes):
                computed += receiver.receive(each)
                computed += receiver.receive_parity(fec.parse(each), 1)
            else:
                made = flexfec.parse(*each)
                back = receiver.receive_repair(made, [0, 1, 2])
                repeated += isinstance(made, flexfec.Retransmission) and back[:1] == [made.packet]
                computed += back
        except flexfec.Malformed:
            continue
    assert len(computed) == receiver.recovered + repeated
    for one in computed:
        assert rtp.payload_offset(one) <= len(one), "what is computed is a packet"


def test_memory_is_bounded() -> None:
    receiver = Recoverer()
    for number in range(2000):
        for ssrc in range(30):
            if number < 3 or ssrc == 0:
                receiver.receive(packet(number * 3, ssrc=ssrc, size=5))
        wanting = fec.Parity(number * 3 & 0xFFFF, levels=[fec.Level((1, 2), b"x")])
        receiver.receive_parity(wanting, 0)
    assert len(receiver._streams) == correction.KEPT_STREAMS
    assert max(len(stream.packets) for stream in receiver._streams.values()) == correction.KEPT_PACKETS
    assert len(receiver._repairs) == correction.KEPT_REPAIRS
    wide = flexfec.Repair(streams=[flexfec.Block(0, 255, 255)], data=b"x")
    assert receiver.receive_repair(wide, [0]) == []
