"""What does it cost to record and to make a film of it, and what is left after a crash?

The same load goes through two servers in turns, one of which records it: `journal_cost_percent` is what recording adds
to the forwarding of the recorded streams, with the threads that write and sync. Then a bot records the same load
(`lab/onlooking`), a meeting of four is composed (`lab/composing`), and files of four kinds lose their writer at the
same moments (`lab/crash`).
Stands on `lab/ours` and `lab/contest`. Specification: docs/measurements.md, "Recordings".
Leaves out: sound; a voice is a fortieth of a picture's octets.
Read next: `archive/recorder.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import trio

from meetref.app.command import CommandFailed, Exit, first_error
from meetref.lab import crash
from meetref.lab.child import ChildFailed
from meetref.lab.composing import PEOPLE, make_recording, measure
from meetref.lab.contest import Contestant, measure_in_turns
from meetref.lab.forwarding import allow_many_sockets
from meetref.lab.leg import open_legs
from meetref.lab.onlooking import Onlooking, measure_bot, octets_per_record, size
from meetref.lab.ours import open_meeting
from meetref.lab.report import Report
from meetref.lab.shape import SHAPES, TYPICAL
from meetref.media.codec.growing import FILES
from meetref.meeting.channel import ChannelClosed

AUDIENCES = (3, 20)
"""Viewers of the recorded stream: a meeting of four, and the typical load of `lab/forwarding`."""
FILMS = 3  # that are made of a meeting: of one alone, what others do meanwhile may be more than our own part
GOALS: dict[str, tuple[str, float]] = {
    "journal_cost_percent": ("at most", 15.0),
    "compose_speed_x": ("at least", 1.0),
    "own_cpu_share": ("at most", 1 / 3),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure."""

    audiences: tuple[int, ...]
    seconds: float
    rounds: int
    sits_for: int
    kills: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One audience, without a recording and with one. `octets_per_packet` is what the journals have of each.

    The bot came to the recorded one, when all else was measured.
    """

    viewers: int
    plain: Contestant
    recorded: Contestant
    bot: Onlooking
    octets_per_packet: float

    @property
    def percent(self) -> float:
        return 100 * (self.recorded.ratio_to(self.plain) - 1)

    @property
    def us_per_recorded_packet(self) -> float:
        """CPU microseconds that each packet of the publisher's took more."""
        return self.viewers * (median(self.recorded.cpu_us) - median(self.plain.cpu_us))

    def figures(self) -> dict[str, float]:
        """By names without the audience."""
        figures = {
            "journal_cost_percent": self.percent,
            "journal_us_per_packet": self.us_per_recorded_packet,
            "journal_octets_per_second": self.octets_per_packet * SHAPES[TYPICAL].packets_per_second,
            "bot_us_per_packet": self.bot.cpu_us_per_packet,
            "bot_octets_per_second": self.bot.octets_per_packet * SHAPES[TYPICAL].packets_per_second,
            "forwarding_us_per_packet": median(self.plain.cpu_us),
            "lost_percent": max(self.plain.lost_percent, self.recorded.lost_percent),
        }
        return {name: round(value, 4) for name, value in figures.items()}


async def measure_cost(plan: Plan, viewers: int) -> Cost:
    """Measure one audience, round by round without and with a recording. Raises `ChildFailed`."""
    shape, dice = SHAPES[TYPICAL], random.Random(plan.seed)
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder)
        async with (
            open_legs() as legs,
            open_meeting(legs, shape, viewers, dice) as plain,
            open_meeting(legs, shape, viewers, dice, recordings=recordings) as recorded,
        ):
            await measure_in_turns([plain, recorded], plan.seconds, plan.rounds)
            bot = await measure_bot(recorded, plan.seconds * plan.rounds)
        octets = octets_per_record(recordings)
    return Cost(
        viewers=viewers,
        plain=plain,
        recorded=recorded,
        bot=bot,
        octets_per_packet=octets,
    )


async def run_plan(plan: Plan, tell: Callable[[str], None]) -> list[Cost]:
    """One audience after the other; a line of each is told as soon as there is one."""
    costs = []
    tell("viewers  us/packet  recording adds  us/recorded packet  octets/s  lost")
    for viewers in plan.audiences:
        cost = await measure_cost(plan, viewers)
        costs.append(cost)
        row = cost.figures()
        tell(
            f"{viewers:7}  {row['forwarding_us_per_packet']:9.2f}  {row['journal_cost_percent']:12.1f} %"
            f"  {row['journal_us_per_packet']:18.1f}  {row['journal_octets_per_second']:8.0f}"
            f"  {row['lost_percent']:3.1f} %"
        )
    return costs


