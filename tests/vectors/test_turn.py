"""Replays vectors/turn against wire/turn and protocol/relay. Read next: tests/generate/turn.py and turnsteps.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetref.app.replay.turnwords import METHODS, TYPES, attributes_of, place
from meetref.protocol.credentials import FixedAccounts
from meetref.protocol.machine import Datagram
from meetref.protocol.relaylimits import Limits
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.reader import Malformed
from tests.generate.turn import fields
from tests.protocol.relay_world import DOOR, DOOR_IPV6, Client, World, code_of
from tests.vectors.codeccases import VECTORS, Vector, load, unhex

CASES = [
    case
    for group in json.loads((VECTORS / "turn" / "allocations.json").read_text(encoding="utf-8"))["groups"]
    for case in group["tests"]
]


def read(vector: Vector) -> Any:
    """What wire/ makes of a case, or None when it does not take it."""
    data = unhex(vector.given["hex"])
    try:
        if vector.operation == "parse":
            return fields(stun.parse(data))
        if vector.operation == "channel-data":
            channel, payload = turn.parse_channel_data(data)
            return {"channel": channel, "data": {"hex": payload.hex()}}
        frames, end = turn.split_stream(data)
        return {"messages": [{"hex": frame.hex()} for frame in frames], "rest": len(data) - end}
    except Malformed:
        return None


@pytest.mark.parametrize(
    "vector", [*load("turn/attributes"), *load("turn/channel-data"), *load("turn/streams")], ids=str
)
def test_every_octet(vector: Vector) -> None:
    assert read(vector) == (None if vector.invalid else vector.out)
    if "Canonical" in vector.flags:
        data = unhex(vector.given["hex"])
        if vector.operation == "parse":
            assert stun.serialize(stun.parse(data), fingerprint=False) == data
        else:
            assert turn.serialize_channel_data(vector.out["channel"], unhex(vector.out["data"]["hex"])) == data


class Play:
    """One case being played in a `World`."""

    def __init__(self, init: dict[str, Any]) -> None:
        limits = {name: init[name] for name in ("allocations", "allocations_per_user") if name in init}
        hosts = tuple(host for family, host in ((4, DOOR.host), (6, DOOR_IPV6.host)) if family in init["families"])
        self.world = World(
            limits=Limits(**limits),
            hosts=hosts,
            accounts=FixedAccounts(init["realm"], init["users"]),
            nonce_lasts_for=float(init.get("nonce_lasts_s", 3600)),
        )
        self.users = init["users"]
        self.clients: dict[tuple[str, str, str], Client] = {}
        self.bound: dict[str, Any] = {}
        self.answer: stun.Message | None = None
        self.last = (b"", self.client("first", "alice", None))
        self.out: list[Datagram] = []
        self.even = Address("", 0)

    def client(self, path: str, user: str, password: str | None) -> Client:
        """Users have a nonce each; two on one path have the same address."""
        remote = Address("192.0.2.7", {"first": 1, "second": 2, "third": 3}[path])
        key = (path, user, password or self.users[user])
        if key not in self.clients:
            self.clients[key] = Client(self.world, remote, user=user, password=key[2])
        return self.clients[key]

    def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            self.world.sleep(step["at_ms"] / 1000 - self.world.now)
            if "receive" in step:
                self.receive(step["receive"])
            elif "do" in step:
                data, client = self.last
                (again,) = client.send(data)
                self.answer = stun.parse(again.data)
            else:
                self.expect(step["expect"])

    def receive(self, told: dict[str, Any]) -> None:
        client = self.client(told.get("path", "first"), told.get("user") or "alice", told.get("password"))
        if "request" in told:
            self.ask(client, told)
        elif "indication" in told:
            sent = told["indication"]
            self.out = client.send_data(unhex(sent["data"]), place(sent["peer"]))
        elif "channel" in told:
            self.out = client.send_channel(told["channel"], unhex(told["data"]))
        else:
            self.out = self.world.feed(unhex(told["data"]), client.relayed, place(told["peer"]))

    def ask(self, client: Client, told: dict[str, Any]) -> None:
        """Ask once, and once more where a nonce had to be learned first, unless the case wants it otherwise."""
        method, given = METHODS[told["request"]], attributes_of(told["attributes"], self.bound)
        once = "user" in told and told["user"] is None
        signed = not once and bool(client.nonce)
        self.answer = self.asked(client, client.message(method, *given, signed=signed))
        nonce = self.answer.get(attribute.NONCE)
        if nonce is not None and not once and told.get("nonce") != "old":
            client.nonce = nonce
            self.answer = self.asked(client, client.message(method, *given))
        client.relayed = self.answer.get(attribute.XOR_RELAYED_ADDRESS) or client.relayed

    def asked(self, client: Client, data: bytes) -> stun.Message:
        self.last = data, client
        (answer,) = client.send(data)
        return stun.parse(answer.data)

    def expect(self, wanted: dict[str, Any]) -> None:
        if "answer" in wanted:
            self.expect_answer(wanted)
        elif "peer" in wanted:
            seen = [{"address": str(each.remote), "data": each.data.hex()} for each in self.out]
            assert seen == ([] if wanted["peer"] is None else [wanted["peer"]])
        else:
            assert self.heard() == wanted["client"]

    def expect_answer(self, wanted: dict[str, Any]) -> None:
        assert self.answer is not None
        assert (code_of(self.answer) or "success") == wanted["answer"]
        for name, value in wanted["attributes"].items():
            assert self.answer.get(TYPES[name]) == value, name
        relayed = self.answer.get(attribute.XOR_RELAYED_ADDRESS)
        if "bind_token" in wanted:
            self.bound[wanted["bind_token"]] = self.answer.get(attribute.RESERVATION_TOKEN)
        if wanted.get("port") == "even":
            assert relayed.port % 2 == 0
            self.even = relayed
        elif wanted.get("port") == "next":
            assert relayed == Address(self.even.host, self.even.port + 1)

    def heard(self) -> dict[str, Any] | None:
        """What came to the client: how, from whom, what."""
        if not self.out:
            return None
        (datagram,) = self.out
        if datagram.data[0] >= 64:
            channel, data = turn.parse_channel_data(datagram.data)
            return {"by": channel, "peer": "203.0.113.9:4000", "data": data.hex()}
        message = stun.parse(datagram.data)
        assert (message.kind, message.method) == (stun.Class.INDICATION, turn.DATA_METHOD)
        peer = str(message.get(attribute.XOR_PEER_ADDRESS))
        return {"by": "indication", "peer": peer, "data": message.get(attribute.DATA).hex()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_allocation(case: dict[str, Any]) -> None:
    Play(case["init"]).play(case["steps"])
