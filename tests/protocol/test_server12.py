"""What a server makes of hellos, good and bad, and of a client that does not prove what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from meetref.protocol.certificate import P_256_ORDER
from meetref.protocol.handshake12 import Connected
from meetref.wire import dtls, extension, tls
from meetref.wire import handshake12 as wire
from tests.protocol.dtls_pairs import WHOLE, Edit, Pair, certificate, editing

GREASE = 0x8A8A
MLKEM = 0x11EC


def against_server(edit: Edit) -> Pair:
    return Pair(client_settings=dict(WHOLE), server_settings=dict(WHOLE), change=editing("client", edit)).start().run()


def with_hello(**changes: Any) -> Edit:
    return lambda message: replace(message, **changes) if isinstance(message, tls.ClientHello) else message


def with_extension(new: extension.Extension | None, *, instead_of: type[extension.Extension] | None = None) -> Edit:
    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, tls.ClientHello):
            return message
        kept = [each for each in message.extensions if instead_of is None or not isinstance(each, instead_of)]
        return replace(message, extensions=(*kept, *([] if new is None else [new])))

    return edit


def server_hello(pair: Pair) -> tls.ServerHello:
    """What the server said first."""
    data = next(data for _, role, data in pair.sent if role == "server")
    fragment = next(dtls.fragments(dtls.parse(data)[0].payload))
    hello = wire.parse(fragment.type, fragment.body)
    assert isinstance(hello, tls.ServerHello)
    return hello


def browser_hello(message: wire.Handshake) -> wire.Handshake:
    """The hello of a browser of today: it prefers 1.3 and post-quantum shares, and greases."""
    if not isinstance(message, tls.ClientHello):
        return message
    shares = (extension.Share(MLKEM, bytes(1216)), extension.Share(tls.X25519, bytes(32)))
    return replace(
        message,
        session_id=bytes(range(32)),
        cipher_suites=(GREASE, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xCCA9, 0xC009, 0x00FF),
        extensions=(
            extension.UnknownExtension(GREASE, b""),
            extension.SupportedGroups((GREASE, MLKEM, tls.X25519, tls.P_256, 0x0018)),
            extension.SupportedVersions((GREASE, tls.DTLS_1_3, tls.DTLS_1_2)),
            extension.SignatureAlgorithms((0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)),
            extension.UseSRTP((0x0001, 0x0002, 0x0007, 0x0008)),
            extension.KeyShares(shares),
            extension.RecordSizeLimit(0x4001),
            extension.ApplicationProtocols((b"webrtc", b"c-webrtc")),
            extension.UnknownExtension(45, b"\x01\x01"),
            extension.PointFormats(),
            extension.ExtendedMasterSecret(),
            extension.UnknownExtension(GREASE + 0x1010, b"\x00"),
        ),
    )


@pytest.mark.spec("handshake12/no-sentinel", "handshake12/browser-hello", "handshake12/unknown-extensions-ignored")
@pytest.mark.spec("handshake12/renegotiation-signalled", "handshake12/answers-only-what-was-asked")
@pytest.mark.spec("handshake12/no-resumption", "handshake12/application-protocol")
def test_a_browsers_hello_that_prefers_1_3_is_answered_with_1_2() -> None:
    """The server takes it, whole; what the rewritten hello does to the signatures shows only later."""
    pair = against_server(browser_hello)
    hello = server_hello(pair)
    assert hello.version == tls.DTLS_1_2
    assert hello.cipher_suite == tls.ECDHE_ECDSA_AES_128_GCM
    assert hello.session_id == b""
    assert not hello.random.endswith((b"DOWNGRD\x01", b"DOWNGRD\x00"))
    assert set(hello.extensions) == {
        extension.RenegotiationInfo(),
        extension.ExtendedMasterSecret(),
        extension.PointFormats(),
        extension.UseSRTP((0x0008,)),
        extension.ApplicationProtocols((b"webrtc",)),
    }


@pytest.mark.spec("dtls/any-order", "handshake12/browser-hello")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1, 1), (1, 0, 1, 0)])
@pytest.mark.parametrize("version", [tls.DTLS_1_0, tls.DTLS_1_2])
@pytest.mark.parametrize("verified", [True, False])
def test_a_hello_in_two_datagrams_is_put_together(order: tuple[int, ...], version: int, verified: bool) -> None:
    pair = Pair(server_settings={"address_verified": verified})
    pair.client.start(0.0)
    pair.flush()
    (record,) = dtls.parse(pair.sent[0][2])
    (fragment,) = dtls.fragments(record.payload)
    body = wire.serialize(browser_hello(wire.parse(fragment.type, fragment.body)))
    assert len(body) > 1200
    halves = [dtls.Fragment(1, len(body), 0, 0, body[:1183]), dtls.Fragment(1, len(body), 0, 1183, body[1183:])]
    for sequence, which in enumerate(order):
        payload = dtls.serialize_fragment(halves[which])
        data = dtls.serialize(dtls.Record(dtls.HANDSHAKE, version, 0, sequence, payload))
        pair.server.receive_datagram(dtls_datagram(pair, data), 0.0)
    answer = dtls.parse(next(pair.server.transmits()).data)[0]
    kind = next(dtls.fragments(answer.payload)).type
    assert kind == (2 if verified else wire.HELLO_VERIFY_REQUEST)
    assert pair.server.next_timeout() > 0.0


def dtls_datagram(pair: Pair, data: bytes) -> Any:
    from meetref.protocol.machine import Datagram

    return Datagram(data, pair.server.local, pair.server.remote)


@pytest.mark.spec("handshake12/renegotiation-signalled")
def test_the_signalling_suite_asks_for_secure_renegotiation_too() -> None:
    pair = against_server(
        with_hello(
            cipher_suites=(0xC02B, tls.RENEGOTIATION_SIGNAL), extensions=(extension.SignatureAlgorithms((0x0403,)),)
        )
    )
    assert server_hello(pair).extensions == (extension.RenegotiationInfo(),)
    silent = against_server(with_hello(extensions=(extension.SignatureAlgorithms((0x0403,)),)))
    assert server_hello(silent).extensions == ()


@pytest.mark.spec("handshake12/srtp-own-preference")
@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [((8, 7, 1), (1, 7, 8), 8), ((1, 7, 8), (8, 7, 1), 1), ((7,), (1, 7), 7), ((8,), (1, 7), None), ((), (1,), None)],
)
def test_the_server_chooses_by_its_own_preference(
    ours: tuple[int, ...], theirs: tuple[int, ...], chosen: int | None
) -> None:
    pair = Pair(client_settings={"srtp_profiles": theirs}, server_settings={"srtp_profiles": ours}).start().run()
    for role in ("client", "server"):
        connected = pair.of(role, Connected)[0]
        assert connected.srtp_profile == chosen
        assert (connected.srtp_keys is None) == (chosen is None)


@pytest.mark.spec("handshake12/version-not-offered", "handshake12/no-common-cipher")
@pytest.mark.spec("handshake12/renegotiation-info-empty", "handshake12/extension-twice")
@pytest.mark.spec("handshake12/point-formats", "handshake12/decode-error")
@pytest.mark.parametrize(
    ("edit", "alert"),
    [
        (with_hello(version=tls.DTLS_1_0), "protocol_version"),
        (with_hello(version=0x0303), "protocol_version"),
        (with_extension(extension.SupportedVersions((tls.DTLS_1_3,))), "protocol_version"),
        (with_hello(cipher_suites=(0xC02F, 0x1301)), "handshake_failure"),
        (with_hello(compression_methods=b"\x01"), "illegal_parameter"),
        (with_extension(None, instead_of=extension.SignatureAlgorithms), "handshake_failure"),
        (
            with_extension(extension.SignatureAlgorithms((0x0804,)), instead_of=extension.SignatureAlgorithms),
            "handshake_failure",
        ),
        (
            with_extension(extension.SupportedGroups((MLKEM, 0x0019)), instead_of=extension.SupportedGroups),
            "handshake_failure",
        ),
        (with_extension(extension.PointFormats(b"\x01"), instead_of=extension.PointFormats), "illegal_parameter"),
        (
            with_extension(extension.RenegotiationInfo(bytes(12)), instead_of=extension.RenegotiationInfo),
            "handshake_failure",
        ),
        (with_extension(extension.PointFormats()), "decode_error"),
        (lambda message: b"\xfe" if isinstance(message, tls.ClientHello) else message, "decode_error"),
    ],
)
def test_hellos_that_cannot_be_answered(edit: Edit, alert: str) -> None:
    pair = against_server(edit)
    assert pair.failure("server") == alert
    assert pair.failure("client") == alert


@pytest.mark.spec("handshake12/version-not-offered")
@pytest.mark.parametrize("version", [tls.DTLS_1_3, 0xFDFF, 0x8000])
def test_a_client_of_a_later_day_is_answered(version: int) -> None:
    """The rewritten hello ends in a wrong signature, so later than with a refusal."""
    pair = against_server(with_hello(version=version))
    assert pair.failure("client") == "decrypt_error"


@pytest.mark.spec("handshake12/group-preference")
@pytest.mark.parametrize(("groups", "chosen"), [((0x17, 0x1D), "X25519"), ((MLKEM, 0x17), "P-256"), (None, "P-256")])
def test_groups(groups: tuple[int, ...] | None, chosen: str) -> None:
    """The rewritten hello ends in a wrong signature; what the server chose shows in its share."""
    new = None if groups is None else extension.SupportedGroups(groups)
    seen: list[int] = []

    def edit(message: wire.Handshake) -> wire.Handshake:
        if isinstance(message, wire.ServerKeyExchange):
            seen.append(message.group)
        return with_extension(new, instead_of=extension.SupportedGroups)(message)  # type: ignore[return-value]

    pair = Pair(client_settings=dict(WHOLE), server_settings=dict(WHOLE))
    changes = [editing("client", edit), editing("server", edit)]
    pair.change = lambda sender, data: changes[sender.role == "server"](sender, data)
    pair.start().run()
    assert [tls.GROUPS[group] for group in seen[:1]] == [chosen]


@pytest.mark.spec("handshake12/certificate-required", "handshake12/client-proof", "handshake12/share-invalid")
@pytest.mark.spec("handshake12/unexpected-message")
@pytest.mark.parametrize(
    ("kind", "new", "alert"),
    [
        (wire.CertificateChain, wire.CertificateChain(()), "handshake_failure"),
        (wire.CertificateChain, wire.CertificateChain((b"junk",)), "unsupported_certificate"),
        (wire.CertificateChain, wire.CertificateChain((certificate(9).der,)), "decrypt_error"),
        (wire.CertificateChain, wire.ClientKeyExchange(bytes(32)), "unexpected_message"),
        (wire.ClientKeyExchange, wire.ClientKeyExchange(bytes(32)), "illegal_parameter"),
        (wire.ClientKeyExchange, wire.ClientKeyExchange(bytes(31)), "illegal_parameter"),
        (wire.ClientKeyExchange, wire.ClientKeyExchange(b"\x09" + bytes(31)), "decrypt_error"),
        (wire.CertificateVerify, wire.CertificateVerify(0x0403, b"0\x06\x02\x01\x01\x02\x01\x01"), "decrypt_error"),
        (wire.CertificateVerify, wire.CertificateVerify(0x0203, bytes(70)), "decrypt_error"),
        (wire.CertificateVerify, wire.ServerHelloDone(), "unexpected_message"),
        (wire.CertificateVerify, b"\x04", "decode_error"),
    ],
)
def test_clients_that_prove_nothing(kind: type[Any], new: wire.Handshake | bytes, alert: str) -> None:
    pair = against_server(lambda message: new if isinstance(message, kind) else message)
    assert pair.failure("server") == alert
    assert not pair.of("server", Connected)
    assert not pair.of("client", Connected)


@pytest.mark.spec("handshake12/finished-wrong")
def test_a_finished_over_another_handshake_is_refused() -> None:
    """ECDSA has two signatures for every one: the other verifies as well, but it is not what the client said."""

    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, wire.CertificateVerify):
            return message
        r, s = decode_dss_signature(message.signature)
        return replace(message, signature=encode_dss_signature(r, P_256_ORDER - s))

    pair = against_server(edit)
    assert pair.failure("server") == pair.failure("client") == "decrypt_error"
    assert not pair.of("server", Connected)
