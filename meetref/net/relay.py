"""A TURN server on sockets: its clients' port and streams on one side, a socket for each relayed address on the other.

What is relayed goes through in batches, one synchronous call chain each, and leaves in runs (`net/datagram`); only
requests, and data before a peer is known, go through the machine's five methods. A relayed address has a task for its
lifetime, and so has a stream. Stands above `protocol/relay` and `net/port`, below `meetref relay` and `meetref serve`.
Leaves out: TLS, which is a stream that somebody else unlocked, and DTLS to clients: no browser speaks it to a relay.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetref.net.datagram import DatagramSocket, Run
from meetref.net.driver import Driver
from meetref.net.framed import PIECE_OCTETS, FramedStream, open_framed
from meetref.net.network import Network
from meetref.net.port import Port
from meetref.net.relayed import StreamSplitter
from meetref.protocol.allocation import Allocation
from meetref.protocol.lending import Close, Open
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.permission import Peer
from meetref.protocol.relay import Relay, Unfragmented
from meetref.wire.address import Address, StreamAddress

SEND_INDICATION = b"\0\x16"
IDLE_TIMEOUT = 30.0  # seconds that a stream without an allocation may say nothing


class RelayServer:
    """Runs `relay` with clients at `port` and on streams. With `only_local`, peers elsewhere are not heard.

    `relayed_to_peers` and `relayed_to_clients` count packets, `dropped` those that nobody was permitted to send.
    """

    def __init__(self, network: Network, relay: Relay, port: Port, *, only_local: bool = False) -> None:
        self.relay = relay
        self.relayed_to_peers = self.relayed_to_clients = self.dropped = 0
        self._network = network
        self.port = port
        self._only_local = only_local
        self._driver = Driver(relay, self._send, self._deliver)
        self._relayed: dict[Address, DatagramSocket] = {}
        self._streams: dict[tuple[Address, Address], FramedStream] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep time and relayed addresses until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                await self._nursery.start(self._driver.run, name="relay clock")
                task_status.started()
        finally:
            self._nursery = None
            for socket in self._relayed.values():
                socket.close()
            self._relayed.clear()

    @property
    def relayed_sockets(self) -> list[DatagramSocket]:
        """The sockets of all addresses that are open now."""
        return list(self._relayed.values())

    # --- clients ----------------------------------------------------------------------------------

    def receive_batch(self, batch: list[Datagram], now: float) -> None:
        """What one wake-up brought from clients. Everything in it came to the same local address."""
        if batch:
            runs = [Run(datagram.data, len(datagram.data), datagram.remote) for datagram in batch]
            self.receive_runs(runs, batch[0].local, now)

    def receive_runs(self, runs: list[Run], local: Address, now: float) -> None:
        """The same, where what came joined stays joined; a whole run is of one channel mostly.

        What goes to one peer leaves together, however it came.
        """
        remote: Address | None = None
        allocation: Allocation | None = None
        waiting: dict[Peer, Allocation] = {}
        asked = False
        for run in runs:
            if run.remote is not remote:
                remote = run.remote
                allocation = self.relay.allocation_of(remote, local)
            relayed = None
            if allocation is not None and len(run.data) > run.size:
                relayed = allocation.run_from_client(run.data, run.size, now)
            if allocation is not None and relayed is not None:
                peer, packets = relayed
                peer.pending += packets
                waiting[peer] = allocation
            elif self._receive_singly(run, local, now, waiting):
                remote, asked = None, True  # it may have made or ended an allocation
        for peer, owner in waiting.items():
            self._flush_to_peer(owner, peer)
        if asked:
            self._driver.turn(now)

    def _receive_singly(self, run: Run, local: Address, now: float, waiting: dict[Peer, Allocation]) -> bool:
        """The datagrams of a run one by one; whether one of them was for the machine."""
        allocation = self.relay.allocation_of(run.remote, local)
        asked = False
        for data in run.cut():
            relayed = None
            if allocation is not None and data:
                if data[0] >= 64:
                    relayed = allocation.from_client(data, now)
                elif data[:2] == SEND_INDICATION:
                    relayed = allocation.from_indication(data, now)
            if allocation is None or relayed is None:
                self._driver.receive(Datagram(data, local, run.remote), now)
                allocation, asked = self.relay.allocation_of(run.remote, local), True
            else:
                peer, payload = relayed
                peer.pending.append(payload)
                waiting[peer] = allocation
        return asked

    async def run_port(self) -> None:
        """Serve clients at the port, which is the relay's alone, until cancelled."""
        async with trio.open_nursery() as nursery:
            for socket in self.port.sockets.values():
                nursery.start_soon(_run_socket, socket, self.receive_runs, name=f"udp {socket.local}")

    def _flush_to_peer(self, allocation: Allocation, peer: Peer) -> None:
        packets = peer.pending
        socket = self._relayed.get(allocation.source_for(peer))
        if socket is not None:
            self.relayed_to_peers += len(packets)
            socket.send(packets, peer.destination)
        packets.clear()

    # spec: turn/stream-transports
    async def serve_stream(
        self, stream: trio.abc.Stream, local: Address, remote: Address, *, secure: bool = False
    ) -> None:
        """Speak TURN on a stream until its client leaves or has nothing here for half a minute; closes it.

        Over TLS (`secure`) each message is a record of its own: coturn's client reads no more than one of a record.
        """
        here, there = StreamAddress(*local), StreamAddress(*remote)
        piece_octets = 1 if secure else PIECE_OCTETS
        async with open_framed(stream, here, there, bytes, StreamSplitter(), piece_octets) as socket:
            self._streams[here, there] = socket
            try:
                while True:
                    batch: list[Datagram] = []
                    with trio.move_on_after(IDLE_TIMEOUT):
                        batch = await socket.receive()
                    if batch:
                        self.receive_batch(batch, trio.current_time())
                    elif self.relay.allocation_of(there, here) is None:
                        return
            except trio.ClosedResourceError:
                return
            finally:
                del self._streams[here, there]
                self.relay.abandon(here, there)
                self._driver.turn(trio.current_time())

    # --- peers ------------------------------------------------------------------------------------

    def receive_from_peers(self, runs: list[Run], relayed: Address, now: float) -> None:
        """What one wake-up brought to a relayed address."""
        owner = self.relay.owner_of(relayed)
        if owner is None:  # a reserved port
            return
        packets = owner.pending
        for run in runs:
            whole = None
            if len(run.data) > run.size:
                whole = owner.run_from_peer(run.data, run.size, run.remote, now)
            if whole is not None:
                packets += whole
                continue
            for data in run.cut():
                framed = owner.from_peer(data, run.remote, now)
                if framed is None:
                    self.dropped += 1
                else:
                    packets.append(framed)
        if packets:
            self.relayed_to_clients += len(packets)
            self._send_to_client(packets, owner.local, owner.remote)
            packets.clear()

    def _send_to_client(self, packets: list[bytes], local: Address, remote: Address) -> None:
        stream = self._streams.get((local, remote))
        if stream is not None:
            stream.send(packets, remote)
        else:
            self.port.send(packets, local, remote)

    # --- what the machine wants -------------------------------------------------------------------

    def _send(self, datagram: Datagram) -> None:
        socket = self._relayed.get(datagram.local)
        if socket is None:
            self._send_to_client([datagram.data], datagram.local, datagram.remote)
            return
        self.relayed_to_peers += 1
        if isinstance(datagram, Unfragmented):
            socket.send_unfragmented(datagram.data, datagram.remote)
        else:
            socket.send((datagram.data,), datagram.remote)

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Open) and self._nursery is not None:
            self._nursery.start_soon(self._open, event, name=f"relayed {event.addresses[0]}")
        elif isinstance(event, Close):
            socket = self._relayed.pop(event.address, None)
            if socket is not None:
                socket.close()

    async def _open(self, event: Open) -> None:
        """Open the addresses of one ticket and serve them until they are given back."""
        sockets: list[DatagramSocket] = []
        try:
            for address in event.addresses:
                sockets.append(await self._network.open_datagram(address, only_local=self._only_local))
        except BaseException as problem:
            for socket in sockets:
                socket.close()
            if not isinstance(problem, OSError):
                raise
            self.relay.unavailable(event.ticket, trio.current_time())
            self._driver.turn(trio.current_time())
            return
        self._relayed.update((socket.local, socket) for socket in sockets)
        self.relay.opened(event.ticket, trio.current_time())
        self._driver.turn(trio.current_time())
        async with trio.open_nursery() as nursery:
            for socket in sockets:
                nursery.start_soon(_run_socket, socket, self.receive_from_peers, name=f"relayed {socket.local}")


async def _run_socket(socket: DatagramSocket, receive: Callable[[list[Run], Address, float], None]) -> None:
    while True:
        try:
            runs = await socket.receive_runs()
        except trio.ClosedResourceError:
            return
        receive(runs, socket.local, trio.current_time())
