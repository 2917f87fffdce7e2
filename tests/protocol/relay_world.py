"""A relay in memory, clients that speak to it, and an owner that opens what the relay asks for.

Stands below tests/protocol/test_relay*.py, tests/vectors/test_turn.py and tests/generate/turn.py. Everything is in
documentation addresses; the guard is told that they are the world. Read next: tests/protocol/test_relay.py.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from meetref.protocol.authenticator import Authenticator
from meetref.protocol.credentials import Accounts, Algorithm, FixedAccounts, long_term_key
from meetref.protocol.lending import Close, Open
from meetref.protocol.machine import Datagram
from meetref.protocol.relay import Relay
from meetref.protocol.relayguard import Guard
from meetref.protocol.relaylimits import Limits
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address, StreamAddress
from meetref.wire.attribute import Attribute

REALM = "example.org"
USERS = {"alice": "wonder", "bob": "builder"}
DOOR = Address("198.51.100.1", 3478)
DOOR_IPV6 = Address("2001:db8:1::1", 3478)
MEDIA = Address("198.51.100.1", 8080)
PEER = Address("203.0.113.9", 4000)
OTHER_PEER = Address("203.0.113.10", 4000)
PEER_IPV6 = Address("2001:db8:9::9", 4000)
WORLD = tuple(ip_network(each) for each in ("203.0.113.0/24", "2001:db8:9::/48"))


def make_guard(**changes: Any) -> Guard:
    """A guard for which the peers above are the world."""
    own = {DOOR.host, DOOR_IPV6.host}
    settings: dict[str, Any] = {"is_own": own.__contains__, "allowed": WORLD, "relayed": frozenset(own)}
    return Guard(**{**settings, **changes})


@dataclass
class World:
    """A relay and its owner. `occupied` are addresses that another program has; `now` is the virtual clock."""

    limits: Limits = field(default_factory=Limits)
    guard: Guard = field(default_factory=make_guard)
    hosts: tuple[str, ...] = (DOOR.host, DOOR_IPV6.host)
    accounts: Accounts = field(default_factory=lambda: FixedAccounts(REALM, USERS))
    avoids_fragments: bool = True
    nonce_lasts_for: float = 3600.0
    seed: int = 1
    algorithms: tuple[Algorithm, ...] = ()  # with none, clients need not know of any

    def __post_init__(self) -> None:
        self.now = 0.0
        self.dice = random.Random(self.seed).randbytes
        authenticator = Authenticator(
            REALM, self.accounts, self.dice(16), algorithms=self.algorithms, nonce_lasts_for=self.nonce_lasts_for
        )
        self.relay = Relay(
            authenticator,
            self.guard,
            self.hosts,
            self.dice,
            limits=self.limits,
            avoids_fragments=self.avoids_fragments,
        )
        self.occupied: Callable[[Address], bool] = lambda address: False
        self.open: set[Address] = set()
        self.sent: list[Datagram] = []
        self.withheld: list[Open] | None = None  # a list: openings wait there until `serve` is called

    def feed(self, data: bytes, local: Address, remote: Address) -> list[Datagram]:
        """One datagram, and everything that comes out for it."""
        self.relay.receive_datagram(Datagram(data, local, remote), self.now)
        return self.drain()

    def drain(self) -> list[Datagram]:
        """Do as the relay's owner does, until it is quiet."""
        sent: list[Datagram] = []
        while True:
            datagrams, events = list(self.relay.transmits()), list(self.relay.events())
            if not datagrams and not events:
                self.sent += sent
                return sent
            sent += datagrams
            for event in events:
                if isinstance(event, Close):
                    self.open.remove(event.address)
                elif isinstance(event, Open) and self.withheld is not None:
                    self.withheld.append(event)
                elif isinstance(event, Open):
                    self.serve(event)

    def serve(self, event: Open) -> None:
        """Open what was asked for."""
        if any(self.occupied(address) for address in event.addresses):
            self.relay.unavailable(event.ticket, self.now)
        else:
            assert not self.open & set(event.addresses)
            self.open |= set(event.addresses)
            self.relay.opened(event.ticket, self.now)

    def sleep(self, seconds: float) -> None:
        """Let time pass, as the driver does."""
        until = self.now + seconds
        while self.relay.next_timeout() <= until:
            self.now = max(self.now, self.relay.next_timeout())
            self.relay.handle_timeout(self.now)
            assert self.relay.next_timeout() > self.now
            self.drain()
        self.now = until


