"""From counts that only grow to rates, for whoever looks now and then: what was counted since the last look.

Nothing is measured while nobody looks, and several who look share their looks. Below `app/xray`.
Specification: none. Leaves out: averages over longer; the page keeps the last minute of what it was told.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

SHORTEST = 0.5  # seconds between two looks; who looks earlier is told the same again
KEPT_FOR = 10.0  # seconds after which a count that nobody asked for is forgotten
MAXIMUM_COUNTS = 50_000


@dataclass(slots=True)
class _Count:
    at: float
    count: float
    whole: float = 0.0
    rate: float | None = None
    share: float | None = None


class Rates:
    """What grew since the last look, by the name of the count."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, _Count] = {}
        self._tidied_at = 0.0

    def __len__(self) -> int:
        return len(self._counts)

    def rate(self, name: Hashable, count: float, now: float) -> float | None:
        """How much it grew a second; None at the first look, and after it began anew."""
        kept = self._look(name, count, 0.0, now)
        return kept.rate if kept is not None else None

    def share(self, name: Hashable, part: float, whole: float, now: float) -> float | None:
        """How large a part of what was added to `whole` was added to `part`, 0 to 1; None where nothing was."""
        kept = self._look(name, part, whole, now)
        return kept.share if kept is not None else None

    def _look(self, name: Hashable, count: float, whole: float, now: float) -> _Count | None:
        self._tidy(now)
        kept = self._counts.get(name)
        if kept is None or count < kept.count or whole < kept.whole:
            if len(self._counts) < MAXIMUM_COUNTS or kept is not None:
                self._counts[name] = _Count(now, count, whole)
            return None
        if now - kept.at >= SHORTEST:
            grown, added = count - kept.count, whole - kept.whole
            kept.rate = grown / (now - kept.at)
            kept.share = min(grown / added, 1.0) if added > 0 else None
            kept.at, kept.count, kept.whole = now, count, whole
        return kept

    def _tidy(self, now: float) -> None:
        if now - self._tidied_at < KEPT_FOR:
            return
        self._tidied_at = now
        self._counts = {name: kept for name, kept in self._counts.items() if now - kept.at < KEPT_FOR}
