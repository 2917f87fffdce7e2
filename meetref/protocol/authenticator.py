"""Who asks: how a server tells its users from strangers, and what it answers the strangers.

Stands above `wire/stun` and `protocol/nonce`, below `protocol/relay`. Nothing is remembered between two requests.
Specification: RFC 8489 sections 9.1.3 (short-term credentials) and 9.2.4 (long-term ones).
Leaves out: protecting a 438 with the old nonce, a MAY that makes the answer larger than the request that asked for it.
Read next: `protocol/account.py`, the client's side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from meetref.protocol.credentials import Accounts, Algorithm, long_term_key, short_term_key
from meetref.protocol.nonce import LASTS_FOR, Features, Nonces, promised
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode, PasswordAlgorithm

REASONS = {400: "Bad Request", 401: "Unauthenticated", 438: "Stale Nonce"}


@dataclass(slots=True, frozen=True)
class Identity:
    """An authentic user, and how answers to the request that proved it are protected."""

    username: str
    key: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.MD5
    sha256: bool = False
    """Whether answers carry MESSAGE-INTEGRITY-SHA256, and not MESSAGE-INTEGRITY."""

    def protect(self, answer: stun.Message) -> bytes:
        """The octets of an answer to this user's request, with integrity and without fingerprint."""
        # spec: stun/answer-protected, stun/long-term-answer-protected
        if self.sha256:
            return stun.serialize(answer, sha256_key=self.key, fingerprint=False)
        return stun.serialize(answer, integrity_key=self.key, fingerprint=False)


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a request is refused (`code`), and the octets to answer it with."""

    code: int
    data: bytes


def refuse(asked: stun.Message, code: int, *more: Attribute) -> Refusal:
    """An error answer that nobody vouches for, as small as it can be."""
    # The reason is for people; whoever reads captures knows the code.
    attributes = [Attribute(attribute.ERROR_CODE, ErrorCode(code, "")), *more]
    answer = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, attributes)
    return Refusal(code, stun.serialize(answer, fingerprint=False))


class Authenticator:
    """Long-term credentials: a realm, its accounts, and nonces made with `secret`.

    `algorithms` are offered in this order; none at all makes a server as they were before 2020, which knows MD5 only.
    """

    def __init__(
        self,
        realm: str,
        accounts: Accounts,
        secret: bytes,
        *,
        algorithms: tuple[Algorithm, ...] = (Algorithm.SHA256, Algorithm.MD5),
        nonce_lasts_for: float = LASTS_FOR,
    ) -> None:
        self.realm = realm
        self.accounts = accounts
        self.algorithms = algorithms
        features = Features.PASSWORD_ALGORITHMS if algorithms else Features.NONE
        if accounts.hashed and algorithms:
            features |= Features.USERNAME_ANONYMITY
        self._nonces = Nonces(secret, features, nonce_lasts_for)
        self._offers = tuple(algorithm.offer for algorithm in algorithms)

    def authenticate(
        self, data: bytes, message: stun.Message, remote: Address, now: float, known: Identity | None = None
    ) -> Identity | Refusal:
        """Who sent the request `data` (parsed: `message`) from `remote`, or the answer to refuse it with.

        `known` is who asked earlier in the same matter: his key is good although his account may have expired since.
        The checks stand in the order of RFC 8489 section 9.2.4.
        """
        # spec: stun/long-term-credentials
        get = message.get
        if not message.protected:  # spec: stun/challenge
            return self._challenge(message, 401, remote, now)
        named = get(attribute.USERNAME) is not None or get(attribute.USERHASH) is not None
        nonce = get(attribute.NONCE)
        if not named or get(attribute.REALM) is None or nonce is None:  # spec: stun/credentials-incomplete
            return refuse(message, 400)
        algorithm = self._algorithm(message, nonce)
        if algorithm is None:  # spec: stun/algorithm-mismatch
            return refuse(message, 400)
        username = self._username(message)
        if username is None or get(attribute.REALM) != self.realm:  # spec: stun/unknown-user
            return self._challenge(message, 401, remote, now)
        for key in self._keys(username, algorithm, known, now):
            if verify(data, message, key):
                break
        else:  # spec: stun/wrong-password
            return self._challenge(message, 401, remote, now)
        if not self._nonces.good(nonce, remote, now):  # spec: stun/stale-nonce
            return self._challenge(message, 438, remote, now)
        return Identity(username, key, algorithm, sha256=get(attribute.PASSWORD_ALGORITHM) is not None)

    def _algorithm(self, message: stun.Message, nonce: str) -> Algorithm | None:
        """How the client made its key; None if what it says was not said here."""
        chosen: PasswordAlgorithm | None = message.get(attribute.PASSWORD_ALGORITHM)
        offered = message.get(attribute.PASSWORD_ALGORITHMS)
        if chosen is None and offered is None:
            return Algorithm.MD5
        features = promised(nonce) or Features.NONE
        if not features & Features.PASSWORD_ALGORITHMS:
            # That nonce was not made here, which is said after the password was looked at.
            return Algorithm(chosen.number) if chosen is not None and chosen in self._offers else Algorithm.MD5
        # spec: stun/bid-down-server
        if chosen is None or offered != self._offers or chosen not in self._offers:
            return None
        return Algorithm(chosen.number)

    def _username(self, message: stun.Message) -> str | None:
        name: str | None = message.get(attribute.USERNAME)
        return name if name is not None else self.accounts.username(message.get(attribute.USERHASH))

    def _keys(self, username: str, algorithm: Algorithm, known: Identity | None, now: float) -> Iterator[bytes]:
        if known is not None and (known.username, known.algorithm) == (username, algorithm):
            yield known.key
        for password in self.accounts.passwords(username, now):
            yield long_term_key(username, self.realm, password, algorithm)

    def _challenge(self, message: stun.Message, code: int, remote: Address, now: float) -> Refusal:
        more = [
            Attribute(attribute.REALM, self.realm),
            Attribute(attribute.NONCE, self._nonces.make(remote, now)),
        ]
        if self._offers:
            more.append(Attribute(attribute.PASSWORD_ALGORITHMS, self._offers))
        return refuse(message, code, *more)


def verify(data: bytes, message: stun.Message, key: bytes) -> bool:
    """Whether a message is protected with `key`; the stronger integrity decides where both are there."""
    if message.integrity_sha256 is not None:
        return stun.verify_integrity_sha256(data, key)
    return stun.verify_integrity(data, key)


def authenticate_short_term(
    data: bytes, message: stun.Message, password_of: Callable[[str], str | None]
) -> Identity | Refusal:
    """The same for short-term credentials, which both sides have from elsewhere (RFC 8489 section 9.1.3)."""
    username: str | None = message.get(attribute.USERNAME)
    if not message.protected or username is None:  # spec: stun/unauthentic-error
        return refuse(message, 400)
    password = password_of(username)
    if password is None or not verify(data, message, short_term_key(password)):
        return refuse(message, 401)
    return Identity(username, short_term_key(password), sha256=message.integrity_sha256 is not None)
