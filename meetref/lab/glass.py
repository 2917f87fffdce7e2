"""How long is it from one browser's camera to the other's screen, and how much of that is the server?

A clock is drawn into the video of one Chromium and read from what the other shows (`glass.js`), in turns through our
server and peer to peer, between the same two browsers and with the same connection otherwise: `added_ms_p50` is the
difference. Both send to the server as anybody's programs do, by WHIP and WHEP (`app/whip`).
Stands on `lab/browser` and `lab/served`. Specification: docs/measurements.md, "Glass to glass".
Leaves out: a real camera and a real screen, which add what they add, and networks: everything is on loopback.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.lab.browser import Browser, BrowserError, chromium
from meetref.lab.child import ChildFailed, open_child
from meetref.lab.report import Report

GOALS = {"added_ms_p50": 5.0, "glass_ms_p50": 150.0}
SCRIPT = Path(__file__).with_name("glass.js")
NEEDED = {"chromium": "chromium", "chromedriver": "chromium-driver"}
ARGUMENTS = ("--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns")
LONGEST = 5000.0  # milliseconds; a clock that was read wrong is off by far more
FEWEST = 20  # frames a window


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure: windows of so many seconds, after so many for the rate to settle."""

    rounds: int
    seconds: float
    settle: float


@dataclass(kw_only=True)
class Way:
    """One way from sender to receiver. `windows` has the milliseconds of each frame, a list a round."""

    name: str
    windows: list[list[float]] = field(default_factory=list)
    unreadable: int = 0
    widths: set[int] = field(default_factory=set)

    @property
    def medians(self) -> list[float]:
        """An entry a round."""
        return [median(window) for window in self.windows]

    def percentile(self, percent: int) -> float:
        """Of the frames of all rounds."""
        return quantiles([delay for window in self.windows for delay in window], n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True, slots=True)
class Pair:
    """The two browsers, each with a page that has `glass.js`."""

    sender: Browser
    receiver: Browser

    async def call_each_other(self) -> None:
        offer = await self.sender.call("() => glass.send()")
        answer = await self.receiver.call("(offer) => glass.answer(offer)", offer)
        await self.sender.call("(answer) => glass.take(answer)", answer)

    async def meet(self) -> None:
        """In a room of the server. Raises `ChildFailed` when it does not let them in."""
        for browser, offer, path in (
            (self.sender, "() => glass.send()", "/whip/glass"),
            (self.receiver, "() => glass.ask()", "/whep/glass"),
        ):
            refusal = await browser.call("(path, offer) => glass.call(path, offer)", path, await browser.call(offer))
            if refusal is not None:
                raise ChildFailed(f"the server refuses {path}: {refusal[:200]}")

    async def part(self) -> None:
        for browser in (self.receiver, self.sender):
            await browser.call("() => glass.leave()")

    async def look(self, way: Way, plan: Plan) -> None:
        """One window. Raises `ChildFailed` when hardly anything is seen."""
        await trio.sleep(plan.settle)
        await self.receiver.call("() => glass.seen()")
        await trio.sleep(plan.seconds)
        seen = await self.receiver.call("() => glass.seen()")
        delays = [float(delay) for delay in seen["delays"] if delay < LONGEST]
        if len(delays) < FEWEST:
            raise ChildFailed(f"{way.name}: {len(delays)} frames in {plan.seconds:g} s can be read")
        way.windows.append(delays)
        way.unreadable += seen["unreadable"] + len(seen["delays"]) - len(delays)
        way.widths.add(seen["width"])


@asynccontextmanager
async def open_pair() -> AsyncIterator[Pair]:
    """Two browsers, and a server whose page they look at."""
    script = await trio.Path(SCRIPT).read_text()
    async with (
        open_child("server", "meetref.lab.served") as server,
        chromium(*ARGUMENTS) as sender,
        chromium(*ARGUMENTS) as receiver,
    ):
        port = (await server.hear())["port"]
        for browser in (sender, receiver):
            await browser.preload(script[script.index("() =>") :])
            await browser.open(f"http://localhost:{port}/api/health")
        yield Pair(sender, receiver)


async def run_plan(plan: Plan) -> tuple[Way, Way]:
    """Through the server, and peer to peer, in turns. Raises `ChildFailed` and `BrowserError`."""
    through, direct = Way(name="through the server"), Way(name="peer to peer")
    async with open_pair() as pair:
        ways: list[tuple[Way, Callable[[], Awaitable[None]]]] = [(through, pair.meet), (direct, pair.call_each_other)]
        for _ in range(plan.rounds):
            for way, connect in ways:
                await connect()
                await pair.look(way, plan)
                await pair.part()
    return through, direct


def figures_of(through: Way, direct: Way) -> dict[str, float]:
    """What is added is the median of the rounds' differences: each round has both ways, next to each other."""
    added = [there - here for there, here in zip(through.medians, direct.medians, strict=True)]
    figures = {
        "glass_ms_p50": through.percentile(50),
        "glass_ms_p95": through.percentile(95),
        "peer_to_peer_ms_p50": direct.percentile(50),
        "peer_to_peer_ms_p95": direct.percentile(95),
        "added_ms_p50": median(added),
        "frames": float(sum(len(window) for way in (through, direct) for window in way.windows)),
        "unreadable_frames": float(through.unreadable + direct.unreadable),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def report_of(plan: Plan, through: Way, direct: Way) -> Report:
    """The series have the medians of the rounds."""
    return Report(
        lab="glass",
        settings={
            "rounds": plan.rounds,
            "seconds_a_window": plan.seconds,
            "seconds_to_settle": plan.settle,
            "widths": sorted(through.widths | direct.widths),
        },
        figures=figures_of(through, direct),
        series={"glass_ms_p50": through.medians, "peer_to_peer_ms_p50": direct.medians},
    )


def show(through: Way, direct: Way) -> None:
    """A table and a verdict."""
    print("way                 frames  ms p50  ms p95  medians of the rounds")
    for way in (through, direct):
        frames = sum(len(window) for window in way.windows)
        rounds = " ".join(f"{each:.0f}" for each in way.medians)
        print(f"{way.name:18}  {frames:6}  {way.percentile(50):6.0f}  {way.percentile(95):6.0f}  {rounds}")
    figures = figures_of(through, direct)
    for name, most in GOALS.items():
        verdict = "reached" if figures[name] < most else "not reached"
        print(f"{name} is {figures[name]:.1f}; the goal, under {most:g}, is {verdict}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab glass`."""
    parser.add_argument("--quick", action="store_true", help="a look: one short window of each way")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one window (6)")
    parser.add_argument("--rounds", type=int, metavar="R", help="windows of each way, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    seconds = arguments.seconds if arguments.seconds is not None else (2.0 if arguments.quick else 6.0)
    rounds = arguments.rounds if arguments.rounds is not None else (1 if arguments.quick else 5)
    if not 1 <= seconds <= 60 or not 1 <= rounds <= 50:
        raise CommandFailed("--seconds go from 1 to 60, --rounds from 1 to 50", Exit.WRONG_COMMAND_LINE)
    return Plan(rounds=rounds, seconds=seconds, settle=1.0 if arguments.quick else 4.0)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    plan = plan_of(arguments)
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            raise CommandFailed(f"there is no program {program} on the PATH (apt install {package})", Exit.UNSUPPORTED)
    try:
        through, direct = trio.run(run_plan, plan)
    except* (ChildFailed, BrowserError) as failed:
        raise CommandFailed(str(first_error(failed))) from None
    show(through, direct)
    if arguments.json is not None:
        report_of(plan, through, direct).write(arguments.json)
    return Exit.DONE
