"""A whole WebRTC peer that nobody here wrote, a program that takes lines of JSON, in a call with `protocol/peer`.

The program knows {"do": "offer"}, {"do": "answer", "sdp": ...} and {"do": "accept", "sdp": ...}, and what else its test
asks of it. Our side has a socket of the loopback. `call` is over when its block is.
Read next: tests/peers/wrtc_person.py and tests/peers/native/str0m/src/main.rs, two such programs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from subprocess import PIPE
from typing import Any

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.driver import Driver, drive_socket
from meetref.net.network import KernelNetwork
from meetref.protocol import answering, dtls, negotiation, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.keyschedule import Role
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import SentTrack, Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote
from meetref.wire import rtp
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.multiplex import classify_datagram, is_rtcp


class Theirs:
    """The program."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._lines = b""

    async def do(self, what: str, **more: str | int) -> dict[str, Any]:
        """What it answers to that command."""
        await self._stdin.send_all(json.dumps({"do": what, **more}).encode() + b"\n")
        with trio.fail_after(20):
            while b"\n" not in self._lines:
                some = await self._stdout.receive_some()
                assert some, "the other program ended"
                self._lines += some
        line, _, self._lines = self._lines.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def theirs(*command: str) -> AsyncIterator[Theirs]:
    """That command, running until the block is left."""
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False)
        yield Theirs(process := await nursery.start(start))
        process.kill()


class HearingPeer(Peer):
    """Opens by itself what comes of media; what did not open is counted in `srtp.refused`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._arrived, self.heard = trio.open_memory_channel[rtp.Packet](100)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if classify_datagram(datagram.data[0]) != "rtp":
            super().receive_datagram(datagram, now)
        elif is_rtcp(datagram.data):
            self.unlock_control(datagram.data)
        elif (packet := self.unlock(datagram.data)) is not None:
            self._arrived.send_nowait(rtp.parse(packet))


@dataclass
class Agreed:
    """What the descriptions say of the first section."""

    mid: str
    payload_type: int
    mid_extension: int


class Ours:
    """Our side. `agreed` is there once both descriptions are, `dtls` once both are connected."""

    def __init__(self, network: KernelNetwork, socket: DatagramSocket, **settings: Any) -> None:
        certificate = Certificate.generate(network.dice, now_wall=network.wall_clock())
        self.peer = HearingPeer(certificate=certificate, dice=network.dice, **settings)
        self._socket, local = socket, socket.local
        self._candidate = Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, local.host, local.port, "host")
        self.peer.add_local_candidate(self._candidate, trio.current_time())
        self._connected = trio.Event()
        self.dtls: dtls.Connected | None = None
        self.agreed: Agreed | None = None

    def happened(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.dtls = event.dtls
            self._connected.set()

    async def connected(self) -> dtls.Connected:
        with trio.fail_after(10):
            await self._connected.wait()
        assert self.dtls is not None
        return self.dtls

    def send(self, ssrc: int, payload: bytes) -> None:
        """One RTP packet of the first section, on the path of now."""
        assert self.agreed is not None
        assert self.peer.srtp is not None
        assert self.peer.path is not None
        packet = rtp.Packet(self.agreed.payload_type, 1, 960, ssrc, payload)
        packet.extensions = {self.agreed.mid_extension: self.agreed.mid.encode()}
        self._socket.send((self.peer.srtp.lock(rtp.serialize(packet)),), self.peer.path[1])

    def _transport(self, setup: Setup) -> Transport:
        own = self.peer.credentials
        return Transport(
            ufrag=own.ufrag, password=own.password, setup=setup, candidates=(self._candidate,), end_of_candidates=True,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            ice_options=negotiation.ICE_OPTIONS,
        )  # fmt: skip

    async def offer(self, other: Theirs, tracks: Sequence[SentTrack], setup: Setup, *, both_ways: bool) -> Transport:
        """Their end of the connection, after our offer and their answer."""
        sdp = offering.offer(tracks, self._transport(setup), session_id=1, version=1, setup=setup)
        given = await other.do("answer", sdp=sdp.replace("a=sendonly", "a=sendrecv") if both_ways else sdp)
        answer = offering.read_answer(given["sdp"], tracks)
        first = answer.tracks[0]
        assert first.payload_type is not None
        self.agreed = Agreed(first.mid, first.payload_type, first.extensions[negotiation.MID])
        return answer.remote

    async def answer(self, other: Theirs, setup: Setup, *, both_ways: bool) -> tuple[Transport, str]:
        """Their end of the connection, after their offer, and our answer."""
        offer = answering.read_offer((await other.do("offer"))["sdp"])
        answer = answering.answer(offer, self._transport(setup), session_id=1, version=1)
        first = answer.tracks[0]
        self.agreed = Agreed(first.mid, next(iter(first.codecs)), first.extensions[negotiation.MID])
        return answer.remote, answer.sdp.replace("a=recvonly", "a=sendrecv") if both_ways else answer.sdp

    def describe(self, remote: Transport, *, embeds_handshake: bool) -> None:
        now, credentials = trio.current_time(), Credentials(remote.ufrag, remote.password)
        self.peer.set_remote(
            Remote(credentials, remote.fingerprints, remote.setup, embeds_handshake=embeds_handshake), now
        )
        for candidate in remote.candidates:
            if candidate.host == "127.0.0.1":
                self.peer.add_remote_candidate(candidate, now)


@asynccontextmanager
async def call(
    other: Theirs,
    tracks: Sequence[SentTrack],
    role: Role,
    versions: dtls.Versions,
    *,
    offers: bool,
    both_ways: bool = False,
    believes_in_sped: bool = False,
) -> AsyncIterator[Ours]:
    """A call in which we have that DTLS role, and offer those tracks or answer; when it begins both know each other.

    With `both_ways` the other side may send in what we offer. With `believes_in_sped` we take the other side for one
    that takes the handshake in checks, whatever it says.
    """
    network = KernelNetwork()
    setup: Setup = "active" if role == "client" else "passive"
    socket = await network.open_datagram(Address("127.0.0.1", 0))
    ours = Ours(network, socket, controlling=offers, dtls_role=role, dtls_versions=versions)
    async with trio.open_nursery() as nursery:
        driver: Driver = await nursery.start(drive_socket, ours.peer, socket, ours.happened)
        if offers:
            remote, answer = await ours.offer(other, tracks, setup, both_ways=both_ways), None
        else:
            remote, answer = await ours.answer(other, setup, both_ways=both_ways)
        ours.describe(remote, embeds_handshake=believes_in_sped or remote.embeds_handshake)
        driver.turn(trio.current_time())
        if answer is not None:
            await other.do("accept", sdp=answer)
        yield ours
        nursery.cancel_scope.cancel()
    socket.close()
