"""Certificates that nobody vouches for: made at start, known by their fingerprint, able to sign.

In WebRTC a certificate proves nothing by itself; the other side learned its fingerprint by signaling and compares.
Stands above `wire/tls` (signature schemes); used by the handshakes and by whoever writes `a=fingerprint`.
Specification: RFC 8122 section 5 (fingerprints), RFC 8827 section 6.5, RFC 5246 sections 4.7 and 7.4.8 (signatures).
Leaves out: chains, expiry and revocation: whoever has the fingerprint has decided already whom to trust.
Read next: `protocol/keyschedule.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from meetref.protocol.machine import Dice
from meetref.wire.tls import ECDSA_SHA256, ECDSA_SHA384, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256

LIFETIME = timedelta(days=30)
ROTATED_AFTER = 24 * 3600.0
"""Seconds: the key of one day proves nothing about the connections of the next."""
P_256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P_384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
MINIMUM_RSA_BITS = 2048

FINGERPRINT_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "sha-256": lambda octets: hashlib.sha256(octets).digest(),
    "sha-384": lambda octets: hashlib.sha384(octets).digest(),
    "sha-512": lambda octets: hashlib.sha512(octets).digest(),
}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Certificate:
    """An ECDSA P-256 key and the self-signed certificate that carries its public half."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, der: bytes) -> None:
        self._key = key
        self.der = der

    def __repr__(self) -> str:
        return f"Certificate(sha-256 {self.fingerprint('sha-256')})"

    @classmethod
    def generate(cls, dice: Dice, *, now_wall: float) -> Certificate:
        """A new certificate; the same dice and the same second give the same one. `now_wall` is seconds since 1970."""
        key = derive_private_key(dice)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "meetref")])
        made_at = datetime.fromtimestamp(int(now_wall), UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1 + int.from_bytes(dice(8), "big") // 2)
            .not_valid_before(made_at - timedelta(days=1))  # the peer's clock may be behind ours
            .not_valid_after(made_at + LIFETIME)
        )
        signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
        return cls(key, signed.public_bytes(serialization.Encoding.DER))

    def fingerprint(self, hash_name: str) -> str:
        """As it stands in `a=fingerprint`: upper-case hex with colons. `hash_name` is one of `FINGERPRINT_HASHES`."""
        return fingerprint_of(self.der, hash_name)

    def sign(self, data: bytes) -> bytes:
        """An `ecdsa_secp256r1_sha256` signature of `data`; the same data give the same signature (RFC 6979)."""
        return self._key.sign(data, _SIGNING)


class Certificates:
    """Those of one process: each connection keeps the one it began with, and new ones get a new one every day."""

    def __init__(self, dice: Dice, wall_clock: Callable[[], float]) -> None:
        self._dice = dice
        self._wall_clock = wall_clock
        self._made_at = wall_clock()
        self._current = Certificate.generate(dice, now_wall=self._made_at)

    def current(self) -> Certificate:
        """For a connection that begins now."""
        now = self._wall_clock()
        if not 0 <= now - self._made_at < ROTATED_AFTER:  # the wall clock may be set back, too
            self._made_at, self._current = now, Certificate.generate(self._dice, now_wall=now)
        return self._current


def derive_private_key(dice: Dice, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A key of P-256 or P-384 from dice: 16 octets more than the order has, so that no value is noticeably likelier."""
    order, curve = (P_384_ORDER, curve) if isinstance(curve, ec.SECP384R1) else (P_256_ORDER, ec.SECP256R1())
    number = int.from_bytes(dice(order.bit_length() // 8 + 16), "big") % (order - 1) + 1
    return ec.derive_private_key(number, curve)


def fingerprint_of(der: bytes, hash_name: str) -> str:
    """The fingerprint of a certificate given as DER. Raises `KeyError` for a hash not in `FINGERPRINT_HASHES`."""
    return FINGERPRINT_HASHES[hash_name](der).hex(":").upper()


def fingerprints_match(der: bytes, expected: Sequence[tuple[str, str]]) -> bool:
    """Is this the certificate that signaling announced by these pairs of hash name and fingerprint?

    The strongest hash that is known decides, alone (RFC 8122 section 5); unknown and broken hashes count as absent,
    so a list of nothing else matches nothing. Takes the same time whatever differs.
    """
    known = [(name.lower(), value.strip().upper()) for name, value in expected if name.lower() in FINGERPRINT_HASHES]
    strongest = max((name for name, _ in known), default=None)  # "sha-256" < "sha-384" < "sha-512", as text too
    # spec: handshake12/fingerprint-strongest-hash
    matches = [
        hmac.compare_digest(fingerprint_of(der, name).encode(), value.encode())
        for name, value in known
        if name == strongest
    ]
    return any(matches)


def read_public_key(der: bytes) -> PublicKey | None:
    """The public key of a peer's certificate; None when it cannot be read or is of a kind that is not accepted."""
    try:
        with warnings.catch_warnings():
            # What the library only warns of (a serial number below zero) is refused: a stranger writes it.
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, CryptographyDeprecationWarning):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key if isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)) else None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey):
        return key if MINIMUM_RSA_BITS <= key.key_size <= 8192 else None
    return None


def verify_signature(key: PublicKey, scheme: int, signature: bytes, data: bytes) -> bool:
    """Is `signature` the key owner's over `data`? False also for a scheme that is unknown or not the key's."""
    try:
        # spec: handshake12/signature-schemes
        match key, scheme:
            case ec.EllipticCurvePublicKey(), 0x0403 | 0x0503:
                key.verify(signature, data, _VERIFYING[scheme])
            case rsa.RSAPublicKey(), 0x0401:
                key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            case rsa.RSAPublicKey(), 0x0804:
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
                key.verify(signature, data, pss, hashes.SHA256())
            case ed25519.Ed25519PublicKey(), 0x0807:
                key.verify(signature, data)
            case _:
                return False
    except (InvalidSignature, ValueError):
        return False
    return True


# Made once: making one asks the library below what it can do.
_SIGNING = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFYING = {ECDSA_SHA256: ec.ECDSA(hashes.SHA256()), ECDSA_SHA384: ec.ECDSA(hashes.SHA384())}
ACCEPTED_SCHEMES = (ECDSA_SHA256, ECDSA_SHA384, RSA_PSS_SHA256, RSA_PKCS1_SHA256)
"""What is verified in 1.2, best first. Ed25519 there would want a rule of its own (RFC 8422 section 5.10)."""

MODERN_SCHEMES = (ECDSA_SHA256, ECDSA_SHA384, RSA_PSS_SHA256, ED25519)
"""What is verified in 1.3, best first: nothing with PKCS #1 version 1.5 (RFC 9846 section 4.3.3)."""


def fits_curve(key: PublicKey, scheme: int) -> bool:
    """Is the key's curve the one that the scheme names? In 1.3 a scheme says both (RFC 9846 section 4.3.3)."""
    curves = {ECDSA_SHA256: "secp256r1", ECDSA_SHA384: "secp384r1"}
    return not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name == curves.get(scheme)
