"""Checks the core of an SFU: tutorial 10. Run with `--module my_sfu.py`.

Asked for: `Rewriter(ssrc=..., payload_type=..., first_sequence=..., first_timestamp=..., is_video=True)` with `begin`
and `rewrite`; `best`; `Slot(rewriter)` with `want` and `receive`; `KeyframeGate()` with `ask`, `arrived`,
`next_timeout` and `repeat`; `Forwarder(request)` with `slots`, `want`, `receive` and `handle_timeout`;
`Loudest(count)` with `hear`, `leave`, `handle_timeout` and `loudest`; `LastN(count)` with `join`, `leave`, `lead` and
`places`.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meetref.wire import rtp, vp8
from tutorials.checks.cameras import (
    DELTA,
    FIXED,
    FRAME,
    KEY,
    Meeting,
    Source,
    Stream,
    is_key,
    played,
    rewriter,
    switching,
)

REFERENCE = "tutorials.checks.sfu_of_ours"
VECTORS = Path(__file__).parents[2] / "vectors"
CLOCK = 90_000


def traces() -> list[Any]:
    """The traces in which no temporal layer is left out, nothing of which is this tutorial's."""
    cases = json.loads((VECTORS / "rewriting" / "traces.json").read_text())["groups"][0]["tests"]
    assert len(cases) > 8
    return [pytest.param(case, id=case["id"]) for case in cases]


def without_extension(packet: bytes) -> bytes:
    """As the vectors have it, but for the number of the connection, which is not asked for."""
    assert packet[12:16] == bytes.fromhex("bede0001")
    return bytes([packet[0] ^ 0x10]) + packet[1:12] + packet[20:]


# --- step 1: a stream that goes on --------------------------------------------------------------------


@pytest.mark.parametrize("case", traces())
def test_1_traces(module: ModuleType, case: Any) -> None:
    slot = case["in"]["slot"]
    out = module.Rewriter(
        **{name: slot[name] for name in ("ssrc", "payload_type", "first_sequence", "first_timestamp")}
    )
    made, shown = [], None
    for step in case["in"]["steps"]:
        packet = bytes.fromhex(step["packet"])
        if "begin" in step:
            shown = step["begin"]
            out.begin(packet, step["timestamp"], step["step"])
        elif step["comes"] != shown:
            continue
        data = out.rewrite(packet)
        if data is not None:
            made.append(data.hex(" "))
    wanted = [without_extension(bytes.fromhex(text)).hex(" ") for text in case["out"]["packets"]]
    assert made == wanted, f"RFC 7741 section 4.2, RFC 3550 section 5.1: {case['comment']}"


def test_1_what_is_not_read_goes_as_it_came(module: ModuleType) -> None:
    out = rewriter(module)
    for number, payload in enumerate((KEY, DELTA + bytes(300))):
        packet = FIXED.pack(0x80, 0x80 | 100, number, FRAME * number, 1) + b"\x10" + payload
        if number == 0:
            out.begin(packet, 5000, FRAME)
        assert rtp.parse(out.rewrite(packet)).payload == b"\x10" + payload, "a descriptor without a picture id"


def test_1_an_extension_stays_behind(module: ModuleType) -> None:
    out = rewriter(module)
    packet = FIXED.pack(0x90, 100, 1, 1, 1) + bytes.fromhex("bede0001 31000500 90808105") + KEY
    out.begin(packet, 5000, FRAME)
    made = rtp.parse(out.rewrite(packet))
    assert made.extensions == {}, "its ids were agreed on with the publisher"
    assert made.payload == bytes.fromhex("90808001") + KEY


