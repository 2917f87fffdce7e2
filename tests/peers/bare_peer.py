"""A peer without codecs: it takes whatever another implementation sends, or sends it whatever packets it is given.

`protocol/answering` takes what the server handles; here every payload and extension is welcome, to be looked at. Stands
on `tests/peers/whole_peer.py`. Read next: tests/peers/test_media_wrtc.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from meetref.media.reception import Reception
from meetref.net.datagram import DatagramSocket
from meetref.net.driver import Driver, drive_socket
from meetref.net.network import KernelNetwork
from meetref.protocol.certificate import Certificate
from meetref.protocol.description import read_transport
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.peer import Peer, Remote
from meetref.wire import candidate as candidate_lines
from meetref.wire import rtcp, rtp, sdp
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.multiplex import classify_datagram, is_rtcp
from tests.peers.whole_peer import Theirs

SESSION = ("a=group:", "a=extmap-allow-mixed")
KEPT = ("a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:", "a=rtcp-mux", "a=rtcp-rsize", "c=")
HEAD = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
NOTHING = r"\Z."
REPORT_EVERY = 0.2  # seconds


class BarePeer(Peer):
    """`packets` has what came, opened. Its reports pretend that `fraction_lost` of 256 packets were lost."""

    def __init__(self, network: KernelNetwork, socket: DatagramSocket, *, offers: bool) -> None:
        certificate = Certificate.generate(network.dice, now_wall=network.wall_clock())
        super().__init__(certificate=certificate, dice=network.dice, controlling=offers, dtls_role="server")
        self.packets: list[bytes] = []
        self.fraction_lost = 0
        self.offer = ""
        self._arrived, self._connected = trio.Event(), trio.Event()
        self._socket, local = socket, socket.local
        self._candidate = Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, local.host, local.port, "host")
        self.add_local_candidate(self._candidate, trio.current_time())
        self._receptions: dict[int, Reception] = {}

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if classify_datagram(datagram.data[0]) != "rtp":
            super().receive_datagram(datagram, now)
        elif is_rtcp(datagram.data):
            self._note_reports(self.unlock_control(datagram.data), now)
        elif (packet := self.unlock(datagram.data)) is not None:
            self.packets.append(packet)
            self._arrived.set()
            self._arrived = trio.Event()
            _, _, sequence, timestamp, ssrc = rtp.fixed.unpack_from(packet)
            self._receptions.setdefault(ssrc, Reception(90_000)).receive(sequence, timestamp, now)

    def _note_reports(self, octets: bytes | None, now: float) -> None:
        for each in rtcp.parse(octets) if octets else ():
            if isinstance(each, rtcp.SenderReport) and each.ssrc in self._receptions:
                self._receptions[each.ssrc].on_sender_report(each.ntp >> 16 & 0xFFFFFFFF, now)

    def happened(self, event: Event) -> None:
        if self.srtp is not None and self.path is not None:
            self._connected.set()

    async def connected(self) -> None:
        with trio.fail_after(20):
            await self._connected.wait()

    async def report(self) -> None:
        """Receiver reports for ever."""
        while True:
            await trio.sleep(REPORT_EVERY)
            if self.srtp is None or self.path is None or not self._receptions:
                continue
            blocks = [each.report_block(ssrc, trio.current_time()) for ssrc, each in self._receptions.items()]
            for block in blocks:
                block.fraction_lost = self.fraction_lost
                block.cumulative_lost = len(self.packets) * self.fraction_lost // 256  # which libwebrtc goes by
            compound: list[rtcp.Packet] = [rtcp.ReceiverReport(1, blocks), rtcp.named(1, "listener")]
            self._socket.send((self.srtp.lock_control(rtcp.serialize(compound)),), self.path[1])

    def send(self, packet: bytes) -> None:
        """One RTP packet, on the path of now."""
        assert self.srtp is not None
        assert self.path is not None
        self._socket.send((self.srtp.lock(packet),), self.path[1])

    async def until(self, holds: Callable[[list[bytes]], bool], patience: float = 20.0) -> list[bytes]:
        """The packets, once they are as wanted."""
        with trio.fail_after(patience):
            while not holds(self.packets):
                await self._arrived.wait()
        return self.packets

    def answer(self, without: str, more: str) -> str:
        """An answer that takes all of the first section, but the lines that match `without`, and says `more`."""
        lines = self.offer.splitlines()
        section = lines[next(place for place, line in enumerate(lines) if line.startswith("m=")) :]
        head = [*HEAD, *(line for line in lines if line.startswith(SESSION))]
        kept = [line for line in section[1:] if line.startswith(KEPT) and not re.search(without, line)]
        return "\r\n".join(
            [*head, section[0], *kept, *filter(None, [more]), "a=recvonly", *self._transport("passive"), ""]
        )

    def own_offer(self, section: Sequence[str]) -> str:
        """An offer of one section, in which we send."""
        described = [
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            "a=sendonly",
            "a=rtcp-mux",
            *section[1:],
            *self._transport("actpass"),
        ]
        return "\r\n".join([*HEAD, "a=group:BUNDLE 0", section[0], *described, ""])

    def _transport(self, setup: str) -> list[str]:
        return [
            f"a=ice-ufrag:{self.credentials.ufrag}", f"a=ice-pwd:{self.credentials.password}",
            f"a=fingerprint:sha-256 {self.certificate.fingerprint('sha-256')}", f"a=setup:{setup}",
            "a=" + candidate_lines.serialize(self._candidate), "a=end-of-candidates",
        ]  # fmt: skip

    def take(self, description: str, driver: Driver) -> None:
        """The other side's description."""
        session, now = sdp.parse(description), trio.current_time()
        remote = read_transport(session, session.sections)
        self.set_remote(Remote(Credentials(remote.ufrag, remote.password), remote.fingerprints, remote.setup), now)
        for candidate in remote.candidates:
            if candidate.host == "127.0.0.1":
                self.add_remote_candidate(candidate, now)
        driver.turn(now)


@asynccontextmanager
async def _running(*, offers: bool) -> AsyncIterator[tuple[BarePeer, Driver]]:
    network = KernelNetwork()
    socket = await network.open_datagram(Address("127.0.0.1", 0))
    ours = BarePeer(network, socket, offers=offers)
    try:
        async with trio.open_nursery() as nursery:
            driver: Driver = await nursery.start(drive_socket, ours, socket, ours.happened)
            nursery.start_soon(ours.report)
            yield ours, driver
            nursery.cancel_scope.cancel()
    finally:
        socket.close()


@asynccontextmanager
async def listening(
    other: Theirs, without: str = NOTHING, more: str = "", *, fraction_lost: int = 0
) -> AsyncIterator[BarePeer]:
    """A call that the other program offers, and in which it sends; the rest is as in `BarePeer.answer`."""
    async with _running(offers=False) as (ours, driver):
        ours.fraction_lost = fraction_lost
        ours.offer = (await other.do("offer"))["sdp"]
        ours.take(ours.offer, driver)
        await other.do("accept", sdp=ours.answer(without, more))
        yield ours


@asynccontextmanager
async def speaking(other: Theirs, section: Sequence[str]) -> AsyncIterator[BarePeer]:
    """A call that we offer, with that section, and in which we send; it begins when both are connected."""
    async with _running(offers=True) as (ours, driver):
        answer = await other.do("answer", sdp=ours.own_offer(section))
        ours.take(answer["sdp"], driver)
        await ours.connected()
        yield ours
