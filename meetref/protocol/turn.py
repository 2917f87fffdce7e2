"""A place on a relay: the client's side of TURN, which lets peers be reached through a server when nothing else works.

`Client` keeps one allocation on one server alive, over UDP or a stream, with what it needs to reach peers from there.
What peers say does not go through the five methods: `wrap` and `unwrap` are plain calls on one packet.
Stands above `protocol/stun` (questions and answers) and `protocol/turnpeers` (what was granted), below `net/relayed`.
Specification: RFC 8656. Leaves out: reserved and even ports (one port carries all), DONT-FRAGMENT, ICMP errors, which
say less than ICE's checks do, and DTLS to the server. Read next: `protocol/turnpeers.py`, `net/gathering.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from meetref.protocol import stun as asking
from meetref.protocol.account import Credentials
from meetref.protocol.machine import Datagram, Dice, Event, Ignored, ProtocolMisuse
from meetref.protocol.turnpeers import Channel, Peers, Permission
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed

DEFAULT_LIFETIME = 600.0  # seconds (RFC 8656 section 3.2)
SHORTEST_LIFETIME = 10.0  # a server that promises less is asked no more often for it
LONGEST_LIFETIME = 86_400.0
REFRESH_BEFORE = 60.0  # seconds before an allocation ends; an unanswered request takes 39.5 of them
DATA_INDICATION = turn.DATA_TYPE.to_bytes(2, "big")
MAXIMUM_DATA = 65_000  # octets: more does not fit a datagram with what is put around it
MAXIMUM_OPEN = asking.MAXIMUM_QUESTIONS - 1  # one question is kept for the goodbye

Family = Literal["ipv4", "ipv6", "both"]


class State(Enum):
    """Where the allocation stands. `LOST` and `CLOSED` are final; a lost one needs a new `Client`."""

    NEW = "new"
    ASKING = "asking"
    ALLOCATED = "allocated"
    LOST = "lost"
    CLOSED = "closed"


class Input(Enum):
    """What can happen to it."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    CLOSED = "closed"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.NEW, Input.ASKED): State.ASKING,
    (State.NEW, Input.CLOSED): State.CLOSED,
    (State.ASKING, Input.GRANTED): State.ALLOCATED,
    (State.ASKING, Input.REFUSED): State.LOST,
    (State.ASKING, Input.CLOSED): State.CLOSED,
    (State.ALLOCATED, Input.REFUSED): State.LOST,
    (State.ALLOCATED, Input.CLOSED): State.CLOSED,
    (State.LOST, Input.CLOSED): State.CLOSED,
}


@dataclass(slots=True, frozen=True)
class Allocated(Event):
    """The relay has a place for us: an address of each family that was asked for and granted.

    `mapped` is how the server sees us; `missing` is the code with which one of two families was refused.
    """

    relayed: tuple[Address, ...]
    mapped: Address
    server: Address
    missing: int = 0


@dataclass(slots=True, frozen=True)
class Lost(Event):
    """There is no allocation (any more). `why` is a short fixed phrase; `code` is the server's, 0 without one."""

    why: str
    code: int = 0


@dataclass(slots=True, frozen=True)
class Redirected(Event):
    """Only over a stream: connect to `server` instead, whose certificate names `domain` if given."""

    server: Address
    domain: str | None


@dataclass(slots=True, frozen=True)
class Permitted(Event):
    """The relay lets packets from and to `host` through."""

    host: str


@dataclass(slots=True, frozen=True)
class Forbidden(Event):
    """The relay does not."""

    host: str
    why: str
    code: int = 0


@dataclass(slots=True, frozen=True)
class ChannelBound(Event):
    """From now on packets to `peer` cost four octets more, and not 36."""

    peer: Address
    number: int


_Purpose = Literal["allocate", "refresh", "delete"] | Permission | Channel


