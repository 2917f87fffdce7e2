"""A model of senders behind one narrow link, in virtual time: where congestion control shows what it can do.

A `World` keeps the time. A `Flow` is a sender with its estimator and prober, and a receiver that answers with
feedback; flows share a `net/virtuallink.Link`, whose bandwidth, queue, delay, loss, jitter and reordering may change
at any time. A sender behaves as our server does: what belongs together leaves together, unpaced. From a seed the same
happens each time.
Stands on `media/bandwidth` and the link of the virtual network, without Trio: nothing here waits.
Specification: RFC 8867 has test cases of this kind.
Leaves out: codecs; a frame is some packets of the right size.
Read next: `lab/bandwidth.py`; tests/media/test_bandwidth_links.py.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, Protocol

from meetref.media.bandwidth import Estimator
from meetref.media.congestionfeedback import StreamArrivalRecorder, StreamDepartureHistory
from meetref.media.departures import PacketReport
from meetref.media.feedback import ArrivalRecorder, DepartureHistory
from meetref.media.probing import Prober
from meetref.net.virtuallink import Link

AUDIO_SIZE, AUDIO_INTERVAL = 160, 0.02
PACKET_SIZE, FRAME_RATE = 1200, 30
FRAME_SPREAD = 0.2  # frames are so much larger or smaller than they should be, at most
TICK = 0.005  # seconds between two looks at timers, as a server's are coalesced
SAMPLE = 0.05  # seconds between two samples
CLOCK = 1000.0  # what the receiver's clock is ahead, in seconds

Source = Callable[[float, float], float]
"""What is sent, in bits a second, of the estimate and of the time."""


class World:
    """Virtual time: `at` says what happens when, `run` lets it happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (max(when, self.now), next(self._count), what))

    def every(self, interval: float, what: Callable[[], None], start: float = 0.0) -> None:
        def again() -> None:
            what()
            self.at(self.now + interval, again)

        self.at(start, again)

    def run(self, until: float) -> None:
        while self._ahead and self._ahead[0][0] <= until:
            self.now, _, what = heapq.heappop(self._ahead)
            what()
        self.now = until


def eager(target_bps: float, now: float) -> float:
    """An encoder that sends all it may."""
    return target_bps


def ladder(*steps: float) -> Source:
    """A server with layers: the highest rate that fits, or the lowest."""
    return lambda target_bps, now: max([step for step in steps if step <= target_bps], default=min(steps))


def change(link: Link, **impairments: float) -> None:
    """Make the link other than it was, as `bandwidth_bps=500_000`."""
    link.impairments = replace(link.impairments, **impairments)  # type: ignore[arg-type]  # each is a number


@dataclass(slots=True, frozen=True)
class Sample:
    """One moment of a flow: its estimate in bits a second, the link's queue in seconds, octets that came so far."""

    at: float
    target_bps: float
    queue: float
    delivered: int


class Ends(Protocol):
    """Both ends of one format of feedback, whose messages are `Any` thing."""

    def sent(self, first: int, sizes: Sequence[int], at: float) -> None: ...

    def came(self, number: int, at: float) -> None: ...

    def next_timeout(self) -> float: ...

    def build(self, now: float) -> Sequence[Any]: ...

    def match(self, feedback: Any) -> list[PacketReport]: ...


class TransportEnds:
    """Feedback by the numbers of the connection."""

    def __init__(self, interval: float) -> None:
        self._history = DepartureHistory()
        self._recorder = ArrivalRecorder(interval=interval)
        self.sent = self._history.record_run
        self.came = self._recorder.record
        self.next_timeout = self._recorder.next_timeout
        self.build = self._recorder.build
        self.match = self._history.match


class StreamEnds:
    """Feedback by the numbers of the one stream that there is."""

    SSRC = 9

    def __init__(self, interval: float) -> None:
        self._history = StreamDepartureHistory()
        self._recorder = StreamArrivalRecorder(wall_clock=1.7e9, interval=interval)
        self.sent = partial(self._history.record_run, self.SSRC)
        self.came = partial(self._recorder.record, self.SSRC)
        self.next_timeout = self._recorder.next_timeout
        self.build = self._recorder.build
        self.match = self._history.match


