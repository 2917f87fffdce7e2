"""Every published way around a relay's deny list, and the few things that are open."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.relayguard import REFUSED, Guard, is_refused, kernel_form, read_network
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed
from tests.protocol.relay_world import DOOR, MEDIA, PEER, Client, World, code_of, make_guard

HOSTS = """
    127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1 169.254.169.254
    100.64.0.1 100.100.100.200 100.127.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255
    198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::7f00:1
    64:ff9b:1:ffff::1 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2001:0:7f00:1:: 2001::1 2001:db8::1 2001:2::1
    2001:10::1 2001:20::1 100::1 3fff::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%1 feb0::1 fec0::1
    ff02::1 ff0e::1
"""
BYPASSES = HOSTS.split()
WORLD = Guard(is_own=lambda host: False)


@pytest.mark.parametrize("host", BYPASSES)
@pytest.mark.spec("turn/peer-restrictions", "turn/tunnels-refused")
def test_a_bypass_is_refused_by_the_guard(host: str) -> None:
    assert WORLD.destination(Address(host, 4000)) is None
    assert not WORLD.permits_host(host)
    # As the wire would have it.
    if "%" not in host:
        assert WORLD.destination(Address(canonical_host(host), 4000)) is None


@pytest.mark.parametrize("host", [host for host in BYPASSES if "%" not in host])
@pytest.mark.spec("turn/peer-restrictions", "turn/tunnels-refused")
def test_a_bypass_is_refused_by_the_relay(host: str) -> None:
    world = World(guard=Guard(is_own=lambda host: False))
    client = Client(world)
    client.allocate((0x8000, 2))  # both families, so that no mismatch stands in front
    peer = Address(host, 4000)
    assert code_of(client.permit(peer)) == 403
    assert code_of(client.bind(0x4000, peer)) == 403
    assert client.send_data(b"knock", peer) == []


def test_the_world_is_open() -> None:
    for host in ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2600::1", "2a00:1450::1"):
        assert WORLD.destination(Address(host, 1)) == Address(host, 1)
        assert WORLD.permits_host(host)


def test_nothing_listens_at_port_0_and_no_name_is_an_address() -> None:
    assert WORLD.destination(Address("8.8.8.8", 0)) is None
    assert WORLD.destination(Address("localhost", 80)) is None
    assert not WORLD.permits_host("metadata.google.internal")


def test_own_addresses_are_closed_even_where_they_are_public() -> None:
    guard = Guard(is_own={"8.8.8.8"}.__contains__)
    assert guard.destination(Address("8.8.8.8", 22)) is None
    assert not guard.permits_host("8.8.8.8")


def test_of_the_own_addresses_the_media_port_and_living_allocations_are_open() -> None:
    world = World(guard=make_guard(media=frozenset({MEDIA}), world=False))
    first, second = Client(world), Client(world)
    first.allocate()
    second.allocate()
    assert code_of(first.bind(0x4000, MEDIA)) is None
    assert first.send_channel(0x4000, b"media")[0].remote == MEDIA
    assert code_of(first.bind(0x4001, second.relayed)) is None
    assert code_of(second.bind(0x4001, first.relayed)) is None
    (hop,) = first.send_channel(0x4001, b"hello")
    assert (hop.local, hop.remote) == (first.relayed, second.relayed)
    (arrived,) = world.feed(hop.data, hop.remote, hop.local)
    assert arrived.remote == second.remote
    assert code_of(first.bind(0x4002, Address(MEDIA.host, 22))) == 403
    assert first.send_data(b"ssh", Address(MEDIA.host, 22)) == []
    assert world.feed(b"from some program here", first.relayed, Address(MEDIA.host, 22)) == []
    assert code_of(first.bind(0x4002, DOOR)) == 403
    assert code_of(first.permit(Address("8.8.8.8", 1))) == 403


def test_loopback_is_a_disguise_of_nothing() -> None:
    guard = Guard(is_own={"::1"}.__contains__, media=frozenset({Address("::1", 8080)}))
    assert guard.destination(Address("::1", 8080)) == Address("::1", 8080)
    assert guard.permits_host("::1")
    assert guard.destination(Address("::1", 22)) is None


def test_an_allocation_that_ended_is_no_longer_reached() -> None:
    """Its port may be another program's a moment later."""
    world = World(guard=make_guard(world=False))
    first, second = Client(world), Client(world)
    first.allocate()
    second.allocate()
    first.bind(0x4000, second.relayed)
    first.send_data(b"hello", second.relayed)
    second.refresh(0)
    assert first.send_channel(0x4000, b"hello") == []
    assert first.send_data(b"hello", second.relayed) == []
    assert world.feed(b"boo", first.relayed, second.relayed) == []


