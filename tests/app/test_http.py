"""The page and the API, through the real door and the real Hypercorn."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from meetref.app.http import RESERVED, SECURITY_HEADERS, Site, is_room_name, make_app, make_http_answer
from meetref.app.metrics import Family
from meetref.app.origin import HostNames
from meetref.net.virtual import VirtualNetwork
from meetref.wire.address import Address
from tests.app.doorway import HOSTS, Doorway, open_doorway


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "icons").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>meetref</title>")
    (folder / "main.js").write_text("export const one = 1;")
    (folder / "icons" / "mute.svg").write_text("<svg/>")
    (folder / ".hidden.js").write_text("secret")
    (folder / "notes.secret").write_text("secret")
    (tmp_path / "outside.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "outside.js")
    return folder


@asynccontextmanager
async def open_site(page: Path, **more: object) -> AsyncIterator[Doorway]:
    site = Site(hosts=HOSTS, page=page, **more)  # type: ignore[arg-type]
    async with open_doorway(answer_http=make_http_answer(site)) as doorway:
        yield doorway


async def get(
    doorway: Doorway, path: str, *more: str, host: str = "localhost", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *more, "", ""]
    with trio.fail_after(20):
        answer = await doorway.ask("\r\n".join(lines).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    return (
        int(first.split(" ")[1]),
        {name.lower(): value for name, _, value in (h.partition(": ") for h in headers)},
        body,
    )


async def test_the_page_and_its_files(page: Path) -> None:
    async with open_site(page) as doorway:
        for path in ("/", "/algebra", "/demo?name=Ada&join=now"):
            status, headers, body = await get(doorway, path)
            assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert body.startswith(b"<!doctype html>")
        status, headers, body = await get(doorway, "/page/main.js")
        assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert headers["cache-control"] == "no-cache"
        assert (await get(doorway, "/page/icons/mute.svg"))[1]["content-type"] == "image/svg+xml"
        assert doorway.door.counters["failed"] == 0


async def test_every_answer_has_the_security_headers(page: Path) -> None:
    async with open_site(page) as doorway:
        for path, host in (
            ("/", "localhost"),
            ("/no.such", "localhost"),
            ("/api/health", "localhost"),
            ("/", "evil.test"),
        ):
            headers = (await get(doorway, path, host=host))[1]
            assert {name.lower(): value for name, value in SECURITY_HEADERS.items()}.items() <= headers.items()
            assert "server" not in headers


async def test_nobody_has_several_requests_at_a_time(page: Path) -> None:
    """Ways into HTTP/2: by an upgrade, and by its preface behind a first request."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    upgrade = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings, close", "HTTP2-Settings: AAMAAABkAAQAAP__")
    async with open_site(page) as doorway:
        first = "\r\n".join(["GET /api/health HTTP/1.1", "Host: localhost", *upgrade, "", ""]).encode()
        plain = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for request in (first, plain + preface):
            with trio.fail_after(20):
                answer = await doorway.ask(request)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:60]
            assert b"\r\n\r\n\x00" not in answer, "frames of HTTP/2"
        assert doorway.door.counters["failed"] == 0


async def test_media_may_come_from_where_the_objects_are(page: Path) -> None:
    for origin, media in (
        (None, "'self' blob: mediastream:"),
        ("https://s3.test", "'self' blob: mediastream: https://s3.test"),
    ):
        async with open_site(page, media_from=origin) as doorway:
            policy = (await get(doorway, "/"))[1]["content-security-policy"]
            assert f"media-src {media};" in policy
            assert "script-src 'self';" in policy


async def test_a_browser_that_has_the_file_is_not_sent_it_again(page: Path) -> None:
    async with open_site(page) as doorway:
        tag = (await get(doorway, "/page/main.js"))[1]["etag"]
        assert (await get(doorway, "/page/main.js", f'If-None-Match: "other", W/{tag}'))[::2] == (304, b"")
        (page / "main.js").write_text("export const one = 2;")
        status, headers, body = await get(doorway, "/page/main.js", f"If-None-Match: {tag}")
        assert (status, body) == (200, b"export const one = 2;")
        assert headers["etag"] != tag


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/none.js",
        "/page/.hidden.js",
        "/page/notes.secret",
        "/page/../outside.js",
        "/page/%2e%2e/outside.js",
        "/page/icons/..%2f..%2foutside.js",
        "/page/link.js",
        "/page//etc/passwd",
        "/page/main.js%00.svg",
        "/page/icons",
        "/page/" + "a" * 3000 + ".js",
        "/Algebra",
        "/-room",
        "/a.b",
        "/room%0a",
        "/" + "a" * 64,
        "/algebra/more",
        "/api",
        "/page",
        "/signal",
    ],
)
async def test_what_is_not_there(page: Path, path: str) -> None:
    async with open_site(page) as doorway:
        status, _, body = await get(doorway, path)
        assert status == 404
        assert b"secret" not in body


async def test_a_name_that_no_room_can_have_gets_the_page_which_says_so(page: Path) -> None:
    async with open_site(page) as doorway:
        tag = (await get(doorway, "/algebra"))[1]["etag"]
        for more in ((), (f"If-None-Match: {tag}",)):
            status, headers, body = await get(doorway, "/Algebra%20II", *more)
            assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
            assert body.startswith(b"<!doctype html>")
        for name in sorted(RESERVED - {"metrics"}):
            assert (await get(doorway, f"/{name}"))[1]["content-type"].startswith("text/plain")


