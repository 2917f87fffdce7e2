"""From a shared secret to keys: the pseudorandom function of TLS 1.2 and everything that is drawn from it.

    premaster --(randoms, or the hash of the handshake)--> master --+--> key block: the keys of the records
                                                                    +--> verify data: the Finished messages
                                                                    +--> exporter: the keys of SRTP

Stands on nothing but HMAC; the handshakes call it, a tool that decrypts captures does too.
Specification: RFC 5246 sections 5, 6.3, 8.1; RFC 7627 section 4; RFC 5705; RFC 5764 section 4.2.
Leaves out: other hashes than SHA-256, the one of our cipher suite.
Read next: `protocol/recordlayer.py`, `protocol/handshake12.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

from meetref.wire.tls import AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES128_CM_SHA1_80

Role = Literal["client", "server"]

SRTP_LABEL = b"EXTRACTOR-dtls_srtp"
SRTP_SIZES = {AEAD_AES_256_GCM: (32, 12), AEAD_AES_128_GCM: (16, 12), AES128_CM_SHA1_80: (16, 14)}
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
class Session:
    """What both sides have in common once the secret is: the master secret and the two randoms. Keys never print."""

    master: bytes = field(repr=False)
    client_random: bytes
    server_random: bytes


@dataclass(slots=True, frozen=True)
class KeyBlock:
    """The keys (16 octets) and implicit nonces (4 octets) of AES-128-GCM records, one pair a direction."""

    client_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    client_salt: bytes = field(repr=False)
    server_salt: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class SRTPKeys:
    """Master keys and salts of SRTP: `local` locks what we send, `remote` unlocks what we receive."""

    profile: int
    local_key: bytes = field(repr=False)
    local_salt: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)
    remote_salt: bytes = field(repr=False)


def pseudorandom(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """`size` octets that only who knows `secret` can compute (RFC 5246 section 5, with SHA-256)."""
    seed = label + seed
    output, link = b"", seed
    while len(output) < size:
        link = hmac.digest(secret, link, "sha256")
        output += hmac.digest(secret, link + seed, "sha256")
    return output[:size]


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """The 48 octets of RFC 5246 section 8.1."""
    return pseudorandom(premaster, b"master secret", client_random + server_random, 48)


def extended_master_secret(premaster: bytes, session_hash: bytes) -> bytes:
    """The 48 octets of RFC 7627 section 4; `session_hash` covers the messages up to and with ClientKeyExchange."""
    return pseudorandom(premaster, b"extended master secret", session_hash, 48)


def key_block(session: Session) -> KeyBlock:
    """The keys of the records (RFC 5246 section 6.3); here, alone, the server's random comes first."""
    octets = pseudorandom(session.master, b"key expansion", session.server_random + session.client_random, 40)
    # spec: handshake12/key-block
    return KeyBlock(octets[:16], octets[16:32], octets[32:36], octets[36:40])


def verify_data(session: Session, sender: Role, handshake: bytes) -> bytes:
    """What `sender` says in Finished, after the messages whose octets are `handshake` (RFC 5246 section 7.4.9)."""
    label = sender.encode() + b" finished"
    return pseudorandom(session.master, label, hashlib.sha256(handshake).digest(), 12)


def export(session: Session, label: bytes, size: int, context: bytes | None = None) -> bytes:
    """`size` octets for another protocol (RFC 5705 section 4). No context is not the same as an empty one."""
    if label in RESERVED_LABELS:  # spec: handshake12/exporter-labels
        raise ValueError(f"{label!r} is a label of TLS itself")
    seed = session.client_random + session.server_random
    if context is not None:
        seed += len(context).to_bytes(2, "big") + context
    return pseudorandom(session.master, label, seed, size)


def srtp_keys(session: Session, role: Role, profile: int) -> SRTPKeys:
    """The SRTP keys of `role` (RFC 5764 section 4.2). Raises `KeyError` for a profile that is not in `SRTP_SIZES`."""
    key, salt = SRTP_SIZES[profile]
    octets = export(session, SRTP_LABEL, 2 * (key + salt))  # spec: handshake12/exporter-no-context
    keys, salts = octets[: 2 * key], octets[2 * key :]
    # spec: handshake12/srtp-key-order
    client, server = (keys[:key], salts[:salt]), (keys[key:], salts[salt:])
    local, remote = (client, server) if role == "client" else (server, client)
    return SRTPKeys(profile, *local, *remote)


def key_log_line(session: Session) -> str:
    """The line with which Wireshark decrypts the records (the NSS key log format). Whoever has it reads everything."""
    return f"CLIENT_RANDOM {session.client_random.hex()} {session.master.hex()}"
