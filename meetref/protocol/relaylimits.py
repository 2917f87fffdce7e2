"""What strangers and users may take of a relay: answers for each source, allocations for each user, and of all.

A stranger's address may be somebody else's, so what is answered before anybody has proved himself is rationed by the
network it would go to. Stands below `protocol/relay`; plain values that are told the time.
Source: RFC 8656 sections 5, 7.2 (486, 508) and 21.3.1; the ration is our own.
Leaves out: rationing those who proved who they are; their allocations have a budget each.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address

from meetref.wire.address import Address

MAXIMUM_SOURCES = 4096


@dataclass(slots=True, frozen=True, kw_only=True)
class Limits:
    """What may be taken. Times in seconds; `bytes_per_second` and `burst_bytes` are of one allocation, both ways."""

    allocations: int = 2000
    allocations_per_user: int = 40
    longest_lifetime: float = 3600.0
    reserved_for: float = 30.0
    bytes_per_second: float = 2_000_000.0
    burst_bytes: float = 1_000_000.0
    answers_per_second: float = 50.0  # to strangers of one network
    answers_at_once: float = 200.0
    first_port: int = 49152
    last_port: int = 65535


class Rations:
    """How many answers each network may still get: an IPv4 /24, an IPv6 /56.

    The table is bounded: its oldest row makes room, and gives a network that had used up its ration a new one. All
    networks together therefore have a ration too, forty times that of one.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._rows: dict[str, tuple[float, float]] = {}
        self._all = (40 * burst, 0.0)

    def __len__(self) -> int:
        return len(self._rows)

    def left(self, remote: Address, now: float) -> bool:
        """Whether one more answer may go there."""
        row = self._rows.get(prefix_of(remote))
        mine = self._burst if row is None else self._filled(row, now, 1)
        return mine >= 1 and self._filled(self._all, now, 40) >= 1

    def take(self, remote: Address, now: float) -> bool:
        """The same, and one answer goes there."""
        # spec: turn/unproven-sources
        prefix = prefix_of(remote)
        row = self._rows.pop(prefix, None)
        mine = self._burst if row is None else self._filled(row, now, 1)
        everybody = self._filled(self._all, now, 40)
        allowed = mine >= 1 and everybody >= 1
        if row is None and len(self._rows) >= MAXIMUM_SOURCES:
            del self._rows[next(iter(self._rows))]
        self._rows[prefix] = (mine - allowed, now)
        self._all = (everybody - allowed, now)
        return allowed

    def _filled(self, row: tuple[float, float], now: float, times: int) -> float:
        left, at = row
        return min(times * self._burst, left + max(0.0, now - at) * times * self._rate)


def prefix_of(remote: Address) -> str:
    """The name of the network an address is counted under."""
    if remote.is_ipv6:
        return ip_address(remote.host).packed[:7].hex()
    return remote.host.rpartition(".")[0]


class Quotas:
    """Counts allocations and reservations by user."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return self._taken.total()

    def refuses(self, username: str, count: int) -> int | None:
        """The error code for so many more, or None if they fit."""
        if self._taken[username] + count > self._limits.allocations_per_user:  # spec: turn/user-quota
            return 486
        if self.taken + count > self._limits.allocations:  # spec: turn/total-quota
            return 508
        return None

    def take(self, username: str) -> None:
        self._taken[username] += 1

    def give_back(self, username: str) -> None:
        self._taken[username] -= 1
        if self._taken[username] <= 0:
            del self._taken[username]
