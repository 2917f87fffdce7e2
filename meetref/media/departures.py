"""What was sent and not yet told of: a ring of departures, and the reports that feedback makes of them.

Stands below `media/feedback` and `media/congestionfeedback`, the two formats that tell what became of our packets.
Noting a departure is on the way of every packet, so packets that leave together are noted together, in lists that
are hardly ever made. Specification: none; what is kept is what the estimators of congestion control want to know.
Leaves out: the formats, and clocks. Read next: `media/feedback.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

CAPACITY = 2048  # packets: two seconds of a thousand each, and feedback comes ten times a second
LATEST = 2.0  # seconds after which nothing is told of a packet any more: the feedback was lost, or there is none
SMALLEST = 512  # places of a ring that has not grown yet: whose feedback comes in time needs no more, and they are many


PacketReport = tuple[int, int, float, float | None]
"""What became of one packet: its extended number, its size in octets, when it left, and when it came or None.

It left by our clock and came by the peer's, so that only differences compare. One that did not come so far may still
come, and is then reported again. A plain tuple, because anything with named fields takes seven times as long to make.
"""


class Departures:
    """The newest `capacity` packets of one run of numbers of 16 bits, until a feedback tells what became of them.

    A packet is reported at most twice: as not received so far, and as received. `capacity` is at most 32768. The ring
    begins smaller and grows when packets would be forgotten of which something may yet be told. That is seen from the
    newest of the places that a run takes, because feedback comes in the order of the numbers.
    """

    __slots__ = ("_next", "_places", "_sizes", "_times", "capacity", "unmatched")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.unmatched = 0  # arrivals reported of packets that we do not remember
        self._next = -1  # the number after the newest, extended beyond 16 bits; negative before the first
        # A packet's place is its number modulo the places. Size 0: nothing to tell; negative: told as missing.
        self._places = min(capacity, SMALLEST)
        self._sizes = [0] * self._places
        self._times = [0.0] * self._places

    @property
    def newest_at(self) -> float | None:
        """When the newest packet left."""
        return self._times[(self._next - 1) % self._places] if self._next >= 0 else None

    def __len__(self) -> int:
        return self._places - self._sizes.count(0)

    def record(self, sequence: int, size_bytes: int, at: float) -> None:
        """Note that the packet with this number left at `at`, in seconds."""
        self.record_run(sequence, (size_bytes,), at)

    def record_run(self, first_sequence: int, sizes: Sequence[int], at: float) -> None:
        """Note packets that left together at `at`: numbers go up by one from `first_sequence`, sizes in octets."""
        following = self._next
        index = following + (first_sequence - following + 0x8000 & 0xFFFF) - 0x8000
        place = index % self._places
        end = place + len(sizes)
        if index != following or end > self._places or following < 0 or self._sizes[end - 1] > 0:
            if sizes:
                self._record_apart(first_sequence & 0xFFFF if following < 0 else index, sizes, at)
            return
        self._sizes[place:end] = sizes
        self._times[place:end] = [at] * (end - place)
        self._next = following + end - place

    def _record_apart(self, first: int, sizes: Sequence[int], at: float) -> None:
        """The same for a run that does not follow the newest packet, or takes places that may not be free."""
        newest = max(self._next, first + len(sizes))
        while self._places < self.capacity and self._would_forget(newest, len(sizes), at):
            self._grow()
        places = self._places
        if self._next >= 0:
            for skipped in range(max(self._next, newest - places), first):
                self._sizes[skipped % places] = 0
        for index, size in enumerate(sizes, first):
            if index >= newest - places:
                self._sizes[index % places] = size
                self._times[index % places] = at
        self._next = newest

    def _would_forget(self, newest: int, count: int, at: float) -> bool:
        """Whether a run of so many, up to `newest`, takes the places of packets of which something may yet be told."""
        taken = (index % self._places for index in range(max(self._next, newest - self._places), newest))
        return count > self._places or any(
            self._sizes[place] > 0 and at - self._times[place] < LATEST for place in taken
        )

    def _grow(self) -> None:
        former, places = self._places, min(2 * self._places, self.capacity)
        sizes, times = [0] * places, [0.0] * places
        for index in range(self._next - former, self._next):
            sizes[index % places], times[index % places] = self._sizes[index % former], self._times[index % former]
        self._places, self._sizes, self._times = places, sizes, times

    def nearest(self, sequence: int) -> int:
        """The extended number that a peer means by these 16 bits."""
        return self._next + (sequence - self._next + 0x8000 & 0xFFFF) - 0x8000

    def tell(self, first: int, arrivals: Sequence[float | None]) -> list[PacketReport]:
        """Reports, in order of numbers, of the packets from the extended number `first` on.

        `arrivals` has a time of the peer's clock, in seconds, for each packet, or None for not received so far.
        """
        count = len(arrivals)
        place = first % self._places
        end = place + count
        if self._next - self._places <= first <= self._next - count and end <= self._places:
            sizes = self._sizes[place:end]
            if None not in arrivals and sizes and min(sizes) > 0:  # all came, and none was told of: nearly always
                self._sizes[place:end] = [0] * count
                return list(zip(range(first, first + count), sizes, self._times[place:end], arrivals, strict=True))
        return self._tell_each(first, arrivals)

    def _tell_each(self, first: int, arrivals: Sequence[float | None]) -> list[PacketReport]:
        reports: list[PacketReport] = []
        sizes, oldest = self._sizes, self._next - self._places
        for index, arrival in enumerate(arrivals, first):
            place = index % self._places
            size = sizes[place] if oldest <= index < self._next else 0
            if arrival is None:
                if size > 0:
                    sizes[place] = -size
                    reports.append((index, size, self._times[place], None))
            elif size:
                sizes[place] = 0
                reports.append((index, abs(size), self._times[place], arrival))
            else:
                self.unmatched += 1
        return reports