def test_1_a_long_stream(module: ModuleType) -> None:
    """All its numbers wrap, several times, and some packets are overtaken."""
    source, out, dice = Source("a", "f", 5), rewriter(module), random.Random(1)
    packets = [source.frame(count=1)[0] for _ in range(150_000)]
    out.begin(packets[0], 5000, FRAME)
    for place in range(0, len(packets) - 8, 8):
        run = list(range(place, place + 8))
        if place:
            dice.shuffle(run)
        for each in run:
            made = out.rewrite(packets[each])
            assert int.from_bytes(made[2:4]) == 101 + each & 0xFFFF, f"RFC 3550 section 5.1: packet {each}"
            assert int.from_bytes(made[4:8]) == 5000 + FRAME * each & 0xFFFFFFFF
            assert int.from_bytes(made[14:16]) == 0x8000 | (1 + each & 0x7FFF), "RFC 7741 section 4.2"
            assert made[16] == 1 + each & 0xFF


def test_1_a_late_packet_is_not_the_end(module: ModuleType) -> None:
    first, second, out = Source("a", "f", 5), Source("b", "f", 6), rewriter(module)
    packets = [source.frame(count=1)[0] for source in (first, first, first, second)]
    out.begin(packets[0], 5000, FRAME)
    for place in (0, 2, 1):
        out.rewrite(packets[place])
    out.begin(packets[3], 5000, FRAME)
    made = rtp.parse(out.rewrite(packets[3]))
    assert (made.sequence, made.timestamp) == (104, 5000 + 3 * FRAME), "RFC 3550 section 5.1: behind all that went"


def test_1_a_mute_is_no_gap(module: ModuleType) -> None:
    out = rewriter(module, is_video=False)
    numbers, times = [], []
    for number in range(100):
        stamp = 960 * number + (480_000 if number >= 50 else 0)
        packet = FIXED.pack(0x80, 111, 65_500 + number & 0xFFFF, stamp, 7) + b"\xf8\xff\xfe"
        if number == 0:
            out.begin(packet, 5000, 960)
        made = rtp.parse(out.rewrite(packet))
        assert made.payload == b"\xf8\xff\xfe", "sound has no descriptor"
        numbers.append(made.sequence)
        times.append(made.timestamp)
    assert numbers == list(range(101, 201)), "nothing was lost"
    assert times[50] - times[49] == 480_960, "and time has passed"


# --- step 2: which encoding, and when -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("living", "wanted", "shown"),
    [
        ("qhf", "h", "h"), ("qhf", "f", "f"), ("qf", "h", "q"), ("qh", "f", "h"), ("q", "f", "q"), ("f", "q", "f"),
        ("hf", "q", "h"), ("", "h", "h"),
    ],
)  # fmt: skip
def test_2_the_best_of_what_is_sent(module: ModuleType, living: str, wanted: str, shown: str) -> None:
    assert module.best(["q", "h", "f"], set(living), wanted) == shown


def test_2_nothing_before_a_keyframe(module: ModuleType) -> None:
    slot, source = module.Slot(rewriter(module)), Source("a", "f", 1, asked=False)
    assert slot.want(("a", "f"))
    assert played(slot, source, 10) == [], "there is nothing to add differences to"
    source.asked = True
    found = played(slot, source, 10)
    assert is_key(found[0])
    assert len({packet.timestamp for packet in found}) == 10


def test_2_the_old_size_until_the_new_one_begins(module: ModuleType) -> None:
    slot, small, large = module.Slot(rewriter(module)), Source("a", "q", 1), Source("a", "f", 2, asked=False)
    slot.want(("a", "q"))
    assert played(slot, small, 3)
    assert slot.want(("a", "f"))
    assert played(slot, large, 3) == []
    assert len({packet.timestamp for packet in played(slot, small, 3)}) == 3, "the old one goes on meanwhile"
    large.asked = True
    assert is_key(played(slot, large, 3)[0])
    assert played(slot, small, 3) == []


def test_2_nobody_is_shown_under_another_name(module: ModuleType) -> None:
    slot, alice, bob = module.Slot(rewriter(module)), Source("a", "f", 1), Source("b", "f", 2)
    slot.want(("a", "f"))
    assert played(slot, alice, 3)
    assert slot.want(("b", "f"))
    assert played(slot, alice, 3) == []
    assert played(slot, bob, 3)
    slot.want(None)
    assert played(slot, bob, 3) == []


