"""The messages of a TLS 1.3 handshake, as values.

    a message: type 1 | length 3 | (in DTLS: message number 2 | fragment offset 3 | fragment length 3) | body

Stands above `wire/tls`, which has the hellos, and `wire/message`; `wire/dtls` carries the bodies.
Specification: RFC 9846 section 4, RFC 9147 section 5.2.
Leaves out: early data, connection ids, and what is inside a ticket: none is ever used.
Read next: `wire/dtls.py`, then `protocol/handshake13.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from meetref.wire.extension import EXTENSIONS, Extension, parse_extensions, serialize_extensions
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


@dataclass(slots=True, frozen=True)
class NewSessionTicket:
    """What a later connection could begin with (RFC 9846 section 4.7.1)."""

    lifetime: int
    age_add: int
    nonce: bytes
    ticket: bytes
    extensions: tuple[Extension, ...] = ()


@dataclass(slots=True, frozen=True)
class EncryptedExtensions:
    """The server's answers that need no key to be understood, and yet are nobody else's business."""

    extensions: tuple[Extension, ...]


class CertificateEntry(NamedTuple):
    """One certificate as DER, with what is said about it."""

    certificate: bytes
    extensions: tuple[Extension, ...] = ()


@dataclass(slots=True, frozen=True)
class CertificateChain:
    """The sender's certificate first, then those that vouch for it; empty: there is none (RFC 9846 section 4.5.1)."""

    entries: tuple[CertificateEntry, ...]
    context: bytes = b""


@dataclass(slots=True, frozen=True)
class CertificateRequest:
    """The server wants a certificate; an extension says with which signatures (RFC 9846 section 4.4.2)."""

    extensions: tuple[Extension, ...]
    context: bytes = b""


@dataclass(slots=True, frozen=True)
class CertificateVerify:
    """A signature over everything said so far (RFC 9846 section 4.5.2)."""

    scheme: int
    signature: bytes


@dataclass(slots=True, frozen=True)
class Finished:
    """As many octets as the hash has, that only who heard the same can compute (RFC 9846 section 4.5.3)."""

    verify_data: bytes


@dataclass(slots=True, frozen=True)
class KeyUpdate:
    """The sender is about to change its keys, and may want the other side to do the same (RFC 9846 section 4.7.3)."""

    request_update: int
    """0 or 1: does it? Anything else is for the handshake to refuse."""


Handshake = (
    ClientHello
    | ServerHello
    | NewSessionTicket
    | EncryptedExtensions
    | CertificateChain
    | CertificateRequest
    | CertificateVerify
    | Finished
    | KeyUpdate
)


def _ticket(reader: Reader) -> NewSessionTicket:
    lifetime, age_add, nonce = reader.uint32("lifetime"), reader.uint32("age"), reader.vector(1, "nonce")
    ticket = reader.vector(2, "ticket")
    if not ticket:
        raise Malformed("an empty ticket", reader.offset)
    return NewSessionTicket(lifetime, age_add, nonce, ticket, parse_extensions(reader, {}))


def _write_ticket(value: NewSessionTicket) -> bytes:
    numbers = value.lifetime.to_bytes(4, "big") + value.age_add.to_bytes(4, "big")
    return numbers + vector(1, value.nonce) + vector(2, value.ticket) + serialize_extensions(value.extensions)


def _chain(reader: Reader) -> CertificateChain:
    context, entries = reader.vector(1, "context"), []
    chain = reader.within(3, "certificate chain")
    while chain.remaining:
        certificate = chain.vector(3, "certificate")
        if not certificate:
            raise Malformed("an empty certificate", chain.offset)
        entries.append(CertificateEntry(certificate, parse_extensions(chain, {})))
    return CertificateChain(tuple(entries), context)


def _write_chain(value: CertificateChain) -> bytes:
    entries = (vector(3, each.certificate) + serialize_extensions(each.extensions) for each in value.entries)
    return vector(1, value.context) + vector(3, b"".join(entries))


def _request(reader: Reader) -> CertificateRequest:
    context = reader.vector(1, "context")
    return CertificateRequest(parse_extensions(reader, EXTENSIONS), context)


def _update(reader: Reader) -> KeyUpdate:
    return KeyUpdate(reader.uint8("update request"))


CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST, NEW_SESSION_TICKET = 1, 2, 3, 4
ENCRYPTED_EXTENSIONS, FINISHED, KEY_UPDATE, MESSAGE_HASH = 8, 20, 24, 254
HELLOS = (CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST)
MESSAGES = {
    CLIENT_HELLO: MessageRow(ClientHello, parse_client_hello, serialize_client_hello),
    SERVER_HELLO: MessageRow(ServerHello, parse_server_hello, serialize_server_hello),
    NEW_SESSION_TICKET: MessageRow(NewSessionTicket, _ticket, _write_ticket),
    ENCRYPTED_EXTENSIONS: MessageRow(
        EncryptedExtensions,
        lambda reader: EncryptedExtensions(parse_extensions(reader, EXTENSIONS)),
        lambda value: serialize_extensions(value.extensions),
    ),
    11: MessageRow(CertificateChain, _chain, _write_chain),
    13: MessageRow(
        CertificateRequest,
        _request,
        lambda value: vector(1, value.context) + serialize_extensions(value.extensions),
    ),
    15: MessageRow(
        CertificateVerify,
        lambda reader: CertificateVerify(reader.uint16("scheme"), reader.vector(2, "signature")),
        lambda value: value.scheme.to_bytes(2, "big") + vector(2, value.signature),
    ),
    FINISHED: MessageRow(
        Finished,
        lambda reader: Finished(reader.bytes(reader.remaining, "verify data")),
        lambda value: value.verify_data,
    ),
    KEY_UPDATE: MessageRow(KeyUpdate, _update, lambda value: bytes((value.request_update,))),
}

_TABLE: MessageTable[Handshake] = MessageTable(MESSAGES)
message_number, parse, serialize = _TABLE.number_of, _TABLE.parse, _TABLE.serialize
