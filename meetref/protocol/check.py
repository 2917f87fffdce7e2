"""The messages of connectivity checks: making requests and answers, and telling whether one is genuine.

Stands above `wire/stun`, below `protocol/ice`, which decides when to send them and what they change.
Specification: RFC 8445 sections 7.2 and 7.3, RFC 8489 section 9.1 (short-term credentials).
Leaves out: error answers to requests that are not authentic. Their source may be forged, so an answer would hit
somebody else; a real peer repeats its check. Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from meetref.protocol.machine import Datagram, Dice
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode
from meetref.wire.reader import Malformed

# spec: stun/message-size (two user fragments at their longest still fit 576 octets beside the rest of a check)
UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")

MAXIMUM_NOMINATION = 0xFFFFFF

ROOM = 1168  # spec: sped/message-size
"""Octets of a message with a rider before integrity and fingerprint, which make it 1200."""

REASONS = {400: "Bad Request", 420: "Unknown Attribute", 487: "Role Conflict"}


@dataclass(slots=True, frozen=True)
class Credentials:
    """What one side tells the other by signaling: a name for its checks and the key that protects them."""

    ufrag: str
    password: str = field(repr=False)

    @property
    def are_sound(self) -> bool:
        """Whether they have the characters and the lengths of RFC 8839 section 5.4."""
        # spec: ice/credential-size
        return bool(UFRAG.fullmatch(self.ufrag) and PASSWORD.fullmatch(self.password))


def make_credentials(dice: Dice) -> Credentials:
    """Fresh credentials with 48 and 144 random bits (RFC 8445 section 5.3 asks for 24 and 128)."""
    return Credentials(b64encode(dice(6)).decode(), b64encode(dice(18)).decode())


@dataclass(slots=True)
class Role:
    """Whether we choose the pair, or the peer does; `tie_breaker` (64 bits) decides when both think the same."""

    controlling: bool
    tie_breaker: int

    def conflict(self, message: stun.Message) -> Literal["none", "peer must switch", "we must switch"]:
        """Compare with what the peer's check says of its own role (RFC 8445 section 7.3.1.1)."""
        theirs = message.get(attribute.ICE_CONTROLLING if self.controlling else attribute.ICE_CONTROLLED)
        if theirs is None:
            return "none"
        # spec: ice/role-conflict
        we_control = self.tie_breaker >= theirs
        return "peer must switch" if we_control == self.controlling else "we must switch"


@dataclass(slots=True, frozen=True)
class Question:
    """What a check of ours says besides the credentials."""

    priority: int
    role: Role
    nominates: bool
    nomination: int = 0
    """The number of this nomination, where the peer takes several (draft-thatcher-ice-renomination); 0: none."""


@dataclass(slots=True, frozen=True)
class Heard:
    """What an authentic check of the peer's said; a `priority` of None was not said, nor a `nomination` of 0."""

    ufrag: str
    priority: int | None
    nominates: bool
    nomination: int = 0

    @classmethod
    def of(cls, message: stun.Message) -> Heard:
        ufrag = message.get(attribute.USERNAME).partition(":")[2]
        number = (message.get(attribute.NOMINATION) or 0) & MAXIMUM_NOMINATION
        nominates = bool(number) or message.get(attribute.USE_CANDIDATE) is not None
        return cls(ufrag, message.get(attribute.PRIORITY), nominates, number)


class Rider(Protocol):
    """Something that travels in checks and their answers, without ICE knowing what it is.

    `board` gives the attributes that go along in the next message, with their headers within so many octets. `alight`
    is shown what came in each message that proved authentic; a check before it is answered. `patience` says after how
    many seconds another check over a pair that has not answered is worth its while; `inf`: the usual ones will do.
    """

    @property
    def patience(self) -> float: ...
    def board(self, room: int) -> Sequence[Attribute]: ...
    def alight(self, message: stun.Message, datagram: Datagram, now: float) -> None: ...


def request(
    transaction: bytes, question: Question, own: Credentials, peer: Credentials, rider: Rider | None = None
) -> bytes:
    """A check, as it goes to the peer (RFC 8445 section 7.2.2: the peer's name first, the peer's password)."""
    role = attribute.ICE_CONTROLLING if question.role.controlling else attribute.ICE_CONTROLLED
    attributes = [
        Attribute(attribute.USERNAME, f"{peer.ufrag}:{own.ufrag}"),  # spec: ice/check-username
        Attribute(attribute.PRIORITY, question.priority),
        Attribute(role, question.role.tie_breaker),  # spec: ice/role-attribute
    ]
    if question.nominates:
        attributes.append(Attribute(attribute.USE_CANDIDATE, True))
    if question.nomination:
        attributes.append(Attribute(attribute.NOMINATION, question.nomination))  # spec: ice/renomination-number
    message = stun.Message(stun.Class.REQUEST, stun.BINDING, transaction, attributes)
    _take_along(rider, message)
    return stun.serialize(message, integrity_key=peer.password.encode())  # spec: ice/check-protected


def success(asked: stun.Message, seen_from: Address, own: Credentials, rider: Rider | None = None) -> bytes:
    """The answer to a check. It tells the peer the address that its check was `seen_from`."""
    answer = [Attribute(attribute.XOR_MAPPED_ADDRESS, seen_from)]  # spec: stun/mapped-address
    message = stun.Message(stun.Class.SUCCESS, asked.method, asked.transaction, answer)
    _take_along(rider, message)
    return stun.serialize(message, integrity_key=own.password.encode())  # spec: stun/answer-protected


def _take_along(rider: Rider | None, message: stun.Message) -> None:
    if rider is not None:
        message.attributes += rider.board(ROOM - len(stun.serialize(message, fingerprint=False)))


def error(asked: stun.Message, code: int, own: Credentials) -> bytes:
    """The refusal of a genuine check; 420 lists what was not understood."""
    answer = [Attribute(attribute.ERROR_CODE, ErrorCode(code, REASONS[code]))]
    if code == 420:
        answer.append(Attribute(attribute.UNKNOWN_ATTRIBUTES, asked.unknown_required))
    message = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, answer)
    return stun.serialize(message, integrity_key=own.password.encode())


def read(data: bytes) -> stun.Message | str:
    """A message that may be part of a check, or a few words on why it is not."""
    try:
        message = stun.parse(data)
    except Malformed:
        return "not a STUN message"
    if not stun.verify_fingerprint(data):  # spec: ice/fingerprint-required
        return "fingerprint missing or wrong"
    if message.method != stun.BINDING:
        return "not a Binding message"  # spec: stun/supported-method
    return message


def doubt_request(message: stun.Message, data: bytes, own: Credentials) -> str | None:
    """Why a request is not genuine; None when it is."""
    username = message.get(attribute.USERNAME)
    if username is None or message.integrity is None:
        return "request without credentials"
    ours, colon, _ = username.partition(":")
    if not colon or ours != own.ufrag:  # spec: ice/username-checked
        return "request to somebody else"
    if not stun.verify_integrity(data, own.password.encode()):
        return "request with wrong integrity"
    return None