def test_2_back_to_what_is_shown_needs_no_keyframe(module: ModuleType) -> None:
    slot, small = module.Slot(rewriter(module)), Source("a", "q", 1)
    slot.want(("a", "q"))
    assert played(slot, small, 3)
    slot.want(("a", "f"))
    assert not slot.want(("a", "q"))
    assert len({packet.timestamp for packet in played(slot, small, 3)}) == 3


def test_2_time_passes_while_nothing_is_shown(module: ModuleType) -> None:
    slot, alice, bob = module.Slot(rewriter(module)), Source("a", "f", 1), Source("b", "f", 2)
    slot.want(("a", "f"))
    last = played(slot, alice, 3)[-1]
    slot.want(("b", "f"))
    first = played(slot, bob, 3, start=10.0)[0]
    assert (first.timestamp - last.timestamp) / CLOCK == pytest.approx(10.0 - 2 / 30, abs=0.001)
    assert (first.sequence - last.sequence) & 0xFFFF == 1


# --- step 3: asking with manners ----------------------------------------------------------------------


def test_3_one_request_for_all(module: ModuleType) -> None:
    gate = module.KeyframeGate()
    assert gate.next_timeout() == math.inf
    assert [gate.ask(5.0 + each / 20) for each in range(10)] == [True] + 9 * [False]
    assert gate.next_timeout() == pytest.approx(5.5)
    gate.arrived(5.2)
    assert gate.next_timeout() == math.inf, "all are served"
    assert not gate.repeat(9.0)


def test_3_never_twice_within_300_ms(module: ModuleType) -> None:
    gate = module.KeyframeGate()
    assert gate.ask(5.0)
    gate.arrived(5.1)
    assert not gate.ask(5.15)
    assert gate.next_timeout() == pytest.approx(5.3), "not forgotten, but late"
    assert not gate.repeat(5.25)
    assert gate.repeat(5.31)


def test_3_it_asks_again_and_gives_up(module: ModuleType) -> None:
    gate = module.KeyframeGate()
    assert gate.ask(0.0)
    times = [0.0]
    for _ in range(100):
        now = gate.next_timeout()
        if now == math.inf:
            break
        assert now > times[-1]
        if gate.repeat(now):
            times.append(now)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[:3] == pytest.approx([0.5, 1.0, 2.0]), "each wait is twice the one before"
    assert max(gaps) == pytest.approx(2.0), "but no longer than that"
    assert len(times) == 12, "a publisher that never answers has stopped"
    assert gate.ask(100.0), "until somebody asks again"


# --- step 4: a thousand switches ----------------------------------------------------------------------


def test_4_continuity_over_a_thousand_switches(module: ModuleType) -> None:
    meeting = switching(module, 1)
    every = {body: stream for stream, source in meeting.sources.items() for body in source.bodies}
    for viewer, got in meeting.got.items():
        packets = [rtp.parse(data) for data in got]
        layouts = [vp8.locate(packet.payload) for packet in packets]
        bodies = [packet.payload[layout.rest :] for packet, layout in zip(packets, layouts, strict=True)]
        assert len(packets) > 3000
        assert {(packet.ssrc, packet.payload_type) for packet in packets} == {(0x5EA7, 96)}
        assert set(bodies) <= set(every), "what comes behind the descriptor is the publisher's"
        switched = 0
        for place in range(1, len(packets)):
            before, packet = packets[place - 1], packets[place]
            where = f"viewer {viewer}, packet {place}: {bodies[place - 1]!r}, {bodies[place]!r}"
            assert packet.sequence == before.sequence + 1 & 0xFFFF, where
            passed = packet.timestamp - before.timestamp & 0xFFFFFFFF
            pictures = (layouts[place].picture_id or 0) - (layouts[place - 1].picture_id or 0) & 0x7FFF
            groups = (layouts[place].tl0_picture_index or 0) - (layouts[place - 1].tl0_picture_index or 0) & 0xFF
            if before.marker:
                assert 0 < passed < 1 << 31, f"time goes on, {where}"
                assert (pictures, groups) == (1, 1), f"RFC 7741 section 4.2, {where}"
            else:
                assert (passed, pictures, groups) == (0, 0, 0), f"one picture, {where}"
            if every[bodies[place]] != every[bodies[place - 1]]:
                switched += 1
                assert before.marker, where
                assert is_key(packet), f"a switch at a keyframe, {where}"
        assert switched > 300


