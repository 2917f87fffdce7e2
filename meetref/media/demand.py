"""Which encodings of a source anybody wants, so that a publisher does not send what nobody sees.

Stands beside `media/allocation`, whose choices it adds up; `meeting/track` has one for its source. `watch` whenever a
viewer's choices change, and send what `changes` gives to the publisher.
Specification: none. On at once, off after a delay, as LiveKit has it (`dynacast_pause_delay`, 5 s): who switches back
within it need not wait for a keyframe.
Leaves out: temporal layers, which a publisher cannot leave out one by one, and what a layer that is off would cost.
Read next: `media/ladder.py`, which goes on offering what is off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

Viewer = TypeVar("Viewer")
Source = TypeVar("Source")

OFF_AFTER: Final = 5.0  # seconds for which nobody has wanted it


class Demand(Generic[Viewer, Source]):
    """Counts, for each encoding of each source, who wants it. Sources are added with all their encodings on."""

    def __init__(self, *, off_after: float = OFF_AFTER) -> None:
        self.off_after = off_after
        self._wanted: dict[Viewer, dict[Source, int]] = {}
        self._counts: dict[Source, dict[int, int]] = {}
        self._on: dict[Source, set[int]] = {}
        self._off_at: dict[tuple[Source, int], float] = {}  # in the order in which they are due
        self._changed: dict[Source, None] = {}

    def add(self, source: Source, encodings: Iterable[int], now: float) -> None:
        """A source that is sent in these encodings (0 the smallest) from now on; viewers may want it already."""
        self.remove(source)
        wanted = [choice[source] for choice in self._wanted.values() if source in choice]
        self._counts[source] = {encoding: wanted.count(encoding) for encoding in encodings}
        self._on[source] = set(self._counts[source])
        for encoding, count in self._counts[source].items():
            if not count:
                self._off_at[source, encoding] = now + self.off_after

    def remove(self, source: Source) -> None:
        """The source is gone; who still wants it gets nothing."""
        for encoding in self._counts.pop(source, {}):
            self._off_at.pop((source, encoding), None)
        self._on.pop(source, None)
        self._changed.pop(source, None)

    def watch(self, viewer: Viewer, wanted: Mapping[Source, int], now: float) -> None:
        """From now on this viewer wants these encodings, one of each source, instead of those before."""
        before = self._wanted.get(viewer, {})
        for source, encoding in wanted.items():
            if before.get(source) != encoding:
                self._count(source, encoding, 1, now)
        for source, encoding in before.items():
            if wanted.get(source) != encoding:
                self._count(source, encoding, -1, now)
        self._wanted[viewer] = dict(wanted)

    def leave(self, viewer: Viewer, now: float) -> None:
        """The viewer is gone."""
        self.watch(viewer, {}, now)
        del self._wanted[viewer]

    def _count(self, source: Source, encoding: int, step: int, now: float) -> None:
        counts = self._counts.get(source, {})
        if encoding not in counts:
            return  # not there, or not sent in so many encodings
        counts[encoding] += step
        if counts[encoding] <= 0:
            # spec: allocation/off-after-a-delay
            self._off_at.setdefault((source, encoding), now + self.off_after)
            return
        self._off_at.pop((source, encoding), None)
        if encoding not in self._on[source]:
            self._on[source].add(encoding)  # spec: allocation/on-at-once
            self._changed[source] = None

    def active(self, source: Source) -> frozenset[int]:
        """The encodings that the publisher is to send; empty for a source that is not there."""
        return frozenset(self._on.get(source, ()))

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called; infinity while nothing is to be switched off."""
        return next(iter(self._off_at.values()), math.inf)

    def handle_timeout(self, now: float) -> None:
        """Switch off what nobody has wanted for long enough."""
        while self._off_at:
            (source, encoding), due = next(iter(self._off_at.items()))
            if due > now:
                return
            del self._off_at[source, encoding]
            self._on[source].discard(encoding)
            self._changed[source] = None

    def changes(self) -> Iterator[tuple[Source, frozenset[int]]]:
        """The sources whose publisher is to be told anew, each with its active encodings; drains."""
        while self._changed:
            source = next(iter(self._changed))
            del self._changed[source]
            yield source, self.active(source)
