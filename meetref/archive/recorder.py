"""Writes one recording: a folder with a manifest, and one journal after the other for each stream.

    manifest.mrj                     what happened, in events; also which journals are complete
    2f1c9a-camera-000007.mrj, ...    what came of one stream, ten seconds in each

Packets are taken without waiting and are safe half a second later: everything that came is written and synced twice a
second, on a thread. So a crash costs what came in the last half second and while the disk was at work. What waits for
the disk has a bound; what is lost by that, and a disk that is full or slow, is told.
Stands on `archive/segment`; `app` hands it to the meeting floor. Specification: docs/recording.md, spec/recorder.toml.
Leaves out: which tracks are recorded, and who may want it: `meeting/recording`. Read next: `archive/recovery.py`.
"""

from __future__ import annotations

import errno
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from meetref.archive.journal import MAXIMUM_CONTENT, Record
from meetref.archive.segment import Segment, sync_folder

logger = logging.getLogger("meetref.archive")

# spec: recorder/loss-window
SYNC_EVERY = 0.5  # seconds
SEGMENT_FOR = 10.0  # seconds that go into one journal
SLOW_AFTER = 2.0  # seconds after which what came should be safe; from then on the disk is called slow
MAXIMUM_WAITING_SIZE = 32 * 2**20  # octets that wait for the disk, of all streams
MAXIMUM_EVENTS = 10_000  # that wait for the disk
MAXIMUM_STREAMS = 1000  # at a time
RESERVE = 64 * 1024  # octets that are given back when the disk is full, so that the end can be written
CLOSE_WITHIN = 10.0  # seconds for the last sync

MANIFEST = "manifest.mrj"
FULL = "The disk is full: the recording has ended."
SLOW = "The disk does not keep up: parts of the recording may be missing."

Event = dict[str, Any]


class CannotRecord(Exception):
    """The recording cannot begin; the text is a sentence for people."""


class Stream:
    """What is recorded under one name, in segments. `take` is the hot path."""

    def __init__(self, recorder: Recorder, name: str, about: Event) -> None:
        self.name = name
        self.about = about
        self.segment: Segment | None = None
        self.ends_at = math.inf  # when its segment has lasted long enough
        self.waiting: list[tuple[float, bytes]] = []
        self.is_over = False
        self._recorder = recorder

    def take(self, packet: bytes, now: float) -> None:
        """Keep a packet that came at this moment; it is on its way to the disk. Never waits."""
        recorder = self._recorder
        size = len(packet)
        if self.is_over or not 0 < size <= MAXIMUM_CONTENT:
            return
        if recorder.waiting_size + size > MAXIMUM_WAITING_SIZE:  # spec: recorder/bounded-backlog
            recorder.lost += 1
            return
        recorder.waiting_size += size
        self.waiting.append((now, packet))

    def close(self) -> None:
        """Nothing more comes. What came is still written."""
        self.is_over = True


@dataclass(slots=True)
class _Turn:
    """What the thread is given at a time: it touches nothing that the meeting touches."""

    now: float
    events: list[tuple[float, Event]]
    packets: list[tuple[Stream, list[tuple[float, bytes]], bool]]
    """Of each stream, what came, and whether its journal ends behind it."""
    is_begun: bool = False
    """By the thread; one that was cancelled before is not."""


