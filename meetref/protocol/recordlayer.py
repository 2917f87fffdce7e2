"""Protects records and opens them: epochs, sequence numbers, two kinds of ciphers, and a window against replays.

    AES-GCM: nonce = salt 4 (from the key block) | epoch 2 | sequence 6    (the last eight travel before the ciphertext)
    ChaCha20-Poly1305: nonce = salt 12 xor (0 0 0 0 | epoch 2 | sequence 6)                      (nothing of it travels)
    bound, not hidden: epoch 2 | sequence 6 | type 1 | version 2 | length of the plaintext 2

Stands above `wire/dtls`; the handshake and later the data of SCTP go through it.
Specification: RFC 6347 sections 4.1 and 4.1.2.6 (replay), RFC 5288 section 3 and RFC 7905 section 2 (nonces).
Leaves out: a third epoch; renegotiation is refused, so there are two. And a window in epoch 0: nothing there is
authentic, so one forged number could shut out the honest peer. Handshake messages have numbers of their own.
Read next: `protocol/flight.py`.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from meetref.protocol.keyschedule import KeyBlock, Role, Suite
from meetref.protocol.machine import ProtocolMisuse
from meetref.wire import dtls
from meetref.wire.dtls import Record
from meetref.wire.tls import DTLS_1_2, ECDHE_ECDSA_CHACHA20_POLY1305

EXPLICIT_NONCE_SIZE, TAG_SIZE = 8, 16
OVERHEAD = EXPLICIT_NONCE_SIZE + TAG_SIZE
REPLAY_WINDOW = 64
LAST_SEQUENCE = 2**48 - 1

RESERVED_SEQUENCES = 2**16
"""The last numbers are not for data: when they run out, a goodbye and repeated flights can still be sent."""


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


class _Direction:
    """The cipher of one direction. `number` is epoch and sequence, eight octets."""

    def __init__(self, suite: Suite, key: bytes, salt: bytes) -> None:
        self._chacha = ChaCha20Poly1305(key) if suite.number == ECDHE_ECDSA_CHACHA20_POLY1305 else None
        self._gcm = AESGCM(key) if self._chacha is None else None
        self._salt = salt
        self.overhead = TAG_SIZE if self._gcm is None else OVERHEAD

    def seal(self, number: bytes, plaintext: bytes, bound: bytes) -> bytes:
        if self._gcm is not None:
            return number + self._gcm.encrypt(self._salt + number, plaintext, bound)
        assert self._chacha is not None  # one of the two
        return self._chacha.encrypt(self._nonce(number), plaintext, bound)

    def open(self, number: bytes, payload: bytes, bound: bytes) -> bytes:
        """Raises `InvalidTag`."""
        if self._gcm is not None:
            nonce = self._salt + payload[:EXPLICIT_NONCE_SIZE]
            return self._gcm.decrypt(nonce, payload[EXPLICIT_NONCE_SIZE:], bound)
        assert self._chacha is not None
        return self._chacha.decrypt(self._nonce(number), payload, bound)

    def _nonce(self, number: bytes) -> bytes:
        both = int.from_bytes(self._salt, "big") ^ int.from_bytes(number, "big")
        return both.to_bytes(len(self._salt), "big")  # spec: dtls/chacha-nonce


class RecordLayer:
    """Both directions of one association. Epoch 0 is plain, epoch 1 opens once `install` was called."""

    def __init__(self) -> None:
        self.window = ReplayWindow()
        self._next_sequence = [0, 0]
        self._sealer: _Direction | None = None
        self._opener: _Direction | None = None

    def __repr__(self) -> str:
        return f"RecordLayer(protected={self.is_protected})"

    @property
    def is_protected(self) -> bool:
        return self._sealer is not None

    def install(self, keys: KeyBlock, role: Role) -> None:
        """Make epoch 1 usable, in both directions."""
        client = _Direction(keys.suite, keys.client_key, keys.client_salt)
        server = _Direction(keys.suite, keys.server_key, keys.server_salt)
        self._sealer, self._opener = (client, server) if role == "client" else (server, client)

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
        reserved = RESERVED_SEQUENCES if content_type == dtls.APPLICATION_DATA else 0
        if sequence > LAST_SEQUENCE - reserved:  # spec: dtls/sequence-exhausted
            raise ProtocolMisuse("all sequence numbers of this association are used up")
        self._next_sequence[epoch] = sequence + 1  # spec: dtls/sequence-per-epoch
        if epoch == 0:
            return dtls.header(content_type, DTLS_1_2, 0, sequence, len(plaintext)) + plaintext
        if self._sealer is None:
            raise ProtocolMisuse("there are no keys yet")
        number = (epoch << 48 | sequence).to_bytes(8, "big")
        bound = _bound(number, content_type, DTLS_1_2, len(plaintext))
        # spec: dtls/protection
        protected = self._sealer.seal(number, plaintext, bound)
        return dtls.header(content_type, DTLS_1_2, epoch, sequence, len(protected)) + protected

    def open(self, record: Record) -> bytes | str:
        """The plaintext of a record, or in a few words why it is dropped (RFC 6347 section 4.1.2.7)."""
        if record.epoch == 0:
            return record.payload if len(record.payload) <= dtls.MAXIMUM_PLAINTEXT else "record too long"
        if record.epoch != 1 or self._opener is None:
            return "record of another epoch"
        if not self.window.is_fresh(record.sequence):
            return "record replayed"  # spec: dtls/replay
        size = len(record.payload) - self._opener.overhead
        if not 0 <= size <= dtls.MAXIMUM_PLAINTEXT:
            return "record of an impossible length"
        number = (record.epoch << 48 | record.sequence).to_bytes(8, "big")
        bound = _bound(number, record.content_type, record.version, size)
        try:
            plaintext = self._opener.open(number, record.payload, bound)
        except InvalidTag:
            return "record not authentic"  # spec: dtls/bad-record-dropped
        self.window.note(record.sequence)
        return plaintext


def _bound(number: bytes, content_type: int, version: int, size: int) -> bytes:
    return number + bytes((content_type,)) + version.to_bytes(2, "big") + size.to_bytes(2, "big")
