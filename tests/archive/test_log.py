"""The event log: durable before it is acknowledged, in sequence, stored once, bounded, and clear when it cannot."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.archive import log as log_module
from meetref.archive import store as store_module
from meetref.archive.log import LogUnavailable, open_log

WRITER = """
import sys, trio
from meetref.archive.log import open_log

async def main():
    async with open_log(sys.argv[1]) as log, trio.open_nursery() as nursery:
        async def author(name):
            for number in range(10_000):
                entry = await log.append("demo", "chat", f"{name}-{number}", {"text": f"{name} says {number}"})
                sys.stdout.write(f"{entry.sequence} {entry.key}\\n")
                sys.stdout.flush()
        for name in sys.argv[2:]:
            nursery.start_soon(author, name)

trio.run(main)
"""


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


async def test_appends_at_once_share_a_sync(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db") as log:
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(log.append, "demo", "chat", str(number % 150), {"number": number % 150})
        entries = await log.read("demo")
        assert [entry.sequence for entry in entries] == list(range(1, 151))
        assert len({entry.key for entry in entries}) == 150
        assert log.syncs < 50


@given(bodies=st.lists(st.one_of(st.binary(max_size=50), st.dictionaries(st.text(max_size=5), st.integers(-99, 99)))))
@settings(max_examples=50, deadline=None)
def test_what_is_appended_is_what_is_read(bodies: list[bytes | dict[str, int]]) -> None:
    async def main() -> None:
        async with open_log(":memory:", inline=True) as log:
            for number, body in enumerate(bodies):
                await log.append("demo", "event", str(number), body)
            assert [entry.body for entry in await log.read("demo")] == bodies

    trio.run(main)


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    dice = random.Random(7)
    acknowledged: dict[str, int] = {}
    for round_number in range(6):
        # The same authors come back and say again what they do not know to be stored.
        command = [sys.executable, "-c", WRITER, str(path), "alice", "bob", f"guest{round_number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(dice.randrange(1, 400)):
                _note(acknowledged, process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            for line in process.stdout.read().splitlines(keepends=True):
                _note(acknowledged, line)
        stored = trio.run(_everything, path)
        assert [sequence for sequence, _ in stored] == list(range(1, len(stored) + 1))
        assert len({key for _, key in stored}) == len(stored)
        assert {(sequence, key) for key, sequence in acknowledged.items()} <= set(stored)
    assert len(acknowledged) > 100


def _note(acknowledged: dict[str, int], line: str) -> None:
    if line.endswith("\n"):
        sequence, key = line.split()
        assert acknowledged.setdefault(key, int(sequence)) == int(sequence)


async def _everything(path: Path) -> list[tuple[int, str]]:
    async with open_log(path, inline=True) as log:
        entries: list[tuple[int, str]] = []
        while page := await log.read("demo", len(entries)):
            entries += [(entry.sequence, entry.key) for entry in page]
        return entries


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


async def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_log(tmp_path / "log.db") as log:
        for wrong in ("", "x" * 257):
            with pytest.raises(ValueError, match="characters"):
                await log.append("demo", "chat", wrong, {})
        with pytest.raises(ValueError, match="octets"):
            await log.append("demo", "chat", "a", b"x" * (256 * 1024 + 1))
        with pytest.raises(ValueError, match="JSON"):
            await log.append("demo", "chat", "a", {"x": object()})
        monkeypatch.setattr(store_module, "MAXIMUM_ENTRIES", 2)
        monkeypatch.setattr(store_module, "MAXIMUM_READ", 1)
        for key in ("a", "b"):
            await log.append("demo", "chat", key, {})
        with pytest.raises(LogUnavailable, match="room's log is full"):
            await log.append("demo", "chat", "c", {})
        assert (await log.append("other", "chat", "c", {})).sequence == 1
        assert len(await log.read("demo", 0, 1000)) == 1
        assert await log.read("demo", 2**70, -5) == []


async def test_a_disk_that_does_not_keep_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAXIMUM_WAITING", 3)
    refused = 0

    async def author(number: int) -> None:
        nonlocal refused
        try:
            await log.append("demo", "chat", str(number), {})
        except LogUnavailable:
            refused += 1

    async with open_log(tmp_path / "log.db") as log:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(author, number)
        assert refused == 10 - await log.last("demo") > 0


async def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db") as log:
        await log.append("demo", "chat", "a", {})
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append("demo", "chat", "b", {})
