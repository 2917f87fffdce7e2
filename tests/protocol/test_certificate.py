"""Certificates: made from dice, known by their fingerprint, and of a stranger's nothing raises."""

from __future__ import annotations

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.certificate import (
    ROTATED_AFTER,
    Certificate,
    Certificates,
    fingerprint_of,
    fingerprints_match,
    read_public_key,
    verify_signature,
)
from tests.protocol.dtls_pairs import CERTIFICATES, NOW_WALL

OURS = CERTIFICATES["client"]
SHA256, SHA512 = OURS.fingerprint("sha-256"), OURS.fingerprint("sha-512")


def test_the_same_dice_make_the_same_certificate() -> None:
    first, second = (Certificate.generate(random.Random(7).randbytes, now_wall=NOW_WALL) for _ in range(2))
    assert first.der == second.der
    assert first.sign(b"data") == second.sign(b"data")
    assert first.der != Certificate.generate(random.Random(8).randbytes, now_wall=NOW_WALL).der
    assert repr(first) == f"Certificate(sha-256 {first.fingerprint('sha-256')})"


def test_others_can_read_it() -> None:
    read = x509.load_der_x509_certificate(OURS.der)
    read.verify_directly_issued_by(read)
    assert read.fingerprint(hashes.SHA256()).hex(":").upper() == SHA256
    assert read.not_valid_before_utc.timestamp() < NOW_WALL < read.not_valid_after_utc.timestamp()


@pytest.mark.spec("handshake12/fingerprint-strongest-hash")
@pytest.mark.parametrize(
    ("expected", "matches"),
    [
        ([("sha-256", SHA256)], True),
        ([("SHA-256", SHA256.lower())], True),
        ([("sha-512", SHA512), ("sha-256", SHA256)], True),
        ([("sha-512", "00" + SHA512[2:]), ("sha-256", SHA256)], False),
        ([("sha-512", SHA512), ("sha-256", "00" + SHA256[2:])], True),
        ([("sha-256", "00" + SHA256[2:]), ("sha-256", SHA256)], True),
        ([("sha-1", SHA256), ("sha-256", SHA256)], True),
        ([("sha-1", SHA256)], False),
        ([("sha-256", SHA256[:-3])], False),
        ([("sha-256", "ÄÖÜ")], False),
        ([], False),
    ],
)
def test_fingerprints(expected: list[tuple[str, str]], matches: bool) -> None:
    assert fingerprints_match(OURS.der, expected) == matches


def test_fingerprints_of_another_hash_are_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        fingerprint_of(OURS.der, "md5")


@pytest.mark.spec("handshake12/signature-schemes")
def test_a_process_has_a_new_certificate_every_day() -> None:
    now = NOW_WALL
    certificates = Certificates(random.Random(7).randbytes, lambda: now)
    first = certificates.current()
    now += ROTATED_AFTER - 1
    assert certificates.current() is first
    now += 1
    second = certificates.current()
    assert second.fingerprint("sha-256") != first.fingerprint("sha-256")
    now -= 10  # the wall clock is set back, within a day of nothing
    assert certificates.current() is not second


def test_signatures_are_verified_by_scheme_and_key() -> None:
    key = read_public_key(OURS.der)
    assert key is not None
    assert verify_signature(key, 0x0403, OURS.sign(b"data"), b"data")
    assert not verify_signature(key, 0x0403, OURS.sign(b"data"), b"other")
    assert not verify_signature(key, 0x0503, OURS.sign(b"data"), b"data")
    assert not verify_signature(key, 0x0401, OURS.sign(b"data"), b"data")
    assert not verify_signature(key, 0x0403, b"junk", b"data")
    p384 = ec.generate_private_key(ec.SECP384R1())
    assert verify_signature(p384.public_key(), 0x0503, p384.sign(b"data", ec.ECDSA(hashes.SHA384())), b"data")
    big = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert verify_signature(big.public_key(), 0x0401, big.sign(b"data", padding.PKCS1v15(), hashes.SHA256()), b"data")
    assert verify_signature(big.public_key(), 0x0804, big.sign(b"data", pss, hashes.SHA256()), b"data")
    assert not verify_signature(
        big.public_key(), 0x0804, big.sign(b"data", padding.PKCS1v15(), hashes.SHA256()), b"data"
    )


@given(st.binary(max_size=200))
def test_any_octets_are_a_key_or_nothing(data: bytes) -> None:
    assert read_public_key(data) is None


def assert_a_key_or_nothing(der: bytes) -> None:
    key = read_public_key(der)
    assert key is None or isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)


@given(at=st.integers(0, len(OURS.der) - 1), change=st.integers(1, 255))
def test_a_damaged_certificate_never_raises(at: int, change: int) -> None:
    damaged = bytearray(OURS.der)
    damaged[at] ^= change
    assert_a_key_or_nothing(bytes(damaged))


def test_every_octet_may_be_damaged() -> None:
    """Among them: a serial number below zero, of which the library only warns."""
    for at in range(len(OURS.der)):
        for change in (0x01, 0x80, 0xFF):
            assert_a_key_or_nothing(OURS.der[:at] + bytes([OURS.der[at] ^ change]) + OURS.der[at + 1 :])
