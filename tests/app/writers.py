"""People who write to a room whose server is killed, or whose log is away, and who remember what was acknowledged.

Read next: tests/app/test_server_killed.py (the server dies), tests/peers/test_kafka.py (the broker does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import trio

from meetref.app.signaling import open_client_channel
from meetref.meeting.channel import ChannelClosed
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.app.serving import ServerProcess

IN_FLIGHT = 5  # said and not yet acknowledged
AT_ONCE, A_SECOND = 100, 25.0  # messages on one connection: some fewer than the server lets through
END = "the end"


class Writer:
    """Says messages under client ids of its own, and again whatever was refused, or not acknowledged before a break."""

    def __init__(self, name: str, count: int, server: ServerProcess, disturbing: Disturbing) -> None:
        self.name = name
        self.known: list[signaling.Chat] = []
        self.acknowledged: dict[str, int] = {}
        self.breaks = 0
        self.refusals = 0
        self._server = server
        self._disturbing = disturbing
        self._to_say = [f"{name}-{number}" for number in range(count)]
        self._by_number: dict[int, signaling.Chat] = {}

    async def write(self) -> None:
        """Until every message is acknowledged."""
        while len(self.acknowledged) < len(self._to_say):
            await self._server.up.wait()
            try:
                await self._converse()
            except (ChannelClosed, OSError):
                self.breaks += 1

    async def _converse(self) -> None:
        async with open_client_channel(KernelNetwork(), self._server.address) as channel:
            last = self.known[-1].sequence if self.known else 0
            channel.send(signaling.Join(room="algebra", name=self.name, last_sequence=last))
            waiting = [name for name in self._to_say if name not in self.acknowledged]
            if self.breaks and self.acknowledged:  # a client that missed the answer says it again
                waiting.insert(0, next(reversed(self.acknowledged)))
            unanswered: set[str] = set()
            pace = Pace()
            while len(self.acknowledged) < len(self._to_say):
                while waiting and len(unanswered) < IN_FLIGHT:
                    name = waiting.pop(0)
                    await trio.sleep_until(pace.next(trio.current_time()))
                    unanswered.add(name)
                    channel.send(signaling.SayChat(client_id=name, text=f"text of {name}"))
                    await self._disturbing.step()
                message = await channel.receive()
                if isinstance(message, signaling.Error):
                    assert message.code == "chat-unavailable", message
                    self.refusals += 1
                    self._disturbing.refused.set()
                    waiting = [*(name for name in self._to_say if name in unanswered), *waiting]
                    unanswered.clear()
                elif isinstance(message, signaling.Chat):
                    unanswered.discard(message.client_id)
                    self._take(message)
                    await self._disturbing.step()

    def _take(self, message: signaling.Chat) -> None:
        """Numbers grow; an old number is a message that is known, word for word."""
        known = self._by_number.setdefault(message.sequence, message)
        assert known == message
        if known is message:
            assert not self.known or message.sequence > self.known[-1].sequence, "a message was missed"
            self.known.append(message)
        if message.client_id.startswith(f"{self.name}-"):
            assert self.acknowledged.setdefault(message.client_id, message.sequence) == message.sequence


class Pace:
    """When the next message may be said. Who was silent has saved up `AT_ONCE`, and no more for a longer silence."""

    def __init__(self) -> None:
        self._earned_at = 0.0

    def next(self, now: float) -> float:
        """One that is said now counts, whenever it may go."""
        self._earned_at = max(self._earned_at, now) + 1 / A_SECOND
        return self._earned_at - AT_ONCE / A_SECOND


class Disturbing:
    """Counts what is said and heard, and does `harm` at seeded moments: before a word gets out or just after.

    `refused` is set when the log did not take something.
    """

    def __init__(self, dice: Random, times: int, among: int, harm: Callable[[], Awaitable[None]]) -> None:
        self.refused = trio.Event()
        self._harm = harm
        self._steps = 0
        self._moments = sorted(dice.sample(range(5, among), times))
        self._pauses = [dice.randrange(60) for _ in self._moments]
        self._harming = trio.Lock()

    async def step(self) -> None:
        self._steps += 1
        if not self._moments or self._steps < self._moments[0]:
            return
        del self._moments[0]
        for _ in range(self._pauses.pop()):
            await trio.lowlevel.checkpoint()  # the server and the disk get on with what they were told
        async with self._harming:
            await self._harm()


async def history(server: ServerProcess) -> list[signaling.Chat]:
    """What somebody reads who has never been here."""
    found: list[signaling.Chat] = []
    async with open_client_channel(KernelNetwork(), server.address) as channel:
        channel.send(signaling.Join(room="algebra", name="late"))
        channel.send(signaling.SayChat(client_id=END, text=END))
        while not found or found[-1].client_id != END:
            message = await channel.receive()
            assert not isinstance(message, signaling.Error), message
            found += [message] if isinstance(message, signaling.Chat) else []
    return found[:-1]


async def write(server: ServerProcess, count: int, disturbing: Disturbing) -> list[Writer]:
    """Two write at once, `count` messages each, until all are acknowledged."""
    writers = [Writer(name, count, server, disturbing) for name in ("alice", "bob")]
    async with trio.open_nursery() as nursery:
        for writer in writers:
            nursery.start_soon(writer.write, name=writer.name)
    return writers


async def check(server: ServerProcess, writers: list[Writer], count: int) -> None:
    """What was acknowledged is there after one more kill, none is lost, and none is there twice."""
    await server.kill()
    await server.start()
    stored = await history(server)
    numbers = [message.sequence for message in stored]
    assert numbers == sorted(set(numbers))
    acknowledged = {name: sequence for writer in writers for name, sequence in writer.acknowledged.items()}
    assert len(acknowledged) == len(stored) == 2 * count
    assert {message.client_id: message.sequence for message in stored} == acknowledged
    assert all(message.text == f"text of {message.client_id}" for message in stored)
    for writer in writers:
        assert writer.known == stored[: len(writer.known)], "a message was missed"
