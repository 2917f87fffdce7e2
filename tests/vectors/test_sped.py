"""Replays vectors/sped: tests/generate/sped.py has the cases; the machine has no clock, so all happens at once."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.protocol.machine import Datagram
from meetref.protocol.sped import Sped
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from tests.vectors.machinesteps import Case, parameters

NOWHERE = Address("192.0.2.1", 1000)


class Player:
    """One machine, and what came of it."""

    def __init__(self, init: Case) -> None:
        self.delivered: list[str] = []
        self.sped = Sped(lambda datagram, now: self.delivered.append(datagram.data.hex()))
        if init["offered"]:
            self.sped.begin()
        self.flight: list[bytes] = []
        self.plain: list[bytes] = []

    def play(self, steps: list[Case]) -> None:
        for step in steps:
            if "do" in step:
                self._do(step["do"])
            elif "receive" in step:
                self._receive(step["receive"])
            else:
                ((what, wanted),) = step["expect"].items()
                assert self._seen(what) == wanted, step

    def _do(self, what: str | Case) -> None:
        match what:
            case {"flight": datagrams}:
                self.flight = [bytes.fromhex(data) for data in datagrams]
                self.sped.carry(self.flight, self.flight, has_path=False)
            case "path-found":
                self.plain = self.sped.carry(self.flight, [], has_path=True)
            case "handshake-complete":
                self.sped.handshake_complete()
            case "data-arrived":
                self.sped.data_arrived()
            case _:
                raise AssertionError(what)

    def _receive(self, told: Case) -> None:
        attributes = []
        if told["data"] is not None:
            attributes.append(Attribute(attribute.DTLS_IN_STUN, bytes.fromhex(told["data"])))
        if told["acknowledged"] is not None:
            checksums = tuple(int(each, 16) for each in told["acknowledged"])
            attributes.append(Attribute(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT, checksums))
        message = stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12), attributes)
        self.sped.alight(stun.parse(stun.serialize(message)), Datagram(b"", NOWHERE, NOWHERE), 0.0)

    def _seen(self, what: str) -> Any:
        match what:
            case "state":
                return self.sped.state
            case "deliver":
                return self.delivered
            case "plain":
                return [data.hex() for data in self.plain]
        said = dict(self.sped.board(1000))
        inside, acknowledged = said.get(attribute.DTLS_IN_STUN), said.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT)
        return {
            "data": None if inside is None else inside.hex(),
            "acknowledged": None if acknowledged is None else [f"{each:08x}" for each in acknowledged],
        }


@pytest.mark.parametrize("case", parameters("sped/steps"))
def test_steps(case: Case) -> None:
    Player(case["init"]).play(case["steps"])


@pytest.mark.parametrize("case", parameters("sped/messages"))
def test_messages(case: Case) -> None:
    """Read, authentic, and the same octets when they are written again."""
    given, data = case["in"], bytes.fromhex(case["in"]["hex"])
    key, message = given["password"].encode(), stun.parse(data)
    inside, acknowledged = message.get(attribute.DTLS_IN_STUN), message.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT)
    assert acknowledged is not None
    assert {"data": inside and inside.hex(), "acknowledged": [f"{each:08x}" for each in acknowledged]} == case["out"]
    assert stun.verify_integrity(data, key)
    assert stun.verify_fingerprint(data)
    again = stun.Message(message.kind, message.method, message.transaction, message.attributes)
    assert stun.serialize(again, integrity_key=key) == data
