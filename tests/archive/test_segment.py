"""A journal on the disk: what fails half way is undone, and what is safe is known."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from meetref.archive.journal import Record, read
from meetref.archive.segment import Segment


class SmallDisk:
    """Takes so many octets in all, and not always all of what it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, octets: bytes | memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, octets[: min(self.room, 1000)])
        self.room -= written
        return written


def test_it_is_a_journal_at_any_time(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "a.mrj", {"segment": 1})
    assert read(segment.path.read_bytes()).records == []
    segment.add([Record(1, b"one"), Record(2, b"two")])
    assert [record.content for record in read(segment.path.read_bytes()).records] == [b"one", b"two"]
    segment.end(3)
    segment.end(4)
    segment.close()
    journal = read(segment.path.read_bytes())
    assert journal.is_closed
    assert journal.damage is None
    assert journal.size == segment.size


def test_no_journal_is_written_over(tmp_path: Path) -> None:
    Segment(tmp_path / "a.mrj", {}).close()
    with pytest.raises(FileExistsError):
        Segment(tmp_path / "a.mrj", {})


@pytest.mark.spec("journal/synced")
def test_what_is_safe_is_what_was_there_before_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    segment = Segment(tmp_path / "a.mrj", {})
    assert segment.synced == 0
    segment.add([Record(1, b"one")])
    segment.sync()
    segment.sync()  # nothing is new
    assert synced == [segment.size] == [segment.synced]
    segment.add([Record(2, b"two")])
    assert segment.synced < segment.size
    segment.close()


@pytest.mark.spec("journal/failed-write-undone")
@pytest.mark.parametrize("room", [1, 13, 14, 100, 1500, 2999])
def test_a_write_that_fails_half_way_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    segment = Segment(tmp_path / "a.mrj", {})
    segment.add([Record(1, b"one")])
    before = segment.path.read_bytes()
    disk = SmallDisk(monkeypatch, room)
    with pytest.raises(OSError, match="No space"):
        segment.add([Record(2, bytes(1500)), Record(3, bytes(1500))])
    assert segment.path.read_bytes() == before
    disk.room = 100  # some was given back
    segment.end(4)
    segment.close()
    journal = read(segment.path.read_bytes())
    assert [record.content for record in journal.records] == [b"one"]
    assert journal.is_closed


def test_no_file_is_left_of_one_that_could_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SmallDisk(monkeypatch, 5)
    with pytest.raises(OSError, match="No space"):
        Segment(tmp_path / "a.mrj", {})
    assert list(tmp_path.iterdir()) == []
