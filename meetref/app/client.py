"""A participant that is a program: signaling and both connections from the client's side.

The server offers *down* and answers *up*; here the roles are turned, on the same ICE, DTLS and SRTP. Bots, the virtual
meetings and the labs are made of it.
Stands on `app/signaling` (client channel), `app/clientlink` (one connection), `app/receiver` (what arrives) and
`app/playout` (when it is due).
Specification: RFC 9429; the messages are `wire/signaling`.
Leaves out: coming back after the WebSocket broke; a bot whose server is gone has nothing more to do.
Read next: `app/bot.py`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from meetref.app.clientlink import ClientLink, open_link
from meetref.app.playout import Playout
from meetref.app.receiver import Receiver
from meetref.app.sender import Sender
from meetref.app.signaling import ClientChannel, open_client_channel
from meetref.media.feedback import ArrivalRecorder
from meetref.media.mending import Mending, mutable_ids
from meetref.meeting.channel import ChannelClosed
from meetref.net.gathering import Interfaces
from meetref.net.network import Network
from meetref.net.news import Server
from meetref.protocol import answering, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.dtls import Versions
from meetref.protocol.negotiation import TRANSPORT_SEQUENCE_ID, Kind, ReceivedTrack, SentTrack
from meetref.wire import rtcp, rtp, signaling
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.client")


class Witness(Protocol):
    """Somebody who is told all that a client hears; slots go by their mid."""

    def media(self, mid: str, plain: bytes, now: float) -> None:
        """A packet as it came out of SRTP, the first time or repeated; of protected pictures without RED and FEC."""

    def report(self, mid: str, report: rtcp.SenderReport, now: float) -> None: ...
    def news(self, message: signaling.ServerMessage, now: float) -> None:
        """A message of the server's, which the client has acted on."""


