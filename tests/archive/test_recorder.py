"""A recording on the disk: on it within a second, in journals of ten seconds, bounded, and honest about trouble."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.archive import recorder as module
from meetref.archive.journal import Journal, Record, read
from meetref.archive.recorder import FULL, MANIFEST, RESERVE, SLOW, CannotRecord, Recorder, Stream, open_recorder
from meetref.archive.recovery import events_of
from tests.archive.test_segment import SmallDisk

ABOUT = {"recording": "r", "room": "algebra"}


def opened(root: Path, name: str = "one", *, inline: bool = True) -> Any:
    return open_recorder(root / "recordings" / name, ABOUT, wall_clock=lambda: 1000.0, inline=inline)


def journals(folder: Path, stream: str) -> list[Journal]:
    return [read(path.read_bytes()) for path in sorted(folder.glob(f"{stream}-*.mrj"))]


def packets(folder: Path, stream: str) -> list[Record]:
    return [record for journal in journals(folder, stream) for record in journal.records]


def events(folder: Path) -> list[dict[str, Any]]:
    return [event for _, event in events_of(read((folder / MANIFEST).read_bytes()))]


def must(stream: Stream | None) -> Stream:
    assert stream is not None
    return stream


async def send(stream: Stream, seconds: float, content: bytes = b"packet") -> int:
    """A packet every 20 ms; how many."""
    count = round(seconds * 50)
    for _ in range(count):
        stream.take(content, trio.current_time())
        await trio.sleep(0.02)
    return count


def in_the_background(nursery: trio.Nursery, recorder: Recorder, changed: Callable[[], None] = lambda: None) -> None:
    nursery.start_soon(recorder.run, changed)


@pytest.mark.spec("recorder/loss-window")
@pytest.mark.parametrize("inline", [True, False])
async def test_what_was_taken_from_a_stream_is_written_though_the_recording_is_cancelled_just_then(
    tmp_path: Path, inline: bool
) -> None:
    async with opened(tmp_path, inline=inline) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        stream = must(recorder.open_stream("voice", {}))
        await wait_all_tasks_blocked()
        stream.take(b"last words", trio.current_time())
        recorder.finish()
        nursery.cancel_scope.cancel()
    assert [record.content for record in packets(recorder.folder, "voice")] == [b"last words"]


@pytest.mark.spec("recorder/complete-journals-named")
async def test_a_stream_is_in_journals_of_ten_seconds(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        stream = must(recorder.open_stream("voice", {"person": "p"}))
        sent = await send(stream, 25)
        recorder.note({"event": "joined", "person": "p"}, trio.current_time())
        recorder.finish()
    folder = recorder.folder
    found = journals(folder, "voice")
    assert [journal.is_closed for journal in found] == [True, True, True]
    assert [journal.header["segment"] for journal in found] == [1, 2, 3]
    assert found[0].header | {"holds": "packets", "stream": "voice", "person": "p", "began_at": 1000.0, **ABOUT} == (
        found[0].header
    )
    spans = [journal.records[-1].at - journal.records[0].at for journal in found]
    assert all(9_500_000 <= span <= 10_600_000 for span in spans[:2])
    assert [record.at for record in packets(folder, "voice")] == [20_000 * number for number in range(sent)]
    manifest = read((folder / MANIFEST).read_bytes())
    assert manifest.is_closed
    named = {event["file"]: event["size"] for event in events(folder) if event["event"] == "journal"}
    assert named == {path.name: path.stat().st_size for path in folder.glob("voice-*.mrj")}
    assert {"event": "joined", "person": "p"} in events(folder)
    assert events(folder)[-1] == {"event": "ended"}
    assert sorted(path.suffix for path in folder.iterdir()) == [".mrj"] * 4


@pytest.mark.spec("recorder/loss-window")
async def test_within_a_second_everything_is_synced(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[str, int] = {}
    monkeypatch.setattr(os, "fsync", lambda descriptor: _note(synced, descriptor))
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        stream = must(recorder.open_stream("voice", {}))
        nursery.start_soon(send, stream, 20)
        for _ in range(60):
            await trio.sleep(0.31)
            now = round(trio.current_time() * 1e6)
            safe = [
                record.at
                for path in recorder.folder.glob("voice-*.mrj")
                for record in read(path.read_bytes()[: synced.get(str(path), 0)]).records
                if str(path) in synced
            ]
            assert max(safe, default=0) >= now - 1_000_000
        assert str(recorder.folder) in synced  # a name that is not safe makes the file go
        recorder.finish()


def _note(synced: dict[str, int], descriptor: int) -> None:
    synced[os.readlink(f"/proc/self/fd/{descriptor}")] = os.fstat(descriptor).st_size


async def test_who_is_gone_has_a_journal_that_is_complete(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        stream = must(recorder.open_stream("voice", {}))
        await send(stream, 1)
        stream.close()
        stream.take(b"too late", trio.current_time())
        await trio.sleep(1.1)
        [journal] = journals(recorder.folder, "voice")
        assert journal.is_closed
        assert len(journal.records) == 50
        assert not recorder._streams
        recorder.finish()


@pytest.mark.spec("recorder/bounded-backlog")
async def test_what_waits_for_the_disk_is_bounded_and_what_is_lost_is_told(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_WAITING_SIZE", 1000)
    told: list[str | None] = []
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder, lambda: told.append(recorder.trouble))
        stream = must(recorder.open_stream("voice", {}))
        for _ in range(25):
            stream.take(bytes(100), trio.current_time())
        assert recorder.waiting_size == 1000
        await trio.sleep(1.2)
        assert recorder.waiting_size == 0
        stream.take(b"goes on", trio.current_time())
        recorder.finish()
    assert len(packets(recorder.folder, "voice")) == 11
    assert {"event": "lost", "count": 15} in events(recorder.folder)
    assert told == [SLOW]


@pytest.mark.spec("recorder/bounded-backlog")
async def test_events_that_wait_are_bounded_and_what_is_lost_is_told(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_EVENTS", 3)
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        for number in range(5):
            recorder.note({"event": "speaker", "person": str(number)}, trio.current_time())
        in_the_background(nursery, recorder)
        await trio.sleep(1.2)
        assert recorder.trouble == SLOW
        recorder.finish()
    noted = events(recorder.folder)
    assert [event["person"] for event in noted if event["event"] == "speaker"] == ["0", "1", "2"]
    told = any(event["event"] == "trouble" for event in noted)  # who of the two tasks comes first is not settled
    assert sum(event["count"] for event in noted if event["event"] == "lost") == recorder.lost == (2 if told else 3)


@pytest.mark.spec("recorder/bounded-streams")
async def test_streams_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_STREAMS", 3)
    async with opened(tmp_path) as recorder:
        assert [recorder.open_stream(str(number), {}) is None for number in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.spec("recorder/slow-disk-told")
async def test_a_disk_that_hangs_is_told_and_so_is_its_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are real here, and the clock is: nothing is waited for that does not happen."""
    monkeypatch.setattr(module, "SYNC_EVERY", 0.01)
    monkeypatch.setattr(module, "SLOW_AFTER", 0.05)
    told: list[str | None] = []
    goes_on, real, changed = threading.Event(), os.fsync, trio.Event()

    def note() -> None:
        nonlocal changed
        told.append(recorder.trouble)
        changed.set()
        changed = trio.Event()

    async with opened(tmp_path, inline=False) as recorder, trio.open_nursery() as nursery:
        monkeypatch.setattr(os, "fsync", lambda descriptor: (goes_on.wait(60), real(descriptor)))
        in_the_background(nursery, recorder, note)
        must(recorder.open_stream("voice", {})).take(b"packet", trio.current_time())
        with trio.fail_after(30):
            while told != [SLOW]:
                await changed.wait()
            goes_on.set()
            while told != [SLOW, None]:
                await changed.wait()
        recorder.finish()
    assert len(packets(recorder.folder, "voice")) == 1
    assert {"event": "trouble", "what": SLOW} in events(recorder.folder)


