"""What the two sides of a 1.2 handshake share: states, the transcript, and what is checked of the other side.

Stands above `certificate`, `keyschedule` and `keyshare`; `client12` and `server12` decide with it.
Each state is a frozen value that holds exactly what is known then, so a step is a function of (state, message).
Specification: RFC 5246 section 7.3, RFC 7627 section 5, RFC 8422 section 5.11 (points), RFC 7748 section 6.1.
Leaves out: resumption: there is no state in which an abbreviated handshake could continue.
Read next: `protocol/client12.py`, `protocol/server12.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from meetref.protocol import keyschedule
from meetref.protocol.certificate import (
    Certificate,
    PublicKey,
    read_public_key,
    verify_signature,
)
from meetref.protocol.flight import CipherChange, Item
from meetref.protocol.keyschedule import SUITES, Role, Session, Suite
from meetref.protocol.keyshare import PrivateKey
from meetref.protocol.machine import Dice
from meetref.protocol.reassembly import Message
from meetref.protocol.refusal import refuse
from meetref.wire import handshake12 as wire
from meetref.wire.dtls import MAXIMUM_PLAINTEXT
from meetref.wire.handshake12 import CertificateChain, Handshake
from meetref.wire.tls import P_256, P_384, X25519, ClientHello

CIPHER_PREFERENCE = tuple(SUITES)
SMALLEST_RECORD_LIMIT = 64
GROUP_PREFERENCE = (X25519, P_256, P_384)
"""Best first. The post-quantum group is not among them: it belongs to 1.3."""


# --- states ---------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Agreed:
    """What the two hellos settled. `group` is None until the server's share named it."""

    client_random: bytes
    server_random: bytes
    extended_master_secret: bool
    srtp_profile: int | None
    suite: Suite
    group: int | None = None


@dataclass(slots=True, frozen=True)
class HelloSent:
    """Client: waits for ServerHello, or to be asked for a cookie."""

    hello: ClientHello
    cookies_seen: int = 0


@dataclass(slots=True, frozen=True)
class ServerCertificateExpected:
    """Client: the hellos are exchanged."""

    agreed: Agreed


@dataclass(slots=True, frozen=True)
class ServerShareExpected:
    """Client: knows whose signature the share must have."""

    agreed: Agreed
    certificate: bytes
    key: PublicKey


@dataclass(slots=True, frozen=True)
class ServerDoneExpected:
    """Client: has the server's share; a CertificateRequest may still come before the end of the server's turn."""

    agreed: Agreed
    certificate: bytes
    share: bytes
    request: wire.CertificateRequest | None = None


@dataclass(slots=True, frozen=True)
class HelloExpected:
    """Server: waits for ClientHello."""


@dataclass(slots=True, frozen=True)
class ClientCertificateExpected:
    """Server: has said its part."""

    agreed: Agreed
    secret: PrivateKey = field(repr=False)


@dataclass(slots=True, frozen=True)
class ClientShareExpected:
    """Server: has the client's certificate."""

    agreed: Agreed
    secret: PrivateKey = field(repr=False)
    certificate: bytes
    key: PublicKey


@dataclass(slots=True, frozen=True)
class ClientProofExpected:
    """Server: has the keys; the client must still prove that the certificate is its own."""

    agreed: Agreed
    session: Session
    certificate: bytes
    key: PublicKey


@dataclass(slots=True, frozen=True)
class FinishedExpected:
    """Both: everything is known; the peer must prove that it heard the same."""

    agreed: Agreed
    session: Session
    certificate: bytes


@dataclass(slots=True, frozen=True)
class Established:
    """Both: done. What is protected may flow."""

    agreed: Agreed
    session: Session
    certificate: bytes


@dataclass(slots=True, frozen=True)
class Over:
    """Closed or failed: nothing is taken any more."""


@dataclass(slots=True, frozen=True)
class NotStarted:
    """Client: before `start`."""


