"""The event log: durable before it is acknowledged, in sequence, stored once, bounded, and clear when it cannot."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.archive import log as log_module
from meetref.archive import store as store_module
from meetref.archive.log import Entry, LogUnavailable, open_log
from meetref.archive.store import Wanted


@pytest.mark.parametrize("inline", [True, False])
async def test_entries_are_numbered_from_one_in_each_room(tmp_path: Path, inline: bool) -> None:
    async with open_log(tmp_path / "new folder" / "log.db", inline=inline, wall_clock=lambda: 12.5) as log:
        assert await log.last("algebra") == 0
        first = await log.append("algebra", "chat", "a", {"text": "hello"})
        other = await log.append("geometry", "chat", "a", b"\x00\xff")
        second = await log.append("algebra", "chat", "b", {"text": "again"})
        assert [first.sequence, other.sequence, second.sequence] == [1, 1, 2]
        assert await log.read("algebra", 0, 10) == [first, second]
        assert await log.read("algebra", 1, 10) == [second]
        assert await log.read("algebra", 2, 10) == []
        assert await log.read("algebra", 0, 1) == [first]
        assert (await log.read("geometry"))[0].body == b"\x00\xff"
        assert await log.last("algebra") == 2
        assert first.at == 12.5


@pytest.mark.parametrize("inline", [True, False])
async def test_said_twice_is_stored_once(tmp_path: Path, inline: bool) -> None:
    async with open_log(tmp_path / "log.db", inline=inline) as log:
        first = await log.append("demo", "chat", "k", {"text": "one"})
        again = await log.append("demo", "chat", "k", {"text": "two"})
        assert again == first
        assert (await log.append("demo", "recording", "k", {})).sequence == 2
    async with open_log(tmp_path / "log.db", inline=inline) as log:
        assert await log.append("demo", "chat", "k", {"text": "three"}) == first
        assert await log.last("demo") == 2


@given(bodies=st.lists(st.one_of(st.binary(max_size=50), st.dictionaries(st.text(max_size=5), st.integers(-99, 99)))))
@settings(max_examples=50, deadline=None)
def test_what_is_appended_is_what_is_read(bodies: list[bytes | dict[str, int]]) -> None:
    async def main() -> None:
        async with open_log(":memory:", inline=True) as log:
            for number, body in enumerate(bodies):
                await log.append("demo", "event", str(number), body)
            assert [entry.body for entry in await log.read("demo")] == bodies

    trio.run(main)


async def test_a_full_disk_is_told_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with open_log(path, maximum_size_bytes=100_000) as log:
        acknowledged = []
        with pytest.raises(LogUnavailable, match="full"):  # noqa: PT012
            for number in range(100):
                acknowledged.append(await log.append("demo", "chat", str(number), b"x" * 5000))
        assert 5 < len(acknowledged) < 20
        assert await log.read("demo") == acknowledged
        with pytest.raises(LogUnavailable, match="full"):
            await log.append("demo", "chat", "more", b"x" * 5000)
    async with open_log(path) as log:
        assert (await log.append("demo", "chat", "more", b"x" * 5000)).sequence == len(acknowledged) + 1


@pytest.mark.parametrize("inline", [True, False])
async def test_a_log_that_another_program_holds_is_told(tmp_path: Path, inline: bool) -> None:
    path = tmp_path / "log.db"
    async with open_log(path, inline=inline, busy_for=0.01) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailable, match="another program"):
            await log.append("demo", "chat", "a", {})
        other.execute("ROLLBACK")
        other.close()
        assert (await log.append("demo", "chat", "a", {})).sequence == 1


async def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(LogUnavailable, match="damaged"):
        async with open_log(path):
            pass
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        async with open_log(tmp_path):
            pass
    with pytest.raises(LogUnavailable, match="folder"):
        async with open_log(path / "below" / "log.db"):
            pass


async def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with open_log(path) as log:
        for number in range(50):
            await log.append("demo", "chat", str(number), b"x" * 2000)
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xa5" * (len(octets) - 4096)
    path.write_bytes(octets)
    async with open_log(path) as log:
        with pytest.raises(LogUnavailable, match="damaged"):
            await log.append("demo", "chat", "new", b"")
        with pytest.raises(LogUnavailable, match="damaged"):
            await log.read("demo")


async def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LogUnavailable, match="newer"):
        async with open_log(path):
            pass


async def test_a_room_has_only_so_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_log(tmp_path / "log.db") as log:
        monkeypatch.setattr(store_module, "MAXIMUM_ENTRIES", 2)
        for key in ("a", "b"):
            await log.append("demo", "chat", key, {})
        with pytest.raises(LogUnavailable, match="room's log is full"):
            await log.append("demo", "chat", "c", {})
        assert (await log.append("other", "chat", "c", {})).sequence == 1


@pytest.mark.spec("log/shared-once")
async def test_a_group_in_a_file_has_one_member(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db") as log:
        async with log.share("workers"), log.share("others"):
            with pytest.raises(LogUnavailable, match="workers is at work already"):
                async with log.share("workers"):
                    pass
        async with log.share("workers") as share:
            entry = await log.append("demo", "chat", "a", {})
            assert await share.take() == entry


class Disk:
    """What a log's home stands on: while it `is_full` nothing is stored. `refused` is set when something was not."""

    def __init__(self, log: Any) -> None:
        self.is_full = False
        self.refused = trio.Event()
        self._append = log._home.append
        log._home.append = self.append

    def append(self, batch: list[Wanted]) -> Any:
        if self.is_full:
            trio.from_thread.run_sync(self.refused.set)
            raise LogUnavailable("the disk is full")
        return self._append(batch)


