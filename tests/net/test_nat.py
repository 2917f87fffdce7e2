"""NATs: what they map, let in, and forget, in memory and with hosts behind them."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Literal

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from meetref.net.nat import (
    CONE,
    NAT,
    PORT_RESTRICTED_CONE,
    RESTRICTED_CONE,
    SYMMETRIC,
    Behaviour,
    Dependence,
    Policy,
    no_udp,
    only_https,
)
from meetref.net.nat64 import NAT64, in_prefix, out_of_prefix
from meetref.net.natmapping import MAXIMUM_FILTERS
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtualroute import Header, Middlebox
from meetref.net.virtualsocket import VirtualDatagramSocket
from meetref.wire.address import Address

OUTER = "198.51.100.1"
ALICE = Address("192.168.1.2", 5000)
BOB = Address("192.0.2.2", 6000)
BOB_ELSEWHERE = Address("192.0.2.2", 6001)
CAROL = Address("192.0.2.3", 6000)

kinds = pytest.mark.parametrize("kind", list(Dependence), ids=lambda kind: kind.value)


def nat(behaviour: Behaviour = PORT_RESTRICTED_CONE, *addresses: str, maximum: int = 100) -> NAT:
    return NAT(*(addresses or (OUTER,)), dice=random.Random(1), behaviour=behaviour, maximum_mappings=maximum)


def out(box: NAT, source: Address, destination: Address, now: float = 0.0) -> Address | None:
    """The outer address of a datagram."""
    header = box.outward(Header("udp", source, destination), now)
    assert header is None or header.destination == destination
    return None if header is None else header.source


def enters(box: NAT, source: Address, destination: Address, now: float = 0.0) -> Address | None:
    """The inner address that a datagram from outside gets to."""
    header = box.inward(Header("udp", source, destination), now)
    assert header is None or header.source == source
    return None if header is None else header.destination


# --- mapping and filtering ----------------------------------------------------------------------------


@kinds
@pytest.mark.spec("nat/mapping")
def test_of_what_a_mapping_depends(kind: Dependence) -> None:
    box = nat(Behaviour(mapping=kind, ports="random"))
    seen = [out(box, ALICE, remote) for remote in (BOB, BOB_ELSEWHERE, CAROL, BOB)]
    assert seen[0] == seen[3]
    assert (seen[0] == seen[1]) is (kind is not Dependence.ADDRESS_AND_PORT_DEPENDENT)
    assert (seen[0] == seen[2]) is (kind is Dependence.ENDPOINT_INDEPENDENT)


@kinds
@pytest.mark.spec("nat/filtering")
def test_of_what_a_filter_depends(kind: Dependence) -> None:
    box = nat(Behaviour(filtering=kind))
    outside = out(box, ALICE, BOB)
    assert outside is not None
    assert enters(box, BOB, outside) == ALICE
    elsewhere = None if kind is Dependence.ADDRESS_AND_PORT_DEPENDENT else ALICE
    assert enters(box, BOB_ELSEWHERE, outside) == elsewhere
    assert enters(box, CAROL, outside) == (ALICE if kind is Dependence.ENDPOINT_INDEPENDENT else None)
    assert enters(box, BOB, Address(OUTER, outside.port + 1)) is None
    assert box.dropped["no mapping"] == 1


@given(
    st.sampled_from(list(Dependence)),
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3)), max_size=40),
)
@pytest.mark.spec("nat/deterministic", "nat/no-overloading")
def test_no_traffic_changes_how_it_behaves(mapping: Dependence, moves: list[tuple[bool, int, int]]) -> None:
    """Whatever passed before: one inner address and key is one outer address, and never anybody else's too."""
    box = nat(Behaviour(mapping=mapping))
    insides = [Address(f"192.168.1.{number % 2 + 2}", 5000 + number // 2) for number in range(4)]
    remotes = [Address(f"192.0.2.{number % 2 + 2}", 6000 + number // 2) for number in range(4)]
    known: dict[Address, tuple[object, ...]] = {}
    for outgoing, inner, remote in moves:
        if not outgoing:
            enters(box, remotes[remote], Address(OUTER, 5000 + inner))
            continue
        outside = out(box, insides[inner], remotes[remote])
        assert outside is not None
        key = (insides[inner], mapping.key(remotes[remote]))
        assert known.setdefault(outside, key) == key
    assert len(set(known.values())) == len(known)


# --- ports --------------------------------------------------------------------------------------------


@pytest.mark.spec("nat/no-overloading")
def test_a_port_is_preserved_until_somebody_has_it() -> None:
    box = nat()
    first = out(box, ALICE, BOB)
    second = out(box, Address("192.168.1.3", 5000), BOB)
    assert first == Address(OUTER, 5000)
    assert second is not None
    assert second != first
    assert second.port % 2 == 0


@pytest.mark.parametrize("ports", ["preserved", "random"])
@pytest.mark.spec("nat/port-parity", "nat/port-range")
def test_parity_and_range_stay(ports: Literal["preserved", "random"]) -> None:
    box = nat(Behaviour(mapping=Dependence.ADDRESS_AND_PORT_DEPENDENT, ports=ports), maximum=4000)
    for inner, number in product((80, 81, 5000, 5001, 1023, 1024, 65535), range(40)):
        outside = out(box, Address("192.168.1.2", inner), Address("192.0.2.2", 1000 + number))
        assert outside is not None
        assert outside.port % 2 == inner % 2
        assert (outside.port < 1024) is (inner < 1024)
        assert outside.port > 0


def test_all_ports_of_a_kind_can_be_had_and_no_more() -> None:
    box = nat(SYMMETRIC, maximum=10_000)
    outer = [out(box, Address("192.168.1.2", 7), Address("192.0.2.2", 1000 + number)) for number in range(520)]
    assert len(set(outer[:512])) == 512  # the odd ports below 1024
    assert outer[512:] == [None] * 8
    assert box.dropped == {"table full": 8}


@pytest.mark.spec("nat/paired-pool")
def test_a_host_keeps_its_address_of_a_pool() -> None:
    box = nat(PORT_RESTRICTED_CONE, "198.51.100.1", "198.51.100.2")
    hosts = [
        {place.host for port in range(5) if (place := out(box, Address(f"192.168.1.{host}", 5000 + port), BOB))}
        for host in (2, 3)
    ]
    assert hosts == [{"198.51.100.1"}, {"198.51.100.2"}]


# --- age and bounds -----------------------------------------------------------------------------------


@pytest.mark.spec("nat/mapping-timeout", "nat/outbound-refresh")
def test_a_mapping_lives_five_minutes_after_it_was_used_outward() -> None:
    box = nat(replace(CONE, ports="random"))
    outside = out(box, ALICE, BOB, 0.0)
    assert outside is not None
    assert enters(box, CAROL, outside, 299.0) == ALICE
    assert out(box, ALICE, BOB, 299.9) == outside
    assert enters(box, CAROL, outside, 599.0) == ALICE
    assert enters(box, CAROL, outside, 600.0) is None
    assert out(box, ALICE, BOB, 600.0) != outside


@pytest.mark.spec("nat/outbound-refresh")
def test_each_remote_is_forgotten_by_itself() -> None:
    box = nat(RESTRICTED_CONE)
    outside = out(box, ALICE, BOB, 0.0)
    assert outside == out(box, ALICE, CAROL, 200.0)
    assert outside is not None
    assert enters(box, BOB, outside, 299.0) == ALICE
    assert enters(box, BOB, outside, 301.0) is None
    assert enters(box, CAROL, outside, 301.0) == ALICE


@pytest.mark.parametrize("inbound", [False, True])
@pytest.mark.spec("nat/outbound-refresh")
def test_what_comes_in_keeps_it_alive_only_if_told_so(inbound: bool) -> None:
    box = nat(replace(CONE, inbound_refresh=inbound))
    outside = out(box, ALICE, BOB, 0.0)
    assert outside is not None
    for number in range(5):
        enters(box, BOB, outside, 100.0 * number)
    assert (enters(box, BOB, outside, 450.0) == ALICE) is inbound


@pytest.mark.spec("nat/bounded")
def test_the_table_is_bounded_and_the_old_make_room() -> None:
    box = nat(maximum=3)
    for port in range(3):
        assert out(box, Address("192.168.1.2", 5000 + port), BOB, float(port))
    assert out(box, Address("192.168.1.2", 9000), BOB, 10.0) is None
    assert out(box, Address("192.168.1.2", 5000), BOB, 299.0) is not None
    assert out(box, Address("192.168.1.2", 9000), BOB, 301.5) is not None  # in the place of 5001, not of 5000
    assert out(box, Address("192.168.1.2", 5000), BOB, 301.6) == Address(OUTER, 5000)
    assert box.dropped["table full"] == 1


@pytest.mark.spec("nat/bounded")
def test_whom_a_mapping_lets_in_is_bounded_too() -> None:
    box = nat()
    outside = out(box, ALICE, BOB)
    assert outside is not None
    for number in range(MAXIMUM_FILTERS):
        out(box, ALICE, Address("192.0.2.9", 1000 + number))
    assert enters(box, BOB, outside) is None
    assert enters(box, Address("192.0.2.9", 1000 + MAXIMUM_FILTERS - 1), outside) == ALICE


def test_a_nat_that_starts_anew_knows_nobody() -> None:
    box = nat(SYMMETRIC)
    before = out(box, ALICE, BOB)
    assert before is not None
    box.forget()
    assert enters(box, BOB, before) is None
    assert out(box, ALICE, BOB) != before


# --- firewalls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "leaves"),
    [(no_udp, {("tcp", 443), ("tcp", 80)}), (only_https, {("tcp", 443)})],
    ids=["no-udp", "only-https"],
)
def test_what_a_firewall_lets_out(policy: Policy, leaves: set[tuple[str, int]]) -> None:
    box = NAT(OUTER, dice=random.Random(1), policy=policy)
    transports: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")
    tried = list(product(transports, (443, 80)))
    passed = {
        (transport, port)
        for transport, port in tried
        if box.outward(Header(transport, ALICE, Address(BOB.host, port)), 0)
    }
    assert passed == leaves
    assert box.dropped["forbidden"] == 4 - len(leaves)


def test_without_an_address_it_is_a_firewall() -> None:
    wall = NAT(dice=random.Random(1), behaviour=SYMMETRIC)
    inside = Address("2001:db8:1::2", 5000)
    remote, stranger = Address("2001:db8:2::2", 6000), Address("2001:db8:2::3", 6000)
    assert not wall.hides(inside.host)
    assert enters(wall, remote, inside) is None
    assert out(wall, inside, remote) == inside
    assert out(wall, inside, stranger) == inside
    assert enters(wall, remote, inside) == inside
    assert enters(wall, Address(remote.host, 6001), inside) is None
    assert out(wall, inside, BOB) is None
    assert wall.dropped["no address of that family"] == 1


# --- NAT64 --------------------------------------------------------------------------------------------


def test_the_prefix_of_nat64() -> None:
    assert in_prefix("192.0.2.33") == "64:ff9b::c000:221"
    assert out_of_prefix("64:ff9b::c000:221") == "192.0.2.33"
    assert [out_of_prefix(host) for host in ("2001:db8::1", "192.0.2.33", "64:ff9b:1::1")] == [None, None, None]


def test_nat64_translates_both_ways_and_leaves_ipv6_alone() -> None:
    box = NAT64(OUTER, dice=random.Random(1), behaviour=CONE)
    inside = Address("2001:db8:1::2", 5000)
    header = box.outward(Header("udp", inside, Address(in_prefix(BOB.host), BOB.port)), 0.0)
    assert header == Header("udp", Address(OUTER, 5000), BOB)
    back = box.inward(Header("udp", CAROL, Address(OUTER, 5000)), 0.0)
    assert back == Header("udp", Address(in_prefix(CAROL.host), CAROL.port), inside)
    native = Header("udp", inside, Address("2001:db8::7", 7))
    assert box.outward(native, 0.0) == native
    assert not box.hides(inside.host)


# --- with hosts ---------------------------------------------------------------------------------------


class World:
    """Hosts by name, each with one socket at port 5000."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.network = VirtualNetwork(1)
        self.nursery = nursery
        self.sockets: dict[str, VirtualDatagramSocket] = {}

    async def host(self, name: str, address: str, behind: Middlebox | None = None) -> VirtualHost:
        host = self.network.host(name, address, behind=behind)
        self.sockets[name] = await host.open_datagram(Address(address, 5000))
        return host

    def nat(self, *addresses: str, behaviour: Behaviour = PORT_RESTRICTED_CONE, behind: Middlebox | None = None) -> NAT:
        return NAT(*addresses, dice=self.network.dice("nat"), behaviour=behaviour, behind=behind)

    async def says(self, name: str, to: Address, other: str) -> Address | None:
        """Send something; the source that `other` sees, or None when nothing comes within a second."""
        self.sockets[name].send([b"192.168.1.2:5000"], to)
        with trio.move_on_after(1):
            (datagram,) = await self.sockets[other].receive()
            assert datagram.data == b"192.168.1.2:5000"
            return datagram.remote
        return None


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    made = World(nursery)
    await nursery.start(made.network.run)
    return made


@pytest.mark.spec("nat/payload-untouched")
async def test_out_and_back(autojump_clock: MockClock, world: World) -> None:
    await world.host("alice", "192.168.1.2", behind=world.nat(OUTER))
    await world.host("bob", "192.0.2.2")
    bob = Address("192.0.2.2", 5000)
    assert await world.says("bob", Address(OUTER, 5000), "alice") is None
    assert await world.says("alice", bob, "bob") == Address(OUTER, 5000)
    assert await world.says("bob", Address(OUTER, 5000), "alice") == bob


@pytest.mark.parametrize("hairpinning", [True, False])
@pytest.mark.spec("nat/hairpinning")
async def test_hairpin(autojump_clock: MockClock, world: World, hairpinning: bool) -> None:
    box = world.nat(OUTER, behaviour=replace(CONE, hairpinning=hairpinning))
    await world.host("alice", "192.168.1.2", behind=box)
    await world.host("bob", "192.168.1.3", behind=box)
    assert await world.says("bob", Address("192.0.2.9", 9), "alice") is None  # so that Bob has a mapping
    seen = await world.says("alice", Address(OUTER, 5000), "bob")
    assert seen == (Address(OUTER, seen.port) if hairpinning and seen else None)
    assert (seen is not None) is hairpinning
    assert await world.says("alice", Address("192.168.1.3", 5000), "bob") == Address("192.168.1.2", 5000)


async def test_a_nat_behind_a_nat(autojump_clock: MockClock, world: World) -> None:
    carrier = world.nat(OUTER)
    await world.host("alice", "192.168.1.2", behind=world.nat("100.64.0.2", behind=carrier))
    await world.host("bob", "192.168.1.2", behind=world.nat("100.64.0.3", behind=carrier))
    await world.host("neighbour", "100.64.0.9", behind=carrier)
    await world.host("carol", "192.0.2.3")
    carol = Address("192.0.2.3", 5000)
    seen = await world.says("alice", carol, "carol")
    assert seen is not None
    assert seen.host == OUTER
    assert await world.says("carol", seen, "alice") == carol
    assert await world.says("alice", Address("100.64.0.9", 5000), "neighbour") == Address("100.64.0.2", 5000)
    theirs = await world.says("bob", carol, "carol")
    assert theirs is not None
    assert theirs.host == OUTER
    assert theirs != seen
    # By the carrier's outer address they meet only after both wrote there, for both filters are by address and port.
    assert await world.says("alice", theirs, "bob") is None
    assert await world.says("bob", seen, "alice") == theirs
    assert await world.says("alice", theirs, "bob") == seen


async def test_two_realms_may_use_the_same_addresses(autojump_clock: MockClock, world: World) -> None:
    await world.host("alice", "192.168.1.2", behind=world.nat("198.51.100.1"))
    await world.host("bob", "192.168.1.2", behind=world.nat("198.51.100.2"))
    assert await world.says("alice", Address("198.51.100.2", 5000), "bob") is None
    assert await world.says("bob", Address("198.51.100.1", 5000), "alice") == Address("198.51.100.2", 5000)


async def test_the_filter_judges_when_the_packet_gets_there(autojump_clock: MockClock, world: World) -> None:
    """Two packets that cross: each is let in, because the other side had written by then."""
    await world.host("alice", "192.168.1.2", behind=world.nat("198.51.100.1"))
    await world.host("bob", "192.168.1.2", behind=world.nat("198.51.100.2"))
    hosts = world.network.hosts
    world.network.connect(hosts["alice"], hosts["bob"], Impairments(delay=0.05))
    for name, port in (("alice", 5000), ("bob", 5000)):  # mappings, so that the path is known
        world.sockets[name].send([b"x"], Address("192.0.2.99", port))
    await trio.sleep(1)
    world.sockets["alice"].send([b"there"], Address("198.51.100.2", 5000))
    await trio.sleep(0.02)
    assert await world.says("bob", Address("198.51.100.1", 5000), "alice") is not None
    assert [datagram.data for datagram in await world.sockets["bob"].receive()] == [b"there"]


async def test_links_on_both_sides_of_a_nat_take_their_time(autojump_clock: MockClock, world: World) -> None:
    alice = await world.host("alice", "192.168.1.2", behind=world.nat(OUTER))
    bob = await world.host("bob", "192.0.2.2")
    alice.access(Impairments(delay=0.01))
    bob.access(Impairments(delay=0.1))
    world.network.connect(alice, bob, Impairments(delay=1.0))
    started_at = trio.current_time()
    world.sockets["alice"].send([b"x"], Address("192.0.2.2", 5000))
    await world.sockets["bob"].receive()
    assert trio.current_time() - started_at == pytest.approx(1.11)
    world.sockets["bob"].send([b"x"], Address(OUTER, 5000))
    await world.sockets["alice"].receive()
    assert trio.current_time() - started_at == pytest.approx(2.22)


async def test_a_stream_through_a_nat(autojump_clock: MockClock, world: World) -> None:
    alice = await world.host("alice", "192.168.1.2", behind=world.nat(OUTER, behaviour=SYMMETRIC))
    bob = await world.host("bob", "192.0.2.2")
    alice.access(Impairments(delay=0.01, loss=0.2))
    listener = await bob.open_listener(Address("192.0.2.2", 80))
    near = await alice.open_stream(listener.local)
    far = await listener.accept()
    assert (far.local, far.remote.host) == (Address("192.0.2.2", 80), OUTER)
    assert far.remote.port != near.local.port
    for writer, reader in ((near, far), (far, near)):
        world.nursery.start_soon(writer.send_all, bytes(20_000))
        received = 0
        while received < 20_000:
            received += len(await reader.receive_some())
    with pytest.raises(TimeoutError):
        await bob.open_stream(Address(OUTER, near.local.port))


async def test_a_stream_that_its_nat_forgot_breaks(autojump_clock: MockClock, world: World) -> None:
    box = world.nat(OUTER, behaviour=SYMMETRIC)
    alice = await world.host("alice", "192.168.1.2", behind=box)
    bob = await world.host("bob", "192.0.2.2")
    listener = await bob.open_listener(Address("192.0.2.2", 80))
    near = await alice.open_stream(listener.local)
    far = await listener.accept()
    box.forget()
    await far.send_all(b"anybody there?")
    await near.send_all(b"hello?")
    for stream in (near, far):
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_a_stream_is_refused_behind_a_firewall(autojump_clock: MockClock, world: World) -> None:
    wall = NAT(OUTER, dice=random.Random(1), policy=only_https)
    alice = await world.host("alice", "192.168.1.2", behind=wall)
    bob = await world.host("bob", "192.0.2.2")
    await bob.open_listener(Address("192.0.2.2", 443))
    await bob.open_listener(Address("192.0.2.2", 8080))
    await alice.open_stream(Address("192.0.2.2", 443))
    with pytest.raises(TimeoutError):
        await alice.open_stream(Address("192.0.2.2", 8080))


async def test_ipv6_hosts_reach_ipv4_ones_through_nat64(autojump_clock: MockClock, world: World) -> None:
    await world.host("phone", "2001:db8:1::2", behind=NAT64(OUTER, dice=random.Random(1), behaviour=CONE))
    await world.host("bob", "192.0.2.2")
    await world.host("modern", "2001:db8::7")
    bob = in_prefix("192.0.2.2")
    assert await world.says("phone", Address(bob, 5000), "bob") == Address(OUTER, 5000)
    assert await world.says("bob", Address(OUTER, 5000), "phone") == Address(bob, 5000)
    assert await world.says("phone", Address("2001:db8::7", 5000), "modern") == Address("2001:db8:1::2", 5000)
    assert await world.says("modern", Address("2001:db8:1::2", 5000), "phone") == Address("2001:db8::7", 5000)


async def test_a_host_moves_to_another_network(autojump_clock: MockClock, world: World) -> None:
    """From the Wi-Fi to the mobile network: the old socket and the old stream are of no use, new ones are."""
    alice = await world.host("alice", "192.168.1.2", behind=world.nat(OUTER, behaviour=CONE))
    bob = await world.host("bob", "192.0.2.2")
    listener = await bob.open_listener(Address("192.0.2.2", 80))
    near = await alice.open_stream(listener.local)
    assert await world.says("alice", Address("192.0.2.2", 5000), "bob") == Address(OUTER, 5000)
    world.network.move(alice, "10.0.0.7", behind=world.nat("198.51.100.77", behaviour=CONE))
    assert alice.addresses()[0] == "10.0.0.7"
    assert await world.says("bob", Address(OUTER, 5000), "alice") is None
    assert await world.says("alice", Address("192.0.2.2", 5000), "bob") is None
    assert world.sockets["alice"].counters.refused == 1
    await near.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await near.receive_some()
    world.sockets["alice"] = await alice.open_datagram(Address("10.0.0.7", 5000))
    assert await world.says("alice", Address("192.0.2.2", 5000), "bob") == Address("198.51.100.77", 5000)
    assert await world.says("bob", Address("198.51.100.77", 5000), "alice") == Address("192.0.2.2", 5000)
    await alice.open_stream(listener.local)
