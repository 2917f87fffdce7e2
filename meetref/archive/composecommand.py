"""Has a recording put together by a process of its own, and follows how far it has come.

A process, so that neither FFmpeg's appetite for the processor (it runs with the lowest priority but nine) nor a crash
of it touches a meeting: what the composer reads came from strangers. It says a JSON object in each line: how far it is
(`done`), and at last that it is `composed`, or why it cannot be (`failed`; with `full` because of a disk).
Stands on nothing of ours but a word for what cannot be; `archive/worker` calls it. Source: docs/keeping.md.
Leaves out: what the command does; it is `meetref compose`, and tests have a small one of their own.
Read next: `archive/worker.py`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from meetref.archive.reading import CannotCompose

logger = logging.getLogger("meetref.archive")

NICENESS = 10
SILENT_FOR = 600.0  # seconds without a word, after which it hangs
MAXIMUM_LINE = 64 * 1024  # octets
LAST_WORDS = 20  # lines of what it said on standard error


class NoRoom(Exception):
    """It cannot be now, because a disk is full. The text is a sentence for people."""


class Crashed(Exception):
    """The composer ended without a result; it may go well another time. The text is a sentence for people."""


async def compose_by_command(
    command: Sequence[str],
    folder: Path,
    into: Path,
    chat: Path,
    progress: Callable[[float], None],
    *,
    silent_for: float = SILENT_FOR,
) -> None:
    """Put the recording in `folder` together; the new folder `into` is there when this returns.

    `chat` is a file with the chat, `progress` is told how much is done, from 0 to 1. Cancelled, it kills the process.
    Raises `CannotCompose`, `NoRoom`, `Crashed`.
    """
    words = [*command, str(folder), "--out", str(into), "--chat", str(chat), "--json"]
    try:
        process = await trio.lowlevel.open_process(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # what interrupts us at a terminal is not for it: we tell it ourselves
        )
    except OSError as error:
        raise Crashed(f"The composer cannot be started: {error.strerror}.") from error
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    last_words: deque[str] = deque(maxlen=LAST_WORDS)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_gather, process.stderr, last_words, name="its last words")
            answer = await _listen(process, progress, silent_for)
            await process.wait()
            nursery.cancel_scope.deadline = trio.current_time() + 1.0  # a child of its own may hold the pipe
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
    _judge(process.returncode, answer, into, last_words)


async def _listen(process: trio.Process, progress: Callable[[float], None], silent_for: float) -> dict[str, Any]:
    """Follow what it says; the last of it that is an answer. A process that is silent for too long is killed."""
    answer: dict[str, Any] = {}
    with trio.move_on_after(silent_for) as patience:
        async for line in _lines(process.stdout):
            patience.deadline = trio.current_time() + silent_for
            said = _read(line)
            done = said.get("done")
            if isinstance(done, int | float) and 0 <= done <= 1:
                progress(float(done))
            if "composed" in said or "failed" in said:
                answer = said
    if patience.cancelled_caught:  # spec: worker/hang
        process.kill()
        return {"hung": True}
    return answer


def _judge(code: int | None, answer: dict[str, Any], into: Path, last_words: deque[str]) -> None:
    if code == 0 and "composed" in answer and into.is_dir():
        return
    if code == 1 and "failed" in answer:
        raise (NoRoom if answer.get("full") else CannotCompose)(str(answer["failed"])[:500])
    if last_words:
        logger.warning("the composer said: %s", " | ".join(last_words))
    if "hung" in answer:
        raise Crashed("The composer said nothing for too long.")
    how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
    last = f" ({last_words[-1][:200]})" if last_words else ""
    raise Crashed(f"The composer {how}, without a result{last}.")


async def _lines(stream: trio.abc.ReceiveStream | None) -> AsyncIterator[bytes]:
    """Whole lines; of one without an end only the beginning is kept."""
    assert stream is not None
    rest = b""
    async for octets in stream:
        *lines, rest = (rest + octets).split(b"\n")
        for line in lines:
            yield line
        rest = rest[:MAXIMUM_LINE]
    if rest:
        yield rest


async def _gather(stream: trio.abc.ReceiveStream | None, into: deque[str]) -> None:
    async for line in _lines(stream):
        into.append(line.decode(errors="replace").strip())


def _read(line: bytes) -> dict[str, Any]:
    """An object, or nothing: libraries say things on standard output, too."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
