"""Ending when a service manager asks for it (SIGTERM), with goodbyes, as Ctrl+C does it at a terminal.

Stands below the commands that run until they are stopped: `app/serve`, `app/relay`, `app/bot`.
Specification: POSIX SIGTERM; a command that was asked to end, and did, is done (exit code 0).
Leaves out: Ctrl+C, which Trio turns into `KeyboardInterrupt` itself.
Read next: `app/serve.py`.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import trio


async def until_terminated(work: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Run `work(*arguments)` until it ends, or is cancelled by SIGTERM. In the main thread only."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_at, signals, nursery.cancel_scope, name="SIGTERM")
            await work(*arguments)
            nursery.cancel_scope.cancel()


async def _cancel_at(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
