"""Makes vectors/bandwidth: what an estimator makes of reports, within tolerances, and what a probe is found to say.

The reports are of a sender that does not listen, over a link with a queue: what they are does not depend on any
estimator.
Read next: tests/vectors/test_bandwidth.py, which replays them; tests/confirm/bandwidth.py, who else agrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from meetref.media.cluster import Cluster, Trial
from meetref.net.virtuallink import Impairments, Link
from tests.generate.mediacases import Cases

Case = dict[str, Any]
Step = dict[str, Any]

FRAME_RATE, PACKETS, SIZE = 25, 3, 1000
RATE = FRAME_RATE * PACKETS * SIZE * 8  # 600 kbit/s
INTERVAL = 0.1  # seconds from one feedback to the next
BACK = 0.02  # seconds that a feedback takes
SECONDS = 12.0
EVENT = 6.0  # when something happens
CLOCK = 100.0  # what the receiver's clock is ahead, in seconds
WIDE = Impairments(delay=0.02, bandwidth_bps=5e6)
INIT = {"start_bps": RATE, "minimum_bps": 30_000, "maximum_bps": 5_000_000, "round_trip_ms": 40}


def sets() -> dict[str, Case]:
    """The sets by name."""
    return {"bandwidth/traces": _traces(), "bandwidth/probes": _probes()}


# --- traces ---------------------------------------------------------------------------------------

Packet = tuple[int, float, float | None]
"""Size in octets, when it left, and when it came by the receiver's clock, in seconds; or None."""


def sent(
    impairments: Impairments = WIDE,
    *,
    later: Impairments | None = None,
    packets: Callable[[float], int] = lambda at: PACKETS,
    clock: Callable[[float], float] = lambda at: at,
    seed: int = 1,
) -> list[Packet]:
    """A frame every 40 ms through a link, which is `later` from the event on."""
    link = Link(Random(seed), impairments)
    out: list[Packet] = []
    for frame in range(round(SECONDS * FRAME_RATE)):
        at = frame / FRAME_RATE
        if later is not None and at >= EVENT:
            link.impairments = later
        for _ in range(packets(at)):
            came = link.cross(SIZE, at)
            out.append((SIZE, at, CLOCK + clock(came[0]) if came else None))
    return out


def feedbacks(packets: Sequence[Packet], clock: Callable[[float], float] = lambda at: at) -> list[Step]:
    """Told by a receiver every 100 ms of its clock: all up to the newest that came, each once.

    A packet that comes after a later one was told of is told of again.
    """
    steps: list[Step] = []
    untold = list(enumerate(packets))
    for tick in range(1, round((SECONDS + 1) / INTERVAL)):
        now = tick * INTERVAL
        arrived = [number for number, (_, _, came) in untold if came is not None and came <= CLOCK + clock(now)]
        if arrived:
            told = [(number, packet) for number, packet in untold if number <= arrived[-1]]
            reports = [_written(number, packet, CLOCK + clock(now)) for number, packet in told]
            steps.append({"at_ms": round((now + BACK) * 1000), "receive": {"reports": reports}})
            late = {number for number, (_, _, came) in told if came is not None and came > CLOCK + clock(now)}
            untold = [each for each in untold if each[0] > arrived[-1] or each[0] in late]
    return steps


def _written(number: int, packet: Packet, now: float) -> str:
    size, at, came = packet
    lost = came is None or came > now
    return f"{number} {size} {round(at * 1e6)} {'-' if lost or came is None else round(came * 1e6)}"


def _traces() -> Case:
    groups = [
        ("delay", "draft-ietf-rmcat-gcc-02 section 5", _by_delay()),
        ("delay", "draft-ietf-rmcat-gcc-02 section 5.5", _bounded()),
        ("loss", "draft-ietf-rmcat-gcc-02 section 6", _by_loss()),
        ("application-limited", "libwebrtc M138, AlrDetector", _limited()),
    ]
    number, written = 0, []
    for operation, source, rows in groups:
        tests = []
        for comment, reqs, init, steps in rows:
            number += 1
            case = {"id": f"bandwidth-traces-{number:04d}", "comment": comment, "reqs": reqs.split()}
            tests.append({**case, "init": init, "steps": sorted(steps, key=_time)})
        group = {"params": {"operation": operation}, "provenance": "generated", "source": source, "tests": tests}
        written.append({**group, "verified_by": [], "provisional": True})
    return {"schema": "machine", "set": "bandwidth-traces", "version": "1.0.0", "notes": {}, "groups": written}


