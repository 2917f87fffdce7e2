"""A long and lossy line between two network namespaces: what goes through it takes its time, and some of it is lost.

Run in one namespace with the name of the other; the device `lan0` that joined them is replaced in both by one whose
packets come through here. A line on the standard input says what is lost from then on, in per cent: `up 5` on the way
to the other namespace, `down 5` on the way from there.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

from tests.peers.office import DESK, SERVER, run

SET_INTERFACE, TUN, BARE = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
ONE_WAY = 0.1  # seconds


def open_device(address: str) -> int:
    """The device `lan0` of the namespace that this process is in, as a file of packets."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, SET_INTERFACE, struct.pack("16sH", b"lan0", TUN | BARE))
    run("ip", "link", "set", "lan0", "addrgenmode", "none")
    run("ip", "addr", "add", f"{address}/24", "dev", "lan0")
    run("ip", "link", "set", "lan0", "up")
    return device


def enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open() as there:
        if libc.setns(there.fileno(), NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def carry(desk: int, server: int) -> None:
    """Until the standard input is closed."""
    dice, lost = random.Random(1), {"up": 0.0, "down": 0.0}
    waiting: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        due = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready in select.select([desk, server, 0], [], [], due)[0]:
            if ready == 0:
                said = os.read(0, 4096).decode().split()
                if not said:
                    return
                lost |= {way: float(share) / 100 for way, share in zip(said[::2], said[1::2], strict=True)}
                continue
            way, to = ("up", server) if ready == desk else ("down", desk)
            packet = os.read(ready, 65536)
            if dice.random() >= lost[way]:
                count += 1
                heapq.heappush(waiting, (time.monotonic() + ONE_WAY, count, to, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(waiting)
            os.write(to, packet)


class LongLine:
    """The line, for a program in the one namespace; it is cut when the program ends."""

    def __init__(self, namespace: str) -> None:
        run("ip", "link", "del", "lan0")
        words = [sys.executable, "-m", "tests.peers.long_line", namespace]
        self._carrying = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._carrying.stdout is not None
        assert self._carrying.stdout.readline() == "there\n"
        run("ip", "route", "add", "default", "via", SERVER)

    def lose(self, way: str, per_cent: float) -> None:
        assert self._carrying.stdin is not None
        print(way, per_cent, file=self._carrying.stdin, flush=True)


def main(namespace: str) -> None:
    desk = open_device(DESK)
    enter(namespace)
    server = open_device(SERVER)
    print("there", flush=True)
    carry(desk, server)


if __name__ == "__main__":
    main(sys.argv[1])
