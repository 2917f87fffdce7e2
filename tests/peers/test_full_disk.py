"""The event log on a disk that another program fills: what was acknowledged is there, and more when there is room.

In SQLite by the disk of the server, in Kafka by that of the broker, which dies of it.
"""

from __future__ import annotations

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from meetref.archive.log import Entry, EventLog, LogUnavailable, open_log
from tests.peers.kafkabroker import running_broker

pytestmark = [pytest.mark.peer("small-disk"), pytest.mark.spec("log/safe-before-acknowledged", "log/unavailable-told")]
LIMIT = 240.0  # seconds


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    with pytest.raises(OSError, match="No space") as full:
        (disk / "more").write_bytes(b"x")
    assert full.value.errno == errno.ENOSPC
    return ballast


async def say(log: EventLog, first: int, count: int) -> list[Entry]:
    """Until it is refused."""
    acknowledged: list[Entry] = []
    with contextlib.suppress(LogUnavailable):
        for number in range(first, first + count):
            acknowledged.append(await log.append("demo", "chat", str(number), b"x" * 5000))
    return acknowledged


async def test_sqlite(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        async with open_log(disk / "log.db") as log:
            stored = await say(log, 0, 20)
            ballast = fill(disk)
            stored += await say(log, 20, 2000)
            assert 20 <= len(stored) < 2020
            with pytest.raises(LogUnavailable, match=r"full|error"):
                await log.append("demo", "chat", "refused", b"x" * 200_000)
            assert await log.read("demo") == stored
            ballast.unlink()
            stored.append(await log.append("demo", "chat", "refused", b"x" * 200_000))
        async with open_log(disk / "log.db") as log:
            assert await log.read("demo") == stored


@pytest.mark.slow
@pytest.mark.peer("kafka")
@pytest.mark.soak(ci=0, full=3)
async def test_kafka(tmp_path: Path, seed: int) -> None:
    with trio.fail_after(LIMIT), small_disk(tmp_path / "disk", 64) as disk, running_broker(disk) as broker:
        async with open_log(broker.new_url(), patience=2) as log:
            stored = await say(log, 0, 20 + seed % 50)
            ballast = await trio.to_thread.run_sync(fill, disk)
            stored += await say(log, 100, 5000)
            assert 20 <= len(stored) < 1000
            assert await log.read("demo") == stored
            ballast.unlink()
            await trio.to_thread.run_sync(broker.kill)
            await trio.to_thread.run_sync(broker.start)
            while not (more := await say(log, 10_000, 1)):
                pass
            assert (await log.read("demo"))[: len(stored)] == stored
            assert (await log.read("demo"))[-1] == more[0]
