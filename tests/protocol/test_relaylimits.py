"""What strangers may take: answers by network, memory by bound, and how much larger answers are than questions."""

from __future__ import annotations

import pytest

from meetref.protocol.credentials import Algorithm
from meetref.protocol.relaylimits import MAXIMUM_SOURCES, Limits, Rations, prefix_of
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from tests.protocol.relay_world import DOOR, Client, World, code_of

UDP = (attribute.REQUESTED_TRANSPORT, turn.UDP)


@pytest.mark.spec("turn/unproven-sources")
def test_a_network_gets_its_ration_and_another_one_its_own() -> None:
    rations = Rations(rate=2.0, burst=10.0)
    given = [rations.take(Address(f"192.0.2.{number}", 1), 0.0) for number in range(20)]
    assert given == [True] * 10 + [False] * 10
    assert rations.take(Address("192.0.3.1", 1), 0.0)
    assert not rations.left(Address("192.0.2.200", 7), 0.4)
    assert rations.left(Address("192.0.2.200", 7), 0.6)
    assert sum(rations.take(Address("192.0.2.1", 1), 3.0) for _ in range(20)) == 6


def test_networks_are_a_24_and_a_56() -> None:
    assert (
        prefix_of(Address("192.0.2.1", 1)) == prefix_of(Address("192.0.2.255", 2)) != prefix_of(Address("192.0.3.1", 1))
    )
    near, far = Address("2001:db8:0:aa::1", 1), Address("2001:db8:0:100::1", 1)
    assert prefix_of(near) == prefix_of(Address("2001:db8:0:ff::2", 1)) != prefix_of(far)


def test_the_table_is_bounded_and_all_networks_together_have_a_ration() -> None:
    rations = Rations(rate=0.0, burst=200.0)
    taken = sum(rations.take(Address(f"{10 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.1", 1), 0.0) for n in range(20_000))
    assert len(rations) == MAXIMUM_SOURCES
    assert taken == 40 * 200


@pytest.mark.spec("turn/unproven-sources")
def test_ten_thousand_strangers_cost_a_bounded_memory() -> None:
    world = World()
    for number in range(10_000):
        client = Client(world, Address(f"{1 + (number >> 8)}.{number & 255}.0.1", 1 + number % 60_000))
        client.send(client.message(turn.ALLOCATE, UDP, signed=number % 2 == 0))
        world.sleep(0.001)
    relay = world.relay
    assert len(relay.rations) <= MAXIMUM_SOURCES
    assert len(relay) == len(world.open) == relay.lending.quotas.taken == 0
    assert relay.lending._clock == []
    assert not relay.lending._taken
    assert len(relay.ignored) <= 3
    assert code_of(Client(world).allocate()) is None


@pytest.mark.spec("turn/unproven-sources")
def test_nobody_who_did_not_prove_himself_gets_much_more_than_he_sent() -> None:
    """The factors that docs/relay.md tells, but for a realm four octets longer: octets of UDP payload out and in."""
    world = World(algorithms=(Algorithm.SHA256, Algorithm.MD5))
    client = Client(world)
    requests = {
        "Binding": stun.serialize(stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12)), fingerprint=False),
        "Allocate": client.message(turn.ALLOCATE, UDP, signed=False),
        "Allocate, empty": client.message(turn.ALLOCATE, signed=False),
        "Allocate, forged": client.message(turn.ALLOCATE, UDP),
        "Refresh": client.message(turn.REFRESH, signed=False),
        "Send": turn.serialize_indication(turn.SEND_TYPE, bytes(12), DOOR, b"x"),
        "channel data": turn.serialize_channel_data(0x4000, b"x"),
        "noise": b"\xff" * 20,
    }
    factors = {name: sum(len(out.data) for out in client.send(data)) / len(data) for name, data in requests.items()}
    assert max(factors.values()) == factors["Allocate, empty"] == 96 / 20
    assert factors["Allocate"] == 96 / 28
    assert factors["Binding"] == 1.6
    assert factors["Send"] == factors["channel data"] == factors["noise"] == 0


def test_an_answer_to_a_stranger_has_no_software_and_no_words() -> None:
    world = World()
    client = Client(world)
    (out,) = client.send(client.message(turn.ALLOCATE, UDP, signed=False))
    answer = stun.parse(out.data)
    assert {kind for kind, _ in answer.attributes} == {attribute.ERROR_CODE, attribute.REALM, attribute.NONCE}
    assert answer.get(attribute.ERROR_CODE).reason == ""


def test_guessing_nonces_and_passwords_leads_nowhere() -> None:
    """A nonce is an HMAC over its time and the client's address; wrong ones are refused at the network's ration."""
    world = World(limits=Limits(answers_per_second=50.0, answers_at_once=200.0))
    victim, thief = Client(world), Client(world, Address("192.0.2.66", 66), password="guess")
    victim.allocate()
    thief.nonce = victim.nonce  # seen on the wire, and of no use at another address
    answers = []
    for number in range(2000):
        if number % 2:
            thief.nonce = victim.nonce[:13] + world.dice(10).hex()
        answers += thief.send(thief.message(turn.ALLOCATE, UDP))
    assert len(answers) <= 200
    assert all(code_of(stun.parse(each.data)) in (400, 401, 438) for each in answers)
    assert world.relay.ignored["no ration left"] >= 1800
    assert code_of(victim.refresh()) is None  # who has an allocation is not kept out by a thief in his network
    right = Client(World(), password="wonder")
    right.nonce = victim.nonce
    (stale,) = right.send(right.message(turn.ALLOCATE, UDP))
    assert code_of(stun.parse(stale.data)) in (401, 438)
