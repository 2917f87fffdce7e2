"""What a DTLS association tells its owner, whichever version of the handshake made it.

Stands above `keyschedule`; `handshake12` makes these events, `protocol/peer` acts on them.
Specification: RFC 5764 section 4.2 (keys), RFC 8827 section 6.5 (what the owner checks).
Leaves out: trust. An endpoint proves that the certificate is the peer's; whose peer it is says its fingerprint.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.machine import Event


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
