"""The process that a studio runs in: packets from standard input, parts to standard output, a picture every 40 ms.

    python -m meetref.archive.studioprocess                  the server starts it, and ends it by closing the pipe
    python -m meetref.archive.studioprocess BEGAN_AT PART    it goes on with a show, and not before this part

A process of its own, and a polite one (nice): encoding takes most of a core, and a thread would take the meeting's
interpreter whenever it is not inside of FFmpeg. What goes wrong in here, a decoder that crashes included, ends a show
and no meeting.
Stands on `archive/studio`; `archive/broadcast` starts it. Specification: docs/webinar.md.
Leaves out: more than one show. Read next: `archive/broadcast.py`.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from meetref.archive import cue
from meetref.archive.studio import FRAME_RATE, FRAMES_PER_PART, IN_A_GREAT_HURRY, IN_A_HURRY, Studio

NICE: Final = 5
LATE: Final = 0.08  # seconds behind from which on fewer pictures are made
VERY_LATE: Final = 1.0  # and from which on there is one a part
TOO_LATE: Final = 5.0  # seconds behind at which the show is given up: another begins at once
CHUNK: Final = 64 * 1024
SECONDS_PER_PART: Final = FRAMES_PER_PART / FRAME_RATE


def main() -> int:
    """Run until standard input ends."""
    os.nice(NICE)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox,), daemon=True).start()
    began_at, part = _beginning(sys.argv[1:], time.time())
    wait = began_at + part * SECONDS_PER_PART - time.time()
    began = time.monotonic() + min(max(wait, 0.0), SECONDS_PER_PART)  # no longer, should the time of day be set back
    studio, count = Studio(began_at, part=part), 0
    while True:
        due = began + count / FRAME_RATE
        while (wait := due - time.monotonic()) > 0:
            try:
                message = inbox.get(timeout=wait)
            except queue.Empty:
                break
            if message is None:
                return 0
            studio.take(message, time.monotonic() - began)
        behind = time.monotonic() - due
        if behind > TOO_LATE:
            return 1
        if behind > LATE and _drain(inbox, studio, began):
            return 0
        one_of = 1 if behind <= LATE else IN_A_HURRY if behind <= VERY_LATE else IN_A_GREAT_HURRY
        made = cue.Made(list(studio.frame(time.monotonic() - began, one_of=one_of)))
        if made.messages and not _write(cue.packed(made)):
            return 0
        count += 1


def _beginning(words: Sequence[str], now: float) -> tuple[float, int]:
    """When the show began, and with which part this studio begins."""
    if not words:
        return now, 0
    began_at, part = float(words[0]), int(words[1])
    return began_at, max(part, math.ceil((now - began_at) / SECONDS_PER_PART))


def _write(octets: bytes) -> bool:
    """All of it; False where nobody reads any more."""
    rest = memoryview(octets)
    try:
        while rest:
            rest = rest[os.write(sys.stdout.fileno(), rest) :]
    except BrokenPipeError:
        return False
    return True


def _drain(inbox: queue.SimpleQueue[Any], studio: Studio, began: float) -> bool:
    """Take what waits, when there is no time to wait for it; whether it is over."""
    while not inbox.empty():
        message = inbox.get()
        if message is None:
            return True
        studio.take(message, time.monotonic() - began)
    return False


def _read(inbox: queue.SimpleQueue[Any]) -> None:
    unpacking = cue.Unpacking(cue.ToStudio)
    while octets := os.read(sys.stdin.fileno(), CHUNK):
        for message in unpacking.feed(octets):
            inbox.put(message)
    inbox.put(None)


if __name__ == "__main__":
    sys.exit(main())
