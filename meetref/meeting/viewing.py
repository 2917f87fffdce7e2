"""Who looks at a track: which of its encodings is shown, which is waited for, and going over at a keyframe.

A slot of a viewer's connection is one (`meeting/forwarder`), the tap of a recording another (`meeting/tap`). Both are
counted for what a publisher is told to send, and both ask for keyframes.
Stands above `media/simulcast` (the choice) and `meeting/track` (which calls `send` and `begin`).
Specification: RFC 8853 section 6 leaves the choice to the receiver.
Leaves out: what becomes of the packets. Read next: `meeting/forwarder.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from meetref.media.rewriting import Incoming
from meetref.media.simulcast import Selection
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.track import NOTHING, Encoding, Kind, Track, by_sequence

MAXIMUM_EARLY = 256
"""Packets that may overtake the first one of a keyframe on the way here, lost and sent again: its others, and more."""


class Failing(Protocol):
    """What is told of a mistake of ours."""

    def fail(self, error: Exception) -> None:
        """End this one, and nobody else."""


class Viewing(ABC):
    """One viewer of one track at a time; the track that is seen changes, the viewer stays."""

    __slots__ = ("_early", "_floor", "kind", "link", "selection", "track")

    link: Failing

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.track: Track | None = None
        self.selection: Selection[Encoding] = Selection()
        """Which encoding of the track is shown, and which is waited for."""
        self._early: list[Incoming] = []  # at most `MAXIMUM_EARLY`; empty, it takes a tenth of what a deque does
        self._floor = NOTHING  # up to here packets of the awaited encoding have gone by

    @abstractmethod
    def send(self, packets: Sequence[Incoming], now: float) -> None:
        """Take what came of the encoding in one batch, in order."""

    # --- what is shown ------------------------------------------------------------------------------

    def show(self, track: Track | None, now: float, *, wanted: Literal["largest", "nothing"] = "largest") -> None:
        """Show another track from its next keyframe (audio: next packet) on, or nothing; `wanted` of its encodings."""
        if track is self.track:
            return
        if self.track is not None:
            self.track.slots.remove(self)
            self._choose(self.track, now, lambda: self.selection.lose())
        self.track = track
        self.selection = Selection(wanted)
        if track is not None:
            track.slots.append(self)
            self.look(now)

    def want(
        self,
        encoding: Encoding | Literal["largest", "nothing"],
        temporal: int,
        now: float,
        spatial: int = ALL_LAYERS,
    ) -> None:
        """Show this encoding of the track from its next keyframe on, and its layers up to these.

        What is shown goes on until then. While the publisher does not send the encoding, the best other one is shown.
        `"nothing"` pauses at once.
        """
        self.selection.wanted = encoding
        self.selection.temporal, self.selection.spatial = temporal, spatial
        self.look(now)

    def look(self, now: float) -> None:
        """Choose anew: what is wanted has changed, or what the publisher sends."""
        track = self.track
        if track is None:
            return
        self._choose(track, now, lambda: self.selection.look(track.encodings, track.living, now))
        if self.selection.awaited is not None:
            self.selection.awaited.want_keyframe(now)

    def lose(self, encoding: Encoding, now: float) -> None:
        """The stream of an encoding has begun anew, with numbers of its own: what was shown of it is over."""
        if self.track is not None:
            self._choose(self.track, now, lambda: self.selection.lose(encoding))
            self.look(now)

    def _choose(self, track: Track, now: float, change: Callable[[], None]) -> None:
        """Change the selection, and be with the encodings that it names, and with no other."""
        selection = self.selection
        shown, awaited, uses = selection.shown, selection.awaited, selection.uses
        change()
        if shown is not None and selection.shown is not shown:
            shown.slots.remove(self)
        if selection.awaited is not awaited:
            self._early.clear()
            if awaited is not None:
                awaited.waiting.remove(self)
            if selection.awaited is not None:
                selection.awaited.waiting.append(self)
                self._floor = selection.awaited.forwarded
        if selection.uses != uses:
            track.use(self, uses, selection.uses, now)

    def want_keyframe(self, now: float) -> None:
        """The viewer cannot decode what it gets."""
        for encoding in (self.selection.shown, self.selection.awaited):
            if encoding is not None:
                encoding.want_keyframe(now)

    def begin(self, encoding: Encoding, packets: Sequence[Incoming], now: float) -> None:
        """Go over to the encoding that is waited for, at the first packet with which a viewer can begin.

        What overtook the first packet of its frame goes right behind it.
        """
        for place, packet in enumerate(packets):
            # spec: simulcast/switch-at-keyframe, simulcast/whole-keyframe
            if packet.starts and packet.sequence > self._floor:
                self._start(encoding, packet, now)
                self.send([packet, *sorted([*self._early, *packets[place + 1 :]], key=by_sequence)], now)
                self._early.clear()
                return
            if packet.starts:  # a latecomer, whose followers have gone without this slot
                encoding.want_keyframe(now)
            if len(self._early) == MAXIMUM_EARLY:
                self._floor = max(self._floor, self._early.pop(0).sequence)
            self._early.append(packet)

    def _start(self, encoding: Encoding, packet: Incoming, now: float) -> None:
        """From `packet` on this encoding is shown."""
        track, selection = encoding.track, self.selection
        if selection.shown is not None:
            selection.shown.slots.remove(self)
        encoding.waiting.remove(self)
        encoding.slots.append(self)
        uses = selection.uses
        selection.begin(track.encodings, track.living, now)
        if selection.uses != uses:
            track.use(self, uses, selection.uses, now)
