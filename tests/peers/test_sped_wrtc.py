"""libwebrtc (PyPI wrtc) with its handshake inside connectivity checks: both versions, both roles, whoever offers."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import trio

from meetref.net.driver import drive_socket
from meetref.net.network import KernelNetwork
from meetref.protocol import answering, dtls, negotiation, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Event
from meetref.protocol.negotiation import SentTrack, Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

TRIAL = "WebRTC-IceHandshakeDtls"
POST_QUANTUM = "WebRTC-EnableDtlsPqc"
TLS_VERSIONS = {"1.2": "FEFD", "1.3": "FEFC"}
TRACKS = [
    SentTrack(mid="0", kind="audio", ssrc=1, cname="c", stream="s"),
    SentTrack(mid="1", kind="video", ssrc=2, rtx_ssrc=3, cname="c", stream="s"),
]


class Theirs:
    """The program."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._lines = b""

    async def do(self, what: str, **more: str) -> dict[str, Any]:
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
async def theirs(*trials: str) -> AsyncIterator[Theirs]:
    command = [sys.executable, str(Path(__file__).parent / "wrtc_person.py"), *trials]
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False)
        yield Theirs(process := await nursery.start(start))
        process.kill()


class Ours:
    """Our side, on a socket of the loopback."""

    def __init__(
        self, network: KernelNetwork, local: Address, versions: dtls.Versions, role: dtls.Role, *, offers: bool
    ) -> None:
        certificate = Certificate.generate(network.dice, now_wall=network.wall_clock())
        self.peer = Peer(
            controlling=offers, certificate=certificate, dice=network.dice, dtls_role=role, dtls_versions=versions
        )
        self.candidate = Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, local.host, local.port, "host")
        self.peer.add_local_candidate(self.candidate, trio.current_time())
        self.connected = trio.Event()
        self.dtls: dtls.Connected | None = None

    def happened(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.dtls = event.dtls
            self.connected.set()

    def transport(self, setup: Setup) -> Transport:
        own = self.peer.credentials
        return Transport(
            ufrag=own.ufrag, password=own.password, setup=setup, candidates=(self.candidate,), end_of_candidates=True,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            ice_options=negotiation.ICE_OPTIONS,
        )  # fmt: skip

    def describe(self, remote: Transport) -> None:
        now, credentials = trio.current_time(), Credentials(remote.ufrag, remote.password)
        embeds = remote.embeds_handshake
        self.peer.set_remote(Remote(credentials, remote.fingerprints, remote.setup, embeds_handshake=embeds), now)
        for candidate in remote.candidates:
            if candidate.host == "127.0.0.1":
                self.peer.add_remote_candidate(candidate, now)


async def connect(other: Theirs, version: str, role: dtls.Role, *, offers: bool) -> tuple[Ours, dict[str, Any]]:
    """A call in which we have that DTLS role; returns when both are connected."""
    network = KernelNetwork()
    versions: dtls.Versions = "1.3 only" if version == "1.3" else "1.2 only"
    setup: Setup = "active" if role == "client" else "passive"
    socket = await network.open_datagram(Address("127.0.0.1", 0))
    ours = Ours(network, socket.local, versions, role, offers=offers)
    async with trio.open_nursery() as nursery:
        driver = await nursery.start(drive_socket, ours.peer, socket, ours.happened)
        if offers:
            sdp = offering.offer(TRACKS, ours.transport(setup), session_id=1, version=1, setup=setup)
            answer = await other.do("answer", sdp=sdp)
            ours.describe(offering.read_answer(answer["sdp"], TRACKS).remote)
        else:
            offer = answering.read_offer((await other.do("offer"))["sdp"])
            given = answering.answer(offer, ours.transport(setup), session_id=1, version=1)
            ours.describe(given.remote)
            driver.turn(trio.current_time())
            await other.do("accept", sdp=given.sdp)
        driver.turn(trio.current_time())
        with trio.fail_after(10):
            await ours.connected.wait()
            stats = await other.do("stats", until="connected")
        nursery.cancel_scope.cancel()
    socket.close()
    return ours, stats


@pytest.mark.peer("wrtc")
@pytest.mark.spec("sped/confirmed", "sped/data-injected", "sped/acknowledgement-alone", "sped/acknowledgement-checksum")
@pytest.mark.parametrize("offers", [True, False], ids=["we-offer", "they-offer"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_the_handshake_goes_inside_of_checks(version: str, role: dtls.Role, offers: bool) -> None:
    async with theirs(TRIAL, POST_QUANTUM) as other:
        ours, stats = await connect(other, version, role, offers=offers)
    assert ours.dtls is not None
    assert ours.dtls.group == ("X25519MLKEM768" if version == "1.3" else "X25519")
    assert stats["version"] == TLS_VERSIONS[version]
    assert stats["role"] == ("server" if role == "client" else "client")
    assert ours.peer.sped.state in ("confirmed", "pending", "complete")
    assert (ours.peer.sped.carried if role == "client" else ours.peer.sped.received) > 0  # the ClientHello


@pytest.mark.peer("wrtc")
@pytest.mark.spec("sped/options-offered", "sped/fallback-same-octets")
@pytest.mark.parametrize("role", ["client", "server"])
async def test_without_the_trial_it_is_off(role: dtls.Role) -> None:
    async with theirs() as other:
        ours, stats = await connect(other, "1.3", role, offers=True)
    assert stats["version"] == TLS_VERSIONS["1.3"]
    assert ours.peer.sped.state == "off"
    assert ours.peer.sped.carried == ours.peer.sped.received == 0
