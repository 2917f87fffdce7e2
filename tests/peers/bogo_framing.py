"""How BoringSSL's test runner and a program under test talk over one TCP connection when the subject is DTLS.

    shim id 8 (little-endian), once, from the shim; then frames:
    'P' | length 4 | datagram                    both ways
    'T' | nanoseconds 8                          from the runner: let that time pass; the shim answers 't'
    'M' | octets 4                               from the runner: no datagram may be longer from now on
    'E' | nanoseconds 8 (all ones: no timer)     from the runner: so long must your timer still run
    'U' | milliseconds 4                         from the runner: your first wait is this long

Specification: ssl/test/PORTING.md and ssl/test/runner/packet_adapter.go of BoringSSL.
Stands above nothing. Read next: `tests/peers/bogo_shim.py`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

NO_TIMER = 2**64 - 1
LONGEST_DATAGRAM = 2**16


class FramingBroken(Exception):
    """What came is no frame: the connection cannot be used any more."""


@dataclass(slots=True, frozen=True)
class Packet:
    """A datagram of the other side."""

    data: bytes


@dataclass(slots=True, frozen=True)
class TimePasses:
    """The clock goes on by so many seconds."""

    seconds: float


@dataclass(slots=True, frozen=True)
class PathLimit:
    """The size of the largest datagram from now on, in octets."""

    octets: int


@dataclass(slots=True, frozen=True)
class TimerExpected:
    """In so many seconds the timer must run out; None: there must be none."""

    seconds: float | None


@dataclass(slots=True, frozen=True)
class FirstWait:
    """How long a flight waits for its answer, in seconds, before it goes again."""

    seconds: float


Frame = Packet | TimePasses | PathLimit | TimerExpected | FirstWait

_FIELDS = {b"P": 4, b"T": 8, b"M": 4, b"E": 8, b"U": 4}


class Packets:
    """One end of the connection, which it owns from now on."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")

    def read(self) -> Frame | None:
        """The next frame; None when the other side has closed. Raises `FramingBroken`."""
        opcode = self._reader.read(1)
        if not opcode:
            return None
        size = _FIELDS.get(opcode)
        if size is None:
            raise FramingBroken(f"no frame begins with {opcode!r}")
        number = int.from_bytes(self._exactly(size), "big")
        match opcode:
            case b"P" if number <= LONGEST_DATAGRAM:
                return Packet(self._exactly(number))
            case b"T":
                return TimePasses(number / 1e9)
            case b"M":
                return PathLimit(number)
            case b"E":
                return TimerExpected(None if number == NO_TIMER else number / 1e9)
            case b"U":
                return FirstWait(number / 1e3)
        raise FramingBroken(f"a datagram of {number} octets")

    def _exactly(self, size: int) -> bytes:
        octets = self._reader.read(size)
        if len(octets) != size:
            raise FramingBroken("the connection ends within a frame")
        return octets

    def say_who(self, shim_id: int) -> None:
        """The first thing that the shim says."""
        self._connection.sendall(shim_id.to_bytes(8, "little"))

    def write(self, datagram: bytes) -> None:
        """Send a datagram."""
        self._connection.sendall(b"P" + len(datagram).to_bytes(4, "big") + datagram)

    def acknowledge_time(self) -> None:
        """Say that the clock goes on; whatever is sent after this is sent later."""
        self._connection.sendall(b"t")

    def close(self) -> None:
        """Say that nothing follows, and wait for the same from the other side."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
            while self._reader.read(4096):
                pass
        except OSError:
            pass  # the other side has gone already
        self._reader.close()
        self._connection.close()