class Client:
    """One client of a `World`, that knows its password and remembers the nonce."""

    numbers = itertools.count()

    def __init__(
        self,
        world: World,
        remote: Address | None = None,
        *,
        user: str = "alice",
        password: str | None = None,
        local: Address = DOOR,
    ) -> None:
        self.world = world
        self.local = local
        self.remote = remote or Address("192.0.2.7", 1000 + next(self.numbers) % 60000)
        self.user = user
        self.key = long_term_key(user, REALM, USERS.get(user, "") if password is None else password)
        self.nonce = ""
        self.relayed = Address("", 0)
        self.answers: list[stun.Message] = []

    def message(self, method: int, *attributes: tuple[int, Any], signed: bool = True) -> bytes:
        """A request with these attributes."""
        given = [Attribute(*each) for each in attributes]
        if signed:
            names = ((attribute.USERNAME, self.user), (attribute.REALM, REALM), (attribute.NONCE, self.nonce))
            given += [Attribute(*each) for each in names]
        message = stun.Message(stun.Class.REQUEST, method, self.world.dice(12), given)
        return stun.serialize(message, integrity_key=self.key if signed else None, fingerprint=False)

    def send(self, data: bytes) -> list[Datagram]:
        """Raw octets, from here."""
        return self.world.feed(data, self.local, self.remote)

    def ask(self, method: int, *attributes: tuple[int, Any]) -> stun.Message:
        """A request with credentials; asked again when the nonce is new or stale. Its answer."""
        for _ in range(2):
            data = self.message(method, *attributes, signed=bool(self.nonce))
            answers = [each for each in self.send(data) if each.remote == self.remote and each.local == self.local]
            assert len(answers) == 1, answers
            answer = stun.parse(answers[0].data)
            if code_of(answer) not in (401, 438) or answer.get(attribute.NONCE) == self.nonce:
                break
            self.nonce = answer.get(attribute.NONCE)
        if answer.kind is stun.Class.SUCCESS:
            assert stun.verify_integrity(answers[0].data, self.key)
        return answer

    def allocate(self, *attributes: tuple[int, Any]) -> stun.Message:
        """Ask for an allocation over UDP, with more attributes if need be."""
        answer = self.ask(turn.ALLOCATE, (attribute.REQUESTED_TRANSPORT, turn.UDP), *attributes)
        self.relayed = answer.get(attribute.XOR_RELAYED_ADDRESS) or self.relayed
        return answer

    def permit(self, *peers: Address) -> stun.Message:
        return self.ask(turn.CREATE_PERMISSION, *((attribute.XOR_PEER_ADDRESS, peer) for peer in peers))

    def bind(self, channel: int, peer: Address) -> stun.Message:
        return self.ask(turn.CHANNEL_BIND, (attribute.CHANNEL_NUMBER, channel), (attribute.XOR_PEER_ADDRESS, peer))

    def refresh(self, lifetime: int | None = None) -> stun.Message:
        return self.ask(turn.REFRESH, *(() if lifetime is None else ((attribute.LIFETIME, lifetime),)))

    def send_data(self, data: bytes, peer: Address = PEER) -> list[Datagram]:
        """A Send indication, and what comes out of it."""
        return self.send(turn.serialize_indication(turn.SEND_TYPE, self.world.dice(12), peer, data))

    def send_channel(self, channel: int, data: bytes) -> list[Datagram]:
        return self.send(turn.serialize_channel_data(channel, data))


def stream(address: Address) -> StreamAddress:
    return StreamAddress(*address)


def code_of(answer: stun.Message) -> int | None:
    """The error code of an answer; None for a success."""
    error = answer.get(attribute.ERROR_CODE)
    return None if error is None else int(error.code)
