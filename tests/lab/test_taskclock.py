"""What the instrument counts, and for whom."""

from __future__ import annotations

import time

import pytest
import trio

from meetref.lab.taskclock import LOOP, OTHERS, TaskClock


def burn(seconds: float) -> None:
    """Use CPU time, not time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def steps(count: int, seconds: float) -> None:
    for _ in range(count):
        burn(seconds)
        await trio.lowlevel.checkpoint()


async def test_each_kind_has_what_its_tasks_took() -> None:
    clock = TaskClock({"udp": "packets", "portions": "bandwidth"})
    trio.lowlevel.add_instrument(clock)
    before = time.thread_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(steps, 3, 0.01, name="udp 127.0.0.1:1")
        nursery.start_soon(steps, 2, 0.01, name="udp 127.0.0.1:2")
        nursery.start_soon(steps, 2, 0.01, name="somebody else")
    spent, whole = clock.read(), time.thread_time() - before
    trio.lowlevel.remove_instrument(clock)
    assert list(spent) == ["packets", "bandwidth", OTHERS, LOOP]
    assert 0.05 <= spent["packets"] <= whole - 0.02
    assert spent["bandwidth"] == 0
    assert 0.02 <= spent[OTHERS] <= whole - 0.05
    assert sum(spent.values()) == pytest.approx(whole, abs=0.01)
    assert spent[LOOP] >= 0
