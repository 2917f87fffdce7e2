"""Bounds: how many candidates and pairs a peer can make us keep, and what gives way."""

from __future__ import annotations

import pytest

from meetref.protocol import ice
from meetref.protocol.check import Role
from meetref.protocol.checklist import MAXIMUM_PAIRS, Checklist
from meetref.protocol.pair import Input, Remote, State
from meetref.wire import stun
from meetref.wire.address import Address
from tests.protocol.ice_conversation import ALICE, BOB, Puppet, agent, host


def anywhere(address: Address) -> bool:
    return True


def remote(port: int, priority: int = 1000) -> Remote:
    return Remote(Address(BOB.host, port), "host", priority)


def checklist(addresses: int = 1, maximum_remotes: int = 1000) -> Checklist:
    found = Checklist(Role(True, 0), maximum_remotes=maximum_remotes)
    for number in range(addresses):
        found.add_local(host(Address(ALICE.host, 1000 + number)))
    return found


@pytest.mark.spec("ice/candidates-bounded")
def test_signaled_candidates_are_bounded() -> None:
    puppet = Puppet(agent(1, controlling=True, maximum_remote_candidates=20))
    for port in range(1, 51):
        puppet.machine.add_remote_candidate(host(Address(BOB.host, port)), puppet.now)
    assert puppet.machine.ignored["too many candidates"] == 30
    puppet.wait(60)
    assert len({datagram.remote for datagram in puppet.sent}) == 20


@pytest.mark.spec("ice/candidates-bounded", "ice/pairs-bounded")
def test_a_peer_on_ten_thousand_ports_fills_nothing_and_is_found_in_the_end() -> None:
    puppet = Puppet(agent(1, controlling=False, maximum_remote_candidates=20))
    puppet.connect(BOB)
    for port in range(1, 1000):
        puppet.say(puppet.request(), source=Address("198.51.100.1", port))
    held = [port for port in range(1, 1000) if puppet.machine.is_valid_path(ALICE, Address("198.51.100.1", port))]
    assert len(held) == 19
    assert puppet.machine.selected is not None
    assert puppet.machine.selected.remote == BOB
    late = Address("198.51.100.2", 1)
    puppet.now += 10
    puppet.connect(late)
    while puppet.machine.selected.remote != late:
        for datagram in puppet.sent[-30:]:
            message = stun.parse(datagram.data)
            if datagram.remote == late and message.kind is stun.Class.REQUEST:
                puppet.answer(message, source=late)
        puppet.wait(0.05)
        assert puppet.now < 115


@pytest.mark.spec("ice/pairs-bounded")
def test_pairs_are_bounded_and_the_best_stay() -> None:
    found = checklist(addresses=4)
    for port in range(1, 101):
        assert found.add_remote(remote(port, priority=port), anywhere)
    assert len(found.pairs) == MAXIMUM_PAIRS
    assert {pair.remote.port for pair in found.pairs.values()} == set(range(76, 101))


@pytest.mark.spec("ice/pairs-bounded")
def test_a_pair_that_failed_gives_way_first() -> None:
    found = checklist()
    for port in range(1, MAXIMUM_PAIRS + 1):
        found.add_remote(remote(port), anywhere)
    failed = found.pairs[ALICE, Address(BOB.host, 50)]
    failed.step(Input.CHECK_SENT)
    failed.step(Input.CHECK_FAILED)
    found.add_remote(remote(9999, priority=1), anywhere)
    assert failed.state is State.GONE
    assert (ALICE, failed.remote) not in found.pairs
    assert (ALICE, Address(BOB.host, 9999)) in found.pairs


@pytest.mark.spec("ice/candidates-bounded")
def test_pairs_that_work_are_never_given_up() -> None:
    found = checklist(maximum_remotes=3)
    for port in (1, 2, 3):
        pair = found.pair_of_check(ALICE, Address(BOB.host, port), 1)
        assert pair is not None
        pair.step(Input.ANSWERED)
    assert found.pair_of_check(ALICE, Address(BOB.host, 4), 1) is None


@pytest.mark.spec("ice/checks-where-allowed")
def test_where_no_check_may_go_none_goes_until_one_comes() -> None:
    machine = ice.Agent(
        controlling=False,
        credentials=ice.Credentials("alic", "a" * 22),
        dice=bytes,
        may_check=lambda address: address != BOB,
    )
    puppet = Puppet(machine)
    machine.add_remote_candidate(host(BOB), puppet.now)
    machine.add_local_candidate(host(ALICE._replace(port=1001)), puppet.now)
    assert puppet.wait(5) == []
    answer, asked = puppet.say(puppet.request())
    assert (answer.kind, asked.kind) == (stun.Class.SUCCESS, stun.Class.REQUEST)


@pytest.mark.spec("ice/one-pair-a-path")
def test_a_candidate_told_twice_is_one() -> None:
    found = checklist()
    for priority in (5, 7):
        found.add_remote(remote(1, priority), anywhere)
    [pair] = found.pairs.values()
    assert pair.remote_candidate.priority == 7
