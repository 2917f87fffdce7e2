"""Key agreement: both sides send a share, both get the same secret, and who only listens gets nothing.

    X25519, P-256, P-384      share: a point          secret: the point that both can compute
    X25519MLKEM768, client    share: ML-KEM encapsulation key 1184 | X25519 point 32
                    server    share: ML-KEM ciphertext 1088        | X25519 point 32
                              secret: ML-KEM secret 32 | X25519 secret 32        (the post-quantum half is first)

Stands above `refusal`; both handshakes use it, 1.2 for the curves alone.
Specification: RFC 7748 section 6.1, RFC 8422 section 5.11, RFC 9846 section 4.3.8.2, draft-ietf-tls-ecdhe-mlkem.
Leaves out: the two other hybrids of that draft; no browser offers them. And dice for `encapsulate`: the library takes
none, so it is a function that can be replaced by one with dice. Read next: `protocol/conversation13.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meetref.protocol.certificate import derive_private_key
from meetref.protocol.machine import Dice
from meetref.protocol.refusal import refuse
from meetref.wire.tls import P_256, P_384, X25519, X25519_ML_KEM_768

SEED_SIZE, ENCAPSULATION_KEY_SIZE, CIPHERTEXT_SIZE, POINT_SIZE = 64, 1184, 1088, 32
CURVES: dict[int, ec.EllipticCurve] = {P_256: ec.SECP256R1(), P_384: ec.SECP384R1()}

Encapsulate = Callable[[bytes], tuple[bytes, bytes]]
"""From the octets of an encapsulation key to a new secret and the ciphertext that carries it; `ValueError` if bad."""


def encapsulate(key: bytes) -> tuple[bytes, bytes]:
    """The library's way to do it, with the library's dice."""
    return MLKEM768PublicKey.from_public_bytes(key).encapsulate()


@dataclass(slots=True, frozen=True)
class HybridKey:
    """A client's two secrets of X25519MLKEM768."""

    lattice: MLKEM768PrivateKey = field(repr=False)
    curve: X25519PrivateKey = field(repr=False)


PrivateKey = X25519PrivateKey | ec.EllipticCurvePrivateKey | HybridKey


def make_share(group: int, dice: Dice) -> tuple[PrivateKey, bytes]:
    """A new key of that group, and its public half as it travels."""
    if group == X25519_ML_KEM_768:
        key = HybridKey(MLKEM768PrivateKey.from_seed_bytes(dice(SEED_SIZE)), _x25519(dice))
        # spec: handshake13/hybrid-order
        return key, key.lattice.public_key().public_bytes_raw() + key.curve.public_key().public_bytes_raw()
    if group == X25519:
        secret = _x25519(dice)
        return secret, secret.public_key().public_bytes_raw()
    point = derive_private_key(dice, CURVES[group])
    return point, point.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def combine(secret: PrivateKey, share: bytes) -> bytes:
    """The shared secret. A share that is no point of the group, or leads to nothing but zeros, is refused."""
    try:
        if isinstance(secret, HybridKey):
            return _open_hybrid(secret, share)
        if isinstance(secret, X25519PrivateKey):
            return secret.exchange(X25519PublicKey.from_public_bytes(share))
        if len(share) != 1 + 2 * ((secret.curve.key_size + 7) // 8) or share[0] != 4:
            raise ValueError("not an uncompressed point")
        return secret.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(secret.curve, share))
    except ValueError:
        # spec: handshake12/share-invalid, handshake13/share-invalid
        refuse("illegal_parameter", "the peer's share is not a point of the group")


def answer_share(group: int, share: bytes, dice: Dice, encapsulating: Encapsulate) -> tuple[bytes, bytes]:
    """A server's own share and the secret that both now have, for a client's share of that group."""
    if group != X25519_ML_KEM_768:
        secret, own = make_share(group, dice)
        return own, combine(secret, share)
    if len(share) != ENCAPSULATION_KEY_SIZE + POINT_SIZE:
        refuse("illegal_parameter", f"a hybrid share of {len(share)} octets")  # spec: handshake13/share-invalid
    try:
        shared, ciphertext = encapsulating(share[:ENCAPSULATION_KEY_SIZE])
    except ValueError:
        refuse("illegal_parameter", "the encapsulation key is none")  # spec: handshake13/encapsulation-key-checked
    curve = _x25519(dice)
    own = ciphertext + curve.public_key().public_bytes_raw()
    return own, shared + combine(curve, share[ENCAPSULATION_KEY_SIZE:])


def _open_hybrid(secret: HybridKey, share: bytes) -> bytes:
    if len(share) != CIPHERTEXT_SIZE + POINT_SIZE:
        raise ValueError("a hybrid share of another length")
    point = X25519PublicKey.from_public_bytes(share[CIPHERTEXT_SIZE:])
    return secret.lattice.decapsulate(share[:CIPHERTEXT_SIZE]) + secret.curve.exchange(point)


def _x25519(dice: Dice) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(dice(POINT_SIZE))
