"""What a DTLS association is and what it tells its owner, whichever version of the handshake made it.

Stands above `keyschedule`; `handshake12` and `handshake13` are sides of one, `protocol/peer` acts on its events.
Specification: RFC 5764 section 4.2 (keys), RFC 8827 section 6.5 (what the owner checks).
Leaves out: trust. An endpoint proves that the certificate is the peer's; whose peer it is says its fingerprint.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from meetref.protocol.flight import MINIMUM_DATAGRAM
from meetref.protocol.keyschedule import Role, SRTPKeys
from meetref.protocol.machine import Datagram, Event, Ignored, ProtocolMisuse
from meetref.wire import tls
from meetref.wire.address import Address


@dataclass(slots=True, frozen=True)
class Connected(Event):
    """The handshake is complete. `peer_certificate` (DER) is proven to be the peer's; compare its fingerprint.

    `srtp_keys` is None where no SRTP profile was agreed on.
    """

    version: str
    cipher: str
    group: str
    srtp_profile: int | None
    srtp_keys: SRTPKeys | None
    peer_certificate: bytes
    extended_master_secret: bool


@dataclass(slots=True, frozen=True)
class Received(Event):
    """Application data, one record."""

    data: bytes


@dataclass(slots=True, frozen=True)
class Closed(Event):
    """The association has ended in order: the peer said goodbye, or we did."""


@dataclass(slots=True, frozen=True)
class Failed(Event):
    """The association has ended. `alert` is the one that was sent or received, None when time ran out."""

    alert: str | None
    why: str


class Side(ABC):
    """One side of an association, as far as both versions are alike: its addresses, its datagrams, how it ends.

    `local` and `remote` may be changed when the path does.
    """

    state: object

    def __init__(self, role: Role, local: Address, remote: Address, maximum_datagram: int) -> None:
        if maximum_datagram < MINIMUM_DATAGRAM:
            raise ProtocolMisuse(f"a datagram of {maximum_datagram} octets is too small for a handshake")
        self.role: Role = role
        self.local, self.remote = local, remote
        self._transmits: deque[bytes] = deque()
        self._events: deque[Event] = deque()

    def __repr__(self) -> str:
        return f"Endpoint({self.role}, {type(self.state).__name__}, {self.remote})"

    def transmits(self) -> Iterator[Datagram]:
        """What is to be sent, in order."""
        while self._transmits:
            yield Datagram(self._transmits.popleft(), self.local, self.remote)

    def events(self) -> Iterator[Event]:
        """What happened, in order."""
        while self._events:
            yield self._events.popleft()

    @abstractmethod
    def _send_alert(self, level: int, name: str) -> None:
        """Under the keys of now."""

    @abstractmethod
    def _end(self, event: Event) -> None:
        """Nothing is taken, repeated or remembered any more."""

    def _fail(self, alert: str, why: str) -> None:
        self._send_alert(tls.FATAL, alert)
        self._end(Failed(alert, why))

    def _ignore(self, why: str) -> None:
        self._events.append(Ignored(why))
