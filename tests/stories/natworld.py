"""Topologies by chance: where two people and a server stand, what their networks do to packets, what must come of it.

The oracle knows the networks and nothing about ICE: `expected` is derived from RFC 4787 and from who has which family.
Read next: tests/stories/test_nat.py.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from meetref.lab.natcell import HTTPS, SERVER
from meetref.net.nat import NAT, Behaviour, Dependence, Policy, everything, no_udp, nothing, only_https
from meetref.net.nat64 import NAT64, in_prefix
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtualroute import Middlebox

Shape = Literal["open", "nat", "twice", "nat64", "ipv6", "dual", "firewall"]
SHAPES: tuple[Shape, ...] = ("open", "nat", "nat", "nat", "twice", "twice", "nat64", "ipv6", "dual", "dual", "firewall")
SERVER_IPV6 = "2001:db8:ffff::100"
EI, AD, PD = Dependence.ENDPOINT_INDEPENDENT, Dependence.ADDRESS_DEPENDENT, Dependence.ADDRESS_AND_PORT_DEPENDENT
ORDER = [EI, AD, PD]


def stricter(first: Dependence, second: Dependence) -> Dependence:
    return max(first, second, key=ORDER.index)


@dataclass
class Side:
    """One person's network, as the oracle sees it. `mapping` and `filtering` are of the way to IPv4 as a whole."""

    shape: Shape
    mapping: Dependence = EI
    filtering: Dependence = EI
    policy: Policy = everything
    ipv4: bool = True  # has an IPv4 address of its own
    ipv6: bool = False
    nat64: bool = False
    behaviours: list[Behaviour] = field(default_factory=list)

    @property
    def udp(self) -> bool:
        return self.policy is everything

    @property
    def described(self) -> str:
        kinds = "/".join(f"{each.mapping.value} {each.filtering.value}" for each in self.behaviours)
        return f"{self.shape} {kinds} {self.policy.__name__}"


@dataclass
class Topology:
    """Two sides; `together` is what they share: nothing, a carrier's NAT, or a home."""

    seed: int
    sides: tuple[Side, Side]
    together: Literal["nothing", "carrier", "home"]
    hairpinning: bool
    has_relay: bool
    server_ipv6: bool
    ways: tuple[Impairments, Impairments]

    # --- what must come of it -------------------------------------------------------------------------

    def reaches_server(self, side: Side, *, by_stream: bool) -> bool:
        """Whether anything of a side gets to the server: over UDP, or by a stream to port 443."""
        family = side.ipv4 or side.nat64 or (side.ipv6 and self.server_ipv6)
        return family and (side.policy is not nothing if by_stream else side.udp)

    @property
    def direct(self) -> bool:
        """Whether any pair of candidates that are no relays' can work."""
        first, second = self.sides
        if self.together == "home":
            return True
        if not (first.udp and second.udp):
            return False
        if first.ipv6 and second.ipv6:
            return True  # nothing is translated, and both write first
        if first.nat64 or second.nat64:
            translated, other = (first, second) if first.nat64 else (second, first)
            # Who is behind a NAT64 cannot write to an IPv4 candidate, so only an open filter lets the other in.
            return other.ipv4 and translated.filtering is EI
        return first.ipv4 and second.ipv4 and self._ipv4_direct(first, second)

    def _ipv4_direct(self, first: Side, second: Side) -> bool:
        if self.together == "carrier" and not self.hairpinning:
            return False
        steady = [side for side in (first, second) if side.mapping is EI]
        if len(steady) == 2:
            return True
        if len(steady) == 1:
            return steady[0].filtering is not PD
        filters = {first.filtering, second.filtering}
        return EI in filters and PD not in filters and {first.mapping, second.mapping} != {PD}

    @property
    def relayed(self) -> bool:
        return self.has_relay and all(self.reaches_server(side, by_stream=True) for side in self.sides)

    @property
    def reason(self) -> str:
        """Why it fails, where it does; see `natcell.diagnose`."""
        for number, side in enumerate(self.sides, 1):
            if not self.reaches_server(side, by_stream=self.has_relay):
                return f"no server answers party {number}"
        return "no check gets through, and there is no relay"

    @property
    def described(self) -> str:
        relay = "relay" if self.has_relay else "no relay"
        first, second = (side.described for side in self.sides)
        return f"{first} | {second} | together: {self.together}, {relay}, loss {self.ways[0].loss:.2f}"

    # --- building it ----------------------------------------------------------------------------------

    def build(self, network: VirtualNetwork) -> tuple[VirtualHost, list[VirtualHost]]:
        """The server and the two hosts."""
        addresses = [SERVER.host, SERVER_IPV6] if self.server_ipv6 else [SERVER.host]
        server = network.host("server", *addresses)
        shared = self._shared(network)
        hosts = []
        for number, side in enumerate(self.sides, 1):
            host = self._place(network, number, side, shared)
            host.access(self.ways[number - 1])
            hosts.append(host)
        return server, hosts

    def _shared(self, network: VirtualNetwork) -> NAT | None:
        if self.together == "nothing":
            return None
        behaviour = self.sides[0].behaviours[0]
        return NAT("203.0.113.99", dice=network.dice("shared"), behaviour=behaviour, policy=self.sides[0].policy)

    def _place(self, network: VirtualNetwork, number: int, side: Side, shared: NAT | None) -> VirtualHost:
        name, dice = f"party {number}", network.dice(f"nat {number}")
        outer, inner, own6 = f"203.0.113.{number}", f"192.168.1.{number + 1}", f"2001:db8:{number}::2"
        if shared is not None and self.together == "home":
            return network.host(name, inner, behind=shared)
        behaviours = list(side.behaviours)
        box: Middlebox | None = shared
        if shared is not None:
            behaviours = behaviours[1:]
            outer = f"100.64.0.{number + 1}"
        if side.shape == "nat64":
            box = NAT64(outer, dice=dice, behaviour=behaviours[0], policy=side.policy)
            return network.host(name, own6, behind=box)
        for depth, behaviour in enumerate(behaviours):
            own = [outer] if depth == 0 else [f"100.64.{number}.{depth + 1}"]
            box = NAT(*(own if side.ipv4 else []), dice=dice, behaviour=behaviour, policy=side.policy, behind=box)
        if side.shape == "open":
            return network.host(name, outer)
        return network.host(name, *([inner] if side.ipv4 else []), *([own6] if side.ipv6 else []), behind=box)

    def server_for(self, side: Side) -> list[str]:
        """The addresses under which a side has the server in its configuration."""
        found = [SERVER.host] if side.ipv4 else [in_prefix(SERVER.host)] if side.nat64 else []
        return found + ([SERVER_IPV6] if side.ipv6 and self.server_ipv6 and not side.nat64 else [])


