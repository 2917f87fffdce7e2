"""Driving an ICE agent with the vectors: ours on the virtual network, lite and full, and agents that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.app.replay.command import Unusable, cases_for
from meetref.app.replay.command import replay as play_all
from meetref.app.replay.ice import IceTarget
from meetref.app.replay.settings import Settings
from meetref.app.replay.verdict import GONE, Outcome
from meetref.net.datagram import DatagramSocket
from meetref.net.driver import Driver
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.protocol import check, ice
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram
from meetref.wire import stun
from meetref.wire.address import Address
from meetref.wire.reader import Malformed
from tests.protocol.ice_conversation import host
from tests.stories.people import meeting
from tests.stories.test_meeting import until

ROOT = Path(__file__).parent.parent.parent
CASES = cases_for(ROOT, IceTarget.sets)
CREDENTIALS = ice.Credentials("meetref1", "passwordpasswordpassword")
THERE = Address("192.0.2.2", 4000)
Answer = Callable[[Datagram], bytes | None]


async def outcomes_against(answer: Answer | str, **told: Any) -> dict[str, Outcome]:
    """Replay against an agent of ours, `lite` or `full`, or against something that answers so."""
    seed_trio("replay")
    network = VirtualNetwork("replay")
    here, there = network.host("here", "192.0.2.1"), network.host("there", THERE.host)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        socket = await there.open_datagram(THERE)
        if isinstance(answer, str):
            nursery.start_soon(_serve_agent, socket, answer)
        else:
            nursery.start_soon(_serve, socket, answer)
        settings = replace(Settings(stem="ice", target=THERE, credentials=CREDENTIALS), **told)
        target = await IceTarget.open(here, settings)
        try:
            found: list[Outcome] | Unusable = await play_all(target, CASES)
        except Unusable as unusable:
            found = unusable
        await target.close()
        nursery.cancel_scope.cancel()
    if isinstance(found, Unusable):
        raise found
    return {outcome.id: outcome for outcome in found}


async def _serve(socket: DatagramSocket, answer: Answer) -> None:
    while True:
        for datagram in await socket.receive():
            said = answer(datagram)
            if said is not None:
                socket.send((said,), datagram.remote)


async def _serve_agent(socket: DatagramSocket, kind: str) -> None:
    dice = VirtualNetwork("agent").dice("agent").randbytes
    agent: LiteAgent | ice.Agent = (
        LiteAgent(credentials=CREDENTIALS, dice=dice)
        if kind == "lite"
        else ice.Agent(controlling=False, credentials=CREDENTIALS, dice=dice)
    )
    agent.add_local_candidate(host(THERE), trio.current_time())
    agent.set_remote_credentials(ice.Credentials("tester", "p" * 24), trio.current_time())
    driver = Driver(agent, lambda datagram: socket.send((datagram.data,), datagram.remote), lambda event: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run)
        while True:
            for datagram in await socket.receive():
                driver.receive(datagram, trio.current_time())
            driver.turn(trio.current_time())


def differences(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.got for name, outcome in outcomes.items() if outcome.verdict != "pass"}


async def test_our_lite_agent_agrees_with_every_case(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against("lite", own_ufrag="tester")
    assert differences(outcomes) == {}
    assert len(outcomes) == len(CASES) > 30


async def test_a_full_agent_that_is_controlled_answers_the_same_and_asks_besides(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against("full", own_ufrag="tester")
    told = differences(outcomes)
    assert told.pop("ice-nominations-0008") in ("a check", "the target is gone")
    # It compares tie-breakers where a lite one need not.
    assert told in ({}, {"ice-nominations-0009": "success"}, {"ice-nominations-0009": GONE})


async def test_a_case_for_which_there_is_no_time_is_not_tried(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against("lite", own_ufrag="tester", time=1.0)
    assert differences(outcomes) == {"ice-nominations-0008": "takes 5 seconds, granted by --time 5"}


@pytest.mark.parametrize("wrong", ["abcd", "another user fragment"])
async def test_an_agent_of_other_credentials_is_told(autojump_clock: MockClock, wrong: str) -> None:
    other = ice.Credentials("abcd", CREDENTIALS.password) if wrong == "abcd" else ice.Credentials("meetref1", "x" * 24)
    with pytest.raises(Unusable, match="does not answer a check with these credentials"):
        await outcomes_against("lite", credentials=other)


async def test_one_that_believes_everybody_differs(autojump_clock: MockClock) -> None:
    def answer(datagram: Datagram) -> bytes | None:
        try:
            message = stun.parse(datagram.data)
        except Malformed:
            return None
        return check.success(message, datagram.remote, CREDENTIALS)

    told = differences(await outcomes_against(answer))
    refused = {case["id"] for case in CASES if case.get("result") == "invalid"}
    dropped = {f"ice-checks-{number:04d}" for number in (25, 26, 27, 28, 29, 30, 31)}  # no STUN to it, either
    assert set(told) == (refused | {"ice-nominations-0009"}) - dropped - {"ice-checks-0035"}
    assert set(told.values()) == {"success"}


async def test_one_whose_refusals_nobody_vouches_for_differs(autojump_clock: MockClock) -> None:
    agent = LiteAgent(credentials=CREDENTIALS, dice=bytes)
    agent.add_local_candidate(host(THERE), 0.0)

    def answer(datagram: Datagram) -> bytes | None:
        agent.receive_datagram(datagram, 0.0)
        for said in agent.transmits():
            message = stun.parse(said.data)
            return stun.serialize(message) if message.kind is stun.Class.ERROR else said.data
        return None

    told = differences(await outcomes_against(answer))
    assert told == {
        "ice-checks-0032": "error:420 without the right integrity",
        "ice-checks-0033": "error:420 without the right integrity",
        "ice-checks-0034": "error:487 without the right integrity",
        "ice-nominations-0009": "error:487 without the right integrity",
    }


async def test_one_that_tells_another_address_or_marks_nothing_differs(autojump_clock: MockClock) -> None:
    seen = []

    def answer(datagram: Datagram) -> bytes | None:
        message = check.read(datagram.data)
        if isinstance(message, str) or check.doubt_request(message, datagram.data, CREDENTIALS):
            return None
        seen.append(datagram)
        if len(seen) == 2:  # the first case, behind the sane question
            return check.success(message, Address("192.0.2.9", 9), CREDENTIALS)
        whole = check.success(message, datagram.remote, CREDENTIALS)
        if len(seen) != 4:
            return whole
        return stun.serialize(stun.parse(whole), integrity_key=CREDENTIALS.password.encode(), fingerprint=False)

    told = differences(await outcomes_against(answer))
    assert told["ice-checks-0001"] == "success with the address of somebody else"
    assert told["ice-checks-0002"] == "success without the right fingerprint"


async def test_data_of_the_application_are_no_answer(autojump_clock: MockClock) -> None:
    agent = LiteAgent(credentials=CREDENTIALS, dice=bytes)
    agent.add_local_candidate(host(THERE), 0.0)

    def answer(datagram: Datagram) -> bytes | None:
        agent.receive_datagram(datagram, 0.0)
        return next((said.data for said in agent.transmits()), datagram.data[:19])

    assert differences(await outcomes_against(answer)) == {}


async def test_an_agent_that_dies_is_told(autojump_clock: MockClock) -> None:
    agent = LiteAgent(credentials=CREDENTIALS, dice=bytes)
    agent.add_local_candidate(host(THERE), 0.0)

    def answer(datagram: Datagram) -> bytes | None:
        agent.receive_datagram(datagram, 0.0)
        said = next((said.data for said in agent.transmits()), None)
        if said is not None and stun.parse(said).kind is stun.Class.ERROR:
            agent.close(0.0)
        return said

    outcomes = await outcomes_against(answer)
    assert outcomes["ice-checks-0032"].verdict == "error"
    assert outcomes["ice-checks-0033"].got == "the target is gone"


async def test_a_whole_server_agrees_while_a_person_is_connected(autojump_clock: MockClock) -> None:
    async with meeting(71) as scene:
        alice = await scene.join("alice")
        await until(lambda: alice.up is not None and alice.up.connected.is_set(), 10)
        assert alice.up is not None
        peer = alice.up.peer
        assert peer.path is not None
        assert peer.remote_credentials is not None
        settings = Settings(
            stem="ice",
            target=peer.path[1],
            credentials=peer.remote_credentials,
            own_ufrag=peer.credentials.ufrag,
        )
        target = await IceTarget.open(scene.network.host("tester"), settings)
        told = differences({outcome.id: outcome for outcome in await play_all(target, CASES)})
        await target.close()
        await until(lambda: len(alice.people) == 1 and alice.up is not None and alice.up.peer.path == peer.path, 1)
    assert told.pop("ice-nominations-0008") == "a check"  # its agents are full ones, which ask besides
    # Its port is a STUN server's, too: whoever names none of its agents is answered as by one, and no agent takes that.
    unnamed = {f"ice-checks-{number:04d}" for number in (13, 14, 15, 16, 17, 19)}
    assert told == dict.fromkeys(unnamed, "success without the right integrity")
