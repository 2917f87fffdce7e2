"""From a shared secret to keys, in TLS 1.3: a ladder of extractions, and what is derived on each rung.

               0
               |
    no PSK: 0 -> extract = early secret
                   |  derive "derived"
    shared secret -> extract = handshake secret --+-> "c hs traffic", "s hs traffic"   (ClientHello .. ServerHello)
                   |  derive "derived"            |      each: record keys, and the key of that side's Finished
               0 -> extract = main secret --------+-> "c ap traffic", "s ap traffic"   (ClientHello .. server Finished)
                                                  +-> "exp master": the exporter, and from it the keys of SRTP

Stands on nothing but HMAC; the handshake calls it, a tool that decrypts captures does too. Every label begins with
`dtls13`, where TLS over a stream has `tls13 `. Specification: RFC 9846 section 7, RFC 9147 section 5.9, RFC 5869.
Leaves out: pre-shared keys, and with them early data and resumption.
Read next: `protocol/recordlayer13.py`, `protocol/handshake13.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

from meetref.protocol.keyschedule import SRTP_LABEL, SRTP_SIZES, Role, SRTPKeys, divide_srtp_keys
from meetref.wire.reader import vector
from meetref.wire.tls import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305

HashName = Literal["sha256", "sha384"]

NONCE_SIZE = 12


@dataclass(slots=True, frozen=True)
class Suite:
    """A cipher suite of 1.3: its AEAD's key size in octets, and its hash."""

    number: int
    key_size: int
    hash_name: HashName

    @property
    def hash_size(self) -> int:
        return hashlib.new(self.hash_name).digest_size


SUITES = {
    AES_128_GCM: Suite(AES_128_GCM, 16, "sha256"),
    AES_256_GCM: Suite(AES_256_GCM, 32, "sha384"),
    CHACHA20_POLY1305: Suite(CHACHA20_POLY1305, 32, "sha256"),
}
"""What is spoken, best first: machines without AES instructions are rare, and they ask for ChaCha20 first."""


@dataclass(slots=True, frozen=True)
class HandshakeSecrets:
    """The middle rung, and the two secrets that protect the rest of the handshake. Secrets never print."""

    rung: bytes = field(repr=False)
    client: bytes = field(repr=False)
    server: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class ApplicationSecrets:
    """What stands on the last rung: a secret for each direction's data, and the exporter's."""

    client: bytes = field(repr=False)
    server: bytes = field(repr=False)
    exporter: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class TrafficKeys:
    """The keys of one direction in one epoch: for the payload, its nonces, and the sequence numbers."""

    suite: Suite
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    sequence_key: bytes = field(repr=False)


# --- the three operations -------------------------------------------------------------------------


def extract(hash_name: HashName, salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 section 2.2)."""
    return hmac.digest(salt, secret, hash_name)


def expand_label(hash_name: HashName, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label: `size` octets that depend on a label, a context, and on `size` (RFC 9846 section 7.1)."""
    # spec: handshake13/label-prefix
    info = size.to_bytes(2, "big") + vector(1, b"dtls13" + label) + vector(1, context)
    output, block, count = b"", b"", 0
    while len(output) < size:  # HKDF-Expand (RFC 5869 section 2.3)
        count += 1
        block = hmac.digest(secret, block + info + bytes((count,)), hash_name)
        output += block
    return output[:size]


def derive_secret(hash_name: HashName, secret: bytes, label: bytes, transcript: bytes) -> bytes:
    """Derive-Secret; `transcript` is the hash of the messages so far (RFC 9846 section 7.1)."""
    return expand_label(hash_name, secret, label, transcript, len(transcript))


# --- the ladder -----------------------------------------------------------------------------------


def handshake_secrets(suite: Suite, shared_secret: bytes, transcript: bytes) -> HandshakeSecrets:
    """The first two rungs. `transcript` is the hash up to and with ServerHello."""
    name = suite.hash_name
    early = extract(name, b"", bytes(suite.hash_size))
    # spec: handshake13/key-schedule
    rung = extract(name, _next_salt(suite, early), shared_secret)
    client = derive_secret(name, rung, b"c hs traffic", transcript)
    return HandshakeSecrets(rung, client, derive_secret(name, rung, b"s hs traffic", transcript))


def application_secrets(suite: Suite, handshake: HandshakeSecrets, transcript: bytes) -> ApplicationSecrets:
    """The last rung. `transcript` is the hash up to and with the server's Finished."""
    name = suite.hash_name
    rung = extract(name, _next_salt(suite, handshake.rung), bytes(suite.hash_size))
    labels = (b"c ap traffic", b"s ap traffic", b"exp master")
    return ApplicationSecrets(*(derive_secret(name, rung, label, transcript) for label in labels))


def _next_salt(suite: Suite, rung: bytes) -> bytes:
    nothing = hashlib.new(suite.hash_name).digest()
    return derive_secret(suite.hash_name, rung, b"derived", nothing)


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret after a KeyUpdate (RFC 9846 section 7.2)."""
    return expand_label(suite.hash_name, secret, b"traffic upd", b"", suite.hash_size)


# --- what secrets are good for --------------------------------------------------------------------


def traffic_keys(suite: Suite, secret: bytes) -> TrafficKeys:
    """The keys of the records that one side sends (RFC 9846 section 7.3, RFC 9147 section 4.2.3)."""
    name = suite.hash_name
    return TrafficKeys(
        suite,
        key=expand_label(name, secret, b"key", b"", suite.key_size),
        iv=expand_label(name, secret, b"iv", b"", NONCE_SIZE),
        sequence_key=expand_label(name, secret, b"sn", b"", suite.key_size),
    )


def verify_data(suite: Suite, secret: bytes, transcript: bytes) -> bytes:
    """What stands in the Finished of the side with that handshake traffic secret (RFC 9846 section 4.5.3)."""
    key = expand_label(suite.hash_name, secret, b"finished", b"", suite.hash_size)
    return hmac.digest(key, transcript, suite.hash_name)


def export(suite: Suite, exporter: bytes, label: bytes, size: int, context: bytes = b"") -> bytes:
    """`size` octets for another protocol (RFC 9846 section 7.5). No context is the same as an empty one.

    Unlike in 1.2 a shorter value is not the beginning of a longer one.
    """
    name = suite.hash_name
    secret = derive_secret(name, exporter, label, hashlib.new(name).digest())
    # spec: handshake13/exporter
    return expand_label(name, secret, b"exporter", hashlib.new(name, context).digest(), size)


def srtp_keys(suite: Suite, exporter: bytes, role: Role, profile: int) -> SRTPKeys:
    """The SRTP keys of `role` (RFC 5764 section 4.2). Raises `KeyError` for a profile that is not in `SRTP_SIZES`."""
    octets = export(suite, exporter, SRTP_LABEL, 2 * sum(SRTP_SIZES[profile]))
    return divide_srtp_keys(octets, role, profile)


def key_log_lines(client_random: bytes, secrets: HandshakeSecrets | ApplicationSecrets) -> list[str]:
    """Lines with which a tool reads along (the NSS key log format)."""
    named = [("CLIENT_HANDSHAKE_TRAFFIC_SECRET", secrets.client), ("SERVER_HANDSHAKE_TRAFFIC_SECRET", secrets.server)]
    if isinstance(secrets, ApplicationSecrets):
        named = [("CLIENT_TRAFFIC_SECRET_0", secrets.client), ("SERVER_TRAFFIC_SECRET_0", secrets.server)]
        named += [("EXPORTER_SECRET", secrets.exporter)]
    return [f"{label} {client_random.hex()} {secret.hex()}" for label, secret in named]
