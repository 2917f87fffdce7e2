"""Rooms on the virtual network, with people whose WebSocket is a queue."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
import trio.testing

from meetref.app.limits import Places
from meetref.archive.log import EventLog, LogUnavailable, open_log
from meetref.meeting.channel import ChannelClosed
from meetref.meeting.exchange import Exchange
from meetref.meeting.place import Place
from meetref.meeting.room import Rooms
from meetref.net.port import open_port
from meetref.net.virtual import VirtualNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.protocol.dtls_pairs import CERTIFICATES
from tests.protocol.peer_pairs import candidate

M = TypeVar("M")
MINUTES = "minutes"  # the room that they are in here


class Line:
    """A `meeting.channel.Channel`: `heard` is what the client was told."""

    def __init__(self, host: str = "192.0.2.77") -> None:
        self.remote = Address(host, 7)
        self.heard: list[Any] = []
        self.closed: str | None = None
        self._put, self._get = trio.open_memory_channel[signaling.ClientMessage](math.inf)
        self._end = ChannelClosed(True, "over")

    def send(self, message: signaling.ServerMessage) -> None:
        if self.closed is None:
            self.heard.append(message)

    async def drained(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed is not None:
            raise self._end

    async def receive(self) -> signaling.ClientMessage:
        try:
            return await self._get.receive()
        except trio.EndOfChannel:
            raise self._end from None

    def close(self, code: str) -> None:
        if self.closed is None:
            self.closed = code
            self._put.close()

    def says(self, message: signaling.ClientMessage) -> None:
        self._put.send_nowait(message)

    def breaks(self, *, clean: bool = False) -> None:
        self._end = ChannelClosed(clean, "broke")
        self.closed = "broke"
        self._put.close()

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]

    @property
    def codes(self) -> list[str]:
        return [error.code for error in self.of(signaling.Error)]

    @property
    def chat(self) -> list[int]:
        return [message.sequence for message in self.of(signaling.Chat)]

    @property
    def identity(self) -> signaling.Joined:
        return self.of(signaling.Joined)[-1]


class Apart:
    """A log that keeps the minutes beside the room's chat, whose numbers are then 1, 2, 3, ..."""

    def __init__(self, log: Any) -> None:
        self.append, self.read, self.last = log.append, log.read, log.last
        self._log = log

    def note(self, room: str, *entry: Any) -> None:
        self._log.note(MINUTES, *entry)


class Lobby:
    """Rooms, their log and a door to them; `failures` are the exceptions that `attend` let out."""

    def __init__(self, rooms: Rooms, exchange: Exchange, nursery: trio.Nursery, log: EventLog) -> None:
        self.rooms = rooms
        self.log = log
        self.exchange = exchange
        self.nursery = nursery
        self.failures: list[Exception] = []
        self.attending = 0

    def come(self, name: str = "", room: str = "algebra", *, host: str = "192.0.2.77", **more: Any) -> Line:
        line = Line(host)
        if name:
            line.says(signaling.Join(room=room, name=name, **more))
        self.nursery.start_soon(self._attend, line)
        return line

    async def _attend(self, line: Line) -> None:
        self.attending += 1
        try:
            await self.rooms.attend(line)
        except Exception as error:
            self.failures.append(error)
        finally:
            self.attending -= 1
            line.close("attended")

    async def joined(self, name: str, **more: Any) -> Line:
        line = self.come(name, **more)
        await trio.testing.wait_all_tasks_blocked()
        assert line.of(signaling.DownOffer), line.heard
        return line

    def comes_back(self, line: Line, *, secret: str | None = None, last: int = 0) -> Line:
        identity = line.identity
        resume = signaling.Resume(participant=identity.participant, secret=secret or identity.secret)
        return self.come("somebody", room=identity.room, resume=resume, last_sequence=last)

    def people(self, room: str = "algebra") -> list[str]:
        return [person.person.name for person in self.rooms.rooms[room].people.values()]


@asynccontextmanager
async def lobby(*, log: Any = None, handshakes: Places | None = None, **bounds: Any) -> AsyncIterator[Lobby]:
    network = VirtualNetwork(1)
    host = network.host("server")
    async with open_log(":memory:", inline=True, wall_clock=host.wall_clock) as real, trio.open_nursery() as nursery:
        await nursery.start(network.run)
        port = await open_port(host, host.addresses(), 8080)
        exchange = Exchange(port)
        place = Place(
            exchange=exchange,
            certificate=lambda: CERTIFICATES["server"],
            dice=host.dice,
            wall_offset=1e9,
            candidates=tuple(candidate(address) for address in port.locals[:1]),
            may_check=lambda address: True,
            handshakes=handshakes or Places(total=1000, per_source=1000),
        )
        rooms = Rooms(place, log(Apart(real)) if log else Apart(real), log_errors=(LogUnavailable,), **bounds)
        await nursery.start(exchange.run)
        await nursery.start(rooms.run)
        yield Lobby(rooms, exchange, nursery, real)
        nursery.cancel_scope.cancel()
