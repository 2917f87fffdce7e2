"""What the two sides of a 1.3 handshake share: states, the transcript, and what is checked of the other side.

Stands above `certificate`, `keyschedule13` and `keyshare`; `client13` and `server13` decide with it.
Each state is a frozen value that holds exactly what is known then, so a step is a function of (state, message).
Specification: RFC 9846 sections 4.1 (transcript), 4.5 (who proves what), RFC 9147 section 5.2 (what is hashed).
Leaves out: pre-shared keys, and asking for a certificate later: there are no states for them.
Read next: `protocol/client13.py`, `protocol/server13.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from meetref.protocol import keyschedule13
from meetref.protocol.association import Connected
from meetref.protocol.certificate import MODERN_SCHEMES, Certificate, PublicKey, fits_curve, read_public_key
from meetref.protocol.certificate import verify_signature as signature_is_right
from meetref.protocol.conversation12 import SMALLEST_RECORD_LIMIT
from meetref.protocol.keyschedule import Role
from meetref.protocol.keyschedule13 import SUITES, ApplicationSecrets, HandshakeSecrets, HashName, Suite
from meetref.protocol.keyshare import Encapsulate, PrivateKey
from meetref.protocol.machine import Dice
from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer13 import HANDSHAKE_EPOCH
from meetref.protocol.refusal import refuse
from meetref.wire import handshake13 as wire
from meetref.wire.extension import RecordSizeLimit
from meetref.wire.handshake13 import CertificateChain, Handshake
from meetref.wire.reader import vector
from meetref.wire.tls import (
    CIPHER_SUITES,
    DTLS_1_3,
    ECDSA_SHA256,
    GROUPS,
    P_256,
    P_384,
    X25519,
    X25519_ML_KEM_768,
    ClientHello,
    ServerHello,
)

GROUP_PREFERENCE = (X25519_ML_KEM_768, X25519, P_256, P_384)
WEBRTC = b"webrtc"


# --- states ---------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Agreed:
    """What the two hellos settled; the SRTP profile is known a message later."""

    client_random: bytes
    suite: Suite
    group: int
    srtp_profile: int | None = None


@dataclass(slots=True, frozen=True)
class NotStarted:
    """Client: before `start`."""


@dataclass(slots=True, frozen=True)
class HelloSent:
    """Client: waits for ServerHello. `secrets` belong to the shares of the hello, by group."""

    hello: ClientHello
    secrets: dict[int, PrivateKey] = field(repr=False)
    retry: ServerHello | None = None


@dataclass(slots=True, frozen=True)
class OlderVersionChosen:
    """Client: the server does not speak 1.3, and the hello allowed that. Somebody else goes on."""

    hello: ClientHello


@dataclass(slots=True, frozen=True)
class ExtensionsExpected:
    """Client: has the keys of the handshake."""

    hello: ClientHello
    agreed: Agreed
    secrets: HandshakeSecrets


@dataclass(slots=True, frozen=True)
class ServerCertificateExpected:
    """Client: a CertificateRequest may still come before the certificate."""

    agreed: Agreed
    secrets: HandshakeSecrets
    request: wire.CertificateRequest | None = None


@dataclass(slots=True, frozen=True)
class ServerProofExpected:
    """Client: the server must still prove that the certificate is its own."""

    agreed: Agreed
    secrets: HandshakeSecrets
    request: wire.CertificateRequest | None
    certificate: bytes
    key: PublicKey


@dataclass(slots=True, frozen=True)
class ServerFinishedExpected:
    """Client: the server must still prove that it heard the same."""

    agreed: Agreed
    secrets: HandshakeSecrets
    request: wire.CertificateRequest | None
    certificate: bytes


@dataclass(slots=True, frozen=True)
class HelloExpected:
    """Server: waits for ClientHello, the first one or the one after a retry."""


@dataclass(slots=True, frozen=True)
class ClientCertificateExpected:
    """Server: has said its part, and could already send data."""

    agreed: Agreed
    secrets: HandshakeSecrets
    application: ApplicationSecrets


@dataclass(slots=True, frozen=True)
class ClientProofExpected:
    """Server: the client must still prove that the certificate is its own."""

    agreed: Agreed
    secrets: HandshakeSecrets
    application: ApplicationSecrets
    certificate: bytes
    key: PublicKey


@dataclass(slots=True, frozen=True)
class ClientFinishedExpected:
    """Server: the client must still prove that it heard the same."""

    agreed: Agreed
    secrets: HandshakeSecrets
    application: ApplicationSecrets
    certificate: bytes


@dataclass(slots=True, frozen=True)
class Established:
    """Both: done. What is protected may flow."""

    agreed: Agreed
    application: ApplicationSecrets
    certificate: bytes


@dataclass(slots=True, frozen=True)
class Over:
    """Closed or failed: nothing is taken any more."""


State = (
    NotStarted
    | HelloSent
    | OlderVersionChosen
    | ExtensionsExpected
    | ServerCertificateExpected
    | ServerProofExpected
    | ServerFinishedExpected
    | HelloExpected
    | ClientCertificateExpected
    | ClientProofExpected
    | ClientFinishedExpected
    | Established
    | Over
)


# --- the conversation -----------------------------------------------------------------------------


class Transcript:
    """The octets of all messages so far, with the header of TLS: no number, no fragments (RFC 9147 section 5.2)."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []

    def add(self, kind: int, body: bytes) -> None:
        self._messages.append(bytes((kind,)) + vector(3, body))  # spec: handshake13/transcript-header

    def begin(self) -> None:
        self._messages.clear()

    def replace_hello(self, digest: bytes) -> None:
        """A retry was asked for: of the first hello only its hash remains (RFC 9846 section 4.1)."""
        del self._messages[:1]
        self.recall_hello(digest)

    def recall_hello(self, digest: bytes) -> None:
        """Begin with the hash of a first hello."""
        self._messages.insert(0, bytes((wire.MESSAGE_HASH,)) + vector(3, digest))  # spec: handshake13/retry-transcript

    def digest(self, hash_name: HashName) -> bytes:
        return hashlib.new(hash_name, b"".join(self._messages)).digest()

    def digest_before(self, hash_name: HashName) -> bytes:
        """The same without the message that is being looked at, which is the last."""
        return hashlib.new(hash_name, b"".join(self._messages[:-1])).digest()