def compose(plan: Plan) -> dict[str, float]:
    """Compose a meeting at 720p: how much faster than it lasted, our own part of the CPU time, the journals' size."""
    with tempfile.TemporaryDirectory() as folder:
        sitting = Path(folder) / "sitting"
        make_recording(sitting, plan.sits_for)
        result = measure(sitting, plan.sits_for, FILMS)
        journals, films = size(sitting, "*-*.mrj"), size(Path(folder), "plain-0/*.*")
    person_minutes = PEOPLE * plan.sits_for / 60
    return {
        "compose_speed_x": round(result.speed, 4),
        "own_cpu_share": round(result.own_share, 4),
        "compose_cpu_s_per_person_minute": round(60 / result.speed / PEOPLE, 4),
        "compose_mb_per_person_minute": round(films / person_minutes / 1e6, 4),
        "journal_mb_per_person_minute": round(journals / person_minutes / 1e6, 4),
    }


def figures_of(costs: list[Cost], composed: dict[str, float], left: dict[str, list[crash.Rest]]) -> dict[str, float]:
    """Those of the largest audience; the names of the others say how many viewers."""
    figures = crash.figures(left) | composed
    for cost in costs:
        suffix = "" if cost is costs[-1] else f"_{cost.viewers}_viewers"
        figures |= {name + suffix: value for name, value in cost.figures().items()}
    return figures


def verdict(figures: dict[str, float]) -> Iterator[str]:
    """What the figures mean, and the goals."""
    for name, (bound, goal) in GOALS.items():
        reached = figures[name] <= goal if bound == "at most" else figures[name] >= goal
        word = "reached" if reached else "not reached"
        yield f"{name} is {figures[name]:.2f}; the goal, {bound} {goal:.4g}, is {word}."
    yield "Of what one person sends:"
    for way in ("journal", "bot"):
        cpu, octets = figures[f"{way}_us_per_packet"], figures[f"{way}_octets_per_second"]
        yield f"  {way:7} {cpu:6.1f} us of CPU a packet, {octets / 1e6:.2f} MB a second"
    yield "  film    {:6.1f} s of CPU and {:.1f} MB a minute, of {:.1f} MB of journals".format(
        *(figures[f"{what}_per_person_minute"] for what in ("compose_cpu_s", "compose_mb", "journal_mb"))
    )
    yield "After a kill:"
    for kind in (*FILES, crash.JOURNAL):
        fraction, lost = figures[f"playable_fraction_{kind}"], figures[f"lost_s_{kind}"]
        yield f"  {kind.replace('_', ' '):15} {100 * fraction:5.1f} % can be played, {lost:.1f} s are lost at most"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab recording`."""
    parser.add_argument("--quick", action="store_true", help="a look within 20 seconds: 3 viewers, short windows")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of packets and of the kills' moments (1)")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one window (3)")
    parser.add_argument("--rounds", type=int, metavar="R", help="windows of each server, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Raises `CommandFailed` for what cannot be measured."""
    seconds = arguments.seconds if arguments.seconds is not None else (1.0 if arguments.quick else 3.0)
    rounds = arguments.rounds if arguments.rounds is not None else (2 if arguments.quick else 5)
    if not 0.2 <= seconds <= 60 or not 1 <= rounds <= 50:
        raise CommandFailed("--seconds go from 0.2 to 60, --rounds from 1 to 50", Exit.WRONG_COMMAND_LINE)
    return Plan(
        audiences=AUDIENCES[:1] if arguments.quick else AUDIENCES,
        seconds=seconds,
        rounds=rounds,
        sits_for=3 if arguments.quick else 10,
        kills=10 if arguments.quick else 50,
        seed=arguments.seed,
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    if not sys.platform.startswith("linux"):
        raise CommandFailed("this lab reads the CPU clock of another process, which only Linux has", Exit.UNSUPPORTED)
    plan = plan_of(arguments)
    allow_many_sockets()
    try:
        costs = trio.run(run_plan, plan, partial(print, flush=True))
    except* ChildFailed as failed:
        raise CommandFailed(str(first_error(failed))) from None
    except* ChannelClosed as lost:
        raise CommandFailed(f"somebody lost our server: {first_error(lost)}") from None
    figures = figures_of(costs, compose(plan), crash.rests(plan.kills, plan.seed))
    print(*verdict(figures), sep="\n")
    if arguments.json is not None:
        Report(
            lab="recording",
            seed=plan.seed,
            settings={
                "viewers": plan.audiences,
                "seconds_a_window": plan.seconds,
                "rounds": plan.rounds,
                "kills": plan.kills,
            },
            figures=figures,
        ).write(arguments.json)
    return Exit.DONE
