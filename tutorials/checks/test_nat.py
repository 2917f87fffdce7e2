"""Checks a NAT: tutorial 3. Run with `--module my_nat.py`.

Asked for: `NAT(address, dice=..., behaviour=...)` with `outward(header, now)`, `inward(header, now)`, `holder(header)`,
`hides(host)`, `addresses` and `behind`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Any, Literal

import pytest

from meetref.lab.natcell import run_call
from meetref.lab.natplaces import PLACES, Place
from meetref.net.nat import Behaviour, Dependence
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtualroute import Header
from meetref.wire.address import Address

REFERENCE = "meetref.net.nat"
OUTER = "198.51.100.7"
ALICE = Address("192.168.1.10", 5000)
BOB, BOB_ELSEWHERE, CAROL = Address("192.0.2.2", 6000), Address("192.0.2.2", 6001), Address("192.0.2.3", 6000)
EI, AD, PD = Dependence
kinds = pytest.mark.parametrize("kind", list(Dependence), ids=lambda kind: kind.value)


def nat(module: ModuleType, **behaviour: Any) -> Any:
    return module.NAT(OUTER, dice=random.Random(1), behaviour=Behaviour(ports="random", **behaviour))


def out(box: Any, source: Address, destination: Address, now: float = 0.0) -> Address:
    header = box.outward(Header("udp", source, destination), now)
    assert header is not None, "nothing keeps it from going out"
    assert header.destination == destination, "a NAT changes the source of what goes out"
    assert header.source.host == OUTER
    place: Address = header.source
    return place


def enters(box: Any, source: Address, outside: Address, now: float = 0.0) -> bool:
    header = box.inward(Header("udp", source, outside), now)
    assert header is None or header.source == source, "a NAT changes the destination of what comes in"
    return header is not None


# --- step 1: mapping ----------------------------------------------------------------------------------


@kinds
def test_1_of_what_a_mapping_depends(module: ModuleType, kind: Dependence) -> None:
    box = nat(module, mapping=kind)
    first = out(box, ALICE, BOB)
    assert out(box, ALICE, BOB) == first, "RFC 4787 section 4.1: the same destination, the same mapping"
    assert (out(box, ALICE, BOB_ELSEWHERE) == first) is (kind is not PD), "RFC 4787 section 4.1"
    assert (out(box, ALICE, CAROL) == first) is (kind is EI), "RFC 4787 section 4.1"


def test_1_nobody_shares_an_outer_port(module: ModuleType) -> None:
    box = nat(module, mapping=PD)
    places = [out(box, Address(f"192.168.1.{host}", 5000), Address("192.0.2.2", port)) for host, port in
              product(range(2, 42), range(1000, 1050))]  # fmt: skip
    assert len(set(places)) == len(places), "RFC 4787 section 4.2.1: no port overloading"


def test_1_udp_and_tcp_have_mappings_of_their_own(module: ModuleType) -> None:
    box = nat(module, filtering=EI)
    outside = out(box, ALICE, BOB)
    assert box.inward(Header("tcp", BOB, outside), 0.0) is None
    stream = box.outward(Header("tcp", ALICE, BOB), 0.0)
    assert box.inward(Header("tcp", BOB, stream.source), 0.0) == Header("tcp", BOB, ALICE)


# --- step 2: filtering --------------------------------------------------------------------------------


@kinds
def test_2_of_what_a_filter_depends(module: ModuleType, kind: Dependence) -> None:
    box = nat(module, filtering=kind)
    outside = out(box, ALICE, BOB)
    assert box.inward(Header("udp", BOB, outside), 0.0) == Header("udp", BOB, ALICE)
    assert enters(box, BOB_ELSEWHERE, outside) is (kind is not PD), "RFC 4787 section 5"
    assert enters(box, CAROL, outside) is (kind is EI), "RFC 4787 section 5"


def test_2_where_nothing_went_out_nothing_comes_in(module: ModuleType) -> None:
    box = nat(module, filtering=EI)
    assert not enters(box, BOB, Address(OUTER, 5000))
    outside = out(box, ALICE, BOB)
    assert not enters(box, BOB, Address(OUTER, outside.port ^ 1))


@pytest.mark.parametrize(("mapping", "filtering"), list(product(Dependence, Dependence)), ids=lambda kind: kind.value)
def test_2_the_dials_are_two(module: ModuleType, mapping: Dependence, filtering: Dependence) -> None:
    """What is let in to the port for Bob depends on the filter alone, whatever the mapping."""
    box = nat(module, mapping=mapping, filtering=filtering)
    outside = out(box, ALICE, BOB)
    found = [enters(box, remote, outside) for remote in (BOB, BOB_ELSEWHERE, CAROL)]
    assert found == [True, filtering is not PD, filtering is EI]


def test_2_whose_it_would_be(module: ModuleType) -> None:
    box = nat(module, filtering=PD)
    outside = out(box, ALICE, BOB)
    assert box.holder(Header("udp", CAROL, outside)) == ALICE
    assert not enters(box, CAROL, outside), "asking whose it would be lets nobody in"


# --- step 3: time -------------------------------------------------------------------------------------


def test_3_five_minutes_after_the_last_use(module: ModuleType) -> None:
    box = nat(module, filtering=EI)
    outside = out(box, ALICE, BOB, 0.0)
    assert out(box, ALICE, BOB, 299.0) == outside, "RFC 4787 section 4.3: what goes out keeps it alive"
    assert enters(box, BOB, outside, 598.0)
    assert not enters(box, BOB, outside, 599.0)
    assert out(box, ALICE, BOB, 600.0) != outside


def test_3_what_comes_in_does_not_keep_it_alive(module: ModuleType) -> None:
    box = nat(module, filtering=EI)
    outside = out(box, ALICE, BOB, 0.0)
    for minute in range(1, 5):
        assert enters(box, CAROL, outside, 60.0 * minute)
    assert not enters(box, CAROL, outside, 300.0), "RFC 4787 section 4.3: a stranger could hold it open for ever"


def test_3_each_remote_is_forgotten_by_itself(module: ModuleType) -> None:
    box = nat(module, filtering=AD)
    outside = out(box, ALICE, BOB, 0.0)
    out(box, ALICE, CAROL, 200.0)
    assert not enters(box, BOB, outside, 301.0)
    assert enters(box, CAROL, outside, 301.0)


@pytest.mark.parametrize("hairpinning", [True, False])
def test_3_hairpinning(module: ModuleType, hairpinning: bool) -> None:
    box = nat(module, filtering=EI, hairpinning=hairpinning)
    to_bob = out(box, Address("192.168.1.11", 5000), Address("192.0.2.9", 9))
    from_alice = out(box, ALICE, to_bob)
    assert enters(box, from_alice, to_bob) is hairpinning, "RFC 4787 section 6"


# --- step 4: calls ------------------------------------------------------------------------------------

GOLDEN = {
    ("EI/EI", "PD/PD"): "direct",
    ("EI/AD", "PD/PD"): "direct",
    ("EI/PD", "EI/PD"): "direct",
    ("EI/PD", "PD/PD"): "none",
    ("PD/PD", "PD/PD"): "none",
    ("AD/EI", "PD/AD"): "direct",
}


def behind(module: ModuleType, name: str) -> Place:
    known = PLACES[name]

    def settle(network: VirtualNetwork, person: str, number: int) -> VirtualHost:
        dice = network.dice(f"nat {number}")
        box = module.NAT(f"203.0.113.{number}", dice=dice, behaviour=known.behaviour)
        return network.host(person, "192.168.1.2", behind=box)

    return replace(known, settle=settle)


@pytest.mark.parametrize("names", GOLDEN, ids=" and ".join)
def test_4_who_can_call_whom(module: ModuleType, names: tuple[str, str]) -> None:
    places = behind(module, names[0]), behind(module, names[1])
    assert run_call(places, "check", with_relay=False).path == GOLDEN[names]
    wanted: Literal["direct", "relay"] = "direct" if GOLDEN[names] == "direct" else "relay"
    assert run_call(places, "check", with_relay=True).path == wanted
