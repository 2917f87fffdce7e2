"""Computations as steps that can be shown: what went in, by which formula, what came out.

Each function computes with the code that the handshakes use, and tells how.
Stands above `protocol/keyschedule`, `protocol/keyschedule13` and `protocol/certificate`.
Specification: RFC 5246 sections 5 and 8.1, RFC 9846 section 7, RFC 5869, RFC 5764 section 4.2.
Leaves out: signing, which needs the private key; a signature is verified instead.
Read next: `explain/older.py`, `explain/newer.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from meetref.app.explain.field import Field, Step, everything
from meetref.app.explain.words import SCHEMES
from meetref.protocol import keyschedule, keyschedule13
from meetref.protocol.certificate import read_public_key, verify_signature
from meetref.wire.reader import vector


def pseudorandom(
    name: str, secret: tuple[str, bytes], label: bytes, seed: tuple[str, bytes], size: int, hash_name: str
) -> Step:
    """The PRF of TLS 1.2: repeated HMAC."""
    output = keyschedule.pseudorandom(secret[1], label, seed[1], size, hash_name)
    formula = f'{name} = PRF({secret[0]}, "{label.decode()}", {seed[0]})[0..{size - 1}]  with HMAC-{_upper(hash_name)}'
    return Step(formula, (secret, ("label", label), seed), output)


def expand(name: str, suite: keyschedule13.Suite, secret: tuple[str, bytes], label: bytes, size: int,
           context: tuple[str, bytes] = ("no context", b"")) -> Step:  # fmt: skip
    """HKDF-Expand-Label, with the octets that say what is wanted."""
    output = keyschedule13.expand_label(suite.hash_name, secret[1], label, context[1], size)
    info = size.to_bytes(2, "big") + vector(1, b"dtls13" + label) + vector(1, context[1])
    formula = f'{name} = HKDF-Expand-Label({secret[0]}, "{label.decode()}", {context[0]}, {size})'
    return Step(formula, (secret, ("info: length, label, context", info)), output)


def extract(name: str, suite: keyschedule13.Suite, salt: tuple[str, bytes], secret: tuple[str, bytes]) -> Step:
    """HKDF-Extract: one HMAC, the salt is its key."""
    output = keyschedule13.extract(suite.hash_name, salt[1], secret[1])
    return Step(f"{name} = HKDF-Extract({salt[0]}, {secret[0]}) = HMAC({salt[0]}, {secret[0]})", (salt, secret), output)


def transcript_hash(hash_name: str, messages: Sequence[tuple[str, bytes]]) -> Step:
    """The hash of messages, named one by one."""
    names = ", ".join(name for name, _ in messages)
    octets = b"".join(each for _, each in messages)
    digest = hashlib.new(hash_name, octets).digest()
    said = f"{len(octets)} octets: {names}"
    return Step(f"transcript hash = {_upper(hash_name)}(messages)", (("messages", said),), digest)


def fingerprint(der: bytes) -> Step:
    """What the description says of a certificate."""
    digest = hashlib.sha256(der).digest()
    return Step("a=fingerprint:sha-256 = SHA-256(certificate)", (("certificate", f"{len(der)} octets"),),
                digest.hex(":").upper())  # fmt: skip


def signature(certificate: bytes, scheme: int, octets: bytes, signed: bytes, of: str) -> Step:
    """Whether a signature is right, with what was signed."""
    key = read_public_key(certificate)
    right = key is not None and verify_signature(key, scheme, octets, signed)
    shown = signed if len(signed) <= 200 else f"{len(signed)} octets: {of}"
    inputs: tuple[tuple[str, bytes | str], ...] = ((f"signed: {of}", shown), ("key", "the point in the certificate"))
    verdict = "it is right" if right else "it is WRONG"
    return Step(f"verify({SCHEMES.get(scheme, hex(scheme))}, key, signed, signature)", inputs, verdict)


def find(fields: Sequence[Field], *names: str) -> Field | None:
    """The first field of that name, inside the first one of the name before."""
    for name in names:
        found = next((each for each in everything(fields) if each.name == name), None)
        if found is None:
            return None
        fields = found.parts
    return found


def _upper(hash_name: str) -> str:
    return hash_name.upper().replace("SHA", "SHA-")
