"""A lite agent answers, follows, and notices silence; a full one finds it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import check, ice
from meetref.protocol.lite import KEEPALIVE_EVERY, MAXIMUM_PATHS, LiteAgent
from meetref.protocol.machine import Datagram
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent, host

OTHER = Address(BOB.host, 2001)


def lite(seed: int = 1) -> LiteAgent:
    dice = random.Random(seed).randbytes
    return LiteAgent(credentials=ice.make_credentials(dice), dice=dice)


def puppet(*, introduced: bool = True) -> Puppet:
    return Puppet(lite(), introduced=introduced)  # type: ignore[arg-type]


@pytest.mark.spec("ice/lite", "ice/lite-peer", "ice/lite-selects")
@pytest.mark.parametrize("controls", [True, False])
def test_a_full_agent_finds_a_lite_one_and_controls_it(controls: bool) -> None:
    talk = Conversation(lite(), agent(2, controlling=controls))  # type: ignore[arg-type]
    talk.a.add_local_candidate(host(ALICE), talk.now)
    talk.b.add_local_candidate(host(BOB), talk.now)
    talk.a.set_remote_credentials(talk.b.credentials, talk.now)
    talk.b.set_remote_credentials(talk.a.credentials, talk.now, lite=True)
    talk.b.add_remote_candidate(host(ALICE), talk.now)
    talk.run_until(60)
    assert (talk.path("a"), talk.path("b")) == ((ALICE, BOB), (BOB, ALICE))
    assert talk.b.controlling
    assert talk.a.state == talk.b.state == "connected"
    assert not [datagram for _, who, datagram in talk.sent if who == "a" and datagram.data[:2] == b"\0\1"]


@pytest.mark.spec("ice/lite")
def test_it_never_asks_and_tells_a_controlled_peer_to_control() -> None:
    talk = puppet()
    [refused] = talk.say(talk.request(role=check.Role(False, 1 << 63)))
    assert refused.get(attribute.ERROR_CODE).code == 487
    [answer] = talk.say(talk.request())
    assert answer.kind is stun.Class.SUCCESS
    assert answer.get(attribute.XOR_MAPPED_ADDRESS) == BOB
    assert talk.wait(5) == []


@pytest.mark.spec("ice/stranger-unanswered")
def test_another_name_than_the_peers_gets_no_answer() -> None:
    talk = puppet()
    talk.credentials = ice.Credentials("newn", "newnewnewnewnewnewneww")
    assert talk.say(talk.request(nominates=True)) == []
    assert talk.machine.selected is None


@pytest.mark.spec("ice/lite-selects")
def test_what_the_peer_nominates_is_used_and_a_better_or_later_choice_replaces_it() -> None:
    talk = puppet()
    talk.say(talk.request())
    assert talk.machine.selected is None
    assert talk.machine.is_valid_path(ALICE, BOB)
    talk.say(talk.request(nominates=True))
    assert talk.machine.selected is not None
    talk.say(talk.request(nominates=True, priority=1), source=OTHER)
    assert talk.machine.selected.remote == BOB  # Firefox nominates all and means the best
    talk.wait(3)
    talk.say(talk.request(nominates=True, priority=1), source=OTHER)
    assert talk.machine.selected.remote == OTHER
    assert talk.states() == ["checking", "connected"]


@pytest.mark.spec("ice/lite-selects", "ice/early-checks")
def test_a_nomination_before_the_answer_counts_when_it_comes() -> None:
    talk = puppet(introduced=False)
    talk.say(talk.request(nominates=True))
    assert talk.machine.selected is None
    talk.machine.set_remote_credentials(talk.credentials, talk.now)
    assert talk.machine.selected is not None
    assert talk.machine.selected.remote == BOB


@pytest.mark.spec("consent/lite")
def test_silence_is_noticed_and_ends_it_as_lost_consent_would() -> None:
    talk = puppet()
    talk.say(talk.request(nominates=True))
    talk.wait(6.9)
    assert talk.states()[-1] == "connected"
    talk.wait(0.2)
    assert talk.states()[-1] == "disconnected"
    talk.say(talk.request())
    assert talk.states()[-1] == "connected"
    talk.wait(30.1)
    assert talk.states()[-1] == "failed"
    assert talk.machine.next_timeout() == float("inf")
    assert talk.say(talk.request()) == []


@pytest.mark.spec("ice/keepalive")
def test_it_keeps_the_way_open_without_asking_anything() -> None:
    talk = puppet()
    talk.say(talk.request(nominates=True))
    sent = []
    for _ in range(8):
        sent += talk.wait(KEEPALIVE_EVERY / 4)
        talk.say(talk.request())
    assert [message.kind for message in sent] == [stun.Class.INDICATION, stun.Class.INDICATION]


@pytest.mark.spec("ice/candidates-bounded")
def test_paths_are_bounded_and_the_chosen_one_stays() -> None:
    talk = puppet()
    talk.say(talk.request(nominates=True))
    for port in range(3000, 3200):
        talk.say(talk.request(), source=Address(BOB.host, port))
    valid = [port for port in range(3000, 3200) if talk.machine.is_valid_path(ALICE, Address(BOB.host, port))]
    assert len(valid) == MAXIMUM_PATHS - 1
    assert talk.machine.is_valid_path(ALICE, BOB)


@pytest.mark.spec("ice/unauthentic-request")
def test_what_is_not_authentic_changes_nothing() -> None:
    talk = puppet()
    forged = bytearray(talk.request(nominates=True))
    forged[-12] ^= 1
    assert talk.say(bytes(forged)) == []
    assert talk.say(talk.request(nominates=True), to=OTHER) == []
    assert not talk.machine.is_valid_path(ALICE, BOB)


@given(st.randoms(use_true_random=False), st.binary(max_size=80))
def test_no_sequence_of_inputs_raises_and_time_always_moves_on(dice: random.Random, junk: bytes) -> None:
    talk = puppet(introduced=False)
    machine, places = talk.machine, [BOB, OTHER, Address("2001:db8::2", 3)]
    actions: list[Callable[[], object]] = [
        lambda: machine.set_remote_credentials(talk.credentials, talk.now),
        lambda: machine.add_remote_candidate(host(dice.choice(places)), talk.now),
        lambda: machine.path_closed(ALICE, dice.choice(places), talk.now),
        lambda: talk.wait(dice.choice([0.001, 1, 8, 16, 31])),
        lambda: talk.say(talk.request(nominates=dice.random() < 0.5), source=dice.choice(places)),
        lambda: machine.receive_datagram(Datagram(junk, ALICE, BOB), talk.now),
    ]
    for _ in range(20):
        dice.choice(actions)()
        talk.drain()
        machine.handle_timeout(talk.now)
        assert machine.next_timeout() > talk.now
