"""Two Chromiums in a meeting whose path dies under them; prints the longest gap in each picture, in seconds.

`mapping`: whatever the browsers send from their present UDP ports is lost, as when a firewall forgot them.
`address`: the machine gets another address. Chromium itself takes two seconds to find out about that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import enter, sees
from tests.peers.office import NO_RELAY, TRUSTING, forget_mappings, move_desk, served

WATCH = """(name) => {
  const seats = [...document.querySelectorAll("[data-test=seat]")];
  const seat = seats.find((each) => each.textContent.includes(name) && !each.textContent.includes("(you)"));
  const video = seat.querySelector("video");
  window.longestGap = 0;
  let last = performance.now(), frames = video.getVideoPlaybackQuality().totalVideoFrames;
  setInterval(() => {
    const now = performance.now(), seen = video.getVideoPlaybackQuality().totalVideoFrames;
    window.longestGap = Math.max(window.longestGap, now - last);
    if (seen !== frames) [last, frames] = [now, seen];
  }, 10);
}"""


CHANGES = {"mapping": forget_mappings, "address": move_desk}


async def main(namespace: str, folder: Path, change: str) -> None:
    async with served(namespace, folder) as server, chromium(*TRUSTING) as ada, chromium(*TRUSTING) as bob:
        for browser in (ada, bob):
            await browser.command("script.addPreloadScript", functionDeclaration=NO_RELAY)
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
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3])