class Recorder:
    """A recording that is being written. `open_recorder` makes and closes it; `run` writes until `finish`.

    `trouble` is a sentence for the people who are recorded, or None; `is_over` tells that nothing is recorded any more.
    """

    def __init__(
        self, folder: Path, about: Event, *, now: float, wall_clock: Callable[[], float], inline: bool
    ) -> None:
        self.folder = folder
        self.trouble: str | None = None
        self.is_over = False
        self.waiting_size = 0
        self.lost = 0
        """Packets and events that had no place, all in all."""
        self.synced_at = now
        """Everything that came before this moment is safe."""
        self._lost_told = 0
        self._turn: _Turn | None = None  # the newest that was taken from the streams
        self._about = {**about, "began_at": wall_clock()}
        self._began = now
        self._inline = inline
        self._streams: dict[str, Stream] = {}
        self._events: list[tuple[float, Event]] = []
        self._segments = 0
        self._thread = trio.CapacityLimiter(1)
        self._finish = trio.Event()
        self._manifest = self._begin_manifest()

    def _begin_manifest(self) -> Segment:
        self.folder.mkdir(parents=True)
        manifest = Segment(self.folder / MANIFEST, {**self._about, "holds": "events"})
        self._reserve.write_bytes(b"\xff" * RESERVE)  # spec: recorder/reserve
        manifest.sync()
        for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
            sync_folder(folder)
        return manifest

    @property
    def name(self) -> str:
        """What the recording is called: its folder."""
        return self.folder.name

    @property
    def _reserve(self) -> Path:
        return self.folder / "reserve"

    # --- what the meeting calls: nothing here waits ---------------------------------------------------

    def open_stream(self, name: str, about: Event) -> Stream | None:
        """A place for the packets of one stream; None when there are too many, or when it is over.

        `name` is the beginning of its files' names, and never used again; `about` goes into the header of each journal.
        """
        if self.is_over or len(self._streams) >= MAXIMUM_STREAMS:  # spec: recorder/bounded-streams
            return None
        stream = self._streams[name] = Stream(self, name, about)
        return stream

    def note(self, event: Event, now: float) -> None:
        """Have an event written into the manifest."""
        if self.is_over:
            return
        if len(self._events) >= MAXIMUM_EVENTS:  # spec: recorder/bounded-backlog
            self.lost += 1
            return
        self._events.append((now, event))

    def finish(self) -> None:
        """Write what there is and end; `run` returns then."""
        self._finish.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Write until `finish`, or until the disk takes no more. `changed` is called when `trouble` is another one."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, changed, name="slow?")
            await self._write(changed)
            nursery.cancel_scope.cancel()

    async def close(self) -> None:
        """Write what there is and end all journals."""
        turns = [*([self._turn] if self._turn else []), self._collect(trio.current_time(), is_last=True)]
        self.is_over = True
        with trio.move_on_after(CLOSE_WITHIN, shield=True):
            await self._call(partial(self._close, turns))

    async def _write(self, changed: Callable[[], None]) -> None:
        while not self._finish.is_set():
            with trio.move_on_after(SYNC_EVERY):
                await self._finish.wait()
            turn = self._turn = self._collect(trio.current_time())
            try:
                await self._call(partial(self._store, turn))
            except OSError as error:  # spec: recorder/disk-full
                logger.warning("the recording %s ends: %s", self.folder.name, error)
                self._give_up(error)
                changed()
                return
            self._settle(turn)

    async def _watch(self, changed: Callable[[], None]) -> None:
        """Say when the disk is slow, and when it is not any more."""
        while not self.is_over:
            await trio.sleep(SYNC_EVERY)
            now = trio.current_time()
            trouble = SLOW if self.lost or now - self.synced_at > SLOW_AFTER else None
            if trouble != self.trouble and not self.is_over:  # spec: recorder/slow-disk-told
                self.trouble = trouble
                self.note({"event": "trouble", "what": trouble}, now)
                changed()

    def _collect(self, now: float, *, is_last: bool = False) -> _Turn:
        """Take what waits."""
        if self.lost > self._lost_told:
            self._events.append((now, {"event": "lost", "count": self.lost - self._lost_told}))
            self._lost_told = self.lost
        turn = _Turn(now, self._events, [])
        self._events = []
        for stream in self._streams.values():
            waiting, stream.waiting = stream.waiting, []
            turn.packets.append((stream, waiting, is_last or stream.is_over or now >= stream.ends_at))
        return turn

    def _settle(self, turn: _Turn) -> None:
        """What waited is safe."""
        self.synced_at = turn.now
        self.waiting_size -= sum(len(packet) for _, packets, _ in turn.packets for _, packet in packets)
        for stream, _, _ in turn.packets:
            if stream.is_over and stream.segment is None and not stream.waiting:
                del self._streams[stream.name]

    def _give_up(self, error: OSError) -> None:
        """Take no more; what waits has no place."""
        self.is_over = True
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        self.trouble = FULL if full else f"The disk fails ({error.strerror}): the recording has ended."
        self._events = [(trio.current_time(), {"event": "trouble", "what": self.trouble})]
        for stream in self._streams.values():
            stream.waiting = []
            stream.is_over = True

    async def _call(self, work: Callable[[], None]) -> None:
        if self._inline:
            await trio.lowlevel.checkpoint()
            work()
        else:
            # Of a disk that hangs nobody waits to the end: what it has not done, recovery does. But a turn begins only
            # when the one before, though abandoned, is over: two threads at one journal would mix its records up.
            await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._thread)

    # --- on the thread --------------------------------------------------------------------------------

    def _store(self, turn: _Turn) -> None:
        """Write and sync what came. Raises `OSError`."""
        turn.is_begun = True
        self._manifest.add(self._encoded(turn.events))
        touched, complete = [self._manifest], list[Stream]()
        segments = self._segments
        for stream, packets, ends in turn.packets:
            if packets and stream.segment is None:
                self._begin(stream, packets[0][0])
            if stream.segment is None:
                continue
            stream.segment.add([Record(self._time(at), packet) for at, packet in packets])
            if ends:
                stream.segment.end(self._time(turn.now))
                complete.append(stream)
            touched.append(stream.segment)
        for segment in touched:
            segment.sync()
        if self._segments > segments:
            sync_folder(self.folder)
        self._complete(complete, turn.now)

    def _begin(self, stream: Stream, at: float) -> None:
        self._segments += 1
        header = {**self._about, **stream.about, "holds": "packets", "stream": stream.name, "segment": self._segments}
        stream.segment = Segment(self.folder / f"{stream.name}-{self._segments:06d}.mrj", header)
        stream.ends_at = at + SEGMENT_FOR

    def _complete(self, streams: list[Stream], now: float) -> None:
        """Say in the manifest which journals are complete, now that they are safe."""
        for stream in streams:
            segment, stream.segment = stream.segment, None
            stream.ends_at = math.inf
            if segment is not None:  # spec: recorder/complete-journals-named
                segment.close()
                event = {"event": "journal", "file": segment.path.name, "size": segment.size}
                self._manifest.add(self._encoded([(now, event)]))

    def _close(self, turns: Sequence[_Turn]) -> None:
        """End all journals, the manifest last. What the disk does not take now, recovery does at the next start."""
        turn = turns[-1]
        try:
            with suppress(FileNotFoundError):
                self._reserve.unlink()  # spec: recorder/reserve
            for each in turns:
                if not each.is_begun:
                    self._store(each)
            self._manifest.add(self._encoded([(turn.now, {"event": "ended"})]))
            self._manifest.end(self._time(turn.now))
            self._manifest.sync()
        except OSError as error:
            logger.warning("the recording %s could not be closed: %s", self.folder.name, error)
        for stream, _, _ in turn.packets:
            if stream.segment is not None:
                stream.segment.close()
        self._manifest.close()

    def _encoded(self, events: list[tuple[float, Event]]) -> list[Record]:
        texts = [(at, msgspec.json.encode(event)) for at, event in events]
        return [Record(self._time(at), text) for at, text in texts if len(text) <= MAXIMUM_CONTENT]

    def _time(self, moment: float) -> int:
        return max(0, round((moment - self._began) * 1e6))


@asynccontextmanager
async def open_recorder(
    folder: Path, about: Event, *, wall_clock: Callable[[], float], inline: bool = False
) -> AsyncIterator[Recorder]:
    """A recording in a new folder, complete when the block ends. `about` goes into the header of all its journals.

    `wall_clock` gives seconds since 1970; `inline` uses no thread. Raises `CannotRecord`.
    """
    make = partial(Recorder, folder, about, now=trio.current_time(), wall_clock=wall_clock, inline=inline)
    try:
        recorder = make() if inline else await trio.to_thread.run_sync(make)
    except OSError as error:
        raise CannotRecord(f"Nothing can be written: {error.strerror}.") from error
    try:
        yield recorder
    finally:
        await recorder.close()
