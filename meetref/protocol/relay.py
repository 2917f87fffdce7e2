"""A TURN server: it lends addresses of its own to clients, and relays between them and their peers.

A client is known by its path (UDP's addresses, or a stream's), what it was lent by the relayed address; datagrams at
both ends go in and out by the five methods. `net/relay` does not send media this way, but calls an allocation's
`from_client` and `from_peer` for whole batches. Stands on `protocol/lending`, below `net/relay`.
Specification: RFC 8656. Leaves out: RFC 6062 (TCP to peers, answered with 442: ICE has UDP for that), ALTERNATE-SERVER,
mobility (RFC 8016), ICMP from peers.
Read next: `protocol/lending.py`, `protocol/permission.py`, `protocol/relayguard.py`, `net/relay.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from meetref.protocol.allocation import Allocation, Input, lifetime
from meetref.protocol.authenticator import Authenticator, Refusal, refuse
from meetref.protocol.binding import answer_binding
from meetref.protocol.lending import Lending
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.protocol.relayanswer import Asked
from meetref.protocol.relayguard import Guard
from meetref.protocol.relaylimits import Limits, Rations
from meetref.protocol.relayports import wishes_of
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed


@dataclass(slots=True, frozen=True)
class Unfragmented(Datagram):
    """A datagram for a peer that may not be cut into fragments on its way."""


class Relay:
    """The server's side of TURN.

    Relayed addresses are on `hosts`, of both families as they come; the owner opens what `protocol/lending.Open` asks
    for. `avoids_fragments`: its sockets can forbid fragmentation. `last_channel` may be higher for clients of before
    2020. `ignored` counts, by reason, what was dropped.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        guard: Guard,
        hosts: Iterable[str],
        dice: Dice,
        *,
        limits: Limits | None = None,
        avoids_fragments: bool = False,
        last_channel: int = turn.LAST_CHANNEL,
    ) -> None:
        self.limits = limits or Limits()
        self.ignored: Counter[str] = Counter()
        self.rations = Rations(self.limits.answers_per_second, self.limits.answers_at_once)
        self.lending = Lending(guard, hosts, dice, self.limits)
        guard.is_live = self.lending.relayed.__contains__
        self._authenticator = authenticator
        self._avoids_fragments = avoids_fragments
        self._last_channel = last_channel
        self._allocations = self.lending.allocations
        self._relayed = self.lending.relayed
        self._transmits = self.lending.transmits
        self._events = self.lending.events
        self._handlers: dict[int, Callable[[Asked, Allocation, float], None]] = {
            turn.REFRESH: self._refresh,
            turn.CREATE_PERMISSION: self._create_permission,
            turn.CHANNEL_BIND: self._channel_bind,
        }

    # --- the machine ------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        """From a client, or at a relayed address from a peer. A stream's message comes as a datagram, too."""
        owner = self._relayed.get(datagram.local)
        if owner is not None:
            self._from_peer(owner, datagram, now)
            return
        first = datagram.data[0] if datagram.data else 255
        if first <= 3:
            self._receive_stun(datagram, now)
        elif 64 <= first <= 127:
            self._receive_channel_data(datagram, now)
        else:
            self._ignore("neither STUN nor channel data")  # spec: turn/channel-reserved-dropped

    def next_timeout(self) -> float:
        """When the next allocation or reservation may have to end."""
        return self.lending.next_timeout()

    def handle_timeout(self, now: float) -> None:
        """End what has expired."""
        self.lending.handle_timeout(now)

    def transmits(self) -> Iterator[Datagram]:
        """Drain what is to be sent: to clients from our address, to peers from a relayed one."""
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        """Drain `Open` and `Close` (`protocol/lending`), and `Ignored`."""
        while self._events:
            yield self._events.popleft()

    # --- commands ---------------------------------------------------------------------------------

    def opened(self, ticket: int, now: float) -> None:
        """The addresses of this ticket are open."""
        self.lending.opened(ticket, now)

    def unavailable(self, ticket: int, now: float) -> None:
        """At least one of the addresses of this ticket could not be had, and none of them is open."""
        self.lending.unavailable(ticket, now)

    def abandon(self, local: Address, remote: Address) -> None:
        """The stream between these addresses has ended, and what was lent on it with it."""
        allocation = self._allocations.get((remote, local))
        if allocation is not None:
            self.lending.end(allocation, Input.ABANDONED)

    def allocation_of(self, remote: Address, local: Address) -> Allocation | None:
        """What the client at `remote`, who speaks to our `local`, has."""
        return self._allocations.get((remote, local))

    def owner_of(self, relayed: Address) -> Allocation | None:
        """Whom a relayed address was lent to."""
        return self._relayed.get(relayed)

    def __len__(self) -> int:
        """How many allocations there are."""
        return len(self._allocations)

    # --- STUN -------------------------------------------------------------------------------------

    def _receive_stun(self, datagram: Datagram, now: float) -> None:
        try:
            head = stun.parse_header(datagram.data)
        except Malformed:
            self._ignore("malformed")
            return
        if head.method == stun.BINDING:
            self._receive_binding(datagram, now)
        elif head.kind is stun.Class.INDICATION:
            self._receive_indication(datagram, head.method, now)
        elif head.kind is not stun.Class.REQUEST or not (head.method == turn.ALLOCATE or head.method in self._handlers):
            self._ignore("neither request nor known method")
        elif datagram.remote in self._relayed:  # spec: turn/no-relay-behind-itself
            self._ignore("a request from a relayed address")
        else:
            self._receive_request(datagram, head, now)

    def _receive_binding(self, datagram: Datagram, now: float) -> None:
        answer = answer_binding(datagram.data, datagram.remote)
        if isinstance(answer, str):
            self._ignore(answer)
        else:
            self._answer_stranger(answer, datagram, now)

    def _receive_request(self, datagram: Datagram, head: stun.Message, now: float) -> None:
        allocation = self._allocations.get((datagram.remote, datagram.local))
        # Whoever has used up the ration of his network costs no HMAC either.
        if allocation is None and not self.rations.left(datagram.remote, now):
            self._ignore("no ration left")
            return
        try:
            message = stun.parse(datagram.data)
        except Malformed:
            self._answer_stranger(refuse(head, 400).data, datagram, now)  # spec: turn/malformed-request
            return
        if message.fingerprint is not None and not stun.verify_fingerprint(datagram.data):
            self._ignore("fingerprint")
            return
        known = None if allocation is None else allocation.identity
        # spec: turn/authentication-required
        identity = self._authenticator.authenticate(datagram.data, message, datagram.remote, now, known)
        if isinstance(identity, Refusal):
            self._answer_stranger(identity.data, datagram, now)
            return
        self._receive_authentic(Asked(datagram, message, identity), allocation, now)

    def _receive_authentic(self, asked: Asked, allocation: Allocation | None, now: float) -> None:
        unknown = tuple(dict.fromkeys(asked.message.unknown_required))
        if not self._avoids_fragments and asked.message.get(attribute.DONT_FRAGMENT) is not None:
            unknown += (attribute.DONT_FRAGMENT,)  # spec: turn/dont-fragment-unsupported
        if unknown:
            self._transmits.append(asked.error(420, Attribute(attribute.UNKNOWN_ATTRIBUTES, unknown)))
        elif asked.message.method == turn.ALLOCATE:
            self._allocate(asked, allocation, now)
        elif allocation is None or not allocation.alive:  # spec: turn/allocation-mismatch
            self._transmits.append(asked.error(437))
        elif allocation.identity.username != asked.identity.username:  # spec: turn/same-user
            self._transmits.append(asked.error(441))
        else:
            self._handlers[asked.message.method](asked, allocation, now)

    def _answer_stranger(self, data: bytes, asked: Datagram, now: float) -> None:
        if self.rations.take(asked.remote, now):
            self._transmits.append(Datagram(data, asked.local, asked.remote))
        else:
            self._ignore("no ration left")

    # --- Allocate ---------------------------------------------------------------------------------

    def _allocate(self, asked: Asked, present: Allocation | None, now: float) -> None:
        datagram = asked.datagram
        if present is not None:
            if present.transaction != asked.message.transaction:  # spec: turn/path-in-use
                self._transmits.append(asked.error(437))
            elif present.answer is not None:  # spec: turn/allocate-repeated
                self._transmits.append(Datagram(present.answer, datagram.local, datagram.remote))
            return
        wishes = wishes_of(asked.message)
        code = wishes if isinstance(wishes, int) else self.lending.refuses(wishes, asked, now)
        if isinstance(wishes, int) or code is not None:
            self._transmits.append(asked.error(code or 400))
        else:
            self.lending.lend(wishes, asked, now)

    # --- the other requests -----------------------------------------------------------------------

    def _refresh(self, asked: Asked, allocation: Allocation, now: float) -> None:
        family = asked.message.get(attribute.REQUESTED_ADDRESS_FAMILY)
        if family is not None and family not in allocation.relayed:  # spec: turn/refresh-family
            self._transmits.append(asked.error(443))
            return
        wanted = asked.message.get(attribute.LIFETIME)
        if wanted == 0:  # spec: turn/refresh-deletes
            self._transmits.append(asked.success(Attribute(attribute.LIFETIME, 0)))
            self.lending.end(allocation, Input.DELETED)
            return
        # spec: turn/refresh
        lives = lifetime(wanted, self.limits.longest_lifetime)
        allocation.happens(Input.REFRESHED)
        if now + lives < allocation.expires_at:
            self.lending.arm(now + lives, allocation)
        allocation.expires_at = now + lives
        self._transmits.append(asked.success(Attribute(attribute.LIFETIME, int(lives))))

    def _create_permission(self, asked: Asked, allocation: Allocation, now: float) -> None:
        addresses: tuple[Address, ...] = asked.message.every(attribute.XOR_PEER_ADDRESS)
        code = 400 if not addresses else _mismatch(addresses, allocation)  # spec: turn/permission-without-peer
        if code is None:
            code = allocation.peers.permit([address.host for address in addresses], now)
        self._transmits.append(asked.success() if code is None else asked.error(code))

    def _channel_bind(self, asked: Asked, allocation: Allocation, now: float) -> None:
        get = asked.message.get
        address, channel = get(attribute.XOR_PEER_ADDRESS), get(attribute.CHANNEL_NUMBER)
        code: int | None = 400
        # spec: turn/channel-bind-checks
        if address is not None and channel is not None and turn.is_channel(channel, self._last_channel):
            code = _mismatch((address,), allocation)
            if code is None:
                code = allocation.peers.bind(channel, address, now)
        self._transmits.append(asked.success() if code is None else asked.error(code))

    # --- data, one by one -------------------------------------------------------------------------

    def _receive_indication(self, datagram: Datagram, method: int, now: float) -> None:
        allocation = self._allocations.get((datagram.remote, datagram.local))
        if method != turn.SEND or allocation is None:  # spec: turn/indication-without-allocation
            self._ignore("an indication without an allocation")
            return
        message = self._parsed(datagram)
        if message is None or message.unknown_required:
            return
        address, data = message.get(attribute.XOR_PEER_ADDRESS), message.get(attribute.DATA)
        whole = message.get(attribute.DONT_FRAGMENT) is not None
        if address is None or data is None or (whole and not self._avoids_fragments):  # spec: turn/send-checks
            self._ignore("a Send indication that cannot be followed")
            return
        peer = allocation.peers.to(address, now)
        source = allocation.relayed.get(turn.family_of(address))
        if peer is None or source is None:
            self._ignore("no permission")
        elif allocation.take(len(data), now):
            make = Unfragmented if whole else Datagram  # spec: turn/dont-fragment
            self._transmits.append(make(data, source, peer.destination))

    def _parsed(self, datagram: Datagram) -> stun.Message | None:
        try:
            return stun.parse(datagram.data)
        except Malformed:
            self._ignore("malformed")
            return None

    def _receive_channel_data(self, datagram: Datagram, now: float) -> None:
        allocation = self._allocations.get((datagram.remote, datagram.local))
        relayed = None if allocation is None else allocation.from_client(datagram.data, now)
        if allocation is None or relayed is None:  # spec: turn/indication-without-allocation
            self._ignore("channel data for nobody")
            return
        peer, data = relayed
        self._transmits.append(Datagram(data, allocation.source_for(peer), peer.destination))

    def _from_peer(self, owner: Allocation, datagram: Datagram, now: float) -> None:
        data = owner.from_peer(datagram.data, datagram.remote, now)
        if data is None:
            self._ignore("not relayed to the client")
        else:
            self._transmits.append(Datagram(data, owner.local, owner.remote))

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        self._events.append(Ignored(why))


def _mismatch(addresses: Iterable[Address], allocation: Allocation) -> int | None:
    """The error code when a peer is of a family of which the client was lent no address."""
    # spec: turn/peer-family
    return None if all(turn.family_of(address) in allocation.relayed for address in addresses) else 443
