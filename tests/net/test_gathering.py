"""Gathering on the virtual network: what is found behind which NAT, what is told of servers of no use, who sends."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from meetref.app.certificates import load_tls, make_self_signed
from meetref.net.gathering import Interfaces, open_gathering
from meetref.net.nat import Behaviour, no_udp, only_https
from meetref.net.news import Found, Seen, Server, Trouble
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from tests.net.relays import NAT_HOST, RELAY_HOST, STUN, TURN, TURN_TCP, TURN_TLS, Place, Told, place, server


async def gather(
    scene: Place, *servers: Server, interfaces: Interfaces = "all", tls: ssl.SSLContext | None = None
) -> Told:
    """Gather until complete, and stop."""
    told = Told()
    async with open_gathering(scene.home, servers, interfaces=interfaces, tls=tls) as gathering:
        await told.until_complete(gathering)
    return told


def address_of(found: Found) -> Address:
    return Address(found.candidate.host, found.candidate.port)


async def test_without_servers_there_are_hosts_at_once(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = await gather(scene)
        assert trio.current_time() == 0
        assert {each.candidate.host for each in told.found} == {"10.0.0.2", "127.0.0.1", "::1"}
        assert all(each.base == address_of(each) and each.candidate.type == "host" for each in told.found)


@pytest.mark.spec("ice/reflexive-candidates", "ice/relayed-candidates")
async def test_behind_a_nat_all_three_kinds_are_found(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = await gather(scene, TURN)
        (host,) = [each for each in told.of("host") if each.base.host == "10.0.0.2"]
        (reflexive,) = told.of("srflx")
        (relayed,) = told.of("relay")
        assert reflexive.candidate.host == NAT_HOST
        assert reflexive.base == host.base
        assert reflexive.candidate.related == host.base
        assert relayed.candidate.host == RELAY_HOST
        assert relayed.base == address_of(relayed)
        assert relayed.candidate.related is not None
        assert relayed.candidate.related[0] == NAT_HOST
        assert host.candidate.priority > reflexive.candidate.priority > relayed.candidate.priority
        assert len({each.candidate.foundation for each in (host, reflexive, relayed)}) == 3
        assert not told.troubles


@pytest.mark.parametrize("servers", [(TURN,), (TURN_TCP,)])
async def test_each_base_sends_and_hears(autojump_clock: MockClock, servers: Sequence[Server]) -> None:
    async with place() as scene:
        told, heard = Told(), list[Datagram]()
        async with open_gathering(scene.home, servers) as gathering:
            gathering.receive = lambda batch, now: heard.extend(batch)
            await told.until_complete(gathering)
            (relayed,) = told.of("relay")
            (host,) = [each for each in told.of("host") if each.base.host == "10.0.0.2"]
            for base in (relayed.base, host.base):
                gathering.send((b"\x80one", b"\x80two"), base, scene.echo)
                await trio.sleep(1)
                gathering.send_datagram(Datagram(b"\x80three", base, scene.echo))
                await trio.sleep(1)
            assert [each.local for each in heard] == [relayed.base] * 3 + [host.base] * 3
            assert {each.data for each in heard[:3]} == {f"from {relayed.base}".encode()}
            assert {each.data.rpartition(b":")[0] for each in heard[3:]} == {f"from {NAT_HOST}".encode()}
            assert all(each.remote == scene.echo for each in heard)
            assert relayed.base in gathering.locals


async def test_without_interfaces_only_relays_are_told(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = await gather(scene, STUN, TURN, TURN_TCP, interfaces="none")
        assert [each.candidate.type for each in told.found] == ["relay", "relay"]
        over_udp, over_tcp = told.found
        assert over_udp.candidate.priority > over_tcp.candidate.priority


async def test_with_default_routes_only_loopback_is_not_told(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = await gather(scene, STUN, interfaces="default-route-only")
        assert [(each.candidate.type, each.candidate.host) for each in told.found] == [
            ("host", "10.0.0.2"),
            ("srflx", NAT_HOST),
        ]


async def test_without_a_nat_a_reflexive_candidate_would_be_the_host_once_more(autojump_clock: MockClock) -> None:
    async with place(behaviour=None) as scene:
        told = await gather(scene, STUN)
        assert not told.of("srflx")
        (seen,) = told.seen
        assert seen.mapped == seen.base


async def test_blocked_udp_is_told_in_words_while_tcp_works(autojump_clock: MockClock) -> None:
    async with place(policy=no_udp) as scene:
        told = await gather(scene, STUN, TURN, TURN_TCP)
        assert trio.current_time() == pytest.approx(39.5 + 0.05)
        assert told.troubles == [
            Trouble(f"stun:{RELAY_HOST}", "udp", "no answer in 39.5 s (asked from 10.0.0.2)"),
            Trouble(f"turn:{RELAY_HOST}", "udp", "no answer in 39.5 s"),
        ]
        assert [each.server for each in told.of("relay")] == [f"turn:{RELAY_HOST}?transport=tcp"]


@pytest.mark.parametrize("text", [f"turn:{RELAY_HOST}", f"turn:{RELAY_HOST}?transport=tcp"])
async def test_a_wrong_password_is_told_in_words(autojump_clock: MockClock, text: str) -> None:
    async with place() as scene:
        told = await gather(scene, server(text, "guess"))
        (trouble,) = told.troubles
        assert (trouble.why, trouble.code) == ("this TURN server refused the password", 401)
        nobody = await gather(scene, Server(server(text).uri))
        assert [each.why for each in nobody.troubles] == ["it wants a user name and a password"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"turn:{RELAY_HOST}:4000?transport=tcp", "nobody listens there"),
        ("turn:nowhere.example.org", "its name is not known"),
        ("turn:[2001:db8::7]", "this machine has no IPv6 address"),
        (f"turns:{RELAY_HOST}?transport=udp", "DTLS to a server is not something we speak"),
    ],
)
async def test_every_failure_has_its_words(autojump_clock: MockClock, text: str, why: str) -> None:
    async with place() as scene:
        told = await gather(scene, server(text))
        assert [each.why for each in told.troubles] == [why]


async def test_a_server_that_does_not_answer_at_all_over_tcp(autojump_clock: MockClock) -> None:
    async with place(policy=lambda header: False) as scene:
        told = await gather(scene, TURN_TCP)
        assert [each.why for each in told.troubles] in (["no answer in 39.5 s"], ["Connection timed out"])


async def test_a_mapping_is_kept_alive_as_long_as_it_is_told(autojump_clock: MockClock) -> None:
    async with place(behaviour=Behaviour(timeout=30, ports="random")) as scene:
        told = Told()
        async with open_gathering(scene.home, [STUN]) as gathering:
            await told.until_complete(gathering)
            with trio.move_on_after(300):
                await told.until_complete(gathering)
        assert len(told.of("srflx")) == 1


async def test_a_mapping_that_changed_is_told_anew(autojump_clock: MockClock) -> None:
    async with place(behaviour=Behaviour(timeout=5, ports="random")) as scene:
        told = Told()
        async with open_gathering(scene.home, [STUN]) as gathering:
            await told.until_complete(gathering)
            with trio.move_on_after(40):
                await told.until_complete(gathering)
        assert len({address_of(each) for each in told.of("srflx")}) == 3


async def test_places_are_given_back_at_the_end(autojump_clock: MockClock) -> None:
    async with place() as scene:
        with trio.CancelScope() as scope:
            told = Told()
            async with open_gathering(scene.home, [TURN, TURN_TCP]) as gathering:
                await told.until_complete(gathering)
                assert len(scene.relay.relayed_sockets) == 2
                scope.cancel()
                await trio.sleep(1)
        await trio.sleep(1)
        assert not scene.relay.relayed_sockets


async def test_a_relay_that_forgets_is_told(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = Told()
        async with open_gathering(scene.home, [TURN_TCP]) as gathering:
            await told.until_complete(gathering)
            (relayed,) = told.of("relay")
            scene.stop_relay.cancel()
            with trio.move_on_after(60):
                await told.until_complete(gathering)
            assert [each.why for each in told.troubles] == ["the connection to it ended"]
            assert relayed.base not in gathering.locals


@pytest.fixture
def pems(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for relay.example.org and its key; made new, since nothing is asked of its octets."""
    certificate, key = make_self_signed(["relay.example.org"], now=time.time())
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path, octets in zip(paths, (certificate, key), strict=True):
        path.write_bytes(octets)
    return paths


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.mark.spec("stun/over-tls")
async def test_over_tls_the_certificate_must_be_for_the_name(
    autojump_clock: MockClock, pems: tuple[Path, Path]
) -> None:
    async with place(policy=lambda header: header.transport == "tcp", tls=load_tls(*pems)) as scene:
        good = await gather(scene, TURN_TLS, server("stuns:relay.example.org"), tls=trusting(pems[0]))
        assert not good.troubles
        assert [each.candidate.type for each in good.found if each.server] == ["relay"]
        assert [(each.server, each.over) for each in good.seen] == [
            ("turns:relay.example.org", "tls"),
            ("stuns:relay.example.org", "tls"),
        ]
        scene.network.names["other.example.org"] = [RELAY_HOST]
        for text, tls in (("turns:other.example.org", trusting(pems[0])), ("turns:relay.example.org", None)):
            told = await gather(scene, server(text), tls=tls)
            (trouble,) = told.troubles
            assert trouble.why.startswith("its certificate is not to be trusted: ")


async def test_plain_tcp_where_tls_is_spoken(autojump_clock: MockClock, pems: tuple[Path, Path]) -> None:
    async with place(policy=only_https) as scene:
        told = await gather(scene, server("turns:relay.example.org:3478"))
        assert len(told.troubles) == 1
        assert not told.of("relay")


async def test_two_servers_that_see_different_things_are_both_told(autojump_clock: MockClock) -> None:
    async with place() as scene:
        told = await gather(scene, STUN, TURN)
        assert {each.server for each in told.seen} == {f"stun:{RELAY_HOST}", f"turn:{RELAY_HOST}"}
        assert all(isinstance(each, Seen) for each in told.seen)
