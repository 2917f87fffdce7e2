"""Checks packets of media, reports and what is counted from them: tutorial 7. Run with `--module my_rtp.py`.

Asked for: `parse` and `Malformed`; `difference` and `Unwrapper` with `unwrap`; `parse_control` and `serialize_control`
for `SenderReport`, `ReceiverReport`, `ReportBlock`, `Nack` and `PictureLoss`; `Reception(clock_rate)` with `receive`,
`on_sender_report` and `report_block`; `to_ntp`, `middle`, `round_trip_time` and `wall_of`.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from meetref.wire import stun, udp
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Interface, Packet
from meetref.wire.pcapng import parse as read_capture

REFERENCE = "tutorials.checks.rtp_of_ours"
VECTORS = Path(__file__).parents[2] / "vectors"
FIELDS = {
    "SenderReport": ("ssrc", "ntp", "rtp_timestamp", "packet_count", "octet_count"),
    "ReceiverReport": ("ssrc",),
    "ReportBlock": (
        "ssrc", "fraction_lost", "cumulative_lost", "highest_sequence", "jitter", "last_sender_report",
        "delay_since_last_sender_report",
    ),
    "Nack": ("sender_ssrc", "media_ssrc", "lost"),
    "PictureLoss": ("sender_ssrc", "media_ssrc"),
}  # fmt: skip


def published(stem: str, name: str, *, valid: bool, about: set[str] | None = None) -> list[Any]:
    """The cases of a vector file; `about`: only those with such a requirement, and octets in them."""
    groups = json.loads((VECTORS / stem / f"{name}.json").read_text())["groups"]
    cases = [case for group in groups for case in group["tests"] if (case["result"] != "invalid") is valid]
    if about is not None:
        cases = [case for case in cases if about & set(case["reqs"]) and case["in"]["hex"]]
    assert cases
    return [pytest.param(case, id=case["id"]) for case in cases]


def refuses(read: Any, module: ModuleType, data: bytes, section: str) -> None:
    """`read` says `Malformed`, and nothing else."""
    try:
        value = read(data)
    except module.Malformed:
        return
    except Exception as problem:
        pytest.fail(f"RFC {section}: {type(problem).__name__} instead of Malformed for {data.hex()}", False)
    pytest.fail(f"RFC {section}: {data.hex()} was read as {value}", False)


def plain(packet: Any) -> dict[str, Any]:
    """A control packet as the vectors have it."""
    name = type(packet).__name__
    found = {field: getattr(packet, field) for field in FIELDS[name]}
    if hasattr(packet, "blocks"):
        found["blocks"] = [{field: getattr(each, field) for field in FIELDS["ReportBlock"]} for each in packet.blocks]
    if "ntp" in found:
        found["ntp"] = str(found["ntp"])
    return {"type": name, **found}


# --- step 1: the fixed header -------------------------------------------------------------------------


@pytest.mark.parametrize("case", published("rtp", "packets", valid=True))
def test_1_published_packets(module: ModuleType, case: Any) -> None:
    packet, wanted = module.parse(bytes.fromhex(case["in"]["hex"])), case["out"]
    for name in ("payload_type", "marker", "sequence", "timestamp", "ssrc"):
        assert getattr(packet, name) == wanted[name], f"RFC 3550 section 5.1: {name} of {case['comment']}"
    assert packet.payload.hex() == wanted["payload"], f"RFC 3550 section 5.1: payload of {case['comment']}"


@pytest.mark.parametrize(
    "case",
    published("rtp", "packets", valid=False, about={"rtp/version", "rtp/length-consistent", "rtp/padding-count"}),
)
def test_1_what_is_no_packet(module: ModuleType, case: Any) -> None:
    refuses(module.parse, module, bytes.fromhex(case["in"]["hex"]), f"3550 section 5.1, {case['comment']}")


# --- step 2: numbers that wrap ------------------------------------------------------------------------


def test_2_the_way_around(module: ModuleType) -> None:
    for later, earlier, way in (
        (1, 0, 1),
        (0, 1, -1),
        (0, 65535, 1),
        (65535, 0, -1),
        (32767, 0, 32767),
        (32769, 0, -32767),
    ):
        assert module.difference(later, earlier) == way, f"RFC 3550 appendix A.1: from {earlier} to {later}"
    assert module.difference(5, 2**32 - 5, 32) == 10, "timestamps wrap after 32 bits"
    assert module.difference(70000, 4464, 32) == 65536, "and not after 16"


@pytest.mark.parametrize("seed", range(10))
def test_2_indexes_go_on_over_the_wrap(module: ModuleType, seed: int) -> None:
    dice, unwrapper = random.Random(seed), module.Unwrapper()
    first = dice.choice((0, 1, 65535, 65500, dice.randrange(65536)))
    unwrapper.unwrap(first)
    for number in range(first + 1, first + 200_000, 1000):
        for index in dice.sample(range(number, number + 1000), 5):
            assert unwrapper.unwrap(index & 0xFFFF) == index, "RFC 3550 appendix A.1: packets overtake one another"


def test_2_an_old_packet_moves_nothing(module: ModuleType) -> None:
    unwrapper = module.Unwrapper()
    assert [unwrapper.unwrap(number) for number in (10, 33000 - 300, 10, 65400, 0)] == [10, 32700, 10, 65400, 65536]


# --- step 3: control packets --------------------------------------------------------------------------


@pytest.mark.parametrize("case", published("rtcp", "compounds", valid=True))
def test_3_published_compounds(module: ModuleType, case: Any) -> None:
    found = [plain(packet) for packet in module.parse_control(bytes.fromhex(case["in"]["hex"]))]
    wanted = [packet for packet in case["out"] if packet["type"] in FIELDS]
    assert found == wanted, f"RFC 3550 section 6, RFC 4585 section 6: {case['comment']}"


def test_3_what_is_unknown_is_passed_over(module: ModuleType) -> None:
    for unknown in (
        "81ca0003 00000007 01046f75 72730000",  # a description
        "8fcd0005 00000007 00000009 00010001 00000000 20010000",  # transport-wide feedback
        "84ce0004 00000007 00000000 00000009 01000000",  # a full intra request
        "80cc0002 00000007 6d656574",  # an application's own
    ):
        data = bytes.fromhex(unknown)
        found = module.parse_control(data + bytes.fromhex("81ce0002 00000007 00000009") + data)
        assert [plain(each) for each in found] == [{"type": "PictureLoss", "sender_ssrc": 7, "media_ssrc": 9}], unknown


def test_3_a_packet_ends_within_its_datagram(module: ModuleType) -> None:
    for data in ("80c90002 00000007", "81ce0003 00000007 00000009", "81cd0004 00000007 00000009 00010000"):
        refuses(module.parse_control, module, bytes.fromhex(data), "3550 section 6.4.1: the length counts words")


REFUSED = {
    "rtcp/version", "rtcp/lengths-add-up", "rtcp/sender-report", "rtcp/receiver-report", "rtcp/feedback-head",
}  # fmt: skip


@pytest.mark.parametrize("case", published("rtcp", "compounds", valid=False, about=REFUSED))
def test_3_what_is_no_control_packet(module: ModuleType, case: Any) -> None:
    refuses(module.parse_control, module, bytes.fromhex(case["in"]["hex"]), f"3550 section 6.4, {case['comment']}")


def test_3_written_as_others_write(module: ModuleType) -> None:
    block = module.ReportBlock(0x11111111, 64, -3, 131071, 480, 0xAABBCCDD, 65536)
    head = "11111111 40fffffd 0001ffff 000001e0 aabbccdd 00010000"
    for packet, octets in (
        (module.SenderReport(7, 0xE5B0A1B280000000, 90000, 1000, 10**6, [block]),
         "81c8000c 00000007 e5b0a1b2 80000000 00015f90 000003e8 000f4240" + head),
        (module.ReceiverReport(7, []), "80c90001 00000007"),
        (module.ReceiverReport(7, [block, block]), "82c9000d 00000007" + 2 * head),
        (module.Nack(7, 9, [4429, 4430, 4445]), "81cd0003 00000007 00000009 114d8001"),
        (module.Nack(7, 9, [65535, 0, 17]), "81cd0004 00000007 00000009 ffff0001 00110000"),
        (module.Nack(7, 9, [100, 117]), "81cd0004 00000007 00000009 00640000 00750000"),
        (module.PictureLoss(7, 9), "81ce0002 00000007 00000009"),
    ):  # fmt: skip
        found = module.serialize_control(packet)
        assert found == bytes.fromhex(octets), f"RFC 3550 section 6.4, RFC 4585 section 6: {packet}"
        assert [plain(each) for each in module.parse_control(found)] == [plain(packet)]


@pytest.mark.parametrize("seed", range(20))
def test_3_any_octets(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    genuine = bytes.fromhex("81c90007000000070000000900ffffff00000000000000000000000000000000") + bytes.fromhex(
        "81cd000300000007000000091234ffff"
    )
    for _ in range(300):
        data = bytearray(genuine)
        data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        for read in (module.parse, module.parse_control):
            try:
                read(bytes(data[: dice.randrange(len(data) + 1)]))
            except module.Malformed:
                continue
            except Exception as problem:
                pytest.fail(f"{type(problem).__name__} for {data.hex()}: strangers must not raise", False)


# --- step 4: how well a stream arrives ----------------------------------------------------------------


def arrivals(module: ModuleType, numbers: Any, clock_rate: int = 48000, first: int = 65000) -> Any:
    """A stream of 50 packets a second on a perfect line, of which these arrive."""
    reception = module.Reception(clock_rate)
    for number in numbers:
        reception.receive(first + number & 0xFFFF, 2**32 - 960 * 100 + 960 * number & 0xFFFFFFFF, 0.02 * number)
    return reception


def test_4_nothing_is_lost(module: ModuleType) -> None:
    block = arrivals(module, range(1000)).report_block(77, 20.0)
    assert plain(block) == {
        "type": "ReportBlock", "ssrc": 77, "fraction_lost": 0, "cumulative_lost": 0, "highest_sequence": 65999,
        "jitter": 0, "last_sender_report": 0, "delay_since_last_sender_report": 0,
    }, "RFC 3550 section 6.4.1: the highest number has its wraps with it"  # fmt: skip


def test_4_the_fraction_is_of_the_last_interval(module: ModuleType) -> None:
    reception = arrivals(module, [number for number in range(1000) if number % 4])
    first = reception.report_block(1, 20.0)
    assert (first.fraction_lost, first.cumulative_lost) == (63, 249), "RFC 3550 appendix A.3"
    for number in range(1001, 1100):
        reception.receive(65000 + number & 0xFFFF, 960 * (number - 100), 0.02 * number)
    second = reception.report_block(1, 22.0)
    assert (second.fraction_lost, second.cumulative_lost) == (2, 250), "RFC 3550 appendix A.3: since the last report"
    third = reception.report_block(1, 23.0)
    assert (third.fraction_lost, third.cumulative_lost) == (0, 250), "nothing was sent since the last report"


def test_4_nearly_everything_is_lost(module: ModuleType) -> None:
    block = arrivals(module, [0, 600]).report_block(1, 13.0)
    assert (block.fraction_lost, block.cumulative_lost) == (255, 599), "RFC 3550 appendix A.3"


def test_4_a_repair_gives_back_what_was_lost(module: ModuleType) -> None:
    reception = arrivals(module, [*range(50), *range(60, 100)])
    assert reception.report_block(1, 2.0).cumulative_lost == 10
    for number in (*range(50, 60), 100):
        reception.receive(65000 + number & 0xFFFF, 0, 2.0)
    block = reception.report_block(1, 3.0)
    assert (block.fraction_lost, block.cumulative_lost) == (0, 0), "RFC 3550 appendix A.3: a negative loss is none"


def test_4_jitter_of_a_line_that_trembles(module: ModuleType) -> None:
    reception, mean = module.Reception(90000), 0.0
    for number in range(400):
        reception.receive(number, 2**32 - 3000 * 200 + 3000 * number & 0xFFFFFFFF, number / 30 + number % 3 * 0.004)
        if number:
            mean += ((720 if number % 3 == 0 else 360) - mean) / 16
    found = reception.report_block(1, 14.0).jitter
    assert abs(found - mean) <= 1, f"RFC 3550 appendix A.8: {found} ticks and not {mean:.1f}"


def test_4_jitter_of_one_packet_that_is_late(module: ModuleType) -> None:
    reception = module.Reception(48000)
    for number in range(100):
        reception.receive(number, 960 * number, 0.02 * number)
    reception.receive(100, 96000, 2.0 + 0.1)
    assert abs(reception.report_block(1, 2.1).jitter - 4800 / 16) <= 1, "RFC 3550 appendix A.8: a sixteenth of the way"


# --- step 5: clocks -----------------------------------------------------------------------------------

WALL = 1_792_000_000.25


def test_5_seconds_since_1900(module: ModuleType) -> None:
    assert module.to_ntp(0.0) == 2_208_988_800 << 32, "RFC 3550 section 4: NTP counts from 1900"
    assert module.to_ntp(WALL) & 0xFFFFFFFF == 1 << 30, "and has 32 bits of fraction"
    assert module.middle(0x11112222_33334444) == 0x22223333, "RFC 3550 section 6.4.1"


def test_5_the_delay_is_told_in_65536ths(module: ModuleType) -> None:
    reception = arrivals(module, range(100))
    reception.on_sender_report(0x12345678, 2.0)
    block = reception.report_block(1, 2.5)
    found = (block.last_sender_report, block.delay_since_last_sender_report)
    assert found == (0x12345678, 32768), "RFC 3550 section 6.4.1"


@pytest.mark.parametrize(("there", "back"), [(0.0, 0.0), (0.015, 0.015), (0.02, 0.13), (0.13, 0.02), (1.2, 0.9)])
@pytest.mark.parametrize("error", [0.0, -3600.0, 86400.0])
@pytest.mark.parametrize("start", [WALL, 1_792_016_383.9])  # shortly after, the middle of the time wraps
def test_5_the_round_trip(module: ModuleType, there: float, back: float, error: float, start: float) -> None:
    for kept in (0.0, 0.9, 7.0):
        reception = arrivals(module, range(3))
        reception.on_sender_report(module.middle(module.to_ntp(start)), start + there + error)
        block = reception.report_block(1, start + there + kept + error)
        now = module.middle(module.to_ntp(start + there + kept + back))
        found = module.round_trip_time(now, block.last_sender_report, block.delay_since_last_sender_report)
        assert found == pytest.approx(there + back, abs=0.001), "RFC 3550 section 6.4.1: the clocks need not agree"


def test_5_no_round_trip(module: ModuleType) -> None:
    assert module.round_trip_time(1000, 0, 0) is None, "RFC 3550 section 6.4.1: no sender report came"
    assert module.round_trip_time(70000, 60000, 20000) is None, "a peer may write any delay"
    assert module.round_trip_time(0, 1, 0xFFFFFFFF) == 0.0


def test_5_a_timestamp_on_the_wall(module: ModuleType) -> None:
    report = module.SenderReport(1, module.to_ntp(WALL), 1000, 0, 0, [])
    for timestamp, wall in ((1000, WALL), (1000 + 9000, WALL + 0.1), (1000 - 90000 + 2**32, WALL - 1)):
        assert module.wall_of(report, timestamp, 90000) == pytest.approx(wall, abs=1e-5), "RFC 3550 section 6.4.1"
    assert module.wall_of(report, 1480, 48000) == pytest.approx(WALL + 0.01, abs=1e-5), "each stream has its own clock"


# --- step 6: two captured calls -----------------------------------------------------------------------


class Seen(NamedTuple):
    at: float
    place: str
    direction: str | None
    data: bytes


def captured(session: str) -> Iterator[Seen]:
    blocks = read_capture((VECTORS / "sessions" / session / "plain.pcapng").read_bytes())
    places = [block.name for block in blocks if isinstance(block, Interface)]
    for block in blocks:
        if isinstance(block, Packet):
            yield Seen(block.at_ns / 1e9, places[block.interface], block.direction, udp.parse(block.data).data)


def controls(module: ModuleType, session: str) -> Iterator[tuple[Seen, Any]]:
    """Each packet of media with its parsed form, each control packet by itself."""
    for seen in captured(session):
        if classify_datagram(seen.data[0]) != "rtp":
            continue
        found = module.parse_control(seen.data) if is_rtcp(seen.data) else [module.parse(seen.data)]
        yield from ((seen, packet) for packet in found)


REPAIRED_ELSEWHERE = 0xF22B3EBB  # its repair came on a stream of its own, which this exercise does not know


@pytest.mark.parametrize(("session", "least"), [("whole-call", 8), ("lossy-repair", 6)])
def test_6_the_reports_of_a_call(module: ModuleType, session: str, least: int) -> None:
    """Whoever reported in these calls had these packets; so the blocks come out the same."""
    receptions: dict[tuple[str, int], Any] = {}
    coming: dict[tuple[str, int], deque[tuple[float, Callable[[], object]]]] = {}
    compared = 0
    for seen, packet in controls(module, session):
        key = seen.place, getattr(packet, "ssrc", 0)
        if hasattr(packet, "payload_type") and seen.direction == "in":
            clock_rate = 48000 if packet.payload_type == 111 else 90000
            arrived = packet.sequence, packet.timestamp, seen.at
            if key in receptions:
                coming[key].append((seen.at, partial(receptions[key].receive, *arrived)))
            else:
                receptions[key], coming[key] = module.Reception(clock_rate), deque()
                receptions[key].receive(*arrived)
        elif hasattr(packet, "ntp") and key in receptions:
            coming[key].append((seen.at, partial(receptions[key].on_sender_report, module.middle(packet.ntp), seen.at)))
        elif hasattr(packet, "blocks") and seen.direction == "out":
            for told in packet.blocks:
                key = seen.place, told.ssrc
                if key in receptions and told.ssrc != REPAIRED_ELSEWHERE:
                    came(receptions[key], coming[key], told, seen.at)
                    ours = receptions[key].report_block(told.ssrc, seen.at)
                    same(ours, told, f"{session} at {seen.at:.3f} s, stream {told.ssrc:#x}")
                    compared += 1
    assert compared >= least


def came(reception: Any, coming: deque[tuple[float, Callable[[], object]]], told: Any, now: float) -> None:
    """All that came before the report; what came in its very instant only as far as it is in it."""

    def in_it() -> bool:
        ours = deepcopy(reception).report_block(told.ssrc, now)
        answered = told.last_sender_report in (0, ours.last_sender_report)
        return answered and ours.highest_sequence == told.highest_sequence

    while coming and (coming[0][0] < now or not in_it()):
        coming.popleft()[1]()


def same(ours: Any, told: Any, where: str) -> None:
    for name in ("fraction_lost", "cumulative_lost", "highest_sequence"):
        assert getattr(ours, name) == getattr(told, name), f"{where}: {name}"
    assert abs(ours.jitter - told.jitter) <= 1, f"{where}: a jitter of {ours.jitter} and not {told.jitter}"
    if told.last_sender_report:
        assert ours.last_sender_report == told.last_sender_report, where
        distance = ours.delay_since_last_sender_report - told.delay_since_last_sender_report
        assert abs(distance) <= 66, f"{where}: the delay differs by more than a millisecond"


@pytest.mark.parametrize(("session", "least"), [("whole-call", 4), ("lossy-repair", 1)])
def test_6_the_round_trips_of_a_call(module: ModuleType, session: str, least: int) -> None:
    """What the reports give is what the first question and answer of STUN took."""
    way: dict[str, float] = {}
    asked: dict[tuple[str, bytes], float] = {}
    for seen in captured(session):
        if classify_datagram(seen.data[0]) == "stun":
            message = stun.parse(seen.data)
            key = (seen.place, message.transaction)
            if message.kind is stun.Class.REQUEST and seen.direction == "out":
                asked.setdefault(key, seen.at)
            elif key in asked and seen.direction == "in":
                way.setdefault(seen.place, seen.at - asked[key])
    compared, sent = 0, dict[tuple[str, int], tuple[float, int]]()
    for seen, packet in controls(module, session):
        if hasattr(packet, "ntp") and seen.direction == "out":
            sent[seen.place, module.middle(packet.ntp)] = seen.at, packet.ntp
        elif hasattr(packet, "blocks") and seen.direction == "in":
            for block in packet.blocks:
                if (seen.place, block.last_sender_report) in sent:
                    at, ntp = sent[seen.place, block.last_sender_report]
                    now = module.middle(ntp + round((seen.at - at) * 2**32))
                    found = module.round_trip_time(now, block.last_sender_report, block.delay_since_last_sender_report)
                    assert found == pytest.approx(way[seen.place], abs=0.001), "RFC 3550 section 6.4.1"
                    compared += 1
    assert compared >= least
