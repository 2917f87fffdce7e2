"""Our agent and aioice's find each other over real loopback sockets, in all roles and with all kinds of candidates."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meetref.protocol import ice
from tests.peers.coturn import turnserver
from tests.peers.ice_ends import both, talk

pytestmark = pytest.mark.peer("aioice")

PROGRAM = Path(__file__).with_name("aioice_echo.py")


def aioice(controls: bool, *words: str) -> list[str]:
    return [sys.executable, str(PROGRAM), "controlling" if controls else "controlled", *words]


@pytest.mark.spec("ice/check-username", "ice/check-protected", "ice/nomination", "ice/nomination-accepted")
@pytest.mark.parametrize("we_control", [True, False])
async def test_connects_and_carries_data(we_control: bool) -> None:
    async with both(aioice(not we_control), we_control=we_control) as (ours, theirs):
        ours.learn(await theirs.read())
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.controlling is we_control
        assert ours.agent.selected is not None
        assert ours.agent.selected.is_nominated


@pytest.mark.spec("ice/role-conflict", "ice/role-conflict-answer")
@pytest.mark.parametrize("both_control", [True, False])
async def test_settles_a_role_conflict(both_control: bool) -> None:
    async with both(aioice(both_control), we_control=both_control) as (ours, theirs):
        ours.learn(await theirs.read())
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.selected is not None
        assert ours.agent.selected.is_nominated


@pytest.mark.spec("ice/early-checks", "ice/peer-reflexive-remote")
async def test_checks_that_come_before_the_other_half() -> None:
    async with both(aioice(True), we_control=False) as (ours, theirs):
        half = await theirs.read()
        await theirs.tell(ours.half)
        await ours.run_until(lambda: any(isinstance(event, ice.PathOpened) for event in ours.events))
        assert ours.agent.selected is None
        ours.learn({**half, "candidates": []})
        await talk(ours, theirs)
        selected: ice.Pair | None = ours.agent.selected
        assert selected is not None
        assert selected.kinds == "host udp / prflx udp"


@pytest.mark.peer("coturn")
@pytest.mark.spec("ice/peer-reflexive-remote", "ice/trickle", "ice/nomination")
@pytest.mark.parametrize("we_control", [True, False])
async def test_a_peer_that_is_reached_through_a_relay_alone(we_control: bool) -> None:
    """Its only candidate is at coturn, which lets nobody in before the peer has asked."""
    options = ("-a", "-u", "someone:secret", "-r", "here", "--allow-loopback-peers")
    with turnserver(*options) as server:
        command = aioice(not we_control, "relay", server.host, str(server.port))
        async with both(command, we_control=we_control) as (ours, theirs):
            half = await theirs.read()
            assert {text.split()[7] for text in half["candidates"]} == {"relay"}
            ours.learn(half)
            await theirs.tell(ours.half)
            await talk(ours, theirs)
            selected: ice.Pair | None = ours.agent.selected
            assert selected is not None
            assert selected.kinds == "host udp / relay udp"


@pytest.mark.peer("coturn")
@pytest.mark.spec("ice/reflexive-candidates", "ice/one-pair-a-path")
@pytest.mark.parametrize("we_control", [True, False])
async def test_a_peer_that_also_tells_how_a_server_sees_it(we_control: bool) -> None:
    with turnserver("--no-auth") as server:
        command = aioice(not we_control, "srflx", server.host, str(server.port))
        async with both(command, we_control=we_control) as (ours, theirs):
            half = await theirs.read()
            assert {text.split()[7] for text in half["candidates"]} == {"host", "srflx"}
            ours.learn(half)
            await theirs.tell(ours.half)
            await talk(ours, theirs)
            assert ours.agent.selected is not None


@pytest.mark.spec("ice/lite", "ice/lite-selects", "ice/check-username")
async def test_our_lite_agent_is_found() -> None:
    async with both(aioice(True), we_control=False, lite=True) as (ours, theirs):
        ours.learn(await theirs.read())
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.selected is not None
        assert ours.agent.state == "connected"
