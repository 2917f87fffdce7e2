"""A real server that records: killed at any moment, cut off from power, and with a disk that takes no more."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import Client, open_client
from meetref.app.recordings import recover_recordings
from meetref.archive.journal import Journal, read
from meetref.archive.kept import read_kept
from meetref.archive.log import EventLog, open_log
from meetref.archive.objects import open_objects
from meetref.archive.reading import open_recording
from meetref.archive.recorder import FULL, MANIFEST, SYNC_EVERY, open_recorder
from meetref.archive.recovery import events_of, recover
from meetref.archive.upload import PART
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.app.noted_syncs import after_power_cut, turns
from tests.app.serving import ServerProcess, server_process
from tests.archive.test_recorder import must
from tests.archive.workshop import Composer, Shop, done, name_of, recorded


class Publisher:
    """Somebody in the room whose recording is looked at; `sent` is what left, packet by packet, with the moment."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sent: dict[int, list[bytes]] = {}
        self.recordings: list[signaling.Recording] = []
        self.left_at: deque[float] = deque(maxlen=400)
        self._news = trio.Event()
        assert client.up is not None
        self._send, self._hear = client.up.send, client.hear
        client.up.send = self._note  # type: ignore[method-assign]
        client.hear = self._listen  # type: ignore[method-assign]

    def _note(self, plain: bytes) -> bytes | None:
        self.sent.setdefault(int.from_bytes(plain[8:12]), []).append(plain)
        self.left_at.append(time.time())
        self._tell()
        return self._send(plain)

    async def _listen(self, message: signaling.ServerMessage) -> None:
        if isinstance(message, signaling.Recording):
            self.recordings.append(message)
            self._tell()
        await self._hear(message)

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    @property
    def count(self) -> int:
        return sum(map(len, self.sent.values()))

    def longest_pause(self, since: float) -> float:
        """The longest time for which nothing left: packets are due every 20 ms, unless the machine stands still."""
        moments = [moment for moment in self.left_at if moment >= since]
        return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)

    async def recording(self, on: bool) -> signaling.Recording:
        """Wait until the last thing that was said of a recording is this."""
        while not self.recordings or self.recordings[-1].on is not on:
            await self._news.wait()
        return self.recordings[-1]

    async def goes_on_for(self, packets: int) -> None:
        """Wait until so many more packets have left."""
        last = self.count + packets
        while self.count < last:
            await self._news.wait()


@asynccontextmanager
async def publishing(server: ServerProcess, name: str) -> AsyncIterator[Publisher]:
    join = signaling.Join(room="algebra", name=name, microphone="on", camera="on")
    behaviour = Behaviour(name=name, light=True)
    async with open_client(KernelNetwork(), server.address, join) as client, trio.open_nursery() as nursery:
        await client.publish(["microphone", "camera"])
        publisher = Publisher(client)
        nursery.start_soon(show_light, client.senders["camera"], behaviour)
        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
        yield publisher
        nursery.cancel_scope.cancel()


def journals(recordings: Path) -> dict[str, list[Journal]]:
    """What is there of each source of the only recording."""
    found: dict[str, list[Journal]] = {}
    for path in sorted(recordings.glob("*/*.mrj")):
        if path.name != MANIFEST:
            journal = read(path.read_bytes())
            assert journal.is_closed
            assert journal.damage is None
            found.setdefault(journal.header["source"], []).append(journal)
    return found


def allowed(publisher: Publisher, notes: Path, killed_at: float) -> float:
    """Seconds that may be missing: one, unless the machine stood still just before.

    What came before the last complete turn began is safe, however long turns take. The last one may not be complete,
    and one begins half a second after the end of the one before.
    """
    *_, before_that, _, _ = turns(notes, 0.9 * SYNC_EVERY)
    pause = publisher.longest_pause(killed_at - 3)
    return max(1.0, killed_at - before_that - SYNC_EVERY + 0.1) + max(0.0, pause - 0.1)


def check(recordings: Path, publisher: Publisher, killed_at: float, within: float) -> float:
    """All that came until so long before the end is there, octet by octet, and nothing else; how much is missing."""
    found = journals(recordings)
    assert set(found) == {"microphone", "camera"}
    missing = 0.0
    for each in found.values():
        last = each[-1].header["began_at"] + each[-1].records[-1].at / 1e6
        missing = max(missing, killed_at - last)
        assert missing < within, f"{missing:.3f} s are missing, {within:.3f} may be"
        media = [
            record.content for journal in each for record in journal.records if not 192 <= record.content[1] <= 223
        ]
        sent = publisher.sent[int.from_bytes(media[0][8:12])]
        start = sent.index(media[0])
        assert media == sent[start : start + len(media)]
    [manifest] = [read(path.read_bytes()) for path in recordings.glob(f"*/{MANIFEST}")]
    assert manifest.is_closed
    events = [event for _, event in events_of(manifest)]
    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "recovered"
    return missing