@dataclass(frozen=True)
class Policy:
    """What one side is willing to speak, best first. A client sends shares for the first two groups."""

    versions: Sequence[int] = (DTLS_1_3,)
    suites: Sequence[int] = tuple(SUITES)
    groups: Sequence[int] = GROUP_PREFERENCE
    srtp_profiles: Sequence[int] = ()


class Conversation:
    """Who we are in this handshake, what was said so far, and what we say in this turn."""

    def __init__(
        self, role: Role, certificate: Certificate, dice: Dice, policy: Policy, encapsulate: Encapsulate
    ) -> None:
        self.role = role
        self.certificate = certificate
        self.dice = dice
        self.policy = policy
        self.encapsulate = encapsulate
        self.transcript = Transcript()
        self.turn: list[tuple[int, Message]] = []
        self.next_number = 0
        self.suite: Suite | None = None
        self.handshake: HandshakeSecrets | None = None
        self.application: ApplicationSecrets | None = None
        self.record_limit: int | None = None

    def __repr__(self) -> str:
        return f"Conversation({self.role}, message {self.next_number})"

    def hear(self, message: Message) -> None:
        self.transcript.add(message.type, message.body)

    def say(self, message: Handshake, epoch: int = HANDSHAKE_EPOCH) -> None:
        """Add a message to this turn, and to the transcript."""
        said = Message(wire.message_number(message), self.next_number, wire.serialize(message))
        self.next_number += 1
        self.transcript.add(said.type, said.body)
        self.turn.append((epoch, said))

    def take_turn(self) -> list[tuple[int, Message]]:
        """What is to be sent now."""
        turn, self.turn = self.turn, []
        return turn

    def agree(self, suite: Suite, shared_secret: bytes) -> HandshakeSecrets:
        """The keys of the handshake, once ServerHello is in the transcript."""
        self.suite = suite
        digest = self.transcript.digest(suite.hash_name)
        self.handshake = keyschedule13.handshake_secrets(suite, shared_secret, digest)
        return self.handshake

    def complete(self, suite: Suite, secrets: HandshakeSecrets) -> ApplicationSecrets:
        """The keys of the data, once the server's Finished is in the transcript."""
        digest = self.transcript.digest(suite.hash_name)
        self.application = keyschedule13.application_secrets(suite, secrets, digest)
        return self.application

    def say_proof(self, suite: Suite) -> None:
        """CertificateVerify: a signature over everything said so far."""
        signed = proof(self.role, self.transcript.digest(suite.hash_name))
        self.say(wire.CertificateVerify(ECDSA_SHA256, self.certificate.sign(signed)))

    def say_finished(self, suite: Suite, secret: bytes) -> None:
        """The end of our part. `secret` is our handshake traffic secret."""
        self.say(wire.Finished(keyschedule13.verify_data(suite, secret, self.transcript.digest(suite.hash_name))))

    def forget(self) -> None:
        """The association is over."""
        self.transcript.begin()
        self.handshake = self.application = None

    def take_record_limit(self, extension: RecordSizeLimit | None) -> None:
        """Remember how large the peer's records may be; in 1.3 the type counts too (RFC 8449 section 4)."""
        if extension is not None:
            if extension.limit < SMALLEST_RECORD_LIMIT:
                refuse("illegal_parameter", f"a record size limit of {extension.limit}")
            self.record_limit = extension.limit - 1  # spec: handshake13/record-size-limit


