"""How many can watch a webinar? Thousands of simulated viewers behind nginx, and what they leave of the origin's core.

    server, studio and a robot on stage     one core
    nginx (`lab/edge`) and the viewers      the others

Each viewer has a connection of its own and loads one rendition by low-latency HLS (`lab/viewers`). Asked is how often
nginx asked the origin for each piece, what that costs the origin, and what viewers got late or not at all.
Stands on `lab/edge`, `lab/served` and `lab/child`. Specification: docs/measurements.md, "Webinars".
Leaves out: networks, browsers, and the sound, which is loaded as pictures are. Read next: `lab/viewers.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.lab.child import Child, ChildFailed, open_program
from meetref.lab.edge import Edge, demand_nginx, open_edge
from meetref.lab.report import Report
from meetref.lab.webinar import ROOM, fetch_text

RENDITION = "v180"
BEGINS_WITHIN = 40.0  # seconds
SETTLE = 4.0
MOST_LATE_PERCENT = 1.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """So many viewers, in so many processes, who come at so many a second and are watched for so many seconds."""

    viewers: int
    processes: int
    seconds: float
    come_at: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of `seconds` on the clock; `asked` is how often the origin was asked, by address."""

    seconds: float
    cpu_seconds: dict[str, float]
    told: list[dict[str, Any]]
    asked: Counter[str]


def cores() -> tuple[str, str]:
    """The origin's core, and the others; one machine of one core has no others."""
    usable = sorted(os.sched_getaffinity(0))
    return str(usable[0]), ",".join(map(str, usable[1:] or usable))


@asynccontextmanager
async def open_show() -> AsyncIterator[tuple[Child, Edge]]:
    """A webinar with a robot on stage, on the origin's core, and its edge on another. Raises `ChildFailed`."""
    own, other = (("taskset", "--cpu-list", each) for each in cores())
    python = (*own, sys.executable)
    async with open_program("server", [*python, "-m", "meetref.lab.served", "--webinar", ROOM]) as server:
        port = (await server.hear())["port"]
        robot = [
            "-c",
            "from meetref.app.cli import main; main()",
            "bot",
            "--light",
            "--room",
            ROOM,
            "--port",
            str(port),
        ]
        async with (
            open_program("robot", [*python, *robot], by_signal=True),
            open_edge(f"http://127.0.0.1:{port}", *other) as front,
        ):
            yield server, front


