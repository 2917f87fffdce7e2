"""The relay's requests: allocations, refreshes, permissions and channels, as RFC 8656 orders the checks."""

from __future__ import annotations

import math

import pytest

from meetref.protocol.allocation import Input
from meetref.protocol.credentials import ExpiringAccounts
from meetref.protocol.lending import Open
from meetref.protocol.machine import Datagram, ProtocolMisuse
from meetref.protocol.relay import Unfragmented
from meetref.protocol.relaylimits import Limits
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from tests.protocol.relay_world import (
    DOOR,
    DOOR_IPV6,
    OTHER_PEER,
    PEER,
    PEER_IPV6,
    USERS,
    Client,
    World,
    code_of,
    make_guard,
    stream,
)

UDP = (attribute.REQUESTED_TRANSPORT, turn.UDP)


# --- Allocate -------------------------------------------------------------------------------------


@pytest.mark.spec("turn/allocate-answer", "turn/lifetime-bounds", "turn/authentication-required")
def test_a_stranger_is_asked_who_he_is_and_a_user_is_lent_an_address() -> None:
    world = World()
    client = Client(world)
    (refused,) = client.send(client.message(turn.ALLOCATE, UDP, signed=False))
    assert code_of(stun.parse(refused.data)) == 401
    assert not world.open
    answer = client.allocate()
    assert answer.get(attribute.LIFETIME) == 600
    assert answer.get(attribute.XOR_MAPPED_ADDRESS) == client.remote
    assert client.relayed in world.open
    assert client.relayed.host == DOOR.host


@pytest.mark.spec("turn/allocate-repeated", "turn/path-in-use")
def test_a_repeated_request_gets_the_same_answer_and_a_new_one_is_refused() -> None:
    world = World()
    client = Client(world)
    client.ask(turn.REFRESH)  # learns a nonce
    data = client.message(turn.ALLOCATE, UDP)
    (first,) = client.send(data)
    (second,) = client.send(data)
    assert first == second
    assert len(world.open) == 1
    assert code_of(client.allocate()) == 437


def test_a_request_that_is_repeated_while_the_port_is_being_opened_is_answered_once() -> None:
    world = World()
    client = Client(world)
    client.ask(turn.REFRESH)
    world.withheld = []
    data = client.message(turn.ALLOCATE, UDP)
    assert client.send(data) == client.send(data) == []
    (opening,) = world.withheld
    world.serve(opening)
    assert len(world.drain()) == 1


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ((), 400),
        (((attribute.REQUESTED_TRANSPORT, 6),), 442),
        ((UDP, (attribute.RESERVATION_TOKEN, bytes(8)), (attribute.EVEN_PORT, False)), 400),
        ((UDP, (attribute.RESERVATION_TOKEN, bytes(8)), (attribute.REQUESTED_ADDRESS_FAMILY, 1)), 400),
        ((UDP, (attribute.RESERVATION_TOKEN, bytes(8)), (attribute.ADDITIONAL_ADDRESS_FAMILY, 2)), 400),
        ((UDP, (attribute.RESERVATION_TOKEN, bytes(8))), 508),
        ((UDP, (attribute.REQUESTED_ADDRESS_FAMILY, 1), (attribute.ADDITIONAL_ADDRESS_FAMILY, 2)), 400),
        ((UDP, (attribute.REQUESTED_ADDRESS_FAMILY, 3)), 440),
        ((UDP, (attribute.EVEN_PORT, True), (attribute.ADDITIONAL_ADDRESS_FAMILY, 2)), 400),
        ((UDP, (attribute.ADDITIONAL_ADDRESS_FAMILY, 1)), 400),
        ((UDP, (0x7ABC, b"")), 420),
    ],
    ids=str,
)
@pytest.mark.spec(
    "turn/requested-transport",
    "turn/transport-unsupported",
    "turn/token-alone",
    "turn/token-invalid",
    "turn/one-family-attribute",
    "turn/family-unsupported",
    "turn/dual-restrictions",
)
def test_what_cannot_be_asked_for(attributes: tuple[tuple[int, object], ...], code: int) -> None:
    world = World()
    assert code_of(Client(world).ask(turn.ALLOCATE, *attributes)) == code
    assert not world.open
    assert world.relay.lending.quotas.taken == 0


