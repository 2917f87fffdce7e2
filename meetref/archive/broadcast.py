"""The server's end of a studio: packets of a room into a process of its own, parts of segments out of it.

To the meeting floor it is a recorder: it is told what is there and given every packet, and never lets anybody wait.
What does not fit into the pipe is dropped and counted, as a network would.
Stands on `archive/cue` and `archive/window`; `app/shows` opens one for a room, `archive/studioprocess` is its end.
A show may go on with another studio when one dies. Specification: docs/webinar.md.
Leaves out: when to open that one: the meeting floor knows.
Read next: `archive/studio.py`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import trio

from meetref.archive import cue
from meetref.archive.window import Format, Show

logger = logging.getLogger("meetref.archive")

MAXIMUM_WAITING_SIZE: Final = 8 * 2**20  # octets of packets that wait for the pipe
CHUNK: Final = 256 * 1024
END_WITHIN: Final = 2.0  # seconds for the process to end when its pipe is closed
SILENT_FOR: Final = 20.0  # seconds without a part, after which it hangs: what strangers sent may do that to a decoder
STUDIO: Final = (sys.executable, "-m", "meetref.archive.studioprocess")
DIED: Final = "The picture for the audience has stopped."

Event = dict[str, Any]


class CannotBroadcast(Exception):
    """The show cannot begin; the text is a sentence for people."""


@dataclass(slots=True, eq=False)
class Stream:
    """A track on its way to the studio."""

    number: int
    broadcast: Broadcast
    is_over: bool = False

    def take(self, packet: bytes, now: float) -> None:
        """A packet. Never waits."""
        if not self.is_over:
            self.broadcast.send(cue.Packet(self.number, packet), len(packet))

    def close(self) -> None:
        """Nothing more comes."""
        if not self.is_over:
            self.is_over = True
            self.broadcast.closed(self)


class Broadcast:
    """A show on the air. `show` is there when the studio has said what it makes; `lost` counts dropped packets.

    `before` is the show that it goes on with, whose studio has died, if there is one.
    """

    def __init__(
        self, name: str, process: trio.Process, begun: Callable[[Show], None], before: Show | None = None
    ) -> None:
        self.name = name
        self.show: Show | None = None
        self.trouble: str | None = None
        self.is_over = False
        self.lost = 0
        self.keyframe_wanted: Callable[[Any], None] = lambda stream: None
        self._process = process
        self._begun = begun
        self._before = before
        self._streams: dict[int, Stream] = {}
        self._count = 0
        self._outbox: deque[tuple[bytes, int]] = deque()
        self._waiting_size = 0
        self._news = trio.Event()

    # --- what the meeting calls: nothing here waits ---------------------------------------------------

    def open_stream(self, name: str, about: Event) -> Stream | None:
        """A place for the packets of one track."""
        if self.is_over:
            return None
        self._count += 1
        stream = self._streams[self._count] = Stream(self._count, self)
        self.send(cue.Open(stream.number, about), 0)
        return stream

    def note(self, event: Event, now: float) -> None:
        """Something happened in the room."""
        self.send(cue.Note(event), 0)

    def finish(self) -> None:
        """Nothing is taken any more."""
        self.is_over = True
        self._news.set()

    def closed(self, stream: Stream) -> None:
        """A stream is over."""
        if self._streams.pop(stream.number, None) is not None:
            self.send(cue.Close(stream.number), 0)

    def send(self, message: cue.ToStudio, size: int) -> None:
        """Have a message said; a packet, of so many octets, only while there is room."""
        if self.is_over:
            return
        if size and self._waiting_size + size > MAXIMUM_WAITING_SIZE:
            self.lost += 1
            return
        self._waiting_size += size
        self._outbox.append((cue.packed(message), size))
        self._news.set()

    # --- the pipe -------------------------------------------------------------------------------------

    async def run(self, changed: Callable[[], None]) -> None:
        """Until `finish`, or until the process ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, name="to the studio")
            try:
                await self._listen()
                self.trouble = None if self.is_over else DIED
            finally:
                self.is_over = True
                nursery.cancel_scope.cancel()
        changed()

    async def _speak(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while not self.is_over:
                self._news = trio.Event()
                if not self._outbox:
                    await self._news.wait()
                while self._outbox:
                    octets, size = self._outbox.popleft()
                    self._waiting_size -= size
                    await pipe.send_all(octets)
            await pipe.aclose()  # that is how the process is told
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # `_listen` hears of it

    async def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        unpacking = cue.Unpacking(cue.Made)
        while True:
            octets = b""
            with trio.move_on_after(SILENT_FOR):
                octets = bytes(await pipe.receive_some(CHUNK))
            if not octets:
                return
            for made in unpacking.feed(octets):
                for message in made.messages:
                    self._hear(message)

    def _hear(self, message: cue.FromStudio) -> None:
        match message:
            case cue.Began(began_at, formats, part):
                self.show = self._find_show(began_at, [_format(each) for each in formats], part)
                self._begun(self.show)
            case cue.Piece(name, octets, duration, is_independent, ends_segment) if self.show is not None:
                rendition = self.show.renditions[name]
                rendition.add(octets, duration, is_independent=is_independent, ends_segment=ends_segment)
            case cue.Wanted(number) if number in self._streams:
                self.keyframe_wanted(self._streams[number])

    def _find_show(self, began_at: float, formats: Sequence[Format], part: int) -> Show:
        """The one from before, if this studio makes what that was made of."""
        before = self._before
        if before is not None and before.can_go_on(formats):
            before.go_on(part)
            return before
        if before is not None:
            before.end()
        return Show(self.name, formats, began_at)


def _format(fields: Event) -> Format:
    size = fields.get("size")
    return Format(**{**fields, "size": (size[0], size[1]) if size is not None else None})


@asynccontextmanager
async def open_broadcast(
    name: str, begun: Callable[[Show], None], command: Sequence[str] = STUDIO, before: Show | None = None
) -> AsyncIterator[Broadcast]:
    """A broadcast under an unguessable name, or one that goes on with the show of a studio that died.

    `begun` is given the show, which is paused at the end: whoever opened it knows whether it is over. Raises
    `CannotBroadcast`.
    """
    goes_on = (repr(before.began_at), str(before.parts)) if before is not None else ()
    try:
        process = await trio.lowlevel.open_process([*command, *goes_on], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise CannotBroadcast(f"The picture for the audience cannot be made ({error.strerror}).") from None
    broadcast = Broadcast(name, process, begun, before)
    try:
        yield broadcast
    finally:
        broadcast.finish()
        if broadcast.show is not None:
            broadcast.show.pause()
        await _end(process)


async def _end(process: trio.Process) -> None:
    """Close the pipe and wait a little; then it is ended."""
    with trio.CancelScope(shield=True):
        if process.stdin is not None:
            await process.stdin.aclose()
        if process.stdout is not None:
            await process.stdout.aclose()
        with trio.move_on_after(END_WITHIN):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
    logger.log(logging.WARNING if process.returncode else logging.INFO, "a studio has ended (%s)", process.returncode)
