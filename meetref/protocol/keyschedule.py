"""From a shared secret to keys: the pseudorandom function of TLS 1.2 and everything that is drawn from it.

    premaster --(randoms, or the hash of the handshake)--> master --+--> key block: the keys of the records
                                                                    +--> verify data: the Finished messages
                                                                    +--> exporter: the keys of SRTP

Stands on nothing but HMAC; the handshakes call it, a tool that decrypts captures does too.
Specification: RFC 5246 sections 5, 6.3, 8.1; RFC 7627 section 4; RFC 5705; RFC 5764 section 4.2.
Leaves out: suites whose records are not authenticated encryption.
Read next: `protocol/recordlayer.py`, `protocol/handshake12.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

from meetref.wire.tls import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_32,
    AES128_CM_SHA1_80,
    ECDHE_ECDSA_AES_128_GCM,
    ECDHE_ECDSA_AES_256_GCM,
    ECDHE_ECDSA_CHACHA20_POLY1305,
)

Role = Literal["client", "server"]

SRTP_LABEL = b"EXTRACTOR-dtls_srtp"
SRTP_SIZES = {
    AEAD_AES_256_GCM: (32, 12),
    AEAD_AES_128_GCM: (16, 12),
    AES128_CM_SHA1_80: (16, 14),
    AES128_CM_SHA1_32: (16, 14),
}
"""How many octets of key and of salt each SRTP profile wants (RFC 7714 section 12, RFC 5764 section 4.1.2)."""

# Labels that TLS itself uses with the master secret; nobody may export under them (RFC 5705 section 4).
RESERVED_LABELS = (
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
)


@dataclass(slots=True, frozen=True)
class Suite:
    """A cipher suite of 1.2: octets of key and of the part of the nonce that is never sent, and its hash."""

    number: int
    key_size: int
    salt_size: int
    hash_name: str


SUITES = {
    ECDHE_ECDSA_AES_128_GCM: Suite(ECDHE_ECDSA_AES_128_GCM, 16, 4, "sha256"),
    ECDHE_ECDSA_CHACHA20_POLY1305: Suite(ECDHE_ECDSA_CHACHA20_POLY1305, 32, 12, "sha256"),
    ECDHE_ECDSA_AES_256_GCM: Suite(ECDHE_ECDSA_AES_256_GCM, 32, 4, "sha384"),
}
"""What is spoken, best first."""


@dataclass(slots=True, frozen=True)
class Session:
    """What both sides have in common once the secret is: the master secret and the two randoms. Keys never print."""

    master: bytes = field(repr=False)
    client_random: bytes
    server_random: bytes
    suite: Suite = SUITES[ECDHE_ECDSA_AES_128_GCM]


@dataclass(slots=True, frozen=True)
class KeyBlock:
    """The keys and implicit nonces of records, one pair a direction."""

    client_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    client_salt: bytes = field(repr=False)
    server_salt: bytes = field(repr=False)
    suite: Suite = SUITES[ECDHE_ECDSA_AES_128_GCM]


@dataclass(slots=True, frozen=True)
class SRTPKeys:
    """Master keys and salts of SRTP: `local` locks what we send, `remote` unlocks what we receive."""

    profile: int
    local_key: bytes = field(repr=False)
    local_salt: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)
    remote_salt: bytes = field(repr=False)


def pseudorandom(secret: bytes, label: bytes, seed: bytes, size: int, hash_name: str = "sha256") -> bytes:
    """`size` octets that only who knows `secret` can compute (RFC 5246 section 5)."""
    seed = label + seed
    output, link = b"", seed
    while len(output) < size:
        link = hmac.digest(secret, link, hash_name)
        output += hmac.digest(secret, link + seed, hash_name)
    return output[:size]


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes, hash_name: str = "sha256") -> bytes:
    """The 48 octets of RFC 5246 section 8.1."""
    return pseudorandom(premaster, b"master secret", client_random + server_random, 48, hash_name)


def extended_master_secret(premaster: bytes, session_hash: bytes, hash_name: str = "sha256") -> bytes:
    """The 48 octets of RFC 7627 section 4; `session_hash` covers the messages up to and with ClientKeyExchange."""
    return pseudorandom(premaster, b"extended master secret", session_hash, 48, hash_name)


def key_block(session: Session) -> KeyBlock:
    """The keys of the records (RFC 5246 section 6.3); here, alone, the server's random comes first."""
    suite, randoms = session.suite, session.server_random + session.client_random
    size = 2 * (suite.key_size + suite.salt_size)
    octets = pseudorandom(session.master, b"key expansion", randoms, size, suite.hash_name)
    # spec: handshake12/key-block, handshake12/suites
    keys, salts = octets[: 2 * suite.key_size], octets[2 * suite.key_size :]
    client_key, server_key = keys[: suite.key_size], keys[suite.key_size :]
    return KeyBlock(client_key, server_key, salts[: suite.salt_size], salts[suite.salt_size :], suite)


def verify_data(session: Session, sender: Role, handshake: bytes) -> bytes:
    """What `sender` says in Finished, after the messages whose octets are `handshake` (RFC 5246 section 7.4.9)."""
    label = sender.encode() + b" finished"
    name = session.suite.hash_name
    return pseudorandom(session.master, label, hashlib.new(name, handshake).digest(), 12, name)


def export(session: Session, label: bytes, size: int, context: bytes | None = None) -> bytes:
    """`size` octets for another protocol (RFC 5705 section 4). No context is not the same as an empty one."""
    if label in RESERVED_LABELS:  # spec: handshake12/exporter-labels
        raise ValueError(f"{label!r} is a label of TLS itself")
    seed = session.client_random + session.server_random
    if context is not None:
        seed += len(context).to_bytes(2, "big") + context
    return pseudorandom(session.master, label, seed, size, session.suite.hash_name)


def srtp_keys(session: Session, role: Role, profile: int) -> SRTPKeys:
    """The SRTP keys of `role` (RFC 5764 section 4.2). Raises `KeyError` for a profile that is not in `SRTP_SIZES`."""
    octets = export(session, SRTP_LABEL, 2 * sum(SRTP_SIZES[profile]))  # spec: handshake12/exporter-no-context
    return divide_srtp_keys(octets, role, profile)


def divide_srtp_keys(octets: bytes, role: Role, profile: int) -> SRTPKeys:
    """The exported octets in their parts, which every version of the handshake has in the same order."""
    key, salt = SRTP_SIZES[profile]
    keys, salts = octets[: 2 * key], octets[2 * key :]
    # spec: handshake12/srtp-key-order
    client, server = (keys[:key], salts[:salt]), (keys[key:], salts[salt:])
    local, remote = (client, server) if role == "client" else (server, client)
    return SRTPKeys(profile, *local, *remote)


def key_log_line(session: Session) -> str:
    """The line with which Wireshark decrypts the records (the NSS key log format). Whoever has it reads everything."""
    return f"CLIENT_RANDOM {session.client_random.hex()} {session.master.hex()}"