def test_4_two_viewers_get_all(module: ModuleType) -> None:
    meeting = Meeting(module, 2)
    stream = ("b", "h")
    meeting.want("x", stream)
    for tick in range(100):
        if tick == 50:
            meeting.want("y", stream)
        meeting.tick()
    bodies = {
        viewer: [data[12 + vp8.locate(data, 12).rest - 12 :] for data in got] for viewer, got in meeting.got.items()
    }
    sent = meeting.sources[stream].bodies
    assert bodies["x"] == sent[-len(bodies["x"]) :], "nothing is missing from the keyframe on"
    assert bodies["y"] == sent[-len(bodies["y"]) :], "and nobody takes anything away from anybody"
    assert len(bodies["x"]) > len(bodies["y"]) > 50


def test_4_requests_are_few(module: ModuleType) -> None:
    meeting = switching(module, 3, 300)
    by_stream: dict[Stream, list[float]] = {}
    for at, stream in meeting.requests:
        by_stream.setdefault(stream, []).append(at)
    for times in by_stream.values():
        assert min(after - before for before, after in pairwise(times)) > 0.299, "RFC 4585 section 6.3: with a pace"


def test_4_a_request_that_is_lost_is_made_again(module: ModuleType) -> None:
    meeting = Meeting(module, 4)
    for source in meeting.sources.values():
        source.asked = False
    meeting.request = lambda stream: meeting.requests.append((meeting.now, stream))  # type: ignore[method-assign]
    meeting.forwarder = module.Forwarder(lambda stream: meeting.request(stream))
    for viewer in meeting.got:
        meeting.forwarder.slots[viewer] = module.Slot(rewriter(module))
    meeting.want("x", ("a", "q"))
    for _ in range(60):
        meeting.tick()
    assert [round(at, 1) for at, _ in meeting.requests] == [0.0, 0.5, 1.5]
    meeting.want("x", None)
    for _ in range(300):
        meeting.tick()
    assert len(meeting.requests) == 3, "nobody waits any more"


# --- step 5: who is heard -----------------------------------------------------------------------------


class Microphones:
    """Packets of 20 ms of some people; a decision each tenth of a second."""

    def __init__(self, module: ModuleType, count: int = 3) -> None:
        self.room, self.step = module.Loudest(count), 0

    def hear(self, seconds: float, levels: Callable[[int], dict[str, int]]) -> list[list[str]]:
        """`levels` of a step of 20 ms: who sends what. The loudest after each decision."""
        found = []
        for _ in range(round(50 * seconds)):
            self.step += 1
            for who, level in levels(self.step).items():
                self.room.hear(who, level, self.step / 50)
            if self.step % 5 == 0:
                self.room.handle_timeout(self.step / 50 + 0.001)
                found.append(list(self.room.loudest))
        return found


def all_at(**levels: int) -> Callable[[int], dict[str, int]]:
    return lambda step: levels


def test_5_the_three_loudest(module: ModuleType) -> None:
    found = Microphones(module).hear(4.0, all_at(a=90, b=30, c=100, d=20, e=127, f=40))
    assert set(found[1]) == set(found[-1]) == {"b", "d", "f"}, "RFC 6464: 0 is the loudest"
    assert all(len(each) <= 3 for each in found)


