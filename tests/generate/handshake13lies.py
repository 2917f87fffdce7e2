"""What may be wrong in a handshake of DTLS 1.3, message by message, and the alert that each must lead to.

Rows are (what is wrong, requirements, alert, how it is told, ...). They stay in their order: ids are counted from it,
so a new one goes to the end of its table.
Stands above `tests/generate/dtlslies.py`. Read next: tests/generate/handshake13refusals.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meetref.protocol.reassembly import Message
from meetref.wire import dtls, tls
from meetref.wire import handshake13 as wire
from meetref.wire.dtls import Fragment
from meetref.wire.extension import (
    ApplicationProtocols,
    Cookie,
    RecordSizeLimit,
    SelectedVersion,
    ServerShare,
    Share,
    SignatureAlgorithms,
    SupportedGroups,
    UnknownExtension,
    UseSRTP,
    WantedGroup,
    find_extension,
)
from meetref.wire.tls import P_256, P_384, X25519, X25519_ML_KEM_768, ClientHello, ServerHello
from tests.generate.dtlslies import (
    CERTIFICATES,
    Lie,
    Said,
    Tell,
    adding,
    before,
    edit,
    flipped,
    instead,
    octets,
    omitting,
    put,
    raw_extension,
    twice,
    without,
)

GROUPS = {"groups": (X25519, P_256, P_384)}
HYBRID = {"groups": (X25519_ML_KEM_768, X25519)}
RETRY = {"address_verified": False}
EE, Chain, Verify = wire.EncryptedExtensions, wire.CertificateChain, wire.CertificateVerify
ALPN = ApplicationProtocols((b"webrtc",))
UNKNOWN = UnknownExtension(0xFAFA, b"")
DECODE = "decode_error"
A_HELLO = wire.serialize(ClientHello(tls.DTLS_1_2, bytes(32), b"", b"", (0x1301,), b"\0", ()))
AN_ANSWER = wire.serialize(ServerHello(tls.DTLS_1_2, bytes(32), b"", 0x1301, 0, (SelectedVersion(tls.DTLS_1_3),)))


def body_as(kind: type[Any], change: Any) -> Tell:
    return octets(kind, change, "1.3")


def cut(kind: type[Any]) -> Tell:
    return body_as(kind, lambda body: body[:-1])


def with_tail(kind: type[Any]) -> Tell:
    return body_as(kind, lambda body: body + b"\0")


def emptied(kind: type[Any]) -> Tell:
    return body_as(kind, lambda body: b"")


def repeated(kind: type[Any], number: int, body: str) -> Tell:
    """With an extension that is there already."""
    return adding(kind, UnknownExtension(number, bytes.fromhex(body)))


def other_certificate(curve: ec.EllipticCurve) -> bytes:
    """The owner's name on a key of another curve, as DER."""
    key = ec.derive_private_key(12345, curve)
    original = x509.load_der_x509_certificate(CERTIFICATES["server"].der)
    builder = x509.CertificateBuilder().subject_name(original.subject).issuer_name(original.issuer)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(original.not_valid_before_utc).not_valid_after(original.not_valid_after_utc)
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _chain(der: bytes) -> Tell:
    return put(Chain, entries=(wire.CertificateEntry(der),))


