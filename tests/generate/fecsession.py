"""The story of FEC: one sends VP8 in RED over a long and lossy path, the other computes what was lost.

Two ends without a server, which does not forward FEC, and without encryption, which would add nothing: the sending one
is made of `media/fec` (`Protector`), `media/protection` (`Chooser`) and `wire/red`, the receiving one of `Recoverer`
and `media/reception`. Reports go back, and by them the sender chooses.
Read next: tests/generate/mediasessions.py, tests/generate/sessions.py.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetref.media.clock import middle, round_trip_time, to_ntp
from meetref.media.fec import Protector, Recoverer
from meetref.media.protection import Chooser, Protection
from meetref.media.reception import Reception
from meetref.net.datagram import DatagramSocket
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import WALL_CLOCK_AT_START
from meetref.net.virtuallink import Impairments
from meetref.wire import fec, red, rtcp, rtp
from meetref.wire.address import Address
from meetref.wire.multiplex import is_rtcp
from tests.generate.sessioncamera import FRAME_RATE, parts, recorded
from tests.generate.told import Told

ALICE, BOB = Address("192.0.2.10", 5000), Address("192.0.2.20", 8080)
LONG = Impairments(delay=0.1, loss=0.06)
BACK = Impairments(delay=0.1)
VP8, RED, ULPFEC = 96, 98, 99
"""Payload types; the last one is that of a block in RED."""
LARGEST_PART = 250
TOTAL_BPS = 100_000
"""What Alice may send, protection included."""
STEPS = {"rtp": ("media", "fec/virtual-packets"), "rtcp": ("report", "rtcp/fraction-lost")}
SECONDS = 6.0


class Sending:
    """Alice. What `protection` costs is taken out of the picture: the largest size that leaves room for it is sent."""

    def __init__(self, told: Told, socket: DatagramSocket, ssrc: int, sequence: int) -> None:
        self.protection = Protection(0, 0, "nothing is known")
        self._told = told
        self._socket = socket
        self._ssrc = ssrc
        self._sequence = sequence
        self._protector = Protector()
        self._chooser = Chooser()
        self._rid, self._place = "f", 0
        self._packets = self._octets = 0

    def show(self, number: int) -> None:
        """Send the next picture, and behind it the FEC that is due."""
        picture = recorded(self._rid)[self._place]
        self._place += 1
        payloads = parts(picture.frame, number, LARGEST_PART)
        timestamp = round(number / FRAME_RATE * 90_000)
        for place, payload in enumerate(payloads):
            packet = rtp.serialize(
                rtp.Packet(VP8, self._next(), timestamp, self._ssrc, payload, place == len(payloads) - 1)
            )
            self._send(red.wrap_packet(packet, RED))
            for parity in self._protector.add(packet):
                block = red.serialize(red.Payload(ULPFEC, fec.serialize(parity)))
                self._send(rtp.serialize(rtp.Packet(RED, self._next(), timestamp, self._ssrc, block)))

    def report(self, number: int, now: float) -> None:
        ntp = to_ntp(WALL_CLOCK_AT_START + now)
        sent = rtcp.SenderReport(self._ssrc, ntp, round(now * 90_000), self._packets, self._octets, [])
        self._socket.send((rtcp.serialize([sent, rtcp.named(self._ssrc, "alice")]),), BOB)

    def receive(self, data: bytes, now: float) -> None:
        """A report of Bob's: protect as much as it asks for."""
        blocks = [block for each in rtcp.parse(data) if isinstance(each, rtcp.ReceiverReport) for block in each.blocks]
        for block in blocks:
            took = round_trip_time(
                middle(to_ntp(WALL_CLOCK_AT_START + now)),
                block.last_sender_report,
                block.delay_since_last_sender_report,
            )
            if took is not None:
                self._chooser.on_round_trip(took)
                self._chooser.on_loss(block.fraction_lost / 256, now)
        chosen = self._chooser.choose(now)
        if chosen.row != self.protection.row:
            self.protection, self._protector.row = chosen, chosen.row
            self._resize(chosen)
            self._told.remark("protection", "alice", f"{chosen.reason}; the picture is now {self._rid}")

    def _resize(self, chosen: Protection) -> None:
        rid = next(rid for rid in "fhq" if rate_of(rid) <= chosen.media_bps(TOTAL_BPS))
        if rid != self._rid:
            self._rid, self._place = rid, 0

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def _send(self, packet: bytes) -> None:
        self._packets += 1
        self._octets += len(packet) - rtp.HEADER_SIZE
        self._socket.send((packet,), BOB)