def _time(step: Step) -> float:
    """What is expected over a while is looked at when it is over."""
    return float(step["at_ms"][1] if isinstance(step["at_ms"], list) else step["at_ms"])


def _target(at: float, least: float, most: float) -> Step:
    return {"at_ms": round(at * 1000), "expect": {"target_bps": [round(least), round(most)]}}


def _sees(start: float, end: float, state: str) -> Step:
    return {"at_ms": [round(start * 1000), round(end * 1000)], "expect": {"sees": state}}


def _only(start: float, end: float, *states: str) -> Step:
    return {"at_ms": [round(start * 1000), round(end * 1000)], "expect": {"only": list(states)}}


GROWTH = 1.08 ** (SECONDS + 1)  # the fastest that is allowed
GROWS = [_target(SECONDS, 1.0 * RATE, GROWTH * RATE), _only(1.0, SECONDS, "normal", "underusing")]

Row = tuple[str, str, Case, list[Step]]


def _by_delay() -> list[Row]:
    narrow = replace(WIDE, bandwidth_bps=300_000)
    fewer = sent(WIDE, later=narrow, packets=lambda at: PACKETS if at < 6.7 else 1)
    overtaken = sent(replace(WIDE, reordering=0.05, held_for=0.03))
    drift = sent(WIDE, clock=lambda at: at * 1.0001)
    jumps = sent(WIDE, clock=lambda at: at + (5.0 if at > EVENT else 0.0))
    return [
        (
            "a wide link: it grows, by no more than 8 percent a second",
            "bandwidth/multiplicative-increase",
            INIT,
            [*feedbacks(sent()), *GROWS],
        ),
        (
            "half of what is sent goes through from 6 s on: below what arrives within two seconds",
            "bandwidth/overuse bandwidth/decrease",
            INIT,
            [
                *feedbacks(sent(WIDE, later=narrow)),
                _sees(EVENT, EVENT + 1, "overusing"),
                _target(EVENT + 2, 30_000, 310_000),
                _target(SECONDS, 30_000, 310_000),
            ],
        ),
        (
            "a queue that drains: nothing grows meanwhile",
            "bandwidth/underuse bandwidth/hold-while-draining",
            INIT,
            [
                *feedbacks(fewer),
                _sees(7.5, 10.0, "underusing"),
                _only(8.5, 10.0, "underusing", "normal"),
                _target(9.0, 30_000, 310_000),
            ],
        ),
        (
            "jitter of up to 8 ms: it grows all the same",
            "bandwidth/trend",
            INIT,
            [*feedbacks(sent(replace(WIDE, jitter=0.008))), _target(SECONDS, 1.0 * RATE, GROWTH * RATE)],
        ),
        (
            "one packet in twenty overtaken: it grows all the same",
            "bandwidth/out-of-order-ignored",
            INIT,
            [
                *feedbacks(overtaken),
                _target(SECONDS, 1.0 * RATE, GROWTH * RATE),
            ],
        ),
        (
            "a receiver's clock that is fast by 100 ppm: it grows all the same",
            "bandwidth/delay-variation",
            INIT,
            [*feedbacks(drift, lambda at: at * 1.0001), *GROWS],
        ),
        (
            "a receiver's clock that is set forward by five seconds: it grows all the same",
            "bandwidth/delay-variation",
            INIT,
            [*feedbacks(jumps, lambda at: at + (5.0 if at > EVENT else 0.0)), *GROWS],
        ),
        (
            "every fifth feedback is lost: it grows all the same",
            "feedback/loss-of-feedback",
            INIT,
            [*(step for place, step in enumerate(feedbacks(sent())) if place % 5 != 3), *GROWS],
        ),
        (
            "everything in one frame comes at the same time: it grows all the same",
            "bandwidth/groups",
            INIT,
            [*feedbacks(sent(Impairments(delay=0.02))), *GROWS],
        ),
    ]


def _bounded() -> list[Row]:
    """Pion's controller has no such bound."""
    return [
        (
            "a wide link: no more than one and a half times what arrives, and 10 kbit/s",
            "bandwidth/bounded-by-arrivals",
            INIT,
            # Windows of 150 ms do not fit frames of 40, so what arrives is known to a tenth.
            [*feedbacks(sent()), _target(SECONDS, 1.0 * RATE, 1.5 * 1.1 * RATE + 10_000)],
        ),
    ]