async def test_nothing_takes_a_body(page: Path) -> None:
    async with open_site(page) as doorway:
        for path in ("/", "/page/main.js", "/api/health", "/metrics"):
            assert (await get(doorway, path, "Content-Length: 5", method="POST"))[0] == 405
        assert (await get(doorway, "/", method="HEAD"))[::2] == (200, b"")


async def test_rooms_are_told_here_and_to_the_admin_token_only(page: Path) -> None:
    def rooms(name: str | None) -> object:
        return {None: {"rooms": ["algebra"]}, "algebra": {"room": "algebra"}}.get(name)

    async with open_site(page, rooms=rooms, admin_token="s3cret") as doorway:
        status, headers, body = await get(doorway, "/api/rooms")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body) == {"rooms": ["algebra"]}
        assert json.loads((await get(doorway, "/api/rooms/algebra"))[2]) == {"room": "algebra"}
        assert (await get(doorway, "/api/rooms/biology"))[0] == 404
        for path in ("/api/rooms", "/api/rooms/algebra", "/api/rooms/biology"):
            assert (await get(doorway, path, "X-Forwarded-For: 192.0.2.1"))[0] == 401
            told = await get(doorway, path, "X-Forwarded-For: 192.0.2.1", "Authorization: Bearer s3cret")
            assert told[0] == (404 if "biology" in path else 200)


async def test_foreign_names_are_turned_away(page: Path) -> None:
    async with open_site(page) as doorway:
        assert (await get(doorway, "/api/health", host="127.0.0.1:8080"))[0] == 200
        for host in ("evil.example", "localhost.evil.example", ""):
            assert (await get(doorway, "/api/tree", host=host))[0] == 421
        # The second request on a connection is looked at as well.
        first = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        second = b"GET /api/tree HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        answer = await doorway.ask(first + second)
        assert (answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 421")) == (1, 1)


async def test_what_the_server_tells_about_itself(page: Path) -> None:
    families = [Family("meetref_rooms", "gauge", "Rooms.").add(2)]
    async with open_site(page, tree=lambda: {"name": "meetref"}, families=lambda: families) as doorway:
        assert json.loads((await get(doorway, "/api/health"))[2])["status"] == "ok"
        assert json.loads((await get(doorway, "/api/tree"))[2]) == {"name": "meetref"}
        status, headers, body = await get(doorway, "/metrics")
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"meetref_rooms 2\n" in body


async def test_what_tells_on_people_is_for_this_machine_or_the_admin(page: Path) -> None:
    async def ask(client: str, path: str, headers: dict[str, str], token: str | None) -> int:
        site = Site(hosts=HostNames(None), page=page, tree=dict, admin_token=token)
        status = 0

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            nonlocal status
            status = int(str(message.get("status", status)))

        named = {"host": "meet.example", **headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "client": (client, 1),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        await make_app(site)(scope, receive, send)  # type: ignore[arg-type]
        return status

    for path in ("/api/tree", "/metrics"):
        assert await ask("127.0.0.1", path, {}, None) == 200
        assert await ask("::1", path, {}, "secret") == 200
        assert await ask("192.0.2.7", path, {}, None) == 401
        assert await ask("192.0.2.7", path, {"authorization": "Bearer "}, None) == 401
        assert await ask("192.0.2.7", path, {"authorization": "Bearer "}, "") == 401
        assert await ask("192.0.2.7", path, {"authorization": "Bearer wrong"}, "secret") == 401
        assert await ask("192.0.2.7", path, {"authorization": "Bearer \xfc"}, "secret") == 401
        assert await ask("192.0.2.7", path, {"authorization": "Basic secret"}, "secret") == 401
        assert await ask("192.0.2.7", path, {"authorization": "Bearer secret"}, "secret") == 200
        assert await ask("127.0.0.1", path, {"x-forwarded-for": "192.0.2.7"}, "secret") == 401
        assert await ask("127.0.0.1", path, {"forwarded": "for=192.0.2.7"}, "secret") == 401
    assert await ask("192.0.2.7", "/api/health", {}, None) == 200


def test_the_admin_token_is_not_shown(page: Path) -> None:
    assert "hunter2" not in repr(Site(hosts=HOSTS, page=page, admin_token="hunter2"))


def test_names_of_rooms_are_those_of_signaling() -> None:
    assert [is_room_name(name) for name in ("demo", "a", "0-9", "a" * 63)] == [True] * 4
    assert not any(is_room_name(name) for name in ("", "Demo", "-a", "a_b", "a" * 64, "demo\n", "d\u00e9mo"))
    assert all(is_room_name(name) for name in RESERVED)


async def test_there_is_no_page_on_the_virtual_network(page: Path) -> None:
    network = VirtualNetwork(1)
    server, client = network.host("server"), network.host("client")
    answer_http = make_http_answer(Site(hosts=HOSTS, page=page))
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        at = Address(server.addresses()[0], 80)
        async with open_doorway(answer_http=answer_http, network=server, at=at) as doorway:
            stream = await client.open_stream(at)
            answer = await doorway.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", stream=stream)
            assert answer.startswith(b"HTTP/1.1 501")
        nursery.cancel_scope.cancel()
