"""Two agents find each other: in every order of signaling, through loss, with any roles, and within time."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import ice
from meetref.protocol.machine import Ignored
from meetref.protocol.pair import Input
from meetref.protocol.transaction import PATIENCE
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent, host


@pytest.mark.spec("ice/check-username", "ice/check-protected", "ice/nomination", "ice/triggered-check")
def test_two_agents_connect_within_two_round_trips() -> None:
    talk = Conversation.ready(delay=0.0005)
    talk.introduce()
    talk.run_until(0.05)
    assert talk.path("a") == (ALICE, BOB)
    assert talk.path("b") == (BOB, ALICE)
    assert talk.states("a") == talk.states("b") == ["checking", "connected"]
    assert all(at <= 0.002 for at, _ in talk.events("a", ice.PairSelected))
    assert talk.a.selected is not None
    assert talk.a.selected.round_trip_time == pytest.approx(0.001)
    assert talk.a.selected.kinds == "host udp / host udp"
    assert talk.a.selected.is_nominated
    assert talk.b.selected is not None
    assert talk.b.selected.is_nominated


def test_many_addresses_still_connect_within_50_ms() -> None:
    """A browser's list beside a server's: IPv4, IPv6, loopback, a bridge that leads nowhere."""
    talk = Conversation(agent(1, controlling=False), agent(2, controlling=True), delay=0.0005)
    ours = [Address(name, 8081) for name in ("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1")]
    theirs = [Address(name, 50000) for name in ("172.17.0.1", "2001:db8::2", "192.0.2.2", "fe80::1")]
    talk.owner = {address: ("a", address) for address in ours} | {
        address: ("b", address) for address in theirs if address.host != "172.17.0.1"
    }
    for rank, address in enumerate(ours):
        talk.a.add_local_candidate(host(address, priority=2**31 - rank), talk.now)
    for rank, address in enumerate(theirs):
        talk.b.add_local_candidate(host(address, priority=2**31 - rank), talk.now)
    talk.a.set_remote_credentials(talk.b.credentials, talk.now)
    talk.b.set_remote_credentials(talk.a.credentials, talk.now)
    for rank, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
        talk.a.add_remote_candidate(host(yours, priority=2**31 - rank), talk.now)
        talk.b.add_remote_candidate(host(mine, priority=2**31 - rank), talk.now)
    talk.run_until(0.05)
    assert talk.a.state == talk.b.state == "connected"
    assert talk.b.selected is not None
    assert talk.b.selected.is_nominated
    assert talk.path("a") == (talk.b.selected.remote, talk.b.selected.local)


STEPS: dict[str, Callable[[Conversation], None]] = {
    "a has an address": lambda talk: talk.a.add_local_candidate(host(ALICE), talk.now),
    "b has an address": lambda talk: talk.b.add_local_candidate(host(BOB), talk.now),
    "a knows b": lambda talk: talk.a.set_remote_credentials(talk.b.credentials, talk.now),
    "b knows a": lambda talk: talk.b.set_remote_credentials(talk.a.credentials, talk.now),
    "a is told b's address": lambda talk: talk.a.add_remote_candidate(host(BOB), talk.now),
    "b is told a's address": lambda talk: talk.b.add_remote_candidate(host(ALICE), talk.now),
}


@pytest.mark.spec("ice/trickle", "ice/early-checks")
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_every_order_of_signaling_connects(gap: float) -> None:
    for order in itertools.permutations(STEPS):
        talk = Conversation(agent(1, controlling=True), agent(2, controlling=False))
        for number, step in enumerate(order):
            talk.run_until(number * gap)
            STEPS[step](talk)
            talk.flush()
        talk.run_until(len(order) * gap + 2)
        assert talk.path("a") == (ALICE, BOB), order
        assert talk.path("b") == (BOB, ALICE), order


@pytest.mark.spec("ice/peer-reflexive-remote", "ice/triggered-check")
def test_one_side_that_knows_no_address_is_found_by_the_other() -> None:
    talk = Conversation.ready()
    talk.b.set_remote_credentials(talk.a.credentials, talk.now)
    talk.introduce(b=False)
    talk.run_until(1)
    assert talk.path("b") == (BOB, ALICE)
    assert talk.b.selected is not None
    assert talk.b.selected.kinds == "host udp / prflx udp"
    talk.b.add_remote_candidate(host(ALICE), talk.now)
    assert talk.b.selected.kinds == "host udp / host udp"


def test_behind_a_translator_the_mapped_address_is_seen() -> None:
    talk = Conversation.ready()
    outside = Address("198.51.100.7", 61000)
    talk.move("a", ALICE, outside)
    talk.introduce()
    talk.run_until(1)
    assert talk.path("b") == (BOB, outside)
    assert talk.a.selected is not None
    assert talk.a.selected.mapped == outside
    assert talk.a.selected.kinds == "prflx udp / host udp"


@pytest.mark.spec("stun/retransmission")
@pytest.mark.soak(ci=20, full=2000)
def test_a_third_of_the_datagrams_lost(seed: int) -> None:
    dice = random.Random(seed)
    talk = Conversation.ready(a_controls=bool(seed % 2), b_controls=not seed % 2, delay=0.001 + dice.random() / 5)
    talk.passes = lambda datagram: dice.random() > 0.33
    talk.introduce()
    talk.run_until(30)
    assert (talk.path("a"), talk.path("b")) == ((ALICE, BOB), (BOB, ALICE))


@pytest.mark.spec("ice/role-conflict", "ice/role-conflict-answer")
@pytest.mark.parametrize("controls", [True, False])
@pytest.mark.parametrize("late", ["a", "b", ""])
def test_two_agents_in_the_same_role_settle_it(controls: bool, late: str) -> None:
    talk = Conversation.ready(a_controls=controls, b_controls=controls)
    talk.introduce(a=late != "a", b=late != "b")
    talk.run_until(0.3)
    talk.introduce()
    talk.run_until(3)
    assert talk.a.controlling != talk.b.controlling
    assert (talk.path("a"), talk.path("b")) == ((ALICE, BOB), (BOB, ALICE))
    for machine in (talk.a, talk.b):
        assert machine.selected is not None
        assert machine.selected.is_nominated


@pytest.mark.spec("ice/early-checks")
def test_checks_before_the_answer_open_the_path_and_are_made_up_for() -> None:
    talk = Conversation.ready()
    talk.introduce(b=False)
    talk.run_until(1)
    assert talk.path("a") == (ALICE, BOB)
    assert talk.b.state == "new"
    assert talk.b.selected is None
    assert talk.b.is_valid_path(BOB, ALICE)
    assert [event for _, event in talk.events("b", ice.PathOpened)] == [ice.PathOpened(BOB, ALICE)]
    assert not [datagram for _, who, datagram in talk.sent if who == "b" and datagram.data[0] == 0]
    talk.b.set_remote_credentials(talk.a.credentials, talk.now)
    talk.run_until(1.1)
    assert talk.path("b") == (BOB, ALICE)
    assert len(talk.events("b", ice.PathOpened)) == 1


@pytest.mark.spec("ice/early-checks-bounded")
def test_early_checks_are_bounded() -> None:
    puppet = Puppet(agent(1, controlling=False), introduced=False)
    for port in range(1, 200):
        puppet.say(puppet.request(), source=Address(BOB.host, port))
    assert sum(isinstance(event, ice.PathOpened) for event in puppet.events) == 32
    assert puppet.machine.ignored["too many early checks"] == 167


def test_early_checks_of_somebody_else_are_forgotten() -> None:
    puppet = Puppet(agent(1, controlling=False), introduced=False)
    puppet.say(puppet.request())
    other = ice.Credentials("abcd", "a" * 22)
    puppet.machine.set_remote_credentials(other, puppet.now)
    assert puppet.wait(5) == []
    assert not puppet.machine.is_valid_path(ALICE, BOB)
    assert puppet.say(puppet.request()) == []
    assert puppet.machine.ignored["request from somebody else"] == 1


@pytest.mark.spec("ice/stranger-unanswered")
def test_the_peers_new_name_before_we_know_it_gets_no_answer() -> None:
    """libwebrtc stays with a path on which our former credentials answered its new name."""
    puppet = Puppet(agent(1, controlling=False))
    puppet.connect()
    assert puppet.machine.selected is not None
    puppet.credentials = ice.Credentials("newn", "newnewnewnewnewnewneww")
    assert puppet.say(puppet.request(nominates=True), source=Address("192.0.2.77", 4000)) == []
    assert not puppet.machine.is_valid_path(ALICE, Address("192.0.2.77", 4000))
    assert puppet.machine.ignored["request from somebody else"] == 1


@pytest.mark.spec("ice/patience")
def test_without_a_peer_it_fails_after_39_and_a_half_seconds_and_recovers() -> None:
    talk = Conversation.ready()
    talk.a.set_remote_credentials(talk.b.credentials, talk.now)
    talk.a.end_of_remote_candidates(talk.now)
    talk.run_until(39.4)
    assert talk.states("a") == ["checking"]
    talk.run_until(39.6)
    assert talk.states("a") == ["checking", "failed"]
    assert talk.a.next_timeout() == math.inf
    talk.introduce(a=False)
    talk.run_until(41)
    assert talk.a.state == "connected"


def test_checks_that_nobody_answers_fail() -> None:
    talk = Conversation.ready()
    talk.passes = lambda datagram: False
    talk.introduce()
    talk.run_until(39.4)
    assert talk.states("a") == ["checking"]
    talk.run_until(40)
    assert talk.states("a") == ["checking", "failed"]
    assert not talk.a.is_valid_path(ALICE, BOB)


def checked_from_ever_new_ports(puppet: Puppet, seconds: float) -> list[float]:
    """As two NATs do that give each check a port of its own: when the agent sent a request."""
    begun, asked = puppet.now, list[float]()
    for number in range(int(seconds * 2)):
        sent = puppet.wait(0.5) + puppet.say(puppet.request(), source=Address(BOB.host, 1024 + number))
        asked += [puppet.now - begun for message in sent if message.kind is stun.Class.REQUEST]
    return asked


@pytest.mark.spec("ice/search-ends")
def test_a_search_that_always_finds_another_place_to_ask_ends() -> None:
    puppet = Puppet(agent(1, controlling=False))
    asked = checked_from_ever_new_ports(puppet, 2 * PATIENCE - 1)
    assert puppet.states() == ["checking"]
    assert len(asked) > 100
    checked_from_ever_new_ports(puppet, 2)
    assert puppet.states() == ["checking", "failed"]
    assert checked_from_ever_new_ports(puppet, 5) == []
    assert puppet.machine.next_timeout() == math.inf


@pytest.mark.spec("ice/search-ends")
def test_what_the_peer_tells_for_the_first_time_keeps_the_search_going() -> None:
    puppet = Puppet(agent(1, controlling=False))
    for news, states in ((BOB, ["checking"]), (BOB, ["checking", "failed"])):
        checked_from_ever_new_ports(puppet, 1.5 * PATIENCE)
        puppet.machine.add_remote_candidate(host(news), puppet.now)
        assert puppet.states() == states
    late = Puppet(agent(1, controlling=False))
    late.machine.set_remote_credentials(late.credentials, late.now)
    late.wait(PATIENCE + 1)
    assert late.states() == ["checking", "failed"]
    late.wait(PATIENCE)
    assert [message.kind for message in late.say(late.request())] == [stun.Class.SUCCESS], "but no check of our own"
    assert late.machine.state == "failed"


def test_a_pair_lost_long_after_the_start_has_time_for_another_search() -> None:
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(3 * PATIENCE)
    pair = talk.a.selected
    assert pair is not None
    talk.a._selection._lose(pair, Input.CHECK_FAILED, talk.now)
    talk.run_until(3 * PATIENCE + 10)
    assert talk.a.state == talk.b.state == "connected"
    assert talk.states("a")[:3] == ["checking", "connected", "failed"]


@pytest.mark.spec("ice/end-of-candidates", "ice/candidate-generation")
def test_candidates_that_are_not_for_us() -> None:
    machine = agent(1, controlling=True)
    machine.set_remote_credentials(ice.Credentials("abcd", "a" * 22), 0)
    udp = host(BOB)
    for candidate in (
        Candidate("1", 1, "tcp", 1, "192.0.2.9", 9, "host"),
        Candidate("1", 2, "udp", 1, "192.0.2.9", 9, "host"),
        Candidate("1", 1, "udp", 1, "1f4712db-ea17-4bcf-a596-105139dfd8bf.local", 9, "host"),
        host(BOB, ufrag="other"),
    ):
        machine.add_remote_candidate(candidate, 0)
    machine.end_of_remote_candidates(0)
    machine.add_remote_candidate(udp, 0)
    assert dict(machine.ignored) == {
        "candidate without a direction": 1,
        "candidate of another component": 1,
        "candidate with a name": 1,
        "candidate of another generation": 1,
        "candidate after the last": 1,
    }
    assert [type(event) for event in machine.events()].count(Ignored) == 5


@pytest.mark.spec("ice/credential-size")
def test_credentials() -> None:
    made = ice.make_credentials(random.Random(1).randbytes)
    assert made.are_sound
    assert made.password not in repr(made)
    assert (len(made.ufrag), len(made.password)) == (8, 24)
    for wrong in (
        ice.Credentials("abc", "a" * 22),
        ice.Credentials("abcd", "a" * 21),
        ice.Credentials("ab:d", "a" * 22),
    ):
        machine = agent(1, controlling=True)
        machine.set_remote_credentials(wrong, 0)
        assert machine.state == "new"
        assert machine.ignored.total() == 1


def test_other_credentials_need_another_agent() -> None:
    machine = agent(1, controlling=True)
    for letter in "aab":
        machine.set_remote_credentials(ice.Credentials("abcd", letter * 22), 0)
    assert dict(machine.ignored) == {"other credentials without a restart": 1}


def test_closing_is_the_end() -> None:
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(1)
    talk.a.close(talk.now)
    assert list(talk.a.transmits()) == []
    talk.log += [(talk.now, "a", event) for event in talk.a.events()]
    assert talk.states("a")[-1] == "closed"
    assert talk.a.next_timeout() == math.inf
    assert talk.a.selected is None
    assert not talk.a.is_valid_path(ALICE, BOB)
    talk.a.close(talk.now)
    talk.a.add_remote_candidate(host(BOB), talk.now)
    talk.run_until(7)
    assert talk.a.ignored["session over"] > 0
    assert not [datagram for at, who, datagram in talk.sent if who == "a" and at > 101]


@given(st.binary(max_size=120))
def test_no_octets_raise_or_change_anything(data: bytes) -> None:
    puppet = Puppet(agent(1, controlling=True))
    for octets in (data, stun.HEADER.pack(1, len(data), attribute.COOKIE, bytes(12)) + data):
        assert puppet.say(octets) == []
    assert puppet.machine.ignored.total() == 2
    assert puppet.machine.next_timeout() > puppet.now


@given(st.randoms(use_true_random=False))
def test_no_sequence_of_inputs_raises_and_time_always_moves_on(dice: random.Random) -> None:
    """Commands, checks, answers, refusals and time in any order, on a few addresses."""
    puppet = Puppet(agent(dice.randrange(9), controlling=dice.random() < 0.5), introduced=False)
    machine, asked = puppet.machine, list[stun.Message]()
    places = [BOB, Address("192.0.2.3", 3), Address("2001:db8::2", 3), Address("127.0.0.1", 3)]
    actions: list[Callable[[], object]] = [
        lambda: machine.set_remote_credentials(puppet.credentials, puppet.now),
        lambda: machine.add_remote_candidate(host(dice.choice(places), priority=dice.randrange(2**32)), puppet.now),
        lambda: machine.add_local_candidate(host(dice.choice(places)), puppet.now),
        lambda: machine.end_of_remote_candidates(puppet.now),
        lambda: asked.extend(puppet.wait(dice.choice([0.001, 0.1, 1, 10, 40]))),
        lambda: asked.extend(puppet.say(puppet.request(nominates=dice.random() < 0.5), source=dice.choice(places))),
        lambda: setattr(puppet.role, "controlling", dice.random() < 0.5),
        lambda: asked and puppet.answer(dice.choice(asked), source=dice.choice(places)),
        lambda: asked and puppet.refuse(dice.choice(asked), dice.choice([300, 400, 403, 420, 487, 500])),
    ]
    for _ in range(30):
        dice.choice(actions)()
        puppet.drain()
        machine.handle_timeout(puppet.now)
        assert machine.next_timeout() > puppet.now
        assert (machine.selected is not None) == (machine.state in ("connected", "disconnected"))


@pytest.mark.parametrize("late_by", [0.6, 1.0, 13.0])
def test_a_pair_whose_silence_began_in_the_past_stops_no_clock(late_by: float) -> None:
    """A program that was stopped for a while goes over to another pair, of which a check is unanswered, too."""
    talk = Conversation.ready()
    talk.introduce()
    talk.run_until(1)
    pair, selection, now = talk.a.selected, talk.a._selection, talk.now + late_by
    assert pair is not None
    pair.unanswered_since = talk.now
    selection.stop()
    selection._take(pair, now)
    assert selection.next_timeout(disconnected=True) > now
    talk.a.handle_timeout(now)
    assert talk.a.next_timeout() > now


@pytest.mark.spec("ice/peer-reflexive-local", "ice/reflexive-candidates")
def test_a_told_reflexive_address_is_recognized_and_an_untold_one_is_found() -> None:
    outside = Address("198.51.100.7", 61000)
    for told, kind in ((True, "srflx"), (False, "prflx")):
        talk = Conversation.ready()
        talk.move("a", ALICE, outside)
        if told:
            mapped = Candidate("9", 1, "udp", 100 << 24, outside.host, outside.port, "srflx", related=tuple(ALICE))
            talk.a.add_local_candidate(mapped, talk.now, base=ALICE)
        talk.introduce()
        talk.run_until(1)
        assert talk.a.selected is not None
        assert talk.a.selected.proven_candidate.type == kind
        assert talk.a.selected.local == ALICE
        assert talk.a.selected.kinds == f"{kind} udp / host udp"
        proven = talk.a.selected.proven_candidate
        assert (proven.host, proven.port) == outside


@pytest.mark.spec("ice/pair-priority", "ice/peer-reflexive-local")
def test_both_sides_rank_a_pair_behind_a_translator_alike() -> None:
    talk = Conversation.ready()
    talk.move("a", ALICE, Address("198.51.100.7", 61000))
    talk.introduce()
    talk.run_until(1)
    assert talk.a.selected is not None
    assert talk.b.selected is not None
    assert talk.a.selected.priority(controlling=True) == talk.b.selected.priority(controlling=False)


@pytest.mark.spec("ice/relayed-candidates")
def test_a_path_through_a_relay_is_used_and_left_for_a_better_one_at_the_start() -> None:
    """Datagrams from the relayed address are carried by somebody else; to the agent it is one more base."""
    relayed = Address("198.51.100.9", 50000)
    for direct in (True, False):
        talk = Conversation.ready()
        talk.owner[relayed] = ("a", relayed)
        talk.passes = lambda datagram, direct=direct: direct or ALICE not in (datagram.local, datagram.remote)
        candidate = Candidate("9", 1, "udp", 255, relayed.host, relayed.port, "relay", related=tuple(ALICE))
        talk.a.add_local_candidate(candidate, talk.now)
        talk.introduce()
        talk.b.add_remote_candidate(candidate, talk.now)
        talk.run_until(3)
        assert talk.path("a") == (ALICE if direct else relayed, BOB)
        assert talk.path("b") == (BOB, ALICE if direct else relayed)
        assert talk.a.selected is not None
        assert talk.a.selected.kinds == ("host udp / host udp" if direct else "relay udp / host udp")


@pytest.mark.spec("ice/lite-peer")
def test_a_lite_peer_is_controlled_by_us_whoever_offered() -> None:
    machine = agent(1, controlling=False)
    machine.add_local_candidate(host(ALICE), 0)
    machine.set_remote_credentials(ice.Credentials("abcd", "a" * 22), 0, lite=True)
    machine.add_remote_candidate(host(BOB), 0)
    [asked] = machine.transmits()
    assert machine.controlling
    assert stun.parse(asked.data).get(attribute.ICE_CONTROLLING) is not None


@pytest.mark.spec("ice/mixed-generations")
def test_a_check_under_the_peers_former_name_counts_and_is_answered_under_it() -> None:
    """libwebrtc, after a restart: an old socket of its own, our new credentials."""
    puppet = Puppet(agent(1, controlling=False))
    former = puppet.credentials
    puppet.machine.remember_peer(ice.Credentials("form", "formerformerformerform"))
    puppet.credentials = ice.Credentials("form", "formerformerformerform")
    _, asked = puppet.say(puppet.request(nominates=True))
    assert asked.get(attribute.USERNAME) == f"form:{puppet.machine.credentials.ufrag}"
    puppet.answer(asked)
    assert puppet.machine.selected is not None
    puppet.credentials = former
    puppet.now += 1
    _, asked = puppet.say(puppet.request(), source=BOB._replace(port=1))
    assert asked.get(attribute.USERNAME) == f"pupp:{puppet.machine.credentials.ufrag}"


@pytest.mark.spec("ice/end-of-candidates")
def test_a_candidate_of_the_present_generation_counts_after_the_end_of_the_former() -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.machine.end_of_remote_candidates(puppet.now)
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    assert puppet.drain() == []
    puppet.machine.add_remote_candidate(host(BOB, ufrag="pupp"), puppet.now)
    assert len(puppet.drain()) == 1
