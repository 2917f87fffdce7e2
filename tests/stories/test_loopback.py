"""Two of our agents over real sockets of loopback: how long they take to find each other is printed (`-s`)."""

from __future__ import annotations

from statistics import median

import pytest
import trio

from meetref.protocol.ice import StateChanged
from tests.peers.ice_ends import Ours

RUNS = 20


def is_connected(end: Ours) -> bool:
    return any(isinstance(event, StateChanged) and event.state == "connected" for event in end.events)


async def meet() -> float:
    """Both know each other's candidates at time 0; seconds until both have a nominated pair."""
    sockets = [trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) for _ in range(2)]
    for socket in sockets:
        await socket.bind(("127.0.0.1", 0))
    ends = [Ours(socket, controlling=number == 0) for number, socket in enumerate(sockets)]
    began = trio.current_time()
    ends[0].learn(ends[1].half)
    ends[1].learn(ends[0].half)
    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(end.run_until, lambda: all(map(is_connected, ends)))
    for socket in sockets:
        socket.close()
    return trio.current_time() - began


async def test_two_agents_find_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    took = [await meet() for _ in range(RUNS)]
    with capsys.disabled():
        print(f"\nICE, agent to agent on loopback: {1000 * median(took):.0f} ms in the median of {RUNS}")
    assert len(took) == RUNS
