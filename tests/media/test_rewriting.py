"""One seat's stream stays one stream, whoever sits there and whatever the way to us did to the packets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import rewriting
from meetref.media.parts import Parts, without_padding
from meetref.media.rewriting import EVEN, PADDED_FROM, Incoming, Recalled, Rewriter
from meetref.media.sequence import Unwrapper, difference
from meetref.wire import rtp, vp8
from meetref.wire.reader import Malformed

SSRC = 0x5EA7
FRAME = 3000
KEY, DELTA = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00", b"\x11\x02\x00"


def rewriter(*, audio: bool = False, sequence: int = 65530, timestamp: int = 0xFFFFFF00) -> Rewriter:
    return Rewriter(
        ssrc=SSRC,
        payload_type=111 if audio else 96,
        clock_rate=48000 if audio else 90000,
        transport_id=3,
        level_id=1 if audio else 0,
        first_sequence=sequence,
        first_timestamp=timestamp,
    )


@dataclass
class Source:
    """A publisher: frames of one to three packets, the first and every tenth a keyframe."""

    seed: int
    long_ids: bool = True
    layered: bool = True
    unwrapper: Unwrapper = field(default_factory=Unwrapper)
    short_pictures: Unwrapper = field(default_factory=lambda: Unwrapper(7))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.sequence = self.random.choice([0, 1, 65530, self.random.randrange(1 << 16)])
        self.timestamp = self.random.choice([0, 0xFFFFFFF0, self.random.randrange(1 << 32)])
        self.picture = self.random.choice([0, 127, 32766, self.random.randrange(1 << 15)])
        self.tl0 = self.random.randrange(256)
        self.frames = 0

    def frame(self) -> list[bytes]:
        keyframe = self.frames % 10 == 0
        self.frames += 1
        count = self.random.randint(1, 3)
        packets = [self.packet(keyframe, index, count) for index in range(count)]
        self.timestamp = (self.timestamp + 3000) & 0xFFFFFFFF
        self.picture += 1
        self.tl0 = (self.tl0 + 1) & 0xFF
        return packets

    def packet(self, keyframe: bool, index: int, count: int) -> bytes:
        descriptor = vp8.Descriptor(
            start=index == 0,
            picture_id=self.picture & (0x7FFF if self.long_ids else 0x7F),
            long_picture_id=self.long_ids,
            tl0_picture_index=self.tl0 if self.layered else None,
            temporal_layer=0 if self.layered else None,
        )
        body = (KEY if keyframe else DELTA) if index == 0 else b"\xff"
        packet = rtp.Packet(
            payload_type=100,
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.seed,
            marker=index == count - 1,
            payload=vp8.serialize(descriptor) + body + self.random.randbytes(self.random.randrange(20)),
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        return rtp.serialize(packet)

    def read(self, data: bytes) -> Incoming:
        return rewriting.read_video(data, self.unwrapper.unwrap(data[2] << 8 | data[3]), self.short_pictures)


class Sent(NamedTuple):
    """One packet of a run: of which source, as it was read, as it went out, and the payload that came in."""

    turn: int
    packet: Incoming
    made: rtp.Packet
    payload: bytes


def whole(out: Rewriter, packet: Incoming, transport_sequence: int) -> bytes | None:
    """The packet as a slot sends it."""
    run = out.rewrite([packet], transport_sequence)
    return b"".join(run[0]) if run else None


def shuffled(packets: list[bytes], dice: random.Random) -> list[bytes]:
    """Lost here and there, and late by a few places; the first one stays, so that the numbers count from it."""
    places = [(index + dice.choice([0, 0, 0, 2.5, 6.5]), data) for index, data in enumerate(packets[1:])]
    return packets[:1] + [data for _, data in sorted(places) if dice.random() > 0.1]


def play(sources: list[Source], dice: random.Random, out: Rewriter) -> list[Sent]:
    """Each source in turn, as a slot does it; what went out, with the source and the packet from which it was made."""
    sent = []
    for turn, source in enumerate(sources):
        waiting = True
        for data in shuffled([data for _ in range(dice.randint(1, 40)) for data in source.frame()], dice):
            packet = source.read(data)
            if waiting:
                if not packet.starts:
                    continue
                waiting = False
                out.begin(packet, dice.randrange(1 << 32), FRAME)
            made = whole(out, packet, len(sent) & 0xFFFF)
            if made is not None:
                sent.append(Sent(turn, packet, rtp.parse(made), rtp.parse(data).payload))
    return sent


streams = given(
    seed=st.integers(0, 1 << 31), long_ids=st.lists(st.booleans(), min_size=1, max_size=5), layered=st.booleans()
)


def played(seed: int, long_ids: list[bool], layered: bool) -> list[Sent]:
    sources = [Source(seed + index, long, layered) for index, long in enumerate(long_ids)]
    return play(sources, random.Random(seed), rewriter(sequence=random.Random(seed).choice([5, 65000])))


@streams
def test_numbers_neither_repeat_nor_leave_a_gap_of_our_own(seed: int, long_ids: list[bool], layered: bool) -> None:
    sent = played(seed, long_ids, layered)
    assert sent
    unwrapper = Unwrapper()
    numbers = [unwrapper.unwrap(made.sequence) for _, _, made, _ in sent]
    assert len(set(numbers)) == len(numbers)
    for turn in {turn for turn, *_ in sent}:
        mine = [(packet.sequence, number) for (of, packet, *_), number in zip(sent, numbers, strict=True) if of == turn]
        first = mine[0]
        assert all(number - first[1] == sequence - first[0] >= 0 for sequence, number in mine)
        before = [number for (of, *_), number in zip(sent, numbers, strict=True) if of < turn]
        assert not before or first[1] == max(before) + 1


@streams
def test_time_goes_on_by_a_frame_at_least_at_every_change(seed: int, long_ids: list[bool], layered: bool) -> None:
    sent = played(seed, long_ids, layered)
    for turn in {turn for turn, *_ in sent} - {0}:
        before = [made for of, _, made, _ in sent if of < turn]
        first = next(made for of, _, made, _ in sent if of == turn)
        newest = max(before, key=lambda made: difference(made.sequence, before[0].sequence))
        assert difference(first.timestamp, newest.timestamp, 32) >= FRAME
    for turn in {turn for turn, *_ in sent}:
        mine = [(packet, made) for of, packet, made, _ in sent if of == turn]
        offsets = {(made.timestamp - packet.timestamp) & 0xFFFFFFFF for packet, made in mine}
        assert len(offsets) == 1


@streams
def test_pictures_are_counted_on_and_the_rest_is_untouched(seed: int, long_ids: list[bool], layered: bool) -> None:
    sent = played(seed, long_ids, layered)
    highest_picture = highest_tl0 = None
    last_turn = 0
    for turn, packet, made, payload in sent:
        descriptor = vp8.parse(made.payload)
        assert made.payload.endswith(packet.tail)
        assert (made.ssrc, made.payload_type, made.marker) == (SSRC, 96, bool(packet.marker))
        assert descriptor.start == vp8.parse(payload).start
        assert descriptor.temporal_layer == vp8.parse(payload).temporal_layer
        assert vp8.is_keyframe(made.payload) == vp8.is_keyframe(payload)
        assert descriptor.long_picture_id
        assert descriptor.picture_id is not None
        step = 0 if highest_picture is None else difference(descriptor.picture_id, highest_picture, 15)
        assert step == 1 if turn != last_turn else abs(step) <= 40
        if step >= 0:
            highest_picture = descriptor.picture_id
        if layered:
            assert descriptor.tl0_picture_index is not None
            step = 0 if highest_tl0 is None else difference(descriptor.tl0_picture_index, highest_tl0, 8)
            assert step == 1 if turn != last_turn else abs(step) <= 40
            if step >= 0:
                highest_tl0 = descriptor.tl0_picture_index
        last_turn = turn


def test_short_picture_ids_go_on_where_they_wrap() -> None:
    source, out = Source(1, long_ids=False), rewriter()
    pictures = []
    for number in range(300):
        packet = source.read(source.frame()[0])
        if not number:
            out.begin(packet, 0, FRAME)
        made = whole(out, packet, 0)
        assert made is not None
        picture = vp8.parse(rtp.parse(made).payload).picture_id
        assert picture is not None
        pictures.append(picture)
    assert all(difference(later, earlier, 15) == 1 for earlier, later in pairwise(pictures))


def test_what_is_late_from_before_the_first_packet_is_dropped() -> None:
    source, out = Source(7), rewriter()
    early = [source.read(data) for _ in range(10) for data in source.frame()]
    key = source.read(source.frame()[0])
    out.begin(key, 90000, FRAME)
    assert len(out.rewrite([key], 0)) == 1
    assert out.rewrite(early, 1) == []
    assert out.packets == 1


@given(st.integers(0, 127), st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_sound_keeps_its_level_and_its_octets(level: int, payload: bytes, number: int) -> None:
    theirs = rtp.Packet(
        payload_type=109, sequence=3, timestamp=960, ssrc=9, payload=payload, extensions={5: bytes([0x80 | level])}
    )
    packet = rewriting.read_audio(rtp.serialize(theirs), 3, 5)
    out = rewriter(audio=True)
    out.begin(packet, 1234, FRAME)
    made = whole(out, packet, number)
    assert made is not None
    ours = rtp.parse(made)
    assert (ours.payload, ours.payload_type, ours.sequence, ours.timestamp) == (payload, 111, 65531, 1234)
    assert {1: bytes([level]), 3: number.to_bytes(2)}.items() <= ours.extensions.items()


@given(st.binary(min_size=12, max_size=80))
def test_any_octets_are_read_or_malformed(data: bytes) -> None:
    for read in (lambda: rewriting.read_video(data, 1, Unwrapper(7)), lambda: rewriting.read_audio(data, 1, 1)):
        try:
            packet = read()
        except Malformed:
            continue
        out = rewriter()
        out.begin(packet, 0, FRAME)
        made = whole(out, packet, 0)
        assert made is not None
        assert len(rtp.parse(made).payload) >= len(packet.tail) - packet.padding


@pytest.mark.parametrize("octets", [PADDED_FROM, PADDED_FROM + 1, 1100, 1107, 1111])
def test_parts_of_a_large_frame_leave_with_even_sizes(octets: int) -> None:
    """Those of one frame differ by an octet; padded, they fit one segmented send."""
    descriptor = vp8.serialize(vp8.Descriptor(start=True, picture_id=7, long_picture_id=True))
    theirs = rtp.Packet(payload_type=96, sequence=1, timestamp=1, ssrc=1, payload=descriptor + KEY.ljust(octets, b"."))
    packet = rewriting.read_video(rtp.serialize(theirs), 1, Unwrapper(7))
    out = rewriter()
    out.begin(packet, 0, FRAME)
    (parts,) = out.rewrite([packet], 1)
    assert len(parts[2]) % EVEN == 0
    for sent in (parts, without_padding(parts)):
        assert rtp.parse(b"".join(sent)).payload[-octets:] == theirs.payload[-octets:]
    assert rtp.parse(b"".join(parts)).padding_size == -octets % EVEN
    assert rtp.parse(b"".join(without_padding(parts))).padding_size == 0
    assert out.octets == len(theirs.payload), "sender reports count no padding (RFC 3550 section 6.4.1)"


def test_a_packet_without_extensions_has_the_level_of_silence() -> None:
    packet = rewriting.read_audio(rtp.serialize(rtp.Packet(payload_type=1, sequence=1, timestamp=1, ssrc=1)), 1, 4)
    assert packet.level == 127


@streams
def test_what_is_asked_for_again_is_made_as_it_left(seed: int, long_ids: list[bool], layered: bool) -> None:
    """But for the link's number, which is another one then; and the stream goes on as if nothing had been asked for."""
    source, out = Source(seed, long_ids[0], layered), rewriter()
    left: list[tuple[Sequence[Parts] | Recalled, list[Parts]]] = []
    for number in range(140):  # more than half the pictures that TL0PICIDX can count
        packets = [source.read(packet) for packet in source.frame()]
        if not number:
            out.begin(packets[0], 0, FRAME)
        run = out.rewrite(packets, 7 * number)
        left.append((out.recall(packets, run), run))
    state = {name: getattr(out, name) for name in Rewriter.__slots__ if hasattr(out, name)}
    for kept, run in left:
        assert isinstance(kept, Recalled)
        assert kept.first == int.from_bytes(run[0][0][2:4])
        again = [kept[place] for place in range(len(kept))]
        assert [without_link_number(parts) for parts in again] == [without_link_number(parts) for parts in run]
    assert {name: getattr(out, name) for name in state} == state


def test_a_burst_with_a_gap_is_kept_as_it_left() -> None:
    source, out = Source(1), rewriter()
    packets = [source.read(packet) for _ in range(4) for packet in source.frame()]
    out.begin(packets[0], 0, FRAME)
    del packets[1]
    run = out.rewrite(packets, 0)
    assert out.recall(packets, run) is run


def without_link_number(parts: Parts) -> bytes:
    header, descriptor, tail = parts
    return header[:17] + header[19:] + descriptor + tail
