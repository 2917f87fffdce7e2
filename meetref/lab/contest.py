"""Servers under one load, measured in turns: a shared machine is never the same twice, so each round has them all.

Stands on `lab/load` and `lab/child`; who the contestants are is said in `lab/audience` (ours, and anybody else's that
can be joined) and `lab/bare` (the floor).
Specification: docs/measurements.md, "Forwarding". Leaves out: what is made of the windows.
Read next: `lab/forwarding.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

import trio

from meetref.lab.child import Child, ChildFailed
from meetref.lab.load import Load
from meetref.lab.shape import FRAME_RATE

SETTLE = 15.8125  # frames of load before each window: it begins and ends between two packets, long after a burst
WARM_WITHIN = 20.0  # seconds for everything to come through
LOOK_EVERY = 0.5
COMES_THROUGH = 0.98  # the share of packets


@dataclass(frozen=True, slots=True)
class Window:
    """What one stretch of load cost and brought. `delays` are in seconds."""

    cpu_us_per_packet: float
    packets_per_second: float
    lost_share: float
    delays: list[float]


@dataclass(kw_only=True)
class Contestant:
    """A server in a process of its own, its load, and what was measured so far.

    Known of ours only: `segments`, packets a system call; `memory_kb_per_viewer`, what each further viewer took; the
    TCP `port`; and, because its child `tells_parts` when it is told a line, `parts_us`: what its tasks took of each
    packet in a window of its own, since to look at every task's clock is not free.
    """

    name: str
    child: Child
    load: Load
    srtp_profile: int
    windows: list[Window] = field(default_factory=list)
    segments: float | None = None
    memory_kb_per_viewer: float | None = None
    port: int | None = None
    tells_parts: bool = False
    parts_us: Mapping[str, float] = field(default_factory=dict)

    @property
    def cpu_us(self) -> list[float]:
        """CPU microseconds for each packet that reached a viewer, an entry a round."""
        return [window.cpu_us_per_packet for window in self.windows]

    @property
    def packets_per_second(self) -> float:
        """The median of the rounds."""
        return median(window.packets_per_second for window in self.windows)

    @property
    def lost_percent(self) -> float:
        """Of the worst round."""
        return 100 * max(window.lost_share for window in self.windows)

    @property
    def delay_ms(self) -> tuple[float, float]:
        """The 50th and the 99th percentile of all rounds."""
        cuts = quantiles([delay for window in self.windows for delay in window.delays], n=100, method="inclusive")
        return 1000 * cuts[49], 1000 * cuts[98]

    def ratio_to(self, other: Contestant) -> float:
        """The median of the rounds' ratios of CPU time: each round has its own measurement of the other, next to it."""
        return median(ours / theirs for ours, theirs in zip(self.cpu_us, other.cpu_us, strict=True))


async def measure(contestant: Contestant, seconds: float) -> None:
    """Put the load on, let it settle, and look at the child's clock at both ends of a window. Raises `ChildFailed`."""
    load, child = contestant.load, contestant.child
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        await trio.sleep(SETTLE / FRAME_RATE)
        load.take_delays()
        started, cpu, received, sent = trio.current_time(), child.cpu_seconds(), load.received, load.publisher.packets
        await trio.sleep(round(seconds * FRAME_RATE) / FRAME_RATE)
        cpu, received, sent = child.cpu_seconds() - cpu, load.received - received, load.publisher.packets - sent
        lasted = trio.current_time() - started
        nursery.cancel_scope.cancel()
    delays = load.take_delays()
    if received <= 0 or len(delays) < 2:
        raise ChildFailed(f"nothing comes through the {child.name}")
    lost = max(0.0, 1 - received / (sent * len(load.viewers)))
    contestant.windows.append(Window(1e6 * cpu / received, received / lasted, lost, delays))


async def measure_parts(contestant: Contestant, seconds: float) -> None:
    """The same for what the child's tasks took; it begins to look when it is asked first. Raises `ChildFailed`."""
    load, child = contestant.load, contestant.child
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        await trio.sleep(SETTLE / FRAME_RATE)
        await child.tell("parts")
        before, received = await child.hear(), load.received
        await trio.sleep(round(seconds * FRAME_RATE) / FRAME_RATE)
        received = load.received - received
        await child.tell("parts")
        after = await child.hear()
        nursery.cancel_scope.cancel()
    if received <= 0:
        raise ChildFailed(f"nothing comes through the {child.name}")
    contestant.parts_us = {part: 1e6 * (after[part] - before[part]) / received for part in before}


async def measure_in_turns(contestants: Sequence[Contestant], seconds: float, rounds: int) -> None:
    """So many windows each, and then one for the parts of those who tell them."""
    for _ in range(rounds):
        for contestant in contestants:
            await measure(contestant, seconds)
    for contestant in contestants:
        if contestant.tells_parts:
            await measure_parts(contestant, seconds)


async def warm_up(load: Load, longer: float = 0.0) -> None:
    """Run the load until everything comes through to everybody, for half a second at least, and so many `longer`.

    A server may try the links first, and make whoever comes last wait for a keyframe.
    What still does not after a while is seen in the loss that is measured.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        with trio.move_on_after(WARM_WITHIN):
            share = 0.0
            while share < COMES_THROUGH:
                had, sent = [viewer.packets for viewer in load.viewers], load.publisher.packets
                await trio.sleep(LOOK_EVERY)
                came = [viewer.packets - before for viewer, before in zip(load.viewers, had, strict=True)]
                share = min(came, default=math.inf) / max(1, load.publisher.packets - sent)
        await trio.sleep(longer)
        nursery.cancel_scope.cancel()
