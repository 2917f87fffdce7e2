"""Checks a jitter buffer, requests, repairs and exclusive-or: tutorial 8. Run with `--module my_loss.py`.

Asked for: `JitterBuffer(clock_rate, least, longest)` with `insert`, `next_timeout`, `release` and `delay`, and `Gap`;
`LossDetector(round_trip_time)` with `receive`, `next_timeout`, `due` and `gave_up`; `PacketCache` with `store` and
`fetch`; `retransmission`, `original` and `Malformed`; `protect` and `recover`.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meetref.wire import rtp
from tutorials.checks.lossy_call import FRAMES, Call

REFERENCE = "tutorials.checks.loss_of_ours"
VECTORS = Path(__file__).parents[2] / "vectors"
PERIOD, CLOCK_RATE = 0.02, 48000
Heard = list[tuple[float, Any]]


def published(stem: str, name: str, operation: str) -> list[Any]:
    groups = json.loads((VECTORS / stem / f"{name}.json").read_text())["groups"]
    cases = [case for group in groups if group["params"]["operation"] == operation for case in group["tests"]]
    assert cases
    return [pytest.param(case, id=case["id"]) for case in cases]


def drain(buffer: Any, until: float) -> Heard:
    heard = []
    while (due := buffer.next_timeout()) <= until and due < math.inf:
        heard += [(due, item) for item in buffer.release(due)]
        assert buffer.next_timeout() > due, "time always moves on"
    return heard


def listen(buffer: Any, arrivals: Iterable[tuple[int, float]], period: float = PERIOD) -> Heard:
    """Packets by number, with their arrival, through a buffer; what comes out, with the time, to the last."""
    heard = []
    for number, at in sorted(arrivals, key=lambda each: each[1]):
        heard += drain(buffer, at)
        timestamp = 2**32 - 9600 + round(CLOCK_RATE * period) * number & 0xFFFFFFFF
        buffer.insert(65530 + number & 0xFFFF, timestamp, number, at)
    return heard + drain(buffer, math.inf)


def items(heard: Heard) -> list[int]:
    return [item for _, item in heard if isinstance(item, int)]


def waits(heard: Heard) -> list[float]:
    """By how much each packet came out later than it was sent."""
    return [at - PERIOD * item for at, item in heard if isinstance(item, int)]


# --- step 1: in order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", published("jitter", "packets", "order"))
def test_1_published_traces(module: ModuleType, case: Any) -> None:
    buffer, out = module.JitterBuffer(case["in"]["clock_rate"]), list[Any]()
    for at_ms, sequence, timestamp in case["in"]["packets"]:
        out += drain(buffer, at_ms / 1000)
        buffer.insert(sequence, timestamp, sequence, at_ms / 1000)
    out += drain(buffer, math.inf)
    wanted = [row[1] for row in case["out"]["released"]]
    assert [item for _, item in out] == wanted, f"RFC 3550 section 5.1: {case['comment']}"


@pytest.mark.parametrize("seed", range(10))
def test_1_a_bad_line(module: ModuleType, seed: int) -> None:
    dice, arrivals = random.Random(seed), list[tuple[int, float]]()
    for number in range(1, 600):
        for _ in range(dice.choice((0, 1, 1, 1, 1, 1, 1, 2))):
            arrivals.append((number, PERIOD * number + 0.1 * dice.random() ** 3))
    heard = listen(module.JitterBuffer(CLOCK_RATE), [(0, 0.0), *arrivals, (600, 12.0)])
    told = 0
    for _, item in heard:
        if isinstance(item, module.Gap):
            assert item.count > 0
            told += item.count
        else:
            assert item == told, "in order, none twice, and each that is missing told in a gap before its successor"
            told += 1
    assert told == 601


def test_1_nothing_comes_out_twice(module: ModuleType) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE)
    arrivals = [(number, PERIOD * number + late) for number in range(500) for late in (0.0, 0.001, 0.4)]
    assert items(listen(buffer, arrivals)) == list(range(500))
    assert buffer.delay <= 0.021, "a packet that comes again says nothing about the line"


# --- step 2: in time ----------------------------------------------------------------------------------


def test_2_a_perfect_line(module: ModuleType) -> None:
    heard = listen(module.JitterBuffer(CLOCK_RATE), [(number, PERIOD * number + 0.03) for number in range(500)])
    assert items(heard) == list(range(500))
    assert max(waits(heard)) <= 0.03 + 0.021, "no longer than needed"


def test_2_a_line_that_trembles(module: ModuleType) -> None:
    dice, buffer = random.Random(2), module.JitterBuffer(CLOCK_RATE)
    heard = listen(buffer, [(number, PERIOD * number + 0.06 * dice.random()) for number in range(1500)])
    assert 0.05 <= buffer.delay <= 0.08, f"packets are late by up to 60 ms, and it waits {buffer.delay * 1000:.0f}"
    assert len([item for item in items(heard) if item >= 500]) >= 950, "nearly all should come in time"


def test_2_at_the_pace_of_the_sender(module: ModuleType) -> None:
    dice = random.Random(3)
    heard = listen(
        module.JitterBuffer(CLOCK_RATE), [(number, PERIOD * number + 0.06 * dice.random()) for number in range(1500)]
    )
    found = sorted(waits(heard)[-500:])
    assert found[475] - found[25] <= 0.021, "each has its time by its timestamp, and not by when it came"


def test_2_it_learns_from_those_that_came_too_late(module: ModuleType) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE)
    heard = listen(
        buffer, [(number, PERIOD * number + 0.1 * (number > 250 and number % 3 == 0)) for number in range(1500)]
    )
    assert 0.1 <= buffer.delay <= 0.13, "a third of them is late by 100 ms"
    assert items(heard)[-1000:] == list(range(500, 1500))


def test_2_a_few_late_ones_do_not_delay_everybody(module: ModuleType) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE)
    heard = listen(buffer, [(number, PERIOD * number + 0.3 * (number % 50 == 49)) for number in range(1000)])
    assert buffer.delay <= 0.021
    assert len(items(heard)) >= 975
    assert items(heard) == sorted(items(heard)), "what comes after its gap was told must not come out"


def test_2_a_lost_packet_holds_up_nothing(module: ModuleType) -> None:
    lost = {100, 200, 201, 202, 300}
    whole = listen(module.JitterBuffer(CLOCK_RATE), [(number, PERIOD * number) for number in range(400)])
    holes = listen(
        module.JitterBuffer(CLOCK_RATE), [(number, PERIOD * number) for number in range(400) if number not in lost]
    )
    due = {item: at for at, item in whole}
    for at, item in holes:
        if isinstance(item, int):
            assert at == pytest.approx(due[item], abs=0.011), f"{item} waited for a lost one"
    assert [item.count for _, item in holes if isinstance(item, module.Gap)] == [1, 3, 1]


def test_2_the_delay_grows_in_a_spike_and_shrinks_behind_it(module: ModuleType) -> None:
    dice, buffer, delays = random.Random(8), module.JitterBuffer(CLOCK_RATE), list[float]()
    for second in range(60):
        spread = 0.3 if second in (10, 11) else 0.005
        numbers = range(50 * second, 50 * second + 50)
        listen(buffer, [(number, PERIOD * number + spread * dice.random()) for number in numbers])
        delays.append(buffer.delay)
    assert delays[9] <= 0.021
    assert delays[11] >= 0.15, "it must grow"
    assert max(delays[42:]) <= 0.021, f"thirty seconds behind the spike it waits {delays[42] * 1000:.0f} ms"


@pytest.mark.parametrize("error", [-5e-4, 5e-4])
def test_2_clocks_drift(module: ModuleType, error: float) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE)
    heard = listen(buffer, [(number, number * (1 + error)) for number in range(3600)], period=1.0)
    assert items(heard) == list(range(3600))
    assert buffer.delay <= 0.021, "after an hour"
    last = heard[-1][0] - 3599 * (1 + error)
    assert last <= 0.05, f"after an hour a packet is held for {last:.3f} s"


def test_2_at_least(module: ModuleType) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE, least=0.15)
    heard = listen(buffer, [(number, PERIOD * number + 0.1 * (number % 10 == 9)) for number in range(500)])
    assert items(heard) == list(range(500)), "there is time for these"
    assert min(waits(heard)) >= 0.149


def test_2_at_most(module: ModuleType) -> None:
    buffer, arrivals = module.JitterBuffer(CLOCK_RATE, longest=0.2), dict[int, float]()
    for number in range(1000):
        arrivals[number] = PERIOD * number + 0.8 * (number % 5 == 0)
    for at, item in listen(buffer, arrivals.items()):
        if isinstance(item, int):
            assert at - arrivals[item] <= 0.2 + 1e-9
    assert buffer.delay <= 0.2


def test_2_a_flood(module: ModuleType) -> None:
    buffer = module.JitterBuffer(CLOCK_RATE)
    for number in range(10_000):
        buffer.insert(number & 0xFFFF, 960 * number, number, 0.0001 * number)
    assert len(items(drain(buffer, math.inf))) <= 1000, "memory without a bound"


# --- step 3: asking again -----------------------------------------------------------------------------


def requests(detector: Any, until: float = math.inf) -> list[tuple[float, list[int]]]:
    found = []
    while (due := detector.next_timeout()) <= until and due < math.inf:
        found.append((due, list(detector.due(due))))
        assert detector.next_timeout() > due, "time always moves on"
        assert len(found) < 1000
    return [each for each in found if each[1]]


def test_3_what_is_only_overtaken(module: ModuleType) -> None:
    detector = module.LossDetector(round_trip_time=0.1)
    for number in range(100):
        for index, at in ((2 * number + 1, 0.02 * number), (2 * number, 0.02 * number + 0.005)):
            assert requests(detector, at) == [], "a packet may overtake another"
            detector.receive(index, at)
    assert not detector.gave_up()


def test_3_what_is_missing(module: ModuleType) -> None:
    detector = module.LossDetector(round_trip_time=0.1)
    for index in (65533, 65534, 65538):
        detector.receive(index, 1.0)
    (at, asked) = requests(detector, 1.05)[0]
    assert asked == [65535, 0, 1], "RFC 4585 section 6.2.1: numbers of 16 bits"
    assert 1.005 <= at <= 1.03, "soon, but not before a packet could overtake another"


@pytest.mark.parametrize("round_trip_time", [0.05, 0.1, 0.2])
def test_3_once_a_round_trip_until_it_comes(module: ModuleType, round_trip_time: float) -> None:
    detector = module.LossDetector(round_trip_time=round_trip_time)
    for index in (0, 2, 4):
        detector.receive(index, 0.0)
    times = [at for at, asked in requests(detector, 0.01 + 2.5 * round_trip_time) if asked == [1, 3]]
    assert len(times) == 3
    for before, behind in itertools.pairwise(times):
        assert behind - before == pytest.approx(round_trip_time, abs=0.002), "sooner no answer can be there"
    detector.receive(1, 0.02 + 2.5 * round_trip_time)
    assert all(asked == [3] for _, asked in requests(detector)), "1 came"


@pytest.mark.parametrize("round_trip_time", [0.05, 0.3])
def test_3_it_ends(module: ModuleType, round_trip_time: float) -> None:
    detector = module.LossDetector(round_trip_time=round_trip_time)
    detector.receive(0, 0.0)
    detector.receive(2, 5.0)
    assert not detector.gave_up()
    asked = requests(detector)
    assert 3 <= len(asked) <= 10, "ten requests are enough"
    assert asked[-1][0] <= 6.0, "after a second nobody needs it"
    assert detector.next_timeout() == math.inf
    assert (detector.gave_up(), detector.gave_up()) == (True, False), "now a keyframe is needed, and it is told once"


def test_3_too_many_to_ask_for(module: ModuleType) -> None:
    detector = module.LossDetector(round_trip_time=0.1)
    detector.receive(0, 0.0)
    detector.receive(20_000, 0.0)
    assert requests(detector) == []
    assert detector.gave_up()
    detector.receive(20_002, 1.0)
    assert requests(detector, 1.05)[0][1] == [20_001], "and it goes on from there"
    for number in range(1, 3):
        detector.receive(20_002 + 600 * number, 1.05)
    assert requests(detector, 1.08) == [], "twice six hundred are too many as well"


# --- step 4: sending again ----------------------------------------------------------------------------


def test_4_what_was_sent_is_there(module: ModuleType) -> None:
    cache = module.PacketCache()
    for number in range(65500, 65600):
        cache.store(number & 0xFFFF, b"%d" % number, 0.0)
    assert [cache.fetch(number, 0.5) for number in (65535, 0, 63)] == [b"65535", b"65536", b"65599"]
    assert cache.fetch(64, 0.5) is None
    assert cache.fetch(65499, 0.5) is None


def test_4_once_a_round_trip(module: ModuleType) -> None:
    cache = module.PacketCache()
    cache.store(7, b"seven", 0.0)
    found = [cache.fetch(7, at) for at in (0.5, 0.505, 0.52, 0.6)]
    assert found == [b"seven", None, None, b"seven"], "two requests on the way at the same time are one"
    cache.store(7, b"new", 0.61)
    assert cache.fetch(7, 0.62) == b"new"


def test_4_not_for_ever(module: ModuleType) -> None:
    cache = module.PacketCache()
    for number in range(5000):
        cache.store(number, b"%d" % number, 0.0001 * number)
    assert [cache.fetch(number, 0.5) for number in (0, 1000, 3000)] == [None] * 3, "memory has a bound"
    assert cache.fetch(4999, 0.5) == b"4999"
    assert cache.fetch(4998, 60.0) is None, "after a minute nobody needs it"


@pytest.mark.parametrize("case", published("rtp", "retransmission", "retransmission"))
def test_4_published_repetitions(module: ModuleType, case: Any) -> None:
    given = case["in"]
    found = module.retransmission(bytes.fromhex(given["hex"]), given["payload_type"], given["sequence"], given["ssrc"])
    assert found.hex() == case["out"]["hex"], f"RFC 4588 section 4: {case['comment']}"


@pytest.mark.parametrize("case", published("rtp", "retransmission", "original"))
def test_4_published_originals(module: ModuleType, case: Any) -> None:
    given = case["in"]
    arguments = bytes.fromhex(given["hex"]), given["payload_type"], given["ssrc"]
    if case["result"] == "invalid":
        with pytest.raises(module.Malformed):
            module.original(*arguments)
    else:
        assert module.original(*arguments).hex() == case["out"]["hex"], f"RFC 4588 section 4: {case['comment']}"


# --- step 5: computing it -----------------------------------------------------------------------------


def has_short_mask(payload: str) -> bool:
    return not int(payload[:2], 16) & 0x40


@pytest.mark.parametrize("case", published("fec", "protection", "protect"))
def test_5_published_protection(module: ModuleType, case: Any) -> None:
    packets = [bytes.fromhex(packet) for packet in case["in"]["packets"]]
    if not has_short_mask(case["out"]["hex"]):
        packets = packets[:16]
        payload = module.protect(packets)
        left = {int.from_bytes(packet[2:4]): packet for packet in packets[1:]}
        assert module.recover(left, payload, int.from_bytes(packets[0][8:12])) == packets[0]
    else:
        assert module.protect(packets).hex() == case["out"]["hex"], f"RFC 5109 section 8: {case['comment']}"


@pytest.mark.parametrize(
    "case",
    [each for each in published("fec", "recovery", "recover") if has_short_mask(each.values[0]["in"]["repairs"][0])],
)
def test_5_published_recovery(module: ModuleType, case: Any) -> None:
    """With several FEC packets: until none gives anything more."""
    packets = {int(packet[4:8], 16): bytes.fromhex(packet) for packet in case["in"]["packets"]}
    repairs, back, waiting = [bytes.fromhex(each) for each in case["in"]["repairs"]], set(), True
    while waiting:
        found = [module.recover(packets, repair, case["in"]["ssrc"]) for repair in repairs]
        fresh = {packet for packet in found if packet is not None and int.from_bytes(packet[2:4]) not in packets}
        back |= fresh
        packets |= {int.from_bytes(packet[2:4]): packet for packet in fresh}
        waiting = bool(fresh)
    assert sorted(packet.hex() for packet in back) == sorted(case["out"]["packets"]), (
        f"RFC 5109 section 9: {case['comment']}"
    )


@pytest.mark.parametrize("seed", range(10))
def test_5_any_one_of_a_row(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    first, count = dice.choice((65530, 0, dice.randrange(65536))), dice.randrange(2, 17)
    packets = [
        rtp.serialize(rtp.Packet(dice.randrange(128), first + place & 0xFFFF, dice.getrandbits(32), 9,
                                 dice.randbytes(dice.randrange(900)), bool(dice.getrandbits(1))))
        for place in range(count)
    ]  # fmt: skip
    payload = module.protect(packets)
    there = {int.from_bytes(packet[2:4]): packet for packet in packets}
    assert module.recover(there, payload, 9) is None, "nothing is missing"
    for packet in packets:
        number = int.from_bytes(packet[2:4])
        left = {each: kept for each, kept in there.items() if each != number}
        assert module.recover(left, payload, 9) == packet, "RFC 5109 section 9"
        left.popitem()
        if count > 2:
            assert module.recover(left, payload, 9) is None, "two of one row"


@pytest.mark.parametrize("seed", range(5))
def test_5_any_octets(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    packets = [rtp.serialize(rtp.Packet(96, number, 3000, 9, dice.randbytes(50))) for number in range(4)]
    there, payload = {number: packets[number] for number in range(3)}, module.protect(packets)
    for size in range(len(payload)):
        assert module.recover(there, payload[:size], 9) is None, "cut short"
    for _ in range(300):
        data = bytearray(payload)
        data[dice.randrange(14)] ^= dice.randrange(1, 256)
        try:
            module.recover(there, bytes(data), 9)
        except Exception as problem:
            pytest.fail(f"{type(problem).__name__} for {data.hex()}: strangers must not raise", False)


# --- step 6: a call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_6_five_per_cent_over_fifty_milliseconds(module: ModuleType, seed: int) -> None:
    call = Call(module, loss=0.05, round_trip=0.05, seed=seed, computing=False)
    share = call.run(asking=True)
    assert share >= 0.995, f"{100 * share:.1f} % of the frames came out whole"
    assert call.asked <= 0.1 * 3 * FRAMES, "requests cost, too"


@pytest.mark.parametrize("seed", range(2))
def test_6_too_far_to_ask(module: ModuleType, seed: int) -> None:
    share = Call(module, loss=0.05, round_trip=0.3, seed=seed, computing=True).run(asking=False)
    assert share >= 0.97, f"{100 * share:.1f} % of the frames came out whole"


def test_6_without_loss(module: ModuleType) -> None:
    call = Call(module, loss=0.0, round_trip=0.05, seed=1, computing=True)
    assert (call.run(asking=True), call.asked) == (1.0, 0)
