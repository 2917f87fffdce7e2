"""Who speaks in a room: the loudest, whom large rooms hear, the one who leads, and those who led before.

`hear` is called for every audio packet of the room, so it does next to nothing; a few times a second the room lets it
`decide`. Everything that wants to know who speaks asks here, whatever machine finds it out.
Stands above `media/speaker` and `media/dominance`; below `meeting/arranging`, which tells viewers and seats people by
it.
Specification: RFC 6464 for the levels.
Read next: `meeting/seating.py`.
"""

from __future__ import annotations

from meetref.media.dominance import Dominance
from meetref.media.speaker import Loudest
from meetref.meeting.seating import Content
from meetref.wire import signaling


class Listening:
    """The voices of one room. `speaker` leads now; `recent` did before, the latest first, and are still here."""

    def __init__(self, voices: int) -> None:
        """`voices` is how many are heard where not everybody is."""
        self._loudest: Loudest[Content] = Loudest(voices)
        self._dominance: Dominance[str] = Dominance()

    @property
    def speaker(self) -> str | None:
        return self._dominance.dominant

    @property
    def recent(self) -> list[str]:
        return [person for person in self._dominance.recent if person != self.speaker]

    @property
    def loudest(self) -> list[Content]:
        """Who is heard in a large room."""
        return self._loudest.loudest

    def hear(self, content: Content, level: int, now: float) -> None:
        """One audio packet; 0 is the loudest level, 127 silence."""
        self._loudest.hear(content, level, now)
        if content.source == "camera":
            self._dominance.hear(content.person, level, now)

    def mute(self, content: Content) -> None:
        """Somebody has muted, or stopped a shared sound: the place among the loudest is free at once."""
        self._loudest.leave(content)

    def leave(self, person: str) -> None:
        """Somebody has left."""
        self._dominance.leave(person)
        for content in (Content(person, "camera"), Content(person, "screen")):
            self._loudest.leave(content)

    def decide(self, now: float) -> bool:
        """Look who speaks now. True when anything that is told or seated has changed."""
        change = self._loudest.handle_timeout(now)
        return self._dominance.handle_timeout(now) or bool(change.left or change.joined)

    def loudness(self, content: Content) -> float:
        """In dB above silence, 0 to 127."""
        return self._loudest.loudness(content)

    def message(self) -> signaling.Speaker:
        """What the people of the room are told."""
        return signaling.Speaker(self.speaker, tuple(self.recent[: signaling.MAXIMUM_RECENT]))
