"""The floor: the least that forwarding can cost, in a process of its own, as `python -m meetref.lab.floor`.

Receive and unlock what comes, write a header a viewer, encrypt with a kept `AESGCM`, send runs of equal size with one
call: no ICE, no signaling, no statistics, no cache, no safety, no event loop. It gets the load that the server gets.
Stands on `lab/load` for the shape of a line's locks only. Specification: RFC 3711 and RFC 7714 for what the packets
look like; keys are given, not derived. Standard input has one line of JSON, standard output a line at the beginning.
Leaves out: everything a server is for. Read next: `lab/forwarding.py`, which divides by what this costs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meetref.lab.leg import BUFFER_OCTETS, HERE, SEGMENT_SIZE, UDP_SEGMENT, find_runs

PATIENCE = Struct("=qq").pack(5, 0)  # seconds of silence, after which to look whether somebody is still there
MAXIMUM_BATCH = 64
HEADER = Struct("!BBHIIHHBHB")  # fixed header and the transport-wide number: what `lab/load` sends
CONTROL_HEADER_OCTETS = 8
SALT_OCTETS = 12
TAG_OCTETS = 16
ENCRYPTED = 1 << 31


class BareLocks:
    """AES-GCM as SRTP uses it, for one direction each way, with given keys and without replay protection."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = AESGCM(key)
        self._salt = int.from_bytes(salt)
        self._index = 0

    def lock(self, packet: bytes) -> bytes:
        header = packet[: HEADER.size]
        return header + self._cipher.encrypt(self._nonce(packet), packet[HEADER.size :], header)

    def unlock(self, packet: bytes) -> bytes | None:
        header = packet[: HEADER.size]
        try:
            return header + self._cipher.decrypt(self._nonce(packet), packet[HEADER.size :], header)
        except InvalidTag:
            return None

    def seal(self, header: bytes, ssrc: int, sequence: int, payload: bytes) -> bytes:
        """`lock` for a packet that is still in two parts."""
        nonce = (self._salt ^ (ssrc << 48 | sequence)).to_bytes(SALT_OCTETS)
        return header + self._cipher.encrypt(nonce, payload, header)

    def lock_control(self, packet: bytes) -> bytes:
        self._index += 1
        head, index = packet[:CONTROL_HEADER_OCTETS], (ENCRYPTED | self._index).to_bytes(4)
        nonce = (self._salt ^ (int.from_bytes(head[4:]) << 48 | self._index)).to_bytes(SALT_OCTETS)
        return head + self._cipher.encrypt(nonce, packet[CONTROL_HEADER_OCTETS:], head + index) + index

    def unlock_control(self, packet: bytes) -> bytes | None:
        head, index = packet[:CONTROL_HEADER_OCTETS], packet[-4:]
        number = int.from_bytes(index) ^ ENCRYPTED
        nonce = (self._salt ^ (int.from_bytes(head[4:]) << 48 | number)).to_bytes(SALT_OCTETS)
        try:
            return head + self._cipher.decrypt(nonce, packet[CONTROL_HEADER_OCTETS:-4], head + index)
        except InvalidTag:
            return None

    def _nonce(self, packet: bytes) -> bytes:
        index = int.from_bytes(packet[8:12]) << 48 | int.from_bytes(packet[2:4])
        return (self._salt ^ index).to_bytes(SALT_OCTETS)


class _Viewer:
    __slots__ = ("address", "locks", "pending", "sequence", "ssrc")

    def __init__(self, port: int, key: bytes, salt: bytes, ssrc: int) -> None:
        self.address = (HERE, port)
        self.locks = BareLocks(key, salt)
        self.ssrc = ssrc
        self.sequence = 0
        self.pending: list[bytes] = []


class Floor:
    """The bare loop. `keys` are pairs of key and salt, the publisher's first; `ports` the viewers'."""

    def __init__(self, door: socket.socket, publisher: int, ports: list[int], keys: list[tuple[bytes, bytes]]) -> None:
        self.sends = 0
        self.packets = 0
        self._door = door
        self._publisher = publisher
        self._source = BareLocks(*keys[0])
        self._viewers = [
            _Viewer(port, key, salt, number)
            for number, (port, (key, salt)) in enumerate(zip(ports, keys[1:], strict=True), 1)
        ]
        self._by_port = {viewer.address[1]: viewer for viewer in self._viewers}
        self._segments: dict[int, list[tuple[int, int, bytes]]] = {}

    def turn(self) -> bool:
        """Wait for a batch and forward it. False when nothing came for some seconds."""
        try:
            batch = [self._door.recvfrom(2048)]
        except BlockingIOError:
            return False
        try:
            while len(batch) < MAXIMUM_BATCH:
                batch.append(self._door.recvfrom(2048, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass
        for data, (_, port) in batch:
            if port != self._publisher:
                self._by_port[port].locks.unlock_control(data)
            elif 192 <= data[1] <= 223:
                self._source.unlock_control(data)
            else:
                plain = self._source.unlock(data)
                if plain is not None:
                    self._forward(plain)
        self._flush()
        return True

    def _forward(self, plain: bytes) -> None:
        first, second, _, timestamp, _, profile, words, head, _, rest = HEADER.unpack_from(plain)
        payload = plain[HEADER.size :]
        for viewer in self._viewers:
            sequence = viewer.sequence = (viewer.sequence + 1) & 0xFFFF
            ssrc = viewer.ssrc
            header = HEADER.pack(first, second, sequence, timestamp, ssrc, profile, words, head, sequence, rest)
            viewer.pending.append(viewer.locks.seal(header, ssrc, sequence, payload))

    def _flush(self) -> None:
        """All viewers get packets of the same sizes, so the runs are found once."""
        runs = find_runs([len(packet) for packet in self._viewers[0].pending]) if self._viewers else []
        for viewer in self._viewers:
            pending = viewer.pending
            for first, end, size in runs:
                ancillary = self._segments.get(size)
                if ancillary is None:
                    ancillary = self._segments[size] = [(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(size))]
                self._door.sendmsg(pending[first:end], ancillary, 0, viewer.address)
            self.sends += len(runs)
            self.packets += len(pending)
            pending.clear()


def _stop(number: int, frame: object) -> None:
    raise SystemExit


def main() -> None:
    """Tell the port, read the lines' keys, forward until SIGTERM or until the parent is gone."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_OCTETS)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, PATIENCE)
    door.bind((HERE, 0))
    print(json.dumps({"port": door.getsockname()[1]}), flush=True)
    told = json.loads(sys.stdin.readline())
    keys = [(bytes.fromhex(key), bytes.fromhex(salt)) for key, salt in told["keys"]]
    floor = Floor(door, told["publisher"], told["viewers"], keys)
    try:
        while floor.turn() or os.getppid() == parent:
            pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        door.close()
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
            print(json.dumps({"datagrams_out": floor.packets, "send_calls": floor.sends}), flush=True)


if __name__ == "__main__":
    main()
