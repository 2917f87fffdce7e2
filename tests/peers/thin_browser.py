"""A browser at the end of a line: it shows a picture and talks, or watches who does, and says how that went.

    python -m tests.peers.thin_browser chromium shows LINK     # a busy picture, until a line comes in
    python -m tests.peers.thin_browser chromium talks LINK     # somebody who moves before a wall of books
    python -m tests.peers.thin_browser firefox watches LINK    # when a line comes in, for `SECONDS`

Run in a namespace of `tests/peers/street.py`. It prints `ready` when its browser is, and in the end JSON.
Read next: tests/peers/test_thin_lines_browsers.py.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import trio

from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.meetings import CONNECTIONS
from tests.peers.office import TRUSTING

SECONDS = 25.0
SHOWN = "Alice"
STOOD = 400  # milliseconds without a new picture that are told of

CAMERA = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 960; canvas.height = 540;
  const paint = canvas.getContext("2d");
  let count = 0;
  setInterval(() => { count += 1; (%PAINT%)(paint, count); }, 67);
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const stream = new MediaStream();
    if (video) stream.addTrack(canvas.captureStream().getVideoTracks()[0]);
    if (audio) for (const track of (await open({ audio: true })).getAudioTracks()) stream.addTrack(track);
    return stream;
  };
}"""

BUSY = """(paint) => {
  for (let each = 0; each < 20; each++) {
    paint.fillStyle = `hsl(${Math.random() * 360} 60% ${30 + Math.random() * 40}%)`;
    paint.fillRect(Math.random() * 960, Math.random() * 540, 48, 32);
  }
}"""

FACE = """(paint, count) => {
  const ellipse = (x, y, width, height, colour) => {
    paint.fillStyle = colour;
    paint.beginPath();
    paint.ellipse(x, y, width, height, 0, 0, 7);
    paint.fill();
  };
  paint.fillStyle = "#8d8578";
  paint.fillRect(0, 0, 960, 540);
  for (let book = 0; book < 60; book++) {
    paint.fillStyle = `hsl(${book * 47 % 360} 30% ${25 + book * 7 % 45}%)`;
    paint.fillRect(book % 12 * 80 + 8, Math.floor(book / 12) * 108 + 10, 40 + book * 13 % 25, 80);
  }
  const x = 480 + 60 * Math.sin(count / 23), y = 240 + 20 * Math.sin(count / 11);
  ellipse(x, y + 330, 260, 210, "#34495e");
  ellipse(x, y, 110, 150, "#d9a789");
  ellipse(x, y - 90, 120, 80, "#3b2a20");
  for (const side of [-45, 45]) ellipse(x + side, y - 20, 14, count % 60 < 3 ? 2 : 9, "#222");
  ellipse(x, y + 70, 35, 4 + 14 * Math.abs(Math.sin(count / 3)), "#7a2e2e");
}"""

PICTURES = {"shows": BUSY, "talks": FACE}

NO_DEVICES = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("none here", "NotFoundError"); };
}"""

WATCH = """async (kind, name) => {
  const told = window.told = { began: null, seen: [], stood: [], frames: 0, concealed: 0, samples: 0 };
  let since = 0, counts = {};
  while (true) {
    const before = counts;
    let newest = 0, width = 0, concealed = 0, samples = 0;
    counts = {};
    for (const each of window.connections) {
      if (each.connectionState === "closed") continue;
      for (const entry of (await each.getStats()).values()) {
        if (entry.type === "inbound-rtp" && kind === "inbound-rtp" && entry.kind === "audio") {
          concealed += (entry.concealedSamples ?? 0) - (entry.silentConcealedSamples ?? 0);
          samples += entry.totalSamplesReceived ?? 0;
        }
        if (entry.type !== kind || entry.kind !== "video") continue;
        const count = counts[entry.id] = entry.framesDecoded ?? entry.framesEncoded ?? 0;
        newest = Math.max(newest, count - (before[entry.id] ?? 0)); // of the encodings of one picture one counts
        if (count && entry.frameWidth) width = Math.max(width, entry.frameWidth);
      }
    }
    const now = performance.timeOrigin + performance.now();
    const person = window.meetref.state().people.find((each) => each.name === name && !each.me);
    if (person) document.querySelector(`[data-person="${person.id}"] [data-test=pin][aria-pressed=false]`)?.click();
    const state = person?.video.state;
    Object.assign(told, { concealed, samples });
    if (newest) {
      told.began ??= now;
      if (told.frames && now - since > %STOOD%) told.stood.push([since, now]);
      told.frames += newest;
      since = now;
    }
    told.seen.push([now, width, told.frames, state]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}""".replace("%STOOD%", str(STOOD))


async def enter(browser: Browser, link: str, *scripts: str) -> None:
    for script in (CONNECTIONS, *scripts):
        await browser.preload(script)
    await browser.size(1400, 900)
    await browser.open(link)


async def asked() -> None:
    """Say that all is ready, and wait for the word."""
    print("ready", flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)


async def shows(browser: Browser, link: str, picture: str) -> None:
    await enter(browser, link, CAMERA.replace("%PAINT%", picture))
    await browser.evaluate(f"void ({WATCH})('outbound-rtp', '{SHOWN}')")
    await browser.until("window.told.frames > 10", limit=40)
    await asked()


async def watches(browser: Browser, link: str) -> None:
    await asked()
    await enter(browser, link, NO_DEVICES)
    await browser.evaluate(f"void ({WATCH})('inbound-rtp', '{SHOWN}')")
    await trio.sleep(SECONDS)


async def main(kind: str, what: str, link: str) -> None:
    opened: Any = chromium(*TRUSTING) if kind == "chromium" else firefox(loopback=False, trusting=True)
    async with opened as browser:
        if what == "watches":
            await watches(browser, link)
        else:
            await shows(browser, link, PICTURES[what])
        print(json.dumps(await browser.evaluate("window.told")), flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:4])
