"""Checks an estimator of bandwidth: tutorial 9. Run with `--module my_bandwidth.py`.

Asked for: `read_feedback(data)` with `base`, `reference`, `count` and `arrivals`, or None; `Departures()` with
`record_run` and `match`; `Trend()` with `add`, `usage` and `threshold`; `RateControl(bitrate_bps)` with `on_usage`,
`bitrate_bps` and `round_trip_time`; `Estimator(start_bps, minimum_bps=..., maximum_bps=...)` with `on_reports`,
`on_round_trip`, `state` and `target_bps`.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import pytest

from meetref.lab.bandwidth import between, link_of, percentile, swing_of, use_of
from meetref.lab.bottleneck import Flow, Sample, World, change
from meetref.media.feedback import ArrivalRecorder
from meetref.net.virtuallink import Link
from meetref.wire import rtcp

REFERENCE = "tutorials.checks.bandwidth_of_ours"
VECTORS = Path(__file__).parents[2] / "vectors"
DRAFT = "draft-holmer-rmcat-transport-wide-cc-extensions-01"
GCC = "draft-ietf-rmcat-gcc-02"
WIDE, NARROW = 2_500_000.0, 500_000.0

Reported = tuple[int, int, float, float | None]


def cases(name: str, *operations: str) -> list[Any]:
    groups = json.loads((VECTORS / name).read_text())["groups"]
    found = [
        pytest.param(case, id=case["id"])
        for group in groups
        if not operations or group["params"]["operation"] in operations
        for case in group["tests"]
    ]
    assert found
    return found


# --- step 1: octets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("rtcp/transport-feedback.json"))
def test_1_feedbacks(module: ModuleType, case: Any) -> None:
    found = module.read_feedback(bytes.fromhex(case["in"]["hex"]))
    if case["result"] == "invalid" or (found is None and "drop" in case.get("allowed", ())):
        assert found is None, f"{DRAFT} section 3.1: {case['comment']}"
        return
    assert found is not None, f"{DRAFT} section 3.1: {case['comment']}"
    [wanted] = case["out"]
    assert (found.base, found.reference, found.count) == tuple(
        wanted[name] for name in ("base_sequence", "reference_time", "count")
    )
    assert len(found.arrivals) == wanted["statuses"], case["comment"]
    came = {str(place): ticks for place, ticks in enumerate(found.arrivals) if ticks is not None}
    assert came == wanted["arrivals"], f"{DRAFT} section 3.1: {case['comment']}"


def test_1_what_is_no_feedback(module: ModuleType) -> None:
    genuine = bytes.fromhex("8fcd0006dcd687a4033bfa180001000700000900b780544c6c345050")
    assert module.read_feedback(genuine) is not None
    for data in (b"", genuine[:12], genuine[:19], b"\x81" + genuine[1:], genuine[:1] + b"\xce" + genuine[2:]):
        assert module.read_feedback(data) is None


@pytest.mark.parametrize("seed", range(10))
def test_1_nothing_raises(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    genuine = [bytes.fromhex(case.values[0]["in"]["hex"]) for case in cases("rtcp/transport-feedback.json")]
    for _ in range(200):
        data = bytearray(dice.choice(genuine))
        data[dice.randrange(len(data))] = dice.randrange(256)
        found = module.read_feedback(bytes(data[: dice.randrange(len(data) + 1)]))
        assert found is None or found.arrivals, f"{DRAFT} section 3.1: a feedback is about one packet at least"


# --- step 2: reports ----------------------------------------------------------------------------------


def feedback(first: int, *ticks: int | None, reference: int = 0) -> bytes:
    return rtcp.serialize([rtcp.TransportFeedback(1, 2, first, reference, 0, list(ticks))])


@pytest.mark.parametrize("case", cases("feedback/reports.json", "transport"))
def test_2_what_became_of_what(module: ModuleType, case: Any) -> None:
    departures = module.Departures()
    for run in case["in"]["departures"]:
        departures.record_run(run["first_sequence"], run["sizes"], run["at_us"] / 1e6)
    told = [departures.match(module.read_feedback(bytes.fromhex(data))) for data in case["in"]["feedback"]]
    zero = next(report[3] for reports in told for report in reports if report[3] is not None)
    found = [
        [
            {
                "received_us": None if came is None else round(1e6 * (came - zero)),
                "sent_us": round(1e6 * left),
                "sequence": number & 0xFFFF,
                "size": size,
            }
            for number, size, left, came in reports
        ]
        for reports in told
    ]
    assert found == case["out"], f"{case['comment']}: see vectors/feedback/README.md"


def test_2_it_does_not_remember_for_ever(module: ModuleType) -> None:
    departures = module.Departures()
    for number in range(10_000):
        departures.record_run(number, [100], number / 100)
    assert list(departures.match(module.read_feedback(feedback(1, 0, 0)))) == [], "a table with a bound"
    assert len(departures.match(module.read_feedback(feedback(9_998, 0, 0)))) == 2


def test_2_of_what_nothing_was_said_nothing_is_known(module: ModuleType) -> None:
    departures = module.Departures()
    departures.record_run(0, [100] * 10, 1.0)
    reports = departures.match(module.read_feedback(feedback(6, 0, None)))
    assert [(number, came is None) for number, _, _, came in reports] == [(6, False), (7, True)]


def test_2_numbers_wrap(module: ModuleType) -> None:
    departures = module.Departures()
    for number in range(65_000, 3 * 65_536, 1):
        departures.record_run(number & 0xFFFF, [100], number / 1000)
        if number & 0xFFFF in (3, 30_000):
            reports = departures.match(module.read_feedback(feedback(number - 6 & 0xFFFF, 0, 0, 0, 0, 0, 0, 0)))
            left = [round(1000 * left) for _, _, left, _ in reports]
            assert left == list(range(number - 6, number + 1)), f"{DRAFT} section 3.1: 16 bits of it"


def test_2_nothing_is_told_twice(module: ModuleType) -> None:
    departures = module.Departures()
    departures.record_run(0, [100] * 4, 1.0)
    again = module.read_feedback(feedback(0, 0, None, 0))
    assert [number for number, *_ in departures.match(again)] == [0, 1, 2]
    assert list(departures.match(again)) == [], "it would count as lost twice"


# --- step 3: the trend --------------------------------------------------------------------------------


def frames(seconds: float, delay: Callable[[float], float], packets: int = 1) -> Iterator[tuple[float, float]]:
    """Thirty frames a second of so many packets: when each left and came. The other clock is 500 s ahead."""
    for number in range(round(30 * seconds)):
        left = number / 30
        for place in range(packets):
            yield left, 500 + left + delay(left) + 0.002 * place


def usages(module: ModuleType, packets: Iterator[tuple[float, float]]) -> list[tuple[float, str]]:
    """What is said, when it changes."""
    trend = module.Trend()
    said: list[tuple[float, str]] = [(0.0, "normal")]
    for left, came in packets:
        trend.add(left, came)
        if trend.usage != said[-1][1]:
            said.append((left, trend.usage))
    return said


@pytest.mark.parametrize("delay", [0.01, 0.3])
@pytest.mark.parametrize("packets", [1, 8])
def test_3_a_steady_way(module: ModuleType, delay: float, packets: int) -> None:
    assert usages(module, frames(20, lambda at: delay, packets)) == [(0.0, "normal")], f"{GCC} section 5.1: groups"


def test_3_a_clock_that_is_fast(module: ModuleType) -> None:
    assert usages(module, frames(20, lambda at: 0.05 + 1e-4 * at)) == [(0.0, "normal")]


def test_3_a_queue_that_grows(module: ModuleType) -> None:
    for pace in (0.1, 0.3, 1.0):
        said = usages(module, frames(10, lambda at, pace=pace: 0.05 + pace * max(at - 5, 0)))  # type: ignore[misc]
        assert said[1][1] == "overusing", f"{GCC} section 5.4: {pace} s more each second"
        assert 5.0 < said[1][0] < 6.0


def test_3_a_queue_that_drains(module: ModuleType) -> None:
    said = usages(module, frames(8, lambda at: 0.5 - 0.1 * max(at - 4, 0)))
    assert [usage for _, usage in said[:2]] == ["normal", "underusing"]


def test_3_one_late_packet_is_no_queue(module: ModuleType) -> None:
    said = usages(module, frames(20, lambda at: 0.07 if round(30 * at) == 300 else 0.05))
    assert "overusing" not in {usage for _, usage in said}


def test_3_some_overtake_others(module: ModuleType) -> None:
    packets = list(frames(20, lambda at: 0.05))
    for place in range(5, len(packets) - 1, 5):
        left, _ = packets[place]
        packets[place], packets[place + 1] = packets[place + 1], (left, packets[place + 1][1] + 0.001)
    assert usages(module, iter(packets)) == [(0.0, "normal")]


def test_3_a_clock_that_is_set(module: ModuleType) -> None:
    for seconds in (3600, -3600):
        said = usages(module, frames(20, lambda at, seconds=seconds: seconds if at > 10 else 0.05))  # type: ignore[misc]
        assert said == [(0.0, "normal")], "nothing on the way takes an hour"


def test_3_the_threshold_moves(module: ModuleType) -> None:
    trend = module.Trend()
    for left, came in frames(5, lambda at: 0.05):
        trend.add(left, came)
    assert trend.threshold == pytest.approx(6.0), f"{GCC} section 5.4: down to its least while nothing happens"
    for left, came in frames(10, lambda at: 0.05 + 0.03 * max(at - 5, 0)):
        if left >= 5:
            trend.add(left, came)
    assert 6.5 < trend.threshold < 12, f"{GCC} section 5.4: up, slowly, towards what is seen"


def test_3_a_spike_does_not_move_it(module: ModuleType) -> None:
    trend = module.Trend()
    for left, came in frames(8, lambda at: 2.55 if at > 5 else 0.05):
        trend.add(left, came)
        assert trend.threshold < 40, f"{GCC} section 5.4: what is 15 beyond it is left alone"


# --- step 4: up and down ------------------------------------------------------------------------------


def driven(control: Any, usage: str, arriving: float | None, start: float, seconds: float) -> float:
    """Ten feedbacks a second say this; what arrives is what is sent, or so much. The bitrate then."""
    for tenth in range(round(10 * seconds)):
        control.on_usage(usage, control.bitrate_bps if arriving is None else arriving, start + tenth / 10)
    return float(control.bitrate_bps)


def test_4_eight_percent_a_second(module: ModuleType) -> None:
    control = module.RateControl(1_000_000)
    assert driven(control, "normal", None, 0.0, 10.1) == pytest.approx(1_000_000 * 1.08**10, rel=0.02), (
        f"{GCC} section 5.5"
    )


def test_4_not_beyond_what_arrives(module: ModuleType) -> None:
    control = module.RateControl(1_000_000)
    assert driven(control, "normal", 800_000, 0.0, 60) <= 1.5 * 800_000 + 10_000, f"{GCC} section 5.5"


def test_4_down_to_below_what_arrives(module: ModuleType) -> None:
    control = module.RateControl(2_000_000)
    control.on_usage("overusing", 1_600_000, 5.0)
    assert 1_300_000 < control.bitrate_bps <= 0.85 * 1_600_000, f"{GCC} section 5.5: 0.85 of what arrives"


def test_4_down_is_never_up(module: ModuleType) -> None:
    control = module.RateControl(500_000)
    control.on_usage("overusing", 900_000, 5.0)
    assert control.bitrate_bps <= 500_000


def test_4_once_in_a_round_trip(module: ModuleType) -> None:
    control = module.RateControl(1_000_000)
    control.round_trip_time = 0.15
    control.on_usage("overusing", 1_000_000, 5.0)
    before = control.bitrate_bps
    control.on_usage("overusing", 900_000, 5.1)
    assert control.bitrate_bps == before, "what a decrease has done is not seen sooner"
    control.on_usage("overusing", 900_000, 5.2)
    assert control.bitrate_bps < before


def test_4_nothing_while_a_queue_drains(module: ModuleType) -> None:
    control = module.RateControl(1_000_000)
    driven(control, "normal", 1_000_000, 4.0, 1.0)
    control.on_usage("overusing", 1_000_000, 5.0)
    before = control.bitrate_bps
    assert driven(control, "underusing", 1_000_000, 5.1, 3.0) == before, f"{GCC} section 5.5: hold"
    after = driven(control, "normal", 1_000_000, 8.1, 0.3)
    assert before < after < before + 10_000, "the time of the pause is not made up for"


def test_4_slowly_where_overuse_was_seen(module: ModuleType) -> None:
    control = module.RateControl(1_000_000)
    control.round_trip_time = 0.1
    control.on_usage("overusing", 1_000_000, 5.0)
    before = control.bitrate_bps
    gained = driven(control, "normal", None, 5.1, 2.2) - before
    assert 20_000 < gained < 60_000, f"{GCC} section 5.5: a packet in two response times"


def test_4_a_link_that_became_wider(module: ModuleType) -> None:
    control = module.RateControl(500_000)
    control.on_usage("overusing", 500_000, 5.0)
    assert driven(control, "normal", None, 5.1, 30.0) > 1_900_000, f"{GCC} section 5.5: the capacity is forgotten"


# --- step 5: the estimator ----------------------------------------------------------------------------


def read(text: str) -> Reported:
    """A report as vectors/bandwidth writes it."""
    number, size, left, came = text.split()
    return int(number), int(size), int(left) / 1e6, None if came == "-" else int(came) / 1e6


@pytest.mark.parametrize("case", cases("bandwidth/traces.json", "delay", "loss"))
def test_5_traces(module: ModuleType, case: Any) -> None:
    init = case["init"]
    estimator = module.Estimator(init["start_bps"], minimum_bps=init["minimum_bps"], maximum_bps=init["maximum_bps"])
    estimator.on_round_trip(init["round_trip_ms"] / 1000)
    seen = []
    for step in case["steps"]:
        at = step["at_ms"]
        if "receive" in step:
            estimator.on_reports([read(text) for text in step["receive"]["reports"]], at / 1000)
            seen.append((at, estimator.state))
            continue
        wanted = step["expect"]
        if "target_bps" in wanted:
            least, most = wanted["target_bps"]
            assert least <= estimator.target_bps <= most, f"{case['comment']}: at {at} ms"
            continue
        states = {state for when, state in seen if at[0] <= when <= at[1]}
        agrees = wanted["sees"] in states if "sees" in wanted else states <= set(wanted["only"])
        assert agrees, f"{case['comment']}: from {at[0]} to {at[1]} ms it sees {states}"


def test_5_between_its_bounds(module: ModuleType) -> None:
    for pace, bound in ((-2e-3, 1_200_000), (2e-2, 900_000)):
        estimator = module.Estimator(1_000_000, minimum_bps=900_000, maximum_bps=1_200_000)
        for tenth in range(300):
            at, more = tenth / 10, max(pace, 0) * tenth
            estimator.on_reports(
                [(5 * tenth + k, 3000, at + k / 50, 7 + at + k / 50 + more) for k in range(5)], at + 0.2
            )
        assert estimator.target_bps == pytest.approx(bound)


def test_5_reports_of_nothing(module: ModuleType) -> None:
    estimator = module.Estimator(1_000_000)
    estimator.on_reports([], 1.0)
    estimator.on_reports([(1, 1000, 0.9, None)], 1.1)
    assert 0 < estimator.target_bps <= 1_000_000


# --- step 6: a link -----------------------------------------------------------------------------------


class Ends:
    """The receiver is ours; what it says goes to the learner's module in octets."""

    def __init__(self, module: ModuleType) -> None:
        departures, recorder = module.Departures(), ArrivalRecorder(1, 2)
        self.sent, self.came, self.next_timeout = departures.record_run, recorder.record, recorder.next_timeout
        self._recorder, self._departures, self._module = recorder, departures, module

    def build(self, now: float) -> list[bytes]:
        return [rtcp.serialize([feedback]) for feedback in self._recorder.build(now)]

    def match(self, data: bytes) -> list[Reported]:
        return list(self._departures.match(self._module.read_feedback(data)))


