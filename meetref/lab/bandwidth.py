"""How well does the estimate follow the link? Steps of capacity, a second flow, loss, and layers, in virtual time.

Senders behind the narrow link of `lab/bottleneck`, as our server sends. The figures have no machine in them. What is
told of steps counts from 5 s after each: use is what arrived of the capacity, the queue is its 95th percentile, and
the swing is how far the estimate goes from its median, but for the outermost twentieth on either side.
Stands on `lab/bottleneck` and `lab/plot`.
Specification: docs/bandwidth.md.
Leaves out: real links; what is seen with tc in namespaces is told in docs/measurements.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from meetref.app.command import Exit
from meetref.lab.bottleneck import SAMPLE, Flow, Sample, World, change
from meetref.lab.plot import Curve, Panel, svg
from meetref.lab.report import Report
from meetref.media.bandwidth import Estimator
from meetref.net.virtuallink import Impairments, Link

WIDE, NARROW = 2_500_000.0, 500_000.0
DELAY, QUEUE = 0.03, 64 * 1024
PHASES = ((0.0, WIDE), (40.0, NARROW), (80.0, WIDE))
END = 120.0
SETTLED = 5.0  # seconds after a step
SLOWLY = 30.0  # seconds after a step up
LAYERS = (90_000.0, 210_000.0, 560_000.0, 1_560_000.0)


def link_of(seed: object, bandwidth_bps: float = WIDE, **more: float) -> Link:
    """A link with dice of its own; `more` are impairments."""
    impairments: dict[str, Any] = {"delay": DELAY, "queue_octets": QUEUE, "bandwidth_bps": bandwidth_bps} | more
    return Link(Random(f"{seed} link"), Impairments(**impairments))


def steps(seed: int) -> list[Sample]:
    """One flow over a link that becomes narrow and wide again."""
    world, link = World(), link_of(seed)
    flow = Flow(world=world, link=link, seed=seed)
    for at, bandwidth in PHASES:
        world.at(at, lambda bandwidth=bandwidth: change(link, bandwidth_bps=bandwidth))  # type: ignore[misc]
    world.run(END)
    return flow.samples


def alone(seconds: float, link: Link, seed: int, **more: Any) -> list[Sample]:
    """One flow over a link that stays as it is."""
    world = World()
    flow = Flow(world=world, link=link, seed=seed, **more)
    world.run(seconds)
    return flow.samples


def between(samples: Sequence[Sample], start: float, end: float) -> list[Sample]:
    """The samples of a while."""
    return [sample for sample in samples if start <= sample.at < end]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of all stays below."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def use_of(samples: Sequence[Sample], capacity_bps: float) -> float:
    """The share of a capacity that arrived."""
    first, last = samples[0], samples[-1]
    return 8 * (last.delivered - first.delivered) / (last.at - first.at) / capacity_bps


def swing_of(samples: Sequence[Sample]) -> float:
    """How far the estimate goes from its median."""
    targets = [sample.target_bps for sample in samples]
    middle = median(targets)
    return max(percentile(targets, 0.95) / middle - 1, 1 - percentile(targets, 0.05) / middle)


def fairness_of(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all have the same."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


# --- measuring ------------------------------------------------------------------------------------


def measure_steps(samples: Sequence[Sample]) -> dict[str, float]:
    """Use, queue and swing of each phase, once it has settled."""
    found = {}
    ends = [*(at for at, _ in PHASES[1:]), END]
    for (begin, capacity), end, name in zip(PHASES, ends, ("start", "fall", "rise"), strict=True):
        phase = between(samples, begin + (SLOWLY if name == "rise" else SETTLED), end)
        found[f"{name}_use_percent"] = 100 * use_of(phase, capacity)
        found[f"{name}_queue_ms_p95"] = 1000 * percentile([sample.queue for sample in phase], 0.95)
        found[f"{name}_swing_percent"] = 100 * swing_of(phase)
    return found


def measure_two(seed: int) -> dict[str, float]:
    """A second flow comes after 30 s; what both have from 80 s on."""
    world, link = World(), link_of(seed)
    flows = [Flow(world=world, link=link, seed=seed * 2 + number, start=30.0 * number) for number in range(2)]
    world.run(180)
    shares = [use_of(between(flow.samples, 80, 180), WIDE) for flow in flows]
    return {"two_fairness": fairness_of(shares), "two_use_percent": 100 * sum(shares)}


def measure_loss(seed: int) -> dict[str, float]:
    """The use of what a link that loses lets through."""
    found = {}
    for percent in (1, 5, 10):
        samples = alone(90, link_of(seed, loss=percent / 100), seed)
        found[f"loss_{percent}_use_percent"] = 100 * use_of(between(samples, 15, 90), WIDE * (1 - percent / 100))
    return found


def measure_layers(seed: int) -> dict[str, float]:
    """How long a server with layers takes until it shows the best that fits, on links of four widths."""
    found = {}
    for capacity, best in ((150_000, 0), (300_000, 1), (800_000, 2), (3_000_000, 3)):
        link = link_of(seed, capacity)
        more = {"layers": LAYERS, "estimator": Estimator(300_000)}
        samples = alone(30, link, seed, **more)
        shown = [sum(layer <= sample.target_bps for layer in LAYERS) - 1 for sample in samples]
        begin = shown[: round(10 / SAMPLE)]
        last_without = max((place for place, layer in enumerate(begin) if layer != best), default=-1)
        found[f"layers_{capacity // 1000}_kbps_found_s"] = samples[last_without + 1].at
    return found


# --- telling --------------------------------------------------------------------------------------


def lines(figures: dict[str, float]) -> Iterator[str]:
    """The table."""
    yield f"{'':34} use      queue p95    swing"
    for name, words in (
        ("start", "2.5 Mbit/s, from 5 s on"),
        ("fall", "0.5 Mbit/s, 5 s after the fall"),
        ("rise", "2.5 Mbit/s, 30 s after the rise"),
    ):
        use, queue, swing = (figures[f"{name}_{what}"] for what in ("use_percent", "queue_ms_p95", "swing_percent"))
        yield f"{words:34} {use:3.0f} %      {queue:4.0f} ms   {swing:4.0f} %"
    if "two_fairness" in figures:
        yield ""
        fairness, together = figures["two_fairness"], figures["two_use_percent"]
        yield f"two flows: fairness {fairness:.2f}, together {together:.0f} % of the link"
        losses = [f"{percent} % lost {figures[f'loss_{percent}_use_percent']:.0f} %" for percent in (1, 5, 10)]
        yield f"use of what comes through: {', '.join(losses)}"
        found = [f"{width} kbit/s {figures[f'layers_{width}_kbps_found_s']:.1f} s" for width in (150, 300, 800, 3000)]
        yield f"until the best layer that fits: {', '.join(found)}"


def picture(samples: Sequence[Sample]) -> str:
    """The steps as a picture: capacity, estimate and what arrives; and the queue."""
    every = samples[:: round(0.25 / SAMPLE)]
    times = [sample.at for sample in every]
    capacity = [[bandwidth for at, bandwidth in PHASES if at <= now][-1] / 1e6 for now in times]
    arrived = [0.0]
    for before, after in pairwise(every):
        arrived.append(8 * (after.delivered - before.delivered) / (after.at - before.at) / 1e6)
    rates = [
        Curve("capacity of the link", capacity, held=True),
        Curve("estimate", [sample.target_bps / 1e6 for sample in every]),
        Curve("what arrives", arrived),
    ]
    queue = [Curve("time in the queue", [1000 * sample.queue for sample in every])]
    panels = [Panel("Mbit/s", 3.0, rates), Panel("ms", 500.0, queue)]
    return svg("An estimate follows a link that becomes narrow and wide again", times, panels)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab bandwidth`."""
    parser.add_argument("--quick", action="store_true", help="the steps alone")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all chance (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the steps there, as SVG")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write."""
    seed = arguments.seed
    samples = steps(seed)
    figures = measure_steps(samples)
    if not arguments.quick:
        figures |= measure_two(seed) | measure_loss(seed) | measure_layers(seed)
    print("\n".join(lines(figures)))
    if arguments.picture is not None:
        arguments.picture.write_text(picture(samples), encoding="utf-8")
    if arguments.json is not None:
        Report(
            lab="bandwidth",
            seed=seed,
            settings={"delay_ms": 1000 * DELAY, "queue_octets": QUEUE, "quick": arguments.quick},
            figures={name: round(value, 3) for name, value in figures.items()},
            series={
                "steps_at_s": [round(sample.at, 3) for sample in samples],
                "steps_estimate_bps": [round(sample.target_bps) for sample in samples],
                "steps_queue_ms": [round(1000 * sample.queue, 2) for sample in samples],
            },
        ).write(arguments.json)
    return Exit.DONE
