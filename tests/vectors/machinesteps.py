"""Plays machine vectors of ice, consent and trickle on a virtual clock: an agent, and a peer whose every word is given.

A step gives (`do`, `receive`) or wants (`expect`) something at a time in milliseconds, or between two. Times are kept
exactly: before a step the agent's deadlines up to it are honoured, in order; a time that has passed means at once. What
it sends waits in a list until a step expects it; `"send": null` wants the list to be empty. vectors/ice/README.md has
the words of the steps.
Stands below tests/vectors/test_{ice,consent,trickle}.py.
"""

from __future__ import annotations

import itertools
import json
import random
from base64 import b64decode
from typing import Any

import pytest

from meetref.protocol import check, ice
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram, Dice
from meetref.protocol.peer import Peer, Remote
from meetref.wire import attribute, stun
from meetref.wire import candidate as candidates
from meetref.wire.address import Address, StreamAddress, canonical_host
from tests.protocol.dtls_pairs import CERTIFICATES
from tests.vectors.codeccases import VECTORS

Case = dict[str, Any]
KINDS = {"request": stun.Class.REQUEST, "success": stun.Class.SUCCESS, "error": stun.Class.ERROR}
SLACK = 0.0005  # seconds: times in the files are whole milliseconds


def cases(name: str) -> list[Case]:
    """All cases of a set of machine vectors, such as "ice/roles"."""
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [case for group in data["groups"] for case in group["tests"]]


def parameters(*names: str) -> list[Any]:
    """The same for `pytest.mark.parametrize`, with the requirements that each case proves."""
    found = [case for name in names for case in cases(name)]
    return [pytest.param(case, id=case["id"], marks=pytest.mark.spec(*case["reqs"])) for case in found]


def place(text: str) -> Address:
    """`192.0.2.1:1000`, `[2001:db8::1]:1000`, or `tcp 192.0.2.1:1000`."""
    kind = StreamAddress if text.startswith("tcp ") else Address
    host, _, port = text.removeprefix("tcp ").rpartition(":")
    return kind(canonical_host(host.strip("[]")), int(port))


def written(address: Address) -> str:
    return f"tcp {address}" if isinstance(address, StreamAddress) else str(address)


def credentials(given: Case) -> ice.Credentials:
    return ice.Credentials(given["ufrag"], given["password"])


