"""What is left of a stream without its upper temporal layers is a stream, whatever came late or not at all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.thinning import ALL_LAYERS, MAXIMUM_OMITTED, SETTLED_AFTER, Omissions, Thinning

PATTERN = (0, 2, 1, 2)


@dataclass
class Packet:
    sequence: int
    picture: int | None
    temporal: int = 0
    marker: int = 1
    starts: bool = False
    sync: bool = False
    tl0: int | None = None
    lead: bytes = b"\x90\x80"
    timestamp: int = 0
    spatial: int | None = None
    ends: bool = False


def middle(packet: Packet) -> Packet:
    """It does not begin its picture."""
    packet.lead = b"\x80\x80"
    return packet


def stream(dice: random.Random, pictures: int) -> list[Packet]:
    """Pictures of one to four packets, in the pattern 0 2 1 2; every ninth group begins with a keyframe."""
    counted = dice.random() < 0.7
    made: list[Packet] = []
    for number in range(pictures):
        count, temporal = dice.choice((1, 1, 2, 4)), PATTERN[number % 4]
        for place in range(count):
            packet = Packet(
                100 + len(made), number & 0x7FFF, temporal,
                marker=0x80 if place == count - 1 else 0,
                starts=number % 36 == 0 and place == 0,
                sync=number % 4 in (1, 2),
                tl0=number // 4 & 0xFF if counted else None,
            )  # fmt: skip
            made.append(packet if place == 0 else middle(packet))
    return made


def scenario(limit: int) -> tuple[Thinning, dict[int, Packet]]:
    """The packets of doc/svc.md of the Jitsi bridge: 1 2 3 are of layer 0, 4 5 of 2, 6 7 of 1, 8 of 2, 9 10 11 of 0."""
    packets = {}
    for picture, (temporal, numbers) in enumerate(
        [(0, (1, 2, 3)), (2, (4, 5)), (1, (6, 7)), (2, (8,)), (0, (9, 10, 11))]
    ):
        for number in numbers:
            packet = Packet(number, picture, temporal, marker=0x80 if number == numbers[-1] else 0, starts=number == 1)
            packets[number] = packet if number == numbers[0] else middle(packet)
    return Thinning(limit, 100, 0, -1), packets


@pytest.mark.spec("rewriting/gap-judged", "rewriting/numbers-close-up")
@pytest.mark.parametrize(
    ("limit", "comes", "goes"),
    [
        (0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], {1: 101, 2: 102, 3: 103, 9: 104, 10: 105, 11: 106}),
        (2, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 5], {number: 100 + number for number in range(1, 12)}),
        (0, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 5], {1: 101, 2: 102, 3: 103, 9: 104, 10: 105, 11: 106}),
        (1, [1, 2, 3, 4, 5, 6, 7, 9, 10, 11], {1: 101, 2: 102, 3: 103, 6: 104, 7: 105, 9: 107, 10: 108, 11: 109}),
    ],
    ids=["nothing lost", "lost and wanted", "lost with its neighbours unwanted", "lost and unknown"],
)
def test_the_gap_that_is_left_is_the_one_that_may_be_needed(limit: int, comes: list[int], goes: dict[int, int]) -> None:
    thinning, packets = scenario(limit)
    sent = {}
    for number in comes:
        place = thinning.place(packets[number])
        if place is not None:
            assert place[2] == "whole"
            sent[number] = number + place[0]
    assert sent == goes


def sized(limit: int, *, numbered: bool) -> tuple[Thinning, dict[int, Packet]]:
    """Three pictures in three sizes, of two packets each: 1 2 are of size 0, 3 4 of size 1, 5 6 of size 2, and so on.

    With `numbered` each size of a picture has a number of its own.
    """
    packets = {}
    for number in range(1, 19):
        picture, size = divmod((number - 1) // 2, 3)
        packet = Packet(number, 3 * picture + size if numbered else picture, starts=number == 1, timestamp=picture)
        packet.marker, packet.spatial, packet.ends = 0x80 if number % 6 == 0 else 0, size, number % 2 == 0
        packets[number] = packet if number % 2 else middle(packet)
    return Thinning(3, 100, 0, -1, lambda packet: packet.lead[0] & 0x10, False, limit), packets


@pytest.mark.spec("rewriting/gap-judged", "rewriting/numbers-close-up", "vp9/marker-ends-picture")
@pytest.mark.parametrize("numbered", [False, True], ids=["a number a picture", "a number a size"])
@pytest.mark.parametrize(
    ("limit", "missing", "kept"),
    [
        (0, [], []),
        (1, [], []),
        (0, [4], []),  # it belongs to what is before it or behind it, and neither goes
        (0, [4, 5], []),
        (0, [6], []),  # the size before it has no end yet
        (0, [7], [7]),  # the size behind it has no beginning yet, and goes
        (0, [2], [2]),
        (1, [2], [2]),
        (1, [3], [3]),
        (1, [4], [4]),
        (1, [5], []),
        (0, [8], [8]),
    ],
)
def test_a_gap_among_sizes_is_left_where_it_may_be_needed(
    limit: int, missing: list[int], kept: list[int], numbered: bool
) -> None:
    thinning, packets = sized(limit, numbered=numbered)
    sent, ends = dict[int, int](), list[int]()
    for number, packet in packets.items():
        place = thinning.place(packet) if number not in missing else None
        if place is not None:
            sent[number] = number + place[0] - 100
            ends += [number] if place[2] == "last" else []
    goes = [each for each, packet in packets.items() if (packet.spatial or 0) <= limit and each not in missing]
    numbers = {each: place for place, each in enumerate(sorted([*goes, *kept]), 1)}
    assert sent == {each: numbers[each] for each in goes}
    assert ends == [number for number in sent if packets[number].ends and packets[number].spatial == limit]


@pytest.mark.spec("rewriting/gap-judged")
@pytest.mark.parametrize(("limit", "missing"), [(0, [3, 4]), (0, [3, 4, 5]), (1, [5, 6])])
def test_a_size_that_is_missing_whole_is_judged_where_pictures_are_numbered(limit: int, missing: list[int]) -> None:
    """Where sizes are, another picture may be what is missing."""
    for numbered in (False, True):
        thinning, packets = sized(limit, numbered=numbered)
        places = {each: thinning.place(packet) for each, packet in packets.items() if each not in missing}
        place = places[7]
        assert place is not None
        assert 7 + place[0] - 100 == 1 + 2 * (limit + 1) + (len(missing) if numbered else 0)


@pytest.mark.spec("rewriting/late-and-unwanted")
def test_a_latecomer_that_is_not_wanted_goes_hollow_in_the_place_that_was_kept() -> None:
    thinning, packets = scenario(1)
    for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11):
        thinning.place(packets[number])
    place = thinning.place(packets[8])
    assert place is not None
    assert (8 + place[0], place[2]) == (106, "hollow")


def shuffled(packets: list[Packet], dice: random.Random, lost: float) -> list[Packet]:
    """Some late by up to a hundred packets, some for ever; the first keyframe's first packet is neither."""
    places = [
        (index + (dice.uniform(1, 40) if dice.random() < 0.1 else 0), packet) for index, packet in enumerate(packets)
    ]
    places = places[:1] + [each for each in places[1:] if dice.random() >= lost]
    return [packet for _, packet in sorted(places, key=lambda each: each[0])]


