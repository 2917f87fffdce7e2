"""What does it cost to forward one packet? One publisher, N viewers, real sockets and real SRTP.

    meetref lab forwarding --viewers 8,20

The server runs in a process of its own and its CPU time is read from the kernel; publisher and viewers are in the
lab's process. In the same run a bare loop (`lab/floor`) carries the same load, and the distance is told as
`times_floor`. Delay is from the publisher's send to the viewer's receive, so it has the lab's own waiting in it.
Source: docs/architecture.md, "The way of a packet".
Leaves out: loss; nothing is lost on loopback.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

import msgspec
import trio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meetref import __version__
from meetref.app.client import Client, open_client
from meetref.app.command import CommandFailed
from meetref.lab.floor import KEY, nonce
from meetref.net.datagram import KernelDatagramSocket
from meetref.net.network import KernelNetwork
from meetref.wire import rtp, signaling, vp8
from meetref.wire.address import Address

FRAME_RATE = 30
PACKETS_A_FRAME = 8
PAYLOAD = 1130  # octets of VP8; about 1170 with all headers and the tag
SENT_AT = Struct("!d")
MARK = 12  # octets from the descriptor to where the time stands, behind a keyframe's header
WARM_UP = 3.0
FEEDBACK_A_SECOND = 11  # datagrams of a viewer: transport-wide feedback ten times, a report once
GOAL = 2.5


@dataclass(slots=True)
class Load:
    """What one run saw."""

    viewers: int
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    forwarded: int = 0
    delays: list[float] = field(default_factory=list)
    floor_cpu_seconds: float = 0.0
    floor_forwarded: int = 0

    @property
    def cost(self) -> float:
        return 1e6 * self.cpu_seconds / max(1, self.forwarded)

    @property
    def floor(self) -> float:
        return 1e6 * self.floor_cpu_seconds / max(1, self.floor_forwarded)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab forwarding`."""
    parser.add_argument("--viewers", default="8,20", help="how many viewers, several runs by commas (8,20)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run is measured (10)")
    parser.add_argument("--quick", action="store_true", help="one short run with 4 viewers")
    parser.add_argument("--seed", type=int, default=1, help="nothing here is left to chance; kept for the record")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and say whether the goal is met."""
    if not sys.platform.startswith("linux"):
        raise CommandFailed("CPU time of another process is read from /proc, which only Linux has", 127)
    try:
        counts = [4] if arguments.quick else [int(word) for word in arguments.viewers.split(",")]
    except ValueError:
        raise CommandFailed(f"--viewers takes numbers and commas, not {arguments.viewers!r}", 2) from None
    if not all(1 <= count <= 25 for count in counts):
        raise CommandFailed("--viewers goes from 1 to 25", 2)
    seconds = 2.0 if arguments.quick else arguments.seconds
    loads = [trio.run(measure, count, seconds) for count in counts]
    _print(loads)
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(_report(loads, arguments, seconds))) + b"\n")
    return 0


def figures(load: Load) -> dict[str, float]:
    """The figures by their public names."""
    delays = sorted(load.delays) or [0.0]
    return {
        "cpu_us_per_forwarded_packet": load.cost,
        "floor_us": load.floor,
        "times_floor": load.cost / load.floor,
        "forwarded_packets_per_second": load.forwarded / load.seconds,
        "forwarded_packets_per_second_per_core": load.forwarded / load.cpu_seconds,
        "added_delay_ms_p50": 1e3 * statistics.median(delays),
        "added_delay_ms_p99": 1e3 * delays[int(len(delays) * 0.99) - 1],
    }


async def measure(viewers: int, seconds: float) -> Load:
    """One run: the server first, then the floor under the same load."""
    load = Load(viewers)
    await _measure_server(load, seconds)
    await _measure_floor(load, seconds)
    return load


# --- the server ---------------------------------------------------------------------------------------


async def _measure_server(load: Load, seconds: float) -> None:
    async with _server() as (process, port), AsyncExitStack() as stack:
        address = Address("127.0.0.1", port)
        publisher = await stack.enter_async_context(_join(address, "publisher"))
        await publisher.publish(["camera"])
        viewers = [await stack.enter_async_context(_join(address, f"viewer {n}")) for n in range(load.viewers)]
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(_publish, publisher)
        for viewer in viewers:
            await _connected(viewer)
        await trio.sleep(WARM_UP if seconds > 3 else 1.0)
        counting = [False]
        for viewer in viewers:
            assert viewer.down is not None
            viewer.down.on_packet = _counting(load, counting, viewer.down.on_packet)
        before, began = _cpu(process.pid), time.perf_counter()
        counting[0] = True
        await trio.sleep(seconds)
        counting[0] = False
        load.cpu_seconds, load.seconds = _cpu(process.pid) - before, time.perf_counter() - began
        nursery.cancel_scope.cancel()


def _counting(
    load: Load, counting: list[bool], further: Callable[[bytes, float], None]
) -> Callable[[bytes, float], None]:
    def on_packet(plain: bytes, now: float) -> None:
        if counting[0]:
            load.forwarded += 1
            at = rtp.payload_offset(plain) + 4 + MARK
            load.delays.append(time.perf_counter() - SENT_AT.unpack_from(plain, at)[0])
        further(plain, now)

    return on_packet


async def _connected(viewer: Client) -> None:
    for _ in range(2000):
        if viewer.down is not None and viewer.down.connected.is_set():
            return
        await trio.sleep(0.01)
    raise CommandFailed("a viewer did not connect within 20 s")


@asynccontextmanager
async def _server() -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        words = ["-c", "from meetref.app.cli import main; main()", "serve", "--port", "0", "--bots", "0"]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything is measured
                [sys.executable, *words, "--data", folder], stdout=output, stderr=subprocess.STDOUT
            )
        try:
            for _ in range(200):
                found = re.search(r"http://localhost:(\d+)/", log.read_text())
                if found:
                    break
                await trio.sleep(0.05)
            else:
                raise CommandFailed(f"the server did not start: {log.read_text()[-300:]}")
            yield process, int(found[1])
        finally:
            process.terminate()
            process.wait(10)


def _join(address: Address, name: str) -> AbstractAsyncContextManager[Client]:
    return open_client(KernelNetwork(), address, signaling.Join(room="lab", name=name))


async def _publish(client: Client) -> None:
    """30 frames a second, each in a burst of 8 packets of nearly one size; a keyframe whenever it is asked for."""
    sender = client.senders["camera"]
    start, number = trio.current_time(), 0
    while True:
        await trio.sleep_until(start + number / FRAME_RATE)
        keyframe, sender.keyframe_wanted = sender.keyframe_wanted, False
        if sender.ready:
            sender.send(_frame(number, keyframe), trio.current_time())
        else:
            sender.keyframe_wanted = True
        number += 1


def _frame(number: int, keyframe: bool) -> list[bytes]:
    head = bytes([0x10 if keyframe else 0x11, 0, 0]) + vp8.START_CODE + bytes(MARK - 6)
    payloads = []
    for index in range(PACKETS_A_FRAME):
        descriptor = vp8.Descriptor(start=index == 0, picture_id=number & 0x7FFF, long_picture_id=True)
        body = head + SENT_AT.pack(time.perf_counter())
        size = PAYLOAD - index // (PACKETS_A_FRAME // 2)  # libwebrtc's packets of one frame differ by an octet
        payloads.append(vp8.serialize(descriptor) + body + bytes(size - len(body)))
    return payloads


def _cpu(pid: int) -> float:
    """Seconds of CPU, user and system, that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# --- the floor ----------------------------------------------------------------------------------------


