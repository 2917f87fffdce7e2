"""Lets strangers in at a TCP port, and lets none of them take the others down.

Stands above `app/limits`; below `app/door` and `app/relaydoor`, which find out what a stranger wants.
Source: our own.
Leaves out: how long a stranger may be silent, which depends on what they want.
Read next: `app/door.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import trio

from meetref.app.limits import Places
from meetref.app.visitor import remote_of
from meetref.wire.address import Address

Attend = Callable[[trio.abc.HalfCloseableStream, Address], Awaitable[None]]
logger = logging.getLogger("meetref.door")


class Admission:
    """`attend` is given each stream that found a place, which is closed afterwards.

    `counters` counts what became of them under short fixed words.
    """

    def __init__(self, places: Places, counters: Counter[str], attend: Attend) -> None:
        self._places = places
        self._counters = counters
        self._attend = attend

    async def serve(
        self,
        listener: trio.abc.Listener[trio.abc.HalfCloseableStream],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer visitors at `listener` until cancelled."""
        async with trio.open_nursery() as visitors:
            task_status.started()
            await trio.serve_listeners(self._let_in, [listener], handler_nursery=visitors)

    async def _let_in(self, stream: trio.abc.HalfCloseableStream) -> None:
        try:
            remote = remote_of(stream)
        except OSError:
            await trio.aclose_forcefully(stream)
            return
        trio.lowlevel.current_task().name = f"visitor {remote}"
        refused = self._places.enter(remote)
        if refused is not None:
            self._counters[refused] += 1
            await trio.aclose_forcefully(stream)
            return
        self._counters["let-in"] += 1
        try:
            await self._guard(stream, remote)
        finally:
            self._places.leave(remote)
            await trio.aclose_forcefully(stream)

    async def _guard(self, stream: trio.abc.HalfCloseableStream, remote: Address) -> None:
        """No visitor may take the others down: whatever goes wrong ends here."""
        try:
            await self._attend(stream, remote)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            self._counters["broken"] += 1
        except Exception:
            self._counters["failed"] += 1
            logger.exception("answering a visitor failed")
        except BaseExceptionGroup as group:
            # Something broke while the server was stopping: only the stopping goes on.
            others, stop = group.split(Exception)
            self._counters["failed"] += others is not None
            if stop is not None:
                raise stop from None
