"""The messages of a TLS 1.2 handshake with ephemeral elliptic curves, as values.

    a message: type 1 | length 3 | (in DTLS: message number 2 | fragment offset 3 | fragment length 3) | body

Stands above `wire/tls`, which has the hellos, and `wire/message`; `wire/dtls` carries the bodies.
Specification: RFC 5246 section 7.4, RFC 8422 section 5 (curves), RFC 6347 section 4.2.1 (HelloVerifyRequest).
Leaves out: every other key exchange, and the tickets of RFC 5077, which are never asked for.
Read next: `wire/dtls.py`, then `protocol/handshake12.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetref.wire.message import MessageRow, MessageTable
from meetref.wire.reader import Malformed, Reader, vector
from meetref.wire.tls import (
    ClientHello,
    ServerHello,
    parse_client_hello,
    parse_server_hello,
    serialize_client_hello,
    serialize_server_hello,
)

NAMED_CURVE = 3
CERTIFICATE_TYPES = {1: "rsa_sign", 64: "ecdsa_sign"}


@dataclass(slots=True, frozen=True)
class HelloRequest:
    """The server would like to negotiate anew; it is refused here (RFC 5246 section 7.4.1.1)."""


@dataclass(slots=True, frozen=True)
class HelloVerifyRequest:
    """Say your hello again, with this cookie (RFC 6347 section 4.2.1)."""

    version: int
    cookie: bytes


@dataclass(slots=True, frozen=True)
class CertificateChain:
    """The sender's certificate first, then those that vouch for it, as DER; empty: there is none."""

    certificates: tuple[bytes, ...]


@dataclass(slots=True, frozen=True)
class ServerKeyExchange:
    """The server's share of the key exchange, signed (RFC 8422 section 5.4)."""

    group: int
    share: bytes
    scheme: int
    signature: bytes


@dataclass(slots=True, frozen=True)
class CertificateRequest:
    """The server wants a certificate of one of these types, and a signature of one of these schemes."""

    types: bytes
    schemes: tuple[int, ...]
    authorities: tuple[bytes, ...] = ()


@dataclass(slots=True, frozen=True)
class ServerHelloDone:
    """It is the client's turn."""


@dataclass(slots=True, frozen=True)
class ClientKeyExchange:
    """The client's share of the key exchange (RFC 8422 section 5.7)."""

    share: bytes


@dataclass(slots=True, frozen=True)
class CertificateVerify:
    """A signature over everything said so far (RFC 5246 section 7.4.8)."""

    scheme: int
    signature: bytes


@dataclass(slots=True, frozen=True)
class Finished:
    """The first protected message: twelve octets that only who heard the same can compute (RFC 5246 section 7.4.9)."""

    verify_data: bytes


Handshake = (
    HelloRequest
    | ClientHello
    | ServerHello
    | HelloVerifyRequest
    | CertificateChain
    | ServerKeyExchange
    | CertificateRequest
    | ServerHelloDone
    | CertificateVerify
    | ClientKeyExchange
    | Finished
)


def _chain(reader: Reader) -> CertificateChain:
    chain = reader.within(3, "certificate chain")
    certificates = []
    while chain.remaining:
        certificates.append(chain.vector(3, "certificate"))
    return CertificateChain(tuple(certificates))


def _server_key(reader: Reader) -> ServerKeyExchange:
    if reader.uint8("curve type") != NAMED_CURVE:
        raise Malformed("curve that is not a named one", reader.offset)
    group, share = reader.uint16("group"), reader.vector(1, "share")
    return ServerKeyExchange(group, share, reader.uint16("scheme"), reader.vector(2, "signature"))


def server_share(group: int, share: bytes) -> bytes:
    """The part of a ServerKeyExchange that is signed, after the two randoms."""
    return bytes((NAMED_CURVE,)) + group.to_bytes(2, "big") + vector(1, share)


def _write_server_key(value: ServerKeyExchange) -> bytes:
    return server_share(value.group, value.share) + value.scheme.to_bytes(2, "big") + vector(2, value.signature)


def _request(reader: Reader) -> CertificateRequest:
    types = reader.vector(1, "certificate types")
    schemes = reader.within(2, "signature schemes")
    pairs = []
    while schemes.remaining:
        pairs.append(schemes.uint16("signature scheme"))
    names = reader.within(2, "authorities")
    authorities = []
    while names.remaining:
        authorities.append(names.vector(2, "authority"))
    return CertificateRequest(types, tuple(pairs), tuple(authorities))


def _write_request(value: CertificateRequest) -> bytes:
    schemes = b"".join(scheme.to_bytes(2, "big") for scheme in value.schemes)
    authorities = b"".join(vector(2, name) for name in value.authorities)
    return vector(1, value.types) + vector(2, schemes) + vector(2, authorities)


def _signature(reader: Reader) -> CertificateVerify:
    return CertificateVerify(reader.uint16("scheme"), reader.vector(2, "signature"))


MESSAGES = {
    0: MessageRow(HelloRequest, lambda reader: HelloRequest(), lambda value: b""),
    1: MessageRow(ClientHello, parse_client_hello, serialize_client_hello),
    2: MessageRow(ServerHello, parse_server_hello, serialize_server_hello),
    3: MessageRow(
        HelloVerifyRequest,
        lambda reader: HelloVerifyRequest(reader.uint16("version"), reader.vector(1, "cookie")),
        lambda value: value.version.to_bytes(2, "big") + vector(1, value.cookie),
    ),
    11: MessageRow(
        CertificateChain,
        _chain,
        lambda value: vector(3, b"".join(vector(3, der) for der in value.certificates)),
    ),
    12: MessageRow(ServerKeyExchange, _server_key, _write_server_key),
    13: MessageRow(CertificateRequest, _request, _write_request),
    14: MessageRow(ServerHelloDone, lambda reader: ServerHelloDone(), lambda value: b""),
    15: MessageRow(
        CertificateVerify,
        _signature,
        lambda value: value.scheme.to_bytes(2, "big") + vector(2, value.signature),
    ),
    16: MessageRow(
        ClientKeyExchange,
        lambda reader: ClientKeyExchange(reader.vector(1, "share")),
        lambda value: vector(1, value.share),
    ),
    20: MessageRow(Finished, lambda reader: Finished(reader.bytes(12, "verify data")), lambda value: value.verify_data),
}
HELLO_REQUEST, CLIENT_HELLO, HELLO_VERIFY_REQUEST, FINISHED = 0, 1, 3, 20

_TABLE: MessageTable[Handshake] = MessageTable(MESSAGES)
message_number, parse, serialize = _TABLE.number_of, _TABLE.parse, _TABLE.serialize