def is_in_place(state: State, kind: int, epoch: int, *, old: bool) -> bool:
    """Hellos are plain, the rest of the handshake has epoch 2, what follows has epoch 3 or more (RFC 9147 section 6.1).

    `old` says that a message with that number was taken before: it may come again at any time.
    """
    # spec: handshake13/epochs
    if epoch == 0:
        return kind in wire.HELLOS and (old or isinstance(state, HelloSent | HelloExpected))
    return epoch > HANDSHAKE_EPOCH or old or not isinstance(state, Established)


def connected(state: Established, role: Role) -> Connected:
    """What the owner is told."""
    agreed, profile, exporter = state.agreed, state.agreed.srtp_profile, state.application.exporter
    return Connected(
        version="1.3",
        cipher=CIPHER_SUITES[agreed.suite.number],
        group=GROUPS[agreed.group],
        srtp_profile=profile,
        srtp_keys=keyschedule13.srtp_keys(agreed.suite, exporter, role, profile) if profile is not None else None,
        peer_certificate=state.certificate,
        extended_master_secret=True,  # every secret of 1.3 depends on the whole handshake
    )


# --- what is checked ------------------------------------------------------------------------------


def proof(role: Role, digest: bytes) -> bytes:
    """What the side `role` signs: padding, a text that says who, and the hash of the transcript."""
    # spec: handshake13/proof-context
    return b" " * 64 + f"TLS 1.3, {role} CertificateVerify".encode() + b"\0" + digest


def check_chain(chain: CertificateChain, alert_without: str) -> tuple[bytes, PublicKey]:
    """The peer's certificate and its key. Whether it is the right peer's, the owner decides by the fingerprint."""
    if chain.context:
        refuse("illegal_parameter", "the certificate answers a question that was not asked")
    if not chain.entries:
        refuse(alert_without, "the peer has no certificate")  # spec: handshake13/certificate-required
    der, extensions = chain.entries[0]
    if extensions:
        refuse("unsupported_extension", "the certificate comes with what was not asked for")
    key = read_public_key(der)
    if key is None:
        refuse("unsupported_certificate", "the peer's certificate cannot be read, or its key is of another kind")
    return der, key


def check_proof(
    talk: Conversation, suite: Suite, key: PublicKey, message: wire.CertificateVerify, sender: Role
) -> None:
    """Refuse unless the certificate's owner signed what was said before."""
    if message.scheme not in MODERN_SCHEMES or not fits_curve(key, message.scheme):
        refuse("illegal_parameter", "the peer signs with what was not offered")  # spec: handshake13/signature-schemes
    signed = proof(sender, talk.transcript.digest_before(suite.hash_name))
    if not signature_is_right(key, message.scheme, message.signature, signed):
        refuse("decrypt_error", "the peer's signature is wrong")  # spec: handshake13/proof-wrong


def check_finished(talk: Conversation, suite: Suite, secret: bytes, message: wire.Finished) -> None:
    """Refuse unless who has that handshake traffic secret heard what we heard."""
    expected = keyschedule13.verify_data(suite, secret, talk.transcript.digest_before(suite.hash_name))
    if len(message.verify_data) != suite.hash_size:
        refuse("decode_error", "Finished of another length")
    if not hmac.compare_digest(expected, message.verify_data):
        refuse("decrypt_error", "the two sides did not hear the same handshake")  # spec: handshake13/finished-wrong