@dataclass(kw_only=True)
class Flow:
    """A sender and its receiver, and in `samples` what was seen of them. `demand_bps` is what would be sent at best."""

    world: World
    link: Link
    seed: int = 0
    source: Source = eager
    demand_bps: float = 20e6
    layers: Sequence[float] = ()
    """Instead of `source` and `demand_bps`: the rates of a server's layers, of which it sends the highest that fits."""
    start: float = 0.0
    return_delay: float = 0.02
    feedback_interval: float = 0.1
    estimator: Estimator = field(default_factory=Estimator)
    ends: Ends | None = None
    probes: bool = True
    answers: bool = True
    """Whether the receiver's feedback arrives."""
    samples: list[Sample] = field(default_factory=list)
    told: list[tuple[float, list[PacketReport]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = Random(f"{self.seed} flow")
        self._ends = self.ends or TransportEnds(self.feedback_interval)
        self.prober = Prober(self.estimator.target_bps, maximum_bps=self.estimator.maximum_bps)
        if self.layers:
            self.source, self.demand_bps = ladder(*self.layers), self.layers[-1]
        self.prober.on_demand(self.demand_bps)
        self._sequence = self._dice.randrange(65536)
        self._delivered = 0
        self._owed = 0.0
        start, world = self.start, self.world
        world.at(start, self._begin)
        world.every(AUDIO_INTERVAL, lambda: self.send([AUDIO_SIZE]), start)
        world.every(1 / FRAME_RATE, self._send_frame, start + self._dice.uniform(0, 1 / FRAME_RATE))
        world.every(TICK, self._look, start + self._dice.uniform(0, TICK))
        world.every(SAMPLE, self._sample, start)
        world.every(1.0, lambda: self.estimator.on_round_trip(self.round_trip), start + 1)

    @property
    def queue(self) -> float:
        """Seconds that a packet which enters the link now waits for its turn."""
        return self.link.waiting_for(self.world.now)

    @property
    def round_trip(self) -> float:
        return self.link.impairments.delay + self.return_delay + self.queue

    # --- the sender ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.probes:
            self.prober.begin(self.world.now)
            self._pad()

    def _send_frame(self) -> None:
        if self.layers:
            higher = [layer for layer in self.layers if layer > self.estimator.target_bps]
            self.prober.on_demand(self.demand_bps, min(higher, default=self.demand_bps))
        rate = self.source(self.estimator.target_bps, self.world.now) - 8 * AUDIO_SIZE / AUDIO_INTERVAL
        size = max(rate, 0.0) / FRAME_RATE / 8 * self._dice.uniform(1 - FRAME_SPREAD, 1 + FRAME_SPREAD) + self._owed
        sizes = [PACKET_SIZE] * int(size // PACKET_SIZE)
        rest = int(size - sum(sizes))
        if rest > 100:
            sizes.append(rest)
        self._owed = size - sum(sizes)
        self.send(sizes)

    def send(self, sizes: Sequence[int]) -> None:
        """These packets leave together."""
        now = self.world.now
        self._ends.sent(self._sequence, sizes, now)
        self.prober.on_sent(sum(sizes), len(sizes), now)
        for size in sizes:
            arrive = partial(self._arrive, self._sequence, size)
            self._sequence = self._sequence + 1 & 0xFFFF
            for out in self.link.cross(size, now):
                self.world.at(out, arrive)

    def _pad(self) -> None:
        if wanted := self.prober.take():
            count = math.ceil(wanted / PACKET_SIZE)
            self.send([math.ceil(wanted / count)] * count)

    def _hear(self, feedback: Any) -> None:
        now = self.world.now
        reports = self._ends.match(feedback)
        self.told.append((now, reports))
        if self.probes:
            self.estimator.on_burst(self.prober.began_at)
        self.estimator.on_reports(reports, now)
        if self.probes:
            found = self.prober.on_reports(reports, now)
            if found is not None:
                self.estimator.on_probe(found, now)
            self.prober.on_estimate(self.estimator, now)
            self._pad()

    def _look(self) -> None:
        now = self.world.now
        self.estimator.on_departure(now)
        if self.estimator.next_timeout() <= now:
            self.estimator.handle_timeout(now)
        if self.prober.next_timeout() <= now:
            self.prober.handle_timeout(now)
            self._pad()

    # --- the receiver -------------------------------------------------------------------------------

    def _arrive(self, number: int, size: int) -> None:
        self._delivered += size
        waits = self._ends.next_timeout() < math.inf
        self._ends.came(number, CLOCK + self.world.now)
        if not waits and self._ends.next_timeout() < math.inf:
            self.world.at(self._ends.next_timeout() - CLOCK, self._answer)

    def _answer(self) -> None:
        for feedback in self._ends.build(CLOCK + self.world.now):
            if self.answers:
                self.world.at(self.world.now + self.return_delay, partial(self._hear, feedback))

    def _sample(self) -> None:
        self.samples.append(Sample(self.world.now, self.estimator.target_bps, self.queue, self._delivered))
