"""Lost packets: noticing them and asking again, and keeping sent ones for those who ask.

Stands above nothing of this floor; `meeting` turns what is due into a NACK and a NACK into fetches.
Specification: RFC 4585 section 6.2.1 (NACK), RFC 4588 (retransmission). The times are those of mediasoup and libwebrtc:
10 ms for reordering, then once a round trip, ten times; LiveKit waits 20 ms and asks five times.
Leaves out: forward error correction, and how a packet is sent again (RTX or the same ciphertext).
Read next: `media/keyframes.py`, what is asked for when this gives up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Kept = TypeVar("Kept")
Kept_co = TypeVar("Kept_co", covariant=True)

MAXIMUM_MISSING = 1000  # packets that are asked for at a time; beyond, only a keyframe helps
MAXIMUM_REQUESTED = 250  # numbers in one NACK: at worst 4 octets each
MAXIMUM_MISORDER = 100  # packets by which the first one of a stream may come late
MAXIMUM_TRIES = 10
MAXIMUM_WAIT = 1.0  # seconds after which a packet would come too late
REORDER_WAIT = 0.01
SHORTEST_REPEAT, LONGEST_REPEAT = 0.04, 0.4


@dataclass(slots=True)
class _Missing:
    noticed_at: float
    due_at: float
    tries: int = 0


class LossDetector:
    """Finds the gaps in one stream. Set `round_trip_time` (seconds) when it is known; it is kept within 40 to 400 ms.

    When `gave_up` says so, packets were given up: time to ask for a keyframe.
    """

    def __init__(self, *, reorder_wait: float = REORDER_WAIT, round_trip_time: float = 0.1) -> None:
        self.reorder_wait = reorder_wait
        self.round_trip_time = round_trip_time
        self.recovered = 0
        self.abandoned = 0
        self._highest: int | None = None
        self._lowest = 0
        self._missing: dict[int, _Missing] = {}
        self._next = math.inf
        self._gave_up = False

    def __len__(self) -> int:
        return len(self._missing)

    def misses(self, extended_sequence: int) -> bool:
        """Whether this packet was noticed to be missing, and was not given up."""
        return extended_sequence in self._missing

    def receive(self, extended_sequence: int, now: float) -> None:
        """Note a packet of the stream, original or repeated, by its unwrapped number."""
        highest = self._highest
        if highest is None:
            self._highest = self._lowest = extended_sequence
        elif self._lowest - MAXIMUM_MISORDER <= extended_sequence < self._lowest:
            # The stream began earlier than it seemed: what lies between was sent, too.
            # spec: repair/earlier-beginning
            self._notice(extended_sequence + 1, self._lowest, now)
            self._lowest = extended_sequence
        elif extended_sequence <= highest:
            missing = self._missing.pop(extended_sequence, None)  # spec: repair/recovered-not-asked
            self.recovered += missing is not None and missing.tries > 0
        else:
            self._highest = extended_sequence
            if extended_sequence > highest + 1:
                self._notice(highest + 1, extended_sequence, now)  # spec: repair/gap-noticed

    def _notice(self, first: int, end: int, now: float) -> None:
        if len(self._missing) + end - first > MAXIMUM_MISSING:  # spec: repair/missing-bounded
            self.abandoned += len(self._missing) + end - first
            self._missing.clear()
            self._gave_up = True
            self._next = now
            return
        due_at = now + self.reorder_wait  # spec: repair/reordering-waited-for
        for sequence in range(first, end):
            self._missing[sequence] = _Missing(now, due_at)
        self._next = min(self._next, due_at)

    def forgive(self, before: int) -> None:
        """Stop asking for packets before this unwrapped number, as when a keyframe begins there."""
        # spec: repair/keyframe-ends-asking
        for sequence in [sequence for sequence in self._missing if sequence < before]:
            del self._missing[sequence]

    def next_timeout(self) -> float:
        """When `due` wants to be called; infinity while nothing is missing."""
        return self._next

    def gave_up(self) -> bool:
        """Whether packets were given up since this was last asked."""
        answer, self._gave_up = self._gave_up, False
        return answer

    def due(self, now: float) -> list[int]:
        """The numbers (16 bits) to ask for now, ready for a NACK; to be called when `next_timeout` has come."""
        asked: list[int] = []
        repeat = min(max(self.round_trip_time, SHORTEST_REPEAT), LONGEST_REPEAT)
        for sequence, missing in list(self._missing.items()):
            if now < missing.due_at:
                continue
            # spec: repair/asking-ends
            if missing.tries >= MAXIMUM_TRIES or now >= missing.noticed_at + MAXIMUM_WAIT:
                del self._missing[sequence]
                self.abandoned += 1
                self._gave_up = True
            elif len(asked) == MAXIMUM_REQUESTED:  # spec: repair/request-bounded
                missing.due_at = now + REORDER_WAIT
            else:
                asked.append(sequence & 0xFFFF)
                missing.tries += 1
                # spec: repair/asked-again
                missing.due_at = min(now + repeat, missing.noticed_at + MAXIMUM_WAIT)
        self._next = min((missing.due_at for missing in self._missing.values()), default=math.inf)
        return asked


class Run(Protocol[Kept_co]):
    """Packets that left together, in order; what is asked for again may be made only then."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Kept_co: ...