@pytest.mark.spec("log/notes-wait")
async def test_notes_wait_for_the_disk_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_module, "AGAIN_AFTER", 0.01)
    async with open_log(tmp_path / "log.db") as log:
        disk = Disk(log)
        disk.is_full = True
        for key in "abc":
            log.note("demo", "joined", key, {"name": key})
        await disk.refused.wait()
        with pytest.raises(LogUnavailable, match="full"):
            await log.append("demo", "chat", "refused", {})
        disk.is_full = False
        stored: list[Entry] = []
        async with aclosing(log.follow("demo")) as entries:
            while len(stored) < 3:
                stored.append(await anext(entries))
        assert [(entry.key, entry.body) for entry in stored] == [(key, {"name": key}) for key in "abc"]
        assert log.lost == 0
    assert [record.message for record in caplog.records] == ["3 events wait for the event log: the disk is full"]


@pytest.mark.spec("log/notes-wait", "log/notes-bounded")
async def test_notes_that_are_given_up_are_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_module, "MAXIMUM_NOTED", 2)
    monkeypatch.setattr(log_module, "FINISH_WITHIN", 0.05)
    async with open_log(tmp_path / "log.db") as log:
        Disk(log).is_full = True
        for key in "abc":
            log.note("demo", "joined", key, {})
        assert log.lost == 1
    log.note("demo", "left", "a", {})
    assert log.lost == 4
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "1 events are not in the event log: 2 wait already",
        "2 events are not in the event log: it did not take them before it was closed",
        "1 events are not in the event log: the log is closed",
    ]


@pytest.mark.spec("log/closed-takes-nothing")
@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_what_was_noted_is_stored_when_the_log_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: bool, is_cancelled: bool
) -> None:
    monkeypatch.setattr(log_module, "FINISH_WITHIN", 60.0)  # a busy machine is slow
    with trio.CancelScope() as scope:
        async with open_log(tmp_path / "log.db", inline=inline) as log:
            for number in range(20):
                log.note("demo", "joined", str(number), {})
            if is_cancelled:
                scope.cancel()
                await trio.lowlevel.checkpoint()
    async with open_log(tmp_path / "log.db") as log:
        assert [entry.key for entry in await log.read("demo")] == [str(number) for number in range(20)]


async def test_a_note_that_an_inline_log_cannot_store_is_counted(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", inline=True, maximum_size_bytes=100_000) as log:
        for number in range(40):
            log.note("demo", "joined", str(number), b"x" * 5000)
        assert 20 < log.lost < 40
        assert log.lost + len(await log.read("demo")) == 40