scripts = given(seed=st.integers(0, 1 << 32), lost=st.sampled_from([0.0, 0.0, 0.05, 0.2]))


def play(seed: int, lost: float) -> tuple[list[Packet], list[tuple[Packet, int, int, bool]]]:
    """A stream, thinned as somebody else wants it every now and then; what went, with its numbers."""
    dice = random.Random(seed)
    packets = stream(dice, 120)
    thinning, sent = Thinning(dice.randrange(4), -90, 7, -1), []
    for packet in shuffled(packets, dice, lost):
        if dice.random() < 0.02:
            thinning.wanted = dice.randrange(4)
        place = thinning.place(packet)
        if place is not None:
            assert packet.picture is not None
            sent.append((packet, packet.sequence + place[0], packet.picture + place[1], place[2] == "whole"))
    return packets, sent


@pytest.mark.spec("rewriting/no-gap-no-repeat")
@scripts
def test_no_number_comes_twice_and_none_is_left_out_but_for_what_is_lost(seed: int, lost: float) -> None:
    packets, sent = play(seed, lost)
    numbers = [number for _, number, _, _ in sent]
    assert len(set(numbers)) == len(numbers)
    arrived = {packet.sequence for packet, *_ in sent}
    highest = max(sent, key=lambda each: each[0].sequence)[0].sequence
    gone_for_good = {packet.sequence for packet in packets if packet.sequence <= highest} - arrived
    assert max(numbers) - min(numbers) + 1 - len(numbers) <= (len(gone_for_good) if lost else 0)
    in_order = sorted((packet.sequence, number) for packet, number, _, _ in sent)
    assert all(one[1] < other[1] for one, other in pairwise(in_order)), "nobody overtakes anybody on the way through"


