"""SRTP with AES-GCM, from scratch: one cipher object a direction is kept, and each packet is one call of it.

    |  header, with its extension  |           payload           |  tag (16)  |
    |<-- authenticated, in clear ->|<-- encrypted ------------------------>|

    |  SRTCP: first 8 octets  |    everything behind them    |  tag (16)  | E |  index (31 bits)  |
    |<-- authenticated ------>|<-- encrypted ------------------------->|<-- authenticated ------>|

A packet's index (roll-overs and sequence number, 48 bits) and its source make the nonce. One nonce used for two packets
gives the authentication key away, so an index is claimed before it is used, and never again.
Stands above `protocol/lock` (the promise) and the AEAD of `cryptography`; `protocol/srtp` opens it.
Specification: RFC 7714; RFC 3711 sections 3.3 (index, replay), 4.3 (keys), 3.4 (SRTCP).
Leaves out: SRTCP in clear, which RFC 7714 allows and WebRTC does not; rekeying, since no call sends 2^48
packets, or 2^31 of RTCP.
Read next: `protocol/libsrtp.py`, which does the same otherwise; tests/protocol/test_srtp.py compares them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.lock import MAXIMUM_PACKET, REPLAY_WINDOW, LockRefused
from meetref.wire import rtp
from meetref.wire.reader import Malformed

NUMBER_AND_SOURCE = Struct("!2xH4xI")
SENDING_WINDOW = 256
"""Packets. Ours leave in order, but for a publisher's own disorder; what is later than this is refused."""

MAXIMUM_SOURCES = 64
"""Incoming sources of one direction and kind: a peer has sixteen streams, and their repairs."""

TAG_OCTETS = 16
NONCE_OCTETS = 12
CONTROL_HEAD_OCTETS = 8
ENCRYPTED = 1 << 31
LAST_INDEX = (1 << 48) - 1

# Labels of the key derivation (RFC 3711 section 4.3.2): cipher key and salt, for RTP and for RTCP.
RTP_KEY, RTP_SALT, RTCP_KEY, RTCP_SALT = 0, 2, 3, 5


class _Source:
    """The numbers of one SSRC: which packet comes next, and which indexes have had their turn.

    A ring: an index has its place by its low bits, and the place holds the highest one that was ever there. Whatever
    is not above that was used, or is older than the window.
    """

    __slots__ = ("base", "highest", "mask", "used")

    def __init__(self, base: int, window: int, first: int) -> None:
        self.base = base
        self.used = array("q", [-1]) * window
        self.mask = window - 1
        self.highest = first

    def index_of(self, sequence: int) -> int:
        """The index that a sequence number stands for: the one nearest to the highest (RFC 3711 section 3.3.1)."""
        highest = self.highest
        return highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000

    def is_fresh(self, index: int) -> bool:
        return index > self.used[index & self.mask] and 0 <= index <= LAST_INDEX

    def use(self, index: int) -> None:
        self.used[index & self.mask] = index
        if index > self.highest:
            self.highest = index

    def claim(self, sequence: int) -> int:
        """The index of a packet to be locked; nobody gets it again. Raises `LockRefused`.

        The three methods above in one, since this is called for every packet that leaves.
        """
        highest = self.highest
        index = highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
        used, place = self.used, index & self.mask
        if index <= used[place] or not 0 <= index <= LAST_INDEX:
            raise LockRefused("index already used")
        used[place] = index
        if index > highest:
            self.highest = index
        return index


class _Direction:
    """One direction of one kind (RTP or RTCP): a kept cipher, a salt, and the sources by SSRC."""

    __slots__ = ("_salt", "_window", "cipher", "sources")

    def __init__(self, key: bytes, salt: bytes, window: int) -> None:
        self.cipher = AESGCM(key)
        self.sources: dict[int, _Source] = {}
        self._salt = int.from_bytes(salt)
        self._window = window

    def begin(self, ssrc: int, first: int) -> _Source:
        """The state of a source whose first packet has the number `first`."""
        return _Source(self._salt ^ ssrc << 48, self._window, first)


