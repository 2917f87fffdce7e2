"""SRTP and SRTCP: the locks on media, opened with the keys that the DTLS handshake exported.

Stands above nothing but the cipher library; `protocol/peer` makes a `Session` when a handshake is done.
Specification: RFC 3711 (the transform), RFC 7714 (AES-GCM), RFC 5764 section 4.1.2 (the profiles).
Leaves out: the transform itself, which libsrtp does here; and MKI, which WebRTC does not use.
Read next: `protocol/peer.py`, which decides when a session may be used.
"""

from __future__ import annotations

from collections import Counter

from pylibsrtp import Error, Policy
from pylibsrtp import Session as Library

from meetref.protocol.keyschedule import SRTPKeys

MAXIMUM_PACKET = 1340
"""Octets of a packet that `lock` takes: what still fits the library's buffer behind its longest trailer."""

REPLAY_WINDOW = 2048
"""Packets. A repair that comes two round trips late must still fit: at 1,000 packets a second this is two seconds."""

PROFILE_NAMES = {
    0x0001: "SRTP_AES128_CM_HMAC_SHA1_80",
    0x0007: "SRTP_AEAD_AES_128_GCM",
    0x0008: "SRTP_AEAD_AES_256_GCM",
}
_POLICIES = {
    0x0001: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    0x0007: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    0x0008: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class LockRefused(Exception):
    """A packet was not locked: it is too large, or its index was used already or is too old (RFC 3711 section 9.1)."""


class Session:
    """Both directions of one connection. `unlock...` answers None for what does not open, and counts why."""

    def __init__(self, keys: SRTPKeys) -> None:
        self.profile = keys.profile
        self.refused: Counter[str] = Counter()
        self._outbound = _library(keys.profile, keys.local_key + keys.local_salt, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _library(keys.profile, keys.remote_key + keys.remote_salt, Policy.SSRC_ANY_INBOUND)

    def lock(self, packet: bytes) -> bytes:
        """An RTP packet, locked. Raises `LockRefused`; the same index is never locked twice."""
        try:
            return self._outbound.protect(packet)
        except (Error, TypeError, ValueError) as error:
            raise LockRefused(str(error)) from None

    def lock_control(self, packet: bytes) -> bytes:
        """A compound RTCP packet, locked. Raises `LockRefused`."""
        try:
            return self._outbound.protect_rtcp(packet)
        except (Error, TypeError, ValueError) as error:
            raise LockRefused(str(error)) from None

    def unlock(self, packet: bytes) -> bytes | None:
        """The RTP packet inside, or None when its tag is wrong or its index was seen before."""
        try:
            return self._inbound.unprotect(packet)
        except (Error, TypeError, ValueError) as error:
            self.refused[str(error)] += 1
            return None

    def unlock_control(self, packet: bytes) -> bytes | None:
        """The compound RTCP packet inside, or None."""
        try:
            return self._inbound.unprotect_rtcp(packet)
        except (Error, TypeError, ValueError) as error:
            self.refused[str(error)] += 1
            return None

    def forget(self, ssrc: int) -> None:
        """Drop the state of one incoming source, so that a peer that invents sources fills no memory."""
        try:
            self._inbound.remove_stream(ssrc)
        except Error:
            self.refused["unknown source forgotten"] += 1


def _library(profile: int, key: bytes, direction: int) -> Library:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=_POLICIES[profile])
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = False
    return Library(policy)
