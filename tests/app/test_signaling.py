"""The signaling channel: strict, bounded, alive, and never silent about how it ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from meetref.app import channel as channel_module
from meetref.app.signaling import Channel, ClientChannel, open_client_channel
from meetref.meeting.channel import Channel as MeetingChannel
from meetref.meeting.channel import ChannelClosed
from meetref.net.virtual import VirtualNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.app.doorway import Doorway, open_doorway

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


class Floor:
    """Stands for the meeting: keeps what it hears, and how each channel ended."""

    def __init__(self) -> None:
        self.channels: list[Channel] = []
        self.heard: list[Any] = []
        self.ends: list[tuple[bool, str]] = []
        self.changed = trio.Event()

    async def attend(self, channel: Channel) -> None:
        meeting_channel: MeetingChannel = channel  # the one satisfies the other
        self.channels.append(channel)
        self._tell()
        try:
            while True:
                self.heard.append(await meeting_channel.receive())
                self._tell()
        except ChannelClosed as closed:
            self.ends.append((closed.clean, closed.why))
            self._tell()
            raise

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until_heard(self, count: int) -> None:
        while len(self.heard) < count:
            await self.changed.wait()

    async def until_ended(self) -> tuple[bool, str]:
        while not self.ends:
            await self.changed.wait()
        return self.ends[0]


@asynccontextmanager
async def open_socket(doorway: Doorway) -> AsyncIterator[WebSocketConnection]:
    """A bare WebSocket to the door: a client that may misbehave."""
    async with trio.open_nursery() as nursery:
        stream: Any = await doorway.network.open_stream(doorway.address)
        socket = await wrap_client_stream(nursery, stream, "localhost", "/signal")
        yield socket
        nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)


async def next_but_ping(socket: WebSocketConnection) -> Any:
    while True:
        message = json.loads(await socket.get_message())
        if message["type"] != "ping":
            return message


@pytest.fixture(autouse=True)
async def _not_for_ever() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


async def test_messages_go_both_ways_and_in_order() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway:
        async with open_client_channel(doorway.network, doorway.address) as client:
            said = [signaling.SayChat(client_id=str(number), text="hello") for number in range(50)]
            for message in said:
                client.send(message)
            await floor.until_heard(50)
            assert floor.heard == said
            answers = [signaling.PersonLeft(id=str(number), reason="left") for number in range(50)]
            for answer in answers:
                floor.channels[0].send(answer)
            assert [await client.receive() for _ in answers] == answers
            assert floor.channels[0].remote.host == "127.0.0.1"
        assert (await floor.until_ended())[0] is True


async def test_what_was_sent_before_closing_still_arrives() -> None:
    async def attend(channel: Channel) -> None:
        for number in range(20):
            channel.send(signaling.PersonLeft(id=str(number), reason="left"))
        channel.send(signaling.Error(code="room-full", message="The room is full."))
        channel.close("room-full")
        channel.send(signaling.PersonLeft(id="late", reason="left"))

    async with open_doorway(attend=attend) as doorway:  # noqa: SIM117 (the order in which things end matters)
        async with open_client_channel(doorway.network, doorway.address) as client:
            heard = [await client.receive() for _ in range(21)]
            assert isinstance(heard[-1], signaling.Error)
            for _ in range(2):
                with pytest.raises(ChannelClosed, match="room-full") as closed:
                    await client.receive()
                assert closed.value.clean


async def test_large_messages_count_for_more() -> None:
    """Each description of 200,000 octets costs the server milliseconds; thirty a second would be all it does."""
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        offer = signaling.UpOffer(connection=1, number=1, sdp="v" * 190_000, tracks={})
        for _ in range(6):
            await socket.send_message(signaling.serialize(offer))
        answer = await next_but_ping(socket)
        assert (answer["code"], len(floor.heard)) == ("too-fast", 3)
        for number in range(5):
            await socket.send_message(signaling.serialize(signaling.SayChat(client_id=str(number), text="small")))
        await floor.until_heard(8)


async def test_who_has_much_to_say_waits_until_it_is_taken() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway:
        async with open_client_channel(doorway.network, doorway.address) as client:
            while not floor.channels:
                await floor.changed.wait()
            channel = floor.channels[0]
            for _ in range(20):
                for number in range(200):
                    channel.send(signaling.PersonLeft(id=str(number), reason="left"))
                await channel.drained()
                assert not channel._waiting
                for number in range(200):
                    assert await client.receive() == signaling.PersonLeft(id=str(number), reason="left")
        await floor.until_ended()
        with pytest.raises(ChannelClosed):
            await channel.drained()


async def test_a_server_that_stops_says_goodbye() -> None:
    floor = Floor()
    async with trio.open_nursery() as nursery:
        async with open_doorway(attend=floor.attend) as doorway:
            stream: Any = await doorway.network.open_stream(doorway.address)
            socket = await wrap_client_stream(nursery, stream, "localhost", "/signal")
            while not floor.channels:
                await floor.changed.wait()
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            while True:
                await socket.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1000
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(("code", "clean"), [(1000, True), (1001, True), (1011, False), (4000, False)])
async def test_how_the_client_closed(code: int, clean: bool) -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        await socket.aclose(code, "because")
        assert await floor.until_ended() == (clean, "because")


async def test_a_client_that_vanishes_is_lost() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        await trio.aclose_forcefully(socket._stream)
        assert (await floor.until_ended())[0] is False


@pytest.mark.parametrize(
    ("text", "code", "about"),
    [
        ("{", "malformed", None),
        ("[]", "malformed", None),
        ('{"type": "dance"}', "malformed", "dance"),
        ('{"type": "say", "client_id": "a"}', "malformed", "say"),
        ('{"type": "leave", "extra": 1}', "malformed", "leave"),
        ('{"type": "say", "client_id": "a", "text": "' + "x" * 4001 + '"}', "malformed", "say"),
        ('{"type": 7}', "malformed", None),
        ("[" * 5000, "malformed", None),
        (b"\x00\x01", "malformed", None),
        ('{"type": "say", "text": "' + "x" * 300_000 + '"}', "too-large", None),
        ('{"type": "say", "text": "' + "\N{SNOWMAN}" * 100_000 + '"}', "too-large", None),
    ],
)
async def test_a_wrong_message_is_answered_and_the_connection_lives_on(
    text: str | bytes, code: str, about: str | None
) -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        await socket.send_message(text)
        answer = await next_but_ping(socket)
        assert (answer["type"], answer["code"], answer["about"]) == ("error", code, about)
        assert len(answer["message"]) < 500
        await socket.send_message('{"type": "leave"}')
        await floor.until_heard(1)
        assert floor.heard == [signaling.Leave()]


async def test_a_message_far_too_large_ends_the_connection() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            await socket.send_message("x" * 2_000_000)
            while True:
                await socket.get_message()
        assert closed.value.reason is None or closed.value.reason.code in (1009, 1006)
        assert (await floor.until_ended())[0] is False
        assert floor.heard == []


async def test_too_many_messages_are_dropped_and_one_complaint_a_second_is_made() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        for _ in range(400):
            await socket.send_message('{"type": "leave"}')
        assert (await next_but_ping(socket))["code"] == "too-fast"
        assert 150 <= len(floor.heard) < 350
        assert not floor.ends


async def test_a_flood_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "MAXIMUM_DROPPED", 50)
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, open_socket(doorway) as socket:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            while True:
                await socket.send_message('{"type": "leave"}')
        assert closed.value.reason is not None
        clean, why = await floor.until_ended()
        assert (clean, why) == (False, "far too many messages")
        assert len(floor.heard) < 250


@asynccontextmanager
async def open_virtual(floor: Floor) -> AsyncIterator[tuple[Doorway, Any]]:
    network = VirtualNetwork(7)
    server, client = network.host("server"), network.host("client")
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        at = Address(server.addresses()[0], 8080)
        async with open_doorway(attend=floor.attend, network=server, at=at) as doorway:
            yield doorway, client
        nursery.cancel_scope.cancel()


async def test_a_client_that_answers_pings_stays(autojump_clock: trio.testing.MockClock) -> None:
    floor = Floor()
    async with open_virtual(floor) as (doorway, host):
        async with open_client_channel(host, doorway.address, "server.localhost") as client:
            await trio.sleep(300)
            assert not floor.ends
            client.send(signaling.Leave())
            await floor.until_heard(1)
        assert (await floor.until_ended())[0] is True


async def test_a_client_that_answers_no_ping_is_dead_after_twelve_seconds(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(ClientChannel):
        def _understand(self, text: str | bytes, now: float) -> signaling.ServerMessage | None:
            return None

    monkeypatch.setattr("meetref.app.signaling.ClientChannel", Silent)
    floor = Floor()
    async with open_virtual(floor) as (doorway, host):
        started = trio.current_time()
        async with open_client_channel(host, doorway.address, "server.localhost"):
            clean, why = await floor.until_ended()
            assert (clean, "no sign of life" in why) == (False, True)
            assert 11.9 < trio.current_time() - started < 13


async def test_a_slow_room_is_not_the_clients_death(autojump_clock: trio.testing.MockClock) -> None:
    floor, ends = Floor(), []

    async def attend(channel: Channel) -> None:
        await trio.sleep(60)
        try:
            while True:
                floor.heard.append(await channel.receive())
        except ChannelClosed as closed:
            ends.append((closed.clean, trio.current_time()))

    floor.attend = attend  # type: ignore[method-assign]
    async with open_virtual(floor) as (doorway, host):
        async with open_client_channel(host, doorway.address, "server.localhost") as client:
            for number in range(100):
                client.send(signaling.SayChat(client_id=str(number), text="x"))
            await trio.sleep(100)
            assert len(floor.heard) == 100
            assert ends == []
        await trio.sleep(1)
        assert [clean for clean, _ in ends] == [True]


async def test_a_client_that_takes_nothing_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    floor = Floor()
    async with open_virtual(floor) as (doorway, host):
        stream = await host.open_stream(doorway.address)
        await stream.send_all(HANDSHAKE.format(path="/signal", host="server.localhost", more="").encode())
        while not floor.channels:
            await floor.changed.wait()
        started = trio.current_time()
        message = signaling.Error(code="closing", message="x" * 1000)
        for _ in range(channel_module.MAXIMUM_WAITING + 10):
            floor.channels[0].send(message)
        clean, why = await floor.until_ended()
        assert (clean, why) == (False, "it does not take the messages that are sent to it")
        assert trio.current_time() - started < 1
        await stream.aclose()


async def test_large_messages_count_by_their_size(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "MAXIMUM_WAITING_SIZE", 1000)
    floor = Floor()
    async with open_virtual(floor) as (doorway, host), open_client_channel(host, doorway.address):
        while not floor.channels:
            await floor.changed.wait()
        floor.channels[0].send(signaling.Error(code="closing", message="x" * 2000))
        assert (await floor.until_ended())[0] is False


@pytest.mark.parametrize(
    ("host", "more", "status"),
    [
        ("localhost", "", 101),
        ("localhost:8080", "Origin: http://localhost:8080\r\n", 101),
        ("localhost:8080", "Origin: http://evil.example\r\n", 403),
        ("localhost:8080", "Origin: null\r\n", 403),
        ("evil.example", "Origin: http://evil.example\r\n", 421),
        ("evil.example", "", 421),
    ],
)
async def test_who_may_open_a_channel(host: str, more: str, status: int) -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway:
        stream = await doorway.network.open_stream(doorway.address)
        await stream.send_all(HANDSHAKE.format(path="/signal", host=host, more=more).encode())
        answer = bytes(await stream.receive_some())
        assert int(answer.split(b" ")[1]) == status
        while status == 101 and not floor.channels:
            await floor.changed.wait()
        assert len(floor.channels) == (status == 101)
        await stream.aclose()


async def test_a_handshake_that_is_none() -> None:
    async with open_doorway() as doorway:
        plain = HANDSHAKE.format(path="/signal", host="localhost", more="")
        for wrong in (
            plain.replace("GET", "POST", 1),
            plain.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            plain.replace("Version: 13", "Version: 7"),
        ):
            answer = await doorway.ask(wrong.encode())
            assert answer.split(b" ")[1] in (b"400", b"426")
        assert doorway.door.counters["failed"] == 0


async def test_what_is_no_websocket_after_the_handshake() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway:
        for rubbish in (b"\xff" * 50, b"\x81\x05hello", b"\x8f\x80\x00\x00\x00\x00"):
            floor.ends.clear()
            stream = await doorway.network.open_stream(doorway.address)
            await stream.send_all(HANDSHAKE.format(path="/signal", host="localhost", more="").encode())
            assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 101")
            await doorway.ask(rubbish, stream=stream)
            assert (await floor.until_ended())[0] is False
        assert doorway.door.counters["failed"] == 0


async def test_a_client_hears_why_it_may_not_come_in() -> None:
    async with open_doorway() as doorway:
        with pytest.raises(ChannelClosed, match="421"):
            async with open_client_channel(doorway.network, doorway.address, "evil.example"):
                pass
        with pytest.raises(ChannelClosed, match="404"):
            async with open_client_channel(doorway.network, doorway.address, path="/elsewhere"):
                pass
        nobody = doorway.address
    with pytest.raises(OSError, match=r".*"):
        async with open_client_channel(doorway.network, nobody):
            pass


async def test_a_bug_behind_the_channel_closes_it(caplog: pytest.LogCaptureFixture) -> None:
    async def attend(channel: Channel) -> None:
        await channel.receive()
        raise KeyError("bug")

    async with open_doorway(attend=attend) as doorway:  # noqa: SIM117 (the order in which things end matters)
        async with open_client_channel(doorway.network, doorway.address) as client:
            client.send(signaling.Leave())
            with pytest.raises(ChannelClosed):
                await client.receive()
    assert doorway.door.counters["failed"] == 1
    assert "KeyError" in caplog.text


async def test_a_client_channel_tells_its_end_plainly() -> None:
    async def attend(channel: Channel) -> None:
        await channel.receive()

    async with open_doorway(attend=attend) as doorway:
        with pytest.raises(ChannelClosed):  # noqa: PT012
            async with open_client_channel(doorway.network, doorway.address) as client:
                client.send(signaling.Leave())
                await client.receive()


async def test_patience_ends_also_where_a_flood_lasts_and_some_of_it_is_taken() -> None:
    now = trio.current_time()
    channel = Channel(cast(Any, None), Address("192.0.2.1", 7), trio.CancelScope())
    taken = dropped = 0
    while channel._end is None and dropped < 10 * channel_module.MAXIMUM_DROPPED:
        is_taken = channel._understand('{"type": "leave"}', now) is not None
        taken, dropped, now = taken + is_taken, dropped + (not is_taken), now + 1 / 200
    assert channel._end is not None
    assert channel._end.why == "far too many messages"
    assert taken > 150
    assert dropped < 1.2 * channel_module.MAXIMUM_DROPPED