# --- by chance ----------------------------------------------------------------------------------------


def _behaviour(dice: random.Random, mapping: Dependence, hairpinning: bool = True) -> Behaviour:
    return Behaviour(
        mapping=mapping,
        filtering=dice.choice(ORDER),
        ports="random" if mapping is not EI else dice.choice(("random", "preserved")),
        parity=dice.random() < 0.5,
        hairpinning=hairpinning,
        timeout=dice.choice((30.0, 120.0, 300.0)),
        inbound_refresh=dice.random() < 0.5,
    )


def _side(dice: random.Random) -> Side:
    side = Side(dice.choice(SHAPES))
    match side.shape:
        case "nat":
            side.behaviours = [_behaviour(dice, dice.choice(ORDER))]
        case "twice":  # of which at most the outer one changes its ports, since two that do have no simple name
            outer = _behaviour(dice, dice.choice((EI, EI, PD)))
            side.behaviours = [outer, _behaviour(dice, EI)]
        case "nat64":
            side.behaviours, side.ipv4, side.ipv6, side.nat64 = [_behaviour(dice, EI)], False, True, True
        case "ipv6":  # behind a firewall that translates nothing
            side.behaviours, side.ipv4, side.ipv6 = [_behaviour(dice, EI)], False, True
        case "dual":
            side.behaviours, side.ipv6 = [_behaviour(dice, dice.choice(ORDER))], True
        case "firewall":
            side.policy = dice.choice((no_udp, only_https, nothing))
            side.behaviours = [_behaviour(dice, EI)]
    for behaviour in side.behaviours:
        side.mapping = stricter(side.mapping, behaviour.mapping)
        side.filtering = stricter(side.filtering, behaviour.filtering)
    return side


def _way(dice: random.Random) -> Impairments:
    if dice.random() < 0.3:
        return Impairments(delay=dice.uniform(0.001, 0.05))
    return Impairments(
        delay=dice.uniform(0.001, 0.075),
        jitter=dice.choice((0.0, dice.uniform(0, 0.03))),
        loss=dice.uniform(0, 0.105),  # on two links one after the other: up to 20 %
        reordering=dice.choice((0.0, dice.uniform(0, 0.1))),
        duplication=dice.choice((0.0, dice.uniform(0, 0.05))),
    )


def topology(seed: int) -> Topology:
    """The topology of a seed."""
    dice = random.Random(f"topology {seed}")
    sides = _side(dice), _side(dice)
    together: Literal["nothing", "carrier", "home"] = "nothing"
    hairpinning = dice.random() < 0.7
    chance = dice.random()
    if all(side.shape in ("nat", "twice") for side in sides) and chance < 0.4:
        together = "home" if all(side.shape == "nat" for side in sides) else "carrier"
        carrier = _behaviour(dice, dice.choice((EI, EI, PD)), hairpinning)
        for side in sides:
            inner = [] if together == "home" else [_behaviour(dice, EI)]
            side.behaviours = [carrier, *inner]
            side.mapping = carrier.mapping
            side.filtering = carrier.filtering if not inner else stricter(carrier.filtering, inner[0].filtering)
    return Topology(
        seed, sides, together, hairpinning, dice.random() < 0.7, dice.random() < 0.5, (_way(dice), _way(dice))
    )  # fmt: skip


__all__ = ["HTTPS", "Side", "Topology", "topology"]
