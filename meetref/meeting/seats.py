"""Who sits where in one viewer's meeting, and which tracks their slots show.

A viewer's *down* connection has a fixed number of seats. People take them as they come and keep them while they
can be seen; a change of people is a `seats` message and a keyframe, never a renegotiation. Only when a room outgrows
its step (4, 9, 16, 25) are slots added and offered, one seat ahead of need.
Stands above `meeting/down` (the slots) and below `meeting/room` (which calls `arrange` when anything changed).
Specification: none; docs/architecture.md, "Seats".
Leaves out: pinning, pages and priorities; the screens come first, then people in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from meetref.meeting.down import Down
from meetref.meeting.forwarder import Slot, Track
from meetref.wire import signaling

STEPS = (4, 9, 16, 25)
TOGETHER = 9
"""Up to so many seats, each has audio and video slots in one stream, so that the browser keeps lips in sync."""
VOICES = 5
"""Above that, so many audio slots carry the loudest voices."""


@dataclass(slots=True, frozen=True)
class Content:
    """What one seat shows: a person, or a person's screen."""

    person: str
    source: Literal["camera", "screen"]

    @property
    def sound(self) -> signaling.Source:
        return "microphone" if self.source == "camera" else "screen-sound"


FindTrack = Callable[[str, signaling.Source], Track | None]


def step_for(contents: int) -> int:
    """The smallest step with a seat to spare."""
    return next((step for step in STEPS if step > contents), STEPS[-1])


class Seats:
    """The seats of one viewer. `contents[i]` is who sits in seat i; `voices[i]` is who is heard in audio slot i."""

    def __init__(self, down: Down) -> None:
        self.down = down
        self.contents: list[Content | None] = []
        self.voices: list[Content | None] = []
        self.grow(STEPS[0])

    def grow(self, step: int) -> bool:
        """Add slots up to `step`; true when there are new ones, which must be offered."""
        if step <= len(self.contents):
            return False
        audio = step if step <= TOGETHER else VOICES
        for index in range(step):
            if index < audio and f"a{index}" not in self.down.slots:
                self.down.offer_slot(f"a{index}", "audio", f"seat-{index}")
            if f"v{index}" not in self.down.slots:
                self.down.offer_slot(f"v{index}", "video", f"seat-{index}")
        self.contents += [None] * (step - len(self.contents))
        if step > TOGETHER and not self.voices:
            self.voices = [None] * VOICES
        return True

    def seat(self, contents: Sequence[Content]) -> bool:
        """Let `contents` sit down, the first if too many; whoever sits keeps their seat. True on a change."""
        before = list(self.contents)
        shown = set(contents[: len(self.contents)])
        self.contents = [content if content in shown else None for content in self.contents]
        sitting = set(self.contents)
        waiting = [content for content in contents[: len(self.contents)] if content not in sitting]
        for content in waiting:
            self.contents[self.contents.index(None)] = content
        return self.contents != before

    def hear(self, loudest: Sequence[Content]) -> bool:
        """In a large room, let the loudest be heard; whoever is heard keeps their slot. True on a change."""
        before = list(self.voices)
        heard = set(loudest[: len(self.voices)])
        self.voices = [content if content in heard else None for content in self.voices]
        for content in loudest[: len(self.voices)]:
            if content not in self.voices:
                self.voices[self.voices.index(None)] = content
        return self.voices != before

    def show(self, find: FindTrack, now: float) -> bool:
        """Point every slot at the track that belongs there. True when a slot changed."""
        changed = False
        for index, content in enumerate(self.contents):
            changed |= self._point(f"v{index}", find(content.person, content.source) if content else None, now)
        sounds = self.voices or self.contents[:TOGETHER]
        for index, content in enumerate(sounds):
            changed |= self._point(f"a{index}", find(content.person, content.sound) if content else None, now)
        for index in range(len(sounds), TOGETHER):  # in a room that has become large, more slots than voices
            if f"a{index}" in self.down.slots:
                changed |= self._point(f"a{index}", None, now)
        return changed

    def _point(self, mid: str, track: Track | None, now: float) -> bool:
        slot = self.down.slots[mid]
        wanted = track if self.down.can_show(mid) else None
        if slot.track is wanted:
            return False
        slot.show(wanted, now)
        return True

    def clear(self, now: float) -> None:
        """Take every slot off its track: the connection is going."""
        for slot in self.down.slots.values():
            slot.show(None, now)

    def message(self) -> signaling.Seats:
        """The whole seating, as the page is told."""
        seats = [self._describe(index, content) for index, content in enumerate(self.contents)]
        for index, content in enumerate(self.voices):
            slot = self.down.slots[f"a{index}"]
            seats.append(
                signaling.Seat(
                    seat=len(self.contents) + index,
                    audio=slot.mid,
                    person=content.person if content else None,
                    source=content.source if content else "camera",
                    audio_from=_since(slot),
                )
            )
        return signaling.Seats(seats=seats)

    def _describe(self, index: int, content: Content | None) -> signaling.Seat:
        video = self.down.slots[f"v{index}"]
        audio = self.down.slots.get(f"a{index}") if not self.voices else None
        return signaling.Seat(
            seat=index,
            audio=audio.mid if audio is not None else None,
            video=video.mid,
            person=content.person if content else None,
            source=content.source if content else "camera",
            audio_from=_since(audio) if audio is not None else None,
            video_from=_since(video),
        )


def _since(slot: Slot) -> int | None:
    return slot.first_timestamp if slot.track is not None else None
