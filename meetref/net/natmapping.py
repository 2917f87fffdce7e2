"""The memory of a NAT: which inner address is which outer one, since when, and who was written to from there.

Stands below `net/nat`, which decides; here are the entries, their bounds and their ages.
Specification: RFC 4787 sections 4 (mappings) and 5 (filters).
Leaves out: waking up to forget. An entry that is too old counts as gone when it is looked for, and leaves when the
table needs its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from meetref.wire.address import Address

MAXIMUM_FILTERS = 256  # remotes that one mapping lets in; the one written to longest ago makes room


@dataclass(slots=True, eq=False)
class Mapping:
    """`inside` is seen as `outside`; `written_at` has when each remote was last written to, by the filter's key."""

    key: Hashable
    inside: Address
    outside: Address
    used_at: float
    written_at: OrderedDict[Hashable, float] = field(default_factory=OrderedDict)

    def write(self, remote: Hashable, now: float) -> None:
        """Something goes out to `remote`, which may answer from now on."""
        self.used_at = now
        self.written_at[remote] = now
        self.written_at.move_to_end(remote)
        if len(self.written_at) > MAXIMUM_FILTERS:  # spec: nat/bounded
            self.written_at.popitem(last=False)

    def lets_in(self, remote: Hashable, now: float, timeout: float) -> bool:
        """Whether `remote` was written to, not too long ago."""
        return now < self.written_at.get(remote, -timeout) + timeout


class MappingTable:
    """The mappings of one transport, at most `maximum`, each for `timeout` seconds after it was last used."""

    def __init__(self, timeout: float, maximum: int) -> None:
        self.timeout = timeout
        self.maximum = maximum
        self._by_inside: OrderedDict[Hashable, Mapping] = OrderedDict()  # the one used longest ago first
        self._by_outside: dict[Address, Mapping] = {}

    def __len__(self) -> int:
        return len(self._by_inside)

    def find(self, key: Hashable, now: float) -> Mapping | None:
        """The living mapping for packets of one kind from inside."""
        return self._if_alive(self._by_inside.get(key), now)

    def at(self, outside: Address, now: float) -> Mapping | None:
        """The living mapping behind an outer address."""
        return self._if_alive(self._by_outside.get(outside), now)

    def peek(self, outside: Address) -> Mapping | None:
        """As `at`, whether alive or not; changes nothing."""
        return self._by_outside.get(outside)

    def has_room(self, now: float) -> bool:
        """Whether one more fits; those that are too old make room."""
        while self._by_inside:
            oldest = next(iter(self._by_inside.values()))
            if self._is_alive(oldest, now):
                break
            self._remove(oldest)
        return len(self._by_inside) < self.maximum  # spec: nat/bounded

    def add(self, mapping: Mapping) -> None:
        self._by_inside[mapping.key] = mapping
        self._by_outside[mapping.outside] = mapping

    def used(self, mapping: Mapping, remote: Hashable, now: float) -> None:
        """It lives on from now, for `remote` too."""
        mapping.write(remote, now)  # spec: nat/outbound-refresh
        self._by_inside.move_to_end(mapping.key)

    def clear(self) -> None:
        self._by_inside.clear()
        self._by_outside.clear()

    def _is_alive(self, mapping: Mapping, now: float) -> bool:
        return now < mapping.used_at + self.timeout  # spec: nat/mapping-timeout

    def _if_alive(self, mapping: Mapping | None, now: float) -> Mapping | None:
        if mapping is not None and not self._is_alive(mapping, now):
            self._remove(mapping)
            return None
        return mapping

    def _remove(self, mapping: Mapping) -> None:
        del self._by_inside[mapping.key]
        del self._by_outside[mapping.outside]
