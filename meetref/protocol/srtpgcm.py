"""SRTP with AES-GCM, from scratch: one cipher object a direction is kept, and each packet is one call of it.

    |  header, with its extension  |           payload           |  tag (16)  |
    |<-- authenticated, in clear ->|<-- encrypted ------------------------>|

    |  SRTCP: first 8 octets  |    everything behind them    |  tag (16)  | E |  index (31 bits)  |
    |<-- authenticated ------>|<-- encrypted ------------------------->|<-- authenticated ------>|

A packet's index (roll-overs and sequence number, 48 bits) and its source make the nonce. One nonce used for two packets
gives the authentication key away, so an index is claimed before it is used, and never again.
Stands above `protocol/srtpsession` and the AEAD of `cryptography`; `protocol/srtp` opens it.
Specification: RFC 7714.
Leaves out: SRTCP in clear, which RFC 7714 allows and WebRTC does not; tags of eight octets, of no profile here.
Read next: `protocol/srtpcm.py`, the older cipher; tests/protocol/test_srtp.py compares both with libsrtp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.lock import MAXIMUM_PACKET, LockRefused
from meetref.protocol.srtpindex import Labels, Source, derive
from meetref.protocol.srtpsession import NUMBER_AND_SOURCE, Direction, OwnSession
from meetref.wire import rtp
from meetref.wire.reader import Malformed

NONCE_OCTETS = 12
TAG_OCTETS = 16  # spec: srtp/aead-tag-whole


class GcmDirection(Direction):
    """One kept cipher and a salt; `key` and `salt` are those of the session."""

    __slots__ = ("_salt", "decrypt", "encrypt")

    least = TAG_OCTETS

    def __init__(self, key: bytes, salt: bytes, window: int) -> None:
        super().__init__(window)
        cipher = AESGCM(key)
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt
        self._salt = int.from_bytes(salt)

    @classmethod
    def derived(cls, key: bytes, salt: bytes, labels: Labels, window: int) -> Self:
        """From the master key and the master salt."""
        return cls(derive(key, salt, labels.key, len(key)), derive(key, salt, labels.salt, NONCE_OCTETS), window)

    def base(self, ssrc: int) -> int:
        """Two zero octets, the SSRC and the index, exclusive-or the salt, are a nonce (RFC 7714 section 8.1)."""
        # spec: srtp/aead-nonce
        return self._salt ^ ssrc << 48

    def seal(self, source: Source, index: int, clear: bytes, secret: bytes) -> bytes:
        return self.encrypt((source.base ^ index).to_bytes(NONCE_OCTETS), secret, clear)

    def open(self, source: Source, index: int, clear: bytes, sealed: bytes) -> bytes | None:
        try:
            return self.decrypt((source.base ^ index).to_bytes(NONCE_OCTETS), sealed, clear)
        except InvalidTag:
            return None  # spec: srtp/tag-wrong


class GcmSession(OwnSession):
    """A `protocol.lock.Session` for the profiles of RFC 7714: `OwnSession`, with media in fewer calls.

    This is every packet's way through the server.
    """

    __slots__ = ()

    _in: GcmDirection
    _out: GcmDirection

    def __init__(self, keys: SRTPKeys) -> None:
        super().__init__(keys, GcmDirection.derived)

    def lock_run(self, packets: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        locked = []
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(packets[0][0])
        source = self._out.sender(ssrc, sequence)
        base, claim, encrypt = source.base, source.claim, self._out.encrypt
        for head, first, second in packets:
            payload = first + second
            if len(head) + len(payload) > MAXIMUM_PACKET:
                self._refuse("too large")
                continue
            try:
                nonce = (base ^ claim(head[2] << 8 | head[3])).to_bytes(NONCE_OCTETS)
            except LockRefused as error:
                self._refuse(str(error))
                continue
            locked.append(head + encrypt(nonce, payload, head))  # spec: srtp/aead-associated-data
        return locked

    def unlock(self, packet: bytes) -> bytes | None:
        try:
            start = rtp.payload_offset(packet)
        except Malformed as error:
            return self._refuse(error.what)
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(packet)
        way = self._in
        known = way.sources.get(ssrc)
        source = known or way.begin(ssrc, sequence)
        index = source.index_of(sequence)
        if not source.is_fresh(index):
            return self._refuse("index seen before")
        head = packet[:start]
        try:
            plain = way.decrypt((source.base ^ index).to_bytes(NONCE_OCTETS), packet[start:], head)
        except InvalidTag:
            return self._refuse("tag is wrong")
        if known is None and not way.admit(ssrc, source):
            return self._refuse("too many sources")
        source.use(index)
        return head + plain
