"""A recording that comes from somebody's browser, octet for octet: a file that grows, safe before it is acknowledged.

    browser.webm.part     what has come so far
    upload.json           of which room, and since when: for whoever finds the leftover after a crash

Plain calls that may wait for the disk; `app/uploads` decides on which thread they run.
Stands on `archive/segment` (syncing a folder), below `archive/assembling`, which makes a film of it.
Specification: docs/ways.md, spec/recorder.toml.
Leaves out: what the octets are. Read next: `app/uploads.py`.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from meetref.archive.kept import began_in, room_in
from meetref.archive.segment import is_being_written, open_locked, sync_folder

PART = "browser.webm.part"
ABOUT = "upload.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class About(msgspec.Struct):
    """What is known of a recording before its first octet. `began_at` is in seconds since 1970."""

    recording: str
    room: str
    began_at: float
    person: str
    name: str
    people: list[str] = []
    """Who was there, as far as it is known."""


class UploadFile:
    """The file in its new folder. Raises `OSError`; `size` octets are safe."""

    def __init__(self, folder: Path, about: About) -> None:
        self.folder = folder
        self.size = 0
        folder.mkdir(parents=True)
        self.describe(about)
        self._descriptor = open_locked(folder / PART)
        for each in (folder, folder.parent):
            sync_folder(each)

    def append(self, octets: bytes) -> None:
        """Write and sync; on an error the file is as it was."""
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)  # spec: recorder/upload-safe
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(octets)

    def describe(self, about: About) -> None:
        """Say more of it than at the beginning."""
        (self.folder / ABOUT).write_bytes(msgspec.json.encode(about))

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)

    def discard(self) -> None:
        """Nothing came: nothing stays."""
        self.close()
        for name in (PART, ABOUT):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def read_about(folder: Path) -> About:
    """What was known; where nothing can be read, as much as the folder's name says."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return About(folder.name, room_in(folder.name) or "", began_in(folder.name) or 0.0, "", "")


def clear(folder: Path) -> None:
    """It is assembled and kept: what came may go."""
    for name in (PART, ABOUT):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)


def is_upload(folder: Path) -> bool:
    """Does a browser deliver what is in here?"""
    return any((folder / name).exists() for name in (PART, ABOUT))


def leftovers(root: Path) -> list[Path]:
    """The folders below `root` in which an upload was not assembled, in the order of their names.

    Those that come to another server are none of ours.
    """
    # spec: recorder/being-written
    return sorted(path.parent for path in root.glob(f"*/{PART}") if not is_being_written(path))
