"""SRTP with AES in counter mode and HMAC-SHA1, from scratch: the cipher that every WebRTC peer has.

    |  header, with its extension  |           payload           |  tag (10 or 4)  |
    |                              |<-- encrypted ------------->|
    |<-- authenticated, with the roll-over counter behind it --->|

Encryption here is exclusive-or with a key stream that begins anew at each packet's index: the same index twice would
show the difference of two payloads, so an index is claimed before it is used.
Stands above `protocol/srtpsession`, which does the rest, and the primitives of `cryptography`.
Specification: RFC 3711 sections 4.1.1 and 4.2.1; RFC 5764 section 4.1.2 (the profiles).
Leaves out: AES-f8 and encryption by nothing, which no profile of WebRTC has.
Read next: `protocol/libsrtp.py`, which does the same otherwise; tests/protocol/test_srtp.py compares them.
"""

from __future__ import annotations

from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC

from meetref.protocol.srtpindex import RTCP_LABELS, Labels, Source, derive
from meetref.protocol.srtpsession import Direction

KEY_OCTETS, SALT_OCTETS, AUTHENTICATION_KEY_OCTETS = 16, 14, 20
CONTROL_TAG_OCTETS = 10


class CounterModeDirection(Direction):
    """One kept cipher, and one authenticator that is copied for each packet: its key is prepared only once.

    `key`, `authentication_key` and `salt` are those of the session.
    """

    __slots__ = ("_authenticator", "_cipher", "_salt", "tail")

    def __init__(self, key: bytes, authentication_key: bytes, salt: bytes, window: int, tag_octets: int) -> None:
        super().__init__(window)
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        # spec: srtp/authentication-hmac-sha1
        self._authenticator = HMAC(authentication_key, hashes.SHA1())
        self._salt = int.from_bytes(salt)
        self.tail = tag_octets

    @classmethod
    def derived(cls, key: bytes, salt: bytes, labels: Labels, window: int, *, tag_octets: int) -> Self:
        """From the master key and the master salt. `tag_octets` is of RTP: RTCP always has ten."""
        return cls(
            derive(key, salt, labels.key, KEY_OCTETS),
            derive(key, salt, labels.authentication, AUTHENTICATION_KEY_OCTETS),
            derive(key, salt, labels.salt, SALT_OCTETS),
            window,
            CONTROL_TAG_OCTETS if labels == RTCP_LABELS else tag_octets,  # spec: srtp/control-tag-length
        )

    def base(self, ssrc: int) -> int:
        # spec: srtp/counter-mode
        return self._salt << 16 ^ ssrc << 64

    def seal(self, source: Source, index: int, clear: bytes, secret: bytes) -> bytes:
        self._cipher.reset_nonce((source.base ^ index << 16).to_bytes(16))
        return self._cipher.update(secret)

    def open(self, source: Source, index: int, clear: bytes, sealed: bytes) -> bytes | None:
        return self.seal(source, index, clear, sealed)

    def tag(self, covered: bytes) -> bytes:
        authenticator = self._authenticator.copy()
        authenticator.update(covered)
        return authenticator.finalize()[: self.tail]
