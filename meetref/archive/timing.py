"""When, in seconds of the recording, was the moment with this RTP timestamp? The answer keeps lips together for hours.

Three clocks run differently: the one that counts a stream's timestamps (of a sound card, say), the sender's wall clock,
and ours. Sender reports tie the first to the second; the second is tied to ours by the fastest packets of all streams
of the person together, so sound and pictures are moved by the same amount, whatever the network did. Everything is
known when films are made, so reports from later tell of packets from before. A stream without reports is tied to ours
by its own fastest packets.
Stands on `media/clock` and `media/sequence`; `archive/frames` asks. Specification: RFC 3550 section 6.4.1;
spec/composer.toml. Leaves out: what the fastest packet took, by which everything is too late alike.
Read next: `archive/frames.py`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetref.archive.reading import Arrival, Stream
from meetref.media.clock import from_ntp
from meetref.media.sequence import Unwrapper
from meetref.wire import rtcp, rtp
from meetref.wire.reader import Malformed

WINDOW = 5.0  # seconds in which the fastest packet counts
TOO_FAST = 10  # one of so many packets does not count as the fastest
REPORTS_WINDOW = 40.0  # seconds whose reports are one: a browser's of sound go up and down by twenty milliseconds
BEYOND = 200.0  # seconds for which drift is as it was
FASTEST_DRIFT = 500e-6  # by which two clocks differ at most; more is the network's doing
WANDERING = 50e-6  # by which the difference itself changes, as with the temperature
LONG_ENOUGH = 60.0  # seconds from which on drift can be told from jitter
MOST_COMPARED = 500  # windows
WRONG_DRIFT = 1000e-6  # by which reports cannot be right
REPORT_NOISE = 0.05  # seconds
PAUSE = 0.5  # seconds without a packet, after which timestamps may have stood still
SLIPPED = 0.25  # seconds by which they then are off
LEAPT = 3.0  # seconds by which timestamps are off without any pause when they began anew
SET_ANEW = 2.0  # seconds by which the sender's wall clock was set, rather than a report late
MOST_SOURCES = 64  # SSRCs of one stream
MOST_EARLY = 256  # reports of SSRCs of which nothing came yet
REPORTS_APART = 0.05  # seconds between two reports of one SSRC that are looked at; browsers send one a second
MOST_RUNS = 1000  # of one SSRC

Numbers = NDArray[np.float64]
NOTHING: Numbers = np.zeros(0)


@dataclass(slots=True)
class Line:
    """A function by some points on it: straight between them, level before the first and behind the last."""

    x: Numbers
    y: Numbers

    def __call__(self, x: float) -> float:
        return float(np.interp(x, self.x, self.y))

    @property
    def slope(self) -> float:
        """On the whole."""
        over = float(self.x[-1] - self.x[0])
        return float(self.y[-1] - self.y[0]) / over if over else 0.0


@dataclass(slots=True)
class Observed:
    """What came under one SSRC, in the order in which it came; timestamps are unwrapped."""

    clock_rate: int
    arrivals: array[float] = field(default_factory=lambda: array("d"))
    timestamps: array[int] = field(default_factory=lambda: array("q"))
    reports: list[tuple[float, float, int]] = field(default_factory=list)
    """When a report came, the sender's wall clock in it, and the timestamp of the same moment."""


@dataclass(slots=True)
class _Run:
    """A part of what came under an SSRC whose timestamps go on with time. `media` are seconds by its own clock."""

    begins: float
    ends: float
    arrivals: Numbers
    media: Numbers
    reports: Line | None = None
    """By its own clock, how much the sender's wall clock is ahead of it."""
    offset: Line | None = None
    """By how much our clock is ahead of the sender's; where there are no reports, of the run's own."""

    def told(self, media: Any) -> Any:
        """These moments by the sender's wall clock; without reports by the run's own."""
        return media if self.reports is None else media + np.interp(media, self.reports.x, self.reports.y)


class Clock:
    """The times of one SSRC."""

    def __init__(self, clock_rate: int, runs: Sequence[_Run]) -> None:
        self._clock_rate = clock_rate
        self._runs = runs

    @property
    def begins(self) -> float:
        """When its first packet came."""
        return self._runs[0].begins

    @property
    def ends(self) -> float:
        """When its last packet came."""
        return self._runs[-1].ends

    def seconds(self, timestamp: int, arrived_at: float) -> float:
        """When the moment with this (unwrapped) timestamp was, told by a packet that came at `arrived_at`."""
        run = self._runs[0]
        for each in self._runs[1:]:
            if arrived_at < each.begins:
                break
            run = each
        # spec: composer/lips-together
        told = float(run.told(np.float64(timestamp / self._clock_rate)))
        return told + (run.offset(told) if run.offset is not None else 0.0)


Clocks = dict[tuple[str, int], Clock]
"""By the name of the stream, and the SSRC."""