State = (
    NotStarted
    | HelloSent
    | ServerCertificateExpected
    | ServerShareExpected
    | ServerDoneExpected
    | HelloExpected
    | ClientCertificateExpected
    | ClientShareExpected
    | ClientProofExpected
    | FinishedExpected
    | Established
    | Over
)


# --- the conversation -----------------------------------------------------------------------------


class Conversation:
    """Who we are in this handshake, what was said so far, and what we say in this turn."""

    def __init__(
        self,
        role: Role,
        certificate: Certificate,
        dice: Dice,
        srtp_profiles: Sequence[int],
        *,
        newer_allowed: bool = False,
    ) -> None:
        self.role = role
        self.certificate = certificate
        self.dice = dice
        self.srtp_profiles = tuple(srtp_profiles)
        self.newer_allowed = newer_allowed
        self.transcript: list[bytes] = []
        self.turn: list[Item] = []
        self.session: Session | None = None
        self.record_limit = MAXIMUM_PLAINTEXT
        self._next_number = 0

    def __repr__(self) -> str:
        return f"Conversation({self.role}, {len(self.transcript)} messages)"

    def begin(self, number: int) -> None:
        """Start the transcript (again); our next message has this number."""
        self.transcript.clear()
        self._next_number = number

    def hear(self, message: Message) -> None:
        self.transcript.append(message.octets())

    def say(self, message: Handshake) -> None:
        """Add a message to this turn, and to the transcript."""
        said = Message(wire.message_number(message), self._next_number, wire.serialize(message))
        self._next_number += 1
        self.transcript.append(said.octets())
        self.turn.append(said)

    def say_finished(self, session: Session) -> None:
        """The end of our part: the change to protected records, and Finished."""
        self.turn.append(CipherChange())
        self.say(wire.Finished(keyschedule.verify_data(session, self.role, self.heard())))

    def take_turn(self) -> list[Item]:
        """What is to be sent now."""
        turn, self.turn = self.turn, []
        return turn

    def heard(self) -> bytes:
        """The octets of all messages so far, ours and theirs."""
        return b"".join(self.transcript)

    def heard_before(self) -> bytes:
        """The same without the message that is being looked at, which is the last."""
        return b"".join(self.transcript[:-1])

    def agree(self, agreed: Agreed, premaster: bytes) -> Session:
        """The master secret, once ClientKeyExchange is in the transcript."""
        name, randoms = agreed.suite.hash_name, (agreed.client_random, agreed.server_random)
        if agreed.extended_master_secret:  # spec: handshake12/extended-master-secret
            master = keyschedule.extended_master_secret(premaster, hashlib.new(name, self.heard()).digest(), name)
        else:  # spec: handshake12/master-secret
            master = keyschedule.master_secret(premaster, *randoms, name)
        self.session = Session(master, *randoms, agreed.suite)
        return self.session


def check_chain(chain: CertificateChain) -> tuple[bytes, PublicKey]:
    """The peer's certificate and its key. Whether it is the right peer's, the owner decides by the fingerprint."""
    if not chain.certificates:
        refuse("handshake_failure", "the peer has no certificate")  # spec: handshake12/certificate-required
    der = chain.certificates[0]
    key = read_public_key(der)
    if key is None:
        refuse("unsupported_certificate", "the peer's certificate cannot be read, or its key is of another kind")
    return der, key


def check_signature(key: PublicKey, scheme: int, signature: bytes, data: bytes) -> None:
    """Refuse unless `signature` is the key owner's over `data`."""
    if not verify_signature(key, scheme, signature, data):
        refuse("decrypt_error", "the peer's signature is wrong")


def check_finished(session: Session, sender: Role, message: wire.Finished, handshake: bytes) -> None:
    """Refuse unless `sender` heard what we heard: the messages whose octets are `handshake`."""
    expected = keyschedule.verify_data(session, sender, handshake)
    if not hmac.compare_digest(expected, message.verify_data):
        refuse("decrypt_error", "the two sides did not hear the same handshake")  # spec: handshake12/finished-wrong
