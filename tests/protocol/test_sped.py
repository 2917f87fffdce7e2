"""The handshake inside checks: what rides, what is acknowledged, when it is over, and how it goes on without."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import check, dtls
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram
from meetref.protocol.peer import Connected, Peer
from meetref.protocol.sped import (
    ANOTHER_CHECK_AFTER,
    MAXIMUM_ACKNOWLEDGED,
    MAXIMUM_DATAGRAM,
    MAXIMUM_REMEMBERED,
    MAXIMUM_UNSENT,
    Sped,
    first_wait,
)
from meetref.wire import attribute, stun
from meetref.wire.attribute import DTLS_IN_STUN, DTLS_IN_STUN_ACKNOWLEDGEMENT, Attribute
from tests.protocol.peer_pairs import CLIENT, SERVER, Name, candidate
from tests.protocol.sped_talk import SOUND, Talk

ROOM = 1000
ONE, TWO, THREE = (bytes((22, 254, 253, number)) + bytes(100) for number in range(3))
ACKNOWLEDGES_NOTHING = [Attribute(DTLS_IN_STUN_ACKNOWLEDGEMENT, ())]


def message(*attributes: Attribute) -> stun.Message:
    return stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12), list(attributes))


def carrying(data: bytes, *acknowledged: bytes) -> stun.Message:
    checksums = tuple(map(zlib.crc32, acknowledged))
    return message(Attribute(DTLS_IN_STUN, data), Attribute(DTLS_IN_STUN_ACKNOWLEDGEMENT, checksums))


class Machine:
    """A `Sped` and what it delivered."""

    def __init__(self, *, begins: bool = True) -> None:
        self.delivered: list[bytes] = []
        self.sped = Sped(lambda datagram, now: self.delivered.append(datagram.data))
        if begins:
            self.sped.begin()

    def hear(self, heard: stun.Message) -> None:
        self.sped.alight(heard, Datagram(b"", CLIENT, SERVER), 0.0)

    def say(self, room: int = ROOM) -> tuple[bytes | None, tuple[int, ...] | None]:
        said = message(*self.sped.board(room))
        return said.get(DTLS_IN_STUN), said.get(DTLS_IN_STUN_ACKNOWLEDGEMENT)

    def carry(self, *flight: bytes, said: tuple[bytes, ...] = (), has_path: bool = False) -> list[bytes]:
        return self.sped.carry(flight, said, has_path=has_path)


# --- the states -----------------------------------------------------------------------------------


@pytest.mark.spec("sped/confirmed", "sped/acknowledgement-alone")
@pytest.mark.parametrize("attributes", [[Attribute(DTLS_IN_STUN, b"")], ACKNOWLEDGES_NOTHING])
def test_either_attribute_confirms(attributes: list[Attribute]) -> None:
    machine = Machine()
    machine.hear(message(*attributes))
    assert machine.sped.state == "confirmed"


@pytest.mark.spec("sped/off")
def test_neither_attribute_turns_it_off_at_the_beginning_only() -> None:
    machine, later = Machine(), Machine()
    machine.carry(ONE)
    machine.hear(message())
    assert machine.sped.state == "off"
    assert machine.say() == (None, None)
    machine.hear(carrying(TWO))
    assert (machine.sped.state, machine.delivered) == ("off", [])
    later.hear(carrying(b""))
    later.hear(message())
    assert later.sped.state == "confirmed"


@pytest.mark.spec("sped/options-offered")
def test_who_was_offered_nothing_waits_for_the_other_to_begin() -> None:
    machine = Machine(begins=False)
    machine.carry(ONE)
    assert machine.say() == (None, None)
    assert not machine.sped.is_possible
    machine.hear(carrying(b""))
    assert machine.say() == (ONE, ())


@pytest.mark.spec("sped/complete-by-acknowledgement")
def test_it_is_complete_when_everything_was_acknowledged_and_the_handshake_is_done() -> None:
    machine = Machine()
    machine.carry(ONE)
    machine.hear(carrying(b"", ONE))
    assert machine.sped.state == "confirmed"  # of this flight; there will be more
    machine.sped.handshake_complete()
    machine.carry(TWO, THREE)
    machine.hear(carrying(b"", THREE))
    assert machine.sped.state == "pending"
    machine.hear(carrying(b"", TWO))
    assert machine.sped.state == "complete"
    assert machine.say() == (None, None)


@pytest.mark.spec("sped/complete-by-acknowledgement")
def test_who_has_nothing_more_to_say_is_complete_with_the_handshake() -> None:
    machine = Machine()
    machine.carry(ONE)
    machine.hear(carrying(TWO))
    machine.sped.handshake_complete()
    machine.carry()
    assert machine.sped.state == "complete"


@pytest.mark.spec("sped/complete-by-data")
def test_data_complete_it_once_the_handshake_is_done() -> None:
    machine = Machine()
    machine.carry(ONE)
    machine.sped.data_arrived()
    assert machine.sped.state == "tentative"
    machine.sped.handshake_complete()
    machine.sped.data_arrived()
    assert machine.sped.state == "complete"


@pytest.mark.spec("sped/peer-is-done")
def test_a_peer_that_has_no_more_need_of_it_completes_it() -> None:
    machine = Machine()
    machine.carry(ONE)
    machine.hear(carrying(b""))
    machine.sped.handshake_complete()
    machine.hear(message())
    assert machine.sped.state == "complete"


# --- what rides -----------------------------------------------------------------------------------


@pytest.mark.spec("sped/always-present")
def test_both_attributes_are_there_even_if_there_is_nothing_to_say() -> None:
    assert Machine().say() == (b"", ())


@pytest.mark.spec("sped/round-robin", "sped/acknowledged-dropped")
def test_datagrams_take_turns_and_acknowledged_ones_are_dropped() -> None:
    machine = Machine()
    machine.carry(ONE, TWO, THREE)
    assert [machine.say()[0] for _ in range(4)] == [ONE, TWO, THREE, ONE]
    machine.hear(carrying(b"", TWO))
    assert [machine.say()[0] for _ in range(3)] == [THREE, ONE, THREE]
    machine.hear(carrying(b"", ONE, THREE, b"of somebody else"))
    assert machine.say() == (b"", ())


@pytest.mark.spec("sped/new-flight")
def test_a_new_flight_replaces_the_old_one() -> None:
    machine = Machine()
    machine.carry(ONE, TWO)
    machine.say()
    machine.carry(ONE, TWO)  # told again, it is no news
    assert machine.say()[0] == TWO
    machine.carry(THREE)
    assert [machine.say()[0] for _ in range(2)] == [THREE, THREE]


@pytest.mark.spec("sped/fits")
def test_what_does_not_fit_does_not_ride() -> None:
    machine = Machine()
    long = b"\x16" + bytes(801)
    machine.carry(long, ONE)
    assert machine.say(room=800)[0] == ONE
    machine.carry(long)
    assert machine.say(room=810)[0] == b""  # padded it has 804 octets, and 8 are for the two headers
    assert machine.say(room=812)[0] == long
    assert machine.say(room=8) == (b"", ())
    assert machine.say(room=7) == (None, None)
    machine.carry()
    machine.carry(long)
    machine.say(room=100)
    assert machine.sped.patience == ANOTHER_CHECK_AFTER  # no hurry for what cannot ride


@pytest.mark.spec("sped/acknowledgement-checksum", "sped/acknowledgements-bounded")
def test_the_newest_four_datagrams_are_acknowledged_by_their_plain_crc() -> None:
    machine = Machine()
    machine.sped.take(b"123456789")
    assert machine.say()[1] == (0xCBF43926,)  # the check value of CRC-32, as every catalogue of CRCs has it
    for number in range(10):
        machine.sped.take(ONE + bytes((number,)))
    assert machine.say()[1] == tuple(zlib.crc32(ONE + bytes((number,))) for number in range(6, 10))
    assert MAXIMUM_ACKNOWLEDGED == 4


# --- what arrives ---------------------------------------------------------------------------------


@pytest.mark.spec("sped/data-injected", "sped/plain-acknowledged")
def test_a_datagram_is_delivered_once_and_acknowledged_whenever_it_comes() -> None:
    machine = Machine()
    for data in (ONE, TWO, ONE, ONE):
        machine.hear(carrying(data))
    assert machine.delivered == [ONE, TWO]
    assert machine.say()[1] == (zlib.crc32(TWO), zlib.crc32(ONE))
    assert not machine.sped.take(TWO)  # plainly, after it came inside
    assert machine.sped.take(THREE)
    machine.hear(carrying(THREE))
    assert machine.delivered == [ONE, TWO]


@pytest.mark.spec("sped/empty-not-injected", "sped/first-octet")
@pytest.mark.parametrize("data", [b"", b"\x13", b"\x40" + bytes(20), b"\x80" + bytes(20), bytes(20)])
def test_what_is_no_dtls_is_not_delivered(data: bytes) -> None:
    machine = Machine()
    machine.hear(carrying(data))
    assert machine.delivered == []
    assert machine.say()[1] == ()
    assert sum(machine.sped.ignored.values()) == bool(data)


@pytest.mark.spec("sped/data-injected", "sped/complete-by-acknowledgement")
def test_a_datagram_that_comes_with_the_last_acknowledgement_is_still_known() -> None:
    machine = Machine()
    machine.hear(carrying(ONE))
    machine.carry(TWO)
    machine.sped.handshake_complete()
    machine.hear(carrying(ONE, TWO))
    assert machine.sped.state == "complete"
    assert machine.delivered == [ONE]


def test_without_it_a_datagram_that_comes_twice_is_for_dtls_to_judge() -> None:
    machine = Machine(begins=False)
    assert machine.sped.take(ONE)
    assert machine.sped.take(ONE)


@pytest.mark.spec("sped/bounded")
def test_its_memory_is_bounded() -> None:
    machine = Machine()
    for number in range(1000):
        machine.hear(carrying(ONE + number.to_bytes(2, "big")))
        machine.carry(said=(TWO + number.to_bytes(2, "big"),))
    machine.hear(message(Attribute(DTLS_IN_STUN_ACKNOWLEDGEMENT, tuple(range(10_000)))))
    assert len(machine.sped._taken) == MAXIMUM_REMEMBERED
    assert len(machine.carry(has_path=True)) == MAXIMUM_UNSENT


# --- beside it, plainly ---------------------------------------------------------------------------


@pytest.mark.spec("sped/plain-beside", "sped/fallback-same-octets")
def test_a_path_takes_what_is_open_and_then_everything() -> None:
    machine = Machine()
    assert machine.carry(ONE, TWO, said=(ONE, TWO, b"\x15alert")) == []
    machine.hear(carrying(b"", ONE))
    assert machine.carry(ONE, TWO, has_path=True) == [TWO, b"\x15alert"]
    assert machine.carry(THREE, said=(THREE,), has_path=True) == [THREE]
    assert machine.say()[0] == THREE


@pytest.mark.spec("sped/fallback-same-octets")
def test_when_it_is_off_the_same_datagrams_wait_for_the_path() -> None:
    machine = Machine()
    machine.carry(ONE, TWO, said=(ONE, TWO))
    machine.hear(message())
    assert machine.carry(ONE, TWO, has_path=True) == [ONE, TWO]


@pytest.mark.spec("sped/round-robin", "sped/checks-paced")
def test_it_is_impatient_while_something_has_not_been_in_a_check() -> None:
    machine = Machine()
    assert machine.sped.patience == float("inf")
    machine.carry(ONE, TWO)
    machine.say()
    assert machine.sped.patience == 0
    machine.say()
    assert machine.sped.patience == ANOTHER_CHECK_AFTER
    machine.carry(ONE, TWO, has_path=True)
    assert machine.sped.patience == float("inf")


@pytest.mark.spec("sped/timer-resumed")
@pytest.mark.parametrize(
    ("round_trip", "wait"), [(None, 0.2), (0.001, 0.05), (0.1, 0.2), (1.0, 2.0), (2.0, 3.0), (9.0, 3.0)]
)
def test_dtls_waits_twice_the_round_trip(round_trip: float | None, wait: float) -> None:
    assert first_wait(round_trip) == wait


datagrams = st.sampled_from([ONE, TWO, THREE, b"", b"\x80x", b"\x16"])
checksums = st.lists(st.sampled_from([zlib.crc32(ONE), zlib.crc32(TWO), 0, 0xFFFFFFFF])).map(tuple)
steps = st.one_of(
    st.builds(lambda data: lambda machine: machine.hear(message(Attribute(DTLS_IN_STUN, data))), datagrams),
    st.builds(
        lambda many: lambda machine: machine.hear(message(Attribute(DTLS_IN_STUN_ACKNOWLEDGEMENT, many))), checksums
    ),
    st.just(lambda machine: machine.hear(message())),
    st.just(lambda machine: machine.sped.begin()),
    st.just(lambda machine: machine.sped.handshake_complete()),
    st.just(lambda machine: machine.sped.data_arrived()),
    st.builds(lambda data: lambda machine: machine.sped.take(data), datagrams),
    st.builds(
        lambda flight, path: lambda machine: machine.carry(*flight, said=tuple(flight), has_path=path),
        st.lists(datagrams, max_size=3),
        st.booleans(),
    ),
    st.builds(lambda room: lambda machine: fits(machine, room), st.integers(-50, 200)),
)


def fits(machine: Machine, room: int) -> None:
    empty = len(stun.serialize(message(), fingerprint=False))
    size = len(stun.serialize(message(*machine.sped.board(room)), fingerprint=False)) - empty
    assert size <= max(room, 0)


@pytest.mark.spec("sped/bounded", "sped/fits")
@given(st.lists(steps, max_size=30))
def test_nothing_raises_and_what_is_over_stays_so(taken: list[Callable[[Machine], Any]]) -> None:
    machine, over = Machine(begins=False), False
    for step in taken:
        step(machine)
        assert machine.sped.is_over >= over
        over = machine.sped.is_over
        assert machine.sped.patience >= 0
        assert len(machine.delivered) == len(set(machine.delivered))


# --- in a check -----------------------------------------------------------------------------------


class Rider:
    """A rider that takes note of what it is shown."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.patience = patience
        self.seen: list[stun.Message] = []
        self.rooms: list[int] = []

    def board(self, room: int) -> list[Attribute]:
        self.rooms.append(room)
        return [Attribute(DTLS_IN_STUN, bytes(room - 4 - room % 4))]

    def alight(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        self.seen.append(message)


@pytest.mark.spec("sped/message-size")
@pytest.mark.parametrize("name", ["abcd", "a" * 256])
def test_a_full_check_has_twelve_hundred_octets(name: str) -> None:
    own, peer = check.Credentials("ourname8", "p" * 22), check.Credentials(name, "q" * 22)
    question = check.Question(1, check.Role(True, 1), nominates=True, nomination=1)
    data = check.request(bytes(12), question, own, peer, Rider())
    assert len(data) == 1200
    parsed = stun.parse(data)
    assert parsed.attributes[-1].type == DTLS_IN_STUN  # before the integrity, which covers it
    assert stun.verify_integrity(data, peer.password.encode())
    assert len(check.success(parsed, CLIENT, own, Rider())) == 1200


# --- two peers ------------------------------------------------------------------------------------

VERSIONS: list[dtls.Versions] = ["1.3 preferred", "1.3 only", "1.2 only"]


@pytest.mark.spec("sped/answer-carries-next", "sped/complete-by-data", "sped/data-injected", "sped/mtu")
@pytest.mark.parametrize("reversed_roles", [False, True], ids=["client-controls", "server-controls"])
@pytest.mark.parametrize("versions", VERSIONS)
def test_both_versions_in_both_roles_go_inside(versions: dtls.Versions, reversed_roles: bool) -> None:
    talk = Talk(versions, reversed_roles=reversed_roles).run()
    hello: Name = "server" if reversed_roles else "client"
    other: Name = "client" if reversed_roles else "server"
    assert talk.inside(hello)
    assert talk.inside(other)
    first = min(at for at, _, datagram, _ in talk.sent if datagram.data[0] >= 20)
    assert first >= 0.02 - 1e-9  # no datagram of its own before a check was answered
    assert max(map(len, (*talk.plain("client"), *talk.plain("server")))) <= MAXIMUM_DATAGRAM
    assert max(len(datagram.data) for _, _, datagram, _ in talk.sent) <= 1200
    for name in ("client", "server"):
        assert len(talk.peers.of(name, Connected)) == 1
    assert talk.peers.client.srtp is not None
    assert talk.peers.server.unlock(talk.peers.client.srtp.lock(SOUND)) == SOUND
    assert talk.peers.server.sped.state == "complete"


@pytest.mark.spec("sped/fallback-same-octets", "sped/off", "sped/timer-rests")
@pytest.mark.parametrize("reversed_roles", [False, True])
@pytest.mark.parametrize("versions", VERSIONS)
def test_a_peer_that_does_not_know_it_gets_the_same_datagrams_plainly(
    versions: dtls.Versions, reversed_roles: bool
) -> None:
    """It said that it does, and does not: an old server behind a new signaling, say."""
    talk = Talk(versions, reversed_roles=reversed_roles)
    deaf: Name = "client" if reversed_roles else "server"
    eager: Name = "server" if reversed_roles else "client"
    getattr(talk.peers, deaf).ice.leave_rider()
    getattr(talk.peers, deaf).embeds_handshake = False
    talk.run()
    assert getattr(talk.peers, eager).sped.state == "off"
    flight = list(dict.fromkeys(talk.inside(eager)))
    assert flight
    assert talk.plain(eager)[: len(flight)] == flight  # and no other hello
    assert not talk.inside(deaf)


@pytest.mark.spec("sped/options-offered")
@pytest.mark.parametrize("offers", [(), ("client",), ("server",)])
def test_it_takes_two(offers: tuple[Name, ...]) -> None:
    """Whoever was offered nothing does not begin, and a peer that was told nothing is not spoken to."""
    talk = Talk(offers=offers)
    for name in ("client", "server"):
        getattr(talk.peers, name).embeds_handshake = name in offers
        if name not in offers:
            getattr(talk.peers, name).ice.leave_rider()
    talk.run()
    assert not talk.inside("client")
    assert not talk.inside("server")


@pytest.mark.spec("sped/confirmed")
def test_the_attributes_decide_where_the_description_says_nothing() -> None:
    """The draft negotiates by the attributes alone."""
    talk = Talk(offers=("server",)).run()  # the server was told nothing of the client, and hears it
    assert talk.inside("server")
    assert talk.peers.server.sped.state in ("confirmed", "pending", "complete")


@pytest.mark.spec("sped/early-checks")
def test_checks_that_come_before_the_description_are_answered_inside() -> None:
    """The offerer hears the answerer's checks before its answer."""
    talk = Talk("1.3 only")
    talk.peers.client.set_remote(talk.remote_of("server"), talk.peers.now)
    talk.peers.client.add_remote_candidate(candidate(SERVER), talk.peers.now)
    talk.peers.flush()
    talk.peers.run(seconds=0.1)
    assert talk.peers.server.state == "connecting"
    assert talk.peers.client.negotiated is not None
    assert talk.inside("server")
    talk.run()


@pytest.mark.spec("sped/early-checks")
def test_nobody_who_does_not_begin_is_answered_inside_before_the_description() -> None:
    talk = Talk()
    talk.peers.client.ice.leave_rider()
    talk.peers.client.set_remote(talk.remote_of("server"), talk.peers.now)
    talk.peers.client.add_remote_candidate(candidate(SERVER), talk.peers.now)
    talk.peers.flush()
    talk.peers.run(seconds=0.1)
    assert [inside for _, who, _, inside in talk.sent if who == "server"] != []
    assert {inside for _, who, _, inside in talk.sent if who == "server"} == {None}


@pytest.mark.spec("sped/unauthentic")
@pytest.mark.parametrize("what", ["request", "answer"])
def test_what_is_not_authentic_counts_for_nothing(what: str) -> None:
    talk = Talk()
    talk.peers.passes = lambda name, datagram: False
    talk.peers.introduce(client=talk.remote_of("client"), server=talk.remote_of("server"))
    server, wrong = talk.peers.server, check.Credentials("abcd", "w" * 22)
    attributes = [
        Attribute(attribute.USERNAME, f"{server.credentials.ufrag}:{talk.peers.client.credentials.ufrag}"),
        Attribute(DTLS_IN_STUN, ONE),
    ]
    kind = stun.Class.REQUEST if what == "request" else stun.Class.SUCCESS
    forged = stun.Message(kind, stun.BINDING, bytes(12), attributes)
    data = stun.serialize(forged, integrity_key=wrong.password.encode())
    server.receive_datagram(Datagram(data, SERVER, CLIENT), talk.peers.now)
    assert server.sped.state == "tentative"
    assert server.sped.received == 0


@pytest.mark.spec("sped/loss")
@pytest.mark.soak(ci=12, full=1000)
@pytest.mark.parametrize("versions", ["1.3 preferred", "1.2 only"])
def test_it_arrives_however_much_is_lost(versions: dtls.Versions, seed: int) -> None:
    """`Peers.step` sees to it that time moves on."""
    talk = Talk(versions, seed=seed, loss=0.3, reversed_roles=bool(seed % 2)).run()
    for name in ("client", "server"):
        assert len(talk.peers.of(name, Connected)) == 1


@pytest.mark.spec("sped/checks-bounded", "sped/checks-paced")
def test_checks_to_somebody_who_is_silent_are_few_and_far_between() -> None:
    talk = Talk()
    talk.peers.passes = lambda name, datagram: (talk._passes(name, datagram), False)[1]
    talk.peers.introduce(client=talk.remote_of("client"), server=talk.remote_of("server"))
    talk.peers.run(seconds=0.49)  # until the first check is repeated
    times = [at for at, who, _, _ in talk.sent if who == "client"]
    assert len(times) == 6
    assert times[:2] == pytest.approx([0.0, 0.005])  # the two halves of a post-quantum hello
    assert all(later - sooner >= 0.05 - 1e-9 for sooner, later in itertools.pairwise(times[1:]))


@pytest.mark.spec("sped/answer-carries-next")
def test_a_lite_agent_answers_with_it() -> None:
    talk = Talk("1.3 only")
    dice = random.Random("lite").randbytes
    talk.peers.server = Peer(
        controlling=False, certificate=talk.peers.server.certificate, dice=dice, dtls_role="server", lite=True
    )
    assert isinstance(talk.peers.server.ice, LiteAgent)
    talk.peers.server.add_local_candidates([candidate(SERVER)], talk.peers.now)
    server = talk.peers.remote_of("server", lite=True, embeds_handshake=True)
    talk.peers.introduce(client=talk.remote_of("client"), server=server)
    talk.peers.run(lambda: talk.peers.both_connected)
    assert talk.peers.both_connected
    assert talk.inside("server")
    assert {type(inside) for _, who, _, inside in talk.sent if who == "server" and inside} == {bytes}


@pytest.mark.spec("sped/current-credentials")
def test_after_a_restart_only_the_new_checks_carry_it() -> None:
    talk = Talk("1.3 only")
    talk.peers.passes = lambda name, datagram: (talk._passes(name, datagram), False)[1]
    talk.peers.introduce(client=talk.remote_of("client"), server=talk.remote_of("server"))
    talk.peers.run(seconds=0.2)
    for peer in (talk.peers.client, talk.peers.server):
        peer.restart_ice(talk.peers.now)
    talk.peers.passes = talk._passes
    talk.sent.clear()
    talk.run()
    fresh = {talk.peers.client.credentials.ufrag, talk.peers.server.credentials.ufrag}
    for _, _, datagram, inside in talk.sent:
        name = stun.peek_username(datagram.data) if datagram.data[0] == 0 else None
        if name is not None and inside is not None:
            assert set(name.split(":")) == fresh
