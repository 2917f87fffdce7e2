"""What a client of 1.3 refuses, and with which alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meetref.protocol.association import Connected
from meetref.wire import extension, tls
from meetref.wire import handshake13 as wire
from tests.protocol.dtls13_pairs import POLICY, lying, on_the_way
from tests.protocol.dtls_pairs import CERTIFICATES

Change = Callable[[tls.ServerHello], tls.ServerHello]
P_384_ONLY = {"policy": replace(POLICY, groups=(tls.P_384,))}


def hellos(change: Change) -> Callable[[wire.Handshake], wire.Handshake]:
    return lambda message: change(message) if isinstance(message, tls.ServerHello) else message


def with_extensions(*new: extension.Extension) -> Change:
    def edit(hello: tls.ServerHello) -> tls.ServerHello:
        kinds = tuple(type(each) for each in new)
        kept = (each for each in hello.extensions if not isinstance(each, kinds))
        return replace(hello, extensions=(*kept, *new))

    return edit


def without(kind: type[extension.Extension]) -> Change:
    return lambda hello: replace(
        hello, extensions=tuple(each for each in hello.extensions if not isinstance(each, kind))
    )


def share(group: int, octets: bytes) -> Change:
    return with_extensions(extension.ServerShare(extension.Share(group, octets)))


BAD = {
    "no version": (without(extension.SelectedVersion), "protocol_version"),
    "1.2": (with_extensions(extension.SelectedVersion(tls.DTLS_1_2)), "illegal_parameter"),
    "a suite of 1.2": (lambda hello: replace(hello, cipher_suite=0xC02B), "illegal_parameter"),
    "a suite not offered": (lambda hello: replace(hello, cipher_suite=0x1304), "illegal_parameter"),
    "compression": (lambda hello: replace(hello, compression_method=1), "illegal_parameter"),
    "another legacy version": (lambda hello: replace(hello, version=tls.DTLS_1_3), "illegal_parameter"),
    "a session id": (lambda hello: replace(hello, session_id=b"x"), "illegal_parameter"),
    "no share": (without(extension.ServerShare), "missing_extension"),
    "a share for no offer": (share(tls.P_256, bytes(65)), "illegal_parameter"),
    "a short hybrid share": (share(0x11EC, bytes(1119)), "illegal_parameter"),
    "a hybrid without a point": (share(0x11EC, bytes(1120)), "illegal_parameter"),
    "an extension not asked for": (with_extensions(extension.UnknownExtension(41, b"\0\0")), "unsupported_extension"),
    "SRTP in the clear": (with_extensions(extension.UseSRTP((8,))), "illegal_parameter"),
}


@pytest.mark.spec("handshake13/choice-not-offered", "handshake13/session-id-not-echoed", "handshake13/answers-asked")
@pytest.mark.spec("handshake13/share-not-offered", "handshake13/share-invalid", "handshake13/missing-extension")
@pytest.mark.parametrize("name", BAD)
def test_hellos_that_are_refused(name: str) -> None:
    change, alert = BAD[name]
    pair = on_the_way("server", hellos(change))
    assert pair.failure("client") == alert
    assert pair.failure("server") == alert  # in the clear, for the client has no keys
    assert not pair.of("server", Connected)


@pytest.mark.spec("handshake13/finished-wrong", "handshake13/key-schedule")
def test_a_share_changed_on_the_way_leads_nowhere() -> None:
    """A ciphertext of the right length always opens to something (ML-KEM rejects implicitly): nothing decrypts then."""

    def edit(hello: tls.ServerHello) -> tls.ServerHello:
        found = extension.find_extension(hello.extensions, extension.ServerShare)
        assert found is not None
        return share(0x11EC, bytes(1088) + found.share.octets[1088:])(hello)

    pair = on_the_way("server", hellos(edit))
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


def retries(change: Change) -> Callable[[wire.Handshake], wire.Handshake]:
    return hellos(lambda hello: change(hello) if hello.is_retry else hello)


RETRIES = {
    "nothing new": (lambda hello: replace(hello, extensions=hello.extensions[:1]), "illegal_parameter"),
    "a group there already is": (with_extensions(extension.WantedGroup(tls.X25519)), "illegal_parameter"),
    "a group not offered": (with_extensions(extension.WantedGroup(0x19)), "illegal_parameter"),
    "an extension not asked for": (with_extensions(extension.UnknownExtension(41, b"")), "unsupported_extension"),
    "1.2": (with_extensions(extension.SelectedVersion(tls.DTLS_1_2)), "illegal_parameter"),
}


@pytest.mark.spec("handshake13/retry-changes", "handshake13/retry-group", "handshake13/answers-asked")
@pytest.mark.parametrize("name", RETRIES)
def test_retries_that_are_refused(name: str) -> None:
    change, alert = RETRIES[name]
    pair = on_the_way("server", retries(change), server_settings=dict(P_384_ONLY))
    assert pair.failure("client") == alert


@pytest.mark.spec("handshake13/retry-once")
def test_a_second_retry_is_refused() -> None:
    asked: list[tls.ServerHello] = []

    def edit(hello: tls.ServerHello) -> tls.ServerHello:
        asked.append(hello)
        return asked[0]

    pair = on_the_way("server", hellos(edit), server_settings=dict(P_384_ONLY))
    assert pair.failure("client") == "unexpected_message"


@pytest.mark.spec("handshake13/retry-once", "handshake13/share-not-offered")
@pytest.mark.parametrize(
    "change", [lambda hello: replace(hello, cipher_suite=0x1303), share(tls.X25519, bytes(31) + b"\1")], ids=["", "2"]
)
def test_a_server_that_forgets_what_it_asked_for(change: Change) -> None:
    keeps = hellos(lambda hello: hello if hello.is_retry else change(hello))
    pair = on_the_way("server", keeps, server_settings=dict(P_384_ONLY))
    assert pair.failure("client") == "illegal_parameter"


def saying(kind: type[Any], new: wire.Handshake) -> Callable[[wire.Handshake], wire.Handshake]:
    return lambda message: new if isinstance(message, kind) else message


def answering(*extensions: extension.Extension) -> Callable[[wire.Handshake], wire.Handshake]:
    return saying(wire.EncryptedExtensions, wire.EncryptedExtensions(extensions))


MINE = wire.CertificateEntry(CERTIFICATES["client"].der)
SERVERS = {
    "an extension not asked for": (answering(extension.ApplicationProtocols((b"h2",))), "unsupported_extension"),
    "an extension out of place": (answering(extension.KeyShares(())), "illegal_parameter"),
    "a profile not offered": (answering(extension.UseSRTP((2,))), "illegal_parameter"),
    "two profiles": (answering(extension.UseSRTP((8, 7))), "illegal_parameter"),
    "a key identifier": (answering(extension.UseSRTP((8,), b"x")), "illegal_parameter"),
    "a request with a context": (
        saying(wire.CertificateRequest, wire.CertificateRequest((extension.SignatureAlgorithms((0x0403,)),), b"x")),
        "illegal_parameter",
    ),
    "a request without signatures": (saying(wire.CertificateRequest, wire.CertificateRequest(())), "missing_extension"),
    "no certificate": (saying(wire.CertificateChain, wire.CertificateChain(())), "decode_error"),
    "another's certificate": (saying(wire.CertificateChain, wire.CertificateChain((MINE,))), "decrypt_error"),
    "a wrong signature": (saying(wire.CertificateVerify, wire.CertificateVerify(0x0403, bytes(70))), "decrypt_error"),
    "an unknown scheme": (saying(wire.CertificateVerify, wire.CertificateVerify(0x0999, b"")), "illegal_parameter"),
    "no proof": (saying(wire.CertificateVerify, wire.Finished(bytes(32))), "unexpected_message"),
    "a wrong Finished": (saying(wire.Finished, wire.Finished(bytes(32))), "decrypt_error"),
    "no extensions": (saying(wire.EncryptedExtensions, wire.Finished(bytes(32))), "unexpected_message"),
}


@pytest.mark.spec("handshake13/extension-place", "handshake13/srtp-profile-offered", "handshake13/answers-asked")
@pytest.mark.spec("handshake13/certificate-required", "handshake13/proof-wrong", "handshake13/proof-context")
@pytest.mark.spec("handshake13/signature-schemes", "handshake13/finished-wrong", "handshake13/unexpected-message")
@pytest.mark.parametrize("name", SERVERS)
def test_servers_that_prove_nothing(name: str) -> None:
    edit, alert = SERVERS[name]
    pair = lying("server", edit)
    assert pair.failure("client") == alert
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


@pytest.mark.spec("handshake13/no-certificate-when-none-fits")
def test_a_client_that_cannot_sign_as_asked_sends_no_certificate() -> None:
    schemes = (extension.SignatureAlgorithms((0x0804,)),)
    pair = lying("server", saying(wire.CertificateRequest, wire.CertificateRequest(schemes)))
    assert pair.failure("server") == "certificate_required"


@pytest.mark.spec("handshake13/unexpected-message")
def test_a_server_may_leave_the_client_unknown() -> None:
    """Ours never does; a server that asks for no certificate gets none."""
    pair = lying("server", lambda message: message)
    assert pair.both_connected
