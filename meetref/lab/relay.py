"""What does it cost to relay a packet? CPU time of our relay, and of coturn, for each packet of the same load.

Clients send bursts like a video's to a peer each and get as many back, over real sockets on loopback. Both servers are
measured in one run and in turns, because a shared machine is never the same twice. What waking up costs is shared by a
burst: the longer it is, the better for us, and so there are several loads.
Stands on `lab/lodger` (the load), `lab/relayserved` and `lab/coturn` (the two processes).
Specification: docs/measurements.md. Leaves out: how much one core can carry; this is the cost at a given load.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.lab import coturn
from meetref.lab.child import Child, ChildFailed, open_child
from meetref.lab.leg import HERE
from meetref.lab.lodger import Lodger
from meetref.lab.report import Report
from meetref.wire.address import Address

GOAL = 0.8
FRAME_RATE = 30
SIZES = (1100, 1180)  # octets of a packet, drawn for each frame; the last one of a frame is shorter
SETTLE = 0.5  # seconds of load before each measurement


@dataclass(frozen=True)
class Shape:
    """`packets` a burst; `joined`: they arrive as a network card hands over a burst, else one by one."""

    packets: int
    joined: bool
    by_channel: bool = True


SHAPES = {
    "heavy": Shape(36, joined=True),  # a shared screen, or what a server sends to a viewer of many
    "typical": Shape(8, joined=True),  # one camera
    "single": Shape(8, joined=False),
    "indications": Shape(36, joined=True, by_channel=False),
}
MAIN = "heavy"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure."""

    clients: int
    seconds: float
    rounds: int
    seed: int
    shapes: tuple[str, ...]
    against: str | None
    profile: Path | None = None


@dataclass(kw_only=True)
class Result:
    """One shape of the load. Each list has an entry a round."""

    shape: str
    ours_us: list[float] = field(default_factory=list)
    coturn_us: list[float] = field(default_factory=list)
    packets_per_second: list[float] = field(default_factory=list)
    lost_share: list[float] = field(default_factory=list)
    coturn_lost_share: list[float] = field(default_factory=list)
    segments: float = 0.0

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: each round has its own coturn, measured next to it."""
        return median(ours / theirs for ours, theirs in zip(self.ours_us, self.coturn_us, strict=True))

    def figures(self) -> dict[str, float]:
        suffix = "" if self.shape == MAIN else f"_{self.shape}"
        figures = {
            "cpu_us_per_relayed_packet": median(self.ours_us),
            "relayed_packets_per_second": median(self.packets_per_second),
            "segments_per_send": self.segments,
            "lost_percent": 100 * max(self.lost_share),
        }
        if self.coturn_us:
            figures["coturn_cpu_us_per_relayed_packet"] = median(self.coturn_us)
            figures["ratio_to_coturn"] = self.ratio
            figures["coturn_lost_percent"] = 100 * max(self.coturn_lost_share)
        return {name + suffix: round(value, 4) for name, value in figures.items()}


@dataclass(slots=True)
class Load:
    """All clients of one server."""

    lodgers: list[Lodger]
    dice: Random
    shape: Shape
    sent: int = 0

    @property
    def received(self) -> int:
        return sum(lodger.at_peer + lodger.at_client for lodger in self.lodgers)

    async def run(self) -> None:
        """A frame of each client and of each peer, thirty times a second, spread over the time between."""
        turns = [turn for lodger in self.lodgers for turn in (lodger.send_to_peer, lodger.send_to_client)]
        next_at = trio.current_time()
        while True:
            for send in turns:
                size = self.dice.randint(*SIZES)
                send([bytes(size)] * (self.shape.packets - 1) + [bytes(size - 300)], self.shape.joined)
                self.sent += self.shape.packets
                next_at += 1 / FRAME_RATE / len(turns)
                await trio.sleep_until(next_at)


async def _open_load(nursery: trio.Nursery, server: Address, plan: Plan, shape: Shape) -> Load:
    dice = Random(plan.seed)
    lodgers = [Lodger(server, dice, by_channel=shape.by_channel) for _ in range(plan.clients)]
    for lodger in lodgers:
        await nursery.start(lodger.run, name="lodger")
    return Load(lodgers, dice, shape)


async def _measure(load: Load, child: Child, seconds: float) -> tuple[float, float, float]:
    """CPU microseconds a packet, packets a second, and the share that was lost."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        await trio.sleep(SETTLE)
        at, cpu, received, sent = trio.current_time(), child.cpu_seconds(), load.received, load.sent
        await trio.sleep(seconds)
        cpu, received, sent = child.cpu_seconds() - cpu, load.received - received, load.sent - sent
        lasted = trio.current_time() - at
        nursery.cancel_scope.cancel()
    if not received:
        raise ChildFailed(f"nothing comes through the {child.name}")
    await trio.sleep(0.1)
    return 1e6 * cpu / received, received / lasted, max(0.0, 1 - received / sent)


