"""A way to a server, over UDP, TCP or TLS, and a relay in use at the end of it.

`open_way` gives a `DatagramSocket` whatever is below it; `Relay` runs TURN's client on one and carries packets of peers
past it, as plain calls. Stands above `protocol/turn` and `net/framed`, below `net/gathering`.
Specification: RFC 8656 sections 3.1 (transports to the server) and 12.5 (framing). Leaves out: DTLS to the server.
Read next: `net/gathering.py`.
"""

from __future__ import annotations

import errno
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.driver import Driver
from meetref.net.framed import open_framed
from meetref.net.network import Network
from meetref.net.stream import ends_of
from meetref.protocol import turn as protocol
from meetref.protocol.machine import Datagram, Event, Ignored
from meetref.protocol.request import RELIABLE_TIMEOUT
from meetref.wire import turn
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram

Over = Literal["udp", "tcp", "tls"]
MAXIMUM_KNOWN = 256  # hosts and peers that the relay was asked about; the machine has its own, lower bounds


class Unreachable(Exception):
    """There is no way to a server; `args[0]` says why, for people."""


@dataclass(slots=True, frozen=True)
class Target:
    """A server, and how to get there. `name` is what its certificate must be for, over TLS."""

    address: Address
    over: Over
    name: str


class StreamSplitter:
    """Finds the messages in what is read from a stream (RFC 8656 section 12.5). Its memory is one message at most."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, data: bytes) -> list[bytes]:
        whole = self._rest + data
        messages, end = turn.split_stream(whole)
        self._rest = whole[end:]
        return messages


@asynccontextmanager
async def open_way(
    network: Network, target: Target, base: str, tls: ssl.SSLContext | None
) -> AsyncIterator[DatagramSocket]:
    """A socket to a server; over UDP from the host `base`. Raises `Unreachable` before it is entered."""
    if target.over == "udp":
        try:
            socket = await network.open_datagram(Address(base, 0))
        except OSError as problem:
            raise Unreachable(f"no port can be had at {base}: {problem.strerror}") from None
        try:
            yield socket
        finally:
            socket.close()
        return
    stream, local = await _connect(network, target, tls)
    async with open_framed(stream, local, target.address, bytes, StreamSplitter()) as framed:
        yield framed


async def _connect(network: Network, target: Target, tls: ssl.SSLContext | None) -> tuple[trio.abc.Stream, Address]:
    """A stream to the server, behind TLS if so wished, and our end of it. Raises `Unreachable`."""
    stream: trio.abc.Stream | None = None
    try:
        with trio.fail_after(RELIABLE_TIMEOUT):
            stream = plain = await network.open_stream(target.address)
            if target.over == "tls":
                context = tls or ssl.create_default_context()  # spec: stun/over-tls
                stream = secure = trio.SSLStream(plain, context, server_hostname=target.name)
                await secure.do_handshake()
        return stream, ends_of(plain)[0]
    except trio.TooSlowError:
        why = f"no answer in {RELIABLE_TIMEOUT} s"
    except trio.BrokenResourceError as broken:
        why = _words_of_tls(broken.__cause__)
    except OSError as problem:
        why = _words_of(problem)
    if stream is not None:
        await trio.aclose_forcefully(stream)
    raise Unreachable(why)


def _words_of(problem: OSError) -> str:
    cause = problem.__cause__  # Trio tries the addresses of a name, and tells of each
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if problem.errno is None and isinstance(cause, OSError):
        problem = cause
    if problem.errno == errno.ECONNREFUSED:
        return "nobody listens there"
    if problem.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "there is no way to that address from here"
    return problem.strerror or str(problem)


def _words_of_tls(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"it does not speak TLS as we do: {cause.reason or cause}"
    return "the connection broke during the TLS handshake"


class Relay:
    """TURN's client on a socket of its own.

    `receive` gets what peers sent, as datagrams whose local address is ours on the relay; `deliver` gets events.
    """

    def __init__(
        self,
        client: protocol.Client,
        socket: DatagramSocket,
        receive: Callable[[list[Datagram], float], None],
        deliver: Callable[[Event], None],
    ) -> None:
        self.client = client
        self.ignored: Counter[str] = Counter()
        self._socket = socket
        self._receive = receive
        self._deliver = deliver
        self._driver = Driver(client, self._send_to_server, self._hear)
        self._hosts: set[str] = set()
        self._peers: set[Address] = set()

    def send(self, packets: Sequence[bytes], peer: Address) -> None:
        """Send to a peer from our address on the relay. The first packets bring about what they need to get through."""
        now = trio.current_time()
        known = peer.host in self._hosts
        if not known and len(self._hosts) < MAXIMUM_KNOWN:
            self._hosts.add(peer.host)
            self.client.permit(peer.host, now)
        wrapped = [octets for packet in packets if (octets := self.client.wrap(peer, packet)) is not None]
        if wrapped:
            self._socket.send(wrapped, self.client.server)
        # A check may lead nowhere; whoever gets a hello or media is worth a channel.
        if peer not in self._peers and len(self._peers) < MAXIMUM_KNOWN and _is_more_than_a_check(packets):
            self._peers.add(peer)
            self.client.bind(peer, now)
            known = False
        if not known:
            self._driver.turn(now)

    async def run(self) -> None:
        """Ask for a place and keep it, until cancelled or the socket has ended; at the end give it back."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._driver.run, name="clock")
            self.client.allocate(trio.current_time())
            self._driver.turn(trio.current_time())
            try:
                while True:
                    self._take(await self._socket.receive(), trio.current_time())
            except trio.ClosedResourceError:
                self.client.disconnected(trio.current_time())
            finally:
                self.client.close(trio.current_time())
                self._driver.turn(trio.current_time())
                nursery.cancel_scope.cancel()

    def _take(self, batch: list[Datagram], now: float) -> None:
        relayed = []
        for datagram in batch:
            found = self.client.unwrap(datagram.data) if datagram.remote == self.client.server else None
            if found is None:
                self._driver.receive(datagram, now)
                continue
            peer, data = found
            local = self.client.relayed_for(peer.host)
            if local is not None:
                relayed.append(Datagram(data, local, peer))
        if len(relayed) < len(batch):
            self._driver.turn(now)
        if relayed:
            self._receive(relayed, now)

    def _send_to_server(self, datagram: Datagram) -> None:
        self._socket.send((datagram.data,), datagram.remote)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Ignored):
            self.ignored[event.why] += 1
        else:
            self._deliver(event)


def _is_more_than_a_check(packets: Sequence[bytes]) -> bool:
    return any(packet and classify_datagram(packet[0]) != "stun" for packet in packets)
