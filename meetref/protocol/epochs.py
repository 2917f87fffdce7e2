"""Which keys are in use: the epochs of one association, as their secrets become known, and as they change.

    0 plain | 2 the rest of the handshake | 3 data | 4, 5, ... data, one more with each KeyUpdate of a direction

Stands above `keyschedule13` and `recordlayer13`; `handshake13` tells it what was agreed on.
Specification: RFC 9147 sections 6.1 and 8, RFC 9846 section 7.2.
Leaves out: epoch 1, which belongs to early data. Read next: `protocol/handshake13.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.protocol import keyschedule13
from meetref.protocol.keyschedule import Role
from meetref.protocol.keyschedule13 import ApplicationSecrets, HandshakeSecrets, Suite
from meetref.protocol.recordlayer13 import FIRST_DATA_EPOCH, HANDSHAKE_EPOCH, RecordLayer13


class Epochs:
    """The secrets of both directions, newest first known; `records` gets their keys, `key_log` a line for each."""

    def __init__(self, role: Role, records: RecordLayer13, key_log: Callable[[str], None]) -> None:
        self._role = role
        self._records = records
        self._key_log = key_log
        self._suite: Suite | None = None
        self._ours = self._theirs = b""

    def __repr__(self) -> str:
        return f"Epochs({self._role}, {self._records})"

    def begin_handshake(self, suite: Suite, secrets: HandshakeSecrets, client_random: bytes) -> None:
        """Both hellos are known: epoch 2, in both directions. Doing it again does nothing."""
        if self._records.read_epoch < HANDSHAKE_EPOCH:
            self._suite = suite
            self._take(secrets.client, secrets.server)
            self._records.install_sealer(HANDSHAKE_EPOCH, keyschedule13.traffic_keys(suite, self._ours))
            self._records.install_opener(HANDSHAKE_EPOCH, keyschedule13.traffic_keys(suite, self._theirs))
            self._log(keyschedule13.key_log_lines(client_random, secrets))

    def begin_data(self, suite: Suite, secrets: ApplicationSecrets, client_random: bytes, *, complete: bool) -> None:
        """The server's Finished is known: epoch 3 can be sent, and read only once the handshake is `complete`."""
        if self._records.write_epoch < FIRST_DATA_EPOCH:
            self._take(secrets.client, secrets.server)
            self._records.install_sealer(FIRST_DATA_EPOCH, keyschedule13.traffic_keys(suite, self._ours))
            self._log(keyschedule13.key_log_lines(client_random, secrets))
        if complete and self._records.read_epoch < FIRST_DATA_EPOCH:
            # spec: handshake13/data-after-finished
            self._records.install_opener(FIRST_DATA_EPOCH, keyschedule13.traffic_keys(suite, self._theirs))

    def change_read_keys(self) -> None:
        """The peer will send in the next epoch, once it has our ACK; until then the old keys stay."""
        assert self._suite is not None  # it was agreed on before there was data
        self._theirs = keyschedule13.next_secret(self._suite, self._theirs)
        keys = keyschedule13.traffic_keys(self._suite, self._theirs)
        self._records.install_opener(self._records.read_epoch + 1, keys)

    def change_write_keys(self) -> None:
        """The peer has acknowledged our KeyUpdate: from now on we send in the next epoch."""
        assert self._suite is not None
        self._ours = keyschedule13.next_secret(self._suite, self._ours)
        # spec: handshake13/key-update-acknowledged
        keys = keyschedule13.traffic_keys(self._suite, self._ours)
        self._records.install_sealer(self._records.write_epoch + 1, keys)

    def forget(self) -> None:
        """The association is over."""
        self._ours = self._theirs = b""

    def _take(self, client: bytes, server: bytes) -> None:
        self._ours, self._theirs = (client, server) if self._role == "client" else (server, client)

    def _log(self, lines: list[str]) -> None:
        for line in lines:
            self._key_log(line)
