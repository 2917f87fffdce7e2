"""A whole server on a network: media port, rooms, event log, signaling and HTTP, put together.

Stands on everything; `app/serve` opens it on the kernel from the command line, stories open it on the virtual network.
Here the floors meet: the meeting is given the log's calls, the door the meeting's.
Source: docs/architecture.md (two doors).
Leaves out: options and their safety (`app/serve`), TLS material (`app/certificates`).
Read next: `meeting/room.py`, `app/door.py`.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import trio

from meetref.app import watch, whip
from meetref.app.door import MAXIMUM_CONNECTIONS, Door, DoorLimits
from meetref.app.http import PAGE, Site, make_http_answer, send_page_file
from meetref.app.keeping import Keeping, Library
from meetref.app.limits import Places
from meetref.app.mediastream import carry_media
from meetref.app.meetingrelay import MeetingRelay
from meetref.app.metrics import Family, by_word
from meetref.app.origin import HostNames
from meetref.app.recordings import make_archive, recover_recordings
from meetref.app.shows import Shows
from meetref.app.signaling import serve_signaling
from meetref.app.uploads import Uploads
from meetref.app.visitor import StreamVisitor, Visitor
from meetref.app.xray import XRay
from meetref.archive.log import EventLog, LogUnavailable, open_log
from meetref.meeting.exchange import Exchange
from meetref.meeting.place import Place
from meetref.meeting.recorded import Archive
from meetref.meeting.room import Rooms
from meetref.net import taskview
from meetref.net.network import Network
from meetref.net.port import Port, on_free_number, open_port
from meetref.net.stream import Listener
from meetref.protocol.candidacy import Candidacy
from meetref.protocol.certificate import Certificates
from meetref.protocol.dtls import Versions
from meetref.protocol.srtp import Engine
from meetref.protocol.videocodecs import rank
from meetref.wire import signaling
from meetref.wire.address import Address, StreamAddress
from meetref.wire.candidate import Candidate

UNSPECIFIED = {"0.0.0.0": 4, "::": 6}
NEVER_CHECKED = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",  # with the broadcast address
        "64:ff9b::/96",  # IPv4 addresses of any kind by way of NAT64, 6to4 and Teredo
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fd00:ec2::254/128",  # where a cloud tells machines their secrets; its IPv4 address is link-local
    )
)
HOST_TYPE_PREFERENCE = 126  # RFC 8445 section 5.1.2.2


@dataclass(slots=True, frozen=True, kw_only=True)
class Settings:
    """What a server is told. `listen` are the hosts of the TCP port; `announce` is an address that a NAT in front has.

    With `only_local`, media too is only for this machine. With `relay_ports`, first and last, the relay reaches the
    world and not only this server. `log` is the event log's file or a topic of Kafka; `inline_log` uses no thread. With
    `any_page`, where `admit` wants a token, pages from elsewhere may use WHIP and WHEP. `video` are the codecs of
    pictures that are taken before others, by their names. Without `embeds_handshake` DTLS waits for ICE, also where
    the other side could do better. `recordings` is the folder of recordings, None where nothing is recorded;
    `may_record` tells who may begin one; `keeping` is what becomes of them, None where they stay journals. With
    `video_fec` pictures may be protected against loss before any is lost. `webinars` are the rooms that have an
    audience, "*" among them every room; `invite` gives what the link of somebody from it needs who is let in.
    """

    listen: Sequence[str] = ("127.0.0.1",)
    port: int = 8080
    media_port: int | None = None
    only_local: bool = True
    announce: Sequence[str] = ()
    log: str | Path = ":memory:"
    inline_log: bool = False
    recordings: Path | None = None
    keeping: Keeping | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    hosts: HostNames = field(default_factory=HostNames)
    relay_ports: tuple[int, int] | None = None
    admin_token: str | None = field(default=None, repr=False)
    admit: Callable[[signaling.Join], None] = lambda join: None
    may_record: Callable[[signaling.Join], bool] = lambda join: True
    any_page: bool = False
    webinars: frozenset[str] = frozenset()
    invite: Callable[[str, str], dict[str, str]] = lambda room, name: {}
    dtls_versions: Versions = "1.3 preferred"
    srtp_engine: Engine | None = None
    hides_headers: bool = False
    video: Sequence[str] = ()
    video_fec: bool = False
    embeds_handshake: bool = True
    key_log: Callable[[str], None] | None = None
    maximum_rooms: int = 200
    maximum_people: int = 100
    maximum_handshakes: int = 1000
    maximum_handshakes_per_source: int = 300
    maximum_connections: int = MAXIMUM_CONNECTIONS


class CannotOpen(OSError):
    """A port of ours that could not be had; `what` names it for people: `TCP port 80 at 127.0.0.1`."""

    def __init__(self, what: str, problem: OSError) -> None:
        super().__init__(problem.errno, problem.strerror or str(problem))
        self.what = what


class Server:
    """A running server. `port` is the media port, `http_port` the number of the TCP port."""

    def __init__(
        self,
        port: Port,
        exchange: Exchange,
        rooms: Rooms,
        handshakes: Places,
        relay: MeetingRelay,
        shows: Shows,
        settings: Settings,
        http_port: int,
        wall_clock: Callable[[], float],
        library: Library | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self.port = port
        self.exchange = exchange
        self.relay = relay
        self.shows = shows
        self.rooms = rooms
        self.handshakes = handshakes
        self.http_port = http_port
        self.forgotten: Counter[str] = Counter()
        self._hosts = settings.hosts
        page = partial(send_page_file, folder=PAGE, name="watch.html")
        no_page = partial(send_page_file, folder=PAGE, name="index.html", status=404)
        audience = watch.Audience(rooms, shows, wall_clock, page, no_page, settings.invite)
        site = Site(
            settings.hosts,
            tree=tree,
            families=self.families,
            rooms=XRay(rooms.rooms, wall_clock).look,
            admin_token=settings.admin_token,
            more=(
                *whip.routes(rooms, any_page=settings.any_page),
                *watch.routes(audience),
                *(library.routes() if library else ()),
                *(uploads.routes() if uploads else ()),
            ),
            media_from=settings.keeping.objects.origin if settings.keeping else None,
        )
        self.door = Door(
            answer_http=make_http_answer(site),
            answer_signaling=self._answer_signaling,
            streams={"ice-tcp": self._answer_media, "stun": self._answer_relay},
            tls=settings.tls,
            limits=DoorLimits(connections=settings.maximum_connections),
        )

    async def _answer_signaling(self, visitor: Visitor) -> None:
        await serve_signaling(visitor, self.rooms.attend, hosts=self._hosts)

    async def _answer_media(self, visitor: StreamVisitor) -> None:
        await carry_media(visitor, self.exchange, self.forgotten)

    async def _answer_relay(self, visitor: StreamVisitor) -> None:
        await self.relay.server.serve_stream(visitor.stream, visitor.local, visitor.remote, secure=visitor.is_secure)

    def families(self) -> Iterable[Family]:
        """What `/metrics` shows."""
        people = [person for room in self.rooms.rooms.values() for person in room.people.values()]
        yield Family("meetref_rooms", "gauge", "Rooms that are open.").add(len(self.rooms.rooms))
        yield Family("meetref_people", "gauge", "People in all rooms.").add(len(people))
        yield Family("meetref_connections", "gauge", "Peer connections, up and down.").add(len(self.exchange))
        unfinished = Family("meetref_handshakes", "gauge", "Connections whose handshake is not finished yet.")
        yield unfinished.add(self.handshakes.taken)
        for word in ("datagrams_in", "datagrams_out", "octets_in", "octets_out", "dropped", "refused", "foreign"):
            total = sum(getattr(socket.counters, word) for socket in self.port.sockets.values())
            yield Family(f"meetref_{word}_total", "counter", f"UDP: {word.replace('_', ' ')}.").add(total)
        yield from self.relay.families()
        yield by_word("meetref_media_ignored_total", "Datagrams that were dropped, by reason.", self.exchange.ignored)
        yield by_word("meetref_stream_forgotten_total", "Packets that a TCP stream had no place for.", self.forgotten)
        yield by_word("meetref_door_total", "What became of TCP connections.", self.door.counters)
        dropped = Family(
            "meetref_webinar_dropped", "gauge", "Packets that present webinars' studios did not take in time."
        )
        yield dropped.add(self.shows.dropped)
        connections = [one for person in people for one in (person.up, person.down) if one is not None]
        yield by_word(
            "meetref_packets_ignored",
            "Packets that present connections dropped, by reason.",
            sum((connection.ignored for connection in connections), Counter()),
        )
        locks = sum((connection.peer.srtp.refused for connection in connections if connection.peer.srtp), Counter())
        yield by_word("meetref_locks_refused", "Packets that SRTP did not lock or unlock, by reason.", locks)
        checks = sum((connection.peer.ice.ignored for connection in connections), Counter())
        yield by_word("meetref_checks_ignored", "STUN messages that present connections dropped, by reason.", checks)


@asynccontextmanager
async def open_server(network: Network, settings: Settings) -> AsyncIterator[Server]:
    """Run a server until the block ends; everybody is told goodbye then. Raises `CannotOpen`."""
    async with (
        open_log(settings.log, inline=settings.inline_log, wall_clock=network.wall_clock) as log,
        _opened(network, settings) as (listeners, port),
    ):
        if settings.recordings is not None:
            await recover_recordings(settings.recordings, log, inline=settings.inline_log)
        library = _library(network, settings, log)
        exchange = Exchange(port)
        http_port = listeners[0].local.port
        relay = MeetingRelay(network, port, settings, _accepting(network, settings.listen), http_port)
        exchange.relay = relay.server.receive_batch
        handshakes = Places(total=settings.maximum_handshakes, per_source=settings.maximum_handshakes_per_source)
        shows = Shows(settings.webinars, network.dice)
        uploads = _uploads(network, settings, log)
        rooms = Rooms(
            _place(network, settings, exchange, handshakes, http_port, relay.ice_servers),
            log,
            log_errors=(LogUnavailable,),
            admit=settings.admit,
            archive=_archive(network, settings, library, uploads),
            stage=shows.stage,
            maximum_rooms=settings.maximum_rooms,
            maximum_people=settings.maximum_people,
        )
        server = Server(
            port, exchange, rooms, handshakes, relay, shows, settings, http_port, network.wall_clock, library, uploads
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(relay.server.run, name="relay")
            await nursery.start(exchange.run, name="exchange")
            if uploads is not None:
                await nursery.start(uploads.run, name="uploads")
            await nursery.start(rooms.run, name="rooms")
            if library is not None:
                nursery.start_soon(library.run, name="recordings")
            for listener in listeners:
                await nursery.start(server.door.serve, listener, name="door")
            try:
                yield server
            finally:
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def _opened(network: Network, settings: Settings) -> AsyncIterator[tuple[list[Listener], Port]]:
    """The two doors until the block ends. Raises `CannotOpen`."""
    async with AsyncExitStack() as stack:
        yield await on_free_number(settings.port, partial(_open, network, settings, stack))


async def _open(
    network: Network, settings: Settings, stack: AsyncExitStack, number: int
) -> tuple[list[Listener], Port]:
    """A listener on each address, and the media port, all under one number; `stack` has them to close in the end."""
    async with AsyncExitStack() as opened:
        listeners = []
        for host in settings.listen:
            listener = await _open_listener(network, Address(host, number))
            opened.push_async_callback(listener.aclose)
            listeners.append(listener)
            number = listener.local.port
        port = await _open_media(network, settings, number)
        opened.callback(port.close)
        stack.push_async_exit(opened.pop_all())
    return listeners, port


async def _open_listener(network: Network, local: Address) -> Listener:
    try:
        return await network.open_listener(local)
    except OSError as problem:
        raise CannotOpen(f"TCP port {local.port} at {local.host}", problem) from problem


async def _open_media(network: Network, settings: Settings, http_port: int) -> Port:
    number = settings.media_port if settings.media_port is not None else http_port
    try:
        return await open_port(network, network.addresses(), number, only_local=settings.only_local)
    except OSError as problem:
        raise CannotOpen(f"UDP port {number}", problem) from problem


def _place(
    network: Network,
    settings: Settings,
    exchange: Exchange,
    handshakes: Places,
    http_port: int,
    ice_servers: Callable[[str], list[signaling.IceServer]],
) -> Place:
    """What all connections have in common."""
    return Place(
        exchange=exchange,
        certificate=Certificates(network.dice, network.wall_clock).current,
        dice=network.dice,
        wall_offset=network.wall_clock() - trio.current_time(),
        candidates=tuple(
            candidates_of(exchange.port, settings.announce, _accepting(network, settings.listen), http_port)
        ),
        may_check=partial(may_check, frozenset(network.addresses()), settings.only_local),
        handshakes=handshakes,
        dtls_versions=settings.dtls_versions,
        srtp_engine=settings.srtp_engine,
        hides_headers=settings.hides_headers,
        embeds_handshake=settings.embeds_handshake,
        key_log=settings.key_log,
        ice_servers=ice_servers,
        video=rank(settings.video),
        fec=settings.video_fec,
    )


def _library(network: Network, settings: Settings, log: EventLog) -> Library | None:
    if settings.keeping is None:
        return None
    return Library(settings.keeping, log, network.wall_clock, is_secure=settings.tls is not None)


def _uploads(network: Network, settings: Settings, log: EventLog) -> Uploads | None:
    if settings.recordings is None:
        return None
    objects = settings.keeping.objects if settings.keeping is not None else None
    return Uploads(network, settings.recordings, log, objects, inline=settings.inline_log)


def _archive(network: Network, settings: Settings, library: Library | None, uploads: Uploads | None) -> Archive | None:
    if settings.recordings is None:
        return None
    visit = library.ticket if library is not None else None
    return make_archive(
        network,
        settings.recordings,
        settings.may_record,
        deliveries=uploads,
        visit=visit,
        inline=settings.inline_log,
    )


def tree() -> Any:
    """The live task tree as JSON."""
    return taskview.as_data(taskview.tree())


def candidates_of(
    port: Port, announce: Sequence[str], accepting: Sequence[str] = (), http_port: int = 0
) -> Iterable[Candidate]:
    """A host candidate for each local address, and for each that a NAT in front of us has; loopback last.

    `accepting` are addresses whose TCP port takes streams with media; on loopback UDP always gets through.
    """
    hosts = [*announce, *(address.host for address in port.locals if address.host not in announce)]
    hosts.sort(key=lambda host: ip_address(host).is_loopback)
    candidacy = Candidacy(hosts)
    datagrams = [candidacy.host(Address(host, port.number)) for host in hosts]  # spec: ice/host-candidates
    outside = [host for host in dict.fromkeys([*announce, *accepting]) if not ip_address(host).is_loopback]
    return [*datagrams, *(candidacy.passive(StreamAddress(host, http_port)) for host in outside if accepting)]


def _accepting(network: Network, listen: Sequence[str]) -> list[str]:
    """The addresses of the TCP port, one by one."""
    versions = {UNSPECIFIED[host] for host in listen if host in UNSPECIFIED}
    every = [own for own in network.addresses() if ip_address(own).version in versions]
    return [*every, *(host for host in listen if host not in UNSPECIFIED)]


def may_check(own: frozenset[str], only_local: bool, address: Address) -> bool:
    """May we send checks where a client tells us to (RFC 8445 section 19.5.1)? A server is no port scanner.

    On a laptop only this machine is checked; elsewhere the addresses of the world, and private ones only where one of
    ours is private, too. Whoever checks us with our credentials is answered in any case.
    """
    if only_local:
        return address.host in own
    host = ip_address(address.host)
    if host.is_loopback or host.is_link_local or host.is_multicast or host.is_unspecified or address.host in own:
        return False
    if any(host in network for network in NEVER_CHECKED if network.version == host.version):
        return False
    serves_private = any(_is_private(mine) for mine in own)
    return host.is_global or (serves_private and _is_private(address.host))


def _is_private(host: str) -> bool:
    address = ip_address(host)
    return address.is_private and not address.is_loopback and not address.is_link_local
