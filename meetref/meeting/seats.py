"""Who sits where in one viewer's meeting, and which tracks their slots show.

A viewer's *down* connection has a fixed number of seats. People take them as they come and keep them while they
can be seen; a change of people is a `seats` message and a keyframe, never a renegotiation. Only when a room outgrows
its step (4, 9, 16, 25) are slots added and offered, one seat ahead of need. In a small room everybody has a seat, for
everybody is heard, and those whom the viewer does not look at have their video slot rest; in a large room only who is
seen sits, and the loudest are heard in slots of their own.
Stands above `meeting/down` (the slots) and `meeting/seating` (who is seen), below `meeting/arranging`.
Specification: none; docs/architecture.md, "Seats".
Leaves out: which layer of a picture a slot gets, and whether there is room for any; `sights` say what is wished for.
Read next: `meeting/portions.py`, which decides that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from meetref.meeting.down import Down
from meetref.meeting.forwarder import Slot
from meetref.meeting.seating import Content, Seating, Sight
from meetref.meeting.track import Kind, Track
from meetref.wire import signaling

STEPS = (4, 9, 16, 25)
TOGETHER = 9
"""Up to so many seats, each has audio and video slots in one stream, so that the browser keeps lips in sync."""
VOICES = 5
"""Above that, so many audio slots carry the loudest voices."""


FindTrack = Callable[[str, signaling.Source], Track | None]


def step_for(contents: int) -> int:
    """The smallest step with a seat to spare."""
    return next((step for step in STEPS if step > contents), STEPS[-1])


class Seats:
    """The seats of one viewer. `contents[i]` is who sits in seat i; `voices[i]` is who is heard in audio slot i.

    `sights[i]` is what is seen in seat i, how much it matters and how tall it is; None: nobody sits there, or is only
    heard. `video` is what the viewer was last told to come in the video slots.
    """

    def __init__(self, down: Down, contents: int = 0, tiles: int = STEPS[-1]) -> None:
        """With what `grow` gives for so many."""
        self.down = down
        self.contents: list[Content | None] = []
        self.sights: list[Sight | None] = []
        self.voices: list[Content | None] = []
        self.seating = Seating((), None, 0, 1)
        self.video = signaling.Video([])
        self.unread: dict[str, str] = {}
        """By video slot, the codec of what belongs there and the viewer does not read."""
        self.grow(contents, tiles)

    def grow(self, contents: int, tiles: int) -> bool:
        """Have seats for a room of so many `contents`, as far as so many `tiles` can show them; true when there are new
        slots, which must be offered."""
        before = len(self.down.slots)
        large = bool(self.voices) or step_for(contents) > TOGETHER
        step = step_for(contents)
        if large:
            step = min(step, next(enough for enough in STEPS if enough >= tiles))
        step = max(step, len(self.contents))
        for index in range(max(step, VOICES)):
            if index < (VOICES if large else step):
                self._offer(f"a{index}", "audio", index)
            if index < step:
                self._offer(f"v{index}", "video", index)
        for seats in (self.contents, self.sights):
            seats += [None] * (step - len(seats))
        if large and not self.voices:
            self.voices = [None] * VOICES
        return len(self.down.slots) > before

    def _offer(self, mid: str, kind: Kind, seat: int) -> None:
        if mid not in self.down.slots:
            self.down.offer_slot(mid, kind, f"seat-{seat}")

    def seat(self, seating: Seating, everybody: Iterable[Content]) -> bool:
        """Let those sit down who are seen, and in a small room everybody; who stays keeps the seat.

        True when the viewer must be told.
        """
        before = self._told()
        seen = {sight.content: sight for sight in seating.sights}
        wanted = list(dict.fromkeys((*seen, *(() if self.voices else everybody))))
        self.contents = fill(self.contents, wanted[: len(self.contents)])
        self.sights = [seen.get(content) if content is not None else None for content in self.contents]
        self.seating = seating
        return self._told() != before

    def _told(self) -> tuple[object, ...]:
        seating = self.seating
        hidden = [sight is None for sight in self.sights]
        return self.contents, hidden, seating.large, seating.page, seating.pages

    def hear(self, loudest: Sequence[Content]) -> bool:
        """In a large room, let the loudest be heard; whoever is heard keeps their slot. True on a change."""
        before = self.voices
        self.voices = fill(self.voices, loudest[: len(self.voices)])
        return self.voices != before

    def has_any(self, people: Set[str]) -> bool:
        """Whether any of them sits here, or is heard."""
        return any(content is not None and content.person in people for content in (*self.contents, *self.voices))

    def show(self, find: FindTrack, now: float) -> bool:
        """Point every slot at the track that belongs there. True when a slot changed."""
        changed = False
        for index, sight in enumerate(self.sights):
            content = sight.content if sight is not None else None
            changed |= self._point(f"v{index}", find(content.person, content.source) if content else None, now)
        sounds = self.voices or self.contents[:TOGETHER]
        for index, content in enumerate(sounds):
            changed |= self._point(f"a{index}", find(content.person, content.sound) if content else None, now)
        for index in range(len(sounds), TOGETHER):  # in a room that has become large, more slots than voices
            if f"a{index}" in self.down.slots:
                changed |= self._point(f"a{index}", None, now)
        return changed

    def _point(self, mid: str, track: Track | None, now: float) -> bool:
        slot, before = self.down.slots[mid], self.unread.pop(mid, None)
        wanted = track if self.down.can_show(mid) else None
        if wanted is not None and wanted.codec not in slot.formats:  # spec: simulcast/codec-that-is-read
            self.unread[mid], wanted = wanted.codec, None
        changed = self.unread.get(mid) != before
        if slot.track is not wanted:
            # What there is room for is decided a moment later (`meeting/portions`); a wide line need not wait for it.
            waits = slot.kind == "video" and not self.down.capacity.is_wide
            slot.show(wanted, now, wanted="nothing" if waits else "largest")
            changed = True
        return changed

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
        large = self.seating.large
        return signaling.Seats(
            seats=seats,
            large=self.contents.index(large) if large in self.contents and large is not None else None,
            page=self.seating.page,
            pages=self.seating.pages,
        )

    def tell_video(self, states: Sequence[signaling.SeatVideo]) -> signaling.Video | None:
        """What to tell the viewer of what comes in the video slots; None when it was told before."""
        if states == self.video.seats:
            return None
        self.video = signaling.Video(list(states))
        return self.video

    def _describe(self, index: int, content: Content | None) -> signaling.Seat:
        video = self.down.slots[f"v{index}"]
        audio = self.down.slots.get(f"a{index}") if not self.voices else None
        return signaling.Seat(
            seat=index,
            audio=audio.mid if audio is not None else None,
            video=video.mid if content is None or self.sights[index] is not None else None,
            person=content.person if content else None,
            source=content.source if content else "camera",
            audio_from=_since(audio) if audio is not None else None,
            video_from=_since(video),
        )


def _since(slot: Slot) -> int | None:
    return slot.first_timestamp if slot.track is not None else None


def fill(places: Sequence[Content | None], wanted: Sequence[Content]) -> list[Content | None]:
    """`wanted`, each in the place they have, or else in the first that is free."""
    staying = set(wanted)
    filled = [content if content in staying else None for content in places]
    sitting = set(filled)
    free = [index for index, content in enumerate(filled) if content is None]
    for index, content in zip(free, (content for content in wanted if content not in sitting), strict=False):
        filled[index] = content
    return filled
