"""A bot that joins a meeting of the load and records what it sees: what that costs where the bot runs.

Stands on `lab/ours` and `lab/child`; the bot is `meetref bot --record`, a process of its own. To the server it is one
viewer more, which `lab/forwarding` measures. Specification: docs/measurements.md, "Recordings".
Leaves out: what a bot makes of people who change seats; the publisher of the load has one for good.
Read next: `app/onlooker.py`.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import trio

from meetref.archive.journal import read
from meetref.lab.child import ChildFailed, open_program
from meetref.lab.contest import Contestant
from meetref.lab.ours import ROOM

STREAMS = "*/*-*.mrj"
RECORDS_WITHIN = 30.0  # seconds
LOOK_EVERY = 0.1
PROGRAM = (sys.executable, "-c", "import sys; from meetref.app.cli import main; sys.exit(main())")


@dataclass(frozen=True, kw_only=True)
class Onlooking:
    """What a bot took for each packet of the publisher's."""

    cpu_us_per_packet: float
    octets_per_packet: float


async def measure_bot(meeting: Contestant, seconds: float) -> Onlooking:
    """Let a bot record the load of a meeting whose server lets people record. Raises `ChildFailed`."""
    publisher = meeting.load.publisher
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder)
        words = ["bot", "--room", ROOM, "--port", str(meeting.port), "--record", folder]
        program = open_program("bot", [*PROGRAM, *words], by_signal=True, folder=recordings)
        async with program as bot, trio.open_nursery() as nursery:
            nursery.start_soon(meeting.load.run)
            began = trio.current_time()
            while not size(recordings):
                if trio.current_time() > began + RECORDS_WITHIN:
                    raise ChildFailed("the bot records nothing")
                await trio.sleep(LOOK_EVERY)
            cpu, packets = bot.cpu_seconds(), publisher.packets
            await trio.sleep(seconds)
            cpu, packets = bot.cpu_seconds() - cpu, publisher.packets - packets
            nursery.cancel_scope.cancel()
        return Onlooking(cpu_us_per_packet=1e6 * cpu / packets, octets_per_packet=octets_per_record(recordings))


def octets_per_record(folder: Path) -> float:
    """With all that the files hold besides."""
    return size(folder) / sum(len(read(file.read_bytes()).records) for file in folder.glob(STREAMS))


def size(folder: Path, names: str = STREAMS) -> int:
    """Octets of all files with such names."""
    return sum(file.stat().st_size for file in folder.glob(names))