async def run_plan(plan: Plan) -> Outcome:
    """Let them all come, and watch. Raises `ChildFailed`."""
    async with AsyncExitStack() as stack:
        server, front = await stack.enter_async_context(open_show())
        index = (await fetch_text(front, "index.m3u8")).splitlines()
        listed = next(line for line in index if f"/{RENDITION}/" in line)
        folder = f"/watch/{ROOM}/{listed.rpartition('/')[0]}/"
        counts = [plan.viewers // plan.processes + (n < plan.viewers % plan.processes) for n in range(plan.processes)]
        comes_over = plan.viewers / plan.come_at
        python = ("taskset", "--cpu-list", cores()[1], sys.executable, "-m", "meetref.lab.viewers")
        crowds = []
        for count in counts:
            command = [*python, str(front.port), folder, str(count), str(comes_over)]
            crowds.append(await stack.enter_async_context(open_program("viewers", command)))
        await trio.sleep(comes_over + SETTLE)
        return await _watch(plan, server, front, crowds)


async def _watch(plan: Plan, server: Child, front: Edge, crowds: list[Child]) -> Outcome:
    _, asked_before = await trio.to_thread.run_sync(front.asked)
    for crowd in crowds:
        await crowd.tell("settled")
    began = trio.current_time()
    before = _spent(server, front, crowds)
    await trio.sleep(plan.seconds)
    spent = _spent(server, front, crowds) - before
    seconds = trio.current_time() - began
    told = []
    for crowd in crowds:
        await crowd.tell("enough")
        told.append(await crowd.hear())
    _, asked = await trio.to_thread.run_sync(front.asked)
    return Outcome(
        seconds=seconds,
        cpu_seconds=dict(spent),
        told=told,
        asked=Counter({each: count for each, count in asked.items() if each not in asked_before}),
    )


def _spent(server: Child, front: Edge, crowds: list[Child]) -> Counter[str]:
    """Seconds of CPU so far."""
    return Counter(
        {
            "origin": server.cpu_seconds(),
            "studio": sum(server.cpu_seconds_of_children()),
            "edge": front.child.cpu_seconds() + sum(front.child.cpu_seconds_of_children()),
            "viewers": sum(crowd.cpu_seconds() for crowd in crowds),
        }
    )


def figures_of(outcome: Outcome) -> dict[str, float]:
    """What comes of it, by name."""
    totals = Counter[str]()
    for told in outcome.told:
        totals.update(told)
    pieces = [count for address, count in outcome.asked.items() if f"/{RENDITION}/" in address and ".m4s" in address]
    lists = [count for address, count in outcome.asked.items() if "_HLS_part" in address]
    per_second = 1 / outcome.seconds
    figures = {
        "requests_per_second": (totals["lists"] + totals["parts"]) * per_second,
        "megabits_per_second": totals["octets"] * 8e-6 * per_second,
        "late_parts_percent": 100 * totals["late"] / max(1, totals["parts"]),
        "failed_requests": float(totals["failed"]),
        "parts_passed_over": float(totals["passed_over"]),
        "behind_the_first_ms_p50": 1000 * max(told["behind_p50"] for told in outcome.told),
        "behind_the_first_ms_p99": 1000 * max(told["behind_p99"] for told in outcome.told),
        "origin_requests_a_piece": sum(pieces) / max(1, len(pieces)),
        "origin_requests_a_piece_at_most": float(max(pieces, default=0)),
        "origin_requests_a_list": sum(lists) / max(1, len(lists)),
        **{f"{name}_cpu_percent": 100 * spent * per_second for name, spent in outcome.cpu_seconds.items()},
    }
    return {name: round(value, 3) for name, value in figures.items()}


def show(plan: Plan, outcome: Outcome) -> None:
    """The figures, and a verdict."""
    figures = figures_of(outcome)
    for name, value in figures.items():
        print(f"{name:32} {value:10.1f}")
    bad = figures["late_parts_percent"] > MOST_LATE_PERCENT or figures["failed_requests"] > 0
    verdict = "do not all get what they ask for in time" if bad else "get all that they ask for in time"
    print(f"{plan.viewers} viewers {verdict}; the origin takes {figures['origin_cpu_percent']:.0f} % of its core.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab audience`."""
    parser.add_argument("--quick", action="store_true", help="a look: 200 viewers for five seconds")
    parser.add_argument("--viewers", type=int, metavar="N", help="how many watch (2000)")
    parser.add_argument("--processes", type=int, default=1, metavar="P", help="in so many processes (1)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long to watch (20)")
    parser.add_argument("--come-at", type=float, default=150.0, metavar="R", help="viewers who come each second (150)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    viewers = arguments.viewers if arguments.viewers is not None else (200 if arguments.quick else 2000)
    seconds = arguments.seconds if arguments.seconds is not None else (5.0 if arguments.quick else 20.0)
    if not 1 <= viewers <= 10_000 or not 1 <= seconds <= 600:
        raise CommandFailed("--viewers go from 1 to 10000, --seconds from 1 to 600", Exit.WRONG_COMMAND_LINE)
    if not 1 <= arguments.processes <= min(viewers, 64) or not 1 <= arguments.come_at <= 10_000:
        raise CommandFailed("--processes go from 1 to 64, --come-at from 1 to 10000", Exit.WRONG_COMMAND_LINE)
    return Plan(viewers=viewers, processes=arguments.processes, seconds=seconds, come_at=arguments.come_at)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    plan = plan_of(arguments)
    demand_nginx()
    try:
        outcome = trio.run(run_plan, plan)
    except* ChildFailed as failed:
        raise CommandFailed(str(first_error(failed))) from None
    show(plan, outcome)
    if arguments.json is not None:
        Report(
            lab="audience",
            settings={"viewers": plan.viewers, "processes": plan.processes, "seconds": plan.seconds},
            figures=figures_of(outcome),
        ).write(arguments.json)
    return Exit.DONE
