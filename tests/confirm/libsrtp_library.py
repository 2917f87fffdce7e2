"""libsrtp as a library: with a roll-over counter and encrypted header elements, which pylibsrtp does not hand out.

Its package carries the library's functions and structures whole, so the rest is called by their addresses.
Stands below `tests/confirm/srtp.py`. Leaves out: cryptex, which this release of libsrtp does not have.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.confirm.witness import Absent

ELEMENTS_AT, ELEMENTS_COUNT_AT = 104, 112
"""Where enc_xtn_hdr and its count stand in srtp_policy_t of libsrtp 2, 64 bits."""

PROFILES = {
    0x0001: "SRTP_PROFILE_AES128_CM_SHA1_80",
    0x0002: "SRTP_PROFILE_AES128_CM_SHA1_32",
    0x0007: "SRTP_PROFILE_AEAD_AES_128_GCM",
    0x0008: "SRTP_PROFILE_AEAD_AES_256_GCM",
}


def version() -> str:
    """Such as 2.7.0. Raises `Absent`."""
    try:
        from pylibsrtp import _binding
    except ImportError:
        raise Absent from None
    found = re.search(rb"libsrtp2 (\d+\.\d+\.\d+)", Path(_binding.__file__).read_bytes())
    if found is None or _binding.ffi.sizeof("srtp_policy_t") != 128:
        raise Absent
    return found[1].decode()


class Library:
    """A session for one source, in one direction, whose state begins at an index of RTP."""

    def __init__(
        self, profile: int, key: bytes, salt: bytes, *, ssrc: int, index: int = 0, elements: Sequence[int] = ()
    ) -> None:
        from pylibsrtp import Policy, Session, _binding

        ffi = _binding.ffi
        kind = getattr(Policy, PROFILES[profile])
        policy = Policy(key=key + salt, ssrc_type=Policy.SSRC_SPECIFIC, ssrc_value=ssrc, srtp_profile=kind)
        policy.window_size = 128
        self._elements = ffi.new("int[]", list(elements) or [0])
        if elements:
            raw = ffi.cast("char *", policy._policy)
            ffi.cast("uintptr_t *", raw + ELEMENTS_AT)[0] = int(ffi.cast("uintptr_t", self._elements))
            ffi.cast("int *", raw + ELEMENTS_COUNT_AT)[0] = len(elements)
        self.session: Any = Session(policy)
        if index >> 16:
            library = ctypes.CDLL(_binding.__file__)
            library.srtp_set_stream_roc.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
            handle = int(ffi.cast("uintptr_t", self.session._srtp[0]))
            if library.srtp_set_stream_roc(handle, ssrc, index >> 16) != 0:
                raise ValueError("libsrtp refuses the roll-over counter")

    def lock(self, kind: str, packet: bytes) -> bytes | None:
        return self._asked(self.session.protect if kind == "rtp" else self.session.protect_rtcp, packet)

    def unlock(self, kind: str, packet: bytes) -> bytes | None:
        return self._asked(self.session.unprotect if kind == "rtp" else self.session.unprotect_rtcp, packet)

    def _asked(self, what: Any, packet: bytes) -> bytes | None:
        from pylibsrtp import Error

        try:
            return bytes(what(packet))
        except (Error, ValueError):
            return None