class Plugged:
    """The learner's estimator, with what the lab asks of one besides."""

    maximum_bps = 20_000_000

    def __init__(self, module: ModuleType) -> None:
        self._estimator = module.Estimator()
        self.on_reports, self.on_round_trip = self._estimator.on_reports, self._estimator.on_round_trip

    @property
    def target_bps(self) -> float:
        return float(self._estimator.target_bps)

    def on_departure(self, at: float) -> None: ...

    def next_timeout(self) -> float:
        return math.inf


@cache
def steps(module: ModuleType, seed: int) -> list[Sample]:
    """2.5 Mbit/s, after 40 s 0.5, after 80 s 2.5 again, until 120 s."""
    world, link = World(), link_of(seed)
    estimator: Any = Plugged(module)
    flow = Flow(world=world, link=link, seed=seed, estimator=estimator, ends=Ends(module), probes=False)
    for at, width in ((40, NARROW), (80, WIDE)):
        world.at(at, partial(change, link, bandwidth_bps=width))
    world.run(120)
    return flow.samples


def alone(module: ModuleType, link: Link) -> list[Sample]:
    """A minute of a link that stays as it is."""
    world = World()
    estimator: Any = Plugged(module)
    flow = Flow(world=world, link=link, seed=1, estimator=estimator, ends=Ends(module), probes=False)
    world.run(60)
    return flow.samples