@pytest.mark.spec("rewriting/whole-pictures")
@scripts
def test_a_picture_goes_whole_or_not_at_all(seed: int, lost: float) -> None:
    _, sent = play(seed, lost)
    fates: dict[int, set[bool]] = {}
    ids: dict[int, set[int]] = {}
    for packet, _, picture, goes in sent:
        assert packet.picture is not None
        fates.setdefault(packet.picture, set()).add(goes)
        if goes:
            ids.setdefault(packet.picture, set()).add(picture)
    assert all(len(fate) == 1 for fate in fates.values())
    assert all(len(own) == 1 for own in ids.values())
    assert len({next(iter(own)) for own in ids.values()}) == len(ids), "each has an id of its own"


@pytest.mark.spec("rewriting/temporal-up-at-sync", "rewriting/temporal-down", "rewriting/pictures-close-up")
@given(seed=st.integers(0, 1 << 32))
def test_without_loss_all_that_goes_can_be_decoded(seed: int) -> None:
    dice = random.Random(seed)
    thinning = Thinning(dice.randrange(4), 0, 0, -1)
    decoded: set[int] = set()
    ids: list[int] = []
    wanted_since = 0
    for packet in stream(dice, 200):
        number = packet.picture
        assert number is not None
        if dice.random() < 0.03:
            thinning.wanted = dice.randrange(4)
            wanted_since = number
        place = thinning.place(packet)
        if place is None:
            assert number <= wanted_since or packet.temporal > thinning.wanted or number < wanted_since + 8
            continue
        assert packet.temporal <= thinning.wanted or number <= wanted_since
        if number not in decoded:
            ids.append(number + place[1])
        needs = [] if packet.starts or packet.temporal == 0 else [number - number % 4]
        if number % 4 == 3:
            needs.append(number - 1)
        assert decoded.issuperset(needs), f"picture {number} of layer {packet.temporal}"
        decoded.add(number)
    assert all(later == earlier + 1 for earlier, later in pairwise(ids)), "picture ids close up"