class Client:
    """One allocation. A machine (protocol/machine.py).

    With `reliable`, datagrams in and out are whole messages of a stream. `lifetime`, in seconds, is a wish.
    """

    def __init__(
        self,
        local: Address,
        server: Address,
        dice: Dice,
        credentials: Credentials,
        *,
        reliable: bool = False,
        family: Family = "ipv4",
        lifetime: float | None = None,
    ) -> None:
        self.state = State.NEW
        self.relayed: tuple[Address, ...] = ()
        self.refused = 0  # packets to peers that the relay has no place for
        self._dice = dice
        self._reliable = reliable
        self._family = family
        self._lifetime = lifetime
        self._asking = asking.Client(local, server, dice, credentials, reliable=reliable)
        self._open: dict[int, _Purpose] = {}
        self._peers = Peers()
        self._refresh_at = math.inf
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    @property
    def server(self) -> Address:
        return self._asking.server

    # --- commands -------------------------------------------------------------------------------------

    def allocate(self, now: float) -> None:
        """Ask for a place. `Allocated`, `Lost` or `Redirected` follows."""
        self._step(Input.ASKED)
        # spec: turn/client-requested-transport
        attributes = [Attribute(attribute.REQUESTED_TRANSPORT, turn.UDP)]
        if self._family == "ipv6":  # spec: turn/client-family
            attributes.append(Attribute(attribute.REQUESTED_ADDRESS_FAMILY, turn.IPV6))
        elif self._family == "both":
            attributes.append(Attribute(attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))
        if self._lifetime is not None:
            attributes.append(Attribute(attribute.LIFETIME, round(self._lifetime)))
        self._ask(turn.ALLOCATE, attributes, "allocate", now)

    def permit(self, host: str, now: float) -> None:
        """Let packets from and to a host through, for as long as the allocation stands. `Permitted` or `Forbidden`."""
        if self.state is State.ALLOCATED and self.relayed_for(host) is not None:
            if self._peers.want(host) is None:
                self._events.append(Ignored("too many peers"))  # spec: turn/client-bounded
            self._work(now)

    def bind(self, peer: Address, now: float) -> None:
        """Have a channel to a peer: worth it for one that gets more than a few checks. `ChannelBound` may follow."""
        if self.state is State.ALLOCATED and self.relayed_for(peer.host) is not None:
            if self._peers.want_channel(peer) is None:
                self._events.append(Ignored("too many channels"))
            self._work(now)

    def close(self, now: float) -> None:
        """Give the place back. What `transmits` has left is the goodbye; nothing needs to be waited for."""
        was_allocated = self.state is State.ALLOCATED
        if self.state is not State.CLOSED:
            self._step(Input.CLOSED)
        if was_allocated:
            self._delete(now)
        self._refresh_at = math.inf
        self._peers.clear()

    def disconnected(self, now: float) -> None:
        """The stream to the server is gone, and the allocation with it."""
        self._asking.disconnected(now)
        self._settle(now)
        if self.state in (State.ASKING, State.ALLOCATED):
            self._lose("disconnected")

    # --- packets of peers -----------------------------------------------------------------------------

    def wrap(self, peer: Address, data: bytes) -> bytes | None:
        """What to send to the server so that it sends `data` to `peer`.

        None where the relay does not let it through: a few packets then wait until it does, the others are counted.
        """
        if len(data) > MAXIMUM_DATA:
            self.refused += 1
            return None
        channel = self._peers.bound(peer)
        if channel is not None:
            return turn.serialize_channel_data(channel, data, padded=self._reliable)
        if self._peers.is_granted(peer.host):  # spec: turn/client-send-permitted
            return self._send_indication(peer, data)
        if not self._peers.keep(peer, data):
            self.refused += 1
        return None

    def unwrap(self, data: bytes) -> tuple[Address, bytes] | None:
        """Who sent what, if `data` brings a packet of a peer's; None for everything else. Never raises."""
        try:
            if data[:1] and turn.FIRST_CHANNEL >> 8 <= data[0] <= turn.LAST_CHANNEL >> 8:
                channel = turn.parse_channel_data(data)
                peer = self._peers.peer_of(channel.channel)  # spec: turn/client-channel-data
                return None if peer is None else (peer, channel.data)
            if data[:2] != DATA_INDICATION:
                return None
            message = stun.parse(data)
        except Malformed:
            return None
        sender, payload = message.get(attribute.XOR_PEER_ADDRESS), message.get(attribute.DATA)
        # spec: turn/client-data-indication
        if sender is None or payload is None or not self._peers.is_granted(sender.host):
            return None
        return sender, payload

    def relayed_for(self, host: str) -> Address | None:
        """Our address on the relay in the family of a peer's host; None if there is none."""
        return next((address for address in self.relayed if address.is_ipv6 == (":" in host)), None)

    # --- the five methods -----------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        """Answers to our requests. What `unwrap` knows is better given to it; here it is only counted."""
        self._asking.receive_datagram(datagram, now)
        self._work(now)

    def next_timeout(self) -> float:
        waiting = self._asking.next_timeout()
        if len(self._open) >= MAXIMUM_OPEN:
            return waiting  # what is due must wait for an answer
        return min(waiting, self._refresh_at, self._peers.next_at)

    def handle_timeout(self, now: float) -> None:
        if self._asking.next_timeout() <= now:
            self._asking.handle_timeout(now)
        self._work(now)

    def transmits(self) -> Iterator[Datagram]:
        yield from self._asking.transmits()
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- asking ---------------------------------------------------------------------------------------

    def _work(self, now: float) -> None:
        """After every change: read what was answered, and ask for what is due."""
        self._settle(now)
        if self.state is not State.ALLOCATED:
            return
        if self._refresh_at <= now and len(self._open) < MAXIMUM_OPEN:
            self._refresh_at = math.inf
            self._ask(turn.REFRESH, self._lifetime_wish(), "refresh", now)  # spec: turn/client-refresh
        while len(self._open) < MAXIMUM_OPEN:
            wish = self._peers.due(now)
            if wish is None:
                return
            peer = wish.peer if isinstance(wish, Channel) else Address(wish.host, 0)
            attributes = [Attribute(attribute.XOR_PEER_ADDRESS, peer)]
            if isinstance(wish, Channel):
                attributes.insert(0, Attribute(attribute.CHANNEL_NUMBER, wish.number))
            # One request for each host: a host that is refused would take the others of its request with it.
            method = turn.CHANNEL_BIND if isinstance(wish, Channel) else turn.CREATE_PERMISSION
            self._ask(method, attributes, wish, now)

    def _ask(self, method: int, attributes: list[Attribute], purpose: _Purpose, now: float) -> None:
        self._open[self._asking.ask(method, attributes, now)] = purpose

    def _lifetime_wish(self) -> list[Attribute]:
        return [] if self._lifetime is None else [Attribute(attribute.LIFETIME, round(self._lifetime))]

    def _delete(self, now: float) -> None:
        self._ask(turn.REFRESH, [Attribute(attribute.LIFETIME, 0)], "delete", now)  # spec: turn/client-delete

    # --- answers --------------------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        for event in self._asking.events():
            match event:
                case asking.Answered():
                    self._granted(self._open.pop(event.question), event, now)
                case asking.Failed():
                    self._refused(self._open.pop(event.question), event, now)
                case asking.Redirected(question, server, domain):
                    if self._open.pop(question) == "allocate" and self.state is State.ASKING:
                        self._step(Input.REFUSED)
                        self._events.append(Redirected(server, domain))
                case _:
                    self._events.append(event)

    def _granted(self, purpose: _Purpose, answered: asking.Answered, now: float) -> None:
        match purpose:
            case "allocate":
                self._asking.server = answered.server  # another one, if we were redirected
                self._allocated(answered.message, now)
            case "refresh" if self.state is State.ALLOCATED:
                self._plan_refresh(answered.message, now)
            case Permission() | Channel() if self.state is State.ALLOCATED:
                self._let_through(purpose, now)

    def _let_through(self, wish: Permission | Channel, now: float) -> None:
        host = wish.peer.host if isinstance(wish, Channel) else wish.host
        was_permitted = self._peers.is_granted(host)
        was_bound = isinstance(wish, Channel) and wish.bound
        for peer, data in self._peers.grant(wish, now):
            self._transmits.append(Datagram(self._send_indication(peer, data), self._asking.local, self.server))
        if not was_permitted:
            self._events.append(Permitted(host))
        if isinstance(wish, Channel) and not was_bound:
            self._events.append(ChannelBound(wish.peer, wish.number))

    def _allocated(self, answer: stun.Message, now: float) -> None:
        relayed: tuple[Address, ...] = answer.every(attribute.XOR_RELAYED_ADDRESS)
        mapped = asking.mapped_address(answer)
        wanted = {"ipv4": {False}, "ipv6": {True}, "both": {False, True}}[self._family]
        # spec: turn/client-family-checked
        fits = bool(relayed) and all(address.is_ipv6 in wanted for address in relayed)
        if self.state is not State.ASKING:  # closed meanwhile: a place that nobody wants any more
            self._delete(now)
        elif mapped is None or not fits or len({address.is_ipv6 for address in relayed}) < len(relayed):
            self._delete(now)
            self._lose("the server gave an address of no use")
        else:
            self._step(Input.GRANTED)
            self.relayed = relayed
            self._plan_refresh(answer, now)
            refused = answer.get(attribute.ADDRESS_ERROR_CODE)  # spec: turn/client-one-family-refused
            self._events.append(Allocated(relayed, mapped, self.server, 0 if refused is None else refused.code))

    def _plan_refresh(self, answer: stun.Message, now: float) -> None:
        said = answer.get(attribute.LIFETIME)
        # spec: turn/client-lifetime
        lifetime = min(max(DEFAULT_LIFETIME if said is None else said, SHORTEST_LIFETIME), LONGEST_LIFETIME)
        self._refresh_at = now + max(lifetime - REFRESH_BEFORE, lifetime / 2)

    def _refused(self, purpose: _Purpose, failed: asking.Failed, now: float) -> None:
        if self.state not in (State.ASKING, State.ALLOCATED):
            return  # spec: turn/client-delete-mismatch
        gone = failed.code == 437  # spec: turn/client-mismatch
        match purpose:
            case Permission(host) if not gone:
                self.refused += self._peers.refuse(purpose, answered=failed.code != 0)
                self._events.append(Forbidden(host, failed.why, failed.code))
            case Channel() if failed.code == 400:  # spec: turn/client-out-of-step
                self._delete(now)
                self._lose("out of step with the server", failed.code)
            case Channel() if not gone:
                self._peers.refuse(purpose, answered=failed.code != 0)
            case _:
                self._lose(failed.why, failed.code)  # spec: turn/client-refusal-told

    def _lose(self, why: str, code: int = 0) -> None:
        self._step(Input.REFUSED)
        self._refresh_at = math.inf
        self._peers.clear()
        self._events.append(Lost(why, code))

    # --- small things ---------------------------------------------------------------------------------

    def _step(self, happened: Input) -> None:
        following = TRANSITIONS.get((self.state, happened))
        if following is None:
            raise ProtocolMisuse(f"an allocation that is {self.state.value} cannot be {happened.value}")
        self.state = following

    def _send_indication(self, peer: Address, data: bytes) -> bytes:
        return turn.serialize_indication(turn.SEND_TYPE, self._dice(12), peer, data)
