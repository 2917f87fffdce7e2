"""What a lock on media promises, whoever made it: the interface of both SRTP engines.

Stands below `protocol/srtpsession` (ours) and `protocol/libsrtp` (the library's), from which `protocol/srtp` chooses.
Specification: RFC 3711 (the transform), RFC 5764 section 4.1.2 and RFC 7714 section 14.2 (the profiles).
Leaves out: MKI, which WebRTC does not use.
Read next: `protocol/srtpsession.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

MAXIMUM_PACKET = 1340
"""Octets of a packet that `lock` takes: what still fits libsrtp's buffer behind its longest trailer.

A repair is two octets longer than its original; browsers' packets are at most 1200."""

REPLAY_WINDOW = 2048
"""Packets. A repair that comes two round trips late must still fit: at 1,000 packets a second this is two seconds."""

MAXIMUM_SOURCES = 64
"""Incoming sources of one kind (RTP or RTCP): a peer has sixteen streams, and their repairs."""

PROFILE_NAMES = {
    0x0001: "SRTP_AES128_CM_HMAC_SHA1_80",
    0x0002: "SRTP_AES128_CM_HMAC_SHA1_32",
    0x0007: "SRTP_AEAD_AES_128_GCM",
    0x0008: "SRTP_AEAD_AES_256_GCM",
}


class LockRefused(Exception):
    """A packet was not locked: it is too large, or its index was used already or is too old (RFC 3711 section 9.1)."""


class Session(Protocol):
    """Both directions of one connection. `unlock...` answers None for what does not open, and counts why."""

    profile: int
    refused: Counter[str]

    def lock(self, packet: bytes) -> bytes:
        """An RTP packet, locked. Raises `LockRefused`; the same index is never locked twice."""
        ...

    def lock_run(self, packets: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        """`lock` for packets of one source, at least one, in three parts each: the whole header, the payload in two.

        What cannot be locked is left out, and counted in `refused`.
        """
        ...

    def lock_control(self, packet: bytes) -> bytes:
        """A compound RTCP packet, locked. Raises `LockRefused`."""
        ...

    def unlock(self, packet: bytes) -> bytes | None:
        """The RTP packet inside, or None when its tag is wrong or its index was seen before."""
        ...

    def unlock_control(self, packet: bytes) -> bytes | None:
        """The compound RTCP packet inside, or None."""
        ...

    def forget(self, ssrc: int) -> None:
        """Drop the state of one incoming source, so that a peer that invents sources fills no memory."""
        ...
