"""Which pair is used: nomination by both roles, as browsers do it, and peers that move."""

from __future__ import annotations

import pytest

from meetref.protocol import check, ice
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent, host

BETTER = Address("192.0.2.3", 3000)
MOVED = Address(BOB.host, 2999)


def nominations(talk: Conversation, name: str) -> list[tuple[float, Address]]:
    found = []
    for at, who, datagram in talk.sent:
        if who == name and stun.parse(datagram.data).get(attribute.USE_CANDIDATE) is not None:
            found.append((at - 100, datagram.remote))
    return found


def path(puppet: Puppet) -> Address | None:
    return None if puppet.machine.selected is None else puppet.machine.selected.remote


def nominating(puppet: Puppet) -> list[stun.Message]:
    return [message for message in puppet.wait(0.5) if message.get(attribute.USE_CANDIDATE)]


@pytest.mark.spec("ice/nomination", "ice/nominated-by-answer")
def test_the_controlling_side_nominates_once() -> None:
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(60)
    assert [remote for _, remote in nominations(talk, "a")] == [BOB]
    assert nominations(talk, "b") == []


@pytest.mark.spec("ice/pair-priority", "ice/nomination", "ice/valid-pair-carries-data")
def test_a_better_pair_gets_a_little_time_and_no_more() -> None:
    for passes, expected in ((True, BETTER), (False, BOB)):
        puppet = Puppet(agent(1, controlling=True))
        puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
        puppet.machine.add_remote_candidate(host(BOB, priority=2**30), puppet.now)
        better, worse = [*puppet.drain(), *puppet.wait(0.006)]
        assert puppet.answer(worse) == []
        assert path(puppet) == BOB  # any valid pair may be used at once
        if passes:
            puppet.now += 0.01
            sent = puppet.answer(better, source=BETTER)
        else:
            sent = puppet.wait(0.02)
        [chosen] = [message for message in sent if message.get(attribute.USE_CANDIDATE)]
        puppet.answer(chosen, source=expected)
        assert path(puppet) == expected
        assert nominating(puppet) == []


@pytest.mark.spec("ice/nomination-accepted")
def test_a_nomination_before_our_own_check_counts_when_that_succeeds() -> None:
    puppet = Puppet(agent(1, controlling=False))
    _, asked = puppet.say(puppet.request(nominates=True))
    assert path(puppet) is None
    puppet.answer(asked)
    assert path(puppet) == BOB
    assert puppet.machine.selected is not None
    assert puppet.machine.selected.is_nominated


@pytest.mark.spec("ice/nominated-first", "ice/nomination-accepted")
def test_a_nominated_pair_is_taken_instead_of_a_better_one() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
    puppet.connect(BETTER, nominates=False)
    assert path(puppet) == BETTER
    puppet.connect(BOB, nominates=True)
    assert path(puppet) == BOB


@pytest.mark.spec("ice/nominated-again")
def test_firefox_nominates_every_pair_and_means_the_best() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
    puppet.machine.add_remote_candidate(host(BOB, priority=2**30), puppet.now)
    puppet.connect(BETTER)
    puppet.now += 0.3
    puppet.connect(BOB)
    puppet.say(puppet.request(nominates=True))
    assert path(puppet) == BETTER


@pytest.mark.spec("ice/nominated-again")
def test_chromium_nominates_one_and_later_another() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
    puppet.machine.add_remote_candidate(host(BOB, priority=2**30), puppet.now)
    puppet.connect(BETTER)
    puppet.connect(BOB, nominates=False)
    assert path(puppet) == BETTER
    for _ in range(8):
        puppet.wait(0.48)
        puppet.connect(BOB, nominates=True)
    assert path(puppet) == BOB


@pytest.mark.spec("ice/nominated-again")
def test_a_higher_priority_nominated_later_is_taken_at_once() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
    puppet.connect(BOB)
    puppet.now += 0.1
    puppet.connect(BETTER)
    assert path(puppet) == BETTER
    assert [type(event) for event in puppet.events].count(ice.PairSelected) == 2