@pytest.mark.spec("rewriting/gap-judged", "rewriting/pictures-close-up")
@given(seed=st.integers(0, 1 << 32), lost=st.floats(0, 0.3))
def test_where_only_layer_0_goes_what_else_is_lost_leaves_no_trace(seed: int, lost: float) -> None:
    """Its pictures are counted by TL0PICIDX: as long as none of them is missing, nothing is waited for."""
    dice = random.Random(seed)
    thinning, sent = Thinning(0, 0, 0, -1), []
    for number in range(200):
        packet = Packet(number, number, PATTERN[number % 4], starts=number == 0, tl0=number // 4 & 0xFF)
        if packet.temporal and dice.random() < lost:
            continue
        place = thinning.place(packet)
        assert (place is not None) == (packet.temporal == 0)
        if place is not None:
            sent.append((packet.sequence + place[0], number + place[1]))
    assert sent == [(number, number) for number in range(50)]


def test_everything_goes_again_and_the_detour_ends() -> None:
    thinning = Thinning(0, 5, 5, -1)
    packets = stream(random.Random(3), 400)
    for packet in packets[:50]:
        thinning.place(packet)
    assert not thinning.over
    thinning.wanted = ALL_LAYERS
    over_at = 0
    for packet in packets[50:]:
        thinning.place(packet)
        if thinning.over:
            over_at = packet.sequence
            break
    assert over_at
    assert over_at - thinning.floor >= SETTLED_AFTER
    last = thinning.place(Packet(over_at + 1, None))
    assert last == (*thinning.offsets, "whole")


@pytest.mark.spec("rewriting/spatial-down")
def test_a_smaller_size_that_is_wished_for_within_a_picture_is_not_forgotten_until_the_next_one() -> None:
    _, packets = sized(0, numbered=False)
    thinning = Thinning(ALL_LAYERS, 100, 0, 0, lambda packet: packet.lead[0] & 0x10, False, 0)
    places = []
    for number in range(4, 13):
        places.append(thinning.place(packets[number]))
        assert not thinning.over
    assert [place is not None for place in places] == [True] * 5 + [False] * 4


@pytest.mark.spec("rewriting/padding-keeps-its-number")
def test_padding_between_two_pictures_keeps_its_number() -> None:
    thinning = Thinning(0, 0, 0, -1)
    comes = [
        Packet(1, 0, 0, starts=True),
        Packet(2, None),
        Packet(3, 1, 2),
        Packet(5, 2, 1),
        Packet(4, None),
        Packet(6, 3, 0),
    ]
    sent = [(packet.sequence, packet.sequence + place[0]) for packet in comes if (place := thinning.place(packet))]
    assert sent == [(1, 1), (2, 2), (4, 3), (6, 4)]


@pytest.mark.spec("rewriting/padding-keeps-its-number")
def test_padding_behind_a_packet_of_an_older_picture_keeps_its_number() -> None:
    thinning = Thinning(0, 0, 0, -1)
    comes = [Packet(1, 5, 0, starts=True), Packet(2, 6, 2), Packet(3, 5, 0), Packet(4, None), Packet(5, None)]
    sent = [(packet.sequence, packet.sequence + place[0]) for packet in comes if (place := thinning.place(packet))]
    assert sent == [(1, 1), (3, 2), (4, 3), (5, 4)]


@pytest.mark.spec("rewriting/whole-pictures")
@pytest.mark.parametrize("lost", [(), (2,)], ids=["nothing lost", "with a gap"])
def test_parts_of_a_picture_that_claim_other_layers_share_its_fate(lost: tuple[int, ...]) -> None:
    thinning = Thinning(0, 0, 0, -1)
    claims = [(1, 0, 0), (2, 0, 2), (3, 0, 2), (4, 0, 1), (5, 1, 2), (6, 1, 0), (7, 1, 0), (8, 2, 0)]
    made = [Packet(number, picture, temporal, marker=0) for number, picture, temporal in claims]
    packets = [each if each.sequence in (1, 5, 8) else middle(each) for each in made if each.sequence not in lost]
    sent = {packet.sequence: packet.sequence + place[0] for packet in packets if (place := thinning.place(packet))}
    assert sent == {number: number for number in (1, 2, 3, 4) if number not in lost} | {8: 5}


def test_what_is_remembered_is_bounded_and_what_is_older_is_dropped() -> None:
    omissions = Omissions(0)
    for number in range(0, 10 * MAXIMUM_OMITTED, 2):
        omissions.omit(number)
    assert len(omissions._numbers) == MAXIMUM_OMITTED
    assert omissions.offset == -5 * MAXIMUM_OMITTED
    assert omissions.floor == 8 * MAXIMUM_OMITTED - 1
    assert omissions.offset_at(omissions.floor) == -4 * MAXIMUM_OMITTED
    thinning = Thinning(0, 0, 0, -1)
    for number in range(4 * MAXIMUM_OMITTED):
        thinning.place(Packet(2 * number, number, number % 2))
    assert thinning.place(Packet(1, 0, 0)) is None


@given(
    st.lists(
        st.builds(
            Packet,
            sequence=st.integers(0, 400),
            picture=st.one_of(st.none(), st.integers(0, 0x7FFF)),
            temporal=st.integers(0, 3),
            marker=st.sampled_from([0, 0x80]),
            starts=st.booleans(),
            sync=st.booleans(),
            lead=st.sampled_from([b"\x90\x80", b"\x80\x80"]),
            tl0=st.one_of(st.none(), st.integers(0, 3)),
        ),
        unique_by=lambda packet: packet.sequence,
        max_size=120,
    ),
    st.integers(0, 3),
)
def test_no_packets_in_any_order_raise_or_repeat_a_number(packets: list[Packet], wanted: int) -> None:
    thinning = Thinning(wanted, 17, 3, 5)
    numbers = [packet.sequence + place[0] for packet in packets if (place := thinning.place(packet)) is not None]
    assert len(set(numbers)) == len(numbers)