def proof_lies() -> tuple[tuple[Any, ...], ...]:
    """What both sides may get wrong from their certificate on."""
    sign = CERTIFICATES["server"].sign
    return (
        ("a certificate with a context", "unexpected-message", "illegal_parameter", put(Chain, context=b"x"), DECODE),
        ("a certificate that is no DER", "certificate-required", "unsupported_certificate", _chain(b"no DER at all"),
         f"bad_certificate {DECODE}"),
        ("a certificate cut short", "certificate-required", "unsupported_certificate",
         edit(Chain, lambda m: replace(m, entries=(wire.CertificateEntry(m.entries[0].certificate[:-9]),))),
         f"bad_certificate {DECODE}"),
        ("a certificate with a key of a curve that was not offered", "certificate-required", "unsupported_certificate",
         _chain(other_certificate(ec.SECP521R1())), "bad_certificate illegal_parameter"),
        ("an empty certificate in the chain", "decode-error", DECODE, _chain(b""), "illegal_parameter bad_certificate"),
        ("an extension of a certificate that was not asked for", "answers-asked", "unsupported_extension",
         edit(Chain, lambda m: replace(m, entries=(wire.CertificateEntry(m.entries[0].certificate, (UNKNOWN,)),)))),
        ("a certificate message cut short", "decode-error", DECODE, cut(Chain)),
        ("a certificate message with a tail", "decode-error", DECODE, with_tail(Chain)),
        ("no certificate before its proof", "unexpected-message", "unexpected_message", omitting(Chain)),
        ("the certificate twice", "unexpected-message", "unexpected_message", twice(Chain)),
        ("a proof with a wrong signature", "proof-wrong", "decrypt_error",
         edit(Verify, lambda m: replace(m, signature=flipped(m.signature)))),
        ("a proof over something else", "proof-wrong proof-context", "decrypt_error",
         edit(Verify, lambda m: replace(m, signature=sign(b" " * 64)))),
        ("a proof without signature", "proof-wrong", "decrypt_error", put(Verify, signature=b""), DECODE),
        ("a proof by PKCS #1 version 1.5", "signature-schemes", "illegal_parameter", put(Verify, scheme=0x0401)),
        ("a proof by SHA-1", "signature-schemes", "illegal_parameter", put(Verify, scheme=0x0203)),
        ("a proof by a scheme of another curve", "signature-schemes", "illegal_parameter",
         put(Verify, scheme=0x0503), "decrypt_error"),
        ("a proof by a scheme of another kind of key", "signature-schemes", "illegal_parameter",
         put(Verify, scheme=0x0804), "decrypt_error"),
        ("a proof by a scheme that nobody has", "signature-schemes", "illegal_parameter", put(Verify, scheme=0xFAFA)),
        ("a proof cut short", "decode-error", DECODE, cut(Verify)),
        ("a proof with a tail", "decode-error", DECODE, with_tail(Verify)),
        ("no proof before Finished", "unexpected-message", "unexpected_message", omitting(Verify)),
        ("the proof twice", "unexpected-message", "unexpected_message", twice(Verify)),
        ("a wrong Finished", "finished-wrong", "decrypt_error",
         edit(wire.Finished, lambda m: wire.Finished(flipped(m.verify_data)))),
        ("a Finished of zeros", "finished-wrong", "decrypt_error",
         edit(wire.Finished, lambda m: wire.Finished(bytes(len(m.verify_data))))),
        ("a Finished cut short", "finished-wrong", DECODE, cut(wire.Finished), "decrypt_error"),
        ("a Finished with a tail", "finished-wrong", DECODE, with_tail(wire.Finished), "decrypt_error"),
        ("an empty Finished", "finished-wrong", DECODE, emptied(wire.Finished), "decrypt_error"),
        ("new keys before Finished", "unexpected-message", "unexpected_message",
         before(wire.Finished, wire.KeyUpdate(False))),
        ("a message of a type that nobody has", "unexpected-message", "unexpected_message",
         before(wire.Finished, Said(77, b"")), DECODE),
        ("a HelloRequest", "unexpected-message", "unexpected_message", before(wire.Finished, Said(0, b""))),
        ("an EndOfEarlyData", "unexpected-message", "unexpected_message", before(wire.Finished, Said(5, b""))),
        ("a message_hash", "unexpected-message", "unexpected_message", before(wire.Finished, Said(254, bytes(32)))),
        ("a ClientKeyExchange of 1.2", "unexpected-message", "unexpected_message",
         before(wire.Finished, Said(16, b"\x20" + bytes(32)))),
        ("EncryptedExtensions late", "unexpected-message", "unexpected_message", before(wire.Finished, EE(()))),
        ("a ticket before Finished", "unexpected-message", "unexpected_message",
         before(wire.Finished, wire.NewSessionTicket(60, 1, b"", b"ticket"))),
    )  # fmt: skip


# --- what a server may say to a client ------------------------------------------------------------

