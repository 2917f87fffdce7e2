"""The load: the shape of what a publisher sends, what servers can read of it, what a viewer makes of what comes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import pytest
import trio

from meetref.lab.leg import Leg
from meetref.lab.load import FEEDBACK_INTERVAL, SAMPLED, SMALLEST, Line, Load, Publisher, Viewer
from meetref.lab.shape import SHAPES, Shape
from meetref.protocol.negotiation import TRANSPORT_SEQUENCE_ID, VP8_PAYLOAD_TYPE
from meetref.wire import rtcp, rtp, transportfeedback, vp8
from meetref.wire.address import Address

THERE = Address("127.0.0.1", 9)
BURST, SPREAD = Shape(8, (), {}), Shape(8, (), {}, spread=True)


class NoLocks:
    """What is locked is what was there before."""

    def lock(self, packet: bytes) -> bytes:
        return packet

    def unlock(self, packet: bytes) -> bytes | None:
        return packet

    lock_control, unlock_control = lock, unlock


class Sent:
    """A leg that keeps what is sent, and when."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[float, bytes]] = []
        self.calls = 0

    def send(self, data: bytes, remote: Address) -> None:
        assert remote == THERE
        self.datagrams.append((trio.current_time(), data))

    def send_joined(self, packets: Sequence[bytes], remote: Address) -> None:
        self.calls += 1
        for packet in packets:
            assert len(packet) == len(packets[0])
            self.send(packet, remote)

    @property
    def media(self) -> list[tuple[float, rtp.Packet]]:
        return [(at, rtp.parse(data)) for at, data in self.datagrams if not 192 <= data[1] <= 223]

    @property
    def control(self) -> list[rtcp.Packet]:
        return [packet for _, data in self.datagrams if 192 <= data[1] <= 223 for packet in rtcp.parse(data)]


def line(leg: Sent, transport_sequence: int | None = TRANSPORT_SEQUENCE_ID) -> Line:
    return Line(cast(Leg, leg), THERE, NoLocks(), transport_sequence)


def publisher(leg: Sent, shape: Shape) -> Publisher:
    return Publisher(line(leg), 7, shape, random.Random(1))


async def run_for(load: Load, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await load.run()


async def test_a_burst_leaves_at_once(autojump_clock: trio.testing.MockClock) -> None:
    leg = Sent()
    await run_for(Load(publisher(leg, BURST), [Viewer(line(Sent()), publisher(leg, BURST))]), 0.99)
    assert len(leg.media) == 240
    assert len({at for at, _ in leg.media}) == 30
    assert leg.calls <= 60, "a frame has two sizes at most"
    assert [packet.marker for _, packet in leg.media] == ([False] * 7 + [True]) * 30
    assert len({packet.timestamp for _, packet in leg.media}) == 30


async def test_an_even_load_is_spread(autojump_clock: trio.testing.MockClock) -> None:
    leg = Sent()
    await run_for(Load(publisher(leg, SPREAD), [Viewer(line(Sent()), publisher(leg, SPREAD))]), 0.99)
    times = [at for at, _ in leg.media]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) == pytest.approx(1 / 240)
    assert max(gaps) == pytest.approx(1 / 240)


async def test_numbers_go_on_where_the_last_run_was_stopped(autojump_clock: trio.testing.MockClock) -> None:
    """In the middle of a frame, too: a gap would make the server ask for what never was."""
    leg = Sent()
    source = publisher(leg, SPREAD)
    load = Load(source, [Viewer(line(Sent()), source)])
    for _ in range(3):
        await run_for(load, 0.11)
        await trio.sleep(2)
    numbers = [packet.sequence for _, packet in leg.media]
    assert numbers == list(range(len(numbers)))
    assert source.packets == len(numbers)
    assert len(numbers) % 8 != 0


async def test_time_goes_on_while_somebody_else_is_measured(autojump_clock: trio.testing.MockClock) -> None:
    leg = Sent()
    source = publisher(leg, BURST)
    load = Load(source, [Viewer(line(Sent()), source)])
    await run_for(load, 0.01)
    await trio.sleep(3)
    await run_for(load, 0.01)
    stamps = sorted({packet.timestamp for _, packet in leg.media})
    assert stamps[1] - stamps[0] == pytest.approx(90000 * (3.01 + FEEDBACK_INTERVAL), abs=100)


