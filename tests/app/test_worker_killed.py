"""A real worker with the real composer, killed at any moment: another finishes, and there is exactly one film."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import av
import pytest
import trio

from meetref.archive.kept import KIND, Kept, read_kept
from meetref.archive.log import EventLog, open_log
from meetref.archive.objects import open_objects
from tests.app.workers import WorkerProcess, worker_process
from tests.archive.recorded import Person, Recorded, Source, send_pictures, send_tone, steady
from tests.archive.workshop import ROOM, name_of, recorded, say

ONE, EMPTY = name_of(1), name_of(2)
LASTS = 2.0  # seconds that the recording has
LIMIT = 180.0  # seconds; a busy machine is slow


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journals of two people who see and hear each other."""
    written = Recorded(tmp_path_factory.mktemp("meeting") / ONE)
    for number, name in enumerate(("Ada", "Bob")):
        person = Person(name)
        camera, microphone = Source(person, 90000, 10 + number, steady()), Source(person, 48000, 20 + number, steady())
        send_pictures(camera, 0, LASTS, lambda at: 100, frame_rate=30)
        send_tone(microphone, 0, LASTS, 440)
        written.join(0.0, person)
        written.add("camera", camera)
        written.add("microphone", microphone)
    return written.write(LASTS)


@pytest.mark.slow
@pytest.mark.soak(ci=1, full=50)
@pytest.mark.spec("worker/one-result", "worker/leftovers", "worker/crash")
async def test_whatever_is_killed_and_whenever_there_is_one_film(tmp_path: Path, meeting: Path, seed: int) -> None:
    dice = Random(seed)
    with trio.fail_after(LIMIT):
        async with open_log(tmp_path / "events.sqlite") as log:
            shutil.copytree(meeting, tmp_path / "recordings" / ONE)
            await say(log, ONE, "began", person="ada", name="Ada")
            await say(log, ONE, "ended", people=["ada", "bob"])
            for _ in range(dice.choice((1, 1, 2))):
                if (await read_kept(log, ROOM))[ONE].state == "composed":
                    break  # the last one was faster than who killed it, and nobody has anything to do
                async with worker_process("--data", tmp_path, real=True) as worker:
                    await disturb(worker, dice)
            async with worker_process("--data", tmp_path, real=True) as worker:
                await recorded(log, tmp_path / "recordings", EMPTY)
                assert await worker.says("there is no packet")  # so it is done with the first one, too
            await check(tmp_path, log)
        assert not processes(tmp_path), "a composer has outlived its worker"


async def disturb(worker: WorkerProcess, dice: Random) -> None:
    """Kill it, or its composer, when it is so far and a moment more."""
    await reaches(worker, dice.randrange(-1, 10) * 10)
    with trio.move_on_after(dice.uniform(0.0, 1.0)):
        await worker.process.wait()
    victim = worker.process.pid
    if dice.random() < 0.2:
        victim = next(children(victim), victim)
    os.kill(victim, signal.SIGKILL)


def children(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):  # whichever thread has started it
        yield from map(int, path.read_text().split())


async def reaches(worker: WorkerProcess, percent: int) -> None:
    """Wait until the film is done so far; below zero: not at all."""
    while percent > max([-1, *map(int, re.findall(rf"(\d+)%  {ONE}", worker.said))]):
        await worker.news.wait()


async def check(data: Path, log: EventLog) -> None:
    """There is one result, whole, and nothing else."""
    said = [entry.body["what"] for entry in await log.read(ROOM, kind=KIND) if ONE in entry.key]  # type: ignore[index]
    assert said == ["began", "ended", "composed"]
    both = await read_kept(log, ROOM)
    assert (both[ONE].state, both[EMPTY].state) == ("composed", "failed")
    objects = open_objects(data / "objects")
    assert await objects.folders() == [ONE]
    assert await objects.keys(ONE) == sorted(f"{both[ONE].prefix}/{file.name}" for file in both[ONE].files)
    for file in both[ONE].files:
        octets = await objects.read(f"{both[ONE].prefix}/{file.name}", file.size)
        assert (len(octets), hashlib.sha256(octets).hexdigest()) == (file.size, file.sha256)
    check_film(await objects.read(f"{both[ONE].prefix}/film.mp4", 2**24), both[ONE])
    assert os.listdir(data / "scratch") == []
    assert sorted(os.listdir(data)) == ["events.sqlite", "events.sqlite-shm", "events.sqlite-wal", *PLACES]


PLACES = ["objects", "recordings", "scratch"]


def check_film(octets: bytes, kept: Kept) -> None:
    """All of the meeting is in it, and each of both has a file."""
    with av.open(io.BytesIO(octets)) as film:
        pictures = sum(1 for _ in film.decode(video=0))
    assert pictures == round(LASTS * 30)
    names = {file.name for file in kept.files}
    assert {"01-ada-1.webm", "02-bob-1.webm", "index.json", "poster.jpg"} <= names


def processes(data: Path) -> list[str]:
    """Those that work in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(data) in words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found
