"""What does it cost to forward a packet? CPU time of the server for each packet that reaches a viewer, and its delay.

One publisher sends 240 packets a second in bursts of 8 (720p-like video) to N viewers, over real sockets on loopback,
with everything on. In the same run the same load goes through the floor (`lab/floor`), the least that forwarding can
cost; `times_floor` is the distance. Both are measured in turns, because a shared machine is never the same twice.
Stands on `lab/load` (the load), `lab/attending` (joining), `lab/served` and `lab/floor` (the two processes).
Specification: docs/measurements.md. Leaves out: how much one core can carry; this is the cost at a given load.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import trio

from meetref.app.command import CommandFailed, Exit
from meetref.lab.attending import Attendant
from meetref.lab.child import Child, ChildFailed, open_child
from meetref.lab.floor import BareLocks
from meetref.lab.leg import HERE, Leg, Receive
from meetref.lab.load import FRAME_RATE, PACKETS_PER_FRAME, Line, Load, Publisher, Viewer
from meetref.lab.report import Report
from meetref.net.network import KernelNetwork
from meetref.protocol.certificate import Certificate
from meetref.protocol.srtp import PROFILE_NAMES
from meetref.wire.address import Address

GOAL = 2.5
ROOM = "lab"
MAXIMUM_VIEWERS = 90  # a room holds a hundred
SETTLE = 15.5  # frames of load before each measurement, which begins and ends between two bursts
KEY_OCTETS = {0x0007: 16, 0x0008: 32}
SALT_OCTETS = 12


@dataclass(kw_only=True)
class Result:
    """One number of viewers. Each list has an entry a round; `delays` are all that were measured, in seconds."""

    viewers: int
    profile: str = ""
    server_us: list[float] = field(default_factory=list)
    floor_us: list[float] = field(default_factory=list)
    packets_per_second: list[float] = field(default_factory=list)
    lost_share: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    floor_delays: list[float] = field(default_factory=list)
    segments: float = 0.0
    floor_segments: float = 0.0

    @property
    def times_floor(self) -> float:
        """The median of the rounds' ratios: each round has its own floor, measured next to it."""
        return median(server / floor for server, floor in zip(self.server_us, self.floor_us, strict=True))

    def figures(self) -> dict[str, float]:
        cost = median(self.server_us)
        p50, p99 = percentiles(self.delays)
        floor_p50, floor_p99 = percentiles(self.floor_delays)
        figures = {
            "cpu_us_per_forwarded_packet": cost,
            "floor_us": median(self.floor_us),
            "times_floor": self.times_floor,
            "forwarded_packets_per_second": median(self.packets_per_second),
            "forwarded_packets_per_second_per_core": 1e6 / cost,
            "added_delay_ms_p50": p50,
            "added_delay_ms_p99": p99,
            "floor_delay_ms_p50": floor_p50,
            "floor_delay_ms_p99": floor_p99,
            "segments_per_send": self.segments,
            "floor_segments_per_send": self.floor_segments,
            "lost_percent": 100 * max(self.lost_share),
        }
        return {name: round(value, 4) for name, value in figures.items()}