def rate_of(rid: str) -> float:
    """Bits a second of one size, without headers."""
    pictures = recorded(rid)
    return 8 * sum(len(picture.frame) for picture in pictures) * FRAME_RATE / len(pictures)


class Receiving:
    """Bob. What he computes is said on the page."""

    def __init__(self, told: Told, socket: DatagramSocket) -> None:
        self._told = told
        self._socket = socket
        self._recoverer = Recoverer()
        self._reception = Reception(90_000)
        self._ssrc = 0

    def receive(self, data: bytes, now: float) -> None:
        if is_rtcp(data):
            for each in rtcp.parse(data):
                if isinstance(each, rtcp.SenderReport):
                    self._reception.on_sender_report(middle(each.ntp), now)
            return
        packet = rtp.parse(data)
        self._ssrc = packet.ssrc
        self._reception.receive(packet.sequence, packet.timestamp, now)
        for back in computed(self._recoverer, data):
            self._told.remark("computed", "bob", f"number {int.from_bytes(back[2:4])}, {len(back)} octets")

    def report(self, number: int, now: float) -> None:
        block = self._reception.report_block(self._ssrc, now)
        told = rtcp.ReceiverReport(1, [block]), rtcp.named(1, "bob")
        self._socket.send((rtcp.serialize(told),), ALICE)


def computed(recoverer: Recoverer, packet: bytes) -> list[bytes]:
    """Show a packet in RED, media or FEC, to a recoverer; gives what comes back."""
    inside = red.unwrap_packet(packet)
    if inside[1] & 0x7F == ULPFEC:
        return recoverer.receive_parity(fec.parse(rtp.parse(inside).payload), int.from_bytes(inside[8:12]))
    return recoverer.receive(inside)


async def fec_recovery(told: Told, seed: int) -> None:
    seed_trio(seed)
    network = VirtualNetwork(seed)
    told.unprotected, told.steps = True, STEPS
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        alice, bob = (told.know(network.host(name, at.host)) for name, at in (("alice", ALICE), ("bob", BOB)))
        network.connect(alice, bob, LONG, BACK)
        for host in (alice, bob):
            told.watch(host)
        there, here = await alice.open_datagram(ALICE), await bob.open_datagram(BOB)
        ssrc, sequence = int.from_bytes(alice.dice(4)), int.from_bytes(alice.dice(2)) & 0x7FFF
        sending, receiving = Sending(told, there, ssrc, sequence), Receiving(told, here)
        nursery.start_soon(listen, there, sending.receive)
        nursery.start_soon(listen, here, receiving.receive)
        nursery.start_soon(again_and_again, 1.0, 0.5, sending.report)
        nursery.start_soon(again_and_again, 1.0, 1.0, receiving.report)
        nursery.start_soon(again_and_again, 1 / FRAME_RATE, 0.0, lambda number, now: sending.show(number))
        await trio.sleep(SECONDS)
        nursery.cancel_scope.cancel()


async def listen(socket: DatagramSocket, receive: Callable[[bytes, float], None]) -> None:
    while True:
        for datagram in await socket.receive():
            receive(datagram.data, trio.current_time())


async def again_and_again(interval: float, first: float, do: Callable[[int, float], None]) -> None:
    """From `first` on each `interval`; `do` is told how often it was done, and the time."""
    number = 0
    while True:
        await trio.sleep_until(first + number * interval)
        do(number, trio.current_time())
        number += 1
