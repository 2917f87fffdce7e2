"""Ask again, or send more beforehand? Pictures over lines that lose, near and far, with each kind of repair.

The same pictures cross the same line once with each way: with nothing, with asking again, with ULPFEC, with FlexFEC in
rows and columns (at the price of ULPFEC's rows of two), and with what `media/protection` chooses. A picture counts as
whole when all its packets are there in time for a viewer whose jitter buffer holds 150 ms. In virtual time and from a
seed: the figures have no machine in them.
Stands on `media/fec`, `media/protection` and the link of the virtual network. Specification: docs/loss.md.
Leaves out: congestion (`lab/bandwidth`), and what a picture that is not whole does to those behind it.
Read next: `media/protection.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from meetref.app.command import CommandFailed, Exit
from meetref.lab.bottleneck import World
from meetref.lab.report import Report
from meetref.media.fec import Protector, Recoverer, repair
from meetref.media.protection import NOTICED_AFTER, PATIENCE, SHORTEST_ROW, choose
from meetref.net.virtuallink import Impairments, Link
from meetref.wire import fec, flexfec, rtp

FRAME_RATE, PACKETS, SIZE = 30, 6, 1000  # pictures a second, packets of each, octets of payload
FRAMES_BY_COLUMNS = 3  # pictures whose packets share columns: the last of them is 67 ms behind the first
LOSSES, ROUND_TRIPS = (0.01, 0.05, 0.1), (0.02, 0.1, 0.3)
MARGIN = 0.001  # seconds over a round trip until it is asked for once more
REQUEST = 40  # octets of a request, with its headers


@dataclass(frozen=True, slots=True)
class Way:
    """A way to repair: whether it is asked again, how many packets share one of ULPFEC (0: none), and FlexFEC."""

    name: str
    asks: bool = False
    row: int = 0
    columns: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The part of the pictures that was whole in time, and what repair took, as a part of the media's octets."""

    whole: float
    overhead: float


def ways(loss: float, round_trip: float) -> list[Way]:
    """What is compared."""
    chosen = choose(loss, round_trip)
    return [
        Way("nothing"),
        Way("asking", asks=True),
        Way("ULPFEC", row=SHORTEST_ROW),
        Way("FlexFEC", columns=True),
        Way("chosen", asks=chosen.tries > 0, row=chosen.row),
    ]


class Call:
    """One stream of pictures over one line. `run` it, then ask for its `outcome`."""

    def __init__(self, way: Way, *, loss: float, round_trip: float, seed: int) -> None:
        self.way = way
        self.round_trip = round_trip
        impairments = Impairments(delay=round_trip / 2, loss=loss)
        self._there, self._back = (Link(Random(f"{seed} {name}"), impairments) for name in ("there", "back"))
        self._dice = Random(seed)
        self._world = World()
        self._sent: list[tuple[bytes, float]] = []
        self._came: dict[int, float] = {}
        self._highest = -1
        self._protector, self._recoverer = Protector(row=way.row), Recoverer()
        self.media_octets = self.repair_octets = 0

    def run(self, frames: int) -> None:
        for number in range(frames):
            self._world.at(number / FRAME_RATE, self._send_frame)
        self._world.run(frames / FRAME_RATE + 2)

    def outcome(self) -> Outcome:
        in_time = [
            self._came.get(number, at + 10) <= at + self.round_trip / 2 + PATIENCE
            for number, (_, at) in enumerate(self._sent)
        ]
        frames = [all(in_time[first : first + PACKETS]) for first in range(0, len(in_time), PACKETS)]
        return Outcome(sum(frames) / len(frames), self.repair_octets / self.media_octets)

    # --- the sender -------------------------------------------------------------------------------

    def _send_frame(self) -> None:
        for place in range(PACKETS):
            number = len(self._sent)
            packet = rtp.serialize(
                rtp.Packet(
                    96, number, number // PACKETS * 3000, 1, self._dice.randbytes(SIZE), marker=place == PACKETS - 1
                )
            )
            self._sent.append((packet, self._world.now))
            self.media_octets += len(packet)
            self._send(packet)
            for parity in self._protector.add(packet):
                self._send_parity(parity)
        if self.way.columns:
            self._send_rows_and_columns()

    def _send(self, packet: bytes) -> None:
        for at in self._there.cross(len(packet), self._world.now):
            self._world.at(at, lambda: self._receive([packet, *self._recoverer.receive(packet)]))

    def _send_parity(self, parity: fec.Parity) -> None:
        size = rtp.HEADER_SIZE + len(fec.serialize(parity))
        self.repair_octets += size
        for at in self._there.cross(size, self._world.now):
            self._world.at(at, lambda: self._receive(self._recoverer.receive_parity(parity, ssrc=1)))

    def _send_rows_and_columns(self) -> None:
        """A row for each picture, and columns when so many pictures are together."""
        packets = [packet for packet, _ in self._sent[-FRAMES_BY_COLUMNS * PACKETS :]]
        covered = [packets[-PACKETS:]]
        if len(self._sent) % (FRAMES_BY_COLUMNS * PACKETS) == 0:
            covered += [packets[place::PACKETS] for place in range(PACKETS)]
        for each in covered:
            made, ssrcs = repair(each)
            size = rtp.HEADER_SIZE + 4 * len(ssrcs) + len(flexfec.serialize(made))
            self.repair_octets += size
            for at in self._there.cross(size, self._world.now):
                self._world.at(at, partial(self._receive_repair, made, ssrcs))

    def _send_again(self, number: int) -> None:
        packet, _ = self._sent[number]
        self.repair_octets += len(packet)
        self._send(packet)

    # --- the viewer -------------------------------------------------------------------------------

    def _receive(self, packets: Sequence[bytes]) -> None:
        now = self._world.now
        for packet in packets:
            number = int.from_bytes(packet[2:4])
            self._came.setdefault(number, now)
            for missing in range(self._highest + 1, number):
                self._world.at(now + NOTICED_AFTER, partial(self._ask, missing))
            self._highest = max(self._highest, number)

    def _receive_repair(self, made: flexfec.Repair, ssrcs: Sequence[int]) -> None:
        self._receive(self._recoverer.receive_repair(made, ssrcs))

    def _ask(self, number: int) -> None:
        """Until it is there, or would come too late."""
        now, (_, sent_at) = self._world.now, self._sent[number]
        if not self.way.asks or number in self._came:
            return
        if now + self.round_trip > sent_at + self.round_trip / 2 + PATIENCE:
            return
        for at in self._back.cross(REQUEST, now):
            self._world.at(at, lambda: self._send_again(number))
        self._world.at(now + self.round_trip + MARGIN, lambda: self._ask(number))


