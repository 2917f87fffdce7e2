"""What the event log says of recordings: which there are in a room, how far each has come, and who was in it.

Each is told in a few entries of kind `recording`, whose body has `what`, and of kind `progress`, which is written often
and read only of those that are at work:
    began -> ended or recovered -> composed, with the list of its files, or failed, with the reason; and deleted at last
    what failed may be wanted again, and is then as if it had just ended
Stands on `archive/log`; below `archive/worker` and `app/shelf`. Source: docs/keeping.md, spec/worker.toml.
Leaves out: the index of what was composed; it is one of the files.
Read next: `archive/worker.py`.
"""

from __future__ import annotations

import calendar
import math
import re
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from meetref.archive.log import Entry, EventLog
from meetref.archive.store import MAXIMUM_READ

KIND = "recording"
PROGRESS = "progress"
State = Literal["recording", "waiting", "composing", "composed", "failed", "deleted"]
_NAME = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]{1,63})-[0-9a-f]{6}\Z")


@dataclass(slots=True, frozen=True)
class File:
    """One that was made of a recording: name with slashes, media type, octets, and SHA-256 in hexadecimal digits."""

    name: str
    type: str
    size: int
    sha256: str


class _Composed(msgspec.Struct):
    prefix: str
    files: list[File]


@dataclass(slots=True)
class Kept:
    """One recording, as far as the log tells. Times are seconds since 1970.

    `by` is the person who began it, `people` are all who were in it. `done` goes from 0 to 1, `trouble` says what is in
    the way, or why it failed. The objects of what was composed are below `prefix`.
    """

    name: str
    room: str
    state: State = "recording"
    began_at: float = 0.0
    ended_at: float | None = None
    by: str | None = None
    by_name: str | None = None
    people: frozenset[str] = frozenset()
    done: float = 0.0
    trouble: str | None = None
    prefix: str = ""
    files: tuple[File, ...] = ()
    began_in: int = 0  # the numbers of the two entries
    ended_in: int = 0
    again: int = 0  # how often it was wanted once more, and the number of the last entry that said so
    again_in: int = 0

    def key(self, what: str) -> str:
        """The key of the entry that says this of it: one for each time that it was wanted."""
        return f"{self.name}-{what}" + (f"-{self.again}" if self.again else "")

    def file(self, name: str) -> File | None:
        """The file of this name."""
        return next((file for file in self.files if file.name == name), None)


def room_in(name: str) -> str | None:
    """The room of a recording, by its name; None for what is no such name."""
    found = _NAME.match(name)
    return found.group(2) if found else None


def began_in(name: str) -> float | None:
    """When a recording began, by its name."""
    found = _NAME.match(name)
    try:
        return float(calendar.timegm(time.strptime(found.group(1), "%Y%m%dT%H%M%SZ"))) if found else None
    except ValueError:
        return None


async def read_kept(log: EventLog, room: str) -> dict[str, Kept]:
    """The recordings of a room by their names, in the order in which they began; also those that were deleted.

    How far those have come that are at work is in none of them: `read_progress` adds it. Raises `LogUnavailable`.
    """
    found: dict[str, Kept] = {}
    async for entry in entries(log, room, KIND):
        body = entry.body
        if isinstance(body, dict) and room_in(str(body.get("recording"))) == room:
            name = str(body["recording"])
            with suppress(msgspec.ValidationError):  # of another program's making
                _hear(found.setdefault(name, Kept(name, room, began_at=began_in(name) or entry.at)), entry, body)
    return found


async def read_progress(log: EventLog, kept: Kept) -> int:
    """Add to a recording that waits how far it is; how often its composer has crashed. Raises `LogUnavailable`."""
    crashes = 0
    async for entry in entries(log, kept.room, PROGRESS, max(kept.ended_in, kept.again_in)):
        body = entry.body
        if not isinstance(body, dict) or body.get("recording") != kept.name:
            continue
        crashes += body.get("what") == "crashed"
        if kept.state in ("waiting", "composing"):
            kept.state = "composing"
            kept.done = float(body.get("done") or 0.0)
            kept.trouble = body.get("trouble")
    return crashes


async def entries(
    log: EventLog, room: str, kind: str, after: int = 0, until: float = math.inf
) -> AsyncGenerator[Entry, None]:
    """All entries of one kind that stand after one number and not after another, page by page."""
    while page := await log.read(room, after, MAXIMUM_READ, kind):
        for entry in page:
            if entry.sequence <= until:
                yield entry
        after = page[-1].sequence
        if after > until:
            return


def _hear(kept: Kept, entry: Entry, body: dict[str, Any]) -> None:
    """What is over stays over: entries of two workers, or of a worker and somebody who deletes, come in any order."""
    what = body.get("what")
    if what == "began":
        kept.began_at, kept.began_in = entry.at, entry.sequence
        kept.by, kept.by_name = body.get("person"), body.get("name")
    elif what in ("ended", "recovered"):
        if kept.state == "recording":
            kept.state, kept.ended_at, kept.ended_in = "waiting", entry.at, entry.sequence
        kept.people |= frozenset(map(str, body.get("people") or ()))
    elif what == "composed" and kept.state not in ("composed", "failed", "deleted"):
        kept.people |= frozenset(map(str, body.get("people") or ()))  # of what a browser recorded
        kept.ended_at = kept.ended_at or entry.at
        made = msgspec.convert(body, _Composed)
        kept.state, kept.done, kept.prefix, kept.files = "composed", 1.0, made.prefix, tuple(made.files)
    elif what == "failed" and kept.state not in ("composed", "failed", "deleted"):
        kept.state, kept.trouble = "failed", str(body.get("trouble"))
    elif what == "again" and kept.state == "failed":  # spec: worker/again
        kept.state, kept.trouble, kept.again_in = "waiting", None, entry.sequence
        kept.again += 1
    elif what == "deleted":  # spec: worker/deleted
        kept.state, kept.files, kept.prefix = "deleted", (), ""
