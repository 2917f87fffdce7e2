"""What a run of `meetref lab forwarding` found: figures by name, the goals that some of them have, and a table.

Stands on `lab/contest`. Specification: docs/measurements.md, "Forwarding"; the goals are of `lab/shape`.
Leaves out: measuring. Read next: `lab/forwarding.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from meetref.lab.contest import Contestant
from meetref.lab.shape import SHAPES, TYPICAL
from meetref.protocol.srtp import PROFILE_NAMES

GOALS = {"added_delay_ms_p50": 1.0, "added_delay_ms_p99": 5.0, "memory_kb_per_viewer": 300.0}
MANY = "cost_ratio_500_to_10_viewers"
MANY_GOAL = 1.1


@dataclass(kw_only=True)
class Result:
    """One shape with one audience."""

    shape: str
    viewers: int
    ours: Contestant
    floor: Contestant
    rival: Contestant | None = None

    @property
    def profile(self) -> str:
        return PROFILE_NAMES.get(self.ours.srtp_profile, "unknown")

    def figures(self) -> dict[str, float]:
        """By names without the shape."""
        ours, floor, cost = self.ours, self.floor, median(self.ours.cpu_us)
        figures = {
            "cpu_us_per_forwarded_packet": cost,
            "floor_us": median(floor.cpu_us),
            "times_floor": ours.ratio_to(floor),
            "forwarded_packets_per_second": ours.packets_per_second,
            "forwarded_packets_per_second_per_core": 1e6 / cost,
            "added_delay_ms_p50": ours.delay_ms[0],
            "added_delay_ms_p99": ours.delay_ms[1],
            "floor_delay_ms_p50": floor.delay_ms[0],
            "floor_delay_ms_p99": floor.delay_ms[1],
            "segments_per_send": ours.segments or 0.0,
            "floor_segments_per_send": floor.segments or 0.0,
            "lost_percent": ours.lost_percent,
        }
        figures |= {f"cpu_us_of_{part}": spent for part, spent in ours.parts_us.items()}
        if ours.memory_kb_per_viewer is not None:
            figures["memory_kb_per_viewer"] = ours.memory_kb_per_viewer
        if self.rival is not None:
            figures |= _rival_figures(ours, self.rival)
        return {name: round(value, 4) for name, value in figures.items()}

    def goals(self) -> Iterator[tuple[str, float]]:
        """Names of figures, and the most that each may be."""
        for name, most in SHAPES[self.shape].goals.items():
            if name == "floor":
                yield "times_floor", most
            elif self.rival is not None and self.rival.name == name:
                yield f"ratio_to_{name}", most
        if self.shape == TYPICAL:
            yield from GOALS.items()


def _rival_figures(ours: Contestant, rival: Contestant) -> dict[str, float]:
    return {
        f"ratio_to_{rival.name}": ours.ratio_to(rival),
        f"{rival.name}_us": median(rival.cpu_us),
        f"{rival.name}_delay_ms_p50": rival.delay_ms[0],
        f"{rival.name}_delay_ms_p99": rival.delay_ms[1],
        f"{rival.name}_lost_percent": rival.lost_percent,
    }


@dataclass(kw_only=True)
class Results:
    """All of a run."""

    shapes: list[Result]
    many: tuple[Contestant, Contestant] | None = None

    def figures(self) -> dict[str, float]:
        """Those of the largest audience of each shape; the names of other shapes than the typical one say which."""
        figures: dict[str, float] = {}
        for result in self.shapes:
            figures |= {name + _suffix(result.shape): value for name, value in result.figures().items()}
        if self.many is not None:
            few, many = self.many
            figures[MANY] = round(many.ratio_to(few), 4)
            figures["cpu_us_per_forwarded_packet_10_viewers"] = round(median(few.cpu_us), 4)
            figures["cpu_us_per_forwarded_packet_500_viewers"] = round(median(many.cpu_us), 4)
            figures["memory_kb_per_viewer_500_viewers"] = round(many.memory_kb_per_viewer or 0.0, 4)
            figures["lost_percent_500_viewers"] = round(many.lost_percent, 4)
        return figures

    def goals(self) -> dict[str, float]:
        """Names of figures, and the most that each may be."""
        goals = {MANY: MANY_GOAL} if self.many is not None else {}
        for result in self.shapes:
            goals |= {name + _suffix(result.shape): most for name, most in result.goals()}
        return goals


def _suffix(shape: str) -> str:
    return "" if shape == TYPICAL else f"_{shape}"


HEAD = "load      viewers  packets/s  us/packet  floor us  times  delay ms p50/p99  floor's       a send  floor's  lost"


def line_of(result: Result) -> str:
    """A line of the table below `HEAD`, one more for where our time goes, and one for another server."""
    row = result.figures()
    line = (
        f"{result.shape:8}  {result.viewers:7}  {row['forwarded_packets_per_second']:9.0f}"
        f"  {row['cpu_us_per_forwarded_packet']:9.2f}  {row['floor_us']:8.2f}  {row['times_floor']:5.2f}"
        f"  {row['added_delay_ms_p50']:6.2f} / {row['added_delay_ms_p99']:<7.2f}"
        f"  {row['floor_delay_ms_p50']:4.2f} / {row['floor_delay_ms_p99']:<5.2f}"
        f"  {row['segments_per_send']:6.2f}  {row['floor_segments_per_send']:7.2f}  {row['lost_percent']:3.1f} %"
    )
    more = [_where(result.ours)] if result.ours.parts_us else []
    more += [_beside(result, result.rival)] if result.rival is not None else []
    return "\n".join([line, *more])


def _where(ours: Contestant) -> str:
    parts = ", ".join(f"{part} {spent:.2f}" for part, spent in ours.parts_us.items())
    return f"  of our server's us a packet: {parts}"


def _beside(result: Result, rival: Contestant) -> str:
    p50, p99 = rival.delay_ms
    profile = PROFILE_NAMES.get(rival.srtp_profile, "unknown")
    return (
        f"  {rival.name} ({profile}) takes {median(rival.cpu_us):.2f} us"
        f" a packet, delay {p50:.2f} / {p99:.2f} ms, lost {rival.lost_percent:.1f} %;"
        f" our server takes {result.ours.ratio_to(rival):.2f} times as much."
    )


def verdict(results: Results) -> str:
    """What the table means, and each goal."""
    figures = results.figures()
    main = next((result for result in reversed(results.shapes) if result.shape == TYPICAL), results.shapes[-1])
    row = main.figures()
    lines = [
        f"With {main.viewers} viewers ({main.profile}) the server takes {row['times_floor']:.2f} times the floor.",
        f"One core would forward {row['forwarded_packets_per_second_per_core']:.0f} packets a second at this load.",
    ]
    for name, most in results.goals().items():
        if name in figures:
            word = "reached" if figures[name] <= most else "not reached"
            lines.append(f"{name} is {figures[name]:.2f}; the goal, at most {most:g}, is {word}.")
    return "\n".join(lines)