def _by_loss() -> list[Row]:
    return [
        (
            "one packet in a hundred lost: it grows",
            "bandwidth/low-loss",
            INIT,
            [*feedbacks(sent(replace(WIDE, loss=0.01))), _target(SECONDS, 1.0 * RATE, GROWTH * RATE)],
        ),
        (
            "a third lost from 6 s on, with no delay: it falls",
            "bandwidth/high-loss bandwidth/least-of-both",
            INIT,
            [
                *feedbacks(sent(WIDE, later=replace(WIDE, loss=0.35))),
                _target(EVENT, 1.0 * RATE, 1.7 * RATE),
                _target(EVENT + 3, 30_000, 0.9 * RATE),
            ],
        ),
    ]


def _limited() -> list[Row]:
    one_in_five = lambda at: int(round(at * FRAME_RATE) % 5 == 0)  # noqa: E731
    return [
        (
            "a fifteenth of the estimate is sent: it stays as it is",
            "bandwidth/application-limited bandwidth/bounded-by-arrivals",
            INIT,
            [*feedbacks(sent(packets=one_in_five)), _target(SECONDS, 0.95 * RATE, 1.15 * RATE)],
        ),
        (
            "a spike of delay while little is sent: not below half of it at once",
            "bandwidth/limited-decrease",
            INIT,
            [
                *feedbacks(sent(WIDE, packets=one_in_five, clock=_spike)),
                _target(SECONDS, 0.2 * RATE, 1.15 * RATE),
            ],
        ),
    ]


def _spike(at: float) -> float:
    """From the event on delay grows for a second, by 0.3 s, and is then as before."""
    return at + max(0.3 * min(at - EVENT, 1.0), 0.0) * (at < EVENT + 1)


# --- probes ---------------------------------------------------------------------------------------


def _probes() -> Case:
    cases = Cases("bandwidth-probes", {})
    cases.group("probe", "libwebrtc M138, ProbeBitrateEstimator")
    for comment, reqs, capacity, lost in _links():
        packets = _cluster(capacity, lost)
        found = judged(3_000_000, packets)
        out = None if found is None else {"bitrate_bps": [round(0.9 * found), round(1.1 * found)]}
        cases.valid(comment, reqs, _given(packets), {"found": out})
    hurried = [(size, at, CLOCK + number * 1e-6) for number, (size, at, _) in enumerate(_cluster(5e7, 0))]
    cases.valid(
        "faster than it left by more than twice: not believed",
        "bandwidth/probe-result",
        _given(hurried),
        {"found": None},
    )
    return cases.finish()


def _links() -> list[tuple[str, str, float, int]]:
    return [
        ("a link that is wide enough", "bandwidth/probe-result", 5e7, 0),
        ("a link of 2.8 Mbit/s, as wide as the probe, nearly", "bandwidth/probe-result", 2.8e6, 0),
        ("a link of 1 Mbit/s: 95 percent of what came", "bandwidth/probe-result", 1e6, 0),
        ("a link of 200 kbit/s", "bandwidth/probe-result", 2e5, 0),
        ("one packet of ten lost", "bandwidth/probe-result", 1e6, 1),
        ("three packets of ten lost: too few", "bandwidth/probe-result", 1e6, 3),
        ("a link so narrow that it takes more than a second", "bandwidth/probe-result", 5e4, 0),
    ]


def _cluster(capacity: float, lost: int) -> list[Packet]:
    """Ten packets at 3 Mbit/s in bursts of two, through a link that loses some in the middle."""
    out: list[Packet] = []
    free_at = 0.0
    for number in range(10):
        at = 1.0 + number // 2 * 0.004
        free_at = max(free_at, at) + 750 * 8 / capacity
        out.append((750, at, None if 3 <= number < 3 + lost else CLOCK + free_at + 0.02))
    return out


def judged(bitrate_bps: float, packets: Sequence[Packet]) -> float | None:
    """What our prober says to a cluster that left and came so."""
    trial = Trial(Cluster(bitrate_bps), packets[0][1])
    for size, at, _ in packets:
        trial.on_sent(size, 1, at)
    return trial.on_reports([(number, *packet) for number, packet in enumerate(packets)])


def _given(packets: Sequence[Packet]) -> Case:
    return {"bitrate_bps": 3_000_000, "reports": [_written(*each, math.inf) for each in enumerate(packets)]}
