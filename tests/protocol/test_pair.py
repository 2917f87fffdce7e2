"""The table of a pair, its rank, which addresses may meet; over TCP, who opens, and what the end of a stream means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import ice
from meetref.protocol.machine import Datagram
from meetref.protocol.pair import TRANSITIONS, Input, Pair, Remote, State, may_pair
from meetref.wire import stun
from meetref.wire.address import Address, StreamAddress
from meetref.wire.candidate import Candidate
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent, host

PRIORITIES = st.integers(min_value=1, max_value=2**31 - 1)


def pair(ours: int, theirs: int) -> Pair:
    return Pair(ALICE, BOB, host(ALICE, priority=ours), Remote(BOB, "host", theirs))


def test_the_table_is_total_and_gone_is_final() -> None:
    assert set(TRANSITIONS) == {(state, happened) for state in State for happened in Input}
    assert all(TRANSITIONS[State.GONE, happened] is State.GONE for happened in Input)


def test_only_an_answer_makes_a_pair_succeed() -> None:
    for (state, happened), then in TRANSITIONS.items():
        if then is State.SUCCEEDED and state is not State.SUCCEEDED:
            assert happened is Input.ANSWERED


@pytest.mark.spec("ice/pair-priority")
@given(PRIORITIES, PRIORITIES)
def test_both_sides_rank_a_pair_alike(ours: int, theirs: int) -> None:
    assert pair(ours, theirs).priority(True) == pair(theirs, ours).priority(False)
    assert pair(ours, theirs).priority(True) < 2**64


@pytest.mark.spec("ice/pair-priority")
def test_the_rank_of_a_pair_in_numbers() -> None:
    """2^32 * min(G, D) + 2 * max(G, D) + (G > D ? 1 : 0), worked by hand."""
    assert pair(5, 3).priority(True) == 3 * 4294967296 + 10 + 1
    assert pair(5, 3).priority(False) == 3 * 4294967296 + 10
    assert pair(4, 4).priority(True) == 4 * 4294967296 + 8


@pytest.mark.spec("ice/same-family", "ice/link-local-pairs")
@pytest.mark.parametrize(
    ("local", "remote", "may"),
    [
        ("192.0.2.1", "192.0.2.2", True),
        ("192.0.2.1", "2001:db8::1", False),
        ("2001:db8::1", "192.0.2.1", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "fe80::1", False),
        ("fe80::1", "2001:db8::1", False),
        ("fe80::1", "fe80::2", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("192.0.2.1", "127.0.0.1", False),
        ("::1", "::1", True),
        ("192.0.2.1", "0.0.0.0", False),
        ("192.0.2.1", "224.0.0.1", False),
    ],
)
def test_which_addresses_may_meet(local: str, remote: str, may: bool) -> None:
    assert may_pair(Address(local, 1), Address(remote, 1)) is may


def test_port_zero_is_nobody() -> None:
    assert not may_pair(ALICE, BOB._replace(port=0))


# --- over TCP -------------------------------------------------------------------------------------

ACTIVE = StreamAddress(ALICE.host, 9)
OUT = StreamAddress(ALICE.host, 50123)  # where the stream really comes from
PASSIVE = StreamAddress(BOB.host, 443)


def stream(address: StreamAddress, kind: str) -> Candidate:
    return Candidate(kind, 1, "tcp", 90 << 24, address.host, address.port, "host", tcp_type=kind)  # type: ignore[arg-type]


def ready(*, a_controls: bool = True) -> Conversation:
    """`a` may only open streams, `b` only accept them."""
    talk = Conversation(agent(1, controlling=a_controls), agent(2, controlling=not a_controls))
    talk.owner = {OUT: ("a", ACTIVE), PASSIVE: ("b", PASSIVE)}
    talk.translate = {ACTIVE: OUT}
    talk.a.add_local_candidate(stream(ACTIVE, "active"), talk.now)
    talk.b.add_local_candidate(stream(PASSIVE, "passive"), talk.now)
    talk.a.set_remote_credentials(talk.b.credentials, talk.now)
    talk.b.set_remote_credentials(talk.a.credentials, talk.now)
    talk.a.add_remote_candidate(stream(PASSIVE, "passive"), talk.now)
    talk.b.add_remote_candidate(stream(ACTIVE, "active"), talk.now)
    return talk


@pytest.mark.spec("ice/tcp-pairing", "ice/tcp-passive", "ice/peer-reflexive-local")
@pytest.mark.parametrize("a_controls", [True, False])
def test_the_active_side_opens_and_both_find_the_path(a_controls: bool) -> None:
    talk = ready(a_controls=a_controls)
    talk.run_until(1)
    assert talk.path("a") == (ACTIVE, PASSIVE)
    assert talk.path("b") == (PASSIVE, OUT)
    assert talk.a.selected is not None
    assert talk.b.selected is not None
    assert talk.a.selected.is_nominated
    assert talk.b.selected.is_nominated
    assert talk.a.selected.kinds == "prflx tcp / host tcp"
    assert talk.b.selected.kinds == "host tcp / prflx tcp"
    assert next(who for _, who, _ in talk.sent) == "a"


@pytest.mark.spec("ice/tcp-no-repetition")
def test_nothing_is_sent_twice_on_a_stream_and_the_patience_is_the_same() -> None:
    talk = ready()
    talk.passes = lambda datagram: False
    talk.run_until(39.4)
    assert len(talk.sent) == 1
    assert talk.states("a") == ["checking"]
    talk.run_until(40)
    assert talk.states("a") == ["checking", "failed"]
    assert len(talk.sent) == 1


def test_datagrams_of_one_port_number_are_another_path() -> None:
    talk = ready()
    udp = Address(PASSIVE.host, PASSIVE.port)
    talk.b.add_local_candidate(host(udp), talk.now)
    talk.run_until(1)
    assert talk.b.is_valid_path(PASSIVE, OUT)
    assert not talk.b.is_valid_path(udp, Address(*OUT))


@pytest.mark.spec("ice/tcp-closed")
def test_a_stream_that_ends_gives_way_to_a_path_that_works() -> None:
    puppet = Puppet(agent(1, controlling=False))
    machine = puppet.machine
    machine.add_local_candidate(stream(StreamAddress(ALICE.host, 443), "passive"), puppet.now)
    puppet.connect(BOB)
    other = StreamAddress(BOB.host, 51000)
    mine = StreamAddress(ALICE.host, 443)
    puppet.now += 3
    _, asked = puppet.say(puppet.request(nominates=True), source=other, to=mine)
    puppet.answer(asked, source=other, to=mine)
    assert machine.selected is not None
    assert machine.selected.remote == other
    machine.path_closed(mine, other, puppet.now)
    assert machine.selected.remote == BOB
    assert not machine.is_valid_path(mine, other)
    assert machine.state == "connected"


@pytest.mark.spec("ice/tcp-closed")
def test_a_stream_that_was_all_there_was_is_missed_and_a_new_one_taken() -> None:
    puppet = Puppet(agent(1, controlling=False))
    mine = StreamAddress(ALICE.host, 443)
    puppet.machine.add_local_candidate(stream(mine, "passive"), puppet.now)
    first, second = (StreamAddress(BOB.host, port) for port in (51000, 51001))
    _, asked = puppet.say(puppet.request(nominates=True), source=first, to=mine)
    puppet.answer(asked, source=first, to=mine)
    puppet.machine.path_closed(mine, first, puppet.now)
    puppet.wait(6)
    assert puppet.states()[-1] == "disconnected"
    _, asked = puppet.say(puppet.request(nominates=True), source=second, to=mine)
    puppet.answer(asked, source=second, to=mine)
    assert puppet.machine.selected is not None
    assert puppet.machine.selected.remote == second
    assert puppet.states()[-1] == "connected"


def test_closing_what_is_not_there_changes_nothing() -> None:
    machine = agent(1, controlling=True)
    machine.path_closed(PASSIVE, OUT, 1.0)
    assert list(machine.events()) == []


@pytest.mark.spec("ice/tcp-passive")
def test_an_active_candidate_is_no_place_to_check() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.machine.add_local_candidate(stream(StreamAddress(ALICE.host, 443), "passive"), puppet.now)
    puppet.machine.add_remote_candidate(stream(StreamAddress(BOB.host, 9), "active"), puppet.now)
    assert puppet.wait(5) == []
    assert puppet.machine.ignored.total() == 0
    answer, asked = puppet.say(puppet.request(), source=OUT, to=StreamAddress(ALICE.host, 443))
    assert (answer.kind, asked.kind) == (stun.Class.SUCCESS, stun.Class.REQUEST)
    assert isinstance(puppet.events[-1], ice.PathOpened)
    assert puppet.sent[-1] == Datagram(puppet.sent[-1].data, StreamAddress(ALICE.host, 443), OUT)
