"""A browser at the end of a line: it shows a busy picture and talks, or watches who does, and says how that went.

    python -m tests.peers.thin_browser shows LINK chromium     # until its input ends
    python -m tests.peers.thin_browser watches LINK firefox    # for `SECONDS` from its first picture

Run in a namespace of `tests/peers/street.py`; the last line of what it prints is JSON, and `ready` comes first.
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

CAMERA = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 960; canvas.height = 540;
  const paint = canvas.getContext("2d");
  let count = 0;
  setInterval(() => {
    count += 1;
    for (let each = 0; each < 20; each++) {
      paint.fillStyle = `hsl(${Math.random() * 360} 60% ${30 + Math.random() * 40}%)`;
      paint.fillRect(Math.random() * 960, Math.random() * 540, 48, 32);
    }
  }, 67);
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const stream = new MediaStream();
    if (video) stream.addTrack(canvas.captureStream(15).getVideoTracks()[0]);
    if (audio) for (const track of (await open({ audio: true })).getAudioTracks()) stream.addTrack(track);
    return stream;
  };
}"""

NO_DEVICES = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("none here", "NotFoundError"); };
}"""

WATCH = """async (kind) => {
  const told = window.told = { began: null, seen: [], stood: [], frames: 0, concealed: 0, samples: 0 };
  let since = 0;
  while (true) {
    let frames = 0, width = 0, concealed = 0, samples = 0;
    for (const each of window.connections) {
      if (each.connectionState === "closed") continue;
      for (const entry of (await each.getStats()).values()) {
        if (entry.type === "inbound-rtp" && kind === "inbound-rtp" && entry.kind === "audio") {
          concealed += (entry.concealedSamples ?? 0) - (entry.silentConcealedSamples ?? 0);
          samples += entry.totalSamplesReceived ?? 0;
        }
        if (entry.type !== kind || entry.kind !== "video") continue;
        const count = entry.framesDecoded ?? entry.framesEncoded ?? 0;
        frames += count;
        if (count && entry.frameWidth) width = Math.max(width, entry.frameWidth);
      }
    }
    const now = performance.timeOrigin + performance.now();
    const state = window.meetref.state().people.find(({ me }) => !me)?.video.state;
    Object.assign(told, { concealed, samples });
    if (frames !== told.frames) {
      told.began ??= now;
      if (told.frames && now - since > 400) told.stood.push([since, now]);
      Object.assign(told, { frames });
      since = now;
    }
    told.seen.push([now, width, frames, state]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""


async def enter(browser: Browser, link: str, *scripts: str) -> None:
    for script in (CONNECTIONS, *scripts):
        await browser.preload(script)
    await browser.size(1400, 900)
    await browser.open(link)


async def shows(browser: Browser, link: str) -> None:
    await enter(browser, link, CAMERA)
    await browser.evaluate(f"void ({WATCH})('outbound-rtp')")
    await browser.until("window.told.frames > 10", limit=40)
    print("ready", flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)


async def watches(browser: Browser, link: str) -> None:
    print("ready", flush=True)
    await enter(browser, link, NO_DEVICES)
    await browser.evaluate(f"void ({WATCH})('inbound-rtp')")
    await trio.sleep(SECONDS)


async def main(what: str, link: str, kind: str) -> None:
    opened: Any = chromium(*TRUSTING) if kind == "chromium" else firefox(loopback=False, trusting=True)
    async with opened as browser:
        await (shows if what == "shows" else watches)(browser, link)
        told = await browser.evaluate("window.told")
        told["people"] = (await browser.evaluate("window.meetref.state()"))["people"]
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:4])
