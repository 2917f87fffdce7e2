"""The worker: waits in the event log for recordings that have ended, and has each made into what people can watch.

One of a group takes the entry `ended` or `recovered` and makes an attempt at the recording; who is killed meanwhile is
followed by another, and the first whose result is in the log is the one. What cannot be composed ends as `failed`, with
the reason, and the next one is looked at.
Stands on `archive/attempt` and `archive/kept`; `app/worker` runs it. Source: docs/keeping.md, spec/worker.toml.
Leaves out: several at a time; start another worker. Read next: `archive/attempt.py`, `archive/keeper.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio

from meetref.archive.attempt import Attempt, Told, Workshop, clear, insist
from meetref.archive.composecommand import Crashed
from meetref.archive.journal import Unbegun, read
from meetref.archive.keeper import erase
from meetref.archive.kept import KIND, Kept, read_kept, read_progress
from meetref.archive.log import Entry, EventLog, LogUnavailable, Share
from meetref.archive.objects import ObjectsUnavailable
from meetref.archive.reading import CannotCompose
from meetref.archive.recorder import MANIFEST
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.worker")

GROUP = "worker"
MAXIMUM_CRASHES = 3
STAY_EVERY = 3.0  # seconds between two words to the group
COMMIT_EVERY = 256  # entries that are nothing to us
LOOK_EVERY = 5.0  # seconds, for what another program wrote into the same file
CLOSED_WITHIN = 30.0  # seconds for a recorder to end its journals, after which it has died
LOOK_AT_MANIFEST_EVERY = 0.25
AGAIN_AFTER = 1.0  # seconds after a crash
SHARE = "Servers and workers with one event log have one folder of recordings."
MISTAKE = "The worker made a mistake; the server's log has it."


async def has_journals(recordings: Path, name: str) -> bool:
    """Is there anything of which a film could be made?"""
    return await trio.Path(recordings / name / MANIFEST).exists()


async def want_again(log: EventLog, kept: Kept) -> None:
    """Have one that failed tried once more, by whoever composes. Raises `LogUnavailable`."""
    body = {"recording": kept.name, "what": "again"}
    await log.append(kept.room, KIND, f"{kept.name}-again-{kept.again + 1}", body)


class Worker:
    """See the module. `told` is called with a recording's name, how much is done, and what is in the way."""

    def __init__(self, log: EventLog, workshop: Workshop, told: Told = lambda *_: None) -> None:
        self._log = log
        self._shop = workshop
        self._told = told

    async def run(self) -> None:
        """Work until cancelled. Where the log cannot be used, that is said and tried again."""
        while True:
            try:
                async with self._log.share(GROUP) as share:
                    await self._serve(share)
            except LogUnavailable as error:
                logger.warning("the worker waits: %s", error)
                await trio.sleep(LOOK_EVERY)

    async def _serve(self, share: Share) -> None:
        passed = 0
        while True:
            entry = None
            with trio.move_on_after(LOOK_EVERY):
                entry = await share.take()
            if entry is None:
                continue
            passed += 1
            if entry.kind == KIND and isinstance(entry.body, dict):
                await self._attend(share, entry, entry.body)
            elif passed % COMMIT_EVERY:
                continue
            await share.commit()

    async def _attend(self, share: Share, entry: Entry, body: dict[str, Any]) -> None:
        """Do what an entry asks for; when this returns it is done, by whomever."""
        if body.get("what") not in ("ended", "recovered", "again", "deleted"):
            return
        kept = (await read_kept(self._log, entry.room)).get(str(body.get("recording")))
        if kept is None:
            return
        await _at_work(share, partial(self._finish, kept))

    async def _finish(self, kept: Kept) -> None:
        if kept.state == "waiting":
            try:
                await self._make(kept)
            except LogUnavailable:
                raise
            except Exception as error:  # a mistake of ours costs this recording, and not those that wait behind it
                await self._fail(kept, MISTAKE, error)
        await self._tidy(kept)

    async def _make(self, kept: Kept) -> None:
        """Have it composed and stored, or called failed."""
        folder = self._shop.recordings / kept.name
        if not folder.is_dir():
            await self._fail(kept, f"Its journals are not in {self._shop.recordings}. {SHARE}")
            return
        await _until_closed(folder / MANIFEST)
        crashes = await read_progress(self._log, kept)
        while True:
            attempt = Attempt(self._log, self._shop, kept, self._told)
            try:
                await attempt.make(folder)
                return
            except CannotCompose as error:  # spec: worker/dead-letter
                await self._fail(kept, str(error))
                return
            except Crashed as error:  # spec: worker/crash
                if await self._is_over(kept):
                    return
                crashes += 1
                await attempt.crashed(str(error))
                if crashes >= MAXIMUM_CRASHES:
                    await self._fail(kept, f"{error} It was tried {crashes} times.")
                    return
            await trio.sleep(AGAIN_AFTER)

    async def _is_over(self, kept: Kept) -> bool:
        """Has another finished it meanwhile, and taken away what this one worked with?"""
        return (await insist(partial(read_kept, self._log, kept.room)))[kept.name].state != "waiting"

    async def _fail(self, kept: Kept, why: str, mistake: Exception | None = None) -> None:
        if await self._is_over(kept):
            return
        logger.error("%s failed: %s", kept.name, why, exc_info=mistake)
        body = {"recording": kept.name, "what": "failed", "trouble": why}
        await insist(partial(self._log.append, kept.room, KIND, kept.key("failed"), body))

    async def _tidy(self, kept: Kept) -> None:
        """Take away what is nobody's: of attempts that came to nothing, or all of what was deleted."""
        now = (await read_kept(self._log, kept.room))[kept.name]
        await trio.to_thread.run_sync(clear, self._shop.scratch, f"{kept.name}-")  # spec: worker/leftovers
        with suppress(ObjectsUnavailable, OSError):  # then it stays until the recording is deleted
            if now.state == "deleted":
                await erase(self._shop.recordings, self._shop.objects, kept.name)
            else:
                keys = await self._shop.objects.keys(kept.name)
                await self._shop.objects.delete([key for key in keys if not key.startswith(f"{now.prefix}/")])
        self._told(kept.name, now.done, now.trouble)


async def _at_work(share: Share, work: Callable[[], Awaitable[None]]) -> None:
    """Do it, and have the group know meanwhile. Raises `LogUnavailable`, also when it was given to another."""
    failure: LogUnavailable | None = None

    async def stay() -> None:
        nonlocal failure
        try:
            while True:
                await trio.sleep(STAY_EVERY)
                await share.stay()
        except LogUnavailable as error:  # spec: worker/given-away
            failure = error
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stay, name="stays in the group")
        try:
            await work()
        except LogUnavailable as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _until_closed(manifest: Path) -> None:
    """Wait for the recorder, which says that it has ended before it ends its journals; one that died does not."""
    for _ in range(round(CLOSED_WITHIN / LOOK_AT_MANIFEST_EVERY)):
        if await trio.to_thread.run_sync(_is_closed, manifest):  # spec: worker/complete-journals
            return
        await trio.sleep(LOOK_AT_MANIFEST_EVERY)


def _is_closed(manifest: Path) -> bool:
    """Or is it damaged, or gone, and nobody will ever end it?"""
    try:
        return read(manifest.read_bytes()).is_closed
    except Unbegun:
        return False
    except (FileNotFoundError, Malformed):
        return True
    except OSError:
        return False
