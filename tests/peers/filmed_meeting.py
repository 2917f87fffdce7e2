"""A meeting in real browsers that is recorded and composed: a flash and a beep each second, a mute, a screen, losses.

Run inside a network namespace by `test_film_browsers.py`. Ada (Chromium) flashes and beeps together, Ben (Firefox)
comes late. Prints as JSON when everything happened, in seconds since 1970, and where the films are.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import trio

from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.meetings import Served, enter, sees, serve, state
from tests.peers.office import run
from tests.peers.test_page_recording import press

LOST = 20  # per cent
CAMERA = """() => {
  const canvas = document.createElement("canvas"), screen = document.createElement("canvas");
  canvas.width = screen.width = 640; canvas.height = screen.height = 360;
  const paint = canvas.getContext("2d"), show = screen.getContext("2d");
  const context = new AudioContext(), tone = context.createOscillator(), loud = context.createGain();
  const out = context.createMediaStreamDestination();
  tone.frequency.value = 2000; loud.gain.value = 0;
  tone.connect(loud).connect(out); tone.start(); context.resume();
  let beeped = 0;
  setInterval(() => {
    const now = context.currentTime, next = Math.ceil(now + 0.1);
    if (next > beeped) {
      loud.gain.setValueAtTime(0.5, next); loud.gain.setValueAtTime(0, next + 0.2);
      beeped = next;
    }
    paint.fillStyle = now >= 1 && now % 1 < 0.2 ? "white" : `rgb(0 0 ${110 + Math.round(20 * Math.sin(9 * now))})`;
    paint.fillRect(0, 0, 640, 360);
    show.fillStyle = `rgb(220 0 ${210 + Math.round(20 * Math.sin(9 * now))})`;
    show.fillRect(0, 0, 640, 360);
  }, 10);
  navigator.mediaDevices.getUserMedia = async ({audio, video}) => new MediaStream([
    ...(video ? canvas.captureStream(30).getTracks() : []), ...(audio ? out.stream.clone().getTracks() : []),
  ]);
  navigator.mediaDevices.getDisplayMedia = async () => screen.captureStream(15);
}"""


def lose(port: str) -> None:
    """One in five of all media packets, on both ways."""
    run("ip", "link", "set", "lo", "gso_max_segs", "1")  # else packets that leave in one call are lost as one
    run("nft", "add", "table", "inet", "lossy")
    run("nft", "add", "chain", "inet", "lossy", "in", "{ type filter hook input priority 0 ; }")
    for way in ("dport", "sport"):
        words = f"udp {way} {port} @ih,0,8 & 0xc0 == 0x80 numgen random mod 100 < {LOST} drop"
        run("nft", "add", "rule", "inet", "lossy", "in", *words.split())


class Story:
    """What happens, and when it did. `stretch` makes it longer."""

    def __init__(self, server: Served, stretch: float) -> None:
        self.server = server
        self.stretch = stretch
        self.times: dict[str, float] = {}

    async def passes(self, seconds: float) -> None:
        await trio.sleep(self.stretch * seconds)

    def note(self, what: str) -> None:
        self.times[what] = time.time()

    async def tell(self, ada: Browser, ben: Browser) -> None:
        await ada.preload(CAMERA)
        await ada.open(self.server.link("algebra", "Ada"))
        await ada.until("window.meetref?.state().transports.some((each) => each.direction === 'up' && each.dtls)")
        await press(ada, "settings", "record")
        await ada.until("window.meetref.state().recording")
        await press(ada, "settings-close")
        self.note("alone")
        await self.passes(8)
        self.note("joins")
        await enter(ben, self.server.link("algebra", "Ben"), 2)
        await sees(ada, "Ben", 2, limit=40)
        self.note("together")
        await self.passes(4)
        await press(ada, "microphone")
        self.note("muted")
        await self.passes(5)
        self.note("unmutes")
        await press(ada, "microphone")
        await self.passes(1)
        await press(ada, "screen")
        await ben.until("window.meetref.state().people.some(({screen}) => screen?.state === 'playing')")
        self.note("screen")
        await self.passes(6)
        self.note("unshares")
        await press(ada, "screen")
        await self.passes(3)
        lose(self.server.url.rpartition(":")[2])
        self.note("lossy")
        await self.passes(10)
        run("nft", "flush", "ruleset")
        self.note("whole")
        await self.passes(3)
        self.note("ends")
        await press(ada, "stop-recording")
        assert (await state(ada))["connection"] == "connected"


async def films(folder: Path) -> Path:
    """Where the films are, once they are all there."""
    while True:
        for index in await trio.to_thread.run_sync(lambda: list((folder / "data" / "objects").glob("*/*/index.json"))):
            return index.parent
        await trio.sleep(0.5)


async def main(folder: Path, stretch: float) -> None:
    async with serve(folder) as server:
        async with chromium() as ada, firefox(loopback=False) as ben:
            story = Story(server, stretch)
            await story.tell(ada, ben)
        with trio.fail_after(240):
            print(json.dumps({"times": story.times, "films": str(await films(folder))}))


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
