"""The data of DTLS records in the clear: one direction of a conversation, also after its keys have changed.

    1.2  master secret, both randoms, suite --> key block --> epoch 1
    1.3  CLIENT_, SERVER_TRAFFIC_SECRET_0 --> epoch 3 -- "traffic upd" --> 4, 5, ...

Stands on the record layers of `protocol`, below `net/decrypt`, which finds the secrets and asks every direction it
knows: the tag says which one is right, whatever path a record took.
Specification: RFC 5246 section 6.3, RFC 9147 sections 4 and 6.1, RFC 9846 section 7.2.
Leaves out: suites whose records are not authenticated encryption. Read next: `net/decrypt.py`.
"""

from __future__ import annotations

from typing import Protocol

from meetref.protocol import keyschedule, keyschedule13
from meetref.protocol.recordlayer import RecordLayer
from meetref.protocol.recordlayer13 import FIRST_DATA_EPOCH, OTHER_EPOCH, Opened, RecordLayer13
from meetref.wire import dtls, tls

SIGNED_BY_RSA = {
    0xC02F: tls.ECDHE_ECDSA_AES_128_GCM,
    0xC030: tls.ECDHE_ECDSA_AES_256_GCM,
    0xCCA8: tls.ECDHE_ECDSA_CHACHA20_POLY1305,
}
"""Suites of 1.2 that are not spoken here and whose records are those of one that is (RFC 5289, RFC 7905)."""


class Direction(Protocol):
    """What one side of a conversation says."""

    def open(self, record: dtls.Record | dtls.Ciphertext) -> bytes | None:
        """The data in a record of this direction; None for every other record."""
        ...


def suite_of(number: int) -> keyschedule.Suite | None:
    """What protects records as that suite of 1.2 does; None if that is unknown here."""
    return keyschedule.SUITES.get(SIGNED_BY_RSA.get(number, number))


class OlderDirection:
    """What `sender` says in 1.2."""

    def __init__(self, keys: keyschedule.KeyBlock, sender: keyschedule.Role) -> None:
        self._records = RecordLayer()
        self._records.install(keys, "server" if sender == "client" else "client")

    def open(self, record: dtls.Record | dtls.Ciphertext) -> bytes | None:
        """As `Direction` has it."""
        if not isinstance(record, dtls.Record) or record.content_type != dtls.APPLICATION_DATA or not record.epoch:
            return None
        opened = self._records.open(record)
        return opened if isinstance(opened, bytes) else None


class NewerDirection:
    """What the side says in 1.3 whose first secret for data this is."""

    def __init__(self, suite: keyschedule13.Suite, secret: bytes) -> None:
        self._suite, self._secret = suite, secret
        self._records = RecordLayer13()
        self._records.install_opener(FIRST_DATA_EPOCH, keyschedule13.traffic_keys(suite, secret))

    def open(self, record: dtls.Record | dtls.Ciphertext) -> bytes | None:
        """As `Direction` has it."""
        if not isinstance(record, dtls.Ciphertext):
            return None
        opened = self._records.open(record)
        if opened == OTHER_EPOCH:
            opened = self._open_in_next_epoch(record)
        is_data = isinstance(opened, Opened) and opened.content_type == dtls.APPLICATION_DATA
        return opened.plaintext if isinstance(opened, Opened) and is_data else None

    def _open_in_next_epoch(self, record: dtls.Ciphertext) -> Opened | str:
        """Its keys are known without the KeyUpdate that announced them, which the capture may lack."""
        epoch = self._records.read_epoch + 1
        if epoch & dtls.EPOCH_BITS != record.epoch_bits:
            return OTHER_EPOCH
        secret = keyschedule13.next_secret(self._suite, self._secret)
        keys = keyschedule13.traffic_keys(self._suite, secret)
        trial = RecordLayer13()
        trial.install_opener(epoch, keys)
        if not isinstance(trial.open(record), Opened):
            return OTHER_EPOCH
        self._secret = secret
        self._records.install_opener(epoch, keys)
        return self._records.open(record)
