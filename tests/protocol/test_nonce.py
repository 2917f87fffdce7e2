"""Nonces that a server knows again without having kept them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.nonce import COOKIE_SIZE, Features, Nonces, promised
from meetref.wire.address import Address

ALICE = Address("192.0.2.1", 5000)
BOTH = Features.PASSWORD_ALGORITHMS | Features.USERNAME_ANONYMITY
NONCES = Nonces(b"a secret of ours", BOTH)


@pytest.mark.spec("stun/nonce-cookie")
def test_the_cookie_tells_the_features() -> None:
    for features, expected in (
        (Features.NONE, "AAAA"),
        (Features.PASSWORD_ALGORITHMS, "gAAA"),
        (Features.USERNAME_ANONYMITY, "QAAA"),
        (BOTH, "wAAA"),
    ):
        nonce = Nonces(b"secret", features).make(ALICE, 10.0)
        assert nonce.startswith("obMatJos2" + expected)
        assert promised(nonce) == features
    assert promised("") is None
    assert promised("obMatJos2wAA") is None
    assert promised("obMatJos2w\u00e9AAx") is None
    assert promised("another nonce of another server") is None


@given(st.text(max_size=60))
def test_any_text_may_be_a_nonce_of_somebody(text: str) -> None:
    for nonce in (text, "obMatJos2" + text, "obMatJos2wAAA" + text):
        promised(nonce)
        assert not NONCES.good(nonce, ALICE, 10.0)


@pytest.mark.spec("stun/stale-nonce")
def test_a_nonce_is_good_for_its_time_and_its_client() -> None:
    nonce = NONCES.make(ALICE, 10.9)
    assert len(nonce) == COOKIE_SIZE + 20
    assert NONCES.good(nonce, ALICE, 10.0 + 3600)
    assert not NONCES.good(nonce, ALICE, 10.0 + 3601)
    assert not NONCES.good(nonce, ALICE, 9.0)
    assert not NONCES.good(nonce, Address(ALICE.host, ALICE.port + 1), 10.9)
    assert not NONCES.good(nonce, Address("192.0.2.2", ALICE.port), 10.9)
    assert not Nonces(b"another secret", BOTH).good(nonce, ALICE, 10.9)


@pytest.mark.spec("stun/bid-down-server")
def test_a_nonce_whose_features_were_changed_is_not_ours() -> None:
    nonce = NONCES.make(ALICE, 10.0)
    for cookie in ("AAAA", "gAAA", "QAAA"):
        assert not NONCES.good(nonce.replace("wAAA", cookie), ALICE, 10.0)
    assert not NONCES.good(nonce[COOKIE_SIZE:], ALICE, 10.0)
    for place in range(len(nonce)):
        changed = nonce[:place] + ("A" if nonce[place] != "A" else "B") + nonce[place + 1 :]
        assert not NONCES.good(changed, ALICE, 10.0)


@pytest.mark.spec("stun/nonce-of-one-client")
def test_two_clients_never_get_the_same_nonce() -> None:
    clients = [
        Address(host, port) for host in ("192.0.2.1", "192.0.2.11", "2001:db8::1") for port in (1, 11, 111, 65535)
    ]
    assert len({NONCES.make(client, 10.0) for client in clients}) == len(clients)


def test_the_clock_may_run_over_its_32_bits() -> None:
    nonce = NONCES.make(ALICE, 2.0**32 - 5)
    assert NONCES.good(nonce, ALICE, 2.0**32 + 5)
