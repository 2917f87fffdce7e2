"""`meetref vectors replay` from the command line, against servers and agents that run: ours, coturn's and Pion's.

Where another's differs from the vectors, a table says how and why; a difference that goes away is news, too.
Read next: tests/app/test_replay_turn.py, which has the cases that take long.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from tests.peers.coturn import turnserver
from tests.peers.gobuild import built
from tests.peers.ice_ends import Ours, both
from tests.peers.our_relay import our_relay
from tests.peers.pion import pion_turn

USERS = ("--user", "alice:wonder", "--user", "bob:builder")
COTURN = ("-a", "-u", "alice:wonder", "-u", "bob:builder", "-r", "example.org", "--allow-loopback-peers")
ELSEWHERE = {f"turn-allocations-{number:04d}" for number in (24, 25, 26, 30, 31, 32, 33, 34, 35, 36)}
"""What cannot be tried on loopback, needs quotas, or takes long."""
OWN_UFRAG = "tester"


async def replay(stem: str, target: object, *options: str) -> dict[str, tuple[str, str]]:
    """The verdict and what was got, for each case."""
    command = [str(Path(sys.executable).with_name("meetref")), "vectors", "replay", stem, "--json"]
    played = await trio.run_process([*command, "--target", str(target), *options], capture_stdout=True, check=False)
    told: dict[str, Any] = json.loads(played.stdout)
    bad = any(told["counts"].get(verdict) for verdict in ("fail", "error"))
    assert played.returncode == (1 if bad else 0)
    return {each["id"]: (each["verdict"], each["got"]) for each in told["outcomes"]}


def differences(outcomes: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: got for name, (verdict, got) in outcomes.items() if verdict in ("fail", "error")}


def untried(outcomes: dict[str, tuple[str, str]]) -> set[str]:
    return {name for name, (verdict, _) in outcomes.items() if verdict == "untried"}


# --- TURN ---------------------------------------------------------------------------------------------

# The number of a case among turn/allocations, what coturn 4.6 does, and why.
COTURN_DIFFERS = {
    18: "error:400 to Allocate",  # it lends TCP, too, and RFC 6062 section 5.1 wants that asked for over TCP
    19: "success to Allocate",  # of two attributes that exclude each other it takes the one that it can
    20: "success to Allocate",  # the same
    27: "error:404 to Allocate",  # no code of the document's
    28: "error:400 to CreatePermission",  # what is missing in the request comes before what is missing here
    29: "success to Refresh",  # deleted is deleted: a second time succeeds
}
# What Pion's library does otherwise.
PION_DIFFERS = {
    15: "silence to Refresh",  # it drops what is of another user
    16: "success to ChannelBind",  # it looks at the numbers of channels only where there are data
    17: "success to ChannelBind",
    18: "success to Allocate",  # it takes no notice of the transport
    19: "success to Allocate",  # nor of an additional family
    20: "success to Allocate",
    21: "error:508 to Allocate",  # it tries, and fails
    28: "silence to Refresh",  # it drops what is about no allocation
    29: "silence to Refresh",
}


def told(numbers: dict[int, str]) -> dict[str, str]:
    return {f"turn-allocations-{number:04d}": got for number, got in numbers.items()}


@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_our_relay_as_a_program(over: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 40)
    with our_relay("--user", "alice:wonder", "--user", "bob:builder", "--secret-file", str(secret)) as running:
        target = f"127.0.0.1:{running.port}"
        outcomes = await replay("turn", target, *USERS, "--over", over)
        assert differences(outcomes) == {}
        assert untried(outcomes) == ELSEWHERE | ({"turn-allocations-0008"} if over == "tcp" else set())
        if over == "udp":
            outcomes = await replay("turn", target, "--secret-file", str(secret))
            assert differences(outcomes) == {}
            assert untried(outcomes) == ELSEWHERE


@pytest.mark.peer("coturn")
@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_coturn(over: str) -> None:
    with turnserver(*COTURN, "--stale-nonce=1") as server:
        outcomes = await replay("turn", server, *USERS, "--over", over, "--nonce-lasts", "1")
    # Over TCP it may lend TCP: a success where the cases know only of UDP.
    changed = {18: "success to Allocate"} if over == "tcp" else {}
    assert differences(outcomes) == told({**COTURN_DIFFERS, **changed})
    elsewhere = ELSEWHERE - {"turn-allocations-0035"}
    assert untried(outcomes) == elsewhere | ({"turn-allocations-0008"} if over == "tcp" else set())


@pytest.mark.peer("coturn")
async def test_coturn_with_names_that_expire(tmp_path: Path) -> None:
    secret = "a secret that is shared with this server alone"
    (tmp_path / "secret").write_text(secret)
    options = ("--use-auth-secret", "--static-auth-secret", secret, "-r", "example.org", "--allow-loopback-peers")
    with turnserver(*options) as server:
        outcomes = await replay("turn", server, "--secret-file", str(tmp_path / "secret"))
    assert differences(outcomes) == told(COTURN_DIFFERS)


@pytest.mark.peer("pion-turn")
@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_pion_turn(over: str) -> None:
    with pion_turn() as server:
        outcomes = await replay("turn", server, *USERS, "--over", over)
    assert differences(outcomes) == told(PION_DIFFERS)


# --- ICE ----------------------------------------------------------------------------------------------


def options(half: dict[str, Any]) -> list[str]:
    return ["--ufrag", half["ufrag"], "--password", half["password"], "--own-ufrag", OWN_UFRAG]


async def test_our_lite_agent_on_a_socket() -> None:
    async def serve(ours: Ours) -> None:
        while True:
            data, source = await ours.socket.recvfrom(2048)
            datagram = Datagram(data, ours.local, Address(*source))
            ours.agent.receive_datagram(datagram, trio.current_time())
            for answer in ours.agent.transmits():
                await ours.socket.sendto(answer.data, answer.remote)

    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        ours = Ours(socket, controlling=False, lite=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, ours)
            outcomes = await replay("ice", ours.local, *options(ours.half), "--time", "1")
            nursery.cancel_scope.cancel()
    assert differences(outcomes) == {}
    assert untried(outcomes) == {"ice-nominations-0008"}


# What pion/ice 4 does otherwise, lite or not.
PION_ICE_DIFFERS = {
    "ice-checks-0021": "success",  # it does not look at the fingerprint
    "ice-checks-0032": "success",  # nor at attributes that it does not know
    "ice-checks-0033": "success",
}


@pytest.mark.peer("pion-ice")
@pytest.mark.parametrize("kind", ["lite", "full"])
async def test_pion_ice(kind: str) -> None:
    async with both([str(built("pion_ice")), "controlled", kind], we_control=True) as (_, theirs):
        half = await theirs.read()
        await theirs.tell({"ufrag": OWN_UFRAG, "password": "p" * 24, "candidates": []})
        place = half["candidates"][0].split()
        outcomes = await replay("ice", f"{place[4]}:{place[5]}", *options(half), "--time", "1")
    differing = differences(outcomes)
    # Against RFC 8445 section 6.1.1 it takes control where its tie-breaker, which is random, is the larger one, and
    # then refuses the sane question behind.
    differing.pop("ice-nominations-0009", None)
    assert differing == PION_ICE_DIFFERS
