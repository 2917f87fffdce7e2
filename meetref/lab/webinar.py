"""How long is it from a stage's camera to an audience's screen? By low-latency HLS, and by plain HLS.

A clock is drawn into the camera of a Chromium that is on stage and read from what another browser shows, which watches
the webinar's page through nginx (`lab/edge`), as any audience does. With `--plain FILE`, that of hls.js (npm), the same
show is then watched by a player that waits for whole segments. `studio_made_percent` tells how many of its pictures the
studio had time to make: on a machine that browsers leave little of, that is what is late.
Stands on `lab/browser`, `lab/edge` and `lab/served`. Specification: docs/measurements.md, "Webinars".
Leaves out: a network; a real camera and screen. Read next: `lab/spectators.py`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.error import HTTPError

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.archive.studio import FRAMES_PER_PART
from meetref.lab.browser import BROWSERS, Browser, BrowserError, chromium, firefox
from meetref.lab.child import ChildFailed, open_child
from meetref.lab.edge import Edge, demand_nginx, open_edge
from meetref.lab.glass import NEEDED
from meetref.lab.glass import SCRIPT as CLOCK
from meetref.lab.report import Report
from meetref.wire import mp4

GOAL = 3000.0  # milliseconds, of low latency
ROOM = "lab"
LONGEST = 60_000.0  # milliseconds; a clock that was read wrong is off by far more
FEWEST = 20  # frames
BEGINS_WITHIN = 40.0  # seconds
PLAIN = Path(__file__).with_name("plain.html")
WATCHING = "window.meetref?.watching()"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Seconds to measure for, after so many to settle; the viewer's browser, and the file of hls.js."""

    seconds: float
    settle: float
    viewer: str
    plain: Path | None


@dataclass(kw_only=True)
class Seen:
    """What one player showed: how old each frame was, in milliseconds, and how the studio kept up meanwhile."""

    name: str
    delays: list[float]
    unreadable: int = 0
    made_percent: float = 100.0
    told: dict[str, Any] = field(default_factory=dict)

    def percentile(self, percent: int) -> float:
        return quantiles(self.delays, n=100, method="inclusive")[percent - 1]


@asynccontextmanager
async def open_show(plan: Plan) -> AsyncIterator[tuple[Edge, Browser]]:
    """A webinar with a clock on stage, its edge, and a browser that may watch. Raises `ChildFailed`."""
    script = CLOCK.read_text()
    clock = script[script.index("() =>") :].rstrip()
    async with (
        open_child("server", "meetref.lab.served", "--webinar", ROOM) as server,
        chromium() as stage,
        _browser(plan.viewer) as viewer,
    ):
        port = (await server.hear())["port"]
        async with open_edge(f"http://127.0.0.1:{port}") as front:
            await stage.preload(f"() => {{ ({clock})(); glass.pose(); }}")
            await stage.open(f"http://localhost:{port}/{ROOM}?name=Clock&join=now")
            await viewer.preload(clock)
            yield front, viewer


def _browser(name: str) -> AbstractAsyncContextManager[Browser]:
    return firefox() if name == "firefox" else chromium()


async def run_plan(plan: Plan) -> list[Seen]:
    """Low latency, and plain HLS where it is wanted. Raises `ChildFailed` and `BrowserError`."""
    async with open_show(plan) as (front, viewer):
        await fetch_text(front, "index.m3u8")
        await viewer.open(f"{front.url}/watch/{ROOM}")
        await viewer.until(f"['playing', 'blocked'].includes({WATCHING}?.state)", limit=BEGINS_WITHIN)
        if await viewer.evaluate(f"{WATCHING}.state") == "blocked":
            await viewer.click("[data-test=watch-play]")
        seen = [await _look(front, viewer, "low latency", plan)]
        seen[0].told = await viewer.evaluate(WATCHING)
        if plan.plain is not None:
            shutil.copy(plan.plain, front.players / "hls.min.js")
            shutil.copy(PLAIN, front.players / PLAIN.name)
            await viewer.open(f"{front.url}/players/{PLAIN.name}")
            seen.append(await _look(front, viewer, "plain", plan))
        return seen


async def _look(front: Edge, viewer: Browser, name: str, plan: Plan) -> Seen:
    """One player, from when it plays. Raises `ChildFailed` when hardly anything is seen."""
    await viewer.until("document.querySelector('video').currentTime > 0", limit=BEGINS_WITHIN)
    await viewer.call("() => glass.watch()")
    await trio.sleep(plan.settle)
    await viewer.call("() => glass.seen()")
    await trio.sleep(plan.seconds)
    found = await viewer.call("() => glass.seen()")
    delays = [float(delay) for delay in found["delays"] if delay < LONGEST]
    if len(delays) < FEWEST:
        state = await viewer.evaluate(f"{WATCHING}?.state ?? 'nothing'")
        why = f"the page says {state}; where this machine is busy, the studio does not keep up"
        raise ChildFailed(f"{name}: {len(delays)} frames in {plan.seconds:g} s can be read ({why})")
    unreadable = found["unreadable"] + len(found["delays"]) - len(delays)
    return Seen(name=name, delays=delays, unreadable=unreadable, made_percent=await made_percent(front, plan.seconds))


