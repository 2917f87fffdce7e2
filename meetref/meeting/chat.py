"""Chat that cannot be lost: safe in the log before anybody sees it, numbered, and said once however often it is sent.

Stands on a `Log` that `app` hands in (`archive/log`); above it `meeting/room` tells the people.
Specification: none; the rule is that the acknowledgement (the message with its number) follows the sync.
Leaves out: editing, threads and files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from meetref.wire import signaling

KIND = "chat"
PAGE = 200
"""Messages that are told in one go; a long history is told page by page, as fast as the client takes it."""


class Entry(Protocol):
    """What the log gives back. `body` is what was appended; `at` is in seconds since 1970."""

    @property
    def sequence(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def body(self) -> object: ...
    @property
    def at(self) -> float: ...


class Log(Protocol):
    """The room's event log (`archive/log.EventLog`)."""

    async def append(self, room: str, kind: str, key: str, body: dict[str, object]) -> Entry: ...
    def note(self, room: str, kind: str, key: str, body: dict[str, object]) -> None: ...
    async def read(self, room: str, after: int, limit: int, kind: str) -> Sequence[Entry]: ...
    async def last(self, room: str, kind: str) -> int: ...


class Chat:
    """The chat of one room. `tell` is called once for each new message, in the order of the numbers."""

    def __init__(self, room: str, log: Log, tell: Callable[[signaling.Chat], None]) -> None:
        self.order = trio.Lock()
        """Held while a message is stored and told: who comes in holds it too, and misses none and hears none twice."""
        self._room = room
        self._log = log
        self._tell = tell
        self.told = -1
        """The number of the last message that was told; -1 before the first look into the log."""

    async def say(self, person: str, name: str, message: signaling.SayChat) -> tuple[signaling.Chat, bool]:
        """Store a message and tell it, once; give it back with its number, and whether it is new.

        Its name is the client's own (`client_id`), so it stays one message when its author comes back as somebody new.
        What the log stored unasked is told first: by another server, or after it was too slow to say so in time.
        Raises what the log raises when it cannot take it.
        """
        async with self.order:
            told = await self.last()
            body: dict[str, object] = {"person": person, "name": name, "text": message.text}
            stored = _message(await self._log.append(self._room, KIND, message.client_id, body))
            is_new = stored.sequence > told
            if is_new:
                await self._tell_between(told, stored.sequence)
                self.told = stored.sequence
                self._tell(stored)
            return stored, is_new

    async def _tell_between(self, told: int, until: int) -> None:
        """Tell the messages between two numbers, if there are any: numbers are also given to what is no message."""
        while until > told + 1 and (page := await self._log.read(self._room, told, PAGE, KIND)):
            for entry in page:
                told = entry.sequence
                if told >= until:
                    return
                self.told = told
                self._tell(_message(entry))

    async def last(self) -> int:
        """The number of the last message, 0 before the first; to be asked while holding `order`."""
        if self.told < 0:
            self.told = await self._log.last(self._room, KIND)
        return self.told

    async def page(self, after: int) -> tuple[list[signaling.Chat], int | None]:
        """The next messages with higher numbers, in order, and after which number to go on; None: there are no more.

        What was stored and not told yet is left out: it will be told to everybody.
        """
        told = await self.last()
        page = [entry for entry in await self._log.read(self._room, after, PAGE, KIND) if entry.sequence <= told]
        return [_message(entry) for entry in page], page[-1].sequence if len(page) == PAGE else None


def _message(entry: Entry) -> signaling.Chat:
    body = msgspec.convert(entry.body, _Body)
    return signaling.Chat(
        sequence=entry.sequence,
        client_id=entry.key,
        person=body.person,
        name=body.name,
        text=body.text,
        sent_at=entry.at,
    )


class _Body(msgspec.Struct):
    person: str
    name: str
    text: str
