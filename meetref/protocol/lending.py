"""Who was lent which address: allocations from the wish to the end, reserved ports, and the clock that ends them.

No port is opened here: `Open` asks the owner for addresses, `opened` and `unavailable` are told, `Close` gives one
back. Stands above `protocol/allocation` and `protocol/relayports`, below `protocol/relay`, which reads the requests.
Specification: RFC 8656 sections 6, 7.2 and 8.2. Leaves out: moving an allocation to another path (RFC 8016).
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from meetref.protocol.allocation import Allocation, Budget, Input, lifetime
from meetref.protocol.machine import Datagram, Dice, Event
from meetref.protocol.permission import Peers
from meetref.protocol.relayanswer import Asked, allocated, not_allocated
from meetref.protocol.relayguard import Guard
from meetref.protocol.relaylimits import Limits, Quotas
from meetref.protocol.relayports import (
    MAXIMUM_TRIES,
    OPENING_TIMEOUT,
    Opening,
    Reservation,
    Wishes,
    host_for,
    pick,
)
from meetref.wire import attribute, turn
from meetref.wire.address import Address
from meetref.wire.attribute import TOKEN_SIZE

MAXIMUM_RESERVATIONS = 64


@dataclass(slots=True, frozen=True)
class Open(Event):
    """Open these UDP addresses, all or none, and tell the relay with `ticket`."""

    ticket: int
    addresses: tuple[Address, ...]


@dataclass(slots=True, frozen=True)
class Close(Event):
    """Nobody is lent this address any more."""

    address: Address


class Lending:
    """All allocations of a relay. What it answers and asks for is appended to `transmits` and `events`."""

    def __init__(self, guard: Guard, hosts: Iterable[str], dice: Dice, limits: Limits) -> None:
        self.limits = limits
        self.quotas = Quotas(limits)
        self.allocations: dict[tuple[Address, Address], Allocation] = {}  # by the client's address and ours
        self.relayed: dict[Address, Allocation] = {}
        self.transmits: deque[Datagram] = deque()
        self.events: deque[Event] = deque()
        self._guard = guard
        self._dice = dice
        self._hosts: dict[int, tuple[str, ...]] = {turn.IPV4: (), turn.IPV6: ()}
        for host in hosts:
            self._hosts[turn.IPV6 if ip_address(host).version == 6 else turn.IPV4] += (host,)
        self._openings: dict[int, Opening] = {}
        self._tickets = 0
        self._reservations: dict[bytes, Reservation] = {}
        # spec: turn/relayed-address-unique
        self._taken: set[Address] = set()  # lent, reserved, or being opened
        self._clock: list[tuple[float, int, Allocation | Reservation]] = []
        self._armed = 0  # makes the entries of the clock comparable

    # --- from the wish to the answer --------------------------------------------------------------

    def refuses(self, wishes: Wishes, asked: Asked, now: float) -> int | None:
        """The error code of what cannot be had, whatever port it may be, or None."""
        if wishes.token is not None:
            reservation = self._reservations.get(wishes.token)
            if reservation is None or reservation.expires_at <= now:  # spec: turn/token-invalid
                return 508
        elif not any(self._hosts.get(family) for family in wishes.families):  # spec: turn/family-unsupported
            return 440
        if wishes.reserve and len(self._reservations) >= MAXIMUM_RESERVATIONS:
            return 508
        return self.quotas.refuses(asked.identity.username, 1 + wishes.reserve)

    def lend(self, wishes: Wishes, asked: Asked, now: float) -> None:
        """Begin an allocation that nothing `refuses`; the client is answered as soon as its addresses are there."""
        datagram, limits = asked.datagram, self.limits
        peers = Peers(self._guard, self._dice, padded=datagram.remote.transport == "tcp")
        budget = Budget(limits.bytes_per_second, limits.burst_bytes, now)
        transaction = asked.message.transaction
        allocation = Allocation(datagram.local, datagram.remote, asked.identity, transaction, peers, budget)
        self.quotas.take(asked.identity.username)
        self.allocations[datagram.remote, datagram.local] = allocation
        allocation.expires_at = now + OPENING_TIMEOUT
        self.arm(allocation.expires_at, allocation)
        lives = lifetime(asked.message.get(attribute.LIFETIME), limits.longest_lifetime)
        opening = Opening(allocation, wishes, lives, list(wishes.families))
        for family in wishes.families:
            if not self._hosts.get(family):
                opening.problems[family] = 440
                opening.to_do.remove(family)
        if wishes.token is not None:
            self._take_over(self._reservations[wishes.token], allocation)
        self._open_next(opening, now)

    def opened(self, ticket: int, now: float) -> None:
        """The addresses of this ticket are open."""
        opening = self._openings.pop(ticket)
        allocation, address = opening.allocation, opening.addresses[0]
        if not self._is_kept(allocation):
            self._give_up(opening.addresses, close=True)
            return
        allocation.relayed[turn.family_of(address)] = address
        if len(opening.addresses) > 1:
            opening.reserved = opening.addresses[1]
        opening.to_do.pop(0)
        self._open_next(opening, now)

    def unavailable(self, ticket: int, now: float) -> None:
        """At least one of the addresses of this ticket could not be had, and none of them is open."""
        opening = self._openings.pop(ticket)
        allocation = opening.allocation
        self._give_up(opening.addresses, close=False)
        if not self._is_kept(allocation):
            return
        opening.tries += 1
        if opening.tries >= MAXIMUM_TRIES:
            opening.problems[opening.to_do.pop(0)] = 508
        self._open_next(opening, now)

    def _open_next(self, opening: Opening, now: float) -> None:
        """Ask for the next family's address; with none left, answer the client."""
        allocation = opening.allocation
        while opening.to_do:
            family = opening.to_do[0]
            host = host_for(family, allocation.local, self._hosts)
            assert host is not None
            addresses = pick(host, opening.wishes, self._taken, self.limits, self._dice)
            if addresses:
                opening.addresses = addresses
                self._taken.update(addresses)
                self._tickets += 1
                self._openings[self._tickets] = opening
                self.events.append(Open(self._tickets, addresses))
                return
            opening.problems[opening.to_do.pop(0)] = 508  # spec: turn/no-port-left
        self._finish(opening, now)

    def _finish(self, opening: Opening, now: float) -> None:
        allocation = opening.allocation
        if not allocation.relayed:
            data = not_allocated(allocation, next(iter(opening.problems.values())))
            self.transmits.append(Datagram(data, allocation.local, allocation.remote))
            self.end(allocation, Input.UNAVAILABLE)
            return
        allocation.happens(Input.OPENED)
        for address in allocation.relayed.values():
            self.relayed[address] = allocation
        if opening.reserved is not None:
            self._reserve(opening.reserved, allocation, now)
        allocation.expires_at = now + opening.lifetime
        self.arm(allocation.expires_at, allocation)
        told = [self._guard.told(address) for address in allocation.relayed.values()]
        allocation.answer = allocated(opening, told, int(opening.lifetime))
        self.transmits.append(Datagram(allocation.answer, allocation.local, allocation.remote))

    def _reserve(self, address: Address, allocation: Allocation, now: float) -> None:
        # spec: turn/reservation-held
        token, username = self._dice(TOKEN_SIZE), allocation.identity.username
        reservation = Reservation(token, address, username, now + self.limits.reserved_for)
        self._reservations[token] = reservation
        self.quotas.take(username)
        self.arm(reservation.expires_at, reservation)
        allocation.token = token

    def _take_over(self, reservation: Reservation, allocation: Allocation) -> None:
        del self._reservations[reservation.token]
        self.quotas.give_back(reservation.username)
        allocation.relayed[turn.family_of(reservation.address)] = reservation.address

    # --- the end ----------------------------------------------------------------------------------

    def next_timeout(self) -> float:
        """When the next allocation or reservation may have to end."""
        return self._clock[0][0] if self._clock else math.inf

    def handle_timeout(self, now: float) -> None:
        """End what has expired."""
        while self._clock and self._clock[0][0] <= now:
            _, _, each = heapq.heappop(self._clock)
            if not self._is_kept(each):
                continue
            if each.expires_at > now:
                self.arm(each.expires_at, each)  # it was refreshed
            elif isinstance(each, Reservation):
                self._drop_reservation(each)
            else:
                self.end(each, Input.EXPIRED)

    def end(self, allocation: Allocation, why: Input) -> None:
        """End an allocation, for good."""
        allocation.happens(why)
        del self.allocations[allocation.remote, allocation.local]
        self.quotas.give_back(allocation.identity.username)
        for address in allocation.relayed.values():
            self.relayed.pop(address, None)
            for other in self.allocations.values():
                other.peers.forget(address)
        self._give_up(allocation.relayed.values(), close=True)

    def _drop_reservation(self, reservation: Reservation) -> None:
        del self._reservations[reservation.token]
        self.quotas.give_back(reservation.username)
        self._give_up((reservation.address,), close=True)

    def _give_up(self, addresses: Iterable[Address], *, close: bool) -> None:
        for address in addresses:
            self._taken.discard(address)
            if close:
                self.events.append(Close(address))

    def arm(self, at: float, each: Allocation | Reservation) -> None:
        """Look at it again at `at`, in seconds. Entries that became useless are cleared away now and then."""
        if len(self._clock) > 4 * (len(self.allocations) + len(self._reservations)) + 64:
            kept: list[Allocation | Reservation] = [*self.allocations.values(), *self._reservations.values()]
            self._clock = [(each.expires_at, number, each) for number, each in enumerate(kept)]
            self._armed = len(kept)
            heapq.heapify(self._clock)
        self._armed += 1
        heapq.heappush(self._clock, (at, self._armed, each))

    def _is_kept(self, each: Allocation | Reservation) -> bool:
        if isinstance(each, Reservation):
            return self._reservations.get(each.token) is each
        return self.allocations.get((each.remote, each.local)) is each
