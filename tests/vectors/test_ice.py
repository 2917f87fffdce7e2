"""Replays vectors/ice: tests/generate/ice.py has the cases, tests/vectors/machinesteps.py plays them."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.app.replay.icechecks import octets
from meetref.app.replay.stun import reaction
from meetref.app.replay.verdict import judge
from meetref.protocol import ice
from meetref.protocol.candidacy import priority
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram
from meetref.protocol.pair import Pair, Remote
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from tests.protocol.ice_conversation import BOB, host
from tests.vectors.codeccases import Vector, load, unhex
from tests.vectors.machinesteps import Case, Player, RestartPlayer, credentials, parameters, place

HERE = Address("192.0.2.1", 1000)
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SETS = ("ice/checklists", "ice/roles", "ice/nominations")


@pytest.mark.parametrize("case", parameters(*SETS))
def test_steps(case: Case) -> None:
    Player(case["init"]).play(case["steps"])


@pytest.mark.parametrize("case", parameters("ice/restarts"))
def test_restarts(case: Case) -> None:
    RestartPlayer(case["init"]).play(case["steps"])


@pytest.mark.parametrize("vector", load("ice/priorities"), ids=str)
def test_priorities(vector: Vector) -> None:
    given = vector.given
    if vector.operation == "candidate":
        assert priority(given["type_preference"], given["local_preference"], given["component"]) == vector.out
        return
    ours, theirs = (Candidate("1", 1, "udp", given[name], "192.0.2.1", 1, "host") for name in ("local", "remote"))
    pair = Pair(Address("192.0.2.1", 1), Address("192.0.2.2", 1), ours, Remote(BOB, "host", theirs.priority))
    assert str(pair.priority(given["controlling"])) == vector.out


def agent(kind: str, own: ice.Credentials, peer: ice.Credentials) -> ice.Agent | LiteAgent:
    """One that only answers, or a full one that is controlled."""
    made: ice.Agent | LiteAgent = (
        LiteAgent(credentials=own, dice=bytes)
        if kind == "lite"
        else ice.Agent(controlling=False, credentials=own, dice=bytes)
    )
    made.add_local_candidate(host(HERE), 0.0)
    made.set_remote_credentials(peer, 0.0)
    return made


@pytest.mark.parametrize("kind", ["lite", "full"])
@pytest.mark.parametrize("case", parameters("ice/checks"))
def test_checks(case: Case, kind: str) -> None:
    given: dict[str, Any] = case["in"]
    asked, asking = credentials(given["asked"]), credentials(given["asking"])
    data, there = unhex(given["hex"]), place(given["from"])
    assert octets(given["check"], asked, asking, TRANSACTION) == data
    ours = agent(kind, asked, asking)
    ours.receive_datagram(Datagram(data, HERE, there), 0.0)
    answers = [each for each in ours.transmits() if each.data[:2] != b"\0\1"]  # a full agent asks back
    got = reaction(data, answers[0].data) if answers else "drop"
    assert judge(case, got).verdict == "pass"
    for answer in answers:
        message = stun.parse(answer.data)
        assert answer.remote == there
        assert stun.verify_integrity(answer.data, asked.password.encode())
        assert stun.verify_fingerprint(answer.data)
        assert message.kind is stun.Class.ERROR or message.get(attribute.XOR_MAPPED_ADDRESS) == there
