"""What a client wishes for when it asks for an allocation, and the search for ports that fulfil it.

The relay cannot open a port itself: it names addresses, and is told whether they could be had. Ports are drawn at
random from the range, so that nobody guesses the next one. Stands below `protocol/relay`.
Specification: RFC 8656 section 7.2 (the checks in its order, and the choice of ports); RFC 6056 (random ports).
Leaves out: trying an address of one family on several hosts; the client's own choice of a host is followed.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from meetref.protocol.allocation import Allocation
from meetref.protocol.machine import Dice
from meetref.protocol.relaylimits import Limits
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address

MAXIMUM_TRIES = 20  # of ports that another program may have
OPENING_TIMEOUT = 10.0  # seconds until a port that was asked for is given up


@dataclass(slots=True, frozen=True)
class Wishes:
    """`families` in the order in which they are opened; of a dual wish the second may fail alone."""

    families: tuple[int, ...]
    even: bool = False
    reserve: bool = False
    token: bytes | None = None


def wishes_of(message: stun.Message) -> Wishes | int:
    """Read an Allocate request, or the error code that it deserves."""
    get = message.get
    transport = get(attribute.REQUESTED_TRANSPORT)
    if transport != turn.UDP:  # spec: turn/requested-transport, turn/transport-unsupported
        return 400 if transport is None else 442
    even, token = get(attribute.EVEN_PORT), get(attribute.RESERVATION_TOKEN)
    requested, additional = get(attribute.REQUESTED_ADDRESS_FAMILY), get(attribute.ADDITIONAL_ADDRESS_FAMILY)
    if token is not None:
        # spec: turn/token-alone
        alone = even is None and requested is None and additional is None
        return Wishes((), token=token) if alone else 400
    if requested is not None and additional is not None:  # spec: turn/one-family-attribute
        return 400
    if additional is None:
        # spec: turn/family-requested
        return Wishes((turn.IPV4 if requested is None else requested,), even is not None, bool(even))
    if even or additional != turn.IPV6:  # spec: turn/dual-restrictions
        return 400
    return Wishes((turn.IPV4, turn.IPV6), even is not None)


@dataclass(slots=True)
class Opening:
    """An allocation whose addresses are being opened."""

    allocation: Allocation
    wishes: Wishes
    lifetime: float
    to_do: list[int]  # families
    addresses: tuple[Address, ...] = ()  # what was asked for last
    problems: dict[int, int] = field(default_factory=dict)  # family: error code
    reserved: Address | None = None
    tries: int = 0


@dataclass(slots=True)
class Reservation:
    """An open port that nobody has yet. Its time is over at `expires_at`, seconds."""

    token: bytes
    address: Address
    username: str
    expires_at: float


def pick(host: str, wishes: Wishes, taken: Container[Address], limits: Limits, dice: Dice) -> tuple[Address, ...]:
    """An address that is free as far as the relay knows, or two neighbours; empty when there are none left."""
    # spec: turn/random-port, turn/port-range
    first, last = limits.first_port, limits.last_port - wishes.reserve
    step = 1
    if wishes.even or wishes.reserve:
        first, step = first + first % 2, 2  # spec: turn/even-port
    count = (last - first) // step + 1
    if count <= 0:
        return ()
    start = int.from_bytes(dice(4), "big") % count
    for place in range(count):
        port = first + (start + place) % count * step
        found = tuple(Address(host, port + further) for further in range(1 + wishes.reserve))
        if not any(address in taken for address in found):
            return found
    return ()


def host_for(family: int, local: Address, hosts: Mapping[int, tuple[str, ...]]) -> str | None:
    """The host on which an address of `family` is given: the one that the client speaks to, if it is of that family."""
    there = hosts.get(family, ())
    if local.host in there:
        return local.host
    return there[0] if there else None