SERVER_HELLO: tuple[tuple[Any, ...], ...] = (
    ("a suite of 1.2", "choice-not-offered", "illegal_parameter", put(ServerHello, cipher_suite=0xC02B)),
    ("a suite that nobody has", "choice-not-offered", "illegal_parameter", put(ServerHello, cipher_suite=0x1399)),
    ("a suite that the client did not name", "choice-not-offered", "illegal_parameter",
     put(ServerHello, cipher_suite=0x1304)),
    ("compression", "choice-not-offered", "illegal_parameter", put(ServerHello, compression_method=1), DECODE),
    ("the old version field says 1.3", "session-id-not-echoed", "illegal_parameter",
     put(ServerHello, version=tls.DTLS_1_3), "protocol_version"),
    ("the old version field says 1.0", "session-id-not-echoed", "illegal_parameter",
     put(ServerHello, version=tls.DTLS_1_0), "protocol_version"),
    ("a session id that nobody said", "session-id-not-echoed", "illegal_parameter",
     put(ServerHello, session_id=bytes(32))),
    ("a session id of 33 octets", "decode-error", DECODE, put(ServerHello, session_id=bytes(33)), "illegal_parameter"),
    ("no selected version", "version-not-offered", "protocol_version", without(ServerHello, SelectedVersion)),
    ("1.2 as selected version", "version-from-hello", "illegal_parameter",
     instead(ServerHello, SelectedVersion(tls.DTLS_1_2)), "protocol_version"),
    ("TLS 1.3 as selected version", "version-from-hello", "illegal_parameter",
     instead(ServerHello, SelectedVersion(0x0304)), "protocol_version"),
    ("a selected version of one octet", "decode-error", DECODE,
     raw_extension(ServerHello, SelectedVersion, 43, "fe")),
    ("an extension that was not asked for", "answers-asked", "unsupported_extension", adding(ServerHello, UNKNOWN)),
    ("a cookie in ServerHello", "answers-asked", "unsupported_extension",
     adding(ServerHello, UnknownExtension(44, b"\0\1x")), "illegal_parameter"),
    ("SRTP in the clear", "extension-place", "illegal_parameter",
     adding(ServerHello, UseSRTP((8,))), "unsupported_extension"),
    ("groups in ServerHello", "extension-place", "illegal_parameter",
     adding(ServerHello, SupportedGroups((X25519,))), "unsupported_extension"),
    ("the selected version twice", "decode-error", DECODE, repeated(ServerHello, 43, "fefc"), "illegal_parameter"),
    ("no share", "missing-extension", "missing_extension", without(ServerHello, ServerShare)),
    ("a share of a group for which none was sent", "share-not-offered", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(P_384, b"\4" + bytes(96))))),
    ("a share of a group that nobody has", "share-not-offered", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(0xFAFA, b"x")))),
    ("a share of the wrong group", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(P_256, bytes(32)))), DECODE),
    ("a share of 31 octets", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(X25519, bytes(range(31))))), DECODE),
    ("a share of 33 octets", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(X25519, bytes(range(33))))), DECODE),
    ("an empty share", "decode-error", DECODE,
     raw_extension(ServerHello, ServerShare, 51, "001d0000"), "illegal_parameter"),
    ("a share that leads to zeros", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(X25519, bytes(32)))), DECODE),
    ("a share of small order", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(X25519, b"\1" + bytes(31)))), DECODE),
    ("a point that is not on P-256", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(P_256, b"\4" + bytes(63) + b"\1"))), DECODE),
    ("a compressed point of P-256", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(P_256, b"\2" + bytes(31) + b"\5"))), DECODE),
    ("the point at infinity", "share-invalid", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(P_256, b"\0"))), DECODE),
    ("octets behind the share", "decode-error", DECODE,
     raw_extension(ServerHello, ServerShare, 51, "001d0020" + "09" * 33)),
    ("a ServerHello cut short", "decode-error", DECODE, cut(ServerHello)),
    ("a ServerHello with a tail", "decode-error", DECODE, with_tail(ServerHello)),
    ("a ServerHello of nothing but a version", "decode-error", DECODE, body_as(ServerHello, lambda body: body[:2])),
    ("another hello of a client", "unexpected-message", "unexpected_message",
     edit(ServerHello, lambda m: Said(1, A_HELLO))),
    ("a HelloVerifyRequest", "unexpected-message", "protocol_version",
     edit(ServerHello, lambda m: Said(3, b"\xfe\xff\2ab")), "unexpected_message drop"),
)  # fmt: skip


