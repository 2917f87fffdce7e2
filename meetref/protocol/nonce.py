"""Nonces that prove themselves: a server hands them out and remembers none.

A nonce is the cookie of RFC 8489 with its feature bits, then, in base64, when it was made (32 bits of seconds) and an
HMAC over that, the features and the client's address. Stands below `protocol/authenticator` and `protocol/account`.
Specification: RFC 8489 sections 9.2 and 18.1. Leaves out: revoking a single nonce; a new secret revokes all.
Read next: `protocol/authenticator.py`.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import IntFlag

from meetref.wire.address import Address

COOKIE = "obMatJos2"
COOKIE_SIZE = len(COOKIE) + 4
TAG_SIZE = 11  # octets of HMAC; with the time's four they are 20 characters without padding
LASTS_FOR = 3600.0  # spec: turn/nonce-hourly


class Features(IntFlag):
    """The security features that a nonce promises; bit 0 of the document is the highest of 24."""

    NONE = 0
    PASSWORD_ALGORITHMS = 1 << 23
    USERNAME_ANONYMITY = 1 << 22


def promised(nonce: str) -> Features | None:
    """The features that a nonce promises, or None if it has no cookie: its server is of before 2020."""
    if not nonce.startswith(COOKIE) or len(nonce) < COOKIE_SIZE:  # spec: stun/nonce-cookie
        return None
    try:
        return Features(int.from_bytes(b64decode(nonce[len(COOKIE) : COOKIE_SIZE], validate=True), "big"))
    except ValueError:
        return None


@dataclass(slots=True, frozen=True)
class Nonces:
    """Makes nonces and knows its own again. `secret` should have 128 random bits at least."""

    secret: bytes = field(repr=False)
    features: Features
    lasts_for: float = LASTS_FOR

    def make(self, remote: Address, now: float) -> str:
        """A nonce for one client. Two clients never get the same one."""
        made_at = (int(now) & 0xFFFFFFFF).to_bytes(4, "big")
        # spec: stun/nonce-cookie, stun/nonce-of-one-client
        cookie = COOKIE + b64encode(self.features.to_bytes(3, "big")).decode()
        return cookie + urlsafe_b64encode(made_at + self._tag(made_at, remote)).decode()

    def good(self, nonce: str, remote: Address, now: float) -> bool:
        """Whether that client got this nonce here, and not too long ago."""
        try:
            rest = urlsafe_b64decode(nonce[COOKIE_SIZE:])
        except ValueError:
            return False
        made_at, tag = rest[:4], rest[4:]
        cookie = COOKIE + b64encode(self.features.to_bytes(3, "big")).decode()
        # spec: stun/stale-nonce
        if nonce[:COOKIE_SIZE] != cookie or not hmac.compare_digest(tag, self._tag(made_at, remote)):
            return False
        return (int(now) - int.from_bytes(made_at, "big")) & 0xFFFFFFFF <= self.lasts_for

    def _tag(self, made_at: bytes, remote: Address) -> bytes:
        told = made_at + self.features.to_bytes(3, "big") + str(remote).encode()
        return hmac.digest(self.secret, told, "sha256")[:TAG_SIZE]
