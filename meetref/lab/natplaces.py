"""The places from which people join a call: with no NAT, behind each kind of one, behind two, behind firewalls.

Stands above `net/nat` and `net/nat64`, below `lab/natcell`. Specification: RFC 4787 sections 4.1 and 5.
A name such as `AI/PD` is a NAT's mapping and filtering: EI endpoint-independent, AD address-dependent, PD address-and-
port-dependent. The old names (cone, symmetric) stand beside four of the nine.
Read next: `lab/natcell.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from meetref.net.nat import (
    CONE,
    NAT,
    PORT_RESTRICTED_CONE,
    Behaviour,
    Dependence,
    Policy,
    everything,
    no_udp,
    nothing,
    only_https,
)
from meetref.net.nat64 import NAT64, in_prefix
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtualhost import VirtualHost
from meetref.wire.address import Address

SHORT = {
    Dependence.ENDPOINT_INDEPENDENT: "EI",
    Dependence.ADDRESS_DEPENDENT: "AD",
    Dependence.ADDRESS_AND_PORT_DEPENDENT: "PD",
}


def same(host: str) -> str:
    """How most places know the server: as everybody does."""
    return host


@dataclass(frozen=True, kw_only=True)
class Place:
    """`settle` puts a host there; `number` (1 or 2) keeps the two sides of a call apart. `words` explain it.

    `behaviour` is the NAT's, where there is one and it lets UDP through; `knows` turns the address of a server into
    the one under which it is known there.
    """

    name: str
    words: str
    settle: Callable[[VirtualNetwork, str, int], VirtualHost]
    behaviour: Behaviour | None = None
    lets_udp_out: bool = True
    knows: Callable[[str], str] = same

    def server(self, address: Address) -> Address:
        return Address(self.knows(address.host), address.port)


def _dice(network: VirtualNetwork, name: str) -> Random:
    return network.dice(f"{name} nat")


def _open(network: VirtualNetwork, name: str, number: int) -> VirtualHost:
    return network.host(name, f"203.0.113.{number}")


def _behind(behaviour: Behaviour, policy: Policy = everything) -> Callable[[VirtualNetwork, str, int], VirtualHost]:
    def settle(network: VirtualNetwork, name: str, number: int) -> VirtualHost:
        dice = _dice(network, name)
        box = NAT(f"203.0.113.{number}", dice=dice, behaviour=behaviour, policy=policy)
        return network.host(name, "192.168.1.2", behind=box)

    return settle


def _behind_two(network: VirtualNetwork, name: str, number: int) -> VirtualHost:
    dice = _dice(network, name)
    carrier = NAT(f"203.0.113.{number}", dice=dice, behaviour=PORT_RESTRICTED_CONE)
    home = NAT("100.64.0.2", dice=dice, behaviour=PORT_RESTRICTED_CONE, behind=carrier)
    return network.host(name, "192.168.1.2", behind=home)


def _ipv6_only(network: VirtualNetwork, name: str, number: int) -> VirtualHost:
    box = NAT64(f"203.0.113.{number}", dice=_dice(network, name), behaviour=CONE)
    return network.host(name, f"2001:db8:{number}::2", behind=box)


OLD_NAMES = {"EI/EI": "full cone", "EI/AD": "restricted cone", "EI/PD": "port-restricted cone", "PD/PD": "symmetric"}


def _nat(mapping: Dependence, filtering: Dependence) -> Place:
    name = f"{SHORT[mapping]}/{SHORT[filtering]}"
    # Ports by chance: a symmetric NAT that preserved them could be guessed, and the matrix would tell of luck.
    endpoint_independent = mapping is Dependence.ENDPOINT_INDEPENDENT
    behaviour = Behaviour(
        mapping=mapping, filtering=filtering, ports="preserved" if endpoint_independent else "random"
    )  # fmt: skip
    words = f"a NAT with {mapping.value} mapping and {filtering.value} filtering"
    old = f' ("{OLD_NAMES[name]}")' if name in OLD_NAMES else ""
    return Place(name=name, words=words + old, settle=_behind(behaviour), behaviour=behaviour)


PLACES = {
    place.name: place
    for place in (
        Place(name="open", words="a public address, nothing in front of it", settle=_open),
        *(_nat(mapping, filtering) for mapping in Dependence for filtering in Dependence),
        Place(
            name="twice",
            words="a home NAT behind the NAT of its provider, both port-restricted cones",
            settle=_behind_two,
            behaviour=PORT_RESTRICTED_CONE,
        ),
        Place(
            name="NAT64",
            words="IPv6 alone, and a NAT64 that leads to IPv4",
            settle=_ipv6_only,
            behaviour=CONE,
            knows=in_prefix,
        ),
        Place(
            name="no UDP",
            words="a firewall that lets no UDP out",
            settle=_behind(PORT_RESTRICTED_CONE, no_udp),
            lets_udp_out=False,
        ),
        Place(
            name="443",
            words="a firewall that lets streams to port 443 out, and nothing else",
            settle=_behind(PORT_RESTRICTED_CONE, only_https),
            lets_udp_out=False,
        ),
        Place(
            name="sealed",
            words="a network that nothing leaves but by a proxy for the web, which we do not speak",
            settle=_behind(PORT_RESTRICTED_CONE, nothing),
            lets_udp_out=False,
        ),
    )
}
QUICK = ("open", "EI/EI", "EI/AD", "EI/PD", "PD/PD", "no UDP")
