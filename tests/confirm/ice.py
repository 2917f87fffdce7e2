"""Who else computes and decides what vectors/ice says: aioice.

It confirms the numbers of `ice/priorities` by its own functions, and `ice/roles` by being asked: each check of a group
is given to a connection of aioice's, whose answers and role are compared. Checklists and nominations it cannot: its
clock is asyncio's, and its pairs are checked in an order of its own.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/ice.py.
"""

from __future__ import annotations

from typing import Any

from meetref.protocol import check, ice
from tests.confirm.witness import Case, Witness, asked, package

HOW = {
    "candidate": "candidate_priority gives the same number",
    "pair": "candidate_pair_priority gives the same number",
    "conflict": "Connection.request_received answers alike and is in the same role afterwards",
}
TYPES = {126: "host", 110: "prflx", 100: "srflx", 0: "relay"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which aioice agrees."""
    return asked(data, Witness("aioice", package("aioice"), HOW, _ask))


def _ask(operation: str, cases: list[Case]) -> None:
    for case in cases:
        {"candidate": _candidate, "pair": _pair, "conflict": _conflict}[operation](case)


def _candidate(case: Case) -> None:
    from aioice.candidate import candidate_priority

    given = case["in"]
    kind = TYPES[given["type_preference"]]
    found = candidate_priority(given["component"], kind, given["local_preference"])
    assert found == case["out"], f"aioice computes {found} for {case['id']}"


def _pair(case: Case) -> None:
    from aioice.candidate import Candidate
    from aioice.ice import candidate_pair_priority

    given = case["in"]
    ours, theirs = (Candidate("1", 1, "udp", given[name], "192.0.2.1", 1, "host") for name in ("local", "remote"))
    found = candidate_pair_priority(ours, theirs, given["controlling"])
    assert str(found) == case["out"], f"aioice computes {found} for {case['id']}"


class Recorder:
    """A socket of aioice's that only writes down what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_stun(self, message: Any, addr: tuple[str, int]) -> None:
        self.sent.append(message)


def _conflict(case: Case) -> None:
    import aioice
    from aioice import stun

    init, (given, *wanted) = case["init"], case["steps"]
    own, peer = init["own"], init["peer"]
    connection = aioice.Connection(
        ice_controlling=init["role"] == "controlling",
        local_username=own["ufrag"],
        local_password=own["password"],
    )
    connection.remote_username, connection.remote_password = peer["ufrag"], peer["password"]
    connection._tie_breaker = int(init["tie_breaker"], 16)
    recorder = Recorder()
    connection.request_received(stun.parse_message(_octets(given["receive"], own, peer)), ("192.0.2.2", 2000), recorder)
    [answer] = recorder.sent
    code = answer.attributes.get("ERROR-CODE", (None,))[0]
    [said] = [step["expect"]["send"] for step in wanted if "send" in step["expect"]]
    [role] = [step["expect"]["role"] for step in wanted if "role" in step["expect"]]
    assert code == said.get("code")
    assert connection.ice_controlling == (role == "controlling")


def _octets(message: dict[str, Any], own: dict[str, str], peer: dict[str, str]) -> bytes:
    role = check.Role(message["role"] == "controlling", int(message["tie_breaker"], 16))
    question = check.Question(message["priority"], role, nominates=False)
    ours, theirs = (ice.Credentials(each["ufrag"], each["password"]) for each in (own, peer))
    return check.request(bytes(12), question, theirs, ours)
