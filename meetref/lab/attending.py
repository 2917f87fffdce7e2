"""Joining a meeting for the load: signaling, ICE and DTLS as everybody does them, media over a bare socket.

Stands on `protocol/peer`, `net/driver` and the client's channel of `app/signaling`; gives `lab/load` its lines.
Specification: RFC 9429; the messages are `wire/signaling`.
Leaves out: what `app/client` does with media, because a viewer of the load must cost far less than a real one.
Read next: `lab/load.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetref.app.signaling import open_client_channel
from meetref.lab.leg import HERE, Leg, Receive
from meetref.lab.load import Line
from meetref.meeting.channel import ChannelClosed
from meetref.net.driver import Driver
from meetref.net.network import Network
from meetref.protocol import answering, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import SentTrack, Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate


class Connection:
    """One peer connection on a leg. `media` is given what is neither STUN nor DTLS, once somebody listens."""

    def __init__(self, network: Network, certificate: Certificate, *, controlling: bool) -> None:
        self.leg = Leg()
        self.peer = Peer(controlling=controlling, certificate=certificate, dice=network.dice, dtls_role="client")
        self.connected = trio.Event()
        self.media: Receive = lambda data, stamp: None
        self._remote = self.leg.local
        self._candidate = Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, HERE, self.leg.local.port, "host")
        self.peer.add_local_candidates([self._candidate], trio.current_time())
        self.driver = Driver(self.peer, lambda datagram: self.leg.send(datagram.data, datagram.remote), self._deliver)

    async def run(self) -> None:
        """Until cancelled; says goodbye then."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.driver.run, name="clock")
                nursery.start_soon(self.leg.run, self._receive, name="socket")
        finally:
            self.peer.close(trio.current_time())
            self.driver.turn(trio.current_time())
            self.leg.close()

    def transport(self, setup: Setup) -> Transport:
        return Transport(
            ufrag=self.peer.credentials.ufrag,
            password=self.peer.credentials.password,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            setup=setup,
            candidates=(self._candidate,),
            end_of_candidates=True,
        )

    def describe(self, theirs: Transport) -> None:
        """Take the server's half; of its candidates only the one on loopback."""
        now = trio.current_time()
        self.peer.set_remote(Remote(Credentials(theirs.ufrag, theirs.password), theirs.fingerprints, theirs.setup), now)
        for candidate in theirs.candidates:
            if candidate.host == HERE:
                self._remote = Address(HERE, candidate.port)
                self.peer.add_remote_candidate(candidate, now)
        self.driver.turn(now)

    def line(self) -> Line:
        """Once connected."""
        assert self.peer.srtp is not None
        return Line(self.leg, self._remote, self.peer.srtp)

    def _receive(self, data: bytes, stamp: int) -> None:
        if data and 128 <= data[0] <= 191:
            self.media(data, stamp)
        else:
            now = trio.current_time()
            self.driver.receive(Datagram(data, self.leg.local, self._remote), now)
            self.driver.turn(now)

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.connected.set()


class Attendant:
    """Somebody in the room: *down* always, *up* for the one who publishes."""

    def __init__(self, network: Network, certificate: Certificate, name: str, *, publishes: bool) -> None:
        self.down = Connection(network, certificate, controlling=False)
        self.up = Connection(network, certificate, controlling=True) if publishes else None
        self.ssrc = int.from_bytes(network.dice(4))
        self._network = network
        self.name = name
        self._tracks: list[SentTrack] = []

    async def attend(
        self, server: Address, room: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Join, report once media can flow, and stay until cancelled. Raises `OSError` and `ChannelClosed`."""
        async with (
            open_client_channel(self._network, server) as channel,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.down.run, name="down")
            if self.up is not None:
                nursery.start_soon(self.up.run, name="up")
            camera: signaling.CameraState = "on" if self.up is not None else "none"
            channel.send(signaling.Join(room=room, name=self.name, bot=True, microphone="none", camera=camera))
            if self.up is not None:
                channel.send(self._offer(self.up))
            nursery.start_soon(self._report_ready, task_status, name="ready")
            while True:
                self._hear(await channel.receive(), channel.send)

    def _offer(self, up: Connection) -> signaling.UpOffer:
        self._tracks = [SentTrack(mid="0", kind="video", ssrc=self.ssrc, cname="load", stream="camera")]
        sdp = offering.offer(self._tracks, up.transport("actpass"), session_id=1, version=1)
        return signaling.UpOffer(connection=1, number=1, sdp=sdp, tracks={"0": "camera"})

    def _hear(self, message: signaling.ServerMessage, say: Callable[[signaling.ClientMessage], None]) -> None:
        match message:
            case signaling.UpAnswer(sdp=sdp) if self.up is not None:
                self.up.describe(offering.read_answer(sdp, self._tracks).remote)
            case signaling.DownOffer(sdp=sdp, number=number):
                offer = answering.read_offer(sdp)
                answer = answering.answer(offer, self.down.transport("active"), session_id=2, version=number)
                self.down.describe(answer.remote)
                say(signaling.DownAnswer(number=number, sdp=answer.sdp))
            case signaling.Error(message=sentence):
                raise ChannelClosed(False, sentence)

    async def _report_ready(self, task_status: trio.TaskStatus[None]) -> None:
        await self.down.connected.wait()
        if self.up is not None:
            await self.up.connected.wait()
        task_status.started()
