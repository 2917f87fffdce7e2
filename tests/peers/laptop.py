"""A meeting on a laptop: a server and two Firefoxes without any preference of ours, in a network of their own.

Run inside a network namespace by `test_laptop.py`; prints `met` when both see and hear each other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.peers.browsers import firefox
from tests.peers.meetings import enter, sees, serve


async def main(folder: Path) -> None:
    async with serve(folder) as server, firefox(loopback=False) as ada, firefox(loopback=False) as bob:
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(ada, "Bob", 2, limit=30)
        await sees(bob, "Ada", 1, limit=30)
        print("met")


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
