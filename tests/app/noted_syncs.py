"""`meetref` as it is, but every fsync is noted when it has come back: of which file, and how much of it was safe then.

    python -m tests.app.noted_syncs NOTES serve ...

A kill spares what the kernel holds; by these notes a test makes of the files what a power cut would have left.
Read next: tests/app/test_recordings_killed.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from meetref.app.cli import main


def note_syncs(path: Path) -> None:
    """From now on write a line of JSON into the file `path` for each sync."""
    notes = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced = os.readlink(f"/proc/self/fd/{descriptor}")
        what = sorted(os.listdir(synced)) if Path(synced).is_dir() else os.fstat(descriptor).st_size
        began = time.time()
        real(descriptor)
        os.write(notes, json.dumps([synced, what, began, time.time() - began]).encode() + b"\n")

    os.fsync = fsync  # type: ignore[assignment]  # ours is called by position only


def turns(notes: Path, pause: float) -> list[float]:
    """When the server had synced all that it had, by the wall clock; it rests for so many seconds before it goes on."""
    ends: list[float] = []
    for line in notes.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            _, _, began, took = json.loads(line)
            if ends and began - ends[-1] < pause:
                del ends[-1]
            ends.append(began + took)
    return ends


def after_power_cut(folder: Path, notes: Path) -> None:
    """Make of `folder` and all in it what is left when only that was kept of it which was synced."""
    lengths: dict[str, int] = {}
    names: dict[str, set[str]] = {}
    for line in notes.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            synced, what, *_ = json.loads(line)
            if isinstance(what, int):
                lengths[synced] = what
            else:
                names[synced] = set(what)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name not in names.get(str(path.parent), set()) and path.is_file():
            path.unlink()  # the file may be safe, yet nothing leads to it
        elif path.is_file():
            os.truncate(path, min(path.stat().st_size, lengths.get(str(path), 0)))


if __name__ == "__main__":
    note_syncs(Path(sys.argv[1]))
    raise SystemExit(main(sys.argv[2:]))
