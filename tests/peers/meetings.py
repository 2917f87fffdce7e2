"""A real server in a process of its own, and browsers that show a picture which can be recognized.

`serve()` starts `meetref serve` on a free port. `enter` takes a browser into a room with a camera of ours: a canvas
with a block pattern and a soft tone, so that a test can read back whose picture arrives.
"""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy
import trio
from PIL import Image

from meetref.app.picture import read_pattern
from tests.peers.browsers import Browser

CAMERA = """(sender) => {
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  const paint = canvas.getContext("2d");
  let count = 0;
  setInterval(() => {
    count += 1;
    paint.fillStyle = `hsl(${sender * 67} 40% ${45 + 10 * Math.sin(count / 9)}%)`;
    paint.fillRect(0, 0, 640, 360);
    paint.fillStyle = "white";
    paint.fillRect((count * 4) % 640, 200, 30, 30);
    const value = (sender << 12) | (count & 4095);
    const bits = [1, 0, 1, 0];
    for (let shift = 15; shift >= 0; shift--) bits.push((value >> shift) & 1);
    bits.forEach((bit, index) => {
      paint.fillStyle = bit ? "rgb(235 235 235)" : "rgb(16 16 16)";
      paint.fillRect(index * 16, 0, 16, 16);
    });
  }, 50);
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = new MediaStream();
    if (wanted.video) stream.addTrack(canvas.captureStream(20).getVideoTracks()[0]);
    if (wanted.audio && navigator.userAgent.includes("Firefox")) {
      // Where there is no loudspeaker, Firefox's AudioContext stays silent; its fake microphone does not.
      for (const track of (await open({audio: true})).getAudioTracks()) stream.addTrack(track);
    } else if (wanted.audio) {
      const context = new AudioContext();
      const tone = context.createOscillator(), soft = context.createGain();
      const out = context.createMediaStreamDestination();
      tone.frequency.value = 220 + 40 * sender; soft.gain.value = 0.1;
      tone.connect(soft).connect(out); tone.start(); context.resume();
      stream.addTrack(out.stream.getAudioTracks()[0]);
    }
    return stream;
  };
}"""

AUDIBLE = 1e-4
"""Total energy of somebody who is heard; codecs make a millionth of it out of silence."""

CONNECTIONS = """() => {
  const Browser = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Browser {
    constructor(...words) { super(...words); window.connections.push(this); }
  };
}"""
"""A script for pages: they keep their connections where a test finds them."""

READ = """(name) => {
  const seats = [...document.querySelectorAll("[data-test=seat]")];
  const seat = seats.find((each) => each.textContent.includes(name) && !each.textContent.includes("(you)"));
  const video = seat?.querySelector("video");
  if (!video || !video.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  const paint = canvas.getContext("2d");
  paint.drawImage(video, 0, 0, 640, 360);
  const bits = [];
  for (let index = 0; index < 20; index++) {
    const {data} = paint.getImageData(index * 16 + 5, 5, 6, 6);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at + 1];
    bits.push(sum / (data.length / 4) > 128 ? 1 : 0);
  }
  if (bits.slice(0, 4).join("") !== "1010") return null;
  const value = bits.slice(4).reduce((sum, bit) => sum * 2 + bit, 0);
  return {sender: value >> 12, count: value & 4095};
}"""


PICTURE = """(name) => {
  const seats = [...document.querySelectorAll("[data-test=seat]")];
  const video = seats.find((each) => each.textContent.includes(name))?.querySelector("video");
  if (!video || !video.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  canvas.getContext("2d").drawImage(video, 0, 0, 640, 360);
  return canvas.toDataURL("image/png").split(",")[1];
}"""


class Served:
    """A running server: `url` of the page without a room."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def link(self, room: str, name: str) -> str:
        return f"{self.url}/{room}?name={name}&join=now"


@asynccontextmanager
async def serve(tmp_path: Path, *arguments: str, bots: int = 0, program: Sequence[str] = ()) -> AsyncIterator[Served]:
    """Start a server with so many bots in the room `demo`, and stop it at the end. `program` runs it, not `meetref`."""
    log = tmp_path / "server.log"
    words = [
        *(program or [str(Path(sys.executable).with_name("meetref"))]),
        "serve",
        "--port",
        "0",
        "--bots",
        str(bots),
        "--data",
        str(tmp_path / "data"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen([*words, *arguments], stdout=output, stderr=subprocess.STDOUT)  # noqa: ASYNC220
    try:
        with trio.fail_after(20):
            while not (found := re.search(r"(http://localhost:\d+)/", log.read_text())):
                assert process.poll() is None, log.read_text()
                await trio.sleep(0.05)
        yield Served(found[1], process)
        assert process.poll() is None, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        process.wait(10)


async def enter(browser: Browser, link: str, sender: int) -> None:
    """Open the link with our camera in place of the browser's."""
    function = f"() => ({CAMERA})({sender})"
    await browser.command("script.addPreloadScript", functionDeclaration=function)
    await browser.open(link)


async def state(browser: Browser) -> dict[str, Any]:
    """`window.meetref.state()`."""
    found: dict[str, Any] = await browser.evaluate("window.meetref.state()")
    return found


async def person(browser: Browser, name: str) -> dict[str, Any] | None:
    """What a browser's state says of somebody else."""
    return next((each for each in (await state(browser))["people"] if each["name"] == name and not each["me"]), None)


async def sees(browser: Browser, name: str, sender: int, *, limit: float = 20) -> None:
    """Wait until the picture of `name` in `browser` is the one that `sender` sends, that it moves, and is heard."""
    first = None
    with trio.move_on_after(limit):
        while True:
            read = await browser.call(READ, name)
            if read is not None and read["sender"] == sender:
                first = read if first is None else first
                found = await person(browser, name)
                if read["count"] != first["count"] and found and found["audio"]["total_energy"] > AUDIBLE:
                    return
            await trio.sleep(0.2)
    raise AssertionError(
        f"{browser.name} does not see and hear {name}: {first}, {await state(browser)}, {browser.log[-5:]}"
    )


async def sees_bot(browser: Browser, name: str, number: int, *, limit: float = 20) -> None:
    """Wait until the picture of a bot is the one that bot paints, by the tag in its corner (`meetref/app/picture`)."""
    read = None
    for _ in range(round(limit / 0.3)):
        png = await browser.call(PICTURE, name)
        if png is not None:
            read = read_pattern(numpy.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")))
            if read is not None and read[0] == number:
                return
        await trio.sleep(0.3)
    raise AssertionError(f"{browser.name} does not see {name}: {read}")
