"""The minutes of a room: who came, who left and who led the conversation, in its event log beside the chat.

Nobody waits for them: what happens in a room is so before it is written, and a room without its log is still a room.
Stands on a `Log` that `app` hands in (`archive/log`), beside `meeting/chat`; `meeting/room` tells what happens.
Specification: none; spec/log.toml has what is promised.
Leaves out: whatever was said (`meeting/chat`), and what becomes of events while the log takes nothing (`archive/log`).
Read next: `meeting/room.py`.
"""

from __future__ import annotations

from meetref.meeting.chat import Log
from meetref.wire import signaling


class Minutes:
    """Of one room."""

    def __init__(self, room: str, log: Log) -> None:
        self._room = room
        self._log = log
        self._listeners: set[str] = set()  # no bots: robots among themselves would talk a disk full
        self._speakers = 0

    def joined(self, person: signaling.Person) -> None:
        """Somebody came; coming back on another WebSocket is none of it."""
        if not person.bot:
            self._listeners.add(person.id)
        self._note("joined", person.id, {"person": person.id, "name": person.name, "bot": person.bot})

    def left(self, person: str, reason: str) -> None:
        """Somebody is gone for good."""
        self._listeners.discard(person)
        self._note("left", person, {"person": person, "reason": reason})

    def speaker(self, before: str | None, now: str | None) -> None:
        """Another person leads the conversation; None is nobody. Where only robots listen it is not kept."""
        if not self._listeners:
            return
        self._speakers += 1
        # An identity is never given twice, so neither is the key, also after the server has started anew.
        self._note("speaker", f"{now or before}-{self._speakers}", {"person": now})

    def _note(self, kind: str, key: str, body: dict[str, object]) -> None:
        self._log.note(self._room, kind, key, body)  # spec: log/minutes
