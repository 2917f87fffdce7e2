"""What does it cost to forward a packet? CPU time of the server for each packet that reaches a viewer, and its delay.

One publisher sends video of some shape (`lab/shape`) to viewers over real sockets on loopback, with everything on. In
the same run, in turns, the same load goes through the floor (`lab/floor`), the least that forwarding can cost, and if
that is wished through a server of somebody else's: `times_floor` and `ratio_to_livekit` are the distances.
Stands on `lab/contest` (measuring), `lab/ours`, `lab/bare` and `lab/rivals` (who is measured).
Specification: docs/measurements.md. Leaves out: how much one core can carry; this is the cost at a given load.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.lab.bare import open_floor
from meetref.lab.child import ChildFailed
from meetref.lab.contest import Contestant, measure_in_turns
from meetref.lab.forwardingresult import HEAD, Result, Results, line_of, verdict
from meetref.lab.leg import open_legs
from meetref.lab.ours import open_meeting
from meetref.lab.report import Report
from meetref.lab.rivals import RIVALS, make_ready, open_rival
from meetref.lab.shape import SHAPES, SPARSE, TYPICAL
from meetref.meeting.channel import ChannelClosed

MAXIMUM_VIEWERS = 500
MANY_TIMES_LONGER = 3  # so many times longer is a window, because few packets are in it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure: shapes by name, with the audiences of each."""

    audiences: dict[str, tuple[int, ...]]
    seconds: float
    rounds: int
    seed: int
    against: str | None = None
    many: bool = False
    profile: Path | None = None


# --- a run --------------------------------------------------------------------------------------------


async def run_shape(plan: Plan, name: str, viewers: int) -> Result:
    """Measure one shape of load with so many viewers. Raises `ChildFailed`."""
    shape, dice = SHAPES[name], random.Random(plan.seed)
    async with open_legs() as legs, AsyncExitStack() as stack:
        ours = await stack.enter_async_context(open_meeting(legs, shape, viewers, dice, plan.profile))
        floor = await stack.enter_async_context(open_floor(legs, shape, viewers, dice, ours.srtp_profile))
        result = Result(shape=name, viewers=viewers, ours=ours, floor=floor)
        if plan.against is not None:
            result.rival = await stack.enter_async_context(open_rival(plan.against, legs, shape, viewers, dice))
        contestants = [ours, floor] if result.rival is None else [ours, result.rival, floor]
        await measure_in_turns(contestants, plan.seconds, plan.rounds)
    return result


async def run_many(plan: Plan) -> tuple[Contestant, Contestant]:
    """Our server with few and with many viewers, in two processes and in turns. Raises `ChildFailed`."""
    dice = random.Random(plan.seed)
    few, many = SPARSE.audiences
    async with (
        open_legs() as legs,
        open_meeting(legs, SPARSE, few, dice) as small,
        open_meeting(legs, SPARSE, many, dice) as large,
    ):
        await measure_in_turns([small, large], plan.seconds * MANY_TIMES_LONGER, plan.rounds)
    return small, large


async def run_plan(plan: Plan, tell: Callable[[str], None]) -> Results:
    """One run for each shape and audience, one after the other; a line of each is told as soon as there is one."""
    results = Results(shapes=[])
    tell(HEAD)
    for name, audiences in plan.audiences.items():
        for viewers in audiences:
            results.shapes.append(await run_shape(plan, name, viewers))
            tell(line_of(results.shapes[-1]))
    if plan.many:
        results.many = await run_many(plan)
    return results


def report_of(plan: Plan, results: Results) -> Report:
    """The series have a row for each shape and audience."""
    rows = [result.figures() for result in results.shapes]
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return Report(
        lab="forwarding",
        seed=plan.seed,
        settings={
            "shapes": [result.shape for result in results.shapes],
            "viewers": [result.viewers for result in results.shapes],
            "packets_per_second_in": [SHAPES[result.shape].packets_per_second for result in results.shapes],
            "packets_per_burst": [SHAPES[result.shape].packets_per_burst for result in results.shapes],
            "seconds_a_window": plan.seconds,
            "rounds": plan.rounds,
            "srtp_profile": results.shapes[-1].profile,
            "against": plan.against,
        },
        figures=results.figures(),
        series={"viewers": [float(result.viewers) for result in results.shapes]}
        | {name: [row[name] for row in rows] for name in names},
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab forwarding`."""
    parser.add_argument("--quick", action="store_true", help="a look within 15 seconds: 4 and 8 viewers, short windows")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sizes and contents of the packets (1)")
    parser.add_argument("--shape", choices=tuple(SHAPES), help="only this shape of load (all)")
    parser.add_argument("--viewers", metavar="N,N", help="other audiences (of the typical shape, without --shape)")
    parser.add_argument("--against", choices=tuple(RIVALS), help="measure this server, too, in the same run")
    parser.add_argument("--many", action="store_true", help="then compare 500 viewers with 10: two minutes more")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one window (1.6)")
    parser.add_argument("--rounds", type=int, metavar="R", help="windows of each server, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="profile our server, which slows it (python -m pstats)"
    )


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    seconds = arguments.seconds if arguments.seconds is not None else (0.7 if arguments.quick else 1.6)
    rounds = arguments.rounds if arguments.rounds is not None else (2 if arguments.quick else 5)
    if not 0.2 <= seconds <= 60 or not 1 <= rounds <= 50:
        raise CommandFailed("--seconds go from 0.2 to 60, --rounds from 1 to 50", Exit.WRONG_COMMAND_LINE)
    return Plan(
        audiences=_audiences(arguments),
        seconds=seconds,
        rounds=rounds,
        seed=arguments.seed,
        against=arguments.against,
        many=arguments.many,
        profile=arguments.profile,
    )


def _audiences(arguments: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """Which shapes, and for each which audiences. Beside another server the largest audience is enough."""
    viewers = arguments.viewers or ("4,8" if arguments.quick else "")
    if viewers:
        try:
            counts = tuple(int(word) for word in viewers.split(","))
        except ValueError:
            raise CommandFailed("--viewers takes numbers with commas between", Exit.WRONG_COMMAND_LINE) from None
        if not all(1 <= count <= MAXIMUM_VIEWERS for count in counts):
            raise CommandFailed(f"--viewers go from 1 to {MAXIMUM_VIEWERS}", Exit.WRONG_COMMAND_LINE)
        return {arguments.shape or TYPICAL: counts}
    names = tuple(SHAPES) if arguments.shape is None else (arguments.shape,)
    return {name: SHAPES[name].audiences[-1 if arguments.against else 0 :] for name in names}


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    if not sys.platform.startswith("linux"):
        raise CommandFailed("this lab reads the CPU clock of another process, which only Linux has", Exit.UNSUPPORTED)
    plan = plan_of(arguments)
    if plan.against is not None:
        make_ready(plan.against)
    allow_many_sockets()
    try:
        results = trio.run(run_plan, plan, partial(print, flush=True))
    except* ChildFailed as failed:
        raise CommandFailed(str(first_error(failed))) from None
    except* ChannelClosed as lost:
        raise CommandFailed(f"somebody lost our server: {first_error(lost)}") from None
    print(verdict(results))
    if arguments.json is not None:
        report_of(plan, results).write(arguments.json)
    return Exit.DONE


def allow_many_sockets() -> None:
    """As many as this process, and the servers that it starts, may have at all: a viewer is two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
