"""The part of TLS that every version of the handshake shares: registries, the two hellos, alerts.

    Handshake hello:  version 2 | random 32 | session id <0..32> | ... | extensions <0..2^16-1>

Stands above `wire/extension`; `wire/handshake12` and `wire/handshake13` add the other messages of their version,
`wire/dtls` the records that carry them. Specification: RFC 5246 section 7.4, RFC 9846 sections 4.2 and 6.
Leaves out: names for what is never chosen here. Read next: `wire/handshake12.py`, `wire/handshake13.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from meetref.wire.extension import (
    EXTENSIONS,
    RETRY_EXTENSIONS,
    SERVER_EXTENSIONS,
    Extension,
    parse_extensions,
    read_numbers,
    serialize_extensions,
    write_numbers,
)
from meetref.wire.reader import Malformed, Reader, vector

DTLS_1_0 = 0xFEFF
DTLS_1_2 = 0xFEFD
DTLS_1_3 = 0xFEFC

ECDHE_ECDSA_AES_128_GCM = 0xC02B
ECDHE_ECDSA_AES_256_GCM = 0xC02C
ECDHE_ECDSA_CHACHA20_POLY1305 = 0xCCA9
AES_128_GCM = 0x1301
AES_256_GCM = 0x1302
CHACHA20_POLY1305 = 0x1303
RENEGOTIATION_SIGNAL = 0x00FF
CIPHER_SUITES = {
    ECDHE_ECDSA_AES_128_GCM: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ECDHE_ECDSA_AES_256_GCM: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ECDHE_ECDSA_CHACHA20_POLY1305: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    AES_128_GCM: "TLS_AES_128_GCM_SHA256",
    AES_256_GCM: "TLS_AES_256_GCM_SHA384",
    CHACHA20_POLY1305: "TLS_CHACHA20_POLY1305_SHA256",
}

X25519_ML_KEM_768 = 0x11EC
X25519 = 0x001D
P_256 = 0x0017
P_384 = 0x0018
GROUPS = {X25519_ML_KEM_768: "X25519MLKEM768", X25519: "X25519", P_256: "P-256", P_384: "P-384"}

ECDSA_SHA256 = 0x0403
ECDSA_SHA384 = 0x0503
RSA_PSS_SHA256 = 0x0804
RSA_PKCS1_SHA256 = 0x0401
ED25519 = 0x0807
SIGNATURE_SCHEMES = {
    ECDSA_SHA256: "ecdsa_secp256r1_sha256",
    ECDSA_SHA384: "ecdsa_secp384r1_sha384",
    RSA_PSS_SHA256: "rsa_pss_rsae_sha256",
    RSA_PKCS1_SHA256: "rsa_pkcs1_sha256",
    ED25519: "ed25519",
}

AEAD_AES_256_GCM = 0x0008
AEAD_AES_128_GCM = 0x0007
AES128_CM_SHA1_80 = 0x0001
AES128_CM_SHA1_32 = 0x0002
SRTP_PROFILES = {
    AEAD_AES_256_GCM: "SRTP_AEAD_AES_256_GCM",
    AEAD_AES_128_GCM: "SRTP_AEAD_AES_128_GCM",
    AES128_CM_SHA1_80: "SRTP_AES128_CM_HMAC_SHA1_80",
    AES128_CM_SHA1_32: "SRTP_AES128_CM_HMAC_SHA1_32",
}

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
ALERT_NUMBERS = {name: number for number, name in ALERTS.items()}
WARNING, FATAL = 1, 2

RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()
"""The random of a ServerHello that is none: a HelloRetryRequest (RFC 9846 section 4.2.3)."""

DOWNGRADED = b"DOWNGRD\x01"
"""The end of the random of a server that could have done 1.3 and was not asked for it (RFC 9846 section 4.2.3)."""


# --- hellos and alerts ----------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class ClientHello:
    """What a client offers; the DTLS form, with a cookie (RFC 6347 section 4.2.1)."""

    version: int
    random: bytes
    session_id: bytes
    cookie: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: bytes
    extensions: tuple[Extension, ...]


@dataclass(slots=True, frozen=True)
class ServerHello:
    """What the server chose, or in 1.3, with a certain random, what it wants to be asked (RFC 9846 section 4.2.3)."""

    version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    extensions: tuple[Extension, ...]

    @property
    def is_retry(self) -> bool:
        """Is it a HelloRetryRequest?"""
        return self.random == RETRY_RANDOM


@dataclass(slots=True, frozen=True)
class Alert:
    """`level` is 1 (warning) or 2 (fatal), `description` a number of `ALERTS` (RFC 5246 section 7.2)."""

    level: int
    description: int

    @property
    def name(self) -> str:
        return ALERTS.get(self.description, f"alert {self.description}")


def parse_client_hello(reader: Reader) -> ClientHello:
    """Read the body of a ClientHello, which may end before its extensions (RFC 5246 section 7.4.1.4)."""
    version, random = reader.uint16("version"), reader.bytes(32, "random")
    session_id = _session_id(reader)
    cookie = reader.vector(1, "cookie")
    return ClientHello(
        version,
        random,
        session_id,
        cookie,
        read_numbers(reader, 2, "cipher suites"),
        reader.vector(1, "compression methods"),
        parse_extensions(reader, EXTENSIONS) if reader.remaining else (),
    )


def serialize_client_hello(hello: ClientHello) -> bytes:
    """The body of a ClientHello."""
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + vector(1, hello.cookie)
        + write_numbers(2, hello.cipher_suites)
        + vector(1, hello.compression_methods)
        + (serialize_extensions(hello.extensions) if hello.extensions else b"")
    )


def parse_server_hello(reader: Reader) -> ServerHello:
    """Read the body of a ServerHello. Raises `Malformed`."""
    version, random = reader.uint16("version"), reader.bytes(32, "random")
    session_id = _session_id(reader)
    suite, compression = reader.uint16("cipher suite"), reader.uint8("compression method")
    table = RETRY_EXTENSIONS if random == RETRY_RANDOM else SERVER_EXTENSIONS
    extensions = parse_extensions(reader, table) if reader.remaining else ()
    return ServerHello(version, random, session_id, suite, compression, extensions)


def serialize_server_hello(hello: ServerHello) -> bytes:
    """The body of a ServerHello."""
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + hello.cipher_suite.to_bytes(2, "big")
        + bytes((hello.compression_method,))
        + (serialize_extensions(hello.extensions) if hello.extensions else b"")
    )


def parse_alert(data: bytes) -> Alert:
    """Read the payload of an alert record. Raises `Malformed`."""
    reader = Reader(data)
    alert = Alert(reader.uint8("alert level"), reader.uint8("alert description"))
    reader.expect_end("alert")
    return alert


def serialize_alert(alert: Alert) -> bytes:
    """The two octets of an alert."""
    return bytes((alert.level, alert.description))


def _session_id(reader: Reader) -> bytes:
    session_id = reader.vector(1, "session id")
    if len(session_id) > 32:
        raise Malformed(f"session id of {len(session_id)} octets", reader.offset)
    return session_id
