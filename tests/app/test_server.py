"""A whole server on the virtual network: what it opens, what it tells about itself, and that it leaves nothing."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest
import trio
from trio.testing import MockClock

from meetref.app.metrics import render
from meetref.app.server import CannotOpen, Settings, candidates_of, may_check, open_server
from meetref.app.signaling import open_client_channel
from meetref.meeting.channel import ChannelClosed
from meetref.meeting.room import NotAdmitted
from meetref.net.datagram import DatagramSocket
from meetref.net.port import open_port
from meetref.net.virtual import VirtualNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.stories.people import meeting
from tests.stories.test_meeting import until

OWN = frozenset({"9.9.9.9", "127.0.0.1"})
PRIVATE = frozenset({"10.0.0.5", "127.0.0.1"})


@pytest.mark.parametrize(
    ("own", "only_local", "host", "wanted"),
    [
        (OWN, True, "127.0.0.1", True),
        (OWN, True, "9.9.9.9", True),
        (OWN, True, "8.8.8.8", False),
        (OWN, False, "8.8.8.8", True),
        (OWN, False, "2600::1", True),
        (OWN, False, "10.0.0.9", False),  # nobody of ours is in such a network
        (PRIVATE, False, "10.0.0.9", True),
        (PRIVATE, False, "192.168.1.1", True),
        (PRIVATE, False, "10.0.0.5", False),  # ourselves
        (PRIVATE, False, "127.0.0.1", False),
        (PRIVATE, False, "127.0.0.2", False),
        (PRIVATE, False, "::1", False),
        (PRIVATE, False, "169.254.169.254", False),  # where clouds keep their secrets
        (PRIVATE, False, "fe80::1", False),
        (PRIVATE, False, "224.0.0.1", False),
        (PRIVATE, False, "255.255.255.255", False),
        (PRIVATE, False, "0.0.0.0", False),
        (PRIVATE, False, "::", False),
        (PRIVATE, False, "100.100.100.200", False),
        (PRIVATE, False, "fd00:ec2::254", False),
        (OWN, False, "64:ff9b::7f00:1", False),  # the same through NAT64
        (OWN, False, "64:ff9b::a00:1", False),
        (OWN, False, "2002:7f00:1::", False),  # and 6to4
        (OWN, False, "2001::1", False),  # and Teredo
    ],
)
def test_whom_we_check(own: frozenset[str], only_local: bool, host: str, wanted: bool) -> None:
    assert may_check(own, only_local, Address(host, 5000)) is wanted


async def test_candidates_begin_with_what_others_can_reach(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    host = network.host("server", "192.0.2.1", "2001:db8::1")
    port = await open_port(host, host.addresses(), 8080)
    found = list(candidates_of(port, ["203.0.113.5", "192.0.2.1"]))
    assert [candidate.host for candidate in found][:3] == ["203.0.113.5", "192.0.2.1", "2001:db8::1"]
    assert all(ip_address(candidate.host).is_loopback for candidate in found[3:])
    assert {candidate.port for candidate in found} == {8080}
    assert len({candidate.foundation for candidate in found}) == len(found)
    first, last = [[candidate.priority for candidate in some] for some in (found[:3], found[3:])]
    assert len({*first, *last}) == len(found)
    assert min(first) > max(last)
    port.close()


async def test_a_number_that_only_udp_has_not_free_is_no_failure(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = VirtualNetwork(1).host("server")
    open_datagram, taken = host.open_datagram, iter([OSError(errno.EADDRINUSE, "in use")])

    async def open_next(local: Address, *, only_local: bool = False) -> DatagramSocket:
        for problem in taken:
            raise problem
        return await open_datagram(local, only_local=only_local)

    monkeypatch.setattr(host, "open_datagram", open_next)
    async with open_server(host, Settings(listen=(host.addresses()[0],), port=0, inline_log=True)) as server:
        assert server.http_port == server.port.number
    assert (host._sockets, host._listeners) == ({}, {})


async def test_what_cannot_be_opened_is_named_and_nothing_stays_open(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    host = network.host("server")
    here = host.addresses()[0]
    settings = Settings(listen=(here,), port=8080, inline_log=True)
    listener = await host.open_listener(Address(here, 8080))
    with pytest.raises(CannotOpen) as caught:
        async with open_server(host, settings):
            raise AssertionError
    assert caught.value.what == f"TCP port 8080 at {here}"
    await listener.aclose()
    socket = await host.open_datagram(Address(here, 8080))
    with pytest.raises(CannotOpen) as caught:
        async with open_server(host, settings):
            raise AssertionError
    assert caught.value.what == "UDP port 8080"
    socket.close()
    for _ in range(2):
        async with open_server(host, settings) as server:
            assert server.http_port == server.port.number == 8080
    assert (host._sockets, host._listeners) == ({}, {})


async def test_one_number_on_every_address_and_another_for_media(autojump_clock: MockClock) -> None:
    host = VirtualNetwork(1).host("server", "192.0.2.1", "192.0.2.2")
    settings = Settings(listen=("192.0.2.1", "192.0.2.2"), port=0, media_port=9000, inline_log=True)
    async with open_server(host, settings) as server:
        assert {place.port for place in host._listeners} == {server.http_port}
        assert {place.host for place in host._listeners} == {"192.0.2.1", "192.0.2.2"}
        assert server.port.number == 9000
        assert len(host._sockets) == len(host.addresses())


async def test_a_server_that_stops_tells_everybody(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    host, person = network.host("server"), network.host("person")
    async with trio.open_nursery() as world:
        await world.start(network.run)
        settings = Settings(listen=(host.addresses()[0],), port=80, only_local=False, inline_log=True)
        ended = trio.Event()
        heard: list[signaling.ServerMessage] = []

        async def attend() -> None:
            with pytest.raises(ChannelClosed) as closed:  # noqa: PT012
                async with open_client_channel(person, Address(host.addresses()[0], 80)) as channel:
                    channel.send(signaling.Join(room="algebra", name="Ada"))
                    while True:
                        heard.append(await channel.receive())
            assert closed.value.clean
            ended.set()

        async with open_server(host, settings):
            world.start_soon(attend)
            await until(lambda: any(isinstance(message, signaling.DownOffer) for message in heard), 5)
        with trio.fail_after(5):
            await ended.wait()
        world.cancel_scope.cancel()


async def test_who_is_not_admitted_hears_why(autojump_clock: MockClock) -> None:
    def admit(join: signaling.Join) -> None:
        if join.token != "open":
            raise NotAdmitted("This room needs a token.")

    async with meeting(2, admit=admit) as scene:
        host = scene.network.host("stranger")
        async with open_client_channel(host, scene.address) as channel:
            channel.send(signaling.Join(room="algebra", name="Mallory", token="closed"))
            message = await channel.receive()
            assert isinstance(message, signaling.Error)
            assert (message.code, message.message) == ("not-allowed", "This room needs a token.")
        assert not scene.server.rooms.rooms


async def test_metrics_of_a_meeting(autojump_clock: MockClock) -> None:
    async with meeting(3) as scene:
        await scene.join("alice")
        await scene.join("bob", sends=False)
        await until(lambda: scene.server.handshakes.taken == 0, 10)
        text = render(scene.server.families())
        for line in ("meetref_rooms 1", "meetref_people 2", "meetref_connections 3", "meetref_handshakes 0"):
            assert line in text.splitlines()
        assert "alice" not in text, "numbers, no names"
