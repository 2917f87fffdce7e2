"""Chromium and Firefox at home, behind a NAT, in a meeting outside; prints the pairs they use and `met`.

With the word `relay` they use nothing but relays, which are the server's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.peers.browsers import chromium, firefox
from tests.peers.meetings import enter, sees, state
from tests.peers.office import TRUSTING, served

ONLY_RELAYS = """() => {
  const Native = window.RTCPeerConnection;
  const only = (wanted) => ({...wanted, iceTransportPolicy: "relay"});
  window.RTCPeerConnection = class extends Native {
    constructor(wanted) { super(only(wanted)); }
    setConfiguration(wanted) { super.setConfiguration(only(wanted)); }
  };
}"""


async def main(namespace: str, folder: Path, policy: str) -> None:
    async with (
        served(namespace, folder) as server,
        chromium(*TRUSTING) as ada,
        firefox(loopback=False, trusting=True) as bob,
    ):
        if policy == "relay":
            for browser in (ada, bob):
                await browser.command("script.addPreloadScript", functionDeclaration=ONLY_RELAYS)
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(ada, "Bob", 2, limit=60)
        await sees(bob, "Ada", 1, limit=60)
        for browser in (ada, bob):
            for transport in (await state(browser))["transports"]:
                print(browser.name, transport["direction"], transport["pair"])
        print("met")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3])
