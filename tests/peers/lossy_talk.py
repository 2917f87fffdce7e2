"""Two Chromiums talk, where every tenth small packet is lost first on the way up and then on the way down.

Run inside a network namespace by `test_red_chromium.py`; prints as JSON, a line for each way, what the two counted
meanwhile. With the word `once` the browsers do not agree to RED.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import trio

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import CONNECTIONS, enter, sees, serve
from tests.peers.office import run

SETTLES, LISTENS = 8, 15  # seconds: until the reports have told, and for how long is counted

WITHOUT_RED = r"""() => {
  const without = (sdp) => sdp.replace(/^a=(rtpmap|fmtp):63 .*\r\n/gm, "").replace(/^(m=audio .*) 63\b/gm, "$1");
  const {setRemoteDescription} = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function ({type, sdp}) {
    return setRemoteDescription.call(this, {type, sdp: without(sdp)});
  };
}"""

COUNTED = """async () => {
  const found = {codec: null, sent: 0, repeated: 0, lost_up: 0, received: 0, lost: 0, gaps: 0};
  for (const connection of window.connections) {
    for (const sender of connection.getSenders()) {
      if (sender.track?.kind === "audio") found.codec = sender.getParameters().codecs[0].mimeType;
    }
    const report = await connection.getStats();
    for (const one of report.values()) {
      if (one.kind !== "audio") continue;
      if (one.type === "outbound-rtp") {
        found.sent += one.packetsSent - one.retransmittedPacketsSent;
        found.repeated += one.retransmittedPacketsSent;
      }
      if (one.type === "remote-inbound-rtp") found.lost_up += one.packetsLost;
      if (one.type === "inbound-rtp") {
        found.received += one.packetsReceived;
        found.lost += one.packetsLost;
        found.gaps += one.concealmentEvents;
      }
    }
  }
  return found;
}"""


def lose(*way: str) -> None:
    """A tenth of what is as small as sound, and not smaller: checks and most reports come through."""
    run("ip", "link", "set", "lo", "gso_max_segs", "1")  # else packets that leave in one call are lost as one
    run("nft", "flush", "ruleset")
    run("nft", "add", "table", "inet", "lossy")
    run("nft", "add", "chain", "inet", "lossy", "in", "{ type filter hook input priority 0 ; }")
    words = "udp length 60-500 @ih,0,8 & 0xc0 == 0x80 numgen random mod 100 < 10 drop"
    run("nft", "add", "rule", "inet", "lossy", "in", *way, *words.split())


async def listen(*browsers: Browser) -> list[dict[str, Any]]:
    """What each of them counts for a while."""
    before = [await browser.call(COUNTED) for browser in browsers]
    await trio.sleep(LISTENS)
    after = [await browser.call(COUNTED) for browser in browsers]
    return [
        {name: late[name] if name == "codec" else late[name] - early[name] for name in late}
        for early, late in zip(before, after, strict=True)
    ]


async def main(folder: Path, form: str) -> None:
    async with serve(folder) as server, chromium() as ada, chromium() as bob:
        for number, (browser, name) in enumerate(((ada, "Ada"), (bob, "Bob")), start=1):
            await browser.preload(CONNECTIONS)
            if form == "once":
                await browser.preload(WITHOUT_RED)
            await enter(browser, server.link("algebra", name), number)
        await sees(ada, "Bob", 2, limit=30)
        await sees(bob, "Ada", 1, limit=30)
        port = server.url.rpartition(":")[2]  # of the media, too
        for way in ("dport", "sport"):
            lose("udp", way, port)
            await trio.sleep(SETTLES)
            print(json.dumps(await listen(ada, bob)))


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
