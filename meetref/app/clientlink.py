"""One peer connection of a program that takes part: what it gathered, a peer, and the loop between them.

Stands on `protocol/peer` and `net/gathering`; `app/client` opens two, *up* and *down*.
Leaves out: what the media is; packets come out unlocked through `on_packet` and go in through `send`.
Read next: `app/client.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import trio

from meetref.media.roundtrip import RoundTrip
from meetref.net.driver import Driver
from meetref.net.gathering import Gathering, Interfaces, open_gathering
from meetref.net.mdns import MAXIMUM_NAMES, resolve_local
from meetref.net.network import Network
from meetref.net.news import Complete, Found, Server, Trouble
from meetref.protocol.certificate import Certificate
from meetref.protocol.dtls import Versions
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import ICE_OPTIONS, PLAIN_ICE_OPTIONS, Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote, StateChanged
from meetref.protocol.srtp import LockRefused
from meetref.wire import rtcp
from meetref.wire.candidate import Candidate
from meetref.wire.mdns import is_local_name
from meetref.wire.reader import Malformed

ASK_INTERVAL = 1.0  # seconds between our clock and our clock
GATHERING_PATIENCE = 3.0  # seconds for servers that are slow, or silent: people wait
logger = logging.getLogger("meetref.client")


class ClientLink:
    """A connection. `connected` is set once keys are agreed on; `state` is the peer's state for people."""

    def __init__(self, port: Gathering, peer: Peer, wall_offset: float) -> None:
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
        self.troubles: list[Trouble] = []
        """What is wrong with servers that were to help."""
        self._gathered = trio.Event()
        self._names, self._named = trio.open_memory_channel[Candidate](MAXIMUM_NAMES)
        self._candidates: list[Candidate] = []
        self._transport_sequence = 0
        self._round_trip = RoundTrip()
        self._ask_at = 0.0

    def transport(self, setup: Setup) -> Transport:
        """Our half, for a description."""
        return Transport(
            ufrag=self.peer.credentials.ufrag,
            password=self.peer.credentials.password,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            setup=setup,
            candidates=tuple(self._candidates),
            ice_options=ICE_OPTIONS if self.peer.embeds_handshake else PLAIN_ICE_OPTIONS,
            end_of_candidates=True,
        )

    async def gather(self) -> None:
        """Give the agent each candidate as it is found. Those that come after our half was written are not told."""
        async for news in self.port.news:
            match news:
                case Found(candidate, base):
                    self._candidates.append(candidate)
                    now = trio.current_time()
                    self.peer.add_local_candidate(candidate, now, base=base)
                    self.driver.turn(now)
                case Trouble():
                    self.troubles.append(news)
                    logger.warning("%s over %s: %s", news.server, news.over, news.why)
                case Complete():
                    self._gathered.set()

    async def gathered(self) -> None:
        """Return when every server has answered or failed, or has taken too long."""
        with trio.move_on_after(GATHERING_PATIENCE):
            await self._gathered.wait()

    def restart_if_asked(self, theirs: Transport) -> None:
        """Other credentials in a later offer ask for an ICE restart (RFC 8839 section 4.4.1.1)."""
        if self.peer.remote_credentials not in (None, Credentials(theirs.ufrag, theirs.password)):
            self.peer.restart_ice(trio.current_time())

    def describe(self, theirs: Transport) -> None:
        """Take the server's half."""
        now = trio.current_time()
        credentials = Credentials(theirs.ufrag, theirs.password)
        remote = Remote(
            credentials, theirs.fingerprints, theirs.setup, theirs.ice_lite, theirs.renominates, theirs.embeds_handshake
        )
        self.peer.set_remote(remote, now)
        for candidate in theirs.candidates:
            if is_local_name(candidate.host):
                self._resolve(candidate)
            else:
                self.peer.add_remote_candidate(candidate, now)
        self.driver.turn(now)

    def _resolve(self, candidate: Candidate) -> None:
        try:
            self._names.send_nowait(candidate)
        except trio.WouldBlock:
            self.ignored["too many names"] += 1

    async def resolve(self, network: Network) -> None:
        """Ask the neighbours for the names among the peer's candidates, one after the other, and take what they say."""
        async for candidate in self._named:
            for host in (await resolve_local(network, candidate.host))[:1]:
                now = trio.current_time()
                self.peer.add_remote_candidate(replace(candidate, host=host), now)
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

    def round_trip_time(self, now: float) -> float | None:
        """Seconds there and back, as the answers to `report_clock` say."""
        return self._round_trip.seconds(now)

    def report_clock(self, ssrc: int, now: float, *, asks: bool) -> None:
        """To be called often, once media flow: answer the other end's clock, and with `asks` tell ours now and then.

        `ssrc` is one of ours: what we report under on *down*, or send under on *up*.
        """
        self._round_trip.ssrc = ssrc
        reports: list[rtcp.Packet] = [*self._round_trip.answer(now)]
        if asks and now >= self._ask_at:
            self._ask_at = now + ASK_INTERVAL
            reports.append(self._round_trip.ask(now))
        if reports:
            self.send_control(*reports)

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
                    if isinstance(packet, rtcp.ExtendedReport):
                        self._round_trip.on_report(packet, now)
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
    dtls_versions: Versions,
    embeds_handshake: bool,
    servers: Sequence[Server] = (),
    interfaces: Interfaces = "all",
    *,
    task_status: trio.TaskStatus[ClientLink] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Gather, and run a connection on what was found until cancelled."""
    async with open_gathering(network, servers, interfaces=interfaces) as gathering:
        now = trio.current_time()
        peer = Peer(
            controlling=controlling,
            certificate=certificate,
            dice=network.dice,
            dtls_role="client",
            dtls_versions=dtls_versions,
            embeds_handshake=embeds_handshake,
            key_log=key_log,
        )
        link = ClientLink(gathering, peer, network.wall_clock() - now)
        gathering.receive = link.receive_batch
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.gather, name="candidates")
                nursery.start_soon(link.resolve, network, name="names")
                nursery.start_soon(link.driver.run, name="clock")
                await link.gathered()
                task_status.started(link)
        finally:
            peer.close(trio.current_time())
            link.driver.turn(trio.current_time())