async def _measure_floor(load: Load, seconds: float) -> None:
    sinks = [KernelDatagramSocket(Address("127.0.0.1", 0)) for _ in range(load.viewers)]
    source = KernelDatagramSocket(Address("127.0.0.1", 0))
    words = [sys.executable, "-m", "meetref.lab.floor", *(str(sink.local.port) for sink in sinks)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)  # noqa: ASYNC220 - as above
    try:
        assert process.stdout is not None
        port = int(await trio.to_thread.run_sync(process.stdout.readline))
        async with trio.open_nursery() as nursery:
            for sink in sinks:
                nursery.start_soon(_swallow, sink)
            nursery.start_soon(_feed, source, Address("127.0.0.1", port), load.viewers)
            await trio.sleep(1.0)
            before, received = _cpu(process.pid), sum(sink.counters.datagrams_in for sink in sinks)
            await trio.sleep(seconds)
            load.floor_cpu_seconds = _cpu(process.pid) - before
            load.floor_forwarded = sum(sink.counters.datagrams_in for sink in sinks) - received
            nursery.cancel_scope.cancel()
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
        for socket in (*sinks, source):
            socket.close()


async def _swallow(sink: KernelDatagramSocket) -> None:
    while True:
        await sink.receive()


async def _feed(source: KernelDatagramSocket, floor: Address, viewers: int) -> None:
    """The publisher's bursts and, between them, the viewers' feedback."""
    cipher, count = AESGCM(KEY), 0
    feedback_a_frame = viewers * FEEDBACK_A_SECOND / FRAME_RATE
    owed, start = 0.0, trio.current_time()
    for number in range(1 << 30):
        await trio.sleep_until(start + number / FRAME_RATE)
        packets = [bytes(20) + payload for payload in _frame(number, False)]
        owed += feedback_a_frame
        small, owed = int(owed), owed - int(owed)
        locked = []
        for packet in (*packets, *(bytes(60) for _ in range(small))):
            count += 1
            locked.append(nonce(count) + cipher.encrypt(nonce(count), packet, None))
        source.send(locked[:PACKETS_A_FRAME], floor)
        for feedback in locked[PACKETS_A_FRAME:]:
            source.send((feedback,), floor)


# --- telling ------------------------------------------------------------------------------------------


def _print(loads: list[Load]) -> None:
    print(
        f"{'viewers':>7} {'packets/s':>10} {'us/packet':>10} {'floor us':>9} {'times':>6} {'p50 ms':>7} {'p99 ms':>7}"
    )
    for load in loads:
        seen = figures(load)
        print(
            f"{load.viewers:>7} {seen['forwarded_packets_per_second']:>10.0f} {seen['cpu_us_per_forwarded_packet']:>10.2f}"
            f" {seen['floor_us']:>9.2f} {seen['times_floor']:>6.2f} {seen['added_delay_ms_p50']:>7.2f}"
            f" {seen['added_delay_ms_p99']:>7.2f}"
        )
    last = figures(loads[-1])
    verdict = "met" if last["times_floor"] <= GOAL else "missed"
    print(f"The goal, at most {GOAL} times the floor, is {verdict} with {loads[-1].viewers} viewers.")


def _report(loads: list[Load], arguments: argparse.Namespace, seconds: float) -> dict[str, object]:
    return {
        "lab": "forwarding",
        "version": __version__,
        "command": "meetref lab forwarding" + (" --quick" if arguments.quick else f" --viewers {arguments.viewers}"),
        "seed": arguments.seed,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "settings": {
            "packets_per_second_in": FRAME_RATE * PACKETS_A_FRAME,
            "burst": PACKETS_A_FRAME,
            "seconds": seconds,
        },
        "figures": figures(loads[-1]),
        "series": {str(load.viewers): figures(load) for load in loads},
    }
