"""One viewer's allocation over time: when to choose anew, and what keeps a layer from coming and going.

Stands above `media/allocation`. One object a viewer: ask `due` at every tick, and `decide` when it says so.
Specification: none. Down at once; up when the budget was there for a while, by a margin. The parameters are those
of Jitsi's bridge (anew when the budget moved by 15 %, or after 5 s) and of mediasoup (10 % margin, 2 s, 10 s).
Leaves out: the budget, which is the estimate of `media/bandwidth`, and carrying a choice out.
Read next: `media/demand.py`, what publishers hear of all this.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, Generic

from meetref.media.allocation import ORDER, RESERVE, Choice, Seat, Wish, allocate, cost, ideal

MOVED: Final = 0.15  # share by which the budget must change to be thought about again
AGAIN: Final = 5.0  # seconds after which measured rates are looked at again,
SOON: Final = 0.5  # and where what is paused might fit
MARGIN: Final = 0.10  # share of the budget that is not climbed with, except from nothing to the lowest
LASTING: Final = 2.0  # seconds for which a budget must have been there before it is climbed with
AFTER_FALL: Final = 10.0  # the same after a climb was undone; each further time twice as long
LONGEST: Final = 80.0
FORGIVEN: Final = 120.0  # seconds without a fall after which it is `LASTING` again
SAMPLE: Final = 0.1  # seconds between two remembered budgets while they rise


class Allocator(Generic[Seat]):
    """The choices of one viewer. `choices` are the newest ones, `spent_bps` what they take.

    `enough_bps` is the budget with which everything would be at its best: more need not be looked for. `next_bps` is
    the one with which the next seat would be a step better.

    The owner calls `changed` when seats, ranks, sizes or the set of layers of a source are no longer the same; rates
    that moved are seen within `AGAIN` seconds.
    """

    def __init__(self, *, reserve: float = RESERVE) -> None:
        self.reserve = reserve
        self.choices: list[Choice[Seat]] = []
        self.spent_bps = 0
        self.enough_bps = self.next_bps = 0.0
        self._before: dict[Seat, Choice[Seat]] = {}
        self._budget = self._keeping = 0.0
        self._is_experiment = False
        self._steps: deque[tuple[float, float]] = deque()  # rising: since when the budget was never below what
        self._lasting = self._showing_lasts = LASTING
        self._fell_at = -math.inf
        self._shows_bps = math.inf  # the budget with which something that is paused would fit
        self._climbed = False
        self._changed = True
        self._decided_at = -math.inf
        self._decided = (0.0, 0.0)  # the budget, and what of it there was to climb with

    def changed(self) -> None:
        """The inputs are other ones: the next `due` says yes."""
        self._changed = True

    def due(self, budget_bps: float, now: float, *, keeping_bps: float = 0.0, is_experiment: bool = False) -> bool:
        """Take the estimate of this tick. True when it is time for `decide`. Costs next to nothing.

        `keeping_bps` is what the line carries, where the estimate is less only until a queue has drained. An
        experiment is a budget that is less for a moment, to see what that does: who falls by it did not climb in vain.
        """
        self._remember(budget_bps, now)
        self._keeping, self._is_experiment = keeping_bps, is_experiment
        budget, climbing = self._decided
        # spec: allocation/when-anew
        return (
            self._changed
            or now - self._decided_at >= AGAIN
            or budget_bps < budget * (1 - MOVED)
            or self.spent_bps > budget_bps < budget
            or self._climbing(now) > climbing * (1 + MOVED)
            or (now - self._decided_at >= SOON and self._showing(now) >= self._shows_bps)
        )

    def _remember(self, budget: float, now: float) -> None:
        self._budget = budget
        steps, since = self._steps, now
        while steps and steps[-1][1] >= budget:
            since = steps.pop()[0]
        if since < now or not steps or now - steps[-1][0] >= SAMPLE:
            steps.append((since, budget))
        while len(steps) > 1 and steps[1][0] <= now - LONGEST:
            steps.popleft()

    def _climbing(self, now: float) -> float:
        """The budget that may be climbed with: the smallest of the last seconds, less a margin."""
        if now - self._fell_at >= FORGIVEN:
            self._lasting = self._showing_lasts = LASTING
        # spec: allocation/up-after-a-while, allocation/no-swinging
        return self._least(self._lasting, now) * (1 - MARGIN)

    def _showing(self, now: float) -> float:
        """The budget with which the lowest layer of who is not seen may come: no margin, and it comes back sooner."""
        return self._least(self._showing_lasts, now)  # spec: allocation/lowest-comes-soon

    def _least(self, seconds: float, now: float) -> float:
        """The smallest budget of so many seconds; nothing while fewer have passed."""
        return next((low for since, low in reversed(self._steps) if since <= now - seconds), 0.0)

    def decide(self, wishes: Sequence[Wish[Seat]], now: float) -> list[Choice[Seat]]:
        """Choose for these wishes with the newest budget. A seat may be wished for once."""
        climbing = self._climbing(now)
        choices = allocate(
            self._budget, wishes, climbing_bps=climbing, showing_bps=self._showing(now), keeping_bps=self._keeping,
            before=self._before, reserve=self.reserve,
        )  # fmt: skip
        if not self._changed:
            self._learn(choices, now)
        self.choices = choices
        self.spent_bps = cost(choices)
        share = (1 - self.reserve) * (1 - MARGIN)  # what it climbs with is less by as much
        self.enough_bps = ideal(wishes) / share
        paused = [choice.needed_bps for choice in choices if choice.layer is None and choice.needed_bps]
        self._shows_bps = (self.spent_bps + min(paused, default=math.inf)) / (1 - self.reserve)
        steps = [choice.step_bps for choice in choices if choice.needed_bps]
        self.next_bps = (self.spent_bps + min(steps, default=0)) / share
        self._before = {choice.seat: choice for choice in choices}
        self._changed = False
        self._decided_at = now
        self._decided = (self._budget, climbing)
        return choices

    def _learn(self, choices: Sequence[Choice[Seat]], now: float) -> None:
        """A fall that undoes a climb shows that the budget swings more slowly than was waited for."""
        fallen = [choice for choice in choices if _fell(choice, self._before.get(choice.seat))]
        if fallen:
            self._fell_at = now
            if self._climbed and not self._is_experiment:
                # spec: allocation/longer-after-a-fall
                self._lasting = min(max(AFTER_FALL, 2 * self._lasting), LONGEST)
                if any(choice.layer is None for choice in fallen):
                    self._showing_lasts = min(2 * self._showing_lasts, LONGEST)
            self._climbed = False
        elif any(_fell(self._before[choice.seat], choice) for choice in choices if choice.seat in self._before):
            self._climbed = True


def _fell(choice: Choice[Seat], before: Choice[Seat] | None) -> bool:
    """Whether the seat has less than it had, though the viewer wants as much of it and the source still offers it."""
    if before is None or before.layer is None or ORDER[choice.wish.rank] > ORDER[before.wish.rank]:
        return False
    had = before.layer.place
    offered = any(layer.place >= had for layer in choice.wish.layers)
    return offered and (choice.layer is None or choice.layer.place < had)
