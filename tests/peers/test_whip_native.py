"""Native clients: str0m (Rust), whose descriptions the test carries over HTTP; Pion (Go) and GStreamer do it all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import trio

from meetref.app.server import Settings, open_server
from meetref.meeting.room import NotAdmitted
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from tests.peer_registry import SYSTEM_PYTHON
from tests.peers.gobuild import built
from tests.peers.native import NATIVES
from tests.peers.whip_session import Session, open_session
from tests.peers.whole_peer import Theirs, theirs
from tests.stories.test_meeting import until

VERSIONS = {"12": "DTLS1_2", "13": "DTLS1_3"}


async def enter(other: Theirs, url: str) -> Session:
    """Let the program make an offer, and take the answer to it."""
    session = await open_session(url, (await other.do("offer"))["sdp"])
    await other.do("accept", sdp=session.answer)
    return session


@pytest.mark.peer("str0m")
@pytest.mark.parametrize("version", VERSIONS)
async def test_what_one_str0m_publishes_another_one_watches(version: str, tmp_path: Path) -> None:
    program = str(NATIVES["str0m"].path())
    async with (
        open_server(KernelNetwork(), Settings(port=0, media_port=0, log=tmp_path / "log")) as server,
        theirs(program, version) as publisher,
        theirs(program, version) as viewer,
    ):
        room = f"http://127.0.0.1:{server.http_port}"
        watching = await enter(viewer, f"{room}/whep/algebra")
        publishing = await enter(publisher, f"{room}/whip/algebra")
        assert "a=sendonly" in watching.answer
        assert "a=recvonly" in publishing.answer
        for each in (publisher, viewer):
            assert (await each.do("connected"))["version"] == VERSIONS[version]

        async def speak() -> None:
            while True:
                await publisher.do("send", payload_type=111, payload="from str0m")
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            heard = [await viewer.do("received") for _ in range(20)]
            nursery.cancel_scope.cancel()
        assert {packet["payload"] for packet in heard} == {"from str0m"}
        (ssrc,) = {packet["ssrc"] for packet in heard}
        assert f"a=ssrc:{ssrc} " in watching.answer
        assert [await session.delete() for session in (publishing, watching)] == [200, 200]
        await until(lambda: not server.rooms.rooms, 10)


class Telling:
    """A program that tells in lines of JSON how it goes; `now` is what it counted last."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout, self._rest = process.stdin, process.stdout, b""
        self.now: dict[str, Any] = {"state": "new", "audio": 0, "video": 0}

    async def hears(self, event: str) -> dict[str, Any]:
        """What it says next under that name."""
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if not found:
                more = await self._stdout.receive_some()
                assert more, "the program ended"
                self._rest += bytes(more)
                continue
            self._rest, said = rest, json.loads(line)
            if said["event"] == "now":
                self.now = said
            if said["event"] == event:
                return dict(said)

    async def do(self, word: str, event: str) -> dict[str, Any]:
        await self._stdin.send_all(f"{word}\n".encode())
        return await self.hears(event)

    async def end(self) -> None:
        """Tell it that there is nothing more to do."""
        await self._stdin.aclose()

    async def counts(self, more: int) -> None:
        """Wait until so many more packets of both kinds have come."""
        wanted = {kind: self.now[kind] + more for kind in ("audio", "video")}
        while any(self.now[kind] < count for kind, count in wanted.items()):
            await self.hears("now")


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Telling]:
    """Run one until the block is left."""
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False)
        process = await nursery.start(start)
        yield Telling(process)
        process.kill()


def pion(*arguments: str) -> AbstractAsyncContextManager[Telling]:
    """A tests/peers/pion_whip."""
    return running(str(built("pion_whip")), *arguments)


def gstreamer(*arguments: str) -> AbstractAsyncContextManager[Telling]:
    """A tests/peers/gst_whip.py."""
    return running(SYSTEM_PYTHON, str(Path(__file__).parent / "gst_whip.py"), *arguments)


def _refuses_all_but(token: str) -> Callable[[signaling.Join], None]:
    def admit(join: signaling.Join) -> None:
        if join.token != token:
            raise NotAdmitted("This room needs a token.")

    return admit


@pytest.mark.peer("pion-webrtc")
@pytest.mark.slow
@pytest.mark.spec("whip/trickle-answer", "whip/restart-answer", "whip/delete-ends", "whip/bearer", "whip/ice-servers")
async def test_pion_publishes_watches_trickles_and_restarts(tmp_path: Path) -> None:
    settings = Settings(port=0, media_port=0, log=tmp_path / "log", admit=_refuses_all_but("open"))
    with trio.fail_after(90):
        async with open_server(KernelNetwork(), settings) as server:
            room = f"http://127.0.0.1:{server.http_port}"
            async with pion("watch", f"{room}/whep/algebra", "closed") as stranger:
                assert (await stranger.hears("session"))["status"] == 401
            async with (
                pion("watch", f"{room}/whep/algebra", "open") as viewer,
                pion("publish", f"{room}/whip/algebra", "open") as publisher,
            ):
                for each in (viewer, publisher):
                    session = await each.hears("session")
                    assert session["status"] == 201
                    assert all('rel="ice-server"' in link for link in session["links"])
                    assert (await each.hears("trickled"))["status"] == 204
                await viewer.counts(50)
                for each in (viewer, publisher):
                    restarted = await each.do("restart", "restarted")
                    assert (restarted["status"], restarted["new_tag"]) == (200, True)
                    await viewer.counts(50)
                    while (await each.hears("now"))["state"] != "connected":
                        pass
                people = server.rooms.rooms["algebra"].people.values()
                ends = [end.peer for person in people for end in (person.up, person.down) if end is not None]
                await until(lambda: not any(peer.is_restarting for peer in ends), 10)
                assert [(await each.do("delete", "deleted"))["status"] for each in (publisher, viewer)] == [200, 200]
                for each in (publisher, viewer):
                    while (await each.hears("now"))["state"] != "closed":
                        pass
            await until(lambda: not server.rooms.rooms, 10)


@pytest.mark.peer("webrtcbin")
@pytest.mark.slow
@pytest.mark.spec("whip/answer-created", "whip/delete-ends")
async def test_gstreamer_publishes_and_watches(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with open_server(KernelNetwork(), Settings(port=0, media_port=0, log=tmp_path / "log")) as server:
            room = f"http://127.0.0.1:{server.http_port}"
            async with (
                gstreamer("watch", f"{room}/whep/algebra") as viewer,
                gstreamer("publish", f"{room}/whip/algebra") as publisher,
            ):
                for each in (viewer, publisher):
                    session = await each.hears("session")
                    assert session["status"] == 201, session
                await viewer.counts(50)
                for each in (publisher, viewer):
                    await each.end()
                    assert (await each.hears("deleted"))["status"] == 200
            await until(lambda: not server.rooms.rooms, 10)