async def run_shape(plan: Plan, shape: str) -> Result:
    """Measure one shape of the load. Raises `ChildFailed`."""
    result = Result(shape=shape)
    profile = () if plan.profile is None else (str(plan.profile),)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(open_child("relay", "meetref.lab.relayserved", *profile))
        our_address = Address(HERE, (await ours.hear())["port"])
        theirs = None
        if plan.against is not None:
            theirs, their_address = await stack.enter_async_context(coturn.open_coturn())
            await trio.sleep(1.0)
        nursery = await stack.enter_async_context(trio.open_nursery())
        load = await _open_load(nursery, our_address, plan, SHAPES[shape])
        their_load = None if theirs is None else await _open_load(nursery, their_address, plan, SHAPES[shape])
        for _ in range(plan.rounds):
            cost, rate, lost = await _measure(load, ours, plan.seconds)
            result.ours_us.append(cost)
            result.packets_per_second.append(rate)
            result.lost_share.append(lost)
            if theirs is not None and their_load is not None:
                cost, _, lost = await _measure(their_load, theirs, plan.seconds)
                result.coturn_us.append(cost)
                result.coturn_lost_share.append(lost)
        counters = await ours.finish()
        result.segments = counters["datagrams_out"] / max(1, counters["send_calls"])
        nursery.cancel_scope.cancel()
    return result


async def run_plan(plan: Plan) -> list[Result]:
    """One run for each shape, one after the other."""
    return [await run_shape(plan, shape) for shape in plan.shapes]


def show(results: list[Result], plan: Plan) -> None:
    """A table and a verdict."""
    print("load         packets/s  us/packet  coturn us  ratio  a send  lost  coturn lost")
    for result in results:
        theirs = f"{median(result.coturn_us):9.2f}  {result.ratio:5.2f}" if result.coturn_us else "        -      -"
        lost = f"{100 * max(result.coturn_lost_share):3.1f} %" if result.coturn_us else "-"
        print(
            f"{result.shape:11}  {median(result.packets_per_second):9.0f}  {median(result.ours_us):9.2f}  {theirs}"
            f"  {result.segments:6.2f}  {100 * max(result.lost_share):3.1f} %  {lost}"
        )
    if results[0].coturn_us:
        verdict = "reached" if results[0].ratio <= GOAL else "not reached"
        print(
            f"Under {results[0].shape} load of {plan.clients} clients our relay takes {results[0].ratio:.2f} times"
            f" coturn's CPU time; the goal, at most {GOAL}, is {verdict}."
        )


def report_of(plan: Plan, results: list[Result]) -> Report:
    """The figures of heavy load have plain names, those of other shapes say which."""
    figures: dict[str, float] = {}
    for result in results:
        figures |= result.figures()
    return Report(
        lab="relay",
        seed=plan.seed,
        settings={
            "against": plan.against,
            "clients": plan.clients,
            "seconds_a_window": plan.seconds,
            "rounds": plan.rounds,
            "bursts_per_second": plan.clients * 2 * FRAME_RATE,
            "packets_per_burst": {result.shape: SHAPES[result.shape].packets for result in results},
        },
        figures=figures,
        series={f"cpu_us_{result.shape}": result.ours_us for result in results}
        | {f"coturn_cpu_us_{result.shape}": result.coturn_us for result in results},
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab relay`."""
    parser.add_argument("--quick", action="store_true", help="a look within 15 seconds: heavy load only, short windows")
    parser.add_argument("--against", choices=("coturn",), help="measure this server in the same run")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sizes of the packets (1)")
    parser.add_argument("--clients", type=int, default=12, metavar="N", help="clients with a peer each (12)")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one window (3)")
    parser.add_argument("--rounds", type=int, metavar="R", help="windows of each server, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile our relay, which slows it")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    seconds = arguments.seconds if arguments.seconds is not None else (1.0 if arguments.quick else 3.0)
    rounds = arguments.rounds if arguments.rounds is not None else (2 if arguments.quick else 5)
    if not 1 <= arguments.clients <= 100 or not 0.2 <= seconds <= 60 or not 1 <= rounds <= 50:
        raise CommandFailed(
            "--clients go from 1 to 100, --seconds from 0.2 to 60, --rounds from 1 to 50", Exit.WRONG_COMMAND_LINE
        )
    return Plan(
        clients=arguments.clients,
        seconds=seconds,
        rounds=rounds,
        seed=arguments.seed,
        shapes=(MAIN,) if arguments.quick else tuple(SHAPES),
        against=arguments.against,
        profile=arguments.profile,
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    if not sys.platform.startswith("linux"):
        raise CommandFailed("this lab reads the CPU clock of another process, which only Linux has", Exit.UNSUPPORTED)
    plan = plan_of(arguments)
    if plan.against == "coturn" and not coturn.is_there():
        raise CommandFailed("there is no program turnserver on the PATH (apt install coturn)", Exit.UNSUPPORTED)
    try:
        results = trio.run(run_plan, plan)
    except* ChildFailed as failed:
        raise CommandFailed(str(first_error(failed))) from None
    show(results, plan)
    if arguments.json is not None:
        report_of(plan, results).write(arguments.json)
    return Exit.DONE
