"""OpenSSL as a library (what aiortc speaks DTLS with), in memory: both roles, whole or in small pieces."""

from __future__ import annotations

import os
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate

from meetref.protocol.certificate import Certificate
from meetref.protocol.handshake12 import Closed, Connected, Endpoint, Received
from meetref.protocol.machine import Datagram
from meetref.wire import tls
from meetref.wire.address import Address

pytestmark = [pytest.mark.peer("pyopenssl")]

HERE, THERE = Address("192.0.2.1", 5000), Address("192.0.2.2", 5000)
LABEL = b"EXTRACTOR-dtls_srtp"


def openssl(role: Literal["client", "server"], mtu: int, cipher: str = "", group: str = "") -> Any:
    """The other side, with a P-256 certificate of its own kind, wanting ours."""
    from OpenSSL import SSL

    theirs = Certificate.generate(os.urandom, now_wall=1.8e9)
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *anything: True)
    context.use_certificate(load_der_x509_certificate(theirs.der))
    context.use_privatekey(theirs._key)
    context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM")
    if cipher:
        context.set_cipher_list(cipher.encode())
        if group == "P-256":  # with P-384 alone OpenSSL takes no certificate of P-256
            context.set_tmp_ecdh(ec.SECP256R1())
    connection = SSL.Connection(context)
    connection.set_connect_state() if role == "client" else connection.set_accept_state()
    connection.set_ciphertext_mtu(mtu)
    return connection


def pump(endpoint: Endpoint, connection: Any, rounds: int = 12) -> None:
    """Carry datagrams until both are done, none lost."""
    from OpenSSL import SSL

    for _ in range(rounds):
        for datagram in endpoint.transmits():
            connection.bio_write(datagram.data)
            step(connection, SSL)
        step(connection, SSL)
        try:
            # OpenSSL hands out one record or more; nothing here depends on where a datagram ends.
            endpoint.receive_datagram(Datagram(connection.bio_read(65536), HERE, THERE), 0.0)
        except SSL.WantReadError:
            pass


def step(connection: Any, library: Any) -> None:
    try:
        connection.do_handshake()
    except library.WantReadError:
        pass


@pytest.mark.spec("handshake12/exporter-no-context", "handshake12/srtp-own-preference", "handshake12/close-notify")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("size", [256, 1200])
@pytest.mark.parametrize("verified", [True, False], ids=["", "cookie"])
def test_openssl_in_memory(role: Literal["client", "server"], size: int, verified: bool) -> None:
    ours = Endpoint(
        role=role,
        certificate=Certificate.generate(os.urandom, now_wall=1.8e9),
        dice=os.urandom,
        local=HERE,
        remote=THERE,
        address_verified=verified,
        maximum_datagram=size,
    )
    theirs = openssl("server" if role == "client" else "client", size)
    ours.start(0.0)
    pump(ours, theirs)
    connected = next(event for event in ours.events() if isinstance(event, Connected))
    assert theirs.export_keying_material(LABEL, 60) == ours.export(LABEL, 60)
    assert connected.srtp_profile == (7 if role == "server" else 1)  # each server prefers its own way
    ours.send(b"from us", 0.0)
    theirs.send(b"from them")
    pump(ours, theirs, rounds=1)
    assert theirs.recv(100) == b"from us"
    assert Received(b"from them") in list(ours.events())
    theirs.shutdown()
    pump(ours, theirs, rounds=1)
    assert Closed() in list(ours.events())


@pytest.mark.spec("handshake12/suites", "dtls/chacha-nonce", "handshake12/group-preference")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("group", ["X25519", "P-256"])
@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", tls.ECDHE_ECDSA_AES_128_GCM),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", tls.ECDHE_ECDSA_AES_256_GCM),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", tls.ECDHE_ECDSA_CHACHA20_POLY1305),
    ],
)
def test_every_suite_and_group(role: Literal["client", "server"], group: str, name: str, suite: int) -> None:
    ours = Endpoint(
        role=role,
        certificate=Certificate.generate(os.urandom, now_wall=1.8e9),
        dice=os.urandom,
        local=HERE,
        remote=THERE,
        address_verified=True,
    )
    theirs = openssl("server" if role == "client" else "client", 1200, name, group)
    ours.start(0.0)
    pump(ours, theirs)
    connected = next(event for event in ours.events() if isinstance(event, Connected))
    assert (connected.cipher, connected.group) == (tls.CIPHER_SUITES[suite], group)
    assert theirs.export_keying_material(LABEL, 60) == ours.export(LABEL, 60)
    ours.send(b"from us", 0.0)
    theirs.send(b"from them")
    pump(ours, theirs, rounds=1)
    assert theirs.recv(100) == b"from us"
    assert Received(b"from them") in list(ours.events())
