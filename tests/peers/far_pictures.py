"""Two Chromiums see each other over a long way that loses, up to the server and then down from it.

Run inside a network namespace by `test_fec_browsers.py`; prints as JSON, a line for each way, what was counted
meanwhile by a browser and by the server.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any

import trio

from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.long_line import LongLine
from tests.peers.meetings import CONNECTIONS, enter, sees
from tests.peers.office import SERVER, TRUSTING, served

SETTLES, LOOKS, LOST = 8, 15, 5
ADMIN = "far-pictures-admin-token-0123456789"

COUNTED = """async () => {
  const found = {codec: "", sent: 0, sent_bytes: 0, lost_up: 0, received: 0, lost: 0, fec: 0, fec_bytes: 0, repaired: 0,
                 frames: 0, freezes: 0, frozen: 0, delay: 0, emitted: 0, nacks: 0, keyframes: 0, dropped: 0};
  for (const connection of window.connections) {
    const report = await connection.getStats();
    for (const one of report.values()) {
      if (one.kind !== "video") continue;
      if (one.type === "outbound-rtp") {
        found.sent += one.packetsSent - one.retransmittedPacketsSent;
        found.sent_bytes += one.bytesSent;
        found.codec = report.get(one.codecId)?.mimeType;
      }
      if (one.type === "remote-inbound-rtp") found.lost_up += one.packetsLost;
      if (one.type === "inbound-rtp") {
        found.received += one.packetsReceived;
        found.lost += one.packetsLost;
        found.fec += one.fecPacketsReceived || 0;
        found.fec_bytes += one.fecBytesReceived || 0;
        found.repaired += one.retransmittedPacketsReceived || 0;
        found.frames += one.framesDecoded;
        found.freezes += one.freezeCount;
        found.frozen += one.totalFreezesDuration;
        found.delay += one.jitterBufferDelay;
        found.emitted += one.jitterBufferEmittedCount;
        found.nacks += one.nackCount;
        found.keyframes += one.keyFramesDecoded;
        found.dropped += one.framesDropped || 0;
      }
    }
  }
  return found;
}"""


def seen_by_server() -> dict[str, Any]:
    """The server's X-ray of the room."""
    trusting = ssl._create_unverified_context()
    request = urllib.request.Request(
        f"https://{SERVER}:8443/api/rooms/algebra", headers={"Authorization": f"Bearer {ADMIN}"}
    )
    with urllib.request.urlopen(request, timeout=10, context=trusting) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def mended() -> int:
    """Parts of pictures that the server computed."""
    room = await trio.to_thread.run_sync(seen_by_server)
    return sum(
        each["mended"]
        for person in room["people"]
        for source in (person["up"] or {"sources": []})["sources"]
        for each in source["encodings"]
        if source["kind"] == "video"
    )


async def count(browser: Browser) -> dict[str, Any]:
    return {**await browser.call(COUNTED), "mended": await mended()}


async def look(browser: Browser) -> dict[str, Any]:
    """What is counted for a while."""
    before = await count(browser)
    await trio.sleep(LOOKS)
    after = await count(browser)
    return {name: late if isinstance(late, str) else late - before[name] for name, late in after.items()}


async def main(namespace: str, folder: Path, form: str, viewer: str) -> None:
    line = LongLine(namespace)
    admin = folder / "admin"
    admin.write_text(ADMIN)
    words = ["--admin-token-file", str(admin), *(["--video-fec"] if form == "fec" else [])]
    opened = firefox() if viewer == "firefox" else chromium(*TRUSTING)
    async with served(namespace, folder, *words) as server, chromium(*TRUSTING) as ada, opened as bob:
        for number, (browser, name) in enumerate(((ada, "Ada"), (bob, "Bob")), start=1):
            await browser.preload(CONNECTIONS)
            await enter(browser, server.link("algebra", name), number)
        await sees(ada, "Bob", 2, limit=40)
        await sees(bob, "Ada", 1, limit=40)
        for way in ("up", "down"):
            line.lose(way, LOST)
            await trio.sleep(SETTLES)
            print(json.dumps({"way": way, "ada": await look(ada), "bob": await look(bob)}), flush=True)
            line.lose(way, 0)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
