"""Who else computes and decides what vectors/ice says: aioice, and for checks a lite agent of Pion's.

aioice confirms the numbers of `ice/priorities` by its own functions, `ice/roles` and `ice/checks` by being asked: each
check of a group is given to a connection of its own, whose answers and role are compared. Checklists and nominations it
cannot: its clock is asyncio's, and its pairs are checked in an order of its own. Pion is asked over UDP, as
`meetref vectors replay` does. Stands above `tests/confirm/witness.py`. Read next: tests/generate/ice.py.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import trio

from meetref.app.replay.ice import IceTarget
from meetref.app.replay.settings import Settings
from meetref.app.replay.stun import reaction
from meetref.app.replay.verdict import judge
from meetref.net.network import KernelNetwork
from meetref.protocol import check, ice
from meetref.wire import stun
from meetref.wire.address import Address
from tests.confirm.witness import Case, Witness, asked, package
from tests.peers.gobuild import built
from tests.peers.ice_ends import both

HOW = {
    "candidate": "candidate_priority gives the same number",
    "pair": "candidate_pair_priority gives the same number",
    "conflict": "Connection.request_received answers alike and is in the same role afterwards",
    "check": "a controlled StunProtocol and its Connection send the same, or nothing",
}
TYPES = {126: "host", 110: "prflx", 100: "srflx", 0: "relay"}


PION = {
    "check": "a controlled lite agent on the library answers the same over UDP, or stays silent",
}
PION_VERSION = "4.4.8"  # as tests/peers/pion_ice/go.mod has it


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(data, Witness("aioice", package("aioice"), HOW, _ask))
    if set_name == "ice/checks" and shutil.which("go") is not None:
        entries += asked(data, Witness("Pion ice", lambda: PION_VERSION, PION, _ask_pion))
    return entries


def _ask(operation: str, cases: list[Case]) -> None:
    for case in cases:
        {"candidate": _candidate, "pair": _pair, "conflict": _conflict, "check": _check}[operation](case)


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


class Wire:
    """A transport of aioice's that only writes down what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self.sent.append(data)


def _check(case: Case) -> None:
    given = case["in"]
    data, key = bytes.fromhex(given["hex"]), given["asked"]["password"].encode()
    sent = asyncio.run(_given_to_aioice(data, given["asked"], given["asking"], given["from"]))
    got = reaction(data, sent[0]) if sent else "drop"
    assert judge(case, got).verdict == "pass", f"aioice takes {case['id']} otherwise: {got}"
    if got in ("success", "error:420", "error:487"):
        assert stun.verify_integrity(sent[0], key)


async def _given_to_aioice(data: bytes, own: dict[str, str], peer: dict[str, str], source: str) -> list[bytes]:
    import aioice
    from aioice.ice import StunProtocol

    connection = aioice.Connection(ice_controlling=False, local_username=own["ufrag"], local_password=own["password"])
    connection.remote_username, connection.remote_password = peer["ufrag"], peer["password"]
    protocol, wire = StunProtocol(connection), Wire()
    protocol.connection_made(wire)
    protocol.local_candidate = aioice.Candidate("1", 1, "udp", 1, "192.0.2.1", 1000, "host")
    host, _, port = source.rpartition(":")
    protocol.datagram_received(data, (host, int(port)))
    return wire.sent


def _ask_pion(operation: str, cases: list[Case]) -> None:
    async def play() -> None:
        async with both([str(built("pion_ice")), "controlled", "lite"], we_control=True) as (ours, theirs):
            half = await theirs.read()
            await theirs.tell(ours.half)
            place = half["candidates"][0].split()
            settings = Settings(
                stem="ice",
                target=Address(place[4], int(place[5])),
                credentials=ice.Credentials(half["ufrag"], half["password"]),
                own_ufrag=ours.half["ufrag"],
            )
            target = await IceTarget.open(KernelNetwork(), settings)
            outcomes.append(await target.why_unusable())
            outcomes.extend([(await target.play(case)).verdict for case in cases])
            await target.close()

    outcomes: list[str | None] = []
    trio.run(play)
    assert outcomes == [None, *["pass"] * len(cases)], "Pion reacts otherwise"
