"""Congestion control feedback by streams, both ends: the same reports as of `media/feedback`, from another format.

Stands above `wire/congestionfeedback` and `media/departures`; `media/bandwidth` works on the reports.
Specification: RFC 8888 sections 3.1 (what is told, and told again), 4 (how often) and 5 (a lost feedback says nothing).
Leaves out: ECN, since our sockets do not tell it, and SDP, where it is `ack ccfb`. Times are told in 1/1024 s, so the
reports are four times as coarse as with transport-wide numbers. Read next: `media/bandwidth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from meetref.media import clock
from meetref.media.departures import Departures, PacketReport
from meetref.media.sequence import Unwrapper
from meetref.wire.congestionfeedback import (
    LONG_AGO,
    OFFSET_TICK,
    TIME_TICK,
    UNTIMED,
    CongestionFeedback,
    StreamFeedback,
)

INTERVAL = 0.1  # seconds between feedbacks; section 4 finds 50 to 200 ms good
MAXIMUM_STREAMS = 64
REMEMBERED = 512  # numbers behind the newest of a stream whose arrivals are kept, and told again where they must be
MAXIMUM_AHEAD = 512  # numbers that one feedback tells of, at most, of one stream
MAXIMUM_TOLD = 512  # and of all: two octets each, and eight a stream, so that it fits a datagram
STREAM_CAPACITY = 1024  # packets of one stream that its sender remembers


class _Stream:
    """What arrived of one stream: by extended number, when."""

    __slots__ = ("_arrivals", "_late", "_next", "_sequences", "begin", "highest")

    def __init__(self) -> None:
        self._sequences = Unwrapper(16)
        self._arrivals: dict[int, float] = {}
        self._next = 0  # the first number that was not told of
        self._late: int | None = None  # the last number that came too late
        self.begin: int | None = None  # the first number to be told of next; None: nothing new came
        self.highest = -1

    def record(self, sequence: int, arrival: float) -> bool:
        """Note one; False where it is too late, or came before."""
        index = self._sequences.unwrap(sequence)
        if not self._arrivals or index > self.highest + MAXIMUM_AHEAD:
            self._begin(index)
        elif index <= self.highest - REMEMBERED:
            if index - 1 != self._late:
                self._late = index
                return False
            self._begin(index)  # two that follow each other: the sender counts anew
            self._sequences.highest = index
        elif index in self._arrivals:
            return False
        self._arrivals[index] = arrival
        self.highest = max(self.highest, index)
        self.begin = min(index, self._next if self.begin is None else self.begin)
        return True

    def _begin(self, index: int) -> None:
        """Nobody wants to hear of what came before this number, or of the many that seem to lie between."""
        self._arrivals.clear()
        self._late = None
        self._next = self.highest = index
        self.begin = None

    def take(self, count: int, now: float) -> tuple[int, list[int | None]]:
        """The number of the first and the offsets of up to `count` packets that are to be told of."""
        assert self.begin is not None
        begin = self.begin  # spec: feedback/contiguous
        end = min(self.highest + 1, begin + count)
        # Those told before are told again, as received, if one between them came late.
        # spec: feedback/received-stays-received
        told = [_offset(self._arrivals.get(index), now) for index in range(begin, end)]
        self._next = max(self._next, end)
        self.begin = None if end > self.highest else end
        for index in [index for index in self._arrivals if index <= self.highest - REMEMBERED and index < end]:
            del self._arrivals[index]
        return begin & 0xFFFF, told


def _offset(arrival: float | None, now: float) -> int | None:
    if arrival is None:
        return None
    ticks = round((now - arrival) / OFFSET_TICK)
    if ticks < 0:  # spec: feedback/untimed
        return UNTIMED
    return min(ticks, LONG_AGO)  # spec: feedback/long-ago


class StreamArrivalRecorder:
    """The receiving end: `record` every packet, and send what `build` returns when `next_timeout` has come.

    `wall_clock` is what the clock of our sender reports, in seconds since 1970, shows at time 0. Bounded: beyond
    `MAXIMUM_STREAMS` streams, or where a number comes too late, arrivals are counted in `dropped` and not kept.
    """

    def __init__(self, sender_ssrc: int = 0, *, wall_clock: float = 0.0, interval: float = INTERVAL) -> None:
        self.sender_ssrc = sender_ssrc
        self.wall_clock = wall_clock
        self.interval = interval
        self.dropped = 0
        self._streams: dict[int, _Stream] = {}
        self._due = math.inf

    def record(self, ssrc: int, sequence: int, arrival: float) -> None:
        """Note the arrival, in seconds, of the packet of this stream with this number (16 bits)."""
        stream = self._streams.get(ssrc)
        if stream is None:
            if len(self._streams) >= MAXIMUM_STREAMS:
                self.dropped += 1
                return
            stream = self._streams[ssrc] = _Stream()
        if not stream.record(sequence, arrival):
            self.dropped += 1
        elif self._due == math.inf:
            self._due = arrival + self.interval

    def forget(self, ssrc: int) -> None:
        """The stream has ended."""
        self._streams.pop(ssrc, None)

    def next_timeout(self) -> float:
        """When `build` wants to be called; infinity while nothing waits."""
        return self._due

    def build(self, now: float) -> list[CongestionFeedback]:
        """Everything that waits, in as many messages as it takes; afterwards nothing does."""
        time = clock.middle(clock.to_ntp(self.wall_clock + now))  # spec: feedback/report-time
        feedbacks: list[CongestionFeedback] = []
        room = 0
        for ssrc, stream in self._streams.items():  # spec: feedback/every-active-stream
            while stream.begin is not None:
                if room <= 0:
                    feedbacks.append(CongestionFeedback(self.sender_ssrc, time))
                    room = MAXIMUM_TOLD
                first, arrivals = stream.take(room, now)
                feedbacks[-1].streams.append(StreamFeedback(ssrc, first, arrivals))
                room -= len(arrivals) + len(arrivals) % 2 + 4
        self._due = math.inf
        return feedbacks


class StreamDepartureHistory:
    """The sending end: remembers what left, stream by stream, until a feedback tells what became of it."""

    def __init__(self, capacity: int = STREAM_CAPACITY) -> None:
        self.capacity = capacity
        self.unknown = 0  # streams reported that we do not send
        self.untimed = 0  # packets of whose arrival nothing but the fact was told
        self._streams: dict[int, Departures] = {}
        self._times = Unwrapper(32)

    def record_run(self, ssrc: int, first_sequence: int, sizes: Sequence[int], at: float) -> None:
        """Note packets of a stream that left together at `at`: numbers go up by one, sizes in octets."""
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._streams[ssrc] = Departures(self.capacity)
        stream.record_run(first_sequence, sizes, at)

    def forget(self, ssrc: int) -> None:
        """The stream has ended."""
        self._streams.pop(ssrc, None)

    def match(self, feedback: CongestionFeedback) -> list[PacketReport]:
        """What a feedback says of packets that we sent, stream by stream, in order of their numbers."""
        time = self._times.unwrap(feedback.time) * TIME_TICK  # spec: feedback/time-wraps
        reports: list[PacketReport] = []
        for stream in feedback.streams:
            departures = self._streams.get(stream.ssrc)
            if departures is None:
                self.unknown += 1
                continue
            first = departures.nearest(stream.first_sequence)
            if LONG_AGO not in stream.arrivals and UNTIMED not in stream.arrivals:
                arrivals = [None if ticks is None else time - ticks * OFFSET_TICK for ticks in stream.arrivals]
                reports += departures.tell(first, arrivals)
            else:
                reports += self._tell_timed(departures, first, stream.arrivals, time)
        return reports

    def _tell_timed(
        self, departures: Departures, first: int, arrivals: Sequence[int | None], time: float
    ) -> list[PacketReport]:
        """Pass over those that came at an unknown time: they are neither lost nor of use."""
        reports: list[PacketReport] = []
        for index, ticks in enumerate(arrivals, first):
            if ticks is not None and ticks >= LONG_AGO:
                self.untimed += 1
            else:
                reports += departures.tell(index, [None if ticks is None else time - ticks * OFFSET_TICK])
        return reports
