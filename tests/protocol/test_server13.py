"""What a server of 1.3 refuses, and with which alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meetref.protocol.association import Connected
from meetref.wire import extension, tls
from meetref.wire import handshake13 as wire
from tests.protocol.dtls13_pairs import POLICY, NewerPair, lying, on_the_way
from tests.protocol.dtls_pairs import CERTIFICATES

Change = Callable[[tls.ClientHello], tls.ClientHello]


def without(kind: type[extension.Extension]) -> Change:
    return lambda hello: replace(
        hello, extensions=tuple(each for each in hello.extensions if not isinstance(each, kind))
    )


def with_extension(new: extension.Extension) -> Change:
    return lambda hello: replace(without(type(new))(hello), extensions=(*without(type(new))(hello).extensions, new))


def with_shares(change: Callable[[tuple[extension.Share, ...]], tuple[extension.Share, ...]]) -> Change:
    def edit(hello: tls.ClientHello) -> tls.ClientHello:
        found = extension.find_extension(hello.extensions, extension.KeyShares)
        assert found is not None
        return with_extension(extension.KeyShares(change(found.shares)))(hello)

    return edit


def hellos(change: Change) -> Callable[[wire.Handshake], wire.Handshake]:
    return lambda message: change(message) if isinstance(message, tls.ClientHello) else message


BAD = {
    "no 1.3": (with_extension(extension.SupportedVersions((tls.DTLS_1_2,))), "protocol_version"),
    "no versions": (without(extension.SupportedVersions), "protocol_version"),
    "a cookie of 1.2": (lambda hello: replace(hello, cookie=b"x"), "illegal_parameter"),
    "compression": (lambda hello: replace(hello, compression_methods=b"\0\1"), "illegal_parameter"),
    "no common suite": (lambda hello: replace(hello, cipher_suites=(0xC02B, 0x1304)), "handshake_failure"),
    "no groups": (without(extension.SupportedGroups), "missing_extension"),
    "no signatures": (without(extension.SignatureAlgorithms), "missing_extension"),
    "no shares": (without(extension.KeyShares), "missing_extension"),
    "other signatures": (with_extension(extension.SignatureAlgorithms((0x0804,))), "handshake_failure"),
    "other groups": (
        lambda hello: with_extension(extension.SupportedGroups((0x19,)))(with_shares(lambda shares: ())(hello)),
        "handshake_failure",
    ),
    "a share twice": (with_shares(lambda shares: shares * 2), "illegal_parameter"),
    "a share of no group offered": (
        with_extension(extension.SupportedGroups((0x11EC, 0x17))),
        "illegal_parameter",
    ),
    "a short hybrid share": (with_shares(lambda shares: (extension.Share(0x11EC, bytes(1215)),)), "illegal_parameter"),
    "no encapsulation key": (
        with_shares(lambda shares: (extension.Share(0x11EC, b"\xff" * 1216),)),
        "illegal_parameter",
    ),
    "a hybrid with no point": (
        with_shares(lambda shares: (extension.Share(0x11EC, shares[0].octets[:1184] + bytes(32)),)),
        "illegal_parameter",
    ),
    "a forged cookie": (with_extension(extension.Cookie(bytes(68))), "illegal_parameter"),
    "a tiny record limit": (with_extension(extension.RecordSizeLimit(63)), "illegal_parameter"),
}


@pytest.mark.spec("handshake13/version-not-offered", "handshake13/legacy-cookie", "handshake13/no-compression")
@pytest.mark.spec("handshake13/no-common-cipher", "handshake13/missing-extension", "handshake13/no-common-group")
@pytest.mark.spec("handshake13/shares", "handshake13/share-invalid", "handshake13/encapsulation-key-checked")
@pytest.mark.spec("handshake13/cookie-wrong", "handshake13/record-size-limit")
@pytest.mark.parametrize("name", BAD)
def test_hellos_that_are_refused(name: str) -> None:
    change, alert = BAD[name]
    pair = on_the_way("client", hellos(change))
    assert pair.failure("server") == alert
    assert not pair.of("client", Connected)


@pytest.mark.spec("handshake13/share-invalid")
@pytest.mark.parametrize("group", [0x1D, 0x17, 0x18])
def test_shares_that_are_no_points(group: int) -> None:
    sizes = {0x1D: 32, 0x17: 65, 0x18: 97}
    bad = [bytes(sizes[group]), b"\4" * sizes[group], b"\4" + bytes(sizes[group] - 2)]
    policy = {"policy": replace(POLICY, groups=(group,))}
    for octets in bad[:1] if group == 0x1D else bad:
        change = with_shares(lambda shares, octets=octets: (extension.Share(group, octets),))
        pair = on_the_way("client", hellos(change), client_settings=policy)
        assert pair.failure("server") == "illegal_parameter"


@pytest.mark.spec("handshake13/retry-answered")
@pytest.mark.parametrize("change", [lambda shares: (), lambda shares: (*shares, extension.Share(0x1D, b"x" * 32))])
def test_a_second_hello_that_does_not_do_what_was_asked(change: Any) -> None:
    def edit(hello: tls.ClientHello) -> tls.ClientHello:
        again = extension.find_extension(hello.extensions, extension.Cookie) is not None
        return with_shares(change)(hello) if again else hello

    pair = on_the_way("client", hellos(edit), server_settings={"policy": replace(POLICY, groups=(0x18,))})
    assert pair.failure("server") == "illegal_parameter"


@pytest.mark.spec("handshake13/finished-wrong", "handshake13/transcript-header")
@pytest.mark.parametrize("change", [without(extension.UseSRTP), lambda hello: replace(hello, session_id=b"x")])
def test_what_was_changed_on_the_way_is_noticed(change: Change) -> None:
    pair = on_the_way("client", hellos(change))
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


def saying(kind: type[Any], new: wire.Handshake) -> Callable[[wire.Handshake], wire.Handshake]:
    return lambda message: new if isinstance(message, kind) else message


THEIRS = wire.CertificateEntry(CERTIFICATES["server"].der)
CLIENTS = {
    "no certificate": (saying(wire.CertificateChain, wire.CertificateChain(())), "certificate_required"),
    "another's certificate": (saying(wire.CertificateChain, wire.CertificateChain((THEIRS,))), "decrypt_error"),
    "no certificate at all": (
        saying(wire.CertificateChain, wire.CertificateChain((wire.CertificateEntry(b"\x30\0"),))),
        "unsupported_certificate",
    ),
    "a context": (saying(wire.CertificateChain, wire.CertificateChain((THEIRS,), b"x")), "illegal_parameter"),
    "an extension": (
        saying(
            wire.CertificateChain,
            wire.CertificateChain((THEIRS._replace(extensions=(extension.UnknownExtension(18, b""),)),)),
        ),
        "unsupported_extension",
    ),
    "a wrong signature": (saying(wire.CertificateVerify, wire.CertificateVerify(0x0403, bytes(70))), "decrypt_error"),
    "a wrong scheme": (saying(wire.CertificateVerify, wire.CertificateVerify(0x0401, bytes(70))), "illegal_parameter"),
    "another curve": (saying(wire.CertificateVerify, wire.CertificateVerify(0x0503, bytes(70))), "illegal_parameter"),
    "no proof": (saying(wire.CertificateVerify, wire.Finished(bytes(32))), "unexpected_message"),
    "a wrong Finished": (saying(wire.Finished, wire.Finished(bytes(32))), "decrypt_error"),
    "a short Finished": (saying(wire.Finished, wire.Finished(bytes(12))), "decode_error"),
    "no Finished": (saying(wire.Finished, wire.KeyUpdate(False)), "unexpected_message"),
}


@pytest.mark.spec("handshake13/certificate-required", "handshake13/proof-wrong", "handshake13/signature-schemes")
@pytest.mark.spec("handshake13/finished-wrong", "handshake13/unexpected-message")
@pytest.mark.parametrize("name", CLIENTS)
def test_clients_that_prove_nothing(name: str) -> None:
    edit, alert = CLIENTS[name]
    pair = lying("client", edit)
    assert pair.failure("server") == alert
    assert pair.failure("client") == alert
    assert not pair.of("server", Connected)


@pytest.mark.spec("handshake13/srtp-own-preference", "handshake13/answers-asked")
@pytest.mark.parametrize(
    ("offered", "chosen"), [((1, 7, 8), 8), ((1, 7), 7), ((1,), 1), ((2,), None), ((), None)], ids=str
)
def test_srtp_profiles(offered: tuple[int, ...], chosen: int | None) -> None:
    pair = NewerPair(client_settings={"policy": replace(POLICY, srtp_profiles=offered)})
    pair.start().run()
    assert {pair.of(role, Connected)[0].srtp_profile for role in ("client", "server")} == {chosen}
    assert {pair.of(role, Connected)[0].srtp_keys is None for role in ("client", "server")} == {chosen is None}


@pytest.mark.spec("handshake13/record-size-limit", "handshake13/application-protocol")
def test_a_client_with_a_record_limit_and_a_protocol() -> None:
    said: list[wire.Handshake] = []

    def edit(hello: tls.ClientHello) -> tls.ClientHello:
        names = extension.ApplicationProtocols((b"webrtc", b"c-webrtc"))
        return with_extension(names)(with_extension(extension.RecordSizeLimit(100))(hello))

    pair = NewerPair()
    talk, say = pair.client._talk, pair.client._talk.say
    talk.say = lambda message, epoch=2: say(hellos(edit)(message), epoch)
    server_say = pair.server._talk.say
    pair.server._talk.say = lambda message, epoch=2: (said.append(message), server_say(message, epoch))
    pair.start().run()
    assert wire.EncryptedExtensions((extension.UseSRTP((8,)), extension.ApplicationProtocols((b"webrtc",)))) in said
    assert pair.server._talk.record_limit == 99
    assert pair.failure("client") == "unsupported_extension"  # it does not know what it was made to ask
    sizes = [len(record.payload) for _, role, data in pair.sent if role == "server"
             for record in _ciphertexts(data)]  # fmt: skip
    assert max(sizes) == 99 + 1 + 16


def _ciphertexts(data: bytes) -> list[Any]:
    from meetref.wire import dtls

    return [record for record in dtls.mixed_records(data) if isinstance(record, dtls.Ciphertext)]


@pytest.mark.spec("handshake13/group-preference", "handshake13/no-empty-authorities")
def test_a_curve_that_costs_no_retry_is_as_good_as_another() -> None:
    settings = {"policy": replace(POLICY, groups=(tls.P_256, tls.P_384, tls.X25519))}
    pair = NewerPair(client_settings=settings)
    pair.start().run()
    assert pair.of("client", Connected)[0].group == "P-256"
    assert len(pair.sent) == 4 or pair.now < 0.05
