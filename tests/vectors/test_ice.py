"""Replays vectors/ice: tests/generate/ice.py has the cases, tests/vectors/machinesteps.py plays them."""

from __future__ import annotations

import pytest

from meetref.protocol.candidacy import priority
from meetref.protocol.pair import Pair, Remote
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from tests.protocol.ice_conversation import BOB
from tests.vectors.codeccases import Vector, load
from tests.vectors.machinesteps import Case, Player, RestartPlayer, parameters

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
