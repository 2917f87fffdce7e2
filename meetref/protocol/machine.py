"""What every machine of this floor looks like: five methods, the same everywhere.

A machine decides; a driver (`net/driver`) does. The machine is told the time (`now`, seconds on a
monotonic clock), given its dice, fed datagrams, and drained of datagrams and events. It never asks
the world anything, so a test can run a whole conversation in memory and a story can replay one from a seed.
Read next: `protocol/ice.py` for a machine in full, `net/driver.py` for the loop that runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from meetref.wire.address import Address

Dice = Callable[[int], bytes]
"""Gives as many random octets as it is asked for: the operating system's in production, a seed's in tests."""


class ProtocolMisuse(RuntimeError):
    """The caller asked a machine for something its state does not allow: a bug on our side, never a peer's doing."""


@dataclass(slots=True, frozen=True)
class Datagram:
    """One datagram: `local` is our end of its path and `remote` the peer's, whichever way it travels."""

    data: bytes
    local: Address
    remote: Address


@dataclass(slots=True, frozen=True)
class Event:
    """Something the owner of a machine may want to know. Each machine has its own kinds."""


@dataclass(slots=True, frozen=True)
class Ignored(Event):
    """A peer sent something that was dropped; `why` is a short fixed phrase, fit for a counter's label."""

    why: str


class Machine(Protocol):
    """The five methods, in the order in which every file of this floor has them.

    After `handle_timeout(now)`, `next_timeout()` is greater than `now`: time always moves on.
    """

    def receive_datagram(self, datagram: Datagram, now: float) -> None: ...

    def next_timeout(self) -> float:
        """When `handle_timeout` wants to be called; `math.inf` when there is nothing to wait for."""
        ...

    def handle_timeout(self, now: float) -> None: ...

    def transmits(self) -> Iterator[Datagram]:
        """Drain what is to be sent, in order."""
        ...

    def events(self) -> Iterator[Event]:
        """Drain what happened, in order."""
        ...
