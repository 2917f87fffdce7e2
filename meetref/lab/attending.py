"""Joining a meeting for the load: signaling, ICE and DTLS as everybody does them, media over a bare socket.

Stands on `protocol/peer`, `net/driver` and the client's channel of `app/signaling`; gives `lab/load` its lines. The
same `Connection` speaks to servers that are not ours: what differs is who carries its offers and answers.
Specification: RFC 9429; the messages are `wire/signaling`.
Leaves out: what `app/client` does with media, because a viewer of the load must cost far less than a real one.
Read next: `lab/load.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import trio

from meetref.app.signaling import open_client_channel
from meetref.lab.leg import HERE, Leg, Legs, Receive
from meetref.lab.load import Line
from meetref.meeting.channel import ChannelClosed
from meetref.net.driver import Driver
from meetref.net.network import Network
from meetref.protocol import answering, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import TRANSPORT_SEQUENCE, SentTrack, Setup, Transport
from meetref.protocol.peer import Connected, Peer, Remote
from meetref.wire import sdp, signaling
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate


class Connection:
    """One peer connection on a leg. `media` is given what is neither STUN nor DTLS, once somebody listens."""

    def __init__(
        self, network: Network, certificate: Certificate, legs: Legs, *, controlling: bool, host: str = HERE
    ) -> None:
        self.leg = Leg(host)
        self.ssrc = int.from_bytes(network.dice(4))
        self.peer = Peer(controlling=controlling, certificate=certificate, dice=network.dice, dtls_role="client")
        self.connected = trio.Event()
        self.media: Receive = lambda data, stamp: None
        self._legs = legs
        self._remote: Address | None = None
        self._tracks: list[SentTrack] = []
        self._transport_sequence: int | None = None
        self._candidate = Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, host, self.leg.local.port, "host")
        self.peer.add_local_candidates([self._candidate], trio.current_time())
        self.driver = Driver(self.peer, lambda datagram: self.leg.send(datagram.data, datagram.remote), self._deliver)

    async def run(self) -> None:
        """Until cancelled; says goodbye then."""
        self._legs.add(self.leg, self._receive)
        try:
            await self.driver.run()
        finally:
            self.peer.close(trio.current_time())
            self.driver.turn(trio.current_time())
            self._legs.close(self.leg)

    def offer(self) -> str:
        """Offer to send one video."""
        self._tracks = [SentTrack(mid="0", kind="video", ssrc=self.ssrc, cname="load", stream="camera")]
        return offering.offer(self._tracks, self._transport("actpass"), session_id=1, version=1)

    def offer_to_receive(self) -> str:
        """Offer to be sent one video."""
        session = sdp.parse(self.offer())
        sections = [replace(section, attributes=_receiving(section.attributes)) for section in session.sections]
        return sdp.serialize(replace(session, sections=tuple(sections)))

    def take_answer(self, answer: str) -> None:
        """The server's to our offer. Raises `Malformed`."""
        taken = offering.read_answer(answer, self._tracks)
        self._transport_sequence = taken.tracks[0].extensions.get(TRANSPORT_SEQUENCE)
        self._describe(taken.remote)

    def answer(self, offer: str, version: int) -> str:
        """Take what the server offers. Raises `Malformed`."""
        given = answering.answer(answering.read_offer(offer), self._transport("active"), session_id=2, version=version)
        ids = {track.extensions.get(TRANSPORT_SEQUENCE) for track in given.tracks if track.kind == "video"}
        self._transport_sequence = next(iter(ids), None)
        self._describe(given.remote)
        return given.sdp

    def add_candidate(self, candidate: Candidate) -> None:
        """Of the server's candidates one is taken, the first at our own address: all datagrams come from there."""
        if candidate.transport == "udp" and candidate.host == self.leg.local.host and self._remote is None:
            self._remote = Address(candidate.host, candidate.port)
            self.peer.add_remote_candidate(candidate, trio.current_time())
            self.driver.turn(trio.current_time())

    def line(self) -> Line:
        """Once connected."""
        assert self.peer.srtp is not None
        assert self._remote is not None
        return Line(self.leg, self._remote, self.peer.srtp, self._transport_sequence)

    @property
    def srtp_profile(self) -> int:
        """Once connected."""
        assert self.peer.negotiated is not None
        return self.peer.negotiated.srtp_profile or 0

    def _transport(self, setup: Setup) -> Transport:
        return Transport(
            ufrag=self.peer.credentials.ufrag,
            password=self.peer.credentials.password,
            fingerprints=(("sha-256", self.peer.certificate.fingerprint("sha-256")),),
            setup=setup,
            candidates=(self._candidate,),
            end_of_candidates=True,
        )

    def _describe(self, theirs: Transport) -> None:
        now = trio.current_time()
        remote = Remote(
            Credentials(theirs.ufrag, theirs.password), theirs.fingerprints, theirs.setup, lite=theirs.ice_lite
        )
        self.peer.set_remote(remote, now)
        for candidate in theirs.candidates:
            self.add_candidate(candidate)
        self.driver.turn(now)

    def _receive(self, data: bytes, stamp: int) -> None:
        if data and 128 <= data[0] <= 191:
            self.media(data, stamp)
        elif self._remote is not None:
            now = trio.current_time()
            self.driver.receive(Datagram(data, self.leg.local, self._remote), now)
            self.driver.turn(now)

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.connected.set()


