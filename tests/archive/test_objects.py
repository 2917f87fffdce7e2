"""What both homes of objects promise: the same cases for a folder and for a real S3 server.

Read next: spec/objects.toml, whose requirements these are.
"""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trio

from meetref.archive import objects as objects_module
from meetref.archive.objects import NoSuchObject, Objects, ObjectsUnavailable, Stored, is_key, open_objects
from meetref.wire.reader import Malformed
from tests.peers.s3server import S3Server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.peer("versitygw"))])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "folder":
        return open_objects(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3_server")
    return open_objects(server.new_place(), environment=server.environment)


def a_file(folder: Path, octets: bytes, name: str = "film.mp4") -> Path:
    (folder / name).write_bytes(octets)
    return folder / name


@pytest.mark.spec("objects/checksum", "objects/whole-or-not")
@pytest.mark.parametrize("size", [0, 1, 1000, 2 * objects_module.PIECE + 1])
async def test_what_was_put_is_there_with_its_hash(objects: Objects, tmp_path: Path, size: int) -> None:
    octets = os.urandom(1000) * (size // 1000 + 1)
    octets = octets[:size]
    stored = await objects.put("one/a1/film.mp4", a_file(tmp_path, octets), "video/mp4")
    assert stored == Stored("one/a1/film.mp4", size, hashlib.sha256(octets).hexdigest())
    assert await objects.read("one/a1/film.mp4", size) == octets
    if size:
        with pytest.raises(ValueError, match="more than"):
            await objects.read("one/a1/film.mp4", size - 1)


async def test_keys_are_listed_below_whole_names(objects: Objects, tmp_path: Path) -> None:
    file = a_file(tmp_path, b"x")
    for key in ("one/a/index.json", "one/a/people/p.webm", "one/b/index.json", "one-more/a/index.json"):
        await objects.put(key, file, "text/plain")
    assert await objects.keys("one") == ["one/a/index.json", "one/a/people/p.webm", "one/b/index.json"]
    assert await objects.keys("one/a") == ["one/a/index.json", "one/a/people/p.webm"]
    assert await objects.keys("none") == []
    assert await objects.folders() == ["one", "one-more"]


@pytest.mark.spec("objects/delete-again")
async def test_what_was_deleted_is_gone_and_may_be_deleted_again(objects: Objects, tmp_path: Path) -> None:
    await objects.put("one/a/index.json", a_file(tmp_path, b"x"), "application/json")
    await objects.delete(["one/a/index.json", "one/a/never-was"])
    await objects.delete(["one/a/index.json"])
    with pytest.raises(NoSuchObject):
        await objects.read("one/a/index.json", 10)
    assert await objects.keys("one") == []
    assert await objects.folders() == []


async def test_a_file_that_is_not_there_is_said_as_such(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await objects.put("one/a/index.json", tmp_path / "nothing", "application/json")
    assert await objects.folders() == []


@pytest.mark.spec("objects/keys")
@pytest.mark.parametrize("key", ["", "/one", "one/", "one//two", "../one", "one/../two", "one/.hidden", "é", "a" * 513])
async def test_what_is_no_key_is_refused(objects: Objects, tmp_path: Path, key: str) -> None:
    assert not is_key(key)
    with pytest.raises(ValueError, match="no key"):
        await objects.put(key, a_file(tmp_path, b"x"), "text/plain")
    with pytest.raises(ValueError, match="no key"):
        await objects.read(key, 1)
    with pytest.raises(ValueError, match="no key"):
        await objects.delete([key])


@pytest.mark.spec("objects/bounded-listing")
async def test_a_listing_has_a_bound(objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "MAXIMUM_KEYS", 3)
    for number in range(5):
        await objects.put(f"one/a/{number}", a_file(tmp_path, b"x"), "text/plain")
    assert len(await objects.keys("one")) == 3


@pytest.mark.spec("objects/whole-or-not")
async def test_an_upload_that_nobody_waits_for_leaves_nothing(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "PIECE", 5 * 2**20)
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()
    over = threading.Event()
    file = tmp_path / "pipe"
    os.mkfifo(file)

    def feed() -> None:
        with file.open("wb") as pipe:
            pipe.write(bytes(6 * 2**20))
            token.run_sync_soon(begun.set)
            over.wait()
            pipe.write(bytes(2**20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, feed)
        with trio.CancelScope() as scope:

            async def give_up() -> None:
                await begun.wait()
                scope.cancel()

            nursery.start_soon(give_up)
            await objects.put("one/a/film.mp4", file, "video/mp4")
        over.set()
    assert scope.cancelled_caught
    assert await objects.keys("one") == []


@pytest.mark.spec("objects/safe-when-put")
async def test_a_file_and_its_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(objects_module, "sync_folder", synced.append)
    objects = open_objects(tmp_path / "objects")
    await objects.put("one/a/index.json", a_file(tmp_path, b"x"), "application/json")
    root = tmp_path / "objects"
    assert synced == [tmp_path, root / "one" / "a", root / "one", root]


async def test_a_folder_signs_nothing(tmp_path: Path) -> None:
    objects = open_objects(tmp_path / "objects")
    assert (objects.sign("one/a/index.json", 60.0), objects.origin) == (None, None)
    assert objects.path("one/a/index.json") == tmp_path / "objects" / "one" / "a" / "index.json"


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    a_file(tmp_path, b"x", "file")
    with pytest.raises(ObjectsUnavailable, match="cannot be made"):
        open_objects(tmp_path / "file" / "objects")


@pytest.mark.parametrize("place", ["s3://", "s3://UPPER", "s3://bucket/../x", "gs://bucket", "s3://bucket/.x"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(Malformed):
        open_objects(place, environment={})


# --- S3 alone -------------------------------------------------------------------------------------


@pytest.mark.peer("versitygw")
@pytest.mark.spec("objects/links-expire")
async def test_a_link_into_s3_works_until_it_expires_and_only_untouched(s3_server: S3Server, tmp_path: Path) -> None:
    objects = open_objects(s3_server.new_place(), environment=s3_server.environment)
    await objects.put("one/a/film.mp4", a_file(tmp_path, b"0123456789"), "video/mp4")
    link = objects.sign("one/a/film.mp4", 60.0)
    assert link is not None
    assert objects.origin == s3_server.endpoint
    assert link.startswith(f"{objects.origin}/")

    def fetch(url: str, **headers: str) -> tuple[int, str | None, bytes]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, None, b""

    assert await trio.to_thread.run_sync(fetch, link) == (200, "video/mp4", b"0123456789")
    ranged = await trio.to_thread.run_sync(lambda: fetch(link, Range="bytes=2-4"))
    assert (ranged[0], ranged[2]) == (206, b"234")
    assert (await trio.to_thread.run_sync(fetch, link.replace("film", "another")))[0] == 403
    assert (await trio.to_thread.run_sync(fetch, link.replace("Expires=60", "Expires=6000")))[0] == 403
    assert (await trio.to_thread.run_sync(fetch, link.partition("?")[0]))[0] == 403


@pytest.mark.peer("versitygw")
@pytest.mark.spec("objects/unavailable-told")
async def test_a_server_that_refuses_is_silent_or_gone_is_told(s3_server: S3Server, tmp_path: Path) -> None:
    place, file = s3_server.new_place(), a_file(tmp_path, b"x")
    objects = open_objects(place, patience=0.3, environment=s3_server.environment)
    wrong = {**s3_server.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    for other, said in (
        (open_objects(place, environment=wrong), "SignatureDoesNotMatch"),
        (open_objects("s3://never-was", environment=s3_server.environment), "NoSuchBucket"),
    ):
        with pytest.raises(ObjectsUnavailable, match=said):
            await other.put("one/a/index.json", file, "application/json")
    with pytest.raises(ObjectsUnavailable, match="NoSuchBucket"):
        await other.read("one/a/index.json", 10)
    s3_server.hold()
    with pytest.raises(ObjectsUnavailable, match="cannot be used"):
        await objects.put("one/a/index.json", file, "application/json")
    s3_server.go_on()
    await objects.put("one/a/index.json", file, "application/json")
    s3_server.kill()
    with pytest.raises(ObjectsUnavailable, match="cannot be used"):
        await objects.keys("one")
    s3_server.start()
    assert await objects.keys("one") == ["one/a/index.json"]
