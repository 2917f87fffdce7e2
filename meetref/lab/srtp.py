"""What does a lock cost? CPU time to lock and unlock one media packet, our SRTP engine against libsrtp, by profile.

Both engines get the same packets in turns, in this process, with the clock of its CPU; `..._ratio_to_libsrtp` is the
median over the rounds of ours divided by theirs, for locking and unlocking together. A packet to be locked comes as the
forwarder has it: header and descriptor written for this viewer, the rest as everybody gets it, eight packets at once.
Stands on `protocol/srtp` alone. Specification: docs/measurements.md.
Leaves out: memory that has grown cold between two packets, as it does in a server: `lab/forwarding` has that.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from meetref.app.command import CommandFailed, Exit
from meetref.lab.report import Report
from meetref.protocol.keyschedule import SRTP_SIZES, SRTPKeys
from meetref.protocol.srtp import ENGINES, FASTER, PROFILE_NAMES, Engine, open_session
from meetref.wire import rtp

PROFILES = {"cm": 0x0001, "cm32": 0x0002, "gcm128": 0x0007, "gcm": 0x0008}
OCTETS = 1160
PACKETS = 2000
RUN = 8  # packets of one frame
HEAD = 20  # octets of a header with its extension
LEAD = HEAD + 5  # and of a VP8 descriptor


@dataclass
class Result:
    """One profile: microseconds a packet, an entry a round, by engine and direction."""

    lock_us: dict[Engine, list[float]] = field(default_factory=lambda: {engine: [] for engine in ENGINES})
    unlock_us: dict[Engine, list[float]] = field(default_factory=lambda: {engine: [] for engine in ENGINES})

    @property
    def ratio(self) -> float:
        """Ours to libsrtp's, both directions together."""
        ours, theirs = (
            [lock + unlock for lock, unlock in zip(self.lock_us[engine], self.unlock_us[engine], strict=True)]
            for engine in ("ours", "libsrtp")
        )
        return median(our / their for our, their in zip(ours, theirs, strict=True))


def keys_of(profile: int, dice: random.Random) -> tuple[SRTPKeys, SRTPKeys]:
    """The two ends of one connection."""
    key, salt = SRTP_SIZES[profile]
    first, second = [(dice.randbytes(key), dice.randbytes(salt)) for _ in range(2)]
    return SRTPKeys(profile, *first, *second), SRTPKeys(profile, *second, *first)


def packets_of(dice: random.Random) -> list[bytes]:
    """Video as a forwarder has it: one source, consecutive numbers, the link's number in the extension."""
    return [
        rtp.serialize(
            rtp.Packet(
                payload_type=96,
                sequence=number,
                timestamp=number // 8 * 3000,
                ssrc=7,
                payload=dice.randbytes(OCTETS),
                extensions={3: number.to_bytes(2)},
            )
        )
        for number in range(PACKETS)
    ]


def run_round(result: Result, profile: int, engine: Engine, packets: list[bytes], dice: random.Random) -> None:
    """Lock all packets on one end and unlock them on the other."""
    here, there = keys_of(profile, dice)
    sender, receiver = open_session(here, engine), open_session(there, engine)
    parts = [(packet[:HEAD], packet[HEAD:LEAD], packet[LEAD:]) for packet in packets]
    runs = [parts[first : first + RUN] for first in range(0, len(parts), RUN)]
    started = time.process_time()
    locked = [packet for run in runs for packet in sender.lock_run(run)]
    between = time.process_time()
    opened = [receiver.unlock(packet) for packet in locked]
    ended = time.process_time()
    if opened != packets:
        raise CommandFailed(f"the {engine} engine did not give back what it locked: a mistake in it")
    result.lock_us[engine].append(1e6 * (between - started) / len(packets))
    result.unlock_us[engine].append(1e6 * (ended - between) / len(packets))


def measure(rounds: int, seed: int) -> dict[str, Result]:
    """Every profile, the engines in turns."""
    dice = random.Random(seed)
    packets = packets_of(dice)
    results = {name: Result() for name in PROFILES}
    for _ in range(rounds):
        for name, profile in PROFILES.items():
            for engine in ENGINES:
                run_round(results[name], profile, engine, packets, dice)
    return results


def figures_of(results: dict[str, Result]) -> dict[str, float]:
    """What goes into the report, by name."""
    figures = {}
    for name, result in results.items():
        for engine in ENGINES:
            figures[f"{name}_{engine}_lock_us"] = round(median(result.lock_us[engine]), 3)
            figures[f"{name}_{engine}_unlock_us"] = round(median(result.unlock_us[engine]), 3)
        figures[f"{name}_ratio_to_libsrtp"] = round(result.ratio, 3)
    return figures


def show(results: dict[str, Result]) -> None:
    """A table and a verdict."""
    print("profile                        ours: lock  unlock    libsrtp: lock  unlock    ratio")
    for name, result in results.items():
        cells = [median(side[engine]) for engine in ("ours", "libsrtp") for side in (result.lock_us, result.unlock_us)]
        print(
            f"{PROFILE_NAMES[PROFILES[name]]:28}  {cells[0]:9.2f} {cells[1]:7.2f}"
            f"    {cells[2]:13.2f} {cells[3]:7.2f}    {result.ratio:5.2f}"
        )
    print(f"microseconds for {OCTETS} octets; the faster one is the default of a profile: {defaults(results)}")


def defaults(results: dict[str, Result]) -> str:
    """Whether each profile's default is the engine that was faster, in words."""
    told = []
    for name, result in results.items():
        default = FASTER[PROFILES[name]]
        seen: Engine = "ours" if result.ratio <= 1 else "libsrtp"
        told.append(f"{name} {default}" if default == seen else f"{name} {default}, though {seen} was faster here")
    return "; ".join(told) + "."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab srtp`."""
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of keys and packets (1)")
    parser.add_argument("--rounds", type=int, metavar="R", help="how often each engine has its turn (15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    rounds = arguments.rounds if arguments.rounds is not None else (3 if arguments.quick else 15)
    if not 1 <= rounds <= 1000:
        raise CommandFailed("--rounds go from 1 to 1000", Exit.WRONG_COMMAND_LINE)
    results = measure(rounds, arguments.seed)
    show(results)
    if arguments.json is not None:
        Report(
            lab="srtp",
            seed=arguments.seed,
            settings={"rounds": rounds, "octets": OCTETS, "packets_a_round": PACKETS},
            figures=figures_of(results),
        ).write(arguments.json)
    return Exit.DONE
