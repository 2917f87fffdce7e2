"""The telephone exchange: whose is this datagram? One UDP port serves every connection of the server.

A check of ICE names its connection (the ufrag in front of the colon is ours); its address is remembered once the
check proved authentic, and from then on the address names the connection. Each batch of the port goes through
`receive` in one synchronous call chain, and is forwarded in `finish`.
Stands above `meeting/up` and `meeting/down`, the two kinds of connection, and `net/port` and `net/driver`; below
`meeting/participant`, which has a connection served.
Specification: RFC 8445 section 7.3 (USERNAME), RFC 7983 (first octet).
A TCP stream is one more path (`net/streampath`): its ends are `StreamAddress`es, everything else is the same.
Leaves out: what is in a datagram. Read next: `meeting/up.py`, where a publisher's packet goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import trio

from meetref.meeting.track import Encoding
from meetref.net.driver import Clock, Driver
from meetref.net.port import Port
from meetref.protocol.machine import Datagram, Event, Machine
from meetref.protocol.peer import PathOpened, Peer
from meetref.wire import stun
from meetref.wire.address import Address

MAXIMUM_CONNECTIONS = 2000
MAXIMUM_TRANSACTIONS = 8192
MAXIMUM_ASIDE = 8192  # datagrams that are taken at a time; the rest waits for the next time

MAXIMUM_PATHS = 16
"""Addresses remembered for one connection: a laptop has a few, a stranger who spoofs them gets no more."""


class Connection(Machine, Protocol):
    """What the exchange runs: a machine around a peer, that takes media apart from the five methods."""

    peer: Peer

    def receive_media(self, data: bytes, now: float) -> None:
        """One datagram of media. Says `touch` itself where it leaves something to send or to wait for."""
        ...


class Full(Exception):
    """No more connections fit."""


class Exchange:
    """Routes the datagrams of `port` to the connections that are being served.

    `arrived` are the encodings that have got packets in this batch.
    """

    def __init__(self, port: Port) -> None:
        self.port = port
        self.arrived: list[Encoding] = []
        self.ignored: Counter[str] = Counter()
        self._clock = Clock()
        self._drivers: dict[Connection, Driver] = {}
        self._failures: dict[Connection, Callable[[Exception], None]] = {}
        self._by_ufrag: dict[str, Connection] = {}
        self._by_address: dict[Address, Connection] = {}
        self._claims: dict[Address, Connection] = {}
        """Who proved to be at an address that another connection still uses, and gets it when that one goes."""
        self._by_transaction: dict[bytes, Connection] = {}
        self._touched: dict[Connection, None] = {}
        self._in_batch = False
        self.relay: Callable[[list[Datagram], float], None] | None = None
        """Is given what TURN's clients send to this port, and questions that are for no connection."""
        self._for_relay: list[Datagram] = []

    def __len__(self) -> int:
        return len(self._drivers)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the port and keep every connection's time, until cancelled."""
        self.port.put_aside()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.port.run, self.receive, self.finish, name="media")
            await nursery.start(self._clock.run, name="clock")
            task_status.started()

    async def serve(
        self,
        connection: Connection,
        deliver: Callable[[Event], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve one connection until cancelled; it says goodbye then. Raises `Full`, and whatever `fail` was told."""
        if len(self._drivers) >= MAXIMUM_CONNECTIONS:
            raise Full(f"the server has {MAXIMUM_CONNECTIONS} connections and takes no more")
        errors: list[Exception] = []
        failed = trio.Event()

        def fail(error: Exception) -> None:
            errors.append(error)
            failed.set()

        driver = self._drivers[connection] = self._driver(connection, deliver, fail)
        self._failures[connection] = fail
        self.know(connection)
        try:
            driver.turn(trio.current_time())
            task_status.started()
            await failed.wait()
            raise errors[0]
        finally:
            now = trio.current_time()
            self._forget(connection)
            connection.peer.close(now)
            driver.turn(now)
            driver.stop()

    def _driver(
        self, connection: Connection, deliver: Callable[[Event], None], fail: Callable[[Exception], None]
    ) -> Driver:
        def send(datagram: Datagram) -> None:
            if datagram.data[0] == 0:  # a STUN request: its answer has no name in it, only the transaction
                self._expect_answer(datagram.data[8:20], connection)
            self.port.send_datagram(datagram)

        def on_event(event: Event) -> None:
            if isinstance(event, PathOpened):
                self._open_path(connection, event.remote)
            deliver(event)

        return Driver(connection, send, on_event, clock=self._clock, failed=fail)

    def fail(self, connection: Connection, error: Exception) -> None:
        """End one connection because of a mistake of ours: its `serve` raises `error`, and nobody else is disturbed."""
        fail = self._failures.get(connection)
        if fail is not None:
            fail(error)

    def know(self, connection: Connection) -> None:
        """Route checks by the connection's present ufrag: at its start, and after an ICE restart."""
        self._by_ufrag = {ufrag: of for ufrag, of in self._by_ufrag.items() if of is not connection}
        for ufrag in connection.peer.ufrags:
            self._by_ufrag[ufrag] = connection

    def knows(self, remote: Address) -> bool:
        """Whether somebody proved to be there."""
        return remote in self._by_address

    def path_closed(self, local: Address, remote: Address) -> None:
        """A TCP stream ended."""
        connection = self._by_address.pop(remote, None)
        if connection is not None:
            connection.peer.path_closed(local, remote, trio.current_time())
            self.touch(connection)

    def touch(self, connection: Connection) -> None:
        """`connection` has something to send, or its clock changed: at the end of the batch, or now outside of one."""
        if self._in_batch:
            self._touched[connection] = None
        elif connection in self._drivers:
            self._drivers[connection].turn(trio.current_time())

    # --- the hot path -----------------------------------------------------------------------------

    def receive(self, datagrams: list[Datagram], now: float) -> None:
        """A part of what one wake-up of a socket brings; what comes of it waits for `finish`."""
        self._in_batch = True
        for datagram in datagrams:
            self._route(datagram, now)

    def receive_batch(self, batch: list[Datagram], now: float) -> None:
        """All that there is for now, as a stream brings it."""
        self.receive(batch, now)
        self.finish(now)

    def read_aside(self, now: float) -> None:
        """Take what the sockets have put aside, for it could wait."""
        taken = 0
        while taken < MAXIMUM_ASIDE and (some := self.port.poll_aside()):
            self.receive(some, now)
            taken += len(some)
        self.finish(now)

    def finish(self, now: float) -> None:
        """The batch is over: forward what came, and give every connection that it touched its turn."""
        for encoding in self.arrived:
            encoding.forward(now)
            now = trio.current_time()  # many viewers take a while, and their lines are measured by when a packet left
        self.arrived.clear()
        self._turn_touched(now)
        self._clock.expire(now)
        self._turn_touched(now)  # those that the timers of others touched
        self._in_batch = False
        if self._for_relay:
            if self.relay is not None:
                self.relay(self._for_relay, now)
            self._for_relay.clear()

    def _turn_touched(self, now: float) -> None:
        while self._touched:
            connection, _ = self._touched.popitem()
            driver = self._drivers.get(connection)
            if driver is not None:
                try:
                    driver.turn(now)
                except Exception as error:
                    self.fail(connection, error)

    def _route(self, datagram: Datagram, now: float) -> None:
        data = datagram.data
        first = data[0] if data else 255
        if first < 128 and self.relay is not None and _is_relayed(data):
            # Browsers gather from one socket: a client of the relay may well be a connection's path, too.
            self._for_relay.append(datagram)
            return
        connection = self._by_address.get(datagram.remote) if first > 3 else self._of_check(data)
        if connection is None:
            if first <= 3 and self.relay is not None:
                self._for_relay.append(datagram)
            else:
                self.ignored["from nobody we know"] += 1
            return
        try:
            if 128 <= first <= 191:  # RTP or RTCP; `wire/multiplex` written out, for it is asked for every packet
                connection.receive_media(data, now)
            else:
                self._drivers[connection].receive(datagram, now)
                self._touched[connection] = None
        except Exception as error:
            self.fail(connection, error)

    # --- who is where -----------------------------------------------------------------------------

    def _of_check(self, data: bytes) -> Connection | None:
        """STUN: a request names our ufrag first; an answer names nobody (libnice: itself), its transaction is ours."""
        username = stun.peek_username(data) if data and data[0] == 0 else None
        if username is not None:
            return self._by_ufrag.get(username.partition(":")[0])
        return self._by_transaction.pop(data[8:20], None)

    def _expect_answer(self, transaction: bytes, connection: Connection) -> None:
        if len(self._by_transaction) >= MAXIMUM_TRANSACTIONS:
            del self._by_transaction[next(iter(self._by_transaction))]  # the oldest one
        self._by_transaction[transaction] = connection

    def _open_path(self, connection: Connection, remote: Address) -> None:
        owner = self._by_address.get(remote)
        if owner is connection:
            return
        if owner is not None and self._uses(owner, remote):
            self.ignored["path of another connection"] += 1
            self._claims[remote] = connection
            return
        paths = [address for address, of in self._by_address.items() if of is connection]
        if len(paths) >= MAXIMUM_PATHS:
            del self._by_address[next(address for address in paths if not self._uses(connection, address))]
        self._by_address[remote] = connection

    def _uses(self, connection: Connection, remote: Address) -> bool:
        path = connection.peer.path
        return path is not None and path[1] == remote

    def _forget(self, connection: Connection) -> None:
        for table in (self._drivers, self._failures, self._touched):
            table.pop(connection, None)
        self._by_ufrag = {ufrag: of for ufrag, of in self._by_ufrag.items() if of is not connection}
        self._by_transaction = {key: of for key, of in self._by_transaction.items() if of is not connection}
        self._claims = {address: of for address, of in self._claims.items() if of is not connection}
        for address in [address for address, of in self._by_address.items() if of is connection]:
            claimant = self._claims.pop(address, None)
            if claimant is None:
                del self._by_address[address]
            else:  # proved that it is there while this one still was
                self._by_address[address] = claimant


def _is_relayed(data: bytes) -> bool:
    """Whether a datagram is channel data, or STUN of another method than Binding, the only one of ICE's."""
    return len(data) > 1 and (64 <= data[0] <= 79 or (data[0] <= 3 and data[1] & 0x0F != 1))
