"""GnuTLS as a library, through ctypes: PRF of TLS 1.2, HKDF, hashes, HMACs, AES, AES-GCM, ChaCha20, form of passwords.

Stands below `tests/confirm/{dtls,handshake12,handshake13,srtp,stun}.py`.
Leaves out: sessions; those are in tests/peers/test_dtls_gnutls.py.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import byref, c_char_p, c_size_t, c_uint, c_void_p

from tests.confirm.witness import Absent


class Datum(ctypes.Structure):
    """How GnuTLS is handed octets."""

    _fields_ = (("data", c_char_p), ("size", c_uint))


def library() -> ctypes.CDLL:
    """The library. Raises `Absent`."""
    name = ctypes.util.find_library("gnutls")
    try:
        loaded = ctypes.CDLL(name or "libgnutls.so.30")
    except OSError:
        raise Absent from None
    if not hasattr(loaded, "_gnutls_prf_raw"):
        raise Absent
    return loaded


def version() -> str:
    """Such as 3.7.9. Raises `Absent`."""
    check = library().gnutls_check_version
    check.restype = c_char_p
    return str(check(None).decode())


def pseudorandom(secret: bytes, label: bytes, seed: bytes, size: int, name: str = "sha256") -> bytes:
    """P_hash of RFC 5246 section 5."""
    out = ctypes.create_string_buffer(size)
    sizes = [c_size_t(len(octets)) for octets in (secret, label, seed)]
    arguments = (sizes[0], secret, sizes[1], label, sizes[2], seed, c_size_t(size), out)
    if library()._gnutls_prf_raw(HASHES[name][0], *arguments) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def seal(key: bytes, nonce: bytes, bound: bytes, plaintext: bytes, cipher: str = "") -> bytes:
    """Ciphertext and tag; `cipher` as GnuTLS calls it, AES-GCM if nothing is said."""
    gnutls, handle = library(), c_void_p()
    kind = gnutls.gnutls_cipher_get_id((cipher or f"AES-{8 * len(key)}-GCM").encode())
    if gnutls.gnutls_aead_cipher_init(byref(handle), kind, byref(Datum(key, len(key)))) != 0:
        raise ValueError("GnuTLS refuses")
    out, size = ctypes.create_string_buffer(len(plaintext) + 16), c_size_t(len(plaintext) + 16)
    lengths = [c_size_t(len(octets)) for octets in (nonce, bound, plaintext)]
    arguments = (nonce, lengths[0], bound, lengths[1], c_size_t(16), plaintext, lengths[2], out, byref(size))
    code = gnutls.gnutls_aead_cipher_encrypt(handle, *arguments)
    gnutls.gnutls_aead_cipher_deinit(handle)
    if code != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw[: size.value]


def block(key: bytes, octets: bytes) -> bytes:
    """AES of one block of 16 octets."""
    return _ciphered(f"AES-{8 * len(key)}-CBC", key, bytes(16), octets)


def stream(key: bytes, start: bytes) -> bytes:
    """The first 16 octets of ChaCha20's stream; `start` has the counter, 4, and the nonce, 12."""
    return _ciphered("CHACHA20-32", key, start, bytes(16))


def _ciphered(cipher: str, key: bytes, start: bytes, octets: bytes) -> bytes:
    gnutls, handle = library(), c_void_p()
    kind = gnutls.gnutls_cipher_get_id(cipher.encode())
    if gnutls.gnutls_cipher_init(byref(handle), kind, byref(Datum(key, len(key))), byref(Datum(start, 16))) != 0:
        raise ValueError("GnuTLS refuses")
    out = ctypes.create_string_buffer(16)
    code = gnutls.gnutls_cipher_encrypt2(handle, octets, c_size_t(16), out, c_size_t(16))
    gnutls.gnutls_cipher_deinit(handle)
    if code != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


HASHES = {"md5": (2, 16), "sha1": (3, 20), "sha256": (6, 32), "sha384": (7, 48)}
"""GNUTLS_DIG_SHA256 and its like, with the size of the hash."""


def digest(name: str, data: bytes) -> bytes:
    """The hash itself."""
    kind, size = HASHES[name]
    out = ctypes.create_string_buffer(size)
    if library().gnutls_hash_fast(kind, data, c_size_t(len(data)), out) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def mac(name: str, key: bytes, data: bytes) -> bytes:
    """An HMAC with a hash of HASHES."""
    kind, size = HASHES[name]
    out = ctypes.create_string_buffer(size)
    if library().gnutls_hmac_fast(kind, key, c_size_t(len(key)), data, c_size_t(len(data)), out) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def extract(name: str, salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract of RFC 5869 section 2.2."""
    kind, size = HASHES[name]
    out = ctypes.create_string_buffer(size)
    salt = salt or bytes(size)
    if library().gnutls_hkdf_extract(kind, byref(Datum(secret, len(secret))), byref(Datum(salt, len(salt))), out) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def expand(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Expand of RFC 5869 section 2.3."""
    out = ctypes.create_string_buffer(size)
    key, told = Datum(secret, len(secret)), Datum(info, len(info))
    if library().gnutls_hkdf_expand(HASHES[name][0], byref(key), byref(told), out, c_size_t(size)) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def opaque_string(text: str) -> str:
    """The one form of a password, as RFC 8265 section 4.2 has it. Raises `ValueError`."""
    octets, out = text.encode(), Datum()
    gnutls = library()
    if gnutls.gnutls_utf8_password_normalize(octets, c_size_t(len(octets)), byref(out), 0) != 0:
        raise ValueError("GnuTLS refuses")
    return ctypes.string_at(out.data, out.size).decode() if out.size else ""