async def logged(server: ServerProcess) -> list[Any]:
    """What the event log says of recordings."""
    async with open_log(server.folder / "data" / "events.sqlite", inline=True) as log:
        return [entry.body for entry in await log.read("algebra") if entry.kind == "recording"]


@pytest.mark.slow
@pytest.mark.spec("recorder/loss-window", "recorder/healed")
@pytest.mark.soak(ci=3, full=200)
async def test_of_a_recording_whose_server_is_killed_a_second_is_lost_at_most(tmp_path: Path, seed: int) -> None:
    """As long as the machine does not stand still: what it stands still for is measured, and added."""
    dice = Random(seed)
    notes = tmp_path / "syncs"
    recordings = tmp_path / "data" / "recordings"
    program = [sys.executable, "-m", "tests.app.noted_syncs", str(notes)]
    with trio.fail_after(300):
        async with server_process(tmp_path, "--no-worker", program=program) as server:
            async with publishing(server, "alice") as alice:
                await alice.goes_on_for(20)
                alice.client.say(signaling.Record(on=True))
                await alice.recording(True)
                # From two seconds on: before that there may be less than is allowed to be missing.
                await alice.goes_on_for(dice.randrange(150, 1200 if seed % 4 == 0 else 400))
                killed_at = time.time()
                await server.kill()
            shutil.copytree(tmp_path / "data", tmp_path / "killed")
            shutil.copytree(recordings, tmp_path / "cut")
            after_power_cut(tmp_path / "cut", _moved(notes, recordings, tmp_path / "cut"))
            within = allowed(alice, notes, killed_at)
            await server.start()  # recovers
            missing = check(recordings, alice, killed_at, within)
            assert [entry["what"] for entry in await logged(server)] == ["began", "recovered"]
            [healed] = recover(tmp_path / "cut")
            assert healed.cut == 0, "what was synced ends with a whole record"
            cut_off = check(tmp_path / "cut", alice, killed_at, within)
            print(f"seconds missing: {missing:.3f} after the kill, {cut_off:.3f} after the power cut, of {within:.3f}")


def _moved(notes: Path, before: Path, after: Path) -> Path:
    """The notes for a copy of the folder."""
    moved = notes.with_suffix(".moved")
    moved.write_text(notes.read_text().replace(f'"{before}', f'"{after}'))
    return moved


@pytest.mark.slow
@pytest.mark.spec("recorder/disk-full")
async def test_a_disk_that_takes_no_more_ends_the_recording_and_not_the_meeting(tmp_path: Path) -> None:
    """The limit of file sizes stands in for the disk's end: to the server it is an error of the same kind."""
    with trio.fail_after(60):
        async with server_process(tmp_path) as server, publishing(server, "alice") as alice:
            await alice.goes_on_for(20)
            alice.client.say(signaling.Record(on=True))
            await alice.recording(True)
            await alice.goes_on_for(100)
            sizes = [path.stat().st_size for path in (tmp_path / "data").rglob("*") if path.is_file()]
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (max(sizes) + 5000, resource.RLIM_INFINITY))
            assert (await alice.recording(False)).trouble == FULL
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert [message.trouble for message in alice.recordings] == [None, FULL, FULL]
            await alice.goes_on_for(50)
            assert await server.terminate() == 0
        found = journals(tmp_path / "data" / "recordings")
        assert all(len(journal.records) > 10 for each in found.values() for journal in each)
        assert [entry["trouble"] for entry in await logged(server)] == [None, FULL]


NAME = "20261128T102345Z-algebra-9fe37c"
BROWSER = "20261128T102345Z-physics-9fe37d"


async def made(root: Path, log: EventLog, by: str | None = None) -> Path:
    """A recording that has ended, with trouble, and of whose end the log has nothing."""
    body = {"recording": NAME, "what": "began", "way": "server", "person": by}
    await log.append("algebra", "recording", f"{NAME}-began", body)
    about = {"recording": NAME, "room": "algebra"}
    async with open_recorder(root / NAME, about, wall_clock=time.time, inline=True) as recorder:
        recorder.note({"event": "joined", "person": "p1"}, trio.current_time())
        recorder.note({"event": "trouble", "what": FULL}, trio.current_time())
    return root / NAME


