"""A minimal forwarding server on Pion, as a rival of ours: built from lab/pion_sfu, joined by offers over HTTP.

Stands on `lab/goprogram` and `lab/attending`. Specification: lab/pion_sfu/main.go says what it answers.
Leaves out: leaving; connections end with the process. Read next: `lab/livekit.py`.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetref.lab import goprogram
from meetref.lab.attending import Connection
from meetref.lab.child import Child, ChildFailed, open_program
from meetref.lab.leg import HERE

SOURCE = Path(__file__).parent / "pion_sfu"
PATIENCE = 20.0  # seconds for an answer


def why_absent() -> str | None:
    """None when this machine has it, or can build it."""
    return goprogram.why_absent(goprogram.program_of_source(SOURCE))


def make_ready() -> None:
    """Build it, the first time. Raises `CommandFailed`."""
    goprogram.build_source(SOURCE)


class PionDoor:
    """A door (`lab/audience`): the publisher offers, a viewer is offered."""

    host = HERE

    def __init__(self, child: Child, url: str) -> None:
        self.child = child
        self._url = url

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, name="up")
            answer, _ = await self._post("/publish", connection.offer())
            connection.take_answer(answer)
            await connection.connected.wait()
            task_status.started()

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, name="down")
            offer, location = await self._post("/watch", "")
            await self._post(location, connection.answer(offer, 1))
            await connection.connected.wait()
            task_status.started()

    async def _post(self, path: str, text: str) -> tuple[str, str]:
        """What is answered, and its Location. Raises `ChildFailed`."""
        request = urllib.request.Request(self._url + path, text.encode(), {"content-type": "application/sdp"})

        def ask() -> tuple[str, str]:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.read().decode(), answer.headers.get("location", "")

        try:
            return await trio.to_thread.run_sync(ask)
        except urllib.error.HTTPError as error:
            with error:
                raise ChildFailed(
                    f"the {self.child.name} refuses: {error.read(300).decode(errors='replace')}"
                ) from None


@asynccontextmanager
async def open_door() -> AsyncIterator[PionDoor]:
    """Run it until the block ends. Raises `ChildFailed`."""
    async with open_program("pion", [str(goprogram.program_of_source(SOURCE))]) as child:
        yield PionDoor(child, f"http://{HERE}:{(await child.hear())['port']}")
