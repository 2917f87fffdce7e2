"""How long recordings are kept, and how they go: journals and objects, after the log has said so.

The entry `deleted` comes first. From then on nobody is shown the recording, and whoever was about to take it away and
was killed, or found the objects away, is followed by another: the worker does it again, and `sweep` too.
Stands on `archive/kept` and `archive/objects`; `archive/worker` and `app/shelf` call it. Source: docs/keeping.md.
Leaves out: chat and other entries of the log; nothing is ever taken out of it.
Read next: `archive/worker.py`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from meetref.archive.kept import KIND, Kept, began_in, read_kept, room_in
from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.objects import Objects, ObjectsUnavailable

logger = logging.getLogger("meetref.worker")

SWEEP_EVERY = 3600.0  # seconds
DAY = 86400.0


async def delete(log: EventLog, recordings: Path, objects: Objects, kept: Kept, by: str) -> None:
    """Say that a recording is deleted, and take it away. `by` is a person, or `retention`.

    Raises `LogUnavailable`: then nothing was done, or everything must be done again; `ObjectsUnavailable`, when
    everything was said and something is left, which the next sweep takes away.
    """
    body = {"recording": kept.name, "what": "deleted", "by": by}
    await log.append(kept.room, KIND, f"{kept.name}-deleted", body)
    await erase(recordings, objects, kept.name)


async def erase(recordings: Path, objects: Objects, name: str) -> None:
    """Take away journals and objects. Raises `ObjectsUnavailable`, `OSError`."""
    assert room_in(name) is not None  # so that it is the name of one folder
    await trio.to_thread.run_sync(_remove, recordings / name)
    while keys := await objects.keys(name):
        await objects.delete(keys)


async def keep_for(
    days: float, log: EventLog, recordings: Path, objects: Objects, wall_clock: Callable[[], float]
) -> None:
    """Delete what began more than so many days ago, now and every hour, until cancelled."""
    while True:
        await sweep(log, recordings, objects, wall_clock() - days * DAY)
        await trio.sleep(SWEEP_EVERY)


async def sweep(log: EventLog, recordings: Path, objects: Objects, before: float) -> list[str]:
    """Delete what began before this moment and is not being recorded; their names.

    What cannot be deleted now is told in the server's log, and stays for the next time.
    """
    deleted = []
    try:
        names = {*await trio.to_thread.run_sync(_folders_in, recordings), *await objects.folders()}
    except (OSError, ObjectsUnavailable) as error:
        logger.warning("what is older than it should be is not deleted yet: %s", error)
        return []
    for name in sorted(names):
        room, began_at = room_in(name), began_in(name)
        if room is None or began_at is None or began_at >= before:
            continue
        try:
            kept = (await read_kept(log, room)).get(name, Kept(name, room, state="waiting"))
            if kept.state != "recording":
                await delete(log, recordings, objects, kept, "retention")  # spec: worker/retention
                deleted.append(name)
        except (LogUnavailable, ObjectsUnavailable, OSError) as error:
            logger.warning("%s is not deleted yet: %s", name, error)
    return deleted


def _folders_in(recordings: Path) -> list[str]:
    return [path.name for path in recordings.iterdir() if path.is_dir()] if recordings.is_dir() else []


def _remove(folder: Path) -> None:
    while folder.exists():
        with suppress(FileNotFoundError):  # who deletes it and the worker, which follows the log, are at it together
            shutil.rmtree(folder)