@pytest.mark.spec("recorder/end-said-later")
async def test_an_end_that_the_log_does_not_have_is_said_at_the_next_start(tmp_path: Path) -> None:
    async with open_log(":memory:", inline=True) as log:
        await made(tmp_path, log)
        (tmp_path / NAME.replace("algebra", "geometry")).mkdir()  # of which no log says that it began
        await log.append("physics", "recording", "x", {"recording": BROWSER, "what": "began", "way": "browser"})
        (tmp_path / BROWSER).mkdir()
        (tmp_path / BROWSER / PART).write_bytes(b"")  # of which whoever assembles it has something to say
        for _ in range(2):
            await recover_recordings(tmp_path, log, inline=True)
            _, ended = [entry.body for entry in await log.read("algebra")]
            assert ended == {"recording": NAME, "what": "ended", "way": "server", "people": ["p1"], "trouble": FULL}
            assert (await read_kept(log, "algebra"))[NAME].state == "waiting"
        assert await log.read("geometry") == []
        assert len(await log.read("physics")) == 1


@pytest.mark.spec("recorder/end-said-later")
async def test_a_crash_between_healing_and_saying_so_costs_no_film(tmp_path: Path) -> None:
    async with open_log(":memory:", inline=True) as log:
        manifest = await made(tmp_path, log) / MANIFEST
        manifest.write_bytes(manifest.read_bytes()[:-1])
        recover(tmp_path)  # and here the server was killed
        await recover_recordings(tmp_path, log, inline=True)
        assert [entry.key for entry in await log.read("algebra")] == [f"{NAME}-began", f"{NAME}-recovered"]


@pytest.mark.spec("recorder/unreadable-manifest", "worker/dead-letter")
@pytest.mark.parametrize("damage", ["another header", "no beginning", "nothing"])
async def test_a_manifest_that_cannot_be_read_ends_as_failed_and_blocks_nobody(tmp_path: Path, damage: str) -> None:
    async with open_log(":memory:") as log:
        shop = Shop(tmp_path, log, open_objects(tmp_path / "objects"))
        manifest = await made(shop.recordings, log, by="p7") / MANIFEST
        async with open_recorder(tmp_path / "x", {"person": "p3"}, wall_clock=time.time, inline=True) as voice:
            must(voice.open_stream("voice", {"person": "p3"})).take(b"packet", trio.current_time())
        shutil.copy(next((tmp_path / "x").glob("voice-*")), manifest.parent)
        octets = manifest.read_bytes()
        damaged = {"another header": octets[:40] + b"?" + octets[41:], "no beginning": octets[:10], "nothing": b""}
        manifest.write_bytes(damaged[damage])
        await recover_recordings(shop.recordings, log, inline=True)
        await recorded(log, shop.recordings, name_of(2))

        async def compose(folder: Path, into: Path, chat: Path, progress: Callable[[float], None]) -> None:
            open_recording(folder)
            await Composer()(folder, into, chat, progress)

        with trio.fail_after(20):
            await shop.work_until(done(name_of(2)), compose)
        kept = await shop.kept(NAME)
        assert (kept.state, kept.people) == ("failed", {"p7", "p3"})
        assert kept.trouble is not None
        assert "cannot be read" in kept.trouble


@pytest.mark.spec("recorder/end-said-later")
async def test_a_log_that_takes_nothing_at_the_start_is_told_later(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log", busy_for=0.0) as log:
        await made(tmp_path / "recordings", log)
        with closing(sqlite3.connect(tmp_path / "log", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await recover_recordings(tmp_path / "recordings", log, inline=True)
            assert len(await log.read("algebra")) == 1
            other.execute("ROLLBACK")
        with trio.fail_after(30):
            async with aclosing(log.follow("algebra", 1)) as news:
                async for entry in news:
                    assert entry.key == f"{NAME}-ended"
                    break


@pytest.mark.slow
async def test_a_server_that_is_stopped_ends_its_recordings(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with server_process(tmp_path) as server:
            async with publishing(server, "alice") as alice:
                await alice.goes_on_for(20)
                alice.client.say(signaling.Record(on=True))
                await alice.recording(True)
                await alice.goes_on_for(100)
                assert await server.terminate() == 0
            found = journals(tmp_path / "data" / "recordings")
            assert sum(len(journal.records) for each in found.values() for journal in each) > 50
            assert recover(tmp_path / "data" / "recordings") == []
            assert [entry["what"] for entry in await logged(server)] == ["began", "ended"]