@pytest.mark.spec("turn/family-requested")
def test_each_family_can_be_asked_for_and_ipv4_is_given_unasked() -> None:
    world = World()
    given = [Client(world), Client(world), Client(world, Address("2001:db8::7", 9), local=DOOR_IPV6)]
    given[0].allocate()
    given[1].allocate((attribute.REQUESTED_ADDRESS_FAMILY, turn.IPV6))
    given[2].allocate()
    assert [client.relayed.host for client in given] == [DOOR.host, DOOR_IPV6.host, DOOR.host]


@pytest.mark.spec("turn/dual-partly")
def test_a_dual_allocation_gives_both_or_says_why_not() -> None:
    answer = Client(World()).allocate((attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))
    assert [address.host for address in answer.every(attribute.XOR_RELAYED_ADDRESS)] == [DOOR.host, DOOR_IPV6.host]
    poor = World(hosts=(DOOR.host,))
    answer = Client(poor).allocate((attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))
    assert answer.get(attribute.ADDRESS_ERROR_CODE)[:2] == (turn.IPV6, 440)
    full = World()
    full.occupied = lambda address: address.is_ipv6
    answer = Client(full).allocate((attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))
    assert len(answer.every(attribute.XOR_RELAYED_ADDRESS)) == 1
    assert answer.get(attribute.ADDRESS_ERROR_CODE)[:2] == (turn.IPV6, 508)
    nothing = World()
    nothing.occupied = lambda address: True
    assert code_of(Client(nothing).allocate((attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))) == 508
    assert nothing.relay.lending.quotas.taken == 0


@pytest.mark.spec("turn/even-port", "turn/reservation-held", "turn/token-invalid")
def test_an_even_port_and_its_neighbour_kept_for_half_a_minute() -> None:
    world = World()
    first, second, third = (
        Client(world),
        Client(world, stream(Address("192.0.2.8", 9)), local=stream(DOOR)),
        Client(world),
    )
    answer = first.allocate((attribute.EVEN_PORT, True))
    token = answer.get(attribute.RESERVATION_TOKEN)
    assert first.relayed.port % 2 == 0
    assert Address(DOOR.host, first.relayed.port + 1) in world.open
    world.sleep(29)
    second.allocate((attribute.RESERVATION_TOKEN, token))
    assert second.relayed == Address(DOOR.host, first.relayed.port + 1)
    assert code_of(third.allocate((attribute.RESERVATION_TOKEN, token))) == 508
    late = third.allocate((attribute.EVEN_PORT, True)).get(attribute.RESERVATION_TOKEN)
    world.sleep(31)
    assert Address(DOOR.host, third.relayed.port + 1) not in world.open
    assert code_of(Client(world).allocate((attribute.RESERVATION_TOKEN, late))) == 508
    assert world.relay.lending.quotas.taken == 3


@pytest.mark.spec("turn/even-port")
def test_an_even_port_without_a_neighbour() -> None:
    world = World()
    for _ in range(5):
        client = Client(world)
        assert client.allocate((attribute.EVEN_PORT, False)).get(attribute.RESERVATION_TOKEN) is None
        assert client.relayed.port % 2 == 0


@pytest.mark.spec("turn/no-port-left", "turn/port-range", "turn/random-port", "turn/relayed-address-unique")
def test_ports_come_from_the_range_at_random_until_there_are_none() -> None:
    world = World(limits=Limits(first_port=50_000, last_port=50_009))
    ports = []
    for _ in range(10):
        client = Client(world)
        client.allocate()
        ports.append(client.relayed.port)
    assert sorted(ports) == list(range(50_000, 50_010))
    assert ports != sorted(ports)
    assert code_of(Client(world).allocate()) == 508


def test_a_port_of_another_program_is_passed_over() -> None:
    world = World(limits=Limits(first_port=50_000, last_port=50_001))
    world.occupied = lambda address: address.port == 50_000
    client = Client(world)
    client.allocate()
    assert client.relayed.port == 50_001


