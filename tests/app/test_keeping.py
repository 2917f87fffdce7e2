"""A real server: a meeting is recorded, becomes a film without being asked, and is shown to who was there."""

from __future__ import annotations

import argparse
import io
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import av
import pytest
import trio
import trio.lowlevel

from meetref.app.client import Client
from meetref.app.keeping import Keeping, Library, read_days
from meetref.archive.keeper import DAY
from meetref.archive.kept import began_in
from meetref.archive.log import open_log
from meetref.archive.objects import open_objects
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.app.serving import ServerProcess, server_process
from tests.app.test_recordings import Publisher, publishing
from tests.archive.workshop import ROOM, name_of, recorded


async def ask(server: ServerProcess, line: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request over HTTP."""
    words = [f"{line} HTTP/1.1", f"Host: localhost:{server.address.port}", "Connection: close", *headers, "", ""]
    async with await KernelNetwork().open_stream(server.address) as stream:
        await stream.send_all("\r\n".join(words).encode())
        answer = b""
        while more := await stream.receive_some(65536):
            answer += bytes(more)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    named = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    return int(first.split(" ")[1]), named, body


async def record(alice: Publisher, packets: int) -> str:
    """Record for so many packets; what the recording is called."""
    await alice.goes_on_for(20)
    alice.client.say(signaling.Record(on=True))
    await alice.recording(True)
    await alice.goes_on_for(packets)
    alice.client.say(signaling.Record(on=False))
    name = (await alice.recording(False)).recording
    assert name is not None
    return name


async def listed(server: ServerProcess, name: str, cookie: str) -> None:
    """Who was there is known once the log has the end of the recording, which is a note: a moment after it was told."""
    while True:
        status, _, body = await ask(server, "GET /api/recordings", cookie)
        assert status == 200
        if name in [each["recording"] for each in json.loads(body)["recordings"]]:
            return
        await trio.sleep(0.05)


def ticket(client: Client) -> str:
    assert client.identity is not None
    assert client.identity.visit is not None
    return client.identity.visit


@pytest.mark.slow
@pytest.mark.spec("shelf/cookie", "shelf/who-was-there", "worker/one-result")
async def test_from_the_meeting_to_the_film(tmp_path: Path) -> None:
    with trio.fail_after(120):
        async with server_process(tmp_path) as server:
            async with publishing(server, "alice") as alice:
                name = await record(alice, 200)
                visit = ticket(alice.client)
            assert (await ask(server, f"GET /api/recordings/{name}"))[0] == 404
            status, headers, _ = await ask(server, "POST /api/visits", f"Authorization: Bearer {visit}")
            assert status == 204
            cookie = f"Cookie: {headers['set-cookie'].partition(';')[0]}"
            await listed(server, name, cookie)

            async def look() -> Any:
                status, _, body = await ask(server, f"GET /api/recordings/{name}", cookie)
                assert status == 200
                return json.loads(body)

            while (told := await look())["state"] != "composed":
                assert told["state"] in ("waiting", "composing"), told
                await trio.sleep(0.2)
            urls = {file["name"]: file["url"] for file in told["files"]}
            status, headers, octets = await ask(server, f"GET {urls['film.mp4']}")
            assert (status, headers["content-type"]) == (200, "video/mp4")
            with av.open(io.BytesIO(octets)) as film:
                assert {stream.type for stream in film.streams} == {"audio", "video"}
            index = json.loads((await ask(server, f"GET /api/recordings/{name}/index", cookie))[2])
            assert [person["name"] for person in index["people"]] == ["alice"]
            assert {file["name"] for file in index["files"]} < set(urls)
            assert (await ask(server, f"DELETE /api/recordings/{name}", cookie))[0] == 204
            assert (await ask(server, f"GET {urls['film.mp4']}"))[0] == 404
            assert await server.terminate() == 0


def test_days_are_a_number_above_zero() -> None:
    assert read_days("0.5") == 0.5
    for wrong in ("0", "-1", "nan", "inf", "week", "1e9"):
        with pytest.raises(argparse.ArgumentTypeError, match="no number of days"):
            read_days(wrong)


async def test_what_is_too_old_is_deleted_by_the_server(tmp_path: Path) -> None:
    """Also where workers are elsewhere."""
    name = name_of(1)
    objects = open_objects(tmp_path / "objects")
    keeping = Keeping(tmp_path, objects, works=False, days=2.0)
    with trio.fail_after(60):
        async with open_log(":memory:") as log, trio.open_nursery() as nursery:
            await recorded(log, keeping.recordings, name)
            library = Library(keeping, log, lambda: (began_in(name) or 0.0) + 3 * DAY)
            nursery.start_soon(library.run)
            async with aclosing(log.follow(ROOM)) as entries:
                async for entry in entries:
                    if entry.key == f"{name}-deleted":
                        break
            while (keeping.recordings / name).exists():
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert list(keeping.recordings.iterdir()) == []
