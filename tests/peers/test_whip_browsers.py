"""Browsers with the ten lines of docs/whip.md: they publish into a room that others watch, and watch a room."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy
import pytest
import trio
from PIL import Image

from meetref.app.picture import read_pattern
from tests.peers.browsers import BROWSERS, Browser, chromium
from tests.peers.meetings import enter, person, sees, serve, state
from tests.peers.nodebuild import installed

PAGE = Path(__file__).parents[2] / "docs" / "whip.md"
PUBLISH, WATCH = re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)
PEERS = pytest.mark.peer("chromium", "chromedriver", "firefox")
whichever = pytest.mark.parametrize("kind", BROWSERS)

FRAME = """() => {
  const video = document.querySelector("video");
  if (!video?.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  canvas.getContext("2d").drawImage(video, 0, 0, 640, 360);
  return canvas.toDataURL("image/png").split(",")[1];
}"""

HEARD = """(async () => {
  const reports = [...(await window.pc.getStats()).values()];
  return reports.find(({type, kind}) => type == "inbound-rtp" && kind == "audio")?.totalAudioEnergy ?? 0;
})()"""

RESTART = """async () => {
  const {pc, session} = window;
  pc.restartIce();
  await pc.setLocalDescription();
  while (!pc.localDescription.sdp.includes("a=candidate:")) await new Promise((done) => setTimeout(done, 20));
  const line = (sdp, name) => sdp.match(new RegExp(`a=${name}:.*`))[0];
  const ours = pc.localDescription.sdp;
  const [first] = ours.split("m=").slice(1);
  const rows = [line(ours, "ice-ufrag"), line(ours, "ice-pwd"), "m=audio 9 RTP/AVP 0", line(first, "mid")];
  const body = [...rows, ...first.match(/a=candidate:.*/g), "a=end-of-candidates", ""].join("\\r\\n");
  const headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"};
  const answer = await fetch(session, {method: "PATCH", headers, body});
  const told = await answer.text();
  let sdp = pc.remoteDescription.sdp;
  for (const name of ["ice-ufrag", "ice-pwd"])
    sdp = sdp.replace(new RegExp(`a=${name}:.*`, "g"), line(told, name));
  await pc.setRemoteDescription({type: "answer", sdp});
  return [answer.status, answer.headers.get("etag")];
}"""


async def run(browser: Browser, lines: str, room: str) -> None:
    """What a person does who pastes the lines into the console, for another room; keeps `pc` and `session`."""
    lines = lines.replace("/demo?", f"/{room}?")
    keep = "window.pc = pc; window.session = typeof session == 'undefined' ? null : session; window.answered = answer;"
    await browser.call(f"async () => {{ {lines}\n{keep} }}")


def test_the_lines_are_ten() -> None:
    assert [len(lines.splitlines()) for lines in (PUBLISH, WATCH)] == [10, 10]


@PEERS
@pytest.mark.slow
@whichever
@pytest.mark.spec("whip/answer-created", "whip/restart-answer", "whip/delete-ends")
async def test_a_browser_publishes_and_another_one_sees_it(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as server, BROWSERS[kind]() as studio, chromium() as olga:
        await enter(studio, f"{server.url}/", 3)
        await enter(olga, server.link("algebra", "Olga"), 1)
        await run(studio, PUBLISH, "algebra")
        await sees(olga, "Studio", 3)
        status, tag = await studio.call(RESTART)
        assert status == 200
        assert tag not in (None, await studio.evaluate("window.answered.headers.get('etag')"))
        before = (await person(olga, "Studio"))["video"]["frames_decoded"]  # type: ignore[index]
        await studio.until("window.pc.connectionState == 'connected'")
        decoded = "window.meetref.state().people.find((each) => each.name == 'Studio').video.frames_decoded"
        await olga.until(f"{decoded} > {before + 30}")
        await studio.open("about:blank")  # which says goodbye by DELETE
        await olga.until("!window.meetref.state().people.some((each) => each.name == 'Studio')", limit=5)
        assert await person(olga, "Studio") is None


@PEERS
@pytest.mark.slow
@whichever
@pytest.mark.spec("whip/answer-created")
async def test_a_browser_watches_a_room(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, BROWSERS[kind]() as wall, chromium() as olga:
        await wall.open(f"{server.url}/")
        await wall.evaluate("document.body.replaceChildren()")
        await run(wall, WATCH, "demo")
        read = None
        for _ in range(100):
            png = await wall.call(FRAME)
            picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB") if png else None
            read = read_pattern(numpy.asarray(picture)) if picture is not None else None
            if read is not None and read[0] == 0:
                break
            await trio.sleep(0.2)
        assert read is not None
        assert read[0] == 0, "the bot Ada"
        await wall.until(HEARD + ".then((energy) => energy > 0.0001)", limit=20)
        await enter(olga, server.link("demo", "Olga"), 1)
        await olga.until("window.meetref.state().people.some((each) => each.name == 'Wall')")
        seats = [each["name"] for each in (await state(olga))["people"] if each["video"]["state"] == "playing"]
        assert "Wall" not in seats


LIBRARY = """async (whip, whep, room) => {
  const load = (text) => new Function(text.replace("export class", "return class"))();
  const [WHIPClient, WHEPClient] = [load(whip), load(whep)];
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  window.pc = new RTCPeerConnection();
  window.studio = new RTCPeerConnection();
  for (const track of stream.getTracks()) studio.addTransceiver(track, {direction: "sendonly", streams: [stream]});
  for (const kind of ["audio", "video"]) pc.addTransceiver(kind, {direction: "recvonly"});
  const video = document.body.appendChild(document.createElement("video"));
  video.autoplay = true;
  pc.ontrack = ({streams}) => { video.srcObject ??= streams[0]; };
  window.patched = [];
  const fetch = window.fetch;
  window.fetch = async (where, request) => {
    const answer = await fetch(where, request);
    if (request.method == "PATCH") window.patched.push([where.pathname.split("/")[1], answer.status]);
    return answer;
  };
  window.clients = [new WHIPClient(), new WHEPClient()];
  await clients[0].publish(studio, `${location.origin}/whip/${room}?name=Studio`);
  await clients[1].view(pc, `${location.origin}/whep/${room}?name=Wall`);
  return [studio, pc].map((each) => each.getConfiguration().iceServers[0].urls);
}"""


@pytest.mark.peer("chromium", "chromedriver", "node")
@pytest.mark.slow
@pytest.mark.spec("whip/answer-created", "whip/ice-servers", "whip/trickle-answer", "whip/delete-ends")
async def test_the_clients_of_the_author_of_whip(tmp_path: Path) -> None:
    """`whip-whep` of npm. Its WHEP client keeps no ETag, so what it trickles is refused; it gets on without."""
    folder = installed("medooze_whip").parent / "node_modules" / "whip-whep"
    sources = [(folder / name).read_text() for name in ("whip.js", "whep.js")]
    async with serve(tmp_path) as server, chromium() as browser, chromium() as olga:
        await enter(olga, server.link("algebra", "Olga"), 1)
        await enter(browser, f"{server.url}/", 3)
        await browser.evaluate("document.body.replaceChildren()")
        relays = await browser.call(LIBRARY, *sources, "algebra")
        assert all("turn:" in str(each) for each in relays)
        await sees(olga, "Studio", 3)
        await browser.until("document.querySelector('video')?.videoWidth > 0")
        await browser.until("window.patched.length >= 2")
        assert set(map(tuple, await browser.evaluate("window.patched"))) == {("whip", 204), ("whep", 428)}
        await browser.evaluate("Promise.all(window.clients.map((client) => client.stop()))")
        gone = "!window.meetref.state().people.some((each) => ['Studio', 'Wall'].includes(each.name))"
        await olga.until(gone, limit=5)
