"""When checks are sent: their pace, their repetitions, their end."""

from __future__ import annotations

import itertools

import pytest

from meetref.protocol import ice
from meetref.protocol.transaction import MAXIMUM_PER_PAIR, PATIENCE
from meetref.wire import stun
from meetref.wire.address import Address
from tests.protocol.ice_conversation import BOB, Puppet, agent, host


def times_of_checks(puppet: Puppet, seconds: float) -> list[float]:
    times, end = [], puppet.now + seconds
    while puppet.now < end:
        messages = puppet.wait(min(puppet.machine.next_timeout(), end) - puppet.now)
        times += [puppet.now - 100] * len(messages)
    return times


@pytest.mark.spec("stun/retransmission", "ice/first-wait", "ice/check-timeout")
def test_a_check_is_repeated_six_times_and_given_up_after_39_and_a_half_seconds() -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    assert len(puppet.drain()) == 1
    assert times_of_checks(puppet, 39.4) == pytest.approx([0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
    assert puppet.states() == ["checking"]
    puppet.wait(0.2)
    assert PATIENCE == 39.5
    assert puppet.states() == ["checking", "failed"]
    assert len({datagram.data for datagram in puppet.sent}) == 1


@pytest.mark.spec("ice/pacing")
def test_new_checks_keep_their_pace() -> None:
    """Ten may go 5 ms apart, then one each 50 ms; repetitions do not count."""
    puppet = Puppet(agent(1, controlling=True))
    for port in range(1, 41):
        puppet.machine.add_remote_candidate(host(Address(BOB.host, port)), puppet.now)
    puppet.drain()
    seen: dict[bytes, float] = {}
    for datagram in puppet.sent:
        seen.setdefault(datagram.data, puppet.now - 100)
    while puppet.now < 101.6:
        puppet.wait(puppet.machine.next_timeout() - puppet.now)
        seen.setdefault(puppet.sent[-1].data, puppet.now - 100)
    times = list(seen.values())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == 40
    assert min(gaps) > 0.0049
    assert times[9] == pytest.approx(0.045)
    assert all(gap == pytest.approx(0.05) for gap in gaps[10:])


@pytest.mark.spec("ice/triggered-first", "ice/triggered-check")
def test_a_check_of_the_peers_is_answered_by_one_before_all_others() -> None:
    puppet = Puppet(agent(1, controlling=True), controlling=False)
    for port in range(1, 41):
        puppet.machine.add_remote_candidate(host(Address(BOB.host, port)), puppet.now)
    puppet.wait(0.2)
    last = Address(BOB.host, 40)
    puppet.say(puppet.request(), source=last)
    first = len(puppet.sent)
    puppet.wait(0.05)
    assert puppet.sent[first].remote == last


@pytest.mark.spec("ice/triggered-check")
def test_a_check_under_way_is_repeated_at_once_when_the_peer_checks_too() -> None:
    puppet = Puppet(agent(1, controlling=True), controlling=False)
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    [first] = puppet.drain()
    puppet.now += 0.2
    _, second = puppet.say(puppet.request())
    assert second.transaction != first.transaction
    assert [each.kind for each in puppet.say(puppet.request())] == [stun.Class.SUCCESS]  # not again within 50 ms
    assert times_of_checks(puppet, 0.49) == []  # the first is repeated no more
    puppet.answer(first)  # and yet its answer counts
    assert puppet.machine.state == "connected"


@pytest.mark.spec("ice/transactions-bounded")
def test_a_peer_cannot_make_us_remember_more_and_more_checks() -> None:
    puppet = Puppet(agent(1, controlling=False))
    for _ in range(200):
        puppet.now += 0.06
        puppet.say(puppet.request())
    checks = [stun.parse(datagram.data) for datagram in puppet.sent]
    asked = [message for message in checks if message.kind is stun.Class.REQUEST]
    assert len(asked) > 100
    for message in asked[:-MAXIMUM_PER_PAIR]:
        puppet.answer(message)
    assert puppet.machine.state == "checking"
    assert puppet.machine.ignored["answer to no request"] == len(asked) - MAXIMUM_PER_PAIR


def test_checks_wait_for_the_credentials() -> None:
    puppet = Puppet(agent(1, controlling=True), introduced=False)
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    assert puppet.wait(10) == []
    puppet.machine.set_remote_credentials(puppet.credentials, puppet.now)
    assert len(puppet.drain()) == 1


@pytest.mark.spec("ice/concluded")
def test_nothing_more_is_tried_once_a_pair_is_nominated() -> None:
    puppet = Puppet(agent(1, controlling=False))
    for port in range(1, 41):
        puppet.machine.add_remote_candidate(host(Address("198.51.100.1", port)), puppet.now)
    puppet.connect(BOB, nominates=True)
    puppet.drain()
    while (asked := puppet.wait(0.05)) and puppet.machine.selected is None:
        for message in asked:
            puppet.answer(message)
    tried = {datagram.remote for datagram in puppet.sent}
    puppet.wait(3)
    assert {datagram.remote for datagram in puppet.sent} == tried


@pytest.mark.spec("stun/round-trip-without-repetitions")
def test_the_round_trip_is_measured_only_when_it_is_certain() -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    [asked] = puppet.drain()
    puppet.wait(0.6)
    puppet.answer(asked)
    assert isinstance(puppet.machine.selected, ice.Pair)
    assert puppet.machine.selected.round_trip_time is None


def test_answers_go_back_at_once_however_many_checks_come() -> None:
    puppet = Puppet(agent(1, controlling=False))
    for number in itertools.islice(itertools.count(1), 50):
        kinds = [message.kind for message in puppet.say(puppet.request(), source=Address(BOB.host, number))]
        assert kinds[0] is stun.Class.SUCCESS