@pytest.mark.spec("turn/user-quota", "turn/total-quota")
def test_quotas_of_a_user_and_of_all() -> None:
    world = World(limits=Limits(allocations_per_user=2, allocations=3))
    alices = [Client(world) for _ in range(3)]
    assert [code_of(client.allocate()) for client in alices] == [None, None, 486]
    bobs = [Client(world, user="bob") for _ in range(2)]
    assert [code_of(client.allocate()) for client in bobs] == [None, 508]
    alices[0].refresh(0)
    assert code_of(bobs[1].allocate()) is None


@pytest.mark.spec("turn/dont-fragment-unsupported", "turn/dont-fragment")
def test_fragments_can_be_forbidden_where_the_sockets_can() -> None:
    able, unable = World(), World(avoids_fragments=False)
    assert code_of(Client(able).allocate((attribute.DONT_FRAGMENT, True))) is None
    refused = Client(unable).allocate((attribute.DONT_FRAGMENT, True))
    assert code_of(refused) == 420
    assert refused.get(attribute.UNKNOWN_ATTRIBUTES) == (attribute.DONT_FRAGMENT,)
    for world, sent in ((able, 1), (unable, 0)):
        client = Client(world)
        client.allocate()
        client.permit(PEER)
        given = [Attribute(attribute.XOR_PEER_ADDRESS, PEER), Attribute(attribute.DATA, b"whole")]
        given.append(Attribute(attribute.DONT_FRAGMENT, True))
        message = stun.Message(stun.Class.INDICATION, turn.SEND, bytes(12), given)
        out = client.send(stun.serialize(message, fingerprint=False))
        assert [type(each) for each in out] == [Unfragmented] * sent


@pytest.mark.spec("turn/malformed-request")
def test_a_request_with_broken_attributes_is_refused_and_a_broken_frame_is_not_answered() -> None:
    world = World()
    client = Client(world)
    data = bytearray(client.message(turn.ALLOCATE, UDP, signed=False))
    data[23] = 3  # REQUESTED-TRANSPORT of three octets
    (answer,) = client.send(bytes(data))
    assert code_of(stun.parse(answer.data)) == 400
    assert client.send(bytes(data[:-1])) == []
    assert world.relay.ignored["malformed"] == 1


# --- life and death -------------------------------------------------------------------------------


@pytest.mark.spec("turn/refresh", "turn/lifetime-bounds")
def test_an_allocation_lives_ten_minutes_or_up_to_an_hour() -> None:
    world = World()
    short, long = Client(world), Client(world)
    assert short.allocate((attribute.LIFETIME, 1)).get(attribute.LIFETIME) == 600
    assert long.allocate((attribute.LIFETIME, 2**32 - 1)).get(attribute.LIFETIME) == 3600
    world.sleep(599)
    assert len(world.relay) == 2
    world.sleep(2)
    assert len(world.relay) == 1
    assert long.refresh(700).get(attribute.LIFETIME) == 700
    world.sleep(699)
    assert long.relayed in world.open
    world.sleep(2)
    assert not world.open
    world.sleep(3000)  # the clock may still look at what was to end later
    assert world.relay.next_timeout() == math.inf
    assert world.relay.lending.quotas.taken == 0


@pytest.mark.spec("turn/refresh-deletes", "turn/allocation-mismatch")
def test_a_refresh_of_zero_seconds_deletes_and_twice_is_a_mismatch() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    assert client.refresh(0).get(attribute.LIFETIME) == 0
    assert not world.open
    assert code_of(client.refresh(0)) == 437
    assert code_of(client.permit(PEER)) == 437
    assert code_of(client.bind(0x4000, PEER)) == 437


@pytest.mark.spec("turn/refresh-family")
def test_a_refresh_names_a_family_that_was_lent() -> None:
    client = Client(World())
    client.allocate()
    assert code_of(client.ask(turn.REFRESH, (attribute.REQUESTED_ADDRESS_FAMILY, turn.IPV6))) == 443
    assert code_of(client.ask(turn.REFRESH, (attribute.REQUESTED_ADDRESS_FAMILY, turn.IPV4))) is None


@pytest.mark.spec("turn/same-user")
def test_another_user_on_the_same_path_is_refused() -> None:
    world = World()
    alice = Client(world)
    alice.allocate()
    bob = Client(world, alice.remote, user="bob")
    assert code_of(bob.refresh(0)) == 441
    assert code_of(bob.permit(PEER)) == 441
    assert code_of(bob.bind(0x4000, PEER)) == 441
    assert len(world.relay) == 1


