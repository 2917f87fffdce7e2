"""The event log: what happened in a room, in order, on the disk before anybody is told that it is.

Stands on `archive/store` (SQLite, plain calls); `app` hands its `append` and `read` to the meeting floor. Appends that
come while one sync is under way share the next: one writer, one transaction, one sync for all of them.
Source: our own; the guarantees are those of docs/architecture.md (acknowledged means synced, stored once).
Leaves out: deleting (retention is another subject) and more than one machine (Kafka stands behind the same calls).
Read next: `archive/store.py`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import TypeVar

import trio

from meetref.archive.store import MAXIMUM_SIZE_BYTES, Body, Entry, LogUnavailable, Store, Wanted, encode_body

__all__ = ["Body", "Entry", "EventLog", "LogUnavailable", "open_log"]

MAXIMUM_WAITING = 1024  # appends that wait for the disk; more than that and it does not keep up
MAXIMUM_BATCH = 256  # appends in one transaction
MAXIMUM_NAME_LENGTH = 256  # characters of a room, a kind, a key
MAXIMUM_BODY_SIZE = 256 * 1024  # octets
T = TypeVar("T")


@dataclass(slots=True)
class _Waiting:
    """An append on its way to the disk. `outcome` is set before `done`."""

    wanted: Wanted
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Entry | LogUnavailable | None = None


class EventLog:
    """Sequenced entries, one sequence a room. Made by `open_log`."""

    def __init__(self, store: Store, *, inline: bool, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._inline = inline
        self._wall_clock = wall_clock
        self._thread = trio.CapacityLimiter(1)  # one thread at a time owns the connection
        self._waiting: deque[_Waiting] = deque()
        self._wake = trio.Event()
        self._closing = False
        self.syncs = 0
        """How many transactions were committed; with many appends at once it grows more slowly than their number."""

    async def append(self, room: str, kind: str, key: str, body: Body) -> Entry:
        """Store an entry and return it, sequence number included, once it is on the disk.

        `key` is the author's own name for it: what is already stored under (room, kind, key) is returned and nothing
        is added, so saying it again after a lost answer is safe. `body` is octets or a JSON object of at most 256 KiB.
        Raises `LogUnavailable` when it was not stored; cancelled, it may or may not have been. `ValueError`: too long.
        """
        for name in (room, kind, key):
            if not 0 < len(name) <= MAXIMUM_NAME_LENGTH or len(name.encode()) > 4 * MAXIMUM_NAME_LENGTH:
                raise ValueError(f"a room, kind or key has 1 to {MAXIMUM_NAME_LENGTH} characters, not {len(name)}")
        octets, is_json = encode_body(body)
        if len(octets) > MAXIMUM_BODY_SIZE:
            raise ValueError(f"a body has at most {MAXIMUM_BODY_SIZE} octets, not {len(octets)}")
        waiting = _Waiting(Wanted(room, kind, key, octets, is_json, self._wall_clock()))
        if self._inline:
            await trio.lowlevel.checkpoint()
            self._commit([waiting])
        else:
            self._queue(waiting)
            await waiting.done.wait()
        if isinstance(waiting.outcome, Entry):
            return waiting.outcome
        raise waiting.outcome or LogUnavailable("the log is closed")

    async def read(self, room: str, after: int = 0, limit: int = 1000) -> list[Entry]:
        """The entries of `room` with a sequence number above `after`, in order, at most `limit` of them.

        Raises `LogUnavailable`.
        """
        return await self._call(partial(self._store.read, room, after, limit))

    async def last(self, room: str) -> int:
        """The sequence number of the last entry of `room`, 0 when there is none. Raises `LogUnavailable`."""
        return await self._call(partial(self._store.last, room))

    async def _call(self, work: Callable[[], T]) -> T:
        if self._inline:
            await trio.lowlevel.checkpoint()
            return work()
        return await trio.to_thread.run_sync(work, limiter=self._thread)

    def _queue(self, waiting: _Waiting) -> None:
        if self._closing:
            raise LogUnavailable("the log is closed")
        if len(self._waiting) >= MAXIMUM_WAITING:
            raise LogUnavailable(f"{MAXIMUM_WAITING} entries already wait for the disk; it does not keep up")
        self._waiting.append(waiting)
        self._wake.set()

    async def _write(self) -> None:
        """The writer: as long as the log is open, and after that until nothing waits."""
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAXIMUM_BATCH))]
            try:
                # Not abandoned when cancelled: a commit that has begun is waited for.
                await trio.to_thread.run_sync(self._commit, batch, limiter=self._thread)
            finally:
                for waiting in batch:
                    waiting.done.set()

    def _commit(self, batch: list[_Waiting]) -> None:
        outcomes: list[Entry | LogUnavailable]
        try:
            outcomes = self._store.append([waiting.wanted for waiting in batch])
            self.syncs += 1
        except LogUnavailable as error:
            outcomes = [LogUnavailable(str(error)) for _ in batch]
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome

    def _close(self) -> None:
        self._closing = True
        self._wake.set()

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft().done.set()


@asynccontextmanager
async def open_log(
    path: str | PathLike[str],
    *,
    inline: bool = False,
    wall_clock: Callable[[], float] = time.time,
    maximum_size_bytes: int = MAXIMUM_SIZE_BYTES,
    busy_for: float = 2.0,
) -> AsyncIterator[EventLog]:
    """The log in the file `path` (made with its folder if need be; `:memory:` is not kept).

    `inline` does the work on the calling thread: for the virtual network, where nothing may depend on threads.
    `wall_clock` gives seconds since 1970. The file never grows beyond `maximum_size_bytes`; `busy_for` is how many
    seconds to wait for another program that holds it. Raises `LogUnavailable` when it cannot be opened.
    """
    make = partial(Store, path, maximum_size_bytes=maximum_size_bytes, busy_for=busy_for)
    store = make() if inline else await trio.to_thread.run_sync(make)
    log = EventLog(store, inline=inline, wall_clock=wall_clock)
    try:
        if inline:
            yield log
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log._write, name="log > writer")
            try:
                yield log
            finally:
                log._close()
    finally:
        log._give_up()
        store.close()
