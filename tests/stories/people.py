"""A server and people on the virtual network: the scenery of the stories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import Client, open_client
from meetref.app.server import Server, Settings, open_server
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.wire import signaling
from meetref.wire.address import Address

PORT = 8080


class Meeting:
    """The network, the server on it, and a nursery in which people live."""

    def __init__(self, network: VirtualNetwork, host: VirtualHost, server: Server, nursery: trio.Nursery) -> None:
        self.network = network
        self.host = host
        self.server = server
        self.nursery = nursery
        self.people: dict[str, Client] = {}
        self.leaving: dict[str, trio.CancelScope] = {}

    @property
    def address(self) -> Address:
        return Address(self.host.addresses()[0], PORT)

    async def join(
        self,
        name: str,
        *,
        room: str = "algebra",
        way: Impairments | None = None,
        sends: bool = True,
        hums: bool = True,
        tells_arrivals: bool = False,
    ) -> Client:
        """Somebody comes in, perhaps again, over their own way to the server, and shows and says something."""
        person = self.network.hosts.get(name) or self.network.host(name)
        if way is not None:
            self.network.connect(person, self.host, way)
        client: Client = await self.nursery.start(self._stay, person, name, room, sends, hums, tells_arrivals)
        return client

    async def _stay(
        self,
        host: VirtualHost,
        name: str,
        room: str,
        sends: bool,
        hums: bool,
        tells_arrivals: bool,
        *,
        task_status: trio.TaskStatus[Client],
    ) -> None:
        behaviour = Behaviour(name=name, light=True)
        microphone, camera = ("on", "on") if sends else ("none", "none")
        join = signaling.Join(room=room, name=name, microphone=microphone, camera=camera)
        with trio.CancelScope() as scope:
            self.leaving[name] = scope
            async with (
                open_client(host, self.address, join, tells_arrivals=tells_arrivals) as client,
                trio.open_nursery() as nursery,
            ):
                self.people[name] = client
                if sends:
                    await client.publish(["microphone", "camera"])
                    nursery.start_soon(show_light, client.senders["camera"], behaviour)
                    if hums:
                        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
                task_status.started(client)
                await trio.sleep_forever()

    def leave(self, name: str) -> None:
        self.leaving.pop(name).cancel()
        del self.people[name]


@asynccontextmanager
async def meeting(seed: int, **settings: object) -> AsyncIterator[Meeting]:
    """A server at `PORT` of a host of its own, in virtual time; every chance comes from `seed`."""
    seed_trio(seed)
    network = VirtualNetwork(seed, tick=0.001)
    async with trio.open_nursery() as world:
        await world.start(network.run)
        host = network.host("server")
        chosen = replace(
            Settings(listen=(host.addresses()[0],), port=PORT, only_local=False, inline_log=True), **settings
        )
        async with open_server(host, chosen) as server, trio.open_nursery() as nursery:
            yield Meeting(network, host, server, nursery)
            nursery.cancel_scope.cancel()
        world.cancel_scope.cancel()