@pytest.mark.spec("turn/nonce-hourly", "stun/stale-nonce")
def test_a_nonce_grows_old_and_a_new_one_is_given() -> None:
    world = World(nonce_lasts_for=100)
    client = Client(world)
    client.allocate()
    first = client.nonce
    world.sleep(101)
    (stale,) = client.send(client.message(turn.REFRESH))
    assert code_of(stun.parse(stale.data)) == 438
    assert code_of(client.refresh()) is None
    assert client.nonce != first


def test_a_name_that_expired_still_keeps_what_it_has_and_gets_nothing_new() -> None:
    accounts = ExpiringAccounts([b"secret" * 8], 1_000_000.0)
    world = World(accounts=accounts)
    name, password = accounts.issue("guest", 60.0, 0.0)
    client = Client(world, user=name, password=password)
    client.allocate()
    world.sleep(300)
    assert code_of(client.refresh()) is None
    assert code_of(client.permit(PEER)) is None
    assert code_of(Client(world, user=name, password=password).allocate()) == 401


def test_what_a_stream_was_lent_ends_with_it() -> None:
    world = World()
    client = Client(world, stream(Address("192.0.2.8", 9)), local=stream(DOOR))
    udp = Client(world, Address("192.0.2.8", 9))  # the same numbers, and another path
    client.allocate()
    udp.allocate()
    world.relay.abandon(stream(DOOR), client.remote)
    world.drain()
    assert world.open == {udp.relayed}
    world.relay.abandon(stream(DOOR), client.remote)  # nothing is left there


def test_a_stream_that_ends_while_its_port_is_opened_leaves_nothing_open() -> None:
    world = World()
    client = Client(world, stream(Address("192.0.2.8", 9)), local=stream(DOOR))
    client.ask(turn.REFRESH)
    world.withheld = []
    client.send(client.message(turn.ALLOCATE, UDP))
    world.relay.abandon(client.local, client.remote)
    (opening,) = world.withheld
    world.serve(opening)
    assert world.drain() == []
    assert not world.open


def test_an_owner_that_never_answers_costs_ten_seconds() -> None:
    world = World()
    client = Client(world)
    client.ask(turn.REFRESH)
    world.withheld = []
    client.send(client.message(turn.ALLOCATE, UDP))
    world.sleep(11)
    assert len(world.relay) == 0
    assert world.relay.lending.quotas.taken == 0
    (opening,) = world.withheld
    assert isinstance(opening, Open)
    world.relay.unavailable(opening.ticket, world.now)
    assert world.drain() == []


def test_an_allocation_that_is_closed_cannot_be_told_more() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    allocation = world.relay.allocation_of(client.remote, client.local)
    assert allocation is not None
    client.refresh(0)
    with pytest.raises(ProtocolMisuse):
        allocation.happens(Input.REFRESHED)


def test_the_clock_does_not_grow_with_the_number_of_refreshes() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    for _ in range(300):
        client.refresh(3600)
        client.refresh(600)
    assert len(world.relay.lending._clock) < 100
    world.sleep(601)
    assert len(world.relay) == 0


# --- permissions and channels ---------------------------------------------------------------------


@pytest.mark.spec(
    "turn/permission-lifetime", "turn/permission-checked", "turn/send-needs-permission", "turn/data-indication"
)
def test_a_permission_opens_a_host_for_five_minutes() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    assert world.feed(b"early", client.relayed, PEER) == []
    assert client.send_data(b"early") == []
    assert code_of(client.permit(Address(PEER.host, 1))) is None  # the port says nothing
    assert client.send_data(b"out") == [Datagram(b"out", client.relayed, PEER)]
    (data,) = world.feed(b"in", client.relayed, PEER)
    indication = stun.parse(data.data)
    assert (indication.kind, indication.method) == (stun.Class.INDICATION, turn.DATA_METHOD)
    assert indication.get(attribute.XOR_PEER_ADDRESS) == PEER
    assert indication.get(attribute.DATA) == b"in"
    assert world.feed(b"in", client.relayed, OTHER_PEER) == []
    world.sleep(299)
    assert client.send_data(b"out")
    world.sleep(1)  # data refreshed nothing
    assert client.send_data(b"out") == []
    assert world.feed(b"in", client.relayed, PEER) == []


