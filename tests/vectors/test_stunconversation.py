"""Replays vectors/stun/keys and vectors/stun/long-term. Read next: tests/generate/stuncredentials.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetref.protocol.account import Account
from meetref.protocol.authenticator import Authenticator, Identity
from meetref.protocol.binding import answer_binding
from meetref.protocol.credentials import (
    Algorithm,
    ExpiringAccounts,
    FixedAccounts,
    long_term_key,
    short_term_key,
    userhash,
)
from meetref.protocol.machine import Datagram
from meetref.protocol.stun import Answered, Client, Failed
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, Attribute, ErrorCode, PasswordAlgorithm
from tests.vectors.codeccases import VECTORS, Vector, load

LOCAL, SERVER = Address("192.0.2.1", 32853), Address("198.51.100.1", 3478)
TYPES = {codec.name: kind for kind, codec in ATTRIBUTES.items()}
CONVERSATIONS = [
    case
    for group in json.loads((VECTORS / "stun" / "long-term.json").read_text(encoding="utf-8"))["groups"]
    for case in group["tests"]
]


@pytest.mark.parametrize("vector", load("stun/keys"), ids=str)
def test_every_key(vector: Vector) -> None:
    given, out = vector.given, vector.out
    match vector.operation:
        case "long-term-key":
            algorithm = Algorithm(given["algorithm"])
            key = long_term_key(given["username"], given["realm"], given["password"], algorithm)
            assert out == {"key": key.hex()}
        case "userhash":
            assert out == {"userhash": userhash(given["username"], given["realm"]).hex()}
        case "short-term-key":
            assert out == {"key": short_term_key(given["password"]).hex()}
        case _:
            accounts = ExpiringAccounts([bytes.fromhex(given["secret"])], 0.0)
            assert accounts.passwords(given["username"], 0.0) == [out["password"]]


class Conversation:
    """Plays one case: what is bound to which name, which keys there are, and the machine that is asked."""

    def __init__(self, init: dict[str, Any]) -> None:
        self.bound: dict[str, Any] = {}
        self.sent: list[bytes] = []
        self.events: list[Any] = []
        self.now = 0.0
        user, password, realm = init.get("username"), init.get("password"), init.get("realm", "example.org")
        self.client: Client | None = None
        if init["role"] == "client":
            stream = iter(range(1, 100))
            self.client = Client(
                LOCAL,
                SERVER,
                lambda size: next(stream).to_bytes(size, "big"),
                Account(init["username"], init["password"]),
                reliable=init["transport"] == "tcp",
            )
        else:
            ((user, password),) = init["users"].items()
            algorithms = tuple(Algorithm(number) for number in init["algorithms"])
            self.server = Authenticator(
                realm,
                FixedAccounts(realm, init["users"]),
                b"a secret of ours",
                algorithms=algorithms,
                nonce_lasts_for=init["nonce_lasts_s"],
            )
        self.keys = {
            "md5": long_term_key(str(user), realm, str(password)),
            "md5-newer": long_term_key(str(user), realm, str(password)),
            "sha256": long_term_key(str(user), realm, str(password), Algorithm.SHA256),
            "wrong": b"another key",
        }

    def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            self.pass_time(step["at_ms"] / 1000)
            if "do" in step:
                assert self.client is not None
                self.client.ask_mapping(self.now)
            elif "receive" in step:
                self.receive(step["receive"])
            self.drain()
            if "expect" in step:
                self.expect(step["expect"], step.get("bind", {}))
        assert not self.sent, "more was sent than expected"
        assert not self.events, "more was told than expected"

    def pass_time(self, until: float) -> None:
        while self.client is not None and self.client.next_timeout() <= until:
            self.now = self.client.next_timeout()
            self.client.handle_timeout(self.now)
            self.drain()
        self.now = until

    def drain(self) -> None:
        if self.client is not None:
            self.sent += [datagram.data for datagram in self.client.transmits()]
            self.events += [event for event in self.client.events() if isinstance(event, Answered | Failed)]

    # --- from the words of a case to octets -----------------------------------------------------------

    def receive(self, told: dict[str, Any]) -> None:
        kind = {"request": stun.Class.REQUEST, "success": stun.Class.SUCCESS, "error": stun.Class.ERROR}[told["class"]]
        transaction = self.bound.setdefault(told["transaction"], told["transaction"].encode().ljust(12, b"-"))
        attributes = [Attribute(TYPES[name], self.value(name, value)) for name, value in told["attributes"].items()]
        if told.get("code"):
            attributes.insert(0, Attribute(attribute.ERROR_CODE, ErrorCode(told["code"], "")))
        message = stun.Message(kind, stun.BINDING, transaction, attributes)
        integrity = told["integrity"]
        form = {"MESSAGE-INTEGRITY": "integrity_key", "MESSAGE-INTEGRITY-SHA256": "sha256_key"}
        keys: dict[str, Any] = {} if integrity is None else {form[integrity["form"]]: self.keys[integrity["key"]]}
        data = stun.serialize(message, **keys)
        if self.client is not None:
            self.client.receive_datagram(Datagram(data, LOCAL, SERVER), self.now)
        else:
            said = self.server.authenticate(data, stun.parse(data), LOCAL, self.now)
            answer = answer_binding(data, LOCAL)
            assert isinstance(answer, bytes)
            self.sent.append(said.protect(stun.parse(answer)) if isinstance(said, Identity) else said.data)

    def value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict) and "bound" in value:
            text: str = self.bound[value["bound"]]
            return text.replace(*value["replace"]) if "replace" in value else text
        if isinstance(value, dict) and "hex" in value:
            return bytes.fromhex(value["hex"])
        if isinstance(value, dict):
            return Address(value["host"], value["port"])
        if name == "PASSWORD-ALGORITHMS":
            return tuple(PasswordAlgorithm(number) for number in value)
        return PasswordAlgorithm(value) if name == "PASSWORD-ALGORITHM" else value

    # --- what must come -------------------------------------------------------------------------------

    def expect(self, expected: dict[str, Any], bind: dict[str, str]) -> None:
        if "event" in expected:
            event = self.events.pop(0)
            assert isinstance(event, {"answered": Answered, "failed": Failed}[expected["event"]])
            assert expected.get("why") is None or event.why == expected["why"]
        elif expected["send"] is None:
            assert not self.sent
        else:
            self.expect_message(expected["send"], bind)

    def expect_message(self, expected: dict[str, Any], bind: dict[str, str]) -> None:
        data = self.sent.pop(0)
        message = stun.parse(data)
        for name, what in bind.items():
            self.bound[name] = message.transaction if what == "transaction" else message.get(TYPES[what])
        assert message.kind.name.lower() == expected["class"]
        if "transaction" in expected:
            assert message.transaction == self.bound[expected["transaction"]]
        if "code" in expected:
            assert message.get(attribute.ERROR_CODE).code == expected["code"]
        for name, value in expected["attributes"].items():
            assert message.get(TYPES[name]) == self.value(name, value), name
        assert not [name for name in expected["lacks"] if message.get(TYPES[name]) is not None]
        integrity = expected["integrity"]
        forms = [] if integrity is None else [integrity["form"]]
        present = {"MESSAGE-INTEGRITY": message.integrity, "MESSAGE-INTEGRITY-SHA256": message.integrity_sha256}
        assert [name for name, value in present.items() if value is not None] == forms
        if integrity is not None:
            verify = stun.verify_integrity if forms == ["MESSAGE-INTEGRITY"] else stun.verify_integrity_sha256
            assert verify(data, self.keys[integrity["key"]])


@pytest.mark.parametrize("case", CONVERSATIONS, ids=lambda case: case["id"])
def test_every_conversation(case: dict[str, Any]) -> None:
    Conversation(case["init"]).play(case["steps"])