def _receiving(attributes: tuple[sdp.Attribute, ...]) -> tuple[sdp.Attribute, ...]:
    """Those of a section that is not sent but received: nothing is known about the sources."""
    kept = (attribute for attribute in attributes if attribute.name not in ("ssrc", "ssrc-group", "msid"))
    return tuple(sdp.Attribute("recvonly") if each.name == "sendonly" else each for each in kept)


class Attendant:
    """Somebody in a room of ours: *down* always, *up* for the one who publishes. With `records` it is recorded."""

    def __init__(self, down: Connection, up: Connection | None, name: str, *, records: bool = False) -> None:
        self.down = down
        self.up = up
        self.name = name
        self.recorded = trio.Event()
        if not records:
            self.recorded.set()

    async def attend(
        self,
        network: Network,
        server: Address,
        room: str,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Join, report once media can flow, and stay until cancelled. Raises `OSError` and `ChannelClosed`."""
        async with open_client_channel(network, server) as channel, trio.open_nursery() as nursery:
            nursery.start_soon(self.down.run, name="down")
            camera: signaling.CameraState = "none" if self.up is None else "on"
            channel.send(signaling.Join(room=room, name=self.name, bot=True, microphone="none", camera=camera))
            if self.up is not None:
                nursery.start_soon(self.up.run, name="up")
                channel.send(signaling.UpOffer(connection=1, number=1, sdp=self.up.offer(), tracks={"0": "camera"}))
            if not self.recorded.is_set():
                channel.send(signaling.Record(on=True))
            nursery.start_soon(self._report_ready, task_status, name="ready")
            while True:
                self._hear(await channel.receive(), channel.send)

    def _hear(self, message: signaling.ServerMessage, say: Callable[[signaling.ClientMessage], None]) -> None:
        match message:
            case signaling.UpAnswer(sdp=answer) if self.up is not None:
                self.up.take_answer(answer)
            case signaling.DownOffer(sdp=offer, number=number):
                say(signaling.DownAnswer(number=number, sdp=self.down.answer(offer, number)))
            case signaling.Recording(on=True):
                self.recorded.set()
            case signaling.Error(message=sentence):
                raise ChannelClosed(False, sentence)

    async def _report_ready(self, task_status: trio.TaskStatus[None]) -> None:
        await self.down.connected.wait()
        if self.up is not None:
            await self.up.connected.wait()
        await self.recorded.wait()
        task_status.started()
