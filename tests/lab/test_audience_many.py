"""Hundreds of receivers in one meeting, each with sockets and keys of its own: each gets what is published.

Always with thirty, with three hundred where `--soak` is asked for; the server is one process with one thread, and what
of a core it took is printed (`-rA` or `-s`).
"""

from __future__ import annotations

import random
import sys

import pytest
import trio

from meetref.lab.contest import measure
from meetref.lab.forwarding import allow_many_sockets
from meetref.lab.leg import open_legs
from meetref.lab.ours import open_meeting
from meetref.lab.shape import SPARSE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the CPU clock of another process")

FULL, SLICE = 300, 30
LEAST = 0.9
"""The share of packets that comes even where a machine is so busy that a line looks narrow for a moment."""


@pytest.mark.soak(ci=1, full=1)
@pytest.mark.slow
def test_each_of_many_real_receivers_gets_what_is_published(seed: int, pytestconfig: pytest.Config) -> None:
    soak = bool(pytestconfig.getoption("--soak"))
    count, seconds = (FULL, 10.0) if soak else (SLICE, 2.0)
    allow_many_sockets()

    async def main() -> None:
        async with open_legs() as legs, open_meeting(legs, SPARSE, count, random.Random(seed)) as meeting:
            publisher, viewers = meeting.load.publisher, meeting.load.viewers
            sent, before = publisher.packets, [viewer.packets for viewer in viewers]
            await measure(meeting, seconds)
            sent = publisher.packets - sent
            received = [viewer.packets - had for viewer, had in zip(viewers, before, strict=True)]
            [window] = meeting.windows
        assert len(viewers) == count
        assert meeting.load.malformed == 0
        print(
            f"\n{count} receivers, {window.packets_per_second:.0f} packets/s out: "
            f"{window.cpu_us_per_packet * window.packets_per_second / 1e4:.0f} % of a core, "
            f"{window.cpu_us_per_packet:.1f} us a packet; the worst: {100 * min(received) / sent:.1f} % of them"
        )
        assert min(received) >= LEAST * sent

    trio.run(main)
