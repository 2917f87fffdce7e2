"""Protects records of DTLS 1.3 and opens them: epochs, encrypted sequence numbers, three ciphers, replay windows.

    nonce = iv xor sequence (64 bits; the epoch is not in it, each epoch has keys of its own)
    bound, not hidden: the header, with the sequence as it was before it was encrypted
    hidden: content | type 1 | zeros
    mask of the sequence: one block of AES or ChaCha20, of the first 16 octets of the ciphertext

Stands above `wire/dtls` and `keyschedule13`; the handshake and later the data of SCTP go through it.
Specification: RFC 9147 sections 4 and 6.1, RFC 9846 sections 5.2 and 5.5.
Leaves out: padding; what is sent here is not told apart by its size. And a window in epoch 0, as in `recordlayer`.
Read next: `protocol/flight13.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import ECB

from meetref.protocol.keyschedule13 import NONCE_SIZE, TrafficKeys
from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.recordlayer import LAST_SEQUENCE, ReplayWindow
from meetref.wire import dtls
from meetref.wire.dtls import Ciphertext, Record, RecordNumber
from meetref.wire.tls import CHACHA20_POLY1305, DTLS_1_2

TAG_SIZE, SAMPLE_SIZE = 16, 16
OVERHEAD = dtls.UNIFIED_HEADER.size + 1 + TAG_SIZE

HANDSHAKE_EPOCH, FIRST_DATA_EPOCH = 2, 3
LAST_EPOCH = 2**48 - 1
MOST_SEALED = 2**24
"""Records after which the keys of AES-GCM should be changed: a little before 2^24.5 (RFC 9846 section 5.5)."""

MOST_FORGED = 2**36
"""Records that did not prove authentic after which an epoch is given up (RFC 9147 section 4.5.3)."""

EPOCHS_KEPT = 3
"""How many of the peer's epochs can be read at once: two bits tell four apart."""

MAXIMUM_EARLY = 16
"""Protected records kept that came before their keys: a post-quantum flight has three or four."""

OTHER_EPOCH = "record of another epoch"

Mask = Callable[[bytes], bytes]


@dataclass(slots=True, frozen=True)
class Opened:
    """A record in the clear. A `content_type` of 0 means that the peer sent nothing but zeros."""

    content_type: int
    plaintext: bytes
    number: RecordNumber


class _Direction:
    """The keys of one direction in one epoch, as ciphers."""

    def __init__(self, keys: TrafficKeys) -> None:
        self.cipher = cipher_of(keys)
        self.mask = mask_of(keys)
        self._iv = int.from_bytes(keys.iv, "big")
        self.window = ReplayWindow()
        self.forged = 0

    def nonce(self, sequence: int) -> bytes:
        return (self._iv ^ sequence).to_bytes(NONCE_SIZE, "big")


def cipher_of(keys: TrafficKeys) -> AESGCM | ChaCha20Poly1305:
    """What seals and opens payloads."""
    return ChaCha20Poly1305(keys.key) if keys.suite.number == CHACHA20_POLY1305 else AESGCM(keys.key)


def mask_of(keys: TrafficKeys) -> Mask:
    """What hides sequence numbers: from the first octets of a ciphertext to at least two octets."""
    if keys.suite.number == CHACHA20_POLY1305:
        return lambda sample: Cipher(ChaCha20(keys.sequence_key, sample), None).encryptor().update(bytes(2))
    encryptor = Cipher(AES(keys.sequence_key), ECB()).encryptor()
    return lambda sample: encryptor.update(sample)