def _as_retry(*extensions: Any, suite: int = 0x1301) -> Tell:
    """A HelloRetryRequest instead of ServerHello."""
    return edit(ServerHello, lambda m: replace(
        m, random=tls.RETRY_RANDOM, cipher_suite=suite, extensions=(SelectedVersion(tls.DTLS_1_3), *extensions)
    ))  # fmt: skip


RETRIES: tuple[tuple[Any, ...], ...] = (
    ("a retry that changes nothing", "retry-changes", "illegal_parameter", _as_retry()),
    ("a retry for a share that was sent", "retry-group", "illegal_parameter", _as_retry(WantedGroup(X25519))),
    ("a retry for a group that was not named", "retry-group", "illegal_parameter", _as_retry(WantedGroup(0x001E))),
    ("a retry with a suite that was not offered", "choice-not-offered", "illegal_parameter",
     _as_retry(WantedGroup(P_384), suite=0xC02B)),
    ("a retry with an empty cookie", "decode-error", DECODE, _as_retry(UnknownExtension(44, b"\0\0")),
     "illegal_parameter"),
    ("a retry with SRTP", "extension-place", "illegal_parameter", _as_retry(WantedGroup(P_384), UseSRTP((8,))),
     "unsupported_extension"),
    ("a retry with an extension that was not asked for", "answers-asked", "unsupported_extension",
     _as_retry(WantedGroup(P_384), UNKNOWN)),
    ("a retry without a version", "version-not-offered", "protocol_version",
     edit(ServerHello, lambda m: replace(m, random=tls.RETRY_RANDOM, extensions=(WantedGroup(P_384),))),
     "missing_extension illegal_parameter"),
    ("a retry for a group, cut short", "decode-error", DECODE, _as_retry(UnknownExtension(51, b"\0"))),
)  # fmt: skip
SECOND: tuple[tuple[Any, ...], ...] = (
    ("after a retry another one", "retry-once", "unexpected_message", _as_retry(Cookie(b"again"))),
    ("after a retry another suite", "retry-once", "illegal_parameter", put(ServerHello, cipher_suite=0x1302)),
    ("after a retry another version", "version-from-hello", "illegal_parameter",
     instead(ServerHello, SelectedVersion(tls.DTLS_1_2)), "protocol_version"),
)  # fmt: skip
AFTER_GROUP: tuple[tuple[Any, ...], ...] = (
    ("after a retry a share of another group", "share-not-offered", "illegal_parameter",
     instead(ServerHello, ServerShare(Share(X25519, bytes(range(32)))))),
)  # fmt: skip
EXTENSIONS: tuple[tuple[Any, ...], ...] = (
    ("a protocol that was not asked for", "answers-asked", "unsupported_extension", adding(EE, ALPN)),
    ("an extension that nobody knows", "answers-asked", "unsupported_extension", adding(EE, UNKNOWN)),
    ("a record size limit that was not asked for", "answers-asked", "unsupported_extension",
     adding(EE, RecordSizeLimit(1000))),
    ("a share among the encrypted extensions", "extension-place", "illegal_parameter",
     adding(EE, UnknownExtension(51, b"\0\5\0\x1d\0\1x")), f"unsupported_extension {DECODE}"),
    ("a version among the encrypted extensions", "extension-place", "illegal_parameter",
     adding(EE, UnknownExtension(43, b"\2\xfe\xfc")), f"unsupported_extension {DECODE}"),
    ("signatures among the encrypted extensions", "extension-place", "illegal_parameter",
     adding(EE, SignatureAlgorithms((0x0403,))), "unsupported_extension"),
    ("an SRTP profile that was not offered", "srtp-profile-offered", "illegal_parameter", instead(EE, UseSRTP((5,)))),
    ("two SRTP profiles", "srtp-profile-offered", "illegal_parameter", instead(EE, UseSRTP((8, 7))), DECODE),
    ("an SRTP key identifier that was not offered", "srtp-profile-offered", "illegal_parameter",
     instead(EE, UseSRTP((8,), b"key")), DECODE),
    ("no SRTP profile in use_srtp", "decode-error", DECODE, raw_extension(EE, UseSRTP, 14, "000000"),
     "illegal_parameter"),
    ("an SRTP profile cut short", "decode-error", DECODE, raw_extension(EE, UseSRTP, 14, "000100"),
     "illegal_parameter"),
    ("use_srtp twice", "decode-error", DECODE, repeated(EE, 14, "0002000800"), "illegal_parameter"),
    ("encrypted extensions cut short", "decode-error", DECODE, cut(EE)),
    ("encrypted extensions with a tail", "decode-error", DECODE, with_tail(EE)),
    ("no encrypted extensions", "unexpected-message", "unexpected_message", omitting(EE)),
    ("encrypted extensions twice", "unexpected-message", "unexpected_message", twice(EE)),
    ("a request with a context", "unexpected-message", "illegal_parameter",
     put(wire.CertificateRequest, context=b"x"), DECODE),
    ("a request without signatures", "missing-extension", "missing_extension",
     put(wire.CertificateRequest, extensions=())),
    ("a request with no signature in its list", "decode-error", DECODE,
     raw_extension(wire.CertificateRequest, SignatureAlgorithms, 13, "0000")),
    ("the request twice", "unexpected-message", "unexpected_message", twice(wire.CertificateRequest)),
    ("a request cut short", "decode-error", DECODE, cut(wire.CertificateRequest)),
    ("no certificate of the server", "certificate-required", DECODE, put(Chain, entries=())),
    ("a server's share of 1.2", "unexpected-message", "unexpected_message", before(Chain, Said(12, bytes(40)))),
    ("a second ServerHello, protected", "unexpected-message", "unexpected_message", before(Chain, Said(2, AN_ANSWER))),
)  # fmt: skip
HYBRID_ANSWER: tuple[tuple[Any, ...], ...] = (
    ("a hybrid share with one octet too few", "share-invalid", "illegal_parameter",
     edit(ServerHello, lambda m: _hybrid(m, lambda share: share[:-1])), DECODE),
    ("a hybrid share with one octet too many", "share-invalid", "illegal_parameter",
     edit(ServerHello, lambda m: _hybrid(m, lambda share: share + b"\0")), DECODE),
    ("a hybrid share whose curve leads to zeros", "share-invalid", "illegal_parameter",
     edit(ServerHello, lambda m: _hybrid(m, lambda share: share[:-32] + bytes(32))), DECODE),
)  # fmt: skip