class PacketCache(Generic[Kept]):
    """The newest `capacity` packets sent on one stream, in whatever form its owner can send them again.

    Each is kept for `maximum_age` seconds. A ring: a packet's place is its number modulo the capacity, a power of two.
    In each place is the whole run with which the packet left, for one object a run is made faster than one a packet.
    `round_trip_time` (seconds) is what separates a second request from an impatient repetition of the first.
    Places are made with the first packet: most streams of a connection that could show many never send one.
    """

    __slots__ = ("_fetched_at", "_newest", "_places", "capacity", "maximum_age", "round_trip_time")

    def __init__(self, capacity: int = 512, maximum_age: float = 2.0, *, round_trip_time: float = 0.04) -> None:
        self.capacity = capacity
        self.maximum_age = maximum_age
        self.round_trip_time = round_trip_time
        self._places: list[tuple[int, float, Run[Kept]] | None] = []
        self._newest = 0
        self._fetched_at: dict[int, float] = {}  # of the few that were asked for

    def forget(self) -> None:
        """Keep nothing of what has been stored: nobody needs it any more."""
        # spec: repair/forgotten
        self._places = []
        self._fetched_at.clear()

    def store(self, first: int, run: Run[Kept], at: float) -> None:
        """Keep packets whose numbers go up by one from `first`, in the places of older ones."""
        if not self._places:
            self._places = [None] * self.capacity
        count, place, kept = len(run), first % self.capacity, (first, at, run)
        end = place + count
        if end <= self.capacity:
            self._places[place:end] = [kept] * count  # spec: repair/kept-packets-bounded
        else:
            for number in range(first, first + count):
                self._places[number % self.capacity] = kept
        self._newest = first + count - 1
        if self._fetched_at:
            for number in range(first, first + count):
                self._fetched_at.pop(number % self.capacity, None)

    def _find(self, sequence: int) -> tuple[float, Run[Kept], int] | None:
        """When the packet with this number left, and its place in which run; None where another one has its place."""
        found = self._places[sequence % self.capacity] if self._places else None
        if found is None:
            return None
        first, at, run = found
        index = (sequence - first) & 0xFFFF
        return (at, run, index) if index < len(run) else None

    def __contains__(self, sequence: int) -> bool:
        """Whether a packet with this number was stored, and no other in its place."""
        return self._find(sequence) is not None

    def newest(self, count: int, now: float) -> Iterator[Kept]:
        """Up to so many packets, the newest first, to be sent once more as padding."""
        for back in range(min(count, self.capacity)):
            found = self._find((self._newest - back) & 0xFFFF)
            if found is not None and now - found[0] <= self.maximum_age:
                _, run, index = found
                yield run[index]

    def fetch(self, sequence: int, now: float) -> Kept | None:
        """The packet to send again; None where it is gone, too old, or was fetched less than a round trip ago."""
        place = sequence % self.capacity
        found = self._find(sequence)
        if found is None or now - found[0] > self.maximum_age:  # spec: repair/kept-for-a-while
            return None
        # spec: repair/once-a-round-trip
        if now - self._fetched_at.get(place, -math.inf) < self.round_trip_time:
            return None
        self._fetched_at[place] = now
        _, run, index = found
        return run[index]

    def not_sent(self, sequence: int) -> None:
        """What was fetched has not left after all: it may be fetched again at once."""
        self._fetched_at.pop(sequence % self.capacity, None)  # spec: repair/refused-may-be-asked-again
