"""What a client is known by: it signs requests, and says what an answer means for the credentials they carried.

A long-term `Account` learns realm, nonce and algorithm from 401 and 438; `ShortTerm` has its password from elsewhere;
`Anonymous` has none. Stands above `wire/stun`, below `protocol/stun` and TURN's client, for one server each.
Specification: RFC 8489 sections 9.1 and 9.2. Leaves out: choosing among several passwords by realm: one is enough.
Read next: `protocol/stun.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple, Protocol

from meetref.protocol.credentials import Algorithm, long_term_key, opaque_string, short_term_key, userhash
from meetref.protocol.nonce import Features, promised
from meetref.wire import attribute, stun
from meetref.wire.attribute import Attribute, PasswordAlgorithm

MAXIMUM_RETRIES = 3  # of one request, whatever the server says: 401, a changed realm, a stale nonce


class Verdict(Enum):
    """What an answer is worth."""

    TAKE = auto()
    """It is authentic, or the request asked for no proof."""
    RETRY = auto()
    """Sign the request again, with a new transaction id."""
    REFUSED = auto()
    """The request has failed, and trying again would change nothing."""
    UNAUTHENTIC = auto()
    """It counts for nothing over UDP, and ends the transaction over TCP."""
    IGNORE = auto()
    """It counts for nothing, whatever it came over."""


class Judgement(NamedTuple):
    """`why` is a short fixed phrase."""

    verdict: Verdict
    why: str = ""


TAKE = Judgement(Verdict.TAKE)


@dataclass(slots=True, frozen=True)
class Signed:
    """A request as it is sent, and what it was signed with; `key` is None if with nothing."""

    message: stun.Message
    data: bytes
    key: bytes | None = field(default=None, repr=False)
    realm: str = ""
    nonce: str = ""
    integrity: bool = False
    integrity_sha256: bool = False
    retries: int = 0


class Credentials(Protocol):
    """What every kind of credentials does for the client's machines."""

    def sign(self, message: stun.Message, retry_of: Signed | None = None) -> Signed:
        """The request with what is known by now; `retry_of` is the one whose answer said RETRY."""
        ...

    def judge(self, asked: Signed, data: bytes, answer: stun.Message) -> Judgement:
        """What the answer `data` (parsed: `answer`) to a request means; learns from it."""
        ...

    def elsewhere(self) -> Credentials:
        """The same credentials for another server, of which nothing is known yet."""
        ...


class Anonymous:
    """No credentials: nothing is signed, and anybody's answer is taken."""

    def sign(self, message: stun.Message, retry_of: Signed | None = None) -> Signed:
        return Signed(message, stun.serialize(message, fingerprint=False))

    def judge(self, asked: Signed, data: bytes, answer: stun.Message) -> Judgement:
        return TAKE

    def elsewhere(self) -> Anonymous:
        return self


@dataclass(slots=True)
class ShortTerm:
    """A name and a password that both sides have from elsewhere. First both integrities, then the one answered."""

    username: str
    password: str = field(repr=False)
    _both: bool = True
    _sha256: bool = False

    def sign(self, message: stun.Message, retry_of: Signed | None = None) -> Signed:
        key = short_term_key(self.password)
        whole = replace(message, attributes=[*message.attributes, Attribute(attribute.USERNAME, self.username)])
        # spec: stun/integrity-sha256, stun/subsequent-integrity
        sha1, sha256 = self._both or not self._sha256, self._both or self._sha256
        data = stun.serialize(
            whole, integrity_key=key if sha1 else None, sha256_key=key if sha256 else None, fingerprint=False
        )
        return Signed(whole, data, key, integrity=sha1, integrity_sha256=sha256)

    def judge(self, asked: Signed, data: bytes, answer: stun.Message) -> Judgement:
        judgement = _proven(asked, data, answer)
        if judgement is TAKE:
            self._both, self._sha256 = False, answer.integrity_sha256 is not None
        return judgement

    def elsewhere(self) -> ShortTerm:
        return ShortTerm(self.username, self.password)


