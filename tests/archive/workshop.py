"""A workshop for tests: recordings with nothing in them, a composer that makes small files, and a fate that kills.

Read next: tests/archive/test_worker.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from meetref.archive.attempt import Workshop
from meetref.archive.journal import Record
from meetref.archive.kept import KIND, Kept, read_kept, room_in
from meetref.archive.log import EventLog, open_log
from meetref.archive.objects import Objects, open_objects
from meetref.archive.recorder import MANIFEST
from meetref.archive.segment import Segment
from meetref.archive.worker import Worker

ROOM = "algebra"


def name_of(number: int, room: str = ROOM) -> str:
    return f"20261128T10{number:02d}00Z-{room}-{number:06x}"


def record(recordings: Path, name: str, *, is_closed: bool = True) -> Path:
    """The folder of a recording in which nothing happened."""
    folder = recordings / name
    folder.mkdir(parents=True)
    manifest = Segment(folder / MANIFEST, {"recording": name, "room": ROOM, "holds": "events"})
    manifest.add([Record(0, msgspec.json.encode({"event": "ended"}))])
    if is_closed:
        manifest.end(0)
    manifest.sync()
    manifest.close()
    return folder


async def say(log: EventLog, name: str, what: str, /, **more: Any) -> None:
    await log.append(room_in(name) or ROOM, KIND, f"{name}-{what}", {"recording": name, "what": what, **more})


async def recorded(log: EventLog, recordings: Path, name: str) -> None:
    """One that began and has ended."""
    record(recordings, name)
    await say(log, name, "began", person="p1", name="Ada")
    await say(log, name, "ended", people=["p1", "p2"])


class Killed(BaseException):
    """The worker is no more."""


class Fate:
    """Kills at one of the moments between two things that outlive the worker; 0: never. `count` counts them."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed

    def around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*words: Any, **more: Any) -> Any:
            self.step()
            result = await call(*words, **more)
            self.step()
            return result

        return wrapped


class Composer:
    """Makes what the real one makes, in small; `outcomes` are raised first, one after the other."""

    def __init__(self, *outcomes: Exception, fate: Fate | None = None) -> None:
        self.outcomes = list(outcomes)
        self.composed: list[str] = []
        self.chats: list[Any] = []
        self._fate = fate or Fate()

    async def __call__(self, folder: Path, into: Path, chat: Path, progress: Callable[[float], None]) -> None:
        self.composed.append(folder.name)
        self.chats.append(json.loads(await trio.Path(chat).read_bytes()))
        if self.outcomes:
            raise self.outcomes.pop(0)
        part = into.with_name(f".{into.name}-part")
        (part / "people").mkdir(parents=True)
        for number, name in enumerate(("film.mp4", "people/p1.webm", "poster.jpg", "index.json")):
            (part / name).write_bytes(f"{name} of {into.name}".encode())
            progress(number / 4)
            self._fate.step()
        part.rename(into)
        await trio.lowlevel.checkpoint()


class Shop:
    """A place for workers, one after the other or side by side."""

    def __init__(self, folder: Path, log: EventLog, objects: Objects) -> None:
        self.folder = folder
        self.log = log
        self.objects = objects
        self.recordings = folder / "recordings"
        self.scratch = folder / "scratch"
        self.told: list[tuple[str, float, str | None]] = []
        self._numbers = itertools.count(1)
        self._news = trio.Event()

    def dice(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size)

    def workshop(self, compose: Any) -> Workshop:
        return Workshop(self.recordings, self.scratch, self.objects, compose, self.dice)

    def hear(self, name: str, done: float, trouble: str | None) -> None:
        self.told.append((name, done, trouble))
        self._news.set()
        self._news = trio.Event()

    async def hears(self, wanted: Callable[[str, float, str | None], bool]) -> None:
        while not any(wanted(*each) for each in self.told):
            await self._news.wait()

    async def work_until(self, wanted: Callable[[str, float, str | None], bool], compose: Any) -> None:
        """Let a worker work until it tells this."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Worker(self.log, self.workshop(compose), self.hear).run)
            await self.hears(wanted)
            nursery.cancel_scope.cancel()

    async def kept(self, name: str) -> Kept:
        return (await read_kept(self.log, room_in(name) or ROOM))[name]

    async def check(self, name: str) -> None:
        """There is one result, with all that the log says, and nothing else."""
        outcomes = [
            each for each in await self.log.read(room_in(name) or ROOM, kind=KIND) if _is_outcome(each.body, name)
        ]
        assert len(outcomes) == 1
        kept = await self.kept(name)
        assert kept.state == "composed"
        assert [file.name for file in kept.files] == ["film.mp4", "index.json", "people/p1.webm", "poster.jpg"]
        for file in kept.files:
            octets = await self.objects.read(f"{kept.prefix}/{file.name}", 1000)
            assert (len(octets), hashlib.sha256(octets).hexdigest()) == (file.size, file.sha256)
        assert await self.objects.keys(name) == sorted(f"{kept.prefix}/{file.name}" for file in kept.files)
        assert not list(self.scratch.glob(f"*{name}-*"))


@asynccontextmanager
async def open_shop(folder: Path, *composed: str) -> AsyncIterator[Shop]:
    """A shop with a log in memory and its objects in a folder, where these recordings have been composed."""
    async with open_log(":memory:") as log:
        shop = Shop(folder, log, open_objects(folder / "objects"))
        for name in composed:
            await recorded(log, shop.recordings, name)
            await shop.work_until(done(name), Composer())
        yield shop


def done(name: str) -> Callable[[str, float, str | None], bool]:
    return lambda told, how_much, trouble: (told, how_much, trouble) == (name, 1.0, None)


def troubled(name: str) -> Callable[[str, float, str | None], bool]:
    return lambda told, how_much, trouble: told == name and trouble is not None


def _is_outcome(body: Any, name: str) -> bool:
    return isinstance(body, dict) and body.get("recording") == name and body["what"] in ("composed", "failed")
