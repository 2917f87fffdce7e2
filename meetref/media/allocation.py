"""Who gets how much of one viewer's bandwidth: voices first, then a small picture of everybody, then better ones.

Pure. Stands above `media/ladder` (the layers of a source); `media/allocator` keeps the choices from swinging.
Specification: none. The order is that of Jitsi's bridge (its doc/allocation.md): everybody's lowest layer by rank,
who is on stage up to a preferred size, then one layer each in turns. Ours is that sound never yields to pictures.
Leaves out: when to choose anew, and sending (a layer is switched to at its keyframe: `media/simulcast`).
Read next: `media/allocator.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from meetref.media.ladder import Layer

Seat = TypeVar("Seat")
Rank = Literal["voice", "pinned", "screen", "speaker", "rest"]

ORDER: Final[dict[Rank, int]] = {"voice": 0, "pinned": 1, "screen": 2, "speaker": 3, "rest": 4}
STAGE: Final = ("pinned", "screen", "speaker")
PREFERRED_HEIGHT: Final = 360
"""Lines up to which who is on stage climbs before anybody else does (Jitsi's bridge)."""
RESERVE: Final = 0.05
"""Share of the pictures' budget that is left for retransmissions and probes (LiveKit expects 95 % to be used)."""


@dataclass(slots=True, frozen=True)
class Wish(Generic[Seat]):
    """One seat that a viewer sees or hears. The order of wishes counts within a rank: the loudest voice first.

    `layers` is a ladder, as `media/ladder` makes it for the seat's `height` in lines; empty: nothing is sent to it.
    A seat keeps what it has under its name, also when another source sits down there.
    """

    seat: Seat
    rank: Rank
    layers: tuple[Layer, ...]
    height: int = 0


@dataclass(slots=True)
class Choice(Generic[Seat]):
    """What a seat gets: `layer`, or None: it is paused.

    Its next step up takes `needed_bps` (0: there is none) and there are `available_bps` for it; where these suffice,
    they have to do so for a while, and by a margin.
    """

    wish: Wish[Seat]
    layer: Layer | None
    available_bps: int = 0
    needed_bps: int = 0

    @property
    def seat(self) -> Seat:
        return self.wish.seat

    @property
    def reason(self) -> str | None:
        """Why nothing comes, in words for the viewer; None while something does."""
        if self.layer is not None:
            return None
        # spec: allocation/paused-with-reason
        return f"paused: {self._figures}" if self.wish.layers else "nothing is sent"

    @property
    def explanation(self) -> str:
        """Why it is this layer and no better one, in words."""
        if self.layer is None:
            return self.reason or ""
        return f"for the next layer: {self._figures}" if self.needed_bps else "the best that is useful here"

    @property
    def step_bps(self) -> int:
        """What the next step up takes beyond what it has."""
        return self.needed_bps - (self.layer.bitrate_bps if self.layer is not None else 0)

    @property
    def _figures(self) -> str:
        waits = ", waiting for it to last" if self.available_bps >= self.needed_bps else ""
        return f"{self.available_bps // 1000} of {-(-self.needed_bps // 1000)} kbit/s{waits}"


def allocate(
    budget_bps: float,
    wishes: Sequence[Wish[Seat]],
    *,
    climbing_bps: float | None = None,
    showing_bps: float = 0.0,
    keeping_bps: float = 0.0,
    before: Mapping[Seat, Choice[Seat]] | None = None,
    reserve: float = RESERVE,
) -> list[Choice[Seat]]:
    """What each wish gets out of `budget_bps`, in the order of the wishes.

    The choices never cost more than the budget, except that the first voice always comes through. With `before`, the
    choices so far, a seat keeps or lowers its layer within the budget, but rises only within `climbing_bps`; and it is
    paused only where its lowest does not even fit into `keeping_bps`.
    """
    climbing = budget_bps if climbing_bps is None else climbing_bps
    showing = max(climbing, showing_bps)
    return _Round(budget_bps, wishes, (climbing, showing, keeping_bps), before or {}, reserve).run()


def cost(choices: Sequence[Choice[Seat]]) -> int:
    """What the choices take, in bit/s."""
    return sum(choice.layer.bitrate_bps for choice in choices if choice.layer is not None)


def ideal(wishes: Sequence[Wish[Seat]]) -> int:
    """What the best that is useful everywhere would take, in bit/s: probing for more would be for nothing."""
    return sum(wish.layers[-1].bitrate_bps for wish in wishes if wish.layers)


class _Round(Generic[Seat]):
    """One allocation under way. `rungs[i]` is where wish i stands on its ladder, -1 while it is paused."""

    def __init__(
        self,
        budget: float,
        wishes: Sequence[Wish[Seat]],
        limits: tuple[float, float, float],
        before: Mapping[Seat, Choice[Seat]],
        reserve: float,
    ) -> None:
        climbing, showing, self.keep = limits
        self.wishes = wishes
        self.before = before
        self.reserve = reserve
        self.whole = budget
        self.climb, self.show = min(climbing, budget), min(showing, budget)
        self.spent = 0.0
        self.rungs = [-1] * len(wishes)
        self.free = [_free(wish, before.get(wish.seat)) for wish in wishes]
        self.short: dict[int, tuple[float, float]] = {}  # by place: available and needed when it was paused

    def run(self) -> list[Choice[Seat]]:
        order = sorted(range(len(self.wishes)), key=lambda place: ORDER[self.wishes[place].rank])
        voices = [place for place in order if self.wishes[place].rank == "voice"]
        pictures = [place for place in order[len(voices) :] if self.wishes[place].layers]
        self._voices([place for place in voices if self.wishes[place].layers])
        # spec: allocation/lowest-for-everybody
        climbing = [place for place in pictures if self._step(place)]
        for place in climbing:
            if self.wishes[place].rank in STAGE:
                self._to_stage(place)
        # spec: allocation/rounds
        while climbing:
            climbing = [place for place in climbing if self._step(place)]
        return [self._choice(place) for place in range(len(self.wishes))]

    def _voices(self, places: list[int]) -> None:
        """The loudest as far as they fit, and the first in any case. While one is missing, no picture is sent."""
        heard_before = [choice.layer is not None for choice in self.before.values() if choice.wish.rank == "voice"]
        settled = len(places) if all(heard_before) else sum(heard_before)
        for number, place in enumerate(places):
            rate = self.wishes[place].layers[0].bitrate_bps
            limit = self.whole if number < settled else self.climb
            # spec: allocation/one-voice-always
            if number and self.spent + rate > limit:
                self._pause(places[number:], limit)
                self.whole = self.climb = self.show = self.spent  # spec: allocation/sound-first
                return
            self.spent += rate
            self.rungs[place] = 0
        # spec: allocation/share-for-repair
        self.whole, self.climb, self.show = (
            self.spent + (limit - self.spent) * (1 - self.reserve) for limit in (self.whole, self.climb, self.show)
        )

    def _pause(self, voices: list[int], limit: float) -> None:
        for place in voices:
            rate = self.wishes[place].layers[0].bitrate_bps
            self.short[place] = (self.whole - self.spent, rate + self.whole - limit)

    def _step(self, place: int) -> bool:
        """One rung up, if there is one and it fits."""
        layers, rung = self.wishes[place].layers, self.rungs[place]
        if rung + 1 == len(layers):
            return False
        after = self.spent + layers[rung + 1].bitrate_bps
        if rung >= 0:
            after -= layers[rung].bitrate_bps
        # spec: allocation/within-budget
        limit = self.whole if rung + 1 < self.free[place] else self.climb if rung >= 0 else self.show
        if rung < 0 and self._is_shown(place):
            limit = max(limit, self.keep)  # spec: allocation/lowest-is-kept
        if after > limit:
            if rung < 0:
                self.short[place] = (self.whole - self.spent, layers[0].bitrate_bps)
            return False
        self.spent = after
        self.rungs[place] = rung + 1
        return True

    def _is_shown(self, place: int) -> bool:
        before = self.before.get(self.wishes[place].seat)
        return before is not None and before.layer is not None

    def _to_stage(self, place: int) -> None:
        """Up to the preferred size, and a screen to its sharpest."""
        wish = self.wishes[place]
        top = wish.layers[-1].height
        wanted = top if wish.rank == "screen" else min(top, PREFERRED_HEIGHT)
        # spec: allocation/stage-first
        while wish.layers[self.rungs[place]].height < wanted and self._step(place):
            pass

    def _choice(self, place: int) -> Choice[Seat]:
        wish, rung = self.wishes[place], self.rungs[place]
        if rung < 0:
            available, needed = self.short.get(place, (0.0, 0.0))
            return Choice(wish, None, max(int(available), 0), int(needed))
        layer = wish.layers[rung]
        if rung + 1 == len(wish.layers):
            return Choice(wish, layer)
        left = self.whole - self.spent + layer.bitrate_bps
        return Choice(wish, layer, max(int(left), 0), wish.layers[rung + 1].bitrate_bps)


def _free(wish: Wish[Seat], before: Choice[Seat] | None) -> int:
    """How many rungs the whole budget may be used for: those not above what the seat has.

    A seat that is new, or was given more weight or space, has nothing that could swing: all of them.
    """
    if before is None or not before.wish.layers:
        return len(wish.layers)
    # spec: allocation/viewer-acts-at-once
    if ORDER[wish.rank] < ORDER[before.wish.rank] or wish.height > before.wish.height:
        return len(wish.layers)
    had = before.layer
    if had is None:
        return 0
    return sum(layer.place <= had.place or layer.bitrate_bps <= had.bitrate_bps for layer in wish.layers)
