"""Two Chromiums behind a firewall that lets only TCP out, in a meeting; prints the pairs they use and `met`."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.peers.browsers import chromium
from tests.peers.meetings import enter, sees, state
from tests.peers.office import NO_RELAY, TRUSTING, forbid_udp, served


async def main(namespace: str, folder: Path) -> None:
    forbid_udp()
    async with served(namespace, folder) as server, chromium(*TRUSTING) as ada, chromium(*TRUSTING) as bob:
        for browser in (ada, bob):
            await browser.command("script.addPreloadScript", functionDeclaration=NO_RELAY)
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(ada, "Bob", 2, limit=40)
        await sees(bob, "Ada", 1, limit=40)
        for browser in (ada, bob):
            for transport in (await state(browser))["transports"]:
                print(transport["pair"])
        print("met")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]))
