"""The floor: what no forwarding server can leave out, as a bare loop in a process of its own.

It receives and opens the publisher's packets and the viewers' feedback, writes a header for each viewer, ciphers, and
sends runs of equal size with one call. Nothing else: no rooms, no repair, no reports. `lab/forwarding` gives it the
same load as the server and compares the CPU time of both processes.
Leaves out: everything that makes it a server.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator
from struct import Struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

UDP_SEGMENT = 103  # linux/udp.h
HEADER = Struct("!BBHIIHHBHB")
KEY = bytes(range(16))
SEGMENTS = 60
FEEDBACK_SIZE = 60  # octets: what is larger is media


def nonce(number: int) -> bytes:
    """Twelve octets that are different for every number."""
    return number.to_bytes(12)


def main(viewers: list[int]) -> None:
    """Forward what comes to every port of `viewers` on loopback, until the process is ended."""
    cipher = AESGCM(KEY)
    ciphers = [AESGCM(KEY) for _ in viewers]
    inbound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbound.bind(("127.0.0.1", 0))
    inbound.setblocking(False)
    print(inbound.getsockname()[1], flush=True)
    addresses = [("127.0.0.1", port) for port in viewers]
    number = 0
    while True:
        select.select([inbound], [], [])
        opened = [_open(cipher, packet) for packet in _drain(inbound)]
        batch = [packet for packet in opened if len(packet) > FEEDBACK_SIZE]
        for address, lock in zip(addresses, ciphers, strict=True):
            locked = []
            for packet in batch:
                number += 1
                header = HEADER.pack(0x90, 96, number & 0xFFFF, number, 7, 0xBEDE, 1, 0x31, number & 0xFFFF, 0)
                locked.append(header + lock.encrypt(nonce(number), packet[20:], header))
            for run in _runs(locked):
                size = len(run[0])
                ancillary = [(socket.IPPROTO_UDP, UDP_SEGMENT, size.to_bytes(2, sys.byteorder))]
                inbound.sendmsg([b"".join(run)], ancillary if len(run) > 1 else [], 0, address)


def _drain(inbound: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield inbound.recv(2048)
        except BlockingIOError:
            return


def _open(cipher: AESGCM, packet: bytes) -> bytes:
    return cipher.decrypt(packet[:12], packet[12:], None)


def _runs(packets: list[bytes]) -> Iterator[list[bytes]]:
    """Neighbours of equal size; only the last of a run may be shorter."""
    run: list[bytes] = []
    for packet in packets:
        if run and (len(packet) > len(run[0]) or len(run[-1]) < len(run[0]) or len(run) == SEGMENTS):
            yield run
            run = []
        run.append(packet)
    if run:
        yield run


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
