"""What a client makes of servers that choose what was not offered, sign wrongly, or speak out of turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from meetref.protocol import client12
from meetref.protocol.conversation12 import Agreed, Conversation, FinishedExpected
from meetref.protocol.handshake12 import Connected
from meetref.protocol.keyschedule import Session
from meetref.protocol.refusal import Refused
from meetref.wire import extension, tls
from meetref.wire import handshake12 as wire
from tests.protocol.dtls_pairs import CERTIFICATES, WHOLE, Edit, Pair, editing


def against_client(edit: Edit) -> Pair:
    return Pair(client_settings=dict(WHOLE), server_settings=dict(WHOLE), change=editing("server", edit)).start().run()


def rsa_certificate() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return (
        builder.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    )


def with_hello(**changes: Any) -> Edit:
    return lambda message: replace(message, **changes) if isinstance(message, tls.ServerHello) else message


def with_extension(new: extension.Extension) -> Edit:
    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, tls.ServerHello):
            return message
        kept = [each for each in message.extensions if type(each) is not type(new)]
        return replace(message, extensions=(*kept, new))

    return edit


@pytest.mark.spec("handshake12/choice-not-offered", "handshake12/srtp-profile-offered")
@pytest.mark.spec("handshake12/renegotiation-info-empty", "handshake12/answers-only-what-was-asked")
@pytest.mark.spec("handshake12/point-formats")
@pytest.mark.parametrize(
    ("edit", "alert"),
    [
        (with_hello(version=tls.DTLS_1_0), "protocol_version"),
        (with_hello(version=tls.DTLS_1_3), "protocol_version"),
        (with_hello(cipher_suite=0xC02F), "illegal_parameter"),
        (with_hello(compression_method=1), "illegal_parameter"),
        (with_extension(extension.SelectedVersion(tls.DTLS_1_3)), "unsupported_extension"),
        (with_extension(extension.ApplicationProtocols((b"webrtc",))), "unsupported_extension"),
        (with_extension(extension.PointFormats(b"\x02")), "illegal_parameter"),
        (with_extension(extension.RenegotiationInfo(bytes(24))), "handshake_failure"),
        (with_extension(extension.UseSRTP((0x0002,))), "illegal_parameter"),
        (with_extension(extension.UseSRTP((0x0008, 0x0007))), "illegal_parameter"),
        (with_extension(extension.UseSRTP((0x0008,), b"\x01")), "illegal_parameter"),
    ],
)
def test_hellos_that_choose_what_was_not_offered(edit: Edit, alert: str) -> None:
    pair = against_client(edit)
    assert pair.failure("client") == alert
    assert not pair.of("server", Connected)


@pytest.mark.spec("handshake12/share-signed", "handshake12/certificate-required", "handshake12/unexpected-message")
@pytest.mark.spec("handshake12/decode-error")
@pytest.mark.parametrize(
    ("kind", "new", "alert"),
    [
        (wire.CertificateChain, wire.CertificateChain(()), "handshake_failure"),
        (wire.CertificateChain, wire.CertificateChain((b"\x30\x00",)), "unsupported_certificate"),
        (wire.CertificateChain, wire.CertificateChain((rsa_certificate(),)), "unsupported_certificate"),
        (wire.CertificateChain, wire.CertificateChain((CERTIFICATES["client"].der,)), "decrypt_error"),
        (wire.CertificateChain, wire.ServerHelloDone(), "unexpected_message"),
        (wire.ServerKeyExchange, wire.ServerKeyExchange(25, bytes(133), 0x0403, bytes(70)), "illegal_parameter"),
        (wire.ServerKeyExchange, wire.ServerKeyExchange(29, bytes(32), 0x0403, bytes(70)), "decrypt_error"),
        (wire.ServerKeyExchange, b"\x01\x00\x00", "decode_error"),
        (wire.ServerHelloDone, wire.CertificateRequest(b"\x40", (0x0403,)), "unexpected_message"),
        (wire.ServerHelloDone, b"\x00", "decode_error"),
    ],
)
def test_servers_that_prove_nothing(kind: type[Any], new: wire.Handshake | bytes, alert: str) -> None:
    pair = against_client(lambda message: new if isinstance(message, kind) else message)
    assert pair.failure("client") == alert
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


@pytest.mark.spec("handshake12/share-invalid")
@pytest.mark.parametrize(
    ("group", "share"),
    [
        (tls.X25519, bytes(32)),  # leads to nothing but zeros
        (tls.X25519, bytes(31)),
        (tls.P_256, b"\x04" + bytes(64)),
        (tls.P_256, b"\x02" + bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")),
        (tls.P_256, bytes(0)),
    ],
)
def test_a_signed_share_that_is_no_point(group: int, share: bytes) -> None:
    hellos: list[bytes] = []

    def edit(message: wire.Handshake) -> wire.Handshake:
        if isinstance(message, tls.ServerHello):
            hellos.append(message.random)
        if not isinstance(message, wire.ServerKeyExchange):
            return message
        randoms = pair.client.state.hello.random + hellos[-1]  # type: ignore[union-attr]
        signature = CERTIFICATES["server"].sign(randoms + wire.server_share(group, share))
        return wire.ServerKeyExchange(group, share, 0x0403, signature)

    pair = Pair(client_settings=dict(WHOLE), server_settings=dict(WHOLE), change=editing("server", edit))
    pair.start().run()
    assert pair.failure("client") == "illegal_parameter"


@pytest.mark.spec("handshake12/no-certificate-when-none-fits")
def test_a_request_that_we_cannot_meet_gets_an_empty_certificate() -> None:
    def edit(message: wire.Handshake) -> wire.Handshake:
        return replace(message, schemes=(0x0804,)) if isinstance(message, wire.CertificateRequest) else message

    pair = against_client(edit)
    assert pair.failure("server") == "handshake_failure"


@pytest.mark.spec("handshake12/finished-wrong")
def test_a_servers_finished_over_another_handshake_is_refused() -> None:
    talk = Conversation("client", CERTIFICATES["client"], bytes, ())
    state = FinishedExpected(Agreed(bytes(32), bytes(32), True, None, tls.X25519), Session(b"m", b"c", b"s"), b"")
    with pytest.raises(Refused, match="did not hear the same") as refused:
        client12.step(state, wire.Finished(bytes(12)), talk)
    assert refused.value.alert == "decrypt_error"