def percentiles(delays: list[float]) -> tuple[float, float]:
    """The 50th and the 99th, in milliseconds."""
    cuts = quantiles(delays, n=100, method="inclusive")
    return 1000 * cuts[49], 1000 * cuts[98]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure."""

    viewers: tuple[int, ...]
    seconds: float
    rounds: int
    seed: int
    profile: Path | None = None


# --- the two things that are measured -----------------------------------------------------------------


async def attend_meeting(nursery: trio.Nursery, server: Address, viewers: int, dice: random.Random) -> tuple[Load, int]:
    """Let a publisher and viewers join; the load on the lines they got, and the SRTP profile."""
    network = KernelNetwork()
    certificate = Certificate.generate(network.dice, now_wall=network.wall_clock())
    people = [Attendant(network, certificate, f"Viewer {number}", publishes=False) for number in range(viewers)]
    publisher = Attendant(network, certificate, "Publisher", publishes=True)
    for person in [*people, publisher]:
        await nursery.start(person.attend, server, ROOM, name=f"attendant {person.name}")
    assert publisher.up is not None
    source = Publisher(publisher.up.line(), publisher.ssrc, dice)
    publisher.up.media = source.receive
    load = Load(source, [Viewer(person.down.line(), source) for person in people])
    for person, viewer in zip(people, load.viewers, strict=True):
        person.down.media = viewer.receive
    negotiated = people[0].down.peer.negotiated
    assert negotiated is not None
    return load, negotiated.srtp_profile or 0


async def attend_floor(nursery: trio.Nursery, floor: Child, viewers: int, key_octets: int, dice: random.Random) -> Load:
    """Give the floor keys and addresses; the same load on bare lines."""
    remote = Address(HERE, (await floor.hear())["port"])
    legs = [Leg() for _ in range(viewers + 1)]
    keys = [(dice.randbytes(key_octets), dice.randbytes(SALT_OCTETS)) for _ in legs]
    await floor.tell(
        {
            "publisher": legs[0].local.port,
            "viewers": [leg.local.port for leg in legs[1:]],
            "keys": [(key.hex(), salt.hex()) for key, salt in keys],
        }
    )
    lines = [Line(leg, remote, BareLocks(*pair)) for leg, pair in zip(legs, keys, strict=True)]
    source = Publisher(lines[0], 1 << 31, dice)
    load = Load(source, [Viewer(line, source) for line in lines[1:]])
    for leg, receive in zip(legs, [source.receive, *(viewer.receive for viewer in load.viewers)], strict=True):
        nursery.start_soon(_run_leg, leg, receive)
    return load


async def _run_leg(leg: Leg, receive: Receive) -> None:
    try:
        await leg.run(receive)
    finally:
        leg.close()


@dataclass(frozen=True, slots=True)
class Window:
    """What one stretch of load cost and brought."""

    cpu_us_per_packet: float
    packets_per_second: float
    lost_share: float
    delays: list[float]


async def measure(load: Load, child: Child, seconds: float) -> Window:
    """Put the load on, let it settle, and look at the child's clock at both ends of the window."""
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
    if not received or len(delays) < 2:
        raise ChildFailed(f"nothing comes through the {child.name}")
    return Window(1e6 * cpu / received, received / lasted, max(0.0, 1 - received / (sent * len(load.viewers))), delays)


# --- a run --------------------------------------------------------------------------------------------


@asynccontextmanager
async def _open_children(plan: Plan) -> AsyncIterator[tuple[Child, Child]]:
    profile = () if plan.profile is None else (str(plan.profile),)
    async with (
        open_child("server", "meetref.lab.served", *profile) as server,
        open_child("floor", "meetref.lab.floor", by_signal=True) as floor,
    ):
        yield server, floor


async def run_viewers(plan: Plan, viewers: int) -> Result:
    """Measure with so many viewers. Raises `ChildFailed`."""
    result = Result(viewers=viewers)
    dice = random.Random(plan.seed)
    async with _open_children(plan) as (server, floor):
        async with trio.open_nursery() as nursery:
            address = Address(HERE, (await server.hear())["port"])
            meeting, profile = await attend_meeting(nursery, address, viewers, dice)
            result.profile = PROFILE_NAMES.get(profile, "unknown")
            bare = await attend_floor(nursery, floor, viewers, KEY_OCTETS.get(profile, 16), dice)
            for _ in range(plan.rounds):
                window = await measure(meeting, server, plan.seconds)
                result.server_us.append(window.cpu_us_per_packet)
                result.packets_per_second.append(window.packets_per_second)
                result.lost_share.append(window.lost_share)
                result.delays += window.delays
                window = await measure(bare, floor, plan.seconds)
                result.floor_us.append(window.cpu_us_per_packet)
                result.floor_delays += window.delays
            nursery.cancel_scope.cancel()
        result.segments = _segments(await server.finish())
        result.floor_segments = _segments(await floor.finish())
    return result


def _segments(counters: dict[str, int]) -> float:
    return counters["datagrams_out"] / max(1, counters["send_calls"])


async def run_plan(plan: Plan) -> list[Result]:
    """One run for each number of viewers, one after the other."""
    return [await run_viewers(plan, viewers) for viewers in plan.viewers]


