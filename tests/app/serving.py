"""`meetref serve` as a process of its own that can be killed at any moment and started anew in the same place.

Used by tests that must not share a process with the server. The port is chosen once, by the first start.
Read next: `tests/app/test_server_killed.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetref.wire.address import Address

START_LIMIT = 90.0  # seconds; a busy machine is slow


class ServerProcess:
    """A server whose event log is in `folder`; what it logs is in `server.log` there, of all its lives.

    `program` is what is run instead of `meetref`. `up` is set while it can be reached.
    """

    def __init__(self, folder: Path, *arguments: str, program: Sequence[str] = ()) -> None:
        self.folder = folder
        self._program = program or [str(Path(sys.executable).with_name("meetref"))]
        self._arguments = arguments
        self.address = Address("127.0.0.1", 0)
        self.up = trio.Event()
        self.starts = 0
        self._process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.address.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    async def start(self) -> None:
        """Start it, and return when it says where it is."""
        words = [*self._program, "serve", "--port", str(self.address.port)]
        words += ["--bots", "0", "--data", str(self.folder / "data"), *self._arguments]
        with (self.folder / "server.log").open("ab") as log:
            process = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE, stderr=log)
        self._process = process
        assert process.stdout is not None
        said = b""
        with trio.fail_after(START_LIMIT):
            while (found := re.search(rb"https?://localhost:(\d+)/", said)) is None:
                more = await process.stdout.receive_some(1000)
                assert more, f"the server did not start: {self.log}"
                said += bytes(more)
        self.address = Address("127.0.0.1", int(found[1]))
        self.starts += 1
        self.up.set()

    async def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed, nothing tidied."""
        assert self._process is not None
        assert self._process.poll() is None, self.log
        self.up = trio.Event()
        self._process.kill()
        await self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM, as a service manager sends it; gives the exit code."""
        assert self._process is not None
        self._process.terminate()
        return await self._process.wait()

    async def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            with trio.CancelScope(shield=True):
                await self._process.wait()


@asynccontextmanager
async def server_process(folder: Path, *arguments: str, program: Sequence[str] = ()) -> AsyncIterator[ServerProcess]:
    """A started server with further `arguments`; whatever happens inside, no process is left."""
    server = ServerProcess(folder, *arguments, program=program)
    try:
        await server.start()
        yield server
        assert "Traceback" not in server.log, server.log
    finally:
        await server.end()
