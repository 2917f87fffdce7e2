"""The door for recordings from browsers: nothing is missing, nothing is there twice, and nobody else writes."""

from __future__ import annotations

import errno
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from starlette.applications import Starlette
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.app import uploads as module
from meetref.app.recordings import make_archive
from meetref.app.uploads import (
    GONE_AFTER,
    MAXIMUM_CHUNK,
    MAXIMUM_IN_ROOM,
    MAXIMUM_PIECES,
    MAXIMUM_UPLOADS,
    Upload,
    Uploads,
)
from meetref.archive.assembling import DAMAGED, FILM, INDEX
from meetref.archive.kept import read_kept
from meetref.archive.log import EventLog, open_log
from meetref.archive.objects import open_objects
from meetref.archive.recorder import CannotRecord
from meetref.archive.upload import PART, leftovers
from meetref.net.virtual import VirtualNetwork
from meetref.wire import signaling
from tests.app.web import Answer, Web
from tests.archive.webm import played, streamed
from tests.meeting.rooms import lobby

ADA = signaling.Person(id="a1", name="Ada")
WHOLE = streamed(2)


class Scene:
    """Uploads, a client at their door, and the log."""

    def __init__(self, uploads: Uploads, log: EventLog, root: Path) -> None:
        self.uploads = uploads
        self.log = log
        self.root = root
        self.web = Web(Starlette(routes=list(uploads.routes())))

    async def put(self, upload: Upload, offset: int | str, octets: bytes, **more: Any) -> Answer:
        return await self.ask("PUT", upload, f"?offset={offset}", octets, **more)

    async def ask(self, method: str, upload: Upload, query: str = "", octets: bytes = b"", **more: Any) -> Answer:
        headers = {"authorization": f"Bearer {upload.told.token}", **more}
        return await self.web.ask(method, f"/api/uploads/{upload.told.id}{query}", octets, **headers)

    async def words(self, count: int = 1) -> list[tuple[str, str]]:
        """What the log says of recordings, once there are so many entries."""
        while len(entries := await self.log.read("algebra", 0, 100, "recording")) < count:
            await wait_all_tasks_blocked()
        return [(entry.body["what"], entry.body["recording"]) for entry in entries]

    def folder(self, upload: Upload) -> Path:
        return self.root / upload.about.recording


@asynccontextmanager
async def door(root: Path) -> AsyncIterator[Scene]:
    network = VirtualNetwork(1)
    host = network.host("server")
    async with open_log(":memory:", inline=True, wall_clock=host.wall_clock) as log, trio.open_nursery() as nursery:
        uploads = Uploads(host, root / "recordings", log, open_objects(root / "objects"), inline=True)
        await nursery.start(uploads.run)
        yield Scene(uploads, log, root / "recordings")
        nursery.cancel_scope.cancel()


