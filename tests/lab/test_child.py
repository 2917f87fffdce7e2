"""Processes under measurement: what they say is heard or kept, and none outlives its block."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from meetref.lab.child import SAID, Child, ChildFailed, open_program
from meetref.lab.leg import free_port

LISTENS = """
import socket, sys, time
print("hello", flush=True)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(60)
"""


def is_running(child: Child) -> bool:
    try:
        child.cpu_seconds()
    except OSError:
        return False
    return True


async def test_a_program_of_somebody_else(tmp_path: Path) -> None:
    port = free_port()
    async with open_program(
        "theirs", [sys.executable, "-c", LISTENS, str(port)], by_signal=True, folder=tmp_path
    ) as child:
        await child.answers_at(port)
        assert child.cpu_seconds() > 0
        assert child.memory_octets() > 1 << 20
        assert is_running(child)
    assert (tmp_path / SAID).read_text() == "hello\n"
    assert not is_running(child)


async def test_one_that_ends_before_it_listens(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="the process of the theirs ended too early"):
        await _wait_for(tmp_path, "raise SystemExit")


async def test_one_that_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.lab.child.READY_WITHIN", 0.2)
    with pytest.raises(ChildFailed, match="the process of the theirs does not listen"):
        await _wait_for(tmp_path, "import time; time.sleep(60)")


async def _wait_for(folder: Path, program: str) -> None:
    try:
        async with open_program("theirs", [sys.executable, "-c", program], by_signal=True, folder=folder) as child:
            await child.answers_at(free_port())
    except* ChildFailed as failed:
        raise failed.exceptions[0] from None


async def test_lines_are_heard_until_it_ends() -> None:
    async with open_program("ours", [sys.executable, "-c", "print('[1]')"]) as child:
        assert await child.hear() == [1]
        with trio.fail_after(10), pytest.raises(ChildFailed, match="the process of the ours ended too early"):
            await child.hear()
