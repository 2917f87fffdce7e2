"""Two Chromiums see each other over a long way that loses, up to the server and then down from it.

Run inside a network namespace by `test_fec_browsers.py`; prints as JSON, a line for each way, what both browsers and
the server counted meanwhile. The form `none` is a server without FEC; with `deaf` in it nothing is asked for again.
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

SETTLES, LOOKS, LOST = 5, 8, 5  # seconds, seconds, per cent
ADMIN = "far-pictures-admin-token-0123456789"

DEAF = r"""() => {
  const deaf = (sdp) => sdp.split(/(?=^m=)/m).map((section) => section.startsWith("m=video")
    ? section.replace(/^a=rtcp-fb:\d+ nack\r\n/gm, "") : section).join("");
  const {setRemoteDescription} = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function ({type, sdp}) {
    return setRemoteDescription.call(this, {type, sdp: deaf(sdp)});
  };
}"""
"""A script for pages: of pictures nothing is asked for again."""

COUNTED = """async () => {
  const found = {codec: "", sent: 0, lost_up: 0, received: 0, lost: 0, asked: 0, repeated: 0, frames: 0, keyframes: 0,
                 plis: 0, freezes: 0, frozen: 0, delay: 0, emitted: 0};
  for (const connection of window.connections) {
    const report = await connection.getStats();
    for (const one of report.values()) {
      if (one.kind !== "video") continue;
      if (one.type === "outbound-rtp") {
        found.sent += one.packetsSent - (one.retransmittedPacketsSent || 0);
        found.codec = report.get(one.codecId)?.mimeType;
      }
      if (one.type === "remote-inbound-rtp") found.lost_up += one.packetsLost || 0;
      if (one.type === "inbound-rtp") {
        found.received += one.packetsReceived || 0;
        found.lost += one.packetsLost || 0;
        found.asked += one.nackCount || 0;
        found.repeated += one.retransmittedPacketsReceived || 0;
        found.frames += one.framesDecoded || 0;
        found.keyframes += one.keyFramesDecoded || 0;
        found.plis += one.pliCount || 0;
        found.freezes += one.freezeCount || 0;
        found.frozen += one.totalFreezesDuration || 0;
        found.delay += one.jitterBufferDelay || 0;
        found.emitted += one.jitterBufferEmittedCount || 0;
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


async def counted_by_server() -> dict[str, int]:
    """How many parts of pictures it computed, and how many pictures it sends with FEC now."""
    room = await trio.to_thread.run_sync(seen_by_server)
    ups = [person["up"] or {"sources": []} for person in room["people"]]
    sources = [source for up in ups for source in up["sources"] if source["kind"] == "video"]
    seats = [seat for person in room["people"] for seat in (person["down"] or {"seats": []})["seats"]]
    return {
        "mended": sum(encoding["mended"] for source in sources for encoding in source["encodings"]),
        "protected": sum(seat["video"]["row"] > 0 for seat in seats),
    }


async def look(*browsers: Browser) -> list[dict[str, Any]]:
    """What each browser counts for a while."""
    before = [await browser.call(COUNTED) for browser in browsers]
    await trio.sleep(LOOKS)
    after = [await browser.call(COUNTED) for browser in browsers]
    return [
        {name: late[name] if isinstance(late[name], str) else late[name] - early[name] for name in late}
        for early, late in zip(before, after, strict=True)
    ]


async def main(namespace: str, folder: Path, form: str, viewer: str, *ways: str) -> None:
    line = LongLine(namespace)
    admin = folder / "admin"
    admin.write_text(ADMIN)
    words = ["--admin-token-file", str(admin), *(["--video-fec"] if "fec" in form else [])]
    opened = firefox(loopback=False, trusting=True) if viewer == "firefox" else chromium(*TRUSTING)
    async with served(namespace, folder, *words) as server, chromium(*TRUSTING) as ada, opened as bob:
        for number, (browser, name) in enumerate(((ada, "Ada"), (bob, "Bob")), start=1):
            await browser.preload(CONNECTIONS)
            if "deaf" in form:
                await browser.preload(DEAF)
            await enter(browser, server.link("algebra", name), number)
        await sees(ada, "Bob", 2, limit=40)
        await sees(bob, "Ada", 1, limit=40)
        for way in ways:
            line.lose(way, LOST)
            await trio.sleep(SETTLES)
            before, counted = await counted_by_server(), await look(ada, bob)
            after = await counted_by_server()
            ours = {"mended": after["mended"] - before["mended"], "protected": after["protected"]}
            print(json.dumps({"way": way, "server": ours, "browsers": counted}), flush=True)
            line.lose(way, 0)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