class SealedSession:
    """A `protocol.lock.Session` for the profiles of RFC 7714."""

    __slots__ = ("_in", "_in_control", "_out", "_out_control", "profile", "refused")

    def __init__(self, keys: SRTPKeys) -> None:
        self.profile = keys.profile
        self.refused: Counter[str] = Counter()
        self._out, self._out_control = _directions(keys.local_key, keys.local_salt, SENDING_WINDOW)
        self._in, self._in_control = _directions(keys.remote_key, keys.remote_salt, REPLAY_WINDOW)

    # --- locking --------------------------------------------------------------------------------------

    def lock(self, packet: bytes) -> bytes:
        try:
            start = rtp.payload_offset(packet)
        except Malformed as error:
            raise LockRefused(error.what) from None
        if len(packet) > MAXIMUM_PACKET:
            raise LockRefused("too large")
        head, payload = packet[:start], packet[start:]
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(head)
        out = self._out
        source = out.sources.get(ssrc)
        if source is None:
            source = out.sources[ssrc] = out.begin(ssrc, sequence)
        # Two zero octets, the SSRC and the index, exclusive-or the salt (RFC 7714 section 8.1).
        nonce = (source.base ^ source.claim(sequence)).to_bytes(NONCE_OCTETS)
        return head + out.cipher.encrypt(nonce, payload, head)

    def lock_run(self, packets: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        out, locked = self._out, []
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(packets[0][0])
        source = out.sources.get(ssrc)
        if source is None:
            source = out.sources[ssrc] = out.begin(ssrc, sequence)
        base, claim, encrypt = source.base, source.claim, out.cipher.encrypt
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
            locked.append(head + encrypt(nonce, payload, head))
        return locked

    def lock_control(self, packet: bytes) -> bytes:
        if not CONTROL_HEAD_OCTETS <= len(packet) <= MAXIMUM_PACKET:
            raise LockRefused("too large or no packet")
        head, ssrc = packet[:CONTROL_HEAD_OCTETS], int.from_bytes(packet[4:8])
        out = self._out_control
        source = out.sources.get(ssrc)
        if source is None:
            source = out.sources[ssrc] = out.begin(ssrc, 0)
        index = source.highest + 1
        source.use(index)
        trailer = (ENCRYPTED | index).to_bytes(4)
        nonce = (source.base ^ index).to_bytes(NONCE_OCTETS)
        return head + out.cipher.encrypt(nonce, packet[CONTROL_HEAD_OCTETS:], head + trailer) + trailer

    # --- unlocking ------------------------------------------------------------------------------------

    def unlock(self, packet: bytes) -> bytes | None:
        try:
            start = rtp.payload_offset(packet)
        except Malformed as error:
            return self._refuse(error.what)
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(packet)
        source = self._in.sources.get(ssrc) or self._in.begin(ssrc, sequence)
        head = packet[:start]
        plain = self._open(self._in, ssrc, source, source.index_of(sequence), packet[start:], head)
        return None if plain is None else head + plain

    def unlock_control(self, packet: bytes) -> bytes | None:
        if len(packet) < CONTROL_HEAD_OCTETS + TAG_OCTETS + 4:
            return self._refuse("shorter than a locked control packet")
        head, trailer = packet[:CONTROL_HEAD_OCTETS], packet[-4:]
        number = int.from_bytes(trailer)
        if not number & ENCRYPTED:
            return self._refuse("control packet in clear")
        ssrc, index = int.from_bytes(head[4:]), number ^ ENCRYPTED
        source = self._in_control.sources.get(ssrc) or self._in_control.begin(ssrc, 0)
        plain = self._open(self._in_control, ssrc, source, index, packet[CONTROL_HEAD_OCTETS:-4], head + trailer)
        return None if plain is None else head + plain

    def _open(
        self, way: _Direction, ssrc: int, source: _Source, index: int, sealed: bytes, clear: bytes
    ) -> bytes | None:
        """Replay is looked for first, and noted only once the tag has proved right (RFC 3711 section 3.3)."""
        if not source.is_fresh(index):
            return self._refuse("index seen before")
        try:
            plain = way.cipher.decrypt((source.base ^ index).to_bytes(NONCE_OCTETS), sealed, clear)
        except InvalidTag:
            return self._refuse("tag is wrong")
        if ssrc not in way.sources and len(way.sources) >= MAXIMUM_SOURCES:
            return self._refuse("too many sources")
        way.sources[ssrc] = source
        source.use(index)
        return plain

    def forget(self, ssrc: int) -> None:
        if self._in.sources.pop(ssrc, None) is None:
            self.refused["unknown source forgotten"] += 1

    def _refuse(self, why: str) -> bytes | None:
        self.refused[why] += 1
        return None


def _directions(key: bytes, salt: bytes, window: int) -> tuple[_Direction, _Direction]:
    """RTP and RTCP from one master key."""
    octets = len(key)
    return (
        _Direction(derive(key, salt, RTP_KEY, octets), derive(key, salt, RTP_SALT, NONCE_OCTETS), window),
        _Direction(derive(key, salt, RTCP_KEY, octets), derive(key, salt, RTCP_SALT, NONCE_OCTETS), window),
    )


def derive(master_key: bytes, master_salt: bytes, label: int, octets: int) -> bytes:
    """A session key or salt: the key stream of AES in counter mode (RFC 3711 section 4.3.3, RFC 7714 section 11).

    `master_key` has 16 or 32 octets, `master_salt` 12 or 14. The rate of derivation is zero: keys are made once.
    """
    block = int.from_bytes(master_salt.ljust(14, b"\0")) ^ label << 48
    stream = Cipher(algorithms.AES(master_key), modes.CTR((block << 16).to_bytes(16))).encryptor()
    return stream.update(bytes(octets))
