"""A process that a lab measures from outside: it starts, is asked for its CPU time, and ends with the block.

Stands on `trio` alone. A child speaks JSON lines on its standard output and may be told one on its standard input.
Source: clock_getcpuclockid(3): the kernel's clock of another process, user and system time of all its threads.
Leaves out: what the child does. Read next: `lab/served.py`, `lab/floor.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

READY_WITHIN = 20.0  # seconds
DONE_WITHIN = 5.0


class ChildFailed(Exception):
    """It ended or fell silent; `args[0]` says which one."""


class Child:
    """A running child."""

    def __init__(self, name: str, process: trio.Process, by_signal: bool) -> None:
        self.name = name
        self._process = process
        self._by_signal = by_signal
        self._clock = (~process.pid << 3) | 2  # clock_getcpuclockid: this process, CPUCLOCK_SCHED
        self._rest = b""

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        return time.clock_gettime(self._clock)

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

    async def finish(self) -> dict[str, Any]:
        """Let it end; what it said last. Raises `ChildFailed`."""
        await self.stop()
        return await self.hear(DONE_WITHIN)

    async def stop(self) -> None:
        """Ask it to end: by the end of its standard input, or by a signal."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()
        if self._by_signal and self._process.poll() is None:
            self._process.terminate()


@asynccontextmanager
async def open_child(name: str, module: str, *arguments: str, by_signal: bool = False) -> AsyncIterator[Child]:
    """Run `python -m module` until the block ends; it is killed when it does not end by itself.

    It has a session of its own, so that Ctrl+C reaches the lab alone, which then ends it in order.
    """
    command = [sys.executable, "-m", module, *arguments]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    child = Child(name, process, by_signal)
    try:
        yield child
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdout is not None
            await child.stop()
            with trio.move_on_after(DONE_WITHIN):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            await process.stdout.aclose()
