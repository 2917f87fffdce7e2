"""The peer must keep saying that it wants our packets."""

from __future__ import annotations

import itertools
import math

import pytest

from meetref.protocol import ice
from meetref.wire import stun
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent


def connected() -> Puppet:
    puppet = Puppet(agent(1, controlling=False))
    puppet.connect()
    assert puppet.machine.state == "connected"
    return puppet


def requests_of(puppet: Puppet, seconds: float, *, answer: bool) -> list[tuple[float, bytes]]:
    """When the agent asks during that time, and with which transaction."""
    asked, end = [], puppet.now + seconds
    while puppet.now < end:
        step = min(puppet.machine.next_timeout(), end) - puppet.now
        for message in puppet.wait(step):
            asked.append((puppet.now - 100, message.transaction))
            if answer:
                puppet.answer(message)
    return asked


@pytest.mark.spec(
    "ice/consent-interval", "ice/consent-transaction", "stun/transaction-random", "consent/own-identifier"
)
def test_consent_is_asked_every_four_to_six_seconds_with_a_new_transaction() -> None:
    asked = requests_of(connected(), 300, answer=True)
    times = [0.0, *(at for at, _ in asked)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(4 <= gap <= 6 for gap in gaps)
    assert max(gaps) - min(gaps) > 1
    assert len({transaction for _, transaction in asked}) == len(asked)


@pytest.mark.spec("ice/consent-expiry")
def test_without_answers_it_ends_after_thirty_seconds() -> None:
    puppet = connected()
    puppet.wait(29.99)
    assert puppet.machine.state == "disconnected"
    assert puppet.machine.selected is not None
    puppet.wait(0.01)
    assert puppet.states() == ["checking", "connected", "disconnected", "failed"]
    assert puppet.machine.selected is None
    assert puppet.machine.next_timeout() == math.inf
    assert not puppet.machine.is_valid_path(ALICE, BOB)


@pytest.mark.spec("ice/consent-expiry")
def test_nothing_brings_lost_consent_back() -> None:
    puppet = connected()
    asked = puppet.wait(30)
    for message in asked:
        assert puppet.answer(message) == []
    assert puppet.say(puppet.request(nominates=True)) == []
    assert puppet.machine.state == "failed"
    assert puppet.machine.ignored["session over"] == len(asked) + 1


@pytest.mark.spec("ice/consent-expiry")
def test_an_answer_counts_from_when_it_comes() -> None:
    puppet = connected()
    [first, *_] = puppet.wait(6)
    puppet.now += 3
    puppet.answer(first)
    puppet.wait(29.9)
    assert puppet.machine.selected is not None
    puppet.wait(0.2)
    assert puppet.machine.state == "failed"


def test_silence_is_noticed_within_seconds_and_heals() -> None:
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(12)
    talk.passes = lambda datagram: False
    talk.run_until(22)
    for name in "ab":
        disconnected = [at for at, event in talk.events(name, ice.StateChanged)][-1]
        assert talk.states(name) == ["checking", "connected", "disconnected"]
        assert disconnected - 12 < 8.1
    talk.passes = lambda datagram: True
    talk.run_until(32)
    assert talk.states("a")[-1] == talk.states("b")[-1] == "connected"
    assert (talk.path("a"), talk.path("b")) == ((ALICE, BOB), (BOB, ALICE))
    assert len(talk.events("a", ice.PairSelected)) == 1
    talk.run_until(200)
    assert talk.states("a")[-1] == "connected"


def test_one_lost_request_is_no_disconnection() -> None:
    puppet = connected()
    lost = puppet.wait(puppet.machine.next_timeout() - puppet.now)
    assert len(lost) == 1
    asked = requests_of(puppet, 20, answer=True)
    assert asked[0][0] - (puppet.now - 100 - 20) == pytest.approx(0.5)  # a check, with repetitions, after the silence
    assert puppet.states() == ["checking", "connected"]


@pytest.mark.spec("ice/consent-revoked")
def test_a_peer_that_forbids_ends_it_at_once() -> None:
    puppet = connected()
    [asked] = puppet.wait(puppet.machine.next_timeout() - puppet.now)
    puppet.refuse(asked, 403)
    assert puppet.machine.state == "failed"


def test_a_request_of_the_peers_is_no_consent() -> None:
    puppet = connected()
    for _ in range(30):
        puppet.wait(1)
        puppet.say(puppet.request(nominates=True))
    assert puppet.machine.state == "failed"


@pytest.mark.spec("ice/consent-regained")
def test_a_pair_unused_for_long_is_checked_again_before_it_is_used() -> None:
    puppet = connected()
    other = BOB._replace(port=1)
    puppet.connect(other, nominates=False)
    requests_of(puppet, 40, answer=True)
    answer, asked = puppet.say(puppet.request(nominates=True), source=other)
    assert (answer.kind, asked.kind) == (stun.Class.SUCCESS, stun.Class.REQUEST)
    assert puppet.machine.selected is not None
    assert puppet.machine.selected.remote == BOB
    puppet.answer(asked, source=other)
    assert puppet.machine.selected.remote == other
