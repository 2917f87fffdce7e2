"""A publisher and viewers who join a server, ours or somebody else's, and become its load.

A `Door` is what differs between servers: who carries offers and answers. Everything after that, sockets, ICE, DTLS, the
packets and the viewers' answers, is the same code for all, so that nothing but the server makes a difference.
Stands on `lab/attending` and `lab/load`; the doors are `lab/ours`, `lab/livekit`, `lab/pion` and `lab/janus`.
Specification: docs/measurements.md, "Forwarding". Leaves out: the floor, which nobody joins (`lab/bare`).
Read next: `lab/contest.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from meetref.lab.attending import Connection
from meetref.lab.child import Child, ChildFailed
from meetref.lab.contest import Contestant, warm_up
from meetref.lab.leg import HERE, Legs
from meetref.lab.load import Load, Publisher, Viewer
from meetref.lab.shape import Shape
from meetref.net.network import KernelNetwork
from meetref.protocol.certificate import Certificate

JOIN_WITHIN = 60.0  # seconds
JOINING_AT_ONCE = 8
SAME_FOR_ALL = 3.0
"""Seconds of load after which a server keeps all that it ever will of what is published, for who lost some of it."""


class Door(Protocol):
    """How a server is joined. Both calls report when media can flow, and stay until cancelled.

    `host` is the address of this machine at which the server can be reached.
    """

    child: Child
    host: str

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None: ...
    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None: ...


class Audience:
    """Lets a publisher and viewers in at a door."""

    def __init__(self, legs: Legs) -> None:
        self.network = KernelNetwork()
        self._legs = legs
        self._certificate = Certificate.generate(self.network.dice, now_wall=self.network.wall_clock())

    def connection(self, *, controlling: bool = False, host: str = HERE) -> Connection:
        """One end of a connection; whoever offers is controlling."""
        return Connection(self.network, self._certificate, self._legs, controlling=controlling, host=host)

    async def enter(
        self, nursery: trio.Nursery, door: Door, shape: Shape, viewers: int, dice: random.Random
    ) -> Contestant:
        """All of them, in the background of `nursery`. Raises `ChildFailed`.

        The publisher and one viewer come first: what each further viewer takes of memory is measured from there.
        """
        up = self.connection(controlling=True, host=door.host)
        await _entered(nursery, door, door.publish, up)
        publisher = Publisher(up.line(), up.ssrc, shape, dice)
        up.media = publisher.receive
        load = Load(publisher, [])
        await warm_up(load)  # LiveKit forgets a viewer who comes at the very moment at which a track does
        await self._enter_viewers(nursery, door, load, range(1))
        await warm_up(load, SAME_FOR_ALL)
        memory = door.child.memory_octets()
        await self._enter_viewers(nursery, door, load, range(1, viewers))
        await warm_up(load)
        contestant = Contestant(name=door.child.name, child=door.child, load=load, srtp_profile=up.srtp_profile)
        if viewers > 1:
            contestant.memory_kb_per_viewer = (door.child.memory_octets() - memory) / (viewers - 1) / 1024
        return contestant

    async def _enter_viewers(self, nursery: trio.Nursery, door: Door, load: Load, numbers: range) -> None:
        """A few at once, as people come."""
        places = trio.CapacityLimiter(JOINING_AT_ONCE)

        async def enter(number: int) -> None:
            async with places:
                connection = self.connection(host=door.host)
                await _entered(nursery, door, door.watch, connection, number)
                viewer = Viewer(connection.line(), load.publisher)
                connection.media = viewer.receive
                load.viewers.append(viewer)

        async with trio.open_nursery() as joining:
            for number in numbers:
                joining.start_soon(enter, number)


async def _entered(
    nursery: trio.Nursery, door: Door, enter: Callable[..., Awaitable[None]], *arguments: object
) -> None:
    with trio.move_on_after(JOIN_WITHIN):
        await nursery.start(enter, *arguments)
        return
    raise ChildFailed(f"nobody gets into the {door.child.name} within {JOIN_WITHIN:.0f} seconds")


@asynccontextmanager
async def open_audience(
    audience: Audience, door: Door, shape: Shape, viewers: int, dice: random.Random
) -> AsyncIterator[Contestant]:
    """Let them in at an open door, and out again when the block ends. Raises `ChildFailed`."""
    async with trio.open_nursery() as nursery:
        yield await audience.enter(nursery, door, shape, viewers, dice)
        nursery.cancel_scope.cancel()
