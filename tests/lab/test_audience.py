"""Letting a publisher and viewers in: who comes first, how many at once, and a door at which nothing happens."""

from __future__ import annotations

import random
from typing import cast

import pytest
import trio

from meetref.lab.attending import Connection
from meetref.lab.audience import JOINING_AT_ONCE, Audience
from meetref.lab.child import Child, ChildFailed
from meetref.lab.leg import HERE, Legs
from meetref.lab.shape import Shape

SHAPE = Shape(8, (), {})


class FakeChild:
    name = "livekit"

    def __init__(self) -> None:
        self.memory = 1 << 20

    def memory_octets(self) -> int:
        return self.memory


class ClosedDoor:
    """Nobody ever gets in."""

    host = HERE

    def __init__(self) -> None:
        self.child = cast(Child, FakeChild())

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        await connection.run()

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        raise AssertionError("nobody watches what nobody publishes")


async def test_a_door_that_lets_nobody_in(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(ChildFailed, match="nobody gets into the livekit within 60 seconds"):
            await Audience(Legs()).enter(nursery, ClosedDoor(), SHAPE, 3, random.Random(1))
        assert not nursery.child_tasks, "whoever waited at the door is gone"


class Doorkeeper(ClosedDoor):
    """Lets people in after a second, and notes how many waited at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = self.most = 0
        self.order: list[str] = []

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        await self._let_in("publisher", connection, task_status)

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        await self._let_in(f"viewer {number}", connection, task_status)

    async def _let_in(self, name: str, connection: Connection, task_status: trio.TaskStatus[None]) -> None:
        self.order.append(name)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await trio.sleep(1)
        self.waiting -= 1
        cast(FakeChild, self.child).memory += 100 << 10
        task_status.started()
        await connection.run()


async def test_a_few_come_in_at_once(autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "line", lambda connection: None)
    monkeypatch.setattr(Connection, "srtp_profile", 8)

    async def warmed_up(load: object, longer: float = 0.0) -> None:
        pass

    monkeypatch.setattr("meetref.lab.audience.warm_up", warmed_up)
    door = Doorkeeper()
    async with trio.open_nursery() as nursery:
        contestant = await Audience(Legs()).enter(nursery, door, SHAPE, 20, random.Random(1))
        nursery.cancel_scope.cancel()
    assert door.order[:2] == ["publisher", "viewer 0"]
    assert sorted(door.order[2:]) == sorted(f"viewer {number}" for number in range(1, 20))
    assert door.most == JOINING_AT_ONCE
    assert len(contestant.load.viewers) == 20
    assert contestant.memory_kb_per_viewer == 100