def _hybrid(hello: ServerHello, change: Any) -> ServerHello:
    share = find_extension(hello.extensions, ServerShare)
    assert share is not None
    new = ServerShare(Share(share.share.group, change(share.share.octets)))
    return replace(hello, extensions=(*(each for each in hello.extensions if each != share), new))


# --- what may come after the handshake ------------------------------------------------------------


def sealed(liar: Any, kind: int, content: bytes) -> bytes:
    """A record of the liar's newest epoch."""
    octets_of: bytes = liar._records.seal(liar._records.write_epoch, kind, content)
    return octets_of


def _message(kind: int, body: bytes) -> Any:
    def make(liar: Any) -> list[bytes]:
        message = Message(kind, liar._talk.next_number, body)
        fragment = Fragment(kind, len(body), message.number, 0, body)
        return [sealed(liar, dtls.HANDSHAKE, dtls.serialize_fragment(fragment))]

    return make


def _record(kind: int, content: bytes) -> Any:
    return lambda liar: [sealed(liar, kind, content)]


TICKET = wire.serialize(wire.NewSessionTicket(60, 1, b"", b"ticket"))
AFTERWARDS: tuple[tuple[Any, ...], ...] = (
    ("a KeyUpdate that asks for 2", "key-update-value", "illegal_parameter", _message(24, b"\2")),
    ("an empty KeyUpdate", "decode-error", DECODE, _message(24, b"")),
    ("a KeyUpdate with a tail", "decode-error", DECODE, _message(24, b"\0\0")),
    ("a ClientHello", "no-renegotiation", "unexpected_message", _message(1, A_HELLO), DECODE),
    ("a HelloRequest", "no-renegotiation", "unexpected_message", _message(0, b"")),
    ("a request for a certificate", "no-renegotiation", "unexpected_message",
     _message(13, b"\1x" + b"\0\x08\0\x0d\0\4\0\2\4\3")),
    ("a certificate", "no-renegotiation", "unexpected_message", _message(11, b"\0\0\0\0")),
    ("another Finished", "no-renegotiation", "unexpected_message", _message(20, bytes(32))),
    ("a message of a type that nobody has", "unexpected-message", "unexpected_message", _message(77, b""), DECODE),
    ("ChangeCipherSpec, protected", "inner-type", "unexpected_message", _record(20, b"\1")),
    ("a content type that nobody has, protected", "inner-type", "unexpected_message", _record(77, b"x")),
    ("a record of nothing but zeros", "inner-type", "unexpected_message", _record(0, b"")),
    ("an empty handshake record", "inner-type", "unexpected_message", _record(22, b"")),
    ("an empty alert", "inner-type", "unexpected_message", _record(21, b""), DECODE),
    ("an alert of one octet", "decode-error", DECODE, _record(21, b"\2"), "unexpected_message"),
    ("an alert of three octets", "decode-error", DECODE, _record(21, b"\2\x28\0"), "unexpected_message"),
    ("half the header of a fragment", "decode-error", DECODE, _record(22, bytes(5)), "unexpected_message"),
    ("a fragment that reaches beyond its message", "decode-error", DECODE,
     _record(22, bytes.fromhex("1800000100090000000000020000")), "illegal_parameter unexpected_message"),
    ("an ACK of half a record number", "decode-error", DECODE, _record(26, b"\0\x08" + bytes(8))),
    ("an ACK with a tail", "decode-error", DECODE, _record(26, b"\0\0\0")),
)  # fmt: skip
TO_CLIENT_AFTERWARDS: tuple[tuple[Any, ...], ...] = (
    ("an empty ticket", "decode-error", DECODE, _message(4, bytes(9) + b"\0\0\0\0")),
    ("a ticket cut short", "decode-error", DECODE, _message(4, TICKET[:-1])),
)  # fmt: skip
TO_SERVER_AFTERWARDS: tuple[tuple[Any, ...], ...] = (
    ("a ticket from a client", "no-renegotiation", "unexpected_message", _message(4, TICKET)),
)  # fmt: skip
ENDINGS: tuple[tuple[Any, ...], ...] = (
    ("a fatal alert", "every-alert-ends", "abort", _record(21, b"\2\x28")),
    ("an error that claims to be a warning", "every-alert-ends", "abort", _record(21, b"\1\x28")),
    ("an alert that nobody knows", "every-alert-ends", "abort", _record(21, b"\1\xfa")),
    ("an alert of a level that nobody knows", "every-alert-ends", "abort", _record(21, b"\7\x32"), "illegal_parameter"),
)  # fmt: skip


def lies(rows: tuple[tuple[Any, ...], ...], way: str = "tells", **settings: Any) -> list[Lie]:
    """Rows of a table as lies; `way` is how they are told."""
    later = ", after the handshake" if way == "afterwards" else ""
    return [
        Lie(comment + later, reqs, reaction, **{way: how}, allowed=" ".join(allowed), **settings)
        for comment, reqs, reaction, how, *allowed in rows
    ]


def to_client() -> list[Lie]:
    """Everything that a client must refuse."""
    chosen = {"victim": GROUPS}
    return [
        *lies(SERVER_HELLO, **chosen),
        *lies(RETRIES, **chosen),
        *lies(SECOND, **chosen, liar=RETRY),
        *lies(AFTER_GROUP, **chosen, liar={"groups": (P_384,)}),
        *lies(EXTENSIONS, **chosen),
        *lies(proof_lies(), **chosen),
        *lies(HYBRID_ANSWER, victim=HYBRID),
        *lies(AFTERWARDS + TO_CLIENT_AFTERWARDS + ENDINGS, "afterwards", **chosen),
    ]
