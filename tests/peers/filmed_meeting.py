"""A meeting in real browsers that is recorded and composed: claps, a mute, a screen, losses.

Run inside a network namespace by `test_film_browsers.py`. Ada (Chromium) claps, with a flash and a beep, Ben
(Firefox) comes late. Prints as JSON when everything happened, in seconds since 1970, and where the films are.
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
from tests.peers.test_page_sound import CLAPPER

LOST = 20  # per cent
SCREEN = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 360;
  const paint = canvas.getContext("2d");
  setInterval(() => {
    paint.fillStyle = `rgb(220 0 ${200 + performance.now() / 20 % 20})`;
    paint.fillRect(0, 0, 640, 360);
  }, 50);
  navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(15);
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
        self.clapping = 0.0
        """Seconds since 1970 from which on Ada claps every one and a half."""

    async def passes(self, seconds: float) -> None:
        await trio.sleep(self.stretch * seconds)

    def note(self, what: str) -> None:
        self.times[what] = time.time()

    async def tell(self, ada: Browser, ben: Browser) -> None:
        await ada.preload(CLAPPER)
        await ada.preload(SCREEN)
        await ada.open(self.server.link("algebra", "Ada"))
        await ada.until("window.meetref?.state().transports.some((each) => each.direction === 'up' && each.dtls)")
        self.clapping = await ada.call("() => performance.timeOrigin / 1000")
        await press(ada, "settings", "record")
        await ada.until("window.meetref.state().recording")
        await press(ada, "settings-close")
        self.note("alone")
        await self.passes(5.5)
        self.note("joins")
        await enter(ben, self.server.link("algebra", "Ben"), 2)
        await sees(ada, "Ben", 2, limit=40)
        self.note("together")
        await self.passes(3)
        await press(ada, "microphone")
        self.note("muted")
        await self.passes(3)
        self.note("unmutes")
        await press(ada, "microphone")
        await self.passes(1)
        await press(ada, "screen")
        await ben.until("window.meetref.state().people.some(({screen}) => screen?.state === 'playing')")
        self.note("screen")
        await self.passes(4)
        self.note("unshares")
        await press(ada, "screen")
        await self.passes(2)
        lose(self.server.url.rpartition(":")[2])
        self.note("lossy")
        await self.passes(8)
        run("nft", "flush", "ruleset")
        self.note("whole")
        await self.passes(2)
        self.note("ends")
        await press(ada, "stop-recording")
        await ada.until("document.querySelector('[data-test=recording]')?.offsetHeight === 0")
        self.note("stopped")
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
            made = await films(folder)
        [recording] = (folder / "data" / "recordings").iterdir()
        told = {"times": story.times, "clapping": story.clapping, "recording": str(recording), "films": str(made)}
        print(json.dumps(told))


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
