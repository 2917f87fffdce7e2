"""Sound said twice: what is lost alone is heard all the same, once, and nobody hears who sat there before."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import redundancy
from meetref.media.redundancy import Doubling, Redundancy, Unwrapping
from meetref.media.rewriting import Incoming
from meetref.wire import red
from meetref.wire.reader import Malformed

OPUS = 111
FRAME = 960


def stream(
    count: int, distance: int, first: int = 0xFFFFF000, sounds: list[bytes] | None = None
) -> list[tuple[int, bytes, bytes]]:
    """Timestamp, sound and RED payload of packets in a row; the timestamp wraps."""
    maker = Redundancy(OPUS, distance=distance)
    made = []
    for number in range(count):
        timestamp = (first + number * FRAME) & 0xFFFFFFFF
        sound = sounds[number] if sounds else b"sound %d" % number
        made.append((timestamp, sound, maker.wrap(timestamp, sound)))
    return made


@pytest.mark.spec("red/timestamps", "red/primary-last")
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_a_packet_has_the_sounds_before_it(distance: int) -> None:
    made = stream(6, distance)
    for number, (timestamp, _, payload) in enumerate(made):
        heard = redundancy.unwrap(payload, timestamp)
        before = made[max(0, number - distance) : number + 1]
        assert [(sound.timestamp, sound.data) for sound in heard] == [(at, sound) for at, sound, _ in before]
        assert [sound.primary for sound in heard] == [False] * (len(before) - 1) + [True]


@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.soak(ci=5, full=500)
def test_losses_shorter_than_the_distance_are_all_heard(seed: int, distance: int) -> None:
    dice = random.Random(seed)
    made = stream(200, distance)
    receiver, heard, lost = Unwrapping(), dict[int, bytes](), 0
    in_a_row = 0
    for number, (timestamp, _, payload) in enumerate(made):
        if number < len(made) - 1 and in_a_row < distance and dice.random() < 0.3:
            in_a_row += 1
            lost += 1
            continue
        in_a_row = 0
        for sound in receiver.receive(payload, timestamp):
            assert sound.timestamp not in heard
            heard[sound.timestamp] = sound.data
    assert heard == {timestamp: sound for timestamp, sound, _ in made}
    assert receiver.recovered == lost


def test_what_comes_late_is_not_heard_twice() -> None:
    made = stream(4, 1)
    receiver = Unwrapping()
    order = [0, 2, 1, 3, 3]
    heard = [sound.data for number in order for sound in receiver.receive(made[number][2], made[number][0])]
    assert heard == [b"sound 0", b"sound 1", b"sound 2", b"sound 3"]
    assert (receiver.recovered, receiver.repeated) == (1, 2)


@pytest.mark.spec("red/limits", "red/redundancy-bounded")
def test_what_is_too_old_or_too_large_is_not_repeated() -> None:
    maker = Redundancy(OPUS, distance=3)
    maker.wrap(0, b"a")
    assert red.parse(maker.wrap(red.LARGEST_OFFSET + 1, b"b")).older == []  # a pause in between
    assert len(red.parse(maker.wrap(red.LARGEST_OFFSET + 2, b"c")).older) == 1
    maker.wrap(red.LARGEST_OFFSET + 3, bytes(1024))
    assert red.parse(maker.wrap(red.LARGEST_OFFSET + 4, b"d")).older == []
    for sizes in ([600, 500, 400], [300] * 9, [1023] * 4):
        for _, _, payload in stream(len(sizes), 3, sounds=[bytes(size) for size in sizes]):
            assert len(payload) <= redundancy.MAXIMUM_PAYLOAD_SIZE


def test_silence_is_not_repeated() -> None:
    maker = Redundancy(OPUS)
    maker.wrap(0, b"a")
    assert len(red.parse(maker.wrap(960, b"")).older) == 1
    assert [block.data for block in red.parse(maker.wrap(1920, b"b")).older] == [b"a"]


@pytest.mark.spec("red/nobody-else")
def test_after_a_change_nothing_of_before_is_left() -> None:
    maker = Redundancy(OPUS, distance=2)
    for timestamp in (0, 960):
        maker.wrap(timestamp, b"alice")
    maker.forget()
    assert red.parse(maker.wrap(1920, b"bob")).older == []


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=60)), max_size=12))
def test_no_payload_raises_but_malformed(packets: list[tuple[int, bytes]]) -> None:
    receiver = Unwrapping()
    for timestamp, payload in packets:
        try:
            receiver.receive(payload, timestamp)
        except Malformed:
            continue
        packet = came(9, payload=payload)
        redundancy.take_apart(packet)
        assert packet.tail == redundancy.unwrap(payload, timestamp)[-1].data


def test_what_was_heard_is_remembered_within_bounds() -> None:
    receiver = Unwrapping()
    block = red.Block(OPUS, 0, b"x")
    for number in range(2000):
        older = [red.Block(OPUS, offset, b"x") for offset in range(1, 20)]
        receiver.receive(red.serialize(red.Payload(OPUS, b"y", [*older, block])), number * 7919 * 960 & 0xFFFFFFFF)
    assert len(receiver._heard) <= redundancy.REMEMBERED


# --- forwarding -------------------------------------------------------------------------------------


def came(sequence: int, *, payload: bytes | None = None) -> Incoming:
    tail = b"sound %d" % sequence if payload is None else payload
    return Incoming(sequence, (sequence * FRAME) & 0xFFFFFFFF, 0, tail, True, 30)


@pytest.mark.spec("red/recovered-forwarded", "red/stripped")
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_what_comes_as_red_is_taken_apart(distance: int) -> None:
    maker = Redundancy(OPUS, distance=distance)
    for sequence in range(8):
        payload = maker.wrap(sequence * FRAME, b"sound %d" % sequence)
        packet = came(sequence, payload=payload)
        older = redundancy.take_apart(packet)
        assert packet == came(sequence)
        assert older == [came(number) for number in range(max(0, sequence - distance), sequence)]


@pytest.mark.spec("red/recovered-bounded")
def test_one_packet_never_becomes_many() -> None:
    older = [red.Block(OPUS, 290 - number, b"x") for number in range(280)]
    packet = came(1000, payload=red.serialize(red.Payload(OPUS, b"newest", older)))
    found = redundancy.take_apart(packet)
    assert [each.sequence for each in found] == [996, 997, 998, 999]


def test_blocks_of_nothing_of_something_else_or_of_now_are_not_forwarded() -> None:
    blocks = [red.Block(OPUS, 2 * FRAME, b""), red.Block(0, FRAME, b"x"), red.Block(OPUS, 0, b"x")]
    assert not redundancy.take_apart(came(9, payload=red.serialize(red.Payload(OPUS, b"newest", blocks))))


@given(st.binary(max_size=60))
def test_any_payload_is_taken_apart_or_malformed(payload: bytes) -> None:
    packet = came(9, payload=payload)
    try:
        found = redundancy.take_apart(packet)
    except Malformed:
        return
    assert len(found) <= redundancy.MAXIMUM_OLDER
    assert all(5 <= each.sequence < 9 for each in found)


def said(packets: Sequence[Incoming]) -> list[tuple[int, list[bytes]]]:
    return [(each.sequence, [sound.data for sound in redundancy.unwrap(each.tail, each.timestamp)]) for each in packets]


@pytest.mark.spec("red/made-once", "red/nobody-else")
def test_a_batch_is_doubled_once_for_all_and_nothing_is_older_than_the_first() -> None:
    doubling = Doubling(OPUS)
    doubling.double([came(0)], -5)
    batch = [came(1), came(2)]
    usual = doubling.double(batch, 0)
    assert doubling.double(batch, 0) is usual
    assert said(usual) == [(1, [b"sound 0", b"sound 1"]), (2, [b"sound 1", b"sound 2"])]
    assert said(doubling.double(batch, 1)) == [(1, [b"sound 1"]), (2, [b"sound 1", b"sound 2"])]
    assert [packet.tail for packet in batch] == [b"sound 1", b"sound 2"], "others get them plain"
    assert [packet.level for packet in usual] == [30, 30]


@given(st.permutations(range(12)), st.integers(0, 12), st.data())
def test_only_the_very_packet_before_is_repeated(order: list[int], first: int, data: st.DataObject) -> None:
    """In whatever order they come, and whatever is missing: so nothing from before a change of seats can be."""
    doubling = Doubling(OPUS)
    for sequence in order:
        if data.draw(st.booleans()):
            continue
        ((_, sounds),) = said(doubling.double([came(sequence)], first))
        assert sounds[-1] == b"sound %d" % sequence
        assert sounds[:-1] in ([], [b"sound %d" % (sequence - 1)])
        assert sequence > first or len(sounds) == 1
