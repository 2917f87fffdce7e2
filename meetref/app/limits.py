"""How much a stranger may take: places at the door, and messages in a span of time.

Stands below `app/door` and `app/channel`; plain values that are told the time.
Source: our own. A token bucket is the oldest way to allow a burst and still bound the rate.
Leaves out: bounds of the meeting itself (rooms, people in a room, candidates); they stand where their tables are.
Read next: `app/door.py`.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from meetref.wire.address import Address

MAXIMUM_SOURCES = 4096


class TokenBucket:
    """Allows `burst` at once and `rate` a second in the long run."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Are there `cost` tokens left for one more? Takes them."""
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class SourceBuckets:
    """A bucket for each source (see `Places`), of the last `MAXIMUM_SOURCES` of them."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._buckets: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, remote: Address, now: float, cost: float = 1.0) -> bool:
        """Has this source `cost` tokens left? Takes them."""
        source = source_of(remote)
        bucket = self._buckets.pop(source, None) or TokenBucket(rate=self.rate, burst=self.burst, now=now)
        self._buckets[source] = bucket  # the last one is the newest
        if len(self._buckets) > MAXIMUM_SOURCES:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(now, cost)


class Places:
    """Counts who is inside: `total` places in all, `per_source` of them for one source.

    A source is an IPv4 address or an IPv6 /64, the smallest network that one customer is given.
    """

    def __init__(self, *, total: int, per_source: int) -> None:
        self.total = total
        self.per_source = per_source
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are inside."""
        return self._taken.total()

    def enter(self, remote: Address) -> str | None:
        """Take a place: `None`, or which bound forbids it (`full`, `full-for-source`)."""
        source = source_of(remote)
        if self.taken >= self.total:
            return "full"
        if self._taken[source] >= self.per_source:
            return "full-for-source"
        self._taken[source] += 1
        return None

    def leave(self, remote: Address) -> None:
        """Give the place back."""
        source = source_of(remote)
        self._taken[source] -= 1
        if self._taken[source] <= 0:
            del self._taken[source]  # so that the table never has more rows than there are people inside


def source_of(remote: Address) -> str:
    """The name under which an address is counted: itself, or the first half of an IPv6 address."""
    host = ip_address(remote.host)
    return f"{host.packed[:8].hex()}/64" if host.version == 6 else str(host)


def is_loopback(host: str) -> bool:
    """Is this IP address this machine's own loopback?"""
    return ip_address(host).is_loopback