def play(way: Way, *, loss: float, round_trip: float, frames: int = 1800, seed: int = 1) -> Outcome:
    """So many pictures over a line. `loss` is a part of the packets of either direction, `round_trip` seconds."""
    call = Call(way, loss=loss, round_trip=round_trip, seed=seed)
    call.run(frames)
    return call.outcome()


def measure(frames: int, seed: int) -> dict[tuple[float, float], dict[str, Outcome]]:
    """Every way on every line, by loss and round trip."""
    return {
        (loss, far): {
            way.name: play(way, loss=loss, round_trip=far, frames=frames, seed=seed) for way in ways(loss, far)
        }
        for loss in LOSSES
        for far in ROUND_TRIPS
    }


def lines(found: dict[tuple[float, float], dict[str, Outcome]]) -> Iterator[str]:
    """The table."""
    yield "pictures that are whole in time, and what repair takes of the bandwidth of the media, in per cent"
    yield f"{'lost':>5} {'there and back':>15}" + "".join(f"{name:>14}" for name in next(iter(found.values())))
    for (loss, far), outcomes in found.items():
        cells = (f"{100 * each.whole:7.1f} +{100 * each.overhead:4.1f}" for each in outcomes.values())
        yield f"{loss:5.0%} {1000 * far:12.0f} ms" + "".join(f"{cell:>14}" for cell in cells)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab loss`."""
    parser.add_argument("--frames", type=int, default=1800, metavar="N", help="pictures on each line (1800: a minute)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all chance (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    if not 1 <= arguments.frames <= 10_000:
        raise CommandFailed("--frames go from 1 to 10000", Exit.WRONG_COMMAND_LINE)
    found = measure(arguments.frames, arguments.seed)
    print("\n".join(lines(found)))
    if arguments.json is not None:
        figures = {}
        for (loss, far), outcomes in found.items():
            for name, outcome in outcomes.items():
                key = f"loss_{100 * loss:.0f}_far_{1000 * far:.0f}_{name.lower()}"
                figures[f"{key}_whole_percent"] = round(100 * outcome.whole, 3)
                figures[f"{key}_overhead_percent"] = round(100 * outcome.overhead, 3)
        Report(
            lab="loss",
            seed=arguments.seed,
            settings={"frames": arguments.frames, "patience_ms": 1000 * PATIENCE},
            figures=figures,
        ).write(arguments.json)
    return Exit.DONE