def test_5_a_cough_takes_nobody_s_place(module: ModuleType) -> None:
    people = Microphones(module)
    people.hear(3.0, all_at(a=40, b=40, c=40, d=100))
    found = people.hear(0.2, all_at(a=40, b=40, c=40, d=5)) + people.hear(1.0, all_at(a=40, b=40, c=40, d=100))
    assert all("d" not in each for each in found)


def test_5_a_little_louder_is_not_louder(module: ModuleType) -> None:
    people = Microphones(module)
    people.hear(3.0, all_at(a=40, b=40, c=40))
    found = people.hear(3.0, all_at(a=40, b=40, c=40, d=36))
    assert all("d" not in each for each in found)
    assert "d" in people.hear(1.5, all_at(a=40, b=40, c=40, d=20))[-1]


def test_5_a_pause_between_words_is_none(module: ModuleType) -> None:
    people = Microphones(module, 1)
    people.hear(3.0, all_at(a=30, b=60))

    def words(step: int) -> dict[str, int]:
        return {"a": 30 if step // 20 % 2 else 80, "b": 60}

    assert all(each == ["a"] for each in people.hear(6.0, words))


def test_5_a_place_is_kept_for_a_while(module: ModuleType) -> None:
    people = Microphones(module, 1)
    people.hear(3.0, all_at(a=60, b=127))

    def turns(step: int) -> dict[str, int]:
        return {"b": 20 if step // 25 % 2 else 127, "c": 127 if step // 25 % 2 else 20}

    found = people.hear(10.0, turns)
    changes = [place for place, (before, after) in enumerate(pairwise(found)) if before != after]
    assert changes
    assert all(later - earlier >= 14 for earlier, later in pairwise(changes)), "in tenths of a second"


def test_5_who_mutes_makes_room(module: ModuleType) -> None:
    people = Microphones(module)
    people.hear(3.0, all_at(a=30, b=30, c=30, d=60))
    assert set(people.hear(2.5, all_at(b=30, c=30, d=60))[-1]) == {"b", "c", "d"}, "no packets are silence"
    people.room.leave("b")
    assert set(people.room.loudest) == {"c", "d"}, "at once"
    people.room.leave("nobody")


# --- step 6: who is seen ------------------------------------------------------------------------------


def test_6_the_last_who_led(module: ModuleType) -> None:
    grid = module.LastN(3)
    for who in "abcdef":
        grid.join(who)
    assert list(grid.places) == ["a", "b", "c"]
    grid.lead("e")
    assert list(grid.places) == ["a", "b", "e"], "c came last of those who never led"
    grid.lead("f")
    assert list(grid.places) == ["a", "f", "e"]
    grid.lead("a")
    assert list(grid.places) == ["a", "f", "e"], "who is seen stays"
    grid.lead("b")
    assert list(grid.places) == ["a", "f", "b"]
    grid.leave("f")
    assert list(grid.places) == ["a", "e", "b"], "who led before comes back"
    grid.leave("c")
    assert list(grid.places) == ["a", "e", "b"]


@pytest.mark.parametrize("seed", range(10))
def test_6_nobody_moves_and_nobody_is_there_twice(module: ModuleType, seed: int) -> None:
    dice, grid, here = random.Random(seed), module.LastN(4), list[str]()
    for number in range(300):
        before = list(grid.places)
        if len(here) < 8 and dice.random() < 0.3:
            here.append(f"person {number}")
            grid.join(here[-1])
        elif here and dice.random() < 0.2:
            grid.leave(here.pop(dice.randrange(len(here))))
        elif here:
            leads = dice.choice(here)
            grid.lead(leads)
            assert leads in grid.places
        seen = [who for who in grid.places if who is not None]
        assert len(grid.places) == 4
        assert len(seen) == len(set(seen)) == min(4, len(here))
        assert set(seen) <= set(here)
        assert all(after == who for who, after in zip(before, grid.places, strict=True) if who and who in grid.places)