@dataclass(slots=True)
class Account:
    """A long-term credential and what one server said about it. `algorithms`: what the client can, in no order."""

    username: str
    password: str = field(repr=False)
    algorithms: tuple[Algorithm, ...] = (Algorithm.SHA256, Algorithm.MD5)
    realm: str | None = None
    nonce: str = ""
    _offered: tuple[PasswordAlgorithm, ...] | None = None
    _algorithm: Algorithm = Algorithm.MD5
    _proven: bool = False
    """Whether an authentic answer has confirmed what is known."""

    @property
    def key(self) -> bytes | None:
        """The key that requests are signed with by now; None before the server's challenge."""
        if self.realm is None:
            return None
        return long_term_key(self.username, self.realm, self.password, self._algorithm)

    def sign(self, message: stun.Message, retry_of: Signed | None = None) -> Signed:
        """The request with the attributes of RFC 8489 section 9.2.3; without any before the server's challenge."""
        retries = 0 if retry_of is None else retry_of.retries + 1
        key = self.key
        if key is None:  # spec: stun/first-request
            return Signed(message, stun.serialize(message, fingerprint=False), retries=retries)
        whole = replace(message, attributes=[*message.attributes, *self._attributes()])
        strong = self._offered is not None
        # spec: stun/subsequent-request, stun/sha256-only
        data = stun.serialize(
            whole, integrity_key=None if strong else key, sha256_key=key if strong else None, fingerprint=False
        )
        return Signed(whole, data, key, self.realm or "", self.nonce, not strong, strong, retries)

    def _attributes(self) -> list[Attribute]:
        realm = self.realm or ""
        hidden = (promised(self.nonce) or Features.NONE) & Features.USERNAME_ANONYMITY
        if hidden:  # spec: stun/username-anonymity
            name = Attribute(attribute.USERHASH, userhash(self.username, realm))
        else:
            name = Attribute(attribute.USERNAME, opaque_string(self.username))
        attributes = [name, Attribute(attribute.REALM, realm), Attribute(attribute.NONCE, self.nonce)]
        if self._offered is not None:
            attributes.append(Attribute(attribute.PASSWORD_ALGORITHMS, self._offered))
            attributes.append(Attribute(attribute.PASSWORD_ALGORITHM, self._algorithm.offer))
        return attributes

    def judge(self, asked: Signed, data: bytes, answer: stun.Message) -> Judgement:
        error = answer.get(attribute.ERROR_CODE)
        code = error.code if answer.kind is stun.Class.ERROR and error is not None else 0
        features = promised(answer.get(attribute.NONCE) or "") or Features.NONE
        stripped = features & Features.PASSWORD_ALGORITHMS and answer.get(attribute.PASSWORD_ALGORITHMS) is None
        if code in (401, 438):
            if stripped:  # spec: stun/bid-down-client
                return Judgement(Verdict.REFUSED, "password algorithms were taken out of the answer")
            return self._challenged(asked, code, answer)
        if stripped:  # spec: stun/bid-down-other
            return Judgement(Verdict.IGNORE, "password algorithms were taken out of the answer")
        if code == 400 and not answer.protected:  # spec: stun/bad-request-ignored
            return Judgement(Verdict.IGNORE, "nobody vouches for the error 400")
        if asked.key is None:
            return TAKE
        judgement = _proven(asked, data, answer)
        self._proven = self._proven or judgement is TAKE
        return judgement

    def _challenged(self, asked: Signed, code: int, answer: stun.Message) -> Judgement:
        """Learn from a 401 or 438, unless it leads nowhere (RFC 8489 section 9.2.5)."""
        realm, nonce = answer.get(attribute.REALM), answer.get(attribute.NONCE)
        offered: tuple[PasswordAlgorithm, ...] | None = answer.get(attribute.PASSWORD_ALGORITHMS)
        if realm is None or nonce is None:
            return Judgement(Verdict.REFUSED, "a challenge without realm or nonce")
        if self._proven and self._offered is not None and offered is None:
            # An answer that this server proved said more; whoever says less now is between us. Wait for the server.
            return Judgement(Verdict.IGNORE, "weaker than what was agreed on")
        # spec: stun/no-algorithm-in-common
        algorithm = Algorithm.MD5 if offered is None else self._first_known(offered)
        if algorithm is None:
            return Judgement(Verdict.REFUSED, "no password algorithm in common")
        # spec: stun/no-second-try
        if code == 401 and asked.key is not None and asked.realm == realm:
            return Judgement(Verdict.REFUSED, "the credentials are wrong")
        if asked.retries >= MAXIMUM_RETRIES or (code == 438 and nonce == asked.nonce):
            return Judgement(Verdict.REFUSED, "challenged again and again")
        # spec: stun/stale-nonce-retry
        self.realm, self.nonce, self._offered, self._algorithm = realm, nonce, offered, algorithm
        return Judgement(Verdict.RETRY, "challenged" if code == 401 else "stale nonce")

    def _first_known(self, offered: tuple[PasswordAlgorithm, ...]) -> Algorithm | None:
        for each in offered:  # spec: stun/first-algorithm
            if any(each == algorithm.offer for algorithm in self.algorithms):
                return Algorithm(each.number)
        return None

    def elsewhere(self) -> Account:
        return Account(self.username, self.password, self.algorithms)


def _proven(asked: Signed, data: bytes, answer: stun.Message) -> Judgement:
    """Whether an answer is protected by the key of its request, in a form in which the request was."""
    key = asked.key or b""
    if answer.integrity_sha256 is not None and asked.integrity_sha256:
        good = stun.verify_integrity_sha256(data, key)
    elif answer.integrity is not None and asked.integrity:
        good = stun.verify_integrity(data, key)
    elif answer.protected:  # spec: stun/integrity-other
        return Judgement(Verdict.IGNORE, "protected in another way than the request")
    else:
        good = False
    # spec: stun/unauthentic-answer
    return TAKE if good else Judgement(Verdict.UNAUTHENTIC, "integrity missing or wrong")