each_seed = pytest.mark.parametrize("seed", [11, 12, 13])


@each_seed
def test_6_the_link_is_used(module: ModuleType, seed: int) -> None:
    samples = steps(module, seed)
    assert use_of(between(samples, 20, 40), WIDE) > 0.8
    assert use_of(between(samples, 45, 80), NARROW) > 0.8, "after the fall"
    assert use_of(between(samples, 110, 120), WIDE) > 0.8, "thirty seconds after the rise"


@each_seed
def test_6_the_queue_is_short(module: ModuleType, seed: int) -> None:
    samples = steps(module, seed)
    for start, end in ((45, 80), (85, 120)):
        queue = percentile([sample.queue for sample in between(samples, start, end)], 0.95)
        assert queue < 0.1, f"from {start} to {end} s"


@each_seed
def test_6_no_swinging(module: ModuleType, seed: int) -> None:
    samples = steps(module, seed)
    for start, end in ((20, 40), (50, 80), (110, 120)):
        assert swing_of(between(samples, start, end)) < 0.2, f"from {start} to {end} s"


def test_6_three_percent_lost_are_no_reason(module: ModuleType) -> None:
    samples = alone(module, link_of(1, loss=0.03))
    assert use_of(between(samples, 25, 60), 0.97 * WIDE) > 0.75, f"{GCC} section 6"


def test_6_a_short_queue(module: ModuleType) -> None:
    """There is hardly any delay to be seen, so loss has to say it."""
    samples = alone(module, link_of(1, 1e6, queue_octets=5 * 1024))
    assert median(sample.target_bps for sample in between(samples, 20, 60)) < 1_300_000, f"{GCC} section 6"
