"""The relay of a meeting server: TURN on its one UDP port and its one TCP port, for whoever joined.

It reaches what this server has to offer, its media port and the addresses it lent itself, and nothing else: a person
behind a firewall gets into the meeting, and nobody gets anywhere from it. With `relay_ports` the world is open, too.
Stands on `net/relay`, below `app/server`. Specification: draft-uberti-rtcweb-turn-rest-00 (credentials of an hour or
a day, made from a secret that lives as long as the process).
Leaves out: accounts; the room's door decides who joins. Read next: `protocol/relayguard.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Protocol

import trio

from meetref.app.metrics import Family, by_word
from meetref.net.addresses import OwnAddresses
from meetref.net.datagram import AVOIDS_FRAGMENTS
from meetref.net.network import Network
from meetref.net.port import Port
from meetref.net.relay import RelayServer
from meetref.protocol.authenticator import Authenticator
from meetref.protocol.credentials import ExpiringAccounts
from meetref.protocol.relay import Relay
from meetref.protocol.relayguard import Guard
from meetref.protocol.relaylimits import Limits
from meetref.wire.signaling import IceServer

REALM = "meetref"  # short: it is in every answer to a stranger
SECRET_SIZE = 32
NONCE_SECRET_SIZE = 16  # the nonces themselves are good for an hour: `protocol/nonce`
CREDENTIALS_LAST_FOR = 86_400.0  # seconds; whoever joins again gets new ones


class RelaySettings(Protocol):
    """What the relay wants to know of the server's settings."""

    @property
    def only_local(self) -> bool: ...
    @property
    def announce(self) -> Sequence[str]: ...
    @property
    def relay_ports(self) -> tuple[int, int] | None: ...
    @property
    def tls(self) -> ssl.SSLContext | None: ...


class MeetingRelay:
    """Offers TURN at `port`; `accepting` are the hosts of the TCP port `http_port`."""

    def __init__(
        self, network: Network, port: Port, settings: RelaySettings, accepting: Sequence[str], http_port: int
    ) -> None:
        started_at = network.wall_clock() - trio.current_time()
        self._accounts = ExpiringAccounts([network.dice(SECRET_SIZE)], started_at)
        hosts = [local.host for local in port.locals]
        own = OwnAddresses(network.addresses)
        guard = Guard(
            is_own=own.holds,
            media=frozenset(port.locals),
            relayed=frozenset(hosts),
            world=settings.relay_ports is not None,
            outside=_outside(hosts, settings.announce),
        )
        self.relay = Relay(
            Authenticator(REALM, self._accounts, network.dice(NONCE_SECRET_SIZE)),
            guard,
            hosts,
            network.dice,
            limits=_limits(settings.relay_ports),
            avoids_fragments=AVOIDS_FRAGMENTS,
        )
        self.server = RelayServer(network, self.relay, port, only_local=settings.only_local)
        # Over UDP the relay answers at the media port, too, but that is not told to browsers: Chromium gives everything
        # from a TURN server's address to its TURN client, and would find no direct path to the same port any more.
        tcp = _one_of_each_family([*settings.announce, *accepting] if accepting else [])
        self.urls = [f"turn:{_spelled(host)}:{http_port}?transport=tcp" for host in tcp]
        if settings.tls is not None:
            self.urls += [f"turns:{_spelled(host)}:{http_port}?transport=tcp" for host in tcp]

    def ice_servers(self, participant: str) -> list[IceServer]:
        """What a participant may use, with a name and a password of its own."""
        username, password = self._accounts.issue(participant, CREDENTIALS_LAST_FOR, trio.current_time())
        return [IceServer(urls=list(self.urls), username=username, credential=password)]

    def families(self) -> Iterable[Family]:
        """What `/metrics` shows of it."""
        server = self.server
        yield Family("meetref_relay_allocations", "gauge", "Addresses that are lent.").add(len(self.relay))
        relayed = server.relayed_to_peers + server.relayed_to_clients
        yield Family("meetref_relay_packets_total", "counter", "Packets that were relayed.").add(relayed)
        yield by_word("meetref_relay_ignored_total", "What the relay dropped, by reason.", self.relay.ignored)


def _limits(ports: tuple[int, int] | None) -> Limits:
    return Limits() if ports is None else Limits(first_port=ports[0], last_port=ports[1])


def _outside(hosts: Sequence[str], announce: Sequence[str]) -> dict[str, str]:
    """Which of our hosts a NAT in front of us shows as which: the first of a family, unless it is announced itself."""
    found = {}
    for outside in announce:
        inside = next((host for host in hosts if (":" in host) == (":" in outside)), None)
        if inside is not None and outside not in hosts:
            found[inside] = outside
    return found


def _one_of_each_family(hosts: Sequence[str]) -> list[str]:
    """Every address is one more allocation for a browser to wait for: one of each family will do."""
    found: dict[int, str] = {}
    for host in hosts:
        found.setdefault(ip_address(host).version, host)
    return list(found.values())


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host
