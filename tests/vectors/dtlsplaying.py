"""Plays machine vectors of DTLS: an endpoint with the dice of the case, whose every datagram is given or wanted.

A step gives (`receive`) or wants (`expect`): `send` is all that was sent since the last such step, null nothing;
`alert` the alert that is in there, read with the secrets of the case; `connected` whether keys were given out,
`ended` whether the association is over; `data` what was received last.
Stands below tests/vectors/test_dtlsrefusals.py and test_dtlsstrays.py. Read next: tests/generate/dtlsrefusals.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetref.protocol import keyschedule, keyschedule13
from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.keyschedule import Session
from meetref.protocol.machine import Datagram
from meetref.protocol.recordlayer import RecordLayer
from meetref.protocol.recordlayer13 import Opened, RecordLayer13
from meetref.wire import dtls, tls
from meetref.wire.dtls import Ciphertext, Record
from meetref.wire.reader import Reader
from tests.generate.dtlslies import endpoint, read_certificate
from tests.vectors.codeccases import VECTORS, unhex

Case = dict[str, Any]
EPOCHS = {"HANDSHAKE_TRAFFIC_SECRET": 2, "TRAFFIC_SECRET_0": 3}


def parameters(*names: str) -> list[Any]:
    """All cases of these sets with the params of their group, for `pytest.mark.parametrize`."""
    found = []
    for name in names:
        for group in json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["groups"]:
            for case in group["tests"]:
                mark = pytest.mark.spec(*case["reqs"])
                found.append(pytest.param(group["params"], case, id=case["id"], marks=mark))
    return found


class Player:
    """One endpoint being played: who it is, is in the `params` of the group, what it draws, in `init` of the case."""

    def __init__(self, params: Case, init: Case) -> None:
        self.version, self.role = params["version"], params["role"]
        self._dice = [unhex(each) for each in init["dice"]]
        self.key_log: list[str] = []
        self.sent: list[bytes] = []
        self.events: list[Any] = []
        self._server_random = b""
        own = read_certificate(params["certificate"])
        self.machine = endpoint(self.version, self.role, self._draw, own, init["settings"], self.key_log)
        self.machine.start(0.0)
        self._drain()

    def _draw(self, size: int) -> bytes:
        octets = self._dice.pop(0)
        assert len(octets) == size
        return octets

    def play(self, steps: list[Case]) -> None:
        for step in steps:
            if "receive" in step:
                self.hear(unhex(step["receive"]["hex"]))
            else:
                self.expect(step["expect"])

    def hear(self, data: bytes) -> None:
        self._note_hello(data)
        self.machine.receive_datagram(Datagram(data, self.machine.local, self.machine.remote), 0.0)
        self._drain()

    def expect(self, wanted: Case) -> None:
        if "send" in wanted:
            told = [unhex(each["hex"]) for each in wanted["send"] or ()]
            assert self.sent == told
            self.sent = []
            if "alert" in wanted:
                assert [alert for data in told for alert in self.alerts(data)] == [wanted["alert"]]
        if "data" in wanted:
            assert self.data[-1].hex() == wanted["data"]
        if "connected" in wanted:
            assert self.has(Connected) == wanted["connected"]
        if "ended" in wanted:
            assert self.has(Failed, Closed) == wanted["ended"]
            assert "alert" not in wanted or not wanted["ended"] or self.failure() == wanted["alert"]

    def has(self, *kinds: type) -> bool:
        return any(isinstance(event, kinds) for event in self.events)

    @property
    def data(self) -> list[bytes]:
        """What was received, in its order."""
        return [event.data for event in self.events if isinstance(event, Received)]

    def failure(self) -> str | None:
        return next((event.alert for event in self.events if isinstance(event, Failed)), None)

    def _drain(self) -> None:
        self.events += self.machine.events()
        sent = [datagram.data for datagram in self.machine.transmits()]
        for data in sent:
            self._note_hello(data)
        self.sent += sent

    # --- reading along ----------------------------------------------------------------------------

    def alerts(self, data: bytes) -> list[str]:
        """The alerts in a datagram of ours, opened with what the key log tells."""
        found = []
        layer = self._layer()
        for record in dtls.mixed_records(data) if self.version == "1.3" else dtls.parse(data):
            if isinstance(record, Ciphertext):
                opened = layer.open(record)
                assert isinstance(opened, Opened)
                kind, content = opened.content_type, opened.plaintext
            else:
                kind, content = record.content_type, record.payload if not record.epoch else layer.open(record)
            if kind == dtls.ALERT:
                found.append(tls.parse_alert(content).name)
        return found

    def _layer(self) -> Any:
        if self.version == "1.3":
            newer, suite = RecordLayer13(), keyschedule13.SUITES[tls.AES_128_GCM]
            for line in self.key_log:
                label, _, secret = line.split()
                epoch = EPOCHS.get(label.removeprefix(f"{self.role.upper()}_"))
                if epoch is not None:
                    newer.install_opener(epoch, keyschedule13.traffic_keys(suite, unhex(secret)))
            return newer
        older = RecordLayer()
        for line in self.key_log:
            _, client_random, master = line.split()
            session = Session(unhex(master), unhex(client_random), self._server_random)
            older.install(keyschedule.key_block(session), "server" if self.role == "client" else "client")
        return older

    def _note_hello(self, data: bytes) -> None:
        """The server's random, of which a key log of 1.2 says nothing."""
        if self.version == "1.2" and data[:1] == b"\x16" and data[13:14] == b"\2":
            record: Record = next(dtls.records(data))
            self._server_random = Reader(record.payload[14:46]).rest()
