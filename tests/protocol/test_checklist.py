"""Bounds: how many candidates and pairs a peer can make us keep, and what gives way."""

from __future__ import annotations

import pytest

from meetref.protocol import ice
from meetref.protocol.check import Role
from meetref.protocol.checklist import MAXIMUM_PAIRS, Checklist, address_of
from meetref.protocol.pair import Input, Remote, State
from meetref.wire import stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate, TCPType
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


def together(port: int, priority: int) -> Remote:
    return Remote(Address(BOB.host, port), "host", priority, foundation="same")


def states(found: Checklist) -> dict[int, str]:
    return {pair.remote.port: pair.state.value for pair in found.pairs.values()}


@pytest.mark.spec("ice/frozen", "trickle/frozen")
def test_of_one_foundation_the_best_waits_and_the_others_are_frozen() -> None:
    found = checklist()
    for port, priority in ((1, 500), (2, 400), (3, 900)):
        found.add_remote(together(port, priority), anywhere)
    # The third is better than all before it (RFC 8838 section 12, rule 1); the second came behind a better one (3).
    assert states(found) == {1: "waiting", 2: "frozen", 3: "waiting"}
    assert found.next_to_check(ordinary=True) is found.pairs[ALICE, Address(BOB.host, 3)]


@pytest.mark.spec("ice/unfrozen", "trickle/frozen")
def test_success_thaws_the_foundation_and_who_comes_later() -> None:
    found = checklist()
    for port in (1, 2, 3):
        found.add_remote(together(port, 900 - port), anywhere)
    first = found.pairs[ALICE, Address(BOB.host, 1)]
    first.step(Input.CHECK_SENT)
    first.step(Input.ANSWERED)
    found.thaw(first)
    found.add_remote(together(4, 1), anywhere)
    assert states(found) == {1: "succeeded", 2: "waiting", 3: "waiting", 4: "waiting"}


@pytest.mark.spec("ice/unfrozen")
def test_failure_lets_the_next_one_try() -> None:
    found = checklist()
    for port in (1, 2, 3):
        found.add_remote(together(port, 900 - port), anywhere)
    first, second = (found.pairs[ALICE, Address(BOB.host, port)] for port in (1, 2))
    first.step(Input.CHECK_SENT)
    assert found.next_to_check(ordinary=True) is None
    first.step(Input.CHECK_FAILED)
    assert found.next_to_check(ordinary=True) is second


@pytest.mark.spec("ice/unfrozen")
def test_a_check_without_an_answer_holds_the_others_back_for_half_a_second_only() -> None:
    """A peer that calls all its candidates alike is found in seconds, not in a minute a pair."""
    puppet = Puppet(agent(1, controlling=True))
    places = [Address(BOB.host, port) for port in range(1, 6)]
    for rank, place in enumerate(places):
        puppet.machine.add_remote_candidate(host(place, priority=900 - rank, foundation="same"), puppet.now)
    puppet.drain()
    assert {datagram.remote for datagram in puppet.sent} == {places[0]}
    puppet.wait(0.49)
    assert {datagram.remote for datagram in puppet.sent} == {places[0]}
    puppet.wait(2.1)
    assert {datagram.remote for datagram in puppet.sent} == set(places)


@pytest.mark.spec("ice/pruned", "ice/reflexive-candidates")
@pytest.mark.parametrize("host_first", [True, False])
def test_a_reflexive_candidate_makes_the_pairs_of_its_base(host_first: bool) -> None:
    found = Checklist(Role(True, 0), maximum_remotes=10)
    base, mapped = Address("192.0.2.1", 1000), Address("203.0.113.1", 61000)
    reflexive = Candidate("2", 1, "udp", 100 << 24, mapped.host, mapped.port, "srflx", related=tuple(base))
    add = [lambda: found.add_local(host(base)), lambda: found.add_local(reflexive, base)]
    for step in add if host_first else reversed(add):
        step()
    found.add_remote(remote(1), anywhere)
    [pair] = found.pairs.values()
    assert pair.local == base
    assert pair.local_candidate.type == "host"
    assert found.told[mapped] is reflexive


@pytest.mark.spec("ice/relayed-candidates")
def test_a_relayed_candidate_is_its_own_base() -> None:
    found = checklist()
    relayed = Address("198.51.100.1", 49152)
    found.add_local(Candidate("3", 1, "udp", 1, relayed.host, relayed.port, "relay", related=("203.0.113.1", 61000)))
    found.add_remote(remote(1), anywhere)
    assert {pair.local for pair in found.pairs.values()} == {ALICE, relayed}


def stream(address: Address, direction: TCPType) -> Candidate:
    port = 9 if direction == "active" else address.port
    return Candidate(direction, 1, "tcp", 90 << 24, address.host, port, "host", tcp_type=direction)


@pytest.mark.spec("ice/tcp-pairing")
@pytest.mark.parametrize("ours", ["active", "passive", "so"])
@pytest.mark.parametrize("theirs", ["active", "passive", "so"])
def test_streams_pair_where_one_end_opens_and_we_check_where_it_is_ours(ours: TCPType, theirs: TCPType) -> None:
    found = Checklist(Role(True, 0), maximum_remotes=10)
    found.add_local(stream(ALICE, ours))
    found.add_local(host(ALICE))
    there = address_of(stream(BOB, theirs))
    found.add_remote(Remote(there, "host", 9, "1", theirs), anywhere)
    assert len(found.pairs) == ((ours, theirs) in (("active", "passive"), ("so", "so")))
