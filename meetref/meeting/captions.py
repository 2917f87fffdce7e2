"""Captions: what is being said, written down as it is said, by anybody in the room or a program there.

A line is told to everybody at once, and noted for whatever keeps the meeting: the room's event log, the recording that
runs, the show that is on the air. Nobody waits for these: a caption that comes late is worth little.
Stands on a `Log` and on callables that `meeting/room` hands in, beside `meeting/minutes`.
Specification: docs/captions.md, spec/captions.toml.
Leaves out: recognizing speech, languages, and lines that are changed afterwards. Read next: `meeting/room.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from meetref.meeting.chat import Log
from meetref.meeting.participant import Participant
from meetref.wire import signaling

KIND: Final = "caption"
MOST_LINES: Final = 20  # of one person
MOST_WITHIN: Final = 10.0  # seconds: faster than anybody speaks

Keep = Callable[[dict[str, Any], float], None]
"""Takes an event, and when it happened."""


class Captions:
    """The captions of one room. `tell` says something to everybody in it; `keepers` are given every line."""

    def __init__(
        self,
        room: str,
        people: Mapping[str, Participant],
        tell: Callable[[signaling.ServerMessage], None],
        log: Log,
        keepers: Sequence[Keep],
    ) -> None:
        self._room = room
        self._people = people
        self._tell = tell
        self._log = log
        self._keepers = keepers
        self._written: dict[str, deque[float]] = {}  # when, by writer: only people who are here
        self._count = 0

    def write(self, writer: Participant, message: signaling.WriteCaption, now: float) -> signaling.Error | None:
        """Somebody writes a line. The answer is why it goes nowhere, if it does not."""
        text = " ".join(message.text.split())  # spec: captions/one-line
        if not text:
            return _refusal("malformed", "A caption needs words.")
        if self._is_too_fast(writer.id, now):  # spec: captions/rate-bounded
            sentence = f"At most {MOST_LINES} captions in {MOST_WITHIN:.0f} seconds; this one was dropped."
            return _refusal("too-fast", sentence)
        whose = self._people.get(message.person) if message.person is not None else None  # spec: captions/whose
        person, name = (whose.id, whose.person.name) if whose is not None else (None, None)
        self._tell(signaling.Caption(by=writer.id, text=text, person=person, name=name))  # spec: captions/told-to-all
        self._keep({"by": writer.id, "person": person, "name": name, "text": text}, now)
        return None

    def left(self, person: str) -> None:
        """Somebody is gone for good."""
        self._written.pop(person, None)

    def _is_too_fast(self, writer: str, now: float) -> bool:
        written = self._written.setdefault(writer, deque(maxlen=MOST_LINES))
        if len(written) == MOST_LINES and now - written[0] < MOST_WITHIN:
            return True
        written.append(now)
        return False

    def _keep(self, body: dict[str, Any], now: float) -> None:
        self._count += 1
        # An identity is never given twice, so neither is the key, also after the server has started anew.
        self._log.note(self._room, KIND, f"{body['by']}-{self._count}", body)  # spec: captions/logged
        for keep in self._keepers:
            keep({"event": KIND, **body}, now)  # spec: captions/kept


def _refusal(code: Any, sentence: str) -> signaling.Error:
    return signaling.Error(code=code, message=sentence, about="write-caption")
