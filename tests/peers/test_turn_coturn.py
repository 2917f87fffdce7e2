"""Our TURN client with coturn's server: UDP, TCP and TLS, indications and channels, and everything that it refuses."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from meetref.net.datagram import KernelDatagramSocket
from meetref.net.relayed import Over
from meetref.protocol.account import Account
from meetref.protocol.machine import Event, Ignored
from meetref.protocol.turn import Allocated, ChannelBound, Client, Forbidden, Lost, Permitted, State
from meetref.wire.address import Address
from tests.peers.coturn import turnserver
from tests.peers.relayed_talk import PATIENCE, talk

pytestmark = pytest.mark.peer("coturn", "openssl")

ACCOUNT = ("-a", "-u", "alice:wonder", "-r", "example.org", "--allow-loopback-peers")
OVERS: list[Over] = ["udp", "tcp", "tls"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for `localhost`, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command.split(), *more], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def server(pair: tuple[Path, Path]) -> Iterator[Address]:
    with turnserver(*ACCOUNT, tls=pair) as address:
        yield address


@pytest.fixture
def tls(pair: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pair[0])


@pytest.mark.spec("turn/client-requested-transport", "turn/client-send-permitted", "turn/client-data-indication")
@pytest.mark.parametrize("over", OVERS)
async def test_packets_go_through_first_as_indications_then_on_a_channel(
    server: Address, tls: ssl.SSLContext, over: Over
) -> None:
    async with talk(server, over, tls=tls) as talking:
        (allocated,) = talking.of(Allocated)
        assert isinstance(allocated, Allocated)
        check = bytes([0, 1]) + bytes(20)  # looks like STUN: no reason for a channel
        assert await talking.say([check] * 3) == [check] * 3
        assert talking.of(Permitted) == [Permitted("127.0.0.1")]
        assert not talking.of(ChannelBound)
        media = [b"\x80" + bytes(length) for length in range(0, 1200, 7)]
        assert sorted(await talking.say(media)) == sorted(media)
        assert talking.of(ChannelBound) == [ChannelBound(talking.echo.local, 0x4000)]
        assert talking.origins == set(allocated.relayed)
        assert {(each.local, each.remote) for each in talking.heard} == {(allocated.relayed[0], talking.echo.local)}


@pytest.mark.spec("turn/client-channel-data")
@pytest.mark.parametrize("over", OVERS)
async def test_thousands_of_packets_on_a_channel(server: Address, tls: ssl.SSLContext, over: Over) -> None:
    async with talk(server, over, tls=tls) as talking:
        await talking.say([b"\x80hello"])
        await talking.until(lambda: bool(talking.of(ChannelBound)))
        packets = [b"\x80" + number.to_bytes(3, "big") + bytes(number % 1000) for number in range(3000)]
        assert set(await talking.say(packets)) == set(packets)
        assert talking.client.refused == 0


@pytest.mark.spec("turn/client-refusal-told")
@pytest.mark.parametrize("over", OVERS)
async def test_a_wrong_password_is_refused_at_once(server: Address, tls: ssl.SSLContext, over: Over) -> None:
    async with talk(server, over, password="guess", tls=tls) as talking:
        assert talking.events == [Lost("the credentials are wrong", 401)]


@pytest.mark.spec("turn/client-refresh", "turn/client-permission-refresh", "turn/client-channel-refresh")
async def test_it_is_refreshed_for_days_and_a_stale_nonce_is_nobodys_trouble() -> None:
    """The client's clock runs as fast as coturn answers; when a nonce grows old, coturn's own says."""
    with turnserver(*ACCOUNT, "--stale-nonce=1") as address:
        socket = KernelDatagramSocket(Address("127.0.0.1", 0))
        account, now = Account("alice", "wonder"), 0.0
        client = Client(socket.local, address, os.urandom, account)
        client.allocate(now)
        nonces, events = set[str](), list[Event]()
        peer = Address("127.0.0.1", 9)
        with trio.fail_after(PATIENCE):
            while len(nonces) < 3:
                sent = list(client.transmits())
                for datagram in sent:
                    socket.send((datagram.data,), datagram.remote)
                answers = await socket.receive() if sent else []
                while more := socket.poll():
                    answers += more
                for answer in answers:
                    client.receive_datagram(answer, now)
                events += client.events()
                if client.state is State.ALLOCATED and not now:
                    client.bind(peer, now)
                if not sent:
                    nonces.add(account.nonce)
                    now = max(now + 0.001, client.next_timeout())
                    client.handle_timeout(now)
        socket.close()
        # What was sent again, because our clock is so fast, is answered twice.
        happened = [event for event in events if not isinstance(event, Ignored)]
        assert [type(event) for event in happened] == [Allocated, Permitted, ChannelBound]
        assert now > 3600


@pytest.mark.spec("turn/client-family")
async def test_a_second_family_is_had_or_named_as_missing(server: Address) -> None:
    async with talk(server, "udp", family="both") as talking:
        (allocated,) = talking.of(Allocated)
        assert isinstance(allocated, Allocated)
        assert [address.is_ipv6 for address in allocated.relayed] in ([False], [False, True])
        assert await talking.say([b"\x80hello"]) == [b"\x80hello"]


async def test_a_forbidden_peer_is_told(pair: tuple[Path, Path]) -> None:
    with turnserver(*ACCOUNT, "--denied-peer-ip", "127.0.0.66") as address:
        async with talk(address, "udp") as talking:
            talking.relay.send((b"\x80",), Address("127.0.0.66", 9))
            await talking.until(lambda: bool(talking.of(Forbidden)))
            (forbidden,) = talking.of(Forbidden)
            assert isinstance(forbidden, Forbidden)
            assert (forbidden.host, forbidden.code) == ("127.0.0.66", 403)
            assert await talking.say([b"\x80hello"]) == [b"\x80hello"]


@pytest.mark.spec("turn/client-refusal-told")
async def test_a_quota_that_is_used_up_is_told() -> None:
    with turnserver(*ACCOUNT, "--user-quota=1") as address:
        async with talk(address, "udp") as first, talk(address, "udp") as second:
            assert first.of(Allocated)
            (lost,) = second.of(Lost)
            assert isinstance(lost, Lost)
            assert lost.code == 486


@pytest.mark.spec("turn/client-delete")
@pytest.mark.parametrize("over", OVERS)
async def test_a_place_is_given_back(pair: tuple[Path, Path], tls: ssl.SSLContext, over: Over) -> None:
    with turnserver(*ACCOUNT, "--user-quota=1", tls=pair) as address:
        for _ in range(3):
            with trio.fail_after(PATIENCE):  # far less than the ten minutes after which the place would be free anyway
                while not await _allocates(address, over, tls):
                    pass  # coturn counts a place for a moment longer than it keeps it


async def _allocates(address: Address, over: Over, tls: ssl.SSLContext) -> bool:
    async with talk(address, over, tls=tls) as talking:
        return bool(talking.of(Allocated))


async def test_a_server_that_dies_over_tcp_is_noticed() -> None:
    with turnserver(*ACCOUNT) as address:
        async with talk(address, "tcp") as talking:
            assert talking.of(Allocated)
            await talking.say([b"\x80hello"])
            await trio.to_thread.run_sync(_kill, address)
            await talking.until(lambda: bool(talking.of(Lost)))
            assert talking.of(Lost) == [Lost("disconnected", 0)]


def _kill(address: Address) -> None:
    subprocess.run(["fuser", "-k", "-KILL", "-n", "tcp", str(address.port)], check=False, capture_output=True)