def test_what_is_allowed_by_name_is_open_and_nothing_beside_it() -> None:
    guard = Guard(is_own={"127.0.0.1"}.__contains__, allowed=(read_network("10.1.0.0/16"), read_network("127.0.0.1")))
    assert guard.destination(Address("10.1.2.3", 1)) == Address("10.1.2.3", 1)
    assert guard.destination(Address("127.0.0.1", 1)) == Address("127.0.0.1", 1)
    assert guard.destination(Address("10.2.2.3", 1)) is None
    assert guard.destination(Address("127.0.0.2", 1)) is None


def test_not_even_an_allow_list_opens_a_tunnel() -> None:
    guard = Guard(is_own=lambda host: False, allowed=(ip_network("::/0"),))
    assert guard.destination(Address("2002:808:808::1", 1)) is None
    assert guard.destination(Address("2001::1", 1)) is None
    assert guard.destination(Address("fd00::1", 1)) == Address("fd00::1", 1)


def test_behind_a_nat_the_outside_address_means_the_inside_one() -> None:
    inside, outside = "10.0.0.5", "8.8.4.4"
    guard = Guard(
        is_own={inside}.__contains__,
        media=frozenset({Address(inside, 8080)}),
        relayed=frozenset({inside}),
        outside={inside: outside},
    )
    assert guard.destination(Address(outside, 8080)) == Address(inside, 8080)
    assert guard.destination(Address(outside, 22)) is None
    assert guard.told(Address(inside, 8080)) == Address(outside, 8080)
    assert guard.source_host(outside) == inside
    world = World(guard=guard, hosts=(inside,))
    client = Client(world, local=Address(inside, 3478))
    client.allocate()
    assert client.relayed.host == outside
    relayed = Address(inside, client.relayed.port)
    assert code_of(client.permit(Address(outside, 8080))) is None
    (out,) = client.send_data(b"check", Address(outside, 8080))
    assert (out.local, out.remote) == (relayed, Address(inside, 8080))
    assert code_of(client.bind(0x4000, Address(outside, 8080))) is None
    (back,) = world.feed(b"answer", relayed, Address(inside, 8080))
    assert back.data == b"\x40\x00\x00\x06answer"


def test_verdicts_are_remembered_within_a_bound() -> None:
    guard = Guard(is_own=lambda host: False)
    for number in range(3000):
        guard.permits_host(f"8.{number >> 8}.{number & 255}.1")
    assert len(guard._verdicts) <= 1024
    assert not guard.permits_host("10.0.0.1")


@given(st.ip_addresses())
def test_whatever_is_refused_is_refused_in_every_spelling(address: object) -> None:
    host = str(address)
    form = kernel_form(host)
    reached = WORLD.destination(Address(canonical_host(host), 9))
    if form is None or is_refused(form):
        assert reached is None
    else:
        assert reached is None or ip_address(reached.host) == form


def test_the_list_is_of_networks_without_bits_to_spare() -> None:
    assert all(ip_network(each, strict=True) for each in REFUSED)
    with pytest.raises(Malformed):
        read_network("10.0.0.0/33")


def test_peers_of_the_stories_are_in_the_list() -> None:
    assert WORLD.destination(PEER) is None  # documentation addresses: the tests allow them by name
