"""The part of TLS that every version of the handshake shares: registries, extensions, the two hellos, alerts.

    Handshake hello:  version 2 | random 32 | session id <0..32> | ... | extensions <0..2^16-1>
    Extension:        type 2 | body <0..2^16-1>

Stands above `wire/reader` only; `wire/handshake12` adds the messages of 1.2, `wire/dtls` the records that carry them.
Specification: RFC 5246 section 7.4, RFC 8422 section 5.1 (curves), RFC 5764 section 4.1.1 (use_srtp),
RFC 7627 section 5.1, RFC 5746 section 3.2, RFC 9846 section 4.3.1 (supported_versions).
Leaves out: extensions that this system does not act on; they are kept as octets, so that nothing is lost.
Read next: `wire/handshake12.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from meetref.wire.reader import Malformed, Reader

DTLS_1_0 = 0xFEFF
DTLS_1_2 = 0xFEFD
DTLS_1_3 = 0xFEFC

ECDHE_ECDSA_AES_128_GCM = 0xC02B
RENEGOTIATION_SIGNAL = 0x00FF
CIPHER_SUITES = {ECDHE_ECDSA_AES_128_GCM: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}

X25519 = 0x001D
P_256 = 0x0017
GROUPS = {X25519: "X25519", P_256: "P-256"}

ECDSA_SHA256 = 0x0403
ECDSA_SHA384 = 0x0503
RSA_PSS_SHA256 = 0x0804
RSA_PKCS1_SHA256 = 0x0401
SIGNATURE_SCHEMES = {
    ECDSA_SHA256: "ecdsa_secp256r1_sha256",
    ECDSA_SHA384: "ecdsa_secp384r1_sha384",
    RSA_PSS_SHA256: "rsa_pss_rsae_sha256",
    RSA_PKCS1_SHA256: "rsa_pkcs1_sha256",
}

AEAD_AES_256_GCM = 0x0008
AEAD_AES_128_GCM = 0x0007
AES128_CM_SHA1_80 = 0x0001
SRTP_PROFILES = {
    AEAD_AES_256_GCM: "SRTP_AEAD_AES_256_GCM",
    AEAD_AES_128_GCM: "SRTP_AEAD_AES_128_GCM",
    AES128_CM_SHA1_80: "SRTP_AES128_CM_HMAC_SHA1_80",
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


def vector(length_size: int, octets: bytes) -> bytes:
    """`octets` behind their length, a number of `length_size` octets."""
    return len(octets).to_bytes(length_size, "big") + octets


# --- extensions -----------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Extension:
    """One extension of a hello; the subclasses say which."""


@dataclass(slots=True, frozen=True)
class SupportedGroups(Extension):
    """The key-exchange groups the sender can use, best first (RFC 8422 section 5.1.1)."""

    groups: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class PointFormats(Extension):
    """How the sender can read points of a curve; only 0, uncompressed, is alive (RFC 8422 section 5.1.2)."""

    formats: bytes = b"\x00"


@dataclass(slots=True, frozen=True)
class SignatureAlgorithms(Extension):
    """The signatures the sender can verify, best first (RFC 5246 section 7.4.1.4.1)."""

    schemes: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class UseSRTP(Extension):
    """The SRTP protection profiles the sender offers, best first, or the one it chose (RFC 5764 section 4.1.1)."""

    profiles: tuple[int, ...]
    key_identifier: bytes = b""


@dataclass(slots=True, frozen=True)
class ExtendedMasterSecret(Extension):
    """The master secret is to depend on the whole handshake (RFC 7627 section 5.1)."""


@dataclass(slots=True, frozen=True)
class RenegotiationInfo(Extension):
    """The verify data of the handshake before this one; empty in the first (RFC 5746 section 3.2)."""

    renegotiated_connection: bytes = b""


@dataclass(slots=True, frozen=True)
class SupportedVersions(Extension):
    """The versions a client offers, best first (RFC 9846 section 4.3.1)."""

    versions: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class UnknownExtension(Extension):
    """An extension that has no row in the table: its number and its octets."""

    type: int
    body: bytes


class ExtensionRow(NamedTuple):
    """How one type of extension is read from its body and written."""

    kind: type[Extension]
    read: Callable[[Reader], Extension]
    write: Callable[[Any], bytes]


def _numbers(reader: Reader, length_size: int, what: str) -> tuple[int, ...]:
    octets = reader.vector(length_size, what)
    if not octets or len(octets) % 2:
        raise Malformed(f"{what} of {len(octets)} octets", reader.offset)
    return tuple(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))


def _pairs(length_size: int, numbers: Iterable[int]) -> bytes:
    return vector(length_size, b"".join(number.to_bytes(2, "big") for number in numbers))


EXTENSIONS: Mapping[int, ExtensionRow] = {
    10: ExtensionRow(
        SupportedGroups,
        lambda reader: SupportedGroups(_numbers(reader, 2, "supported groups")),
        lambda value: _pairs(2, value.groups),
    ),
    11: ExtensionRow(
        PointFormats,
        lambda reader: PointFormats(reader.vector(1, "point formats")),
        lambda value: vector(1, value.formats),
    ),
    13: ExtensionRow(
        SignatureAlgorithms,
        lambda reader: SignatureAlgorithms(_numbers(reader, 2, "signature algorithms")),
        lambda value: _pairs(2, value.schemes),
    ),
    14: ExtensionRow(
        UseSRTP,
        lambda reader: UseSRTP(_numbers(reader, 2, "SRTP profiles"), reader.vector(1, "master key identifier")),
        lambda value: _pairs(2, value.profiles) + vector(1, value.key_identifier),
    ),
    23: ExtensionRow(ExtendedMasterSecret, lambda reader: ExtendedMasterSecret(), lambda value: b""),
    43: ExtensionRow(
        SupportedVersions,
        lambda reader: SupportedVersions(_numbers(reader, 1, "supported versions")),
        lambda value: _pairs(1, value.versions),
    ),
    0xFF01: ExtensionRow(
        RenegotiationInfo,
        lambda reader: RenegotiationInfo(reader.vector(1, "renegotiated connection")),
        lambda value: vector(1, value.renegotiated_connection),
    ),
}
# A server names the one version it chose, in another layout: it belongs to 1.3 and stays octets here.
SERVER_EXTENSIONS = {number: row for number, row in EXTENSIONS.items() if row.kind is not SupportedVersions}
_NUMBERS = {row.kind: number for number, row in EXTENSIONS.items()}

E = TypeVar("E", bound=Extension)


def find_extension(extensions: Iterable[Extension], kind: type[E]) -> E | None:
    """The extension of that kind, or None when it is not there."""
    return next((extension for extension in extensions if isinstance(extension, kind)), None)


def extension_number(extension: Extension) -> int:
    """The number under which an extension is registered."""
    return extension.type if isinstance(extension, UnknownExtension) else _NUMBERS[type(extension)]


def parse_extensions(reader: Reader, table: Mapping[int, ExtensionRow]) -> tuple[Extension, ...]:
    """Read the block of extensions that ends a hello; a hello may also end before it (RFC 5246 section 7.4.1.4)."""
    if not reader.remaining:
        return ()
    block = Reader(reader.vector(2, "extensions"))
    found: dict[int, Extension] = {}
    while block.remaining:
        number = block.uint16("extension type")
        body = Reader(block.vector(2, "extension"))
        if number in found:
            raise Malformed(f"extension {number} twice", block.offset)  # spec: handshake12/extension-twice
        row = table.get(number)
        # spec: handshake12/unknown-extensions-ignored
        found[number] = row.read(body) if row else UnknownExtension(number, body.rest())
        body.expect_end(f"extension {number}")
    return tuple(found.values())


def serialize_extensions(extensions: Iterable[Extension]) -> bytes:
    """The block of extensions with its length; nothing at all where there are none."""
    block = bytearray()
    for extension in extensions:
        number = extension_number(extension)
        body = extension.body if isinstance(extension, UnknownExtension) else EXTENSIONS[number].write(extension)
        block += number.to_bytes(2, "big") + vector(2, body)
    return vector(2, bytes(block)) if block else b""


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
    """What the server chose (RFC 5246 section 7.4.1.3)."""

    version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    extensions: tuple[Extension, ...]


@dataclass(slots=True, frozen=True)
class Alert:
    """`level` is 1 (warning) or 2 (fatal), `description` a number of `ALERTS` (RFC 5246 section 7.2)."""

    level: int
    description: int

    @property
    def name(self) -> str:
        return ALERTS.get(self.description, f"alert {self.description}")


def parse_client_hello(reader: Reader) -> ClientHello:
    """Read the body of a ClientHello. Raises `Malformed`."""
    version, random = reader.uint16("version"), reader.bytes(32, "random")
    session_id = _session_id(reader)
    cookie = reader.vector(1, "cookie")
    return ClientHello(
        version,
        random,
        session_id,
        cookie,
        _numbers(reader, 2, "cipher suites"),
        reader.vector(1, "compression methods"),
        parse_extensions(reader, EXTENSIONS),
    )


def serialize_client_hello(hello: ClientHello) -> bytes:
    """The body of a ClientHello."""
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + vector(1, hello.cookie)
        + _pairs(2, hello.cipher_suites)
        + vector(1, hello.compression_methods)
        + serialize_extensions(hello.extensions)
    )


def parse_server_hello(reader: Reader) -> ServerHello:
    """Read the body of a ServerHello. Raises `Malformed`."""
    version, random = reader.uint16("version"), reader.bytes(32, "random")
    session_id = _session_id(reader)
    suite, compression = reader.uint16("cipher suite"), reader.uint8("compression method")
    return ServerHello(version, random, session_id, suite, compression, parse_extensions(reader, SERVER_EXTENSIONS))


def serialize_server_hello(hello: ServerHello) -> bytes:
    """The body of a ServerHello."""
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + hello.cipher_suite.to_bytes(2, "big")
        + bytes((hello.compression_method,))
        + serialize_extensions(hello.extensions)
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
