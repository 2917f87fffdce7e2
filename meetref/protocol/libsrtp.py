"""SRTP by libsrtp: the other engine, and the witness of ours.

Stands above `protocol/lock` (the promise) and `pylibsrtp`; `protocol/srtp` opens it.
Specification: RFC 3711, RFC 7714.
Leaves out: the transform itself, which the library does.
Read next: `protocol/srtpsession.py`, where it can be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pylibsrtp import Error, Policy
from pylibsrtp import Session as Library

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.lock import MAXIMUM_SOURCES, REPLAY_WINDOW, LockRefused

_POLICIES = {
    0x0001: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    0x0002: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    0x0007: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    0x0008: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class LibrarySession:
    """A `protocol.lock.Session` for every profile."""

    def __init__(self, keys: SRTPKeys) -> None:
        self.profile = keys.profile
        self.refused: Counter[str] = Counter()
        self._sources: set[bytes] = set()
        self._control_sources: set[bytes] = set()
        self._outbound = _library(keys.profile, keys.local_key + keys.local_salt, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _library(keys.profile, keys.remote_key + keys.remote_salt, Policy.SSRC_ANY_INBOUND)

    def lock(self, packet: bytes) -> bytes:
        try:
            return self._outbound.protect(packet)
        except (Error, TypeError, ValueError) as error:
            raise LockRefused(str(error)) from None

    def lock_run(self, packets: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        locked = []
        for parts in packets:
            try:
                locked.append(self.lock(b"".join(parts)))
            except LockRefused as error:
                self.refused[str(error)] += 1
        return locked

    def lock_control(self, packet: bytes) -> bytes:
        try:
            return self._outbound.protect_rtcp(packet)
        except (Error, TypeError, ValueError) as error:
            raise LockRefused(str(error)) from None

    def unlock(self, packet: bytes) -> bytes | None:
        return self._open(packet, self._inbound.unprotect, packet[8:12], self._sources)

    def unlock_control(self, packet: bytes) -> bytes | None:
        return self._open(packet, self._inbound.unprotect_rtcp, packet[4:8], self._control_sources)

    def _open(self, packet: bytes, unprotect: Callable[[bytes], bytes], ssrc: bytes, known: set[bytes]) -> bytes | None:
        """The library keeps a stream for every source that proved authentic, and has no bound of its own."""
        if ssrc not in known and len(known) >= MAXIMUM_SOURCES:
            self.refused["too many sources"] += 1  # spec: srtp/sources-bounded
            return None
        try:
            plain = unprotect(packet)
        except (Error, TypeError, ValueError) as error:
            self.refused[str(error)] += 1
            return None
        known.add(ssrc)
        return plain

    def forget(self, ssrc: int) -> None:
        try:
            self._sources.discard(ssrc.to_bytes(4))
            self._inbound.remove_stream(ssrc)
        except Error:
            self.refused["unknown source forgotten"] += 1


def _library(profile: int, key: bytes, direction: int) -> Library:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=_POLICIES[profile])
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = False
    return Library(policy)
