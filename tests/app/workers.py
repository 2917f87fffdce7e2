"""`meetref worker` as a process of its own, with the tests' composer or the real one, that may be killed.

Read next: tests/app/test_worker.py, tests/app/test_worker_killed.py, tests/peers/test_workers.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetref.app.keeping import COMPOSE
from tests.archive import fakecomposer

COMPOSER = (sys.executable, "-S", str(Path(fakecomposer.__file__)))
PROGRAM = """
import sys
from meetref.app import cli, keeping, worker
from meetref.archive import share
from meetref.archive import worker as archive_worker
keeping.COMPOSE = {composer!r}
share.MISSED_AFTER = 2.0
archive_worker.LOOK_EVERY = 0.5
sys.exit(cli.main())
"""


class WorkerProcess:
    """A worker; what it said so far is `said`. `news` is set, and made anew, whenever it says more, or is no more."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.said = ""
        self.news = trio.Event()

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for octets in self.process.stdout:
            self.said += octets.decode()
            self._tell()
        await self.process.wait()
        self._tell()

    async def says(self, words: str) -> bool:
        """Wait until it has said this; false, if it has died before."""
        while words not in self.said:
            if self.process.returncode is not None:
                return False
            await self.news.wait()
        return True

    def _tell(self) -> None:
        self.news.set()
        self.news = trio.Event()


@asynccontextmanager
async def worker_process(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, real: bool = False
) -> AsyncIterator[WorkerProcess]:
    """Start one, and kill it at the end if it is still there. `real`: with the real composer."""
    program = PROGRAM.format(composer=COMPOSE if real else COMPOSER)
    words = [sys.executable, "-c", program, "worker", *map(str, arguments)]
    settings = {**os.environ, **(environment or {})}
    process = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE, env=settings)
    worker = WorkerProcess(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.listen)
        try:
            yield worker
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()
