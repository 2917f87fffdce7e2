"""Strangers cannot raise: whatever comes in whatever order, the relay goes on, its tables have ends, and time moves."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from tests.protocol.relay_world import PEER, PEER_IPV6, Client, World, code_of

PEERS = st.sampled_from([PEER, PEER_IPV6, Address("127.0.0.1", 9), Address("0.0.0.0", 0), Address("8.8.8.8", 53)])
ATTRIBUTES: dict[int, st.SearchStrategy[Any]] = {
    attribute.REQUESTED_TRANSPORT: st.sampled_from([17, 17, 17, 6]),
    attribute.LIFETIME: st.sampled_from([0, 1, 600, 2**32 - 1]),
    attribute.XOR_PEER_ADDRESS: PEERS,
    attribute.CHANNEL_NUMBER: st.sampled_from([0x4000, 0x4001, 0x3FFF, 0xFFFF]),
    attribute.DATA: st.binary(max_size=20),
    attribute.REQUESTED_ADDRESS_FAMILY: st.integers(0, 3),
    attribute.ADDITIONAL_ADDRESS_FAMILY: st.integers(0, 3),
    attribute.EVEN_PORT: st.booleans(),
    attribute.RESERVATION_TOKEN: st.binary(min_size=8, max_size=8),
    attribute.DONT_FRAGMENT: st.just(True),
}
METHODS = [*sorted(turn.METHODS), stun.BINDING, 0x00A, 0xFFF]
pairs = st.sampled_from(sorted(ATTRIBUTES)).flatmap(lambda kind: st.tuples(st.just(kind), ATTRIBUTES[kind]))
requests = st.tuples(st.just("request"), st.sampled_from(METHODS), st.lists(pairs, max_size=5))
steps = st.one_of(
    requests,
    requests,
    st.tuples(st.just("octets"), st.binary(max_size=60)),
    st.tuples(st.just("peer"), PEERS, st.binary(max_size=20)),
    st.tuples(st.just("channel"), st.sampled_from([0x4000, 0x4001, 0x4FFF]), st.binary(max_size=20)),
    st.tuples(st.just("send"), PEERS, st.binary(max_size=20)),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 1.0, 299.0, 601.0, 4000.0])),
)


def take(world: World, client: Client, step: tuple[Any, ...]) -> None:
    match step:
        case ("request", method, attributes):
            signed = method != stun.BINDING
            for datagram in client.send(client.message(method, *attributes, signed=signed)):
                message = (
                    stun.parse(datagram.data)
                    if datagram.data[:1] <= b"\3" and datagram.remote == client.remote
                    else None
                )
                if message is not None and message.get(attribute.XOR_RELAYED_ADDRESS) is not None:
                    client.relayed = message.get(attribute.XOR_RELAYED_ADDRESS)
        case ("octets", data):
            client.send(data)
        case ("peer", peer, data):
            world.feed(data, client.relayed, peer)
        case ("channel", channel, data):
            client.send_channel(channel, data)
        case ("send", peer, data):
            client.send_data(data, peer)
        case ("sleep", seconds):
            world.sleep(seconds)


@given(st.lists(steps, max_size=30))
@settings(max_examples=150)
def test_no_sequence_of_messages_raises_or_leaves_anything_behind(sequence: list[tuple[Any, ...]]) -> None:
    world = World()
    client = Client(world)
    client.ask(turn.REFRESH)
    for step in sequence:
        take(world, client, step)
    lending = world.relay.lending
    assert set(lending.relayed) <= world.open <= lending._taken
    world.sleep(4000)
    assert not world.open
    assert not lending.allocations
    assert not lending._taken
    assert lending.quotas.taken == 0


@given(st.binary(max_size=200), st.booleans())
def test_no_octets_raise(data: bytes, dressed: bool) -> None:
    world = World()
    client = Client(world)
    if dressed:
        kind = data[:1] + b"\3" if len(data) > 1 else b"\0\3"
        data = bytes([kind[0] & 0x3F, kind[1]]) + len(data).to_bytes(2, "big") + attribute.COOKIE + bytes(12) + data
    out = client.send(data)
    assert all(len(each.data) <= 4 * len(data) + 20 for each in out)


def mutated(count: int) -> list[bytes]:
    """A corpus of malformed messages, the same each time: each from a good one, with something cut, set or put in."""
    world = World(seed=99)
    client = Client(world)
    client.allocate()
    dice = world.dice
    good = [
        client.message(turn.ALLOCATE, (attribute.REQUESTED_TRANSPORT, 17)),
        client.message(turn.REFRESH, (attribute.LIFETIME, 600)),
        client.message(turn.CREATE_PERMISSION, (attribute.XOR_PEER_ADDRESS, PEER)),
        client.message(turn.CHANNEL_BIND, (attribute.CHANNEL_NUMBER, 0x4000), (attribute.XOR_PEER_ADDRESS, PEER)),
        turn.serialize_indication(turn.SEND_TYPE, bytes(12), PEER, b"data"),
        turn.serialize_channel_data(0x4000, b"data"),
    ]
    corpus = []
    for number in range(count):
        data = bytearray(good[number % len(good)])
        place = dice(2)[1] % len(data)
        match dice(1)[0] % 5:
            case 0:
                del data[place:]
            case 1:
                data[place] ^= 1 << dice(1)[0] % 8
            case 2:
                data[place:place] = dice(1 + dice(1)[0] % 9)
            case 3:
                data[2:4] = dice(2)
            case _:
                del data[place : place + 4]
        corpus.append(bytes(data))
    return corpus


def test_a_corpus_of_malformed_messages_disturbs_nobody() -> None:
    world = World()
    user, stranger = Client(world), Client(world)
    user.allocate()
    user.bind(0x4000, PEER)
    for data in mutated(600):
        stranger.send(data)
        assert len(world.relay) == 1
    assert user.send_channel(0x4000, b"still here")
    assert code_of(user.refresh()) is None
    assert len(world.relay.ignored) < 12


def test_more_attributes_than_anybody_needs_are_refused() -> None:
    client = Client(World())
    given_attributes = [Attribute(attribute.XOR_PEER_ADDRESS, PEER)] * 65
    message = stun.Message(stun.Class.REQUEST, turn.CREATE_PERMISSION, bytes(12), given_attributes)
    (answer,) = client.send(stun.serialize(message, fingerprint=False))
    assert code_of(stun.parse(answer.data)) == 400