class RecordLayer13:
    """Both directions of one association. Epoch 0 is plain; the others open once their keys were installed."""

    def __init__(self) -> None:
        self._sealers: dict[int, _Direction] = {}
        self._openers: dict[int, _Direction] = {}
        self._next_sequence: dict[int, int] = {0: 0}

    def __repr__(self) -> str:
        return f"RecordLayer13(write {self.write_epoch}, read {self.read_epoch})"

    @property
    def write_epoch(self) -> int:
        """The newest epoch in which we can send."""
        return max(self._sealers, default=0)

    @property
    def read_epoch(self) -> int:
        """The newest epoch in which the peer can be understood."""
        return max(self._openers, default=0)

    @property
    def sealed(self) -> int:
        """How many records the newest epoch has protected."""
        return self._next_sequence[self.write_epoch]

    @property
    def is_forged(self) -> bool:
        """Have so many records failed that somebody might hit by chance?"""
        return any(opener.forged > MOST_FORGED for opener in self._openers.values())

    def install_sealer(self, epoch: int, keys: TrafficKeys) -> None:
        """From now on records can be sent in that epoch; older ones stay, for what has to be sent again."""
        self._sealers[epoch] = _Direction(keys)
        self._next_sequence[epoch] = 0

    def install_opener(self, epoch: int, keys: TrafficKeys) -> None:
        """From now on the peer's records of that epoch can be read; the oldest epoch is forgotten."""
        self._openers[epoch] = _Direction(keys)
        for old in sorted(self._openers)[:-EPOCHS_KEPT]:
            del self._openers[old]  # spec: dtls/old-epoch-kept

    def forget_sealers_before(self, epoch: int) -> None:
        """What was sent in older epochs was acknowledged."""
        self._sealers = {each: sealer for each, sealer in self._sealers.items() if each >= epoch}

    def continue_from(self, sequence: int) -> None:
        """Number the plain records from `sequence` on, as `recordlayer.RecordLayer` does, and for the same reason."""
        if self._next_sequence[0] < sequence < LAST_SEQUENCE // 2:
            self._next_sequence[0] = sequence

    def next_number(self, epoch: int) -> RecordNumber:
        """What the next record of that epoch will be called."""
        return RecordNumber(epoch, self._next_sequence[epoch])

    def seal(self, epoch: int, content_type: int, plaintext: bytes) -> bytes:
        """The octets of the next record of that epoch."""
        sequence = self._next_sequence[epoch]
        if sequence > LAST_SEQUENCE:
            raise ProtocolMisuse("all sequence numbers of this epoch are used up")
        self._next_sequence[epoch] = sequence + 1
        if epoch == 0:
            return dtls.header(content_type, DTLS_1_2, 0, sequence, len(plaintext)) + plaintext
        sealer = self._sealers.get(epoch)
        if sealer is None:
            raise ProtocolMisuse(f"there are no keys for epoch {epoch}")
        header = dtls.unified_header(epoch, sequence, len(plaintext) + 1 + TAG_SIZE)
        inner = plaintext + bytes((content_type,))
        payload = sealer.cipher.encrypt(sealer.nonce(sequence), inner, header)  # spec: dtls/unified-protection
        # The same exclusive-or encrypts and decrypts.
        return Ciphertext(header, payload).unmasked(sealer.mask(payload[:SAMPLE_SIZE]))[0] + payload

    def open(self, record: Ciphertext) -> Opened | str:
        """What is inside a protected record, or in a few words why it is dropped (RFC 9147 section 4.5.2)."""
        epoch = max((each for each in self._openers if each & dtls.EPOCH_BITS == record.epoch_bits), default=None)
        if epoch is None:
            return OTHER_EPOCH  # spec: dtls/epoch-bits
        if not TAG_SIZE < len(record.payload) <= dtls.MAXIMUM_PLAINTEXT + 1 + TAG_SIZE:
            return "record of an impossible length"  # spec: dtls/ciphertext-too-short
        opener = self._openers[epoch]
        header, low = record.unmasked(opener.mask(record.payload[:SAMPLE_SIZE]))
        sequence = nearest(low, 8 * record.sequence_size, opener.window.highest + 1)
        try:
            inner = opener.cipher.decrypt(opener.nonce(sequence), record.payload, header)
        except InvalidTag:
            opener.forged += 1
            return "record not authentic"  # spec: dtls/bad-record-dropped
        if not opener.window.is_fresh(sequence):
            return "record replayed"  # spec: dtls/unified-replay
        opener.window.note(sequence)
        content = inner.rstrip(b"\0")  # spec: dtls/padding-removed
        return Opened(content[-1] if content else 0, content[:-1], RecordNumber(epoch, sequence))


class Intake:
    """Opens records, plain and protected ones, and keeps for a while those whose keys are still to come."""

    def __init__(self, records: RecordLayer13) -> None:
        self.early: deque[Ciphertext] = deque()
        self._records = records
        self._hears_protected = False

    def open(self, record: Record | Ciphertext, *, waits: bool) -> Opened | str | None:
        """What is inside; in a few words why it is dropped; None when it was kept. `waits`: more keys are to come.

        Once something protected was understood, nothing plain is taken any more: it could be anybody's.
        """
        if isinstance(record, Record):
            # spec: handshake13/plain-after-protected
            if self._hears_protected or record.epoch or len(record.payload) > dtls.MAXIMUM_PLAINTEXT:
                return "plain record out of place"
            return Opened(record.content_type, record.payload, RecordNumber(0, record.sequence))
        opened = self._records.open(record)
        if isinstance(opened, Opened):
            self._hears_protected = True
        elif opened == OTHER_EPOCH and waits and len(self.early) < MAXIMUM_EARLY:
            self.early.append(record)  # spec: handshake13/early-bounded
            return None
        return opened

    def release(self) -> list[Ciphertext]:
        """What was kept, to be opened again."""
        early = list(self.early)
        self.early.clear()
        return early


def nearest(low: int, bits: int, expected: int) -> int:
    """The number with these low bits that is closest to the expected one (RFC 9147 section 4.2.2)."""
    span = 1 << bits
    found = expected - (expected - low) % span  # the greatest that is not above
    # spec: dtls/sequence-nearest
    if expected - found > span // 2 or found < 0:
        found += span
    return found
