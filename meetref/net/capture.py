"""Taps on sockets, and what they saw as a capture file that Wireshark opens and decrypts.

Stands above `wire/pcapng` and `wire/udp`; a socket of `net/datagram` or `net/virtual` shows each datagram to its `tap`.
Two uses: `capture_file` writes while things happen, and a key stands in the file before the packets that need it if it
was logged before them; a story collects the blocks and puts them `in_order`: the same octets each time.
Leaves out: signaling (TCP), and media in the clear; whoever has the file decrypts it with the secrets in it.
Read next: `wire/pcapng.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from meetref.net.datagram import DatagramSocket, Direction, Tap
from meetref.protocol.machine import Datagram
from meetref.wire import udp
from meetref.wire.pcapng import Block, Interface, Packet, Secrets, Section, serialize_block

MAXIMUM_OCTETS = 1 << 30  # of datagrams in one capture; later ones are counted as dropped
MAXIMUM_SECRETS = 100_000  # lines
FLUSH_EVERY_OCTETS = 1 << 16

Description = Callable[[Datagram, Direction], str | None]
"""Gives the comment of a packet, or None."""


class Capture:
    """Turns what taps see into blocks and gives those to `emit`, at once and in order.

    `clock_offset` (seconds) is added to `now`; 0 leaves times as they are in virtual time, from zero.
    """

    def __init__(
        self, emit: Callable[[Block], object], *, clock_offset: float = 0.0, maximum_octets: int = MAXIMUM_OCTETS
    ) -> None:
        self.packets = 0
        self.dropped = 0  # the capture was full
        self._emit = emit
        self._clock_offset = clock_offset
        self._octets_left = maximum_octets
        self._interfaces = 0
        self._secrets: set[str] = set()
        emit(Section())

    def tap(self, name: str, describe: Description | None = None) -> Tap:
        """A tap whose packets appear on an interface called `name`."""
        number = self._interfaces
        self._interfaces += 1
        self._emit(Interface(name))

        def show(datagram: Datagram, direction: Direction, now: float) -> None:
            if len(datagram.data) > self._octets_left:
                self.dropped += 1
                return
            self._octets_left -= len(datagram.data)
            self.packets += 1
            at_ns = round((now + self._clock_offset) * 1e9)
            comment = None if describe is None else describe(datagram, direction)
            self._emit(Packet(number, at_ns, _whole_packet(datagram, direction), comment, direction))

        return show

    def attach(self, sockets: Iterable[DatagramSocket]) -> None:
        """Tap each of `sockets`, as an interface that bears its local address."""
        for socket in sockets:
            socket.tap = self.tap(str(socket.local))

    def key_log(self, line: str) -> None:
        """Write a line of a TLS key log, once: both ends of a conversation in one process log the same ones."""
        if line not in self._secrets and len(self._secrets) < MAXIMUM_SECRETS:
            self._secrets.add(line)
            self._emit(Secrets(line.encode() + b"\n"))


def _whole_packet(datagram: Datagram, direction: Direction) -> bytes:
    ends = datagram.local, datagram.remote
    source, destination = ends if direction == "out" else ends[::-1]
    return udp.serialize(udp.Packet(source, destination, datagram.data))


def in_order(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of one section, sorted: section, interfaces, all secrets in one block, packets by time."""
    interfaces = [block for block in blocks if isinstance(block, Interface)]
    packets = sorted((block for block in blocks if isinstance(block, Packet)), key=lambda packet: packet.at_ns)
    secrets = [block.data for block in blocks if isinstance(block, Secrets)]
    return [Section(), *interfaces, *([Secrets(b"".join(sorted(secrets)))] if secrets else []), *packets]


class FileWriter:
    """Writes blocks to a file. A full disk ends the capture and not the meeting: `problem` then says what happened.

    Writing may take a moment and is done between two packets all the same: this is a tool for looking closely.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.problem: OSError | None = None
        self._file = file
        self._unflushed = 0

    def write(self, block: Block) -> None:
        if self.problem is not None:
            return
        octets = serialize_block(block)
        self._unflushed += len(octets)
        try:
            self._file.write(octets)
            if self._unflushed >= FLUSH_EVERY_OCTETS or not isinstance(block, Packet):
                self._file.flush()
                self._unflushed = 0
        except OSError as problem:
            self.problem = problem


@contextmanager
def capture_file(path: Path, *, clock_offset: float, maximum_octets: int = MAXIMUM_OCTETS) -> Iterator[Capture]:
    """Write a capture to `path` while the context lasts. Raises `OSError` where the file cannot be made."""
    with path.open("wb") as file:
        yield Capture(FileWriter(file).write, clock_offset=clock_offset, maximum_octets=maximum_octets)
