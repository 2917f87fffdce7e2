"""Protects records and opens them: epochs, sequence numbers, AES-128-GCM, and a window against replays.

    nonce = salt 4 (from the key block) | epoch 2 | sequence 6       (the last eight travel in front of the ciphertext)
    bound, not hidden: epoch 2 | sequence 6 | type 1 | version 2 | length of the plaintext 2

Stands above `wire/dtls`; the handshake and later the data of SCTP go through it.
Specification: RFC 6347 sections 4.1 and 4.1.2.6 (replay), RFC 5288 section 3 (nonces).
Leaves out: a third epoch; renegotiation is refused, so there are two. And a window in epoch 0: nothing there is
authentic, so one forged number could shut out the honest peer. Handshake messages have numbers of their own.
Read next: `protocol/flight.py`.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meetref.protocol.keyschedule import KeyBlock, Role
from meetref.protocol.machine import ProtocolMisuse
from meetref.wire import dtls
from meetref.wire.dtls import Record
from meetref.wire.tls import DTLS_1_2

EXPLICIT_NONCE_SIZE, TAG_SIZE = 8, 16
OVERHEAD = EXPLICIT_NONCE_SIZE + TAG_SIZE
REPLAY_WINDOW = 64
LAST_SEQUENCE = 2**48 - 1


class ReplayWindow:
    """Which of the last `REPLAY_WINDOW` sequence numbers have been seen: one bit each, the highest one lowest."""

    __slots__ = ("highest", "seen")

    def __init__(self) -> None:
        self.highest = -1
        self.seen = 0

    def is_fresh(self, sequence: int) -> bool:
        """May this number still come? False for what was seen, and for what is too old to know."""
        age = self.highest - sequence
        return age < 0 or (age < REPLAY_WINDOW and not self.seen >> age & 1)

    def note(self, sequence: int) -> None:
        """Call it only for a record that proved authentic (RFC 6347 section 4.1.2.6)."""
        age = self.highest - sequence
        if age < 0:
            self.seen = (self.seen << -age | 1) & (1 << REPLAY_WINDOW) - 1 if -age < REPLAY_WINDOW else 1
            self.highest = sequence
        else:
            self.seen |= 1 << age


class RecordLayer:
    """Both directions of one association. Epoch 0 is plain, epoch 1 opens once `install` was called."""

    def __init__(self) -> None:
        self.window = ReplayWindow()
        self._next_sequence = [0, 0]
        self._sealer: AESGCM | None = None
        self._opener: AESGCM | None = None
        self._local_salt = self._remote_salt = b""

    def __repr__(self) -> str:
        return f"RecordLayer(protected={self.is_protected})"

    @property
    def is_protected(self) -> bool:
        return self._sealer is not None

    def install(self, keys: KeyBlock, role: Role) -> None:
        """Make epoch 1 usable, in both directions."""
        local, remote = (keys.client_key, keys.client_salt), (keys.server_key, keys.server_salt)
        if role == "server":
            local, remote = remote, local
        self._sealer, self._local_salt = AESGCM(local[0]), local[1]
        self._opener, self._remote_salt = AESGCM(remote[0]), remote[1]

    def continue_from(self, sequence: int) -> None:
        """Number the plain records from `sequence` on: a server begins with the number of the hello it answers.

        Else two answers to one hello, one of them given without state, would have the same number
        (RFC 6347 section 4.2.1).
        """
        if self._next_sequence[0] < sequence < LAST_SEQUENCE // 2:
            self._next_sequence[0] = sequence

    def seal(self, epoch: int, content_type: int, plaintext: bytes) -> bytes:
        """The octets of the next record of that epoch."""
        sequence = self._next_sequence[epoch]
        if sequence > LAST_SEQUENCE:  # spec: dtls/sequence-exhausted
            raise ProtocolMisuse("all sequence numbers of this association are used up")
        self._next_sequence[epoch] = sequence + 1  # spec: dtls/sequence-per-epoch
        if epoch == 0:
            return dtls.header(content_type, DTLS_1_2, 0, sequence, len(plaintext)) + plaintext
        if self._sealer is None:
            raise ProtocolMisuse("there are no keys yet")
        explicit = (epoch << 48 | sequence).to_bytes(8, "big")
        bound = _bound(explicit, content_type, DTLS_1_2, len(plaintext))
        # spec: dtls/protection
        protected = self._sealer.encrypt(self._local_salt + explicit, plaintext, bound)
        start = dtls.header(content_type, DTLS_1_2, epoch, sequence, OVERHEAD + len(plaintext))
        return start + explicit + protected

    def open(self, record: Record) -> bytes | str:
        """The plaintext of a record, or in a few words why it is dropped (RFC 6347 section 4.1.2.7)."""
        if record.epoch == 0:
            return record.payload if len(record.payload) <= dtls.MAXIMUM_PLAINTEXT else "record too long"
        if record.epoch != 1 or self._opener is None:
            return "record of another epoch"
        if not self.window.is_fresh(record.sequence):
            return "record replayed"  # spec: dtls/replay
        size = len(record.payload) - OVERHEAD
        if not 0 <= size <= dtls.MAXIMUM_PLAINTEXT:
            return "record of an impossible length"
        explicit = record.payload[:EXPLICIT_NONCE_SIZE]
        bound = _bound(
            (record.epoch << 48 | record.sequence).to_bytes(8, "big"), record.content_type, record.version, size
        )
        try:
            plaintext = self._opener.decrypt(self._remote_salt + explicit, record.payload[EXPLICIT_NONCE_SIZE:], bound)
        except InvalidTag:
            return "record not authentic"  # spec: dtls/bad-record-dropped
        self.window.note(record.sequence)
        return plaintext


def _bound(number: bytes, content_type: int, version: int, size: int) -> bytes:
    return number + bytes((content_type,)) + version.to_bytes(2, "big") + size.to_bytes(2, "big")