def clocks_of(streams: Iterable[Stream]) -> Clocks:
    """The clocks of all streams of one person."""
    return align({(stream.name, ssrc): seen for stream in streams for ssrc, seen in observe(stream).items()})


def observe(stream: Stream) -> dict[int, Observed]:
    """When which timestamps came, and what the sender reports say."""
    observing = _Observing(stream)
    for at, packet in stream.arrivals():
        observing.take(at, packet)
    return observing.seen


class _Observing:
    """What came of one stream so far."""

    def __init__(self, stream: Stream) -> None:
        self.seen: dict[int, Observed] = {}
        self._unwrappers: dict[int, Unwrapper] = {}
        self._early: deque[tuple[float, rtcp.SenderReport]] = deque(maxlen=MOST_EARLY)
        self._rate_of = {number: codec.clock_rate for number, codec in stream.codecs.items() if codec.clock_rate > 0}

    def take(self, at: float, packet: bytes) -> None:
        if Arrival(at, packet).is_control:
            self._take_control(at, packet)
        elif len(packet) >= rtp.HEADER_SIZE and packet[1] & 0x7F in self._rate_of:
            _, second, _, timestamp, ssrc = rtp.fixed.unpack_from(packet)
            seen = self.seen.get(ssrc)
            if seen is None:
                if len(self.seen) >= MOST_SOURCES:  # spec: composer/bounded
                    return
                seen = self._begin(ssrc, timestamp, self._rate_of[second & 0x7F])
            seen.arrivals.append(at)
            seen.timestamps.append(self._unwrappers[ssrc].unwrap(timestamp))

    def _begin(self, ssrc: int, timestamp: int, clock_rate: int) -> Observed:
        """The first packet; reports may have been faster."""
        seen = self.seen[ssrc] = Observed(clock_rate)
        self._unwrappers[ssrc] = Unwrapper(32)
        self._unwrappers[ssrc].unwrap(timestamp)
        for at, report in self._early:
            if report.ssrc == ssrc:
                self._report(at, report)
        return seen

    def _take_control(self, at: float, control: bytes) -> None:
        try:
            packets = rtcp.parse(control)
        except Malformed:
            return
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and packet.ntp:
                if packet.ssrc in self.seen:
                    self._report(at, packet)
                else:
                    self._early.append((at, packet))

    def _report(self, at: float, report: rtcp.SenderReport) -> None:
        reports = self.seen[report.ssrc].reports
        if reports and at - reports[-1][0] < REPORTS_APART:  # spec: composer/bounded
            return
        timestamp = self._unwrappers[report.ssrc].nearest(report.rtp_timestamp)
        reports.append((at, from_ntp(report.ntp), timestamp))


def align(observed: dict[tuple[str, int], Observed]) -> Clocks:
    """The clocks of all that one person sent."""
    runs = {key: _runs(seen) for key, seen in observed.items()}
    _tie_to_wall(observed, runs)
    together = [run for of_one in runs.values() for run in of_one if run.reports is not None]
    alone = [[run] for of_one in runs.values() for run in of_one if run.reports is None]
    # spec: composer/one-offset-a-person, composer/without-reports
    for group in (together, *alone) if together else alone:
        told = np.concatenate([run.told(run.media) for run in group])
        offset = _fastest(told, np.concatenate([run.arrivals for run in group]) - told)
        for run in group:
            run.offset = offset
            run.arrivals = run.media = NOTHING  # an hour has a million packets, and what they told is told
    return {key: Clock(observed[key].clock_rate, of_one) for key, of_one in runs.items()}


def _runs(seen: Observed) -> list[_Run]:
    """Cut where timestamps stood still in a pause, or began anew."""
    arrivals = np.frombuffer(seen.arrivals, dtype=np.float64)
    media = np.frombuffer(seen.timestamps, dtype=np.int64) / seen.clock_rate
    way = arrivals - media
    step = np.diff(way)
    paused = (np.diff(arrivals) > PAUSE) & (np.abs(step) > SLIPPED)
    candidates = np.flatnonzero(paused | (np.abs(step) > LEAPT)) + 1
    cuts = [0]
    for place in candidates[:MOST_RUNS]:  # spec: composer/bounded
        before = way[max(cuts[-1], int(np.searchsorted(arrivals, arrivals[place - 1] - 2))) : place]
        after = way[place : int(np.searchsorted(arrivals, arrivals[place] + 2, "right"))]
        if abs(float(after.min()) - float(before.min())) > SLIPPED:  # spec: composer/timestamps-begin-anew
            cuts.append(int(place))
    ends = [*cuts[1:], len(way)]
    return [
        _Run(float(arrivals[cut]), float(arrivals[end - 1]), arrivals[cut:end], media[cut:end])
        for cut, end in zip(cuts, ends, strict=True)
    ]