@pytest.mark.spec("recorder/disk-full", "recorder/reserve")
@pytest.mark.parametrize("room", [0, 17, 5000, 20_000])
async def test_a_full_disk_ends_the_recording_in_order(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    told: list[str | None] = []
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        disk = SmallDisk(monkeypatch, room)
        unlink = Path.unlink

        def give_back(path: Path, missing_ok: bool = False) -> None:
            if path.name == "reserve":
                assert path.stat().st_size == RESERVE
                disk.room += RESERVE
            unlink(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", give_back)
        in_the_background(nursery, recorder, lambda: told.append(recorder.trouble))
        streams = [must(recorder.open_stream(name, {})) for name in ("voice", "camera")]
        while not recorder.is_over:
            for stream in streams:
                stream.take(bytes(200), trio.current_time())
            await trio.sleep(0.02)
    assert told == [FULL]
    found = events(recorder.folder)
    assert {"event": "trouble", "what": FULL} in found
    assert found[-1] == {"event": "ended"}
    for name in ("voice", "camera"):
        for journal in journals(recorder.folder, name):
            assert journal.is_closed
            assert journal.damage is None


@pytest.mark.spec("recorder/disk-full")
async def test_a_disk_that_fails_is_called_by_its_error(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with opened(tmp_path) as recorder:
        must(recorder.open_stream("voice", {})).take(b"packet", trio.current_time())
        monkeypatch.setattr(os, "fsync", fail)
        await recorder.run(lambda: None)
        assert recorder.is_over
        assert recorder.trouble == "The disk fails (Input/output error): the recording has ended."
        assert recorder.open_stream("camera", {}) is None
    assert packets(recorder.folder, "voice")[0].content == b"packet"


async def test_where_nothing_can_be_written_no_recording_begins(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file where a folder should be")
    with pytest.raises(CannotRecord, match="Not a directory"):
        async with opened(tmp_path):
            pass


async def test_a_recording_that_is_cancelled_is_complete(tmp_path: Path, autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
            in_the_background(nursery, recorder)
            stream = must(recorder.open_stream("voice", {}))
            await send(stream, 1.3)
            scope.cancel()
            await trio.sleep_forever()
    assert len(packets(recorder.folder, "voice")) == 65
    assert read((recorder.folder / MANIFEST).read_bytes()).is_closed


async def test_who_is_cancelled_while_the_disk_works_closes_when_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads at one journal would mix its records up. Threads are real here, and the clock is."""
    monkeypatch.setattr(module, "SYNC_EVERY", 0.01)
    at_work, goes_on, real = trio.Event(), threading.Event(), os.fsync
    held: list[int] = []  # the thread that waits for the disk
    beside: list[int] = []

    def sync(descriptor: int) -> None:
        if not at_work.is_set():
            held.append(threading.get_ident())
            trio.from_thread.run_sync(at_work.set)
            goes_on.wait(60)
            held.clear()
        elif held:
            beside.append(threading.get_ident())
        real(descriptor)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, opened(tmp_path, inline=False) as recorder:
            monkeypatch.setattr(os, "fsync", sync)
            must(recorder.open_stream("voice", {})).take(b"packet", trio.current_time())
            async with trio.open_nursery() as running:
                in_the_background(running, recorder)
                await at_work.wait()
                nursery.start_soon(_let_go_on, goes_on)
                running.cancel_scope.cancel()
    assert beside == []
    assert len(packets(recorder.folder, "voice")) == 1
    assert events(recorder.folder)[-1] == {"event": "ended"}


async def _let_go_on(goes_on: threading.Event) -> None:
    """Once whoever closes has had every chance to begin."""
    await wait_all_tasks_blocked(0.05)
    goes_on.set()