def size(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.header("upload-offset")


@pytest.mark.spec("recorder/upload-safe", "recorder/upload-assembled", "recorder/upload-kept")
async def test_a_recording_comes_in_pieces_and_is_assembled(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        for at in range(0, len(WHOLE), 20_000):
            piece = WHOLE[at : at + 20_000]
            assert size(await scene.put(upload, at, piece)) == (204, str(at + len(piece)))
        assert (scene.folder(upload) / PART).read_bytes() == WHOLE
        upload.people.add("b2")
        assert (await scene.ask("POST", upload)).status == 202
        assert await scene.words() == [("composed", upload.about.recording)]
        index = msgspec.json.decode((scene.folder(upload) / INDEX).read_bytes())
        assert (index["room"], index["recording"]) == ("algebra", upload.about.recording)
        assert played(str(scene.folder(upload) / FILM))["video"] > 20
        kept = (await read_kept(scene.log, "algebra"))[upload.about.recording]
        assert (kept.state, kept.people) == ("composed", {"a1", "b2"})
        assert [file.name for file in kept.files] == [FILM, INDEX]
        stored = scene.root.parent / "objects" / kept.prefix / FILM
        assert stored.read_bytes() == (scene.folder(upload) / FILM).read_bytes()
        assert not (scene.folder(upload) / PART).exists()
        for method in ("PUT", "HEAD", "POST"):
            assert (await scene.ask(method, upload, "?offset=0")).status == 404


@pytest.mark.spec("recorder/upload-no-gap", "recorder/upload-in-order")
async def test_a_gap_is_refused_and_what_comes_again_is_there_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        assert size(await scene.put(upload, 0, b"abcdef")) == (204, "6")
        assert size(await scene.put(upload, 7, b"hij")) == (409, "6")
        assert size(await scene.put(upload, 0, b"abcdef")) == (204, "6")
        assert size(await scene.put(upload, 4, b"efghi")) == (204, "9")
        assert size(await scene.ask("HEAD", upload)) == (204, "9")
        async with trio.open_nursery() as nursery:  # two at once, the same piece
            for _ in range(2):
                nursery.start_soon(scene.put, upload, 9, b"jkl")
        assert size(await scene.ask("HEAD", upload)) == (204, "12")
        assert (scene.folder(upload) / PART).read_bytes() == b"abcdefghijkl"
        for offset in ("", "-1", "x", "٣", "1" * 30):
            assert (await scene.put(upload, offset, b"x")).status == 400


async def test_a_body_that_ends_early_leaves_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        assert (await scene.put(upload, 0, b"abc", rest="gone")).status == 400
        assert (await scene.put(upload, 0, b"abc", rest="late")).status == 408
        assert size(await scene.ask("HEAD", upload)) == (204, "0")


@pytest.mark.spec("recorder/upload-token")
async def test_only_who_has_the_token_writes(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        one, other = [await scene.uploads.open("algebra", ADA) for _ in range(2)]
        for wrong in ("", "Bearer", f"Bearer {other.told.token}", f"Basic {one.told.token}", "Bearer \xe9"):
            for method in ("PUT", "HEAD", "POST"):
                answer = await scene.ask(method, one, "?offset=0", b"x", authorization=wrong)
                assert answer.status == 401, (method, wrong)
                assert answer.header("www-authenticate") == "Bearer"
        assert (await scene.put(one, 0, b"x", origin="http://elsewhere.example")).status == 403
        assert (await scene.put(one, 0, b"1")).status == (await scene.put(other, 0, b"22")).status == 204
        assert [len((scene.folder(each) / PART).read_bytes()) for each in (one, other)] == [1, 2]


@pytest.mark.spec("recorder/upload-bounded")
async def test_size_rate_and_number_have_bounds(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MAXIMUM_SIZE", 3000), ("BURST", 1000), ("RATE", 100)):
        monkeypatch.setattr(module, name, value)
    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        assert (await scene.put(upload, 0, bytes(1001))).status == 429
        assert (await scene.put(upload, 0, bytes(1000))).status == 204
        answer = await scene.put(upload, 1000, bytes(500))
        assert (size(answer), answer.header("retry-after")) == ((429, "1000"), "5")
        await trio.sleep(5)
        assert (await scene.put(upload, 1000, bytes(500))).status == 204
        await trio.sleep(50)
        assert (await scene.put(upload, 1500, bytes(1501))).status == 413
        assert (await scene.put(upload, 1500, bytes(1500))).status == 204
        assert (await scene.put(upload, 3000, bytes(MAXIMUM_CHUNK + 1))).status == 413
        for _ in range(MAXIMUM_IN_ROOM - 1):
            await scene.uploads.open("algebra", ADA)
        with pytest.raises(CannotRecord, match="in this room"):
            await scene.uploads.open("algebra", ADA)
        for number in range(MAXIMUM_UPLOADS - MAXIMUM_IN_ROOM):
            await scene.uploads.open(f"room-{number}", ADA)
        with pytest.raises(CannotRecord, match="record here"):
            await scene.uploads.open("another", ADA)


@pytest.mark.spec("recorder/upload-disk-full")
async def test_a_full_disk_is_told_and_what_came_is_kept(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        await scene.put(upload, 0, WHOLE)
        with monkeypatch.context() as patch:
            patch.setattr("meetref.archive.upload.os.write", full)
            answer = await scene.put(upload, len(WHOLE), b"more")
        assert answer.status == 507
        assert "disk is full" in answer.text
        assert size(await scene.ask("HEAD", upload)) == (204, str(len(WHOLE)))
        assert (await scene.ask("POST", upload)).status == 202
        assert await scene.words() == [("composed", upload.about.recording)]


@pytest.mark.spec("recorder/upload-gone")
async def test_whose_browser_is_gone_is_assembled_after_a_minute(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        gone, silent, going = [await scene.uploads.open("algebra", ADA) for _ in range(3)]
        await scene.put(gone, 0, WHOLE)
        await trio.sleep(GONE_AFTER / 2)
        await scene.put(going, 0, WHOLE)
        await trio.sleep(GONE_AFTER / 2 + 10)
        expected = {("composed", gone.about.recording), ("deleted", silent.about.recording)}
        assert set(await scene.words(2)) == expected
        assert not scene.folder(silent).exists()
        assert list(scene.uploads.going) == [going.told.id]


@pytest.mark.spec("recorder/upload-assembled")
async def test_what_an_earlier_server_left_is_assembled_at_the_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        upload = await scene.uploads.open("algebra", ADA)
        await scene.put(upload, 0, WHOLE[: len(WHOLE) // 2])
        broken = await scene.uploads.open("algebra", ADA)
        await scene.put(broken, 0, b"no film")
    async with door(tmp_path) as scene:
        expected = {("composed", upload.about.recording), ("failed", broken.about.recording)}
        assert set(await scene.words(2)) == expected
        assert played(str(scene.folder(upload) / FILM))["video"] > 10


@pytest.mark.spec("recorder/own-told-before", "recorder/logged")
async def test_a_person_in_the_room_is_told_where_to(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as scene:
        archive = make_archive(
            VirtualNetwork(2).host("x"), tmp_path, lambda join: True, deliveries=scene.uploads, inline=True
        )
        async with lobby(archive=archive) as place:
            ada, ben = await place.joined("Ada"), await place.joined("Ben")
            ada.says(signaling.Record(on=True, way="browser"))
            await wait_all_tasks_blocked()
            [told] = ada.of(signaling.Upload)
            assert not ben.of(signaling.Upload)
            assert scene.uploads.going[told.id].about.person == ada.identity.participant
            kinds = [type(message) for message in ada.heard]
            assert kinds.index(signaling.Upload) < kinds.index(signaling.Recording)
            [entry] = await place.log.read("algebra", 0, 10, "recording")
            assert entry.body["recording"] == scene.uploads.going[told.id].about.recording
            for _ in range(MAXIMUM_IN_ROOM - 1):
                await scene.uploads.open("algebra", ADA)
            ben.says(signaling.Record(on=True, way="browser"))
            await wait_all_tasks_blocked()
            assert ben.codes == ["recording-unavailable"]
            assert "As many browsers" in ben.of(signaling.Error)[0].message


@pytest.mark.spec("recorder/upload-unreadable")
@pytest.mark.parametrize("program", ["import os; os.abort()", "import time; time.sleep(60)", "raise SystemExit(1)"])
async def test_what_no_program_can_assemble_is_put_away(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It crashes, or does not end; and blocks neither those behind it nor the next start."""
    monkeypatch.setattr(module, "ASSEMBLE", (sys.executable, "-c", program))
    monkeypatch.setattr(module, "ASSEMBLED_WITHIN", 0.5)
    host = VirtualNetwork(1).host("server")
    async with open_log(":memory:", wall_clock=host.wall_clock) as log:
        uploads = Uploads(host, tmp_path / "recordings", log, None, inline=False)
        upload = await uploads.open("algebra", ADA)
        upload.file.append(WHOLE)
        await uploads._keep(upload.file.folder)
        [entry] = await log.read("algebra", 0, 10, "recording")
        assert entry.body["what"] == "failed"
        assert (upload.file.folder / DAMAGED).read_bytes() == WHOLE
        assert leftovers(tmp_path / "recordings") == []
        upload.file.close()


@pytest.mark.spec("recorder/upload-bounded")
async def test_so_many_pieces_come_at_a_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each is in memory as long as it comes, and who has the token may open any number of connections."""
    async with door(tmp_path) as scene, trio.open_nursery() as nursery:
        upload = await scene.uploads.open("algebra", ADA)
        for _ in range(MAXIMUM_PIECES):
            nursery.start_soon(partial(scene.put, upload, 0, b"abc", rest="late"))
        await wait_all_tasks_blocked()
        assert size(await scene.put(upload, 0, b"abc")) == (429, "0")
        await trio.sleep(11)
        assert size(await scene.put(upload, 0, b"abc")) == (204, "3")
