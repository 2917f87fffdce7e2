"""One journal on the disk, open for writing: a segment of what is recorded of a stream.

Plain calls that may wait for the disk, nothing of Trio; `archive/recorder` decides on which thread they run.
A write that fails half way is taken back, so that the file ends with a whole record whatever happens. An open journal
is locked, so that another server with the same folder leaves it alone; the lock goes with the process.
Specification: docs/journal.md. fsync(2): a new file's name is safe only when its folder has been synced, too. flock(2).
Leaves out: when to sync, and when the next segment begins.
Read next: `archive/recorder.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path

from meetref.archive.journal import Header, Record, Writing


class Segment:
    """An open journal. Raises `OSError` for what the disk does not take; `synced` octets are safe."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.synced = 0
        self.is_ended = False
        self._writing = Writing()
        opening = self._writing.begin(header)
        self._descriptor = open_locked(path)
        try:
            self._write(opening, 0)
        except OSError:
            os.close(self._descriptor)
            with suppress(OSError):
                path.unlink()
            raise

    @property
    def size(self) -> int:
        """Octets in the file."""
        return self._writing.size

    def add(self, records: Iterable[Record]) -> None:
        """Write records; all of them or none."""
        before = Writing(self._writing.size, self._writing.crc)
        self._write_or_undo(self._writing.add(records), before)

    def end(self, at: int) -> None:
        """Write the record that ends the journal, once."""
        if not self.is_ended:
            before = Writing(self._writing.size, self._writing.crc)
            self._write_or_undo(self._writing.end(at), before)
            self.is_ended = True

    def sync(self) -> None:
        """Have the disk take what was written, unless it has."""
        if self.synced < self.size:
            os.fsync(self._descriptor)  # spec: journal/synced
            self.synced = self.size

    def close(self) -> None:
        """Close the file; what was not synced is left to the system."""
        with suppress(OSError):
            os.close(self._descriptor)

    def _write_or_undo(self, octets: bytes, before: Writing) -> None:
        try:
            self._write(octets, before.size)
        except OSError:
            self._writing = before
            raise

    def _write(self, octets: bytes, size: int) -> None:
        """Write all of it at the end of the file, which has `size` octets; on an error it has as many again."""
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with suppress(OSError):  # what is left then is cut off when the recording is recovered
                os.ftruncate(self._descriptor, size)  # spec: journal/failed-write-undone
                os.lseek(self._descriptor, size, os.SEEK_SET)
            raise


def open_locked(path: Path) -> int:
    """A new file to write into, and nobody else; its descriptor. Raises `OSError`."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    with suppress(OSError):  # not every file system has locks
        flock(descriptor, LOCK_EX | LOCK_NB)  # spec: recorder/being-written
    return descriptor


def is_being_written(path: Path) -> bool:
    """Does a process that lives write into this file?"""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def sync_folder(path: Path) -> None:
    """Have the disk take the names of new files. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
