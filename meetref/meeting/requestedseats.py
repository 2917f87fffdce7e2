"""The seats of a viewer whose offer says how many there are, once and for all: a client of WHEP.

Stands above `meeting/seats`, whose seats grow with the room; below `meeting/oneway`.
Specification: draft-ietf-wish-whep-03 section 3 (nothing is negotiated again). Who sits is our own: screens first, then
who speaks, who spoke, and the others as they came; nobody without a picture as long as somebody has one.
Leaves out: telling the viewer who sits where. There is no signaling to tell it by. Read next: `meeting/oneway.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from meetref.meeting.down import Down
from meetref.meeting.seating import Content, Rank, Seating, Sight
from meetref.meeting.seats import FindTrack, Seats, fill
from meetref.meeting.track import Track
from meetref.wire import signaling


class RequestedSeats(Seats):
    """As many seats as the connection has video slots (`v0`, `v1`, ...), and as many voices as audio slots (`a0`, ...).

    Whoever is seen and heard has the voice that belongs to the seat, so that lips are in sync. Where there are too few
    voices for all, they are those of who speaks, of the shared screens, and of the loudest.
    """

    def __init__(self, down: Down) -> None:
        self._everybody: list[Content] = []
        self._loudest: list[Content] = []
        self._ranks: dict[Content, Rank] = {}
        super().__init__(down)

    def grow(self, contents: int, tiles: int) -> bool:
        """There are as many as there are."""
        slots = self.down.slots.values()
        videos, voices = (sum(slot.kind == kind for slot in slots) for kind in ("video", "audio"))
        self.contents = self.contents or [None] * videos
        self.sights = self.sights or [None] * videos
        self.voices = self.voices or [None] * voices
        return False

    def seat(self, seating: Seating, everybody: Iterable[Content]) -> bool:
        """Take note of everybody, in the order of importance; `show` knows who has something to show."""
        self._everybody = list(everybody)
        self._ranks = {sight.content: sight.rank for sight in seating.sights}
        return False

    def hear(self, loudest: Sequence[Content]) -> bool:
        """Take note of the loudest."""
        self._loudest = list(loudest)
        return False

    def has_any(self, people: Set[str]) -> bool:
        """Whoever begins to send something may get a seat."""
        return True

    def show(self, find: FindTrack, now: float) -> bool:
        """Choose who sits and who is heard among those who send something, and point the slots at them."""
        seen = [content for content in self._everybody if self._is_read(find(content.person, content.source))]
        self.contents = fill(self.contents, seen[: len(self.contents)])
        self.sights = [
            Sight(content, self._ranks.get(content, "rest")) if content is not None else None
            for content in self.contents
        ]
        heard = [content for content in self._ranked() if find(content.person, content.sound) is not None]
        self.voices = self._beside(heard[: len(self.voices)])
        return super().show(find, now)

    def _is_read(self, track: Track | None) -> bool:
        """Whether there is a picture, in a codec that the viewer has."""
        slots = self.down.slots.values()
        return track is not None and any(track.codec in slot.formats for slot in slots if slot.kind == "video")

    def _ranked(self) -> list[Content]:
        """Whom to hear: the one who speaks, or spoke last, comes first."""
        faces = [content for content in self._everybody if content.source == "camera"]
        screens = [content for content in self._everybody if content.source == "screen"]
        return list(dict.fromkeys((*faces[:1], *screens, *self._loudest, *faces)))

    def _beside(self, wanted: Sequence[Content]) -> list[Content | None]:
        """Each voice beside its picture where there is one, else where it was."""
        count = len(self.voices)
        seated = [content if content in wanted else None for content in self.contents[:count]]
        seated += [None] * (count - len(seated))
        kept = (former if former in wanted and former not in seated else None for former in self.voices)
        return fill([there or before for there, before in zip(seated, kept, strict=True)], wanted)

    def _point(self, mid: str, track: Track | None, now: float) -> bool:
        """A seat that only has a picture has no sound, where nobody asked for sound."""
        return mid in self.down.slots and super()._point(mid, track, now)

    def message(self) -> signaling.Seats:
        """Nothing: nobody is told."""
        return signaling.Seats([])
