"""SRTP and SRTCP: the locks on media, opened with the keys that the DTLS handshake exported.

Stands above the two engines, ours and libsrtp; `protocol/peer` opens a session when a handshake is done. Which engine a
profile gets by default was measured: `meetref lab srtp`, docs/measurements.md.
Specification: RFC 3711, RFC 7714, RFC 5764 section 4.1.2; RFC 9335 and RFC 6904 with `Hiding`.
Leaves out: the transforms, which the engines are.
Read next: `protocol/srtpsession.py`, the one to read; `protocol/peer.py`, which decides when a session may be used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.lock import MAXIMUM_PACKET, PROFILE_NAMES, REPLAY_WINDOW, LockRefused, Session
from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.srtpcm import CounterModeDirection
from meetref.protocol.srtpgcm import GcmDirection, GcmSession
from meetref.protocol.srtphiding import Hiding, HidingSession
from meetref.protocol.srtpsession import Make, OwnSession

__all__ = [
    "ENGINES",
    "FASTER",
    "MAXIMUM_PACKET",
    "PROFILE_NAMES",
    "REPLAY_WINDOW",
    "Engine",
    "Hiding",
    "LockRefused",
    "Session",
    "open_session",
]

Engine = Literal["ours", "libsrtp"]

ENGINES: tuple[Engine, ...] = ("ours", "libsrtp")

FASTER: dict[int, Engine] = {0x0001: "libsrtp", 0x0002: "libsrtp", 0x0007: "ours", 0x0008: "ours"}
"""The engine of a profile where nobody chose: the one that takes less time for a packet."""

# spec: srtp/profiles
CIPHERS: dict[int, Make] = {
    0x0001: partial(CounterModeDirection.derived, tag_octets=10),
    0x0002: partial(CounterModeDirection.derived, tag_octets=4),
    0x0007: GcmDirection.derived,
    0x0008: GcmDirection.derived,
}
OURS: dict[int, Callable[[SRTPKeys], Session]] = {
    0x0001: lambda keys: OwnSession(keys, CIPHERS[keys.profile]),
    0x0002: lambda keys: OwnSession(keys, CIPHERS[keys.profile]),
    0x0007: GcmSession,
    0x0008: GcmSession,
}


def open_session(keys: SRTPKeys, engine: Engine | None = None, hiding: Hiding | None = None) -> Session:
    """The locks for these keys. Both engines make the same octets; None is the faster one.

    With `hiding` headers are encrypted too, which only our engine does. Raises `ProtocolMisuse`.
    """
    if hiding is not None:
        if engine == "libsrtp":
            raise ProtocolMisuse("libsrtp hides no headers here")
        return HidingSession(keys, CIPHERS[keys.profile], hiding)
    if (engine or FASTER[keys.profile]) == "libsrtp":
        return LibrarySession(keys)
    return OURS[keys.profile](keys)
