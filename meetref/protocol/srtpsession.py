"""Our SRTP, but for the cipher: both directions of a connection, what is looked at before a packet opens, and after.

    |  header, with its extension  |        payload         |  tag, in or behind the ciphertext  |
    |  SRTCP: first 8 octets  |  everything behind them  |  E  |  index (31 bits)  |  tag somewhere  |

A cipher is a `Direction`, which seals and opens octets under a source and an index. Where its tag goes is the
difference: AES-GCM has its tag in what it seals, HMAC-SHA1 adds one behind everything (`tail` octets of it).
Stands above `protocol/srtpindex` and `protocol/lock`; `protocol/srtpcm` and `protocol/srtpgcm` are the ciphers.
Specification: RFC 3711 sections 3.3 (processing) and 3.4 (SRTCP).
Leaves out: MKI and SRTCP in clear, which WebRTC does not use; rekeying, since no call sends 2^48 packets.
Read next: `protocol/srtpgcm.py`; tests/protocol/test_srtp.py, which compares all of it with libsrtp.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from struct import Struct

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.lock import MAXIMUM_PACKET, MAXIMUM_SOURCES, REPLAY_WINDOW, LockRefused
from meetref.protocol.srtpindex import CONTROL_WINDOW, RTCP_LABELS, RTP_LABELS, SENDING_WINDOW, Labels, Source
from meetref.wire import rtp
from meetref.wire.reader import Malformed

NUMBER_AND_SOURCE = Struct("!2xH4xI")
CONTROL_HEAD_OCTETS = 8
CONTROL_INDEX_OCTETS = 4
ENCRYPTED = 1 << 31


class Direction(ABC):
    """One direction of one kind (RTP or RTCP): kept cipher objects, and the sources by SSRC. A cipher fills it in."""

    __slots__ = ("_window", "sources")

    least = 0
    """Octets of the smallest thing that `open` can open."""

    tail = 0
    """Octets of the tag that stands behind everything; 0 where the sealed octets have it inside."""

    def __init__(self, window: int) -> None:
        self._window = window
        self.sources: dict[int, Source] = {}  # spec: srtp/index-per-source

    @abstractmethod
    def base(self, ssrc: int) -> int:
        """What an index is exclusive-ored to."""

    @abstractmethod
    def seal(self, source: Source, index: int, clear: bytes, secret: bytes) -> bytes:
        """`secret` encrypted; `clear` is only to be authenticated."""

    @abstractmethod
    def open(self, source: Source, index: int, clear: bytes, sealed: bytes) -> bytes | None:
        """The secret, or None where its tag is wrong."""

    def tag(self, covered: bytes) -> bytes:
        """`tail` octets that prove who wrote `covered`."""
        return b""

    def begin(self, ssrc: int, first: int) -> Source:
        """The state of a source whose first packet has the number `first`; nobody remembers it yet."""
        return Source(self.base(ssrc), self._window, first)

    def sender(self, ssrc: int, first: int) -> Source:
        """The state of a source of ours."""
        source = self.sources.get(ssrc)
        if source is None:
            source = self.sources[ssrc] = self.begin(ssrc, first)
        return source

    def admit(self, ssrc: int, source: Source) -> bool:
        """Remember a source whose first packet proved authentic; false where there are too many."""
        if len(self.sources) >= MAXIMUM_SOURCES:  # spec: srtp/sources-bounded
            return False
        self.sources[ssrc] = source
        return True


Make = Callable[[bytes, bytes, Labels, int], Direction]
"""Makes a direction of a master key, a master salt, the labels of its session keys, and a window."""


class OwnSession:
    """A `protocol.lock.Session` for any cipher."""

    __slots__ = ("_in", "_in_control", "_out", "_out_control", "profile", "refused")

    def __init__(self, keys: SRTPKeys, make: Make) -> None:
        self.profile = keys.profile
        self.refused: Counter[str] = Counter()
        self._out = make(keys.local_key, keys.local_salt, RTP_LABELS, SENDING_WINDOW)
        # spec: srtp/session-keys-apart
        self._out_control = make(keys.local_key, keys.local_salt, RTCP_LABELS, CONTROL_WINDOW)
        self._in = make(keys.remote_key, keys.remote_salt, RTP_LABELS, REPLAY_WINDOW)
        self._in_control = make(keys.remote_key, keys.remote_salt, RTCP_LABELS, CONTROL_WINDOW)

    # --- locking --------------------------------------------------------------------------------------

    def lock(self, packet: bytes) -> bytes:
        try:
            start = rtp.payload_offset(packet)
        except Malformed as error:
            raise LockRefused(error.what) from None
        return self._lock_parts(packet[:start], packet[start:])

    def lock_run(self, packets: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        locked = []
        for head, first, second in packets:
            try:
                locked.append(self._lock_parts(head, first + second))
            except LockRefused as error:
                self._refuse(str(error))
        return locked

    def _lock_parts(self, head: bytes, payload: bytes) -> bytes:
        if len(head) + len(payload) > MAXIMUM_PACKET:
            raise LockRefused("too large")  # spec: srtp/largest-packet
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(head)
        source = self._out.sender(ssrc, sequence)
        index = source.claim(sequence)
        locked = self._seal(source, index, head, payload)
        # spec: srtp/roll-over-authenticated
        return locked + self._out.tag(locked + (index >> 16).to_bytes(4))

    def lock_control(self, packet: bytes) -> bytes:
        if not CONTROL_HEAD_OCTETS <= len(packet) <= MAXIMUM_PACKET:
            raise LockRefused("too large or no packet")
        head, way = packet[:CONTROL_HEAD_OCTETS], self._out_control
        source = way.sender(int.from_bytes(head[4:]), 0)
        index = source.claim_next()
        # spec: srtp/control-trailer
        trailer = (ENCRYPTED | index).to_bytes(CONTROL_INDEX_OCTETS)
        # spec: srtp/control-authenticated
        # spec: srtp/aead-control
        locked = head + way.seal(source, index, head + trailer, packet[CONTROL_HEAD_OCTETS:]) + trailer
        return locked + way.tag(locked)

    def _seal(self, source: Source, index: int, head: bytes, payload: bytes) -> bytes:
        return head + self._out.seal(source, index, head, payload)  # spec: srtp/payload-encrypted

    # --- unlocking ------------------------------------------------------------------------------------

    def unlock(self, packet: bytes) -> bytes | None:
        """Replay is looked for first, and noted only once the tag has proved right (RFC 3711 section 3.3)."""
        way = self._in
        end = len(packet) - way.tail
        locked, tag = packet[:end], packet[end:]
        try:
            start = rtp.payload_offset(locked)
        except Malformed as error:
            return self._refuse(error.what)
        sequence, ssrc = NUMBER_AND_SOURCE.unpack_from(locked)
        known = way.sources.get(ssrc)
        source = known or way.begin(ssrc, sequence)
        index = source.index_of(sequence)
        if not source.is_fresh(index):
            return self._refuse("index seen before")
        covered = locked + (index >> 16).to_bytes(4)
        plain = self._open(source, index, locked, start) if self._is_authentic(way, covered, tag) else None
        if plain is None:
            return self._refuse("tag is wrong")
        if known is None and not way.admit(ssrc, source):
            return self._refuse("too many sources")
        source.use(index)
        return plain

    def unlock_control(self, packet: bytes) -> bytes | None:
        way = self._in_control
        end = len(packet) - way.tail
        if end < CONTROL_HEAD_OCTETS + way.least + CONTROL_INDEX_OCTETS:
            return self._refuse("shorter than a locked control packet")
        locked, tag = packet[:end], packet[end:]
        head, trailer = locked[:CONTROL_HEAD_OCTETS], locked[-CONTROL_INDEX_OCTETS:]
        number = int.from_bytes(trailer)
        if not number & ENCRYPTED:
            return self._refuse("control packet in clear")  # spec: srtp/control-encrypted-flag
        ssrc, index = int.from_bytes(head[4:]), number ^ ENCRYPTED
        known = way.sources.get(ssrc)
        source = known or way.begin(ssrc, 0)
        if not source.is_fresh(index):
            return self._refuse("index seen before")
        sealed = locked[CONTROL_HEAD_OCTETS:-CONTROL_INDEX_OCTETS]
        is_authentic = self._is_authentic(way, locked, tag)
        plain = way.open(source, index, head + trailer, sealed) if is_authentic else None
        if plain is None:
            return self._refuse("tag is wrong")
        if known is None and not way.admit(ssrc, source):
            return self._refuse("too many sources")
        source.use(index)
        return head + plain

    def _open(self, source: Source, index: int, locked: bytes, start: int) -> bytes | None:
        head = locked[:start]
        plain = self._in.open(source, index, head, locked[start:])
        return None if plain is None else head + plain

    def _is_authentic(self, way: Direction, covered: bytes, tag: bytes) -> bool:
        # spec: srtp/tag-wrong
        return hmac.compare_digest(way.tag(covered), tag)

    def forget(self, ssrc: int) -> None:
        if self._in.sources.pop(ssrc, None) is None:
            self.refused["unknown source forgotten"] += 1

    def _refuse(self, why: str) -> bytes | None:
        self.refused[why] += 1
        return None
