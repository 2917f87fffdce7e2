"""The event log: what happened in a room, in order, safe before anybody is told that it is.

Stands on a home: `archive/store` (SQLite in a file) or `archive/kafka` (a topic), plain calls both; `app` hands its
`append` and `read` to the meeting floor. Appends that come while one batch is under way share the next: one writer, one
transaction and one sync, or one round to the broker, for all of them.
Source: our own; the guarantees are spec/log.toml, and docs/log.md tells what is lost when.
Leaves out: deleting (retention is another subject).
Read next: `archive/store.py`, `archive/kafka.py`.
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

from meetref.archive.broker import SCHEME, Place, logger, read_place
from meetref.archive.kafka import Topic
from meetref.archive.share import FileMember, Member
from meetref.archive.store import (
    MAXIMUM_BODY_SIZE,
    MAXIMUM_NAME_LENGTH,
    MAXIMUM_READ,
    MAXIMUM_SIZE_BYTES,
    Body,
    Entry,
    LogUnavailable,
    Store,
    Wanted,
    encode_body,
)

__all__ = ["Body", "Entry", "EventLog", "LogUnavailable", "open_log"]

MAXIMUM_WAITING = 1024  # appends that wait; more than that and the disk, or the broker, does not keep up
MAXIMUM_BATCH = 256  # appends in one transaction
MAXIMUM_NOTED = 4096  # notes that wait: of a thousand people who come, speak and leave
AGAIN_AFTER = 1.0  # seconds until a note is said again
GATHER_FOR = 0.1  # seconds in which entries gather for who works on them
FINISH_WITHIN = 5.0  # seconds that notes have when the log is closed
T = TypeVar("T")
Home = Store | Topic
"""Where entries are kept: calls that block, and raise `LogUnavailable`. One append at a time, on any thread."""


@dataclass(slots=True)
class _Waiting:
    """An append on its way. `outcome` is set before `done`."""

    wanted: Wanted
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Entry | LogUnavailable | None = None


class EventLog:
    """Sequenced entries, one sequence a room. Made by `open_log`."""

    def __init__(self, home: Home, *, inline: bool, wall_clock: Callable[[], float]) -> None:
        self._home = home
        self._inline = inline
        self._wall_clock = wall_clock
        self._thread = trio.CapacityLimiter(1)  # one thread at a time owns the connection
        # A topic is read from memory, which need not wait for a broker that is slow to take what is appended.
        self._reading = trio.CapacityLimiter(4) if isinstance(home, Topic) else self._thread
        self._waiting: deque[_Waiting] = deque()
        self._wake = trio.Event()
        self._noted: deque[Wanted] = deque()
        self._noticed = trio.Event()
        self._noting = trio.CancelScope(shield=True)
        self._all_noted = False
        self._arrived = trio.Event()
        self._closing = False
        self._drained = False
        self.syncs = 0
        """How many batches were stored; with many appends at once it grows more slowly than their number."""
        self.lost = 0
        """How many notes were given up."""

    async def append(self, room: str, kind: str, key: str, body: Body) -> Entry:
        """Store an entry and return it, sequence number included, once it is safe: synced, or taken by the broker.

        `key` is the author's own name for it: what is already stored under (room, kind, key) is returned and nothing
        is added, so saying it again after a lost answer is safe. `body` is octets or a JSON object of at most 256 KiB.
        Raises `LogUnavailable` when that did not happen; a broker that was too slow, or a task that was cancelled, may
        still have stored it. `ValueError`: too long.
        """
        wanted = self._wanted(room, kind, key, body)
        if self._closing:  # spec: log/closed-takes-nothing
            raise LogUnavailable("the log is closed")
        return await self._append(wanted)

    def note(self, room: str, kind: str, key: str, body: Body) -> None:
        """Store an entry as soon as that can be done; nobody waits for it, and notes are stored in their order.

        While the log takes nothing it waits, and is said again until it is taken. What had to be given up, because too
        many waited or the log was closed, is counted (`lost`) and told in our log. `ValueError` as in `append`.
        """
        wanted = self._wanted(room, kind, key, body)
        if self._inline:
            waiting = _Waiting(wanted)
            self._commit([waiting])
            self._tell_followers()
            if isinstance(waiting.outcome, LogUnavailable):
                self._lose(1, str(waiting.outcome))
        elif len(self._noted) >= MAXIMUM_NOTED or self._closing:  # spec: log/notes-bounded
            self._lose(1, f"{len(self._noted)} wait already" if self._noted else "the log is closed")
        else:
            self._noted.append(wanted)
            self._noticed.set()

    async def read(self, room: str, after: int = 0, limit: int = MAXIMUM_READ, kind: str | None = None) -> list[Entry]:
        """The entries of `room` with a sequence number above `after`, in order, at most `limit` of them.

        With `kind` only those of one. Raises `LogUnavailable`.
        """
        return await self._call(partial(self._home.read, room, after, limit, kind))

    async def last(self, room: str, kind: str | None = None) -> int:
        """The sequence number of the last entry of `room`, or the last of one kind; 0 when there is none.

        Raises `LogUnavailable`.
        """
        return await self._call(partial(self._home.last, room, kind))

    async def follow(self, room: str, after: int = 0) -> AsyncIterator[Entry]:
        """Every entry of `room` after sequence number `after`, in order, each once, as soon as it is stored; for ever.

        Who appends, this server or another one with the same topic, makes no difference. To be closed (`aclosing`) by
        whoever stops listening. Raises `LogUnavailable`, also when the log is closed.
        """
        while True:
            arrived = self._arrived  # before reading: what is stored meanwhile is not missed
            page = await self.read(room, after, MAXIMUM_READ)
            for entry in page:
                yield entry  # spec: log/follow
                after = entry.sequence
            if not page:
                if self._closing:
                    raise LogUnavailable("the log is closed")
                await arrived.wait()

    @asynccontextmanager
    async def share(self, group: str) -> AsyncIterator[Share]:
        """Be one of those who work on what happens in all rooms, under the name `group`, until the block ends.

        Each entry is given to one of them. What is not committed then is given again, to this one or another. In a file
        there is one at a time. Raises `LogUnavailable`.
        """
        home = self._home
        limiter = trio.CapacityLimiter(1) if isinstance(home, Topic) else self._thread
        make = partial(home.member, group) if isinstance(home, Topic) else partial(FileMember, home, group)
        member: Member = await self._call(make, limiter)
        try:
            yield Share(self, member, limiter)
        finally:
            with trio.CancelScope(shield=True):
                await self._call(member.close, limiter)

    def _wanted(self, room: str, kind: str, key: str, body: Body) -> Wanted:
        for name in (room, kind, key):  # spec: log/names-bounded
            if not 0 < len(name) <= MAXIMUM_NAME_LENGTH or len(name.encode()) > 4 * MAXIMUM_NAME_LENGTH:
                raise ValueError(f"a room, kind or key has 1 to {MAXIMUM_NAME_LENGTH} characters, not {len(name)}")
        octets, is_json = encode_body(body)
        if len(octets) > MAXIMUM_BODY_SIZE:  # spec: log/body-bounded
            raise ValueError(f"a body has at most {MAXIMUM_BODY_SIZE} octets, not {len(octets)}")
        return Wanted(room, kind, key, octets, is_json, self._wall_clock())

    async def _append(self, wanted: Wanted) -> Entry:
        waiting = _Waiting(wanted)
        if self._inline:
            await trio.lowlevel.checkpoint()
            self._commit([waiting])
            self._tell_followers()
        else:
            self._queue(waiting)
            await waiting.done.wait()
        if isinstance(waiting.outcome, Entry):
            return waiting.outcome  # spec: log/safe-before-acknowledged
        raise waiting.outcome or LogUnavailable("the log is closed")

    async def _write_noted(self) -> None:
        """What was noted, one after the other, until the log is closed and a moment longer."""
        told = False
        with self._noting:
            while self._noted or not self._closing:
                if not self._noted:
                    told = False
                    self._noticed = trio.Event()
                    await self._noticed.wait()
                    continue
                try:
                    await self._append(self._noted[0])
                    self._noted.popleft()
                except LogUnavailable as error:  # spec: log/notes-wait
                    if not told:
                        logger.warning("%d events wait for the event log: %s", len(self._noted), error)
                    told = True
                    await trio.sleep(AGAIN_AFTER)
        if self._noted:
            self._lose(len(self._noted), "it did not take them before it was closed")
            self._noted.clear()
        self._all_noted = True
        self._wake.set()

    def _lose(self, count: int, reason: str) -> None:
        self.lost += count
        logger.error("%d events are not in the event log: %s", count, reason)

    async def _call(self, work: Callable[[], T], limiter: trio.CapacityLimiter | None = None) -> T:
        if self._inline:
            await trio.lowlevel.checkpoint()
            return work()
        return await trio.to_thread.run_sync(work, limiter=limiter or self._reading)

    def _queue(self, waiting: _Waiting) -> None:
        if len(self._waiting) >= MAXIMUM_WAITING:  # spec: log/waiting-bounded
            raise LogUnavailable(f"{MAXIMUM_WAITING} entries already wait to be stored; the log does not keep up")
        self._waiting.append(waiting)
        self._wake.set()

    async def _write(self) -> None:
        """The writer: as long as the log is open, and after that until nothing waits."""
        with trio.CancelScope(shield=True):
            while self._waiting or not self._all_noted:
                if self._waiting:
                    await self._write_batch()
                else:
                    self._wake = trio.Event()
                    await self._wake.wait()
        self._drained = True

    async def _write_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAXIMUM_BATCH))]
        try:
            # Not abandoned when cancelled: a commit that has begun is waited for.
            await trio.to_thread.run_sync(self._commit, batch, limiter=self._thread)
        finally:
            for waiting in batch:
                waiting.done.set()
            self._tell_followers()

    async def _watch(self, topic: Topic) -> None:
        """The reader of a topic, as long as something is written: the writer waits until it comes back."""
        with trio.CancelScope(shield=True):
            while not self._drained:
                if await trio.to_thread.run_sync(topic.watch):
                    self._tell_followers()

    def _tell_followers(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()

    def _commit(self, batch: list[_Waiting]) -> None:
        outcomes: list[Entry | LogUnavailable]
        try:
            outcomes = self._home.append([waiting.wanted for waiting in batch])
            self.syncs += 1
        except LogUnavailable as error:
            outcomes = [LogUnavailable(str(error)) for _ in batch]
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome

    def _close(self) -> None:
        self._closing = True
        self._noting.deadline = trio.current_time() + FINISH_WITHIN
        self._noticed.set()
        self._tell_followers()

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft().done.set()


class Share:
    """A member of a group, for one task. Made by `EventLog.share`."""

    def __init__(self, log: EventLog, member: Member, limiter: trio.CapacityLimiter) -> None:
        self._log = log
        self._member = member
        self._limiter = limiter

    async def take(self) -> Entry:
        """The next entry to work on, in the order of its room; waits for it.

        Raises `LogUnavailable`, also when the log is closed.
        """
        while True:
            arrived = self._log._arrived  # before looking: what is stored meanwhile is not missed
            entry = await self._log._call(self._member.take, self._limiter)
            if entry is not None:
                return entry  # spec: log/shared
            if self._log._closing:
                raise LogUnavailable("the log is closed")
            if not self._member.waits:
                await arrived.wait()
                await trio.sleep(GATHER_FOR)  # looking takes time of the thread that appends: once for many

    async def stay(self) -> None:
        """The work on what was taken goes on; to be said every few seconds where it takes longer than a minute.

        Raises `LogUnavailable` where it was given to another member: then there is nothing to commit.
        """
        await self._log._call(self._member.stay, self._limiter)  # spec: log/shared-stays

    async def commit(self) -> None:
        """The work on all that was taken is done; nobody is given it again.

        Raises `LogUnavailable`: then it may be given again, perhaps to another member, and this one goes on taking.
        """
        await self._log._call(self._member.commit, self._limiter)


@asynccontextmanager
async def open_log(
    place: str | PathLike[str],
    *,
    inline: bool = False,
    wall_clock: Callable[[], float] = time.time,
    maximum_size_bytes: int = MAXIMUM_SIZE_BYTES,
    busy_for: float = 2.0,
    patience: float = 10.0,
) -> AsyncIterator[EventLog]:
    """The log in the file `place` (made with its folder if need be; `:memory:` is not kept), or in a Kafka topic.

    A topic is `kafka://HOST:PORT/TOPIC`; it is made if need be, and read to its end before the block begins. `inline`
    does the work on the calling thread: for the virtual network, where nothing may depend on threads. `wall_clock`
    gives seconds since 1970. The file never grows beyond `maximum_size_bytes`; `busy_for` is how many seconds to wait
    for another program that holds it, `patience` how many for a broker. Raises `LogUnavailable` when it cannot be
    opened, `Malformed` where no topic can be called so.
    """
    if str(place).startswith(SCHEME):
        async with _open_topic(read_place(str(place)), wall_clock, patience) as log:
            yield log
        return
    make = partial(Store, place, maximum_size_bytes=maximum_size_bytes, busy_for=busy_for)
    store = make() if inline else await trio.to_thread.run_sync(make)
    log = EventLog(store, inline=inline, wall_clock=wall_clock)
    try:
        if inline:
            yield log
            return
        async with _writing(log):
            yield log
    finally:
        log._close()
        with trio.CancelScope(shield=True):
            async with log._thread:  # whoever reads, outside of this block, ends first
                store.close()


@asynccontextmanager
async def _open_topic(place: Place, wall_clock: Callable[[], float], patience: float) -> AsyncIterator[EventLog]:
    topic = await trio.to_thread.run_sync(partial(Topic, place, patience=patience))
    log = EventLog(topic, inline=False, wall_clock=wall_clock)
    try:
        while not await trio.to_thread.run_sync(topic.load):
            pass
        async with _writing(log, topic):
            yield log
    finally:
        log._close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(topic.close)


@asynccontextmanager
async def _writing(log: EventLog, topic: Topic | None = None) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log._write, name="log > writer")
        if topic is not None:
            nursery.start_soon(log._watch, topic, name="log > reader")
        nursery.start_soon(log._write_noted, name="log > notes")
        try:
            yield
        except BaseException:
            log._give_up()
            raise
        finally:
            log._close()
