"""GnuTLS as a library, through ctypes: its pseudorandom function of TLS 1.2, AES-GCM, hashes, and form of passwords.

Stands below `tests/confirm/{dtls,handshake12,stun}.py`.
Leaves out: sessions; those are in tests/peers/test_dtls_gnutls.py.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import byref, c_char_p, c_size_t, c_uint, c_void_p

from tests.confirm.witness import Absent

SHA256 = 6  # GNUTLS_MAC_SHA256
HASHES = {"md5": (2, 16), "sha1": (3, 20), "sha256": (SHA256, 32)}  # GNUTLS_DIG_..., and how many octets it gives


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


def pseudorandom(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 of RFC 5246 section 5."""
    out = ctypes.create_string_buffer(size)
    sizes = [c_size_t(len(octets)) for octets in (secret, label, seed)]
    arguments = (sizes[0], secret, sizes[1], label, sizes[2], seed, c_size_t(size), out)
    if library()._gnutls_prf_raw(SHA256, *arguments) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def seal(key: bytes, nonce: bytes, bound: bytes, plaintext: bytes) -> bytes:
    """AES-128-GCM: ciphertext and tag."""
    gnutls, handle = library(), c_void_p()
    kind = gnutls.gnutls_cipher_get_id(b"AES-128-GCM")
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


def digest(name: str, data: bytes) -> bytes:
    """A hash of HASHES."""
    number, size = HASHES[name]
    out = ctypes.create_string_buffer(size)
    if library().gnutls_hash_fast(number, data, c_size_t(len(data)), out) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def mac(name: str, key: bytes, data: bytes) -> bytes:
    """An HMAC with a hash of HASHES."""
    number, size = HASHES[name]
    out = ctypes.create_string_buffer(size)
    if library().gnutls_hmac_fast(number, key, c_size_t(len(key)), data, c_size_t(len(data)), out) != 0:
        raise ValueError("GnuTLS refuses")
    return out.raw


def opaque_string(text: str) -> str:
    """The one form of a password, as RFC 8265 section 4.2 has it. Raises `ValueError`."""
    octets, out = text.encode(), Datum()
    gnutls = library()
    if gnutls.gnutls_utf8_password_normalize(octets, c_size_t(len(octets)), byref(out), 0) != 0:
        raise ValueError("GnuTLS refuses")
    return ctypes.string_at(out.data, out.size).decode() if out.size else ""
