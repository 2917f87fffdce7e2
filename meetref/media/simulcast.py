"""Several encodings of one source, and one slot that shows one of them: which it has, wants and waits for.

A switch is a wait: the slot goes on with what it shows until the encoding it waits for begins a keyframe. Which
encodings live is seen from what comes: a publisher switches them off and on as its bandwidth goes, without a word.
Stands above `media/thinning` (the highest layer); `meeting/viewing` does what is decided here.
Specification: RFC 8853 section 6 leaves the choice to the receiver; the rules are ours.
Leaves out: what a viewer can afford (`media/allocation`), and the layers within an encoding (`media/thinning`).
Read next: `media/demand.py`, what publishers hear of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Hashable, Sequence
from typing import Any, Generic, Literal, TypeVar

from meetref.media.thinning import ALL_LAYERS

Encoding = TypeVar("Encoding", bound=Hashable)

SILENT_FOR = 0.6
"""Seconds without a packet after which an encoding is taken for switched off, where a smaller one has shown `PICTURES`
meanwhile. So one that rests, as a screen does, rests together with the others and lives."""
PICTURES = 8
SILENT_AFTER_KEYFRAME = 1.2
"""The same for one whose last picture was a keyframe: an encoder leaves out pictures until that one is paid for."""
SILENT_BELOW = 3.0
"""The same where only a larger one has: publishers give up the largest first, and a busy keyframe takes what a small
encoding has in more than a second. Who then asked for the larger one would have both begin with another."""


NONE: frozenset[Any] = frozenset()
"""The same one for all: most slots of a large room show nothing."""


class Activity:
    """When packets of one encoding came. `living`: it is being sent, as far as can be seen."""

    __slots__ = ("_keyframe", "_pictures", "living", "newest_at")

    def __init__(self) -> None:
        self.living = False
        self.newest_at = -math.inf
        self._keyframe = False  # the newest picture is one
        self._pictures: deque[float] = deque(maxlen=PICTURES)

    def receive(self, pictures: int, now: float, *, keyframe: bool = False) -> bool:
        """Packets came, and so many pictures ended with them; whether they are of a `keyframe`.

        True when the encoding begins to live.
        """
        self.newest_at = now
        self._keyframe = keyframe
        if pictures:
            self._pictures.append(now)
        if self.living:
            return False
        self.living = True
        return True

    def look(
        self, smaller: Collection[Activity], larger: Collection[Activity], now: float, *, is_due: bool = True
    ) -> bool:
        """True when the encoding has died, beside those that are smaller and larger.

        `is_due`: the publisher has not been told to leave it out.
        """
        silent_for = now - self.newest_at
        if not self.living or silent_for < (SILENT_AFTER_KEYFRAME if self._keyframe else SILENT_FOR):
            return False
        # spec: simulcast/silent-encoding
        others = smaller if is_due and silent_for < SILENT_BELOW else [*smaller, *larger]
        self.living = not any(other.has_shown(self.newest_at) for other in others)
        return not self.living

    def has_shown(self, since: float) -> bool:
        """Whether there were enough pictures since then to say that who showed none is off."""
        return len(self._pictures) == PICTURES and self._pictures[0] > since


def order(sizes: Sequence[tuple[int, int] | None]) -> list[int]:
    """The places of encodings from small to large.

    Those whose size is known are sorted among the places they have; the others stay where the offer put them.
    """
    known = [place for place, size in enumerate(sizes) if size is not None]  # spec: simulcast/order-by-size
    by_size = sorted(known, key=lambda place: math.prod(sizes[place] or ()))
    moved = dict(zip(known, by_size, strict=True))
    return [moved.get(place, place) for place in range(len(sizes))]


class Selection(Generic[Encoding]):
    """What one slot shows of one source. The owner calls `look` after every change, and `begin` at a keyframe.

    `shown` is what goes out now, `awaited` takes over at its next keyframe, each since `..._since`; None: there is
    none. `wanted` is an encoding, or "largest", or "nothing". `temporal` and `spatial` are the highest layers of it
    that are to go.
    """

    __slots__ = ("awaited", "awaited_since", "shown", "shown_since", "spatial", "temporal", "uses", "wanted")

    def __init__(self, wanted: Literal["largest", "nothing"] = "largest") -> None:
        self.wanted: Encoding | Literal["largest", "nothing"] = wanted
        self.temporal = self.spatial = ALL_LAYERS
        self.shown: Encoding | None = None
        self.shown_since = -math.inf
        self.awaited: Encoding | None = None
        self.awaited_since = -math.inf
        self.uses: frozenset[Encoding] = NONE
        """The encodings that must be sent for this slot; the publisher may switch off what no slot uses."""

    def look(self, encodings: Sequence[Encoding], living: Collection[Encoding], now: float) -> None:
        """Choose what to wait for, out of `encodings` from small to large."""
        if self.wanted == "nothing" or not encodings:
            self.shown = self.awaited = None
            self.uses = NONE
            return
        target = self._target(encodings, living)
        awaited = None if target == self.shown else target
        if awaited != self.awaited:
            self.awaited, self.awaited_since = awaited, now
        self.uses = self._needed(encodings, living)

    def _place(self, encodings: Sequence[Encoding]) -> int:
        """Where the wanted encoding is; one that is gone was the largest."""
        found = [place for place, each in enumerate(encodings) if each == self.wanted]
        return found[0] if found else len(encodings) - 1

    def _target(self, encodings: Sequence[Encoding], living: Collection[Encoding]) -> Encoding:
        """The wanted one; while it is not sent, the next smaller one that is, or else the next larger one."""
        place = self._place(encodings)
        # spec: simulcast/best-living
        nearest = (*reversed(encodings[: place + 1]), *encodings[place + 1 :])
        return next((each for each in nearest if each in living), encodings[place])

    def _needed(self, encodings: Sequence[Encoding], living: Collection[Encoding]) -> frozenset[Encoding]:
        """The wanted one and what is seen until it comes; also what is better than that, for want of the wanted one."""
        # spec: simulcast/uses
        wanted, target = self._place(encodings), encodings.index(self._target(encodings, living))
        if encodings[target] not in living:
            return frozenset(encodings)
        seen = (each for each in (self.shown, self.awaited) if each is not None)
        return frozenset((encodings[wanted], *encodings[target : wanted + 1], *seen))

    def begin(self, encodings: Sequence[Encoding], living: Collection[Encoding], now: float) -> None:
        """The awaited encoding begins a keyframe: it is the one that is shown."""
        self.shown, self.shown_since = self.awaited, now
        self.awaited = None
        self.uses = self._needed(encodings, living)

    def lose(self, encoding: Encoding | None = None) -> None:
        """What was shown or awaited of an encoding is over; None: all of it, because another source comes."""
        if encoding in (None, self.shown):
            self.shown = None
        if encoding in (None, self.awaited):
            self.awaited = None
        if encoding is None:
            self.uses = NONE
