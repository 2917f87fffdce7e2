"""How long until one hears the other? Round trips of ICE and DTLS to the first media, in turn and inside each other.

Two peers on the virtual network, 100 ms there and back. The answerer has both descriptions half a round trip before
the offerer, whose having the answer is time 0; then both do what they do in a meeting, and send media every 20 ms from
the moment they may. The offerer is DTLS client. The figures have no machine in them.
Stands on `protocol/peer` and the virtual network. Specification: docs/measurements.md, draft-hancke-webrtc-sped-00
appendix A (whose durations begin with the offer, and end with the handshake).
Leaves out: candidates that lead nowhere; `lab/natmatrix` has those.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Literal

import trio
from trio.testing import MockClock

from meetref.app.command import CommandFailed, Exit
from meetref.lab.report import Report
from meetref.net.driver import Driver
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.protocol.certificate import Certificate
from meetref.protocol.dtls import Versions
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.peer import Connected, Peer, Remote
from meetref.wire import rtp
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.tls import X25519, X25519_ML_KEM_768

ROUND_TRIP = 0.1
MEDIA_EVERY = 0.02
PATIENCE = 60.0
PORT = 5000

POST_QUANTUM = (X25519_ML_KEM_768, X25519)
CURVE = (X25519,)


@dataclass(frozen=True)
class Way:
    """One way to set up: what DTLS speaks, and whether it rides in checks."""

    words: str
    versions: Versions
    groups: Sequence[int]
    embeds: bool


WAYS = {
    "dtls12": Way("DTLS 1.2", "1.2 only", CURVE, False),
    "dtls12_inside": Way("DTLS 1.2 in checks", "1.2 only", CURVE, True),
    "dtls13": Way("DTLS 1.3", "1.3 only", CURVE, False),
    "dtls13_inside": Way("DTLS 1.3 in checks", "1.3 only", CURVE, True),
    "dtls13_post_quantum": Way("DTLS 1.3, post-quantum", "1.3 only", POST_QUANTUM, False),
    "dtls13_post_quantum_inside": Way("DTLS 1.3, post-quantum, in checks", "1.3 only", POST_QUANTUM, True),
}


class End:
    """One end. `heard_at` is when the first media packet of the other was opened, in seconds of the network's clock."""

    def __init__(self, host: VirtualHost, role: Literal["client", "server"], way: Way) -> None:
        certificate = Certificate.generate(host.dice, now_wall=host.wall_clock())
        self.host = host
        self.role = role
        self.way = way
        self.place = Address(host.addresses()[0], PORT)
        self.heard_at = math.inf
        self.heard = trio.Event()
        self.connected = trio.Event()
        self.peer = Peer(
            controlling=role == "client", certificate=certificate, dice=host.dice, dtls_role=role,
            dtls_versions=way.versions, dtls_groups=way.groups, embeds_handshake=way.embeds,
        )  # fmt: skip
        self.candidate = Candidate(
            "1", 1, "udp", 126 << 24 | 65535 << 8 | 255, self.place.host, PORT, "host"
        )  # fmt: skip
        self.driver = Driver(self.peer, self._send, self._happened)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        self.socket = await self.host.open_datagram(self.place)
        self.peer.add_local_candidate(self.candidate, trio.current_time())
        async with trio.open_nursery() as nursery:
            await nursery.start(self.driver.run)
            nursery.start_soon(self._talk)
            task_status.started()
            while True:
                batch = await self.socket.receive()
                for datagram in batch:
                    self._receive(datagram, trio.current_time())
                self.driver.turn(trio.current_time())

    def meet(self, other: End) -> None:
        """Learn what the other's description says."""
        now = trio.current_time()
        fingerprint = other.peer.certificate.fingerprint("sha-256")
        setup: Literal["active", "passive"] = "active" if other.role == "client" else "passive"
        self.peer.set_remote(
            Remote(
                other.peer.credentials, (("sha-256", fingerprint),), setup, embeds_handshake=other.peer.embeds_handshake
            ),
            now,
        )
        self.peer.add_remote_candidate(other.candidate, now)
        self.peer.end_of_remote_candidates(now)
        self.driver.turn(now)

    def _receive(self, datagram: Datagram, now: float) -> None:
        if datagram.data[0] < 128:
            self.driver.receive(datagram, now)
        elif self.peer.unlock(datagram.data) is not None and not self.heard.is_set():
            self.heard_at = now
            self.heard.set()

    async def _talk(self) -> None:
        await self.connected.wait()
        sequence = 0
        while True:
            if self.peer.srtp is not None and self.peer.path is not None:
                packet = rtp.Packet(
                    payload_type=111, sequence=sequence, timestamp=960 * sequence, ssrc=1, payload=b"hi"
                )
                self._send(Datagram(self.peer.srtp.lock(rtp.serialize(packet)), *self.peer.path))
            sequence += 1
            await trio.sleep(MEDIA_EVERY)

    def _send(self, datagram: Datagram) -> None:
        self.socket.send((datagram.data,), datagram.remote)

    def _happened(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.connected.set()


@dataclass(frozen=True)
class Outcome:
    """Seconds from the offerer's having the answer until each side opened the first media of the other."""

    to_server: float
    to_client: float

    @property
    def both(self) -> float:
        return max(self.to_server, self.to_client)


def run_call(way: Way, seed: int | str, loss: float = 0.0) -> Outcome:
    """Set up one call. Infinite where nothing came within a minute."""

    async def main() -> Outcome:
        seed_trio(f"{seed}")
        network = VirtualNetwork(seed)
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            client = End(network.host("client"), "client", way)
            server = End(network.host("server"), "server", way)
            network.connect(client.host, server.host, Impairments(delay=ROUND_TRIP / 2, loss=loss))
            await nursery.start(client.run)
            await nursery.start(server.run)
            server.meet(client)
            await trio.sleep(ROUND_TRIP / 2)
            began = trio.current_time()
            client.meet(server)
            with trio.move_on_after(PATIENCE):
                await client.heard.wait()
                await server.heard.wait()
            nursery.cancel_scope.cancel()
        return Outcome(server.heard_at - began, client.heard_at - began)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


@dataclass
class Results:
    """What came of one way: without loss, and with it, a figure a call."""

    quiet: Outcome
    lossy: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        return quantiles(self.lossy, n=20, method="inclusive")[-1]


def measure(calls: int, seed: int, loss: float) -> dict[str, Results]:
    """Every way, the same seeds for each."""
    results = {}
    for name, way in WAYS.items():
        found = results[name] = Results(run_call(way, seed))
        found.lossy += [run_call(way, f"{seed} {number}", loss).both for number in range(calls)]
    return results


def figures_of(results: dict[str, Results]) -> dict[str, float]:
    """What goes into the report, by name."""
    figures = {}
    for name, found in results.items():
        figures[f"{name}_to_server_round_trips"] = found.quiet.to_server / ROUND_TRIP
        figures[f"{name}_to_client_round_trips"] = found.quiet.to_client / ROUND_TRIP
        figures[f"{name}_lossy_p50_ms"] = 1000 * median(found.lossy)
        figures[f"{name}_lossy_p95_ms"] = 1000 * found.p95
    return {name: round(value, 3) for name, value in figures.items()}


def lines(results: dict[str, Results], loss: float) -> Iterator[str]:
    """The table."""
    yield f"{'':34} first media, round trips   both heard, {100 * loss:.0f} % lost, ms"
    yield f"{'':34} to server    to client         p50         p95"
    for name, found in results.items():
        quiet = found.quiet
        yield (
            f"{WAYS[name].words:34} {quiet.to_server / ROUND_TRIP:9.2f}    {quiet.to_client / ROUND_TRIP:9.2f}"
            f"   {1000 * median(found.lossy):9.0f}   {1000 * found.p95:9.0f}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab setup`."""
    parser.add_argument("--quick", action="store_true", help="twenty calls with loss")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all chance (1)")
    parser.add_argument("--calls", type=int, metavar="C", help="with loss, of each kind (300)")
    parser.add_argument("--loss", type=float, default=10.0, metavar="P", help="of a hundred packets (10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    calls = arguments.calls if arguments.calls is not None else (20 if arguments.quick else 300)
    if not 2 <= calls <= 100_000:
        raise CommandFailed("--calls go from 2 to 100000", Exit.WRONG_COMMAND_LINE)
    if not 0 <= arguments.loss <= 50:
        raise CommandFailed("--loss goes from 0 to 50", Exit.WRONG_COMMAND_LINE)
    results = measure(calls, arguments.seed, arguments.loss / 100)
    print("\n".join(lines(results, arguments.loss / 100)))
    saved = results["dtls13"].quiet.to_server - results["dtls13_inside"].quiet.to_server
    print(f"\nInside of checks DTLS 1.3 needs {saved / ROUND_TRIP:.1f} round trips less.")
    if arguments.json is not None:
        Report(
            lab="setup",
            seed=arguments.seed,
            settings={"calls": calls, "loss_percent": arguments.loss, "round_trip_ms": 1000 * ROUND_TRIP},
            figures=figures_of(results),
            series={
                f"{name}_lossy_ms": [round(1000 * each, 3) for each in found.lossy] for name, found in results.items()
            },
        ).write(arguments.json)
    return Exit.DONE
