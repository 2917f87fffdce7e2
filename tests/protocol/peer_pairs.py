"""Two peers and the way between them, in memory, on a clock of its own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any, Literal

from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.peer import Peer, Remote
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from tests.protocol.dtls_pairs import CERTIFICATES

CLIENT, SERVER, MOVED = Address("192.0.2.1", 1000), Address("192.0.2.2", 2000), Address("192.0.2.9", 4444)
Name = Literal["client", "server"]


def candidate(address: Address) -> Candidate:
    return Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, address.host, address.port, "host")


class Peers:
    """`client` offers and controls, `server` answers. `passes` may drop a datagram; `moves` renames sources."""

    def __init__(self, seed: int = 1) -> None:
        self.now = 50.0
        self.client = self._peer("client", seed)
        self.server = self._peer("server", seed)
        self.events: dict[Name, list[Event]] = {"client": [], "server": []}
        self.passes: Callable[[Name, Datagram], bool] = lambda sender, datagram: True
        self.moves: dict[Address, Address] = {}
        self.client.add_local_candidates([candidate(CLIENT)], self.now)
        self.server.add_local_candidates([candidate(SERVER)], self.now)
        self._flying: list[tuple[float, int, Name, Datagram]] = []
        self._order = itertools.count()

    def _peer(self, name: Name, seed: int) -> Peer:
        dice = random.Random(f"{name} {seed}").randbytes
        return Peer(controlling=name == "client", certificate=CERTIFICATES[name], dice=dice, dtls_role=name)

    def remote_of(self, name: Name, **changes: Any) -> Remote:
        """What `name` would say of itself, with `changes`."""
        peer: Peer = getattr(self, name)
        values = {
            "credentials": Credentials(peer.credentials.ufrag, peer.credentials.password),
            "fingerprints": (("sha-256", peer.certificate.fingerprint("sha-256")),),
            "setup": "active" if name == "client" else "passive",
        }
        return Remote(**(values | changes))

    def introduce(self, *, client: Remote | None = None, server: Remote | None = None) -> None:
        self.server.set_remote(client or self.remote_of("client"), self.now)
        self.client.set_remote(server or self.remote_of("server"), self.now)
        self.server.add_remote_candidate(candidate(CLIENT), self.now)
        self.client.add_remote_candidate(candidate(SERVER), self.now)
        self.flush()

    def flush(self) -> None:
        for name, peer in (("client", self.client), ("server", self.server)):
            for datagram in peer.transmits():
                if self.passes(name, datagram):
                    other: Name = "server" if name == "client" else "client"
                    source = self.moves.get(datagram.local, datagram.local)
                    local = next((own for own, seen in self.moves.items() if seen == datagram.remote), datagram.remote)
                    arrived = Datagram(datagram.data, local, source)
                    heapq.heappush(self._flying, (self.now + 0.01, next(self._order), other, arrived))
            self.events[name] += peer.events()

    def step(self) -> None:
        due = min(self.client.next_timeout(), self.server.next_timeout())
        arrival = self._flying[0][0] if self._flying else float("inf")
        self.now = max(self.now, min(due, arrival))
        if arrival <= due:
            _, _, name, datagram = heapq.heappop(self._flying)
            getattr(self, name).receive_datagram(datagram, self.now)
        for peer in (self.client, self.server):
            if peer.next_timeout() <= self.now:
                peer.handle_timeout(self.now)
                assert peer.next_timeout() > self.now, "time does not move on"
        self.flush()

    def run(self, until: Callable[[], bool] = lambda: False, seconds: float = 5.0) -> Peers:
        end = self.now + seconds
        while not until() and min(self._next(), end) < end:
            self.step()
        return self

    def _next(self) -> float:
        flying = self._flying[0][0] if self._flying else float("inf")
        return min(self.client.next_timeout(), self.server.next_timeout(), flying)

    def of(self, name: Name, kind: type[Event]) -> list[Any]:
        return [event for event in self.events[name] if isinstance(event, kind)]

    @property
    def both_connected(self) -> bool:
        return self.client.state == self.server.state == "connected"


class Signaling:
    """Offers of new credentials and their answers, each `takes` so many seconds; only the newest answer counts."""

    def __init__(self, peers: Peers, *, offerer: Name, takes: float) -> None:
        self._peers = peers
        self._takes = takes
        self._names: dict[str, Name] = {"offerer": offerer, "answerer": "server" if offerer == "client" else "client"}
        self._offers = itertools.count(1)
        self._newest = 0
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def _later(self, act: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self._peers.now + self._takes, next(self._order), act))

    def restart(self) -> None:
        """The offerer begins anew."""
        self._peer("offerer").restart_ice(self._peers.now)
        self._newest = number = next(self._offers)
        described = self._peers.remote_of(self._names["offerer"])
        self._later(lambda: self._offered(number, described))

    def _offered(self, number: int, theirs: Remote) -> None:
        answerer = self._peer("answerer")
        if answerer.remote_credentials != theirs.credentials:
            answerer.restart_ice(self._peers.now)
        self._describe("answerer", theirs)
        described = self._peers.remote_of(self._names["answerer"])
        self._later(lambda: self._describe("offerer", described) if number == self._newest else None)

    def _peer(self, role: str) -> Peer:
        peer: Peer = getattr(self._peers, self._names[role])
        return peer

    def _describe(self, role: str, theirs: Remote) -> None:
        peer = self._peer(role)
        peer.set_remote(theirs, self._peers.now)
        peer.add_remote_candidate(candidate(CLIENT if self._names[role] == "server" else SERVER), self._peers.now)
        self._peers.flush()

    def run(self, seconds: float) -> None:
        """Let time pass, and what is on its way arrive."""
        end = self._peers.now + seconds
        while self._coming and self._coming[0][0] <= end:
            at, _, act = heapq.heappop(self._coming)
            self._peers.run(seconds=max(0.0, at - self._peers.now))
            self._peers.now = max(self._peers.now, at)
            act()
        self._peers.run(seconds=max(0.0, end - self._peers.now))
        self._peers.now = max(self._peers.now, end)


def connected(seed: int = 1) -> Peers:
    peers = Peers(seed)
    peers.introduce()
    peers.run(lambda: peers.both_connected)
    assert peers.both_connected
    return peers
