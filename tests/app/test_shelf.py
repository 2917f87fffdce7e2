"""The recordings over HTTP, through the real door: who is shown what, ranges of files, and deletion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.app import shelf as shelf_module
from meetref.app.http import Site, make_app, make_http_answer
from meetref.app.passes import FILE_FOR, Passes, Visit
from meetref.app.shelf import COOKIE, Shelf
from meetref.archive.kept import PROGRESS
from meetref.archive.log import LogUnavailable, open_log
from meetref.archive.objects import ObjectsUnavailable, open_objects
from tests.app.doorway import HOSTS, Doorway, open_doorway
from tests.app.web import Web
from tests.archive.workshop import ROOM, Composer, Shop, done, name_of, record, recorded, say

ONE, TWO, THREE, OTHER = name_of(1), name_of(2), name_of(3), name_of(4, "geometry")
ADA, BOB, EVE = Visit(ROOM, "p1"), Visit(ROOM, "p2"), Visit(ROOM, "p9")


class House:
    """A shelf with two recordings that Ada made and Bob was in, one that goes on, and one of another room."""

    def __init__(self, shop: Shop, doorway: Doorway, passes: Passes) -> None:
        self.shop = shop
        self.doorway = doorway
        self.passes = passes
        self.now = 1_800_000_000.0

    async def ask(
        self, method: str, path: str, *visits: Visit, bearer: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if visits:
            lines.append(f"Cookie: {COOKIE}={self.passes.visits(visits)}")
        if bearer is not None:
            lines.append(f"Authorization: Bearer {bearer}")
        answer = await self.doorway.ask("\r\n".join([*lines, "", ""]).encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return (
            int(first.split(" ")[1]),
            {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)},
            body,
        )

    async def json(self, path: str, *visits: Visit, bearer: str | None = None, method: str = "GET") -> Any:
        status, headers, body = await self.ask(method, path, *visits, bearer=bearer)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert headers["cache-control"] == "no-store"
        return json.loads(body)

    async def names(self, *visits: Visit) -> list[str]:
        return [each["recording"] for each in (await self.json("/api/recordings", *visits))["recordings"]]

    async def film(self, *visits: Visit) -> str:
        files = (await self.json(f"/api/recordings/{ONE}", *visits))["files"]
        return str(next(each["url"] for each in files if each["name"] == "film.mp4"))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with trio.fail_after(60.0):
        async with open_log(":memory:") as log:
            shop = Shop(tmp_path, log, open_objects(tmp_path / "objects"))
            for name in (ONE, TWO):
                await recorded(log, shop.recordings, name)
            await shop.work_until(done(TWO), Composer())
            record(shop.recordings, THREE)
            await say(log, THREE, "began", person="p1", name="Ada")
            await say(log, OTHER, "began", person="p1", name="Ada")
            await say(log, OTHER, "ended", people=["p1"])
            passes = Passes(bytes(32), lambda: house.now)
            shelf = Shelf(log, shop.recordings, shop.objects, passes)
            site = Site(hosts=HOSTS, more=shelf.routes())
            async with open_doorway(answer_http=make_http_answer(site)) as doorway:
                house = House(shop, doorway, passes)
                yield house


@pytest.mark.spec("shelf/who-was-there")
async def test_who_was_there_is_shown_what_was_recorded_then(house: House) -> None:
    assert await house.names() == []
    assert await house.names(EVE) == [], "who was in the room at another time"
    assert await house.names(BOB) == [TWO, ONE], "the newest first"
    assert await house.names(ADA, Visit("geometry", "p1")) == [OTHER, TWO, ONE]
    assert await house.names(Visit("geometry", "p2")) == []
    told = await house.json(f"/api/recordings/{ONE}", BOB)
    assert {key: told[key] for key in ("recording", "room", "state", "by", "may_share", "may_delete")} == {
        "recording": ONE, "room": ROOM, "state": "composed", "by": "Ada", "may_share": True, "may_delete": False,
    }  # fmt: skip
    assert [each["name"] for each in told["files"]] == ["film.mp4", "index.json", "people/p1.webm", "poster.jpg"]
    assert told["size"] == sum(each["size"] for each in told["files"])
    assert (await house.ask("GET", f"/api/recordings/{ONE}/index", BOB))[2].startswith(b"index.json of")


@pytest.mark.spec("shelf/who-was-there", "shelf/tampered", "shelf/expired")
async def test_nobody_else_learns_that_there_is_one(house: House) -> None:
    answers = []
    bad = house.passes.visits([BOB])
    for path in (f"/api/recordings/{ONE}", f"/api/recordings/{ONE}/index", f"/api/recordings/{name_of(7)}"):
        for headers in ({}, {"Cookie": f"{COOKIE}={bad[:-3]}abc"}, {"Cookie": f"{COOKIE}={house.passes.ticket(*BOB)}"}):
            answers.append((await house.ask("GET", path, **headers))[::2])
        answers.append((await house.ask("GET", path, EVE))[::2])
        answers.append((await house.ask("GET", path, Visit("geometry", "p1")))[::2])
    for name in (THREE, "..", "x", f"{ONE}x"):
        answers.append((await house.ask("GET", f"/api/recordings/{name}", ADA))[::2])
    house.now += 31 * 86400
    answers.append((await house.ask("GET", f"/api/recordings/{ONE}", Cookie=f"{COOKIE}={bad}"))[::2])
    assert {status for status, _ in answers} == {404}
    assert len({body for _, body in answers}) == 1, "the same words, whatever the reason"


@pytest.mark.spec("shelf/link", "shelf/who-deletes")
async def test_a_link_opens_one_recording_and_nothing_else(house: House) -> None:
    shared = await house.json(f"/api/recordings/{ONE}/links", BOB, method="POST")
    address, _, token = shared["link"].partition("#")
    assert address == f"/recordings/{ONE}"
    told = await house.json(f"/api/recordings/{ONE}", bearer=token)
    assert (told["state"], told["may_share"], told["may_delete"]) == ("composed", False, False)
    assert (await house.ask("GET", f"/api/recordings/{ONE}/index", bearer=token))[0] == 200
    assert (await house.ask("GET", f"/api/recordings/{TWO}", bearer=token))[0] == 404
    assert (await house.ask("POST", f"/api/recordings/{ONE}/links", bearer=token))[0] == 404
    assert (await house.ask("DELETE", f"/api/recordings/{ONE}", bearer=token))[0] == 404
    assert json.loads((await house.ask("GET", "/api/recordings", bearer=token))[2]) == {"recordings": []}
    house.now = shared["until"] + 1
    assert (await house.ask("GET", f"/api/recordings/{ONE}", bearer=token))[0] == 404


@pytest.mark.spec("shelf/cookie")
async def test_a_ticket_becomes_part_of_the_cookie(house: House) -> None:
    assert (await house.ask("POST", "/api/visits"))[0] == 401
    assert (await house.ask("POST", "/api/visits", bearer=house.passes.link(ONE)[0]))[0] == 401
    status, headers, _ = await house.ask("POST", "/api/visits", EVE, bearer=house.passes.ticket(*BOB))
    assert status == 204
    value, *attributes = headers["set-cookie"].split("; ")
    assert house.passes.read_visits(value.removeprefix(f"{COOKIE}=")) == [EVE, BOB]
    assert sorted(each.lower() for each in attributes if not each.startswith("expires")) == [
        "httponly", "max-age=2592000", "path=/api/", "samesite=lax",
    ]  # fmt: skip


@pytest.mark.spec("shelf/cookie")
async def test_where_the_server_has_tls_the_cookie_travels_nowhere_else(house: House) -> None:
    shelf = Shelf(house.shop.log, house.shop.recordings, house.shop.objects, house.passes, is_secure=True)
    web = Web(make_app(Site(hosts=HOSTS, more=shelf.routes())))
    answer = await web.ask("POST", "/api/visits", authorization=f"Bearer {house.passes.ticket(*BOB)}")
    assert "; Secure" in (answer.header("set-cookie") or "")


@pytest.mark.spec("shelf/who-was-there")
async def test_a_list_has_a_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "MAXIMUM_SHOWN", 1)
    assert await house.names(BOB) == [TWO]


@pytest.mark.spec("shelf/own-page")
async def test_a_foreign_page_is_turned_away(house: House) -> None:
    for method, path in (("GET", "/api/recordings"), ("DELETE", f"/api/recordings/{ONE}"), ("POST", "/api/visits")):
        assert (await house.ask(method, path, ADA, Origin="http://evil.test"))[0] == 403
        assert (await house.ask(method, path, ADA, Origin="null"))[0] == 403
    assert (await house.ask("GET", "/api/recordings", ADA, Origin="http://localhost"))[0] == 200


@pytest.mark.spec("shelf/who-deletes", "worker/deleted")
async def test_who_began_it_deletes_it_and_it_is_gone(house: House) -> None:
    film = await house.film(BOB)
    assert (await house.ask("DELETE", f"/api/recordings/{ONE}", BOB))[0] == 403
    assert (await house.ask("DELETE", f"/api/recordings/{ONE}", ADA))[0] == 204
    assert await house.names(ADA) == [TWO]
    for method in ("GET", "DELETE"):
        assert (await house.ask(method, f"/api/recordings/{ONE}", ADA))[0] == 404
    assert (await house.ask("GET", film))[0] == 404
    assert not (house.shop.recordings / ONE).exists()


@pytest.mark.spec("worker/deleted")
async def test_what_cannot_be_taken_away_now_is_shown_to_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*words: Any) -> Any:
        raise ObjectsUnavailable("connection refused")

    monkeypatch.setattr(house.shop.objects, "keys", refuse)
    assert (await house.ask("DELETE", f"/api/recordings/{ONE}", ADA))[0] == 204
    assert await house.names(ADA) == [TWO]


async def test_what_is_away_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*words: Any) -> Any:
        raise ObjectsUnavailable("The objects cannot be used: connection refused.")

    monkeypatch.setattr(house.shop.objects, "read", refuse)
    status, _, body = await house.ask("GET", f"/api/recordings/{ONE}/index", ADA)
    assert (status, body) == (503, b"The objects cannot be used: connection refused.\n")

    async def close(*words: Any) -> Any:
        raise LogUnavailable("the disk is full")

    monkeypatch.setattr(house.shop.log, "read", close)
    assert (await house.ask("GET", "/api/recordings", ADA))[0] == 503


async def test_progress_and_failure_are_told(house: House) -> None:
    waits, fails = name_of(5), name_of(6)
    for name in (waits, fails):
        await recorded(house.shop.log, house.shop.recordings, name)
    told = await house.json(f"/api/recordings/{waits}", ADA)
    assert (told["state"], told["done"], told["files"]) == ("waiting", 0.0, [])
    body = {"recording": waits, "what": "progress", "done": 0.42, "trouble": "S3 is away."}
    await house.shop.log.append(ROOM, PROGRESS, "a", body)
    await say(house.shop.log, fails, "failed", trouble="Nobody said anything.")
    told = await house.json(f"/api/recordings/{waits}", ADA)
    assert (told["state"], told["done"], told["trouble"]) == ("composing", 0.42, "S3 is away.")
    told = await house.json(f"/api/recordings/{fails}", ADA)
    assert (told["state"], told["trouble"]) == ("failed", "Nobody said anything.")


@pytest.mark.spec("shelf/who-tries-again", "worker/again")
async def test_who_began_one_that_failed_has_it_tried_again(house: House) -> None:
    name, path = name_of(5), f"/api/recordings/{name_of(5)}"
    await recorded(house.shop.log, house.shop.recordings, name)
    assert (await house.ask("POST", f"{path}/again", ADA))[0] == 409, "it has not failed"
    await say(house.shop.log, name, "failed", trouble="The disk was on fire.")
    assert [(await house.json(path, who))["may_retry"] for who in (ADA, BOB)] == [True, False]
    link = (await house.json(f"{path}/links", BOB, method="POST"))["link"].partition("#")[2]
    assert not (await house.json(path, bearer=link))["may_retry"]
    assert (await house.ask("POST", f"{path}/again", BOB))[::2] == (
        403, b"Only the person who began a recording may have it tried again.\n",
    )  # fmt: skip
    assert (await house.ask("POST", f"{path}/again", EVE))[0] == 404
    assert (await house.ask("POST", f"{path}/again", bearer=link))[0] == 404
    assert (await house.ask("POST", f"{path}/again", ADA, Origin="http://evil.test"))[0] == 403
    assert (await house.json(path, ADA))["state"] == "failed"

    assert (await house.ask("POST", f"{path}/again", ADA))[::2] == (204, b"")
    assert (await house.ask("POST", f"{path}/again", ADA))[0] == 409, "it is at work already"
    told = await house.json(path, ADA)
    assert (told["state"], told["trouble"], told["may_retry"]) == ("waiting", None, False)
    await house.shop.work_until(done(name), Composer())
    assert (await house.json(path, ADA))["state"] == "composed"


@pytest.mark.spec("shelf/who-tries-again")
async def test_what_has_no_journals_any_more_is_not_tried_again(house: House) -> None:
    name, path = name_of(6), f"/api/recordings/{name_of(6)}"
    await say(house.shop.log, name, "began", person="p1", name="Ada")
    await say(house.shop.log, name, "failed", trouble="A browser made it.")
    await say(house.shop.log, name, "recovered", people=["p1"])
    told = await house.json(path, ADA)
    assert (told["state"], told["may_delete"], told["may_retry"]) == ("failed", True, False)
    status, _, body = await house.ask("POST", f"{path}/again", ADA)
    assert (status, body) == (409, b"There is nothing left of which this recording could be put together.\n")


@pytest.mark.spec("shelf/ranges")
async def test_a_file_is_sent_whole_and_in_ranges(house: House) -> None:
    film = await house.film(ADA)
    status, headers, whole = await house.ask("GET", film)
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "video/mp4", "bytes")
    assert hashlib.sha256(whole).hexdigest() == (await house.json(f"/api/recordings/{ONE}", ADA))["files"][0]["sha256"]
    size, tag = len(whole), headers["etag"]
    for wanted, part, said in (
        ("bytes=2-4", whole[2:5], f"bytes 2-4/{size}"),
        ("bytes=5-", whole[5:], f"bytes 5-{size - 1}/{size}"),
        ("bytes=-3", whole[-3:], f"bytes {size - 3}-{size - 1}/{size}"),
        (f"bytes=0-{10 * size}", whole, f"bytes 0-{size - 1}/{size}"),
    ):
        status, headers, body = await house.ask("GET", film, Range=wanted)
        assert (status, body, headers["content-range"], headers["etag"]) == (206, part, said, tag)
    status, headers, body = await house.ask("GET", film, Range=f"bytes={size}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{size}")
    assert (await house.ask("GET", film, Range="bytes=2-4", If_Range=tag))[::2] == (206, whole[2:5])
    assert (await house.ask("GET", film, Range="bytes=2-4", If_Range='"another"'))[::2] == (200, whole)
    assert (await house.ask("GET", film, Range="lines=2-4"))[::2] == (200, whole)
    status, headers, body = await house.ask("HEAD", film)
    assert (status, headers["content-length"], body) == (200, str(size), b"")
    status, headers, body = await house.ask("HEAD", film, Range="bytes=2-4")
    assert (status, headers["content-length"], body) == (206, "3", b"")


@pytest.mark.spec("shelf/signed-files")
async def test_a_file_is_sent_to_nobody_without_a_good_address(house: House) -> None:
    film = await house.film(ADA)
    key, _, query = film.removeprefix("/api/files/").partition("?")
    for address in (
        film.partition("?")[0],
        film[:-1] + ("0" if film[-1] != "0" else "1"),
        film.replace("until=1", "until=2"),
        film.replace("film.mp4", "poster.jpg"),
    ):
        assert (await house.ask("GET", address, ADA))[0] == 403
    outside = house.passes.sign_file(f"../recordings/{ONE}/manifest.mrj")
    assert (await house.ask("GET", f"/api/files/..%2frecordings/{ONE}/manifest.mrj?{outside}"))[0] == 404
    house.now += FILE_FOR + 2
    assert (await house.ask("GET", f"/api/files/{key}?{query}", ADA))[0] == 403