@pytest.mark.spec("turn/permission-without-peer", "turn/peer-family", "turn/permission-capacity")
def test_permissions_that_cannot_be_given() -> None:
    client = Client(World())
    client.allocate()
    assert code_of(client.ask(turn.CREATE_PERMISSION)) == 400
    assert code_of(client.permit(PEER, PEER_IPV6)) == 443
    assert client.send_data(b"not even the first") == []
    world = World(guard=make_guard(is_own=lambda host: False, allowed=(), world=True))
    greedy = Client(world)
    greedy.allocate()
    for number in range(4):
        assert code_of(greedy.permit(*(Address(f"8.8.{number}.{host}", 1) for host in range(32)))) is None
    assert code_of(greedy.permit(Address("9.9.9.9", 1))) == 508
    world.sleep(301)
    assert code_of(greedy.permit(Address("9.9.9.9", 1))) is None


@pytest.mark.spec(
    "turn/channel-preferred", "turn/channel-unbound", "turn/channel-lifetime", "turn/channel-data-refreshes-nothing"
)
def test_a_channel_lasts_ten_minutes_and_is_used_as_soon_as_it_is_bound() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    assert client.send_channel(0x4000, b"nowhere") == []
    assert code_of(client.bind(0x4000, PEER)) is None
    assert client.send_channel(0x4000, b"out") == [Datagram(b"out", client.relayed, PEER)]
    assert client.send_channel(0x4000, b"") == [Datagram(b"", client.relayed, PEER)]
    assert world.feed(b"in", client.relayed, PEER)[0].data == b"\x40\x00\x00\x02in"
    assert client.send_data(b"also so") == [Datagram(b"also so", client.relayed, PEER)]
    world.sleep(299)
    client.permit(PEER)
    world.sleep(299)
    client.refresh()
    assert world.feed(b"in", client.relayed, PEER)[0].data == b"\x40\x00\x00\x02in"
    world.sleep(2)
    assert client.send_channel(0x4000, b"out") == []
    client.permit(PEER)
    assert stun.parse(world.feed(b"in", client.relayed, PEER)[0].data).method == turn.DATA_METHOD


@pytest.mark.spec("turn/channel-bind-checks", "turn/channel-of-another", "turn/channel-range", "turn/peer-family")
def test_channels_that_cannot_be_bound() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    for channel in (0x3FFF, 0x5000, 0x7FFF, 0xFFFF):
        assert code_of(client.bind(channel, PEER)) == 400
    assert code_of(client.ask(turn.CHANNEL_BIND, (attribute.CHANNEL_NUMBER, 0x4000))) == 400
    assert code_of(client.ask(turn.CHANNEL_BIND, (attribute.XOR_PEER_ADDRESS, PEER))) == 400
    assert code_of(client.bind(0x4000, PEER_IPV6)) == 443
    assert code_of(client.bind(0x4000, PEER)) is None
    assert code_of(client.bind(0x4001, PEER)) == 400
    assert code_of(client.bind(0x4000, OTHER_PEER)) == 400
    assert code_of(client.bind(0x4FFF, OTHER_PEER)) is None
    assert code_of(client.bind(0x4000, PEER)) is None
    world.sleep(599)
    client.refresh()
    world.sleep(2)
    assert code_of(client.bind(0x4000, OTHER_PEER)) is None  # both had expired
    assert client.send_channel(0x4FFF, b"") == []


@pytest.mark.spec("turn/channel-capacity")
def test_there_is_a_bound_on_channels() -> None:
    world = World(guard=make_guard(is_own=lambda host: False, allowed=(), world=True))
    client = Client(world)
    client.allocate()
    for number in range(256):
        assert code_of(client.bind(0x4000 + number, Address("8.8.8.8", 1000 + number))) is None
    assert code_of(client.bind(0x4F00, Address("8.8.8.8", 9))) == 508