async def test_the_last_packets_are_answered(autojump_clock: trio.testing.MockClock) -> None:
    source, leg = publisher(Sent(), BURST), Sent()
    viewer = Viewer(line(leg), source)
    with trio.move_on_after(0.95):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Load(source, [viewer]).run)
            await trio.sleep(0.94)
            packet = next(source.frame())
            viewer.receive(packet, round(trio.current_time() * 1e9))
    told = [packet for packet in leg.control if isinstance(packet, transportfeedback.TransportFeedback)]
    assert len(told) == 1


async def test_servers_can_read_the_frames(autojump_clock: trio.testing.MockClock) -> None:
    leg = Sent()
    source = publisher(leg, BURST)
    for _ in range(2):
        source.send(list(source.frame()))
    packets = [packet for _, packet in leg.media]
    assert {packet.payload_type for packet in packets} == {VP8_PAYLOAD_TYPE}
    first, second = packets[0], packets[8]
    assert vp8.is_keyframe(first.payload)
    assert vp8.size_of_keyframe(first.payload) == (1280, 720)
    assert not vp8.is_keyframe(second.payload), "only when one is wanted"
    assert vp8.parse(second.payload).picture_id == vp8.parse(first.payload).picture_id + 1  # type: ignore[operator]
    sizes = [len(packet.payload) for packet in packets[:8]]
    assert sizes == sorted(sizes)
    assert sizes[-1] - sizes[0] <= 1, "the packets of a frame differ by an octet at most"
    source.keyframe_wanted = True
    assert vp8.is_keyframe(rtp.parse(next(source.frame())).payload)


async def test_a_viewer_counts_and_tells_what_came(autojump_clock: trio.testing.MockClock) -> None:
    sent, leg = Sent(), Sent()
    source = publisher(sent, BURST)
    viewer = Viewer(line(leg), source)
    source.send(list(source.frame()))
    for _, data in sent.datagrams:
        viewer.receive(data, source.sent_at[0] + 3_000_000)
    assert viewer.packets == 8
    assert viewer.delays == [pytest.approx(0.003, abs=0.002)], f"every {SAMPLED}th is opened"
    viewer.answer(trio.current_time())
    (feedback,) = leg.control
    assert isinstance(feedback, transportfeedback.TransportFeedback)
    assert feedback.media_ssrc == source.ssrc


async def test_a_server_may_number_under_another_id_or_not_at_all(autojump_clock: trio.testing.MockClock) -> None:
    for wanted, told in ((5, 1), (None, 0), (9, 0)):
        leg = Sent()
        viewer = Viewer(line(leg, wanted), publisher(Sent(), BURST))
        packet = rtp.Packet(
            payload_type=96, sequence=1, timestamp=0, ssrc=1, payload=b"\0" * 20, extensions={1: b"0", 5: b"\0\1"}
        )
        viewer.receive(rtp.serialize(packet), 1_000_000_000)
        viewer.answer(trio.current_time())
        assert len(leg.control) == told


async def test_what_cannot_be_read_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    viewer = Viewer(line(Sent()), publisher(Sent(), BURST))
    viewer.receive(b"\x90\x60" + bytes(10) + bytes.fromhex("bedeffff"), 0)  # an extension longer than the packet
    viewer.receive(b"\x80\x60", 0)
    load = Load(viewer.publisher, [viewer])
    assert load.received == 0
    assert load.malformed == 2


async def test_padding_of_a_server_is_not_what_was_published(autojump_clock: trio.testing.MockClock) -> None:
    viewer = Viewer(line(Sent()), publisher(Sent(), BURST))
    short = rtp.serialize(rtp.Packet(payload_type=96, sequence=1, timestamp=0, ssrc=1, payload=bytes(SMALLEST - 1)))
    for _ in range(SAMPLED):
        viewer.receive(short, 0)
    assert viewer.packets == 0
    assert viewer.delays == []


def test_the_shapes_are_those_that_were_asked_for() -> None:
    assert {name: shape.packets_per_second for name, shape in SHAPES.items()} == {
        "typical": 240,
        "heavy": 1080,
        "heavy_50": 870,
        "even": 240,
    }
    assert {name: shape.packets_per_burst for name, shape in SHAPES.items()} == {
        "typical": 8,
        "heavy": 36,
        "heavy_50": 29,
        "even": 1,
    }
    assert [shape.audiences[-1] for shape in SHAPES.values()] == [20, 20, 50, 20]
