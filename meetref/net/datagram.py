"""UDP on the kernel's sockets: one wake-up for a batch of datagrams, one system call for a run of equal ones.

Stands above `wire/address` and the `Datagram` of `protocol/machine`, below `net/port` and everything that sends media.
Source: Linux udp(7), UDP_SEGMENT ("GSO": the kernel cuts one large send into datagrams) and UDP_GRO (it joins them
again for a receiver); elsewhere plain non-blocking calls do the same job.
Leaves out: waiting until a datagram can be sent. Live media forgets: a full kernel queue drops, and is counted.
Read next: `net/port.py`, `net/driver.py`.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Literal, NamedTuple, Protocol

import trio

from meetref.net.addresses import OwnAddresses
from meetref.net.unhurried import open_twin
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

Direction = Literal["in", "out"]
Tap = Callable[[Datagram, Direction, float], None]
"""Is shown every datagram of a socket, with `now` in seconds; must be quick and must not raise."""

MAXIMUM_BATCH = 64  # datagrams in one batch, give or take the last joined ones
MAXIMUM_RUN = 64  # datagrams in one segmented send: the kernel's UDP_MAX_SEGMENTS
MAXIMUM_RUN_OCTETS = 65_000
MAXIMUM_DATAGRAM = 65_535
BUFFER_OCTETS = 4 << 20
MAXIMUM_KNOWN_PEERS = 4096  # the caches below are filled by whoever sends to us: full, they start anew

# Linux's numbers; Python's `socket` has no names for them before 3.13 (and the first two never).
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
UDP_SEGMENT, UDP_GRO = 103, 104
IPPROTO_IP, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 0, 10, 23, 2

AVOIDS_FRAGMENTS = sys.platform.startswith("linux")
"""Whether `send_unfragmented` can keep its word."""

SEGMENT_SIZE = Struct("=H")
JOINED_SIZE = Struct("=i")
ANCILLARY_OCTETS = socket.CMSG_SPACE(JOINED_SIZE.size) if hasattr(socket, "CMSG_SPACE") else 0

QUEUE_IS_FULL = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM})
CANNOT_SEGMENT = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
CANNOT_SEGMENT_ANYWHERE = frozenset({errno.ENOPROTOOPT, errno.EOPNOTSUPP})

Ancillary = list[tuple[int, int, bytes]]
Received = tuple[bytes, int, tuple[str, int]]
"""The octets of one call, how many each datagram has, and who sent them."""
Receive = Callable[[], Received]


@dataclass(slots=True)
class Counters:
    """What a socket did. Its mean run length is `datagrams_out / send_calls`."""

    datagrams_in: int = 0
    datagrams_out: int = 0
    octets_in: int = 0
    octets_out: int = 0
    receive_calls: int = 0
    send_calls: int = 0
    joined_in: int = 0  # datagrams that came joined with others (GRO)
    joined_out: int = 0  # datagrams that left joined with others (GSO)
    dropped: int = 0  # the queue was full: on the way out in the kernel, in the virtual world on the way in
    refused: int = 0  # the system would not send there
    foreign: int = 0  # not from this machine, where only that is allowed


class Run(NamedTuple):
    """Datagrams from `remote` in the order of their coming: each has `size` octets, only the last may have fewer."""

    data: bytes
    size: int
    remote: Address

    def cut(self) -> list[bytes]:
        """The datagrams, one by one."""
        data, size = self.data, self.size
        if size == len(data):
            return [data]
        return [data[start : start + size] for start in range(0, len(data), size)]


class DatagramSocket(Protocol):
    """A UDP socket bound to one local address, real or virtual."""

    local: Address
    counters: Counters
    tap: Tap | None

    async def receive(self) -> list[Datagram]:
        """Wait until something is there, then take some of it. Raises `trio.ClosedResourceError` once closed."""
        ...

    def poll(self) -> list[Datagram]:
        """Take some more without waiting; nothing when nothing is there."""
        ...

    async def receive_runs(self) -> list[Run]:
        """The same, but what came joined stays joined: for who does one thing with all of a run."""
        ...

    def send(self, packets: Sequence[bytes], remote: Address) -> None:
        """Send `packets` in order, now or never: what cannot leave at once is dropped and counted."""
        ...

    def send_unfragmented(self, packet: bytes, remote: Address) -> None:
        """Send one packet that is dropped rather than cut into fragments, here and on its way."""
        ...

    def close(self) -> None: ...


class Destination:
    """What a socket knows of one remote address: how the system spells it, and whether runs may go there."""

    __slots__ = ("segments", "spelling")

    def __init__(self, spelling: tuple[str, int], segments: bool) -> None:
        self.spelling = spelling
        self.segments = segments


class KernelDatagramSocket:
    """A `DatagramSocket` of the operating system.

    With `only_from`, datagrams from other hosts are dropped and counted.
    Raises `OSError` where the address cannot be had.
    """

    def __init__(self, local: Address, *, only_from: OwnAddresses | None = None, segmentation: bool = True) -> None:
        family = socket.AF_INET6 if local.is_ipv6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if local.is_ipv6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind((local.host, local.port))
        except BaseException:
            self._socket.close()
            raise
        self.local = Address(local.host, self._socket.getsockname()[1])
        self.counters = Counters()
        self.tap: Tap | None = None
        self._closed = False
        self._only_from = only_from
        self._origins: dict[tuple[str, int], Address | None] = {}
        self._destinations: dict[Address, Destination] = {}
        self._segment_sizes: dict[int, Ancillary] = {}
        self._buffer = bytearray(MAXIMUM_DATAGRAM)
        self._octets = memoryview(self._buffer)
        self._enlarge(self._socket, socket.SO_RCVBUF, SO_RCVBUFFORCE)
        self._enlarge(self._socket, socket.SO_SNDBUF, SO_SNDBUFFORCE)
        joined = segmentation and self._has_segmentation()  # datagrams may come in joined
        self._receive: Receive = self._receive_joined if joined else self._receive_plain
        self._can_segment = joined
        self._twin: socket.socket | None = None

    def _enlarge(self, of: socket.socket, option: int, forced: int) -> None:
        """A burst of video must fit; only the superuser may go beyond the system's limit."""
        if ANCILLARY_OCTETS and hasattr(socket, "SO_PEERCRED"):  # Linux
            with contextlib.suppress(OSError):
                of.setsockopt(socket.SOL_SOCKET, forced, BUFFER_OCTETS)
                return
        with contextlib.suppress(OSError):
            of.setsockopt(socket.SOL_SOCKET, option, BUFFER_OCTETS)

    def _has_segmentation(self) -> bool:
        """Ask before use: an old kernel would take the option without a word and send one huge datagram."""
        if not hasattr(socket, "SO_PEERCRED") or not hasattr(self._socket, "recvmsg"):
            return False
        try:
            self._socket.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
            self._socket.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        except OSError:
            return False
        return True

    # --- in -------------------------------------------------------------------------------------------

    async def receive(self) -> list[Datagram]:
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            batch = self.poll()
            if batch:
                return batch

    async def receive_runs(self) -> list[Run]:
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            runs: list[Run] = []
            while len(runs) < MAXIMUM_BATCH and (run := self._next_run(self._receive)) is not None:
                runs.append(run)
            if runs:
                return runs

    def poll(self) -> list[Datagram]:
        run = None if self._closed else self._next_run(self._receive)
        return [] if run is None else [Datagram(data, self.local, run.remote) for data in run.cut()]

    def put_aside(self) -> bool:
        """From now on have what can wait come by `poll_aside` (`net/unhurried`); false where the system cannot."""
        self._twin = open_twin(self._socket)
        if self._twin is None:
            return False
        self._enlarge(self._twin, socket.SO_RCVBUF, SO_RCVBUFFORCE)
        return True

    def take_back(self) -> None:
        """Undo `put_aside`; what waits is lost."""
        if self._twin is not None:
            self._twin.close()
            self._twin = None

    def poll_aside(self) -> list[Datagram]:
        """Take some of what was put aside."""
        batch: list[Datagram] = []
        while self._twin is not None and len(batch) < MAXIMUM_BATCH:
            run = self._next_run(self._receive_aside)
            if run is None:
                break
            batch.append(Datagram(run.data, self.local, run.remote))
        return batch

    def _next_run(self, receive: Receive) -> Run | None:
        """What one call brings, a datagram or several joined; None where nothing is there. Foreign ones are skipped."""
        counters = self.counters
        if self._only_from is not None and self._only_from.refresh(trio.current_time()):
            self._origins.clear()
        for _ in range(MAXIMUM_BATCH):
            try:
                data, size, spelling = receive()
            except OSError as problem:
                # Nothing there, mostly. Some systems tell here that an earlier datagram was refused.
                if problem.errno not in QUEUE_IS_FULL:
                    counters.refused += 1
                return None
            counters.receive_calls += 1
            remote = self._origin(spelling)
            length = -(-len(data) // size) if size else 1
            if remote is None:
                counters.foreign += length
                continue
            run = Run(data, size, remote)
            counters.datagrams_in += length
            counters.octets_in += len(data)
            counters.joined_in += length if length > 1 else 0
            if self.tap is not None:
                for datagram in run.cut():
                    self.tap(Datagram(datagram, self.local, remote), "in", trio.current_time())
            return run
        return None

    def _receive_plain(self) -> Received:
        data, spelling = self._socket.recvfrom(MAXIMUM_DATAGRAM)
        return data, len(data), spelling

    def _receive_aside(self) -> Received:
        assert self._twin is not None
        data, spelling = self._twin.recvfrom(MAXIMUM_DATAGRAM)
        return data, len(data), spelling

    def _receive_joined(self) -> Received:
        length, ancillary, _, spelling = self._socket.recvmsg_into((self._buffer,), ANCILLARY_OCTETS)
        size = length
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_UDP and kind == UDP_GRO:
                size = JOINED_SIZE.unpack(value)[0]
        return bytes(self._octets[:length]), size, spelling

    def _origin(self, spelling: tuple[str, int]) -> Address | None:
        """The canonical address of who sent, always the same object; None for a host that may not send to us."""
        try:
            return self._origins[spelling]
        except KeyError:
            return self._learn_origin(spelling)

    def _learn_origin(self, spelling: tuple[str, int]) -> Address | None:
        if len(self._origins) >= MAXIMUM_KNOWN_PEERS:
            self._origins.clear()
        host = canonical_host(spelling[0])
        foreign = self._only_from is not None and not self._only_from.holds(host)
        origin = None if foreign else Address(host, spelling[1])
        self._origins[spelling] = origin
        return origin

    # --- out ------------------------------------------------------------------------------------------

    def send(self, packets: Sequence[bytes], remote: Address) -> None:
        destination = self._destinations.get(remote) or self._learn_destination(remote)
        if destination is None:
            self.counters.refused += len(packets)
            return
        if self.tap is not None:
            self._show(packets, remote)
        if len(packets) == 1 or not destination.segments:
            for packet in packets:
                self._send_one(packet, destination.spelling)
        else:
            self._send_runs(packets, destination)

    def _show(self, packets: Sequence[bytes], remote: Address) -> None:
        now = trio.current_time()
        for packet in packets:
            assert self.tap is not None
            self.tap(Datagram(bytes(packet), self.local, remote), "out", now)

    def _learn_destination(self, remote: Address) -> Destination | None:
        """None where nothing can go: the other family, port 0, no IP address. A stranger may well have named those."""
        if remote.is_ipv6 != self.local.is_ipv6 or not 0 < remote.port <= 0xFFFF:
            return None
        try:
            # Only numbers may pass: a name would make the system ask the DNS, and wait for it.
            host = canonical_host(remote.host)
        except Malformed:
            return None
        if "%" in host:  # an interface of ours, named by someone else
            return None
        if len(self._destinations) >= MAXIMUM_KNOWN_PEERS:
            self._destinations.clear()
        destination = Destination((host, remote.port), self._can_segment)
        self._destinations[remote] = destination
        return destination

    def _send_one(self, packet: bytes, spelling: tuple[str, int]) -> None:
        counters = self.counters
        try:
            counters.octets_out += self._socket.sendto(packet, spelling)
            counters.datagrams_out += 1
        except OSError as problem:
            if problem.errno in QUEUE_IS_FULL:
                counters.dropped += 1
            else:
                counters.refused += 1
        counters.send_calls += 1

    def send_unfragmented(self, packet: bytes, remote: Address) -> None:
        # An option of the socket, not of the packet: the kernel decides while it takes the packet, so it may go back.
        level, option = IPPROTO_IP, IP_MTU_DISCOVER
        if self.local.is_ipv6:
            level, option = socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER
        before = self._socket.getsockopt(level, option)
        self._socket.setsockopt(level, option, PMTUDISC_DO)
        try:
            self.send((packet,), remote)
        finally:
            self._socket.setsockopt(level, option, before)

    def _send_runs(self, packets: Sequence[bytes], destination: Destination) -> None:
        """Cut `packets` into runs of one size, of which the last packet alone may be shorter."""
        sizes = [len(packet) for packet in packets]
        first, count = 0, len(packets)
        if 0 < sum(sizes) <= MAXIMUM_RUN_OCTETS and sizes.count(sizes[0]) == count <= MAXIMUM_RUN:  # mostly
            self._send_run(packets, sizes[0], destination)
            return
        while first < count:
            size = sizes[first]
            most = min(first + MAXIMUM_RUN, first + MAXIMUM_RUN_OCTETS // size) if size else first + 1
            end = first + 1
            while end < count and end < most and sizes[end] == size:
                end += 1
            if end < count and end < most and 0 < sizes[end] < size:
                end += 1
            if end - first == 1 or not destination.segments:
                for packet in packets[first:end]:
                    self._send_one(packet, destination.spelling)
            else:
                self._send_run(packets[first:end], size, destination)
            first = end

    def _send_run(self, run: Sequence[bytes], size: int, destination: Destination) -> None:
        counters = self.counters
        ancillary = self._segment_sizes.get(size)
        if ancillary is None:
            ancillary = [(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(size))]
            self._segment_sizes[size] = ancillary
        counters.send_calls += 1
        try:
            counters.octets_out += self._socket.sendmsg(run, ancillary, 0, destination.spelling)
            counters.datagrams_out += len(run)
            counters.joined_out += len(run)
        except OSError as problem:
            if problem.errno in QUEUE_IS_FULL:
                counters.dropped += len(run)
            elif problem.errno in CANNOT_SEGMENT:
                # A peer behind a narrow path must not cost the others their runs: only it goes plain from now on.
                destination.segments = False
                self._can_segment &= problem.errno not in CANNOT_SEGMENT_ANYWHERE
                for packet in run:
                    self._send_one(packet, destination.spelling)
            else:
                counters.refused += len(run)

    def close(self) -> None:
        """Close at once, also while being cancelled; a second time does nothing."""
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
            self.take_back()