@pytest.mark.spec("turn/indication-without-allocation", "turn/send-checks")
def test_indications_that_are_ignored_without_a_word() -> None:
    world = World()
    client = Client(world)
    assert client.send_data(b"nobody") == []
    client.allocate()
    client.permit(PEER)
    peer, data = (attribute.XOR_PEER_ADDRESS, PEER), (attribute.DATA, b"x")
    for given in ([peer], [data], [peer, data, (0x7ABC, b"")]):
        message = stun.Message(stun.Class.INDICATION, turn.SEND, bytes(12), [Attribute(*each) for each in given])
        assert client.send(stun.serialize(message, fingerprint=False)) == []
    wrong_way = turn.serialize_indication(turn.DATA_TYPE, bytes(12), PEER, b"x")
    assert client.send(wrong_way) == []


@pytest.mark.spec("turn/channel-data-padding")
def test_a_stream_gets_its_channel_data_padded() -> None:
    world = World()
    client = Client(world, stream(Address("192.0.2.8", 9)), local=stream(DOOR))
    client.allocate()
    client.bind(0x4000, PEER)
    for size in range(5):
        (out,) = world.feed(bytes(size), client.relayed, PEER)
        assert len(out.data) == 4 + size + -size % 4
        assert turn.split_stream(out.data) == ([out.data[: 4 + size]], len(out.data))


@pytest.mark.spec("turn/bandwidth")
def test_what_is_above_the_budget_is_dropped_and_counted() -> None:
    world = World(limits=Limits(bytes_per_second=1000.0, burst_bytes=2000.0))
    client = Client(world)
    client.allocate()
    client.bind(0x4000, PEER)
    passed = sum(bool(client.send_channel(0x4000, bytes(96))) for _ in range(30))
    assert passed == 20
    allocation = world.relay.allocation_of(client.remote, client.local)
    assert allocation is not None
    assert allocation.dropped == 10
    world.sleep(1)
    back = sum(bool(world.feed(bytes(96), client.relayed, PEER)) for _ in range(30))
    assert back == 10


def test_a_dual_allocation_reaches_peers_of_both_families() -> None:
    world = World()
    client = Client(world)
    answer = client.allocate((attribute.ADDITIONAL_ADDRESS_FAMILY, turn.IPV6))
    ipv4, ipv6 = answer.every(attribute.XOR_RELAYED_ADDRESS)
    assert code_of(client.permit(PEER, PEER_IPV6)) is None
    assert client.send_data(b"4") == [Datagram(b"4", ipv4, PEER)]
    assert client.send_data(b"6", PEER_IPV6) == [Datagram(b"6", ipv6, PEER_IPV6)]
    (data,) = world.feed(b"6", ipv6, PEER_IPV6)
    assert stun.parse(data.data).get(attribute.XOR_PEER_ADDRESS) == PEER_IPV6


# --- bystanders -----------------------------------------------------------------------------------


def test_a_binding_request_is_answered_without_credentials() -> None:
    world = World()
    client = Client(world)
    request = stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12))
    (answer,) = client.send(stun.serialize(request, fingerprint=False))
    assert stun.parse(answer.data).get(attribute.XOR_MAPPED_ADDRESS) == client.remote


@pytest.mark.spec("turn/no-relay-behind-itself")
def test_a_relayed_address_gets_no_allocation_of_its_own() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    inner = Client(world, client.relayed)
    assert inner.send(inner.message(turn.ALLOCATE, UDP, signed=False)) == []
    assert world.relay.ignored["a request from a relayed address"] == 1


def test_methods_of_other_documents_are_not_answered() -> None:
    client = Client(World())
    client.allocate()
    for method in (0x00A, 0x00B, turn.SEND, turn.DATA_METHOD, 0xFFF):
        assert client.send(client.message(method)) == []


@pytest.mark.spec("turn/key-not-password")
def test_no_secret_is_shown_by_what_is_kept() -> None:
    world = World()
    client = Client(world)
    client.allocate()
    allocation = world.relay.allocation_of(client.remote, client.local)
    assert allocation is not None
    assert allocation.identity.key == client.key
    assert not any(USERS["alice"] in str(getattr(allocation.identity, name)) for name in ("username", "key"))
    assert repr(client.key) not in repr(allocation.identity)
