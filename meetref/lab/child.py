"""A process that a lab measures from outside: it starts, is asked for its CPU time, and ends with the block.

Stands on `trio` alone. A child of ours speaks JSON lines on its standard output and may be told one on its standard
input; a program of somebody else's says nothing that is read here.
Source: clock_getcpuclockid(3): the kernel's clock of another process, user and system time of all its threads.
Leaves out: what the child does. Read next: `lab/served.py`, `lab/floor.py`.
"""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import trio

READY_WITHIN = 20.0  # seconds
DONE_WITHIN = 5.0
SAID = "said"


class ChildFailed(Exception):
    """It ended or fell silent; `args[0]` says which one."""


class Child:
    """A running child."""

    def __init__(self, name: str, process: trio.Process, by_signal: bool) -> None:
        self.name = name
        self._process = process
        self._by_signal = by_signal
        self._rest = b""

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        return time.clock_gettime(_clock_of(self._process.pid))

    def cpu_seconds_of_children(self) -> list[float]:
        """The same of each process that it has started and that still runs."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [time.clock_gettime(_clock_of(int(child))) for child in children]

    def memory_octets(self) -> int:
        """What of it is in memory now (proc(5), statm)."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * mmap.PAGESIZE

    async def answers_at(self, port: int) -> None:
        """Wait until it listens on this TCP port of loopback. Raises `ChildFailed`."""
        with trio.move_on_after(READY_WITHIN):
            while self._process.poll() is None:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", port)
                except OSError:
                    await trio.sleep(0.05)
                    continue
                await stream.aclose()
                return
            raise ChildFailed(f"the process of the {self.name} ended too early")
        raise ChildFailed(f"the process of the {self.name} does not listen")

    async def hear(self, within: float = READY_WITHIN) -> dict[str, Any]:
        """Its next line. Raises `ChildFailed`."""
        assert self._process.stdout is not None
        with trio.move_on_after(within):
            while b"\n" not in self._rest:
                more = await self._process.stdout.receive_some()
                if not more:
                    raise ChildFailed(f"the process of the {self.name} ended too early")
                self._rest += more
            line, _, self._rest = self._rest.partition(b"\n")
            answer: dict[str, Any] = json.loads(line)
            return answer
        raise ChildFailed(f"the process of the {self.name} says nothing")

    async def tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps(value).encode() + b"\n")

    async def finish(self, within: float = DONE_WITHIN) -> dict[str, Any]:
        """Let it end; what it said last. Raises `ChildFailed`."""
        await self.stop()
        return await self.hear(within)

    async def stop(self) -> None:
        """Ask it to end: by the end of its standard input, or by a signal."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()
        if self._by_signal and self._process.poll() is None:
            self._process.terminate()


def _clock_of(pid: int) -> int:
    return (~pid << 3) | 2  # clock_getcpuclockid: this process, CPUCLOCK_SCHED


@asynccontextmanager
async def open_child(name: str, module: str, *arguments: str, by_signal: bool = False) -> AsyncIterator[Child]:
    """Run `python -m module` until the block ends; it is killed when it does not end by itself."""
    async with open_program(name, [sys.executable, "-m", module, *arguments], by_signal=by_signal) as child:
        yield child


@asynccontextmanager
async def open_program(
    name: str, command: list[str], *, by_signal: bool = False, folder: Path | None = None
) -> AsyncIterator[Child]:
    """Run a program until the block ends; with a `folder` it runs there, and what it says goes to the file `said`.

    It has a session of its own, so that Ctrl+C reaches the lab alone, which then ends it in order.
    """
    with _output(folder) as said:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if said is None else said,
            stderr=said,
            start_new_session=True,
            cwd=folder,
        )
    child = Child(name, process, by_signal)
    try:
        yield child
    finally:
        with trio.CancelScope(shield=True):
            await child.stop()
            with trio.move_on_after(DONE_WITHIN):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()


def _output(folder: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    return nullcontext() if folder is None else (folder / SAID).open("wb")
