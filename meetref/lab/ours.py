"""Our own server as a contestant: the process of `lab/served`, and its door.

Stands on `lab/audience` and `lab/attending`. Specification: none, joining is `wire/signaling`.
Leaves out: options of the server; what is measured is what everybody gets. Read next: `lab/served.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetref.lab.attending import Attendant, Connection
from meetref.lab.audience import Audience, open_audience
from meetref.lab.child import Child, open_child
from meetref.lab.contest import Contestant
from meetref.lab.leg import HERE, Legs
from meetref.lab.shape import Shape
from meetref.wire.address import Address

ROOM = "lab"
LEAVING_WITHIN = 60.0  # seconds: whoever leaves a room of hundreds is told to all others


class OurDoor:
    """A door (`lab/audience`): our signaling."""

    host = HERE

    def __init__(self, child: Child, server: Address, audience: Audience, records: bool) -> None:
        self.child = child
        self._server = server
        self._audience = audience
        self._records = records

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        """With a *down* connection as everybody has it, though nobody is to be seen there."""
        attendant = Attendant(self._audience.connection(), connection, "Publisher", records=self._records)
        await attendant.attend(self._audience.network, self._server, ROOM, task_status=task_status)

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        attendant = Attendant(connection, None, f"Viewer {number}")
        await attendant.attend(self._audience.network, self._server, ROOM, task_status=task_status)


@asynccontextmanager
async def open_meeting(
    legs: Legs,
    shape: Shape,
    viewers: int,
    dice: random.Random,
    profile: Path | None = None,
    recordings: Path | None = None,
) -> AsyncIterator[Contestant]:
    """Run our server with this load, and write its `profile` there, and its `recordings`. Raises `ChildFailed`."""
    arguments = [] if profile is None else ["--profile", str(profile)]
    arguments += [] if recordings is None else ["--recordings", str(recordings)]
    async with open_child("server", "meetref.lab.served", *arguments) as child:
        audience, server = Audience(legs), Address(HERE, (await child.hear())["port"])
        door = OurDoor(child, server, audience, recordings is not None)
        async with open_audience(audience, door, shape, viewers, dice) as contestant:
            contestant.port, contestant.tells_parts = server.port, True
            yield contestant
        counters = await child.finish(LEAVING_WITHIN)
        contestant.segments = counters["datagrams_out"] / max(1, counters["send_calls"])
