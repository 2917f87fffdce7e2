"""Our agents and Pion's, full and lite, in both roles, over real loopback sockets."""

from __future__ import annotations

import pytest

from tests.peers.gobuild import built
from tests.peers.ice_ends import both, talk

pytestmark = pytest.mark.peer("pion-ice")


def pion(role: str, kind: str = "full") -> list[str]:
    return [str(built("pion_ice")), role, kind]


@pytest.mark.spec("ice/check-username", "ice/check-protected", "ice/nomination", "ice/nomination-accepted")
@pytest.mark.parametrize("we_control", [True, False])
async def test_two_full_agents(we_control: bool) -> None:
    async with both(pion("controlled" if we_control else "controlling"), we_control=we_control) as (ours, theirs):
        ours.learn(await theirs.read())
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.controlling is we_control
        assert ours.agent.selected is not None
        assert ours.agent.selected.is_nominated


@pytest.mark.spec("ice/lite-peer", "ice/nomination")
@pytest.mark.parametrize("we_offered", [True, False])
async def test_a_lite_peer_is_controlled_by_us(we_offered: bool) -> None:
    async with both(pion("controlled", "lite"), we_control=we_offered) as (ours, theirs):
        ours.learn(await theirs.read(), lite=True)
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.controlling


@pytest.mark.spec("ice/lite", "ice/lite-selects")
async def test_our_lite_agent_is_found_and_controlled() -> None:
    async with both(pion("controlling"), we_control=False, lite=True) as (ours, theirs):
        ours.learn(await theirs.read())
        await theirs.tell(ours.half)
        await talk(ours, theirs)
        assert ours.agent.selected is not None
        assert ours.agent.selected.is_nominated


@pytest.mark.spec("ice/early-checks", "ice/peer-reflexive-remote")
async def test_checks_that_come_before_the_other_half() -> None:
    async with both(pion("controlling"), we_control=False) as (ours, theirs):
        half = await theirs.read()
        await theirs.tell(ours.half)
        await ours.run_until(lambda: bool(ours.events))
        assert ours.agent.selected is None
        ours.learn({**half, "candidates": []})
        await talk(ours, theirs)