@pytest.mark.spec("ice/moved-peer", "ice/peer-reflexive-remote")
@pytest.mark.parametrize("who_moves", ["a", "b"])
def test_a_peer_whose_port_changed_is_followed_within_seconds(who_moves: str) -> None:
    """`a` controls. The old mapping is gone; the first packet from the new one is the mover's next consent request."""
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(10.5)
    inside = ALICE if who_moves == "a" else BOB
    outside = Address(inside.host, 4444)
    talk.move(who_moves, inside, outside)
    stays = "b" if who_moves == "a" else "a"
    first = len(talk.sent)
    talk.run_until(20)
    noticed = next(
        at - 100
        for at, who, datagram in talk.sent[first:]
        if who == who_moves and datagram.data[0] == 0 and datagram.local == inside
    )
    assert talk.path(stays) == (BOB if stays == "b" else ALICE, outside)
    moved_at = talk.events(stays, ice.PairSelected)[-1][0]
    assert moved_at - noticed < 1.0
    assert talk.a.state == talk.b.state == "connected"
    talk.run_until(100)
    assert talk.path(stays) == (BOB if stays == "b" else ALICE, outside)
    assert "failed" not in talk.states("a") + talk.states("b")


@pytest.mark.spec("ice/moved-peer", "ice/receive-anywhere")
@pytest.mark.parametrize("controlling", [True, False])
def test_a_second_path_alone_does_not_move_anything_while_the_first_answers(controlling: bool) -> None:
    puppet = Puppet(agent(1, controlling=controlling), controlling=not controlling)
    puppet.connect(BOB)
    for message in puppet.wait(0.1):
        puppet.answer(message)
    for _ in range(20):
        for message in puppet.wait(1):
            if message.kind is stun.Class.REQUEST:
                puppet.answer(message)
        puppet.connect(MOVED, nominates=False)
        for message in puppet.drain():
            puppet.answer(message)
    assert path(puppet) == BOB
    assert puppet.machine.is_valid_path(ALICE, MOVED)


def test_a_nomination_that_nobody_answers_gives_way_to_a_pair_that_does() -> None:
    puppet = Puppet(agent(1, controlling=True), controlling=False)
    _, asked = puppet.say(puppet.request())
    [nomination] = puppet.answer(asked)
    assert nomination.get(attribute.USE_CANDIDATE)
    puppet.now += 2
    _, asked = puppet.say(puppet.request(), source=MOVED)
    puppet.answer(asked, source=MOVED)
    again = [message for message in puppet.wait(0.1) if message.get(attribute.USE_CANDIDATE)]
    sent = [stun.parse(datagram.data) for datagram in puppet.sent if datagram.remote == MOVED]
    chosen = [message for message in sent if message.get(attribute.USE_CANDIDATE)]
    assert chosen or again
    puppet.answer(chosen[0], source=MOVED)
    assert path(puppet) == MOVED


def renominating(puppet: Puppet) -> None:
    puppet.machine.set_remote_credentials(puppet.credentials, puppet.now, renominates=True)
    puppet.drain()


@pytest.mark.spec("ice/renomination", "ice/renomination-number")
def test_a_better_path_that_shows_up_later_is_nominated_with_a_higher_number() -> None:
    for allowed in (True, False):
        puppet = Puppet(agent(1, controlling=True), introduced=False, controlling=False)
        puppet.machine.set_remote_credentials(puppet.credentials, puppet.now, renominates=allowed)
        puppet.machine.add_remote_candidate(host(BOB, priority=2**30), puppet.now)
        [asked] = puppet.drain()
        [first] = puppet.answer(asked)
        puppet.answer(first)
        puppet.now += 20
        puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
        sent = puppet.drain()
        if not allowed:
            assert first.get(attribute.NOMINATION) is None
            assert sent == []  # concluded
            continue
        [asked] = sent
        [second] = puppet.answer(asked, source=BETTER)
        assert (first.get(attribute.NOMINATION), second.get(attribute.NOMINATION)) == (1, 2)
        puppet.answer(second, source=BETTER)
        assert path(puppet) == BETTER


@pytest.mark.spec("ice/renomination-number")
def test_the_highest_number_wins_whatever_the_order_and_the_rank() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_remote_candidate(host(BETTER, priority=2**31), puppet.now)
    puppet.connect(BETTER, nominates=True)
    assert path(puppet) == BETTER
    puppet.connect(BOB, nominates=False)
    for number, source, expected in ((2, BOB, BOB), (1, BETTER, BOB), (3, BETTER, BETTER), (7, BOB, BOB)):
        question = check.Question(99, puppet.role, True, number)
        octets = check.request(bytes([number] * 12), question, puppet.credentials, puppet.machine.credentials)
        puppet.say(octets, source=source)
        assert path(puppet) == expected, number
