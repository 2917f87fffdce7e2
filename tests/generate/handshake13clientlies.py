"""What a client may say wrong to a server of DTLS 1.3, and the alert that each must lead to.

Rows are as in tests/generate/handshake13lies.py, and stay in their order.
Stands above `tests/generate/handshake13lies.py`, which has what both sides may get wrong.
Read next: tests/generate/handshake13refusals.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meetref.wire import handshake13 as wire
from meetref.wire import tls
from meetref.wire.extension import (
    Cookie,
    KeyShares,
    RecordSizeLimit,
    Share,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UnknownExtension,
    UseSRTP,
    find_extension,
)
from meetref.wire.tls import P_256, P_384, X25519, X25519_ML_KEM_768, ClientHello
from tests.generate.dtlslies import Lie, Said, Tell, adding, before, edit, flipped, instead, put, raw_extension, without
from tests.generate.handshake13lies import (
    A_HELLO,
    AFTERWARDS,
    AN_ANSWER,
    DECODE,
    ENDINGS,
    GROUPS,
    HYBRID,
    RETRY,
    TO_SERVER_AFTERWARDS,
    UNKNOWN,
    Chain,
    body_as,
    cut,
    emptied,
    lies,
    proof_lies,
    repeated,
    with_tail,
)


def _share(group: int, octets_of: bytes) -> Tell:
    """A hello whose only share is this."""
    return instead(ClientHello, KeyShares((Share(group, octets_of),)))


CLIENT_HELLO: tuple[tuple[Any, ...], ...] = (
    ("no version of ours", "version-not-offered", "protocol_version",
     instead(ClientHello, SupportedVersions((0x0304, 0x0303)))),
    ("1.2 alone, to a server of 1.3 alone", "version-not-offered", "protocol_version",
     instead(ClientHello, SupportedVersions((tls.DTLS_1_2,)))),
    ("no list of versions, to a server of 1.3 alone", "version-not-offered", "protocol_version",
     without(ClientHello, SupportedVersions)),
    ("an empty list of versions", "decode-error", DECODE, raw_extension(ClientHello, SupportedVersions, 43, "00")),
    ("a list of versions with half a version", "decode-error", DECODE,
     raw_extension(ClientHello, SupportedVersions, 43, "03fefcfe")),
    ("a cookie of 1.2", "legacy-cookie", "illegal_parameter", put(ClientHello, cookie=b"cookie")),
    ("an offer to compress", "no-compression", "illegal_parameter", put(ClientHello, compression_methods=b"\0\1")),
    ("nothing but compression", "no-compression", "illegal_parameter", put(ClientHello, compression_methods=b"\1")),
    ("no compression methods at all", "no-compression", "illegal_parameter", put(ClientHello, compression_methods=b""),
     DECODE),
    ("no groups", "missing-extension", "missing_extension", without(ClientHello, SupportedGroups)),
    ("no shares", "missing-extension", "missing_extension", without(ClientHello, KeyShares)),
    ("no signatures", "missing-extension", "missing_extension", without(ClientHello, SignatureAlgorithms)),
    ("no suite in common", "no-common-cipher", "handshake_failure", put(ClientHello, cipher_suites=(0x1399, 0xC02B))),
    ("no group in common", "no-common-group", "handshake_failure",
     edit(ClientHello, lambda m: instead(ClientHello, SupportedGroups((0x001E,)), KeyShares(()))(m)[0])),
    ("no signature in common", "signature-schemes", "handshake_failure",
     instead(ClientHello, SignatureAlgorithms((0x0203, 0x0601)))),
    ("a share twice", "shares", "illegal_parameter",
     edit(ClientHello, lambda m: _more_shares(m, Share(X25519, bytes(range(32)))))),
    ("a share of a group that is not named", "shares", "illegal_parameter",
     edit(ClientHello, lambda m: _more_shares(m, Share(0x001E, bytes(56))))),
    ("a share of 31 octets", "share-invalid", "illegal_parameter", _share(X25519, bytes(range(31))), DECODE),
    ("a share of 33 octets", "share-invalid", "illegal_parameter", _share(X25519, bytes(range(33))), DECODE),
    ("a share that leads to zeros", "share-invalid", "illegal_parameter", _share(X25519, bytes(32)), DECODE),
    ("a share of small order", "share-invalid", "illegal_parameter", _share(X25519, b"\1" + bytes(31)), DECODE),
    ("a point that is not on P-256", "share-invalid", "illegal_parameter",
     _share(P_256, b"\4" + bytes(63) + b"\1"), DECODE),
    ("a compressed point of P-256", "share-invalid", "illegal_parameter",
     _share(P_256, b"\2" + bytes(31) + b"\5"), DECODE),
    ("the point at infinity", "share-invalid", "illegal_parameter", _share(P_256, b"\0"), DECODE),
    ("a point of P-256 for P-384", "share-invalid", "illegal_parameter",
     _share(P_384, b"\4" + bytes(64)), DECODE),
    ("an empty share", "decode-error", DECODE, raw_extension(ClientHello, KeyShares, 51, "0004001d0000"),
     "illegal_parameter"),
    ("shares cut short", "decode-error", DECODE, raw_extension(ClientHello, KeyShares, 51, "0005001d002000")),
    ("an extension twice", "decode-error", DECODE, repeated(ClientHello, 43, "02fefc"), "illegal_parameter"),
    ("an unknown extension twice", "decode-error", DECODE, adding(ClientHello, UNKNOWN, UNKNOWN), "illegal_parameter"),
    ("groups without any", "decode-error", DECODE, raw_extension(ClientHello, SupportedGroups, 10, "0000")),
    ("half a group", "decode-error", DECODE, raw_extension(ClientHello, SupportedGroups, 10, "0003001d00")),
    ("signatures without any", "decode-error", DECODE, raw_extension(ClientHello, SignatureAlgorithms, 13, "0000")),
    ("half a signature", "decode-error", DECODE, raw_extension(ClientHello, SignatureAlgorithms, 13, "0003040304")),
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
    ("protocols without any", "decode-error", DECODE, adding(ClientHello, UnknownExtension(16, b"\0\0"))),
    ("a protocol without a name", "decode-error", DECODE, adding(ClientHello, UnknownExtension(16, b"\0\1\0"))),
    ("an empty cookie", "decode-error", DECODE, adding(ClientHello, UnknownExtension(44, b"\0\0")),
     "illegal_parameter"),
    ("a cookie that was not made here", "cookie-wrong", "illegal_parameter", adding(ClientHello, Cookie(bytes(68)))),
    ("a session id of 33 octets", "decode-error", DECODE, put(ClientHello, session_id=bytes(33)), "illegal_parameter"),
    ("no suites at all", "decode-error", DECODE, put(ClientHello, cipher_suites=()), "illegal_parameter"),
    ("half a suite", "decode-error", DECODE,
     body_as(ClientHello, lambda body: body[:36] + b"\0\5" + body[38:43] + body[44:])),
    ("a hello cut short", "decode-error", DECODE, cut(ClientHello)),
    ("a hello with a tail", "decode-error", DECODE, with_tail(ClientHello)),
    ("a hello of nothing but a version", "decode-error", DECODE, body_as(ClientHello, lambda body: body[:2])),
    ("an empty hello", "decode-error", DECODE, emptied(ClientHello)),
    ("the hello of a server", "unexpected-message", "unexpected_message",
     edit(ClientHello, lambda m: Said(2, AN_ANSWER))),
)  # fmt: skip
HYBRID_OFFER: tuple[tuple[Any, ...], ...] = (
    ("a hybrid share with one octet too few", "share-invalid", "illegal_parameter",
     edit(ClientHello, lambda m: _hybrid_offer(m, lambda share: share[:-1])), DECODE),
    ("a hybrid share with one octet too many", "share-invalid", "illegal_parameter",
     edit(ClientHello, lambda m: _hybrid_offer(m, lambda share: share + b"\0")), DECODE),
    ("an encapsulation key with a coefficient beyond the modulus", "encapsulation-key-checked", "illegal_parameter",
     edit(ClientHello, lambda m: _hybrid_offer(m, lambda share: b"\xff\xff" + share[2:])), DECODE),
    ("a hybrid share whose curve leads to zeros", "share-invalid", "illegal_parameter",
     edit(ClientHello, lambda m: _hybrid_offer(m, lambda share: share[:-32] + bytes(32))), DECODE),
)  # fmt: skip


def _more_shares(hello: ClientHello, *more: Share) -> ClientHello:
    shares = find_extension(hello.extensions, KeyShares)
    assert shares is not None
    new = KeyShares((*shares.shares, *more))
    return replace(hello, extensions=(*(each for each in hello.extensions if each != shares), new))


def _hybrid_offer(hello: ClientHello, change: Any) -> ClientHello:
    shares = find_extension(hello.extensions, KeyShares)
    assert shares is not None
    new = KeyShares(tuple(
        Share(group, change(share)) if group == X25519_ML_KEM_768 else Share(group, share)
        for group, share in shares.shares
    ))  # fmt: skip
    return replace(hello, extensions=(*(each for each in hello.extensions if each != shares), new))


def _is_second(hello: ClientHello) -> bool:
    """Is it the hello after a retry? It has a cookie, or the share that was asked for."""
    shares = find_extension(hello.extensions, KeyShares)
    assert shares is not None
    return find_extension(hello.extensions, Cookie) is not None or [each.group for each in shares.shares] == [P_384]


def _second(tell: Tell) -> Tell:
    return edit(ClientHello, lambda hello: tell(hello)[0] if _is_second(hello) else hello)


COOKIE_HELLO: tuple[tuple[Any, ...], ...] = (
    ("the second hello has a changed cookie", "cookie-wrong", "illegal_parameter", _second(
        edit(ClientHello, lambda m: instead(ClientHello, Cookie(flipped(_cookie(m))))(m)[0]))),
    ("the second hello has a cookie cut short", "cookie-wrong", "illegal_parameter", _second(
        edit(ClientHello, lambda m: instead(ClientHello, Cookie(_cookie(m)[:-1]))(m)[0]))),
    ("the second hello has the cookie of another random", "cookie-bound", "illegal_parameter",
     _second(put(ClientHello, random=bytes(32)))),
    ("the second hello has other suites", "retry-answered", "illegal_parameter",
     _second(put(ClientHello, cipher_suites=(0x1303,))), "handshake_failure"),
    ("the second hello leaves out signatures", "missing-extension", "missing_extension",
     _second(without(ClientHello, SignatureAlgorithms))),
)  # fmt: skip
GROUP_HELLO: tuple[tuple[Any, ...], ...] = (
    ("the second hello has the old share", "retry-answered", "illegal_parameter", _second(
        instead(ClientHello, KeyShares((Share(X25519, bytes(range(32))),))))),
    ("the second hello has a share too many", "retry-answered", "illegal_parameter", _second(
        edit(ClientHello, lambda m: _more_shares(m, Share(X25519, bytes(range(32))))))),
    ("the second hello has no share", "retry-answered", "illegal_parameter", _second(
        instead(ClientHello, KeyShares(())))),
)  # fmt: skip


def _cookie(hello: ClientHello) -> bytes:
    cookie = find_extension(hello.extensions, Cookie)
    assert cookie is not None
    return cookie.octets


CLIENT_FLIGHT: tuple[tuple[Any, ...], ...] = (
    ("no certificate of the client", "certificate-required", "certificate_required",
     edit(Chain, lambda m: replace(m, entries=()))),
    ("a hello once more, protected", "unexpected-message", "unexpected_message", before(Chain, Said(1, A_HELLO))),
    ("a certificate request of the client", "unexpected-message", "unexpected_message",
     before(Chain, wire.CertificateRequest((SignatureAlgorithms((0x0403,)),)))),
)  # fmt: skip


def to_server() -> list[Lie]:
    """Everything that a server must refuse."""
    chosen = {"victim": GROUPS, "liar": GROUPS}
    return [
        *lies(CLIENT_HELLO, **chosen),
        *lies(HYBRID_OFFER, victim=HYBRID, liar=HYBRID),
        *lies(COOKIE_HELLO, victim=GROUPS | RETRY, liar=GROUPS),
        *lies(GROUP_HELLO, victim={"groups": (P_384,)}, liar=GROUPS),
        *lies(CLIENT_FLIGHT + proof_lies(), **chosen),
        *lies(AFTERWARDS + TO_SERVER_AFTERWARDS + ENDINGS, "afterwards", **chosen),
    ]
