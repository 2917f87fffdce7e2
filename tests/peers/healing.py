"""Two browsers in a meeting whose path dies under them; prints the longest gap in each picture, in seconds.

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
from tests.peers.meetings import enter, sees
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

CHANGES = {"mapping": forget_mappings, "address": move_desk, "far": forget_mappings}


def _browser(name: str) -> AbstractAsyncContextManager[Browser]:
    return chromium(*TRUSTING) if name == "chromium" else firefox(loopback=False, trusting=True)


async def main(namespace: str, folder: Path, change: str, name: str) -> None:
    async with served(namespace, folder) as server, _browser(name) as ada, _browser(name) as bob:
        for browser in (ada, bob):
            await browser.preload(NO_RELAY)
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
        before = {browser: await _gap(browser) for browser in (ada, bob)}
        await trio.to_thread.run_sync(CHANGES[change])
        await trio.sleep(6)
        await sees(ada, "Bob", 2)
        await sees(bob, "Ada", 1)
        for browser in (ada, bob):
            print(json.dumps({"before": before[browser], "gap": await _gap(browser)}))
        print("met")


async def _gap(browser: Browser) -> float:
    return float(await browser.evaluate("window.longestGap / 1000"))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
