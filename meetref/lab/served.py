"""The server under measurement, in a process of its own: `python -m meetref.lab.served`.

It is the server of `meetref serve --bots 0` on loopback, with the event log in memory, and with room for the viewers of
a large load, who all come from one address. Standard output has lines of JSON: its port when it is ready, what its
tasks took since the first of them for each line on standard input, and what its sockets did when that ends.
Stands on `app/server`. With `--profile FILE` a profile (`python -m pstats FILE`) is written there, with `--recordings
FOLDER` meetings are recorded there, on a thread, for whoever asks; `--webinar ROOM` gives a room an audience.
Specification: none. Leaves out: other options of the server; what is measured is what everybody gets.
Read next: `lab/forwarding.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import trio

from meetref.app.collector import relax_collector
from meetref.app.server import Settings, open_server
from meetref.lab.taskclock import TaskClock
from meetref.net.datagram import DatagramSocket
from meetref.net.network import KernelNetwork

MAXIMUM_PEOPLE = 1000
KINDS = {"udp": "packets", "portions": "bandwidth", "clock": "timers"}
"""Tasks of the server: what comes by UDP and leaves, what viewers tell of bandwidth, deadlines of connections."""


async def serve(recordings: Path | None, webinars: Sequence[str]) -> None:
    """Serve until standard input ends."""
    settings = Settings(
        port=0,
        inline_log=recordings is None,
        recordings=recordings,
        maximum_people=MAXIMUM_PEOPLE,
        webinars=frozenset(webinars),
    )
    clock: TaskClock | None = None
    async with (
        trio.lowlevel.FdStream(sys.stdin.fileno()) as orders,
        open_server(KernelNetwork(), settings) as server,
    ):
        relax_collector()
        server.door.places.per_source = MAXIMUM_PEOPLE
        print(json.dumps({"port": server.http_port}), flush=True)
        while await orders.receive_some(1024):
            if clock is None:
                clock = TaskClock(KINDS)
                trio.lowlevel.add_instrument(clock)
            print(json.dumps(clock.read()), flush=True)
        tell_totals(server.port.sockets.values())


def tell_totals(sockets: Iterable[DatagramSocket]) -> None:
    """Print what all sockets did together, as one line of JSON."""
    totals: Counter[str] = Counter()
    for socket in sockets:
        totals.update(asdict(socket.counters))
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
        print(json.dumps(totals), flush=True)


def run_measured(serve: Callable[[], Awaitable[None]], file: Path | None) -> None:
    """Run until ended; with a `file`, profile it and write there what was found."""
    if file is None:
        trio.run(serve)
        return
    profile = cProfile.Profile()
    try:
        profile.runcall(trio.run, serve)
    finally:
        profile.dump_stats(file)


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--webinar", action="append", default=[])
    arguments = parser.parse_args()
    run_measured(partial(serve, arguments.recordings, arguments.webinar), arguments.profile)


if __name__ == "__main__":
    main()
