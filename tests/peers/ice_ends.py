"""Both ends of an ICE path over real loopback sockets: our agent in the simplest loop there is, and another's program.

The program speaks JSON lines: out its credentials and candidates, then `connected`; in ours. It echoes what it gets.
Stands below `test_ice_aioice.py` and `test_ice_pion.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import Any

import trio

from meetref.protocol import ice
from meetref.protocol.candidacy import Candidacy
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram, Event
from meetref.wire import candidate as candidates
from meetref.wire.address import Address


class Ours:
    """Our agent, full or lite, with a socket on the loopback."""

    def __init__(self, socket: trio.socket.SocketType, *, controlling: bool, lite: bool = False) -> None:
        self.socket = socket
        self.local = Address(*socket.getsockname())
        credentials = ice.make_credentials(os.urandom)
        self.agent: ice.Agent | LiteAgent = (
            LiteAgent(credentials=credentials, dice=os.urandom)
            if lite
            else ice.Agent(controlling=controlling, credentials=credentials, dice=os.urandom)
        )
        self.candidate = Candidacy([self.local.host]).host(self.local)
        self.agent.add_local_candidate(self.candidate, trio.current_time())
        self.heard: list[bytes] = []
        self.events: list[Event] = []

    @property
    def half(self) -> dict[str, Any]:
        own = self.agent.credentials
        return {"ufrag": own.ufrag, "password": own.password, "candidates": [self._text]}

    @property
    def _text(self) -> str:
        return candidates.serialize(self.candidate).removeprefix("candidate:")

    def learn(self, half: dict[str, Any], *, lite: bool = False) -> None:
        now = trio.current_time()
        for text in half["candidates"]:
            self.agent.add_remote_candidate(candidates.parse(text), now)
        self.agent.set_remote_credentials(ice.Credentials(half["ufrag"], half["password"]), now, lite=lite)

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Receive, keep time and flush until something holds."""
        with trio.fail_after(10):
            while not condition():
                await self._flush()
                patience = max(self.agent.next_timeout() - trio.current_time(), 0)
                with trio.move_on_after(min(patience, 0.05)):
                    data, source = await self.socket.recvfrom(2048)
                    self._receive(data, Address(*source))
                if self.agent.next_timeout() <= trio.current_time():
                    self.agent.handle_timeout(trio.current_time())
            await self._flush()

    def _receive(self, data: bytes, source: Address) -> None:
        if data[0] < 4:
            self.agent.receive_datagram(Datagram(data, self.local, source), trio.current_time())
        elif self.agent.is_valid_path(self.local, source):
            self.heard.append(data)

    async def _flush(self) -> None:
        self.events += self.agent.events()
        for datagram in self.agent.transmits():
            await self.socket.sendto(datagram.data, datagram.remote)

    async def say(self, data: bytes) -> None:
        assert self.agent.selected is not None
        await self.socket.sendto(data, self.agent.selected.remote)


class Theirs:
    """The other agent in its process."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._lines = b""

    async def read(self) -> dict[str, Any]:
        while b"\n" not in self._lines:
            more = await self._stdout.receive_some()
            assert more, "the other program ended"
            self._lines += more
        line, _, self._lines = self._lines.partition(b"\n")
        return dict(json.loads(line))

    async def tell(self, half: dict[str, Any]) -> None:
        await self._stdin.send_all(json.dumps(half).encode() + b"\n")


@asynccontextmanager
async def both(command: list[str], *, we_control: bool, lite: bool = False) -> AsyncIterator[tuple[Ours, Theirs]]:
    """Our end, and the program that `command` starts."""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(_run, command)
        socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        with socket:
            await socket.bind(("127.0.0.1", 0))
            yield Ours(socket, controlling=we_control, lite=lite), Theirs(process)
        nursery.cancel_scope.cancel()


async def _run(command: list[str], *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(command, stdin=PIPE, stdout=PIPE, task_status=task_status, check=False)


async def talk(ours: Ours, theirs: Theirs) -> None:
    """Connect, let the other say so too, and have a few packets echoed."""
    said: list[dict[str, Any]] = []

    async def listen() -> None:
        said.append(await theirs.read())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await ours.run_until(lambda: ours.agent.state == "connected" and bool(said))
    assert said[0]["connected"]
    assert said[0]["controlling"] is not ours.agent.controlling
    for number in range(3):
        await ours.say(b"\x80packet %d" % number)
    await ours.run_until(lambda: len(ours.heard) == 3)
    assert ours.heard == [b"\x80packet 0", b"\x80packet 1", b"\x80packet 2"]
    assert [type(event) for event in ours.events].count(ice.PairSelected) == 1
