"""Are a viewer's pictures sent with FEC, and with how much? By what gets lost, how far it is, and what can be had.

Stands above `media/protection` (which knows when asking again is enough) and `meeting/forwarder` (whose slots carry it
out), below `meeting/down`, which tells it what the viewer reports and lets it look a few times a second.
Specification: RFC 5109 section 12: what protection takes, the media give up. That it begins at once and ends when the
worst of ten seconds is over is `media/protection`'s.
Leaves out: refusing requests for what FEC may bring: a viewer who asks gets both.
Read next: `media/shielding.py`.
"""

from __future__ import annotations

from meetref.media.protection import Chooser, Protection
from meetref.meeting.capacity import Capacity
from meetref.meeting.forwarder import Slot
from meetref.protocol.negotiation import Fec

SMOOTHING = 0.5
"""Of a report of a viewer without transport-wide feedback."""


class Protecting:
    """For one viewer. `protection` is what was chosen last, and why."""

    def __init__(self) -> None:
        self.protection = Protection(0, 0, "nothing is known")
        self._slots: dict[str, Slot] = {}
        self._chooser = Chooser()
        self._lost = 0.0  # smoothed, as reports tell

    def agree(self, slot: Slot, fec: Fec | None) -> None:
        """The viewer takes the pictures of a slot with FEC that is marked so, or (None) without."""
        slot.fec = fec
        if fec is not None:
            self._slots[slot.mid] = slot
        elif self._slots.pop(slot.mid, None) is not None:
            slot.protect(0)

    def on_report(self, loss: float, now: float) -> None:
        """A receiver report on a picture: the share of its packets that was lost since the one before."""
        self._lost += SMOOTHING * (loss - self._lost)
        self._chooser.on_loss(self._lost, now)

    def look(self, capacity: Capacity, round_trip: float | None, now: float) -> None:
        """Choose anew, for all pictures of the viewer."""
        if not self._slots:
            return
        if capacity.feedbacks:
            self._chooser.on_loss(capacity.estimator.steady_loss, now)
        if round_trip is not None:
            self._chooser.on_round_trip(round_trip)
        chosen = self.protection = self._chooser.choose(now)  # spec: fec/worth-it
        for slot in self._slots.values():
            if slot.row != chosen.row:
                slot.protect(chosen.row)
        capacity.overhead = chosen.overhead if any(slot.shield for slot in self._slots.values()) else 0.0