def _tie_to_wall(observed: dict[tuple[str, int], Observed], runs: dict[tuple[str, int], list[_Run]]) -> None:
    """Give each run the line of its reports, where they can be right."""
    reports = sorted(
        (at, wall, timestamp / seen.clock_rate, key)
        for key, seen in observed.items()
        for at, wall, timestamp in seen.reports
    )
    of_run: dict[tuple[tuple[str, int], int], list[tuple[float, float]]] = {}
    shift, ahead = 0.0, None
    for at, told, media, key in reports:
        wall = told + shift
        if ahead is not None and abs(wall - at - ahead) > SET_ANEW:  # spec: composer/clock-set
            shift += ahead - (wall - at)
            wall = at + ahead
        ahead = wall - at
        number = max((n for n, run in enumerate(runs[key]) if run.begins <= at), default=0)
        of_run.setdefault((key, number), []).append((media, wall - media))
    for (key, number), points in of_run.items():
        runs[key][number].reports = _reported(np.array(points))


def _reported(points: Numbers) -> Line | None:
    """The line through reports; None where no clock runs like this.

    It leaps where a sound card stood still for a moment, and its timestamps with it.
    """
    media, ahead = points[np.argsort(points[:, 0], kind="stable")].T
    if len(ahead) > 2:  # one that neither the one before nor the next agrees with is a mistake
        ahead[1:-1] = np.median([ahead[:-2], ahead[1:-1], ahead[2:]], axis=0)
    leaps = np.flatnonzero(np.abs(np.diff(ahead)) > REPORT_NOISE) + 1
    parts = [_straightened(*part) for part in zip(np.split(media, leaps), np.split(ahead, leaps), strict=True)]
    lines = [line for line in parts if line is not None]
    if len(lines) < len(parts) or len(leaps) > len(media) / 2:  # spec: composer/reports-judged
        return None
    x, y = np.concatenate([line.x for line in lines]), np.concatenate([line.y for line in lines])
    # Before the first and after the last, drift is as it was.
    x[0], y[0] = x[0] - BEYOND, y[0] - BEYOND * lines[0].slope
    x[-1], y[-1] = x[-1] + BEYOND, y[-1] + BEYOND * lines[-1].slope
    return Line(x, y)


def _straightened(media: Numbers, ahead: Numbers) -> Line | None:
    """From the first to the last of some reports; in between each window's count as one."""
    most = max(0.0, (media[-1] - media[0]) // REPORTS_WINDOW - 1)  # what is left behind the last is no window
    window = np.minimum(np.floor((media - media[0]) / REPORTS_WINDOW), most)
    cuts = np.flatnonzero(np.diff(window, prepend=-1.0))[1:]
    x, y = (np.array([float(np.mean(part)) for part in np.split(each, cuts)]) for each in (media, ahead))
    if abs(y[-1] - y[0]) > WRONG_DRIFT * (x[-1] - x[0]) + REPORT_NOISE:
        return None
    line = Line(x, y)
    first, last = float(media[0]), float(media[-1])
    before, after = y[0] + line.slope * (first - x[0]), y[-1] + line.slope * (last - x[-1])
    return Line(np.concatenate([[first], x, [last]]), np.concatenate([[before], y, [after]]))


def _fastest(theirs: Numbers, way: Numbers) -> Line:
    """By how much our clock is ahead of theirs, by the fastest packets; it changes as that of two clocks does.

    A network that is slow for a while makes nothing later: what is fast before and after it counts.
    """
    order = np.argsort(theirs, kind="stable")
    theirs, way = theirs[order], way[order]
    window = np.floor((theirs - theirs[0]) / WINDOW)
    cuts = np.flatnonzero(np.diff(window, prepend=-1.0))
    fastest = [cut + _early(part) for cut, part in zip(cuts, np.split(way, cuts[1:]), strict=True)]
    x, y = theirs[fastest], way[fastest]
    trend = _drift(x, y) * (x - x[0])
    y = y - trend
    for places in (range(1, len(x)), range(len(x) - 2, -1, -1)):  # spec: composer/fastest-packet
        for place in places:
            other = place - places.step
            y[place] = min(y[place], y[other] + WANDERING * abs(x[place] - x[other]))
    return Line(x, y + trend)


def _early(way: Numbers) -> int:
    """Which is the fastest. Some are too fast: a sound card that stood still sends its timestamps all at once."""
    place = len(way) // TOO_FAST
    return int(np.argpartition(way, place)[place])


def _drift(x: Numbers, y: Numbers) -> float:
    """How fast y changes on the whole: the median of what all pairs say (Theil and Sen), so not by a slow network."""
    if x[-1] - x[0] < LONG_ENOUGH:
        return 0.0
    some = np.linspace(0, len(x) - 1, min(len(x), MOST_COMPARED)).astype(int)
    earlier, later = np.triu_indices(len(some), 1)
    slopes = (y[some[later]] - y[some[earlier]]) / (x[some[later]] - x[some[earlier]])
    return float(np.clip(np.median(slopes), -FASTEST_DRIFT, FASTEST_DRIFT))
