"""SRTP and SRTCP: the locks on media, opened with the keys that the DTLS handshake exported.

Stands above the two engines; `protocol/peer` opens a session when a handshake is done. For AES-GCM the engine is ours:
one call of a kept cipher, and the payload of a forwarded packet is not copied in front of it.
Specification: RFC 3711, RFC 7714, RFC 5764 section 4.1.2.
Leaves out: AES-CM of our own.
Read next: `protocol/sealing.py`, the one to read; `protocol/peer.py`, which decides when a session may be used.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.lock import MAXIMUM_PACKET, PROFILE_NAMES, REPLAY_WINDOW, LockRefused, Session
from meetref.protocol.sealing import SealedSession

__all__ = ["MAXIMUM_PACKET", "PROFILE_NAMES", "REPLAY_WINDOW", "LockRefused", "Session", "open_session"]

ENGINES: dict[int, Callable[[SRTPKeys], Session]] = {
    0x0001: LibrarySession,
    0x0007: SealedSession,
    0x0008: SealedSession,
}


def open_session(keys: SRTPKeys) -> Session:
    """The locks for these keys, by the engine of their profile."""
    return ENGINES[keys.profile](keys)
