"""One peer connection of a program that takes part: a port of its own, a peer, and the loop between them.

Stands on `protocol/peer` and `net/port`; `app/client` opens two, *up* and *down*.
Leaves out: what the media is; packets come out unlocked through `on_packet` and go in through `send`.
Read next: `app/client.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio

from meetref.net.driver import Driver
from meetref.net.network import Network
from meetref.net.port import Port, open_port
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote, StateChanged
from meetref.protocol.srtp import LockRefused
from meetref.wire import rtcp
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed


class ClientLink:
    """A connection. `connected` is set once keys are agreed on; `state` is the peer's state for people."""

    def __init__(self, port: Port, peer: Peer, candidates: tuple[Candidate, ...], wall_offset: float) -> None:
        self.port = port
        self.peer = peer
        self.connected = trio.Event()
        self.dtls = ""
        self.ignored: Counter[str] = Counter()
        self.on_packet: Callable[[bytes, float], None] = lambda plain, now: None
        self.on_control: Callable[[rtcp.Packet, float], None] = lambda packet, now: None
        self.driver = Driver(peer, port.send_datagram, self._deliver)
        self.wall_offset = wall_offset
        """Added to the monotonic clock it gives seconds since 1970."""
        self._candidates = candidates
        self._transport_sequence = 0

    def transport(self, setup: Setup) -> Transport:
        """Our half, for a description."""
        return Transport(
            ufrag=self.peer.credentials.ufrag,
            password=self.peer.credentials.password,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            setup=setup,
            candidates=self._candidates,
            end_of_candidates=True,
        )

    def describe(self, theirs: Transport) -> None:
        """Take the server's half."""
        now = trio.current_time()
        credentials = Credentials(theirs.ufrag, theirs.password)
        self.peer.set_remote(Remote(credentials, theirs.fingerprints, theirs.setup), now)
        for candidate in theirs.candidates:
            self.peer.add_remote_candidate(candidate, now)
        self.driver.turn(now)

    def send(self, packet: bytes) -> bytes | None:
        """Lock and send an RTP packet; its ciphertext, or None when there is no connection."""
        if self.peer.srtp is None or self.peer.path is None:
            return None
        try:
            locked = self.peer.srtp.lock(packet)
        except LockRefused as error:
            self.ignored[str(error)] += 1
            return None
        self.port.send((locked,), *self.peer.path)
        return locked

    def count(self) -> int:
        """The next transport-wide number: one for each packet of the connection, whatever its stream."""
        self._transport_sequence = (self._transport_sequence + 1) & 0xFFFF
        return self._transport_sequence

    def repeat(self, locked: bytes) -> None:
        """Send a ciphertext once more, octet for octet."""
        if self.peer.path is not None:
            self.port.send((locked,), *self.peer.path)

    def send_control(self, *packets: rtcp.Packet) -> None:
        self.peer.send_control(rtcp.serialize(packets))
        self.driver.turn(trio.current_time())

    def receive_batch(self, batch: list[Datagram], now: float) -> None:
        for datagram in batch:
            data = datagram.data
            if data and 128 <= data[0] <= 191:
                self._receive_media(data, now)
            else:
                self.driver.receive(datagram, now)
        self.driver.turn(now)

    def _receive_media(self, data: bytes, now: float) -> None:
        try:
            if len(data) > 1 and 192 <= data[1] <= 223:
                plain = self.peer.unlock_control(data)
                for packet in rtcp.parse(plain) if plain is not None else ():
                    self.on_control(packet, now)
            else:
                plain = self.peer.unlock(data)
                if plain is not None:
                    self.on_packet(plain, now)
                    return
            if plain is None:
                self.ignored["not unlocked"] += 1
        except Malformed as error:
            self.ignored[error.what] += 1

    def _deliver(self, event: Event) -> None:
        match event:
            case Connected(dtls):
                self.dtls = dtls.version
                self.connected.set()
            case StateChanged(state, reason):
                self.ignored[f"{state}: {reason}" if reason else state] += 1


async def open_link(
    network: Network,
    certificate: Certificate,
    controlling: bool,
    key_log: Callable[[str], None] | None,
    *,
    task_status: trio.TaskStatus[ClientLink] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Open a port and run a connection on it until cancelled."""
    port = await open_port(network, network.addresses(), 0)
    now = trio.current_time()
    peer = Peer(
        controlling=controlling, certificate=certificate, dice=network.dice, dtls_role="client", key_log=key_log
    )
    candidates = tuple(
        Candidate(str(index + 1), 1, "udp", 126 << 24 | (65535 - index) << 8 | 255, local.host, local.port, "host")
        for index, local in enumerate(port.locals)
    )
    peer.add_local_candidates(candidates, now)
    link = ClientLink(port, peer, candidates, network.wall_clock() - now)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.run, link.receive_batch, name="media")
            nursery.start_soon(link.driver.run, name="clock")
            task_status.started(link)
    finally:
        peer.close(trio.current_time())
        link.driver.turn(trio.current_time())
        port.close()
