"""The whole server dies in mid-conversation, several times: what was acknowledged is there, once, in order."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import trio

from meetref.app.signaling import open_client_channel
from meetref.meeting.channel import ChannelClosed
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.app.serving import ServerProcess, server_process

MESSAGES = 40  # of each writer
IN_FLIGHT = 5  # said and not yet acknowledged
KILLS = 3


class Writer:
    """Says messages under client ids of its own, and says again whatever was not acknowledged when a stream broke."""

    def __init__(self, name: str, server: ServerProcess, progress: Progress) -> None:
        self.name = name
        self.known: list[signaling.Chat] = []
        self.acknowledged: dict[str, int] = {}
        self.breaks = 0
        self._server = server
        self._progress = progress
        self._to_say = [f"{name}-{number}" for number in range(MESSAGES)]

    async def write(self) -> None:
        """Until every message is acknowledged."""
        while len(self.acknowledged) < MESSAGES:
            await self._server.up.wait()
            try:
                await self._converse()
            except (ChannelClosed, OSError):
                self.breaks += 1

    async def _converse(self) -> None:
        async with open_client_channel(KernelNetwork(), self._server.address) as channel:
            channel.send(signaling.Join(room="algebra", name=self.name, last_sequence=len(self.known)))
            waiting = [name for name in self._to_say if name not in self.acknowledged]
            if self.breaks and self.acknowledged:  # a client that missed the answer says it again
                waiting.insert(0, next(reversed(self.acknowledged)))
            unanswered: set[str] = set()
            while len(self.acknowledged) < MESSAGES:
                while waiting and len(unanswered) < IN_FLIGHT:
                    name = waiting.pop(0)
                    unanswered.add(name)
                    channel.send(signaling.SayChat(client_id=name, text=f"text of {name}"))
                    await self._progress.step()
                message = await channel.receive()
                assert not isinstance(message, signaling.Error), message
                if isinstance(message, signaling.Chat):
                    unanswered.discard(message.client_id)
                    self._take(message)
                    await self._progress.step()

    def _take(self, message: signaling.Chat) -> None:
        """Numbers go up by one; an old number is a message that is known, word for word."""
        if message.sequence <= len(self.known):
            assert self.known[message.sequence - 1] == message
        else:
            assert message.sequence == len(self.known) + 1, "a message was missed"
            self.known.append(message)
        if message.client_id.startswith(f"{self.name}-"):
            assert self.acknowledged.setdefault(message.client_id, message.sequence) == message.sequence


class Progress:
    """Counts what is said and heard, and kills the server at seeded moments: before a word gets out or just after."""

    def __init__(self, server: ServerProcess, dice: Random) -> None:
        self._server = server
        self._steps = 0
        self._kills = sorted(dice.sample(range(5, 3 * MESSAGES), KILLS))
        self._pauses = [dice.randrange(60) for _ in self._kills]
        self._killing = trio.Lock()

    async def step(self) -> None:
        self._steps += 1
        if not self._kills or self._steps < self._kills[0]:
            return
        del self._kills[0]
        for _ in range(self._pauses.pop()):
            await trio.lowlevel.checkpoint()  # the server and the disk get on with what they were told
        async with self._killing:
            await self._server.kill()
            await self._server.start()


async def history(server: ServerProcess) -> list[signaling.Chat]:
    """What somebody reads who has never been here."""
    found: list[signaling.Chat] = []
    async with open_client_channel(KernelNetwork(), server.address) as channel:
        channel.send(signaling.Join(room="algebra", name="late"))
        total = None
        while total is None or len(found) < total:
            message = await channel.receive()
            if isinstance(message, signaling.Joined):
                total = message.sequence
            elif isinstance(message, signaling.Chat):
                found.append(message)
    return found


@pytest.mark.soak(ci=2, full=200)
async def test_what_was_acknowledged_outlives_the_server(tmp_path: Path, seed: int) -> None:
    with trio.fail_after(120):
        async with server_process(tmp_path) as server:
            progress = Progress(server, Random(seed))
            writers = [Writer(name, server, progress) for name in ("alice", "bob")]
            async with trio.open_nursery() as nursery:
                for writer in writers:
                    nursery.start_soon(writer.write, name=writer.name)
            stored = await history(server)
            assert server.starts == 1 + KILLS
            assert all(writer.breaks for writer in writers)
    assert [message.sequence for message in stored] == list(range(1, 2 * MESSAGES + 1))
    acknowledged = {name: sequence for writer in writers for name, sequence in writer.acknowledged.items()}
    assert len(acknowledged) == 2 * MESSAGES
    assert {message.client_id: message.sequence for message in stored} == acknowledged
    assert all(message.text == f"text of {message.client_id}" for message in stored)
    for writer in writers:
        assert writer.known == stored[: len(writer.known)]
