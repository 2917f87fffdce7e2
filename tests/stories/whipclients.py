"""Clients of WHIP and WHEP on the virtual network: their media like everybody's, their signaling HTTP in memory.

Hypercorn wants the kernel's sockets, so requests go to the application itself; see `tests/app/web.py`.
"""

from __future__ import annotations

import trio

from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import Client
from meetref.app.clientlink import ClientLink, open_link
from meetref.app.http import Site, make_app
from meetref.app.playout import Playout
from meetref.app.receiver import Receiver
from meetref.app.whip import FRAGMENT, SDP, routes
from meetref.meeting.oneway import OneWay
from meetref.protocol.certificate import Certificate
from meetref.protocol.description import read_transport
from meetref.protocol.ice import Credentials
from meetref.protocol.negotiation import Kind, Transport
from meetref.protocol.peer import Remote
from meetref.wire import sdp, sdpfragment, signaling
from meetref.wire.candidate import serialize
from meetref.wire.sdpattributes import parse_source, parse_source_group
from tests.app.doorway import HOSTS
from tests.app.web import Answer, Web
from tests.protocol.oneway_offers import AUDIO_AND_VIDEO, request
from tests.stories.people import Meeting


class OneWayClient:
    """A session: `link` is its connection, `location` its address, `tag` its ICE session."""

    def __init__(self, scene: Meeting, name: str) -> None:
        self.name = name
        self.host = scene.network.hosts.get(name) or scene.network.host(name)
        self.certificate = Certificate.generate(self.host.dice, now_wall=self.host.wall_clock())
        app = make_app(Site(hosts=HOSTS, more=tuple(routes(scene.server.rooms, any_page=False))))
        self.web = Web(app, self.host.addresses()[0])
        self.scene = scene
        self.location = self.tag = ""
        self.receivers: list[Receiver] = []

    @property
    def link(self) -> ClientLink:
        raise AssertionError("each kind has its own")

    @property
    def visitor(self) -> OneWay:
        """This client as the server has it."""
        room, session = self.location.split("/")[2:]
        visitor = self.scene.server.rooms.visitor(room, session)
        assert visitor is not None
        return visitor

    async def post(self, kind: str, offer: str) -> str:
        answer = await self.web.ask("POST", f"/{kind}/algebra?name={self.name}", offer, content_type=SDP)
        assert answer.status == 201, answer
        self.location, self.tag = answer.header("location") or "", answer.header("etag") or ""
        return answer.text

    async def delete(self) -> None:
        assert (await self.web.ask("DELETE", self.location)).status == 200

    async def restart(self) -> Answer:
        """Begin ICE anew: our new end in a fragment, theirs out of the answer."""
        peer = self.link.peer
        peer.restart_ice(trio.current_time())
        ours = self.link.transport("actpass")
        lines = [f"a=ice-ufrag:{ours.ufrag}", f"a=ice-pwd:{ours.password}", "m=audio 9 RTP/AVP 0", "a=mid:0"]
        lines += [f"a={serialize(candidate)}" for candidate in ours.candidates]
        fragment = "\r\n".join([*lines, "a=end-of-candidates", ""])
        answer = await self.web.ask("PATCH", self.location, fragment, content_type=FRAGMENT, if_match="*")
        assert answer.status == 200, answer
        self.tag = answer.header("etag") or ""
        told = sdpfragment.parse(answer.text)
        former = self.theirs
        remote = Remote(
            Credentials(told.value("ice-ufrag") or "", told.value("ice-pwd") or ""),
            former.fingerprints,
            former.setup,
        )
        peer.set_remote(remote, trio.current_time())
        for candidate in former.candidates:
            peer.add_remote_candidate(candidate, trio.current_time())
        self.link.driver.turn(trio.current_time())
        return answer

    theirs: Transport


class Encoder(OneWayClient):
    """Publishes what a light bot does."""

    _client: Client

    @property
    def link(self) -> ClientLink:
        assert self._client.up is not None
        return self._client.up

    async def publish(self, nursery: trio.Nursery) -> None:
        said: list[signaling.ClientMessage] = []
        self._client = client = Client(self.host, self.certificate, said.append)
        client._nursery = nursery
        await client.publish(["microphone", "camera"])
        (offer,) = said
        assert isinstance(offer, signaling.UpOffer)
        answer = await self.post("whip", offer.sdp)
        session = sdp.parse(answer)
        self.theirs = read_transport(session, session.sections[:1])
        await client.hear(signaling.UpAnswer(connection=1, number=1, sdp=answer))
        behaviour = Behaviour(name=self.name, light=True)
        nursery.start_soon(show_light, client.senders["camera"], behaviour)
        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
        nursery.start_soon(client._report)


class Player(OneWayClient):
    """Watches; `receivers` has one for each section, in their order."""

    _link: ClientLink

    @property
    def link(self) -> ClientLink:
        return self._link

    async def watch(self, nursery: trio.Nursery, *kinds: Kind) -> None:
        self._link = link = await nursery.start(
            open_link, self.host, self.certificate, True, None, "1.3 preferred", True
        )
        kinds = kinds or AUDIO_AND_VIDEO
        session = sdp.parse(await self.post("whep", request(*kinds, local=link.transport("actpass"))))
        self.theirs = read_transport(session, session.sections[:1])
        for kind, section in zip(kinds, session.sections, strict=True):
            groups = [parse_source_group(value) for value in section.values("ssrc-group")]
            ssrcs = groups[0].ssrcs if groups else (parse_source(next(section.values("ssrc"))).ssrc, None)
            self.receivers.append(Receiver(ssrcs[0], ssrcs[1], kind, link))
        by_ssrc = {ssrc: receiver for receiver in self.receivers for ssrc in receiver.ssrcs}
        playout = Playout()

        def receive(plain: bytes, now: float) -> None:
            receiver = by_ssrc[int.from_bytes(plain[8:12])]
            receiver.receive(plain, now)
            playout.turn(receiver)

        link.on_packet = receive
        link.on_control = lambda packet, now: [each.on_control(packet, now) for each in self.receivers] and None
        link.describe(self.theirs)
        nursery.start_soon(playout.run, self.receivers)

    def shown(self, slot: str = "v0") -> str | None:
        """Whom the server shows in a slot of ours."""
        down = self.visitor.down
        assert down is not None
        track = down.slots[slot].track
        return track.owner if track is not None else None