def report_of(plan: Plan, results: list[Result], command: str) -> Report:
    """The figures are those of the largest audience; the series have all."""
    rows = [result.figures() for result in results]
    return Report(
        lab="forwarding",
        command=command,
        seed=plan.seed,
        settings={
            "viewers": list(plan.viewers),
            "seconds_a_window": plan.seconds,
            "rounds": plan.rounds,
            "packets_per_second_in": FRAME_RATE * PACKETS_PER_FRAME,
            "packets_per_burst": PACKETS_PER_FRAME,
            "srtp_profile": results[-1].profile,
        },
        figures=rows[-1],
        series={"viewers": [float(viewers) for viewers in plan.viewers]}
        | {name: [row[name] for row in rows] for name in rows[0]},
    )


def show(results: list[Result]) -> None:
    """A table and a verdict."""
    print("viewers  packets/s  us/packet  floor us  times  delay ms p50/p99  floor's       a send  floor's  lost")
    for result in results:
        row = result.figures()
        print(
            f"{result.viewers:7}  {row['forwarded_packets_per_second']:9.0f}"
            f"  {row['cpu_us_per_forwarded_packet']:9.2f}  {row['floor_us']:8.2f}  {row['times_floor']:5.2f}"
            f"  {row['added_delay_ms_p50']:6.2f} / {row['added_delay_ms_p99']:<7.2f}"
            f"  {row['floor_delay_ms_p50']:4.2f} / {row['floor_delay_ms_p99']:<5.2f}"
            f"  {row['segments_per_send']:6.2f}  {row['floor_segments_per_send']:7.2f}  {row['lost_percent']:3.1f} %"
        )
    last = results[-1]
    figures = last.figures()
    verdict = "reached" if last.times_floor <= GOAL else "not reached"
    print(
        f"With {last.viewers} viewers ({last.profile}) the server takes {last.times_floor:.2f} times the floor;"
        f" the goal, at most {GOAL}, is {verdict}.\n"
        f"One core would forward {figures['forwarded_packets_per_second_per_core']:.0f} packets a second at this load."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab forwarding`."""
    parser.add_argument("--quick", action="store_true", help="a look within 15 seconds: 4 and 8 viewers, short windows")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sizes and contents of the packets (1)")
    parser.add_argument("--viewers", metavar="N,N", help="audiences to measure, one after the other (8,20)")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one window (3)")
    parser.add_argument("--rounds", type=int, metavar="R", help="windows of server and floor, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="profile the server, which slows it (python -m pstats)"
    )


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    try:
        viewers = tuple(int(word) for word in (arguments.viewers or ("4,8" if arguments.quick else "8,20")).split(","))
    except ValueError:
        raise CommandFailed("--viewers takes numbers with commas between", Exit.WRONG_COMMAND_LINE) from None
    seconds = arguments.seconds if arguments.seconds is not None else (0.7 if arguments.quick else 3.0)
    rounds = arguments.rounds if arguments.rounds is not None else (2 if arguments.quick else 5)
    if not all(1 <= count <= MAXIMUM_VIEWERS for count in viewers):
        raise CommandFailed(f"--viewers go from 1 to {MAXIMUM_VIEWERS}", Exit.WRONG_COMMAND_LINE)
    if not 0.2 <= seconds <= 60 or not 1 <= rounds <= 50:
        raise CommandFailed("--seconds go from 0.2 to 60, --rounds from 1 to 50", Exit.WRONG_COMMAND_LINE)
    return Plan(viewers=viewers, seconds=seconds, rounds=rounds, seed=arguments.seed, profile=arguments.profile)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    if not sys.platform.startswith("linux"):
        raise CommandFailed("this lab reads the CPU clock of another process, which only Linux has", Exit.UNSUPPORTED)
    plan = plan_of(arguments)
    try:
        results = trio.run(run_plan, plan)
    except* ChildFailed as failed:
        raise CommandFailed(str(_first(failed))) from None
    show(results)
    if arguments.json is not None:
        report_of(plan, results, " ".join(["meetref", "lab", "forwarding", *sys.argv[3:]])).write(arguments.json)
    return Exit.DONE


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
