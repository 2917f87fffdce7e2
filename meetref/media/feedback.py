"""Transport-wide feedback, both ends: noting what arrived, and learning what became of what was sent.

Stands above `wire/transportfeedback` and `media/departures`; `media/bandwidth` works on the reports.
Specification: draft-holmer-rmcat-transport-wide-cc-extensions-01, sections 2 and 3.
Leaves out: guessing. A packet is "not received" only where a feedback says so; a lost feedback says nothing.
Read next: `media/congestionfeedback.py`, the same in another format; `media/bandwidth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from meetref.media.departures import CAPACITY, Departures, PacketReport
from meetref.media.sequence import Unwrapper
from meetref.wire.transportfeedback import REFERENCE_TICKS, TICK, TransportFeedback

__all__ = ["ArrivalRecorder", "DepartureHistory", "PacketReport"]

MAXIMUM_ARRIVALS = 160  # received packets in one feedback: at worst 6 octets each, so it fits a datagram
MAXIMUM_PENDING = 4096  # arrivals that wait for a feedback
MAXIMUM_LATE = 1024  # packets behind the last feedback that are still worth reporting
MAXIMUM_LEAP = 4096  # packets ahead of it that may be missing; with the former, less than a feedback can hold
INTERVAL = 0.1  # seconds between feedbacks; the draft names 50 to 250 ms


class ArrivalRecorder:
    """The receiving end: `record` every packet, and send what `build` returns when `next_timeout` has come.

    `media_ssrc` is any SSRC that the peer sends; the feedback is about all of them. Bounded: a number that leaps
    forgets what came before it, and beyond `MAXIMUM_PENDING` arrivals are counted in `dropped` and not kept.
    """

    def __init__(self, sender_ssrc: int = 0, media_ssrc: int = 0, *, interval: float = INTERVAL) -> None:
        self.sender_ssrc = sender_ssrc
        self.media_ssrc = media_ssrc
        self.interval = interval
        self.dropped = 0
        self._sequences = Unwrapper(16)
        self._pending: dict[int, int] = {}  # extended number -> arrival in ticks
        self._next = 0  # the first number that no feedback was about
        self._started = False
        self._due = math.inf
        self._count = 0

    def record(self, transport_sequence: int, arrival: float) -> None:
        """Note the arrival, in seconds, of the packet with this transport-wide number (16 bits)."""
        index = self._sequences.unwrap(transport_sequence)
        if not self._started or index - self._next > MAXIMUM_LEAP:
            # The peer began, or leapt: nobody wants to hear of the thousands between.
            self._started = True
            self.dropped += len(self._pending)
            self._pending.clear()
            self._next = index
        pending = self._pending
        if len(pending) >= MAXIMUM_PENDING or index < self._next - MAXIMUM_LATE:
            self.dropped += 1
            return
        if not pending:
            self._due = arrival + self.interval
        pending.setdefault(index, round(arrival / TICK))

    def next_timeout(self) -> float:
        """When `build` wants to be called; infinity while nothing waits."""
        return self._due if self._pending else math.inf

    def build(self, now: float) -> list[TransportFeedback]:
        """Everything that waits, in as many messages as it takes; afterwards nothing does."""
        indexes = sorted(self._pending)
        feedbacks = []
        base = min(self._next, indexes[0]) if indexes else 0
        for part in self._parts(indexes):
            feedbacks.append(self._message(base, part))
            base = part[-1] + 1
        self._next = max(self._next, base) if indexes else self._next
        self._pending.clear()
        self._due = math.inf
        return feedbacks

    def _parts(self, indexes: list[int]) -> Iterator[list[int]]:
        """Cut the numbers into runs that one feedback can tell of. Their span needs no care: `record` bounds it."""
        part: list[int] = []
        for index in indexes:
            delta = self._pending[index] - self._pending[part[-1]] if part else 0
            # spec: rtcp/twcc-split
            if len(part) == MAXIMUM_ARRIVALS or not -0x8000 <= delta <= 0x7FFF:
                yield part
                part = []
            part.append(index)
        if part:
            yield part

    def _message(self, base: int, part: list[int]) -> TransportFeedback:
        # The reference lies just before the first arrival, so that only differences between arrivals can overflow.
        reference = self._pending[part[0]] // REFERENCE_TICKS
        start = reference * REFERENCE_TICKS
        arrivals: list[int | None] = [None] * (part[-1] - base + 1)
        for index in part:
            # A number reported before stays "not received" here, as the draft wants: it is not pending any more.
            arrivals[index - base] = self._pending[index] - start  # spec: rtcp/twcc-reported-once
        count, self._count = self._count, self._count + 1 & 0xFF  # spec: rtcp/twcc-feedback-count
        return TransportFeedback(
            self.sender_ssrc, self.media_ssrc, base & 0xFFFF, reference & 0xFFFFFF, count, arrivals
        )


class DepartureHistory(Departures):
    """The sending end: `record` or `record_run` what leaves, by transport-wide numbers, and `match` what comes back."""

    __slots__ = ("_reference_times",)

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        self._reference_times = Unwrapper(24)

    def match(self, feedback: TransportFeedback) -> list[PacketReport]:
        """What a feedback says of packets that we sent, in order of their numbers."""
        # spec: rtcp/twcc-reference-wraps
        reference = self._reference_times.unwrap(feedback.reference_time) * REFERENCE_TICKS
        arrivals = [None if ticks is None else (reference + ticks) * TICK for ticks in feedback.arrivals]
        return self.tell(self.nearest(feedback.base_sequence), arrivals)
