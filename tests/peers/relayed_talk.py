"""Our TURN client and a peer that echoes, with somebody else's relay between them, on the kernel's sockets.

Stands below the peer tests of TURN. Read next: tests/peers/test_turn_coturn.py.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from meetref.net.datagram import KernelDatagramSocket
from meetref.net.network import KernelNetwork
from meetref.net.relayed import Over, Relay, Target, open_way
from meetref.protocol import turn
from meetref.protocol.account import Account
from meetref.protocol.machine import Datagram, Event
from meetref.wire.address import Address, StreamAddress

PATIENCE = 20.0  # seconds for anything


class Talk:
    """A client on a relay, and an echo behind it."""

    def __init__(self, account: Account, echo: KernelDatagramSocket) -> None:
        self.account = account
        self.echo = echo
        self.events: list[Event] = []
        self.heard: list[Datagram] = []
        self.origins: set[Address] = set()
        self.relay: Relay
        self._stirred = trio.Event()

    @property
    def client(self) -> turn.Client:
        return self.relay.client

    def deliver(self, event: Event) -> None:
        self.events.append(event)
        self._stirred.set()

    def receive(self, batch: list[Datagram], now: float) -> None:
        self.heard.extend(batch)
        self._stirred.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE):
            while not condition():
                self._stirred = trio.Event()
                await self._stirred.wait()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def answer(self) -> None:
        """Echo whatever comes from anybody."""
        while True:
            for datagram in await self.echo.receive():
                self.origins.add(datagram.remote)
                self.echo.send((datagram.data,), datagram.remote)

    async def say(self, packets: list[bytes]) -> list[bytes]:
        """Send packets, a few at a time, and give what came back.

        Servers forget, too: coturn drops what it would have to keep more than 32 KiB of for a client on a stream.
        """
        before = len(self.heard)
        for number, packet in enumerate(packets, 1):
            self.relay.send((packet,), self.echo.local)
            if number % 10 == 0 or number == len(packets):
                await self._until_heard(before + number)
        return [datagram.data for datagram in self.heard[before:]]

    async def _until_heard(self, count: int) -> None:
        await self.until(lambda: len(self.heard) >= count)


@asynccontextmanager
async def talk(
    server: Address,
    over: Over,
    *,
    password: str = "wonder",
    family: turn.Family = "ipv4",
    lifetime: float | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Talk]:
    """Alice asks `server` for a place."""
    place = server if over == "udp" else StreamAddress(*server)
    network = KernelNetwork()
    account = Account("alice", password)
    async with (
        _echo(network) as echo,
        open_way(network, Target(place, over, "localhost"), server.host, tls) as socket,
    ):
        reliable = over != "udp"
        client = turn.Client(
            socket.local, place, os.urandom, account, reliable=reliable, family=family, lifetime=lifetime
        )
        talking = Talk(account, echo)
        talking.relay = Relay(client, socket, talking.receive, talking.deliver)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talking.relay.run, name="relay")
            nursery.start_soon(talking.answer, name="echo")
            await talking.until(lambda: bool(talking.events))
            yield talking
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _echo(network: KernelNetwork) -> AsyncIterator[KernelDatagramSocket]:
    socket = await network.open_datagram(Address("127.0.0.1", 0))
    try:
        yield socket
    finally:
        socket.close()
