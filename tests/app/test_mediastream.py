"""Media over TCP at the server's door: a stream becomes a path, and a stream that proves nothing is closed."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from meetref.app.mediastream import PROVEN_WITHIN
from meetref.meeting.up import Up
from meetref.net.virtualhost import VirtualHost
from meetref.protocol import check
from meetref.wire import stun
from meetref.wire.address import Address, StreamAddress
from meetref.wire.framing import Deframer, frame
from tests.stories.people import Meeting, meeting


def question(up: Up, *, password: str | None = None) -> bytes:
    """A check for `up` from whoever is its peer."""
    peer = up.peer.remote_credentials
    assert peer is not None
    ours = check.Credentials(up.peer.credentials.ufrag, password or up.peer.credentials.password)
    return check.request(b"123456789012", check.Question(99, check.Role(True, 1), nominates=False), peer, ours)


async def opened(place: Meeting, host: VirtualHost) -> trio.abc.HalfCloseableStream:
    return await host.open_stream(place.address)


async def answered(stream: trio.abc.ReceiveStream) -> stun.Message:
    deframer = Deframer()
    while octets := await stream.receive_some(4096):
        for data in deframer.feed(octets):
            return stun.parse(data)
    raise AssertionError("the stream ended")


def up_of(place: Meeting, name: str) -> Up:
    [room] = place.server.rooms.rooms.values()
    up = next(person.up for person in room.people.values() if person.person.name == name)
    assert up is not None
    return up


@pytest.mark.spec("ice/tcp-passive", "ice/tcp-framing", "ice/peer-reflexive-remote")
async def test_a_check_over_a_stream_is_answered_there_and_opens_the_path(autojump_clock: MockClock) -> None:
    async with meeting(1) as place:
        await place.join("alice")
        await trio.sleep(2)
        up = up_of(place, "alice")
        host = place.network.host("elsewhere")
        stream = await opened(place, host)
        await stream.send_all(frame(question(up)))
        answer = await answered(stream)
        assert answer.kind is stun.Class.SUCCESS
        [path] = place.server.port.streams
        assert path[0] == StreamAddress(*place.address)
        assert place.server.exchange.knows(path[1])
        assert up.peer.ice.is_valid_path(*path)
        await trio.sleep(3 * PROVEN_WITHIN)
        assert place.server.port.streams, "it is proven, and stays"
        await stream.aclose()
        await trio.sleep(1)
        assert not place.server.port.streams
        assert not place.server.exchange.knows(path[1])
        assert not up.peer.ice.is_valid_path(*path)
        assert up.peer.state == "connected", "the datagrams go on"


@pytest.mark.spec("ice/tcp-passive", "ice/unauthentic-request")
async def test_a_stream_that_proves_nothing_is_closed(autojump_clock: MockClock) -> None:
    async with meeting(1) as place:
        await place.join("alice")
        await trio.sleep(2)
        stream = await opened(place, place.network.host("elsewhere"))
        await stream.send_all(frame(question(up_of(place, "alice"), password="wrong" * 5)))
        before = trio.current_time()
        assert await stream.receive_some(4096) == b""
        assert trio.current_time() - before == pytest.approx(PROVEN_WITHIN, abs=1)
        assert place.server.door.counters["ice-tcp"] == 1
        assert not place.server.port.streams


@pytest.mark.spec("ice/tcp-closed")
async def test_when_its_connection_is_over_the_stream_is_too(autojump_clock: MockClock) -> None:
    async with meeting(1) as place:
        await place.join("alice")
        await trio.sleep(2)
        stream = await opened(place, place.network.host("elsewhere"))
        await stream.send_all(frame(question(up_of(place, "alice"))))
        assert (await answered(stream)).kind is stun.Class.SUCCESS
        place.leave("alice")
        with trio.fail_after(2 * PROVEN_WITHIN + 1):
            while await stream.receive_some(4096):
                pass


async def test_streams_are_offered_where_others_can_reach_them(autojump_clock: MockClock) -> None:
    async with meeting(1) as place:
        client = await place.join("alice")
        await trio.sleep(1)
        assert client.up is not None
        host, port = place.address
        assert StreamAddress(host, port) != Address(host, port)
        offered = [candidate for candidate in place.server.rooms._place.candidates if candidate.transport == "tcp"]
        assert [(each.host, each.port, each.tcp_type) for each in offered] == [(host, port, "passive")]
