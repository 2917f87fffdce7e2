"""Where a server's recordings are: one folder each, made for the meeting, healed at the start.

Here the floors meet: the meeting floor gets the archive's recorders as a callable, and the event log is told of what
recovery found.
Stands on `archive/recorder`, `archive/recovery` and `meeting/recorded`; below `app/server`.
Source: docs/recording.md.
Leaves out: what becomes of recordings afterwards, and deleting them.
Read next: `meeting/recorded.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from time import gmtime, strftime
from typing import TypeVar

import trio

from meetref.archive.kept import Kept, read_kept, room_in
from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.recorder import CannotRecord, Recorder, open_recorder
from meetref.archive.recovery import ending, recover
from meetref.meeting.ownrecordings import KIND, Deliveries
from meetref.meeting.recorded import Archive
from meetref.net.network import Network
from meetref.wire import signaling

logger = logging.getLogger("meetref.recordings")

T = TypeVar("T")


def make_archive(
    network: Network,
    folder: Path,
    may_record: Callable[[signaling.Join], bool],
    *,
    visit: Callable[[str, str], str] | None = None,
    deliveries: Deliveries | None = None,
    inline: bool,
) -> Archive:
    """What the rooms record with: each recording is a folder below `folder`. `visit` makes tickets."""

    def open_one(room: str) -> AbstractAsyncContextManager[Recorder]:
        return open_recording(network, folder, room, inline=inline)

    return Archive(open=open_one, errors=(CannotRecord,), deliveries=deliveries, may_record=may_record, visit=visit)


def recording_name(network: Network, room: str) -> str:
    """What a recording that begins now is called."""
    began = strftime("%Y%m%dT%H%M%SZ", gmtime(network.wall_clock()))
    return f"{began}-{room}-{network.dice(3).hex()}"


def open_recording(
    network: Network, folder: Path, room: str, *, inline: bool, **more: str
) -> AbstractAsyncContextManager[Recorder]:
    """A recording of a room in a folder of its own below `folder`; `more` stands in all its headers."""
    name = recording_name(network, room)
    about = {"recording": name, "room": room, **more}
    return open_recorder(folder / name, about, wall_clock=network.wall_clock, inline=inline)


async def recover_recordings(folder: Path, log: EventLog, *, inline: bool) -> None:
    """Heal what a crash left open, and have the rooms' logs say of every recording that it is over."""

    async def call(work: Callable[[], T]) -> T:
        return work() if inline else await trio.to_thread.run_sync(work)

    healed = await call(partial(recover, folder))
    for one in healed:
        logger.info("recovered the recording %s: %d journals, %d octets cut", one.name, one.journals, one.cut)
    unsaid = await _unsaid(await call(partial(_names, folder)), log)
    for name in dict.fromkeys([*(one.name for one in healed), *unsaid]):
        room, said = room_in(name), await call(partial(ending, folder / name))
        if room is not None and said is not None:
            if name in unsaid and (by := unsaid[name].by) is not None:
                said["people"] = list(dict.fromkeys([by, *said["people"]]))
            await _say(log, room, f"{name}-{said['what']}", said)  # spec: recorder/end-said-later


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


async def _unsaid(names: set[str], log: EventLog) -> dict[str, Kept]:
    """Those whose end no log has: the disk was full, or the server was killed just before it was said."""
    found: dict[str, Kept] = {}
    try:
        for room in sorted({room for name in names if (room := room_in(name)) is not None}):
            kept = (await read_kept(log, room)).values()
            found |= {each.name: each for each in kept if each.state == "recording" and each.name in names}
    except LogUnavailable as error:
        logger.warning("the log does not tell which recordings are over: %s", error)
    return found


async def _say(log: EventLog, room: str, key: str, body: dict[str, object]) -> None:
    try:
        await log.append(room, KIND, key, body)
    except LogUnavailable:
        log.note(room, KIND, key, body)  # as soon as it can