async def made_percent(front: Edge, seconds: float) -> float:
    """How many of the pictures of the last whole segments the studio made; in a hurry it makes fewer."""
    index = (await fetch_text(front, "index.m3u8")).splitlines()
    address = next(line for line in index if line.endswith("/v180/list.m3u8"))
    listed = (await fetch_text(front, address)).splitlines()
    lengths = [float(line[8:].rstrip(",")) for line in listed if line.startswith("#EXTINF:")]
    segments = [line for line in listed if re.fullmatch(r"\d+\.m4s", line)]
    counts = []
    for segment in segments[-max(1, round(seconds / lengths[-1])) :]:
        octets = await _octets(front, address.replace("list.m3u8", segment))
        runs = [box.find("traf", "trun") for box in mp4.boxes(octets) if box.kind == "moof"]
        counts += [int.from_bytes(run.content[4:8], "big") for run in runs if run is not None]  # behind the flags
    return 100 * sum(counts) / (FRAMES_PER_PART * len(counts))


async def fetch_text(front: Edge, name: str) -> str:
    """Wait until something is there, and fetch it. Raises `ChildFailed`."""
    with trio.move_on_after(BEGINS_WITHIN):
        while True:
            try:
                return (await _octets(front, name)).decode()
            except OSError:
                await trio.sleep(0.5)
    raise ChildFailed(f"the webinar has no {name} within {BEGINS_WITHIN:.0f} seconds")


async def _octets(front: Edge, name: str) -> bytes:
    def fetch() -> bytes:
        try:
            with urllib.request.urlopen(f"{front.url}/watch/{ROOM}/{name}", timeout=30) as answer:
                octets: bytes = answer.read()
                return octets
        except HTTPError as refused:
            refused.close()
            raise

    return await trio.to_thread.run_sync(fetch)


def figures_of(seen: list[Seen]) -> dict[str, float]:
    """The names of plain HLS have `plain_` in front."""
    figures = {}
    for each, prefix in zip(seen, ("", "plain_"), strict=False):
        figures[f"{prefix}glass_ms_p50"] = median(each.delays)
        figures[f"{prefix}glass_ms_p95"] = each.percentile(95)
        figures[f"{prefix}frames"] = float(len(each.delays))
        figures[f"{prefix}unreadable_frames"] = float(each.unreadable)
        figures[f"{prefix}studio_made_percent"] = each.made_percent
    figures["stalls"] = float(seen[0].told.get("stalls", 0))
    figures["page_says_ms"] = 1000 * float(seen[0].told.get("latency") or 0)
    return {name: round(value, 1) for name, value in figures.items()}


def show(seen: list[Seen]) -> None:
    """A table and a verdict."""
    print("player       frames  s p50  s p95  studio made %")
    for each in seen:
        p50, p95 = median(each.delays) / 1000, each.percentile(95) / 1000
        print(f"{each.name:11}  {len(each.delays):6}  {p50:5.2f}  {p95:5.2f}  {each.made_percent:13.0f}")
    figures = figures_of(seen)
    verdict = "reached" if figures["glass_ms_p50"] < GOAL else "not reached"
    print(f"glass_ms_p50 is {figures['glass_ms_p50']:.0f}; the goal, under {GOAL:g}, is {verdict}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab webinar`."""
    parser.add_argument("--quick", action="store_true", help="a look: five seconds")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long to measure (20)")
    parser.add_argument("--viewer", choices=sorted(BROWSERS), default="chromium", help="who watches (chromium)")
    parser.add_argument("--plain", type=Path, metavar="FILE", help="hls.min.js of hls.js: measure plain HLS, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    seconds = arguments.seconds if arguments.seconds is not None else (5.0 if arguments.quick else 20.0)
    if not 2 <= seconds <= 600:
        raise CommandFailed("--seconds go from 2 to 600", Exit.WRONG_COMMAND_LINE)
    if arguments.plain is not None and not arguments.plain.is_file():
        raise CommandFailed(f"--plain: there is no file {arguments.plain}", Exit.WRONG_COMMAND_LINE)
    settle = 4.0 if arguments.quick else 8.0
    return Plan(seconds=seconds, settle=settle, viewer=arguments.viewer, plain=arguments.plain)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    plan = plan_of(arguments)
    for program, package in {**NEEDED, **({"firefox": "firefox-esr"} if plan.viewer == "firefox" else {})}.items():
        if shutil.which(program) is None:
            raise CommandFailed(f"there is no program {program} on the PATH (apt install {package})", Exit.UNSUPPORTED)
    demand_nginx()
    try:
        seen = trio.run(run_plan, plan)
    except* (ChildFailed, BrowserError) as failed:
        raise CommandFailed(str(first_error(failed))) from None
    show(seen)
    if arguments.json is not None:
        Report(
            lab="webinar",
            settings={"seconds": plan.seconds, "seconds_to_settle": plan.settle, "viewer": plan.viewer},
            figures=figures_of(seen),
        ).write(arguments.json)
    return Exit.DONE
