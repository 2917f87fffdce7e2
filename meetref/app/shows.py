"""What is on the air: the shows of this server's webinars, by room, and those that have just ended.

Here the floors meet: the meeting floor gets the archive's broadcasts as a callable, the HTTP side finds their shows.
Stands on `archive/broadcast` and `meeting/webinar`; below `app/server` and `app/watch`.
Source: docs/webinar.md.
Leaves out: a show after its last minute; what is to be kept is recorded.
Read next: `app/watch.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from meetref.archive.broadcast import Broadcast, CannotBroadcast, open_broadcast
from meetref.archive.window import Show
from meetref.meeting.webinar import Stage

EVERY_ROOM: Final = "*"
MOST_AT_ONCE: Final = 4
"""Shows at a time: each takes half a core and more."""
KEPT_FOR: Final = 60.0  # seconds after its end, so that who watches sees the end


class Shows:
    """`find` gives the show of a room; `stage` is what the rooms make shows with. `rooms` have an audience."""

    def __init__(self, rooms: frozenset[str], dice: Callable[[int], bytes]) -> None:
        self._rooms = rooms
        self._dice = dice
        self._on_air: dict[str, Broadcast] = {}
        self._shows: dict[str, tuple[Show, float | None]] = {}

    @property
    def stage(self) -> Stage:
        return Stage(open=self.open, over=self.over, errors=(CannotBroadcast,), has=self.has)

    def has(self, room: str) -> bool:
        """Does this room have an audience?"""
        return room in self._rooms or EVERY_ROOM in self._rooms

    def find(self, room: str) -> Show | None:
        """The show of a room, also one that has just ended."""
        self._sweep()
        found = self._shows.get(room)
        return found[0] if found is not None else None

    @property
    def dropped(self) -> int:
        """Packets that the studios of present shows did not take in time."""
        return sum(broadcast.lost for broadcast in self._on_air.values())

    @asynccontextmanager
    async def open(self, room: str) -> AsyncIterator[Broadcast]:
        """Begin a show, or go on with one whose studio died. Raises `CannotBroadcast`."""
        if len(self._on_air) >= MOST_AT_ONCE:
            raise CannotBroadcast(f"{MOST_AT_ONCE} webinars are on the air, and this server makes no more at a time.")
        self._sweep()

        def begun(show: Show) -> None:
            self._shows[room] = show, None

        before, ended_at = self._shows.get(room, (None, None))
        goes_on = before if ended_at is None else None
        async with open_broadcast(self._dice(8).hex(), begun, before=goes_on) as broadcast:
            self._on_air[room] = broadcast
            try:
                yield broadcast
            finally:
                if self._on_air.get(room) is broadcast:
                    del self._on_air[room]

    def over(self, room: str) -> None:
        """This room is closed: its show has ended, unless somebody came back meanwhile, and it goes on."""
        show, ended_at = self._shows.get(room, (None, None))
        if show is not None and ended_at is None and room not in self._on_air:
            show.end()
            self._shows[room] = show, trio.current_time()

    def _sweep(self) -> None:
        now = trio.current_time()
        for room, (_, ended_at) in list(self._shows.items()):
            if ended_at is not None and now - ended_at > KEPT_FOR:
                del self._shows[room]