class Player:
    """One case being played."""

    def __init__(self, init: Case) -> None:
        dice = random.Random(1).randbytes
        self.own = credentials(init["own"])
        self.peer = credentials(init["peer"])
        self.now = 0.0
        self.machine: ice.Agent | LiteAgent | Peer
        if init.get("lite"):
            self.machine = LiteAgent(credentials=self.own, dice=dice)
        else:
            self.machine = self._full(init, dice)
            self.agent._role.tie_breaker = int(init["tie_breaker"], 16)  # type: ignore[union-attr]
        self.sent: list[tuple[float, Datagram]] = []
        self.names: dict[str, bytes] = {}
        self.formers: dict[str, tuple[ice.Credentials, ice.Credentials]] = {}
        """What both sides were called before a restart, by our fragment."""
        self._count = itertools.count(1)
        for text in init["local"]:
            self.machine.add_local_candidate(candidates.parse(text), 0.0)
        if init.get("introduced", True):
            self._introduce(**init.get("peer_traits", {}))
        self._drain()

    def _full(self, init: Case, dice: Dice) -> ice.Agent | Peer:
        return ice.Agent(controlling=init["role"] == "controlling", credentials=self.own, dice=dice)

    def _introduce(self, **traits: bool) -> None:
        self.agent.set_remote_credentials(self.peer, self.now, **traits)

    @property
    def agent(self) -> ice.Agent | LiteAgent:
        assert not isinstance(self.machine, Peer)
        return self.machine

    def play(self, steps: list[Case]) -> None:
        for step in steps:
            first, last = step["at_ms"] if isinstance(step["at_ms"], list) else (step["at_ms"], step["at_ms"])
            expected = step.get("expect", {})
            if "do" in step or "receive" in step:
                self._pass_time(first / 1000)
                self._do(step)
            if isinstance(expected.get("send"), dict):
                self._expect_message(expected["send"], first / 1000, last / 1000, step.get("bind", {}))
            elif expected:
                self._pass_time(last / 1000)
                self._expect(expected)

    def _pass_time(self, until: float) -> None:
        while (due := self.machine.next_timeout()) <= until:
            self.now = max(self.now, due)
            self.machine.handle_timeout(self.now)
            assert self.machine.next_timeout() > self.now
            self._drain()
        self.now = max(self.now, until)

    def _drain(self) -> None:
        self.sent += [(self.now, datagram) for datagram in self.machine.transmits()]
        list(self.machine.events())

    # --- what happens ---------------------------------------------------------------------------------

    def _do(self, step: Case) -> None:
        if "receive" in step:
            self._receive(step["receive"])
        elif step["do"] == "end-of-candidates":
            self.machine.end_of_remote_candidates(self.now)
        elif step["do"] == "remote-credentials":
            self._introduce()
        else:
            ((verb, what),) = step["do"].items()
            if verb == "remote-candidate":
                self.machine.add_remote_candidate(candidates.parse(what), self.now)
            elif verb == "local-candidate":
                base = place(what["base"]) if "base" in what else None
                self.machine.add_local_candidate(candidates.parse(what["candidate"]), self.now, base=base)
            elif verb == "restart":
                self._restart(what)
            else:
                assert verb == "path-closed", verb
                self.machine.path_closed(place(what["local"]), place(what["remote"]), self.now)
        self._drain()

    def _restart(self, what: Case) -> None:
        raise NotImplementedError

    def _receive(self, message: Case) -> None:
        kind = KINDS[message["kind"]]
        own, peer = self.formers.get(message.get("generation", ""), (self.own, self.peer))
        if kind is stun.Class.REQUEST:
            octets = self._request(message, own, peer)
        else:
            asked = stun.Message(stun.Class.REQUEST, stun.BINDING, self.names[message["transaction"]])
            octets = _answer(kind, asked, message, peer.password)
        self.machine.receive_datagram(Datagram(octets, place(message["to"]), place(message["from"])), self.now)

    def _request(self, message: Case, own: ice.Credentials, peer: ice.Credentials) -> bytes:
        identifier = next(self._count).to_bytes(12, "big")
        if "name" in message:
            self.names[message["name"]] = identifier
        role = check.Role(message["role"] == "controlling", int(message["tie_breaker"], 16))
        question = check.Question(
            message["priority"], role, message.get("use_candidate", False), message.get("nomination", 0)
        )
        return check.request(identifier, question, peer, own)

    # --- what is wanted -------------------------------------------------------------------------------

    def _expect_message(self, wanted: Case, first: float, last: float, bind: dict[str, str]) -> None:
        while not self.sent and self.now < last:
            self._pass_time(min(max(self.machine.next_timeout(), self.now + 1e-6), last))
        assert self.sent, f"nothing was sent until {last}"
        at, datagram = self.sent.pop(0)
        assert first - SLACK <= at <= last + SLACK, f"sent at {at}, not between {first} and {last}"
        message = stun.parse(datagram.data)
        seen = self._values(message, datagram)
        assert {name: seen.get(name) for name in wanted} == wanted
        sides = [(self.own, self.peer), *self.formers.values()]
        keys = [peer.password if message.kind is stun.Class.REQUEST else own.password for own, peer in sides]
        assert any(stun.verify_integrity(datagram.data, key.encode()) for key in keys)
        assert stun.verify_fingerprint(datagram.data)
        for name in bind.values():
            self.names[name] = message.transaction

    def _values(self, message: stun.Message, datagram: Datagram) -> Case:
        kind = next(name for name, value in KINDS.items() if value is message.kind)
        values: Case = {"kind": kind, "from": written(datagram.local), "to": written(datagram.remote)}
        values["transaction"] = next(
            (name for name, octets in self.names.items() if octets == message.transaction), None
        )
        if message.kind is stun.Class.REQUEST:
            controlling = message.get(attribute.ICE_CONTROLLING)
            values["role"] = "controlled" if controlling is None else "controlling"
            values["username"] = message.get(attribute.USERNAME)
            values["priority"] = message.get(attribute.PRIORITY)
            values["use_candidate"] = message.get(attribute.USE_CANDIDATE) is not None
            values["nomination"] = message.get(attribute.NOMINATION)
        elif message.kind is stun.Class.SUCCESS:
            values["mapped"] = str(message.get(attribute.XOR_MAPPED_ADDRESS))
        else:
            values["code"] = message.get(attribute.ERROR_CODE).code
        return values

    def _expect(self, wanted: Case) -> None:
        if "send" in wanted:
            assert not self.sent, self.sent
        if "state" in wanted:
            assert self.agent.state == wanted["state"]
        if "role" in wanted:
            assert self.agent.controlling == (wanted["role"] == "controlling")
        if "selected" in wanted:
            pair = self.agent.selected
            assert (None if pair is None else [written(pair.local), written(pair.remote)]) == wanted["selected"]
        if "pairs" in wanted:
            assert isinstance(self.agent, ice.Agent)
            ordered = sorted(self.agent._checklist.pairs.values(), key=self.agent._checklist.rank, reverse=True)
            found = [[written(pair.local), written(pair.remote), pair.state.value] for pair in ordered]
            assert found == wanted["pairs"]
        if "valid" in wanted:
            assert self.agent.is_valid_path(*map(place, wanted["valid"]))
        if "path" in wanted:
            assert isinstance(self.machine, Peer)
            assert self.machine.path is not None
            assert [*map(written, self.machine.path)] == wanted["path"]


