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

import trio

from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.recorder import CannotRecord, Recorder, open_recorder
from meetref.archive.recovery import Healed, recover
from meetref.meeting.ownrecordings import KIND, Deliveries
from meetref.meeting.recorded import Archive
from meetref.net.network import Network
from meetref.wire import signaling

logger = logging.getLogger("meetref.recordings")


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
    """Heal what a crash left open, and say so in the rooms' logs."""
    heal = partial(recover, folder)
    for healed in heal() if inline else await trio.to_thread.run_sync(heal):
        logger.info("recovered the recording %s: %d journals, %d octets cut", healed.name, healed.journals, healed.cut)
        await _keep_word(healed, log)


async def _keep_word(healed: Healed, log: EventLog) -> None:
    body = {
        "recording": healed.name,
        "what": "recovered",
        "journals": healed.journals,
        "cut": healed.cut,
        "unreadable": healed.unreadable,
        "people": healed.people,
    }
    try:
        await log.append(str(healed.header.get("room", "")), KIND, f"{healed.name}-recovered", body)
    except (LogUnavailable, ValueError) as error:
        logger.warning("the recovery of %s is not in the room's log: %s", healed.name, error)
