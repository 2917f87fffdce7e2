"""The keys of STUN: what a user name and a password become, and where a server finds them.

Stands below `protocol/authenticator` (the server's side) and `protocol/account` (the client's); TURN uses both.
Specification: RFC 8489 sections 9.1.1, 9.2.2, 14.4 and 18.5.1; draft-uberti-rtcweb-turn-rest-00 (names that expire).
Leaves out: refusing code points as RFC 8265 does, which needs tables of Unicode's and changes no key: a text that one
side refuses, the other cannot have. Read next: `protocol/authenticator.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from meetref.wire.attribute import PasswordAlgorithm

EXPIRING_NAME = re.compile(r"([0-9]{1,10})(?::.*)?", re.DOTALL)


class Algorithm(IntEnum):
    """The registered ways from a password to a key (RFC 8489 section 18.5)."""

    MD5 = 1
    SHA256 = 2

    @property
    def offer(self) -> PasswordAlgorithm:
        """It as an attribute has it; neither has parameters."""
        return PasswordAlgorithm(self)


def opaque_string(text: str) -> str:
    """The one form of a name or password: spaces of all kinds become U+0020, then NFC (RFC 8265 section 4.2.2)."""
    # spec: stun/opaque-string
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in text)
    return unicodedata.normalize("NFC", spaced)


def short_term_key(password: str) -> bytes:
    """The key of a short-term credential (RFC 8489 section 9.1.1)."""
    return opaque_string(password).encode()  # spec: stun/short-term-key


def long_term_key(username: str, realm: str, password: str, algorithm: Algorithm = Algorithm.MD5) -> bytes:
    """The key of a long-term credential: 16 octets by MD5, 32 by SHA-256 (RFC 8489 sections 9.2.2 and 18.5.1)."""
    # spec: stun/long-term-key
    name = opaque_string(username).strip('"').rstrip("\0")
    secret = opaque_string(password).rstrip("\0")
    account = f"{name}:{opaque_string(realm).strip(chr(34)).rstrip(chr(0))}:{secret}".encode()
    if algorithm is Algorithm.MD5:
        return hashlib.md5(account, usedforsecurity=False).digest()
    return hashlib.sha256(account).digest()


def userhash(username: str, realm: str) -> bytes:
    """What stands for a user name where it is to stay secret, 32 octets (RFC 8489 section 14.4)."""
    # spec: stun/userhash
    return hashlib.sha256(f"{opaque_string(username)}:{opaque_string(realm)}".encode()).digest()


class Accounts(Protocol):
    """Where a server finds passwords. A user may have more than one at a time, while a secret is being changed."""

    @property
    def hashed(self) -> bool:
        """Whether users can be found by their hash, so that a server may ask clients to hide their names."""
        ...

    def passwords(self, username: str, now: float) -> Sequence[str]:
        """The passwords of a user; none if there is no such user."""
        ...

    def username(self, userhash: bytes) -> str | None:
        """The user with that hash."""
        ...


@dataclass(slots=True)
class FixedAccounts:
    """Users who were written into a configuration: `users` maps names to passwords."""

    realm: str
    users: Mapping[str, str] = field(repr=False)
    hashed: bool = field(default=True, init=False)
    _names: dict[bytes, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.users = {opaque_string(name): password for name, password in self.users.items()}
        self._names = {userhash(name, self.realm): name for name in self.users}

    def passwords(self, username: str, now: float) -> Sequence[str]:
        return [self.users[username]] if username in self.users else []

    def username(self, userhash: bytes) -> str | None:
        return self._names.get(userhash)


@dataclass(slots=True, frozen=True)
class ExpiringAccounts:
    """Users whose names say until when they are good, and whose passwords are an HMAC of the name.

    Whoever shares one of `secrets` can `issue` them; nothing is kept. The first secret makes new passwords, the others
    are on their way out. `wall_clock_at_zero` is the UNIX time, in seconds, at which `now` was zero.
    Source: draft-uberti-rtcweb-turn-rest-00, sections 2.2, 4.2 and 5.2.
    """

    secrets: Sequence[bytes] = field(repr=False)
    wall_clock_at_zero: float
    # A hash cannot be turned back into a name that nobody remembers.
    hashed: bool = field(default=False, init=False)

    def issue(self, user: str, lasts: float, now: float) -> tuple[str, str]:
        """A name and its password, good for `lasts` seconds. `user` should say nothing of a person: it is seen."""
        expires = int(self.wall_clock_at_zero + now + lasts)
        name = f"{expires}:{user}" if user else str(expires)
        return name, self._password(self.secrets[0], name)

    def passwords(self, username: str, now: float) -> Sequence[str]:
        read = EXPIRING_NAME.fullmatch(username)
        # spec: stun/expiring-name
        if read is None or int(read[1]) <= self.wall_clock_at_zero + now:
            return []
        return [self._password(secret, username) for secret in self.secrets]  # spec: stun/secret-rotation

    def username(self, userhash: bytes) -> str | None:
        return None

    @staticmethod
    def _password(secret: bytes, name: str) -> str:
        return b64encode(hmac.digest(secret, name.encode(), "sha1")).decode()
