"""aiortc publishes by WHIP and watches by WHEP: another implementation of everything below HTTP."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy
import pytest
import trio
from PIL import Image

from meetref.app.server import Settings, open_server
from meetref.net.network import KernelNetwork
from tests.peers.aiortc_person import AiortcPerson
from tests.peers.browsers import chromium
from tests.peers.meetings import PICTURE, enter, serve
from tests.peers.test_meeting_aiortc import sees
from tests.peers.whip_session import ask, open_session

PATIENCE = 200  # tenths of a second


@pytest.mark.peer("aiortc")
async def test_what_one_aiortc_publishes_another_one_watches(tmp_path: Path) -> None:
    async with open_server(KernelNetwork(), Settings(port=0, media_port=0, log=tmp_path / "log")) as server:
        room = f"http://127.0.0.1:{server.http_port}"
        publisher, viewer = AiortcPerson(), AiortcPerson()
        try:
            watching = await open_session(f"{room}/whep/algebra?name=wall", await viewer.do(viewer.request()))
            await viewer.do(viewer.take_filling(watching.answer))
            publishing = await open_session(
                f"{room}/whip/algebra?name=aiortc", await publisher.do(publisher.offer(180))
            )
            await publisher.do(publisher.take_answer(publishing.answer))
            for _ in range(PATIENCE):
                if sees(viewer, 180) and max(viewer.loudness.values(), default=0) > 500:
                    break
                await trio.sleep(0.1)
            assert sees(viewer, 180)
            assert max(viewer.loudness.values()) > 500
            names = {each.person.name for each in server.rooms.rooms["algebra"].people.values()}
            assert names == {"wall", "aiortc"}
            told = json.loads((await ask("GET", f"{room}/api/rooms/algebra")).text)
            assert {each["name"] for each in told["people"]} == names
            assert await publishing.delete() == 200
            for _ in range(PATIENCE):
                if publisher.up is not None and publisher.up.connectionState == "closed":
                    break
                await trio.sleep(0.1)
            assert publisher.up is not None
            assert publisher.up.connectionState == "closed"
            assert (await ask("GET", publishing.url)).status == 404
            assert (await ask("GET", watching.url)).status == 204
        finally:
            await publisher.close()
            await viewer.close()
        for _ in range(PATIENCE):
            if not server.rooms.rooms:
                break
            await trio.sleep(0.1)
        assert not server.rooms.rooms, "who closed the connection has left"


@pytest.mark.peer("aiortc")
@pytest.mark.spec("h264/baseline", "h264/answer-symmetric", "h264/begin-with-parameters")
async def test_who_only_has_h264_is_taken_with_it(tmp_path: Path) -> None:
    async with open_server(KernelNetwork(), Settings(port=0, media_port=0, log=tmp_path / "log")) as server:
        room = f"http://127.0.0.1:{server.http_port}"
        publisher, viewer = AiortcPerson(), AiortcPerson()
        try:
            publishing = await open_session(
                f"{room}/whip/algebra", await publisher.do(publisher.offer(180, "video/H264"))
            )
            assert " H264/90000" in publishing.answer
            assert " VP8/90000" not in publishing.answer
            await publisher.do(publisher.take_answer(publishing.answer))
            watching = await open_session(f"{room}/whep/algebra", await viewer.do(viewer.request()))
            await viewer.do(viewer.take_filling(watching.answer))
            for _ in range(PATIENCE):
                if sees(viewer, 180):
                    break
                await trio.sleep(0.1)
            assert sees(viewer, 180)
        finally:
            await publisher.close()
            await viewer.close()


@pytest.mark.peer("aiortc", "chromium", "chromedriver")
@pytest.mark.slow
@pytest.mark.parametrize("codec", [None, "video/H264"])
async def test_what_aiortc_publishes_a_browser_sees(tmp_path: Path, codec: str | None) -> None:
    async with serve(tmp_path) as server, chromium() as olga:
        await enter(olga, server.link("algebra", "Olga"), 1)
        publisher = AiortcPerson()
        try:
            url = f"{server.url}/whip/algebra?name=Grey"
            session = await open_session(url, await publisher.do(publisher.offer(180, codec)))
            await publisher.do(publisher.take_answer(session.answer))
            seen = "window.meetref.state().people.find((each) => each.name == 'Grey')"
            await olga.until(f"{seen}?.video.frames_decoded > 20 && {seen}.audio.total_energy > 0.001")
            picture = Image.open(io.BytesIO(base64.b64decode(await olga.call(PICTURE, "Grey"))))
            assert abs(float(numpy.asarray(picture.convert("RGB")).mean()) - 180) < 12
            assert await session.delete() == 200
            await olga.until(f"!{seen}", limit=5)
        finally:
            await publisher.close()
