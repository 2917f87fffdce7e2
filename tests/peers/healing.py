"""Two browsers in a meeting whose path dies under them; prints of each the longest gap in its picture, in seconds, and
the local ends of the paths in use before and after.

`mapping`: whatever the browsers send from their present UDP ports is lost, as when a firewall forgot them.
`address`: the machine gets another address. Chromium itself takes two seconds to find out about that.
`far`: as `mapping`, and the server's word takes long, as from another continent: the browser checks before it is there.
The last word says which browser: `chromium` or `firefox`.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import trio

from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.meetings import CONNECTIONS, enter, sees
from tests.peers.office import NO_RELAY, TRUSTING, forget_mappings, move_desk, served

WATCH = """(name) => {
  const seats = [...document.querySelectorAll("[data-test=seat]")];
  const seat = seats.find((each) => each.textContent.includes(name) && !each.textContent.includes("(you)"));
  const video = seat.querySelector("video");
  window.longestGap = 0;
  let last = performance.now();
  const seen = () => {
    const now = performance.now();
    window.longestGap = Math.max(window.longestGap, now - last);
    return now;
  };
  const next = () => video.requestVideoFrameCallback(() => { last = seen(); next(); });
  next();
  setInterval(seen, 10);
}"""


FAR = """() => {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    async setRemoteDescription(description) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return super.setRemoteDescription(description);
    }
  };
}"""

ENDS = """(async () => {
  const ends = [];
  for (const connection of window.connections) {
    const report = await connection.getStats();
    const entries = [...report.values()];
    const told = entries.find(({ type, selectedCandidatePairId: id }) => type === "transport" && id);
    const pair =
      report.get(told?.selectedCandidatePairId) ??
      entries.find(({ type, selected }) => type === "candidate-pair" && selected);
    const { address, port } = report.get(pair?.localCandidateId) ?? {};
    if (port) ends.push(`${address} ${port}`);
  }
  return ends.join(", ");
})()"""
"""What the browser's own statistics say: two ends, one for each direction."""

CHANGES = {"mapping": forget_mappings, "address": move_desk, "far": forget_mappings}


def _browser(name: str) -> AbstractAsyncContextManager[Browser]:
    return chromium(*TRUSTING) if name == "chromium" else firefox(loopback=False, trusting=True)


async def main(namespace: str, folder: Path, change: str, name: str) -> None:
    async with served(namespace, folder) as server, _browser(name) as ada, _browser(name) as bob:
        for browser in (ada, bob):
            await browser.preload(NO_RELAY)
            await browser.preload(CONNECTIONS)
            if change == "far":
                await browser.preload(FAR)
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(ada, "Bob", 2, limit=40)
        await sees(bob, "Ada", 1, limit=40)
        await trio.sleep(3)
        await ada.call(WATCH, "Bob")
        await bob.call(WATCH, "Ada")
        await trio.sleep(2)
        before = {browser: await browser.evaluate(ENDS) for browser in (ada, bob)}
        await trio.to_thread.run_sync(CHANGES[change])
        await trio.sleep(6)
        await sees(ada, "Bob", 2)
        await sees(bob, "Ada", 1)
        for browser in (ada, bob):
            gap = float(await browser.evaluate("window.longestGap / 1000"))
            print(json.dumps({"before": before[browser], "after": await browser.evaluate(ENDS), "gap": gap}))
        print("met")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
