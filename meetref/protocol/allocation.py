"""One allocation: a client's path to the relay, the addresses it was given, its peers, and what it may still use.

Stands above `protocol/permission`, below `protocol/relay`, which makes, refreshes and ends it. Its life is the table
`TRANSITIONS`; the diagram in the documentation is drawn from it.
Specification: RFC 8656 sections 5 (bandwidth) and 6 to 8. Leaves out: RFC 6062's TCP connections to peers.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from meetref.protocol.authenticator import Identity
from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.permission import Peer, Peers
from meetref.wire.address import Address
from meetref.wire.turn import family_of, peek_send

DEFAULT_LIFETIME: Final = 600.0  # seconds (RFC 8656 section 6)


class State(Enum):
    """What an allocation is to its client."""

    OPENING = "opening"  # the addresses are being opened
    ALIVE = "alive"
    CLOSED = "closed"


class Input(Enum):
    """What happens to an allocation."""

    OPENED = "opened"
    UNAVAILABLE = "no address to be had"
    REFRESHED = "refreshed"
    DELETED = "refreshed with lifetime 0"
    EXPIRED = "time is up"
    ABANDONED = "the client's stream ended"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.OPENING, Input.OPENED): State.ALIVE,
    (State.OPENING, Input.UNAVAILABLE): State.CLOSED,
    (State.OPENING, Input.EXPIRED): State.CLOSED,
    (State.OPENING, Input.ABANDONED): State.CLOSED,
    (State.ALIVE, Input.REFRESHED): State.ALIVE,
    (State.ALIVE, Input.DELETED): State.CLOSED,
    (State.ALIVE, Input.EXPIRED): State.CLOSED,
    (State.ALIVE, Input.ABANDONED): State.CLOSED,
}


class Budget:
    """Octets that may pass: `rate` a second in the long run, `burst` at once. It is filled only when it is empty."""

    __slots__ = ("_at", "_octets", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._octets = burst
        self._at = now

    def take(self, size: int, now: float) -> bool:
        """Whether `size` octets more may pass; takes them."""
        if size > self._octets:
            self._octets = min(self.burst, self._octets + max(0.0, now - self._at) * self.rate)
            self._at = now
            if size > self._octets:
                return False
        self._octets -= size
        return True


class Allocation:
    """What the relay keeps for one client.

    `local` and `remote` are the path to the client: UDP's addresses, or a stream's (`StreamAddress`), which together
    are the document's 5-tuple. `relayed` are the addresses given to it, by family (`wire/turn`).
    `pending` are packets to the client that its owner collects until the end of a batch.
    """

    __slots__ = (
        "answer",
        "budget",
        "dropped",
        "expires_at",
        "identity",
        "local",
        "peers",
        "pending",
        "relayed",
        "remote",
        "state",
        "token",
        "transaction",
    )

    def __init__(
        self, local: Address, remote: Address, identity: Identity, transaction: bytes, peers: Peers, budget: Budget
    ) -> None:
        self.local = local
        self.remote = remote
        self.identity = identity  # spec: turn/key-not-password
        self.transaction = transaction  # of the request that made it, which may come again
        self.answer: bytes | None = None
        self.token: bytes | None = None
        self.peers = peers
        self.budget = budget
        self.relayed: dict[int, Address] = {}
        self.state = State.OPENING
        self.expires_at = 0.0
        self.pending: list[bytes] = []
        self.dropped = 0  # packets above the budget

    @property
    def alive(self) -> bool:
        return self.state is State.ALIVE

    def from_client(self, data: bytes, now: float) -> tuple[Peer, bytes] | None:
        """Channel data from the client: for whom, and what; None when it is to be dropped."""
        relayed = self.peers.from_client(data, now)
        if relayed is None or not self.take(len(data), now):
            return None
        return relayed

    def run_from_client(self, data: bytes, size: int, now: float) -> tuple[Peer, list[bytes]] | None:
        """A whole run of channel data of one channel; None for what has to be looked at one by one."""
        relayed = self.peers.run_from_client(data, size, now)
        if relayed is None or not self.budget.take(len(data), now):
            return None
        return relayed

    def run_from_peer(self, data: bytes, size: int, source: Address, now: float) -> list[bytes] | None:
        """A whole run from a peer that has a channel; None for what has to be looked at one by one."""
        packets = self.peers.run_from_peer(data, size, source, now)
        if packets is None or not self.budget.take(len(data), now):
            return None
        return packets

    def from_indication(self, data: bytes, now: float) -> tuple[Peer, bytes] | None:
        """The same for a Send indication of the usual form; None for any other, about which nothing is said yet."""
        plain = peek_send(data)
        peer = None if plain is None else self.peers.from_indication(plain[0], now)
        if plain is None or peer is None or not self.take(len(data), now):
            return None
        return peer, plain[1]

    def from_peer(self, data: bytes, source: Address, now: float) -> bytes | None:
        """A datagram from a peer as the client gets it; None when it is to be dropped."""
        framed = self.peers.from_peer(data, source, now)
        if framed is None or not self.take(len(framed), now):
            return None
        return framed

    def source_for(self, peer: Peer) -> Address:
        """The relayed address from which a peer is sent to."""
        return self.relayed[family_of(peer.address)]

    def take(self, size: int, now: float) -> bool:
        """Whether `size` octets more are within the budget; what is not, is counted."""
        if self.budget.take(size, now):  # spec: turn/bandwidth
            return True
        self.dropped += 1
        return False

    def happens(self, what: Input) -> None:
        """Go on as the table says. Raises `ProtocolMisuse` for what it does not have."""
        following = TRANSITIONS.get((self.state, what))
        if following is None:
            raise ProtocolMisuse(f"an allocation that is {self.state.value} was told: {what.value}")
        self.state = following


def lifetime(asked: int | None, longest: float) -> float:
    """How long an allocation lives that was asked to live for so many seconds (RFC 8656 sections 7.2 and 8.2)."""
    # spec: turn/lifetime-bounds
    return max(DEFAULT_LIFETIME, min(float(asked or 0), longest))