class Client:
    """Somebody in a room. `people`, `seats`, `chat` and `recording` are as the server told them last.

    `senders` has a `Sender` for each source that is published; `receivers` a `Receiver` for each slot, by mid, and
    `tracks` what was agreed on for it.
    `key_log` of `open_client` is told the secrets of both connections, which speak `dtls_versions`; without
    `embeds_handshake` DTLS waits for ICE. Who `tells_arrivals` tells the server when each packet arrives, as browsers
    do, and is sent what fits through their line; who does not is sent everything at once.
    """

    def __init__(
        self, network: Network, certificate: Certificate, say: Callable[[signaling.ClientMessage], None]
    ) -> None:
        self.network = network
        self.certificate = certificate
        self.joined = trio.Event()
        self.closed = trio.Event()
        self.identity: signaling.Joined | None = None
        self.people: dict[str, signaling.Person] = {}
        self.seats: list[signaling.Seat] = []
        self.chat: list[signaling.Chat] = []
        self.errors: list[signaling.Error] = []
        self.senders: dict[signaling.Source, Sender] = {}
        self.receivers: dict[str, Receiver] = {}
        self.tracks: dict[str, ReceivedTrack] = {}
        self.recording = signaling.Recording(on=False)
        self.witness: Witness | None = None
        self.playout = Playout()
        self.up: ClientLink | None = None
        self.down: ClientLink | None = None
        self.key_log: Callable[[str], None] | None = None
        self.dtls_versions: Versions = "1.3 preferred"
        self.embeds_handshake = True
        self.tells_arrivals = False
        self.servers: Sequence[Server] = ()
        self.interfaces: Interfaces = "all"
        self._say = say
        self._nursery: trio.Nursery | None = None
        self._tracks: list[SentTrack] = []
        self._by_ssrc: dict[int, Receiver] = {}
        self._mids: dict[int, str] = {}
        self._heard = trio.Event()
        self._asks = False
        self._arrivals = ArrivalRecorder(sender_ssrc=1)

    # --- what the owner does --------------------------------------------------------------------------

    def say(self, message: signaling.ClientMessage) -> None:
        """Send a signaling message of one's own: chat, devices, leave."""
        self._say(message)

    async def publish(self, sources: list[signaling.Source]) -> None:
        """Open *up* and offer these sources; media may be given to `senders` once `up.connected` is set."""
        dice = self.network.dice
        tracks = []
        for index, source in enumerate(sources):
            kind: Kind = "audio" if source in ("microphone", "screen-sound") else "video"
            ssrc = int.from_bytes(dice(4))
            tracks.append(SentTrack(mid=str(index), kind=kind, ssrc=ssrc, cname="client", stream=source))
            self.senders[source] = Sender(ssrc, kind, dice)
        self.up = await self._open(controlling=True, name="up")
        self.up.on_control = self._on_up_control
        for sender in self.senders.values():
            sender.link = self.up
        self._tracks = tracks
        sdp = offering.offer(tracks, self.up.transport("actpass"), session_id=1, version=1)
        mids: dict[str, signaling.Source] = {str(index): source for index, source in enumerate(sources)}
        self._say(signaling.UpOffer(connection=1, number=1, sdp=sdp, tracks=mids))

    def heard(self, person: str) -> Receiver | None:
        """The receiver of the audio slot in which a person is heard now."""
        return self._receiver(person, lambda seat: seat.audio)

    def seen(self, person: str) -> Receiver | None:
        """The receiver of the video slot in which a person is seen now."""
        return self._receiver(person, lambda seat: seat.video)

    def _receiver(self, person: str, slot: Callable[[signaling.Seat], str | None]) -> Receiver | None:
        for seat in self.seats:
            mid = slot(seat)
            if seat.person == person and seat.source == "camera" and mid is not None:
                return self.receivers.get(mid)
        return None

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the message after which something holds, or for the end."""
        while not holds() and not self.closed.is_set():
            await self._heard.wait()

    # --- what the server says -------------------------------------------------------------------------

    async def listen(self, channel: ClientChannel) -> None:
        """Act on what the server says, and tell whoever waits for it, until the channel closes or makes no sense."""
        try:
            while True:
                message = await channel.receive()
                await self.hear(message)
                if self.witness is not None:
                    self.witness.news(message, trio.current_time())
                self._wake()
        except (ChannelClosed, Malformed) as error:
            if isinstance(error, Malformed):
                logger.warning("what the server says cannot be read: %s", error)
            self.closed.set()
            self.joined.set()
            self._wake()

    def _wake(self) -> None:
        self._heard.set()
        self._heard = trio.Event()

    async def hear(self, message: signaling.ServerMessage) -> None:
        """Act on one message of the server."""
        match message:
            case signaling.Joined():
                self.identity = message
                self.people = {person.id: person for person in message.people}
                self.joined.set()
            case signaling.PersonChanged(person=person):
                self.people[person.id] = person
            case signaling.PersonLeft(id=identity):
                self.people.pop(identity, None)
            case signaling.Seats(seats=seats):
                self.seats = seats
            case signaling.Chat():
                self.chat.append(message)
            case signaling.Recording():
                self.recording = message
            case signaling.UpAnswer(sdp=sdp) if self.up is not None:
                self.up.describe(offering.read_answer(sdp, self._tracks).remote)
            case signaling.DownOffer():
                await self._on_down_offer(message)
            case signaling.Error():
                logger.warning("the server says %s: %s", message.code, message.message)
                self.errors.append(message)

    async def _on_down_offer(self, message: signaling.DownOffer) -> None:
        if self.down is None:
            self.down = await self._open(controlling=False, name="down")
            self.down.on_packet = self._on_packet
            self.down.on_control = self._on_down_control
        offer = answering.read_offer(message.sdp, fec=True)
        self.down.restart_if_asked(offer.transport)
        if not self.tells_arrivals:
            offer = offer.without_arrivals()
        answer = answering.answer(offer, self.down.transport("active"), session_id=2, version=message.number)
        self.down.describe(answer.remote)
        for track in answer.tracks:
            if track.mid not in self.receivers and track.ssrc is not None:
                mending = Mending(*track.fec, mutable_ids(track.extensions)) if track.fec is not None else None
                self.receivers[track.mid] = Receiver(
                    track.ssrc, track.rtx_ssrc, track.kind, self.down, red=track.red, mending=mending
                )
            self.tracks[track.mid] = track
        self._asks = any(track.answers_clock for track in offer.tracks)
        self._by_ssrc = {ssrc: receiver for receiver in self.receivers.values() for ssrc in receiver.ssrcs}
        self._mids = {ssrc: mid for mid, receiver in self.receivers.items() for ssrc in receiver.ssrcs}
        self._say(signaling.DownAnswer(number=message.number, sdp=answer.sdp))

    # --- media ----------------------------------------------------------------------------------------

    def _on_packet(self, plain: bytes, now: float) -> None:
        place = rtp.find_extension(plain, TRANSPORT_SEQUENCE_ID) if self.tells_arrivals else None
        if place is not None:
            self._arrivals.record(int.from_bytes(plain[place[0] : place[0] + 2]), now)
        ssrc = int.from_bytes(plain[8:12])
        receiver = self._by_ssrc.get(ssrc)
        if receiver is not None:
            packets = receiver.receive(plain, now)
            if self.witness is not None:
                for packet in packets:
                    self.witness.media(self._mids[ssrc], packet, now)
            self.playout.turn(receiver)

    def _on_up_control(self, packet: object, now: float) -> None:
        for sender in self.senders.values():
            sender.on_control(packet, now)

    def _on_down_control(self, packet: object, now: float) -> None:
        for receiver in self.receivers.values():
            receiver.on_control(packet, now)
        if self.witness is not None and isinstance(packet, rtcp.SenderReport) and packet.ssrc in self._mids:
            self.witness.report(self._mids[packet.ssrc], packet, now)

    async def _open(self, *, controlling: bool, name: str) -> ClientLink:
        assert self._nursery is not None
        link: ClientLink = await self._nursery.start(
            open_link,
            self.network,
            self.certificate,
            controlling,
            self.key_log,
            self.dtls_versions,
            self.embeds_handshake,
            self.servers,
            self.interfaces,
            name=name,
        )
        return link

    async def _report(self) -> None:
        """Reports of the senders, and how far the server is, which have no haste: one task, no timer for each."""
        while True:
            await trio.sleep(0.02)
            now = trio.current_time()
            for sender in self.senders.values():
                sender.tick(now)
            self._report_clocks(now)
            if self.down is not None and self._arrivals.next_timeout() <= now:
                self.down.send_control(*self._arrivals.build(now))

    def _report_clocks(self, now: float) -> None:
        """On *down* nothing is sent that could tell the round trip, so ask for it; on *up* the server may ask."""
        receiver = next((each for each in self.receivers.values() if each.packets), None)
        if self.down is not None and receiver is not None:
            self.down.report_clock(receiver.own_ssrc, now, asks=self._asks)
            round_trip_time = self.down.round_trip_time(now)
            if round_trip_time is not None:
                for each in self.receivers.values():
                    each.expect(round_trip_time)
        sender = next((each for each in self.senders.values() if each.packets), None)
        if self.up is not None and sender is not None:
            self.up.report_clock(sender.ssrc, now, asks=False)


@asynccontextmanager
async def open_client(
    network: Network,
    server: Address,
    join: signaling.Join,
    *,
    host: str = "localhost",
    tls: ssl.SSLContext | None = None,
    certificate: Certificate | None = None,
    key_log: Callable[[str], None] | None = None,
    dtls_versions: Versions = "1.3 preferred",
    embeds_handshake: bool = True,
    tells_arrivals: bool = False,
    servers: Sequence[Server] = (),
    interfaces: Interfaces = "all",
) -> AsyncIterator[Client]:
    """Join a room as `join` says and stay until the block ends, then leave.

    `host` is what the server is called; with `tls` its certificate must say so.
    Media find their way by the addresses of `interfaces` and with the help of `servers`.

    Raises `OSError` when nobody listens there, `ChannelClosed` when the server does not let us in.
    """
    async with open_client_channel(network, server, host, tls=tls) as channel:
        certificate = certificate or Certificate.generate(network.dice, now_wall=network.wall_clock())
        client = Client(network, certificate, channel.send)
        client.key_log, client.dtls_versions = key_log, dtls_versions
        client.embeds_handshake, client.tells_arrivals = embeds_handshake, tells_arrivals
        client.servers, client.interfaces = servers, interfaces
        async with trio.open_nursery() as nursery:
            client._nursery = nursery
            nursery.start_soon(client.listen, channel, name="signaling")
            nursery.start_soon(client._report, name="reports")
            nursery.start_soon(client.playout.run, client.receivers.values(), name="playout")
            channel.send(join)
            await client.joined.wait()
            if client.identity is not None:
                yield client
                channel.send(signaling.Leave())
            nursery.cancel_scope.cancel()
        if client.identity is None:  # raised here, it leaves the nursery alone, and not in a group
            raise ChannelClosed(
                False, client.errors[-1].message if client.errors else "the server closed the connection"
            )
