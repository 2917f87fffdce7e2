"""Other people's DTLS over a wire that loses, doubles and delays: the handshake takes longer, and ends the same.

`make soak STEM=dtls_bad_wire` takes twenty seeds of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.protocol.association import Connected
from meetref.wire.address import Address
from tests.peers import test_dtls_gnutls as gnutls
from tests.peers import test_dtls_openssl as openssl
from tests.peers.bad_wire import open_bad_wire
from tests.peers.dtls_loop import free_port, open_door, open_program
from tests.peers.dtls_programs import PATIENCE, Role, agrees, meet, say_until

pytestmark = [pytest.mark.slow]

OLDER = {"boringssl": ("12", "X25519:P-256"), "dimpl": ("12",), "pion": ("-", "1200")}
NEWER: dict[str, dict[Role, tuple[str, ...]]] = {
    "boringssl": {"client": ("13",), "server": ("13", "-", "600")},
    "dimpl": {"client": ("13", "-", "mtu=400"), "server": ("13", "p256", "mtu=400")},
    "wolfssl": {"client": ("13", "mlkem"), "server": ("13", "mlkem")},
}
PEERS = {"pion": "pion-dtls"}


def each(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.peer(PEERS.get(name, name), "openssl")) for name in names]


@pytest.mark.soak(ci=2, full=20)
@pytest.mark.spec("dtls/flight-retransmitted", "dtls/last-flight-again", "dtls/any-order")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", each("boringssl", "dimpl", "pion"))
async def test_1_2(tmp_path: Path, name: str, role: Role, seed: int) -> None:
    settings = {"versions": "1.3 preferred", "address_verified": seed % 2 == 0}
    connected, theirs, door = await meet(tmp_path, name, role, *OLDER[name], seed=seed, **settings)
    agrees(connected, theirs, door, "1.2")


@pytest.mark.soak(ci=2, full=20)
@pytest.mark.spec("handshake13/flight-repeated", "handshake13/last-flight-acknowledged", "handshake13/ack-partial")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", each("boringssl", "dimpl", "wolfssl"))
async def test_1_3(tmp_path: Path, name: str, role: Role, seed: int) -> None:
    settings: dict[str, Any] = {"address_verified": seed % 2 == 0}
    if name == "wolfssl" and role == "client":
        settings["maximum_datagram"] = 1700  # its server drops a hello in fragments
    connected, theirs, door = await meet(tmp_path, name, role, *NEWER[name][role], seed=seed, **settings)
    agrees(connected, theirs, door)


@pytest.mark.peer("openssl")
@pytest.mark.soak(ci=2, full=20)
@pytest.mark.spec("dtls/flight-retransmitted", "dtls/last-flight-again")
@pytest.mark.parametrize("role", ["client", "server"])
async def test_openssl(tmp_path: Path, role: Role, seed: int) -> None:
    with trio.fail_after(PATIENCE):
        await meet_openssl(tmp_path, role, seed)


async def meet_openssl(tmp_path: Path, role: Role, seed: int) -> None:
    words = [*openssl.options(tmp_path), "-mtu", "500"]
    if role == "server":
        async with (
            open_door("server", address_verified=seed % 2 == 0) as door,
            open_bad_wire(seed, door.local) as wire,
            open_program(["openssl", "s_client", "-connect", str(wire.address), *words]) as program,
        ):
            assert (await openssl.compare(door, await program.until("Keying material: "))).srtp_profile == 8
            await say_until(door, b"from us\n", lambda: program.until("from us"))
            return
    port = await free_port()
    words += ["-Verify", "1", *(["-listen"] if seed % 2 else [])]
    async with (
        open_program(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *words]) as program,
        open_bad_wire(seed, Address("127.0.0.1", port)) as wire,
    ):
        await program.until("ACCEPT")
        async with open_door("client", remote=wire.address) as door:
            assert (await openssl.compare(door, await program.until("Keying material: "))).srtp_profile == 8
            await say_until(door, b"from us\n", lambda: program.until("from us"))


@pytest.mark.peer("gnutls", "openssl")
@pytest.mark.soak(ci=2, full=20)
@pytest.mark.spec("dtls/flight-retransmitted", "dtls/last-flight-again")
@pytest.mark.parametrize("role", ["client", "server"])
async def test_gnutls(tmp_path: Path, role: Role, seed: int) -> None:
    with trio.fail_after(PATIENCE):
        await meet_gnutls(tmp_path, role, seed)


async def meet_gnutls(tmp_path: Path, role: Role, seed: int) -> None:
    words, log = gnutls.options(tmp_path, gnutls.PRIORITY), tmp_path / "keys"
    if role == "server":
        async with (
            open_door("server", address_verified=seed % 2 == 0) as door,
            open_bad_wire(seed, door.local) as wire,
        ):
            command = ["gnutls-cli", "--insecure", "--no-ca-verification", "--port", str(wire.address.port)]
            async with open_program([*command, *words, "127.0.0.1"]) as program:
                await gnutls.compare(door, await program.until("Key material: "))
                await say_until(door, b"from us\n", lambda: program.until("from us"))
                return
    port = await free_port()
    command = ["gnutls-serv", "--echo", "--require-client-cert", f"--port={port}"]
    async with (
        open_program([*command, *words], SSLKEYLOGFILE=str(log)) as program,
        open_bad_wire(seed, Address("127.0.0.1", port)) as wire,
    ):
        await program.until("UDP Echo Server listening on IPv4")
        async with open_door("client", remote=wire.address) as door:
            connected = await door.until(Connected)
            assert connected.srtp_profile == 1
            await say_until(door, b"from us\n", lambda: door.until(lambda: b"from us" in door.received()))
            assert door.key_log[0] in log.read_text().splitlines()


async def test_the_wire_is_bad() -> None:
    """Of what looks like a handshake some is lost, doubled, late; of what looks like data nothing."""
    family, kind = trio.socket.AF_INET, trio.socket.SOCK_DGRAM
    with trio.fail_after(PATIENCE), trio.socket.socket(family, kind) as server, trio.socket.socket(family, kind) as end:
        await server.bind(("127.0.0.1", 0))
        async with open_bad_wire(0, Address(*server.getsockname()[:2])) as wire:
            for number in range(100):
                await end.sendto(bytes((22, number)), tuple(wire.address))
                await end.sendto(bytes((23, number)), tuple(wire.address))
            arrived: list[bytes] = []
            while sum(wire.counts.values()) < 200 or len(arrived) < 200 - wire.counts["lost"] + wire.counts["doubled"]:
                arrived.append((await server.recvfrom(100))[0])
    handshake = [data[1] for data in arrived if data[0] == 22]
    assert [data[1] for data in arrived if data[0] == 23] == list(range(100))
    assert wire.counts["lost"] > 5
    assert len(handshake) > len(set(handshake))
    assert handshake != sorted(handshake)
