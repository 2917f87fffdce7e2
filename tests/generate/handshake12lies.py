"""What may be wrong in a handshake of DTLS 1.2, message by message, and the alert that each must lead to.

Rows are as in tests/generate/handshake13lies.py, and stay in their order. RFC 5246 leaves more room than 1.3 does for
which alert it is; that is the last field.
Stands above `tests/generate/dtlslies.py`. Read next: tests/generate/handshake12refusals.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from meetref.protocol.reassembly import Message
from meetref.wire import dtls, tls
from meetref.wire import handshake12 as wire
from meetref.wire.dtls import Fragment
from meetref.wire.extension import (
    ApplicationProtocols,
    ExtendedMasterSecret,
    PointFormats,
    RecordSizeLimit,
    RenegotiationInfo,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UnknownExtension,
    UseSRTP,
)
from meetref.wire.tls import P_256, P_384, X25519, ClientHello, ServerHello
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
)
from tests.generate.handshake13lies import lies, other_certificate

Chain, Share, Verify, Done = wire.CertificateChain, wire.ServerKeyExchange, wire.CertificateVerify, wire.ServerHelloDone
ClientShare, Request, Finished = wire.ClientKeyExchange, wire.CertificateRequest, wire.Finished
DECODE = "decode_error"
ANY = "illegal_parameter handshake_failure"
UNKNOWN = UnknownExtension(0xFAFA, b"")
A_HELLO = wire.serialize(ClientHello(tls.DTLS_1_2, bytes(32), b"", b"", (0xC02B,), b"\0", ()))
AN_ANSWER = wire.serialize(ServerHello(tls.DTLS_1_2, bytes(32), b"", 0xC02B, 0, ()))
TICKET = Said(4, bytes(6))


def _body(kind: type[Any], change: Any) -> Tell:
    return octets(kind, change, "1.2")


def _cut(kind: type[Any]) -> Tell:
    return _body(kind, lambda body: body[:-1])


def _tail(kind: type[Any]) -> Tell:
    return _body(kind, lambda body: body + b"\0")


def _curve_25519() -> bytes:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    original = x509.load_der_x509_certificate(CERTIFICATES["server"].der)
    builder = x509.CertificateBuilder().subject_name(original.subject).issuer_name(original.issuer)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(original.not_valid_before_utc).not_valid_after(original.not_valid_after_utc)
    return builder.sign(key, None).public_bytes(Encoding.DER)


def _chain(der: bytes) -> Tell:
    return put(Chain, certificates=(der,))


# --- what both sides may get wrong ----------------------------------------------------------------


CERTIFICATE: tuple[tuple[Any, ...], ...] = (
    ("no certificate", "certificate-required", "handshake_failure", put(Chain, certificates=()),
     f"{DECODE} illegal_parameter bad_certificate"),
    ("a certificate that is no DER", "certificate-required", "unsupported_certificate", _chain(b"no DER at all"),
     f"bad_certificate {DECODE}"),
    ("a certificate cut short", "certificate-required", "unsupported_certificate",
     edit(Chain, lambda m: replace(m, certificates=(m.certificates[0][:-9],))), f"bad_certificate {DECODE}"),
    ("a certificate with a key of a curve that was not offered", "certificate-required", "unsupported_certificate",
     _chain(other_certificate(ec.SECP521R1())), f"bad_certificate {ANY}"),
    ("a certificate message cut short", "decode-error", DECODE, _cut(Chain)),
    ("a certificate message with a tail", "decode-error", DECODE, _tail(Chain)),
    ("a certificate longer than its list", "decode-error", DECODE,
     _body(Chain, lambda body: body[:3] + b"\1" + body[4:])),
    ("no certificate where there should be one", "unexpected-message", "unexpected_message", omitting(Chain)),
    ("the certificate twice", "unexpected-message", "unexpected_message", twice(Chain)),
)  # fmt: skip
FINISHED: tuple[tuple[Any, ...], ...] = (
    ("a wrong Finished", "finished-wrong", "decrypt_error",
     edit(Finished, lambda m: Finished(flipped(m.verify_data)))),
    ("a Finished of zeros", "finished-wrong", "decrypt_error", put(Finished, verify_data=bytes(12))),
    ("a Finished cut short", "decode-error", DECODE, _cut(Finished), "decrypt_error"),
    ("a Finished with a tail", "decode-error", DECODE, _tail(Finished), "decrypt_error"),
    ("an empty Finished", "decode-error", DECODE, _body(Finished, lambda body: b""), "decrypt_error"),
)  # fmt: skip

# --- what a server may say to a client ------------------------------------------------------------

SERVER: tuple[tuple[Any, ...], ...] = (
    ("version 1.0", "choice-not-offered", "protocol_version", put(ServerHello, version=tls.DTLS_1_0)),
    ("the number of 1.3 as version", "choice-not-offered", "protocol_version", put(ServerHello, version=tls.DTLS_1_3),
     "illegal_parameter"),
    ("a suite for RSA", "choice-not-offered", "illegal_parameter", put(ServerHello, cipher_suite=0xC02F),
     "handshake_failure"),
    ("a suite of 1.3", "choice-not-offered", "illegal_parameter", put(ServerHello, cipher_suite=0x1301),
     "handshake_failure"),
    ("a suite that nobody has", "choice-not-offered", "illegal_parameter", put(ServerHello, cipher_suite=0xFAFA),
     "handshake_failure"),
    ("compression", "choice-not-offered", "illegal_parameter", put(ServerHello, compression_method=1)),
    ("a session id of 33 octets", "decode-error", DECODE, put(ServerHello, session_id=bytes(33)), "illegal_parameter"),
    ("a protocol that was not asked for", "answers-only-what-was-asked", "unsupported_extension",
     adding(ServerHello, ApplicationProtocols((b"webrtc",)))),
    ("a ticket that was not asked for", "answers-only-what-was-asked", "unsupported_extension",
     adding(ServerHello, UnknownExtension(35, b""))),
    ("an extension that nobody knows", "answers-only-what-was-asked", "unsupported_extension",
     adding(ServerHello, UNKNOWN)),
    ("point formats without the uncompressed", "point-formats", "illegal_parameter",
     instead(ServerHello, PointFormats(b"\1")), "handshake_failure"),
    ("renegotiation where there was nothing", "renegotiation-info-empty", "handshake_failure",
     instead(ServerHello, RenegotiationInfo(bytes(12))), "illegal_parameter"),
    ("an SRTP profile that was not offered", "srtp-profile-offered", "illegal_parameter",
     instead(ServerHello, UseSRTP((5,)))),
    ("two SRTP profiles", "srtp-profile-offered", "illegal_parameter", instead(ServerHello, UseSRTP((8, 7))), DECODE),
    ("an SRTP key identifier that was not offered", "srtp-profile-offered", "illegal_parameter",
     instead(ServerHello, UseSRTP((8,), b"key")), DECODE),
    ("no SRTP profile in use_srtp", "decode-error", DECODE, raw_extension(ServerHello, UseSRTP, 14, "000000"),
     "illegal_parameter"),
    ("an SRTP profile cut short", "decode-error", DECODE, raw_extension(ServerHello, UseSRTP, 14, "000100"),
     "illegal_parameter"),
    ("octets in extended_master_secret", "decode-error", DECODE,
     raw_extension(ServerHello, ExtendedMasterSecret, 23, "00"), "illegal_parameter"),
    ("renegotiation info cut short", "decode-error", DECODE,
     raw_extension(ServerHello, RenegotiationInfo, 0xFF01, "01"), "illegal_parameter handshake_failure"),
    ("an extension twice", "extension-twice", DECODE, adding(ServerHello, UnknownExtension(14, b"\0\2\0\x08\0")),
     "illegal_parameter unsupported_extension"),
    ("a ServerHello cut short", "decode-error", DECODE, _cut(ServerHello)),
    ("a ServerHello with a tail", "decode-error", DECODE, _tail(ServerHello)),
    ("a ServerHello of nothing but a version", "decode-error", DECODE, _body(ServerHello, lambda body: body[:2])),
    ("a hello of a client", "unexpected-message", "unexpected_message", edit(ServerHello, lambda m: Said(1, A_HELLO))),
    ("a message of 1.3 instead of ServerHello", "unexpected-message", "unexpected_message",
     edit(ServerHello, lambda m: Said(8, b"\0\0"))),
    ("a cookie request cut short", "decode-error", DECODE, edit(ServerHello, lambda m: Said(3, b"\xfe\xff\5ab"))),
    ("a cookie request with a tail", "decode-error", DECODE, edit(ServerHello, lambda m: Said(3, b"\xfe\xff\1abc"))),
    ("a second ServerHello", "unexpected-message", "unexpected_message", before(Chain, Said(2, AN_ANSWER))),
    ("a certificate of another kind than the suite wants", "certificate-required", "unsupported_certificate",
     _chain(_curve_25519()), f"bad_certificate {ANY}"),
    ("a share with a wrong signature", "share-signed", "decrypt_error",
     edit(Share, lambda m: replace(m, signature=flipped(m.signature)))),
    ("another share than the signed one", "share-signed", "decrypt_error",
     edit(Share, lambda m: replace(m, share=flipped(m.share)))),
    ("a share without signature", "share-signed", "decrypt_error", put(Share, signature=b""), DECODE),
    ("a signature by SHA-1", "signature-schemes", "decrypt_error", put(Share, scheme=0x0203), ANY),
    ("a signature by another kind of key", "signature-schemes", "decrypt_error", put(Share, scheme=0x0401), ANY),
    ("a signature by a scheme that nobody has", "signature-schemes", "decrypt_error", put(Share, scheme=0xFAFA), ANY),
    ("a share of a group that was not offered", "choice-not-offered", "illegal_parameter",
     put(Share, group=0x001E), "handshake_failure"),
    ("a share of the post-quantum group", "choice-not-offered", "illegal_parameter",
     put(Share, group=0x11EC), "handshake_failure"),
    ("an explicit curve", "decode-error", DECODE, _body(Share, lambda body: b"\1" + body[1:]), ANY),
    ("a share message cut short", "decode-error", DECODE, _cut(Share), "decrypt_error"),
    ("a share message with a tail", "decode-error", DECODE, _tail(Share), "decrypt_error"),
    ("no share before the request", "unexpected-message", "unexpected_message", omitting(Share)),
    ("the share twice", "unexpected-message", "unexpected_message", twice(Share)),
    ("the request twice", "unexpected-message", "unexpected_message", twice(Request)),
    ("a request cut short", "decode-error", DECODE, _cut(Request)),
    ("a request with a tail", "decode-error", DECODE, _tail(Request)),
    ("a request with half a scheme", "decode-error", DECODE, edit(Request, lambda m: Said(13, b"\1\x40\0\1\4\0\0"))),
    ("a ServerHelloDone with octets in it", "decode-error", DECODE, _tail(Done), "illegal_parameter"),
    ("a ticket that was not agreed on", "unexpected-message", "unexpected_message", before(Done, TICKET)),
    ("a share of a client", "unexpected-message", "unexpected_message",
     before(Done, ClientShare(bytes(range(32))))),
    ("a proof of a client", "unexpected-message", "unexpected_message", before(Done, Verify(0x0403, b"signature"))),
    ("a message of a type that nobody has", "unexpected-message", "unexpected_message", before(Done, Said(77, b"")),
     DECODE),
)  # fmt: skip


def _signed_share(group: int, share: bytes) -> Callable[[Any], Tell]:
    """A share that is none, properly signed, randoms in front: each hello in the transcript has its own at 14."""

    def sign(talk: Any) -> Share:
        randoms = b"".join(hello[14:46] for hello in talk.transcript[:2])
        signature = CERTIFICATES["server"].sign(randoms + wire.server_share(group, share))
        return Share(group, share, tls.ECDSA_SHA256, signature)

    return lambda talk: edit(Share, lambda message: sign(talk))


def _offered_share(group: int, share: bytes) -> Tell:
    """A client that offers that group alone, so that it is chosen, and then has such a share."""
    offer, answer = instead(ClientHello, SupportedGroups((group,))), put(ClientShare, share=share)
    return lambda message: answer(offer(message)[0])


BAD_SHARES: tuple[tuple[str, int, bytes], ...] = (
    ("a share of 31 octets", X25519, bytes(range(31))),
    ("a share of 33 octets", X25519, bytes(range(33))),
    ("an empty share", X25519, b""),
    ("a share that leads to zeros", X25519, bytes(32)),
    ("a share of small order", X25519, b"\1" + bytes(31)),
    ("a point that is not on P-256", P_256, b"\4" + bytes(63) + b"\1"),
    ("a compressed point of P-256", P_256, b"\2" + bytes(31) + b"\5"),
    ("the point at infinity", P_256, b"\0"),
    ("a point of P-256 for P-384", P_384, b"\4" + bytes(64)),
)

# --- what a client may say to a server ------------------------------------------------------------

CLIENT: tuple[tuple[Any, ...], ...] = (
    ("an empty list of versions", "decode-error", DECODE, adding(ClientHello, UnknownExtension(43, b"\0"))),
    ("versions of TLS alone", "version-not-offered", "protocol_version",
     adding(ClientHello, SupportedVersions((0x0303, 0x0304)))),
    ("no suites at all", "decode-error", DECODE, put(ClientHello, cipher_suites=()), ANY),
    ("half a suite", "decode-error", DECODE,
     _body(ClientHello, lambda body: body[:36] + b"\0\5" + body[38:43] + body[44:])),
    ("no compression methods", "choice-not-offered", "illegal_parameter", put(ClientHello, compression_methods=b""),
     DECODE),
    ("no signatures named", "signature-schemes", "handshake_failure",
     edit(ClientHello, lambda m: replace(
         m, extensions=tuple(e for e in m.extensions if not isinstance(e, SignatureAlgorithms)))),
     "missing_extension"),
    ("groups without any", "decode-error", DECODE, raw_extension(ClientHello, SupportedGroups, 10, "0000"),
     "illegal_parameter"),
    ("half a group", "decode-error", DECODE, raw_extension(ClientHello, SupportedGroups, 10, "0003001d00")),
    ("signatures without any", "decode-error", DECODE, raw_extension(ClientHello, SignatureAlgorithms, 13, "0000"),
     ANY),
    ("half a signature", "decode-error", DECODE, raw_extension(ClientHello, SignatureAlgorithms, 13, "0003040304"),
     ANY),
    ("octets behind the signatures", "decode-error", DECODE,
     raw_extension(ClientHello, SignatureAlgorithms, 13, "0002040300")),
    ("SRTP profiles without any", "decode-error", DECODE, raw_extension(ClientHello, UseSRTP, 14, "000000"),
     "illegal_parameter"),
    ("half an SRTP profile", "decode-error", DECODE, raw_extension(ClientHello, UseSRTP, 14, "000300080000"),
     "illegal_parameter"),
    ("an SRTP key identifier cut short", "decode-error", DECODE,
     raw_extension(ClientHello, UseSRTP, 14, "000200080400"), "illegal_parameter"),
    ("a record size limit of 63", "record-size-limit", "illegal_parameter", adding(ClientHello, RecordSizeLimit(63))),
    ("a record size limit of one octet", "decode-error", DECODE, adding(ClientHello, UnknownExtension(28, b"\x40"))),
    ("protocols without any", "decode-error", DECODE, adding(ClientHello, UnknownExtension(16, b"\0\0")),
     "illegal_parameter"),
    ("a protocol without a name", "decode-error", DECODE, adding(ClientHello, UnknownExtension(16, b"\0\1\0")),
     "illegal_parameter"),
    ("octets in extended_master_secret", "decode-error", DECODE,
     raw_extension(ClientHello, ExtendedMasterSecret, 23, "00"), "illegal_parameter"),
    ("renegotiation info cut short", "decode-error", DECODE,
     raw_extension(ClientHello, RenegotiationInfo, 0xFF01, "01"), "illegal_parameter handshake_failure"),
    ("an unknown extension twice", "extension-twice", DECODE, adding(ClientHello, UNKNOWN, UNKNOWN),
     "illegal_parameter"),
    ("a session id of 33 octets", "decode-error", DECODE, put(ClientHello, session_id=bytes(33)), "illegal_parameter"),
    ("a hello cut short", "decode-error", DECODE, _cut(ClientHello)),
    ("a hello with a tail", "decode-error", DECODE, _tail(ClientHello)),
    ("a hello of nothing but a version", "decode-error", DECODE, _body(ClientHello, lambda body: body[:2])),
    ("an empty hello", "decode-error", DECODE, _body(ClientHello, lambda body: b"")),
    ("a share message cut short", "decode-error", DECODE, _cut(ClientShare), "illegal_parameter"),
    ("a share message with a tail", "decode-error", DECODE, _tail(ClientShare), "illegal_parameter"),
    ("no share before the proof", "unexpected-message", "unexpected_message", omitting(ClientShare)),
    ("the share twice", "unexpected-message", "unexpected_message", twice(ClientShare)),
    ("a proof with a wrong signature", "client-proof", "decrypt_error",
     edit(Verify, lambda m: replace(m, signature=flipped(m.signature)))),
    ("a proof over something else", "client-proof", "decrypt_error",
     edit(Verify, lambda m: replace(m, signature=CERTIFICATES["client"].sign(b"something else")))),
    ("a proof without signature", "client-proof", "decrypt_error", put(Verify, signature=b""), DECODE),
    ("a proof by SHA-1", "signature-schemes", "decrypt_error", put(Verify, scheme=0x0203), ANY),
    ("a proof by another kind of key", "signature-schemes", "decrypt_error", put(Verify, scheme=0x0401), ANY),
    ("a proof by a scheme that nobody has", "signature-schemes", "decrypt_error", put(Verify, scheme=0xFAFA), ANY),
    ("a proof cut short", "decode-error", DECODE, _cut(Verify), "decrypt_error"),
    ("a proof with a tail", "decode-error", DECODE, _tail(Verify), "decrypt_error"),
    ("no proof of a certificate", "client-proof unexpected-message", "unexpected_message", omitting(Verify),
     "drop"),
    ("the proof twice", "unexpected-message", "unexpected_message", twice(Verify)),
    ("the share of a server", "unexpected-message", "unexpected_message",
     before(ClientShare, Said(12, b"\3\0\x1d\x01x\4\3\0\0"))),
    ("the end of a server's turn", "unexpected-message", "unexpected_message", before(ClientShare, Done())),
    ("a hello once more", "unexpected-message", "unexpected_message", before(Chain, Said(1, A_HELLO))),
    ("a HelloRequest from a client", "unexpected-message", "unexpected_message", before(Chain, Said(0, b"")), DECODE),
    ("a message of a type that nobody has", "unexpected-message", "unexpected_message", before(Chain, Said(77, b"")),
     DECODE),
)  # fmt: skip

# --- what may come after the handshake ------------------------------------------------------------


def _sealed(kind: int, content: bytes) -> Any:
    return lambda liar: [liar._records.seal(1, kind, content)]


def _message(kind: int, body: bytes) -> Any:
    def make(liar: Any) -> list[bytes]:
        message = Message(kind, liar._reassembly.expected, body)
        fragment = dtls.serialize_fragment(Fragment(kind, len(body), message.number, 0, body))
        return [liar._records.seal(1, dtls.HANDSHAKE, fragment)]

    return make


ENDINGS: tuple[tuple[Any, ...], ...] = (
    ("a fatal alert", "fatal-alert-ends", "abort", _sealed(21, b"\2\x28")),
    ("a fatal alert that nobody knows", "fatal-alert-ends", "abort", _sealed(21, b"\2\xfa")),
)  # fmt: skip
RENEWED: tuple[tuple[Any, ...], ...] = (
    ("a hello", "renegotiation-refused", "no_renegotiation", _message(1, A_HELLO), "drop"),
)  # fmt: skip
REQUESTED: tuple[tuple[Any, ...], ...] = (
    ("a HelloRequest", "renegotiation-refused", "no_renegotiation", _message(0, b""), "drop"),
)  # fmt: skip


def to_client() -> list[Lie]:
    """Everything that a client must refuse."""
    return [
        *lies(SERVER + CERTIFICATE),
        *lies(_shares(_signed_share), "knowing"),
        *lies(FINISHED),
        *lies(ENDINGS + REQUESTED, "afterwards"),
    ]


def to_server() -> list[Lie]:
    """Everything that a server must refuse, beyond what vectors/handshake12/hellos.json has."""
    return [
        *lies(CLIENT + CERTIFICATE + _shares(_offered_share) + FINISHED),
        *lies(ENDINGS + RENEWED, "afterwards"),
    ]


def _shares(say: Callable[[int, bytes], Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (comment, "share-invalid", "illegal_parameter", say(group, share), f"{DECODE} handshake_failure")
        for comment, group, share in BAD_SHARES
    )
