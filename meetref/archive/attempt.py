"""One attempt at a recording: have it composed, store the files, and say so in the room's log.

The files go under a prefix that no other attempt has, and `composed`, with their list, is appended last. The key of
that entry is the recording's: whoever comes second is answered with the first one's, and its own files are nobody's. So
an attempt may end at any moment, or two of them go well: there is one result.
Stands on `archive/objects` and `archive/log`; `archive/worker` makes them. Source: docs/keeping.md, spec/worker.toml.
Leaves out: taking away objects that came to nothing, which the worker does. Read next: `archive/composecommand.py`.
"""

from __future__ import annotations

import itertools
import logging
import math
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from meetref.archive.composecommand import NoRoom
from meetref.archive.kept import KIND, PROGRESS, File, Kept, entries
from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.objects import Objects, ObjectsUnavailable, is_key
from meetref.archive.reading import CannotCompose

logger = logging.getLogger("meetref.worker")

MAXIMUM_FILES = 1000
MOST_CHAT = 4_000_000  # characters: a composer takes no more of it, and all of it is in memory
TELL_EVERY = 5.0  # seconds between two entries of progress, and
TELL_STEPS = 0.02  # what must have been done meanwhile: fifty entries at most, however long it takes
AGAIN_AFTER = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds
TYPES = {
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt",
    ".webm": "video/webm",
}

T = TypeVar("T")
Told = Callable[[str, float, str | None], None]
"""Hears the name of a recording, how much is done, and what is in the way."""
Compose = Callable[[Path, Path, Path, Callable[[float], None]], Awaitable[None]]
"""Composes a folder into a new one, with the chat in a file, and tells how much is done: `compose_by_command`."""


@dataclass(slots=True, frozen=True)
class Workshop:
    """What a worker has: where the journals are, where the results go, and the composer.

    `scratch` is a folder for unfinished results. `dice` gives random octets.
    """

    recordings: Path
    scratch: Path
    objects: Objects
    compose: Compose
    dice: Callable[[int], bytes]


class Attempt:
    """One try at one recording, under a name of its own."""

    def __init__(self, log: EventLog, shop: Workshop, kept: Kept, told: Told) -> None:
        self._log = log
        self._shop = shop
        self._kept = kept
        self._told = told
        self._name = shop.dice(6).hex()
        self._prefix = f"{kept.name}/{self._name}"
        self._count = 0
        self._done = 0.0
        self._told_at = 0.0
        self._told_done = 0.0
        self._trouble: str | None = None

    async def make(self, folder: Path) -> None:
        """Compose, store, and say so. Raises `CannotCompose`, `Crashed`. Cancelled, it leaves nothing unfinished."""
        into = self._shop.scratch / f"{self._kept.name}-{self._name}"
        try:
            await self._make(folder, into)
        finally:
            if trio.current_effective_deadline() == -math.inf:  # cancelled, in whatever form that comes out of here
                # Whoever it was given to may have tidied up already, and will not come again.
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(clear, into.parent, into.name)  # spec: worker/leftovers

    async def _make(self, folder: Path, into: Path) -> None:
        self._say(None)
        chat = into.with_suffix(".json")
        await trio.to_thread.run_sync(_write, chat, await self._chat())
        # spec: worker/objects-away
        await insist(partial(self._shop.compose, folder, into, chat, self._progress), self._say)
        files = await self._store(into)
        body: dict[str, Any] = {"recording": self._kept.name, "what": "composed", "prefix": self._prefix}
        body["files"] = [msgspec.to_builtins(file) for file in files]
        # spec: worker/one-result, objects/there-when-committed
        await insist(partial(self._log.append, self._kept.room, KIND, self._kept.key("composed"), body), self._say)

    async def crashed(self, why: str) -> None:
        """Have it counted, also by whoever comes after us."""
        logger.warning("%s: %s", self._kept.name, why)
        body = {"recording": self._kept.name, "what": "crashed", "trouble": why}
        key = f"{self._kept.name}-{self._name}-crashed"
        await insist(partial(self._log.append, self._kept.room, PROGRESS, key, body))

    async def _chat(self) -> list[dict[str, Any]]:
        """What was written while it was recorded; `at` is in seconds since 1970."""
        said, characters = list[dict[str, Any]](), 0
        all_of_it = entries(self._log, self._kept.room, "chat", self._kept.began_in, self._kept.ended_in)
        async with aclosing(all_of_it) as chat:
            async for entry in chat:
                if isinstance(entry.body, dict):
                    who, text = (str(entry.body.get(word, "")) for word in ("name", "text"))
                    characters += len(who) + len(text)
                    if characters > MOST_CHAT:  # spec: worker/chat-bounded
                        break
                    said.append({"at": entry.at, "from": who, "text": text})
        return said

    async def _store(self, made: Path) -> list[File]:
        files = []
        for name in await trio.to_thread.run_sync(_names_in, made):
            media_type = TYPES.get(Path(name).suffix, "application/octet-stream")
            put = partial(self._shop.objects.put, f"{self._prefix}/{name}", made / name, media_type)
            stored = await insist(put, self._say)  # spec: worker/objects-away
            files.append(File(name, media_type, stored.size, stored.sha256))
        return files

    def _progress(self, done: float) -> None:
        self._done = max(self._done, done)
        self._told(self._kept.name, self._done, None)
        now = trio.current_time()
        # spec: worker/progress-bounded
        is_news = self._done - self._told_done >= TELL_STEPS or self._trouble is not None
        if is_news and now - self._told_at >= TELL_EVERY:
            self._say(None)

    def _say(self, trouble: str | None) -> None:
        """Have it noted how far it is, and what is in the way."""
        self._told_at, self._told_done = trio.current_time(), self._done
        self._count += 1
        self._trouble = trouble
        if trouble is not None:
            self._told(self._kept.name, self._done, trouble)
        body = {"recording": self._kept.name, "what": "progress", "done": round(self._done, 3), "trouble": trouble}
        key = f"{self._kept.name}-{self._name}-{self._count}"
        self._log.note(self._kept.room, PROGRESS, key, body)


async def insist(call: Callable[[], Awaitable[T]], troubled: Callable[[str], None] = lambda trouble: None) -> T:
    """Call until it goes well: what is away comes back. Each trouble is told once."""
    told = None
    for number in itertools.count():
        try:
            return await call()
        except (LogUnavailable, ObjectsUnavailable, NoRoom) as error:
            if str(error) != told:
                told = str(error)
                logger.warning("the worker waits: %s", told)
                troubled(told)
        await trio.sleep(AGAIN_AFTER[min(number, len(AGAIN_AFTER) - 1)])
    raise AssertionError("it counts for ever")


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(value))


def clear(scratch: Path, beginning: str) -> None:
    """Take away what attempts have left under names that begin so; the composer hides what is unfinished."""
    for path in (*scratch.glob(f"{beginning}*"), *scratch.glob(f".{beginning}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _names_in(folder: Path) -> list[str]:
    """All files in it. Raises `CannotCompose` for what cannot be stored."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if len(names) > MAXIMUM_FILES or not all(is_key(name) for name in names):
        raise CannotCompose("The composer made more files than can be kept, or such with strange names.")
    return names