class RestartPlayer(Player):
    """Plays a whole connection, whose path outlives an agent. Credentials come out of its dice, octet for octet."""

    def _full(self, init: Case, dice: Dice) -> Peer:
        self._queue = [self.own]

        def scripted(size: int) -> bytes:
            if size == 6 and self._queue:
                return b64decode(self._queue[0].ufrag)
            return b64decode(self._queue.pop(0).password) if size == 18 and self._queue else dice(size)

        return Peer(
            controlling=init["role"] == "controlling",
            certificate=CERTIFICATES["server"],
            dice=scripted,
            dtls_role="server",
        )

    @property
    def agent(self) -> ice.Agent | LiteAgent:
        assert isinstance(self.machine, Peer)
        return self.machine.ice

    def _introduce(self, **traits: bool) -> None:
        assert isinstance(self.machine, Peer)
        self.machine.set_remote(Remote(self.peer, (), "active"), self.now)

    def _restart(self, what: Case) -> None:
        assert isinstance(self.machine, Peer)
        self.formers[self.own.ufrag] = (self.own, self.peer)
        self.own, self.peer = credentials(what["own"]), credentials(what["peer"])
        self._queue.append(self.own)
        self.machine.restart_ice(self.now)
        if not what.get("unanswered"):
            self._introduce()


def _answer(kind: stun.Class, asked: stun.Message, message: Case, password: str) -> bytes:
    attributes = (
        [attribute.Attribute(attribute.XOR_MAPPED_ADDRESS, place(message["mapped"]))]
        if kind is stun.Class.SUCCESS
        else [attribute.Attribute(attribute.ERROR_CODE, attribute.ErrorCode(message["code"], ""))]
    )
    answer = stun.Message(kind, stun.BINDING, asked.transaction, attributes)
    return stun.serialize(answer, integrity_key=password.encode())
